"""The pages behind the wall: from recorded calls, from Asterisk's captures, and from calls made up to be difficult."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboards.wall.books import KEPT, Books
from dashboards.wall.course import Course, Line, News, Span, Talk
from dashboards.wall.pages import (
    AlertPage,
    CallPage,
    Step,
    Why,
    agents_of,
    alert_page,
    call_page,
)
from dashboards.wall.views import Card, Person
from streams.alerts import AlertChange, Clause, typeset_zh
from streams.detectors.wording import ANSWER_ZH
from streams.events import (
    AgentRinging,
    AnyEvent,
    CallAnswered,
    CallEnded,
    CallHeld,
    CallOffered,
    CallResumed,
    CallTransferred,
    CallTransferring,
    Evidence,
    Gap,
    Role,
    SpeechEnded,
    SpeechStarted,
    Spotted,
    Transcript,
    Word,
    parse,
)
from streams.explain import Record
from streams.phrases.normal import normal
from streams.rulebook.book import load, read
from streams.shell.shelf import Shelf
from streams.verdicts import Action, Judgement, Standing, judge
from tests.asterisk_tools import capture, record
from tests.conftest import Run
from tests.truth import truths

BOOK = load()
SPEECH = Path(__file__).parent / "traces" / "speech"
RECORDED = sorted(path.stem for path in SPEECH.glob("*.ndjson"))
DEMO = Path(__file__).parents[1] / "deploy" / "demo" / "short-limits.yaml"
CALL, T0 = "call-1", 1_795_312_800.0
CLAUSE = Clause("000", "一(一)", "三声铃响内接听")


# ------------------------------------------------------------------------------------------------ making things up


def recorded(name: str) -> list[AnyEvent]:
    return [parse(line) for line in (SPEECH / f"{name}.ndjson").read_bytes().splitlines()]


def judged(events: Iterable[AnyEvent]) -> list[AlertChange]:
    """The first change of each alert, in order of time."""
    return sorted(Record(BOOK, events).changes.values(), key=lambda change: change.at)


def card_of(change: AlertChange, **more: Any) -> Card:
    """As the wall makes one of it."""
    plain: dict[str, Any] = {
        "id": change.id,
        "call": change.call,
        "rule": change.rule,
        "severity": change.severity,
        "opened_at": change.at,
        "title": change.title,
        "says": change.says,
        "clause": change.clause,
        "agent": Person(change.agent) if change.agent else None,
    }
    return Card(**(plain | more))


def begun(*, answered_at: float = T0 + 3) -> list[AnyEvent]:
    return [
        CallOffered(call=CALL, at=T0, queue="hotline", caller="13812345678"),
        AgentRinging(call=CALL, at=T0, agent="801", agent_name="王芳"),
        CallAnswered(call=CALL, at=answered_at, agent="801", agent_name="王芳"),
    ]


def said(text: str, start: float, end: float, *, role: Role = "agent", final: bool = True, **more: Any) -> Transcript:
    """``start`` and ``end`` in seconds after the call began."""
    plain: dict[str, Any] = {"call": CALL, "at": T0 + end, "start": T0 + start, "end": T0 + end}
    return Transcript(**(plain | {"role": role, "text": text, "final": final} | more))


def watermark(through: float, role: Role = "agent") -> Transcript:
    return said("", through, through, role=role, final=False, through=T0 + through)


def alert(*evidence: Evidence, id: str = "a1", **more: Any) -> AlertChange:
    plain: dict[str, Any] = {
        "id": id,
        "rule": "forbidden-arrogance",
        "severity": "critical",
        "state": "opened",
        "call": CALL,
        "agent": "801",
        "queue": "hotline",
        "at": T0 + 20,
        "title": "顶撞客户",
        "says": "顶撞",
        "clause": CLAUSE,
        "evidence": evidence,
        "rulebook": BOOK.version,
    }
    return AlertChange(**(plain | more))


def heard(match: str, start: float, end: float, role: Role = "agent", **more: Any) -> Evidence:
    return Evidence(role=role, text=match, match=match, start=T0 + start, end=T0 + end, **more)


def paged(events: Sequence[AnyEvent], *changes: AlertChange, now: float = T0 + 60) -> CallPage:
    page = call_page(CALL, [*begun(), *events], changes, map(card_of, changes), now)
    assert page is not None
    return page


def sliced(line: Line) -> list[str]:
    """What JavaScript's slice gives for each mark."""
    units = line.text.encode("utf-16-le")
    return [units[2 * mark.start : 2 * mark.end].decode("utf-16-le") for mark in line.marks]


