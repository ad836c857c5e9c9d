"""The PBX gateway: AMI blocks in, the record on ``calls`` out.

Holds no state worth losing: after a restart it asks the PBX what is up and goes on. Customers' numbers are
masked here, before anything is stored.
"""

from __future__ import annotations

import asyncio
import logging
import time

import msgspec

from streams import heartbeat
from streams.events import LARGEST, AnyEvent, render, tag_of
from streams.metrics import Metrics
from streams.settings import Settings
from streams.shell import topics
from streams.shell.beats import beat
from streams.shell.dead_letters import DeadLetter
from streams.shell.publisher import Message, Publisher
from streams.shell.running import instance
from streams.telephony import ami
from streams.telephony.asterisk import Translator
from streams.telephony.pseudonym import key_from, masked, pseudonymise

log = logging.getLogger("sansheng.asterisk")


#: After this much silence, seconds, the translator says what it was holding back to see what follows: a little more
#: than the time for which it holds back (``asterisk_calls.SETTLE_S``).
IDLE_S = 0.16


class Gateway:
    """Follows one PBX until it is cancelled."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        """Nothing is connected yet."""
        self._settings, self._metrics = settings, metrics
        pbx = settings.asterisk
        self._translator = Translator(
            agent_contexts=pbx.agent_contexts, attended_code=pbx.attended_code, blind_code=pbx.blind_code
        )
        self._key = key_from(settings.run_dir)
        self._instance = instance()
        self._why_not = "connecting"

    async def run(self) -> None:
        """Publish until cancelled.

        Raises:
            KafkaError: the broker cannot be reached at the start.
        """
        pbx = self._settings.asterisk
        client = ami.AmiClient(pbx.host, pbx.port, pbx.username, pbx.secret.get_secret_value(), idle_s=IDLE_S)
        async with Publisher(self._settings.bootstrap) as publisher, client:
            beating = asyncio.create_task(self._beat_forever(publisher))
            try:
                async for item in client.blocks():
                    await self._take(publisher, item)
            finally:
                beating.cancel()

    async def _take(self, publisher: Publisher, item: ami.Item) -> None:
        match item:
            case ami.Connected():
                self._connected("")
                self._metrics.count("sansheng_pbx_connects_total")
                self._translator.reset_for_snapshot()
            case ami.Disconnected():
                self._connected(item.reason)
            case ami.Problem():
                await self._put_aside(publisher, item.text, "unreadable", item.text.encode(), item.text)
            case ami.Idle():
                await self._publish_all(publisher, self._translator.flush(item.at))
            case ami.Block():
                self._metrics.count("sansheng_pbx_blocks_total")
                await self._translate(publisher, item)
            case ami.SnapshotDone():
                pass  # the translator has read the lists itself; the client has logged what is missing

    async def _translate(self, publisher: Publisher, block: ami.Block) -> None:
        await self._publish_all(publisher, self._translator.feed(block.fields, block.arrived))
        for problem in self._translator.take_problems():
            raw = msgspec.json.encode(masked(block.fields))
            await self._put_aside(publisher, str(problem), "unusable", raw, problem.text, problem.mend)

    async def _publish_all(self, publisher: Publisher, events: list[AnyEvent]) -> None:
        for event in (pseudonymise(event, self._key) for event in events):
            line = render(event)
            if len(line) > LARGEST:
                await self._put_aside(publisher, f"{tag_of(event)} of {len(line)} bytes", "large", line, "too large")
                continue
            self._metrics.count("sansheng_pbx_events_total", tag_of(event))
            await publisher.put(Message(self._settings.topic("calls"), event.call.encode(), line))

    async def _put_aside(
        self, publisher: Publisher, shown: str, slug: str, raw: bytes, reason: str, mend: str = ""
    ) -> None:
        """``slug``: the reason in a word, for the metric."""
        log.warning("dead letter: %s", shown)
        self._metrics.count("sansheng_pbx_problems_total")
        self._metrics.count("sansheng_dead_letters_total", "asterisk", slug)
        letter = DeadLetter(raw, "asterisk", reason, time.time(), mend=mend)
        message = Message(self._settings.topic("dead-letters"), b"asterisk", letter.value, tuple(letter.headers()))
        await publisher.put(message)

    def _connected(self, why_not: str) -> None:
        self._why_not = why_not
        self._metrics.set("sansheng_pbx_connected", 0 if why_not else 1)

    async def _beat_forever(self, publisher: Publisher) -> None:
        while True:
            await publisher.put(beat(self._settings, "asterisk", self._instance, self._why_not))
            await asyncio.sleep(heartbeat.EVERY_S)


async def run(settings: Settings) -> None:
    """Run the gateway of the PBX that the settings name.

    Raises:
        UnreadyError: no broker, or topics that are not as the settings say.
        OSError: the metrics port is in use.
    """
    topics.must_fit(settings)
    metrics = Metrics("asterisk")
    metrics.serve(settings.metrics.host, settings.metrics.asterisk)
    await Gateway(settings, metrics).run()
