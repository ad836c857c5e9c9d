"""What the store makes of messages: each call once, whatever comes again, in whatever pieces."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import Row, Table, delete, func, select

from streams import alerts as alerting
from streams import audit
from streams.alerts import AlertChange, Clause, Wording, alert_id
from streams.archive import past, personal, search
from streams.archive.quoted import MARKER
from streams.archive.schema import (
    alerts,
    calls,
    days,
    forgotten,
    judgements,
    parts,
    progress,
    reads,
    records,
    words,
)
from streams.archive.status import status
from streams.archive.store import Store
from streams.archive.taking import LOST_AFTER_S, TakenOverError, Taking, Topic
from streams.core import SILENT_S
from streams.events import (
    AgentRinging,
    AnyEvent,
    CallAnswered,
    CallEnded,
    CallOffered,
    CallTransferred,
    CallTransferring,
    Event,
    Evidence,
    Spotted,
    Transcript,
    TransferFailed,
    Word,
    render,
)
from streams.replay import read_record
from streams.settings import Settings
from streams.verdicts import Judgement, Snooze
from tests.archive_tools import CLUSTER, KEY, Log, taken
from tests.archivist_tools import whole

SPEECH = Path(__file__).parent / "traces/speech"


def spoken(name: str = "escalation") -> list[Event]:
    return [event for event in read_record(SPEECH / f"{name}.ndjson") if isinstance(event, Event)]


@pytest.mark.parametrize("batch", [1, 7, 1000])
def test_a_call_is_kept_whole_in_whatever_pieces_it_comes(store: Store, batch: int) -> None:
    events = spoken()
    taken(store, Log().calls(events).messages, batch)  # type: ignore[arg-type]
    with store.reading() as connection:
        found = past.record(connection, "escalation")
        assert [event.at for event in found] == [event.at for event in events]
        row = connection.execute(select(calls)).one()
        assert (row.state, row.agent, row.transfers) == ("ended", "8030", 1)
        assert connection.scalar(select(func.count()).select_from(records)) == 1
        assert past.lines(connection, "escalation")[0].text.startswith("您好")


# ------------------------------------------------------------------------------------------- what may come

CALL = "c-1"
T = 1_795_140_000.0  # 2026-11-20, 12:40 in Shanghai


def plain(call: str = CALL, at: float = T, agent: str = "8001") -> list[AnyEvent]:
    """::

    0 offered   2 rings   5 answered   20 heard   30 ended
    """
    return [
        CallOffered(call=call, at=at, caller="13812345678", queue="vip"),
        AgentRinging(call=call, at=at + 2, agent=agent),
        CallAnswered(call=call, at=at + 5, agent=agent),
        heard("您好", at + 20, call),
        CallEnded(call=call, at=at + 30, by="customer"),
    ]


def heard(text: str, at: float, call: str = CALL) -> Transcript:
    return Transcript(call=call, at=at, role="agent", text=text, start=at - 1, end=at, final=True, through=at)


def change(state: str, at: float, call: str = CALL, occurrence: int = 1, severity: str = "warning") -> AlertChange:
    return AlertChange(
        id=alert_id(call, "pace", occurrence),
        rule="pace",
        severity=severity,  # type: ignore[arg-type]
        state=state,  # type: ignore[arg-type]
        call=call,
        agent="8001",
        queue="vip",
        at=at,
        title="t",
        says=f"{state} {severity}",
        clause=Clause(manual="m", section="1"),
        rulebook="v1",
    )


def judgement(n: int, action: str, at: float, call: str = CALL) -> Judgement:
    alert = alert_id(call, "pace", 1)
    return Judgement(id=f"j{n}", alert=alert, call=call, rule="pace", action=action, by="li", by_name="L", at=at)  # type: ignore[arg-type]


def one(store: Store, call: str = CALL) -> Row[Any]:
    with store.reading() as connection:
        return connection.execute(select(calls).where(calls.c.id == call)).one()


def numbers(store: Store, *tables: Table) -> list[int]:
    with store.reading() as connection:
        return [connection.scalar(select(func.count()).select_from(table)) or 0 for table in tables]


def test_a_verdict_before_its_alert_counts_once_that_has_come(store: Store) -> None:
    log = Log().verdicts([judgement(1, "resolved", T + 9)])
    taken(store, log.messages)
    assert numbers(store, alerts, judgements) == [0, 1]
    taken(store, log.alerts([change("opened", T)]).messages[1:])
    with store.reading() as connection:
        assert connection.execute(select(alerts.c.finding, alerts.c.decided_at)).one() == ("true", T + 9)


def test_an_alert_of_an_unknown_call_is_kept_and_told_of(store: Store) -> None:
    taken(store, Log().alerts([change("opened", T)]).messages)
    assert numbers(store, alerts, calls) == [1, 0]
    found = status(store, Settings())
    assert (found.alerts, found.unknown) == (1, int(time.time() - T > 86_400))


@pytest.mark.parametrize("again", [[0], [1], [0, 1], [1, 0]])
def test_changes_that_come_again_at_other_offsets_change_nothing(store: Store, again: list[int]) -> None:
    told = [change("opened", T), change("raised", T + 5, severity="critical"), change("cleared", T + 9)]
    log = Log().alerts(told)
    taken(store, log.messages)
    before = whole(store)["alerts"], changed(store)
    taken(store, log.alerts([told[n] for n in again]).messages[3:])
    assert (whole(store)["alerts"], changed(store)) == before
    with store.reading() as connection:
        assert [each.state for each in past.alert(connection, told[0].id)] == ["opened", "raised", "cleared"]


def changed(store: Store) -> dict[str, int]:
    with store.reading() as connection:
        return {row.day: row.changed for row in connection.execute(select(days.c.day, days.c.changed))}


@pytest.mark.parametrize("batch", [1, 3, 1000])
def test_everything_again_in_other_pieces_doubles_nothing(store: Store, batch: int) -> None:
    """Calls that have ended, and one that goes on: its longer pieces are not overwritten by shorter ones."""
    log = Log().calls(plain()).calls(plain("c-2", T + 7)[:4]).alerts([change("opened", T)])
    log.verdicts([judgement(1, "resolved", T + 9)])
    taken(store, log.messages, batch=4)
    before = whole(store)
    with store.writing() as connection:
        connection.execute(delete(progress))
    taken(store, log.messages, batch)
    assert whole(store) == before
    taken(store, log.calls([CallEnded(call="c-2", at=T + 60, by="system")]).messages[-1:])
    assert one(store, "c-2").duration_s == 53


@pytest.mark.parametrize("late_s", [0.5, 4.9, 300.0])
def test_words_after_the_end_are_put_into_their_call(store: Store, late_s: float) -> None:
    log = Log().calls(plain())
    taken(store, log.messages)
    said = heard("再见", T + 29)
    log.add("calls", CALL.encode(), render(said), T + 30 + late_s)
    taken(store, log.messages[5:])
    with store.reading() as connection:
        assert [line.text for line in past.lines(connection, CALL)] == ["您好", "再见"]
    assert one(store).duration_s == 30
    assert numbers(store, records) == [1]


def test_events_that_come_out_of_order_give_the_same_call(store: Store) -> None:
    offered, rings, answered, said, ended = plain()
    taken(store, Log().calls([offered, answered, rings, said, ended]).messages, batch=1)
    found = one(store)
    assert (found.answered_at, found.agent, found.talk_s, found.state) == (T + 5, "8001", 25, "ended")


def test_a_clock_that_jumps_back_costs_no_event_and_no_end(store: Store) -> None:
    """The sender's clock is set back by an hour in mid-call."""
    events = plain()
    back = [replace(event, at=event.at - 3600) for event in events[3:]]
    log = Log().calls(events[:3])
    for event in back:
        log.add("calls", CALL.encode(), render(event), T + 30)
    taken(store, log.messages)
    with store.reading() as connection:
        assert len(past.record(connection, CALL)) == 5
    found = one(store)
    assert found.state == "ended"
    assert 0 <= found.duration_s < 60