def marked(page: CallPage) -> list[str]:
    return [text for line in page.lines for text in sliced(line)]


# ------------------------------------------------------------------------------------------------ words


@pytest.mark.parametrize("name", RECORDED)
def test_the_page_of_a_recorded_call_has_every_sentence_and_marks_all_evidence(name: str) -> None:
    events = recorded(name)
    changes = judged(events)
    page = call_page(name, events, changes, map(card_of, changes), events[-1].at + 5)
    assert page is not None
    finals = sorted((e.start, e.role, e.text) for e in events if isinstance(e, Transcript) and e.final and e.text)
    assert [(line.start, line.role, line.text) for line in page.lines] == finals
    assert page.listened
    assert page.ended_at == events[-1].at
    proofs = sorted((c.id, normal(words.match).text) for c in changes for words in c.evidence)
    marks = [
        (m.alert, normal(text).text) for line in page.lines for m, text in zip(line.marks, sliced(line), strict=True)
    ]
    assert sorted(marks) == proofs
    assert not [mark for line in page.lines for mark in line.marks if mark.heard]
    assert [card.id for card in page.alerts] == [c.id for c in sorted(changes, key=lambda c: (c.at, c.id))]


def test_partials_are_replaced_by_the_final_and_watermarks_make_no_line() -> None:
    page = paged(
        [
            said("不行", 5, 6, final=False),
            said("不行就是", 5, 7, final=False),
            said("我要", 6.5, 7, role="customer", final=False),
            said("不行就是不行", 5.2, 8),
            said("不行就是不", 5.2, 7.5, final=False, at=T0 + 8.1),
            watermark(9),
            Spotted(call=CALL, at=T0 + 9, role="agent", text="不行就是不行", start=T0 + 5, end=T0 + 8),
        ]
    )
    assert [(line.role, line.text, line.final) for line in page.lines] == [
        ("agent", "不行就是不行", True),
        ("customer", "我要", False),
    ]


def test_a_partial_that_turns_out_to_be_nothing_is_withdrawn() -> None:
    assert paged([said("嗯那", 5, 6, final=False), watermark(4.9)]).lines != ()
    assert paged([said("嗯那", 5, 6, final=False), watermark(6.5)]).lines == ()
    assert paged([said("嗯那", 5, 6, final=False), said("", 5, 6.5)]).lines == ()


def test_a_final_that_is_told_anew_replaces_the_one_before() -> None:
    page = paged([said("我要投书", 5, 7, role="customer"), said("我要投诉", 5, 7, role="customer")])
    assert [line.text for line in page.lines] == ["我要投诉"]


def test_lost_sound_is_a_line_and_neighbouring_losses_are_one() -> None:
    gaps = [
        Gap(call=CALL, at=T0 + n + 1, role="customer", start=T0 + n, end=T0 + n + 1, reason="lost")
        for n in (10, 11, 20)
    ]
    page = paged([said("您好", 5, 6), *gaps])
    assert [(line.kind, line.role, line.start - T0, line.end - T0) for line in page.lines] == [
        ("said", "agent", 5, 6),
        ("gap", "customer", 10, 12),
        ("gap", "customer", 20, 21),
    ]


def test_what_is_said_on_hold_is_set_apart() -> None:
    page = paged(
        [
            said("请您稍等", 5, 6),
            CallHeld(call=CALL, at=T0 + 10),
            said("老王你过来看一下", 12, 14),
            CallResumed(call=CALL, at=T0 + 20),
            said("让您久等了", 21, 23),
        ]
    )
    assert [(line.text, line.aside) for line in page.lines] == [
        ("请您稍等", False),
        ("老王你过来看一下", True),
        ("让您久等了", False),
    ]
    assert [(talk.start - T0, talk.end and talk.end - T0) for talk in page.talk] == [(5, 6), (21, 23)]


def test_music_on_hold_is_nobodys_talk() -> None:
    page = paged(
        [
            CallHeld(call=CALL, at=T0 + 10),
            SpeechStarted(call=CALL, at=T0 + 11, role="customer"),
            SpeechEnded(call=CALL, at=T0 + 19, role="customer"),
            CallResumed(call=CALL, at=T0 + 20),
            SpeechStarted(call=CALL, at=T0 + 21, role="customer"),
            SpeechEnded(call=CALL, at=T0 + 22, role="customer"),
        ]
    )
    assert page.talk == (Talk("customer", T0 + 21, T0 + 22),)


