"""What becomes of one page: a fold of what is heard about an alert, and who is to be told. Pure: time is data.

Owns when an alert pages, when its page is over, who is called next, and what each receiver still has to be told. Knows
no clock, no topic and no receiver's protocol; the shell stores every state before it does what a step says.

::

    alert pages ──▶ held ──somebody is awake──▶ level 1 ──escalate_after_s──▶ level 2 ─ … ─▶ the last level
                     │                          │ claimed ──▶ nobody else is called ──released──▶ the level anew
                     └──────── cleared, resolved, false_alarm, upheld, expired ──▶ over ──reopened──▶ the level anew

An alert that is read late (``too_late_s``) is over from the beginning. A verdict may come before its alert, so a state
may have no page yet. Who has been told a page is told its end, even where it is only not known whether he was (his
answer was lost, or a kill came between telling and recording). Who has been told that somebody has it, or that it is
over, is told of it anew, in a new round, when that is not so any more; to all others nothing is new.

``expires_s`` runs while people can be called: from the first call, not from when the page was held for quiet hours.
What somebody has does not expire, for it was not missed; it is followed for as long as the wall keeps its alert.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Literal, NamedTuple
from urllib.parse import quote

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from streams.alerts import SEVERITIES, AlertChange
from streams.pager.duty import Plan, shown
from streams.pager.page import News, Notice, Page
from streams.verdicts import WEEK_S, Judgement, Standing, judge

Outcome = Literal["", "resolved", "expired", "too-late"]
#: What became of what a receiver was to be told.
Answer = Literal["sent", "refused"]

#: A page that is over is remembered so long, seconds: what comes again finds it over.
KEPT_S = 86_400.0
#: A page that somebody has, and that nothing ends, is over so long after he took it, seconds: the wall knows the alert
#: no longer by then.
CLAIMED_S = WEEK_S
#: Receivers count what they are told within this time, seconds.
LATELY_S = 60.0
#: The longest text of an alert that goes into a page, characters.
_LONGEST = 200

_OPENINGS: frozenset[News] = frozenset({"opened", "escalated"})
_STOPS: frozenset[News] = frozenset({"claimed", "resolved"})
_ENDS = frozenset({"cleared", "resolved", "false_alarm"})
#: Judgements that change nothing here.
_IDLE = frozenset({"commented"})


class Contact(Struct, frozen=True, omit_defaults=True):
    """A receiver that was called, at ``level``: what it has taken in this ``round``, and what it will never take.

    ``perhaps``: what it may have taken, though its answer is not known: lost, or its caller was killed before he could
    note it. ``round``: the page's, when it was told of it anew; 0: it never had to be. ``lately``: when it was told
    something, Unix seconds, as of the last time, what is older than ``LATELY_S`` before that left out.
    """

    level: int
    told: frozenset[News] = frozenset()
    refused: frozenset[News] = frozenset()
    perhaps: frozenset[News] = frozenset()
    round: int = 0
    lately: tuple[float, ...] = ()

    @property
    def knows(self) -> bool:
        """Whether it has been told of the page."""
        return bool(self.told & _OPENINGS)

    @property
    def may_know(self) -> bool:
        """Whether it has been told, or nobody can say that it has not."""
        return self.knows or bool(self.perhaps)

    @property
    def is_done(self) -> bool:
        """Whether it need not be called any more: it has been, or never can be."""
        return bool((self.told | self.refused) & _OPENINGS)


class PagerState(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One page: the record on the topic ``pages``. Times in Unix seconds.

    ``page`` None: only verdicts have come. ``heard_at``: when something was last heard of it; ``opened_at``: when the
    pager heard of the alert; ``routed_at``: when the first one was called, which decides on the route; ``level``: who
    was called last, 0: nobody; ``since``: when that level's time began; ``runs_from``: from when the time runs after
    which it expires; ``round``: how often it has been opened anew; ``over_at``: None while it is not over.
    ``standing`` holds no names. ``epoch``: of the pager's turn at the partition; a record of an earlier turn that comes
    late means nothing.
    """

    id: str
    heard_at: float
    page: Page | None = None
    standing: Standing = Standing()
    cleared: bool = False
    outcome: Outcome = ""
    opened_at: float = 0.0
    routed_at: float | None = None
    level: int = 0
    since: float = 0.0
    runs_from: float = 0.0
    round: int = 0
    over_at: float | None = None
    contacts: Mapping[str, Contact] = {}
    epoch: int = 0

    @property
    def is_over(self) -> bool:
        """Whether nobody is to be called for it any more."""
        return self.cleared or self.outcome in ("expired", "too-late") or self.standing.finding != "open"

    @property
    def is_claimed(self) -> bool:
        """Whether somebody has it."""
        return bool(self.standing.claimed_by) and not self.is_over

    @property
    def is_calling(self) -> bool:
        """Whether people are to be called until somebody has it."""
        return self.page is not None and not self.is_over and not self.is_claimed


