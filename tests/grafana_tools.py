"""The dashboards as their tests see them, and a real Prometheus with the recorded run of the demo."""

from __future__ import annotations

import json
import lzma
import math
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode
from urllib.request import urlopen

from tests.monitoring_tools import prometheus

RECORDING = Path(__file__).parent / "traces" / "metrics" / "demo.om.xz"
JSON = Path(__file__).parents[1] / "dashboards" / "grafana" / "json"
LANGUAGES = ("zh", "en")
BOARDS = ("floor", "quality", "engine", "ears")
#: As the provisioned data source says it, and as Prometheus scrapes.
SCRAPE_S = 10
#: Of the recording; Grafana would choose it by the panel's width.
STEP_S = 15
_DURATIONS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def boards(language: str) -> dict[str, dict[str, Any]]:
    """The committed dashboards, by name."""
    return {name: json.loads((JSON / language / f"{name}.json").read_text(encoding="utf-8")) for name in BOARDS}


def panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    """Those that show something; rows are only headings."""
    return [panel for panel in board["panels"] if panel["type"] != "row"]


class Asked(NamedTuple):
    """An expression of a panel, an annotation or a variable of a dashboard."""

    board: str
    panel: str
    expr: str
    instant: bool
    interval_s: int


def asked(name: str, board: dict[str, Any]) -> Iterator[Asked]:
    """Every expression, in the order in which it is seen."""
    for panel in panels(board):
        interval_s = seconds(panel.get("interval") or f"{STEP_S}s")
        for target in panel["targets"]:
            yield Asked(name, panel["title"], target["expr"], bool(target.get("instant")), interval_s)
    for mark in board["annotations"]["list"]:
        yield Asked(name, mark["name"], mark["expr"], instant=False, interval_s=seconds(mark["step"]))


def seconds(duration: str) -> int:
    """5m -> 300."""
    return int(duration[:-1]) * _DURATIONS[duration[-1]]


class Recorded(NamedTuple):
    """A Prometheus that holds the recording and nothing else."""

    url: str
    since: float
    until: float

    def values(self, label: str) -> set[str]:
        """Of a label, over all series."""
        return {found[label] for found in self.ask("series", **{"match[]": f'{{{label}!=""}}'})}

    def ask(self, path: str, **params: Any) -> Any:
        """``data`` of its answer; a refused expression raises with Prometheus's own words."""
        form = urlencode(params, doseq=True).encode()
        with urlopen(f"{self.url}/api/v1/{path}", data=form, timeout=30) as answer:  # noqa: S310 - ours, on loopback
            return json.load(answer)["data"]

    def series(self, asked: Asked, **variables: str) -> list[dict[str, Any]]:
        """Those with at least one number, as Grafana would ask for them over the whole recording."""
        expr = self.filled_in(asked, **variables)
        if asked.instant:
            found = self.ask("query", query=expr, time=self.until)["result"]
            return [one for one in found if _is_number(one["value"][1])]
        step_s = max(STEP_S, asked.interval_s) if asked.interval_s < 300 else STEP_S
        found = self.ask("query_range", query=expr, start=self.since, end=self.until, step=step_s)["result"]
        return [one for one in found if any(_is_number(value) for _, value in one["values"])]

    def filled_in(self, asked: Asked, **variables: str) -> str:
        """The expression with Grafana's variables replaced; All is ``.*``."""
        interval_s = max(asked.interval_s, STEP_S)
        known = {
            "__rate_interval": f"{max(interval_s + SCRAPE_S, 4 * SCRAPE_S)}s",
            "__interval": f"{interval_s}s",
            "__range": f"{math.ceil(self.until - self.since)}s",
            "site": ".*",
            "queue": ".*",
            **variables,
        }
        return re.sub(r"\$\{?(\w+)\}?", lambda found: known[found.group(1)], asked.expr)


def chosen(*values: str) -> str:
    """What Grafana puts in for values that were chosen, in a variable that takes several."""
    escaped = [re.sub(r"[\\^$*+?.()|\[\]{}]", r"\\\\\g<0>", value) for value in values]
    return f"({'|'.join(escaped)})" if len(values) > 1 else escaped[0]


def _is_number(value: str) -> bool:
    return math.isfinite(float(value))


@contextmanager
def recorded(folder: Path, recording: Path = RECORDING) -> Iterator[Recorded]:
    """The recording put into a Prometheus of its own."""
    samples = lzma.decompress(recording.read_bytes()).decode()
    times = [float(line.rsplit(" ", 1)[1]) for line in samples.splitlines() if not line.startswith("#")]
    (folder / "samples.om").write_text(samples, encoding="utf-8")
    command = [
        "promtool",
        "tsdb",
        "create-blocks-from",
        "openmetrics",
        str(folder / "samples.om"),
        str(folder / "data"),
    ]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    config = folder / "prometheus.yml"
    config.write_text("global: {}\n", encoding="utf-8")
    with prometheus(folder, config, "--storage.tsdb.retention.time=100y") as url:
        yield Recorded(url, min(times), max(times))
