"""Records what Prometheus sees of the demo, for the test of the dashboards' expressions.

``python -m tests.record_metrics [--minutes 8]`` runs the real demo in a folder of its own, on ports of its own, with
its Prometheus and Alertmanager (Debian's packages), ears included where there is a model. A supervisor claims, decides
and snoozes at the desk meanwhile, and a television shows the wall. What Prometheus has then is written, compressed, to
tests/traces/metrics/demo.om.xz, as OpenMetrics for ``promtool tsdb create-blocks-from``.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import lzma
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from streams.settings import MetricsSettings
from streams.shell.kafka import free_port
from tests.conftest import LIBS
from tests.grafana_tools import RECORDING
from tests.wall_client import ticket_at

#: What the dashboards may ask for; recording rules and what Prometheus says of itself are left out.
WANTED = r"sansheng_.*|up|process_.*|ALERTS"
_TELEVISION, _DESK = "television", "desk"
#: From the start to where the wall answers: a broker, topics, a model.
_PATIENCE_S = 240.0
_WHAT = itertools.cycle(["resolved", "resolved", "false_alarm", "resolved", "claimed"])


async def record(minutes: float, folder: Path) -> bytes:
    """Run the demo so long in ``folder`` and answer with what its Prometheus has, as OpenMetrics."""
    wall, prometheus = free_port(), free_port()
    with (folder / "demo.log").open("wb") as log:
        demo = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "streams.cli", "demo"),
            env=_environment(folder, wall, prometheus),
            cwd=Path(__file__).parents[1],
            stdout=log,
            stderr=log,
        )
        try:
            begun = await _until_it_answers(demo, wall)
            with suppress(TimeoutError):
                async with asyncio.timeout(minutes * 60), asyncio.TaskGroup() as people:
                    people.create_task(_stay(wall, _television))
                    people.create_task(_stay(wall, _supervisor))
            return await _samples(prometheus, time.time() - begun + 60)
        finally:
            demo.send_signal(signal.SIGINT)
            await demo.wait()


def _environment(folder: Path, wall: int, prometheus: int) -> dict[str, str]:
    run = folder / "run"
    run.mkdir()
    if LIBS.exists():
        (run / "kafka").symlink_to(LIBS)  # or Maven would fetch the jars anew
    mine = {
        "RUN_DIR": str(run),
        "WALL__PORT": str(wall),
        "WALL__TOKEN": _TELEVISION,
        "WALL__DESK_TOKEN": _DESK,
        "MONITORING__PROMETHEUS": str(prometheus),
        "MONITORING__ALERTMANAGER": str(free_port()),
        **{f"METRICS__{name.upper()}": str(free_port()) for name in MetricsSettings.model_fields if name != "host"},
    }
    return {**os.environ, **{f"SANSHENG_{name}": value for name, value in mine.items()}}


async def _until_it_answers(demo: asyncio.subprocess.Process, wall: int) -> float:
    begun = time.time()
    while time.time() - begun < _PATIENCE_S:
        if demo.returncode is not None:
            raise RuntimeError("the demo has ended; see its log")
        with suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", wall)
            writer.close()
            return begun
        await asyncio.sleep(1)
    raise RuntimeError("the demo's wall does not answer; see its log")


async def _stay(wall: int, person: Any) -> None:
    """A person comes again when the wall has sent him away."""
    while True:
        with suppress(ConnectionClosed, OSError):
            await person(wall)
        await asyncio.sleep(2)


async def _hello(wall: int, socket: ClientConnection, token: str, mode: str) -> None:
    ticket = await asyncio.to_thread(ticket_at, f"http://127.0.0.1:{wall}", token)
    await socket.send(json.dumps({"type": "hello", "protocol": 3, "ticket": ticket, "mode": mode}))


async def _television(wall: int) -> None:
    async with connect(f"ws://127.0.0.1:{wall}/live", proxy=None, max_size=None) as socket:
        await _hello(wall, socket, _TELEVISION, "wall")
        async for _ in socket:
            pass


async def _supervisor(wall: int) -> None:
    """Decides on every alert that comes, one in five is false; opens its page; snoozes one rule once."""
    numbers = itertools.count(1)
    seen: set[str] = set()
    async with connect(f"ws://127.0.0.1:{wall}/live", proxy=None, max_size=None) as socket:
        await _hello(wall, socket, _DESK, "desk")
        async for raw in socket:
            for card in _new_cards(json.loads(raw), seen):
                await _deal_with(socket, card, numbers)
                if len(seen) == 12:
                    quiet = {"type": "snooze", "act": next(numbers), "rule": card["rule"], "minutes": 30}
                    await socket.send(json.dumps(quiet))


def _new_cards(message: dict[str, Any], seen: set[str]) -> Iterator[dict[str, Any]]:
    for card in (message.get("set") or message).get("alerts") or ():
        if card["id"] not in seen:
            seen.add(card["id"])
            yield card


async def _deal_with(socket: ClientConnection, card: dict[str, Any], numbers: Iterator[int]) -> None:
    action = next(_WHAT)
    reason = {"reason": "other"} if action == "false_alarm" else {}
    act = {"type": "act", "act": next(numbers), "alert": card["id"], "action": action, **reason}
    await socket.send(json.dumps(act))
    await socket.send(json.dumps({"type": "ask", "ask": next(numbers), "what": "alert", "id": card["id"]}))
    await asyncio.sleep(1)  # nobody decides faster, and the wall would not let him


async def _samples(prometheus: int, seconds: float) -> bytes:
    """Raw samples of everything wanted."""
    query = f'{{__name__=~"{WANTED}"}}[{int(seconds)}s]'
    address = f"http://127.0.0.1:{prometheus}/api/v1/query?{urlencode({'query': query})}"
    found = json.loads(await asyncio.to_thread(lambda: urlopen(address, timeout=60).read()))["data"]["result"]
    return "".join(itertools.chain(_lines(found), ["# EOF\n"])).encode()


def _lines(found: list[dict[str, Any]]) -> Iterator[str]:
    """A line a sample, series by series, in the same order whenever it is recorded."""
    ours = (each for each in found if each["metric"].get("job") == "sansheng" or each["metric"]["__name__"] == "ALERTS")
    for each in sorted(ours, key=lambda each: sorted(each["metric"].items())):
        labels = dict(each["metric"])
        name = labels.pop("__name__")
        written = ",".join(
            f"{label}={json.dumps(value, ensure_ascii=False)}" for label, value in sorted(labels.items())
        )
        for at, value in each["values"]:
            yield f"{name}{{{written}}} {value} {at:.3f}\n"


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.record_metrics", description=__doc__)
    parser.add_argument("--minutes", type=float, default=8, help="how long, once the wall answers (%(default)s)")
    parser.add_argument("--to", type=Path, default=RECORDING, help="the recording (%(default)s)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sansheng-record-") as folder:
        try:
            samples = asyncio.run(record(given.minutes, Path(folder)))
        except BaseException:
            sys.stderr.write((Path(folder) / "demo.log").read_text(errors="replace")[-4000:])
            raise
    given.to.parent.mkdir(parents=True, exist_ok=True)
    given.to.write_bytes(lzma.compress(samples, preset=9 | lzma.PRESET_EXTREME))
    lines = samples.count(b"\n")
    print(f"{given.to}: {lines} samples, {given.to.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
