"""The traps of the capture notes, by number, and what the same PBX does on other days.

Sequences are written by the small PBX of ``asterisk_tools``, in the order in which Asterisk 22 sends them;
times are seconds after T0.
"""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.events import AgentMissed, AgentRinging, AnyEvent
from streams.telephony.asterisk import Translator
from streams.telephony.asterisk_blocks import NEEDS
from tests.asterisk_tools import NAMES, T0, Block, Pbx, Timed, bare, calls_of, capture, edited, record, rows, without

SPEECH = ("ChannelTalkingStart", "ChannelTalkingStop")


def facts(blocks: Timed) -> list[tuple[Any, ...]]:
    """What alerts depend on, without times and without the order of what came at the same moment."""
    keys = ("type", "agent", "by", "to", "mode", "queue", "reason", "consult")
    found = [(call, *(row.get(key) for key in keys)) for call, rs in calls_of(record(blocks)).items() for row in rs]
    return sorted((fact for fact in found if not fact[1].startswith("speech.")), key=repr)


# -- the traps -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_trap_01_ring_time_is_never_taken_from_the_ringtime_field(name: str) -> None:
    def lie(block: Block) -> None:
        if "RingTime" in block:
            block["RingTime"] = "99999"

    mended = [e for e in record(capture(name)) if not (e.extra.get("snapshot") and e in _said_again(capture(name)))]
    assert record(edited(capture(name), lie)) == mended


def _said_again(blocks: Timed) -> list[AnyEvent]:
    """Rings that began before we connected and whose exact length AgentRingNoAnswer told in the end."""
    rings = [e for e in record(blocks) if isinstance(e, AgentRinging) and e.extra.get("snapshot")]
    return [e for n, e in enumerate(rings) if any(e.call == x.call and e.agent == x.agent for x in rings[:n])]


def test_trap_01_the_exact_ring_time_mends_a_ring_that_began_before_we_connected() -> None:
    (ring,) = _said_again(capture("k_connect_mid_call"))
    missed = next(e for e in record(capture("k_connect_mid_call")) if isinstance(e, AgentMissed))
    assert missed.at - ring.at == pytest.approx(20.0, abs=0.001)


@pytest.mark.parametrize("name", NAMES)
def test_trap_02_agent_complete_is_not_needed_and_not_believed(name: str) -> None:
    def lie(block: Block) -> None:
        if block.get("Event") == "AgentComplete":
            block["Reason"] = "agent" if block["Reason"] != "agent" else "caller"

    truth = bare(record(capture(name)))
    assert bare(record(edited(capture(name), lie))) == truth
    assert bare(record(without(capture(name), "AgentComplete"))) == truth


def out_of_the_queue(pbx: Pbx) -> Any:
    """Exten 804: after 12 s the caller falls out of the queue and hears a beep."""
    caller = pbx.caller("804")
    pbx.join(caller)
    phone = pbx.call_agent(caller, "101")
    pbx.wait(12)
    pbx.say("AgentRingNoAnswer", caller, phone, Queue="hotline", Interface="PJSIP/agent101", RingTime="12000")
    pbx.stop_ringing(caller, phone, "NOANSWER", "CANCEL")
    pbx.say("QueueCallerAbandon", caller, Queue="hotline", HoldTime="12", Position="1", OriginalPosition="1")
    pbx.say("QueueCallerLeave", caller, Queue="hotline", Count="0", Position="1")
    pbx.say("Newexten", caller, Application="Playback", AppData="beep")
    pbx.wait(0.6)
    return caller


def test_trap_03_an_abandon_event_does_not_prove_that_anybody_hung_up() -> None:
    pbx = Pbx()
    caller = out_of_the_queue(pbx)
    pbx.say("SoftHangupRequest", caller, Cause="16")
    pbx.gone(caller)
    assert pbx.record() == [
        "0.00 call.offered hotline",
        "0.00 agent.ringing 101",
        "12.00 agent.missed 101",
        "12.60 call.ended system",
    ]


def test_trap_03_who_hangs_up_during_the_beep_is_the_customer() -> None:
    pbx = Pbx()
    caller = out_of_the_queue(pbx)
    pbx.say("HangupRequest", caller)
    pbx.gone(caller)
    assert pbx.record()[-1] == "12.60 call.ended customer"


@pytest.mark.parametrize("name", NAMES)
def test_trap_04_music_is_not_hold(name: str) -> None:
    truth = record(capture(name))
    assert record(without(capture(name), "MusicOnHoldStart", "MusicOnHoldStop")) == truth


def test_trap_05_unhold_without_hold_means_nothing() -> None:
    pbx = Pbx()
    caller, phone, bridge = pbx.talk()
    pbx.wait(3)
    pbx.say("Unhold", phone)
    pbx.wait(3)
    pbx.bye(caller, bridge, phone, caller)
    assert not [row for row in pbx.record() if "held" in row or "resumed" in row]


def test_trap_05_a_hang_up_on_hold_ends_the_call_without_unhold() -> None:
    pbx = Pbx()
    caller, phone, bridge = pbx.talk()
    pbx.wait(3)
    pbx.say("Hold", phone)
    pbx.wait(7)
    pbx.bye(caller, bridge, phone, caller)
    assert pbx.record()[-2:] == ["5.00 call.held agent", "12.00 call.ended customer"]


def test_trap_05_the_agent_hangs_up_on_hold() -> None:
    pbx = Pbx()
    caller, phone, bridge = pbx.talk()
    pbx.say("Hold", phone)
    pbx.wait(7)
    pbx.bye(phone, bridge, phone, caller)
    assert pbx.record()[-2:] == ["2.00 call.held agent", "9.00 call.ended agent"]


def test_trap_05_two_holds_with_one_unhold_are_one_hold() -> None:
    pbx = Pbx()
    _, phone, _ = pbx.talk()
    for event in ("Hold", "Hold", "Unhold", "Unhold"):
        pbx.wait(2)
        pbx.say(event, phone)
    assert pbx.record()[-2:] == ["4.00 call.held agent", "8.00 call.resumed agent"]


def test_trap_05_a_resume_is_written_when_it_has_settled_and_keeps_its_time() -> None:
    pbx = Pbx()
    _, phone, _ = pbx.talk()
    pbx.say("Hold", phone)
    pbx.wait(5)
    pbx.say("Unhold", phone)
    translator = Translator()
    got = [event for at, block in pbx.blocks for event in translator.feed(block, at)]
    assert rows(got)[-1] == "2.00 call.held agent"
    assert translator.flush(T0 + 7.1) == []
    assert rows(translator.flush(T0 + 7.2)) == ["7.00 call.resumed agent"]


