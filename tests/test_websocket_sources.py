"""vosk-server's protocol, Twilio Media Streams and Genesys AudioHook: message by message, and over real websockets."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from asr.sources import codec, session, web
from asr.sources.audiohook import AudioHook
from asr.sources.items import Asked, Ended, Fault, Item, Lost, Opened, Paused, Reply, Sound
from asr.sources.twilio import Twilio
from asr.sources.vosk import Answers, Vosk
from asr.sources.web import AddressError, WebServer, read_address
from streams.events import Transcript, Word
from tests.listen_tools import FakeDesk, pcm

T = 1_800_000_000.0
TOKEN = "open sesame"  # noqa: S105 - of these tests


def reasons(items: list[Item]) -> list[str]:
    return [item.reason for item in items if isinstance(item, Fault)]


# -- vosk-server ---------------------------------------------------------------------------------------------


def test_sound_of_a_vosk_client_is_8_khz_until_it_says_otherwise() -> None:
    client = Vosk("c", "agent")
    assert client.receive(pcm(0.1)) == [Opened("c"), Sound(pcm(0.1), 8000, "agent"), Asked()]
    assert client.receive('{ "config" : { "sample_rate" : 16000 } }') == []
    assert client.receive(pcm(0.1)) == [Sound(pcm(0.1), 16_000, "agent"), Asked()]


def test_the_end_of_a_vosk_client_is_answered_with_all_that_is_left() -> None:
    assert Vosk("c", "agent").receive('{"eof" : 1}') == [Asked(final=True, over=True), Ended()]
    assert Vosk("c", "agent").receive('{"reset" : 1}') == [Asked(final=True)]


def test_a_sample_that_is_cut_in_two_is_put_together() -> None:
    client, sound = Vosk("c", "agent"), pcm(0.1)
    parts = [sound[:101], sound[101:200], sound[200:]]
    items = [item for part in parts for item in client.receive(part)]
    assert b"".join(item.pcm for item in items if isinstance(item, Sound)) == sound
    assert items.count(Asked()) == 3
    assert client.end() == []
    client.receive(b"x")
    assert reasons(client.end()) == ["half"]


@pytest.mark.parametrize("encoding", ["mulaw", "alaw"])
def test_telephone_codings_are_taken_by_query(encoding: codec.Encoding) -> None:
    [_, sound, _] = Vosk("c", "agent", encoding=encoding).receive(bytes(range(256)))
    assert sound == Sound(codec.decode(encoding, bytes(range(256))), 8000, "agent")


@pytest.mark.parametrize("rate", ["0", "7999", "96000", '"fast"', "null", "NaN", "[]", '"\\ud800"'])
def test_a_rate_that_cannot_be_ends_the_connection_in_words(rate: str) -> None:
    [fault] = Vosk("c", "agent").receive(f'{{"config": {{"sample_rate": {rate}}}}}')
    assert isinstance(fault, Fault)
    assert (fault.reason, fault.fatal) == ("rate", True)
    assert "8000 to 48000" in fault.text


@pytest.mark.parametrize(
    ("message", "reason"), [("hello", "unreadable"), ("[1]", "unreadable"), ('{"x": 1}', "unknown")]
)
def test_a_message_that_says_nothing_is_answered_all_the_same(message: str, reason: str) -> None:
    """A client that awaits an answer to each message must not hang."""
    items = Vosk("c", "agent").receive(message)
    assert (reasons(items), items[-1]) == ([reason], Asked())


def heard(text: str, start: float, end: float, **more: Any) -> Transcript:
    fields = {"final": False, "role": "agent", "call": "c", "at": T + end, **more}
    return Transcript(text=text, start=T + start, end=T + end, **fields)


def test_each_sentence_is_answered_once_and_partials_as_they_stand() -> None:
    answers = Answers(T)
    assert json.loads(answers.answer()) == {"partial": ""}
    answers.take(heard("您好", 0.2, 0.8))
    answers.take(heard("", 0.2, 0.2, through=T + 0.2))  # says how far all is heard, and takes nothing back
    assert json.loads(answers.answer()) == {"partial": "您好"}
    words = (Word("您好", T + 0.2, T + 0.8, 0.9), Word("请讲", T + 0.9, T + 1.3))
    for _ in range(2):  # Kafka may bring it twice
        answers.take(heard("您好请讲", 0.2, 1.3, final=True, words=words, through=T + 1.5))
    assert json.loads(answers.answer()) == {
        "result": [
            {"conf": 0.9, "start": 0.2, "end": 0.8, "word": "您好"},
            {"conf": 1.0, "start": 0.9, "end": 1.3, "word": "请讲"},
        ],
        "text": "您好请讲",
    }
    assert json.loads(answers.answer()) == {"partial": ""}
    assert answers.through == T + 1.5


def test_a_partial_that_was_withdrawn_is_answered_no_more() -> None:
    answers = Answers(T)
    answers.take(heard("您好", 0.2, 0.8))
    answers.take(heard("", 1.0, 1.0, through=T + 1))  # that far all is heard, and there were no words
    assert json.loads(answers.answer()) == {"partial": ""}


def test_the_last_answer_has_all_sentences_that_were_not_told() -> None:
    answers = Answers(T)
    answers.take(heard("一", 0, 1, final=True, words=(Word("一", T, T + 1),)))
    answers.take(heard("二", 2, 3, final=True, words=(Word("二", T + 2, T + 3),)))
    last = json.loads(answers.last())
    assert (last["text"], [word["word"] for word in last["result"]]) == ("一 二", ["一", "二"])
    assert json.loads(answers.last()) == {"text": ""}


def test_words_are_left_out_where_a_client_wants_none() -> None:
    client = Vosk("c", "agent")
    client.receive('{"config": {"words": false}}')
    answers = Answers(T)
    answers.take(heard("一", 0, 1, final=True, words=(Word("一", T, T + 1),)))
    assert json.loads(answers.answer(words=client.words)) == {"text": "一"}


def test_what_an_earlier_connection_of_the_call_said_is_not_answered() -> None:
    answers = Answers(T)
    answers.take(heard("以前", -5, -4, final=True))
    assert json.loads(answers.answer()) == {"partial": ""}


# -- Twilio --------------------------------------------------------------------------------------------------

MULAW = bytes(range(160))


def start(**custom: str) -> str:
    form = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
    body = {"callSid": "CA1", "streamSid": "MZ1", "tracks": ["inbound", "outbound"], "mediaFormat": form}
    return json.dumps({"event": "start", "sequenceNumber": "1", "start": {**body, "customParameters": custom}})


def media(chunk: int | str, track: str = "inbound", payload: str | None = None) -> str:
    sound = base64.b64encode(MULAW).decode() if payload is None else payload
    return json.dumps({"event": "media", "media": {"track": track, "chunk": str(chunk), "payload": sound}})


def twilio(*messages: str | bytes, token: str = "") -> list[Item]:
    stream = Twilio(token)
    return [item for message in messages for item in stream.receive(message)] + stream.end()


def test_both_tracks_of_a_twilio_stream_are_the_two_parties() -> None:
    sound = codec.decode("mulaw", MULAW)
    connected = '{"event":"connected","protocol":"Call","version":"1.0.0"}'
    dtmf = '{"event":"dtmf","dtmf":{"track":"inbound_track","digit":"1"}}'
    stop = '{"event":"stop","stop":{"callSid":"CA1"}}'
    items = twilio(connected, start(), media(1), media(1, "outbound"), dtmf, '{"event":"mark"}', stop)
    assert items == [Opened("CA1"), Sound(sound, 8000, "customer"), Sound(sound, 8000, "agent"), Ended()]


def test_custom_parameters_name_the_call_and_turn_the_roles_round() -> None:
    items = twilio(start(call="c7", inbound="agent"), media(1), media(1, "outbound"))
    assert items[0] == Opened("c7")
    assert [item.role for item in items if isinstance(item, Sound)] == ["agent", "customer"]


def test_chunks_that_are_left_out_are_lost_sound() -> None:
    items = twilio(start(), media(1), media(2), media(5), media(1, "outbound"), media(6))
    assert [item for item in items if isinstance(item, Lost)] == [Lost(2 * 0.02, "customer")]
    assert reasons(items) == ["sequence"]


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        ([media(1)], "hello"),
        ([start(), media(1, "sideways")], "unreadable"),
        ([start(), media(1, payload="not base64!")], "unreadable"),
        ([start(), media("x")], "sequence"),
        ([start(), media(3), media(2)], "sequence"),
        ([start(), "{"], "unreadable"),
        ([start(), '{"event":"surprise"}'], "unknown"),
        ([start(), b"binary"], "unknown"),
        ([start().replace("CA1", "~heartbeat")], "unreadable"),
        ([start().replace("8000", "16000")], "rate"),
        ([start().replace("audio/x-mulaw", "audio/x-opus")], "rate"),
    ],
)
def test_bad_messages_of_a_twilio_stream(messages: list[str | bytes], reason: str) -> None:
    assert reasons(twilio(*messages)) == [reason]


def test_a_twilio_stream_shows_the_token_in_its_start() -> None:
    assert reasons(twilio(start(), token=TOKEN)) == ["token"]
    assert reasons(twilio(start(token=chr(0xD800)), token=TOKEN)) == ["token"]
    assert twilio(start(token=TOKEN), token=TOKEN) == [Opened("CA1")]


def test_what_is_kept_of_a_bad_message_has_no_sound_and_no_numbers_in_it() -> None:
    [_, fault] = twilio(start(), '{"event":"odd","from":"13812345678","payload":"' + "A" * 400)
    assert isinstance(fault, Fault)
    assert fault.head == b'{"event":"odd","from":"*","payload":...'


# -- Genesys AudioHook ---------------------------------------------------------------------------------------


class Genesys:
    """The client's side of a session: counts as Genesys does."""

    def __init__(self) -> None:
        self.seq = 0

    def say(self, kind: str, **parameters: Any) -> str:
        self.seq += 1
        numbers = {"version": "2", "id": "s1", "seq": self.seq, "serverseq": 0, "position": "PT0S"}
        return json.dumps({**numbers, "type": kind, "parameters": parameters})

    def open(self, *channels: list[str], form: str = "PCMU", conversation: str = "conv-1") -> str:
        offers = channels or (["external", "internal"], ["external"], ["internal"])
        media = [{"type": "audio", "format": form, "channels": list(names), "rate": 8000} for names in offers]
        return self.say("open", organizationId="o", conversationId=conversation, media=media)