class Put(NamedTuple):
    """A notice for a receiver."""

    receiver: str
    notice: Notice


class Count(NamedTuple):
    """Something for a counter of the table of metrics."""

    metric: str
    label: str


class Step(NamedTuple):
    """The new state (None: forget it), what to tell once that is stored, and what to count."""

    state: PagerState | None
    puts: tuple[Put, ...] = ()
    counts: tuple[Count, ...] = ()


#: Gives a page a slot that no other open one has.
Slot = Callable[[Page], int]


def render(state: PagerState) -> bytes:
    """As JSON."""
    return msgspec.json.encode(state)


_decoder = msgspec.json.Decoder(PagerState)


def parse(line: bytes | str) -> PagerState:
    """Raises msgspec.MsgspecError where it is none."""
    return _decoder.decode(line)


# ------------------------------------------------------------------------------------------- what is heard


def pages(change: AlertChange) -> bool:
    """Whether this change is one for which somebody is called."""
    return change.state in ("opened", "raised") and not change.trial and (change.severity == "critical" or change.page)


def page_of(change: AlertChange, site: str, wall_url: str, now: float) -> Page:
    """What leaves the house of an alert: nothing about a person. A time in the future is no time."""
    clause = " ".join(part for part in (change.clause.manual, change.clause.section) if part)
    return Page(
        id=change.id,
        rule=change.rule[:_LONGEST],
        title=change.title[:_LONGEST],
        title_en=(change.en.title if change.en else change.title)[:_LONGEST],
        severity=change.severity,
        queue=shown(change.queue or ""),
        site=site,
        clause=clause[:_LONGEST],
        at=min(change.at, now),
        link=f"{wall_url}/alerts/{quote(change.id, safe='')}",
    )


def on_alert(plan: Plan, before: PagerState | None, page: Page, change: AlertChange, now: float, slot: Slot) -> Step:
    """Fold a change in; ``page`` is what it would page with. Nobody is called yet: that is for ``on_time``."""
    if change.state in _ENDS:
        if before is None or before.page is None:
            return Step(before)
        return _turn(plan, before, replace(before, cleared=True), now, slot)
    if not pages(change):
        return Step(before)
    if before is None or before.page is None:
        return _opened(plan, before or PagerState(id=change.id, heard_at=now), page, now, slot)
    return _raised(plan, before, page, now)


def _opened(plan: Plan, before: PagerState, page: Page, now: float, slot: Slot) -> Step:
    state = replace(before, page=replace(page, slot=slot(page)), opened_at=now, since=now, runs_from=now, heard_at=now)
    if now - page.at > plan.too_late_s:
        return Step(replace(state, outcome="too-late", over_at=now), (), (_count("too-late"),))
    if state.is_over:  # its verdict came first
        return Step(replace(state, outcome="resolved", over_at=now), (), (_count("opened"), _count("resolved")))
    return Step(state, (), (_count("opened"), *([_count("claimed")] if state.is_claimed else [])))


def _count(outcome: str) -> Count:
    return Count("sansheng_pager_pages_total", outcome)


def _raised(plan: Plan, before: PagerState, page: Page, now: float) -> Step:
    """Graver than before: only who shows the severity for as long as the page is open is told, and as ``still``."""
    old = before.page
    assert old is not None  # noqa: S101 - the caller has looked
    if before.is_over or SEVERITIES.index(page.severity) <= SEVERITIES.index(old.severity):
        return Step(before)
    state = replace(before, page=replace(old, severity=page.severity), heard_at=now)
    return Step(state, tuple(stills(plan, state, now)))


