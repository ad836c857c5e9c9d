"""Syllables become characters, for people to read: rules go by the sound.

A word lattice over toned pinyin and the trigram model of libime (the input method of Fcitx; Debian's
``libime-data-language-model``, 17 MB, mapped into memory and shared by all processes). The words are the model's own,
their sounds are pypinyin's. Tones may be wrong, and in words of several syllables what the line blurs (zh/z, in/ing …).
Where the model is missing, syllables are spelt: ``NinHao``.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import kenlm
from pypinyin.contrib.tone_convert import to_tone3
from pypinyin.phrases_dict import phrases_dict
from pypinyin.pinyin_dict import pinyin_dict

from asr.pinyin import toneless
from asr.recogniser import ModelError

#: The file of the package, and where systems put it.
NAME = "zh_CN.lm"
PLACES = ("/usr/lib/*/libime", "/usr/lib64/libime", "/usr/lib/libime", "/usr/local/lib/libime")
MEND = "apt-get install libime-data-language-model"

#: A model of fewer words is none to read by.
_FEWEST = 1000
#: Words longer than this are taken apart. All weights are log10 of a probability.
_LONGEST = 5
_WRONG_TONE, _NO_TONE, _BLURRED, _RARE_SOUND = -1.5, -0.4, -2.0, -1.3
#: A digit read out, one of three or more; with the wrong tone.
_DIGIT, _DIGIT_TONE = -1.3, -1.2
#: A syllable that is no word of the model.
_UNKNOWN = -8.0
#: So many words are tried for each stretch of sound, so many ways of reading are followed.
_WORDS, _WAYS = 16, 8
#: Beginnings of utterances of which the readings are kept: partials grow, and are read again.
_KEPT = 4096
#: Stretches of sound of which the words are kept.
_STRETCHES = 8192

#: What is said on the telephone all day, which a model of written Chinese does not know as one; weight a character.
_FORMULAS = ("您好", "喂", "让您", "为您", "您稍等", "报一下", "什么事", "快说", "再不", "叫你们", "叫你们领导")
_FORMULA = -1.6

_BLUR = re.compile(r"(?<=[zcs])h|(?<=[iae]n)g|^n(?=[aeiouv])")
_DIGITS = {"ling": "零", "yi": "一", "yao": "幺", "er": "二", "san": "三", "si": "四", "wu": "五", "liu": "六"}
_DIGITS |= {"qi": "七", "ba": "八", "jiu": "九"}
_DIGIT_TONES = {"ling": "2", "er": "4", "si": "4", "wu": "3", "liu": "4", "jiu": "3"}


class _Word(NamedTuple):
    """``fit``: how well it fits what was heard; what the model does not know has no other weight."""

    text: str
    fit: float
    known: bool = True
    is_spelt: bool = False


class _Way(NamedTuple):
    """One way of reading the syllables so far; ``state`` is the model's memory of it."""

    score: float
    state: kenlm.State
    word: str
    last: _Way | None
    is_spelt: bool = False


class Reader:
    """Reads Mandarin. Safe to share by all legs of one thread; deterministic."""

    def __init__(self, model: Path | None = None) -> None:
        """Raises ModelError where ``model``, or else the system's, is missing or broken."""
        path = model or _found()
        try:
            self._model = kenlm.Model(str(path))
            words = _vocabulary(path)
        except (OSError, RuntimeError, UnicodeError) as error:
            raise ModelError(f"{path}: no language model to read by ({error}); mend: {MEND}") from None
        self._lexicon = _lexicon(list(dict.fromkeys((*words, *_FORMULAS))))
        self._start = kenlm.State()
        self._model.BeginSentenceWrite(self._start)
        self._nothing = kenlm.State()
        self._model.NullContextWrite(self._nothing)
        self._words = lru_cache(maxsize=_STRETCHES)(self._candidates)
        self._ways = lru_cache(maxsize=_KEPT)(self._column)

    def read(self, sounds: Sequence[str]) -> tuple[str, ...]:
        """One character for each syllable (``ni3``); one that no word has is spelt."""
        heard = tuple(sounds)
        for end in range(1, len(heard)):  # column by column, so that none has to go far back
            self._ways(heard[:end])
        way: _Way | None = self._ways(heard)[0]
        read: list[str] = []
        while way is not None and way.word:
            read[:0] = [way.word] if way.is_spelt else way.word
            way = way.last
        return tuple(read)

    def _column(self, heard: tuple[str, ...]) -> tuple[_Way, ...]:
        """The best ways of reading all of ``heard``, best first."""
        if not heard:
            return (_Way(0.0, self._start, "", None),)
        best: dict[kenlm.State, _Way] = {}
        for size in range(1, min(_LONGEST, len(heard)) + 1):
            for word in self._words(heard[-size:]):
                for last in self._ways(heard[:-size]):
                    self._follow(best, last, word)
        return tuple(sorted(best.values(), key=lambda way: -way.score)[:_WAYS])

    def _follow(self, best: dict[kenlm.State, _Way], last: _Way, word: _Word) -> None:
        state = kenlm.State()
        likely = self._model.BaseScore(last.state, word.text, state)
        score = last.score + word.fit + (likely if word.known else 0.0)
        if state not in best or best[state].score < score:
            best[state] = _Way(score, state, word.text, last, word.is_spelt)

    def _candidates(self, heard: tuple[str, ...]) -> tuple[_Word, ...]:
        """The words that these syllables may be, best first."""
        plain = [toneless(sound) for sound in heard]
        fits = {
            text: fit
            for text in self._lexicon.get(" ".join(map(_blurred, plain)), "").split()
            if (fit := _fit(text, heard)) is not None
        }
        best = sorted(fits, key=lambda text: (-fits[text] - self._prior(text), text))[:_WORDS]
        words = [_Word(text, fits[text]) for text in best]
        words += [_Word(text, fits[text] + _FORMULA * len(text), known=False) for text in _FORMULAS if text in fits]
        if len(heard) >= 3 and all(sound in _DIGITS for sound in plain):
            words.append(_read_out(heard, plain))
        if len(heard) == 1 and not words:
            words.append(_Word(_spelt(heard[0]), _UNKNOWN, known=False, is_spelt=True))
        return tuple(words)

    def _prior(self, text: str) -> float:
        """How frequent the word is."""
        return float(self._model.BaseScore(self._nothing, text, kenlm.State()))