def replies(items: list[Item]) -> list[dict[str, Any]]:
    return [json.loads(item.text) for item in items if isinstance(item, Reply)]


def test_a_session_is_opened_with_both_channels_and_closed() -> None:
    hook, genesys = AudioHook(), Genesys()
    opened = hook.receive(genesys.open(["external"], ["external", "internal"]))
    assert opened[0] == Opened("conv-1")
    [answer] = replies(opened)
    assert (answer["type"], answer["seq"], answer["clientseq"], answer["id"]) == ("opened", 1, 1, "s1")
    assert answer["parameters"]["media"] == [
        {"type": "audio", "format": "PCMU", "channels": ["external", "internal"], "rate": 8000}
    ]
    [pong] = replies(hook.receive(genesys.say("ping", rtt="PT0.1S")))
    assert (pong["type"], pong["seq"], pong["clientseq"]) == ("pong", 2, 2)
    closed = hook.receive(genesys.say("close", reason="end"))
    assert (replies(closed)[0]["type"], closed[-1]) == ("closed", Ended())


def test_external_is_the_customer_and_internal_the_agent() -> None:
    hook, genesys = AudioHook(), Genesys()
    hook.receive(genesys.open())
    customer, agent = bytes([0x80]) * 80, bytes([0xFF]) * 80
    mixed = b"".join(bytes(pair) for pair in zip(customer, agent, strict=True))
    assert hook.receive(mixed) == [
        Sound(codec.decode("mulaw", customer), 8000, "customer"),
        Sound(codec.decode("mulaw", agent), 8000, "agent"),
    ]