def test_trap_05_a_blind_transfer_out_of_a_hold_is_no_resume() -> None:
    """Phones hold, dial, and send REFER; Asterisk sends Unhold first, and only then BlindTransfer."""
    pbx = Pbx()
    caller, phone, bridge = pbx.talk()
    pbx.say("Hold", phone)
    pbx.wait(4)
    pbx.say("Unhold", phone)
    refer(pbx, caller, phone, bridge, "102")
    assert pbx.record()[-2:] == ["2.00 call.held agent", "6.00 call.transferring 101 102"]


def test_trap_06_dial_end_twice_is_one_missed_call() -> None:
    pbx = Pbx()
    caller = pbx.caller()
    pbx.join(caller)
    phone = pbx.call_agent(caller, "101")
    pbx.wait(20)
    pbx.stop_ringing(caller, phone, "NOANSWER", "CANCEL", "CANCEL")
    pbx.wait(2)
    pbx.answer(caller, pbx.call_agent(caller, "102"))
    assert pbx.record()[2:] == ["20.00 agent.missed 101", "22.00 agent.ringing 102", "22.00 call.answered 102"]


def test_trap_06_losers_of_a_ring_all_are_not_missed_even_if_cancelled_before_the_answer() -> None:
    pbx = Pbx()
    caller = pbx.caller("803")
    pbx.join(caller, "ringall")
    phones = [pbx.call_agent(caller, agent) for agent in ("103", "102", "101")]
    pbx.wait(5)
    pbx.say("DialEnd", caller, phones[0], DialStatus="CANCEL")
    pbx.answer(caller, phones[1], "ringall")
    for loser in (phones[0], phones[2]):
        pbx.stop_ringing(caller, loser, "CANCEL", "CANCEL", cause="26")
    pbx.wait(5)
    pbx.say("Newexten", caller)
    assert pbx.record()[4:] == ["5.00 call.answered 102"]


def test_trap_06_a_rejection_in_a_ring_all_is_told_and_the_others_ring_on() -> None:
    pbx = Pbx()
    caller = pbx.caller("803")
    pbx.join(caller, "ringall")
    phones = [pbx.call_agent(caller, agent) for agent in ("103", "102", "101")]
    pbx.wait(2)
    pbx.say("HangupRequest", phones[0], Cause="17")
    pbx.say("DialEnd", caller, phones[0], DialStatus="NOANSWER")
    pbx.say("AgentRingNoAnswer", caller, phones[0], RingTime="2000")
    pbx.gone(phones[0], cause="17")
    pbx.wait(3)
    pbx.answer(caller, phones[2], "ringall")
    pbx.stop_ringing(caller, phones[1], "CANCEL", cause="26")
    assert pbx.record()[4:] == ["2.00 agent.missed 103 rejected", "5.00 call.answered 101"]


NEAR = 0.005


@settings(max_examples=60, deadline=None)
@given(name=st.sampled_from([name for name in NAMES if not name.startswith(("h_", "k_"))]), data=st.data())
def test_trap_07_neighbours_that_change_places_change_no_fact(name: str, data: st.DataObject) -> None:
    """Two blocks less than 5 ms apart may come in either order; the times stay where they are."""
    blocks = without(capture(name), "CEL", "Cdr", "VarSet", "RTCPSent", "RTCPReceived")
    truth = facts(blocks)
    i = 1
    while i < len(blocks):
        (earlier, a), (later, b) = blocks[i - 1], blocks[i]
        if later - earlier < NEAR and data.draw(st.booleans()):
            blocks[i - 1], blocks[i] = (earlier, b), (later, a)
            i += 1
        i += 1
    assert facts(blocks) == truth


def test_trap_07_blind_transfer_may_be_told_after_the_bridge_was_left() -> None:
    pbx = Pbx()
    caller, phone, bridge = pbx.talk()
    pbx.wait(3)
    caller.context, caller.exten = "agents", "102"
    pbx.leave(bridge, phone, caller)
    pbx.wait(0.004)
    blind_transfer(pbx, caller, phone, "102")
    pbx.gone(phone)
    pbx.dial(caller, "102")
    assert pbx.record()[3:] == ["5.00 call.transferring 101 102", "5.00 agent.ringing 102"]


def test_trap_08_the_call_keeps_its_name_whatever_happens_to_linkedids() -> None:
    pbx = Pbx()
    caller, phone, bridge = pbx.talk()
    pbx.say("Hold", phone)
    first = caller.linkedid
    for chan in (caller, phone):
        chan.linkedid = "1700000000.1"
    pbx.wait(3)
    pbx.say("Unhold", phone)
    pbx.bye(phone, bridge, phone, caller)
    assert {event.call for event in record(pbx.blocks)} == {first}
    assert pbx.record()[-1] == "5.00 call.ended agent"


def test_trap_09_a_local_member_rings_once_under_the_agents_own_number() -> None:
    pbx = Pbx()
    caller, _, phone, bridges = local_member(pbx)
    pbx.wait(8)
    pbx.say("HangupRequest", phone)
    pbx.leave(bridges[1], phone)
    pbx.gone(phone)
    pbx.gone(caller)
    assert pbx.record() == [
        "0.00 call.offered hotline-local",
        "0.00 agent.ringing 101",
        "4.00 call.answered 101",
        "12.00 call.ended agent",
    ]


def test_trap_09_dial_states_without_a_channel_are_no_problem() -> None:
    pbx = Pbx()
    caller, pair, phone, _ = local_member(pbx)
    pbx.say("DialState", None, pair[0], DialStatus="RINGING")
    pbx.say("DialEnd", None, pair[0], DialStatus="ANSWER")
    pbx.say("DialBegin", None, phone, DialString="agent101")
    assert len(pbx.record()) == 3
    assert caller.uid


def test_trap_09_a_local_member_whose_phone_shows_only_in_the_bridge_is_answered_once() -> None:
    pbx = Pbx()
    local_member(pbx)
    seen = [(at, block) for at, block in pbx.blocks if block["Event"] not in ("DialBegin", "DialEnd")]
    moved = sorted(seen, key=lambda one: one[1]["Event"] == "BridgeEnter")
    assert rows(record(moved)) == ["0.00 call.offered hotline-local", "4.00 call.answered 101"]


def test_trap_10_requests_on_local_halves_and_soft_requests_prove_nothing() -> None:
    pbx = Pbx()
    caller, pair, phone, bridges = local_member(pbx)
    pbx.wait(5)
    for chan in (pair[1], pair[0]):
        pbx.say("HangupRequest", chan, Cause="16")
    pbx.say("SoftHangupRequest", caller, Cause="16")
    pbx.leave(bridges[0], caller)
    pbx.gone(pair[0], pair[1], phone, caller)
    assert pbx.record()[-1] == "9.00 call.ended system"


