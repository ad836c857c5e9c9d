"""The gateway of audio: sources in, frames on the topic ``audio`` out.

Holds no state worth losing: after a restart the sources connect again, and what taps there are is read from ``calls``.
It follows that topic without a group, each gateway for itself, from some minutes back: for ``leg.tapped``, which tells
whose sound a UUID is, and for the transcripts that clients of the vosk protocol wait for.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import time
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable
from contextlib import suppress

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from asr.audio import Frame, encode, leg_key
from asr.sources.items import Fault, Source
from asr.sources.tcp import AudioSocketServer
from asr.sources.vosk import Answers
from asr.sources.web import WebServer
from streams import events, heartbeat
from streams.events import BadEventError, LegTapped, Role, Transcript
from streams.metrics import Metrics
from streams.settings import Settings
from streams.shell import topics
from streams.shell.beats import beat
from streams.shell.dead_letters import DeadLetter
from streams.shell.lookback import seek_back
from streams.shell.publisher import Message, Publisher
from streams.shell.running import UnreadyError, instance, is_cancelled

log = logging.getLogger("sansheng.listen")

#: How far back ``calls`` is read for taps, seconds.
BACK_S = 600.0
#: A tap that was told longer than this, seconds, before its connection came belongs to another one: a UUID used again.
FRESH_S = 60.0
#: Taps remembered at once.
_MOST_TAPS = 10_000
#: Open connections of all kinds; beyond that a client is told to come back later.
MOST_CONNECTIONS = 500
#: At the start taps that were told before are read first, but no longer than this, seconds.
PAST_S = 10.0
_RETRY_S = 2.0
_TAPPED = b'"leg.tapped"'


class Taps:
    """Whose sound a UUID is, as far as ``calls`` has told. A UUID serves one connection."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        """``clock``: Unix seconds."""
        self._clock = clock
        self._known: OrderedDict[str, tuple[float, str, Role]] = OrderedDict()
        self._claimed: dict[str, tuple[float, str, Role] | float] = {}

    def learn(self, tap: LegTapped, logged_at: float) -> None:
        """The PBX has told."""
        self._known[tap.leg.lower()] = (logged_at, tap.call, tap.role)
        while len(self._known) > _MOST_TAPS:
            self._known.popitem(last=False)

    def claim(self, uuid: str) -> bool:
        """A connection comes with it."""
        if uuid in self._claimed:
            return False
        self._claimed[uuid] = self._clock()
        return True

    def release(self, uuid: str) -> None:
        """That connection is over; what was told of it is of no use to another."""
        self._claimed.pop(uuid, None)
        self._known.pop(uuid, None)

    def whose(self, uuid: str) -> tuple[str, Role] | None:
        """Call and party of a claimed UUID; once known it stays so."""
        claim = self._claimed.get(uuid)
        if isinstance(claim, float):
            known = self._known.get(uuid)
            if known is None or known[0] < claim - FRESH_S:
                return None
            self._claimed[uuid] = claim = known
        return None if claim is None else (claim[1], claim[2])


class Gateway:
    """Serves every kind of source until it is cancelled. It is the desk of its sources (``asr.sources``)."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        """Nothing listens yet."""
        self._settings, self._metrics = settings, metrics
        self._taps = Taps()
        self._connections: Counter[Source] = Counter()
        self._speakers: dict[str, list[object]] = defaultdict(list)
        self._answers: dict[str, list[Answers]] = defaultdict(list)
        self._publisher: Publisher | None = None
        self._why_not = "calls is not read yet"
        self._past = asyncio.Event()  # the taps that were told before are known

    async def run(self, ready: Callable[[list[str]], None] | None = None) -> None:
        """Serve until cancelled; ``ready`` is called once with the addresses.

        Raises:
            UnreadyError: a port is in use.
            KafkaError: the broker cannot be reached at the start.
        """
        listen = self._settings.listen
        token = listen.token.get_secret_value()
        async with Publisher(self._settings.bootstrap) as self._publisher:
            sockets = AudioSocketServer(listen.host, listen.audiosocket, self)
            web = WebServer(listen.host, listen.websocket, token, self)
            async with asyncio.TaskGroup() as tasks:
                helpers = [tasks.create_task(self._follow_forever()), tasks.create_task(self._beat_forever())]
                try:
                    with suppress(TimeoutError):  # the record may be out of reach for now; sound is not
                        async with asyncio.timeout(PAST_S):
                            await self._past.wait()
                    await self._serve(sockets, web, ready)
                finally:
                    for helper in helpers:
                        helper.cancel()

    async def _serve(
        self, sockets: AudioSocketServer, web: WebServer, ready: Callable[[list[str]], None] | None
    ) -> None:
        listen = self._settings.listen
        async with (
            _Port(sockets, listen.host, listen.audiosocket, "AUDIOSOCKET"),
            _Port(web, listen.host, listen.websocket, "WEBSOCKET"),
        ):
            if ready:
                ready(_addresses(listen.host, sockets.port, web.port))
            await asyncio.Event().wait()

    # -- the desk of the sources ------------------------------------------------------------------------------

    def enter(self, source: Source) -> bool:
        """A connection more; False where there are too many."""
        if self._connections.total() >= MOST_CONNECTIONS:
            return False
        self._count_connections(source, 1)
        return True

    def leave(self, source: Source) -> None:
        """It is over."""
        self._count_connections(source, -1)

    def _count_connections(self, source: Source, more: int) -> None:
        self._connections[source] += more
        self._metrics.set("sansheng_listen_connections", self._connections[source], source)

    async def send(self, frame: Frame, source: Source) -> None:
        """Publish a frame; waits while the broker does not keep up."""
        self._metrics.count("sansheng_listen_audio_seconds_total", source, by=frame.samples / frame.rate)
        if frame.silent:
            self._metrics.count("sansheng_listen_silence_seconds_total", source, by=frame.silent / frame.rate)
        await self._put(Message(self._settings.topic("audio"), frame.leg.encode(), encode(frame)))

    async def fault(self, source: Source, peer: str, fault: Fault, *, told: bool) -> None:
        """Count a fault; ``told``: log it and, where something could not be read, put its beginning aside."""
        self._metrics.count("sansheng_listen_faults_total", source, fault.reason)
        if not told:
            return
        log.warning("%s from %s: %s", source, peer, fault.text)
        if fault.head:
            self._metrics.count("sansheng_dead_letters_total", "listen", fault.reason)
            letter = DeadLetter(fault.head, f"listen/{source}", fault.text, time.time(), field=fault.reason)
            topic = self._settings.topic("dead-letters")
            await self._put(Message(topic, b"listen", letter.value, tuple(letter.headers())))

    def slowed(self, source: Source, seconds: float) -> None:
        """A client was made to wait."""
        self._metrics.count("sansheng_listen_slowed_seconds_total", source, by=seconds)

    def speaks(self, leg: str, session: object) -> bool:
        """Whether this session's sound of that leg counts: the newest of several does."""
        speakers = self._speakers[leg]
        if session not in speakers:
            speakers.append(session)
        return speakers[-1] is session

    def hangs_up(self, session: object) -> None:
        """Its legs are free for others."""
        for leg in [leg for leg, speakers in self._speakers.items() if session in speakers]:
            self._speakers[leg].remove(session)
            if not self._speakers[leg]:
                del self._speakers[leg]

    def claim(self, uuid: str) -> bool:
        """Take a UUID for one connection; False while another one has it."""
        return self._taps.claim(uuid)

    def release(self, uuid: str) -> None:
        """That connection is over."""
        self._taps.release(uuid)

    def tapped(self, uuid: str) -> tuple[str, Role] | None:
        """Whose sound that is, as far as the PBX has told."""
        return self._taps.whose(uuid)

    def follow(self, leg: str, answers: Answers) -> None:
        """Have transcripts of that leg go to ``answers``."""
        self._answers[leg].append(answers)

    def unfollow(self, leg: str, answers: Answers) -> None:
        """No more."""
        self._answers[leg].remove(answers)
        if not self._answers[leg]:
            del self._answers[leg]

    async def _put(self, message: Message) -> None:
        if self._publisher is not None:
            await self._publisher.put(message)

    # -- the record -------------------------------------------------------------------------------------------

    async def _follow_forever(self) -> None:
        while True:
            try:
                await self._follow()
            except (KafkaError, OSError, TimeoutError) as error:
                self._reads(str(error) or type(error).__name__)
            except asyncio.CancelledError:
                if is_cancelled():
                    raise
                self._reads("the connection to the broker broke off")
            await asyncio.sleep(_RETRY_S)

    async def _follow(self) -> None:
        consumer = AIOKafkaConsumer(bootstrap_servers=self._settings.bootstrap, enable_auto_commit=False)
        await consumer.start()
        try:
            calls = self._settings.topic("calls")
            ahead = await seek_back(consumer, calls, self._settings.partitions, BACK_S)
            self._reads("")
            while True:
                if not self._past.is_set() and await _is_at(consumer, ahead):
                    self._past.set()
                for batch in (await consumer.getmany(timeout_ms=1000)).values():
                    for message in batch:
                        self._learn(message.key or b"", message.value or b"", message.timestamp / 1000)
        finally:
            await consumer.stop()

    def _reads(self, why_not: str) -> None:
        if why_not and why_not != self._why_not:
            log.warning("calls cannot be read: %s", why_not)
        self._why_not = why_not
        self._metrics.set("sansheng_listen_reads_calls", 0 if why_not else 1)

    def _learn(self, key: bytes, value: bytes, logged_at: float) -> None:
        """Most of the record is not for us; what cannot be read is the engine's to put aside."""
        call = key.decode(errors="replace")
        followed = leg_key(call, "agent") in self._answers or leg_key(call, "customer") in self._answers
        if not followed and _TAPPED not in value:
            return
        try:
            event = events.parse(value)
        except BadEventError:
            return
        if isinstance(event, LegTapped):
            self._taps.learn(event, logged_at)
        elif isinstance(event, Transcript):
            for answers in self._answers.get(leg_key(event.call, event.role), ()):
                answers.take(event)

    async def _beat_forever(self) -> None:
        name = instance()
        while True:
            await self._put(beat(self._settings, "listen", name, self._why_not))
            await asyncio.sleep(heartbeat.EVERY_S)