def test_linear_sound_of_one_channel() -> None:
    hook, genesys = AudioHook(), Genesys()
    hook.receive(genesys.open(["internal"], form="L16"))
    assert hook.receive(pcm(0.1)) == [Sound(pcm(0.1), 8000, "agent")]


def test_a_pause_is_silence_and_what_was_discarded_is_lost() -> None:
    hook, genesys = AudioHook(), Genesys()
    hook.receive(genesys.open())
    assert hook.receive(genesys.say("paused")) == []
    resumed = hook.receive(genesys.say("resumed", start="PT2S", discarded="PT1.5S"))
    assert resumed == [Paused(1.5, "customer"), Paused(1.5, "agent")]
    lost = hook.receive(genesys.say("discarded", start="PT9S", discarded="PT0.25S"))
    assert lost == [Lost(0.25, "customer"), Lost(0.25, "agent")]


def test_the_probe_of_a_new_integration_is_answered_and_is_no_call() -> None:
    items = AudioHook().receive(Genesys().open(conversation="00000000-0000-0000-0000-000000000000"))
    assert [type(item) for item in items] == [Reply]


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (lambda g: b"sound first", "hello"),
        (lambda g: "{", "unreadable"),
        (lambda g: g.open(form="OPUS"), "rate"),
        (lambda g: g.open(["middle"]), "rate"),
        (lambda g: g.open(["external", "external"]), "rate"),
        (lambda g: g.say("open"), "unreadable"),
        (lambda g: g.open(conversation="~of:x"), "unreadable"),
        (lambda g: g.say("surprise"), "unknown"),
        (lambda g: g.say("error", code=429, message="secret"), "peer"),
        (lambda g: g.say("discarded", discarded="soon"), "unreadable"),
        (lambda g: g.say("ping").replace('"seq": 1', '"seq": 7'), "sequence"),
    ],
)
def test_bad_messages_of_an_audiohook_session(message: Any, reason: str) -> None:
    items = AudioHook().receive(message(Genesys()))
    assert reasons(items) == [reason]
    assert "secret" not in str(items)