def test_trap_11_a_rejected_offer_is_told_as_such_whatever_comes_first() -> None:
    def offer(first: str) -> list[str]:
        pbx = Pbx()
        caller = pbx.caller()
        pbx.join(caller)
        phone = pbx.call_agent(caller, "101")
        pbx.wait(3)
        told = [
            lambda: pbx.say("HangupRequest", phone, Cause="17"),
            lambda: pbx.say("DialEnd", caller, phone, DialStatus="NOANSWER"),
            lambda: pbx.say("AgentRingNoAnswer", caller, phone, RingTime="3000"),
        ]
        for tell in told if first == "request" else reversed(told):
            tell()
        pbx.gone(phone, cause="17")
        return pbx.record()

    for first in ("request", "no answer"):
        assert offer(first)[2:] == ["3.00 agent.missed 101 rejected"]


@pytest.mark.parametrize(("cause", "reason"), [("17", " rejected"), ("20", " unavailable"), ("19", "")])
def test_trap_11_the_cause_of_the_leg_says_why_a_direct_call_was_missed(cause: str, reason: str) -> None:
    pbx = Pbx()
    caller = pbx.caller("811")
    phone = pbx.dial(caller, "101")
    pbx.wait(1)
    pbx.gone(phone, cause=cause)
    pbx.gone(caller)
    assert pbx.record() == [
        "0.00 call.offered",
        "0.00 agent.ringing 101",
        f"1.00 agent.missed 101{reason}",
        "1.00 call.ended system",
    ]


def test_trap_12_a_redirect_to_the_same_exten_shows_when_the_customer_goes_on() -> None:
    pbx = Pbx()
    caller, phone, bridge = pbx.talk()
    pbx.wait(3)
    pbx.leave(bridge, caller, phone)
    pbx.gone(phone)
    pbx.wait(0.02)
    pbx.join(caller)
    pbx.answer(caller, pbx.call_agent(caller, "102"))
    assert pbx.record()[3:] == [
        "5.00 call.transferring 101 800",
        "5.02 agent.ringing 102",
        "5.02 call.transferred 102",
    ]


def test_trap_12_an_agent_who_hangs_up_is_no_redirect_though_the_dialplan_goes_on() -> None:
    """Queue option c or Dial option g: after the agent's hang-up the customer rates the call."""
    pbx = Pbx()
    caller, phone, bridge = pbx.talk()
    pbx.wait(3)
    pbx.say("HangupRequest", phone)
    pbx.leave(bridge, phone)
    caller.exten = "rating"
    pbx.leave(bridge, caller)
    pbx.gone(phone)
    pbx.wait(20)
    pbx.say("HangupRequest", caller)
    pbx.gone(caller)
    assert pbx.record()[3:] == ["25.00 call.ended agent"]


def test_trap_13_unknown_callers_have_no_number() -> None:
    pbx = Pbx()
    caller = pbx.caller(number="")
    pbx.join(caller)
    assert "caller" not in bare(record(pbx.blocks))[0]


def test_trap_13_a_phone_without_caller_id_is_named_by_its_endpoint_and_not_by_stale_fields() -> None:
    """Without callerid= Asterisk shows the number that the customer dialled as DestCallerIDNum."""
    pbx = Pbx()
    caller = pbx.caller("800")
    pbx.join(caller)
    phone = pbx.channel("PJSIP/desk-7", "", "internal", "s", caller.linkedid)
    phone.number = "800"
    pbx.say("AgentCalled", caller, phone, Queue="hotline", Interface="PJSIP/desk-7", MemberName="PJSIP/desk-7")
    ringing = bare(record(pbx.blocks))[1]
    assert (ringing["agent"], ringing.get("agent_name")) == ("desk-7", None)


def test_trap_13_an_agent_behind_a_trunk_is_the_number_dialled_and_the_trunk_is_no_agent() -> None:
    pbx = Pbx()
    caller = pbx.caller("800")
    pbx.join(caller)
    phone = pbx.channel("PJSIP/trunk", "", "from-trunk", "s", caller.linkedid)
    pbx.say("AgentCalled", caller, phone, Queue="hotline", Interface="PJSIP/0912@trunk", MemberName="Dora")
    pbx.wait(1)
    pbx.join(pbx.caller("800", "34600000002"))
    assert pbx.record() == ["0.00 call.offered hotline", "0.00 agent.ringing 0912", "1.00 call.offered hotline"]


def test_trap_13_a_member_behind_a_local_channel_has_its_phones_number_wherever_the_phone_lives() -> None:
    """FreePBX: Local/101@from-queue/n, phones in from-internal, no state interface to tell that it is an agent's."""
    pbx = Pbx()
    caller = pbx.caller("800")
    pbx.join(caller)
    pair = pbx.local("101", caller.linkedid)
    pbx.say("AgentCalled", caller, pair[0], Queue="q", Interface="Local/101@from-queue/n", MemberName="Ana Lopez")
    phone = pbx.channel("PJSIP/7001", "101", "from-internal", "s", caller.linkedid)
    pbx.say("DialBegin", pair[1], phone, DialString="7001")
    ringing = bare(record(pbx.blocks))[1]
    assert (ringing["agent"], ringing["agent_name"]) == ("101", "Ana Lopez")


def test_trap_13_a_transfer_to_the_outside_world_is_named_by_the_number_dialled() -> None:
    pbx = Pbx()
    caller, phone, bridge = pbx.talk()
    refer(pbx, caller, phone, bridge, "0912")
    out = pbx.dial_out(caller, "0912")
    pbx.wait(3)
    pbx.answer(caller, out, "")
    assert pbx.record()[3:] == [
        "2.00 call.transferring 101 0912",
        "2.00 agent.ringing 0912",
        "5.00 call.transferred 0912",
    ]


def test_trap_14_time_stamps_are_used_where_they_come() -> None:
    plain, stamped = Pbx(), Pbx()
    for pbx in (plain, stamped):
        caller, phone, bridge = pbx.talk()
        pbx.bye(caller, bridge, phone, caller)
    late = [(at + 0.7, block | {"Timestamp": f"{at:.6f}"}) for at, block in stamped.blocks]
    assert record(late) == record(plain.blocks)


@pytest.mark.parametrize("skew_s", [-7200.0, -30.0, 30.0, 7200.0])
def test_trap_14_a_pbx_with_a_wrong_clock_is_put_on_ours(skew_s: float) -> None:
    pbx = Pbx()
    caller, phone, bridge = pbx.talk()
    pbx.wait(5)
    pbx.bye(caller, bridge, phone, caller)
    translator, got = Translator(), []
    for at, block in pbx.blocks:
        got += translator.feed(block | {"Timestamp": f"{at + skew_s:.6f}"}, at)
    assert rows(got) == pbx.record()
    (problem,) = translator.take_problems()
    assert f"{skew_s:+.1f} s" in problem.text
    assert translator.clock_jumps == 1


