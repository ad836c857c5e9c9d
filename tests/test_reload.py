"""A changed rulebook is taken by running workers; calls in progress keep the version that they began with."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from urllib.request import urlopen

import pytest

from streams.alerts import AlertChange
from streams.core import step
from streams.events import AgentRinging, CallAnswered, CallEnded, CallHeld, CallOffered, CallResumed, Tick
from streams.metrics import Metrics
from streams.rulebook.book import Rulebook, load
from streams.rulebook.stored import dump, restore
from streams.shell import shelf as shelves
from streams.shell.kafka import free_port
from streams.shell.reload import Reloader
from streams.shell.shelf import Shelf
from tests.shell_tools import System

VERSIONS = Path(__file__).parent / "rulebooks" / "reload"
POLL_S = 0.3
BROKEN = "change:\n  long-hold:\n    thresholds:\n      - {after: 8, severity: dreadful}\n"


class Site:
    """A site's own overlay, which somebody edits while workers run."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "site" / "site.yaml"
        self.file.parent.mkdir()
        self.use("v1")

    def use(self, version: str) -> None:
        shutil.copyfile(VERSIONS / f"{version}.yaml", self.file)

    def write(self, text: str) -> None:
        self.file.write_text(text, "utf-8")

    @property
    def environment(self) -> dict[str, str]:
        return {"RULEBOOK": json.dumps([str(self.file.parent)]), "RULEBOOK_POLL_S": str(POLL_S)}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.fixture(scope="module")
def versions() -> dict[str, str]:
    """v1, v2 -> what the rulebook calls them."""
    return {name: load([VERSIONS / f"{name}.yaml"]).version for name in ("v1", "v2")}


# -- without a broker -------------------------------------------------------------------------------


@pytest.mark.parametrize("overlays", [[], [VERSIONS / "v1.yaml"], [VERSIONS.parent / "surge"]])
def test_a_stored_book_is_the_same_book(overlays: list[Path]) -> None:
    book = load(overlays)
    stored = dump(book)
    assert restore(stored) == book
    assert dump(restore(stored)) == stored


@pytest.mark.parametrize("stored", [b"", b"{", b"[]", b"{}", b"\xff", b'{"version":"1","rules":[{"kind":"guess"}]}'])
def test_what_is_no_stored_book_is_refused_in_one_way(stored: bytes) -> None:
    with pytest.raises(ValueError, match="not a stored rulebook"):
        restore(stored)


