"""Prometheus and Alertmanager beside the system: which of them are here, their configuration, where they answer.

Owns ``<run_dir>/prometheus`` and ``<run_dir>/alertmanager``. Starts nothing itself; knows neither Kafka nor alerts.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

import yaml

from streams.settings import MonitoringSettings, Settings, config_file
from streams.shell.entries import reachable
from streams.shell.kafka import free_port
from streams.shell.running import make_private, port_trouble
from streams.shell.watched import Process, Say

#: Samples are kept so long, and take so much room at most.
KEPT, MOST = "30d", "2GB"
#: Alertmanager keeps silences, and what it has sent, so long.
SILENCES_KEPT = "120h"
#: What Prometheus is to draw first, of dashboards/prometheus: the share of calls answered in time.
SERVICE_LEVEL = "sansheng:service_level:ratio_rate5m"
#: Of dashboards/prometheus: what a hotline sets for itself. The operator may change his copy.
SETTINGS_RULES = "settings.rules.yml"
_EXPECTED_HEAD = "      - record: sansheng:process_expected:info\n        expr: vector(1)\n"
_EXPECTED = re.compile(f"(?:{re.escape(_EXPECTED_HEAD)}        labels: .*\n)+")
_ALERTMANAGER_EXPECTED = "      - record: sansheng:alertmanager_expected:bool\n        expr: vector({})\n"
#: The first line of a file that is made anew at each start; without it the file is the operator's.
MADE = "# made by sansheng at each start; take this line away to keep your changes"


class Program(NamedTuple):
    """A program of Debian's. ``name``: its setting and its log; ``binaries``: as it is called here or there."""

    name: str
    binaries: tuple[str, ...]
    package: str

    @property
    def path(self) -> str:
        """Where it is installed; empty: it is not."""
        return next((path for binary in self.binaries if (path := shutil.which(binary))), "")


PROMETHEUS = Program("prometheus", ("prometheus",), "prometheus")
ALERTMANAGER = Program("alertmanager", ("prometheus-alertmanager", "alertmanager"), "prometheus-alertmanager")
PROGRAMS = (PROMETHEUS, ALERTMANAGER)


# ------------------------------------------------------------------------------------------- which of them


def installed(settings: Settings, say: Say) -> Settings:
    """The settings with 0 for each program that is wanted and not installed; says so in one line."""
    missing = [program for program in PROGRAMS if _port(settings.monitoring, program) and not program.path]
    if missing:
        names = " and ".join(program.name.capitalize() for program in missing)
        packages = " ".join(program.package for program in missing)
        say(f"going on without {names}: not installed. On Debian: apt-get install {packages}")
    return _with_ports(settings, dict.fromkeys((program.name for program in missing), 0))


def on_free_ports(settings: Settings) -> Settings:
    """The settings with another port for each program whose own one is taken; for a demo."""
    taken = [program.name for program in PROGRAMS if _trouble(settings, program)]
    return _with_ports(settings, {name: free_port() for name in taken})


def unless_taken(settings: Settings, say: Say) -> Settings:
    """The settings with 0 for each program whose port is taken; says which setting to change.

    Calls are watched all the same: a machine may have a Prometheus of its own on that port.
    """
    troubles = {program.name: trouble for program in PROGRAMS if (trouble := _trouble(settings, program))}
    for name, trouble in troubles.items():
        port = getattr(settings.monitoring, name)
        say(
            f"going on without {name.capitalize()}: port {port} (monitoring.{name}): {trouble}; stop what uses it, "
            f"or set SANSHENG_MONITORING__{name.upper()} to another one (0: none is started)"
        )
    return _with_ports(settings, dict.fromkeys(troubles, 0))


def _port(monitoring: MonitoringSettings, program: Program) -> int:
    port: int = getattr(monitoring, program.name)
    return port


def _trouble(settings: Settings, program: Program) -> str:
    port = _port(settings.monitoring, program)
    return port_trouble(settings.monitoring.host, port) if port else ""


