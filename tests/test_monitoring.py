"""Prometheus and Alertmanager beside the system: what they are told, that they run with it, and end with it."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiokafka import AIOKafkaProducer

from dashboards.wall.house import House
from streams.alerts import AlertChange, render
from streams.metrics import Metrics
from streams.rulebook.book import load
from streams.settings import Settings
from streams.shell import demo, monitoring, topics, up, watched
from streams.shell.detector import Detector
from streams.shell.kafka import free_port
from streams.shell.watched import Process, Watched
from tests.monitoring_tools import alertmanager
from tests.shell_tools import STRICT, System
from tests.wall_script import change

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
PATIENCE_S = 90.0


def settings(tmp_path: Path, **more: object) -> Settings:
    return Settings(run_dir=tmp_path / "run", **more)  # type: ignore[arg-type]


def processes_of(mine: Settings) -> tuple[Process, ...]:
    return (*up.always_there(mine), *up.ear_processes(mine))


def written(mine: Settings, name: str) -> Any:
    return yaml.safe_load((mine.run_dir / name).read_text())


def checked(*command: str | Path) -> str:
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


ALERTMANAGER = {"name": "alertmanager", "kind": "alertmanager", "url": "http://127.0.0.1:9093"}


# what they are told


@pytest.mark.parametrize("ports", [{}, {"alertmanager": 0}, {"host": "0.0.0.0"}])  # noqa: S104 - nothing is bound
def test_what_is_written_passes_the_checks_of_prometheus_and_alertmanager(
    tmp_path: Path, ports: dict[str, object]
) -> None:
    mine = settings(tmp_path, site="east", monitoring=ports)
    started = monitoring.processes(mine, processes_of(mine))
    assert [process.name for process in started] == ["prometheus", "alertmanager"][: 2 - ("alertmanager" in ports)]
    said = checked("promtool", "check", "config", mine.run_dir / "prometheus" / "prometheus.yml")
    assert said.count("rules found") == len(list((ROOT / "dashboards" / "prometheus").glob("*.rules.yml")))
    config = written(mine, "prometheus/prometheus.yml")
    assert config["global"]["external_labels"] == {"site": "east"}
    [sent_to] = config["alerting"]["alertmanagers"]
    if "alertmanager" in ports:
        assert sent_to["static_configs"] == [{"targets": []}]
        assert [job["job_name"] for job in config["scrape_configs"]] == ["sansheng", "prometheus"]
    else:
        assert sent_to["static_configs"] == [{"targets": ["127.0.0.1:9093"]}]
        checked("amtool", "check-config", mine.run_dir / "alertmanager" / "alertmanager.yml")


def test_each_process_that_runs_is_a_target_with_its_name_and_site(tmp_path: Path) -> None:
    mine = settings(
        tmp_path,
        site="east",
        ears={"workers": 2},
        metrics={"host": "0.0.0.0", "asterisk": 0, "recognise": 9410},  # noqa: S104 - nothing is bound
        pager={"receivers": [ALERTMANAGER]},
    )
    monitoring.processes(mine, processes_of(mine))
    found = written(mine, "prometheus/targets/sansheng.yml")
    assert {target["labels"]["site"] for target in found} == {"east"}
    assert [(target["labels"]["process"], *target["targets"]) for target in found] == [
        ("detect", "127.0.0.1:9301"),
        ("wall", "127.0.0.1:9303"),
        ("archive", "127.0.0.1:9305"),
        ("pager", "127.0.0.1:9306"),
        ("listen", "127.0.0.1:9304"),
        ("recognise", "127.0.0.1:9410"),
        ("recognise", "127.0.0.1:9411"),
    ]


def test_recognisers_whose_metrics_are_switched_off_are_no_targets(tmp_path: Path) -> None:
    mine = settings(tmp_path, ears={"workers": 2}, metrics={"recognise": 0, "listen": 0})
    assert {target["labels"]["process"] for target in monitoring.targets(mine, processes_of(mine))} == {
        "detect",
        "asterisk",
        "wall",
        "archive",
    }


def test_those_that_run_and_no_others_are_missed_when_they_are_gone(tmp_path: Path) -> None:
    """Without a receiver there is no pager, and its absence wakes nobody."""
    mine = settings(tmp_path, ears={"workers": 2})
    monitoring.processes(mine, processes_of(mine))
    rules = written(mine, "prometheus/settings.rules.yml")["groups"][0]["rules"]
    expected = [rule["labels"]["process"] for rule in rules if rule["record"] == "sansheng:process_expected:info"]
    assert expected == ["detect", "asterisk", "wall", "archive", "listen", "recognise"]
    theirs = yaml.safe_load((ROOT / "dashboards" / "prometheus" / "settings.rules.yml").read_text())
    others = [rule["record"] for rule in theirs["groups"][0]["rules"] if "process_expected" not in rule["record"]]
    assert [rule["record"] for rule in rules if "process_expected" not in rule["record"]] == others


@pytest.mark.parametrize(
    ("ports", "own", "expected"),
    [
        ({}, None, 1),
        ({"alertmanager": 0}, None, 0),  # nobody is woken because of what nobody wants
        ({"alertmanager": 0}, "alerting: {alertmanagers: [{static_configs: [{targets: ['other:9093']}]}]}\n", 1),
        ({"alertmanager": 0}, "alerting: {alertmanagers: []}\n", 0),
        ({"alertmanager": 0}, "scrape_configs: []\n", 0),
        ({"alertmanager": 0}, "alerting: {alertmanagers: [\n", 1),  # Prometheus will refuse it, and `up` goes on
        ({"alertmanager": 0}, "nothing of the kind\n", 1),
    ],
)
def test_an_alertmanager_is_missed_where_prometheus_is_told_of_one_and_only_there(
    tmp_path: Path, ports: dict[str, object], own: str | None, expected: int
) -> None:
    mine = settings(tmp_path, monitoring=ports)
    if own is not None:
        monitoring.processes(mine, processes_of(mine))
        (mine.run_dir / "prometheus" / "prometheus.yml").write_text(own)
    monitoring.processes(mine, processes_of(mine))
    rules = written(mine, "prometheus/settings.rules.yml")["groups"][0]["rules"]
    found = [rule["expr"] for rule in rules if rule["record"] == "sansheng:alertmanager_expected:bool"]
    assert found == [f"vector({expected})"]


def test_a_file_that_the_operator_took_over_stays_and_the_others_are_made_anew(tmp_path: Path) -> None:
    mine = settings(tmp_path)
    monitoring.processes(mine, processes_of(mine))
    config = mine.run_dir / "alertmanager" / "alertmanager.yml"
    first, _, rest = config.read_text().partition("\n")
    assert first == monitoring.MADE
    config.write_text(rest.replace("group_wait: 30s", "group_wait: 31s"))
    other = settings(tmp_path, site="west")
    monitoring.processes(other, processes_of(other))
    assert "group_wait: 31s" in config.read_text()
    assert written(mine, "prometheus/prometheus.yml")["global"]["external_labels"] == {"site": "west"}


def test_the_files_to_be_used_by_hand_are_those_of_the_default_ports() -> None:
    assert yaml.safe_load((DEPLOY / "prometheus" / "targets" / "sansheng.yml").read_text()) == sorted(
        monitoring.targets(Settings(), (*up.PROCESSES, up.PAGER, *up.ear_processes(Settings()))),
        key=lambda target: str(target["targets"]),
    )
    said = checked("promtool", "check", "config", DEPLOY / "prometheus" / "prometheus.yml")
    assert said.count("rules found") >= 3
    checked("amtool", "check-config", DEPLOY / "alertmanager" / "alertmanager.yml")


def test_the_receivers_that_are_commented_out_are_valid_once_they_are_not(tmp_path: Path) -> None:
    text = (DEPLOY / "alertmanager" / "alertmanager.yml").read_text()
    used = re.sub(r"^(  )# (- name: on-call|  .*)$", r"\1\2", text, flags=re.MULTILINE)
    used = used.replace("receiver: nobody", "receiver: on-call")
    for secret in ("pagerduty.key", "mail.key"):
        (tmp_path / secret).write_text("x")
    (tmp_path / "alertmanager.yml").write_text(used.replace("/etc/sansheng", str(tmp_path)))
    assert "2 receivers" in checked("amtool", "check-config", tmp_path / "alertmanager.yml")


def names_in(matchers: list[str]) -> set[str]:
    found = re.findall(r'alertname=~?"([^"]+)"', " ".join(matchers))
    return {name for each in found for name in each.split("|")}


def test_what_the_configuration_names_is_there() -> None:
    """An alert that is renamed would let what it inhibits through, and a graph of nothing is drawn without a word."""
    groups = [
        group
        for file in (ROOT / "dashboards" / "prometheus").glob("*.rules.yml")
        for group in yaml.safe_load(file.read_text())["groups"]
    ]
    rules = [rule for group in groups for rule in group["rules"]]
    known = {rule["alert"] for rule in rules if "alert" in rule}
    config = yaml.safe_load((DEPLOY / "alertmanager" / "alertmanager.yml").read_text())
    named = [
        names_in(rule[side]) for rule in config["inhibit_rules"] for side in ("source_matchers", "target_matchers")
    ]
    assert all(named)
    assert set().union(*named) - known == set()
    assert monitoring.SERVICE_LEVEL in {rule.get("record") for rule in rules}


# a real Alertmanager on that configuration


def post(url: str, *alerts: dict[str, str]) -> None:
    body = json.dumps([{"labels": labels} for labels in alerts]).encode()
    told = urllib.request.Request(f"{url}/api/v2/alerts", body, {"Content-Type": "application/json"})  # noqa: S310 - ours
    with urllib.request.urlopen(told, timeout=30):  # noqa: S310 - ours
        pass


def get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310 - ours
        return json.load(answer)


def until(found: Callable[[], Any], what: Callable[[], str], patience_s: float = PATIENCE_S) -> Any:
    """What ``found`` answers once it is something; ``what``: the state of things, for a failing test's message."""
    end, last = time.monotonic() + patience_s, ""
    while time.monotonic() < end:
        try:
            if answer := found():
                return answer
        except (urllib.error.URLError, OSError) as error:
            last = str(error)
        time.sleep(0.2)
    pytest.fail(f"not within {patience_s:g} s: {last}\n{what()}")