def test_a_recogniser_that_hides_nothing_does_not_tell_the_wall_a_number() -> None:
    words = said("我的号码是13812345678你记一下", 5, 9, role="customer")
    page = paged([words], alert(heard("138****78", 7, 8, role="customer")))
    assert "12345" not in msgspec.json.encode(page).decode()
    assert page.lines[0].masked == ("number",)
    assert marked(page) == ["138****78"]
    assert page.caller == "138****5678"


# ------------------------------------------------------------------------------------------------ marks


def test_a_mark_is_in_the_units_of_a_browser() -> None:
    line = paged([said("😀𠮷好吧,我要投诉!", 5, 8, role="customer")], alert(heard("我要投诉", 6, 8, "customer"))).lines[
        0
    ]
    assert (line.marks[0].start, line.marks[0].end) == (7, 11)
    assert sliced(line) == ["我要投诉"]


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("<script>alert('坐席')</script>我要投诉你", "我要投诉你"),
        ("\u202e你这是什么态度\u202c 我要\u200b投诉，你!", "我要\u200b投诉，你"),
        ("我要，投诉 你", "我要，投诉 你"),
        ("您给我等着", "您给我等着"),
    ],
)
def test_hostile_text_stays_as_it_is_and_is_marked_in_the_right_place(text: str, match: str) -> None:
    line = paged([said(text, 5, 8)], alert(heard(match, 6, 8))).lines[0]
    assert line.text == text
    assert sliced(line) == [match]


def test_ten_thousand_characters_are_marked_at_their_very_end() -> None:
    text = "为什么" * 3332 + "我要投诉"
    page = paged(
        [said(text, 5, 1005, role="customer")], alert(heard("我要投诉", 1004.6, 1005, "customer")), now=T0 + 2000
    )
    assert len(page.lines[0].text) == 10_000
    assert (page.lines[0].marks[0].start, page.lines[0].marks[0].end) == (9996, 10_000)


def test_of_words_said_twice_those_at_the_time_of_the_evidence_are_marked() -> None:
    twice = said("投诉投诉我要投诉", 5, 13, role="customer")
    elsewhere = said("投诉", 14, 15, role="customer")
    for start, expected in ((5.0, [(0, 2)]), (7.0, [(2, 4)]), (11.0, [(6, 8)]), (14.0, [])):
        page = paged([twice, elsewhere], alert(heard("投诉", start, start + 1, "customer")))
        assert [(mark.start, mark.end) for mark in page.lines[0].marks] == expected
        assert len(page.lines[1].marks) == (start == 14.0)


def test_the_times_of_words_decide_where_there_are_some() -> None:
    words = (Word("投诉", T0 + 5, T0 + 5.5), Word("就要再", T0 + 5.5, T0 + 6), Word("投诉", T0 + 6, T0 + 6.5))
    line = said("投诉就要再投诉", 5, 13, words=words)
    for start, expected in ((5, (0, 2)), (6, (5, 7))):
        page = paged([line], alert(heard("投诉", start, start + 0.5)))
        assert [(mark.start, mark.end) for mark in page.lines[0].marks] == [expected]


def test_words_that_go_on_in_the_next_sentence_are_marked_in_both() -> None:
    events = [said("我不管，反正我要", 5, 8, role="customer"), said("投诉你们。", 8.2, 9.5, role="customer")]
    page = paged(events, alert(heard("我要投诉你们", 7.2, 9.5, "customer")))
    assert marked(page) == ["我要", "投诉你们"]


def test_what_was_heard_by_sound_is_marked_though_it_is_written_otherwise() -> None:
    words = tuple(Word(char, T0 + 5 + n / 2, T0 + 5.5 + n / 2) for n, char in enumerate("那我就头素你们了"))
    line = said("那我就头素你们了", 5, 13, role="customer", words=words, by_sound=True)
    spotted = heard("投诉你们", 6.5, 8.5, "customer", by_sound=True, meant="投诉你们", distance=0.0)
    page = paged([line], alert(spotted))
    assert page.lines[0].by_sound
    assert marked(page) == ["头素你们"]
    assert (page.lines[0].marks[0].meant, page.lines[0].marks[0].heard) == ("投诉你们", "投诉你们")


def test_without_times_of_words_what_was_heard_by_sound_is_marked_at_an_even_pace() -> None:
    line = said("那我就头素你们了", 5, 13, role="customer", by_sound=True)
    assert marked(paged([line], alert(heard("投诉你们", 8, 12, "customer", by_sound=True)))) == ["头素你们"]


