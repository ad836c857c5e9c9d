"""What the evening found, as tables, and what did not hold, as sentences.

``gather`` asks Prometheus while it still runs; the rest is pure.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from bench import evening_alerts, evening_pages, evening_truth
from bench.evening_alerts import Expect, Fired, Span
from bench.evening_pages import Life, Outage, Told
from bench.evening_system import SITE, SPEED, Series
from bench.evening_truth import COUNTED, Message, Sent, Truth
from bench.lab.score import quantile
from bench.lab.tables import Table
from streams.events import AnyEvent
from streams.pager.deciding import PagerState, pages
from streams.shell.demo import TRACES
from tests.grafana_tools import BOARDS, Asked, Recorded, asked, boards
from tests.pager_receiver import Got

#: An alert that lived so long, seconds, must have been seen at Alertmanager: it is looked at every 5 s.
SEEN_S = 20.0
#: A message that was acknowledged so shortly before its worker was killed, seconds, may not have been counted any more.
IN_FLIGHT_S = 2.0
#: ALERTS is read so finely.
STEP_S = 5
_ALERTS = ("rule", "severity", "state")
_LONGEST = 70


class Killed(NamedTuple):
    """A worker that was killed: when, and what it had counted a moment before."""

    name: str
    instance: str
    at: float
    counted: Series


class Facts(NamedTuple):
    """All that was noted; the last four are filled in by ``gather``."""

    prometheus: Recorded
    spans: Mapping[str, Span]
    until: float
    truth: Truth
    in_time: Truth
    events: Sequence[AnyEvent]
    sent: Sequence[Sent]
    pages: Sequence[Message]
    letters: Sequence[Message]
    killed: Sequence[Killed]
    last: Sequence[Series]
    expected: Sequence[Expect]
    dead: Span | None
    hook: Sequence[Got]
    ding: Sequence[Got]
    shown: Sequence[Mapping[str, Any]]
    hears: bool
    fired: Sequence[Fired] = ()
    raw: Mapping[str, Sequence[Mapping[str, Any]]] = {}
    asked: Sequence[tuple[Asked, int]] = ()


def gather(facts: Facts) -> Facts:
    """Ask Prometheus for all that is compared."""
    here = facts.prometheus
    firing = here.ask(
        "query_range", query='ALERTS{alertstate="firing"}', start=here.since, end=here.until, step=STEP_S
    )["result"]
    raw = {
        name: here.ask("query", query=f"{name}[{int(here.until - here.since) + 60}s]", time=here.until)["result"]
        for name in ("sansheng_alerts_total", *COUNTED)
    }
    answered = [(one, len(here.series(one))) for name in BOARDS for one in asked(name, boards("en")[name])]
    return facts._replace(
        fired=[one for one in evening_alerts.spans_of(firing, STEP_S) if one.name.startswith("Sansheng")],
        raw=raw,
        asked=answered,
    )


def told(facts: Facts, left: Sequence[str]) -> tuple[list[Table], list[str]]:
    """The tables and the faults of the evening."""
    tables, faults = [], []
    for table, more in (
        _timeline(facts),
        _alerts_at_prometheus(facts),
        _changes(facts),
        _counts(facts),
        _calls(facts),
        _receivers(facts),
        _delays(facts),
        _alertmanager(facts),
        _dashboards(facts),
    ):
        tables.append(table)
        faults += more
    faults += [f"a process was left: {each}" for each in left]
    return tables, faults


Found = tuple[Table, list[str]]


# ------------------------------------------------------------------------------------------- the evening


def _timeline(facts: Facts) -> Found:
    begun = facts.prometheus.since
    rows = [
        (name, _clock(span.begun - begun), f"{span.ended - span.begun:.0f} s") for name, span in facts.spans.items()
    ]
    note = f"Captures at {SPEED} times their speed, the limits of the telephone divided by {SPEED}; " + (
        "two spoken calls at a time with their sound." if facts.hears else "no sound: the recogniser is left out."
    )
    return Table("The evening", ("part", "from", "for"), rows, note), []


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60:02}:{int(seconds) % 60:02}"


# ------------------------------------------------------------------------------------------- alerts at Prometheus


def _alerts_at_prometheus(facts: Facts) -> Found:
    rows = evening_alerts.compare(_expected(facts), facts.fired, facts.prometheus.until)
    shown = [
        (row.name, row.kind, "; ".join(_fired(one, facts) for one in row.fired) or "no", row.why, row.fault or "right")
        for row in rows
        if row.kind != "must not" or row.fired
    ]
    quiet = sum(row.kind == "must not" and not row.fired for row in rows)
    note = f"{quiet} more were judged from the record to be silent, and were; every other rule of ours was silent, too."
    table = Table("Alerts at Prometheus", ("alert", "expected", "fired", "why", "so it is"), shown, note)
    return table, [f"{row.name} {row.fault}: expected {row.kind} ({row.why})" for row in rows if row.fault]


def _fired(one: Fired, facts: Facts) -> str:
    begun, ended = (at - facts.prometheus.since for at in one.span)
    return f"{_clock(begun)} to {_clock(ended)}" + (f" ({one.labels})" if one.labels else "")


def _expected(facts: Facts) -> list[Expect]:
    span = Span(facts.prometheus.since, facts.prometheus.until)
    found = [*facts.expected, *evening_alerts.of_callers(facts.truth.counted, span)]
    found += evening_alerts.of_lateness(facts.sent, span, [killed.at for killed in facts.killed])
    found.append(evening_alerts.of_words(facts.events, span))
    found.append(evening_alerts.of_letters([letter.at for letter in facts.letters], span))
    if facts.dead:
        found.append(_receiver_down(facts, facts.dead))
    return found


def _receiver_down(facts: Facts, dead: Span) -> Expect:
    """It counts as down from the first page that it did not take until the next one that it did."""
    openings = [
        sent.logged_at for sent in facts.sent if dead.begun < sent.logged_at < dead.ended and pages(sent.change)
    ]
    outage = _outage(facts)
    down_s = outage.ended - min(openings) if openings and outage else 0.0
    kind = evening_alerts.lasted(down_s, 120)
    why = f"from the first page that it missed to the next one it took: {down_s:.0f} s, 2 min allowed"
    return Expect("SanshengPagerReceiverDown", kind, Span(dead.begun, outage.ended + 60 if outage else dead.ended), why)


def _outage(facts: Facts) -> Outage | None:
    if facts.dead is None:
        return None
    again = [got.at for got in facts.hook if got.taken and got.at > facts.dead.ended]
    return Outage(facts.dead.begun, min(again, default=float("inf")))


# ------------------------------------------------------------------------------------------- changes of alerts


def _changes(facts: Facts) -> Found:
    found = evening_truth.compare(facts.truth.changes, [one.change for one in facts.sent], facts.until)
    rows = [
        ("events of the record", f"{facts.truth.events:,}"),
        ("changes of alerts that must have been", f"{found.wanted:,}"),
        ("distinct changes on `alerts`", f"{found.found:,}"),
        ("sent again after a kill, with the same id", f"{found.doubles:,}"),
        ("lost", f"{len(found.lost):,}"),
        ("that should not be", f"{len(found.made_up):,}"),
        ("of one id and not the same", f"{len(found.differ):,}"),
        ("differ where words had come in time", f"{_differ(facts):,}"),
        ("messages that could not be read", f"{facts.truth.unreadable + len(facts.letters):,}"),
    ]
    faults = [f"lost: {_shown(change)}" for change in found.lost]
    faults += [f"should not be: {_shown(change)}" for change in found.made_up]
    faults += [f"two that are not the same: {key}" for key in found.differ]
    note = (
        "The record is the topic `calls`, judged again from its first message with the same rulebook. Its ticks tell "
        "how far a call's time had come when words came late; without them words are judged as if they had come in "
        "time."
    )
    return Table("Alerts by the record", ("", "number"), rows, note), faults


def _differ(facts: Facts) -> int:
    """Of what must have been; no fault: the recogniser was slowed so that words come late."""
    other = evening_truth.compare(facts.truth.changes, facts.in_time.changes, facts.until)
    return len(other.lost) + len(other.made_up)


def _shown(change: Any) -> str:
    return f"{change.rule} {change.severity} {change.state} of {change.id} at {change.at:.2f}"


# ------------------------------------------------------------------------------------------- figures


class Figure(NamedTuple):
    """One counter by its labels. ``unseen``: what a killed worker had counted after Prometheus had last looked."""

    labels: tuple[str, ...]
    wanted: int
    counted: float
    at_prometheus: float
    unseen: float
    in_flight: int

    @property
    def fault(self) -> str:
        """Empty: nothing is lost or double that cannot be explained to the last one."""
        if self.at_prometheus + self.unseen != self.counted:
            return "Prometheus and the processes do not agree"
        missing = self.wanted - self.counted
        return "" if 0 <= missing <= self.in_flight else f"{missing:+g} beside the record"


def figures(
    name: str,
    labels: Sequence[str],
    wanted: Mapping[tuple[str, ...], int],
    facts: Facts,
    flight: Counter[tuple[str, ...]],
) -> list[Figure]:
    """That counter as it must be, as the processes counted it, and as Prometheus has it."""
    own: Counter[tuple[str, ...]] = Counter()
    unseen: Counter[tuple[str, ...]] = Counter()
    for killed in facts.killed:
        own.update(_counted(killed.counted, name, labels))
        unseen.update(_counted(killed.counted, name, labels))
        unseen.subtract(_before_the_kill(facts.raw[name], killed, labels))
    for series in facts.last:
        own.update(_counted(series, name, labels))
    kills = {killed.instance: [killed.at] for killed in facts.killed}
    seen = evening_alerts.totals(facts.raw[name], labels, kills)
    keys = sorted({key for known in (wanted, own, seen) for key, value in known.items() if value})
    return [Figure(k, wanted.get(k, 0), own[k], seen.get(k, 0.0), unseen[k], flight[k]) for k in keys]


def _counted(series: Series, name: str, labels: Sequence[str]) -> Counter[tuple[str, ...]]:
    found: Counter[tuple[str, ...]] = Counter()
    for key, value in series.items():
        known = dict(key)
        if known["__name__"] == name:
            found[tuple(known.get(label, "") for label in labels)] += value  # type: ignore[assignment]
    return found


def _before_the_kill(
    raw: Sequence[Mapping[str, Any]], killed: Killed, labels: Sequence[str]
) -> Counter[tuple[str, ...]]:
    """What Prometheus had seen of that worker's life."""
    found: Counter[tuple[str, ...]] = Counter()
    for series in raw:
        values = [float(value) for at, value in series["values"] if at < killed.at]
        if series["metric"]["instance"] == killed.instance and values:
            key = tuple(series["metric"].get(label, "") for label in labels)
            found[key] += evening_alerts.total(values)  # type: ignore[assignment]
    return found


