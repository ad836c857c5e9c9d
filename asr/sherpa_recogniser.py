"""sherpa-onnx's streaming models: transducers and paraformers, of characters, word pieces or pinyin.

A model whose tokens are pinyin initials and toned finals hears *by sound*: its words are syllables (``sound`` is
``ni3``, ``text`` is empty); of others the words have text. One thread: streams are decoded one by one, as they are fed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import sherpa_onnx

from asr.intake import RATE_HZ, Intake
from asr.models import Model, guarded
from asr.pinyin import INITIALS, is_pinyin, syllable, tokens_of
from asr.recogniser import Capabilities, Heard, ModelError

#: Silence after the end, so that the last chunk is decoded and the last token comes out (0.4 s is enough, measured).
TAIL_S = 0.5
#: A syllable ends about so long after its last token, unless the next one begins sooner (median 0.06, 95 %: 0.16).
TOKEN_S = 0.1
#: Tokens as late as that behind what was decoded may still come or change (measured: 99 of 100 sooner).
_UNSURE_S = 0.5
#: Kept hypotheses; twice as many cost 10 % more and hear no better.
_PATHS = 4
#: Probabilities as they are: sherpa flattens them otherwise.
_TEMPERATURE = 1.0
#: Syllables less sure are none: a hum or digital silence gives 0.03 to 0.27, of right ones 1 % have less than 0.5.
_LEAST = 0.3
#: How word pieces say where a word begins, and that it goes on.
_BEGINS, _GOES_ON = "▁ ", "@@"


class Token(NamedTuple):
    """What the model gave, when, seconds, and the logarithm of its probability."""

    text: str
    at: float
    log_prob: float


class SherpaRecogniser:
    """A loaded model; a transducer follows so many ``paths`` (1: greedily). Raises ModelError where it is broken."""

    def __init__(self, model: Model, *, paths: int = _PATHS) -> None:
        guarded(model)
        self.name = f"sherpa {model.name}"
        self._engine = _loaded(model, paths)
        tokens = tokens_of(model.files["tokens"])
        exact = model.kind == "transducer"  # a paraformer tells neither times nor probabilities
        self.capabilities = Capabilities(by_sound=is_pinyin(tokens), word_times=exact, confidence=exact)
        self.chunk_s = measured_chunk(self._engine)

    def stream(self, rate: int) -> SherpaStream:
        """A new utterance."""
        return SherpaStream(self, self._engine, Intake(rate))


class SherpaStream:
    """One utterance; see :class:`asr.recogniser.Stream`."""

    def __init__(self, recogniser: SherpaRecogniser, engine: Any, intake: Intake) -> None:
        self._recogniser, self._engine, self._intake = recogniser, engine, intake
        self._stream = engine.create_stream()
        self._steps = 0
        self._heard: tuple[Heard, ...] | None = ()
        #: when each token came out, of a model that does not tell its time
        self._came: list[float] = []

    def feed(self, pcm: bytes) -> None:
        """Take the next sound; decodes whatever is complete."""
        self._take(self._intake.take(pcm))

    @property
    def heard(self) -> tuple[Heard, ...]:
        """Words so far; a syllable of which only the initial has been heard is none yet."""
        if self._heard is None:
            tokens = _tokens(self._engine.get_result_all(self._stream), self._came)
            self._heard = words_of(tokens, self._recogniser.capabilities)
        return self._heard

    @property
    def through(self) -> float:
        """What was decoded, less what the search may still change."""
        return max(0.0, self._steps * self._recogniser.chunk_s - _UNSURE_S)

    def finish(self) -> tuple[Heard, ...]:
        """Everything, with the last syllable."""
        self._take(self._intake.rest())
        self._take(np.zeros(round(TAIL_S * RATE_HZ), np.float32))
        self._stream.input_finished()
        self._decode()
        return self.heard

    def _take(self, sound: np.ndarray[Any, Any]) -> None:
        if len(sound):
            self._stream.accept_waveform(RATE_HZ, sound)
            self._decode()

    def _decode(self) -> None:
        while self._engine.is_ready(self._stream):
            self._engine.decode_stream(self._stream)
            self._steps += 1
            self._heard = None
            if not self._recogniser.capabilities.word_times:
                new = len(self._engine.tokens(self._stream)) - len(self._came)
                self._came += [self._steps * self._recogniser.chunk_s] * new


def measured_chunk(engine: Any) -> float:
    """Sound that one step of the model decodes, seconds: it is written in no place that can be read here."""
    stream, step = engine.create_stream(), np.zeros(RATE_HZ // 100, np.float32)
    ready: list[int] = []
    for n in range(1, 500):
        stream.accept_waveform(RATE_HZ, step)
        while engine.is_ready(stream):
            engine.decode_stream(stream)
            ready.append(n)
        if len(ready) > 2:
            break
    return (ready[-1] - ready[-2]) / 100 if len(ready) > 2 else _UNSURE_S


def words_of(tokens: Sequence[Token], capabilities: Capabilities) -> tuple[Heard, ...]:
    """Tokens joined to syllables or words, with their times and confidence."""
    parts = _syllables(tokens) if capabilities.by_sound else _pieces(tokens)
    starts = [part[0].at for part in parts[1:]] + [math.inf]
    found = [_word(part, before, capabilities) for part, before in zip(parts, starts, strict=False)]
    return tuple(word for word in found if not capabilities.by_sound or (word.confidence or 0) >= _LEAST)


def _word(part: list[Token], before: float, capabilities: Capabilities) -> Heard:
    start = round(part[0].at, 3)
    end = max(start, round(min(part[-1].at + TOKEN_S, before), 3))
    joined = "".join(token.text.strip(_BEGINS).removesuffix(_GOES_ON) for token in part)
    sound = syllable(joined) if capabilities.by_sound else None
    probability = math.exp(sum(token.log_prob for token in part) / len(part))
    confidence = round(min(1.0, probability), 3) if capabilities.confidence else None
    return Heard("" if sound else joined, start, end, confidence, sound)


def _syllables(tokens: Sequence[Token]) -> list[list[Token]]:
    """An initial and the final after it; a final or a letter alone. An initial without its final is left out."""
    found: list[list[Token]] = []
    initial: Token | None = None
    for token in tokens:
        if token.text in INITIALS:
            initial = token
            continue
        found.append([initial, token] if initial and syllable(initial.text + token.text) else [token])
        initial = None
    return found


def _pieces(tokens: Sequence[Token]) -> list[list[Token]]:
    """A Chinese character is a word; pieces of others are joined (``▁`` or a space begins a word, ``@@`` goes on)."""
    found: list[list[Token]] = []
    for token in tokens:
        if found and _goes_on(found[-1], token.text):
            found[-1].append(token)
        elif token.text.strip(_BEGINS):
            found.append([token])
    return found


def _goes_on(word: list[Token], text: str) -> bool:
    if word[-1].text.endswith(_GOES_ON):
        return True
    return word[0].text[0] in _BEGINS and text[0] not in _BEGINS and not _chinese(text) and not _chinese(word[-1].text)


def _tokens(result: Any, came: Sequence[float]) -> list[Token]:
    times = came or result.timestamps
    probs = result.ys_probs or [0.0] * len(result.tokens)
    return [Token(*each) for each in zip(result.tokens, times, probs, strict=False)]


def _chinese(text: str) -> bool:
    return any("\u4e00" <= char <= "\u9fff" for char in text)


def _loaded(model: Model, paths: int) -> Any:
    files = {name: str(path) for name, path in model.files.items()}
    try:
        if model.kind == "paraformer":
            return sherpa_onnx.OnlineRecognizer.from_paraformer(**files, num_threads=1)
        return sherpa_onnx.OnlineRecognizer.from_transducer(
            **files,
            num_threads=1,
            decoding_method="modified_beam_search" if paths > 1 else "greedy_search",
            max_active_paths=paths,
            temperature_scale=_TEMPERATURE,
        )
    except (RuntimeError, AssertionError, ValueError) as error:
        raise ModelError(f"{model.folder}: the model cannot be loaded: {error} (fetch it again)") from error