def test_evidence_without_words_near_it_marks_nothing() -> None:
    events = [said("我要投诉", 30, 32, role="customer"), said("我要投诉", 5, 7)]
    assert marked(paged(events, alert(heard("我要投诉", 5, 7, "customer")))) == []


def test_alerts_that_are_not_to_be_seen_leave_no_mark() -> None:
    page = call_page(CALL, [*begun(), said("不行就是不行", 5, 7)], [alert(heard("不行就是不行", 5, 7))], [], T0 + 60)
    assert page is not None
    assert (marked(page), page.alerts) == ([], ())


def test_words_of_another_call_mark_nothing_in_the_one_that_opened_the_alert() -> None:
    opened = alert(heard("断网", 5, 7, "customer"), calls=("x", CALL))
    raised = alert(heard("没信号", 5, 7, "customer"), state="raised", at=T0 + 9, calls=("x", CALL, "y"))
    assert marked(paged([said("断网没信号", 5, 7, role="customer")], opened, raised)) == ["断网"]


def test_a_mark_has_the_worst_severity_of_its_alert() -> None:
    words = heard("不行", 5, 6)
    changes = [alert(words, severity="notice"), alert(words, severity="critical", state="raised", at=T0 + 21)]
    page = paged([said("不行", 5, 6)], *changes)
    assert [mark.severity for mark in page.lines[0].marks] == ["critical"]


# ------------------------------------------------------------------------------------------------ the telephone


def spans_of(name: str, caller: str) -> tuple[Span, ...]:
    events = record(capture(name))
    ids = [e.call for e in events if isinstance(e, CallOffered) and e.caller == caller]
    page = call_page(ids[0], events, [], [], max(e.at for e in events) + 1)
    assert page is not None
    return page.spans


def near(ours: list[tuple[float, float | None]], truth: list[tuple[float, float]]) -> bool:
    flat = zip(ours, truth, strict=True)
    return all(b is not None and abs(a - x) <= 0.1 and abs(b - y) <= 0.1 for (a, b), (x, y) in flat)


@pytest.mark.parametrize(
    "name", ["e_hold", "f1_blind_sip", "f3_blind_ami", "f5_redirect_ami", "c_ringnoanswer_then_second"]
)
def test_holds_transfers_and_rings_are_drawn_as_the_phones_tell_them(name: str) -> None:
    ((caller, truth),) = truths(name).items()
    spans = spans_of(name, caller)
    assert near([(s.since, s.until) for s in spans if s.phase == "held"], truth.holds)
    assert near([(s.since, s.until) for s in spans if s.phase == "transferring"], truth.waits)
    customers = [
        (agent, since, until) for agent, since, until, _ in truth.rings if not _is_colleague(since, truth.waits)
    ]
    rings = [(s.rings[0].id, s.since, s.until) for s in spans if s.phase == "ringing"]
    assert [ring[0] for ring in rings] == [ring[0] for ring in customers]
    assert near([ring[1:] for ring in rings], [ring[1:] for ring in customers])


def _is_colleague(at: float, waits: list[tuple[float, float]]) -> bool:
    return any(since <= at <= until for since, until in waits)


def test_a_transfer_says_from_whom_and_to_whom() -> None:
    ((caller, _),) = truths("f1_blind_sip").items()
    passing = next(s for s in spans_of("f1_blind_sip", caller) if s.phase == "transferring")
    assert (passing.agent, passing.to) == (
        Person("101", "Ana Lopez"),
        Person("102", passing.to.name if passing.to else ""),
    )
    assert [person.id for person in passing.rings] == ["102"]


def test_a_call_that_goes_on_ends_in_a_phase_without_end() -> None:
    page = paged([CallHeld(call=CALL, at=T0 + 10, by="customer")])
    assert page.spans == (
        Span("ringing", T0, T0 + 3, rings=(Person("801", "王芳"),)),
        Span("talking", T0 + 3, T0 + 10, agent=Person("801", "王芳")),
        Span("held", T0 + 10, None, agent=Person("801", "王芳"), held_by="customer"),
    )
    assert (page.phase, page.ended_at, page.listened) == ("held", None, False)


def test_a_call_whose_end_was_lost_has_ended_hours_later() -> None:
    page = paged([], now=T0 + 5 * 3600)
    assert (page.phase, page.ended_by) == ("ended", "system")
    assert page.spans[-1].until == T0 + 3 + 4 * 3600