def _counts(facts: Facts) -> Found:
    """sansheng_alerts_total against `alerts`."""
    wanted = evening_truth.by_rule(one.change for one in facts.sent)
    flight = evening_truth.by_rule(one.change for one in facts.sent if _in_flight(facts, one.logged_at))
    found = figures("sansheng_alerts_total", _ALERTS, wanted, facts, flight)
    rows = [_row(" ".join(figure.labels), figure) for figure in found]
    rows.append(_row("all", _summed(found)))
    note = (
        "sansheng_alerts_total by rule, severity and state. The processes' own figures were read a moment before each "
        "kill and at the end; what Prometheus had not seen of a killed worker is what was counted after its last look. "
        f"A change that was on the topic at most {IN_FLIGHT_S:g} s before a kill may have been counted by nobody."
    )
    return Table("Changes of alerts as counted", _COLUMNS, rows, note), _figure_faults("sansheng_alerts_total", found)


_COLUMNS = ("", "must be", "counted by the processes", "at Prometheus", "unseen at a kill", "so it is")


def _row(what: str, figure: Figure) -> tuple[str, ...]:
    return (
        what,
        f"{figure.wanted:,}",
        f"{figure.counted:,.0f}",
        f"{figure.at_prometheus:,.0f}",
        f"{figure.unseen:,.0f}",
        figure.fault or "right",
    )


