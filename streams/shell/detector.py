"""The Faust worker: ``step`` over the ``calls`` and ``subjects`` topics, a table of states each, ticks, alerts.

Traps of Faust that are handled here and in ``lane.py``, each pinned by a test against a real broker:

- Faust acknowledges an event whose agent raised: everything is caught, dead-lettered and counted.
- A killed worker's events come again after a takeover: ``step`` knows them by their offset. Alerts are
  acknowledged by the broker *before* the state that contains them is written, so none can be lost in between;
  those sent twice have the same id and are dropped at the edge.
- What waits in a partition without a committed offset is lost when Faust goes back to that (``consumer.py``).
- What an event means in figures is counted when the broker has the state that contains it: what comes again after a
  kill was not counted (``telling_table.py``).
- Offsets are committed after the changelog has been flushed (Faust flushes its producer before a commit).
- Tables cannot be written from a timer: due wakes are sent as ticks on the lane's topic and so become part of the
  record.
- The memory store keeps what it wrote for partitions that have moved on: after each rebalance the tables are
  purged of foreign states, or a stale one would wake a call that ended elsewhere.
- Liveness is the age of the last event and of the last commit, proven every few seconds by a tick that
  travels the whole way (``streams.heartbeat``).
"""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections import Counter
from typing import Any

import faust
from faust.sensors.base import Sensor

from streams import heartbeat
from streams.call import PHASES
from streams.heartbeat import Heartbeat
from streams.metrics import Metrics
from streams.rulebook.book import Rulebook
from streams.settings import Settings
from streams.shell import consumer, topics
from streams.shell.lane import CallLane, Lane, SubjectLane
from streams.shell.outbox import Outbox
from streams.shell.reload import Reloader
from streams.shell.running import instance, make_private
from streams.shell.shelf import Shelf
from streams.shell.telling_table import TellingTable

log = logging.getLogger("sansheng.detect")


