"""Calls are found: exactly those in which the words stand, whatever the store, the plan and the page."""

from __future__ import annotations

import itertools
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from sqlalchemy import Text, cast, delete, func, insert, literal, select, text

from streams.archive import grams as by
from streams.archive import limits, past, reads_told, search
from streams.archive.facts import Line
from streams.archive.grams import folded
from streams.archive.schema import alerts, calls, grams, grams_fts, parts, reads, words
from streams.archive.search import Agent, BadQueryError, Plan, Query, Said, find
from streams.archive.store import Store
from streams.events import Event, Role, Transcript, render
from streams.phrases.normal import normal
from streams.replay import read_record
from streams.settings import Settings
from tests.archive_tools import Log, taken
from tests.conftest import Run

SPEECH = Path(__file__).parent / "traces/speech"
PLANS: tuple[Plan, ...] = ("index", "walk", "slices")
BEGAN = 1_763_900_000.0


def put(store: Store, said: Mapping[int, Sequence[Line]], **figures: Any) -> None:
    """Ended calls with these words, one minute after the other."""
    with store.writing() as connection:
        rows = [
            {
                "no": no,
                "id": f"call-{no}",
                "state": "ended",
                "day": store.day_of(BEGAN + 60 * no),
                "began_at": BEGAN + 60 * no,
                "heard_at": BEGAN + 60 * no + 50,
                **figures,
            }
            for no in said
        ]
        connection.execute(insert(calls), rows)
        stored = [{"call_no": no, "lines": msgspec.json.encode(lines)} for no, lines in said.items()]
        connection.execute(insert(words), stored)
        search.index(store, connection, said)


def empty(store: Store) -> None:
    with store.writing() as connection:
        search.unindex(store, connection, list(connection.scalars(select(calls.c.no))))
        connection.execute(delete(calls))


def line(text: str, role: Role = "customer", at: float = BEGAN) -> Line:
    return Line(role, at, at + 2, text)


def found(store: Store, query: Query, plan: Plan | None = None) -> list[str]:
    """All pages of it."""
    names: list[str] = []
    while True:
        page = find(store, query, plan)
        names += [hit.call for hit in page.hits]
        if not page.more:
            return names
        query = replace(query, after=page.next)


# ------------------------------------------------------------------------------------ against a plain scan

#: Characters that sound alike, are read in several ways, are one in normal form, or are none of these.
ALPHABET = "投头诉速您你行长还银航一二三12a*,。林零发花"
texts = st.text(ALPHABET, min_size=1, max_size=9)
lines_of_a_call = st.lists(st.builds(line, texts, st.sampled_from(["agent", "customer"])), min_size=1, max_size=4)
conversations = st.dictionaries(st.integers(1, 30), lines_of_a_call, min_size=1, max_size=8)
terms = st.lists(
    st.builds(Said, st.text(ALPHABET, min_size=1, max_size=4), st.sampled_from([None, "agent", "customer"])),
    min_size=1,
    max_size=2,
).filter(lambda all_of: all(normal(each.text).text for each in all_of))


def stands(term: Said, lines: Sequence[Line], is_in: Callable[[str, str], bool]) -> bool:
    return any(
        is_in(normal(term.text).text, normal(each.text).text) for each in lines if term.role in (None, each.role)
    )


def sounds_in(term: str, text: str) -> bool:
    """Every way of reading the one against every way of reading the other."""
    return any(
        all(by.sounds(one) & by.sounds(other) for one, other in zip(term, text[at:], strict=False))
        for at in range(len(text) - len(term) + 1)
    )


