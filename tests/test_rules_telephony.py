"""The five rules about ringing, holding, transferring and hanging up: the exact sentence at the exact second.

Above each test its timeline; the figures are seconds after the call was offered. ``|`` is an event, ``!`` an
alert. Both sides of each limit are 1/8 s apart.
"""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from streams.alerts import AlertChange, duration_en, duration_zh
from streams.call import LATE_S
from streams.core import KEEP_ENDED_S, LOST_END, SILENT_S, CallState, step
from streams.events import AnyEvent, SpeechEnded, SpeechStarted, Tick
from streams.rulebook.book import load
from tests.drive import (
    T0,
    Row,
    answered,
    consulted,
    drive,
    ended,
    failed,
    held,
    missed,
    offered,
    resumed,
    rings,
    rows,
    tick,
    transferred,
    transferring,
)

BOOK = load()
JUST = 0.125
RING, ABANDONED, HOLD = "ring-over-three", "abandoned-while-ringing", "long-hold"
TRANSFER, HUNG_UP = "transfer-wait", "agent-hung-up-first"


def alerts(*events: AnyEvent, until: float | None = None) -> list[AlertChange]:
    """The alert changes under the default rulebook."""
    return drive(BOOK, events, until=until)


def says(changes: Iterable[AlertChange]) -> list[str]:
    return [change.says for change in changes]


# -------------------------------------------------------------------------------------------- ring-over-three


# 0 offered  1 |101 rings ............ 10.875      answered: nothing
# 0 offered  1 |101 rings ............ 11 ! warning at exactly 10 s of ringing
def test_a_phone_may_ring_for_anything_below_ten_seconds() -> None:
    assert alerts(offered(0), rings(1), answered(11 - JUST)) == []
    assert alerts(offered(0), rings(1), until=11 - JUST) == []
    assert rows(alerts(offered(0), rings(1), until=11)) == [Row(RING, "opened", "warning", 11)]


# 0 offered  1 |101 rings ............ 11 ! warning and at once cleared: ten seconds are three rings
def test_an_answer_at_exactly_ten_seconds_is_too_late() -> None:
    changes = alerts(offered(0), rings(1), answered(11))
    assert rows(changes) == [Row(RING, "opened", "warning", 11), Row(RING, "cleared", "warning", 11)]


# 0 offered  1 |101 rings ..... 11 ! warning ..... 21 ! critical ..... 24 |answered, cleared
def test_a_ring_is_raised_at_twenty_seconds_and_cleared_by_the_answer() -> None:
    changes = alerts(offered(0, queue="sales"), rings(1, agent_name="Ana Lopez"), answered(24))
    assert rows(changes) == [
        Row(RING, "opened", "warning", 11),
        Row(RING, "raised", "critical", 21),
        Row(RING, "cleared", "critical", 24),
    ]
    assert says(changes) == [
        "Ana Lopez（101）的电话已响铃 10 秒，仍无人接听",
        "Ana Lopez（101）的电话已响铃 20 秒，仍无人接听",
        "Ana Lopez（101）的电话响铃 23 秒后结束：已接听",
    ]
    assert [change.en.says for change in changes if change.en] == [
        "The phone of Ana Lopez (101) has been ringing for 10 s without an answer",
        "The phone of Ana Lopez (101) has been ringing for 20 s without an answer",
        "The phone of Ana Lopez (101) stopped after 23 s: answered",
    ]
    for change in changes:
        assert (change.title, change.call, change.queue) == ("电话响铃超过三声", "c1", "sales")
        assert (change.agent, change.agent_name) == ("101", "Ana Lopez")
        assert (change.clause.manual, change.clause.section) == ("002", "第19篇 第六十条")
        assert change.clause.title == "客户客服对话范文"
        assert "三声(10秒)" in change.clause.quote
        assert change.rulebook == BOOK.version
    assert len({change.id for change in changes}) == 1


def test_a_ring_of_just_under_twenty_seconds_is_not_raised() -> None:
    changes = alerts(offered(0), rings(1), answered(21 - JUST))
    assert [row.state for row in rows(changes)] == ["opened", "cleared"]