def on_verdict(plan: Plan, before: PagerState | None, judgement: Judgement, now: float, slot: Slot) -> Step:
    """Fold what somebody did with the alert; it may not be known yet, and may never page."""
    if judgement.action in _IDLE:
        return Step(before)
    known = before or PagerState(id=judgement.alert, heard_at=now)
    standing = judge(known.standing, _nameless(judgement))
    if standing == known.standing:
        return Step(before)
    return _turn(plan, known, replace(known, standing=standing, heard_at=now), now, slot)


def _nameless(judgement: Judgement) -> Judgement:
    """Only what it does to the alert: neither who, nor about whom, nor words."""
    return Judgement(
        id=judgement.id, alert="", call="", rule="", action=judgement.action, by="~", by_name="", at=judgement.at
    )


def on_told(plan: Plan, before: PagerState, receiver: str, notice: Notice, answer: Answer, now: float) -> Step:
    """A receiver has taken the notice, or never will. What happened meanwhile is now for it to hear."""
    contact = _addressee(before, receiver, notice)
    if contact is None:
        return Step(before)
    if answer == "refused":
        refused = replace(contact, refused=contact.refused | {notice.news}, perhaps=contact.perhaps - {notice.news})
        return Step(_with(before, receiver, refused))
    if notice.news in _OPENINGS:
        contact = _without(contact, "claimed", "resolved")  # taken for what it would never hear of; now it has to
        contact = replace(contact, perhaps=contact.perhaps - _OPENINGS)
    lately = (*(at for at in contact.lately if at > now - LATELY_S), now)
    told = replace(contact, told=contact.told | {notice.news}, perhaps=contact.perhaps - {notice.news}, lately=lately)
    state = _with(before, receiver, told)
    puts = tuple(put for put in pending(plan, state, now) if put.receiver == receiver)
    return Step(state, puts if notice.news in _OPENINGS else ())


def on_perhaps(before: PagerState, receiver: str, notice: Notice) -> PagerState:
    """The receiver may have taken the notice, and nobody knows."""
    contact = _addressee(before, receiver, notice)
    if contact is None or notice.news in contact.told | contact.perhaps:
        return before
    return _with(before, receiver, replace(contact, perhaps=contact.perhaps | {notice.news}))


def on_unwanted(before: PagerState, receiver: str, notice: Notice) -> Step:
    """The turn of an end came, and the receiver does not know of the page: a successor need not wonder about it."""
    contact = _addressee(before, receiver, notice)
    if notice.news != "resolved" or contact is None or not before.is_over:
        return Step(before)
    if contact.may_know or contact.refused & {*_OPENINGS, "resolved"}:
        return Step(before)
    return Step(_with(before, receiver, replace(contact, refused=contact.refused | {"resolved"})))


def _addressee(state: PagerState, receiver: str, notice: Notice) -> Contact | None:
    """Who a notice was for; None: it is of an earlier round and being told anew, or changes nothing, as ``still``."""
    contact = state.contacts.get(receiver)
    return contact if contact and notice.news != "still" and notice.round == contact.round else None


def _with(state: PagerState, receiver: str, contact: Contact) -> PagerState:
    return replace(state, contacts={**state.contacts, receiver: contact})


# ------------------------------------------------------------------------------------------- time


def on_time(plan: Plan, before: PagerState, now: float, slot: Slot) -> Step:
    """What is due by ``now``: the page expires, somebody is called, or it is forgotten."""
    forgotten_at = _forgotten_at(before)
    if forgotten_at is not None:
        return Step(None if now >= forgotten_at else before)
    ends_at = _ends_at(plan, before)
    if ends_at is not None and now >= ends_at:
        return _out_of_time(plan, before, now, slot)
    due = _call_at(plan, before, now)
    return _called(plan, before, now) if due is not None and due <= now else Step(before)


def next_due(plan: Plan, state: PagerState, now: float) -> float:
    """When ``on_time`` has something to do next, Unix seconds; in the past: at once."""
    forgotten_at = _forgotten_at(state)
    if forgotten_at is not None:
        return forgotten_at
    dues = [due for due in (_ends_at(plan, state), _call_at(plan, state, now)) if due is not None]
    return min(dues)


def _forgotten_at(state: PagerState) -> float | None:
    """When it need not be remembered any more; None: its page is not over."""
    if state.over_at is not None:
        return state.over_at + KEPT_S
    return state.heard_at + KEPT_S if state.page is None else None


