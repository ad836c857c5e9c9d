"""The pages behind the wall: of an alert, of a call, of an agent's day. Pure: records in, what the browser draws out.

Shapes are JSON (``docs/wall.md``); times are Unix seconds. Text is masked already where it comes from. What somebody is
not to see is not handed in: of alerts only those are told that come with their card.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from msgspec import Struct

from dashboards.wall.course import Course, Line, Marked, News, Span, Talk
from dashboards.wall.views import Card, Person, person_of
from streams.alerts import AlertChange, Clause, Severity, Wording, typeset_zh
from streams.call import Call, Phase
from streams.detectors.conditions import Explained
from streams.events import AnyEvent, Direction, Party, Role, Tick
from streams.explain import Record, Verdict
from streams.numbers import mask
from streams.rulebook.book import Rulebook
from streams.rulebook.page import in_words
from streams.verdicts import WEEK_S, Judgement, Standing

#: Why there is no explanation: the call's record is gone or not whole; its words are, by the rules of retention; its
#: rulebook is; the rule counts across calls.
WhyNot = Literal["", "record", "words", "rulebook", "across"]
#: What the archive has put away of a call by its rules of retention: what was said; all but the figures.
Gone = Literal["", "words", "record"]


class CallPage(Struct, frozen=True, omit_defaults=True):
    """One call from its beginning to its end, or to now. ``listened``: it was heard, so missing words mean silence.

    ``gone``: what retention has taken. Of a call whose record is gone ``figures`` has what is left.
    """

    id: str
    began_at: float
    phase: Phase
    now: float
    direction: Direction = "inbound"
    queue: str = ""
    caller: str = ""
    ended_at: float | None = None
    ended_by: Party | None = None
    agents: tuple[Person, ...] = ()
    spans: tuple[Span, ...] = ()
    talk: tuple[Talk, ...] = ()
    lines: tuple[Line, ...] = ()
    alerts: tuple[Card, ...] = ()
    listened: bool = False
    gone: Gone = ""
    figures: CallLine | None = None


class Why(Struct, frozen=True, omit_defaults=True):
    """A condition: what it asks, the answer (yes, no, wait, never), on what it rests, and the conditions inside it."""

    asks: str
    answer: str
    because: str = ""
    at: float | None = None
    parts: tuple[Why, ...] = ()


class Step(Struct, frozen=True, omit_defaults=True):
    """One change of the alert: opened, raised or cleared. ``known_at``: when it could be told, where that was later;
    ``why``: what it rests on, of the changes after the first.
    """

    state: str
    severity: Severity
    at: float
    says: str
    en: Wording | None = None
    known_at: float | None = None
    why: tuple[Why, ...] = ()


class Proof(Struct, frozen=True, omit_defaults=True):
    """Words that the alert rests on, as ``streams.events.Evidence``."""

    role: Role
    text: str
    start: float
    end: float
    match: str = ""
    by_sound: bool = False
    meant: str = ""


class AlertPage(Struct, frozen=True, omit_defaults=True):
    """All about one alert. ``why``: what its first change rests on; where it is empty, ``why_not`` says the reason.

    ``call`` None: the call's record is gone. ``earlier``: alerts of the same agent and rule in the seven days before,
    the newest first. ``others``: further calls that it is about. ``fires``: when its rule fires, in Chinese sentences.
    ``archived``: older than the wall knows, so nothing is done with it any more.
    """

    card: Card
    clause: Clause
    rulebook: str
    steps: tuple[Step, ...]
    also: tuple[Clause, ...] = ()
    advice: str = ""
    proofs: tuple[Proof, ...] = ()
    call: CallPage | None = None
    why: tuple[Why, ...] = ()
    why_not: WhyNot = ""
    earlier: tuple[Card, ...] = ()
    history: tuple[Judgement, ...] = ()
    others: tuple[str, ...] = ()
    fires: tuple[str, ...] = ()
    archived: bool = False


class CallLine(Struct, frozen=True, omit_defaults=True):
    """A call in the list of a day. Durations in seconds."""

    id: str
    began_at: float
    phase: Phase
    direction: Direction = "inbound"
    queue: str = ""
    caller: str = ""
    ended_at: float | None = None
    ended_by: Party | None = None
    agents: tuple[Person, ...] = ()
    ring_s: float = 0.0
    talk_s: float = 0.0
    held_s: float = 0.0
    alerts: int = 0
    worst: Severity | None = None


class AgentPage(Struct, frozen=True, omit_defaults=True):
    """An agent's day, the newest first. Days are ``YYYY-MM-DD`` of the site; ``first``: the earliest that can be looked
    at, "" where only today can.
    """

    agent: Person
    day: str
    today: str = ""
    first: str = ""
    calls: tuple[CallLine, ...] = ()
    alerts: tuple[Card, ...] = ()


def call_page(
    call: str, events: Iterable[AnyEvent], changes: Iterable[AlertChange], cards: Iterable[Card], now: float
) -> CallPage | None:
    """The page of ``call`` from its record; None: nothing is known of it.

    ``cards``: the alerts that may be told (of other calls they are left out); ``changes`` hold their evidence.
    """
    course, own = Course(call), sorted((c for c in cards if c.call == call), key=lambda c: (c.opened_at, c.id))
    for event in events:
        course.take(event)
    shown = {card.id for card in own}
    for change in changes:
        if change.id in shown:
            course.mark(change)
    known = course.call(now)
    if known is None:
        return None
    return CallPage(
        id=call,
        began_at=known.came_at,
        phase=known.phase,
        now=now,
        direction=known.direction,
        queue=known.queue or "",
        caller=mask(known.caller or ""),
        ended_at=known.ended_at,
        ended_by=known.ended_by,
        agents=_people(known),
        spans=course.spans(now),
        talk=course.talk(now),
        lines=course.lines,
        alerts=tuple(own),
        listened=course.listened,
    )


def alert_page(  # noqa: PLR0913 - one argument a source
    alert: str,
    changes: Iterable[AlertChange],
    events: Iterable[AnyEvent],
    cards: Iterable[Card],
    standing: Standing,
    book: Rulebook | None,
    now: float,
) -> AlertPage | None:
    """The page of ``alert``; None: none of the changes, or none of the cards, is about it.

    ``changes``: all of this alert, oldest first, and those of the call's others as far as they are known; ``events``:
    the record of its call, empty where it is gone; ``cards``: its own, the call's, and the agent's of the last seven
    days; ``book``: the version that judged it, None where it is lost. Judges the call anew, which takes a while.
    """
    told, known, record = list(changes), list(cards), list(events)
    own = [change for change in told if change.id == alert]
    card = next((card for card in known if card.id == alert), None)
    if card is None or not own:
        return None
    rule = book.rule(card.rule) if book else None
    verdicts, why_not = _verdicts(own[0], record, book, now)
    steps = _steps(own, verdicts)
    others = dict.fromkeys(call for change in own for call in change.calls if call != card.call)
    return AlertPage(
        card=card,
        clause=own[0].clause,
        rulebook=own[0].rulebook,
        steps=tuple(steps),
        also=rule.also if rule else (),
        advice=typeset_zh(rule.advice) if rule else "",
        proofs=_proofs(own),
        call=call_page(card.call, record, told, known, now),
        why=_whys(verdicts[0]) if verdicts else (),
        why_not=why_not,
        earlier=_earlier(card, known),
        history=standing.history,
        others=tuple(others),
        fires=tuple(in_words(book, rule)) if book and rule else (),
    )


def on_the_line(call: Call) -> tuple[str, ...]:
    """Everybody who spoke with the customer, in order."""
    agents = (stretch.agent for stretch in (*call.stretches, call.present))
    return tuple(dict.fromkeys(agent for agent in agents if agent))


def agents_of(call: Call) -> tuple[str, ...]:
    """Whose call it is: who was on the line, in order; as long as nobody was, whose phones ring."""
    return on_the_line(call) or tuple(call.ringing)


def _people(call: Call) -> tuple[Person, ...]:
    return tuple(person for agent in agents_of(call) if (person := person_of(agent, call.name_of(agent))))


def _verdicts(
    change: AlertChange, record: Sequence[AnyEvent], book: Rulebook | None, now: float
) -> tuple[tuple[Verdict, ...], WhyNot]:
    """What the rulebook says to the record once more: each change of the alert with what it rests on."""
    rule = book.rule(change.rule) if book and book.version == change.rulebook else None
    if change.calls or (rule and rule.crosses_calls):
        return (), "across"
    if not record:
        return (), "record"
    if book is None or rule is None:
        return (), "rulebook"
    own = [event for event in record if event.call == change.call]
    until = Tick(call=change.call, at=max([now, *(event.at for event in own)]))
    found = Record(book, [*own, until], only=rule.id).alert(change.id)
    return (found.verdicts, "") if found and found.verdicts else ((), "record")


def _steps(own: Sequence[AlertChange], verdicts: Sequence[Verdict]) -> list[Step]:
    """Each change as it was told then, once, with what the record says to it."""
    once = {(c.state, c.severity, c.at): c for c in own}
    left, steps = list(verdicts), list[Step]()
    for n, change in enumerate(sorted(once.values(), key=lambda c: c.at)):
        same = [v for v in left if isinstance(v.told, AlertChange) and _is_same(v.told, change)]
        verdict = same[0] if same else None
        if verdict:
            left.remove(verdict)
        late = verdict is not None and verdict.known_at - change.at >= 0.05
        steps.append(
            Step(
                state=change.state,
                severity=change.severity,
                at=change.at,
                says=change.says,
                en=change.en,
                known_at=verdict.known_at if verdict and late else None,
                why=_whys(verdict) if verdict and n else (),
            )
        )
    return steps


def _is_same(again: AlertChange, change: AlertChange) -> bool:
    """Whether it is this change that the record gives once more: marks of time may have come in another order live."""
    return (again.state, again.severity) == (change.state, change.severity)


def _whys(verdict: Verdict) -> tuple[Why, ...]:
    return tuple(map(_why, verdict.about))


def _why(found: Explained) -> Why:
    return Why(found.asks, found.answer, found.because, found.at, tuple(map(_why, found.parts)))


def _proofs(own: Iterable[AlertChange]) -> tuple[Proof, ...]:
    once = {(words.role, words.start, words.match): words for change in own for words in change.evidence}
    return tuple(
        Proof(
            role=words.role,
            text=words.text,
            start=words.start,
            end=words.end,
            match=words.match,
            by_sound=words.by_sound,
            meant=words.meant,
        )
        for words in sorted(once.values(), key=lambda words: (words.start, words.end))
    )


def _earlier(card: Card, cards: Iterable[Card]) -> tuple[Card, ...]:
    if card.agent is None:
        return ()
    same = (c for c in cards if c.id != card.id and c.rule == card.rule and c.agent and c.agent.id == card.agent.id)
    before = [c for c in same if card.opened_at - WEEK_S <= c.opened_at <= card.opened_at]
    return tuple(sorted(before, key=lambda c: c.opened_at, reverse=True))


__all__ = [
    "AgentPage",
    "AlertPage",
    "CallLine",
    "CallPage",
    "Line",
    "Marked",
    "News",
    "Proof",
    "Span",
    "Step",
    "Talk",
    "Why",
    "WhyNot",
    "agents_of",
    "alert_page",
    "call_page",
    "on_the_line",
]