@pytest.mark.parametrize(("ahead_s", "is_taken"), [(59.9, True), (60.1, False)])
def test_the_future_is_refused_as_the_detector_does(store: Store, ahead_s: float, is_taken: bool) -> None:
    log = Log()
    log.add("calls", CALL.encode(), render(plain()[0]), T - ahead_s)
    log.add("alerts", CALL.encode(), alerting.render(change("opened", T)), T - ahead_s)
    [took] = taken(store, log.messages)
    assert numbers(store, calls, alerts) == [is_taken, is_taken]
    assert took.unreadable == ({} if is_taken else {"calls": 1, "alerts": 1})


def test_a_call_that_never_ends_is_closed_after_its_silence_and_opened_again_by_what_comes(store: Store) -> None:
    log = Log().calls(plain()[:4])
    taken(store, log.messages)
    taking = Taking(store, KEY, 60)
    assert taking.close_lost(T + 20 + LOST_AFTER_S) == 0
    assert one(store).state == "up"
    assert taking.close_lost(T + 20.1 + LOST_AFTER_S) == 1
    found = one(store)
    assert (found.state, found.agent, found.answered_at) == ("lost", "8001", T + 5)
    assert found.ended_at <= T + 20 + SILENT_S
    assert taking.close_lost(T + 1e6) == 0
    taken(store, log.calls([CallEnded(call=CALL, at=T + 30, by="system")], late_s=9e4).messages[4:])
    assert (one(store).state, one(store).duration_s) == ("ended", 30)