# 1 |101 rings .. 11 ! .. 16 |missed, cleared .. 21 |101 rings .. 31 ! a new alert .. 40 |gives up
def test_a_second_ring_of_the_same_call_is_a_new_alert() -> None:
    changes = alerts(offered(0), rings(1), missed(16), rings(21), ended(40))
    assert rows(changes)[:4] == [
        Row(RING, "opened", "warning", 11),
        Row(RING, "cleared", "warning", 16),
        Row(RING, "opened", "warning", 31),
        Row(RING, "cleared", "warning", 40),
    ]
    assert says(changes)[1] == "101 号坐席的电话响铃 15 秒后结束：无人接听"
    assert says(changes)[3] == "101 号坐席的电话响铃 19 秒后结束：客户已挂机"
    first, second = changes[0].id, changes[2].id
    assert [change.id for change in changes[:4]] == [first, first, second, second]
    assert first != second


# 1 |101 rings .. 8 |missed  8.125 |102 rings .. 14 |answered: neither rang for 10 s
def test_two_short_rings_do_not_add_up() -> None:
    assert alerts(offered(0), rings(1, "101"), missed(8, "101"), rings(8.125, "102"), answered(14, "102")) == []


# 1 |101, 102 and 103 ring ... 11 ! names three, blames none
def test_ring_all_names_the_number_of_agents_and_blames_none() -> None:
    ring_all = [offered(0), rings(1, "101"), rings(1.25, "102"), rings(1.25, "103")]
    (change,) = alerts(*ring_all, until=11)
    assert change.says == "101 号坐席等 3 名坐席的电话已响铃 10 秒，仍无人接听"
    assert change.en
    assert change.en.says == "The phone of agent 101 and 2 more has been ringing for 10 s without an answer"
    assert change.agent is None
    cleared = alerts(*ring_all, answered(14, "102"))[-1]
    assert cleared.state == "cleared"
    assert cleared.says == "101 号坐席等 3 名坐席的电话响铃 13 秒后结束：已接听"


# 1 |101 rings  2 |102 rings .. 11 ! names 101 alone: only that phone has rung for 10 s
def test_a_phone_that_joined_later_is_not_blamed_yet() -> None:
    (change,) = alerts(offered(0), rings(1, "101"), rings(2, "102"), until=11)
    assert (change.agent, change.says) == ("101", "101 号坐席的电话已响铃 10 秒，仍无人接听")


# 1 |101 rings  2 |102 rings .. 11 ! .. 15 |101 missed .. 22 ! critical: 102 has rung for 20 s .. 23 |answered
def test_ring_all_goes_on_with_the_phone_that_still_rings() -> None:
    changes = alerts(offered(0), rings(1, "101"), rings(2, "102"), missed(15, "101"), answered(23, "102"))
    assert rows(changes) == [
        Row(RING, "opened", "warning", 11),
        Row(RING, "raised", "critical", 22),
        Row(RING, "cleared", "critical", 23),
    ]
    assert [change.agent for change in changes] == ["101", "102", "102"]
    assert says(changes)[1:] == [
        "102 号坐席的电话已响铃 20 秒，仍无人接听",
        "102 号坐席的电话响铃 21 秒后结束：已接听",
    ]


# 1 |101 and 102 ring .. 11 ! names both .. 15 |101 missed .. 21 ! critical: names 102 alone .. 23 |answered
def test_ring_all_that_began_at_once_names_only_who_still_rings() -> None:
    changes = alerts(offered(0), rings(1, "101"), rings(1, "102"), missed(15, "101"), answered(23, "102"))
    assert says(changes) == [
        "101 号坐席等 2 名坐席的电话已响铃 10 秒，仍无人接听",
        "102 号坐席的电话已响铃 20 秒，仍无人接听",
        "102 号坐席的电话响铃 22 秒后结束：已接听",
    ]


# 1 |101 rings  5 |102 rings .. 11 ! .. 14.875 |101 missed: cleared, 102 has not rung for 10 s .. 15 ! a new alert
# 1 |101 rings  5 |102 rings .. 11 ! .. 15     |101 missed: the alert goes on, 102 has rung for exactly 10 s
def test_ring_all_goes_on_if_the_other_phone_has_rung_for_exactly_ten_seconds() -> None:
    both = [offered(0), rings(1, "101"), rings(5, "102")]
    below = alerts(*both, missed(15 - JUST, "101"), until=15)
    assert [row.state for row in rows(below)] == ["opened", "cleared", "opened"]
    exact = alerts(*both, missed(15, "101"), until=15)
    assert [row.state for row in rows(exact)] == ["opened"]


