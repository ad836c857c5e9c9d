"""The system of the evening as an operator runs it: ``sansheng up`` and a second worker, in a folder of their own.

Owns processes, ports and signals, and that nothing is left at the end. Knows nothing of alerts.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import yaml
from prometheus_client.parser import text_string_to_metric_families

from streams.rulebook.book import DEFAULT_RULES
from streams.settings import MetricsSettings
from streams.shell.kafka import free_port
from streams.shell.watched import end

LIBS = Path(".run/kafka")
SITE = "evening"
WALL_TOKEN, DESK_TOKEN, PBX_SECRET = "evening-wall", "evening-desk", "evening"
#: The captures are played so many times faster than they were recorded.
SPEED = 10
#: Audio older than that is skipped: longer than the recogniser is made to be behind, so that no word is lost.
BEHIND_S = 120
#: Until the wall answers: a broker, topics, a model.
READY_S = 240.0
STOP_S = 60.0
PORTS = ("kafka", "audiosocket", "websocket", "wall", "prometheus", "alertmanager", "second")

Series = dict[tuple[tuple[str, str], ...], float]


class EveningError(RuntimeError):
    """Something did not work at all; the message says what."""


def overlay(folder: Path) -> Path:
    """A rulebook that divides every limit of the telephone by ``SPEED``; laid over the default one."""
    book = yaml.safe_load((DEFAULT_RULES / "telephony.yaml").read_text("utf-8"))
    limits = {rule["id"]: scaled(rule["thresholds"]) for rule in book["rules"] if "thresholds" in rule}
    why = f"the evening: captures are played {SPEED} times faster, and so are the limits of the telephone"
    change = {name: {"thresholds": thresholds} for name, thresholds in limits.items()}
    file = folder / "evening.yaml"
    file.write_text(yaml.safe_dump({"why": why, "change": change}, allow_unicode=True, sort_keys=False), "utf-8")
    return file


def scaled(thresholds: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each ``after`` divided by ``SPEED``: ``10 s`` is ``1 s``, ``2 min`` is ``12 s``."""
    units = {"s": 1.0, "min": 60.0, "h": 3600.0}
    divided = []
    for threshold in thresholds:
        number, unit = threshold["after"].split()
        divided.append({**threshold, "after": f"{float(number) * units[unit] / SPEED:g} s"})
    return divided