def test_an_end_without_a_call_is_nobodys_call(store: Store) -> None:
    [took] = taken(store, Log().calls([CallEnded(call=CALL, at=T, by="system")]).messages)
    assert not took.unreadable
    assert (one(store).state, numbers(store, parts, words)) == ("lost", [0, 0])
    assert Taking(store, KEY, 60).close_lost(T + 1e6) == 0


def test_both_days_are_told_when_a_call_moves_to_another_one(store: Store) -> None:
    """An event that happened before midnight is logged after one that happened later."""
    midnight = datetime(2026, 11, 20, tzinfo=store.zone).timestamp()
    first, *rest = plain(at=midnight - 1)
    log = Log().calls([rest[0]])
    taken(store, log.messages)
    assert one(store).day == "2026-11-20"
    before = changed(store)
    taken(store, log.calls([first, *rest[1:]]).messages[1:])
    assert one(store).day == "2026-11-19"
    assert all(changed(store)[day] > before.get(day, 0) for day in ("2026-11-19", "2026-11-20"))


def test_a_call_with_thousands_of_events_is_one_call(store: Store) -> None:
    first, rings, answered, _, ended = plain()
    many = [heard(f"第{n}句", T + 5 + n / 200) for n in range(5000)]
    taken(store, Log().calls([first, rings, answered, *many, ended]).messages, batch=400)
    assert numbers(store, records, calls) == [1, 1]
    with store.reading() as connection:
        assert len(past.record(connection, CALL)) == 5004
        assert len(past.lines(connection, CALL)) == 5000


@pytest.mark.parametrize("topic", ["calls", "alerts", "verdicts", "audit"])
@pytest.mark.parametrize("value", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"type":"call.offered"}', b"x" * 70_000])
def test_what_cannot_be_read_is_counted_and_stops_nothing(store: Store, topic: Topic, value: bytes) -> None:
    log = Log()
    log.add(topic, CALL.encode(), value, T)
    [took] = taken(store, log.calls(plain()).messages)
    assert took.unreadable == {topic: 1}
    assert one(store).state == "ended"