def test_trap_14_blocks_that_waited_keep_the_time_at_which_they_were_sent() -> None:
    """We were held up for 20 s: everything of that time arrives at once, and no clock is wrong."""
    pbx = Pbx()
    caller, phone, bridge = pbx.talk()
    for _ in range(20):
        pbx.wait(1)
        pbx.say("Newstate", caller)
    pbx.bye(caller, bridge, phone, caller)
    translator, got = Translator(), []
    for at, block in pbx.blocks:
        arrived = T0 + 22 if at > T0 + 2 else at
        got += translator.feed(block | {"Timestamp": f"{at:.6f}"}, arrived)
    assert rows(got) == pbx.record()
    assert translator.clock_jumps == 0


@pytest.mark.parametrize("quiet_s", [10, 30])
def test_trap_14_a_pbx_clock_put_back_by_20_s_is_corrected_at_once_or_after_a_minute(quiet_s: float) -> None:
    """After less than 20 s of quiet its stamps run backwards; after more it could be blocks that waited."""
    pbx = Pbx()
    pbx.talk()
    for _ in range(4):
        pbx.wait(quiet_s)
        pbx.say("Frobnicated")
    pbx.join(pbx.caller(number="34600000002"))
    translator, got = Translator(), []
    for at, block in pbx.blocks:
        sent = at if at <= T0 + 2 else at - 20
        got += translator.feed(block | {"Timestamp": f"{sent:.6f}"}, at)
    assert rows(got)[-1] == f"{2 + 4 * quiet_s:.2f} call.offered hotline"
    assert translator.clock_jumps == 1


def test_trap_16_taps_and_calls_to_machines_are_no_calls() -> None:
    pbx = Pbx()
    pbx.talk()
    begun = len(pbx.record())
    one, two = pbx.local("spy", "")
    pbx.say("DialBegin", None, one, DialString="spy@taps/n")
    pbx.bridge(one, two)
    pbx.caller("900")
    assert len(pbx.record()) == begun


def test_trap_17_speech_in_the_queue_is_kept_until_the_answer_and_pauses_on_hold() -> None:
    pbx = Pbx()
    caller = pbx.caller()
    pbx.join(caller)
    pbx.say("ChannelTalkingStart", caller)
    phone = pbx.call_agent(caller, "101")
    pbx.wait(4)
    pbx.answer(caller, phone)
    pbx.wait(1)
    pbx.say("Hold", phone)
    pbx.wait(1)
    pbx.say("ChannelTalkingStop", caller)
    pbx.say("ChannelTalkingStart", phone)
    pbx.wait(1)
    pbx.say("ChannelTalkingStart", caller)
    pbx.say("Unhold", phone)
    got = rows(record(pbx.blocks), speech=True)
    assert got[2:] == [
        "4.00 call.answered 101",
        "4.00 speech.started customer",
        "5.00 call.held agent",
        "5.00 speech.ended customer",
        "7.00 call.resumed agent",
        "7.00 speech.started customer",
        "7.00 speech.started agent",
    ]


# -- other days ----------------------------------------------------------------------------------------------


def blind_transfer(pbx: Pbx, caller: Any, phone: Any, to: str, result: str = "Success") -> None:
    legs = pbx.fields(phone, "Transferer") | pbx.fields(caller, "Transferee")
    pbx.say("BlindTransfer", Result=result, IsExternal="Yes", Context="agents", Extension=to, **legs)


def refer(pbx: Pbx, caller: Any, phone: Any, bridge: str, to: str) -> None:
    """A blind transfer by SIP REFER."""
    blind_transfer(pbx, caller, phone, to)
    pbx.leave(bridge, phone)
    pbx.gone(phone)
    caller.context, caller.exten = "agents", to
    pbx.leave(bridge, caller)


def attended(pbx: Pbx, first: Any, second: Any, caller: Any, target: Any | None) -> None:
    more = pbx.fields(first, "OrigTransferer") | pbx.fields(second, "SecondTransferer")
    more |= pbx.fields(caller, "Transferee") | (pbx.fields(target, "TransferTarget") if target else {})
    pbx.say("AttendedTransfer", Result="Success", DestType="Bridge" if target else "App", **more)


def local_member(pbx: Pbx) -> tuple[Any, tuple[Any, Any], Any, tuple[str, str]]:
    """A queue whose member is Local/101@agents/n: the caller, the pair, the phone, the bridges; 4 s of ringing."""
    caller = pbx.caller("802")
    pbx.join(caller, "hotline-local")
    pair = pbx.local("101", caller.linkedid)
    pair[0].number = "802"
    who = {"Queue": "hotline-local", "Interface": "Local/101@agents/n", "MemberName": "Ana Lopez"}
    pbx.say("AgentCalled", caller, pair[0], **who)
    pbx.say("DialBegin", caller, pair[0], DialString="Local/101@agents/n")
    phone = pbx.dial(pair[1], "101")
    pbx.wait(4)
    pbx.pick_up(pair[1], phone)
    pbx.pick_up(caller, pair[0])
    inner = pbx.bridge(phone, pair[1])
    pbx.say("AgentConnect", caller, pair[0], **who)
    return caller, pair, phone, (pbx.bridge(pair[0], caller), inner)


def test_a_blind_transfer_that_nobody_answers_ends_the_call_by_the_dialplan() -> None:
    pbx = Pbx()
    caller, phone, bridge = pbx.talk()
    refer(pbx, caller, phone, bridge, "102")
    second = pbx.dial(caller, "102")
    pbx.wait(40)
    pbx.stop_ringing(caller, second, "NOANSWER", "CANCEL")
    pbx.gone(caller)
    assert pbx.record()[3:] == [
        "2.00 call.transferring 101 102",
        "2.00 agent.ringing 102",
        "42.00 agent.missed 102",
        "42.00 call.ended system",
    ]


def test_the_caller_gives_up_during_a_blind_transfer() -> None:
    pbx = Pbx()
    caller, phone, bridge = pbx.talk()
    refer(pbx, caller, phone, bridge, "102")
    second = pbx.dial(caller, "102")
    pbx.wait(9)
    pbx.say("HangupRequest", caller)
    pbx.stop_ringing(caller, second, "CANCEL", "CANCEL")
    pbx.gone(caller)
    assert pbx.record()[5:] == ["11.00 call.ended customer"]


def test_a_failed_transfer_that_falls_back_into_the_queue() -> None:
    pbx = Pbx()
    caller, phone, bridge = pbx.talk()
    refer(pbx, caller, phone, bridge, "102")
    pbx.stop_ringing(caller, pbx.dial(caller, "102"), "BUSY", cause="17")
    pbx.wait(1)
    pbx.join(caller)
    pbx.answer(caller, pbx.call_agent(caller, "103"))
    assert pbx.record()[5:] == [
        "2.00 agent.missed 102 rejected",
        "3.00 transfer.failed no answer",
        "3.00 agent.ringing 103",
        "3.00 call.answered 103",
    ]