@pytest.mark.parametrize("by_sound", [False, True], ids=["said", "sounds"])
@given(said=conversations, asked=terms)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_index_finds_what_a_plain_scan_finds(
    store: Store, by_sound: bool, said: dict[int, list[Line]], asked: list[Said]
) -> None:
    empty(store)
    put(store, said)
    is_in: Callable[[str, str], bool] = sounds_in if by_sound else lambda term, text: term in text
    expected = [
        f"call-{no}" for no in sorted(said, reverse=True) if all(stands(term, said[no], is_in) for term in asked)
    ]
    query = Query(sounds=tuple(asked), limit=3) if by_sound else Query(said=tuple(asked), limit=3)
    assert [found(store, query, plan) for plan in (*PLANS, None)] == [expected] * 4


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("zhuang", "zuan", True),
        ("chi", "ci", True),
        ("shi", "si", True),
        ("nan", "lang", True),
        ("ren", "leng", True),
        ("lin", "ling", True),
        ("fei", "hui", True),
        ("feng", "hong", False),
        ("hua", "fa", True),
        ("tou", "dou", False),
        ("su", "shu", True),
        ("zi", "ji", False),
        ("an", "en", False),
        ("nv", "nu", True),
    ],
)
def test_what_a_line_makes_alike_is_one(one: str, other: str, alike: bool) -> None:
    assert (folded(one) == folded(other)) is alike


@pytest.mark.parametrize("misheard", ["头速", "偷树", "投宿"])
def test_a_word_is_found_by_its_sound_however_it_was_written(store: Store, misheard: str) -> None:
    put(store, {1: [line("我要投诉你们")], 2: [line("我要谢谢你们")], 3: [line("我要" + misheard)]})
    for asked in ("投诉", misheard):
        assert found(store, Query(sounds=(Said(asked),))) == ["call-3", "call-1"]
    assert found(store, Query(said=(Said("投诉"),))) == ["call-1"]


def test_nothing_is_found_across_sentences_or_speakers(store: Store) -> None:
    put(store, {1: [line("我要投"), line("诉苦"), line("投", "agent"), line("诉", "agent")]})
    assert found(store, Query(said=(Said("投诉"),))) == []
    assert found(store, Query(sounds=(Said("投诉"),))) == []
    assert found(store, Query(said=(Said("投", "agent"), Said("诉苦", "customer")))) == ["call-1"]
    assert found(store, Query(said=(Said("诉苦", "agent"),))) == []


@pytest.mark.parametrize(
    ("asked", "by_sound", "marked"),
    [
        ("你好请问", False, ["您好,请问"]),
        ("好", False, ["好", "好"]),
        ("12315", False, ["幺二三一五"]),
        ("晴文", True, ["请问"]),
        ("wifi", False, ["\uff37\uff29-Fi"]),
    ],
)
def test_what_was_found_is_marked_in_the_text_as_it_was_written(
    store: Store, asked: str, by_sound: bool, marked: list[str]
) -> None:
    text = "您好,请问打幺二三一五好还是连\uff37\uff29-Fi?"
    put(store, {1: [line("喂"), line(text, "agent", BEGAN + 72.5)]})
    terms = (Said(asked),)
    (hit,) = find(store, Query(sounds=terms) if by_sound else Query(said=terms)).hits
    (sentence,) = hit.sentences
    assert [text[start:end] for start, end in sentence.spans] == marked
    assert (sentence.role, sentence.at_s, sentence.text) == ("agent", 12.5, text)


def test_spans_of_several_terms_do_not_overlap(store: Store) -> None:
    put(store, {1: [line("我要投诉你们的服务")]})
    (hit,) = find(store, Query(said=(Said("投诉你"), Said("诉你们"), Said("服务")), sounds=(Said("头速"),))).hits
    assert hit.sentences[0].spans == ((2, 6), (7, 9))


# ------------------------------------------------------------------------------------ in and out of the index


def test_words_that_are_written_anew_take_the_place_of_the_old_ones(store: Store) -> None:
    put(store, {1: [line("我要投诉")], 2: [line("我要投诉")]})
    with store.writing() as connection:
        now = [line("我要表扬")]
        connection.execute(words.update().where(words.c.call_no == 1).values(lines=msgspec.json.encode(now)))
        search.index(store, connection, {1: now})
    for plan in PLANS:
        assert found(store, Query(said=(Said("投诉"),)), plan) == ["call-2"]
        assert found(store, Query(said=(Said("表扬"),)), plan) == ["call-1"]


