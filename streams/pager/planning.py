"""From settings to the plan of who is called when, and to the wall's address in a page."""

from __future__ import annotations

from collections.abc import Iterable
from zoneinfo import ZoneInfo

from streams.hours import hours_of
from streams.pager.duty import Called, Plan, Route
from streams.pager.receiver import Receiver
from streams.settings import RouteSettings, Settings
from streams.shell.entries import entries

NO_RECEIVER = """no receiver is set, so nobody could be called; write into sansheng.toml, for instance:
[[pager.receivers]]
name = "duty"
kind = "webhook"
url = "https://pager.example.org/sansheng"
(kinds: alertmanager, pagerduty, dingtalk, wecom, feishu, webhook, email; docs/pager.md has them all)"""


def plan_of(settings: Settings, receivers: Iterable[Receiver]) -> Plan:
    """The plan of the settings; ``receivers``: those that they name."""
    quiet = {given.name: hours_of(given.quiet) for given in settings.pager.receivers if given.quiet}
    return Plan(
        receivers={r.name: Called(r.name, r.tells, quiet.get(r.name), r.repeats_s) for r in receivers},
        routes=tuple(_route(given) for given in settings.pager.routes),
        zone=ZoneInfo(settings.wall.timezone),
        escalate_after_s=settings.pager.escalate_after_s,
        too_late_s=settings.pager.too_late_s,
        expires_s=settings.pager.expires_s,
    )


def _route(given: RouteSettings) -> Route:
    hours = hours_of(given.hours) if given.hours else None
    return Route(levels=given.levels, queues=frozenset(given.queues), days=frozenset(given.days), hours=hours)


def wall_url(settings: Settings) -> str:
    """Where an alert's page is opened, without a token."""
    shown = entries(settings.wall, settings.wall.port).wall.partition("#")[0]
    return (settings.pager.wall_url or shown).rstrip("/")