def spelt(sounds: Sequence[str]) -> tuple[str, ...]:
    """What is shown where there is no model to read by: ``Nin``, ``Hao``."""
    return tuple(_spelt(sound) for sound in sounds)


def _spelt(sound: str) -> str:
    return toneless(sound).replace("v", "ü").capitalize() or "?"


def _found() -> Path:
    for place in PLACES:
        for path in sorted(Path("/").glob(f"{place[1:]}/{NAME}")):
            return path
    raise ModelError(f"{NAME} is not on this system, looked in {', '.join(PLACES)}; mend: {MEND}")


def _vocabulary(path: Path) -> list[str]:
    """The words of a KenLM model lie at its end, each closed by a zero byte, ``<unk>`` first."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        first = content.rfind(b"<unk>\0")
        words = content[first:].decode().split("\0") if first >= 0 else []
    if len(words) < _FEWEST:
        raise ModelError(f"{path}: no word list in it; mend: {MEND}")
    return [word for word in words if 0 < len(word) <= _LONGEST and all(ord(char) in pinyin_dict for char in word)]


def _lexicon(words: Sequence[str]) -> dict[str, str]:
    """The words, a space between them, by their blurred sound without tones."""
    by_sound: dict[str, str] = {}
    for word in words:
        for key in {" ".join(_blurred(toneless(sound)) for sound in sounds) for sounds in _sounds(word)}:
            by_sound[key] = f"{by_sound[key]} {word}" if key in by_sound else word
    return by_sound


def _sounds(word: str) -> Iterator[tuple[str, ...]]:
    """How a word is said, the usual way first: ``nin2 hao3``."""
    if word in phrases_dict:
        yield tuple(_toned(each[0]) for each in phrases_dict[word])
    elif len(word) == 1:
        yield from ((_toned(each),) for each in pinyin_dict[ord(word)].split(","))
    else:
        yield tuple(_toned(pinyin_dict[ord(char)].partition(",")[0]) for char in word)


@lru_cache(maxsize=4096)
def _toned(marked: str) -> str:
    return to_tone3(marked, neutral_tone_with_five=True)


@lru_cache(maxsize=4096)
def _blurred(sound: str) -> str:
    return _BLUR.sub(lambda blur: "l" if blur.group() == "n" else "", sound)


def _fit(text: str, heard: Sequence[str]) -> float | None:
    """How well the word fits what was heard, by the best of its sounds; none: it does not."""
    fits = [
        _weight(said, heard) + (_RARE_SOUND if n else 0.0)
        for n, said in enumerate(_sounds(text))
        if len(text) > 1 or toneless(said[0]) == toneless(heard[0])
    ]
    return max(fits, default=None)


def _weight(said: Sequence[str], heard: Sequence[str]) -> float:
    return sum(_difference(one, other) for one, other in zip(said, heard, strict=True) if one != other)


@lru_cache(maxsize=65_536)
def _difference(said: str, heard: str) -> float:
    weight = _BLURRED if toneless(said) != toneless(heard) else 0.0
    if said[-1] == heard[-1]:
        return weight
    return weight + (_NO_TONE if "5" in (said[-1], heard[-1]) else _WRONG_TONE)


def _read_out(heard: Sequence[str], plain: Sequence[str]) -> _Word:
    wrong = sum(sound[-1] != _DIGIT_TONES.get(each, "1") for sound, each in zip(heard, plain, strict=True))
    return _Word("".join(_DIGITS[each] for each in plain), _DIGIT * len(plain) + _DIGIT_TONE * wrong, known=False)
