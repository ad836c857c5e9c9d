"""Sound → listen → Kafka → recognise → detect → alerts, with a real model: what replay says of the call's record.

One call in its own time, as any client of the websocket would bring it.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import pytest
from pydantic import SecretStr

from streams.alerts import AlertChange
from streams.events import AnyEvent, CallEnded, Gap, Transcript, parse
from streams.replay import replay
from streams.rulebook.book import load
from streams.settings import ListenSettings, Settings
from streams.shell.demo import SPOKEN
from streams.shell.kafka import free_port
from streams.shell.publisher import Publisher
from streams.shell.spoken import Player, spoken_calls
from tests.shell_tools import PARTITIONS, System

SHARED = Path(__file__).parents[1].parent / "shared"
MODELS = Path(os.environ.get("SANSHENG_MODELS") or SHARED / "models")
SOUNDS = SHARED / "speech" / "calls"
TOKEN = "a token for the tests"  # noqa: S105 - of a gateway on loopback
NAME = "rude-agent"

pytestmark = [
    pytest.mark.skipif(not any(MODELS.glob("*/tokens.txt")), reason="no speech model: SANSHENG_MODELS names a folder"),
    pytest.mark.skipif(not SOUNDS.is_dir(), reason="the sound of the recorded calls is not in the repository"),
]


@pytest.fixture
async def system(kafka: str, prefix: str, tmp_path: Path) -> AsyncIterator[System]:
    async with System(kafka, prefix, tmp_path) as system:
        yield system


def facts(changes: Iterable[object]) -> set[tuple[str, str, str]]:
    return {(c.rule, c.state, c.severity) for c in changes if isinstance(c, AlertChange)}


@pytest.mark.timeout(240)
async def test_a_call_heard_gives_the_alerts_of_its_record(system: System) -> None:
    [call] = [call for call in spoken_calls(SPOKEN, SOUNDS) if call.name == NAME]
    wanted = facts(replay(load([]), call.events))
    listen = ListenSettings(websocket=free_port(), audiosocket=free_port(), token=SecretStr(TOKEN))
    settings = Settings(
        kafka=system.bootstrap,
        topic_prefix=system.prefix,
        partitions=PARTITIONS,
        run_dir=system.folder / "run",
        listen=listen,
    )
    mine = {
        "RULEBOOK": "[]",
        "MODELS": str(MODELS),
        "METRICS__LISTEN": "0",
        "METRICS__RECOGNISE": "0",
        "LISTEN__WEBSOCKET": str(listen.websocket),
        "LISTEN__AUDIOSOCKET": str(listen.audiosocket),
        "LISTEN__TOKEN": TOKEN,
    }
    for part in ("detect", "listen", "recognise"):
        system.start(part, **mine)
    await system.working(3)
    async with Publisher(system.bootstrap) as publisher:
        await Player(settings, publisher).play(call, 0, "live")
    told = await system.alerts(lambda changes: wanted <= facts(changes))
    assert facts(told) == wanted
    messages = await system.read("calls", lambda seen: any(isinstance(parse(m.value), CallEnded) for m in seen))
    check_record([parse(m.value) for m in messages])


def check_record(events: list[AnyEvent]) -> None:
    """Nothing was missed, and both parties were heard to the end."""
    assert not [event for event in events if isinstance(event, Gap)]
    [ended] = [event.at for event in events if isinstance(event, CallEnded)]
    for role in ("agent", "customer"):
        mine = [e for e in events if isinstance(e, Transcript) and e.role == role]
        assert max(e.through or 0.0 for e in mine) > ended - 3
        assert "".join(e.text for e in mine if e.final)