def test_a_transfer_into_a_queue_waits_until_an_agent_of_it_answers() -> None:
    pbx = Pbx()
    caller, phone, bridge = pbx.talk()
    refer(pbx, caller, phone, bridge, "802")
    pbx.join(caller, "second-line")
    pbx.wait(30)
    second = pbx.call_agent(caller, "103", "second-line")
    pbx.wait(2)
    pbx.answer(caller, second, "second-line")
    assert pbx.record()[3:] == [
        "2.00 call.transferring 101 802",
        "32.00 agent.ringing 103",
        "34.00 call.transferred 103",
    ]


def test_a_refused_blind_transfer_changes_nothing() -> None:
    pbx = Pbx()
    caller, phone, bridge = pbx.talk()
    blind_transfer(pbx, caller, phone, "999", "Invalid")
    pbx.bye(caller, bridge, phone, caller)
    assert pbx.record()[3:] == ["2.00 call.ended customer"]


def test_transfers_after_transfers() -> None:
    pbx = Pbx()
    caller, phone, bridge = pbx.talk()
    for agent in ("102", "103"):
        refer(pbx, caller, phone, bridge, agent)
        phone = pbx.dial(caller, agent)
        pbx.wait(5)
        bridge = pbx.answer(caller, phone, "")
        pbx.wait(1)
    pbx.bye(phone, bridge, phone, caller)
    assert pbx.record()[3:] == [
        "2.00 call.transferring 101 102",
        "2.00 agent.ringing 102",
        "7.00 call.transferred 102",
        "8.00 call.transferring 102 103",
        "8.00 agent.ringing 103",
        "13.00 call.transferred 103",
        "14.00 call.ended agent",
    ]


def consulting(pbx: Pbx) -> tuple[Any, Any, str, Any, Any]:
    """The customer on hold (at 2 s), 101 rings 102 on a second line (at 2.5 s)."""
    caller, phone, bridge = pbx.talk()
    pbx.say("Hold", phone)
    pbx.wait(0.5)
    line = pbx.line("101", "102")
    return caller, phone, bridge, line, pbx.dial(line, "102")


def test_a_consultation_given_up_while_ringing() -> None:
    pbx = Pbx()
    caller, phone, bridge, line, colleague = consulting(pbx)
    pbx.wait(10)
    pbx.say("HangupRequest", line)
    pbx.stop_ringing(line, colleague, "CANCEL", "CANCEL")
    pbx.gone(line)
    pbx.wait(1)
    pbx.say("Unhold", phone)
    pbx.wait(3)
    pbx.bye(caller, bridge, phone, caller)
    assert pbx.record()[3:] == [
        "2.00 call.held agent",
        "2.50 agent.ringing 102 consult",
        "12.50 agent.missed 102 consult",
        "13.50 call.resumed agent",
        "16.50 call.ended customer",
    ]


def test_a_consultation_answered_and_given_up() -> None:
    pbx = Pbx()
    caller, phone, bridge, line, colleague = consulting(pbx)
    pbx.wait(3)
    other = pbx.answer(line, colleague, "")
    pbx.wait(3)
    pbx.bye(colleague, other, colleague, line)
    pbx.say("Unhold", phone)
    pbx.wait(1)
    pbx.bye(phone, bridge, phone, caller)
    assert pbx.record()[4:] == [
        "2.50 agent.ringing 102 consult",
        "5.50 call.answered 102 consult",
        "8.50 call.resumed agent",
        "9.50 call.ended agent",
    ]


def test_the_customer_hangs_up_during_the_consultation() -> None:
    pbx = Pbx()
    caller, phone, bridge, line, colleague = consulting(pbx)
    pbx.wait(3)
    pbx.say("HangupRequest", caller)
    pbx.leave(bridge, caller, phone)
    pbx.gone(phone, caller)
    pbx.wait(1)
    other = pbx.answer(line, colleague, "")
    pbx.bye(line, other, colleague, line)
    assert pbx.record()[5:] == ["5.50 call.ended customer"]


def test_an_attended_transfer_that_moves_the_customer_into_the_colleagues_bridge() -> None:
    pbx = Pbx()
    caller, phone, bridge, line, colleague = consulting(pbx)
    pbx.wait(3)
    other = pbx.answer(line, colleague, "")
    pbx.wait(2)
    pbx.say("Unhold", phone)
    pbx.say("Unhold", line)
    pbx.leave(bridge, caller)
    pbx.enter(other, caller, swap=line)
    pbx.leave(bridge, phone)
    attended(pbx, phone, line, caller, colleague)
    pbx.gone(phone, line)
    pbx.wait(4)
    pbx.bye(colleague, other, colleague, caller)
    assert pbx.record()[6:] == ["7.50 call.transferred 102", "11.50 call.ended agent"]


def test_an_attended_transfer_completed_before_the_colleague_answers() -> None:
    """A half-attended transfer: the customer takes the place of the agent's second line in Dial."""
    pbx = Pbx()
    caller, phone, bridge, line, colleague = consulting(pbx)
    pbx.wait(3)
    pbx.say("Unhold", phone)
    pbx.leave(bridge, phone)
    attended(pbx, phone, line, caller, None)
    pbx.leave(bridge, caller)
    caller.context, caller.exten = "agents", "102"
    pbx.gone(phone, line)
    pbx.wait(10)
    pbx.pick_up(caller, colleague)
    pbx.bridge(colleague, caller)
    assert pbx.record()[4:] == [
        "2.50 agent.ringing 102 consult",
        "5.50 call.transferring 101 102 attended",
        "15.50 call.transferred 102",
    ]


def feature_code(pbx: Pbx, *, digits: bool = True) -> tuple[Any, Any, str, tuple[Any, Any], str, Any]:
    """An attended transfer by ``*2`` begun at 2 s, 102 rings from 2.6 s: f4 of the captures."""
    caller, phone, bridge = pbx.talk()
    for digit in "*2" if digits else "":
        pbx.say("DTMFEnd", phone, Digit=digit, Direction="Received", DurationMs="0")
        pbx.wait(0.15)
    pbx.at = 2.3
    pbx.say("Hold", phone)
    pbx.at = 2.6
    pair = pbx.local("102", caller.linkedid)
    consultation = pbx.bridge(pair[0])
    colleague = pbx.dial(pair[1], "102")
    pbx.leave(bridge, phone)
    pbx.enter(consultation, phone)
    return caller, phone, bridge, pair, consultation, colleague


def test_a_feature_code_transfer_without_digits_begins_with_its_hold() -> None:
    pbx = Pbx()
    feature_code(pbx, digits=False)
    assert pbx.record()[3:] == [
        "2.30 call.held agent",
        "2.30 call.transferring 101 102 attended",
        "2.60 agent.ringing 102 consult",
    ]