def test_half_a_sample_of_two_channels_is_a_fault_and_the_rest_is_sound() -> None:
    hook = AudioHook()
    hook.receive(Genesys().open())
    items = hook.receive(bytes(161))
    assert (reasons(items), [len(item.pcm) for item in items if isinstance(item, Sound)]) == (["half"], [160, 160])


@given(st.lists(st.one_of(st.binary(max_size=60), st.text(max_size=60), st.just(start()), st.just(media(1)))))
def test_any_message_at_all_is_read_without_an_exception(messages: list[str | bytes]) -> None:
    for conversation in (Vosk("c", "agent"), Twilio(), AudioHook()):
        for message in messages:
            conversation.receive(message)
        conversation.end()


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from(["open", "resumed", "discarded", "error", "start", "media"]), _JSON, _JSON)
def test_any_values_in_any_message_are_read_without_an_exception(kind: str, one: Any, two: Any) -> None:
    fields = {"media": one, "channels": two, "conversationId": two, "discarded": one, "code": two, "chunk": one}
    more = {"payload": two, "track": "inbound", "mediaFormat": one, "customParameters": two, "callSid": "CA"}
    body = {"type": kind, "event": kind, "parameters": fields, "start": more, "config": {"sample_rate": one}}
    for shape in (body, {**body, "media": {**fields, **more}}, {**body, "parameters": {**fields, "media": [one, two]}}):
        for conversation in (Vosk("c", "agent"), Twilio(), AudioHook()):
            conversation.receive(start())
            conversation.receive(json.dumps(shape))


@pytest.mark.parametrize("value", [[], {}, None, 1, 10**400])
def test_a_kind_a_coding_or_a_count_of_another_type_is_a_fault_and_no_exception(value: Any) -> None:
    assert reasons(Twilio().receive(json.dumps({"event": value}))) == ["unknown"]
    media = [{"type": "audio", "format": value, "channels": ["external"], "rate": 8000}]
    opening = {"type": "open", "seq": 1, "parameters": {"conversationId": "c", "media": media}}
    assert reasons(AudioHook().receive(json.dumps(opening))) == ["rate"]
    assert "sequence" in reasons(twilio(start(), media_of(1), media_of(value)))


def media_of(chunk: Any) -> str:
    return json.dumps({"event": "media", "media": {"track": "inbound", "chunk": chunk, "payload": "AAAA"}})


# -- addresses -----------------------------------------------------------------------------------------------


def test_an_address_says_call_party_and_coding() -> None:
    client = read_address("/?call=c%2F7&role=agent&encoding=PCMA&rate=16000&answers=no")
    assert (client.source, client.call, client.role) == ("vosk", "c/7", "agent")
    assert (client.encoding, client.rate, client.answers) == ("alaw", 16_000, False)


