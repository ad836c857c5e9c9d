"""A call's timeline as a picture: phases, who spoke when, alerts of both runs, and the words around what changed.

Owns the geometry and what stands in the picture; the page's template owns the markup. Nothing here carries a whole
telephone number: words are masked, callers are not named. ::

    ①      ②            flags, one for each alert that is new, gone or changed
    ▒▒████████▒▒████    phases
      ▂▂  ▂▂▂▂   ▂▂     the agent's speech
        ▂▂    ▂▂▂       the customer's
      ◇      ◇          alerts by the book before (hollow)
             ◆          alerts by the book now (filled)
    0:00  1:00  2:00
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import reduce
from typing import NamedTuple

from msgspec import Struct

from streams import call as calls
from streams.alerts import Severity, by_sound_zh
from streams.backtest.compare import SAME_S, Alert, Change, Kind
from streams.backtest.traces import Line
from streams.call import Call, Fold, Stretch
from streams.events import AnyEvent, Gap, Role, SpeechEnded, SpeechStarted, Transcript
from streams.phrases.normal import masked

#: Units of the picture; the plot lies between these.
LEFT, RIGHT, WIDTH = 84.0, 988.0, 1000.0
#: Heights of a line of flags and of the whole below them, and how near flags may stand.
FLAG_H, BODY_H, FLAG_W = 22.0, 142.0, 22.0
#: An alert that comes so long, seconds, after the call's end is still on the picture's own scale.
AFTER_END_S = 30.0
#: Words so near, seconds, to what changed are shown, at most so many sentences.
AROUND_S, SENTENCES = 12.0, 6
#: Seconds between the marks of the axis: the first that gives few enough.
_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600)
_MARKS = 14


class Bar(Struct, frozen=True):
    """A stretch of time in the picture. ``kind``: a phase, ``speech`` or ``gap``; ``text``: what was said then."""

    x: float
    width: float
    kind: str
    text: str = ""
    ongoing: bool = False


class Sign(Struct, frozen=True):
    """An alert in the picture; ``kind`` empty: it is the same in both runs."""

    x: float
    run: str
    severity: Severity
    title: str
    says: str
    kind: Kind | None = None


class Flag(Struct, frozen=True):
    """The number of a change, above the moment it is about; ``y`` is the middle of it."""

    x: float
    y: float
    number: int
    kind: Kind


class Tick(Struct, frozen=True):
    """A mark of the axis."""

    x: float
    label: str


class Words(Struct, frozen=True):
    """A sentence near a change, cut at what the rule looked for: before it, it, and after it."""

    role: Role
    into_s: float
    before: str
    match: str
    after: str


class Item(Struct, frozen=True):
    """A change with its number and the words around it."""

    number: int
    change: Change
    words: tuple[Words, ...]


class Drawn(Struct, frozen=True):
    """A call's picture. Times in Unix seconds; ``ended_by`` empty: its end is not in the trace."""

    call: str
    begun_at: float
    lasted_s: float
    direction: str
    queue: str
    agents: tuple[str, ...]
    ended_by: str
    height: float
    top: float
    phases: tuple[Bar, ...]
    agent: tuple[Bar, ...]
    customer: tuple[Bar, ...]
    signs: tuple[Sign, ...]
    flags: tuple[Flag, ...]
    ticks: tuple[Tick, ...]
    items: tuple[Item, ...]


class _Scale(NamedTuple):
    """From Unix seconds to the picture's units; what lies outside is put at its edge."""

    start: float
    end: float

    def x(self, at: float) -> float:
        share = (min(max(at, self.start), self.end) - self.start) / max(self.end - self.start, 1.0)
        return round(LEFT + share * (RIGHT - LEFT), 1)


def draw(lines: Sequence[Line], changes: Sequence[Change], before: Iterable[Alert], now: Iterable[Alert]) -> Drawn:
    """The picture of one call: ``changes`` are flagged, ``before`` and ``now`` are all of its alerts."""
    events = sorted((line.event for line in lines), key=lambda event: event.at)
    call, start = _folded(events), events[0].at
    end = call.ended_at or events[-1].at
    late = (change.alert.at for change in changes)
    scale = _Scale(start, max(end, events[-1].at, *(at for at in late if at <= end + AFTER_END_S), start + 1))
    flags = tuple(_flags(changes, scale))
    top = max((flag.y for flag in flags), default=0.0) + FLAG_H / 2
    return Drawn(
        call=call.id,
        begun_at=start,
        lasted_s=end - start,
        direction=call.direction,
        queue=call.queue or "",
        agents=tuple(_agents(call)),
        ended_by=call.ended_by or "",
        height=top + BODY_H,
        top=top,
        phases=tuple(_phases(call, scale)),
        agent=tuple(_speech(events, "agent", scale)),
        customer=tuple(_speech(events, "customer", scale)),
        signs=tuple(_signs(changes, before, now, scale)),
        flags=flags,
        ticks=tuple(_ticks(scale)),
        items=tuple(Item(n, change, tuple(_around(change, events))) for n, change in enumerate(changes, 1)),
    )