def test_a_feature_code_transfer_that_nobody_answers_gives_the_customer_back() -> None:
    pbx = Pbx()
    caller, phone, bridge, pair, consultation, colleague = feature_code(pbx)
    pbx.wait(30)
    pbx.stop_ringing(pair[1], colleague, "NOANSWER", "CANCEL")
    pbx.leave(consultation, phone)
    pbx.enter(bridge, phone)
    pbx.say("Unhold", phone)
    pbx.gone(pair[0], pair[1])
    pbx.wait(5)
    pbx.bye(caller, bridge, phone, caller)
    assert pbx.record()[3:] == [
        "2.00 call.transferring 101 102 attended",
        "2.60 agent.ringing 102 consult",
        "32.60 agent.missed 102 consult",
        "32.60 transfer.failed no answer",
        "37.60 call.ended customer",
    ]


def test_a_feature_code_transfer_given_up_after_the_consultation() -> None:
    pbx = Pbx()
    caller, phone, bridge, pair, consultation, colleague = feature_code(pbx)
    pbx.wait(5)
    pbx.pick_up(pair[1], colleague)
    pbx.bridge(colleague, pair[1])
    pbx.wait(4)
    pbx.say("HangupRequest", colleague)
    pbx.gone(colleague, pair[1])
    pbx.leave(consultation, phone, pair[0])
    pbx.gone(pair[0])
    pbx.enter(bridge, phone)
    pbx.wait(1)
    pbx.bye(phone, bridge, phone, caller)
    assert pbx.record()[4:] == [
        "2.60 agent.ringing 102 consult",
        "7.60 call.answered 102 consult",
        "11.60 transfer.failed given up",
        "12.60 call.ended agent",
    ]


def test_a_feature_code_transfer_left_while_the_colleague_still_rings() -> None:
    """The agent hangs up first: the customer hears the ringing and gets the colleague."""
    pbx = Pbx()
    caller, phone, bridge, pair, consultation, colleague = feature_code(pbx)
    pbx.wait(5)
    pbx.say("HangupRequest", phone)
    pbx.leave(consultation, phone, pair[0])
    pbx.enter(bridge, pair[0])
    attended(pbx, phone, phone, caller, pair[0])
    pbx.gone(phone)
    pbx.wait(5)
    pbx.pick_up(pair[1], colleague)
    pbx.bridge(colleague, pair[1])
    pbx.wait(3)
    pbx.say("HangupRequest", caller)
    pbx.gone(caller)
    assert pbx.record()[4:] == [
        "2.60 agent.ringing 102 consult",
        "12.60 call.transferred 102",
        "15.60 call.ended customer",
    ]


def test_a_feature_code_without_a_number_was_a_hold() -> None:
    pbx = Pbx()
    caller, phone, bridge = pbx.talk()
    for digit in "*2":
        pbx.say("DTMFEnd", phone, Digit=digit, Direction="Received")
    pbx.say("Hold", phone)
    pbx.wait(3)
    pbx.say("Unhold", phone)
    pbx.wait(3)
    pbx.bye(caller, bridge, phone, caller)
    assert pbx.record()[3:] == [
        "2.00 call.held agent",
        "5.00 call.resumed agent",
        "8.00 call.ended customer",
    ]


def test_a_blind_transfer_by_feature_code_begins_with_the_code() -> None:
    pbx = Pbx()
    caller, phone, bridge = pbx.talk()
    pbx.wait(1)
    for digit in "#1":
        pbx.say("DTMFEnd", phone, Digit=digit, Direction="Received")
        pbx.wait(0.2)
    pbx.say("Hold", phone)
    pbx.wait(4)
    pbx.say("Unhold", phone)
    refer(pbx, caller, phone, bridge, "102")
    assert pbx.record()[3:] == ["3.00 call.transferring 101 102"]


def test_hold_by_the_customer() -> None:
    pbx = Pbx()
    caller, _, _ = pbx.talk()
    pbx.say("Hold", caller)
    pbx.wait(2)
    pbx.say("Unhold", caller)
    assert pbx.record()[3:] == ["2.00 call.held customer", "4.00 call.resumed customer"]


def test_agents_who_call_each_other_give_no_record() -> None:
    pbx = Pbx()
    line = pbx.line("101", "102")
    colleague = pbx.dial(line, "102")
    pbx.wait(2)
    bridge = pbx.answer(line, colleague, "")
    pbx.say("Hold", line)
    pbx.bye(line, bridge, colleague, line)
    assert pbx.record() == []


def test_an_agent_calls_a_customer() -> None:
    pbx = Pbx()
    line = pbx.line("101", "0912345678")
    out = pbx.dial_out(line, "0912345678")
    pbx.wait(6)
    bridge = pbx.answer(line, out, "")
    pbx.wait(2)
    pbx.say("Hold", line)
    pbx.wait(5)
    pbx.say("Unhold", line)
    pbx.wait(2)
    pbx.bye(out, bridge, line, out)
    events = bare(record(pbx.blocks))
    assert (events[0]["caller"], events[0]["called"]) == ("101", "0912345678")
    assert pbx.record() == [
        "0.00 call.offered outbound",
        "6.00 call.answered 101",
        "8.00 call.held agent",
        "13.00 call.resumed agent",
        "15.00 call.ended customer",
    ]


@pytest.mark.parametrize(("cause", "by"), [("17", "customer"), ("34", "system")])
def test_an_agent_calls_a_customer_in_vain(cause: str, by: str) -> None:
    pbx = Pbx()
    line = pbx.line("101", "0912345678")
    out = pbx.dial_out(line, "0912345678")
    pbx.wait(6)
    pbx.say("HangupRequest", out, Cause=cause)
    pbx.stop_ringing(line, out, "BUSY", cause=cause)
    pbx.gone(line)
    assert pbx.record() == ["0.00 call.offered outbound", f"6.00 call.ended {by}"]


def test_an_agent_gives_up_calling_a_customer() -> None:
    pbx = Pbx()
    line = pbx.line("101", "0912345678")
    out = pbx.dial_out(line, "0912345678")
    pbx.wait(6)
    pbx.say("HangupRequest", line)
    pbx.stop_ringing(line, out, "CANCEL", "CANCEL")
    pbx.gone(line)
    assert pbx.record()[1:] == ["6.00 call.ended agent"]


def test_a_second_trunk_is_the_same_outbound_call() -> None:
    pbx = Pbx()
    line = pbx.line("101", "0912345678")
    out = pbx.dial_out(line, "0912345678")
    pbx.wait(1)
    pbx.stop_ringing(line, out, "CONGESTION", cause="34")
    out = pbx.dial_out(line, "0912345678")
    pbx.wait(3)
    bridge = pbx.answer(line, out, "")
    pbx.bye(line, bridge, line, out)
    assert pbx.record() == ["0.00 call.offered outbound", "4.00 call.answered 101", "4.00 call.ended agent"]


