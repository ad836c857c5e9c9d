"""Vosk: any of its models, with words, their times and confidence.

Vosk decides by itself where a sentence ends and then begins a new one; here its sentences are joined, for the ear says
what an utterance is. Its library writes to stderr; that is switched off.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import vosk
from msgspec import Struct

from asr.models import Model, guarded
from asr.recogniser import Capabilities, Heard, ModelError

vosk.SetLogLevel(-2)  # at -1 it still warns, several times an utterance

#: A word may come so late, and one that has come may change for so long, seconds.
_UNSURE_S, _SETTLED_S = 2.0, 5.0


#: Vosk hears differently in other pieces: they are always of this length, whatever the frames.
_BLOCK_S = 0.1


class _Word(Struct):
    word: str
    start: float
    end: float
    conf: float = 1.0


class _Result(Struct):
    result: tuple[_Word, ...] = ()
    partial_result: tuple[_Word, ...] = ()


#: ``[unk]``, ``[laughter]``, ``<noise>``: no words.
_NOISE = re.compile(r"\[.*\]|<.*>")
_decoder = msgspec.json.Decoder(_Result)


class VoskRecogniser:
    """A loaded model. ``grammar``: hear only these words and phrases.

    Raises ModelError where the model cannot be loaded, or knows a word of the grammar not at all.
    """

    def __init__(self, model: Model, *, grammar: Sequence[str] = (), language: str = "zh") -> None:
        guarded(model)
        self.name = f"vosk {model.name}"
        self.capabilities = Capabilities(confidence=True, language=language)
        try:
            with _steady(model.folder) as folder:
                self._model = vosk.Model(str(folder))
        except Exception as error:  # Vosk raises nothing more exact
            raise ModelError(f"{model.folder}: the model cannot be loaded: {error} (fetch it again)") from error
        self._grammar = self._checked(grammar)

    def stream(self, rate: int) -> VoskStream:
        """A new utterance; Vosk itself takes any rate."""
        options = (self._grammar,) if self._grammar else ()
        recogniser = vosk.KaldiRecognizer(self._model, rate, *options)
        recogniser.SetWords(True)
        recogniser.SetPartialWords(True)
        return VoskStream(recogniser, rate)

    def _checked(self, grammar: Sequence[str]) -> str:
        words = {word for phrase in grammar for word in phrase.split()}
        unknown = sorted(word for word in words if self._model.vosk_model_find_word(word) < 0)
        if unknown:
            raise ModelError(
                f"{self.name} does not know {', '.join(unknown)} (setting ears.grammar: words as the model has them, "
                "with spaces between them)"
            )
        rest = ["[unk]"] if self._model.vosk_model_find_word("[unk]") >= 0 else []
        return json.dumps([*grammar, *rest], ensure_ascii=False) if grammar else ""


class VoskStream:
    """One utterance; see :class:`asr.recogniser.Stream`."""

    def __init__(self, recogniser: Any, rate: int) -> None:
        self._recogniser, self._rate = recogniser, rate
        self._block = 2 * round(_BLOCK_S * rate)
        self._waiting = bytearray()
        self._fed = 0
        self._sure = 0.0
        self._said: tuple[Heard, ...] = ()
        self._partial: tuple[Heard, ...] | None = ()

    def feed(self, pcm: bytes) -> None:
        """Take the next sound."""
        self._waiting += pcm
        while len(self._waiting) >= self._block:
            self._accept(bytes(self._waiting[: self._block]))
            del self._waiting[: self._block]

    def _accept(self, pcm: bytes) -> None:
        self._fed += len(pcm) // 2
        if self._recogniser.AcceptWaveform(pcm):
            self._said += _heard(_decoder.decode(self._recogniser.Result()).result)
            self._partial = ()
        else:
            self._partial = None

    @property
    def heard(self) -> tuple[Heard, ...]:
        """Words so far."""
        if self._partial is None:  # to be asked costs Vosk time: only when somebody wants to know
            self._partial = _heard(_decoder.decode(self._recogniser.PartialResult()).partial_result)
        return self._said + self._partial

    @property
    def through(self) -> float:
        """What Vosk takes for a whole sentence is sure; in the one that goes on, what is old."""
        fed, words = self._fed / self._rate, self.heard[len(self._said) :]
        sure = min(fed - _UNSURE_S, max(words[0].start, fed - _SETTLED_S) if words else fed)
        self._sure = max(self._sure, sure, self._said[-1].end if self._said else 0.0)
        return self._sure

    def finish(self) -> tuple[Heard, ...]:
        """Everything, with the last word."""
        if self._fed or self._waiting:
            self._accept(bytes(self._waiting))
            self._said += _heard(_decoder.decode(self._recogniser.FinalResult()).result)
        self._partial = ()
        return self._said


def _heard(words: Sequence[_Word]) -> tuple[Heard, ...]:
    return tuple(
        Heard(word.word, word.start, max(word.start, word.end), min(1.0, max(0.0, word.conf)))
        for word in words
        if not _NOISE.fullmatch(word.word)
    )


@contextmanager
def _steady(folder: Path) -> Iterator[Path]:
    """The model as it is, but for Kaldi's dither: with random noise in it, sound heard again gives other words."""
    with tempfile.TemporaryDirectory(prefix="sansheng-vosk-") as made:
        for part in folder.resolve().iterdir():
            if part.name != "conf":
                (Path(made) / part.name).symlink_to(part)
        shutil.copytree(folder / "conf", Path(made) / "conf", copy_function=shutil.copyfile)
        with (Path(made) / "conf" / "mfcc.conf").open("a", encoding="utf-8") as options:
            options.write("\n--dither=0\n")
        yield Path(made)
