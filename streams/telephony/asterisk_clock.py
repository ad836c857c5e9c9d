"""One steady clock out of two that may jump: the time of arrival and the PBX's ``Timestamp`` header.

Owns the choice between them. Reads no clock itself: both times come in with each block.

All times are Unix seconds. :meth:`Clock.read` answers in *steady* seconds, which never go back by more than
``LIMIT_S``; before any jump they are the Unix time. After a jump back of the clock, ``shift_s`` says how far
the steady time is ahead of it. A call subtracts the shift of the moment in which it began: a call that is
open while the clock jumps keeps its own time (its hold stays 25 s long), one that begins after the jump has
the time that the clock shows then.
"""

from __future__ import annotations

import math

from streams.problem import Problem

#: disorder and network delay below this are normal; above it a clock is wrong
LIMIT_S = 5.0
#: blocks may come later than they were sent when we were held up; up to this it is no matter of clocks ...
BACKLOG_S = 120.0
#: ... unless every block is late for so long
BACKLOG_LASTS_S = 60.0
#: a smaller correction is never withdrawn: a quiet minute looks like a clock put forward
WITHDRAW_S = 60.0
LATEST_S = 1e11


class Clock:
    """Steady seconds for blocks. ``jumps`` counts the corrections; ``problem`` holds the last until taken."""

    def __init__(self) -> None:
        self.shift_s = 0.0
        self.jumps = 0
        self._skew_s: float | None = None
        self._late_since: float | None = None
        self._latest_sent = -math.inf
        self._latest = -math.inf
        self._problems: list[Problem] = []

    def read(self, arrived: float, stamp: str) -> float:
        """Steady seconds of a block that arrived at ``arrived`` and carries ``stamp`` (empty: none)."""
        if not (isinstance(arrived, int | float) and math.isfinite(arrived) and 0 <= arrived < LATEST_S):
            self._note(f"time of arrival {arrived!r} is no Unix time", "the time of the block before is used")
            arrived = max(self._latest - self.shift_s, 0.0)
        steady = self._wall(float(arrived), stamp) + self.shift_s
        steady = self._without_jump(steady)
        self._latest = max(self._latest, steady)
        return steady

    def take_problems(self) -> list[Problem]:
        """The corrections made since the last call."""
        taken, self._problems = self._problems, []
        return taken

    def _wall(self, arrived: float, stamp: str) -> float:
        if not stamp:
            return arrived
        try:
            sent = float(stamp)
        except ValueError:
            sent = math.nan
        if not math.isfinite(sent):
            self._note(f"Timestamp {stamp[:40]!r} is no number", "the time of arrival is used")
            return arrived
        if self._skew_s is None:
            self._skew_s = 0.0
            if abs(arrived - sent) > LIMIT_S:
                self._set_skew(arrived - sent)
        elif self._is_off(arrived, arrived - sent - self._skew_s, self._latest_sent - sent):
            self._set_skew(arrived - sent)
        self._latest_sent = sent
        return sent + self._skew_s

    def _is_off(self, arrived: float, late_s: float, back_s: float) -> bool:
        """Whether the PBX's clock has moved. A block that comes early proves it; a late one may have waited."""
        if back_s > LIMIT_S or not LIMIT_S < late_s <= BACKLOG_S:
            self._late_since = None
            return abs(late_s) > LIMIT_S
        if self._late_since is None:
            self._late_since = arrived
        return arrived - self._late_since > BACKLOG_LASTS_S

    def _set_skew(self, off_s: float) -> None:
        self._skew_s = 0.0 if abs(off_s) <= LIMIT_S else off_s
        self._late_since = None
        self._note(
            f"the PBX's clock is {-off_s:+.1f} s from ours",
            "its time stamps are corrected by that; keep both clocks on NTP",
        )

    def _without_jump(self, steady: float) -> float:
        back_s = self._latest - steady
        if back_s > LIMIT_S and math.isfinite(back_s):
            self.shift_s += back_s
            self._note(
                f"the clock went back by {back_s:.1f} s",
                "calls that are open keep their own time; new calls use the new one",
            )
            return self._latest
        if self.shift_s > WITHDRAW_S and -back_s >= self.shift_s:
            # the clock has been put right again
            steady -= self.shift_s
            self._note(f"the clock went forward again by {self.shift_s:.1f} s", "the correction is withdrawn")
            self.shift_s = 0.0
        return steady

    def _note(self, problem: str, mend: str) -> None:
        self.jumps += 1
        self._problems.append(Problem(problem, mend))
