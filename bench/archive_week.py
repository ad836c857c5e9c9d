"""A week of a hotline for the archive's bench: 100,000 calls of some thousand conversations, and all that is true.

Seven days of the site, the last of them over for six hours at least: a curve over each day, fewer calls at the weekend,
customers who call again. What the rulebook finds is found by the rulebook itself, once for each conversation and each
sort of day, and moved with the calls; rules across calls are judged over the whole week. People judge a third of the
alerts, in the ways of ``SCRIPTS``, whose outcome stands beside them. The same seed, number of calls and day give the
same week. What is true of it (``record``, ``lines``, ``alerts`` …) is told from the messages themselves and knows
nothing of the archive.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import random
import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import date, datetime, timedelta
from heapq import heappop, heappush, heapreplace
from itertools import chain
from multiprocessing import get_context
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
from aiokafka import AIOKafkaProducer

from bench.archive_talk import ALERT, BEGINS, CALL, KEY, MASKED, NUMBER, ODD, PLACE, Sent, Talk, stock
from bench.wall_floor import Said
from bench.wall_week import PARTITIONS, Batches
from streams import alerts, audit, verdicts
from streams.alerts import AlertChange, alert_id
from streams.audit import Audit
from streams.backtest.run import cores
from streams.core import SILENT_S
from streams.events import AnyEvent, Mark, Tick, parse, render
from streams.replay import Driver
from streams.rulebook.book import Rulebook, load
from streams.shell import topics
from streams.verdicts import Action, Judgement, Snooze

ZONE = "Asia/Shanghai"
DAYS, DAY_S = 7, 86_400
#: How many calls begin in each hour from eight on, and on which share of them people call on Monday to Sunday.
OPENS, BY_HOUR = 8, (5, 9, 11, 10, 7, 6, 8, 9, 9, 7, 5, 4, 3)
BY_WEEKDAY = (1.15, 1.05, 1.0, 1.0, 1.0, 0.6, 0.5)
#: Of ten calls, so many customers. Of a thousand calls so many are odd; the others as the stock has them.
CUSTOMERS, ODD_SHARE = 3, 60
#: A day is over for so long before it may be the last one: calls without an end are lost by then.
OVER_S = 6 * 3600.0
#: Shares: of alerts that people judge, of messages that are sent twice, of calls that somebody opens.
JUDGED, TWICE, OPENED = 0.35, 0.02, 0.03
SPARE_S = 0.05
TOPICS = ("calls", "alerts", "verdicts", "audit")
_BATCH = 900_000
#: What the archive must hide of what is said, by the number's length.
PERSONAL = ("幺三八零零一二三四五六", "二零二六一一二零零零三七")

_PLACES = "春夏晨晓云松柏枫桐榆槐桂兰菊荷莲溪泉湖岭峰石玉珠锦绣康宁安泰祥瑞福禄寿喜庆丰茂盛荣昌隆兴旺达通顺"
_SUPERVISORS = (("wang", "王芳"), ("li", "李建国"), ("zhao", "赵敏"), ("qian", "钱进"))
_COMMENTS = ("已和坐席谈过", "录音已听\uff0c情况属实", "班后会再讲一次", "客户已回访\uff0c表示理解", "请质检组复核")
#: Before the first conversation: times in forms are counted from then, so that none is negative.
_MARGIN = 100_000
_NAMES = (CALL, NUMBER, MASKED, KEY, PLACE, ALERT)
_GAP = re.compile("|".join([*_NAMES, r'(?<=")(at|start|end|through|said)":(\d{10})']).encode())


class Outcome(NamedTuple):
    """How an alert stands after a script."""

    finding: str = "open"
    reason: str | None = None
    appeal: str = "none"


class Act(NamedTuple):
    """One judgement of a script."""

    action: Action
    reason: str | None = None


#: What people do with an alert, and what comes of it (written down by hand, not computed).
SCRIPTS: tuple[tuple[tuple[Act, ...], Outcome], ...] = (
    ((Act("claimed"), Act("resolved")), Outcome("true")),
    ((Act("claimed"), Act("commented"), Act("resolved")), Outcome("true")),
    ((Act("resolved"),), Outcome("true")),
    ((Act("claimed"), Act("false_alarm", "exempt")), Outcome("false", "exempt")),
    ((Act("false_alarm", "misheard"),), Outcome("false", "misheard")),
    ((Act("claimed"), Act("resolved"), Act("appealed"), Act("upheld")), Outcome("false", "other", "upheld")),
    ((Act("resolved"), Act("appealed"), Act("dismissed")), Outcome("true", None, "dismissed")),
    ((Act("resolved"), Act("reopened"), Act("false_alarm", "technical")), Outcome("false", "technical")),
    ((Act("commented"),), Outcome()),
    ((Act("claimed"), Act("released"), Act("claimed")), Outcome()),
    ((Act("resolved"), Act("false_alarm", "rule")), Outcome("true")),  # two screens at once: the first counts
    ((Act("appealed"),), Outcome("open", None, "open")),
)


class Form(NamedTuple):
    """A message with gaps: a time (seconds from ``_MARGIN`` before the call's beginning on) or a name (negative)."""

    after_s: float
    text: bytes
    gaps: tuple[int, ...]
    kept: bool = True
    key: bytes = b""


class Found(NamedTuple):
    """What the rulebook finds in a conversation: of each change rule, occurrence and form; and its marks."""

    changes: tuple[tuple[str, int, Form], ...]
    marks: tuple[Form, ...]


class Placed(NamedTuple):
    """One call of the week: when it begins, Unix seconds; its conversation; its customer."""

    at: int
    talk: int
    customer: int


class Message(NamedTuple):
    """As it is sent. ``bad``: nobody can read or believe it."""

    sent_at: float
    topic: str
    key: bytes
    value: bytes
    bad: bool = False


class Alerted(NamedTuple):
    """One alert as it must be stored: its changes, each once; what people did, in order; how it stands.

    A rule across calls forgets a subject after a day or so and counts from one again: then an id comes again, and what
    has one id is one alert. ``day``: of its first change.
    """

    id: str
    day: str
    changes: tuple[AlertChange, ...]
    judgements: tuple[Judgement, ...]
    outcome: Outcome


class Line(NamedTuple):
    """A sentence that must be kept."""

    role: str
    start: float
    end: float
    text: str
    by_sound: bool


class Week:
    """All of it. Iterating costs time; nothing of the messages is held."""

    def __init__(self, calls: int, *, now: float, key: bytes, seed: int = 6, talks: int = 2400) -> None:
        """``now``: Unix seconds; ``key``: of customers' pseudonyms. Judging the stock keeps all cores busy."""
        self.size, self._key, self._seed = calls, key, seed
        self._zone = ZoneInfo(ZONE)
        last = datetime.fromtimestamp(now - OVER_S, self._zone).date() - timedelta(days=1)
        self.days = [last - timedelta(days=DAYS - 1 - n) for n in range(DAYS)]
        self.talks = stock(talks, seed)
        self._forms = [[_form(each, BEGINS) for each in talk.sent] for talk in self.talks]
        self.plan = list(self._plan(random.Random(f"{seed}:plan")))  # noqa: S311 - not for secrets
        self.book = load()
        self._sorts = {day: self.book.site.calendar.festival(self._midnight(day)) or "" for day in self.days}
        self._found = self._judge()
        self._crossing = self._across_calls(range(calls), max(self._ends(n) for n in range(calls)))

    # ------------------------------------------------------------------------------------------- what is sent

    def messages(self) -> Iterator[Message]:
        """Everything, in order of time."""
        started = 0
        going: list[tuple[float, int, Message, Iterator[Message]]] = []
        _begin(going, -1, self._beside())
        while going or started < self.size:
            while started < self.size and (not going or self.plan[started].at <= going[0][0]):
                _begin(going, started, self._of_call(started))
                started += 1
            _, number, message, stream = going[0]
            yield message
            if (after := next(stream, None)) is None:
                heappop(going)
            else:
                heapreplace(going, (after.sent_at, number, after, stream))

    def call_id(self, n: int) -> str:
        """Of the call of that number."""
        return f"week-{n:06d}"

    def talk(self, n: int) -> Talk:
        """The conversation of that call."""
        return self.talks[self.plan[n].talk]

    def day(self, n: int) -> str:
        """On which day of the site it was."""
        return datetime.fromtimestamp(self.plan[n].at, self._zone).date().isoformat()

    def number(self, n: int) -> str:
        """The customer's telephone number."""
        return f"13{self.plan[n].customer * 7919 % 10**9:09d}"

    def place(self, n: int) -> str:
        """What some talk about in it, of two characters."""
        return _PLACES[n % len(_PLACES)] + _PLACES[n // len(_PLACES) % len(_PLACES)]

    def customer_key(self, n: int) -> str:
        """What stands for the customer."""
        return hmac.new(self._key, self.number(n).encode(), hashlib.sha256).hexdigest()[:16]

    # -------------------------------------------------------------------------------------------- what is true

    def record(self, n: int) -> list[dict[str, Any]]:
        """The events of a call that must be kept, as they were logged, each once, numbers masked."""
        found, seen = [], set()
        for form, value in self._sent(n):
            if form.kept and value not in seen:
                seen.add(value)
                event = json.loads(value)
                if event.get("caller") == self.number(n):
                    event |= {"caller": _masked(self.number(n)), "customer_key": self.customer_key(n)}
                if "text" in event:
                    event["text"] = _hidden(event["text"])
                found.append(event)
        return found

    def lines(self, n: int) -> list[Line]:
        """What was said in it: each sentence once, by its beginning."""
        if self.state(n) == "lost" and self.talk(n).kind == "only-words":
            return []
        said: dict[tuple[str, float], dict[str, Any]] = {}
        for event in self.record(n):
            if event["type"] == "transcript" and event["text"]:
                for begun in [each for each in said if each[0] == event["role"] and not said[each]["final"]]:
                    del said[begun]
                said[event["role"], event["start"]] = event
        lines = [Line(e["role"], e["start"], e["end"], e["text"], e.get("by_sound", False)) for e in said.values()]
        return sorted(lines, key=lambda line: (line.start, line.end))

    def state(self, n: int) -> str:
        """``ended``, or ``lost`` where its end or its beginning never came."""
        return "lost" if self.talk(n).kind in ("endless", "only-end", "only-words") else "ended"

    def offered(self, n: int) -> bool:
        """Whether it was seen to come in: only then its queue and customer are known."""
        return any(b"call.offered" in form.text for form in self._forms[self.plan[n].talk] if form.kept)

    def alerts(self) -> Iterator[Alerted]:
        """Each alert once, those of rules across calls too, and of calls that nobody knows."""
        own = chain.from_iterable(map(self.alerts_of, range(self.size)))
        return chain(own, self._crossing_alerts(), self._unknown())

    def alerts_of(self, n: int) -> Iterator[Alerted]:
        """Those that the call alone brought about."""
        lives: dict[str, list[AlertChange]] = {}
        for found, _, value in self._changes(n):
            lives.setdefault(found, []).append(alerts.parse(value))
        return (self._alerted(changes) for changes in lives.values())

    def judged(self, days: Sequence[str]) -> dict[str, list[AlertChange]]:
        """What a replay of these days alone must find: changes by alert."""
        numbers = [n for n in range(self.size) if self.day(n) in set(days)]
        found = {alert.id: list(alert.changes) for n in numbers for alert in self.alerts_of(n)}
        return found | self._across_calls(numbers, max(self._ends(n) for n in numbers))

    def snoozes(self) -> list[Snooze]:
        """Three a day."""
        made = []
        for number, day in enumerate(self.days):
            for n in range(3):
                by, name = _SUPERVISORS[(number + n) % len(_SUPERVISORS)]
                at = self._midnight(day) + (9 + 3 * n) * 3600.0
                rule = ("pace", "greeting-no-number", "ring-over-three")[n]
                text = "系统割接\uff0c先不报" if n else ""
                made.append(
                    Snooze(
                        id=f"s{number}{n}",
                        rule=rule,
                        queue="vip" if n else "",
                        until=at + 3600.0,
                        by=by,
                        by_name=name,
                        at=at,
                        text=text,
                    )
                )
        return made

    def reads(self) -> list[Audit]:
        """Who opened what."""
        return [entry for n in range(self.size) for entry in self._reads(n)]

    # ------------------------------------------------------------------------------------------------- making

    def _plan(self, chance: random.Random) -> Iterator[Placed]:
        by_kind: dict[bool, list[int]] = {True: [], False: []}
        for n, talk in enumerate(self.talks):
            by_kind[talk.kind in ODD].append(n)
        forced = by_kind[True][: 2 * len(ODD)]  # each odd kind, however few calls there are
        starts = sorted(self._starts(chance))
        places = {round((n + 0.5) * self.size / len(forced)): talk for n, talk in enumerate(forced)}
        for n, at in enumerate(starts):
            talk = places.get(n)
            if talk is None:
                talk = chance.choice(by_kind[chance.random() < ODD_SHARE / 1000])
            yield Placed(at, talk, chance.randrange(max(10, self.size * CUSTOMERS // 10)))

    def _starts(self, chance: random.Random) -> Iterator[int]:
        """No two calls begin in the same second, so that there is one order of all that happens."""
        slots = [(day, hour) for day in self.days for hour in range(len(BY_HOUR))]
        weights = [BY_WEEKDAY[day.weekday()] * BY_HOUR[hour] for day, hour in slots]
        wanted: dict[tuple[date, int], int] = defaultdict(int)
        for slot in chance.choices(slots, weights, k=self.size):
            wanted[slot] += 1
        for (day, hour), count in sorted(wanted.items()):
            begins = self._midnight(day) + (OPENS + hour) * 3600
            yield from (begins + second for second in chance.sample(range(3600), count))

    def _midnight(self, day: date) -> int:
        return int(datetime(day.year, day.month, day.day, tzinfo=self._zone).timestamp())

    def _judge(self) -> dict[tuple[int, str], Found]:
        """Each conversation that occurs on each sort of day that it occurs on."""
        sorts = {sort: self._midnight(day) + 9 * 3600 for day, sort in self._sorts.items()}
        wanted = sorted({(placed.talk, self._sorts[self._date(placed.at)]) for placed in self.plan})
        tasks = [(self._events(talk, sorts[sort]), sorts[sort]) for talk, sort in wanted]
        with ProcessPoolExecutor(cores(), get_context("spawn"), initializer=_load) as pool:
            return dict(zip(wanted, pool.map(_judged, tasks, chunksize=8), strict=True))

    def _date(self, at: float) -> date:
        return datetime.fromtimestamp(at, self._zone).date()

    def _events(self, talk: int, at: int) -> list[bytes]:
        """As the detector sees them; the call's names are left in."""
        names = tuple(name.encode() for name in (CALL, KEY, MASKED, KEY, PLACE, ALERT))
        return [_filled(form, names, at) for form in self._forms[talk] if form.kept]

    def _ends(self, n: int) -> float:
        """When the last of its events happened."""
        kept = (each.what.at for each in self.talk(n).sent if each.kept and not isinstance(each.what, bytes))
        return self.plan[n].at - BEGINS + max(kept)

    def _found_in(self, n: int) -> Found:
        placed = self.plan[n]
        return self._found[placed.talk, self._sorts[self._date(placed.at)]]

    def _names(self, n: int) -> tuple[bytes, ...]:
        number = self.number(n)
        names = (self.call_id(n), number, _masked(number), self.customer_key(n), self.place(n), "")
        return tuple(name.encode() for name in names)

    def _sent(self, n: int) -> Iterator[tuple[Form, bytes]]:
        names, placed = self._names(n), self.plan[n]
        return ((form, _filled(form, names, placed.at)) for form in self._forms[placed.talk])

    def _changes(self, n: int) -> Iterator[tuple[str, float, bytes]]:
        """Of each change of an alert of the call alone: the alert's id, when, and the message."""
        names, at = self._names(n), self.plan[n].at
        for rule, occurrence, form in self._found_in(n).changes:
            found = alert_id(self.call_id(n), rule, occurrence)
            yield found, at + form.after_s, _filled(form, (*names[:-1], found.encode()), at)

    def _of_call(self, n: int) -> Iterator[Message]:
        """All that is sent because of one call, in order of time."""
        names, at, call = self._names(n), self.plan[n].at, self.call_id(n).encode()
        sent_at, made = 0.0, list[Message]()
        for form, value in self._sent(n):
            sent_at = max(sent_at, at + form.after_s + SPARE_S)
            key = form.key.replace(CALL.encode(), names[0]) or call
            made.append(Message(sent_at, "calls", key, value, not form.kept and b'"tick"' not in value))
        lives: dict[str, list[tuple[float, bytes]]] = {}
        for found, when, value in self._changes(n):
            lives.setdefault(found, []).append((when + SPARE_S, value))
        for found, changes in lives.items():
            made += self._of_alert(found, [(when, call, value) for when, value in changes])
        made += [Message(each.at, "audit", each.id.encode(), audit.render(each)) for each in self._reads(n)]
        return iter(sorted(made, key=lambda message: message.sent_at))

    def _of_alert(self, found: str, changes: Sequence[tuple[float, bytes, bytes]]) -> Iterator[Message]:
        chance = self._chance(found)
        twice = chance.random() < TWICE
        for when, call, value in changes:
            yield from [Message(when, "alerts", call, value)] * (1 + twice)
        first = alerts.parse(changes[0][2])
        for judgement in self._judgements(first):
            value, key = verdicts.render(judgement), verdicts.key_of(judgement).encode()
            yield from [Message(judgement.at, "verdicts", key, value)] * (1 + twice)

    def _chance(self, name: str) -> random.Random:
        return random.Random(f"{self._seed}:{name}")  # noqa: S311 - not for secrets

    def _alerted(self, changes: Sequence[AlertChange]) -> Alerted:
        first, judgements = changes[0], self._judgements(changes[0])
        outcome = SCRIPTS[self._script(first.id)][1] if judgements else Outcome()
        day = self._date(min(change.at for change in changes)).isoformat()
        return Alerted(first.id, day, tuple(changes), judgements, outcome)

    def _script(self, found: str) -> int:
        return int(found, 16) % len(SCRIPTS)

    def _judgements(self, change: AlertChange) -> tuple[Judgement, ...]:
        """What people do with an alert, by its first change."""
        chance = self._chance(f"judged:{change.id}")
        if chance.random() >= JUDGED:
            return ()
        made, at = list[Judgement](), change.at
        by, name = chance.choice(_SUPERVISORS)
        for n, act in enumerate(SCRIPTS[self._script(change.id)][0]):
            at = round(at + chance.uniform(20.0, 1200.0), 3)
            is_agents = act.action == "appealed"
            made.append(
                Judgement(
                    id=f"{change.id}-{n}",
                    alert=change.id,
                    call=change.call,
                    rule=change.rule,
                    action=act.action,
                    by=f"a{change.agent}" if is_agents else by,
                    by_name=change.agent_name or "坐席" if is_agents else name,
                    at=at,
                    agent=change.agent,
                    queue=change.queue,
                    reason=act.reason,  # type: ignore[arg-type] # one of the scripts'
                    text=chance.choice(_COMMENTS) if act.action == "commented" or chance.random() < 0.2 else "",
                )
            )
        return tuple(made)

    def _reads(self, n: int) -> list[Audit]:
        chance = self._chance(f"read:{n}")
        if chance.random() >= OPENED:
            return []
        by, _ = chance.choice(_SUPERVISORS)
        at = round(self.plan[n].at + chance.uniform(600.0, 7200.0), 3)
        kinds: list[Any] = ["call", "lines"][: chance.randrange(1, 3)]
        of = self.call_id(n)
        return [Audit(by=by, role="supervisor", what=what, id=of, at=at + 5.0 * m) for m, what in enumerate(kinds)]

    # ------------------------------------------------------------------------------------ across calls, and beside

    def _across_calls(self, numbers: Iterable[int], until: float) -> dict[str, list[AlertChange]]:
        """The alerts of rules across these calls, by their ids: each subject's marks in order of time."""
        subjects: dict[str, list[Mark]] = defaultdict(list)
        for n in numbers:
            names, at = self._names(n), self.plan[n].at
            for form in self._found_in(n).marks:
                mark = parse(_filled(form, names, at))
                assert isinstance(mark, Mark)
                subjects[mark.call].append(mark)
        found: dict[str, list[AlertChange]] = {}
        for marks in subjects.values():
            driver = Driver(self.book)
            driver.marks = marks
            for change in driver.subjects(until):
                found.setdefault(change.id, []).append(change)
        return found

    def _crossing_alerts(self) -> Iterator[Alerted]:
        return (self._alerted(changes) for changes in self._crossing.values())

    def _unknown(self) -> Iterator[Alerted]:
        """Alerts of calls of which nothing else was ever logged."""
        some = next(alert for n in range(self.size) for alert in self.alerts_of(n)).changes[0]
        for n in range(max(2, self.size // 500)):
            call, at = f"week-unknown-{n}", float(self._midnight(self.days[n % DAYS]) + 43_200 + n)
            change = msgspec.structs.replace(
                some, id=alert_id(call, some.rule, 1), call=call, at=at, evidence=(), state="opened"
            )
            yield self._alerted([change])

    def _beside(self) -> Iterator[Message]:
        """What belongs to no single call."""
        made = list[Message]()
        for alert in chain(self._crossing_alerts(), self._unknown()):
            changes = [(change.at + SPARE_S, change.call.encode(), alerts.render(change)) for change in alert.changes]
            made += self._of_alert(alert.id, changes)
        for snooze in self.snoozes():
            made += [Message(snooze.at, "verdicts", verdicts.key_of(snooze).encode(), verdicts.render(snooze))] * 2
        for day in self.days:
            noon = self._midnight(day) + 43_200.0
            beat = render(Tick(call="~heartbeat:3", at=noon))
            made += [Message(noon, "calls", b"~heartbeat:3", beat)]
            made += [Message(noon, topic, b"x", b"{", bad=True) for topic in ("calls", "alerts", "verdicts", "audit")]
        return iter(sorted(made, key=lambda message: message.sent_at))


class Filled(NamedTuple):
    """What was sent, by topic; ``bad``: what of it nobody can read; how long it took, seconds."""

    sent: dict[str, int]
    bad: dict[str, int]
    took_s: float


async def fill(bootstrap: str, prefix: str, week: Week, tell: Callable[[int], None] = lambda calls: None) -> Filled:
    """Lay the topics and send the week. ``tell``: how many messages have been sent, now and then."""
    topics.apply(bootstrap, topics.specs(PARTITIONS, prefix))
    sent, bad, begun = dict.fromkeys(TOPICS, 0), dict.fromkeys(TOPICS, 0), time.monotonic()
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, max_batch_size=_BATCH, linger_ms=0) as producer:
        batches = Batches(producer, prefix, single=("audit",))
        for number, message in enumerate(week.messages()):
            await batches.put(message.sent_at, Said(message.topic, message.key, message.value, ""))
            sent[message.topic] += 1
            bad[message.topic] += message.bad
            if number % 20_000 == 0:
                tell(number)
                await asyncio.sleep(0)
        await batches.flush()
    return Filled(sent, bad, time.monotonic() - begun)


# ---------------------------------------------------------------------------------------------------------- forms


def _form(sent: Sent, origin: int) -> Form:
    value = sent.what if isinstance(sent.what, bytes) else render(sent.what)
    return Form(sent.after_s, *_gaps(value, origin), sent.kept, sent.key)


def _gaps(value: bytes, origin: int) -> tuple[bytes, tuple[int, ...]]:
    gaps: list[int] = []

    def gap(found: re.Match[bytes]) -> bytes:
        if found[2] is not None:
            gaps.append(int(found[2]) - origin + _MARGIN)
            return found[1] + b'":%d'
        gaps.append(_NAMES.index(found[0].decode()) - len(_NAMES))
        return b"%s"

    return _GAP.sub(gap, value.replace(b"%", b"%%")), tuple(gaps)


def _filled(form: Form, names: Sequence[bytes], at: int) -> bytes:
    at -= _MARGIN
    return form.text % tuple([names[gap] if gap < 0 else at + gap for gap in form.gaps])


def _masked(number: str) -> str:
    return f"{number[:3]}****{number[-4:]}"


def _hidden(text: str) -> str:
    for number in PERSONAL:
        text = text.replace(number, "*" * len(number))
    return text


def _begin(going: list[tuple[float, int, Message, Iterator[Message]]], number: int, stream: Iterator[Message]) -> None:
    if (first := next(stream, None)) is not None:
        heappush(going, (first.sent_at, number, first, stream))


# ---------------------------------------------------------------------------------------------- in other processes

_books: list[Rulebook] = []


def _load() -> None:
    _books[:] = [load()]


def _judged(task: tuple[list[bytes], int]) -> Found:
    """What the rulebook finds in a conversation that begins at that second."""
    lines, origin = task
    events: list[AnyEvent] = [parse(line) for line in lines]
    driver = Driver(_books[0])
    changes = [change for event in events for change in driver.feed(event)]
    changes += driver.finish_calls(max(event.at for event in events) + SILENT_S + 1.0)
    return Found(
        tuple((c.rule, _occurrence(c), _change_form(c, origin)) for c in changes),
        tuple(Form(0.0, *_gaps(render(mark), origin)) for mark in driver.marks),
    )


def _occurrence(change: AlertChange) -> int:
    return next(n for n in range(1, 1000) if alert_id(CALL, change.rule, n) == change.id)


def _change_form(change: AlertChange, origin: int) -> Form:
    value = alerts.render(msgspec.structs.replace(change, id=ALERT))
    return Form(change.at - origin, *_gaps(value, origin))