# 1 |101 rings  9 |102 rings .. 11 ! .. 15 |101 missed: cleared .. 19 ! a new alert for 102
def test_ring_all_begins_anew_when_the_phone_that_still_rings_is_young() -> None:
    changes = alerts(offered(0), rings(1, "101"), rings(9, "102"), missed(15, "101"), until=19)
    assert rows(changes) == [
        Row(RING, "opened", "warning", 11),
        Row(RING, "cleared", "warning", 15),
        Row(RING, "opened", "warning", 19),
    ]
    assert says(changes)[1:] == [
        "101 号坐席的电话响铃 14 秒后结束：无人接听",
        "102 号坐席的电话已响铃 10 秒，仍无人接听",
    ]


# 2 |answered .. 10 |transfer to 102 .. 12 |102 rings .. 22 ! for 102 .. 30 |102 has the customer
def test_a_colleagues_phone_in_a_transfer_rings_by_the_same_rule() -> None:
    talk = [offered(0), rings(1), answered(2), transferring(10, "102"), rings(12, "102", agent_name="Bo Chen")]
    changes = alerts(*talk, transferred(30, "102"))
    assert rows(changes) == [Row(RING, "opened", "warning", 22), Row(RING, "cleared", "warning", 30)]
    assert says(changes) == [
        "Bo Chen（102）的电话已响铃 10 秒，仍无人接听",
        "Bo Chen（102）的电话响铃 18 秒后结束：客户已接通新坐席",
    ]
    assert alerts(*talk, transferred(22 - JUST, "102")) == []


# 2 |answered .. 10 |hold .. 12 |102 rings (consult) .. 22 ! for 102 .. 25 |102 answers the consultation
def test_a_colleagues_phone_in_a_consultation_rings_by_the_same_rule() -> None:
    changes = alerts(offered(0), rings(1), answered(2), held(10), rings(12, "102"), consulted(25, "102"))
    assert rows(changes) == [Row(RING, "opened", "warning", 22), Row(RING, "cleared", "warning", 25)]
    assert says(changes)[1] == "102 号坐席的电话响铃 13 秒后结束：已接听"


# 0 outbound  1 |101 rings ......................... 40 |gives up: nothing
def test_the_phone_of_a_call_that_the_house_placed_may_ring() -> None:
    assert alerts(offered(0, direction="outbound"), rings(1), ended(40), until=60) == []


# 0 offered  1 |101 rings .... 11 ! ........ 12 the answer of 10.875 arrives: cleared, not in the past
def test_a_late_answer_clears_a_ring_that_was_alerted_by_mistake() -> None:
    changes = alerts(offered(0), rings(1), tick(12), answered(11 - JUST))
    assert rows(changes) == [Row(RING, "opened", "warning", 11), Row(RING, "cleared", "warning", 11)]


# ------------------------------------------------------------------------------------ abandoned-while-ringing


# 0 offered  1 |101 rings ... 9 |the customer hangs up !
def test_a_caller_who_gives_up_while_a_phone_rings_has_been_lost() -> None:
    (change,) = alerts(offered(0, queue="sales"), rings(1), ended(9, "customer"))
    assert rows([change]) == [Row(ABANDONED, "opened", "warning", 9)]
    assert change.says == "客户等待 9 秒后挂机，sales 队列无人接听"
    assert change.en
    assert change.en.says == "The customer hung up after waiting 9 s; nobody answered (queue sales)"
    assert (change.title, change.agent) == ("客户未等到接听就挂机", None)
    assert (change.clause.manual, change.clause.section) == ("000", "一(二)")
    assert change.clause.quote == "电话响铃3声内接听"


# 0 offered ... 2.25 |the customer hangs up !
def test_a_caller_who_gives_up_in_the_queue_has_been_lost_too() -> None:
    (change,) = alerts(offered(0), ended(2.25, "customer"))
    assert change.says == "客户等待 2.2 秒后挂机，直拨来电无人接听"