def test_an_address_that_says_nothing_gets_a_call_of_its_own() -> None:
    one, two = read_address("/"), read_address("/")
    assert (one.role, one.encoding, one.rate) == ("customer", "pcm", 8000)
    assert one.call != two.call
    assert one.call.startswith("vosk-")


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("/elsewhere", "nothing is served here"),
        ("/?call=~heartbeat:3", "call"),
        ("/?call=" + "x" * 257, "call"),
        ("/?role=boss", "agent or customer"),
        ("/?encoding=opus", "alaw"),
        ("/?rate=96000", "8000 to 48000"),
        ("//[vosk", "no address"),
    ],
)
def test_an_address_that_means_nothing_is_refused_in_words(path: str, word: str) -> None:
    with pytest.raises(AddressError, match=word):
        read_address(path)


# -- over real websockets ------------------------------------------------------------------------------------


@asynccontextmanager
async def serving(desk: FakeDesk, token: str = "") -> AsyncIterator[str]:
    async with WebServer("127.0.0.1", 0, token, desk) as server:
        yield f"ws://127.0.0.1:{server.port}"


async def vosk_test_client(address: str, sound: bytes, rate: int) -> list[dict[str, Any]]:
    """What ``websocket/test.py`` of vosk-server does, message by message."""
    told = []
    async with connect(address, proxy=None) as socket:
        await socket.send(f'{{ "config" : {{ "sample_rate" : {rate} }} }}')
        size = int(rate * 0.2) * 2
        for n in range(0, len(sound), size):
            await socket.send(sound[n : n + size])
            told.append(json.loads(await socket.recv()))
        await socket.send('{"eof" : 1}')
        told.append(json.loads(await socket.recv()))
    return told


async def test_a_client_of_vosk_server_works_unchanged() -> None:
    desk = FakeDesk()
    async with serving(desk) as address:
        client = asyncio.create_task(vosk_test_client(f"{address}/?call=c1", pcm(3, 16_000), 16_000))
        await desk.until(lambda: desk.followed.get("c1:customer"))
        desk.hear("c1", "customer", "您好", start=0.1, end=0.5)
        await desk.until(lambda: desk.slowed_s > 0.5)
        desk.hear("c1", "customer", "您好", start=0.1, end=0.5, final=True, through=1.0)
        await desk.until(lambda: desk.frames[-1].last)
        desk.hear("c1", "customer", "再见", start=2.0, end=2.9, final=True, through=3.0)
        told = await client
    assert len(told) == 16
    assert {"partial": "您好"} in told
    assert told.count({"text": "您好"}) == 1
    assert told[-1] == {"text": "再见"}
    assert desk.sound("c1", "customer") == pcm(3, 16_000)
    assert desk.followed == {"c1:customer": []}


async def test_a_file_that_is_streamed_runs_ahead_of_time_by_a_second_at_most() -> None:
    desk = FakeDesk()
    async with serving(desk) as address, connect(f"{address}/?call=c1&answers=no", proxy=None) as socket:
        began = time.time()
        await socket.send(pcm(3))
        await desk.until(lambda: len(desk.frames) >= 25)
        assert desk.frames[24].at(desk.frames[24].end) <= time.time() + session.AHEAD_S + 0.05
        assert time.time() - began >= 1.0
        assert desk.reasons() == []  # a file is no fault


async def test_the_end_is_answered_when_no_recogniser_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "LAST_WORDS_S", 0.2)
    async with serving(FakeDesk()) as address:
        assert (await vosk_test_client(address, pcm(0.4), 8000))[-1] == {"text": ""}


async def test_a_twilio_stream_and_an_audiohook_session_come_out_as_two_legs_each() -> None:
    desk = FakeDesk()
    async with serving(desk) as address:
        async with connect(f"{address}/twilio", proxy=None) as socket:
            for message in (start(), *(media(n, t) for n in (1, 2, 3) for t in ("inbound", "outbound"))):
                await socket.send(message)
            await socket.send('{"event":"stop"}')
            with pytest.raises(ConnectionClosed):
                await socket.recv()
        genesys = Genesys()
        async with connect(f"{address}/audiohook", proxy=None) as socket:
            await socket.send(genesys.open())
            assert json.loads(await socket.recv())["type"] == "opened"
            await socket.send(MULAW * 2)
            await socket.send(genesys.say("close", reason="end"))
            assert json.loads(await socket.recv())["type"] == "closed"
        await desk.until(lambda: desk.inside == 0)
    for call, samples in (("CA1", 480), ("conv-1", 160)):
        for role in ("agent", "customer"):
            frames = desk.leg(call, role)
            assert (sum(f.samples for f in frames), frames[-1].last) == (samples, True)
    assert desk.sound("CA1", "agent") == codec.decode("mulaw", MULAW) * 3
    assert desk.reasons() == []