def clock(seconds: float, *, tenths: bool = False) -> str:
    """``75.3`` -> ``1:15``, with ``tenths`` ``1:15.3``; ``3675`` -> ``1:01:15``."""
    count = round(seconds * 10) if tenths else round(seconds) * 10
    minutes, rest = divmod(count, 600)
    hours, minutes = divmod(minutes, 60)
    whole = f"{hours}:{minutes:02}:" if hours else f"{minutes}:"
    return f"{whole}{rest // 10:02}" + (f".{rest % 10}" if tenths else "")


def _folded(events: Sequence[AnyEvent]) -> Call:
    begun: Fold = calls.begin(events[0])
    return reduce(calls.apply, events, begun).call


def _agents(call: Call) -> Iterator[str]:
    on_line = dict.fromkeys(s.agent for s in (*call.stretches, call.present) if s.agent)
    for agent in on_line:
        name = call.name_of(agent)
        yield masked(f"{name} {agent}" if name else agent)


def _phases(call: Call, scale: _Scale) -> Iterator[Bar]:
    last = Stretch(call.phase, call.since, scale.end, call.agent)
    for stretch in (*call.stretches, last):
        if stretch.phase != "ended" and scale.x(stretch.until) > scale.x(stretch.since):
            x = scale.x(stretch.since)
            yield Bar(x, round(scale.x(stretch.until) - x, 1), stretch.phase, ongoing=stretch is last)


def _speech(events: Sequence[AnyEvent], role: Role, scale: _Scale) -> Iterator[Bar]:
    """Sounds by the speech marks; where there are none, by the words. Gaps too."""
    finals = [e for e in events if isinstance(e, Transcript) and e.role == role and e.final and e.text]
    sounds = list(_sounds(events, role, scale.end)) or [(e.start, max(e.start, e.end)) for e in finals]
    for start, end in sounds:
        said = [masked(e.text) for e in finals if e.start < end and e.end > start]
        x = scale.x(start)
        yield Bar(x, max(1.5, round(scale.x(end) - x, 1)), "speech", " ".join(said))
    for gap in events:
        if isinstance(gap, Gap) and gap.role == role:
            yield Bar(scale.x(gap.start), max(1.5, round(scale.x(gap.end) - scale.x(gap.start), 1)), "gap")


def _sounds(events: Sequence[AnyEvent], role: Role, end: float) -> Iterator[tuple[float, float]]:
    since: float | None = None
    for event in events:
        if isinstance(event, SpeechStarted) and event.role == role and since is None:
            since = event.at
        elif isinstance(event, SpeechEnded) and event.role == role and since is not None:
            yield since, event.at
            since = None
    if since is not None:
        yield since, end


def _signs(changes: Sequence[Change], before: Iterable[Alert], now: Iterable[Alert], scale: _Scale) -> Iterator[Sign]:
    flagged: dict[str, set[tuple[str, float]]] = {"before": set(), "now": set()}
    for change in changes:
        for run, alert in (("before", change.before), ("now", change.now)):
            if alert is not None:
                flagged[run].add((alert.id, alert.at))
                yield _sign(alert, run, scale, change.kind)
    for run, alerts in (("before", before), ("now", now)):
        yield from (_sign(alert, run, scale, None) for alert in alerts if (alert.id, alert.at) not in flagged[run])


def _sign(alert: Alert, run: str, scale: _Scale, kind: Kind | None) -> Sign:
    return Sign(scale.x(alert.at), run, alert.severity, alert.title, alert.last.says, kind)


def _flags(changes: Sequence[Change], scale: _Scale) -> Iterator[Flag]:
    """Flags stand above their moment, in as many lines as it takes for none to cover another."""
    taken: list[float] = []
    for number, change in enumerate(changes, 1):
        x = scale.x(change.alert.at)
        level = next((n for n, last in enumerate(taken) if x - last >= FLAG_W), len(taken))
        taken[level : level + 1] = [x]
        yield Flag(x, FLAG_H / 2 + FLAG_H * level, number, change.kind)


def _ticks(scale: _Scale) -> Iterator[Tick]:
    length = scale.end - scale.start
    step = next((s for s in _STEPS if length / s <= _MARKS), _STEPS[-1])
    at = 0
    while at <= length:
        yield Tick(scale.x(scale.start + at), clock(at))
        at += step


def _around(change: Change, events: Sequence[AnyEvent]) -> Iterator[Words]:
    """The sentences around what proves the alert, or around its moment; what the rule looked for is set apart."""
    proof = change.alert.evidence
    since, until = (proof[0].start, proof[-1].end) if proof else (change.alert.at, change.alert.at)
    finals = [e for e in events if isinstance(e, Transcript) and e.final and e.text]
    near = [e for e in finals if e.end >= since - AROUND_S and e.start <= until + AROUND_S]
    near.sort(key=lambda e: min(abs(e.start - words.start) for words in proof) if proof else abs(e.start - since))
    for event in sorted(near[:SENTENCES], key=lambda e: e.start):
        text = masked(event.text)
        fits = (w for w in proof if w.role == event.role and event.start - SAME_S <= w.start <= event.end + SAME_S)
        match = next((w.match for w in fits if w.match and w.match in text), "")
        head, _, tail = text.partition(match) if match else (text, "", "")
        yield Words(event.role, event.start - events[0].at, head, match, tail + by_sound_zh(event.by_sound))
