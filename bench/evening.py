"""``python -m bench.evening``: the scripted evening. ``make evening``.

The real system as an operator runs it: ``sansheng up`` with its Prometheus, Alertmanager, pager and archive, a second
worker beside it, captures of a real PBX at ten times their speed, people who talk, a television and a supervisor. One
thing after the other goes wrong: a worker is killed, the recogniser gets too little CPU, a receiver of pages is dead.
At the end the record is read whole and judged again, and everything that left the system is compared with it: alerts,
figures at Prometheus, pages at two receivers and at Alertmanager. Then every query of the dashboards is asked.

Prints its timeline while it runs, then tables; exit 1 where something did not hold. A full run that holds writes its
tables into ``docs/bench.md``.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, NamedTuple
from urllib.error import URLError
from urllib.request import urlopen

import typer
from rich.console import Console

from bench import evening_alerts, evening_people, evening_tables
from bench.evening_alerts import Expect, Span
from bench.evening_system import DESK_TOKEN, PBX_SECRET, SPEED, WALL_TOKEN, Evening, EveningError, Series, scrape
from bench.evening_tables import Facts, Killed
from bench.evening_truth import events_of, read, sent, truth
from bench.lab.tables import markdown, show, write
from streams.rulebook.book import load
from streams.settings import ListenSettings, Settings
from streams.shell import spoken
from streams.shell.beats import until_awake
from streams.shell.demo import FIRST, GAP_S, SHARED, SPOKEN, TRACES
from streams.shell.publisher import Publisher
from streams.telephony.pbx import Programme, RecordedPbx
from tests.grafana_tools import Recorded
from tests.pager_receiver import PagerReceiver

PAGE = Path("docs/bench.md")
SECRET = "evening-of-the-receivers"  # noqa: S105 - of receivers on loopback
LOOK_S, TELL_S = 5.0, 30.0
#: So many spoken calls at a time.
LINES = 2
#: What has become true so shortly before the end may still be under way, seconds.
UNDER_WAY_S = 10.0
#: The longest back-off of a receiver's line, seconds, and some more.
RETRIES_S = 330.0
#: The recogniser is held about so far behind, seconds: beyond the 10 s of the rule, before sound is skipped.
BEHIND_S = (15.0, 35.0)
_CYCLE_S = 0.5


class Size(NamedTuple):
    """How long each part takes, seconds."""

    quiet: float
    dead: float
    settle: float
    slow: float
    receiver: float
    recovery: float
    drain: float


#: In the full one a worker is dead for longer than the 5 min after which Prometheus says so.
FULL = Size(60, 360, 30, 170, 200, 75, 40)
QUICK = Size(45, 120, 30, 165, 180, 75, 40)


class Clock:
    """Says what happens, with the time since the beginning."""

    def __init__(self, console: Console) -> None:
        self._console, self._begun = console, time.monotonic()
        self.spans: dict[str, Span] = {}
        self._part, self._part_at = "", time.time()

    def say(self, text: str) -> None:
        """A line of the timeline."""
        passed = int(time.monotonic() - self._begun)
        self._console.print(f"[{passed // 60:02}:{passed % 60:02}] {text}", markup=False, highlight=False)

    def part(self, name: str, text: str) -> None:
        """The next part begins."""
        self.close()
        self._part, self._part_at = name, time.time()
        self.say(f"== {name}: {text}")

    def close(self) -> None:
        """The part is over."""
        if self._part:
            self.spans[self._part] = Span(self._part_at, time.time())


def main(
    quick: Annotated[bool, typer.Option(help="shorter parts; writes nothing")] = False,
    keep: Annotated[bool, typer.Option(help="leave the run's folder, with its logs, where it is")] = False,
) -> None:
    """Run the evening; exit 1 where something did not hold."""
    logging.disable(logging.WARNING)
    console = Console(width=150)
    folder = Path(tempfile.mkdtemp(prefix="sansheng-evening-"))
    try:
        right = asyncio.run(until_signal(run(QUICK if quick else FULL, folder, console, to_page=not quick)))
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)
        else:
            console.print(f"kept: {folder}")
    raise typer.Exit(0 if right else 1)


async def until_signal(work: Awaitable[bool]) -> bool:
    """SIGINT and SIGTERM cancel it, so that it cleans up; nothing held then."""
    task = asyncio.ensure_future(work)
    for sign in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(sign, task.cancel)
    try:
        return await task
    except asyncio.CancelledError:
        print("stopped; everything was ended", file=sys.stderr)
        return False
    except EveningError as error:
        print(error, file=sys.stderr)
        return False


async def run(size: Size, folder: Path, console: Console, *, to_page: bool) -> bool:
    """The whole evening; whether all of it held."""
    clock = Clock(console)
    hook, ding = PagerReceiver(SECRET), PagerReceiver(SECRET)
    captures = sorted(TRACES.glob("*.jsonl"), key=lambda file: (file.stem != FIRST, file.stem))
    programme = Programme(speed=SPEED, loop=True, gap_s=GAP_S * SPEED, renew_ids=True)
    async with RecordedPbx(captures, port=0, secret=PBX_SECRET, programme=programme) as pbx:
        with hook, ding:
            evening = Evening(folder, receivers_of(hook, ding), pbx.port, models())
            script = Script(size, clock, evening, hook, ding)
            try:
                facts = await script.play(pbx)
            finally:
                clock.say("ending every process")
                left = await evening.stop()
    tables, faults = evening_tables.told(facts, left)
    for table in tables:
        show(console, table)
    for fault in faults:
        console.print(f"FAULT: {fault}", markup=False)
    if to_page and not faults:
        today = f"Measured on {datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores."
        write(PAGE, "evening", f"{today}\n\n{markdown(tables)}")
        console.print(f"written into {PAGE}")
    console.print(f"{len(faults)} faults" if faults else "everything held")
    return not faults


def receivers_of(hook: PagerReceiver, ding: PagerReceiver) -> list[dict[str, Any]]:
    """The pager's receivers, both signed."""
    return [
        {"name": "webhook", "kind": "webhook", "url": hook.url("webhook"), "secret": SECRET, "timeout_s": 3},
        {"name": "dingtalk", "kind": "dingtalk", "url": ding.url("dingtalk"), "secret": SECRET},
    ]