def _with_ports(settings: Settings, ports: dict[str, int]) -> Settings:
    return settings.model_copy(update={"monitoring": settings.monitoring.model_copy(update=ports)})


# ------------------------------------------------------------------------------------------- where they answer


def prometheus_url(monitoring: MonitoringSettings) -> str:
    """Its address; empty: it is not started."""
    return _url(monitoring, PROMETHEUS)


def alertmanager_url(monitoring: MonitoringSettings) -> str:
    """Its address; empty: it is not started."""
    return _url(monitoring, ALERTMANAGER)


def _url(monitoring: MonitoringSettings, program: Program) -> str:
    return "".join(f"http://{address}" for address in _listening(monitoring, program))


def _listening(monitoring: MonitoringSettings, program: Program) -> list[str]:
    """Where it is reached; empty: it is not started."""
    port = _port(monitoring, program)
    return [reachable(monitoring.host, port)] if port else []


def links(monitoring: MonitoringSettings) -> list[str]:
    """For people, a line each: the service level as Prometheus draws it, and Alertmanager."""
    shown = []
    if base := prometheus_url(monitoring):
        graph = urlencode({"g0.expr": SERVICE_LEVEL, "g0.tab": 0, "g0.range_input": "15m"}, safe=":")
        shown.append(f"Prometheus: {base}   the service level: {base}/graph?{graph}")
    if base := alertmanager_url(monitoring):
        shown.append(f"Alertmanager: {base}   in a terminal: amtool alert --alertmanager.url={base}")
    return shown


def how_to_page(settings: Settings) -> str:
    """How critical alerts of calls come to the Alertmanager that was started; empty: they do, or there is none."""
    url = alertmanager_url(settings.monitoring)
    if not url or any(receiver.kind == "alertmanager" for receiver in settings.pager.receivers):
        return ""
    receiver = f'{{name = "alertmanager", kind = "alertmanager", url = "{url}"}}'
    return f"to have critical alerts of calls at Alertmanager, too, in {config_file()}: pager.receivers = [{receiver}]"


# ------------------------------------------------------------------------------------------- what they are told


def processes(settings: Settings, watched: Sequence[Process]) -> tuple[Process, ...]:
    """What is to be started, with its configuration written; ``watched``: the processes that export."""
    wanted = []
    if settings.monitoring.prometheus:
        wanted.append(_prometheus(settings, watched))
    if settings.monitoring.alertmanager:
        wanted.append(_alertmanager(settings))
    return tuple(wanted)


def exported_at(settings: Settings, process: Process) -> tuple[str, int]:
    """What a process is, and on which port it exports; 0: it does not."""
    component, _, number = process.name.partition("-")
    first: int = getattr(settings.metrics, component)
    return component, first + int(number or 1) - 1 if first else 0


def targets(settings: Settings, watched: Iterable[Process]) -> list[dict[str, Any]]:
    """A target for each process that exports, as Prometheus reads them from a file."""
    exported = (exported_at(settings, process) for process in watched)
    return [
        {
            "targets": [reachable(settings.metrics.host, port)],
            "labels": {"process": component, "site": settings.site},
        }
        for component, port in exported
        if port
    ]


def _prometheus(settings: Settings, watched: Sequence[Process]) -> Process:
    folder = (settings.run_dir / PROMETHEUS.name).absolute()
    make_private(folder / "targets")
    scraped = targets(settings, watched)
    _write(folder / "targets" / "sansheng.yml", yaml.safe_dump(scraped, sort_keys=False))
    exporting = dict.fromkeys(target["labels"]["process"] for target in scraped)
    config = folder / "prometheus.yml"
    _write(config, yaml.safe_dump(_prometheus_config(settings, folder), sort_keys=False))
    _write(folder / SETTINGS_RULES, _settings_rules(exporting, alertmanager=_names_alertmanager(config)))
    arguments = (
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--storage.tsdb.retention.time={KEPT}",
        f"--storage.tsdb.retention.size={MOST}",
        "--web.cors.origin=none",  # or any page that somebody here looks at could read it
        *_web(settings, PROMETHEUS),
    )
    return Process(PROMETHEUS.name, arguments, (PROMETHEUS.path,))


