"""What `sansheng up` starts: with ears where a model is present, without them otherwise, and never in silence."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from streams.settings import Settings
from streams.shell import up
from streams.shell.running import UnreadyError
from streams.shell.up import begin_check, ear_processes, what_hears


def settings(tmp_path: Path, **more: object) -> Settings:
    return Settings(run_dir=tmp_path, models=tmp_path / "models", **more)  # type: ignore[arg-type]


def test_each_recogniser_has_a_port_of_its_own_for_its_metrics(tmp_path: Path) -> None:
    mine = settings(tmp_path, ears={"workers": 3}, metrics={"recognise": 9400})
    assert [process.name for process in ear_processes(mine)] == ["listen", "recognise-1", "recognise-2", "recognise-3"]
    assert [process.arguments[-1] for process in ear_processes(mine)[1:]] == ["9400", "9401", "9402"]


def test_metrics_that_are_switched_off_stay_off(tmp_path: Path) -> None:
    mine = settings(tmp_path, ears={"workers": 2}, metrics={"recognise": 0})
    assert [process.arguments[-1] for process in ear_processes(mine)[1:]] == ["0", "0"]


def test_the_port_of_the_pager_is_wanted_where_there_is_somebody_to_call_and_only_there(tmp_path: Path) -> None:
    receiver = {"name": "night", "kind": "webhook", "url": "http://127.0.0.1:9/page"}
    assert "metrics.pager" not in up._ports(settings(tmp_path))
    asked = settings(tmp_path, pager={"receivers": [receiver]}, metrics={"pager": 9406})
    assert up._ports(asked)["metrics.pager"] == ("127.0.0.1", 9406)
    assert [process.name for process in up.always_there(asked)] == ["detect", "asterisk", "wall", "archive", "pager"]


async def test_without_a_model_it_says_that_calls_are_judged_by_the_telephone_alone_and_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    said: list[str] = []
    assert not await what_hears(await begin_check(settings(tmp_path)), said.append)
    [told] = said
    assert "judged by the telephone alone" in told
    assert str(tmp_path / "models") in told
    assert "sansheng models fetch" in told
    assert "Traceback" not in told


async def test_without_workers_it_does_not_even_look_for_a_model(tmp_path: Path) -> None:
    said: list[str] = []
    assert not await what_hears(await begin_check(settings(tmp_path, ears={"workers": 0})), said.append)
    assert "ears.workers is 0" in said[0]


async def test_a_start_that_fails_leaves_no_check_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[asyncio.subprocess.Process | None] = []

    async def begin(settings: Settings) -> asyncio.subprocess.Process | None:
        begun.append(await begin_check(settings))
        return begun[0]

    def no_broker(*_: object) -> None:
        raise UnreadyError("no broker to be had")

    monkeypatch.setattr(up, "begin_check", begin)
    monkeypatch.setattr(up, "_broker", no_broker)
    ports = {"detect": 0, "asterisk": 0, "wall": 0, "archive": 0}
    with pytest.raises(UnreadyError, match="no broker"):
        await up.run(settings(tmp_path, wall={"port": 0}, metrics=ports), lambda told: None)
    assert begun[0] is not None
    assert begun[0].returncode is not None