def models() -> Path | None:
    """Where a speech model and the sound of the calls are; None: the part with the recogniser is left out."""
    folder = Path(os.environ.get("SANSHENG_MODELS") or SHARED / "models")
    has_both = any(folder.glob("*/tokens.txt")) and any((SHARED / "speech" / "calls").glob("*.wav"))
    return folder if has_both else None


class Script:
    """What happens this evening, in order, and what is noted meanwhile."""

    def __init__(self, size: Size, clock: Clock, evening: Evening, hook: PagerReceiver, ding: PagerReceiver) -> None:
        self._size, self._clock, self._evening = size, clock, evening
        self._hook, self._ding = hook, ding
        self._hears = models() is not None
        self._shown: dict[str, dict[str, Any]] = {}
        self._killed: list[Killed] = []
        self._expected: list[Expect] = []
        self._dead: Span | None = None
        self._lags: list[tuple[float, float]] = []

    # ------------------------------------------------------------------------------------------- the evening

    async def play(self, pbx: RecordedPbx) -> Facts:
        """All parts; what was found at the end."""
        self._clock.say("starting: sansheng up, then a second worker")
        await self._evening.start()
        await self._evening.start_second()
        begun = time.time()
        around = [asyncio.create_task(work) for work in (self._watch(), self._tell(pbx), *self._people(), self._talk())]
        try:
            await self._parts(around[-1], pbx)
            self._clock.close()
            return await self._found(begun)
        finally:
            for task in around:
                task.cancel()
            await asyncio.gather(*around, return_exceptions=True)

    async def _parts(self, talk: asyncio.Task[None], pbx: RecordedPbx) -> None:
        await self._quiet()
        await self._kill_worker()
        await self._kill_watched()
        if self._hears:
            await self._slow_recogniser()
        else:
            self._clock.say("no model or no sound here: the part with the slow recogniser is left out")
        await self._kill_receiver()
        await self._recover()
        self._clock.part("end", "the PBX stops, nobody talks any more")
        talk.cancel()
        await pbx.stop()
        await asyncio.sleep(self._size.drain)

    async def _quiet(self) -> None:
        self._clock.part("quiet", "all targets are to be up, no alert at Prometheus")
        await self._until_all_up()
        self._clock.say(f"all {await self._targets()} targets are up")
        await asyncio.sleep(self._size.quiet)

    async def _kill_worker(self) -> None:
        dead_s = self._size.dead
        self._clock.part("worker killed", f"kill -9 to the second worker, dead for {dead_s:g} s")
        killed_at = time.time()
        await self._note_kill("second", self._evening.ports["second"], self._evening.kill_second)
        await asyncio.sleep(dead_s)
        self._expect(
            "SanshengInstanceDown",
            evening_alerts.lasted(dead_s, 300),
            killed_at,
            f"dead for {dead_s:g} s, 5 min allowed",
        )
        await self._evening.start_second()
        self._clock.say("the second worker is started again")
        await self._until_all_up()
        await asyncio.sleep(self._size.settle)

    async def _kill_watched(self) -> None:
        self._clock.part("watched worker killed", "kill -9 to the worker that `up` keeps running")
        await self._note_kill("first", self._evening.metrics["detect"], self._evening.kill_first)
        await asyncio.sleep(3)
        await self._until_all_up()
        self._clock.say("`up` has started it again")
        await asyncio.sleep(self._size.settle)

    async def _note_kill(self, name: str, port: int, kill: Callable[[], Awaitable[Series]]) -> None:
        counted = await kill()
        self._killed.append(Killed(name, f"127.0.0.1:{port}", time.time(), counted))

    async def _slow_recogniser(self) -> None:
        self._clock.part("recogniser slowed", "it gets so little CPU that it falls behind")
        begun = time.time()
        await self._starve(self._evening.pid_of("recognise"))
        behind_s = evening_alerts.held(self._was_behind, Span(begun, time.time()), 5)
        why = f"by its own figure more than 10 s behind for {behind_s:.0f} s on end"
        self._expect("SanshengRecogniserBehind", evening_alerts.lasted(behind_s, 60), begun, why)
        self._clock.say("it gets its CPU back")
        await asyncio.sleep(self._size.settle)

    async def _kill_receiver(self) -> None:
        self._clock.part("receiver dead", f"the webhook is dead for {self._size.receiver:g} s; DingTalk is not")
        begun = time.time()
        self._hook.kill()
        await asyncio.sleep(self._size.receiver)
        self._hook.start()
        self._dead = Span(begun, time.time())
        self._clock.say("the webhook is back on its port")

    async def _recover(self) -> None:
        """A receiver that was dead is tried again within five minutes at the latest."""
        self._clock.part("recovery", "nothing goes wrong any more")
        back_at = self._dead.ended if self._dead else 0.0
        if await self._hook.until(lambda hook: any(got.at > back_at for got in hook.taken), RETRIES_S):
            self._clock.say(f"the webhook is told again, {time.time() - back_at:.0f} s after it came back")
        await asyncio.sleep(self._size.recovery)

    def _expect(self, name: str, kind: evening_alerts.Kind, begun: float, why: str) -> None:
        self._expected.append(Expect(name, kind, Span(begun, time.time() + 120), why))

    # ------------------------------------------------------------------------------------------- the recogniser

    async def _starve(self, pid: int) -> None:
        """Stop it for most of each half second, more or less as it is behind: far enough, but no sound is skipped."""
        until, share = time.monotonic() + self._size.slow, 0.1
        looked = 0.0
        try:
            while time.monotonic() < until:
                self._evening.pause(pid)
                await asyncio.sleep(_CYCLE_S * (1 - share))
                self._evening.go_on(pid)
                await asyncio.sleep(_CYCLE_S * share)
                if time.monotonic() - looked > 2:
                    looked = time.monotonic()
                    share = self._next_share(share, await self._lag())
        finally:
            self._evening.go_on(pid)

    def _next_share(self, share: float, lag_s: float) -> float:
        """More CPU where it is too far behind and still loses, less where it is not enough and still gains."""
        before = [lag for _, lag in self._lags[-4:-1]]
        if lag_s > BEHIND_S[1] and lag_s >= min(before, default=0.0):
            return min(0.6, share * 1.15)
        if lag_s < BEHIND_S[0] and lag_s <= max(before, default=0.0):
            return max(0.04, share / 1.3)
        return share

    async def _lag(self) -> float:
        with suppress(OSError, URLError):
            found = await asyncio.to_thread(scrape, self._evening.metrics["recognise"])
            lag_s = found[("__name__", "sansheng_ears_lag_seconds"),]
            self._lags.append((time.time(), lag_s))
            return lag_s
        return 0.0

    def _was_behind(self, at: float) -> bool:
        before = [lag_s for when, lag_s in self._lags if at - 6 < when <= at]
        return bool(before) and min(before) > 10

    # ------------------------------------------------------------------------------------------- beside it

    def _people(self) -> Iterator[Any]:
        port = self._evening.ports["wall"]
        yield evening_people.stay(lambda: evening_people.television(port, WALL_TOKEN))
        yield evening_people.stay(evening_people.Supervisor(port, DESK_TOKEN).work)

    async def _talk(self) -> None:
        """The spoken calls: with their sound where somebody can hear it."""
        ports = self._evening.ports
        settings = Settings(
            kafka=self._evening.bootstrap,
            run_dir=self._evening.run_dir,
            listen=ListenSettings(audiosocket=ports["audiosocket"], websocket=ports["websocket"]),
        )
        calls = spoken.spoken_calls(SPOKEN, SHARED / "speech" / "calls" if self._hears else None)
        if self._hears:
            await until_awake(settings, ("listen", "recognise"))
        self._clock.say(
            f"spoken calls: {sum(call.sound is not None for call in calls)} of {len(calls)} with their sound"
        )
        async with Publisher(settings.bootstrap) as publisher, asyncio.TaskGroup() as group:
            player = spoken.Player(settings, publisher)
            for number in range(LINES):
                group.create_task(player.play_forever(number, calls[number::LINES]))

    async def _watch(self) -> None:
        """Note the processes, and the pages that Alertmanager shows."""
        while True:
            self._evening.look()
            with suppress(OSError, URLError, ValueError):
                for alert in await self._alertmanager():
                    self._shown[alert["fingerprint"] + alert["startsAt"]] = alert
            await asyncio.sleep(LOOK_S)

    async def _alertmanager(self) -> list[dict[str, Any]]:
        url = f"{self._evening.alertmanager}/api/v2/alerts?filter=alertname%3DSanshengPage"

        def read_() -> bytes:
            with urlopen(url, timeout=5) as answer:  # noqa: S310 - ours, on loopback
                body: bytes = answer.read()
                return body

        found: list[dict[str, Any]] = json.loads(await asyncio.to_thread(read_))
        return found

    async def _tell(self, pbx: RecordedPbx) -> None:
        """Progress, now and again."""
        while True:
            await asyncio.sleep(TELL_S)
            firing = sorted({each["metric"]["alertname"] for each in await self._ask('ALERTS{alertstate="firing"}')})
            changes = await self._ask("sum(sansheng_alerts_total)")
            sums = changes[0]["value"][1] if changes else "0"
            lag = f", recogniser {self._lags[-1][1]:.0f} s behind" if self._is_slowed() else ""
            self._clock.say(
                f"round {pbx.round}, {sums} changes of alerts, taken by the webhook {len(self._hook.taken)}, "
                f"by DingTalk {len(self._ding.taken)}{lag}; firing: {', '.join(firing) or 'nothing'}"
            )

    def _is_slowed(self) -> bool:
        """Its lag is looked at only meanwhile."""
        return bool(self._lags) and time.time() - self._lags[-1][0] < TELL_S

    # ------------------------------------------------------------------------------------------- Prometheus

    async def _ask(self, query: str) -> list[dict[str, Any]]:
        """What Prometheus says now; nothing where it does not answer."""
        with suppress(OSError, URLError):
            here = Recorded(self._evening.prometheus, 0, 0)
            found: list[dict[str, Any]] = (await asyncio.to_thread(lambda: here.ask("query", query=query)))["result"]
            return found
        return []

    async def _targets(self) -> int:
        return len(await self._ask('up{job="sansheng"} == 1'))

    async def _until_all_up(self) -> None:
        wanted = 8 if self._hears else 6  # detect twice, asterisk, wall, archive, pager; listen and recognise
        until = time.monotonic() + 120
        while await self._targets() < wanted:
            if time.monotonic() > until:
                down = [each["metric"] for each in await self._ask('up{job="sansheng"} == 0')]
                raise EveningError(f"not all of {wanted} targets are up: {down}")
            await asyncio.sleep(2)

    # ------------------------------------------------------------------------------------------- the end

    async def _found(self, begun: float) -> Facts:
        """Read everything while the system still runs."""
        self._clock.say("reading the record, and judging it again")
        ended, bootstrap = time.time(), self._evening.bootstrap
        last = [await asyncio.to_thread(scrape, port) for port in self._workers()]
        calls, alerts, letters = [await read(bootstrap, topic) for topic in ("calls", "alerts", "dead-letters")]
        book, until = load([self._evening.rulebook]), ended - UNDER_WAY_S
        must = await asyncio.to_thread(truth, book, calls, until)
        in_time = await asyncio.to_thread(lambda: truth(book, calls, until, ticks=False))
        events, _ = events_of(calls)
        pages = await read(bootstrap, "pages")
        self._clock.say("asking Prometheus")
        return await asyncio.to_thread(
            evening_tables.gather,
            Facts(
                prometheus=Recorded(self._evening.prometheus, begun, ended),
                spans=self._clock.spans,
                until=until,
                truth=must,
                in_time=in_time,
                events=events,
                sent=[one for one in sent(alerts) if one.logged_at <= ended],
                pages=pages,
                letters=letters,
                killed=self._killed,
                last=last,
                expected=self._expected,
                dead=self._dead,
                hook=self._hook.seen[:],
                ding=self._ding.seen[:],
                shown=list(self._shown.values()),
                hears=self._hears,
            ),
        )

    def _workers(self) -> tuple[int, int]:
        return self._evening.metrics["detect"], self._evening.ports["second"]


if __name__ == "__main__":
    typer.run(main)