async def refusal(address: str, **headers: str) -> int:
    try:
        async with connect(address, proxy=None, additional_headers=headers):
            return 101
    except InvalidStatus as error:
        return error.response.status_code


async def test_a_client_must_show_the_token() -> None:
    desk = FakeDesk()
    async with serving(desk, TOKEN) as address:
        assert await refusal(address) == 401
        assert await refusal(f"{address}/?token=wrong") == 401
        assert await refusal(f"{address}/audiohook", **{"X-API-KEY": "wrong"}) == 401
        assert await refusal(f"{address}/twilio?token=wrong") == 401
        assert await refusal(f"{address}/?token=open+sesame") == 101
        assert await refusal(address, Authorization=f"Bearer {TOKEN}") == 101
        assert await refusal(f"{address}/audiohook", **{"X-API-KEY": TOKEN}) == 101
        assert desk.reasons() == ["token"] * 4
        async with connect(f"{address}/twilio", proxy=None) as socket:  # Twilio shows it in its start message
            await socket.send(start())
            with pytest.raises(ConnectionClosed) as closed:
                await socket.recv()
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, desk.reasons()[-1]) == (1008, "token")


async def test_an_address_that_means_nothing_is_told_what_would() -> None:
    desk = FakeDesk()
    async with serving(desk) as address:
        assert await refusal(f"{address}/nowhere") == 400
    assert desk.reasons() == ["address"]


async def test_a_message_too_large_ends_that_connection_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "LARGEST", 10_000)
    desk = FakeDesk()
    async with serving(desk) as address, connect(f"{address}/?call=good&answers=no", proxy=None) as good:
        await good.send(pcm(0.1))
        async with connect(address, proxy=None) as bad:
            await bad.send(bytes(10_001))
            with pytest.raises(ConnectionClosed):
                await bad.recv()
        await desk.until(lambda: desk.reasons() == ["large"])
        await good.send(pcm(0.1))
        await desk.until(lambda: len(desk.sound("good", "customer")) == 3200)


async def test_a_websocket_that_says_nothing_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "HELLO_S", 0.2)
    monkeypatch.setattr(session, "TICK_S", 0.1)
    desk = FakeDesk()
    async with serving(desk) as address, connect(address, proxy=None) as socket:
        with pytest.raises(ConnectionClosed) as closed:
            await socket.recv()
        assert closed.value.rcvd is not None
        assert "nothing came" in closed.value.rcvd.reason
    assert desk.reasons() == ["nothing"]


async def test_too_many_websockets_are_told_to_come_back_later() -> None:
    desk = FakeDesk(room=0)
    async with serving(desk) as address, connect(address, proxy=None) as socket:
        with pytest.raises(ConnectionClosed) as closed:
            await socket.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1013
    assert (desk.reasons(), desk.inside) == (["full"], 0)


async def test_silence_of_one_party_is_written_while_the_other_speaks() -> None:
    """Twilio sends nothing of a party that is on hold: its open sentence has to end all the same."""
    desk = FakeDesk()
    async with serving(desk) as address, connect(f"{address}/twilio", proxy=None) as socket:
        await socket.send(start())
        await socket.send(media(1, "outbound"))
        n = 0
        while not [f for f in desk.leg("CA1", "agent") if f.silent]:
            n += 1
            await socket.send(media(n, "inbound"))
            await asyncio.sleep(0.02)
    agent, customer = (sum(f.silent for f in desk.leg("CA1", role)) for role in ("agent", "customer"))
    assert customer < agent  # a busy machine may stall the speaker, too


async def test_a_client_that_breaks_off_ends_its_leg_with_all_that_it_sent() -> None:
    desk = FakeDesk()
    async with serving(desk) as address:
        socket: ClientConnection = await connect(f"{address}/?call=c1&answers=no", proxy=None)
        await socket.send(pcm(0.13) + b"x")
        await desk.until(lambda: desk.frames)
        socket.transport.abort()
        await desk.until(lambda: desk.frames[-1].last)
        await desk.until(lambda: desk.inside == 0)
    assert (desk.sound("c1", "customer"), desk.reasons()) == (pcm(0.13), ["half"])
