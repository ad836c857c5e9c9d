"""What tests of the pager share: alerts full of personal data, judgements, plans, and a pager's life without a broker.

``Life`` is the shell of the pager as a model: topics, records and commits are lists, receivers are counters, and it can
be killed between any two steps. It keeps the shell's order: records, then lines, then commits.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import json

from streams.alerts import AlertChange, Clause, Wording
from streams.events import Evidence
from streams.hours import hours_of
from streams.pager import deciding
from streams.pager.deciding import PagerState, Put
from streams.pager.desk import Desk, Work
from streams.pager.duty import Called, Plan, Route
from streams.pager.page import Notice, Page
from streams.verdicts import Action, Judgement, Standing, judge

SHANGHAI = ZoneInfo("Asia/Shanghai")
#: 2026-11-20 12:00 in Shanghai, a Friday.
NOON = 1_795_147_200.0
ALL = frozenset({"opened", "escalated", "claimed", "resolved"})
#: A page of long ago: 06:13:20 in Shanghai.
PAGE = Page(
    id="0123456789abcdef",
    rule="hold-long",
    title="保持超过 240 秒",
    title_en="On hold for more than 240 s",
    severity="critical",
    queue="support",
    site="main",
    clause="《服务规范》4.2",
    at=1.7e9,
    link="http://wall.example/alerts/0123456789abcdef",
)
#: Nothing of this may stand in a page.
PERSONAL = (
    "13812345678",
    "138****5678",
    "Li Na",
    "\u674e\u5a1c",
    "A-8017",
    "my card was stolen",
    "call-77",
    "zhangwei",
)


def alert(name: str = "a1", state: str = "opened", at: float = NOON, **more: Any) -> AlertChange:
    """A change of an alert, critical unless told otherwise, with everything about people that one can have."""
    given = {
        "id": name,
        "rule": "abuse",
        "severity": "critical",
        "state": state,
        "call": "call-77",
        "agent": "A-8017",
        "agent_name": "\u674e\u5a1c",
        "queue": "support",
        "at": at,
        "title": "\u5ba2\u6237\u88ab\u8fb1\u9a82",
        "says": "\u674e\u5a1c(A-8017) 13812345678 my card was stolen",
        "en": Wording("Abuse", "Li Na (A-8017) of 138****5678: my card was stolen"),
        "clause": Clause("HB 3", "4.2", "the agent A-8017 Li Na must not"),
        "evidence": (Evidence("customer", "my card was stolen 13812345678", at, at),),
        "calls": ("call-77",),
        "rulebook": "1",
    }
    return AlertChange(**{**given, **more})


def judgement(action: Action, name: str = "a1", at: float = NOON, **more: Any) -> Judgement:
    """What somebody did with that alert."""
    given = {
        "id": f"{name}-{action}-{at}",
        "alert": name,
        "call": "call-77",
        "rule": "abuse",
        "action": action,
        "by": "zhangwei",
        "by_name": "Li Na",
        "agent": "A-8017",
        "text": "my card was stolen",
        "at": at,
    }
    return Judgement(**{**given, **more})


def plan(*levels: Sequence[str], quiet: dict[str, str] | None = None, **more: Any) -> Plan:
    """Those levels for every queue; ``quiet``: of whom."""
    names = [name for level in levels for name in level]
    hours = {name: hours_of(text) for name, text in (quiet or {}).items()}
    given = {
        "receivers": {name: Called(name, ALL, hours.get(name)) for name in names},
        "routes": (Route(tuple(tuple(level) for level in levels)),),
        "zone": SHANGHAI,
        "escalate_after_s": 300.0,
        "too_late_s": 1800.0,
        "expires_s": 14_400.0,
    }
    return Plan(**{**given, **more})


def desk(of: Plan, now: float = NOON) -> Desk:
    """One that has partition 0 of four and calls."""
    made = Desk(of, "main", "https://wall.example", 4)
    made.take_over(0, (), now)
    made.begin(0, now)
    return made


def told(work: Work) -> list[tuple[str, str, int]]:
    """Receiver, news, level."""
    return [(put.receiver, put.notice.news, put.notice.level) for put in work.puts]


class Life:
    """A pager that can be killed, on one partition."""

    def __init__(self, of: Plan, alerts: Sequence[AlertChange], verdicts: Sequence[Judgement]) -> None:
        self.plan, self.now = of, NOON
        self.topics: tuple[Sequence[Any], Sequence[Any]] = (alerts, verdicts)
        self.committed, self.at, self.far = [0, 0], [0, 0], [0, 0]
        self.records: dict[str, bytes] = {}
        self.got: Counter[tuple[str, str]] = Counter()
        self.doubtful: Counter[tuple[str, str]] = Counter()
        self.sent: list[tuple[str, Notice]] = []
        self.flight: Put | None = None
        self.begin()

    def begin(self) -> None:
        """As after a kill: from the records and the last commit."""
        self.desk = Desk(self.plan, "main", "https://wall.example", 4)
        self.desk.take_over(0, [deciding.parse(value) for value in self.records.values()], self.now)
        self.at, self.backlog = list(self.committed), list(self.far)
        self.line: deque[Put] = deque()
        if self.flight:  # taken, and nobody is left who could note it
            self.doubtful[self.flight.receiver, self.flight.notice.id] += 1
            self.flight = None

    def read(self, topic: int, count: int, stops_at: str = "") -> None:
        """Take messages. ``stops_at``: killed when they are ``folded``, ``recorded``, or ``told`` to the lines."""
        for message in self.topics[topic][self.at[topic] : self.at[topic] + count]:
            (self.desk.verdict if topic else self.desk.alert)(0, message, self.now)
        self.at[topic] = min(self.at[topic] + count, len(self.topics[topic]))
        if stops_at == "folded":
            return self.begin()
        self.far = [max(pair) for pair in zip(self.far, self.at, strict=True)]
        return self.tick(stops_at)

    def tick(self, stops_at: str = "") -> None:
        """Time has passed."""
        if all(at >= end for at, end in zip(self.at, self.backlog, strict=True)):
            self.desk.begin(0, self.now)
        self.desk.wake(self.now)
        work = self.desk.drain()
        self.store(work)
        if stops_at == "recorded":
            return self.begin()
        self.line += work.puts
        if stops_at == "told":
            return self.begin()
        self.committed = list(self.at)
        return None

    def store(self, work: Work) -> None:
        """As the topic has it after compaction."""
        for record in work.records:
            self.records.pop(record.id, None)
            if record.state is not None:
                self.records[record.id] = deciding.render(record.state)

    def tell(self, how: str) -> None:
        """The next in line: ``sent``, ``failed`` (it waits again), ``lost`` (the same, but it was taken), ``slow`` (it
        is taken, and the answer comes with the next), ``refused``, or ``killed`` before it is recorded.
        """
        if self.flight:
            (receiver, notice), self.flight = self.flight, None
            self.noted(receiver, notice, "sent")
        elif self.line:
            receiver, notice = self.line.popleft()
            if self.desk.wanted(receiver, notice, self.now):
                self.tried(receiver, notice, how)

    def tried(self, receiver: str, notice: Notice, how: str) -> None:
        """It was wanted, and went like that."""
        assert not self.plan.is_quiet(receiver, self.now), f"{receiver} was told {notice.id} in its quiet hours"
        if how not in ("failed", "refused"):
            assert not self.must_be_silent(notice), f"{receiver} was told {notice.id}"
            self.got[receiver, notice.id] += 1
            self.sent.append((receiver, notice))
        if how in ("lost", "killed"):
            self.doubtful[receiver, notice.id] += 1
        if how == "killed":
            self.begin()
        elif how == "slow":
            self.flight = Put(receiver, notice)
        elif how in ("failed", "lost"):
            self.again(receiver, notice, is_unsure=how == "lost")
        else:
            self.noted(receiver, notice, "refused" if how == "refused" else "sent")

    def again(self, receiver: str, notice: Notice, *, is_unsure: bool) -> None:
        """It waits; others are told meanwhile, but nothing else of the same page."""
        if is_unsure:
            self.desk.perhaps(receiver, notice, self.now)
        self.desk.landed(receiver, notice)
        self.line.appendleft(Put(receiver, notice))
        self.line.rotate(0 if self.is_behind(receiver, notice) else -1)

    def noted(self, receiver: str, notice: Notice, answer: deciding.Answer) -> None:
        """The answer is there."""
        self.desk.told(receiver, notice, answer, self.now)
        work = self.desk.drain()
        self.store(work)
        self.line += work.puts

    def is_behind(self, receiver: str, notice: Notice) -> bool:
        """Whether more of that page waits for that receiver: news of a page stay in order."""
        return any((put.receiver, put.notice.page.id) == (receiver, notice.page.id) for put in list(self.line)[1:])

    def must_be_silent(self, notice: Notice) -> bool:
        """Whether nobody may be called for it, whichever of the messages are known that are known for certain.

        After a kill the records may know more than what has been read again.
        """
        if notice.news not in ("opened", "escalated"):
            return False
        ended = is_cleared(self.topics[0][: self.at[0]], notice.page.id)
        places = range(self.at[1], self.far[1] + 1)
        return ended or all(is_taken(self.standing(notice.page.id, place)) for place in places)

    def standing(self, name: str, place: int) -> Standing:
        """By the wall's own fold."""
        found = Standing()
        for said in self.topics[1][:place]:
            found = judge(found, said) if said.alert == name else found
        return found

    def finish(self) -> None:
        """No more kills: everything is read and told, and all levels have their time."""
        for _ in range(8):
            self.read(0, 99)
            self.read(1, 99)
            while self.line or self.flight:
                self.tell("sent")
            self.now += self.plan.escalate_after_s
            self.tick()
        while self.line or self.flight:
            self.tell("sent")


def is_cleared(changes: Sequence[AlertChange], name: str) -> bool:
    """Whether its cause has ended after it paged; an end before that means nothing."""
    own = [change for change in changes if change.id == name]
    first = next((n for n, change in enumerate(own) if deciding.pages(change)), len(own))
    return any(change.state == "cleared" for change in own[first:])


def is_taken(standing: Standing) -> bool:
    """Whether somebody has it or has decided it."""
    return bool(standing.claimed_by) or standing.finding != "open"


def as_text(notice: Notice) -> str:
    """All that a receiver could show of it."""
    return json.encode(notice).decode()


def state_of(of: Desk, name: str = "a1") -> PagerState:
    """As the desk has it."""
    found = [state for state in of._states() if state.id == name]
    assert found, f"{name} is not known"
    return found[0]