def test_an_outside_line_is_shown_by_its_masked_number() -> None:
    passing = CallTransferring(call=CALL, at=T0 + 10, agent="801", to="13900001234")
    page = paged([passing, CallTransferred(call=CALL, at=T0 + 20, agent="13900001234")])
    assert "0000" not in msgspec.json.encode(page).decode()
    assert page.spans[2].to == Person("139****1234")
    assert page.agents == (Person("801", "王芳"), Person("139****1234"))


def test_talk_is_drawn_from_marks_of_speech_where_there_are_any() -> None:
    page = paged(
        [
            SpeechStarted(call=CALL, at=T0 + 5, role="agent"),
            SpeechEnded(call=CALL, at=T0 + 7, role="agent"),
            said("您好", 5.5, 6.5),
            said("你好", 8, 9, role="customer"),
            SpeechStarted(call=CALL, at=T0 + 10, role="agent"),
        ]
    )
    assert page.talk == (Talk("agent", T0 + 5, T0 + 7), Talk("customer", T0 + 8, T0 + 9), Talk("agent", T0 + 10, None))
    page = paged([SpeechStarted(call=CALL, at=T0 + 10, role="agent"), CallEnded(call=CALL, at=T0 + 12, by="agent")])
    assert page.talk == (Talk("agent", T0 + 10, T0 + 12),)


def test_a_call_is_theirs_who_were_on_the_line_and_before_that_theirs_whose_phones_ring() -> None:
    course = Course(CALL)
    for event, expected in (
        (begun()[0], ()),
        (AgentRinging(call=CALL, at=T0 + 1, agent="803"), ("803",)),
        (AgentRinging(call=CALL, at=T0 + 2, agent="801"), ("803", "801")),
        (begun()[2], ("801",)),
        (CallTransferring(call=CALL, at=T0 + 10, agent="801", to="802"), ("801",)),
        (AgentRinging(call=CALL, at=T0 + 11, agent="802"), ("801",)),
        (CallTransferred(call=CALL, at=T0 + 12, agent="802"), ("801", "802")),
        (CallEnded(call=CALL, at=T0 + 20, by="customer"), ("801", "802")),
    ):
        course.take(event)
        call = course.call(T0 + 20)
        assert call is not None
        assert agents_of(call) == expected


def test_nothing_is_known_of_a_call_without_a_record() -> None:
    assert call_page(CALL, [], [], [], T0) is None
    assert call_page("another", begun(), [], [], T0) is None
    assert Course(CALL).call(T0) is None


# ------------------------------------------------------------------------------------------------ following


class Browser:
    """What a page does with news."""

    def __init__(self) -> None:
        self.lines: dict[tuple[str, str, float], Line] = {}
        self.talk: dict[tuple[str, float], Talk] = {}
        self.spans: tuple[Span, ...] = ()

    def take(self, news: News) -> None:
        for line in news.lines:
            self.lines.pop((line.role, line.kind, line.start), None)
            if line.kind == "gap" or line.text:
                self.lines[line.role, line.kind, line.start] = line
        for talk in news.talk:
            self.talk.pop((talk.role, talk.start), None)
            if talk.end is None or talk.end > talk.start:
                self.talk[talk.role, talk.start] = talk
        self.spans = self.spans if news.spans is None else news.spans


_ROLES: tuple[Role, ...] = ("agent", "customer")
_roles = st.sampled_from(_ROLES)
_texts = st.sampled_from(["", "不行", "不行就是不行", "我要投诉", "说过多少次了我要"])


@st.composite
def happenings(draw: st.DrawFn) -> list[AnyEvent | AlertChange]:
    """Anything at all, in a sensible order of time."""
    found: list[AnyEvent | AlertChange] = list(begun())
    at = 3.0
    for n in range(draw(st.integers(0, 25))):
        at += draw(st.sampled_from([0.0, 0.4, 1.0, 3.0]))
        role, back, text = draw(_roles), draw(st.sampled_from([0.0, 1.0, 2.0])), draw(_texts)
        anything: list[AnyEvent | AlertChange] = [
            said(text, at - back, at, role=role),
            said(text, at - back, at, role=role, final=False),
            watermark(at, role),
            Gap(call=CALL, at=T0 + at, role=role, start=T0 + at - back, end=T0 + at),
            SpeechStarted(call=CALL, at=T0 + at, role=role),
            SpeechEnded(call=CALL, at=T0 + at, role=role),
            CallHeld(call=CALL, at=T0 + at),
            CallResumed(call=CALL, at=T0 + at),
            alert(heard(text or "不行", at - back, at, role), id=f"a{n % 3}"),
        ]
        found.append(draw(st.sampled_from(anything)))
    return found