def _summed(found: Sequence[Figure]) -> Figure:
    return Figure(
        (),
        sum(f.wanted for f in found),
        sum(f.counted for f in found),
        sum(f.at_prometheus for f in found),
        sum(f.unseen for f in found),
        sum(f.in_flight for f in found),
    )


def _figure_faults(name: str, found: Sequence[Figure]) -> list[str]:
    return [f"{name} {' '.join(one.labels)}: {one.fault}; {_in_words(one)}" for one in found if one.fault]


def _in_words(one: Figure) -> str:
    return f"must be {one.wanted}, counted {one.counted:g}, at Prometheus {one.at_prometheus:g}, unseen {one.unseen:g}"


def _in_flight(facts: Facts, at: float) -> bool:
    return any(killed.at - IN_FLIGHT_S < at <= killed.at + IN_FLIGHT_S for killed in facts.killed)


def _calls(facts: Facts) -> Found:
    """Offered, in time and abandoned against the record."""
    rows, faults = [], []
    for name in COUNTED:
        mine = [one for one in facts.truth.counted if one.name == name]
        wanted: Counter[tuple[str, ...]] = Counter((one.queue,) for one in mine)
        flight: Counter[tuple[str, ...]] = Counter((one.queue,) for one in mine if _in_flight(facts, one.at))
        found = figures(name, ("queue",), wanted, facts, flight)
        rows += [_row(f"{name.removeprefix('sansheng_')} {figure.labels[0]}", figure) for figure in found]
        faults += _figure_faults(name, found)
    return Table("Calls as counted", _COLUMNS, rows, "By queue; what must be is the record's."), faults


