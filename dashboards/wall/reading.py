"""What people read: the page of an alert, of a call, of an agent's day, and the lines of a call as they come.

Owns who may read what, and that nothing is shown before the audit says who saw it. Knows no sockets and no Kafka::

    page:    may the role ─▶ is it known ─▶ record ─▶ is it in the scope ─▶ page (in a thread) ─▶ audit ─▶ answer
    find:    may the role ─▶ audit ─▶ the archive, within the scope ─▶ answer
    follow:  listen live ─▶ record up to now ─▶ is it in the scope ─▶ audit ─▶ record, then live what it has not

What the wall itself does not know, the archive may (``lookback``). Reading is dear. So each login reads one thing at a
time, and what only costs a look at the wall is looked at first.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, Literal, TypeVar
from weakref import WeakValueDictionary
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from dashboards.wall.access import Scope, User, scope_of
from dashboards.wall.archive import Archive, ArchiveBusyError, ArchiveDownError, NoArchiveError
from dashboards.wall.books import Books
from dashboards.wall.cards import for_its_agent
from dashboards.wall.course import Course
from dashboards.wall.course import News as Fresh
from dashboards.wall.desk import Desk
from dashboards.wall.finding import Found, in_words
from dashboards.wall.house import House
from dashboards.wall.lookback import Lookback, covers, covers_call, without_words
from dashboards.wall.pages import AgentPage, AlertPage, CallPage, agents_of, alert_page, call_page
from dashboards.wall.protocol import Ask, Find
from dashboards.wall.records import Records, UnavailableError
from dashboards.wall.views import Card, Person
from streams.alerts import AlertChange
from streams.archive.store import RefusedError
from streams.audit import Audit, Opened
from streams.core import SILENT_S
from streams.events import AnyEvent
from streams.rulebook import book
from streams.rulebook.book import Rulebook, RulebookError
from streams.settings import Settings
from streams.verdicts import WEEK_S, Action, Judgement

log = logging.getLogger(__name__)

#: ``archive``: it is older than the topics keep, and the archive cannot be asked now; ``no_archive``: there is none;
#: ``forgotten``: it was deleted on request; ``bad``: that cannot be looked for.
Problem = Literal["unknown", "not_allowed", "unavailable", "busy", "archive", "no_archive", "forgotten", "bad"]
Page = AlertPage | CallPage | AgentPage
T = TypeVar("T")

#: Pages that are being made at the same time; more are "busy".
MOST_AT_ONCE = 16
#: A page takes this long at most, seconds; the browser waits a little longer, and nothing is made for nobody.
WITHIN_S = 9.0
#: Of a login that many share, so much is read at a time; of any other one thing.
READS_OF_SHARED = 2
#: Live lines go out so often at most, seconds.
LINES_EVERY_S = 0.25
#: A record that cannot be read is tried again after this long, seconds, by who follows a call.
AGAIN_S = 5.0
#: What an agent reads of what was done with an alert: findings without what was written, answers with it.
_FOUND: frozenset[Action] = frozenset(("resolved", "false_alarm"))
_ANSWERS: frozenset[Action] = frozenset(("upheld", "dismissed"))
#: Where nobody says when a call was, it is looked for so far back, seconds: first a day, then a week.
_BACK_S = (86_400.0, WEEK_S)


class Reading:
    """Makes pages for those who may see them."""

    def __init__(
        self,
        house: House,
        records: Records,
        desk: Desk,
        settings: Settings,
        clock: Callable[[], float],
        archive: Archive | None = None,
    ) -> None:
        """``clock``: Unix seconds; ``archive`` None: nothing is known beyond the week."""
        self._house, self._records, self._desk, self._clock = house, records, desk, clock
        self._teams, self._settings = settings.wall.teams, settings
        users = {user.agent for user in settings.wall.users if user.agent}
        self._known_agents = users.union(*(team.agents for team in settings.wall.teams.values()))
        self._books: Books | None = None  # read when somebody asks why: it takes a second, and a wall is to be up soon
        self._under_way = 0
        self._turns = WeakValueDictionary[str, asyncio.Semaphore]()
        zone = ZoneInfo(settings.wall.timezone)
        self._back = Lookback(archive, zone, self._book, clock) if archive else None

    async def page(self, user: User, ask: Ask) -> Page | Problem:
        """The page, or what is in the way."""
        return await self._within_limits(user, lambda: self._page(user, ask))

    async def find(self, user: User, find: Find) -> Found | Problem:
        """The calls that are looked for, or what is in the way."""
        found = await self._within_limits(user, lambda: self._find(user, find))
        return "no_archive" if found == "unknown" else found

    async def _within_limits(self, user: User, make: Callable[[], Awaitable[T | Problem]]) -> T | Problem:
        """What is made, within all limits, or what is in the way."""
        if not user.sees_pages:
            return "not_allowed"
        if self._under_way >= MOST_AT_ONCE:
            return "busy"
        self._under_way += 1
        try:
            return await self._made(user, make)
        except UnavailableError as error:
            log.warning("a page was not made: %s", error)
            return "unavailable"
        except Exception as error:  # whoever asked must hear; what went wrong may hold what is personal
            log.error("a page was not made: %s in %s", type(error).__name__, _where(error))
            return "unavailable"
        finally:
            self._under_way -= 1

    async def _made(self, user: User, make: Callable[[], Awaitable[T | Problem]]) -> T | Problem:
        """Raises UnavailableError of the topics."""
        try:
            async with asyncio.timeout(WITHIN_S), self._turn(user):
                return await make()
        except NoArchiveError:
            return "unknown" if self._house.wall.status.archive.state == "absent" else "archive"
        except ArchiveBusyError:
            return "busy"
        except ArchiveDownError:
            return "archive"
        except RefusedError:
            return "unknown"
        except TimeoutError:
            log.warning("a page was not made within %g s", WITHIN_S)
            return "unavailable"

    def _turn(self, user: User) -> asyncio.Semaphore:
        """To be held while something is read for that login; kept while somebody has it."""
        turn = self._turns.get(user.login)
        if turn is None:
            turn = self._turns[user.login] = asyncio.Semaphore(READS_OF_SHARED if user.is_shared else 1)
        return turn

    async def _page(self, user: User, ask: Ask) -> Page | Problem:
        scope = scope_of(user, self._teams)
        if ask.what == "alert":
            page: Page | Problem = await self._alert(scope, ask.id)
        elif ask.what == "call":
            page = await self._call(scope, ask.id, ask.at)
        else:
            page = await self._agent(scope, ask.id, ask.day or self._day_of(ask.at))
        if isinstance(page, str):
            return page
        await self._note(user, ask.what, ask.id)
        return for_agent(page, user.login) if user.role == "agent" else page

    async def _alert(self, scope: Scope, alert: str) -> AlertPage | Problem:
        wall = self._house.wall
        card = wall.card(alert)
        if card is None:
            return await self._back.alert(scope, alert, show_trial=wall.show_trial) if self._back else "unknown"
        if not covers(scope, card):
            return "not_allowed"
        beside = _visible(scope, wall.alerts_of(card.call))
        earlier = wall.earlier(card.agent.id, card.rule, card.opened_at) if card.agent else []
        gone = await self._forgotten(alert, card.call, *(name for each in earlier for name in (each.id, each.call)))
        if gone & {alert, card.call}:
            return "forgotten"
        earlier = [each for each in earlier if not gone & {each.id, each.call}]
        known = wall.known(alert)
        goes_on = known is not None and bool(known.newest.calls)  # calls that come later change it, too
        recorded, changes = await asyncio.gather(
            self._recorded(card.call, card.opened_at), self._changes(card.call, card.opened_at, to_now=goes_on)
        )
        own = [change for change in changes if change.id == alert]
        if not any(change.state == "opened" for change in own):  # its call is long over
            own = list(await self._records.alert(alert))
        if not own or await self._forgotten(*(name for each in own for name in each.calls)):
            return await self._back.alert(scope, alert, show_trial=wall.show_trial) if self._back else "unknown"
        cards = {each.id: each for each in (*beside, *_visible(scope, earlier), card)}.values()
        found = await asyncio.to_thread(self._book, own[0].rulebook)
        told = [*own, *(change for change in changes if change.id != alert)]
        page = await asyncio.to_thread(
            alert_page, alert, told, recorded, cards, wall.standing(alert), found, self._clock()
        )
        return _as_seen(scope, page) if page else "unknown"

    async def _call(self, scope: Scope, call: str, at: float | None) -> CallPage | Problem:
        cards = _visible(scope, self._house.wall.alerts_of(call))
        if self._house.wall.when(call) is None:  # of an earlier day: the archive finds it at once, the topics search
            try:
                if page := await self._old_call(scope, call, cards):
                    return page
            except ArchiveDownError:
                if not self._may_be_looked_for(scope, call):
                    raise
        elif await self._forgotten(call):
            return "forgotten" if scope.is_all else "unknown"  # whose it was nobody knows any more
        if not self._may_be_looked_for(scope, call):
            return "unknown"
        recorded = await self._recorded(call, at)
        changes = await self._changes(call, at) if cards else ()
        made = await asyncio.to_thread(call_page, call, recorded, changes, cards, self._clock())
        if made is None:
            return await self._old_call(scope, call, cards) or "unknown"
        return made if covers_call(scope, made) else "not_allowed"

    async def _old_call(self, scope: Scope, call: str, cards: list[Card]) -> CallPage | Problem | None:
        if self._back is None:
            return None
        return await self._back.call(scope, call, cards, show_trial=self._house.wall.show_trial)

    async def _forgotten(self, *names: str) -> frozenset[str]:
        """Those of these calls and alerts that were deleted on request, as far as the archive can say so."""
        return await self._back.forgotten(names) if self._back and names else frozenset()

    def _may_be_looked_for(self, scope: Scope, call: str) -> bool:
        """Whether the record of a call is read. One of which the wall knows nothing is searched for in a week of a
        partition; who sees only a part of the floor could not be told that it is there.
        """
        return scope.is_all or self._house.wall.when(call) is not None

    async def _agent(self, scope: Scope, agent: str, day: str) -> AgentPage | Problem:
        if not scope.is_all and agent not in scope.agents:
            return "not_allowed"
        wall = self._house.wall
        today = datetime.fromtimestamp(wall.midnight, wall.zone).date().isoformat()
        first = self._back.first.isoformat() if self._back else ""
        is_known = agent in self._known_agents
        if day and day != today:
            return await self._earlier_day(scope, agent, day, today, first)
        calls, alerts = wall.call_lines(agent, lambda card: covers(scope, card)), wall.alerts_of_agent(agent)
        if not calls and not alerts and not is_known and not await self._was_heard_of(scope, agent):
            return "unknown"
        person = Person(agent, wall.name_of(agent))
        return AgentPage(person, today, today, first, tuple(calls[::-1]), tuple(alerts[::-1]))

    async def _earlier_day(self, scope: Scope, agent: str, day: str, today: str, first: str) -> AgentPage | Problem:
        span = self._back.span(day) if self._back else None
        if self._back is None or span is None:
            return "unknown"
        is_known = agent in self._known_agents
        show_trial = self._house.wall.show_trial
        found = await self._back.day(scope, agent, span, is_known=is_known, show_trial=show_trial)
        if isinstance(found, str):
            return found
        return AgentPage(found[0], span.day, today, first, *found[1:])

    async def _was_heard_of(self, scope: Scope, agent: str) -> bool:
        """Whether the archive knows the agent, who has had nothing today; where it cannot say, it is as if not."""
        span = self._back.span(self._day_of(self._clock())) if self._back else None
        if self._back is None or span is None:
            return False
        try:
            return not isinstance(await self._back.day(scope, agent, span, is_known=False, show_trial=False), str)
        except ArchiveDownError:
            return False

    def _day_of(self, at: float | None) -> str:
        """The site's date of that moment; "": today, or whenever that is."""
        if at is None:
            return ""
        try:
            return datetime.fromtimestamp(at, self._house.wall.zone).date().isoformat()
        except (ValueError, OverflowError, OSError):
            return "?"

    async def _find(self, user: User, find: Find) -> Found | Problem:
        if self._back is None:
            return "no_archive"
        scope = scope_of(user, self._teams, find.team)
        await self._note(user, "find", in_words(find))
        return await self._back.find(scope, find, show_trial=self._house.wall.show_trial)

    async def _recorded(self, call: str, at: float | None) -> tuple[AnyEvent, ...]:
        """What was logged of a call that went on ``at`` some time; None: nobody knows when."""
        span = self._house.wall.when(call)
        if span is None and at is not None:
            span = (at - SILENT_S, at + SILENT_S)
        if span is not None:
            return await self._records.call(call, *span)
        for back_s in _BACK_S:
            if recorded := await self._records.call(call, self._clock() - back_s, None):
                return recorded
        return ()

    async def _changes(self, call: str, at: float | None, *, to_now: bool = False) -> Sequence[AlertChange]:
        """Every change of the call's alerts, with those long after it ``to_now``; they are marks beside words, so what
        cannot be read now is left out.
        """
        span = self._house.wall.when(call)
        since, until = span or ((at or self._clock()) - SILENT_S, None)
        try:
            return await self._records.alerts(call, since, None if to_now else until)
        except UnavailableError:
            return ()

    def _book(self, version: str) -> Rulebook | None:
        """The rulebook of that version; None: it is lost. Blocks."""
        if self._books is None:
            self._books = Books(_current(self._settings), self._settings.run_dir / "rulebooks")
        return self._books.of(version)

    async def _note(self, user: User, what: Opened, of: str) -> None:
        await self._desk.audit(Audit(by=user.login, role=user.role, what=what, id=of, at=self._clock()))

    async def follow(self, user: User, call: str) -> AsyncGenerator[dict[str, Any]]:
        """Lines, spans and talk of a call: first all, then what is new; or once what is in the way."""
        scope = scope_of(user, self._teams)
        with self._house.following(call) as heard:
            while isinstance(course := await self._begun(user, scope, call), str):
                yield {"lines": (), "problem": course}
                if course != "unavailable":
                    return
                await asyncio.sleep(AGAIN_S)
            while True:
                heard.bell.clear()
                for event in heard.events:
                    course.take(event)  # what the record had already it knows by the offset
                for change in heard.changes:
                    if scope.covers_alert(change.agent, change.queue):
                        course.mark(change)
                heard.events.clear()
                heard.changes.clear()
                if not self._is_in(scope, course):  # another agent has answered, or it went to another team
                    yield {"lines": (), "problem": "not_allowed"}
                    return
                if fresh := course.news(self._clock()):
                    yield _lines(fresh)
                    await asyncio.sleep(LINES_EVERY_S)
                await heard.bell.wait()

    def _is_in(self, scope: Scope, course: Course) -> bool:
        call = course.call(self._clock())
        return call is not None and scope.covers(agents_of(call), call.queue or "")

    async def _begun(self, user: User, scope: Scope, call: str) -> Course | Problem:
        """The call up to now."""
        if not user.sees_pages:
            return "not_allowed"
        if not self._may_be_looked_for(scope, call):
            return "unknown"
        try:
            async with asyncio.timeout(WITHIN_S), self._turn(user):
                return await self._read(user, scope, call)
        except (TimeoutError, UnavailableError):
            return "unavailable"

    async def _read(self, user: User, scope: Scope, call: str) -> Course | Problem:
        if await self._forgotten(call):
            return "forgotten" if scope.is_all else "unknown"
        cards = _visible(scope, self._house.wall.alerts_of(call))
        span = self._house.wall.when(call)
        recorded = await self._records.call(call, span[0], None) if span else await self._recorded(call, None)
        course = Course(call)
        for event in recorded:
            course.take(event)
        if course.call(self._clock()) is None:
            return "unknown"
        if not self._is_in(scope, course):
            return "not_allowed"
        shown = {card.id for card in cards}
        for change in await self._changes(call, None) if shown else ():
            if change.id in shown:
                course.mark(change)
        await self._note(user, "lines", call)
        return course