def test_a_cause_holds_its_consequences_back_and_never_a_page(tmp_path: Path) -> None:
    with alertmanager(tmp_path, DEPLOY / "alertmanager" / "alertmanager.yml") as url:
        here, page = {"site": "east"}, {"alertname": "SanshengPage", "rule": "ring-over-three", "queue": "a"}
        post(
            url,
            {"alertname": "SanshengServiceLevelFastBurn", "severity": "critical", **here},
            {"alertname": "SanshengServiceLevelSlowBurn", "severity": "warning", **here},
            {"alertname": "SanshengServiceLevelSlowBurn", "severity": "warning", "site": "west"},
            {"alertname": "SanshengProcessDown", "severity": "critical", "process": "detect", **here},
            {"alertname": "SanshengDetectionLag", "severity": "critical", "topic": "calls", **here},
            {"alertname": "SanshengWallReadsNothing", "severity": "critical", **here},
            {**page, "severity": "critical", "slot": "1", **here},
            {**page, "severity": "warning", "slot": "1", **here},
        )

        def held_back() -> list[tuple[str, str]]:
            alerts = get(f"{url}/api/v2/alerts?active=true&inhibited=true")
            assert len(alerts) == 8
            return sorted(
                (alert["labels"]["alertname"], alert["labels"]["site"])
                for alert in alerts
                if alert["status"]["inhibitedBy"]
            )

        wanted = [("SanshengDetectionLag", "east"), ("SanshengServiceLevelSlowBurn", "east")]
        until(lambda: held_back() == wanted, lambda: str(held_back()))