@pytest.mark.parametrize("by", ["system", "agent"])
# 0 offered  1 |101 rings ... 9 |the queue's limit, or an agent who rejects: nobody gave up
def test_an_end_that_the_caller_did_not_choose_is_no_abandonment(by: str) -> None:
    assert alerts(offered(0), rings(1), ended(9, by)) == []


# 0 offered  1 |101 rings  2 |answered .. 9 |the customer hangs up
def test_an_answered_call_is_no_abandonment() -> None:
    assert alerts(offered(0), rings(1), answered(2), ended(9, "customer")) == []


# 2 |answered .. 5 |blind transfer .. 6 |failed: in the queue again .. 9 |the customer hangs up
def test_a_call_that_was_once_answered_is_no_abandonment() -> None:
    assert alerts(offered(0), rings(1), answered(2), transferring(5), failed(6), ended(9, "customer")) == []


# 0 outbound  1 |rings ... 9 |the customer hangs up
def test_a_call_that_the_house_placed_cannot_be_abandoned() -> None:
    assert alerts(offered(0, direction="outbound"), rings(1), ended(9, "customer")) == []


# 0 offered  1 |101 rings ... 9 |the customer hangs up !   the answer of 8 arrives: withdrawn
def test_a_late_answer_withdraws_an_abandonment() -> None:
    changes = alerts(offered(0, queue="sales"), rings(1), ended(9, "customer"), answered(8))
    assert rows(changes) == [Row(ABANDONED, "opened", "warning", 9), Row(ABANDONED, "cleared", "warning", 9)]
    assert changes[0].id == changes[1].id
    assert says(changes)[1] == "后到的消息表明坐席已接听，撤回此告警"


# ... the answer is more than 5 s late: it cannot be placed, the abandonment stands
def test_an_answer_that_is_too_late_to_be_placed_withdraws_nothing() -> None:
    changes = alerts(offered(0), rings(1), ended(9, "customer"), answered(9 - LATE_S - JUST))
    assert rows(changes) == [Row(ABANDONED, "opened", "warning", 9)]


# the end of a call that was never seen begin
def test_the_end_of_an_unknown_call_fires_nothing() -> None:
    assert alerts(ended(9, "customer")) == []
    assert alerts(ended(9, "agent")) == []


# ------------------------------------------------------------------------------------------------- long-hold

TALK = [offered(0), rings(1, agent_name="Ana"), answered(2)]


# 10 |held ........ 100 ! notice ... 130 ! warning ........ 250 ! critical .. 260 |resumed, cleared
def test_a_hold_is_raised_at_each_limit_and_cleared_by_its_end() -> None:
    changes = alerts(*TALK, held(10), resumed(260))
    assert rows(changes) == [
        Row(HOLD, "opened", "notice", 100),
        Row(HOLD, "raised", "warning", 130),
        Row(HOLD, "raised", "critical", 250),
        Row(HOLD, "cleared", "critical", 260),
    ]
    assert says(changes) == [
        "Ana（101）已让客户保持等待 1 分 30 秒，尚未恢复通话",
        "Ana（101）已让客户保持等待 2 分钟，尚未恢复通话",
        "Ana（101）已让客户保持等待 4 分钟，尚未恢复通话",
        "Ana（101）让客户保持等待 4 分 10 秒后结束：已恢复通话",
    ]
    assert [change.en.says for change in changes if change.en] == [
        "Ana (101) has kept the customer on hold for 1 min 30 s",
        "Ana (101) has kept the customer on hold for 2 min",
        "Ana (101) has kept the customer on hold for 4 min",
        "Ana (101) kept the customer on hold for 4 min 10 s: the conversation goes on",
    ]
    for change in changes:
        assert change.title == "客户保持等待过久"
        assert (change.clause.manual, change.clause.section) == ("002", "第16篇 3.2.9")
        assert change.clause.quote == "原则上,客户等待的时间不应超过2分钟。"


@pytest.mark.parametrize(("limit", "states"), [(90, []), (120, ["opened"]), (240, ["opened", "raised"])])
def test_a_hold_that_ends_just_before_a_limit_does_not_reach_it(limit: float, states: list[str]) -> None:
    below = alerts(*TALK, held(10), resumed(10 + limit - JUST))
    assert [row.state for row in rows(below)] == [*states, "cleared"][: len(states) + bool(states)]
    exact = alerts(*TALK, held(10), resumed(10 + limit))
    assert [row.state for row in rows(exact)] == [*states, "raised" if states else "opened", "cleared"]
    assert exact[-2].at == exact[-1].at == T0 + 10 + limit


