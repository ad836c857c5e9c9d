"""The demo: the whole system on recorded PBX traffic and recorded talk, as if it were live.

A recorded PBX plays the captures over and over (each round with new call ids) on a port of its own. Beside them calls
are played in which people talk: where a speech model and the calls' sound are at hand, the ears hear them; otherwise
their recorded transcripts are played. Everything else is the real system, in a folder that is made anew each time.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import sys
from pathlib import Path

from aiokafka import AIOKafkaConsumer
from pydantic import SecretStr

from streams import alerts
from streams.alerts import AlertChange
from streams.detectors.wording import SEVERITY_ZH
from streams.settings import AsteriskSettings, PagerSettings, ReceiverSettings, Settings, WallSettings
from streams.shell import monitoring, spoken, up
from streams.shell.beats import until_awake
from streams.shell.entries import reachable
from streams.shell.kafka import free_port, running
from streams.shell.running import UnreadyError
from streams.shell.watched import Say
from streams.telephony.pbx import Programme, RecordedPbx

_ROOT = Path(__file__).parents[2]
TRACES = _ROOT / "tests" / "traces" / "asterisk"
SPOKEN = _ROOT / "tests" / "traces" / "speech"
#: Material beside a clone of the repository, where there is any: recorded sound, and models.
SHARED = _ROOT.parent / "shared"
GRAFANA = _ROOT / "dashboards" / "grafana"
LIMITS = _ROOT / "deploy" / "demo" / "short-limits.yaml"

#: The busy one comes first: twenty callers and eight agents. The others follow one by one, because they were
#: recorded with the same three agents, who cannot be on several calls at once.
FIRST = "h_twenty_overlapping"
GAP_S = 1.0
_SECRET = "demo"  # noqa: S105 - of the recorded PBX on loopback
_STATES = {"opened": "新告警", "raised": "升级", "cleared": "解除"}


async def run(settings: Settings, say: Say, *, speed: float = 1.0, port: int | None = None) -> None:
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
    settings = monitoring.on_free_ports(monitoring.installed(settings, say))
    programme = Programme(speed=speed, loop=True, gap_s=GAP_S, renew_ids=True)
    async with RecordedPbx(captures, port=0, secret=_SECRET, programme=programme) as pbx:
        say(f"recorded PBX: {len(captures)} captures of real Asterisk traffic, again and again, speed {speed:g}")
        say(f"limits for the demo: {LIMITS.name} lies over the rulebook (ring 3 s, hold 5 s, transfer 5 s)")
        demo = _demo_settings(settings, folder, pbx.port, port)
        await up.run(demo, say, beside=lambda hears: _beside(demo, say, hears=hears), libs=settings.run_dir / "kafka")


async def _beside(settings: Settings, say: Say, *, hears: bool) -> None:
    """Tell the alerts and the archive, and play the spoken calls."""
    if hint := _how_to_start_grafana(settings):
        say(hint)
    async with asyncio.TaskGroup() as group:
        group.create_task(_tell_alerts(settings, say))
        group.create_task(_tell_archive(settings, say))
        group.create_task(_play(settings, say, hears=hears))


async def _play(settings: Settings, say: Say, *, hears: bool) -> None:
    sounds = settings.demo_calls or SHARED / "speech" / "calls"
    calls = spoken.spoken_calls(SPOKEN, sounds if hears else None)
    heard = sum(call.sound is not None for call in calls)
    if heard:
        say(f"spoken calls: {heard} of {len(calls)} with their sound, once the ears are awake; they have to hear it")
        await until_awake(settings, ("listen", "recognise"))  # a model takes some seconds to load
    elif hears:
        say(f"spoken calls: {len(calls)}, as their recorded transcripts: no sound in {sounds} (SANSHENG_DEMO_CALLS)")
    else:
        say(f"spoken calls: {len(calls)}, as their recorded transcripts: nothing here can hear (see above)")
    await spoken.play(settings, calls)


def _demo_settings(settings: Settings, folder: Path, pbx_port: int, wall_port: int | None) -> Settings:
    wall = settings.wall.model_copy(update={} if wall_port is None else {"port": wall_port or free_port()})
    return settings.model_copy(
        update={
            "run_dir": folder,
            "kafka": "",  # never a real broker: the demo makes calls up
            "topic_prefix": "",
            "rulebook": [*settings.rulebook, LIMITS],
            "listen": settings.listen.model_copy(update={"audiosocket": free_port(), "websocket": free_port()}),
            "kafka_port": free_port(),
            "asterisk": AsteriskSettings(port=pbx_port, secret=SecretStr(_SECRET)),
            "wall": wall,
            "archive": settings.archive.model_copy(update={"url": SecretStr(""), "folder": None}),  # nor a real store
            "pager": _pager_of_the_demo(settings, wall),  # nor does it wake anybody
        }
    )


def _pager_of_the_demo(settings: Settings, wall: WallSettings) -> PagerSettings:
    """Calls nobody but the Alertmanager of the demo, where there is one."""
    url = monitoring.alertmanager_url(settings.monitoring)
    ours = ReceiverSettings(name="alertmanager", kind="alertmanager", url=SecretStr(url))
    return PagerSettings(
        receivers=(ours,) if url else (),
        wall_url=f"http://{reachable(wall.host, wall.port)}",
        english=settings.pager.english,
    )


async def _tell_archive(settings: Settings, say: Say) -> None:
    """Say how to look into the archive, once it works."""
    await until_awake(settings, ("archive",))
    mine = {
        "RUN_DIR": _near(settings.run_dir),
        "KAFKA": settings.bootstrap,
        "RULEBOOK": os.pathsep.join(map(_near, settings.rulebook)),  # or a replay would judge by the usual limits
    }
    here = " ".join(f"SANSHENG_{name}={shlex.quote(value)}" for name, value in mine.items())
    program = _near(Path(sys.executable).with_name("sansheng"))
    say(f"the archive keeps every call that has ended; ask it so:\n  {here} {program} archive status")


def _near(path: Path) -> str:
    """From where the user stands, if it lies below."""
    path, here = path.absolute(), Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _how_to_start_grafana(settings: Settings) -> str:
    """A command that shows our dashboards on the Prometheus that was started; empty: none was."""
    if not settings.monitoring.prometheus:
        return ""
    given = {  # in full: Grafana looks from its own home
        "GF_PATHS_PROVISIONING": GRAFANA / "provisioning",
        "GRAFANA_DASHBOARDS": GRAFANA / "json" / "zh",
        "GRAFANA_PROMETHEUS_URL": monitoring.prometheus_url(settings.monitoring),
    }
    variables = " ".join(f"{name}={shlex.quote(str(value))}" for name, value in given.items())
    start = f"{variables} grafana server --homepath /usr/share/grafana"
    return f"Grafana, where it is installed (docs/dashboards.md):\n  {start}"


async def _tell_alerts(settings: Settings, say: Say) -> None:
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
    severity = f"{alerts.SIGNS[change.severity]} {SEVERITY_ZH[change.severity]}"
    return f"{severity} {_STATES.get(change.state, change.state)}  {change.title}\uff1a{change.says}"