@given(happenings(), st.data())
@settings(max_examples=150, deadline=None)
def test_who_follows_sees_what_the_page_shows(happened: list[AnyEvent | AlertChange], data: st.DataObject) -> None:
    course, browser = Course(CALL), Browser()
    for thing in happened:
        course.mark(thing) if isinstance(thing, AlertChange) else course.take(thing)
        if data.draw(st.booleans()):
            browser.take(course.news(T0 + 100))
    browser.take(course.news(T0 + 100))
    changes = [thing for thing in happened if isinstance(thing, AlertChange)]
    events = [thing for thing in happened if not isinstance(thing, AlertChange)]
    page = call_page(CALL, events, changes, map(card_of, changes), T0 + 100)
    assert page is not None
    assert sorted(browser.lines.values(), key=repr) == sorted(page.lines, key=repr)
    empty = {talk for talk in page.talk if talk.end == talk.start}
    assert sorted(browser.talk.values(), key=repr) == sorted(set(page.talk) - empty, key=repr)
    assert browser.spans == page.spans


def test_news_holds_only_what_is_new_or_changed() -> None:
    course = Course(CALL)
    for event in (*begun(), said("您好", 5, 6), said("我想", 7, 8, role="customer", final=False)):
        course.take(event)
    assert len(course.news(T0 + 8).lines) == 2
    assert not course.news(T0 + 9)
    course.take(said("我想问一下", 7.1, 9, role="customer"))
    news = course.news(T0 + 9)
    assert [(line.role, line.start - T0, line.text) for line in news.lines] == [
        ("customer", 7, ""),
        ("customer", pytest.approx(7.1), "我想问一下"),
    ]
    assert news.spans is None
    course.mark(alert(heard("您好", 5, 6)))
    assert [(line.text, len(line.marks)) for line in course.news(T0 + 10).lines] == [("您好", 1)]
    course.take(CallHeld(call=CALL, at=T0 + 11))
    news = course.news(T0 + 11)
    assert (news.lines, [span.phase for span in news.spans or ()]) == ((), ["ringing", "talking", "held"])


def test_what_is_delivered_again_changes_nothing() -> None:
    spoken = [said("不行", 5, 6, final=False), said("不行就是不行", 5.2, 8), watermark(9)]
    spoken += [said("我要", 9, 10, role="customer", final=False), said("我要投诉", 9.1, 11, role="customer")]
    events = [msgspec.structs.replace(event, seq=n) for n, event in enumerate([*begun(), *spoken])]
    course = Course(CALL)
    for event in events:
        course.take(event)
    assert [line.text for line in course.news(T0 + 100).lines] == ["不行就是不行", "我要投诉"]
    for event in events[3:]:
        course.take(event)
        assert not course.news(T0 + 100)


def test_a_hold_that_is_told_late_sets_apart_what_was_said_meanwhile() -> None:
    course = Course(CALL)
    for event in (*begun(), said("您好", 5, 6), said("老王你过来看一下", 12, 14)):
        course.take(event)
    assert [line.aside for line in course.news(T0 + 14).lines] == [False, False]
    course.take(CallHeld(call=CALL, at=T0 + 10))
    assert [(line.text, line.aside) for line in course.news(T0 + 15).lines] == [("老王你过来看一下", True)]


def test_alerts_before_their_words_and_after_give_the_same_marks() -> None:
    events, change = [*begun(), said("那不行就是不行", 5, 7)], alert(heard("不行就是不行", 5.3, 7))
    early, late = Course(CALL), Course(CALL)
    early.mark(change)
    for course in (early, late):
        for event in events:
            course.take(event)
    late.mark(change)
    assert early.lines == late.lines
    assert sliced(early.lines[0]) == ["不行就是不行"]


# ------------------------------------------------------------------------------------------------ an alert


def page_of(change: AlertChange, events: list[AnyEvent], *others: AlertChange, **more: Any) -> AlertPage:
    changes = [change, *others]
    plain: dict[str, Any] = {"cards": map(card_of, changes), "standing": Standing(), "book": BOOK}
    arguments = {**plain, **more, "now": more.get("now", events[-1].at + 60 if events else T0)}
    page = alert_page(change.id, changes, events, **arguments)
    assert page is not None
    return page