# which of them there are


def test_what_is_not_installed_is_said_in_a_line_and_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    said: list[str] = []
    without = monitoring.installed(settings(tmp_path), said.append)
    assert said == [
        "going on without Prometheus and Alertmanager: not installed. "
        "On Debian: apt-get install prometheus prometheus-alertmanager"
    ]
    assert monitoring.processes(without, up.PROCESSES) == ()
    assert monitoring.links(without.monitoring) == []
    assert monitoring.how_to_page(without) == ""
    said.clear()
    assert monitoring.installed(without, said.append) == without
    assert monitoring.installed(settings(tmp_path, monitoring={"prometheus": 0, "alertmanager": 0}), said.append)
    assert said == []  # who wants none misses none


def test_one_that_is_not_installed_does_not_keep_the_other_from_starting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "alertmanager"  # as it is called elsewhere than on Debian
    program.symlink_to(str(shutil.which("prometheus-alertmanager")))
    monkeypatch.setenv("PATH", str(tmp_path))
    said: list[str] = []
    mine = monitoring.installed(settings(tmp_path), said.append)
    [started] = monitoring.processes(mine, up.PROCESSES)
    assert started.program == (str(program),)
    assert "apt-get install prometheus" in said[0] and "prometheus-alertmanager" not in said[0]


