"""Phrases heard by their sound while they are spoken: sherpa-onnx's KeywordSpotter.

Each role has its own phrases, so that a customer's words never count as the agent's. A phrase is given in characters
and looked for in every sound that it may have: readings of its characters, and the changes of tone in running speech
(一 and 不 before other tones, a third tone before a third). Knows the phrases it is given; of rules it knows nothing.
"""

from __future__ import annotations

import tempfile
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import sherpa_onnx
from msgspec import Struct
from pypinyin import Style, lazy_pinyin

from asr.intake import RATE_HZ, Intake
from asr.models import Model, guarded
from asr.pinyin import READ_OUT, is_pinyin, parts, tokens_of
from asr.recogniser import ModelError, Spot
from asr.sherpa_recogniser import TAIL_S, TOKEN_S, measured_chunk
from streams.events import Role

#: Sounds that one phrase is looked for in, at most.
_MOST_SOUNDS = 6
#: What the dictionary has in another sound than speech.
_COLLOQUIAL = {
    ("这", "zhè"): "zhèi",
    ("那", "nà"): "nèi",
    ("哪", "nǎ"): "něi",
    ("谁", "shuí"): "shéi",
    ("谁", "shéi"): "shuí",
    ("得", "de"): "děi",
    ("了", "le"): "la",
    ("啦", "la"): "le",
}
_THIRD, _FOURTH, _SECOND = {*"ǎěǐǒǔǚ"}, {*"àèìòùǜ"}, str.maketrans("ǎěǐǒǔǚ", "áéíóúǘ")


class Tuning(Struct, frozen=True):
    """``threshold``: how probable a phrase's syllables must be, 0 to 1; ``boost``: how much its paths are favoured.

    ``blanks``: so many silent steps of 40 ms must follow. Measured on half of the sentences: the threshold makes no
    difference from 0.15 to 0.35; a boost of 2.5 finds one sentence in thirty more and twice as many false ones.
    """

    threshold: float = 0.25
    boost: float = 1.0
    blanks: int = 1
    paths: int = 4


class SherpaSpotter:
    """A loaded spotter. ``unspeakable``: phrases that the model has no tokens for; they are not looked for.

    Raises ModelError where the model cannot be loaded, or is no streaming transducer of pinyin or characters.
    """

    def __init__(self, model: Model, phrases: Mapping[Role, Sequence[str]], tuning: Tuning | None = None) -> None:
        if model.kind != "transducer":
            raise ModelError(f"{model.folder}: the spotter needs a transducer; this is a {model.kind}")
        guarded(model)
        tokens = tokens_of(model.files["tokens"])
        self.unspeakable: list[str] = []
        self._roles: dict[Role, _Loaded] = {}
        for role, wanted in phrases.items():
            spoken = [(phrase, sounds(phrase, tokens)) for phrase in wanted]
            self.unspeakable += [phrase for phrase, ways in spoken if not ways]
            able = [(phrase, ways) for phrase, ways in spoken if ways]
            if able:
                engine = _loaded(model, able, tuning or Tuning())
                self._roles[role] = _Loaded(engine, measured_chunk(engine), [phrase for phrase, _ in able])

    def stream(self, rate: int, role: Role) -> SherpaSpotterStream:
        """A new utterance of that party."""
        return SherpaSpotterStream(self._roles.get(role, _Loaded(None, 0.0, [])), Intake(rate))


class _Loaded(NamedTuple):
    """The engine for one party (None: it has no phrases), the sound of one step, seconds, and the phrases by number."""

    engine: Any
    chunk_s: float
    phrases: Sequence[str]