# ------------------------------------------------------------------------------------------- pages


def _wanted(facts: Facts) -> dict[str, Any]:
    """The alerts that must page, by the record; of the last seconds only those that did."""
    got = {one.page for one in (*facts.hook, *facts.ding)}
    must = evening_truth.paging(facts.truth.changes)
    return {id_: change for id_, change in must.items() if change.at <= facts.until or id_ in got}


def lives(messages: Sequence[Message]) -> dict[str, Life]:
    """Each page by the pager's newest record of it."""
    found: dict[str, Life] = {}
    for message in messages:
        if message.value:
            state = msgspec.json.decode(message.value, type=PagerState)
            if state.page:
                found[state.id] = Life(state.opened_at, state.over_at, state.outcome)
    return found


def _receivers(facts: Facts) -> Found:
    wanted, known = _wanted(facts), lives(facts.pages)
    secrets = _personal(facts)
    rows, faults = [], []
    for name, got, outage in (("webhook", facts.hook, _outage(facts)), ("dingtalk", facts.ding, None)):
        news = [Told(one.page, one.news, one.at) for one in got if one.taken]
        found = evening_pages.compare(name, wanted, news, known, outage)._replace(
            unsigned=sum(not one.taken for one in got),
            personal=evening_pages.personal_in((one.body for one in got), secrets),
        )
        rows.append(_receiver_row(found))
        faults += _receiver_faults(found)
    unknown = sorted(set(wanted) - known.keys())
    faults += [f"the pager has no record of page {page}" for page in unknown]
    outcomes = Counter(life.outcome or "open" for life in known.values())
    note = (
        f"{len(known)} pages by the pager's own record: {', '.join(f'{n} {what}' for what, n in outcomes.items())}. "
        f"Nobody is called for what is over: those that were over within {evening_pages.SHORT_S:g} s, or while the "
        "receiver was dead, are not told there. Nothing of the record or the captures that is personal "
        f"({len(secrets):,} numbers, names and ids) stands in any body."
    )
    columns = ("receiver", "pages that must be", "told once", "over before", "missing", "double", "not wanted")
    more = ("ends told", "ends missing", "refused signatures", "personal")
    return Table("Pages", (*columns, *more), rows, note), faults


def _receiver_row(found: evening_pages.Receiver) -> tuple[str, ...]:
    lengths = (found.missing, found.double, found.strange)
    return (
        found.name,
        *(f"{n:,}" for n in (found.wanted, found.once, found.over_before, *map(len, lengths), found.resolved)),
        *(f"{n:,}" for n in (len(found.unresolved), found.unsigned, len(found.personal))),
    )


def _receiver_faults(found: evening_pages.Receiver) -> list[str]:
    named = (
        ("never told", found.missing),
        ("told twice", found.double),
        ("told without a reason", found.strange),
        ("its end never told", found.unresolved),
        ("personal", found.personal),
    )
    faults = [f"{found.name}: {what}: {', '.join(each[:10])} ({len(each)})" for what, each in named if each]
    return faults + [f"{found.name}: {found.unsigned} messages were refused"] * bool(found.unsigned)


