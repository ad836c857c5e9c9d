"""What the tests of the ears' shell share: legs as frames, and an ear so simple that its right answers are plain."""

from __future__ import annotations

import wave
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from asr.audio import Frame
from asr.ear import Ear, Engine
from asr.scripted import LoudDetector, ScriptedRecogniser, silence, speak
from streams.events import AnyEvent, Gap, Role, SpeechEnded, SpeechStarted, Transcript

RATE = 8000
BEGUN = 1_700_000_000.0


def leg_of(
    sentences: Sequence[str], *, call: str = "c1", role: Role = "agent", stream: str = "s1", begun: float = BEGUN
) -> Iterator[Frame]:
    """Frames of 0.1 s: each sentence after a second of silence, two seconds of silence at the end."""
    pcm = b"".join(silence(1.0, RATE) + speak(text, 0.1, RATE) for text in sentences) + silence(2.0, RATE)
    yield from frames_of(pcm, call=call, role=role, stream=stream, begun=begun)


def frames_of(
    pcm: bytes, *, call: str = "c1", role: Role = "agent", stream: str = "s1", begun: float = BEGUN
) -> Iterator[Frame]:
    """Sound as frames of 0.1 s; the last one says so."""
    size = RATE // 10 * 2
    for at in range(0, len(pcm), size):
        yield Frame(
            call=call,
            role=role,
            stream=stream,
            begun=begun,
            rate=RATE,
            offset=at // 2,
            pcm=pcm[at : at + size],
            last=at + size >= len(pcm),
        )


def channels_of(path: Path) -> list[bytes]:
    """The PCM of each channel of a WAV file of 16 bit."""
    with wave.open(str(path)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, file.getnchannels())
    return [samples[:, n].tobytes() for n in range(samples.shape[1])]


def real_ear(first: Frame) -> Ear:
    """The ear of the product, with a recogniser that reads what is written into the sound."""
    return Ear(first, Engine(ScriptedRecogniser(delay_s=0.3), detector=LoudDetector))


class PlainEar:
    """A sentence begins with the first loud sample and ends after 0.4 s of silence; every second a watermark."""

    HANG = 2 * RATE // 5

    def __init__(self, first: Frame) -> None:
        self._first, self._at = first, first.offset
        self._begun: int | None = None
        self._loud_until = 0
        self._stream = ScriptedRecogniser().stream(RATE)
        self._muted: dict[float, float | None] = {}

    @property
    def safe(self) -> int:
        return self._at if self._begun is None else self._begun

    def mute(self, start: float, end: float | None) -> None:
        self._muted[start] = end

    def _is_muted(self, sample: int) -> bool:
        at = self._first.at(sample)
        return any(start <= at and (end is None or at < end) for start, end in self._muted.items())

    def hear(self, frame: Frame) -> list[AnyEvent]:
        events: list[AnyEvent] = []
        begins = frame.offset - frame.silent
        if begins > self._at:
            events += self.lose(begins, "lost")
        pcm = bytes(2 * (frame.offset - self._at)) + frame.pcm
        for at in range(0, len(pcm), 160):
            events += self._block(pcm[at : at + 160])
        return events

    def _block(self, pcm: bytes) -> list[AnyEvent]:
        start, self._at = self._at, self._at + len(pcm) // 2
        events: list[AnyEvent] = []
        if any(pcm) and not self._is_muted(start):
            if self._begun is None:
                self._begun = start
                events.append(self._told(SpeechStarted, start))
            self._loud_until = self._at
        if self._begun is not None:
            self._stream.feed(pcm)
            if self._at - self._loud_until >= self.HANG:
                events += self._close()
        elif self._at // RATE > start // RATE:
            events.append(self._transcript("", self._at, self._at, final=False))
        return events

    def _close(self) -> list[AnyEvent]:
        assert self._begun is not None
        text = "".join(heard.text for heard in self._stream.finish())
        begun, self._begun, self._stream = self._begun, None, ScriptedRecogniser().stream(RATE)
        told = self._transcript(text, begun, self._loud_until, final=True)
        return [self._told(SpeechEnded, self._loud_until), told]

    def _told(self, kind: type[SpeechStarted] | type[SpeechEnded], sample: int) -> SpeechStarted | SpeechEnded:
        return kind(call=self._first.call, role=self._first.role, at=self._first.at(sample))

    def _transcript(self, text: str, start: int, end: int, *, final: bool) -> Transcript:
        at = self._first.at
        return Transcript(
            call=self._first.call,
            role=self._first.role,
            at=at(self._at),
            text=text,
            start=at(start),
            end=at(end),
            final=final,
            through=at(self._at),
        )

    def finish(self) -> list[AnyEvent]:
        return self._close() if self._begun is not None else []

    def lose(self, until: int, reason: str) -> list[AnyEvent]:
        events, start, end = self.finish(), self._first.at(self._at), self._first.at(until)
        self._at = until
        gap = Gap(call=self._first.call, role=self._first.role, at=end, start=start, end=end, reason=reason)
        return [*events, gap]
