"""The demo: the whole system on recorded PBX traffic, as if it were live.

A recorded PBX plays the captures over and over (each round with new call ids) on a port of its own, and
everything else is the real system, in a folder that is made anew each time.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from aiokafka import AIOKafkaConsumer
from pydantic import SecretStr

from streams import alerts
from streams.alerts import AlertChange
from streams.settings import AsteriskSettings, Settings
from streams.shell import up
from streams.shell.kafka import free_port, running
from streams.shell.running import UnreadyError
from streams.telephony.pbx import Programme, RecordedPbx

_ROOT = Path(__file__).parents[2]
TRACES = _ROOT / "tests" / "traces" / "asterisk"
LIMITS = _ROOT / "deploy" / "demo" / "short-limits.yaml"

#: The busy one comes first: twenty callers and eight agents. The others follow one by one, because they were
#: recorded with the same three agents, who cannot be on several calls at once.
FIRST = "h_twenty_overlapping"
GAP_S = 1.0
_SECRET = "demo"  # noqa: S105 - of the recorded PBX on loopback
_SIGNS = {"critical": "▲ 严重", "warning": "◆ 警告", "notice": "● 提示"}
_STATES = {"opened": "新告警", "raised": "升级", "cleared": "解除"}


async def run(settings: Settings, say: up.Say, *, speed: float = 1.0, port: int | None = None) -> None:
    """Show it until cancelled.

    Raises:
        UnreadyError: something is missing; the text says what.
    """
    captures = sorted(TRACES.glob("*.jsonl"), key=lambda file: (file.stem != FIRST, file.stem))
    if not captures:
        raise UnreadyError(f"no captures in {TRACES}: run the demo from a clone of the repository")
    folder = settings.run_dir / "demo"
    if (other := running(folder / "kafka" / "data")) is not None:
        raise UnreadyError(f"a demo is running here already (its broker has pid {other.pid}): stop it first")
    shutil.rmtree(folder, ignore_errors=True)
    programme = Programme(speed=speed, loop=True, gap_s=GAP_S, renew_ids=True)
    async with RecordedPbx(captures, port=0, secret=_SECRET, programme=programme) as pbx:
        say(f"recorded PBX: {len(captures)} captures of real Asterisk traffic, again and again, speed {speed:g}")
        say(f"limits for the demo: {LIMITS.name} lies over the rulebook (ring 3 s, hold 5 s, transfer 5 s)")
        demo = _demo_settings(settings, folder, pbx.port, port)
        await up.run(demo, say, beside=lambda: _tell_alerts(demo, say), libs=settings.run_dir / "kafka")


def _demo_settings(settings: Settings, folder: Path, pbx_port: int, wall_port: int | None) -> Settings:
    wall = settings.wall.model_copy(update={} if wall_port is None else {"port": wall_port or free_port()})
    return settings.model_copy(
        update={
            "run_dir": folder,
            "kafka": "",  # never a real broker: the demo makes calls up
            "topic_prefix": "",
            "rulebook": [*settings.rulebook, LIMITS],
            "kafka_port": free_port(),
            "asterisk": AsteriskSettings(port=pbx_port, secret=SecretStr(_SECRET)),
            "wall": wall,
        }
    )


async def _tell_alerts(settings: Settings, say: up.Say) -> None:
    """Print each alert as it comes."""
    consumer = AIOKafkaConsumer(
        settings.topic("alerts"), bootstrap_servers=settings.bootstrap, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        async for message in consumer:
            say(_line(alerts.parse(message.value or b"")))
    finally:
        await consumer.stop()


def _line(change: AlertChange) -> str:
    return f"{_SIGNS[change.severity]} {_STATES.get(change.state, change.state)}  {change.title}\uff1a{change.says}"