# 10 |held .. 99 |resumed  100 |held .. 189 |resumed: neither lasted 90 s
def test_two_short_holds_do_not_add_up() -> None:
    assert alerts(*TALK, held(10), resumed(99), held(100), resumed(189)) == []


# 10 |held .. 100 ! .. 110 |resumed  120 |held .. 210 ! a new alert
def test_a_second_long_hold_is_a_new_alert() -> None:
    changes = alerts(*TALK, held(10), resumed(110), held(120), until=210)
    assert rows(changes) == [
        Row(HOLD, "opened", "notice", 100),
        Row(HOLD, "cleared", "notice", 110),
        Row(HOLD, "opened", "notice", 210),
    ]
    assert changes[0].id == changes[1].id != changes[2].id


# 10 |the customer holds ................ 400 |resumed: his own choice
def test_a_hold_by_the_customer_is_exempt() -> None:
    assert alerts(*TALK, held(10, "customer"), resumed(400, "customer")) == []


# 10 |held .. 100 ! .. 110 |the hold becomes a transfer, cleared .. 170 ! 60 s in the transfer
def test_a_hold_that_becomes_a_transfer_is_over_and_the_transfer_counts_from_there() -> None:
    changes = alerts(*TALK, held(10), transferring(110), until=170)
    assert rows(changes) == [
        Row(HOLD, "opened", "notice", 100),
        Row(HOLD, "cleared", "notice", 110),
        Row(TRANSFER, "opened", "warning", 170),
    ]
    assert says(changes)[1] == "Ana（101）让客户保持等待 1 分 40 秒后结束：已开始转接"


# --------------------------------------------------------------------------------------------- transfer-wait


# 10 |transfer to 102 .... 70 ! warning .... 130 ! critical .. 135 |102 has the customer, cleared
def test_a_transfer_is_raised_at_each_limit_and_cleared_when_somebody_takes_it() -> None:
    changes = alerts(*TALK, transferring(10, "102"), transferred(135, "102"))
    assert rows(changes) == [
        Row(TRANSFER, "opened", "warning", 70),
        Row(TRANSFER, "raised", "critical", 130),
        Row(TRANSFER, "cleared", "critical", 135),
    ]
    assert says(changes) == [
        "转接给 102 号坐席的客户已等待 1 分钟，尚未接通",
        "转接给 102 号坐席的客户已等待 2 分钟，尚未接通",
        "转接给 102 号坐席的客户等待 2 分 5 秒后结束：客户已接通新坐席",
    ]
    assert [change.en.says for change in changes if change.en] == [
        "The customer has waited 1 min to be transferred to agent 102",
        "The customer has waited 2 min to be transferred to agent 102",
        "The customer waited 2 min 5 s to be transferred to agent 102: connected with the new agent",
    ]
    for change in changes:
        assert (change.title, change.agent) == ("转接等待过久", "101")
        assert (change.clause.manual, change.clause.section) == ("000", "一(三)")
        assert "超过1分钟" in change.clause.quote


@pytest.mark.parametrize(("limit", "states"), [(60, []), (120, ["opened"])])
def test_a_transfer_that_is_taken_just_before_a_limit_does_not_reach_it(limit: float, states: list[str]) -> None:
    below = alerts(*TALK, transferring(10), transferred(10 + limit - JUST))
    assert [row.state for row in rows(below)] == [*states, "cleared"][: len(states) + bool(states)]
    exact = alerts(*TALK, transferring(10), transferred(10 + limit))
    assert [row.state for row in rows(exact)] == [*states, "raised" if states else "opened", "cleared"]


# 10 |transfer, to whom is unknown .... 70 ! .... 90 |failed, the first agent has the customer again
def test_a_transfer_that_fails_is_cleared_by_the_first_agent() -> None:
    changes = alerts(*TALK, transferring(10, None), failed(90))
    assert rows(changes) == [Row(TRANSFER, "opened", "warning", 70), Row(TRANSFER, "cleared", "warning", 90)]
    assert says(changes) == [
        "转接给其他坐席的客户已等待 1 分钟，尚未接通",
        "转接给其他坐席的客户等待 1 分 20 秒后结束：转接未成功",
    ]