def test_two_queues_are_one_call_with_one_offer() -> None:
    pbx = Pbx()
    caller = pbx.caller()
    pbx.join(caller, "first")
    pbx.wait(30)
    pbx.say("QueueCallerLeave", caller, Queue="first", Count="0", Position="1")
    pbx.join(caller, "second")
    pbx.answer(caller, pbx.call_agent(caller, "101", "second"), "second")
    assert pbx.record() == ["0.00 call.offered first", "30.00 agent.ringing 101", "30.00 call.answered 101"]


def test_a_local_member_transfers_blindly() -> None:
    pbx = Pbx()
    caller, pair, phone, bridges = local_member(pbx)
    pbx.wait(2)
    legs = pbx.fields(phone, "Transferer") | pbx.fields(pair[1], "Transferee")
    pbx.say("BlindTransfer", Result="Success", Context="agents", Extension="102", **legs)
    pbx.leave(bridges[1], phone, pair[1])
    pbx.gone(phone)
    colleague = pbx.dial(pair[1], "102")
    pbx.wait(5)
    pbx.pick_up(pair[1], colleague)
    pbx.bridge(colleague, pair[1])
    pbx.wait(1)
    pbx.say("HangupRequest", caller)
    pbx.gone(pair[0], pair[1], colleague, caller)
    assert pbx.record()[3:] == [
        "6.00 call.transferring 101 102",
        "6.00 agent.ringing 102",
        "11.00 call.transferred 102",
        "12.00 call.ended customer",
    ]


def test_an_admin_kills_a_ringing_call() -> None:
    pbx = Pbx()
    caller = pbx.caller()
    pbx.join(caller)
    phone = pbx.call_agent(caller, "101")
    pbx.wait(3)
    pbx.stop_ringing(caller, phone, "CANCEL", "CANCEL")
    pbx.say("SoftHangupRequest", caller, Cause="16")
    pbx.gone(caller)
    assert pbx.record()[2:] == ["3.00 call.ended system"]


def test_an_agent_calls_the_queue_for_a_colleague_while_the_customer_is_on_hold() -> None:
    pbx = Pbx()
    _, phone, _ = pbx.talk()
    pbx.say("Hold", phone)
    line = pbx.line("101", "800")
    pbx.join(line)
    colleague = pbx.call_agent(line, "102")
    pbx.wait(3)
    pbx.answer(line, colleague)
    assert pbx.record()[4:] == ["2.00 agent.ringing 102 consult", "5.00 call.answered 102 consult"]


# -- before the monitor connected ----------------------------------------------------------------------------


def listed(pbx: Pbx, chan: Any, application: str, data: str, duration: str, bridge: str = "") -> None:
    more = {"Application": application, "ApplicationData": data, "Duration": duration, "BridgeId": bridge}
    pbx.say("CoreShowChannel", chan, **more)


def test_a_call_is_picked_up_by_its_first_events_when_no_list_told_of_it() -> None:
    pbx = Pbx(at=10)
    caller, phone, bridge = pbx.talk()
    pbx.bye(phone, bridge, phone, caller)
    later = [(at, b) for at, b in pbx.blocks if b["Event"] not in ("Newchannel", "QueueCallerJoin", "AgentCalled")]
    later = [(at, b) for at, b in later if b["Event"] != "DialBegin"]
    for _, block in later:
        if block["Event"] == "AgentConnect":
            block["HoldTime"] = "2"
    assert rows(record(later)) == [
        "10.00 call.offered hotline snapshot",
        "12.00 call.answered 101",
        "12.00 call.ended agent",
    ]


def test_after_a_reconnect_known_calls_are_not_offered_twice_and_lost_ones_end() -> None:
    pbx = Pbx()
    kept, phone, bridge = pbx.talk("101")
    pbx.talk("102")
    translator = Translator()
    for at, block in pbx.blocks:
        translator.feed(block, at)
    translator.reset_for_snapshot()
    pbx.blocks.clear()
    pbx.wait(60)
    listed(pbx, kept, "Queue", "hotline,tT", "00:01:04", bridge)
    listed(pbx, phone, "AppQueue", "(Outgoing Line)", "00:01:04", bridge)
    pbx.say("CoreShowChannelsComplete", EventList="Complete", ListItems="2")
    pbx.say("StatusComplete", EventList="Complete", ListItems="0")
    pbx.wait(1)
    pbx.bye(phone, bridge, phone, kept)
    assert pbx.record(translator) == ["64.00 call.ended system snapshot", "65.00 call.ended agent"]
    assert translator.remembered == 0


def test_after_a_reconnect_what_happened_meanwhile_is_caught_up_with() -> None:
    """101 rang when the connection broke; 102 talks when it is back, and a new caller hears 103 ring."""
    pbx = Pbx()
    caller = pbx.caller()
    pbx.join(caller)
    pbx.call_agent(caller, "101")
    translator = Translator()
    for at, block in pbx.blocks:
        translator.feed(block, at)
    translator.reset_for_snapshot()
    pbx.wait(30)
    phone = pbx.phone("102", caller.linkedid)
    new = pbx.caller(number="34600000002")
    ringing = pbx.phone("103", new.linkedid)
    phone.state, ringing.state = "6", "5"
    pbx.blocks.clear()
    pbx.wait(10)
    pbx.say("QueueEntry", new, Queue="hotline", Position="1", Wait="9")
    listed(pbx, caller, "Queue", "hotline,tT", "00:00:40", "b")
    listed(pbx, phone, "AppQueue", "(Outgoing Line)", "00:00:10", "b")
    listed(pbx, new, "Queue", "hotline,tT", "00:00:10")
    listed(pbx, ringing, "AppQueue", "(Outgoing Line)", "00:00:09")
    pbx.say("CoreShowChannelsComplete", EventList="Complete", ListItems="4")
    got = pbx.record(translator)
    assert got[0] == "40.00 call.answered 102 snapshot"
    assert [row.split(" ", 1)[1] for row in got[-2:]] == [
        "call.offered hotline snapshot",
        "agent.ringing 103 snapshot",
    ]
    assert all(30.0 <= float(row.split(" ", 1)[0]) <= 31.5 for row in got[-2:])


def test_an_outbound_call_in_the_list_is_outbound() -> None:
    pbx = Pbx()
    line = pbx.line("101", "0912345678")
    out = pbx.channel("PJSIP/trunk", "", "from-trunk", "s", line.linkedid)
    line.state = out.state = "6"
    pbx.blocks.clear()
    pbx.say("QueueMember", Location="PJSIP/agent101", Name="Ana Lopez", Queue="hotline")
    pbx.wait(20)
    listed(pbx, line, "Dial", "PJSIP/0912345678@trunk", "00:00:20", "b")
    listed(pbx, out, "AppDial", "(Outgoing Line)", "00:00:19", "b")
    pbx.say("CoreShowChannelsComplete", EventList="Complete", ListItems="2")
    assert [row.split(" ", 1)[1] for row in pbx.record()] == [
        "call.offered outbound snapshot",
        "call.answered 101 snapshot",
    ]