async def _is_at(consumer: AIOKafkaConsumer, ends: dict[TopicPartition, int]) -> bool:
    return all([await consumer.position(partition) >= end for partition, end in ends.items()])


class _Port:
    """Enters a server; a port that cannot be had is told in words."""

    def __init__(self, server: AudioSocketServer | WebServer, host: str, port: int, name: str) -> None:
        self._server, self._host, self._port, self._name = server, host, port, name

    async def __aenter__(self) -> None:
        try:
            await self._server.__aenter__()
        except OSError as error:
            raise UnreadyError(
                f"nothing can listen on {self._host}:{self._port}: {error.strerror or error}; "
                f"set SANSHENG_LISTEN__{self._name} to another port, or SANSHENG_LISTEN__HOST to another address"
            ) from None

    async def __aexit__(self, *error: object) -> None:
        await self._server.__aexit__(*error)


def _must_be_safe(settings: Settings) -> None:
    """Raises UnreadyError where the settings open the ears to the network without a token."""
    listen = settings.listen
    if listen.token.get_secret_value() or _is_loopback(listen.host):
        return
    raise UnreadyError(
        f"listen.host is {listen.host}, which others can reach, and there is no token: "
        "set SANSHENG_LISTEN__TOKEN (websocket clients must show it), or listen on 127.0.0.1"
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _addresses(host: str, audiosocket: int, websocket: int) -> list[str]:
    shown = f"[{host}]" if ":" in host else host
    return [
        f"AudioSocket       {shown}:{audiosocket}",
        f"vosk-server, PCM  ws://{shown}:{websocket}/",
        f"Twilio            ws://{shown}:{websocket}/twilio",
        f"Genesys AudioHook ws://{shown}:{websocket}/audiohook",
    ]


async def run(settings: Settings, *, ready: Callable[[list[str]], None] | None = None) -> None:
    """Run the gateway until cancelled; ``ready`` is called once with the addresses.

    Raises:
        UnreadyError: no broker, topics that are not as the settings say, a port in use, no token.
        OSError: the metrics port is in use.
    """
    _must_be_safe(settings)
    topics.must_fit(settings)
    metrics = Metrics("listen")
    metrics.serve(settings.metrics.host, settings.metrics.listen)
    await Gateway(settings, metrics).run(ready)