def test_what_one_of_the_stores_would_refuse_is_refused_for_both(store: Store) -> None:
    """PostgreSQL takes no NUL, no name beyond its column, no index entry beyond 2.7 kB; SQLite takes all of it."""
    log = Log()
    nul = replace(plain()[0], queue="v\x00ip")
    log.add("calls", CALL.encode(), render(nul), T)
    log.calls([CallEnded(call=CALL, at=T + 5, by="system", cause="bu\x00sy")])
    long = replace(plain("c-2")[0], queue="q" * 3000)
    log.calls([long])
    log.calls(
        [replace(plain("c-3")[0], extra={"customer_key": "k" * 300}), CallEnded(call="c-3", at=T + 1, by="system")]
    )
    log.alerts([replace(change("opened", T), id="x" * 65), replace(change("opened", T), queue="q" * 257)])
    log.verdicts([replace(judgement(1, "resolved", T), id="j" * 65)])
    [took] = taken(store, log.messages)
    assert took.unreadable == {"calls": 1, "alerts": 2, "verdicts": 1}
    assert (one(store).queue, one(store).cause) == ("vip", "busy")
    assert len(one(store, "c-3").caller_key) == 16
    assert numbers(store, alerts, judgements) == [0, 0]


def test_who_read_what_is_kept_whatever_the_walls_clock_says(store: Store) -> None:
    seen = audit.Audit(by="li", role="manager", what="call", id=CALL, at=T + 9e5)
    log = Log()
    log.add("audit", b"li", audit.render(seen), T)
    taken(store, log.messages)
    with store.reading() as connection:
        assert connection.execute(select(reads.c.by, reads.c.at)).one() == ("li", T)


def test_a_number_is_masked_even_where_somebody_else_has_given_its_key(store: Store) -> None:
    offered = replace(plain()[0], extra={"customer_key": "0123456789abcdef"})
    taken(store, Log().calls([offered]).messages)
    with store.reading() as connection:
        [found] = past.record(connection, CALL)
    assert isinstance(found, CallOffered)
    assert (found.caller, found.extra["customer_key"]) == ("138****5678", "0123456789abcdef")


def test_nothing_comes_back_of_a_call_that_was_forgotten(store: Store) -> None:
    with store.writing() as connection:
        connection.execute(forgotten.insert().values(call=CALL, at=T))
    log = Log().calls(plain()).calls(plain("c-2")).alerts([change("opened", T), change("opened", T, "c-2")])
    log.verdicts([judgement(1, "resolved", T), judgement(2, "resolved", T, "c-2")])
    taken(store, log.messages, batch=3)
    with store.reading() as connection:
        assert list(connection.scalars(select(calls.c.id))) == ["c-2"]
        assert list(connection.scalars(select(alerts.c.call))) == ["c-2"]
        assert list(connection.scalars(select(judgements.c.call))) == ["c-2"]


def across(state: str, at: float, *names: str) -> AlertChange:
    """An alert about several calls, as the engine tells it: every change names the call that opened it."""
    return replace(change(state, at, "c-2"), calls=names)


def test_an_alert_across_calls_stays_with_the_call_that_opened_it(store: Store) -> None:
    log = Log().calls(plain()).calls(plain("c-2")).calls(plain("c-3"))
    told = [across("opened", T, CALL, "c-2"), across("raised", T + 5, CALL, "c-2", "c-3")]
    done = judgement(1, "claimed", T + 6, "c-2")
    taken(store, log.alerts([*told, across("cleared", T + 9, CALL, "c-2", "c-3")]).verdicts([done]).messages, batch=3)
    with store.reading() as connection:
        assert list(connection.scalars(select(alerts.c.call))) == list(connection.scalars(select(judgements.c.call)))
        assert [each.state for each in past.alerts_of(connection, "c-2")] == ["opened", "raised", "cleared"]
        assert past.alerts_of(connection, "c-2")[-1].calls[-1] == "c-3"
        assert past.standing(connection, told[0].id).claimed_by == "li"


