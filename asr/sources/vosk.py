"""The protocol of vosk-server (alphacep/vosk-server, ``websocket/asr_server.py``), so that its clients work unchanged.

A client may send ``{"config": {"sample_rate": 8000}}``, then binary chunks of PCM, and awaits one JSON answer after
each: ``{"partial": …}`` or ``{"result": […], "text": …}``; ``{"eof": 1}`` asks for all that is left. Here the answers
are what the recognisers publish about this leg (:class:`Answers`). The other settings of ``config`` belong to a
recogniser of one's own: only ``words`` is obeyed.
"""

from __future__ import annotations

import json
from collections import deque
from typing import Any

from asr.audio import RATES
from streams.events import Role, Transcript

from . import codec
from .items import Asked, Ended, Fault, Item, Opened, Sound, Source, head, json_object, section

#: What vosk-server takes where a client says nothing.
RATE = 8_000


class Vosk:
    """One client. ``encoding`` and ``rate`` as its address says, ``config`` may still change the rate."""

    source: Source = "vosk"

    def __init__(self, call: str, role: Role, *, encoding: codec.Encoding = "pcm", rate: int = RATE) -> None:
        self.call, self.role, self.rate, self.words = call, role, rate, True
        self._encoding, self._left, self._begun = encoding, b"", False

    def receive(self, message: str | bytes) -> list[Item]:
        """One message in."""
        return self._sound(message) if isinstance(message, bytes) else self._told(message)

    def end(self) -> list[Item]:
        """The connection is over."""
        return [Fault("half", "the sound ends with half a sample")] if self._left else []

    def _sound(self, data: bytes) -> list[Item]:
        """Chunks may be cut inside a sample."""
        data = self._left + data
        size = len(data) - len(data) % codec.width(self._encoding)
        self._left = data[size:]
        items: list[Item] = [] if self._begun else [Opened(self.call)]
        self._begun = True
        if size:
            items.append(Sound(codec.decode(self._encoding, data[:size]), self.rate, self.role))
        return [*items, Asked()]

    def _told(self, text: str) -> list[Item]:
        message = json_object(text)
        if isinstance(message, Fault):
            return [message, Asked()]  # a client that awaits an answer to everything must not hang
        if "config" in message:
            return self._configure(section(message, "config"))
        if message.get("eof"):
            return [Asked(final=True, over=True), Ended()]
        if message.get("reset"):
            return [Asked(final=True)]
        return [Fault("unknown", "a message that is neither config, eof nor reset", head(text)), Asked()]

    def _configure(self, config: dict[str, Any]) -> list[Item]:
        self.words = bool(config.get("words", self.words))
        asked = config.get("sample_rate", self.rate)
        rate = rate_of(asked)
        if rate is None:
            mend = f"{RATES[0]} to {RATES[1]}"
            return [Fault("rate", f"config.sample_rate is not taken ({mend})", head(str(asked)), fatal=True)]
        self.rate = rate
        return []


def rate_of(given: object) -> int | None:
    """A rate that frames can have."""
    try:
        rate = float(given)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return int(rate) if RATES[0] <= rate <= RATES[1] else None


class Answers:
    """What a vosk client is told about its leg, from the transcripts on ``calls``. ``begun``: Unix s of its start."""

    def __init__(self, begun: float) -> None:
        self.through = begun
        self._begun = begun
        self._partial, self._partial_from = "", begun
        self._finals: deque[Transcript] = deque(maxlen=1000)
        self._seen: set[tuple[float, str]] = set()

    def take(self, heard: Transcript) -> None:
        """A transcript of this leg; what an earlier connection gave is not ours, and nothing is told twice."""
        if heard.through is not None:
            self.through = max(self.through, heard.through)
        key = (heard.start, heard.text)
        if heard.start < self._begun - 0.001 or (heard.final and key in self._seen):
            return
        if heard.text and not heard.final:
            self._partial, self._partial_from = heard.text, heard.start
        elif heard.final or heard.start > self._partial_from:  # an empty one beyond it takes it back
            self._partial = ""
        if heard.final and heard.text:
            self._seen.add(key)
            self._finals.append(heard)

    def answer(self, *, words: bool = True) -> str:
        """The next sentence that is finished, else what is being said."""
        if self._finals:
            return self._told([self._finals.popleft()], words)
        return _json({"partial": self._partial})

    def last(self, *, words: bool = True) -> str:
        """All that has not been told."""
        finals, self._finals = list(self._finals), deque(maxlen=1000)
        return self._told(finals, words)

    def _told(self, heard: list[Transcript], words: bool) -> str:
        text = " ".join(transcript.text for transcript in heard)
        result = [
            {
                "conf": 1.0 if word.confidence is None else word.confidence,
                "end": round(word.end - self._begun, 6),
                "start": round(word.start - self._begun, 6),
                "word": word.text,
            }
            for transcript in heard
            for word in transcript.words
        ]
        return _json({"result": result, "text": text} if result and words else {"text": text})


def _json(answer: dict[str, Any]) -> str:
    return json.dumps(answer, ensure_ascii=False)