# 10 |transfer .. 40 |a second report of it .... 70 ! the wait counts from the first
def test_a_second_report_of_a_transfer_does_not_start_the_wait_anew() -> None:
    changes = alerts(*TALK, transferring(10), transferring(40), until=70)
    assert rows(changes) == [Row(TRANSFER, "opened", "warning", 70)]


# --------------------------------------------------------------------------------------- agent-hung-up-first


# 2 |answered ........ 92 |the agent hangs up !
def test_an_agent_who_hangs_up_first_is_reported() -> None:
    (change,) = alerts(*TALK, ended(92, "agent"))
    assert rows([change]) == [Row(HUNG_UP, "opened", "warning", 92)]
    assert change.says == "Ana（101）在通话 1 分 30 秒后先于客户挂断电话"
    assert change.en
    assert change.en.says == "Ana (101) hung up before the customer, after 1 min 30 s of conversation"
    assert (change.title, change.agent, change.agent_name) == ("坐席先于客户挂机", "101", "Ana")
    assert (change.clause.manual, change.clause.section) == ("000", "一(四)")
    assert change.clause.quote == "待客户先挂断电话后再挂断,避免匆忙挂断给客户留下不良印象。"


@pytest.mark.parametrize("by", ["customer", "system"])
# 2 |answered ........ 92 |the customer hangs up, or the line is lost
def test_a_call_that_the_agent_did_not_end_is_no_hang_up(by: str) -> None:
    assert alerts(*TALK, ended(92, by)) == []


# 2 |answered .. 10 |held .. 30 |the agent hangs up !
def test_an_agent_who_hangs_up_on_a_customer_on_hold_is_reported() -> None:
    assert rows(alerts(*TALK, held(10), ended(30, "agent"))) == [Row(HUNG_UP, "opened", "warning", 30)]


# outbound: 2 |answered .. 30 |the agent hangs up !
def test_hanging_up_first_counts_on_a_call_that_the_house_placed() -> None:
    changes = alerts(offered(0, direction="outbound"), answered(2), ended(30, "agent"))
    assert rows(changes) == [Row(HUNG_UP, "opened", "warning", 30)]


# 10 |blind transfer: the agent's phone goes down  20 |102 has the customer .. 50 |the customer hangs up
@pytest.mark.parametrize("mode", ["blind", "attended"])
def test_an_agent_who_leaves_by_a_transfer_has_not_hung_up(mode: str) -> None:
    transfer = [transferring(10, "102", mode=mode), rings(11, "102"), transferred(20, "102")]
    assert alerts(*TALK, *transfer, ended(50, "customer")) == []


# ... 50 |102 hangs up ! the one who has the customer is named, the conversation counts from the first answer
def test_the_agent_who_took_a_transfer_is_named() -> None:
    (change,) = alerts(*TALK, transferring(10, "102"), transferred(20, "102"), ended(50, "agent"))
    assert (change.agent, change.says) == ("102", "102 号坐席在通话 48 秒后先于客户挂断电话")


# 0 offered  1 |101 rings .. 5 |ended by an agent who never answered
def test_a_call_that_was_never_answered_cannot_be_hung_up() -> None:
    assert alerts(offered(0), rings(1), ended(5, "agent")) == []


# 20 |speech of a call that was running before anybody watched .. 45 |.. 50 |the agent hangs up ! known 5 s later
def test_hanging_up_first_is_seen_on_a_call_that_was_already_running() -> None:
    marks = (SpeechStarted, 20, "agent"), (SpeechEnded, 25, "agent"), (SpeechStarted, 26, "customer")
    speech = [kind(call="c1", at=T0 + t, role=role) for kind, t, role in (*marks, (SpeechEnded, 45, "customer"))]
    (change,) = (c for c in alerts(*speech, ended(50, "agent"), until=55) if c.rule == HUNG_UP)
    assert (change.rule, change.says) == (HUNG_UP, "坐席在通话 30 秒后先于客户挂断电话")