def test_an_alert_across_calls_loses_a_call_that_was_forgotten(store: Store) -> None:
    with store.writing() as connection:
        connection.execute(forgotten.insert().values(call=CALL, at=T - 9))
    words = Evidence(role="customer", text="断网", start=T - 1, end=T)
    taken(store, Log().alerts([replace(across("opened", T, CALL, "c-2"), evidence=(words,))]).messages)
    with store.reading() as connection:
        (left,) = past.alerts_of(connection, "c-2")
    assert (left.calls, left.evidence, left.says) == (("c-2",), (), left.title)


def test_who_is_not_where_the_store_is_must_not_write(store: Store) -> None:
    messages = Log().calls(plain()).messages
    taken(store, messages)
    place = (messages[0].topic, messages[0].partition)
    before = whole(store)
    for was in ({}, {place: 3}, {place: 5, ("calls", 99): 1}):
        with pytest.raises(TakenOverError, match="another archivist"):
            Taking(store, KEY, 60).take(CLUSTER, messages[:1], was, {place: 9})
    assert whole(store) == before


def test_a_transfer_that_is_told_twice_is_one(store: Store) -> None:
    at = 1_795_300_000.0
    events = [
        CallOffered(call="twice", at=at, queue="hotline"),
        CallAnswered(call="twice", at=at + 3, agent="101"),
        CallTransferring(call="twice", at=at + 20, agent="101", to="102"),
        CallTransferring(call="twice", at=at + 21, agent="101", to="102"),
        CallTransferred(call="twice", at=at + 30, agent="102"),
        CallTransferring(call="twice", at=at + 50, agent="102", to="103"),
        CallTransferred(call="twice", at=at + 60, agent="103"),
        CallEnded(call="twice", at=at + 90, by="customer"),
    ]
    taken(store, Log().calls(events).messages)
    with store.reading() as connection:
        assert connection.execute(select(calls.c.transfers, calls.c.transfer_s)).one() == (2, 20.0)


NUMBER = "13812345678"


def test_no_number_is_stored_whoever_sent_it_and_wherever_it_stands(store: Store) -> None:
    """In every free field of every message, at any depth."""
    said = f"\u6211\u7684\u7535\u8bdd{NUMBER}"
    stars = "\u6211\u7684\u7535\u8bdd\u662f***********"
    heard_whole = (Word(text=NUMBER, start=T + 7, end=T + 8, sound="yao1 san1 ba1"),)
    heard_parts = tuple(Word(text=part, start=T + 7, end=T + 8, sound="x") for part in ("138", "1234", "5678"))
    deep = {"seen": [{"by": [NUMBER, {NUMBER: int(NUMBER)}]}], "callerid_name": f"\u5f20 {NUMBER}"}
    words_ = {"role": "customer", "start": T + 7, "end": T + 8}
    log = Log().calls(
        [
            CallOffered(call=CALL, at=T, caller=NUMBER, queue="vip", extra={"customer_key": NUMBER, **deep}),
            AgentRinging(call=CALL, at=T + 1, agent="101", agent_name=f"\u674e {NUMBER}"),
            CallAnswered(call=CALL, at=T + 2, agent="101", agent_name=f"\u674e {NUMBER}", extra=deep),
            TransferFailed(call=CALL, at=T + 3, reason=NUMBER),
            Spotted(call=CALL, at=T + 8, text=said, **words_),
            Transcript(call=CALL, at=T + 8, text=stars, final=True, words=heard_whole, extra=deep, **words_),
            Transcript(call=CALL, at=T + 9, text=stars, final=True, words=heard_parts, **words_),
            CallEnded(call=CALL, at=T + 12, by="customer", cause=f"to {NUMBER}"),
        ]
    )
    shown = (Evidence(role="customer", text=said, start=T, end=T, match=NUMBER, meant=NUMBER),)
    log.alerts([replace(change("opened", T), says=said, en=Wording("t", said), evidence=shown, agent_name=NUMBER)])
    log.verdicts([replace(judgement(1, "commented", T), text=said)])
    log.verdicts([Snooze(id="s", rule="pace", queue="", until=T + 9, by="li", by_name="L", at=T, text=said)])
    [took] = taken(store, log.messages)
    assert took.unreadable == {}
    told = repr(whole(store))
    assert NUMBER not in told
    assert "yao1 san1" not in told
    assert "5678" not in told.replace("138****5678", "")
    made = personal.kept(CallOffered(call=CALL, at=T, caller=NUMBER), KEY)
    assert isinstance(made, CallOffered)
    assert one(store).caller_key == made.extra["customer_key"], "who asks to be forgotten is found by this"