def _ends_at(plan: Plan, state: PagerState) -> float | None:
    """When an open page that nothing ends is over; None: not before somebody was called."""
    if state.is_claimed:
        return state.runs_from + CLAIMED_S
    return None if state.routed_at is None else state.runs_from + plan.expires_s


def _out_of_time(plan: Plan, before: PagerState, now: float, slot: Slot) -> Step:
    """Nothing has ended it: it was missed, but for what somebody has, and for what could not be seen yet."""
    if before.is_claimed:
        return _turn(plan, before, replace(before, cleared=True), now, slot)  # as if it had: nobody can decide it now
    wakes_at = _seen_from(plan, before, now)
    if wakes_at is not None:
        return Step(replace(before, runs_from=wakes_at))
    return _turn(plan, before, replace(before, outcome="expired"), now, slot)


def _seen_from(plan: Plan, state: PagerState, now: float) -> float | None:
    """Where nobody has seen the page, and somebody will when his quiet hours end: when that is."""
    if any(contact.knows for contact in state.contacts.values()):
        return None
    left = (name for name, contact in state.contacts.items() if not contact.is_done)
    return min((until for name in left if (until := plan.quiet_until(name, now)) is not None), default=None)


def _levels(plan: Plan, state: PagerState, now: float) -> tuple[tuple[str, ...], ...]:
    assert state.page is not None  # noqa: S101 - callers have looked
    return plan.levels(state.page.queue, now if state.routed_at is None else state.routed_at)


def _call_at(plan: Plan, state: PagerState, now: float) -> float | None:
    """When the next level is to be called; None: never, as things stand."""
    if not state.is_calling:
        return None
    left = _levels(plan, state, now)[state.level :]
    if not left:
        return None
    waits_s = plan.escalate_after_s if state.level and _is_heard(plan, state, now) else 0.0
    due = max(state.since + waits_s, now)
    return due if any(plan.awake(level, due) for level in left) else plan.first_awake_at(left, due)


def is_refused(state: PagerState) -> bool:
    """Whether nobody of the present level can ever be told."""
    own = [contact for contact in state.contacts.values() if contact.level == state.level]
    return bool(own) and all(contact.refused & _OPENINGS for contact in own)


def _is_heard(plan: Plan, state: PagerState, now: float) -> bool:
    """Whether somebody of the present level has been told, or can be told now."""
    own = [(name, contact) for name, contact in state.contacts.items() if contact.level == state.level]
    if not own:  # all of them had been called at a lower level
        return True
    left = [name for name, contact in own if not contact.is_done]
    has_told = any(contact.knows for _, contact in own)
    return has_told or any(plan.quiet_until(name, now) is None for name in left)


def _called(plan: Plan, before: PagerState, now: float) -> Step:
    """Call the next level in which somebody is awake."""
    levels = _levels(plan, before, now)
    number = next(n for n in range(before.level, len(levels)) if plan.awake(levels[n], now)) + 1
    contacts = {name: Contact(number) for name in plan.awake(levels[number - 1], now) if name not in before.contacts}
    state = replace(before, level=number, since=now, contacts={**before.contacts, **contacts})
    if before.routed_at is None:
        state = replace(state, routed_at=now, runs_from=now)
    whys = ["quiet"] * (number - 1 - before.level)
    if before.level:
        is_heard = _is_heard(plan, before, now)
        whys.append("unclaimed" if is_heard else "refused" if is_refused(before) else "quiet")
    puts = tuple(put for put in pending(plan, state, now) if put.receiver in contacts)
    return Step(state, puts, tuple(Count("sansheng_pager_escalations_total", why) for why in whys))


def _turn(plan: Plan, before: PagerState, after: PagerState, now: float, slot: Slot) -> Step:
    """What follows when the page gets an owner or loses him, ends, or is opened anew."""
    page = after.page
    if page is None or before.outcome == "too-late":
        return Step(after)
    counts: list[Count] = []
    if after.is_over and before.over_at is None:
        after = replace(after, over_at=now, outcome=after.outcome or "resolved")
        counts.append(_count(after.outcome))
    elif not after.is_over and before.over_at is not None:
        after = replace(_anew(after, now), page=replace(page, slot=slot(page)), over_at=None, outcome="")
    elif after.is_claimed and not before.is_claimed:
        after = replace(after, runs_from=now)
        counts.append(_count("claimed"))
    elif before.is_claimed and not after.is_claimed and not after.is_over:
        after = _anew(after, now)
    else:
        return Step(after)
    return Step(after, tuple(pending(plan, after, now)), tuple(counts))