class Evening:
    """The processes of one run in ``folder``."""

    def __init__(self, folder: Path, receivers: list[dict[str, Any]], pbx_port: int, models: Path | None) -> None:
        """Nothing is started. ``receivers``: of the pager; ``models``: where there is a speech model."""
        self.run_dir = folder / "run"
        (self.run_dir / "kafka").mkdir(parents=True)
        for jars in LIBS.glob("lib-*"):
            (self.run_dir / "kafka" / jars.name).symlink_to(jars.absolute())  # or Maven would fetch them anew
        self.ports = {name: free_port() for name in PORTS}
        self.metrics = {name: free_port() for name in MetricsSettings.model_fields if name != "host"}
        self.rulebook = overlay(folder)
        self.log = folder / "up.log"
        self._environment = {**os.environ, **self._variables(receivers, pbx_port, models)}
        self._seen: dict[int, str] = {}
        self._stopped: set[int] = set()
        self.up: asyncio.subprocess.Process | None = None
        self.second: asyncio.subprocess.Process | None = None

    def _variables(self, receivers: list[dict[str, Any]], pbx_port: int, models: Path | None) -> dict[str, str]:
        monitor = {
            "name": "alertmanager",
            "kind": "alertmanager",
            "url": f"http://127.0.0.1:{self.ports['alertmanager']}",
        }
        mine = {
            "RUN_DIR": self.run_dir,
            "SITE": SITE,
            "KAFKA_PORT": self.ports["kafka"],
            "RULEBOOK": json.dumps([str(self.rulebook)]),
            "ASTERISK__PORT": pbx_port,
            "ASTERISK__SECRET": PBX_SECRET,
            "LISTEN__AUDIOSOCKET": self.ports["audiosocket"],
            "LISTEN__WEBSOCKET": self.ports["websocket"],
            "EARS__WORKERS": 1 if models else 0,
            "EARS__BEHIND_S": BEHIND_S,
            "WALL__PORT": self.ports["wall"],
            "WALL__TOKEN": WALL_TOKEN,
            "WALL__DESK_TOKEN": DESK_TOKEN,
            "MONITORING__PROMETHEUS": self.ports["prometheus"],
            "MONITORING__ALERTMANAGER": self.ports["alertmanager"],
            "PAGER__RECEIVERS": json.dumps([*receivers, monitor]),
            **{f"METRICS__{name.upper()}": port for name, port in self.metrics.items()},
            **({"MODELS": models} if models else {}),
        }
        return {f"SANSHENG_{name}": str(value) for name, value in mine.items()}

    @property
    def bootstrap(self) -> str:
        """host:port of the broker."""
        return f"127.0.0.1:{self.ports['kafka']}"

    @property
    def prometheus(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.ports['prometheus']}"

    @property
    def alertmanager(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.ports['alertmanager']}"

    # ------------------------------------------------------------------------------------------- life

    async def start(self) -> None:
        """``sansheng up``; returns once the wall answers. Raises EveningError."""
        self.up = await self._child("up", log=self.log)
        until = time.monotonic() + READY_S
        while time.monotonic() < until:
            if self.up.returncode is not None:
                raise EveningError(f"`up` has ended with {self.up.returncode}:\n{self.said()[-3000:]}")
            with suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", self.ports["wall"])
                writer.close()
                return
            await asyncio.sleep(0.5)
        raise EveningError(f"the wall does not answer:\n{self.said()[-3000:]}")

    async def start_second(self) -> None:
        """A second worker; Prometheus is told of it as an operator does it, by a file beside the first one."""
        mine = {"SANSHENG_METRICS__DETECT": str(self.ports["second"]), "SANSHENG_KAFKA": self.bootstrap}
        self.second = await self._child("detect", log=self.run_dir / "logs" / "detect-second.log", more=mine)
        targets = [{"targets": [f"127.0.0.1:{self.ports['second']}"], "labels": {"process": "detect", "site": SITE}}]
        (self.run_dir / "prometheus" / "targets" / "second.yml").write_text(yaml.safe_dump(targets))

    async def _child(self, command: str, log: Path, more: Mapping[str, str] | None = None) -> Any:
        with log.open("ab") as out:
            return await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "streams.cli", command),
                env={**self._environment, **(more or {})},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,  # Ctrl-C is for us; we end them in order
            )

    async def stop(self) -> list[str]:
        """End everything, gently first; what was still there afterwards and had to be killed."""
        self.look()
        for pid in list(self._stopped):
            self.go_on(pid)
        for child, sign in ((self.second, signal.SIGTERM), (self.up, signal.SIGINT)):
            await end(child, sign, STOP_S)
        await asyncio.sleep(1)
        left = {pid: name for pid, name in self._seen.items() if _name(pid) == name}
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return [f"{pid} {name.replace(chr(0), ' ')}" for pid, name in left.items()]

    def look(self) -> None:
        """Note every process of ours, so that at the end each can be looked for."""
        roots = [child.pid for child in (self.up, self.second) if child and child.returncode is None]
        for pid in [*roots, *(child for root in roots for child in _below(root))]:
            if name := _name(pid):
                self._seen[pid] = name

    def said(self) -> str:
        """What ``up`` has written."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    # ------------------------------------------------------------------------------------------- signals

    def pid_of(self, command: str) -> int:
        """Of a process of ``up``, by its command. Raises EveningError."""
        assert self.up is not None
        for pid in _below(self.up.pid):
            if f"streams.cli\0{command}\0" in _name(pid) and "--check" not in _name(pid):
                return pid
        raise EveningError(f"`up` runs no {command}:\n{self.said()[-2000:]}")

    def pause(self, pid: int) -> None:
        """It gets no CPU."""
        os.kill(pid, signal.SIGSTOP)
        self._stopped.add(pid)

    def go_on(self, pid: int) -> None:
        """It does again."""
        self._stopped.discard(pid)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)

    async def kill_second(self) -> Series:
        """SIGKILL; what it had counted a moment before."""
        assert self.second is not None
        counted = await asyncio.to_thread(scrape, self.ports["second"])
        self.second.kill()
        await self.second.wait()
        return counted

    async def kill_first(self) -> Series:
        """SIGKILL to the worker that ``up`` keeps running; what it had counted a moment before."""
        pid = self.pid_of("detect")
        counted = await asyncio.to_thread(scrape, self.metrics["detect"])
        os.kill(pid, signal.SIGKILL)
        return counted


def scrape(port: int) -> Series:
    """Every sample that a process exports now, by name and labels."""
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    return {
        tuple(sorted({"__name__": sample.name, **sample.labels}.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def _below(pid: int) -> Iterator[int]:
    """Its children, theirs, and so on (Linux)."""
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in map(int, (task / "children").read_text().split()):
                yield child
                yield from _below(child)


def _name(pid: int) -> str:
    """How it was called and when it began: a pid that is another's by now has another name; empty: it is gone."""
    try:
        begun = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        command = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return ""
    return f"{command} {begun[19]}" if begun[0] != "Z" and command else ""