@pytest.mark.parametrize("given", ["k1", NUMBER, "0123456789ABCDEF", "0123456789abcdef0", "138****5678"])
def test_a_key_that_is_none_is_made_anew(given: str) -> None:
    number = CallOffered(call=CALL, at=T, caller=NUMBER, extra={"customer_key": given})
    [mine, plain_] = [personal.kept(e, KEY) for e in (number, replace(number, extra={}))]
    assert mine == plain_
    hidden = personal.kept(replace(number, caller="138****5678"), KEY)
    assert isinstance(hidden, CallOffered)
    assert len(key := hidden.extra["customer_key"]) == 16
    assert key != given


@pytest.mark.parametrize(
    "text",
    ["2026-11-20 12:40", "1795140000.77", "8a2b6f0e-1234-5678-9012-1234567890ab", "VIP12", "12315", "138****5678"],
)
def test_what_is_no_telephone_number_stays(text: str) -> None:
    assert personal.without_numbers(text) == text
    assert personal.without_numbers(f"{text}, {NUMBER}") == f"{text}, 138****78"


def test_words_that_a_late_watermark_takes_back_are_not_found_any_more(store: Store) -> None:
    guess = replace(heard("\u6211\u8981\u6295\u8bc9", T + 20), final=False, through=None)
    offered, rings, answered, _, ended = plain()
    log = Log().calls([offered, rings, answered, guess, ended])
    taken(store, log.messages)
    asked = search.Query(said=(search.Said("\u6295\u8bc9"),))
    assert [hit.call for hit in search.find(store, asked).hits] == [CALL]
    before = changed(store)
    taken(store, log.calls([replace(heard("", T + 31), start=T + 19, through=T + 25)]).messages[5:])
    assert search.find(store, asked).hits == ()
    assert numbers(store, words) == [0]
    assert changed(store) != before


def test_what_comes_late_of_a_lost_call_does_not_bring_it_back(store: Store) -> None:
    log = Log().calls(plain()[:3])
    taken(store, log.messages)
    assert Taking(store, KEY, 60).close_lost(T + 5 * 3600) == 1
    taken(store, log.calls([heard("\u5582", T + 8)], late_s=5 * 3600).messages[3:])
    assert one(store).state == "lost"
    with store.reading() as connection:
        assert [line.text for line in past.lines(connection, CALL)] == ["\u5582"]
    taken(store, log.calls([heard("\u5582", T + 6 * 3600)]).messages[4:])
    assert one(store).state == "up", "it goes on now"


