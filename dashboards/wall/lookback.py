"""Pages of what is older than the wall knows, made from the archive: an alert, a call, an agent's day.

Owns what is told of something whose words or record retention has taken. Who may see it is asked here, as ``reading``
asks it of today's; the audit is ``reading``'s.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, timedelta
from functools import partial
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from dashboards.wall import bygone, finding
from dashboards.wall.access import Scope
from dashboards.wall.archive import Archive, ArchiveDownError
from dashboards.wall.bygone import Bygone, Kept, Past
from dashboards.wall.finding import Found
from dashboards.wall.pages import AlertPage, CallLine, CallPage, Gone, alert_page, call_page
from dashboards.wall.protocol import Find
from dashboards.wall.views import Card, Person
from streams.alerts import SEVERITIES, AlertChange
from streams.archive import past, search
from streams.archive.search import BadQueryError
from streams.archive.store import RefusedError
from streams.events import AnyEvent, Transcript
from streams.rulebook.book import Rulebook

#: Why there is no page; ``forgotten``: it was deleted on request; ``bad``: that cannot be looked for.
NoPage = Literal["unknown", "not_allowed", "forgotten", "bad"]
#: A rulebook by its version; None: it is lost. Blocks.
BookOf = Callable[[str], Rulebook | None]

#: Whoever asks for too much hears after so long what was found until then, seconds: well within ``archive.LIMIT_S``.
FIND_S = 2.0
#: Beside a page of the topics it is asked for so long at most, seconds: the page is made all the same.
ASIDE_S = 1.0
_DAY = timedelta(days=1)


class Span(NamedTuple):
    """A day of the site: from midnight to midnight, Unix seconds."""

    day: str
    since: float
    until: float


class Lookback:
    """Asks one archive."""

    def __init__(self, archive: Archive, zone: ZoneInfo, book: BookOf, clock: Callable[[], float]) -> None:
        """``clock``: Unix seconds."""
        self._archive, self._zone, self._book, self._clock = archive, zone, book, clock

    async def forgotten(self, names: Iterable[str]) -> frozenset[str]:
        """Those of these calls and alerts that were deleted on request: the topics have them for some days more. None
        while the archive cannot say so soon.
        """
        asked = asyncio.ensure_future(self._forgotten(tuple(dict.fromkeys(names))))
        done, _ = await asyncio.wait({asked}, timeout=ASIDE_S)  # not cancelled: a store that hangs is to be found out
        return asked.result() if done else frozenset()

    async def _forgotten(self, names: tuple[str, ...]) -> frozenset[str]:
        try:
            return await self._archive.ask(lambda _, connection: bygone.forgotten_of(connection, names))
        except (ArchiveDownError, RefusedError):
            return frozenset()

    async def alert(self, scope: Scope, alert_id: str, *, show_trial: bool) -> AlertPage | NoPage:
        """The page of an alert. Raises ArchiveDownError."""
        found, is_forgotten = await self._archive.ask(
            lambda store, connection: (
                bygone.alert(store, connection, alert_id),
                bygone.is_forgotten(connection, alert_id),
            )
        )
        if found is None:
            return "forgotten" if is_forgotten and scope.is_all else "unknown"
        card = found.alert.card
        if not covers(scope, card):
            return "unknown"  # that there is such an alert is not told either
        page = await asyncio.to_thread(self._alert_page, scope, found, show_trial)
        if page is None:
            return "unknown"
        if page.call and not covers_call(scope, page.call):
            return replace(page, call=without_words(page.call))
        return page

    def _alert_page(self, scope: Scope, found: Past, show_trial: bool) -> AlertPage | None:
        card = found.alert.card
        around = [each for each in (*found.beside, *found.earlier) if each.card.id != card.id]
        seen = [each for each in around if _is_seen(scope, each.card, show_trial)]
        told: list[AlertChange] = [*found.alert.changes]
        told += [change for each in seen if each.card.call == card.call for change in each.changes]
        cards = [card, *(each.card for each in seen)]
        book = self._book(found.alert.changes[0].rulebook)
        now = self._clock()
        page = alert_page(card.id, told, found.record, cards, found.alert.standing, book, now)
        if page is None:
            return None
        call = self._marked(page.call, found.call, found.record, [c for c in cards if c.call == card.call])
        why_not = "words" if page.why_not == "record" and call and call.gone else page.why_not
        return replace(page, call=call, why_not=why_not, archived=True)

    async def call(
        self, scope: Scope, call_id: str, newer: Sequence[Card], *, show_trial: bool
    ) -> CallPage | NoPage | None:
        """The page of a call that has ended; None: the archive knows none. ``newer``: its alerts on the wall.

        Raises ArchiveDownError.
        """
        kept, is_forgotten = await self._archive.ask(
            lambda _, connection: (bygone.call(connection, call_id), bygone.is_forgotten(connection, call_id))
        )
        if is_forgotten:
            return "forgotten" if scope.is_all else "unknown"
        if kept is None or kept.state == "up":
            return None
        if not scope.covers(kept.party, kept.line.queue):
            return "unknown"  # that there is such a call is not told either
        record, fired = await self._archive.ask(
            lambda _, connection: (
                tuple(past.record(connection, call_id)),
                bygone.alerts_of(connection, [call_id]),
            )
        )
        seen = [each for each in fired if _is_seen(scope, each.card, show_trial)]
        cards = {each.card.id: each.card for each in seen} | {card.id: card for card in newer}
        page = await asyncio.to_thread(self._call_page, kept, record, seen, list(cards.values()))
        return page if covers_call(scope, page) else "unknown"

    def _call_page(
        self, kept: Kept, record: tuple[AnyEvent, ...], fired: Iterable[Bygone], cards: Sequence[Card]
    ) -> CallPage:
        changes = [change for each in fired for change in each.changes]
        page = call_page(kept.line.id, record, changes, cards, self._clock())
        return self._marked(page, kept, record, cards) or _figures(kept, cards, self._clock())

    def _marked(
        self, page: CallPage | None, kept: Kept | None, record: Iterable[AnyEvent], cards: Sequence[Card]
    ) -> CallPage | None:
        """The page with what retention has taken of it."""
        if page is None:
            return _figures(kept, cards, self._clock()) if kept else None
        if kept is None or not kept.listened or kept.has_words or any(_is_heard(event) for event in record):
            return page
        return replace(page, gone=self._gone(kept))

    def _gone(self, kept: Kept) -> Gone:
        """What was listened to and holds no words any more: by its age, or nobody spoke."""
        return "words" if kept.line.began_at < self._clock() - self._archive.words_days * 86_400 else ""

    async def day(
        self, scope: Scope, agent: str, span: Span, *, is_known: bool, show_trial: bool
    ) -> tuple[Person, tuple[CallLine, ...], tuple[Card, ...]] | NoPage:
        """Who, the calls and the alerts of that day, the newest first. Raises ArchiveDownError."""
        found = await self._archive.ask(
            lambda _, connection: (
                found := bygone.day(connection, agent, span.since, span.until),
                bygone.alerts_of(connection, [kept.line.id for kept in found.calls]),
            )
        )
        day, fired = found
        if not (day.is_known or is_known):
            return "unknown"
        cards = [each.card for each in fired if _is_seen(scope, each.card, show_trial)]
        lines = [_with_alerts(_as_part(kept, agent), cards) for kept in day.calls]
        own = [card for card in day.alerts if show_trial or not card.trial]
        return Person(agent, day.name), tuple(lines[::-1]), tuple(own[::-1])

    async def find(self, scope: Scope, find: Find, *, show_trial: bool) -> Found | NoPage:
        """The calls that are looked for; what is found in time, where too much was asked. Raises ArchiveDownError."""
        try:
            query = finding.query_of(find, scope, self._zone, show_trial=show_trial)
            found = await self._archive.ask(partial(search.find_in, query=query, within_s=FIND_S))
        except (BadQueryError, RefusedError):
            return "bad"
        return finding.found_of(found, scope, show_trial=show_trial)

    def span(self, day: str) -> Span | None:
        """That day; None: it is none, it is to come, or everything of it has been put away."""
        try:
            wanted = date.fromisoformat(day)
        except ValueError:
            return None
        if not self.first <= wanted <= self.today:
            return None
        return Span(wanted.isoformat(), self._midnight(wanted), self._midnight(wanted + _DAY))

    @property
    def today(self) -> date:
        """The site's."""
        return datetime.fromtimestamp(self._clock(), self._zone).date()

    @property
    def first(self) -> date:
        """The earliest day of which anything can be kept."""
        try:
            return self.today - timedelta(days=self._archive.figures_days)
        except OverflowError:
            return date.min  # kept for ever

    def _midnight(self, day: date) -> float:
        return datetime(day.year, day.month, day.day, tzinfo=self._zone).timestamp()