class Detector:
    """One worker: builds the Faust app with its two lanes, proves that it works, and takes changed rulebooks."""

    def __init__(self, settings: Settings, book: Rulebook, metrics: Metrics) -> None:
        """Nothing is started; ``app`` is the Faust app to run."""
        self.settings, self.metrics = settings, metrics
        self.instance = instance()
        self._beat_turn = 0
        self._told_to_reload = asyncio.Event()
        make_private(settings.run_dir)
        self.shelf = Shelf(settings.run_dir / "rulebooks", book)
        self.reloader = Reloader(settings.rulebook, self.shelf, metrics)
        self.app = self._make_app()
        self.outbox = Outbox(self.app, settings)
        parts = (self.app, self.outbox, self.shelf, settings, metrics)
        self.calls = CallLane(*parts, answer_beat=self._answer_beat)
        self.subjects = SubjectLane(*parts, calls=self.calls)
        self._run_lane(self.calls, "detect")
        self._run_lane(self.subjects, "count")
        self.app.task(self._beat_forever)
        self.app.task(self._reload_forever)
        self._advance()
        for queue in queues_named(settings):
            metrics.queue(queue)

    def _run_lane(self, lane: Lane, agent: str) -> None:
        self.app.agent(lane.topic, name=agent, concurrency=1)(lane.run)
        self.app.task(lane.tick_forever)

    def _make_app(self) -> faust.App:
        settings = self.settings
        app = faust.App(
            settings.topic(topics.DETECTOR),
            broker=[f"kafka://{address}" for address in settings.bootstrap.split(",")],
            store="memory://",
            datadir=str(settings.run_dir / "faust"),
            topic_partitions=settings.partitions,
            topic_replication_factor=1,
            topic_disable_leader=True,
            topic_allow_declare=True,
            web_enabled=False,  # it would serve the table's contents
            table_standby_replicas=0,
            broker_commit_interval=1.0,
            broker_session_timeout=10.0,
            broker_heartbeat_interval=2.0,
            broker_request_timeout=30.0,
            stream_wait_empty=False,
            stream_recovery_delay=0.0,
            consumer_auto_offset_reset="earliest",
            key_serializer="raw",
            value_serializer="raw",
            producer_acks=-1,
            Table=TellingTable,
        )
        consumer.mend(app)
        app.sensors.add(_CommitSensor(self.metrics))
        return app

    # -- heartbeat ------------------------------------------------------------------------------

    async def _beat_forever(self) -> None:
        """Send a tick through one of our partitions, another one each time; ``_answer_beat`` hears it."""
        while not self.app.should_stop:
            own = sorted(self.calls.own_partitions())
            if not own and not self.app.rebalancing:
                self._advance()
            elif not self.app.rebalancing:
                self._beat_turn += 1
                partition = own[self._beat_turn % len(own)]
                await self.calls.send_tick(f"{heartbeat.CALL}:{partition}", partition, time.time())
            self._count_phases()
            await self._tell_lags()
            await asyncio.sleep(heartbeat.EVERY_S)

    def _advance(self) -> None:
        """Count progress from now on: at the start, and while no partition is ours and there is nothing to process."""
        self.metrics.set("sansheng_last_event_timestamp_seconds", time.time())
        self.metrics.set("sansheng_last_commit_timestamp_seconds", time.time())

    async def _answer_beat(self) -> None:
        """A refused rulebook is told but is no failure: calls are judged, by the old one."""
        stuck = [f"{lane.name} {lane.stuck()}" for lane in (self.calls, self.subjects) if lane.stuck()]
        troubles = [f"partitions without progress: {', '.join(stuck)}"] if stuck else []
        troubles += [self.reloader.refused] if self.reloader.refused else []
        beat = Heartbeat(
            component="detect",
            instance=self.instance,
            at=time.time(),
            ok=not stuck,
            detail="; ".join(troubles),
            rulebook=self.shelf.current.version,
        )
        await self.outbox.beat(beat)

    def _count_phases(self) -> None:
        phases = Counter(state.fold.call.phase for state in self.calls.states())
        for phase in PHASES:
            self.metrics.set("sansheng_calls", phases[phase], phase)

    async def _tell_lags(self) -> None:
        lags: dict[tuple[str, ...], float] = {}
        for lane in () if self.app.rebalancing else (self.calls, self.subjects):
            for partition, behind in (await lane.lags()).items():
                lags[lane.name, str(partition)] = behind
        self.metrics.only("sansheng_lag_messages", lags)

    # -- rulebook -------------------------------------------------------------------------------

    async def _reload_forever(self) -> None:
        """Look at the rulebook's files now and then, and at once when told (SIGHUP); drop versions that are over."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._told_to_reload.set)
        while not self.app.should_stop:
            try:
                async with asyncio.timeout(self.settings.rulebook_poll_s):
                    await self._told_to_reload.wait()
            except TimeoutError:
                await self.reloader.look()
            else:
                self._told_to_reload.clear()
                await self.reloader.now()
            self.shelf.keep({state.book for state in self.calls.states()})
            self.metrics.set("sansheng_rulebook_versions", len(self.shelf))


def queues_named(settings: Settings) -> list[str]:
    """Queues that teams and pages are told of, each once: their figures stand at zero before their first call."""
    of_teams = (queue for team in settings.wall.teams.values() for queue in team.queues)
    of_pages = (queue for route in settings.pager.routes for queue in route.queues)
    return list(dict.fromkeys((*of_teams, *of_pages)))


class _CommitSensor(Sensor):
    """Notes when offsets were last committed."""

    def __init__(self, metrics: Metrics) -> None:
        super().__init__()
        self._metrics = metrics

    def on_commit_completed(self, consumer: Any, state: Any) -> None:
        """Called by Faust after each commit."""
        self._metrics.set("sansheng_last_commit_timestamp_seconds", time.time())


def run(settings: Settings, book: Rulebook) -> None:
    """Run a worker until it is told to stop.

    Raises:
        UnreadyError: no broker, or topics that are not as the settings say.
        OSError: the metrics port is in use.
    """
    signal.signal(
        signal.SIGHUP, signal.SIG_IGN
    )  # until the worker listens for it: it asks for a reload, not for the end
    topics.must_fit(settings)
    metrics = Metrics("detect")
    metrics.serve(settings.metrics.host, settings.metrics.detect)
    detector = Detector(settings, book, metrics)
    worker = faust.Worker(detector.app, quiet=True, override_logging=False, redirect_stdouts=False, console_port=0)
    worker.execute_from_commandline()