def test_a_record_that_cannot_be_read_keeps_no_other_call_open(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    log = Log().calls(plain("bad")[:3]).calls(plain("good")[:3])
    taken(store, log.messages)
    with store.writing() as connection:
        of_bad = select(calls.c.no).where(calls.c.id == "bad").scalar_subquery()
        connection.execute(records.update().where(records.c.call_no == of_bad).values(lines=b"xx"))
    taking = Taking(store, KEY, 60)
    assert taking.close_lost(T + 9e4) == 2
    assert (one(store, "bad").state, one(store, "good").state, one(store, "good").agent) == ("lost", "lost", "8001")
    assert "cannot be read (error)" in caplog.text
    assert taking.close_lost(T + 9e4) == 0


def test_a_name_that_no_index_takes_is_cut(store: Store) -> None:
    offered, rings, answered, said, ended = plain()
    long = "".join(chr(0x4E00 + n * 7 % 20_000) for n in range(3000))
    named = replace(answered, agent_name=long)
    odd = CallTransferring(call=CALL, at=T + 21, agent="x" * 300, to="102")
    [took] = taken(store, Log().calls([offered, rings, named, said, odd, ended]).messages)
    assert took.unreadable == {"calls": 1}
    with store.reading() as connection:
        assert connection.scalar(select(parts.c.name)) == long[:256]


# ------------------------------------------------------------------------------------------- other logs


def facts_of(store: Store) -> tuple[Any, ...]:
    with store.reading() as connection:
        record = [replace(event, seq=None, logged_at=None) for event in past.record(connection, CALL)]
    return tuple(one(store)), record


def test_a_mirrored_log_doubles_nothing(store: Store) -> None:
    """The same messages out of another cluster, at other offsets and logged a little later."""
    log = Log().calls(plain())
    taken(store, log.messages)
    before = facts_of(store)
    taking = Taking(store, KEY, 60)
    for more, late_s in ((1000, 1.5), (0, 2.5)):
        mirrored = [m._replace(offset=m.offset + more, logged_at=m.logged_at + late_s) for m in log.messages]
        taking.take(f"other-{more}", mirrored, {}, {(m.topic, m.partition): m.offset + 1 for m in mirrored})
        assert facts_of(store) == before


@pytest.mark.parametrize("first", [0, 1000])
@pytest.mark.parametrize("batch", [1, 1000])
def test_a_call_that_spans_a_topic_made_anew_is_in_order(store: Store, first: int, batch: int) -> None:
    """Its second half has lower offsets, or the same as its first."""
    log = Log().calls(plain())
    messages = [m._replace(offset=m.offset + first) for m in log.messages[:2]]
    messages += [m._replace(offset=m.offset - 2, partition=9) for m in log.messages[2:]]
    taking, was = Taking(store, KEY, 60), {}
    for half in (messages[:2], messages[2:]):
        for at in range(0, len(half), batch):
            now = was | {(m.topic, m.partition): m.offset + 1 for m in half[at : at + batch]}
            taking.take(CLUSTER, half[at : at + batch], was, now)
            was = now
    found = one(store)
    assert (found.answered_at, found.agent, found.talk_s, found.state) == (T + 5, "8001", 25, "ended")
    with store.reading() as connection:
        record = past.record(connection, CALL)
    assert [event.at for event in record] == [event.at for event in plain()]
    assert [event.seq for event in record] == sorted({event.seq for event in record})  # type: ignore[type-var]


@pytest.mark.parametrize("of", [CALL, f'{{"call":"{CALL}"}}', f'{{"calls":["c-9","{CALL}"]}}', f"agent {CALL} x"])
def test_who_read_a_call_is_told_no_more_of_it_once_it_was_forgotten(store: Store, of: str) -> None:
    with store.writing() as connection:
        connection.execute(forgotten.insert().values(call=CALL, at=T))
    log = Log()
    for n, each in enumerate((of, of.replace(CALL, "c-2"))):
        seen = audit.Audit(by="li", role="manager", what="call", id=each, at=T + n)
        log.add("audit", b"li", audit.render(seen), T + n)
    taken(store, log.messages)
    with store.reading() as connection:
        found = list(connection.scalars(select(reads.c.of).order_by(reads.c.at)))
    assert found == [MARKER, of.replace(CALL, "c-2")]