def covers(scope: Scope, card: Card) -> bool:
    """Whether that alert belongs to it."""
    return scope.covers_alert(card.agent.id if card.agent else None, card.queue)


def covers_call(scope: Scope, page: CallPage) -> bool:
    """Whether that call belongs to it."""
    return scope.covers(tuple(each.id for each in page.agents), page.queue)


def _is_seen(scope: Scope, card: Card, show_trial: bool) -> bool:
    return covers(scope, card) and (show_trial or not card.trial)


def _is_heard(event: AnyEvent) -> bool:
    return isinstance(event, Transcript) and bool(event.text)


def without_words(page: CallPage) -> CallPage:
    """A phone that was not answered: others' talk is not this agent's."""
    return replace(page, lines=(), talk=())


def _figures(kept: Kept, cards: Sequence[Card], now: float) -> CallPage:
    """What is left of a call whose record is gone."""
    line = kept.line
    return CallPage(
        id=line.id,
        began_at=line.began_at,
        phase="ended",
        now=now,
        direction=line.direction,
        queue=line.queue,
        caller=line.caller,
        ended_at=kept.heard_at if line.ended_at is None else line.ended_at,
        ended_by=line.ended_by,
        agents=line.agents,
        alerts=tuple(sorted((c for c in cards if c.call == line.id), key=lambda c: (c.opened_at, c.id))),
        listened=kept.listened,
        gone="record",
        figures=line,
    )


def _as_part(kept: Kept, agent: str) -> CallLine:
    """As the list of today has it: where only the phone rang, the talk is others', and is not told."""
    if agent in kept.party:
        return kept.line
    return replace(kept.line, agents=(), talk_s=0.0, held_s=0.0)


def _with_alerts(line: CallLine, cards: Iterable[Card]) -> CallLine:
    own = [card.severity for card in cards if card.call == line.id]
    return replace(line, alerts=len(own), worst=max(own, key=SEVERITIES.index, default=None))