def test_a_channel_that_hung_up_while_it_was_listed_does_not_come_back() -> None:
    pbx = Pbx()
    caller, phone, bridge = pbx.talk()
    pbx.bye(caller, bridge, phone, caller)
    listed(pbx, caller, "Queue", "hotline,tT", "00:00:02")
    pbx.say("CoreShowChannelsComplete", EventList="Complete", ListItems="1")
    assert pbx.record()[-1].startswith("2.00 call.ended")


# -- bad input -----------------------------------------------------------------------------------------------


def test_a_clock_that_jumps_back_an_hour_leaves_the_open_calls_their_own_time() -> None:
    pbx = Pbx()
    caller, phone, bridge = pbx.talk()
    pbx.wait(3)
    pbx.say("Hold", phone)
    before = len(pbx.blocks)
    pbx.wait(25)
    pbx.say("Unhold", phone)
    pbx.wait(1)
    pbx.join(pbx.caller(number="34600000002"), "hotline")
    pbx.bye(caller, bridge, phone, caller)
    translator, got = Translator(), []
    for i, (at, block) in enumerate(pbx.blocks):
        got += translator.feed(block, at if i < before else at - 3600.0)
    assert rows(got)[3:] == [
        "5.00 call.held agent",
        "5.00 call.resumed agent",
        f"{31 - 3600:.2f} call.offered hotline",
        "6.00 call.ended customer",
    ]
    (problem,) = translator.take_problems()
    assert "went back by 3575.0 s" in problem.text
    assert translator.clock_jumps == 1


def test_a_clock_put_right_again_withdraws_the_correction() -> None:
    pbx = Pbx()
    caller, phone, bridge = pbx.talk()
    for _ in range(2):
        pbx.wait(10)
        pbx.say("Newstate", caller)
    pbx.wait(10)
    pbx.bye(caller, bridge, phone, caller)
    translator, got = Translator(), []
    for at, block in pbx.blocks:
        got += translator.feed(block, at - 3600.0 if 11 < at - T0 < 13 else at)
    assert rows(got)[-1] == "32.00 call.ended customer"
    assert translator.clock_jumps == 2


@pytest.mark.parametrize("event", sorted(event for event, needs in NEEDS.items() if needs))
def test_a_missing_key_is_a_problem_that_names_event_and_key(event: str) -> None:
    for key in NEEDS[event]:
        full = dict.fromkeys(NEEDS[event], "x")
        for broken in ({k: v for k, v in full.items() if k != key}, full | {key: ""}, full | {key: 5}):
            translator = Translator()
            assert translator.feed({"Event": event, **broken}, T0) == []  # type: ignore[dict-item]
            (problem,) = translator.take_problems()
            assert problem.text.startswith(f"{event}: {key} ")
            assert problem.mend


def test_other_calls_go_on_after_a_broken_block() -> None:
    pbx = Pbx()
    caller, phone, bridge = pbx.talk()
    pbx.say("DialBegin", caller)
    pbx.say("Frobnicated", caller)
    pbx.bye(caller, bridge, phone, caller)
    translator, got = Translator(), []
    for at, block in pbx.blocks:
        got += translator.feed(block, at)
    assert rows(got)[-1] == "2.00 call.ended customer"
    assert [p.text for p in translator.take_problems()] == ["DialBegin: DestChannel is missing"]


def test_a_refused_action_is_a_problem() -> None:
    translator = Translator()
    translator.feed({"Response": "Error", "Message": "Permission denied"}, T0)
    assert "Permission denied" in translator.take_problems()[0].text


KEYS = sorted({key for needs in NEEDS.values() for key in needs})
VALUES = st.one_of(
    st.sampled_from(["1.1", "1.2", "1.3", "PJSIP/agent101-1", "PJSIP/trunk-2", "Local/1@agents-1;1", "", "ANSWER"]),
    st.sampled_from(["Local/1@agents-1;2", "b1", "b2", "<unknown>", "Success", "BUSY", "agents", "00:00:07", "-1"]),
    st.text(max_size=5),
    st.lists(st.text(max_size=3), max_size=2),
)
ANY_BLOCK = st.fixed_dictionaries(
    {"Event": st.sampled_from(sorted(NEEDS))},
    optional=dict.fromkeys((*KEYS, "Cause", "Timestamp", "Context", "Exten", "Duration", "Wait"), VALUES),
)
ANY_TIME = st.one_of(st.floats(), st.floats(min_value=T0, max_value=T0 + 1e4))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(ANY_TIME, ANY_BLOCK), max_size=40))
def test_no_blocks_whatever_make_it_raise(blocks: Timed) -> None:
    translator = Translator()
    for at, block in blocks:
        translator.feed(block, at)
        assert all(math.isfinite(event.at) for event in translator.flush(T0))
    translator.reset_for_snapshot()
    translator.flush()


@settings(max_examples=60, deadline=None)
@given(name=st.sampled_from(NAMES), data=st.data())
def test_no_mutilation_of_a_capture_makes_it_raise(name: str, data: st.DataObject) -> None:
    """Blocks lost, doubled and shuffled within a window: every call is still offered before it ends, once."""
    blocks = without(capture(name), "VarSet", "CEL", "Cdr", "RTCPSent", "RTCPReceived")
    random = data.draw(st.randoms(use_true_random=False))
    window = data.draw(st.sampled_from([1, 3, 30]))
    loss = data.draw(st.sampled_from([0.0, 0.1, 0.5]))
    kept = [one for one in blocks for _ in range(random.choice([1, 1, 2])) if random.random() >= loss]
    order = sorted(range(len(kept)), key=lambda i: i + random.random() * window)
    translator, events = Translator(), []
    for i in order:
        events += translator.feed(kept[i][1], kept[i][0])
        if random.random() < 0.01:
            translator.reset_for_snapshot()
    events += translator.flush()
    for rs in calls_of(events).values():
        types = [row["type"] for row in rs]
        assert types.count("call.ended") <= types.count("call.offered")
        assert "call.offered" in types


@pytest.mark.parametrize("name", NAMES)
def test_a_capture_cut_anywhere_gives_the_beginning_of_the_whole(name: str) -> None:
    blocks = without(capture(name), *SPEECH)
    whole = record(blocks)
    for part in (0.2, 0.5, 0.8):
        translator = Translator()
        cut = [event for at, block in blocks[: int(len(blocks) * part)] for event in translator.feed(block, at)]
        assert cut == whole[: len(cut)]