def _personal(facts: Facts) -> frozenset[str]:
    lines = (line for file in TRACES.glob("*.jsonl") for line in file.read_text("utf-8").splitlines())
    blocks = [json.loads(line)["event"] for line in lines]
    return evening_truth.personal(facts.events, blocks)


def _delays(facts: Facts) -> Found:
    """How soon each receiver heard, and DingTalk while the webhook was dead."""
    heard_at: dict[str, float] = {}
    for one in facts.sent:
        if pages(one.change):
            heard_at.setdefault(one.change.id, one.logged_at)
    calm = [d for at, d in _opened(facts.ding, heard_at) if not _was_dead(facts, at)]
    meanwhile = [d for at, d in _opened(facts.ding, heard_at) if _was_dead(facts, at)]
    hook = [d for at, d in _opened(facts.hook, heard_at) if not _was_dead(facts, at)]
    rows = [
        _delay("webhook, alive", hook),
        _delay("dingtalk, webhook alive", calm),
        _delay("dingtalk, while the webhook is dead", meanwhile),
    ]
    note = "From the broker's time of the change that pages to when the receiver took the page."
    late = len(meanwhile) > 3 and quantile(meanwhile, 0.5) > 5 * max(quantile(calm or [0.0], 0.5), 1.0)
    faults = ["DingTalk was delayed while the webhook was dead"] * late
    return Table("How soon", ("", "pages", "p50", "p95", "max"), rows, note), faults


def _opened(got: Sequence[Got], heard_at: Mapping[str, float]) -> Iterator[tuple[float, float]]:
    for one in got:
        if one.taken and one.news == "opened" and one.page in heard_at:
            yield heard_at[one.page], one.at - heard_at[one.page]


def _was_dead(facts: Facts, at: float) -> bool:
    return facts.dead is not None and facts.dead.begun - 1 < at < facts.dead.ended


def _delay(what: str, delays: Sequence[float]) -> tuple[str, ...]:
    if not delays:
        return what, "0", "", "", ""
    return what, f"{len(delays)}", *(f"{quantile(delays, of):.2f} s" for of in (0.5, 0.95, 1.0))


def _alertmanager(facts: Facts) -> Found:
    """Those that it has shown, told apart by the link to their page."""
    shown = {match.group(1) for one in facts.shown if (match := re.search(r"/alerts/(\w+)", one["generatorURL"]))}
    known, wanted = lives(facts.pages), _wanted(facts)
    long_ = {
        page
        for page in wanted
        if (life := known.get(page)) and life.lasted_s > SEEN_S and life.opened_at < facts.until - SEEN_S
    }
    missing, strange = sorted(long_ - shown), sorted(shown - wanted.keys())
    labels = {name for one in facts.shown for name in one["labels"]}
    personal = evening_pages.personal_in([[one["labels"], one["annotations"]] for one in facts.shown], _personal(facts))
    rows = [
        (f"pages open for more than {SEEN_S:g} s", f"{len(long_)}"),
        ("of these seen there", f"{len(long_ & shown)}"),
        ("seen there and not wanted", f"{len(strange)}"),
        ("personal", f"{len(personal)}"),
    ]
    faults = [f"Alertmanager has not shown page {page}" for page in missing]
    faults += [f"Alertmanager has shown page {page}, which nobody wanted" for page in strange]
    faults += [f"Alertmanager: personal: {text}" for text in personal]
    note = f"Looked at every 5 s. Labels: {', '.join(sorted(labels))}; site {SITE}."
    return Table("Pages at Alertmanager", ("", "number"), rows, note), faults


# ------------------------------------------------------------------------------------------- dashboards


def _dashboards(facts: Facts) -> Found:
    rows = [(f"{one.board}: {one.panel}", f"`{_short(one.expr)}`", f"{series}") for one, series in facts.asked]
    faults = [f"no data: {one.board}: {one.panel}: {one.expr}" for one, series in facts.asked if not series]
    note = f"{len(rows)} queries over the whole evening, All chosen in each variable; {len(faults)} without data."
    return Table("The dashboards' queries", ("panel", "expression", "series"), rows, note), faults


def _short(expr: str) -> str:
    flat = " ".join(expr.split())
    return flat if len(flat) <= _LONGEST else f"{flat[: _LONGEST - 1]}\u2026"
