"""A floor of 400 agents for the wall's bench: what happens on it, as messages of the topics.

Each call goes through the phases below, one step at a time, so that every event changes one tile. Times are Unix
seconds of the caller; a call's ``since`` after an event is that event's time: so a screen's news is known again.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from msgspec.structs import replace

from streams import alerts, verdicts
from streams.alerts import AlertChange, Clause, Wording
from streams.settings import Team
from streams.verdicts import Judgement

AGENTS, TEAMS = 400, 10
#: Calls at the same time.
CALLS = 320
FIRST_AGENT = 8001
#: The steps of a call, and what each says beside call and time.
STEPS = (
    ("call.offered", '"caller":"138****{caller:04d}","queue":"{queue}"'),
    ("agent.ringing", '"agent":"{agent}","agent_name":"坐席{agent}"'),
    ("call.answered", '"agent":"{agent}","agent_name":"坐席{agent}"'),
    ("call.held", '"by":"agent"'),
    ("call.resumed", '"by":"agent"'),
    ("call.held", '"by":"agent"'),
    ("call.resumed", '"by":"agent"'),
    ("call.ended", '"by":"customer"'),
)


class Said(NamedTuple):
    """A message: ``topic`` without prefix, ``mark`` what a screen is known to have by (see ``wall_clients``)."""

    topic: str
    key: bytes
    value: bytes
    mark: str


class _Call:
    def __init__(self, number: int, slot: int, name: str) -> None:
        self.id, self.step, self.slot, self.number = f"{name}-{number}", 0, slot, number
        self.agent = FIRST_AGENT + (slot * 7 + number) % AGENTS
        self.queue = queue_of(self.agent)


class Floor:
    """Endless; the same seed gives the same."""

    def __init__(self, name: str, seed: int = 5) -> None:
        """``name`` begins every call's id."""
        self._name, self._chance, self._made = name, random.Random(seed), 0  # noqa: S311 - not for secrets
        self._calls = deque(self._new(slot) for slot in range(CALLS))

    def fill(self, at: float) -> Iterator[Said]:
        """Bring every call to some step, at about ``at``."""
        for _ in range(CALLS):
            call = self._calls.popleft()
            for _ in range(self._chance.randrange(1, len(STEPS))):
                at += 0.001
                yield self._step(call, at)
            self._calls.append(call)

    def next(self, at: float) -> Said:
        """What happens at ``at``."""
        call = self._calls.popleft()
        said = self._step(call, at)
        self._calls.append(call if call.step < len(STEPS) else self._new(call.slot))
        return said

    def _step(self, call: _Call, at: float) -> Said:
        kind, fields = STEPS[call.step]
        more = fields.format(caller=call.number % 10_000, queue=call.queue, agent=call.agent)
        value = f'{{"type":"{kind}","call":"{call.id}","at":{at:.3f},{more}}}'.encode()
        call.step += 1
        return Said("calls", call.id.encode(), value, f"{call.id}|{at:.3f}")

    def alert(self, at: float) -> AlertChange:
        """One call has broken a rule."""
        call = self._chance.choice(self._calls)
        return replace(
            _ALERT,
            id=alerts.alert_id(call.id, "long-hold", round(at * 1000)),
            rule=self._chance.choice(_RULES),
            call=call.id,
            agent=str(call.agent),
            agent_name=f"坐席{call.agent}",
            queue=call.queue,
            at=round(at, 3),
        )

    def _new(self, slot: int) -> _Call:
        self._made += 1
        return _Call(self._made, slot, self._name)


_RULES = tuple(f"rule-{n}" for n in range(20))
_ALERT = AlertChange(
    id="",
    rule="long-hold",
    severity="warning",
    state="opened",
    call="",
    agent=None,
    queue=None,
    at=0.0,
    title="客户保持等待过久",
    says="坐席已让客户保持等待 2 分钟\uff0c尚未恢复通话",
    en=Wording("Customer on hold too long", "The agent has kept the customer on hold for 2 min"),
    clause=Clause("002", "第 16 篇 3.2.9", "原则上\uff0c客户等待的时间不应超过 2 分钟\u3002"),
    rulebook="bench",
)


def of_alert(change: AlertChange) -> Said:
    """As a message."""
    return Said("alerts", change.call.encode(), alerts.render(change), f"a:{change.id}")


def of_verdict(change: AlertChange, at: float, *, right: bool) -> Said:
    """What a supervisor makes of an alert."""
    judgement = Judgement(
        id=f"j{change.id}",
        alert=change.id,
        call=change.call,
        rule=change.rule,
        action="resolved" if right else "false_alarm",
        reason=None if right else "exempt",
        by="wang",
        by_name="王芳",
        at=at,
        agent=change.agent,
        queue=change.queue,
    )
    return Said("verdicts", change.call.encode(), verdicts.render(judgement), "")


def queue_of(agent: int) -> str:
    """Each team has one."""
    return f"队列{(agent - FIRST_AGENT) * TEAMS // AGENTS}"


def teams() -> dict[str, Team]:
    """Ten of forty agents each."""
    agents = range(FIRST_AGENT, FIRST_AGENT + AGENTS)
    each = AGENTS // TEAMS
    return {
        f"组{n}": Team(agents=tuple(map(str, agents[n * each : (n + 1) * each])), queues=(queue_of(agents[n * each]),))
        for n in range(TEAMS)
    }