def _anew(state: PagerState, now: float) -> PagerState:
    """Open again: the level's time and the page's begin anew, and who took it for settled is told."""
    number = state.round + 1
    contacts = {name: _told_anew(contact, number) for name, contact in state.contacts.items()}
    return replace(state, contacts=contacts, round=number, since=now, runs_from=now)


def _told_anew(contact: Contact, number: int) -> Contact:
    """What was said of its end has to be said again when it is true again."""
    if not (contact.told | contact.perhaps) & _STOPS:
        return _without(contact, *_STOPS)
    stays: frozenset[News] = frozenset() if "resolved" in contact.told else frozenset({"opened"})  # still shown there
    refused = contact.refused - _STOPS
    return Contact(contact.level, refused=refused, perhaps=stays, round=number, lately=contact.lately)


def _without(contact: Contact, *news: News) -> Contact:
    return replace(contact, told=contact.told - set(news), refused=contact.refused - set(news))


# ------------------------------------------------------------------------------------------- who is to be told


def wanted(state: PagerState, receiver: str, notice: Notice) -> bool:
    """Whether that receiver is still to be told that; asked right before each try."""
    contact, news = state.contacts.get(receiver), notice.news
    if contact is None or state.page is None:
        return False
    if news == "still":
        return not state.is_over and contact.knows
    if notice.round != contact.round:
        return False
    if news in _OPENINGS:
        return state.is_calling and not contact.is_done
    is_true = state.is_over if news == "resolved" else state.is_claimed
    return is_true and contact.may_know and news not in contact.told | contact.refused


def pending(plan: Plan, state: PagerState, now: float) -> Iterator[Put]:
    """All that is still to be told, as after a restart; of ends also that which follows on a call under way."""
    for name, contact in state.contacts.items():
        called = plan.receivers.get(name)  # None: it is no longer in the settings
        wants = _owed(state, contact, called.tells) if called else None
        if wants and state.page:
            over: Literal["", "expired"] = "expired" if (wants, state.outcome) == ("resolved", "expired") else ""
            notice = Notice(page=state.page, news=wants, level=contact.level, at=now, round=contact.round, over=over)
            yield Put(name, notice)


def _owed(state: PagerState, contact: Contact, tells: frozenset[str]) -> News | None:
    """What it has to hear next, so that it knows how the page stands."""
    if state.is_calling:
        is_first = contact.level == 1 or contact.round or "escalated" not in tells
        return None if contact.is_done else "opened" if is_first else "escalated"
    stop: News = "resolved" if state.is_over else "claimed"
    never_knew = bool(contact.refused & _OPENINGS) and not contact.may_know
    return None if never_knew or stop in contact.told | contact.refused or stop not in tells else stop


def holds_slot(plan: Plan, state: PagerState) -> bool:
    """Whether its slot is taken: it is open, or somebody is still to hear of its end, which would end another page."""
    return state.page is not None and (not state.is_over or any(pending(plan, state, 0.0)))


def stills(plan: Plan, state: PagerState, now: float) -> Iterator[Put]:
    """That the page is still open, for those who forget it otherwise."""
    for name, contact in state.contacts.items():
        called = plan.receivers.get(name)
        if not state.page or not called or not called.repeats_s or "still" not in called.tells:
            continue
        still = Notice(page=state.page, news="still", level=contact.level, at=now, round=contact.round)
        if wanted(state, name, still):
            yield Put(name, still)


def restored(state: PagerState, epoch: int) -> PagerState:
    """As a successor finds it: what was not recorded as told may have been told all the same."""
    contacts = {name: _unsure(state, contact) for name, contact in state.contacts.items()}
    return replace(state, contacts=contacts, epoch=epoch)


def _unsure(state: PagerState, contact: Contact) -> Contact:
    stop: News | None = "resolved" if state.is_over else "claimed" if state.is_claimed else None
    maybe: set[News] = set() if contact.is_done else {"opened"}
    if stop and (contact.may_know or maybe) and stop not in contact.refused:
        maybe.add(stop)
    return replace(contact, perhaps=contact.perhaps | (maybe - contact.told))


def of_epoch(state: PagerState, epoch: int) -> PagerState:
    """As this turn at the partition records it."""
    return state if state.epoch == epoch else replace(state, epoch=epoch)
