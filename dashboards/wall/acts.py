"""What people do with alerts: checked here, written to the log, and learned by everybody (the sender too) from there.

Owns the order of the checks and their answers (``docs/wall.md``); knows no sockets. What was written and has not come
back from the log yet counts already, so that of two who decide at the same moment on this wall the second is told.
"""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Callable, Mapping
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

Problem = Literal["not_allowed", "too_late", "unknown", "unavailable", "too_long", "bad"]
#: What says that the rule was wrong must say why.
_FALSE: frozenset[Action] = frozenset(("false_alarm", "upheld"))
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

    def knows_rule(self, rule: str) -> bool:
        """Whether a rule of that id exists."""


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
        agents = (subject.agent,) if subject.agent else ()
        if not scope_of(user, self._teams).covers(agents, subject.queue or ""):
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
        self._on_its_way.append(judgement)
        problem = await self._write(judgement)
        if problem:
            self._on_its_way.remove(judgement)
        return problem

    async def snooze(self, user: User, wish: Quiet) -> Problem | None:
        """Alerts of one rule stay off the walls for a while, or come back. A team's supervisor has only its queues."""
        if not user.may_snooze or not _may_silence(scope_of(user, self._teams), wish.queue):
            return "not_allowed"
        text = shown(wish.text)
        if len(text) > TEXT:
            return "too_long"
        if wish.minutes > SNOOZE_MOST_MIN:
            return "bad"
        if not self._ledger.knows_rule(wish.rule):
            return "unknown"
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