@contextmanager
def taken() -> Iterator[int]:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield int(other.getsockname()[1])


def test_a_port_that_is_taken_is_told_with_its_setting_and_the_other_one_starts(tmp_path: Path) -> None:
    said: list[str] = []
    with taken() as port:
        mine = monitoring.unless_taken(
            settings(tmp_path, monitoring={"prometheus": port, "alertmanager": free_port()}), said.append
        )
    [told] = said
    assert f"port {port} (monitoring.prometheus): Address already in use" in told
    assert "SANSHENG_MONITORING__PROMETHEUS" in told
    assert [process.name for process in monitoring.processes(mine, up.PROCESSES)] == ["alertmanager"]


def test_the_demo_takes_free_ports_and_pages_its_own_alertmanager_alone(tmp_path: Path) -> None:
    real = {"name": "night", "kind": "wecom", "url": "https://robot.example/x"}
    with taken() as port:
        mine = monitoring.on_free_ports(
            settings(
                tmp_path,
                wall={"port": 8123},
                monitoring={"prometheus": port, "alertmanager": port},
                pager={"receivers": [real], "routes": [{"levels": [["night"]]}], "wall_url": "https://wall.example"},
            )
        )
        assert port not in (mine.monitoring.prometheus, mine.monitoring.alertmanager)
    shown = demo._demo_settings(mine, tmp_path, 1, None).pager
    [receiver] = shown.receivers
    assert receiver.kind == "alertmanager"
    assert receiver.url.get_secret_value() == f"http://127.0.0.1:{mine.monitoring.alertmanager}"
    assert (shown.routes, shown.wall_url) == ((), "http://127.0.0.1:8123")


def test_up_calls_nobody_that_the_operator_has_not_named_and_says_how(tmp_path: Path) -> None:
    assert up.PAGER not in up.always_there(settings(tmp_path))
    hint = monitoring.how_to_page(settings(tmp_path))
    assert 'url = "http://127.0.0.1:9093"' in hint and "\n" not in hint
    named = settings(tmp_path, pager={"receivers": [ALERTMANAGER]})
    assert up.PAGER in up.always_there(named)
    assert monitoring.how_to_page(named) == ""


def test_the_hint_is_toml_that_the_settings_take(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    line = monitoring.how_to_page(settings(tmp_path)).partition(": ")[2]
    (tmp_path / "sansheng.toml").write_text(line)
    monkeypatch.setenv("SANSHENG_CONFIG", str(tmp_path / "sansheng.toml"))
    assert [receiver.kind for receiver in Settings().pager.receivers] == ["alertmanager"]


async def test_other_programs_are_not_told_our_settings_which_hold_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SANSHENG_ASTERISK__SECRET", "hush")
    monkeypatch.setenv("TZ", "Asia/Shanghai")
    child = Watched(Process("env", (), (str(shutil.which("env")),)), Settings(run_dir=tmp_path), lambda told: None)
    running = asyncio.create_task(child.run())
    async with asyncio.timeout(30):
        while not child.log.exists() or "TZ=Asia" not in child.log.read_text():  # noqa: ASYNC110 - another process writes
            await asyncio.sleep(0.05)
    running.cancel()
    assert "SANSHENG" not in child.log.read_text()


async def test_a_program_that_is_gone_when_it_is_to_start_again_takes_nobody_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watched, "_BACKOFF_S", (0.05,))
    sleep = str(shutil.which("sleep"))
    package = tmp_path / "prometheus"
    package.symlink_to(sleep)
    said: list[str] = []
    both = (Process("prometheus", ("0.1",), (str(package),)), Process("detect", ("600",), (sleep,)))
    running = asyncio.create_task(watched.keep_running(settings(tmp_path), said.append, both))

    async def told(news: str) -> None:
        said.clear()
        async with asyncio.timeout(20):
            while not any(news in one for one in said):
                assert not running.done(), running
                await asyncio.sleep(0.02)

    await told("prometheus ended with 0; again in 0.05 s")
    package.unlink()
    await told(f"prometheus cannot be started: No such file or directory: {package}; again in 0.05 s")
    package.symlink_to(sleep)
    await told("prometheus ended with 0; again in 0.05 s")
    assert not any("detect" in one for one in said)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert running.cancelled()


