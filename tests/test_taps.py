"""Whose voice an AudioSocket carries: told by the PBX's own traffic, whichever end of the tap shows first."""

from __future__ import annotations

import pytest

from streams.events import LegTapped
from streams.telephony.asterisk import Translator
from tests.asterisk_tools import OWN, T0, Chan, Pbx, Timed, capture, record, without

AGENT, CUSTOMER = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
CALLER = "40325ec2-5efd-4bd3-805f-53576e581d13"


def taps(blocks: Timed, translator: Translator | None = None) -> list[tuple[str, str, str]]:
    found = [event for event in record(blocks, translator) if isinstance(event, LegTapped)]
    return [(event.call, event.role, event.leg) for event in found]


@pytest.mark.parametrize("folder", ["shared", "own"])
def test_a_tapped_call_names_the_uuid_of_each_party(folder: str) -> None:
    blocks = capture("audiosocket_tap", OWN) if folder == "own" else capture("audiosocket_tap")
    assert taps(blocks) == [("1795314377.110", "agent", AGENT), ("1795314377.110", "customer", CUSTOMER)]


def test_taps_are_told_without_cel_cdr_and_varset() -> None:
    blocks = capture("audiosocket_tap")
    assert taps(without(blocks, "CEL", "Cdr", "VarSet")) == taps(blocks)


def test_a_tap_makes_no_call_and_changes_none() -> None:
    blocks = capture("audiosocket_tap")
    without_taps = [(at, b) for at, b in blocks if "taps" not in str(b.get("Channel", "")) + str(b.get("Context", ""))]
    ours = [event for event in record(blocks) if not isinstance(event, LegTapped)]
    assert ours == [event for event in record(without_taps) if not isinstance(event, LegTapped)]
    assert {event.call for event in ours} == {"1795314377.110"}


def test_a_customer_who_talks_with_an_audiosocket_taps_himself() -> None:
    assert taps(capture("audiosocket_call")) == [("1795314367.109", "customer", CALLER)]


def test_nothing_is_remembered_of_taps_that_are_over() -> None:
    for name in ("audiosocket_tap", "audiosocket_call"):
        translator = Translator()
        taps(capture(name), translator)
        assert translator.remembered == 0


# -- a small PBX: the ends in every order, and what comes with reconnecting ------------------------------------


def originate(pbx: Pbx, uuid: str, party: Chan, *, spy_first: bool = False) -> tuple[Chan, Chan]:
    """Local/spy@taps: ;2 spies, ;1 runs AudioSocket."""
    one, two = pbx.local("spy", "")
    socket = ("Newexten", one, {"Application": "AudioSocket", "AppData": f"{uuid},127.0.0.1:9092"})
    ids = {"SpyerChannel": two.name, "SpyerUniqueid": two.uid, "SpyeeChannel": party.name, "SpyeeUniqueid": party.uid}
    spy = ("ChanSpyStart", None, ids)
    for event, chan, more in (spy, socket) if spy_first else (socket, spy):
        pbx.say(event, chan, **more)
    return one, two


@pytest.mark.parametrize("spy_first", [False, True])
def test_either_end_of_a_tap_may_come_first(spy_first: bool) -> None:
    pbx = Pbx()
    caller, phone, _ = pbx.talk()
    originate(pbx, AGENT, phone, spy_first=spy_first)
    originate(pbx, CUSTOMER, caller, spy_first=spy_first)
    assert taps(pbx.blocks) == [(caller.linkedid, "agent", AGENT), (caller.linkedid, "customer", CUSTOMER)]


def test_a_tap_set_up_before_the_caller_reaches_the_queue_is_told_when_the_call_is_known() -> None:
    pbx = Pbx()
    caller = pbx.caller()
    originate(pbx, CUSTOMER, caller)
    assert taps(pbx.blocks) == []
    pbx.wait(3)
    pbx.join(caller)
    events = record(pbx.blocks)
    [tap] = [event for event in events if isinstance(event, LegTapped)]
    assert (tap.call, tap.role, tap.leg, tap.at - T0) == (caller.linkedid, "customer", CUSTOMER, 3.0)


def test_an_audiosocket_channel_that_spies_carries_its_uuid_in_its_name() -> None:
    pbx = Pbx()
    caller, phone, _ = pbx.talk()
    pbx.serial += 1
    socket = Chan(f"{int(T0)}.{pbx.serial}", f"AudioSocket/127.0.0.1:9092-{AGENT}", "", "", "taps", "s", "")
    pbx.say("Newchannel", socket, Linkedid=socket.uid)
    pbx.say("ChanSpyStart", SpyerUniqueid=socket.uid, SpyeeUniqueid=phone.uid)
    assert taps(pbx.blocks) == [(caller.linkedid, "agent", AGENT)]


def test_a_tap_is_told_once_and_again_by_a_monitor_that_connects_in_the_middle() -> None:
    pbx = Pbx()
    caller, phone, bridge = pbx.talk()
    one, two = originate(pbx, AGENT, phone)
    rows = [
        (caller, {"Application": "Queue", "ApplicationData": "hotline,t", "BridgeId": bridge}),
        (phone, {"Application": "AppQueue", "ApplicationData": "(Outgoing Line)", "BridgeId": bridge}),
        (one, {"Application": "AudioSocket", "ApplicationData": f"{AGENT},127.0.0.1:9092"}),
        (two, {"Application": "ChanSpy", "ApplicationData": f"{phone.name},qEo"}),
    ]
    lists = Pbx(at=pbx.at + 5)
    for chan, more in rows:
        lists.say("CoreShowChannel", chan, **{"Duration": "00:00:05", "Linkedid": chan.linkedid, **more})
    lists.say("CoreShowChannelsComplete")
    told = (caller.linkedid, "agent", AGENT)
    assert taps(pbx.blocks + lists.blocks) == [told]
    assert taps(lists.blocks) == [told]


def test_what_is_no_uuid_is_no_tap() -> None:
    pbx = Pbx()
    _, phone, _ = pbx.talk()
    originate(pbx, "${SOCKUUID}", phone)
    assert taps(pbx.blocks) == []


def test_an_agent_who_talks_with_an_audiosocket_is_no_customer() -> None:
    pbx = Pbx()
    line = pbx.line("101", "900")
    pbx.say("Newexten", line, Application="AudioSocket", AppData=f"{CALLER},127.0.0.1:9092")
    assert taps(pbx.blocks) == []
