"""The course of one call: its phases, who spoke when, and the words, with those marked that alerts rest on.

One fold for the page of a call and for who follows it live, so that both show the same. Pure: told event by event, it
reads no clock. Knows nothing of Kafka and sockets, and nothing of who may see it.

::

    transcript, partial ──▶ the unfinished line of that party ──▶ replaced by the next, or by the final
    transcript, final   ──▶ a line; one of the same start replaces it
    watermark           ──▶ no line; what was unfinished before it is withdrawn
    gap                 ──▶ a line of kind "gap"
    alert               ──▶ marks in the lines that its evidence was heard in
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import pairwise
from typing import Literal, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from dashboards.wall.views import Person, person_of
from streams.alerts import SEVERITIES, AlertChange, Severity
from streams.call import LATE_S, SILENT_PHASES, Call, Phase, Stretch, is_telephony
from streams.core import SILENT_S, CallState, NoRules, step
from streams.events import (
    AgentRinging,
    AnyEvent,
    CallTransferring,
    Evidence,
    Gap,
    LegTapped,
    Mark,
    Role,
    SpeechEnded,
    SpeechStarted,
    Tick,
    Transcript,
)
from streams.phrases.normal import Normal, masked, normal
from streams.talk import AHEAD_S, SPOT_S

#: Losses of one party that follow each other this closely, seconds, are one.
ONE_GAP_S = 0.5
_NO_RULES = NoRules()

Kind = Literal["said", "gap"]
Key = tuple[Role, Kind, float]


class Marked(Struct, frozen=True, omit_defaults=True):
    """A part of a line's text that an alert rests on; several may overlap.

    ``start`` to ``end`` count UTF-16 units, as JavaScript's ``slice`` does. ``meant``: the phrase that the words sound
    like; ``heard``: the words that the alert rests on, where the line says something else by now.
    """

    start: int
    end: int
    alert: str
    rule: str
    severity: Severity
    meant: str = ""
    heard: str = ""


class Line(Struct, frozen=True, omit_defaults=True):
    """A sentence, or (``kind`` gap) a time in which nothing could be heard. Role, kind and start tell it from others.

    ``final`` False: still being spoken. ``aside``: said while the call was held or transferring, so it is music or a
    talk with a colleague, and no rule counts it. In news, a sentence without text takes away what stood there.
    """

    role: Role
    start: float
    end: float
    text: str = ""
    kind: Kind = "said"
    final: bool = True
    by_sound: bool = False
    aside: bool = False
    masked: tuple[str, ...] = ()
    marks: tuple[Marked, ...] = ()


class Span(Struct, frozen=True, omit_defaults=True):
    """A phase of the call; ``until`` None: it goes on. ``rings``: whose phones began to ring in it; ``to``: to whom the
    call is being passed.
    """

    phase: Phase
    since: float
    until: float | None = None
    agent: Person | None = None
    held_by: Role | None = None
    to: Person | None = None
    rings: tuple[Person, ...] = ()


class Talk(Struct, frozen=True):
    """Somebody spoke; ``end`` None: and goes on. In news, one that ends where it starts takes away what stood there."""

    role: Role
    start: float
    end: float | None


class News(Struct, frozen=True, omit_defaults=True):
    """What is new or changed: lines and talk one by one, all spans, or None where these are as before."""

    lines: tuple[Line, ...] = ()
    talk: tuple[Talk, ...] = ()
    spans: tuple[Span, ...] | None = None

    def __bool__(self) -> bool:
        return bool(self.lines or self.talk) or self.spans is not None


class Course:
    """One call, told event by event. Not thread-safe."""

    def __init__(self, call: str) -> None:
        """Nothing is known yet of the call of that id."""
        self.id = call
        #: whether anybody recognised words of it, so that where none are, none were said
        self.listened = False
        self._state: CallState | None = None
        self._seq = -1
        self._said: dict[Key, _Said] = {}
        self._gaps: dict[Key, Gap] = {}
        self._sounds: dict[Role, dict[float, float | None]] = {"agent": {}, "customer": {}}
        self._hears_sounds: set[Role] = set()
        self._rings: list[tuple[float, str]] = []
        self._transfers: list[tuple[float, str | None]] = []
        self._severities: dict[str, Severity] = {}
        self._proofs: dict[tuple[str, Role, float, str], _Proof] = {}
        self._lines: dict[Key, Line] = {}
        self._stale: set[Key] = set()
        self._told_lines: dict[Key, Line] = {}
        self._told_talk: dict[tuple[Role, float], Talk] = {}
        self._told_spans: tuple[Span, ...] | None = None

    # ------------------------------------------------------------------------------------------ what comes in

    def take(self, event: AnyEvent) -> None:
        """Fold one event in. Those of other calls, and those that were delivered before, change nothing."""
        if event.call != self.id or isinstance(event, LegTapped | Mark | Tick):
            return
        if event.seq is not None:
            if event.seq <= self._seq:
                return
            self._seq = event.seq
        self._fold(event)
        match event:
            case Transcript():
                self._hear(event)
            case Gap():
                self._miss(event)
            case SpeechStarted():
                self._sounding(event)
            case SpeechEnded():
                self._silent(event)
            case AgentRinging():
                self._rings.append((event.at, event.agent))
            case CallTransferring():
                self._transfers.append((event.at, event.to))

    def mark(self, change: AlertChange) -> None:
        """Mark what an alert rests on. Only for alerts that whoever looks may see.

        A change of an alert about several calls quotes the newest of them, and those words are in no other call.
        """
        before = self._severities.get(change.id, change.severity)
        self._severities[change.id] = max(before, change.severity, key=SEVERITIES.index)
        for words in change.evidence if not change.calls or change.calls[-1] == self.id else ():
            key = (change.id, words.role, words.start, words.match)
            self._proofs.setdefault(key, _Proof(change.id, change.rule, words))
        for proof in self._proofs.values():
            if proof.alert == change.id:
                self._place(proof)

    def _fold(self, event: AnyEvent) -> None:
        """The call as the detector folds it. Words of a call that is known change no phase; they come often."""
        state = self._state
        if state is not None and not is_telephony(event):
            self._state = replace(state, heard_at=max(state.heard_at, event.at))
            return
        ended_at = state.fold.call.ended_at if state else None
        if ended_at is None or event.at <= ended_at + LATE_S:
            self._state = step(_NO_RULES, state, event).state or state
            self._stale |= self._said.keys()

    def _hear(self, event: Transcript) -> None:
        self.listened = True
        start = min(event.start, event.at + AHEAD_S)
        event = replace(event, start=start, end=max(start, event.end))
        key: Key = (event.role, "said", start)
        unfinished = [k for k, said in self._said.items() if k[0] == event.role and not said.event.final]
        if not event.final and not event.text:  # a watermark; all up to ``through`` is known, and a guess was wrong
            through = event.start if event.through is None else event.through
            self._replace(event.role, [k for k in unfinished if k[2] < through])
        elif event.final or key not in self._said or key in unfinished:
            self._replace(event.role, {*unfinished, key}, _Said(event) if event.text else None)

    def _replace(self, role: Role, gone: Sequence[Key] | set[Key], said: _Said | None = None) -> None:
        old = [self._said.pop(key) for key in gone if key in self._said]
        self._stale.update(gone)
        if said is not None:
            key: Key = (role, "said", said.event.start)
            self._said[key] = said
            self._stale.add(key)
        changed = [each.event for each in (*old, *((said,) if said else ()))]
        for proof in self._proofs.values():
            if proof.words.role == role and any(_is_near(proof.words, event) for event in changed):
                self._place(proof)

    def _miss(self, event: Gap) -> None:
        end = max(event.start, event.end)
        for (role, _, start), known in self._gaps.items():
            if (
                role == event.role
                and start - ONE_GAP_S <= event.start <= known.end + ONE_GAP_S
                and start <= event.start
            ):
                event, end = replace(event, start=start), max(end, known.end)
        self._gaps[event.role, "gap", event.start] = replace(event, end=end)
        self._stale.add((event.role, "gap", event.start))

    def _sounding(self, event: SpeechStarted) -> None:
        sounds = self._sounds[event.role]
        self._hears_sounds.add(event.role)
        if event.at not in sounds and None not in sounds.values() and not self._is_aside(event.at):
            sounds[event.at] = None

    def _silent(self, event: SpeechEnded) -> None:
        sounds = self._sounds[event.role]
        self._hears_sounds.add(event.role)
        start = next((start for start, end in sounds.items() if end is None), None)
        if start is not None:
            sounds[start] = max(start, event.at)

    def _is_aside(self, at: float) -> bool:
        return self._state is not None and self._state.fold.call.stretch_at(at).phase in SILENT_PHASES

    # ------------------------------------------------------------------------------------------ what goes out

    def call(self, now: float) -> Call | None:
        """What is known of it at ``now``, Unix seconds. None: nothing. One that fell silent hours ago has ended."""
        state = self._state
        if state is None:
            return None
        lost_at = state.heard_at + SILENT_S
        if state.fold.call.phase != "ended" and now >= lost_at:
            state = step(_NO_RULES, state, Tick(call=self.id, at=lost_at)).state or state
        return state.fold.call

    @property
    def lines(self) -> tuple[Line, ...]:
        """Everything said, in order of time."""
        for key in self._stale:
            line = self._line(key)
            if line is None:
                self._lines.pop(key, None)
            else:
                self._lines[key] = line
        self._stale.clear()
        return tuple(sorted(self._lines.values(), key=lambda line: (line.start, line.end, line.role)))

    def spans(self, now: float) -> tuple[Span, ...]:
        """Its phases up to ``now``; those that took no time are left out."""
        call = self.call(now)
        if call is None:
            return ()
        spans = [self._span(call, past, past.until) for past in call.stretches if past.until > past.since]
        return (*spans, *(() if call.phase == "ended" else (self._span(call, call.present, None),)))

    def talk(self, now: float) -> tuple[Talk, ...]:
        """Who spoke when: by the marks of a detector of speech, or where a party has none, by its words."""
        call = self.call(now)
        ended_at = call.ended_at if call else None
        found = [talk for role in self._sounds for talk in self._talk_of(role, ended_at)]
        return tuple(sorted(found, key=lambda talk: (talk.start, talk.role)))

    def news(self, now: float) -> News:
        """What is new or changed since it was asked last; the first time, all."""
        lines = {(line.role, line.kind, line.start): line for line in self.lines}
        talk = {(each.role, each.start): each for each in self.talk(now)}
        spans = self.spans(now)
        news = News(
            lines=(
                *(Line(key[0], key[2], key[2]) for key in self._told_lines if key not in lines),
                *(line for key, line in lines.items() if self._told_lines.get(key) != line),
            ),
            talk=(
                *(Talk(role, start, start) for role, start in self._told_talk if (role, start) not in talk),
                *(each for key, each in talk.items() if self._told_talk.get(key) != each),
            ),
            spans=None if spans == self._told_spans else spans,
        )
        self._told_lines, self._told_talk, self._told_spans = lines, talk, spans
        return news

    def _line(self, key: Key) -> Line | None:
        if gap := self._gaps.get(key):
            return Line(gap.role, gap.start, gap.end, kind="gap")
        said = self._said.get(key)
        if said is None:
            return None
        event = said.event
        return Line(
            role=event.role,
            start=event.start,
            end=event.end,
            text=said.text,
            final=event.final,
            by_sound=event.by_sound,
            aside=self._is_aside((event.start + event.end) / 2),
            masked=said.hidden,
            marks=tuple(self._marks(key, said.text)),
        )

    def _span(self, call: Call, stretch: Stretch, until: float | None) -> Span:
        passing, held = stretch.phase == "transferring", stretch.phase == "held"
        inside = (stretch.since, call.since + SILENT_S if until is None else until)
        to = [to for at, to in self._transfers if inside[0] <= at < inside[1]] if passing else []
        rang = dict.fromkeys(agent for at, agent in self._rings if inside[0] <= at < inside[1])
        return Span(
            phase=stretch.phase,
            since=stretch.since,
            until=until,
            agent=person_of(stretch.agent, call.name_of(stretch.agent)),
            held_by=stretch.held_by if held else None,
            to=person_of(to[-1], call.name_of(to[-1])) if to else None,
            rings=tuple(person for agent in rang if (person := person_of(agent, call.name_of(agent)))),
        )

    def _talk_of(self, role: Role, ended_at: float | None) -> Iterator[Talk]:
        if role not in self._hears_sounds:
            said = (s.event for s in self._said.values() if s.event.role == role)
            yield from (Talk(role, e.start, e.end) for e in said if not self._is_aside((e.start + e.end) / 2))
            return
        for start, end in self._sounds[role].items():
            last = ended_at if end is None else end
            yield Talk(role, start, last if last is None else max(start, last))

    # ------------------------------------------------------------------------------------------ marks

    def _place(self, proof: _Proof) -> None:
        """Find its words anew."""
        before = proof.places
        near = [said for said in self._said.values() if said.event.role == proof.words.role]
        near = sorted((said for said in near if _is_near(proof.words, said.event)), key=lambda said: said.event.start)
        proof.places = _places(proof.words, near)
        self._stale |= {(proof.words.role, "said", place.line) for place in (*before, *proof.places)}

    def _marks(self, key: Key, text: str) -> list[Marked]:
        found = [
            Marked(
                start=_in_utf16(text, place.start),
                end=_in_utf16(text, place.end),
                alert=proof.alert,
                rule=proof.rule,
                severity=self._severities[proof.alert],
                meant=proof.words.meant,
                heard=place.heard,
            )
            for proof in self._proofs.values()
            for place in proof.places
            if (proof.words.role, "said", place.line) == key
        ]
        return sorted(found, key=lambda mark: (mark.start, mark.end, mark.alert))


class _Piece(NamedTuple):
    """The characters ``first`` to ``last`` of a text, and when they were said."""

    first: int
    last: int
    start: float
    end: float


class _Place(NamedTuple):
    """Where evidence stands: in the line that starts then, its characters ``start`` to ``end``."""

    line: float
    start: int
    end: int
    heard: str = ""


class _Proof:
    """Words that an alert rests on, and where they stand."""

    def __init__(self, alert: str, rule: str, words: Evidence) -> None:
        self.alert, self.rule, self.words = alert, rule, words
        self.places: tuple[_Place, ...] = ()


class _Said:
    """One transcript as it is shown. Long numbers are hidden here too, as they are in alerts: not every recogniser that
    somebody connects hides them.
    """

    def __init__(self, event: Transcript) -> None:
        self.event, self.text = event, masked(event.text)
        kinds: list[str] = [each.kind for each in event.masked]
        self.hidden = tuple(dict.fromkeys((*kinds, *(("number",) if self.text != event.text else ()))))

    @cached_property
    def normal(self) -> Normal:
        """The text as phrases are compared with it."""
        return normal(self.text)

    @cached_property
    def pieces(self) -> tuple[_Piece, ...]:
        """The words with their times; the whole, where these are not known."""
        found: list[_Piece] = []
        at = 0
        for word in self.event.words:
            first = self.text.find(word.text, at) if word.text else -1
            if first < 0:
                found = []
                break
            at = first + len(word.text)
            found.append(_Piece(first, at, word.start, max(word.start, word.end)))
        return tuple(found) or (_Piece(0, len(self.text), self.event.start, self.event.end),)

    def time_of(self, index: int) -> float:
        """When the character at ``index`` was said."""
        piece = next((p for p in self.pieces if index < p.last), self.pieces[-1])
        share = (index - piece.first) / max(1, piece.last - piece.first)
        return piece.start + (piece.end - piece.start) * min(1.0, max(0.0, share))

    def during(self, start: float, end: float) -> tuple[int, int]:
        """The characters that were said between these times, Unix seconds."""
        length = len(self.text)
        if len(self.pieces) == 1:
            took = max(1e-3, self.event.end - self.event.start)
            shares = [min(1.0, max(0.0, (at - self.event.start) / took)) for at in (start, end)]
            first = min(int(shares[0] * length), length - 1)
            return first, max(first + 1, round(shares[1] * length))
        inside = [p for p in self.pieces if start < (p.start + p.end) / 2 < end]
        return (inside[0].first, inside[-1].last) if inside else (0, 0)


def _is_near(words: Evidence, event: Transcript) -> bool:
    """A spotter and a recogniser differ by so much about when a word was said."""
    return words.start - SPOT_S <= event.end and event.start <= words.end + SPOT_S


def _places(words: Evidence, near: Sequence[_Said]) -> tuple[_Place, ...]:
    """Where the words stand: what reads like them, nearest to their time; otherwise what was said at their time."""
    wanted = normal(words.match).text
    found = [*_alone(wanted, near), *_across(wanted, near)] if wanted else []
    if found:
        times = {said.event.start: said for said in near}
        return min(found, key=lambda places: abs(times[places[0].line].time_of(places[0].start) - words.start))
    lasting = [(min(s.event.end, words.end) - max(s.event.start, words.start), s) for s in near]
    overlap, said = max(lasting, key=lambda each: each[0], default=(0.0, None))
    if said is None or overlap <= 0:
        return ()
    start, end = said.during(words.start, words.end)
    return (_Place(said.event.start, start, end, words.match),) if end > start else ()


def _alone(wanted: str, near: Sequence[_Said]) -> Iterator[tuple[_Place, ...]]:
    """Inside one line."""
    for said in near:
        text, origin = said.normal
        for at in _all(text, wanted):
            yield (_Place(said.event.start, origin[at], origin[at + len(wanted) - 1] + 1),)


def _across(wanted: str, near: Sequence[_Said]) -> Iterator[tuple[_Place, ...]]:
    """From the end of one line into the next."""
    for one, two in pairwise(near):
        seam = len(one.normal.text)
        for at in _all(one.normal.text + two.normal.text, wanted):
            until = at + len(wanted) - seam
            if at < seam and until > 0:
                yield (
                    _Place(one.event.start, one.normal.origin[at], one.normal.origin[-1] + 1),
                    _Place(two.event.start, two.normal.origin[0], two.normal.origin[until - 1] + 1),
                )


def _all(text: str, wanted: str) -> Iterator[int]:
    at = text.find(wanted)
    while at >= 0:
        yield at
        at = text.find(wanted, at + 1)


def _in_utf16(text: str, index: int) -> int:
    """The index as JavaScript counts it."""
    return index + sum(char > "\uffff" for char in text[:index])


__all__ = ["Course", "Line", "Marked", "News", "Span", "Talk"]