def printed(whys: Iterable[Why], depth: int = 0) -> list[str]:
    """As ``rules explain`` writes it."""
    lines: list[str] = []
    for why in whys:
        because = f"  {why.because}" if why.because else ""
        lines += [f"{'  ' * depth}{ANSWER_ZH[why.answer]}  {why.asks}{because}", *printed(why.parts, depth + 1)]
    return lines


def all_changes(events: Sequence[AnyEvent], rule: str) -> list[AlertChange]:
    """Every change of that rule's alert, as the detector tells them."""
    found = Record(BOOK, events).rule(rule, events[0].call)
    assert found is not None
    return [verdict.told for verdict in found.verdicts if isinstance(verdict.told, AlertChange)]


def sections(out: str) -> list[tuple[str, list[str]]]:
    """The headings of what ``rules explain`` printed, each with its lines."""
    found: list[tuple[str, list[str]]] = []
    for line in filter(None, out.splitlines()):
        if line.startswith("    "):
            found[-1][1].append(line[4:])
        else:
            found.append((line, []))
    return found


@pytest.mark.parametrize("name", ["rude-agent", "hold-without-consent", "dead-air", "late-answer-no-apology"])
def test_an_alert_is_explained_as_the_command_line_explains_it(
    name: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = read()
    monkeypatch.setattr("streams.terminal.read", lambda _overlays: found)  # reading the book takes a second each time
    events = recorded(name)
    changes = judged(events)
    assert len(changes) > 1
    for change in changes:
        every = [c for c in all_changes(events, change.rule) if c.id == change.id]
        page = alert_page(change.id, every, events, [card_of(change)], Standing(), BOOK, events[-1].at + 700)
        assert page is not None
        done = run("rules", "explain", change.id, SPEECH / f"{name}.ndjson")
        said_there = [lines for heading, lines in sections(done.out) if heading.endswith(change.id)]
        assert [printed(page.why), *(printed(step.why) for step in page.steps[1:])] == said_there
        assert all(said_there)
        assert page.why_not == ""
        assert page.fires


def test_one_rule_alone_finds_what_it_finds_among_all() -> None:
    events = recorded("rude-agent")
    every = Record(BOOK, events).changes
    for rule in {change.rule for change in every.values()}:
        own = {alert_id: change for alert_id, change in every.items() if change.rule == rule}
        assert Record(BOOK, events, only=rule).changes == own


def test_the_page_of_an_alert_has_its_clauses_its_advice_and_its_words() -> None:
    events = recorded("rude-agent")
    changes = judged(events)
    change = next(c for c in changes if c.rule == "complaint")
    rule = BOOK.rule("complaint")
    assert rule is not None
    page = page_of(change, events, *(c for c in changes if c is not change))
    assert (page.clause, page.also, page.advice) == (rule.clause, rule.also, typeset_zh(rule.advice))
    assert not {",", ";"} & set(page.advice)
    assert page.clause.title
    assert page.advice
    assert [proof.match for proof in page.proofs] == ["你这是什么态度", "我要投诉你"]
    (step,) = page.steps
    assert step == Step("opened", change.severity, change.at, change.says, change.en, known_at=step.known_at)
    assert page.rulebook == BOOK.version
    assert page.call is not None
    assert len(page.call.alerts) == len(changes)
    assert {mark.alert for line in page.call.lines for mark in line.marks} > {change.id}


RINGS: list[AnyEvent] = begun()[:2]


def test_each_change_of_an_alert_is_a_step_with_its_own_reasons() -> None:
    events = begun(answered_at=T0 + 25)
    changes = all_changes(events, "ring-over-three")
    page = alert_page(changes[0].id, changes, events, [card_of(changes[0])], Standing(), BOOK, T0 + 60)
    assert page is not None
    assert [(step.state, step.severity, step.at - T0) for step in page.steps] == [
        ("opened", "warning", 10),
        ("raised", "critical", 20),
        ("cleared", "critical", 25),
    ]
    assert [bool(step.why) for step in page.steps] == [False, True, True]
    assert any(part.asks == "after: 20 s (critical)" and part.answer == "yes" for part in page.steps[1].why[0].parts)
    again = alert_page(changes[0].id, [*changes, *changes], events, [card_of(changes[0])], Standing(), BOOK, T0 + 60)
    assert again is not None
    assert again.steps == page.steps


def test_an_alert_by_time_alone_is_explained_while_nothing_else_happens() -> None:
    (change, *_) = all_changes([*RINGS, AgentRinging(call=CALL, at=T0 + 12, agent="802")], "ring-over-three")
    page = page_of(change, RINGS, now=T0 + 13)
    assert [why.answer for why in page.why] == ["yes"]
    assert page.call is not None
    assert page.call.phase == "ringing"


def test_a_verdict_that_had_to_wait_says_when_it_could_be_told() -> None:
    events = recorded("rude-agent")
    change = next(c for c in judged(events) if c.rule == "complaint")
    (step,) = page_of(change, events).steps
    assert step.known_at is not None
    assert step.known_at > step.at


def test_an_explanation_that_cannot_be_given_says_why() -> None:
    events = recorded("rude-agent")
    change = judged(events)[0]
    other = load([DEMO])
    assert other.version != BOOK.version
    for page, reason in (
        (page_of(change, []), "record"),
        (page_of(change, events[-1:]), "record"),
        (page_of(change, events, book=None), "rulebook"),
        (page_of(change, events, book=other), "rulebook"),
        (page_of(msgspec.structs.replace(change, calls=("x", change.call)), events), "across"),
    ):
        assert (page.why, page.why_not) == ((), reason)
        assert page.proofs
    assert page_of(change, []).call is None
    assert page.others == ("x",)


def test_a_rule_that_counts_across_calls_is_not_explained_from_one() -> None:
    crossing = next(rule for rule in BOOK.rules if rule.crosses_calls)
    assert page_of(alert(rule=crossing.id), begun()).why_not == "across"


def test_earlier_alerts_are_those_of_the_same_agent_and_rule_within_a_week() -> None:
    change = alert()
    day = 86400.0
    others = [
        card_of(change, id="yesterday", call="c2", opened_at=change.at - day),
        card_of(change, id="an hour ago", call="c3", opened_at=change.at - 3600),
        card_of(change, id="long ago", opened_at=change.at - 8 * day),
        card_of(change, id="later", opened_at=change.at + 1),
        card_of(change, id="another rule", opened_at=change.at - 1, rule="long-hold"),
        card_of(change, id="another agent", opened_at=change.at - 1, agent=Person("802")),
        card_of(change, id="nobody", opened_at=change.at - 1, agent=None),
    ]
    page = page_of(change, begun(), cards=[*others, card_of(change)])
    assert [card.id for card in page.earlier] == ["an hour ago", "yesterday"]
    assert page_of(change, begun(), cards=[*others, card_of(change, agent=None)]).earlier == ()


def test_who_did_what_is_told_in_order() -> None:
    actions: tuple[Action, ...] = ("claimed", "commented", "resolved")
    did = [
        Judgement(id=str(n), alert="a1", call=CALL, rule="r", action=action, by="li", by_name="李敏", at=T0 + n)
        for n, action in enumerate(actions)
    ]
    standing = Standing()
    for each in did:
        standing = judge(standing, each)
    assert page_of(alert(), begun(), standing=standing).history == tuple(did)


def test_an_alert_without_its_card_has_no_page() -> None:
    change = alert()
    assert alert_page("a1", [change], begun(), [], Standing(), BOOK, T0) is None
    assert alert_page("a1", [], begun(), [card_of(change)], Standing(), BOOK, T0) is None


# ------------------------------------------------------------------------------------------------ rulebooks


def test_books_are_found_by_their_version(tmp_path: Path) -> None:
    old = load([DEMO])
    Shelf(tmp_path, old)
    books = Books(BOOK, tmp_path)
    assert books.of(BOOK.version) is BOOK
    found = books.of(old.version)
    assert found == old
    assert books.of(old.version) is found
    assert books.of("0123456789") is None
    assert books.of("../../etc/passwd") is None
    (tmp_path / "abcdef0123").write_text("{")
    assert books.of("abcdef0123") is None
    assert Books(BOOK).of(old.version) is None


def test_only_a_few_books_are_kept_in_memory(tmp_path: Path) -> None:
    versions = [f"{n:010x}" for n in range(KEPT + 2)]
    for version in versions:
        Shelf(tmp_path, msgspec.structs.replace(BOOK, version=version))
    books = Books(BOOK, tmp_path)
    first = books.of(versions[0])
    for version in versions[1:]:
        books.of(version)
    assert books.of(versions[0]) is not first
    last = books.of(versions[-1])
    assert books.of(versions[-1]) is last


# ------------------------------------------------------------------------------------------------ as JSON


def test_pages_are_json_and_come_back_whole() -> None:
    events = recorded("rude-agent")
    change, *others = judged(events)
    page = page_of(change, events, *others)
    assert msgspec.json.decode(msgspec.json.encode(page), type=AlertPage) == page
