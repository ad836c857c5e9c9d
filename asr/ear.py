"""The ear of one leg: sound in, events of the record out. No I/O, no clock; time is the count of samples.

::

    frames ─▶ blocks ─▶ speech? ─▶ idle ──onset──▶ utterance ──hangover──▶ final ─▶ idle
                                    │ every 2 s: a watermark, and everything is begun anew

An ear can be followed by another at :attr:`Ear.safe`, after a crash or on another machine, and nobody may notice. So
the ear *begins anew* itself, at the end of each utterance and every two seconds of silence, a little before the present
moment: it forgets everything and hears the last 0.3 s again. Whatever it says then, a fresh ear says too. Where nothing
can be begun anew (a sentence is open, or a number may go on in the next one), ``safe`` waits.
"""

from __future__ import annotations

from collections import deque
from math import ceil
from typing import NamedTuple

import numpy as np
from msgspec.structs import replace

from asr.audio import WIDTH, Frame
from asr.privacy import may_go_on
from asr.utterance import Engine, Utterance
from streams.events import AnyEvent, Gap, SpeechEnded, SpeechStarted, Transcript

__all__ = ["Ear", "Engine"]

#: Speech shorter than this, seconds, is a click.
ONSET_S = 0.09
#: A recogniser is given so much sound, seconds, from before the onset: consonants are soft.
PRE_S = 0.3
#: A sentence ends after a pause of this length, seconds. Inside the sample's sentences one pause in thirty is longer.
HANGOVER_S = 0.6
#: A sentence is no longer than this, seconds; it is cut at the quietest place of its last ``CUT_S``.
LONGEST_S, CUT_S = 18.0, 4.0
#: Watermarks, and new beginnings in silence, come at multiples of this time on the leg, seconds.
GRID_S = 2.0
#: A number may go on in the next sentence if that begins so soon, seconds.
GOES_ON_S = 8.0
#: A source that was silent for longer, seconds, was not there.
MOST_SILENT_S = 600.0


class Block(NamedTuple):
    """Sound of one decision, from sample ``start`` on."""

    start: int
    pcm: bytes
    voiced: bool = False

    @property
    def end(self) -> int:
        """The sample after its last one."""
        return self.start + len(self.pcm) // WIDTH

    @property
    def energy(self) -> float:
        """Mean square."""
        return float(np.mean(np.frombuffer(self.pcm, "<i2").astype(np.float64) ** 2))