def test_what_was_taken_out_is_not_found_and_the_rest_is(store: Store) -> None:
    put(store, {no: [line("我要投诉")] for no in range(1, 6)})
    with store.writing() as connection:
        search.unindex(store, connection, [2, 4, 99])
        search.unindex(store, connection, [4])
    search.scrub(store)
    for plan in PLANS:
        assert found(store, Query(said=(Said("投诉"),)), plan) == ["call-5", "call-3", "call-1"]
    with store.reading() as connection:
        assert connection.scalar(select(func.count()).select_from(grams)) == 3
        if store.is_sqlite:
            named = select(grams_fts.c.rowid).where(
                grams_fts.c.grams_fts.op("MATCH")(f'"{by.of([line("投诉")])[0]:08x}"')
            )
            assert sorted(connection.scalars(named)) == [1, 3, 5]


def test_nothing_of_the_words_is_left_in_the_files(store: Store) -> None:
    if not store.is_sqlite:
        pytest.skip("PostgreSQL's files are its own")
    put(store, {1: [line("我家的龙猫丢了")], **{no: [line("您好请问有什么可以帮您")] for no in range(2, 40)}})
    gone, kept = by.of([line("龙猫")]), by.of([line("请问")])
    file = Path(store.where)
    before = _everything(file)
    assert all(_tail(gram) in before for gram in gone)
    with store.writing() as connection:
        search.unindex(store, connection, [1])
        connection.execute(delete(words).where(words.c.call_no == 1))
    search.scrub(store)
    after = _everything(file)
    assert not any(_tail(gram) in after or gram.to_bytes(4, "big") in after for gram in gone)
    assert all(_tail(gram) in after for gram in kept)
    assert "龙猫".encode() in before
    assert "龙猫".encode() not in after
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE VIRTUAL TABLE temp.terms USING fts5vocab(main, grams_fts, row)")
        terms = {term for (term,) in connection.execute("SELECT term FROM terms")}
    assert not terms & {f"{gram:08x}" for gram in gone}
    assert terms == {f"{gram:08x}" for gram in by.of([line("您好请问有什么可以帮您")])}


def _tail(gram: int) -> bytes:
    """What stands in the file of a word of the index, whatever its neighbours share with its beginning."""
    return f"{gram:08x}"[3:].encode()


def _everything(file: Path) -> bytes:
    return b"".join(each.read_bytes() for each in sorted(file.parent.glob(f"{file.name}*")))


def test_what_was_taken_from_the_topics_is_found_and_so_is_what_came_late(store: Store) -> None:
    events = [event for event in read_record(SPEECH / "escalation.ndjson") if isinstance(event, Event)]
    log = Log().calls(events)  # type: ignore[arg-type]
    taken(store, log.messages, 7)
    with store.reading() as connection:
        said = past.lines(connection, "escalation")
    for each in said:
        assert found(store, Query(said=(Said(each.text, each.role),))) == ["escalation"]
        assert found(store, Query(sounds=(Said(each.text),))) == ["escalation"]
    assert found(store, Query(said=(Said("魑魅魍魉"),))) == []
    last = events[-1].at
    late = Transcript(
        call="escalation", at=last + 1, role="customer", text="魑魅魍魉", start=last - 2, end=last - 1, final=True
    )
    taken(store, Log().calls([*events, late]).messages[len(log.messages) :], 1)  # type: ignore[list-item]
    assert found(store, Query(said=(Said("魑魅魍魉"),))) == ["escalation"]
    assert found(store, Query(said=(Said(said[0].text),))) == ["escalation"]


# ------------------------------------------------------------------------------------ filters and pages


