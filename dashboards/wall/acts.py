"""What people do with alerts: checked here, written to the log, and learned by everybody (the sender too) from there.

Owns the order of the checks and their answers (``docs/wall.md``); knows no sockets. The log says who was first. What
was written here and has not come back yet counts already; whether another wall was sooner shows when it has::

    checks ─▶ write ─▶ acknowledged ─▶ back from the log: in the history ─▶ done, refused ─▶ too_late
                                    └▶ not back within BACK_S ─────────────▶ done: it is written
"""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
from collections.abc import Callable, Mapping, Set
from contextlib import AbstractContextManager, suppress
from typing import Literal, NamedTuple, Protocol

from asr.privacy import mask
from asr.recogniser import Heard
from dashboards.wall.access import Scope, User, scope_of
from dashboards.wall.desk import Desk
from dashboards.wall.protocol import Act, Quiet
from dashboards.wall.records import UnavailableError
from streams.settings import Team
from streams.verdicts import SNOOZE_MOST_MIN, TEXT, Action, Judgement, Snooze, Standing, judge, makes_sense

log = logging.getLogger(__name__)

Problem = Literal["not_allowed", "too_late", "unknown", "unavailable", "busy", "too_long", "bad"]
#: What may come with a text; an agent reads what answers an appeal.
_SAYS: frozenset[Action] = frozenset(("commented", "resolved", "false_alarm", "appealed", "upheld", "dismissed"))
#: What says that the rule was wrong must say why.
_FALSE: frozenset[Action] = frozenset(("false_alarm", "upheld"))
#: A verdict is back from the log within this long, seconds, as a rule.
BACK_S = 2.0
#: So many snoozes are in force at a time; each may hide something that goes wrong.
MOST_SNOOZES = 50
#: A verdict that was written this long ago, seconds, is back from the log, or will not come.
BACK_WITHIN_S = 30.0
#: Signs that have no shape of their own but turn text around or hide it.
_UNSEEN = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")


class Subject(NamedTuple):
    """What the wall knows of the alert that somebody judges."""

    call: str
    rule: str
    agent: str | None
    queue: str | None
    standing: Standing


class Ledger(Protocol):
    """What the wall knows."""

    def subject(self, alert_id: str) -> Subject | None:
        """That alert; None: it is not known (any more)."""

    def returned(self, judgement_id: str) -> AbstractContextManager[asyncio.Event]:
        """Rings when that judgement has come back from the log."""

    def knows_rule(self, rule: str) -> bool:
        """Whether a rule of that id exists."""

    def knows_queue(self, queue: str) -> bool:
        """Whether calls or alerts of it were seen, or a team has it."""

    def snoozed(self) -> Set[tuple[str, str]]:
        """Rule and queue of each snooze in force."""


class Acts:
    """Carries out what the browsers ask for. Each method answers with what is in the way, or None: it is written."""

    def __init__(self, desk: Desk, ledger: Ledger, teams: Mapping[str, Team], clock: Callable[[], float]) -> None:
        """``clock``: Unix seconds."""
        self._desk, self._ledger, self._teams, self._clock = desk, ledger, teams, clock
        self._on_its_way: list[Judgement] = []

    async def act(self, user: User, act: Act) -> Problem | None:
        """A verdict on one alert."""
        if not user.may(act.action):
            return "not_allowed"
        text = shown(act.text)
        if problem := _misfit(act, text):
            return problem
        subject = self._ledger.subject(act.alert)
        if subject is None:
            return "unknown"
        if not scope_of(user, self._teams).covers_alert(subject.agent, subject.queue):
            return "not_allowed"
        if not makes_sense(self._standing(act.alert, subject.standing), act.action):
            return "too_late"
        judgement = Judgement(
            id=secrets.token_hex(8),
            alert=act.alert,
            call=subject.call,
            rule=subject.rule,
            action=act.action,
            by=user.login,
            by_name=user.name,
            at=self._clock(),
            agent=subject.agent,
            queue=subject.queue,
            reason=(act.reason or "other") if act.action in _FALSE else None,
            text=text,
        )
        return await self._decide(judgement)

    async def _decide(self, judgement: Judgement) -> Problem | None:
        self._on_its_way.append(judgement)
        with self._ledger.returned(judgement.id) as is_back:
            if problem := await self._write(judgement):
                self._on_its_way.remove(judgement)
                return problem
            with suppress(TimeoutError):
                async with asyncio.timeout(BACK_S):
                    await is_back.wait()
        subject = self._ledger.subject(judgement.alert)
        return "too_late" if subject and judgement.id in subject.standing.refused else None

    async def snooze(self, user: User, wish: Quiet) -> Problem | None:
        """Alerts of one rule stay off the walls for a while, or come back. A team's supervisor has only its queues."""
        if not user.may_snooze or not _may_silence(scope_of(user, self._teams), wish.queue):
            return "not_allowed"
        text = shown(wish.text)
        if len(text) > TEXT:
            return "too_long"
        if wish.minutes > SNOOZE_MOST_MIN:
            return "bad"
        snoozed = self._ledger.snoozed()
        if (wish.rule, wish.queue) not in snoozed:
            if not self._ledger.knows_rule(wish.rule) or not self._ledger.knows_queue(wish.queue):
                return "unknown"
            if wish.minutes and len(snoozed) >= MOST_SNOOZES:
                return "bad"
        now = self._clock()
        until = now + wish.minutes * 60
        snooze = Snooze(
            id=secrets.token_hex(8),
            rule=wish.rule,
            queue=wish.queue,
            until=until,
            by=user.login,
            by_name=user.name,
            at=now,
            text=text,
        )
        return await self._write(snooze)

    async def _write(self, verdict: Judgement | Snooze) -> Problem | None:
        try:
            await self._desk.judge(verdict)
        except UnavailableError as error:
            log.warning("a verdict was not written: %s", error)
            return "unavailable"
        return None

    def _standing(self, alert: str, known: Standing) -> Standing:
        """With what was written here and is still on its way back."""
        since = self._clock() - BACK_WITHIN_S
        self._on_its_way = [j for j in self._on_its_way if j.at > since]
        for judgement in self._on_its_way:
            if judgement.alert == alert:
                known = judge(known, judgement)  # what is back already changes nothing
        return known


def _misfit(act: Act, text: str) -> Problem | None:
    if len(text) > TEXT:
        return "too_long"
    if text and act.action not in _SAYS:
        return "bad"
    if act.action == "commented" and not text:
        return "bad"
    return "bad" if act.action == "false_alarm" and act.reason is None else None


def _may_silence(scope: Scope, queue: str) -> bool:
    """Silence for every queue would silence the other teams' too."""
    return scope.is_all or queue in scope.queues


def shown(text: str) -> str:
    """As others may read it: what is personal is starred out, and nothing turns the text around."""
    text = _UNSEEN.sub("", text).strip()
    return "".join(word.text for word in mask([Heard(text, 0.0, 0.0)]).words) if text else ""