# what they are told before anything has happened

TIMES = ("sansheng_last_event_timestamp_seconds", "sansheng_last_commit_timestamp_seconds")


async def test_silence_counts_from_the_start_and_not_from_1970(tmp_path: Path, prefix: str) -> None:
    begun = time.time()
    detect = Detector(Settings(topic_prefix=prefix, run_dir=tmp_path), load([STRICT]), Metrics("detect"))
    for name in TIMES:
        assert detect.metrics.registry.get_sample_value(name) >= begun  # type: ignore[operator]
    house = House(Settings(run_dir=tmp_path), Metrics("wall"), lambda: begun)
    assert house.metrics.registry.get_sample_value("sansheng_wall_last_message_timestamp_seconds") == begun


async def test_a_worker_more_than_partitions_does_not_look_as_if_it_stood_still(
    kafka: str, prefix: str, tmp_path: Path
) -> None:
    await asyncio.to_thread(topics.apply, kafka, topics.specs(1, prefix))
    ports = free_port(), free_port()
    system = System(kafka, prefix, tmp_path)
    try:
        for port in ports:
            system.start("detect", PARTITIONS="1", METRICS__DETECT=str(port))

        def one_has_it() -> bool:
            return sorted('topic="calls"' in exported(port) for port in ports) == [False, True]

        await asyncio.to_thread(until, one_has_it, system.logs)
        began = time.time()  # from here on nothing happens but heartbeats
        await asyncio.to_thread(
            until, lambda: all(figure(port, name) > began for port in ports for name in TIMES), system.logs
        )
        assert one_has_it(), system.logs()
    finally:
        await system.__aexit__()