class Desk:
    """A reloader with its shelf and metrics, over a site's files."""

    def __init__(self, site: Site, folder: Path) -> None:
        self.site, self.metrics = site, Metrics("detect")
        self.shelf = Shelf(folder, load([site.file.parent]))
        self.reloader = Reloader([site.file.parent], self.shelf, self.metrics)

    async def look(self, times: int = 2) -> str:
        for _ in range(times):
            await self.reloader.look()
        return self.shelf.current.version

    def value(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(name, labels)

    def reloads(self) -> tuple[float | None, float | None]:
        name = "sansheng_rulebook_reloads_total"
        return self.value(name, outcome="taken"), self.value(name, outcome="refused")


@pytest.fixture
def desk(site: Site, tmp_path: Path) -> Desk:
    return Desk(site, tmp_path / "rulebooks")


async def test_a_change_is_taken_once_it_is_the_same_at_two_looks(desk: Desk, versions: dict[str, str]) -> None:
    assert await desk.look(5) == versions["v1"]
    assert desk.reloads() == (0, 0)
    desk.site.use("v2")
    assert await desk.look(1) == versions["v1"]
    assert await desk.look(1) == versions["v2"]
    assert await desk.look(5) == versions["v2"]
    assert desk.reloads() == (1, 0)
    assert desk.value("sansheng_rulebook_info", version=versions["v1"]) is None
    assert desk.value("sansheng_rulebook_info", version=versions["v2"]) == 1


async def test_half_a_file_in_the_middle_of_a_save_is_nobodys_fault(desk: Desk, versions: dict[str, str]) -> None:
    await desk.look()
    whole = (VERSIONS / "v2.yaml").read_text("utf-8")
    for end in (150, 160, 170):
        desk.site.write(whole[:end])
        await desk.look(1)
    desk.site.write(whole)
    assert await desk.look(2) == versions["v2"]
    assert desk.reloads() == (1, 0)


async def test_a_broken_book_is_refused_once_and_told_until_it_is_mended(
    desk: Desk, versions: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    await desk.look()
    desk.site.write(BROKEN)
    assert await desk.look(5) == versions["v1"]
    assert desk.reloads() == (0, 1)
    assert desk.value("sansheng_rulebook_refused") == 1
    assert desk.reloader.refused.startswith(f"rulebook refused, {versions['v1']} stays: 2 fault(s), first: site.yaml:4")
    assert len([r for r in caplog.records if "refused: site.yaml:4" in r.getMessage()]) == 2
    desk.site.use("v1")
    assert await desk.look() == versions["v1"]
    assert (desk.reloader.refused, desk.value("sansheng_rulebook_refused")) == ("", 0)
    assert desk.reloads() == (0, 1)


async def test_an_overlay_that_has_gone_is_a_fault(desk: Desk, versions: dict[str, str]) -> None:
    await desk.look()
    desk.site.file.unlink()
    assert await desk.look() == versions["v1"]
    assert "no rules here" in desk.reloader.refused


async def test_what_nobody_foresaw_is_a_refusal_too(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_overlays: object) -> Rulebook:
        raise RecursionError("too deep")

    monkeypatch.setattr("streams.shell.reload.load", fail)
    await desk.look()
    assert desk.reloader.refused.endswith("first: RecursionError: too deep")


async def test_a_change_between_the_start_and_the_first_look_is_found(site: Site, versions: dict[str, str]) -> None:
    desk = Desk(site, site.file.parent.parent / "rulebooks")
    site.use("v2")
    assert await desk.look() == versions["v2"]


async def test_told_to_reload_it_does_not_wait_for_a_second_look(desk: Desk, versions: dict[str, str]) -> None:
    desk.site.use("v2")
    await desk.reloader.now()
    assert desk.shelf.current.version == versions["v2"]


async def test_counters_of_each_rule_begin_at_zero(desk: Desk) -> None:
    desk.site.write((VERSIONS.parent / "surge" / "surge.yaml").read_text("utf-8"))
    await desk.look()
    assert desk.value("sansheng_marks_total", rule="test-outage") == 0
    assert desk.value("sansheng_not_judged_total", rule="test-outage") == 0
    assert desk.value("sansheng_marks_total", rule="long-hold") is None


def test_a_version_is_found_in_memory_then_on_disk_then_nowhere(tmp_path: Path) -> None:
    books = [load([VERSIONS / f"{name}.yaml"]) for name in ("v1", "v2")]
    old, new = (book.version for book in books)
    shelf = Shelf(tmp_path, books[0])
    shelf.store(books[1])
    shelf.take(books[1])
    assert (shelf.of(old), shelf.of(new), len(shelf)) == (books[0], books[1], 2)
    shelf.keep(set())
    assert len(shelf) == 1
    assert shelf.of(old) == books[0]
    shelf.keep(set())
    (tmp_path / old).write_bytes(b"half a fi")
    assert shelf.of(old) is None
    (tmp_path / old).write_bytes(dump(books[1]))
    assert shelf.of(old) is None
    (tmp_path / old).unlink()
    assert shelf.of(old) is None
    assert shelf.of("../" + new) is None
    assert {file.name for file in tmp_path.iterdir()} == {new}


def test_stored_versions_that_no_worker_has_needed_for_a_day_are_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    books = [load([VERSIONS / f"{name}.yaml"]) for name in ("v1", "v2")]
    shelf = Shelf(tmp_path, books[0])
    for version in (books[1].version, "0123abcd", books[0].version):
        (tmp_path / version).write_bytes(b"")
        os.utime(tmp_path / version, (1, 1))
    shelf.keep({books[1].version})
    assert len(list(tmp_path.iterdir())) == 3
    later = time.time() + shelves.TIDY_S + 1
    monkeypatch.setattr("streams.shell.shelf.time.time", lambda: later)
    shelf.keep({books[1].version})
    assert {file.name for file in tmp_path.iterdir()} == {book.version for book in books}


def test_a_disk_that_refuses_stops_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_bytes(b"")
    book = load([VERSIONS / "v1.yaml"])
    assert Shelf(tmp_path / "file", book).of(book.version) == book
    assert "cannot be stored" in caplog.text


def test_a_call_that_moves_is_judged_by_what_falls_due_sooner_under_the_new_version() -> None:
    """::

    version 2: due 8 s after the hold ── moved to version 1: due after 4 s ── woken after 5 s: an alert of 4 s
    """
    books = {name: load([VERSIONS / f"{name}.yaml"]) for name in ("v1", "v2")}
    state = None
    for event in (
        CallOffered(call="c", at=0.0),
        CallAnswered(call="c", at=1.0, agent="101"),
        CallHeld(call="c", at=10),
    ):
        state = step(books["v2"], state, event).state
    moved = step(books["v1"], state, Tick(call="c", at=15.0))
    assert [(c.at, c.severity, c.rulebook) for c in moved.changes] == [(14.0, "warning", books["v1"].version)]
    assert step(books["v2"], state, Tick(call="c", at=15.0)).changes == ()


# -- with real workers ------------------------------------------------------------------------------


@pytest.fixture
async def system(kafka: str, prefix: str, tmp_path: Path) -> AsyncIterator[System]:
    async with System(kafka, prefix, tmp_path) as system:
        yield system


async def talk(system: System, call: str) -> None:
    """``call`` is answered, after it rang for so long that there is an alert."""
    now = time.time()
    await system.send(CallOffered(call=call, at=now - 60, queue="hotline"))
    await system.send(AgentRinging(call=call, at=now - 60, agent="101"))
    await system.send(CallAnswered(call=call, at=now - 45, agent="101"))


async def talk_on(system: System, call: str) -> None:
    """``call`` is answered and the worker has dealt with it."""
    await talk(system, call)
    await system.alerts(lambda seen: any((c.call, c.state) == (call, "cleared") for c in seen))


async def stored(system: System, call: str) -> None:
    """Wait until the broker has a state of ``call``, with the version that it began with."""
    changelog = "sansheng-detect-call-states-changelog"
    await system.read(changelog, lambda seen: any(call.encode() in (m.key or b"") for m in seen))


async def hold(system: System, call: str) -> None:
    """``call`` is put on hold, for longer than either version likes."""
    now = time.time()
    await system.send(CallHeld(call=call, at=now - 30))
    await system.send(CallResumed(call=call, at=now - 1))


async def until(true: Callable[[], object], what: str) -> None:
    end = time.monotonic() + 30
    while not true():
        assert time.monotonic() < end, what
        await asyncio.sleep(0.05)


async def in_use(system: System, version: str, workers: int = 1) -> None:
    """Wait until as many workers say that they judge new calls by ``version``."""
    newest: dict[str, str] = {}

    def enough(seen: list[object]) -> bool:
        newest.update((b["instance"], b["rulebook"]) for b in (json.loads(m.value) for m in seen))  # type: ignore[attr-defined]
        return sum(v == version for v in newest.values()) >= workers

    await system.read("heartbeats", enough)


def holds(changes: list[AlertChange]) -> dict[str, tuple[str, str]]:
    """call -> severity and rulebook version of its alert about the hold."""
    return {c.call: (c.severity, c.rulebook) for c in changes if c.rule == "long-hold" and c.state == "opened"}


async def judged(system: System, *calls: str) -> dict[str, tuple[str, str]]:
    return holds(await system.alerts(lambda seen: set(calls) <= set(holds(seen))))


async def test_a_call_keeps_the_version_it_began_with_and_a_new_one_gets_the_new_one(
    system: System, site: Site, versions: dict[str, str]
) -> None:
    system.start("detect", **site.environment)
    await system.working()
    await talk_on(system, "old")
    site.use("v2")
    await in_use(system, versions["v2"])
    await talk(system, "new")
    for call in ("old", "new"):
        await hold(system, call)
    found = await judged(system, "old", "new")
    assert found == {"old": ("warning", versions["v1"]), "new": ("critical", versions["v2"])}


async def test_killed_and_started_on_changed_files_the_worker_still_has_the_old_version(
    system: System, site: Site, versions: dict[str, str]
) -> None:
    worker = system.start("detect", **site.environment)
    await system.working()
    await talk_on(system, "old")
    await stored(system, "old")
    system.kill(worker)
    site.use("v2")
    system.start("detect", **site.environment)
    await talk(system, "new")
    for call in ("old", "new"):
        await hold(system, call)
    found = await judged(system, "old", "new")
    assert found == {"old": ("warning", versions["v1"]), "new": ("critical", versions["v2"])}


async def test_a_call_whose_version_is_lost_moves_to_the_present_one(
    system: System, site: Site, versions: dict[str, str]
) -> None:
    port = free_port()
    worker = system.start("detect", **site.environment)
    await system.working()
    await talk_on(system, "old")
    await stored(system, "old")
    system.kill(worker)
    shutil.rmtree(system.folder / "run" / "rulebooks")
    site.use("v2")
    system.start("detect", **site.environment, METRICS__DETECT=str(port))
    await hold(system, "old")
    assert await judged(system, "old") == {"old": ("critical", versions["v2"])}
    assert f"rulebook {versions['v1']} is lost: a call goes on under {versions['v2']}" in system.logs()
    assert "sansheng_calls_moved_total 1.0" in await scrape(port)


async def scrape(port: int) -> str:
    def get() -> str:
        with urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            return str(answer.read().decode())

    return await asyncio.to_thread(get)


async def test_another_worker_of_the_machine_takes_the_call_over_with_its_version(
    system: System, site: Site, versions: dict[str, str]
) -> None:
    """The second worker has never used version 1: it started on version 2."""
    first = system.start("detect", **site.environment)
    await system.working()
    await talk_on(system, "old")
    site.use("v2")
    await in_use(system, versions["v2"])
    system.start("detect", **site.environment)
    await in_use(system, versions["v2"], workers=2)
    system.kill(first)
    await talk(system, "new")
    for call in ("old", "new"):
        await hold(system, call)
    found = await judged(system, "old", "new")
    assert found == {"old": ("warning", versions["v1"]), "new": ("critical", versions["v2"])}


async def test_a_broken_book_is_refused_and_told_by_metric_log_and_heartbeat(
    system: System, site: Site, versions: dict[str, str]
) -> None:
    port = free_port()
    worker = system.start("detect", **site.environment, METRICS__DETECT=str(port))
    await system.working()
    site.write(BROKEN)
    beats = await system.read("heartbeats", lambda seen: any(b"refused" in m.value for m in seen))
    beat = json.loads(beats[-1].value)
    assert (beat["ok"], beat["rulebook"]) == (True, versions["v1"])
    assert "2 fault(s), first: site.yaml:4" in beat["detail"]
    told = await scrape(port)
    assert "sansheng_rulebook_refused 1.0" in told
    assert 'sansheng_rulebook_reloads_total{outcome="refused"} 1.0' in told
    assert len(re.findall(r"refused: site\.yaml:4", system.logs())) == 2
    await talk(system, "meanwhile")
    await hold(system, "meanwhile")
    assert await judged(system, "meanwhile") == {"meanwhile": ("warning", versions["v1"])}
    site.use("v2")
    worker.send_signal(signal.SIGHUP)
    await in_use(system, versions["v2"])
    assert "sansheng_rulebook_refused 0.0" in await scrape(port)
    await system.send(CallEnded(call="meanwhile", at=time.time(), by="customer"))


async def test_a_hangup_signal_reloads_at_once(system: System, site: Site, versions: dict[str, str]) -> None:
    """The files are looked at once an hour only; the signal comes first while the worker still starts."""
    worker = system.start("detect", **{**site.environment, "RULEBOOK_POLL_S": "3600"})
    await system.working()
    site.use("v2")
    worker.send_signal(signal.SIGHUP)
    await until(lambda: f"rulebook {versions['v2']} taken" in system.logs(), "not taken")
    assert system.kill(worker, signal.SIGTERM) == 0