# 30 |the agent hangs up !   the customer's hang-up at 29.5 arrives: withdrawn
def test_a_late_hang_up_of_the_customer_withdraws_the_agents() -> None:
    changes = alerts(*TALK, ended(30, "agent"), ended(29.5, "customer"))
    assert [row.state for row in rows(changes)] == ["opened", "cleared"]
    assert changes[1].says == "后到的消息表明并非坐席先挂机，撤回此告警"


# -------------------------------------------------------------------------------------------------- figures


@pytest.mark.parametrize(
    ("seconds", "zh", "en"),
    [
        (0, "0 秒", "0 s"),
        (0.04, "0 秒", "0 s"),
        (2.26, "2.3 秒", "2.3 s"),
        (9.6, "9.6 秒", "9.6 s"),
        (9.97, "10 秒", "10 s"),
        (10.4, "10 秒", "10 s"),
        (59.4, "59 秒", "59 s"),
        (59.6, "1 分钟", "1 min"),
        (90, "1 分 30 秒", "1 min 30 s"),
        (3600, "1 小时", "1 h"),
        (3660, "1 小时 1 分钟", "1 h 1 min"),
        (3661, "1 小时 1 分 1 秒", "1 h 1 min 1 s"),
    ],
)
def test_durations_are_written_as_people_say_them(seconds: float, zh: str, en: str) -> None:
    assert (duration_zh(seconds), duration_en(seconds)) == (zh, en)


# ------------------------------------------------------------------------------------------ the end of a call


def state_after(*events: AnyEvent, until: float) -> CallState | None:
    """What the engine keeps of the call at ``until``, with exact wakes after the last event."""
    state, wake = None, None
    for event in events:
        state, _, wake, *_ = step(BOOK, state, event)
    while wake is not None and wake <= T0 + until:
        state, _, wake, *_ = step(BOOK, state, Tick(call="c1", at=wake))
    return state


# 9 |ended .................... 609 forgotten
def test_a_call_is_forgotten_ten_minutes_after_its_end() -> None:
    call = [*TALK, ended(9)]
    assert state_after(*call, until=9 + KEEP_ENDED_S - JUST) is not None
    assert state_after(*call, until=9 + KEEP_ENDED_S) is None


# 9 |ended .. 100 |late words .. 609 still known .. 700 forgotten
def test_late_words_keep_an_ended_call_a_little_longer() -> None:
    call = [*TALK, ended(9), SpeechStarted(call="c1", at=T0 + 100, role="agent")]
    assert state_after(*call, until=100 + KEEP_ENDED_S - JUST) is not None
    assert state_after(*call, until=100 + KEEP_ENDED_S) is None


# 10 |held ! ! ! ........ 4 h of nothing: ended by the system, the hold cleared, nothing else fires
def test_a_call_that_falls_silent_for_four_hours_is_closed_and_its_alerts_cleared() -> None:
    lost = 10 + SILENT_S
    changes = alerts(*TALK, held(10), until=lost)
    assert rows(changes)[-1] == Row(HOLD, "cleared", "critical", lost)
    assert says(changes)[-1] == "Ana（101）让客户保持等待 4 小时后结束：通话已结束"
    assert rows(alerts(*TALK, held(10), until=lost - JUST))[-1].state == "raised"
    state = state_after(*TALK, held(10), until=lost)
    assert state
    call = state.fold.call
    assert (call.phase, call.ended_by, call.cause, call.ended_at) == ("ended", "system", LOST_END, T0 + lost)
    assert state_after(*TALK, held(10), until=lost + KEEP_ENDED_S) is None


# 0 offered ... 4 h of nothing: nobody gave up
def test_a_call_in_the_queue_whose_end_was_lost_is_no_abandonment() -> None:
    assert alerts(offered(0), until=SILENT_S + KEEP_ENDED_S) == []


# 1 |101 rings .. 11 ! .. 9 h |the same call id again: a new call
def test_a_call_id_that_comes_again_after_it_was_forgotten_is_a_new_call() -> None:
    again = 9 * 3600
    changes = alerts(*TALK, ended(9), offered(again), ended(again + 5, "customer"))
    assert rows(changes) == [Row(ABANDONED, "opened", "warning", again + 5)]