def exported(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        return str(answer.read().decode())


def figure(port: int, name: str) -> float:
    [value] = re.findall(rf"^{name} (\S+)$", exported(port), re.MULTILINE)
    return float(value)


# the whole system


class Up:
    """`sansheng up` as a process of its own, on the shared broker."""

    def __init__(self, kafka: str, prefix: str, folder: Path, **more: str) -> None:
        names = ("METRICS__DETECT", "METRICS__ASTERISK", "METRICS__WALL", "METRICS__ARCHIVE", "METRICS__PAGER")
        monitored = ("WALL__PORT", "MONITORING__PROMETHEUS", "MONITORING__ALERTMANAGER")
        self.ports = {name: more.get(name) or str(free_port()) for name in (*names, *monitored)}
        mine = {
            "KAFKA": kafka,
            "TOPIC_PREFIX": prefix,
            "PARTITIONS": "4",
            "RUN_DIR": str(folder / "run"),
            "SITE": "east",
            "EARS__WORKERS": "0",
            **self.ports,
            **more,
        }
        kept = {name: value for name, value in os.environ.items() if not name.startswith("SANSHENG_")}
        self._environment = {**kept, **{f"SANSHENG_{name}": value for name, value in mine.items()}}
        self._folder = folder
        self.prometheus = f"http://127.0.0.1:{self.ports['MONITORING__PROMETHEUS']}"
        self.alertmanager = f"http://127.0.0.1:{self.ports['MONITORING__ALERTMANAGER']}"

    def __enter__(self) -> Up:
        self._log = (self._folder / "up.log").open("wb")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "streams.cli", "up"],
            cwd=self._folder,
            env={**self._environment, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        self._log.close()
        until(lambda: not self.children(), lambda: f"{self.children()} are left behind", 15)

    def said(self) -> str:
        return (self._folder / "up.log").read_text(errors="replace")

    def children(self, program: str = "") -> list[int]:
        """The processes that work in this folder, whoever their parent is now; ``program``: part of its name."""
        found = []
        for proc in Path("/proc").glob("[0-9]*"):
            try:
                command, environment = (proc / "cmdline").read_bytes(), (proc / "environ").read_bytes()
            except OSError:
                continue  # it has just ended
            mine = str(self._folder).encode() in command + environment and int(proc.name) != self.process.pid
            if mine and command and program.encode() in command.split(b"\0")[0]:
                found.append(int(proc.name))
        return found

    def targets(self) -> dict[tuple[str, str, str], str]:
        answer = get(f"{self.prometheus}/api/v1/targets")["data"]["activeTargets"]
        return {
            (one["labels"]["job"], one["labels"].get("process", ""), one["labels"].get("site", "")): one["health"]
            for one in answer
        }


def test_up_starts_both_watches_them_and_leaves_none_behind(kafka: str, prefix: str, tmp_path: Path) -> None:
    with Up(kafka, prefix, tmp_path) as system:
        wanted = {
            **{("sansheng", name, "east"): "up" for name in ("detect", "asterisk", "wall", "archive")},
            ("prometheus", "", ""): "up",
            ("alertmanager", "", ""): "up",
        }
        until(lambda: system.targets() == wanted, system.said)
        for port in (system.prometheus, system.alertmanager):
            assert port in system.said()
        assert "pager.receivers = [{" in system.said()  # how to page by it
        [one] = until(
            lambda: get(f"{system.prometheus}/api/v1/alertmanagers")["data"]["activeAlertmanagers"], system.said
        )
        assert one["url"].startswith(system.alertmanager)
        rules = get(f"{system.prometheus}/api/v1/rules")["data"]["groups"]
        assert {"alerting", "recording"} == {rule["type"] for group in rules for rule in group["rules"]}

        [before] = system.children("prometheus")[:1]
        os.kill(before, signal.SIGKILL)
        until(lambda: before not in system.children() and system.targets() == wanted, system.said)
        assert "prometheus ended with -9; again in" in system.said()

        assert len(system.children("prometheus")) == 2  # both are called so on Debian
        os.kill(system.process.pid, signal.SIGKILL)
        system.process.wait()
        until(lambda: not system.children(), lambda: f"{system.children()} are left behind", 15)


async def publish(kafka: str, topic: str, change: AlertChange) -> None:
    async with AIOKafkaProducer(bootstrap_servers=kafka) as producer:
        await producer.send_and_wait(topic, render(change), key=change.call.encode())


def test_a_critical_alert_reaches_the_alertmanager_that_was_started(kafka: str, prefix: str, tmp_path: Path) -> None:
    port = str(free_port())
    receiver = {**ALERTMANAGER, "url": f"http://127.0.0.1:{port}"}
    told = {"PAGER__RECEIVERS": json.dumps([receiver]), "MONITORING__ALERTMANAGER": port}
    with Up(kafka, prefix, tmp_path, **told) as system:
        alerts = f"http://127.0.0.1:{port}/api/v2/alerts"
        until(lambda: system.targets().get(("sansheng", "pager", "east")) == "up", system.said)
        asyncio.run(publish(kafka, f"{prefix}alerts", change("a1", severity="critical")))
        [page] = until(lambda: get(alerts), system.said)
        labels = page["labels"]
        assert (labels["alertname"], labels["severity"], labels["site"]) == ("SanshengPage", "critical", "east")
        assert page["generatorURL"] == f"http://127.0.0.1:{system.ports['WALL__PORT']}/alerts/a1"
        assert "王芳" not in str(page)
        asyncio.run(publish(kafka, f"{prefix}alerts", change("a1", "cleared", severity="critical")))
        until(lambda: not get(alerts), system.said)
        assert "pager.receivers = [{" not in system.said()  # it is named: nothing to be told


def test_up_ends_them_when_it_is_told_to_end(kafka: str, prefix: str, tmp_path: Path) -> None:
    with Up(kafka, prefix, tmp_path) as system:
        until(lambda: len(system.children("prometheus")) == 2, system.said)
        until(lambda: get(f"{system.alertmanager}/api/v2/status"), system.said)
        system.process.send_signal(signal.SIGINT)
        assert system.process.wait(60) == 0, system.said()
        assert system.children() == []


def test_up_goes_on_watching_calls_where_the_port_of_prometheus_is_taken(
    kafka: str, prefix: str, tmp_path: Path
) -> None:
    with taken() as port, Up(kafka, prefix, tmp_path, MONITORING__PROMETHEUS=str(port)) as system:
        until(lambda: "the wall: " in system.said(), system.said)
        assert "SANSHENG_MONITORING__PROMETHEUS" in system.said()
        until(lambda: len(system.children("prometheus")) == 1, system.said)  # Alertmanager