class Ear:
    """Hears one leg; the methods answer with what it has to tell, in order."""

    def __init__(self, first: Frame, engine: Engine) -> None:
        """It begins where ``first`` does; that frame is still to be heard."""
        self._leg, self._engine = replace(first, pcm=b""), engine
        self._detector = engine.detector(first.rate)
        self._size = self._detector.block
        self._onset_blocks = ceil(self._samples(ONSET_S) / self._size)
        self._pre_blocks = ceil(self._samples(PRE_S) / self._size)
        self._most_kept = ceil(self._samples(CUT_S) / self._size)
        self._mutes: dict[int, int | None] = {}
        #: all sound up to this sample has come in; what does not fill a block waits in ``_rest``
        self._end = max(0, first.offset - first.silent)
        self._rest = bytearray()
        #: blocks to be heard, again or for the first time
        self._queue: deque[Block] = deque()
        #: the number that may go on: masked text, and until which sample
        self._before, self._before_until = "", 0
        #: since the last beginning: the latest blocks, and how many in a row are speech
        self._kept: deque[Block] = deque()
        self._run = 0
        self._utterance: Utterance | None = None
        self._begun = self._safe = self._spoken_to = self._end
        self._begin_anew(self._end)

    # -- what comes in ------------------------------------------------------------------------------

    @property
    def safe(self) -> int:
        """Every sample before it is done with: a fresh ear that begins there gives the very same further events."""
        return self._safe

    def hear(self, frame: Frame) -> list[AnyEvent]:
        """The next sound. What has been heard already is passed over; what is missing becomes a gap."""
        silent = min(frame.silent, self._samples(MOST_SILENT_S))
        events = self.lose(frame.offset - silent, "lost")
        if frame.offset > self._end:
            events += self._feed(bytes((frame.offset - self._end) * WIDTH))
        return events + self._feed(frame.pcm[(self._end - frame.offset) * WIDTH :])

    def lose(self, until: int, reason: str) -> list[AnyEvent]:
        """Sound up to sample ``until`` cannot be heard; an open sentence ends before it."""
        if until <= self._end:
            return []
        events, start, end = self._stop(), self._leg.at(self._end), self._leg.at(until)
        gap = Gap(call=self._leg.call, role=self._leg.role, at=end, start=start, end=end, reason=reason)
        self._end = until
        self._begin_anew(until)
        return [*events, gap]

    def mute(self, start: float, end: float | None) -> None:
        """The leg is held or transferring, Unix seconds (None: until further notice): nothing there is speech."""
        until = None if end is None else round((end - self._leg.begun) * self._leg.rate)
        self._mutes[round((start - self._leg.begun) * self._leg.rate)] = until

    def finish(self) -> list[AnyEvent]:
        """The leg is over: the last sentence ends, and all has been heard."""
        events = self._stop()
        if not events and self._begun < self._end:
            events = [self._watermark(self._end, self._end)]
        self._begin_anew(self._end)
        return events

    # -- blocks -------------------------------------------------------------------------------------

    def _feed(self, pcm: bytes) -> list[AnyEvent]:
        self._rest += pcm
        events: list[AnyEvent] = []
        width = self._size * WIDTH
        begins = self._end - (len(self._rest) - len(pcm)) // WIDTH
        self._end += len(pcm) // WIDTH
        whole = len(self._rest) // width * width
        for n in range(0, whole, width):
            self._queue.append(Block(begins + n // WIDTH, bytes(self._rest[n : n + width])))
            while self._queue:
                events += self._take(self._queue.popleft())
        del self._rest[:whole]
        return events

    def _take(self, block: Block) -> list[AnyEvent]:
        if self._is_muted(block):
            return self._pass_over(block)
        crosses = self._crosses_grid(block)
        if crosses and self._can_begin_anew():
            self._hear_again(self._kept[-self._pre_blocks].start, block)
            return []
        block = block._replace(voiced=any(block.pcm) and self._detector.speech(block.pcm))
        self._kept.append(block)
        events = self._wait(block) if self._utterance is None else self._go_on(self._utterance, block)
        if crosses and not (self._utterance and self._utterance.told):  # it would take the place of a partial
            events.append(self._watermark(block.end))
        return events

    def _wait(self, block: Block) -> list[AnyEvent]:
        """Idle: does somebody begin to speak?"""
        self._run = self._run + 1 if block.voiced else 0
        while len(self._kept) > self._pre_blocks + self._onset_blocks:
            self._kept.popleft()
        if self._run < self._onset_blocks:
            return []
        onset = block.end - self._run * self._size
        before = self._before if onset < self._before_until else ""
        self._utterance = Utterance(self._leg, self._engine, self._kept[0].start, onset, before)
        self._spoken_to = block.end
        events: list[AnyEvent] = [SpeechStarted(call=self._leg.call, role=self._leg.role, at=self._leg.at(onset))]
        for kept in self._kept:
            events += self._utterance.feed(kept.pcm)
        return events

    def _go_on(self, utterance: Utterance, block: Block) -> list[AnyEvent]:
        """An utterance is open: is it over, or too long?"""
        while len(self._kept) > self._most_kept:
            self._kept.popleft()
        if block.voiced:
            self._spoken_to = block.end
        pause = block.end - self._spoken_to
        events = utterance.feed(block.pcm)
        if pause >= self._samples(HANGOVER_S):
            again = self._kept[-self._pre_blocks].start
            events += self._close(utterance, self._spoken_to, again, block.end)
            self._hear_again(again)
        elif block.end - utterance.start >= self._samples(LONGEST_S):
            quietest = self._quietest()
            events += self._close(utterance, quietest, quietest, block.end)
            self._hear_again(quietest)
        return events

    def _pass_over(self, block: Block) -> list[AnyEvent]:
        """Hold music, or a talk with a colleague: time goes on, and nothing is heard."""
        events = []
        if self._utterance is not None:
            events = self._close(self._utterance, self._spoken_to, block.start, block.start)
        self._begin_anew(block.end)
        return [*events, self._watermark(block.end)] if self._crosses_grid(block) else events

    def _stop(self) -> list[AnyEvent]:
        """Nothing follows directly: an open sentence ends here, with what does not fill a block."""
        events: list[AnyEvent] = []
        if self._utterance is not None:
            events = self._utterance.feed(bytes(self._rest))
            events += self._close(self._utterance, self._spoken_to, self._end, self._end)
        self._rest.clear()
        return events

    # -- utterances ---------------------------------------------------------------------------------

    def _close(self, utterance: Utterance, until: int, through: int, at: int) -> list[AnyEvent]:
        """The utterance ended at sample ``until``; at ``at`` everything up to ``through`` is known."""
        events, last = utterance.end(until, through, at)
        self._utterance = None
        over = SpeechEnded(call=self._leg.call, role=self._leg.role, at=self._leg.at(until))
        if last is None:  # no words; partials are withdrawn
            return [*events, over, self._watermark(at, through)]
        self._before = last.text if may_go_on(last.text) else ""
        self._before_until = until + self._samples(GOES_ON_S)
        return [*events, over, last]

    def _quietest(self) -> int:
        """The sample in the sound just heard where a sentence that is too long may be cut."""
        blocks = list(self._kept)[1:]
        energies = np.convolve([block.energy for block in blocks], np.full(3, 1 / 3), "same")
        return min(zip(blocks, energies, strict=True), key=lambda each: (each[0].voiced, each[1]))[0].start

    def _watermark(self, at: int, through: int | None = None) -> Transcript:
        """No words, and how far that is known: at most up to where the next sentence may begin."""
        if through is None:
            begins = self._kept[0].start if self._kept else self._begun
            through = self._utterance.start if self._utterance else begins
        known = self._leg.at(through)
        call, role = self._leg.call, self._leg.role
        return Transcript(
            call=call, role=role, at=self._leg.at(at), text="", start=known, end=known, final=False, through=known
        )

    # -- beginning anew -----------------------------------------------------------------------------

    def _begin_anew(self, at: int) -> None:
        """Forget everything, as an ear does not know that begins at sample ``at``."""
        self._detector.reset()
        self._kept.clear()
        self._utterance, self._run = None, 0
        self._begun = self._spoken_to = at
        if at >= self._before_until:
            self._before = ""
        if not self._before:
            self._safe = at

    def _can_begin_anew(self) -> bool:
        """Whether it is idle and nobody can have begun to speak."""
        last = list(self._kept)[-self._pre_blocks :]
        still = len(last) == self._pre_blocks and not any(block.voiced for block in last)
        return self._utterance is None and still and last[0].start > self._begun

    def _hear_again(self, at: int, *more: Block) -> None:
        """Begin anew at sample ``at``, and hear what came after it once more."""
        again = [*(block for block in self._kept if block.start >= at), *more]
        self._begin_anew(at)
        self._queue.extendleft(reversed(again))

    # -- arithmetic ---------------------------------------------------------------------------------

    def _samples(self, seconds: float) -> int:
        return round(seconds * self._leg.rate)

    def _crosses_grid(self, block: Block) -> bool:
        grid = self._samples(GRID_S)
        return block.end // grid > block.start // grid

    def _is_muted(self, block: Block) -> bool:
        return any(start <= block.start and (end is None or block.start < end) for start, end in self._mutes.items())