class SherpaSpotterStream:
    """One utterance; see :class:`asr.recogniser.SpotterStream`. Without phrases for its party it hears nothing."""

    def __init__(self, loaded: _Loaded, intake: Intake) -> None:
        self._engine, self._chunk_s, self._phrases = loaded
        self._intake = intake
        self._stream: Any = self._engine.create_stream() if self._engine else None
        #: sherpa counts time anew after each hit: steps decoded since, and when that was
        self._steps, self._since = 0, 0.0

    def feed(self, pcm: bytes) -> list[Spot]:
        """Take the next sound; the phrases that ended in it."""
        return self._take(self._intake.take(pcm)) if self._engine else []

    def finish(self) -> list[Spot]:
        """Phrases at the very end."""
        if not self._engine:
            return []
        found = self._take(self._intake.rest()) + self._take(np.zeros(round(TAIL_S * RATE_HZ), np.float32))
        self._stream.input_finished()
        return found + self._decode()

    def _take(self, sound: np.ndarray[Any, Any]) -> list[Spot]:
        if not len(sound):
            return []
        self._stream.accept_waveform(RATE_HZ, sound)
        return self._decode()

    def _decode(self) -> list[Spot]:
        found = []
        while self._engine.is_ready(self._stream):
            self._engine.decode_stream(self._stream)
            self._steps += 1
            # sherpa tells a hit once only; its Python methods ask anew for each part of it
            hit = self._engine.keyword_spotter.get_result(self._stream)
            if hit.keyword:
                start, end = self._since + hit.timestamps[0], self._since + hit.timestamps[-1] + TOKEN_S
                found.append(Spot(self._phrases[int(hit.keyword)], round(start, 3), round(end, 3)))
                self._engine.reset_stream(self._stream)
                self._steps, self._since = 0, self._since + self._steps * self._chunk_s
        return found


def sounds(phrase: str, tokens: frozenset[str]) -> list[tuple[str, ...]]:
    """The phrase in the model's tokens, once for each way to say it; none where the model cannot spell it."""
    text = "".join(char for char in unicodedata.normalize("NFKC", phrase) if char.isalnum()).translate(READ_OUT)
    if text and all(char in tokens for char in text) and not is_pinyin(tokens):
        return [tuple(text)]
    ways = dict.fromkeys(tuple(token for each in way for token in parts(each)) for way in _ways(text))
    return [way for way in ways if way and all(token in tokens for token in way)][:_MOST_SOUNDS]


def _ways(text: str) -> Iterator[Sequence[str]]:
    """Marked pinyin of each syllable: as the dictionary says, with changed tones, and as many people say it."""
    # letters are said by their names, one by one; the models write them large
    letters: Any = lambda others: list(others.upper())  # noqa: E731
    for each in dict.fromkeys((text, *_spoken(text))):
        plain = lazy_pinyin(each, style=Style.TONE, errors=letters)
        yield plain
        yield [_changed(*each) for each in zip(each, plain, (*plain[1:], ""), strict=False)]
        yield [_COLLOQUIAL.get((char, sound), sound) for char, sound in zip(each, plain, strict=True)]


def _changed(char: str, sound: str, following: str) -> str:
    """The sound of a character in running speech, before another."""
    if char == "一" and following:
        return "yí" if _FOURTH & {*following} else "yì"
    if char == "不" and _FOURTH & {*following}:
        return "bú"
    return sound.translate(_SECOND) if _THIRD & {*following} else sound


def _spoken(text: str) -> Iterator[str]:
    """您 for 你, and digits as they are read out."""
    if "你" in text:
        yield text.replace("你", "您")
    if _has_digits(text):
        yield text.replace("一", "幺")


def _has_digits(text: str) -> bool:
    return sum(char in "零一二三四五六七八九" for char in text) >= 3


def _loaded(model: Model, spoken: Iterable[tuple[str, list[tuple[str, ...]]]], tuning: Tuning) -> Any:
    lines = [f"{' '.join(way)} @{n}" for n, (_, ways) in enumerate(spoken) for way in ways]
    with tempfile.TemporaryDirectory(prefix="sansheng-spotter-") as folder:
        file = Path(folder) / "keywords.txt"
        file.write_text("\n".join(lines) + "\n", "utf-8")
        try:
            return sherpa_onnx.KeywordSpotter(
                **{name: str(path) for name, path in model.files.items()},
                keywords_file=str(file),
                num_threads=1,
                max_active_paths=tuning.paths,
                keywords_score=tuning.boost,
                keywords_threshold=tuning.threshold,
                num_trailing_blanks=tuning.blanks,
            )
        except (RuntimeError, AssertionError, ValueError) as error:
            raise ModelError(f"{model.folder}: the model cannot spot phrases: {error} (fetch it again)") from error
