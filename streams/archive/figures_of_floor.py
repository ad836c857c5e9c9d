"""The hotline's days, counted. Pure: rows in, figures out. Only calls that have ended count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.structs import replace

from streams.archive.figures_days import Span
from streams.archive.figures_facts import (
    SLOT_S,
    Alike,
    FloorRows,
    Named,
    Slot,
    Sure,
    counts_against,
    grouped,
    hour_of,
    hours_between,
    sure,
)
from streams.archive.figures_numbers import Spread, share
from streams.verdicts import Precision


class Offer(Struct, frozen=True):
    """Inbound calls that have ended. ``known``: of these it is known how long they waited (not of one found talking).

    ``other``: neither answered nor given up: the system ended them.
    """

    name: str = ""
    offered: int = 0
    answered: int = 0
    known: int = 0
    in_time: int = 0
    abandoned: int = 0

    @property
    def other(self) -> int:
        """Neither answered nor given up."""
        return self.offered - self.answered - self.abandoned

    @property
    def level(self) -> float | None:
        """The service level: answered in time, of all of which the wait is known."""
        return share(self.in_time, self.known)


class RuleOfFloor(Struct, frozen=True):
    """A rule's alerts on the whole hotline. ``by_severity``: critical, warning, notice."""

    rule: str
    title: str
    title_en: str
    trial: bool
    by_severity: tuple[int, int, int]
    sure: Sure
    appealed: int

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.by_severity)


class ClauseBroken(Struct, frozen=True):
    """Alerts, none on trial, that rest on one clause. ``right``: found so, and no appeal open."""

    clause: str
    rules: int
    right: int
    wrong: int
    open: int


class FloorFigures(Struct, frozen=True):
    """The hotline's days. ``deaf``: calls answered to which nobody listened, of ``answered`` in both directions.

    ``up`` and ``lost`` count nowhere else. ``unclear``: alerts whose clause is not kept any more.
    """

    span: Span
    total: Offer
    outbound: int
    outbound_answered: int
    up: int
    lost: int
    answered: int
    deaf: int
    spreads: dict[str, Spread]
    by_queue: tuple[Offer, ...]
    by_day: tuple[Offer, ...]
    by_hour: tuple[Offer, ...]
    rules: tuple[RuleOfFloor, ...]
    trial: tuple[RuleOfFloor, ...]
    clauses: tuple[ClauseBroken, ...]
    unclear: int


def floor_figures(rows: FloorRows, span: Span, zone: ZoneInfo) -> FloorFigures:
    """The figures of the whole hotline."""
    slots, alike, named = rows.slots, rows.alike, rows.named
    ended = [slot for slot in slots if slot.state == "ended"]
    inbound = [slot for slot in ended if slot.direction == "inbound"]
    outbound = [slot for slot in ended if slot.direction == "outbound"]
    queues = {slot.queue for slot in inbound}
    clauses, unclear = _clauses([a for a in alike if not a.trial], named)
    by_hour = _offers(inbound, lambda slot: hour_of(slot.slot * SLOT_S, zone))
    return FloorFigures(
        span=span,
        total=_offer("", inbound),
        outbound=sum(slot.calls for slot in outbound),
        outbound_answered=sum(slot.answered for slot in outbound),
        up=sum(slot.calls for slot in slots if slot.state == "up"),
        lost=sum(slot.calls for slot in slots if slot.state == "lost"),
        answered=sum(slot.answered for slot in ended),
        deaf=sum(slot.deaf for slot in ended),
        spreads=rows.spreads,
        by_queue=_all(_offers(inbound, lambda slot: slot.queue), sorted(queues)),
        by_day=_all(_offers(inbound, lambda slot: slot.day), [str(each) for each in span.dates]),
        by_hour=_all(by_hour, hours_between([*by_hour])),
        rules=_rules([a for a in alike if not a.trial], named),
        trial=_rules([a for a in alike if a.trial], named),
        clauses=clauses,
        unclear=unclear,
    )


def _all(offers: Mapping[str, Offer], names: Iterable[str]) -> tuple[Offer, ...]:
    return tuple(offers.get(name, Offer(name)) for name in names)


def _offers(slots: Iterable[Slot], key: Callable[[Slot], str]) -> dict[str, Offer]:
    return {name: _offer(name, own) for name, own in grouped(slots, key).items()}


def _offer(name: str, slots: Iterable[Slot]) -> Offer:
    found = Offer(name)
    for slot in slots:
        found = replace(
            found,
            offered=found.offered + slot.calls,
            answered=found.answered + slot.answered,
            known=found.known + slot.known,
            in_time=found.in_time + slot.in_time,
            abandoned=found.abandoned + slot.abandoned,
        )
    return found


def _rules(alike: Iterable[Alike], named: Mapping[tuple[str, str], Named]) -> tuple[RuleOfFloor, ...]:
    """The most alerts first; worded as in the version with the most of them."""
    found = []
    for rule, own in grouped(alike, lambda a: a.rule).items():
        most = max(own, key=lambda a: a.alerts)
        wording = named.get((rule, most.rulebook), Named(rule, "", ""))
        findings = Counter[str]()
        severities = Counter[str]()
        for each in own:
            findings[each.finding] += each.alerts
            severities[each.severity] += each.alerts
        judged = Precision(findings["true"], findings["false"], findings["open"])
        appealed = sum(a.alerts for a in own if a.appeal == "open")
        by_severity = (severities["critical"], severities["warning"], severities["notice"])
        found.append(
            RuleOfFloor(rule, wording.title, wording.title_en, own[0].trial, by_severity, sure(judged), appealed)
        )
    return tuple(sorted(found, key=lambda r: (-r.total, r.rule)))


def _clauses(alike: Iterable[Alike], named: Mapping[tuple[str, str], Named]) -> tuple[tuple[ClauseBroken, ...], int]:
    """The most broken first: by what was found right, then by what is open. And how many alerts name none."""
    by_clause = grouped(alike, lambda a: named.get((a.rule, a.rulebook), Named("", "", "")).clause)
    unclear = sum(a.alerts for a in by_clause.pop("", ()))
    found = []
    for clause, own in by_clause.items():
        right = sum(a.alerts for a in own if counts_against(a))
        wrong = sum(a.alerts for a in own if a.finding == "false" and a.appeal != "open")
        rest = sum(a.alerts for a in own) - right - wrong
        found.append(ClauseBroken(clause, len({a.rule for a in own}), right, wrong, rest))
    return tuple(sorted(found, key=lambda c: (-c.right, -c.open, c.clause))), unclear