def _varied(no: int) -> dict[str, Any]:
    return {
        "no": no,
        "id": f"call-{no}",
        "state": ("ended", "ended", "lost", "up")[no % 4],
        "day": ("2026-11-20", "2026-11-21")[no % 2],
        "began_at": BEGAN + 10 * (no * 7 % 40 // 2),  # not in the order of the numbers, and some at once
        "heard_at": BEGAN + 1000,
        "queue": ("hotline", "vip", "")[no % 3],
        "direction": ("inbound", "outbound")[no % 5 == 0],
        "abandoned": no % 6 == 0,
        "duration_s": float(no * 13 % 100),
        "agent": f"80{no % 7}",
    }


def _varied_alert(no: int, second: bool) -> dict[str, Any]:
    n = no * 3 + second
    return {
        "id": f"alert-{n}",
        "call": f"call-{no}",
        "rule": ("ring", "hold", "angry")[(no + second) % 3],
        "severity": ("notice", "warning", "critical")[n * 5 % 7 % 3],
        "day": "2026-11-20",
        "opened_at": BEGAN + n,
        "agent": "",
        "title": f"标题{n}",
        "says": "",
        "rulebook": "r",
        "changes": b"[]",
        "finding": ("open", "true", "false")[n % 4 % 3],
        "appeal": ("none", "open", "upheld")[n * 3 % 5 % 3],
    }


NOS = range(1, 41)
CALLS = {no: _varied(no) for no in NOS}
PARTS = {no: [(f"80{no % 7}", "", True), (f"90{no % 5}", f"王{no % 5}", no % 2 == 0)] for no in NOS}
ALERTS = {no: [_varied_alert(no, second) for second in (False, True)][: no % 3] for no in NOS}
SAID = {no: [line(("我要投诉", "我想咨询", "谢谢")[no % 3]), line("您好", "agent")] for no in NOS}


@pytest.fixture
def varied(store: Store) -> Store:
    with store.writing() as connection:
        connection.execute(insert(calls), list(CALLS.values()))
        rows = [
            {"call_no": no, "agent": a, "name": n, "spoke": s, "ring_s": 0, "missed": 0, "talk_s": 0, "held_s": 0}
            for no, own in PARTS.items()
            for a, n, s in own
        ]
        connection.execute(insert(parts), rows)
        connection.execute(insert(alerts), [each for own in ALERTS.values() for each in own])
        stored = [{"call_no": no, "lines": msgspec.json.encode(lines)} for no, lines in SAID.items()]
        connection.execute(insert(words), stored)
        search.index(store, connection, SAID)
    return store


def _alerted(holds: Callable[[dict[str, Any]], bool]) -> Callable[[int], bool]:
    return lambda no: any(map(holds, ALERTS[no]))


FILTERS: list[tuple[dict[str, Any], Callable[[int], bool]]] = [
    ({}, lambda no: True),
    ({"since": BEGAN + 50, "until": BEGAN + 100}, lambda no: BEGAN + 50 <= CALLS[no]["began_at"] < BEGAN + 100),
    ({"day": "2026-11-21"}, lambda no: CALLS[no]["day"] == "2026-11-21"),
    ({"queue": "vip"}, lambda no: CALLS[no]["queue"] == "vip"),
    ({"agent": "803"}, lambda no: "803" in {each[0] for each in PARTS[no]}),
    ({"agent": "王2"}, lambda no: "王2" in {each[1] for each in PARTS[no]}),
    ({"rule": "hold"}, _alerted(lambda each: each["rule"] == "hold")),
    ({"severity": "notice"}, _alerted(lambda each: True)),
    ({"severity": "warning"}, _alerted(lambda each: each["severity"] in ("warning", "critical"))),
    ({"severity": "critical"}, _alerted(lambda each: each["severity"] == "critical")),
    ({"finding": "false"}, _alerted(lambda each: each["finding"] == "false")),
    ({"appeal": "open"}, _alerted(lambda each: each["appeal"] == "open")),
    (
        {"rule": "angry", "severity": "warning", "finding": "false"},  # all of it of one alert
        _alerted(lambda a: a["rule"] == "angry" and a["severity"] != "notice" and a["finding"] == "false"),
    ),
    ({"longer_s": 26.0}, lambda no: CALLS[no]["duration_s"] >= 26),
    ({"shorter_s": 26.0}, lambda no: CALLS[no]["duration_s"] <= 26),
    ({"direction": "outbound"}, lambda no: CALLS[no]["direction"] == "outbound"),
    ({"abandoned": False}, lambda no: not CALLS[no]["abandoned"]),
    ({"call": "call-13"}, lambda no: no == 13),
    (
        {"queue": "vip", "agent": "王1", "longer_s": 5.0, "day": "2026-11-20", "severity": "notice"},
        lambda no: (
            CALLS[no]["queue"] == "vip"
            and no % 5 == 1
            and CALLS[no]["duration_s"] >= 5
            and CALLS[no]["day"] == "2026-11-20"
            and bool(ALERTS[no])
        ),
    ),
]
TERMS: list[tuple[dict[str, Any], Callable[[int], bool]]] = [
    ({}, lambda no: True),
    ({"said": (Said("投诉"),)}, lambda no: no % 3 == 0),
    ({"said": (Said("你好"),), "sounds": (Said("自寻"),)}, lambda no: no % 3 == 1),
]


def expected(*holds: Callable[[int], bool]) -> list[str]:
    nos = [no for no in NOS if all(each(no) for each in holds)]
    return [f"call-{no}" for no in sorted(nos, key=lambda no: (CALLS[no]["began_at"], no), reverse=True)]


def test_each_filter_leaves_its_calls_with_and_without_words_by_either_plan(varied: Store) -> None:
    wrong = []
    for filters, left in FILTERS:
        for asked, have in TERMS:
            for state, is_state in (
                (None, lambda no: CALLS[no]["state"] != "up"),
                ("lost", lambda no: CALLS[no]["state"] == "lost"),
            ):
                query = Query(**filters, **asked, state=state, limit=50)
                told = [found(varied, query, plan) for plan in (*PLANS, None)]
                if told != [expected(left, have, is_state)] * 4:
                    wrong.append((filters, asked, state, told))
    assert not wrong
    assert all(expected(left) for _, left in FILTERS)


@pytest.mark.parametrize("limit", [1, 3, 7, 40])
@pytest.mark.parametrize("plan", [*PLANS, None])
def test_pages_have_every_call_once_in_order(
    varied: Store, limit: int, plan: Plan | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "_FIRST", 2)
    monkeypatch.setattr(search, "_MOST", 5)
    monkeypatch.setattr(search, "FREQUENT", 5)
    for asked, have in TERMS:
        query = Query(**asked, limit=limit)
        assert found(varied, query, plan) == expected(have, lambda no: CALLS[no]["state"] != "up")


def test_a_call_that_comes_while_somebody_reads_moves_no_page(varied: Store) -> None:
    first = find(varied, Query(limit=5))
    put(varied, {99: [line("我要投诉")]})
    again = find(varied, Query(limit=5, after=first.next))
    assert [hit.call for hit in (*first.hits, *again.hits)] == expected(lambda no: CALLS[no]["state"] != "up")[:10]


def test_a_hit_tells_who_took_part_and_what_fired(varied: Store) -> None:
    (hit,) = find(varied, Query(call="call-5")).hits
    assert hit.agents == (Agent("805", "", True), Agent("900", "王0", False))
    assert [(each.id, each.severity, each.finding) for each in hit.alerts] == [
        (each["id"], each["severity"], each["finding"]) for each in ALERTS[5]
    ]
    assert (hit.queue, hit.duration_s, hit.direction) == ("", 65.0, "outbound")


def test_calls_far_apart_are_asked_one_by_one_and_give_the_same(store: Store) -> None:
    put(store, {no: [line("我要投诉" if no % 2 else "谢谢")] for no in (1, 700, 1401, 2801, 5000)})
    for plan in PLANS:
        assert found(store, Query(said=(Said("投诉"),)), plan) == ["call-2801", "call-1401", "call-1"]
        assert found(store, Query(sounds=(Said("头速"),)), plan) == ["call-2801", "call-1401", "call-1"]


@pytest.mark.parametrize(
    ("query", "says"),
    [
        (Query(said=(Said("\uff0c\u3002"),)), "no character"),
        (Query(sounds=(Said(""),)), "no character"),
        (Query(said=(Said("投" * 101),)), "100 at most"),
        (Query(limit=0), "limit 0"),
        (Query(limit=1001), "limit 1001"),
        (Query(since=2.0, until=2.0), "ends before"),
        (Query(longer_s=5.0, shorter_s=4.0), "no call is longer"),
        (Query(after="yesterday"), "leads to no page"),
        (Query(after="nan:1"), "leads to no page"),
        (Query(after=f"1.0:{1 << 63}"), "leads to no page"),
    ],
)
def test_what_cannot_be_asked_is_said(store: Store, query: Query, says: str) -> None:
    with pytest.raises(BadQueryError, match=says):
        find(store, query)


# ------------------------------------------------------------------------------------ within a time


def go_on(store: Store, query: Query, within_s: float) -> tuple[list[str], int]:
    """Every page of it, and how many of them were cut."""
    names, cuts = list[str](), 0
    while True:
        page = find(store, query, within_s=within_s)
        names += [hit.call for hit in page.hits]
        cuts += page.cut
        if not page.more:
            return names, cuts
        assert not page.cut or page.reached is not None
        query = replace(query, after=page.next)


@pytest.mark.parametrize("frequent", [0, 2000], ids=["walk", "index"])
@pytest.mark.parametrize("ticks", [3, 4, 7, 15, 40])
def test_what_is_cut_goes_on_and_nothing_is_lost_or_told_twice(
    varied: Store, monkeypatch: pytest.MonkeyPatch, ticks: int, frequent: int
) -> None:
    monkeypatch.setattr(search, "_FIRST", 4)
    monkeypatch.setattr(search, "_MOST", 9)
    monkeypatch.setattr(search, "FREQUENT", frequent)
    for asked, have in TERMS:
        steps = itertools.count()
        monkeypatch.setattr(search, "_now", lambda clock=steps: float(next(clock)))
        seen, cuts = [], 0
        query, whole = Query(**asked, limit=6), expected(have, lambda no: CALLS[no]["state"] != "up")
        for _ in range(100):
            page = find(varied, query, within_s=ticks + 0.5)
            seen += [hit.call for hit in page.hits]
            cuts += page.cut
            assert seen == whole[: len(seen)]
            if not page.more:
                break
            query = replace(query, after=page.next)
        if page.cut:  # too little time for a single call: it says so, and leads nowhere
            assert (page.next, page.reached) == ("", None)
        else:
            assert seen == whole
        assert cuts or ticks > 7


def test_a_walk_that_takes_long_answers_in_time_with_what_it_has(store: Store) -> None:
    """Frequent neighbours, a word that hardly anybody said: every call is looked at."""
    often = [line("\u4f60\u597d\u4f60\u55ef\u597d\u4f60", at=BEGAN + n) for n in range(40)]
    rare = [line("\u4f60\u597d\u4f60\u597d\u4f60")]
    said = {no: rare if no % 1000 == 0 else often for no in range(1, 6001)}
    put(store, said)
    query = Query(said=(Said("\u4f60\u597d\u4f60\u597d\u4f60"),))
    whole = found(store, query)
    assert whole == [f"call-{no}" for no in range(6000, 0, -1000)]
    began = time.monotonic()
    page = find(store, query, within_s=0.1)
    assert time.monotonic() - began < 5
    assert page.cut
    assert page.more
    assert page.reached is not None
    assert [hit.call for hit in page.hits] == whole[: len(page.hits)]
    names, cuts = go_on(store, query, 0.2)
    assert names == whole
    assert cuts


def test_filters_that_leave_hardly_anything_are_gone_through_in_slices(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store would look at every call before it named one: it is given little time, and slices are looked at."""
    put(store, {1: [line("\u5582")]})
    with store.writing() as connection:
        n = func.generate_series(2, 150_000).column_valued("n") if not store.is_sqlite else _numbers(150_000)
        own = select(n, cast(n, Text), literal("ended"), literal(""), BEGAN + n, BEGAN + n)
        names = ["no", "id", "state", "day", "began_at", "heard_at"]
        connection.execute(insert(calls).from_select(names, own))
    monkeypatch.setattr(search, "_SHARE", 1e-5)
    monkeypatch.setattr(limits, "_STEPS", 100)
    slices = []
    plain = search._Search._slice
    monkeypatch.setattr(search._Search, "_slice", lambda *given: slices.append(1) or plain(*given))
    assert go_on(store, Query(longer_s=1e6), 20) == ([], 0)
    assert len(slices) > 3
    with store.writing() as connection:
        connection.execute(calls.update().where(calls.c.no == 7).values(duration_s=2e6))
    assert go_on(store, Query(longer_s=1e6), 20) == (["7"], 0)


def _numbers(last: int) -> Any:
    numbers = select(literal(2).label("n")).cte("numbers", recursive=True)
    return numbers.union_all(select(numbers.c.n + 1).where(numbers.c.n < last)).c.n


def test_a_store_that_is_held_up_ends_the_question_in_time(store: Store, archived: Settings) -> None:
    """Nothing could be looked at: it says that, and the transaction around it goes on."""
    put(store, {1: [line("\u5582")]})
    if store.is_sqlite:
        with store.reading() as connection:
            page = search.find_in(store, connection, Query(), within_s=0.0)
            assert page == search.Found((), cut=True)
            assert [hit.call for hit in search.find_in(store, connection, Query()).hits] == ["call-1"]
        return
    with store.writing() as other, store.reading() as connection:
        other.execute(text("LOCK TABLE parts IN ACCESS EXCLUSIVE MODE"))
        began = time.monotonic()
        page = search.find_in(store, connection, Query(agent="801"), within_s=0.6)
        assert time.monotonic() - began < 20  # the lock is held for good
        assert page == search.Found((), cut=True)
        assert connection.scalar(select(func.count()).select_from(calls)) == 1
        assert connection.scalar(text("SHOW statement_timeout")) == "0"


def test_one_limit_lies_within_another(store: Store) -> None:
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    with store.reading() as connection:
        with limits.limited(store, connection, 60):
            with pytest.raises(limits.OverError), limits.limited(store, connection, 0.1):
                connection.execute(text(endless))
            assert connection.scalar(text("SELECT 1")) == 1
        with pytest.raises(limits.OverError), limits.limited(store, connection, 0.2):
            with limits.limited(store, connection, 60):
                assert connection.scalar(text("SELECT 1")) == 1
            connection.execute(text(endless))
        assert connection.scalar(text("SELECT 1")) == 1


# ------------------------------------------------------------------------------------ the commands


@pytest.fixture
def asked(varied: Store, archived: Settings, run: Run) -> Iterator[Callable[..., Any]]:
    """``sansheng calls …`` on that store, Chinese or English."""
    url = archived.archive_url
    yield lambda *arguments: run("calls", *arguments, SANSHENG_ARCHIVE__URL=url)


def test_found_calls_are_told_with_the_words_marked_and_the_read_is_noted(asked: Any, varied: Store) -> None:
    done = asked("find", "投诉", "--by", "customer", "--queue", "hotline", "--limit", "2")
    assert done.code == 0
    assert done.out.count("客户\uff1a我要【投诉】") == 2
    assert "已显示通话 2 通" in done.err
    assert "--after " in done.err
    with varied.reading() as connection:
        (entry,) = connection.execute(select(reads.c.what, reads.c.of)).all()
    assert entry.what == "find"
    assert "投诉" in entry.of
    assert "hotline" in entry.of
    last = done.err.split("--after ")[1].split()[0]
    more = asked("find", "投诉", "--by", "customer", "--queue", "hotline", "--after", last, "--format", "ndjson")
    names = [msgspec.json.decode(each)["call"] for each in more.out.splitlines()]
    assert names == expected(lambda no: no % 3 == 0, lambda no: CALLS[no]["state"] != "up")[2:]
    assert "共找到" in more.err


def test_a_rule_is_named_by_its_title_too(asked: Any) -> None:
    fired = next(each for own in ALERTS.values() for each in own)
    by_id = asked("find", "--rule", fired["rule"], "--format", "ndjson")
    assert by_id.out
    assert asked("find", "--rule", fired["title"], "--format", "ndjson").out == by_id.out
    for title in ("客户保持等待过久", "greeting-missing", "No proper greeting"):  # of the book; never fired here
        done = asked("find", "--rule", title)
        assert (done.code, done.out) == (0, ""), title
        assert "没有找到" in done.err


def test_nothing_found_is_said_with_what_was_asked(asked: Any) -> None:
    done = asked("find", "魑魅", "--agent", "王1")
    assert (done.code, done.out) == (0, "")
    assert "没有找到" in done.err
    assert "魑魅" in done.err
    assert "王1" in done.err
    assert "--sounds-like" in done.err
    assert "No call" in asked("find", "魑魅", "--english").err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--day", "2026-13-01"), "is no day"),
        (("--from", "gestern"), "--from 'gestern' is no time"),
        (("--rule", "hol"), "did you mean hold?"),
        (("--rule", "hol"), "`sansheng rules list`"),
        (("--limit", "0"), "limit 0"),
        (("--limit", "-3"), "limit -3"),
        (("--from", "2026-11-21", "--until", "2026-11-20 12:00"), "ends before"),
        (("--after", "x"), "leads to no page"),
        ((",",), "no character"),
        (("--severity", "bad"), "severity"),
    ],
)
def test_bad_input_is_said_and_nothing_is_noted(
    asked: Any, varied: Store, arguments: tuple[str, ...], says: str
) -> None:
    done = asked("find", *arguments)
    assert (done.code, done.out) == (2, "")
    assert says in done.err
    with varied.reading() as connection:
        assert connection.scalar(select(func.count()).select_from(reads)) == 0


def test_a_day_is_meant_with_all_its_hours(store: Store, archived: Settings, run: Run) -> None:
    put(store, {no: [line("喂")] for no in (1, 2000)})
    with store.reading() as connection:
        days = list(connection.scalars(select(calls.c.day).order_by(calls.c.no)))
    for day, name in zip(days, ("call-1", "call-2000"), strict=True):
        done = run(
            "calls",
            "find",
            "--from",
            day,
            "--until",
            day,
            "--format",
            "csv",
            SANSHENG_ARCHIVE__URL=archived.archive_url,
        )
        assert [row.split(",")[-1] for row in done.out.splitlines()[1:]] == [name]


def test_one_call_is_read_whole_and_its_record_replayed(store: Store, archived: Settings, run: Run) -> None:
    events = [event for event in read_record(SPEECH / "escalation.ndjson") if isinstance(event, Event)]
    taken(store, Log().calls(events).messages)  # type: ignore[arg-type]
    url = archived.archive_url
    done = run("calls", "show", "escalation", SANSHENG_ARCHIVE__URL=url)
    with store.reading() as connection:
        said = past.lines(connection, "escalation")
    assert done.code == 0
    assert all(each.text in done.out for each in said)
    assert [word for word in ("振铃", "通话", "转接") if word not in done.out] == []
    record = run("calls", "show", "escalation", "--format", "ndjson", SANSHENG_ARCHIVE__URL=url)
    Path("record.ndjson").write_text(record.out, "utf-8")
    as_logged = [replace(event, seq=n, logged_at=event.at + 0.05) for n, event in enumerate(events)]
    Path("logged.ndjson").write_bytes(b"\n".join(map(render, as_logged)))  # type: ignore[arg-type]
    replayed = run("replay", "record.ndjson")
    assert replayed.out
    assert replayed == run("replay", "logged.ndjson")
    with store.reading() as connection:
        noted = list(connection.execute(select(reads.c.what, reads.c.of).order_by(reads.c.at)))
    assert noted == [("call", "escalation"), ("record", "escalation")]
    unknown = run("calls", "show", "nobody", SANSHENG_ARCHIVE__URL=url)
    assert unknown.code == 2
    assert "not in the archive" in unknown.err


def test_the_note_has_the_days_that_were_asked_for_and_no_number(asked: Any, varied: Store) -> None:
    number = "13812345678"
    asked("find", number, "--agent", number, "--queue", number, "--day", "2026-11-20", "--from", "2026-11-01")
    with varied.reading() as connection:
        (of,) = connection.scalars(select(reads.c.of))
    assert number not in of
    assert of.count("138****78") == 3
    assert "2026-11-20" in of
    assert "2026-11-01 00:00" in reads_told.told("find", of, varied.zone, english=False)