def _alertmanager(settings: Settings) -> Process:
    folder = (settings.run_dir / ALERTMANAGER.name).absolute()
    make_private(folder)
    _write(folder / "alertmanager.yml", _template(ALERTMANAGER, "alertmanager.yml"))
    arguments = (
        f"--config.file={folder / 'alertmanager.yml'}",
        f"--storage.path={folder / 'data'}",
        f"--data.retention={SILENCES_KEPT}",
        "--cluster.listen-address=",  # alone: no port for others like it
        *_web(settings, ALERTMANAGER),
    )
    return Process(ALERTMANAGER.name, arguments, (ALERTMANAGER.path,))


def _web(settings: Settings, program: Program) -> Sequence[str]:
    """Where it listens; where that is one address, it is also what links in alerts begin with."""
    host, port = settings.monitoring.host, _port(settings.monitoring, program)
    bind = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    here = [f"--web.external-url=http://{bind}"] if bind == reachable(host, port) else []
    return [f"--web.listen-address={bind}", *here]


def _prometheus_config(settings: Settings, folder: Path) -> dict[str, Any]:
    """The template with real paths and ports."""
    config: dict[str, Any] = yaml.safe_load(_template(PROMETHEUS, "prometheus.yml"))
    config["global"]["external_labels"]["site"] = settings.site
    jobs = {job["job_name"]: job for job in config["scrape_configs"]}
    jobs["sansheng"]["file_sd_configs"] = [{"files": [str(folder / "targets" / "*.yml")]}]
    for program in PROGRAMS:
        jobs[program.name]["static_configs"] = [{"targets": _listening(settings.monitoring, program)}]
    config["scrape_configs"] = [job for job in jobs.values() if job.get("static_configs") != [{"targets": []}]]
    config["alerting"]["alertmanagers"] = _alertmanagers(_listening(settings.monitoring, ALERTMANAGER))
    config["rule_files"] = [str(file) for file in (*_rule_files(), folder / SETTINGS_RULES)]
    return config


def _alertmanagers(targets: list[str]) -> list[dict[str, Any]]:
    return [{"static_configs": [{"targets": targets}]}]


def _names_alertmanager(file: Path) -> bool:
    """Whether that configuration, perhaps the operator's own, names one; what cannot be read is taken to."""
    try:
        alerting = (yaml.safe_load(file.read_text()) or {}).get("alerting") or {}
        return alerting.get("alertmanagers") not in (None, [], _alertmanagers([]))
    except (yaml.YAMLError, AttributeError):
        return True


def _rules_folder() -> Path:
    return Path(str(files("dashboards"))) / "prometheus"


def _rule_files() -> list[Path]:
    """All of ours but what a hotline sets for itself: that has a copy of its own."""
    return sorted(file for file in _rules_folder().glob("*.rules.yml") if file.name != SETTINGS_RULES)


def _settings_rules(expected: Iterable[str], *, alertmanager: bool) -> str:
    """What a hotline sets for itself; processes that run here, and ``alertmanager`` where true, are missed."""
    lines = "".join(f"{_EXPECTED_HEAD}        labels: {{process: {process}}}\n" for process in expected)
    text = _EXPECTED.sub(lines, (_rules_folder() / SETTINGS_RULES).read_text(), count=1)
    return text.replace(_ALERTMANAGER_EXPECTED.format(1), _ALERTMANAGER_EXPECTED.format(int(alertmanager)))


def _template(program: Program, name: str) -> str:
    return (files("deploy") / program.name / name).read_text()


def _write(file: Path, text: str) -> None:
    """Write it, all at once, unless the operator has made it his own."""
    if file.exists() and not file.read_text().startswith(MADE):
        return
    draft = file.with_suffix(".new")
    draft.write_text(f"{MADE}\n{text}")
    draft.replace(file)