def _current(settings: Settings) -> Rulebook:
    """Faults in an overlay are the detector's to tell."""
    try:
        return book.load(settings.rulebook)
    except RulebookError:
        return book.load()


def _as_seen(scope: Scope, page: AlertPage) -> AlertPage:
    """Without the words of a call that is others'."""
    call = page.call
    return replace(page, call=without_words(call)) if call and not covers_call(scope, call) else page


def _visible(scope: Scope, cards: Iterable[Card]) -> list[Card]:
    return [card for card in cards if covers(scope, card)]


def for_agent(page: Page, login: str) -> Page:
    """What supervisors say among themselves is not for whom it is about."""
    if isinstance(page, CallPage):
        return _call_for_agent(page)
    alerts = _cards_for_agent(page.alerts if isinstance(page, AgentPage) else page.earlier)
    if isinstance(page, AgentPage):
        return replace(page, alerts=alerts)
    return replace(
        page,
        card=for_its_agent(page.card),
        earlier=alerts,
        call=_call_for_agent(page.call) if page.call else None,
        history=tuple(replace(one, by="", text=_text_for_agent(one)) for one in page.history if _is_for(one, login)),
    )


def _call_for_agent(page: CallPage) -> CallPage:
    return replace(page, alerts=_cards_for_agent(page.alerts))


def _cards_for_agent(cards: Iterable[Card]) -> tuple[Card, ...]:
    return tuple(map(for_its_agent, cards))


def _is_for(one: Judgement, login: str) -> bool:
    """What was found, the answers to an appeal, and the own appeal."""
    return one.action in _FOUND or one.action in _ANSWERS or (one.action == "appealed" and one.by == login)


def _text_for_agent(one: Judgement) -> str:
    return "" if one.action in _FOUND else one.text


def _lines(fresh: Fresh) -> dict[str, Any]:
    told: dict[str, Any] = {"lines": fresh.lines}
    if fresh.talk:
        told["talk"] = fresh.talk
    if fresh.spans is not None:
        told["spans"] = fresh.spans
    return told


def _where(error: BaseException) -> str:
    """File and line at which it was raised, without what was in the variables."""
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_name}:{trace.tb_lineno}" if trace else "?"
