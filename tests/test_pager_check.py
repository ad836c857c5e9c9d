"""What `pager check` warns of, what `up` refuses before it starts anything, and the addresses that `status` prints."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from streams.hours import hours_of
from streams.pager import pager_cli
from streams.pager.duty import Called, Plan, Route
from streams.pager.reach import Reach, reach_of
from streams.settings import Settings
from streams.shell import up
from streams.shell.running import UnreadyError
from tests.conftest import Run
from tests.pager_tools import ALL, SHANGHAI, plan

LEAD, BOSS = (("lead",),), (("boss",),)
WORKDAYS = frozenset({"mon", "tue", "wed", "thu", "fri"})


def routed(*routes: Route) -> Plan:
    return plan(
        receivers={name: Called(name, ALL) for name in ("lead", "boss")},
        routes=routes,
        zone=SHANGHAI,
    )


@pytest.mark.parametrize(
    ("routes", "found"),
    [
        ((), Reach()),
        ((Route(LEAD),), Reach(never=("boss",))),
        ((Route(LEAD), Route(BOSS, frozenset({"a"}))), Reach(idle=(1,), never=("boss",))),
        ((Route(BOSS, frozenset({"a"})), Route(LEAD)), Reach()),
        ((Route(LEAD, frozenset({"a"})),), Reach(last=("boss",))),
        ((Route(LEAD, days=WORKDAYS), Route(BOSS)), Reach()),
        (
            (Route(LEAD, days=WORKDAYS), Route(LEAD, days=frozenset({"sat", "sun"})), Route(BOSS)),
            Reach((2,), ("boss",)),
        ),
        ((Route(LEAD, hours=hours_of("08:00-20:00")), Route(BOSS, hours=hours_of("20:00-08:00"))), Reach()),
        (
            (
                Route(LEAD, hours=hours_of("08:00-20:00")),
                Route(LEAD, hours=hours_of("20:00-08:00")),
                Route(BOSS, hours=hours_of("09:00-10:00")),
            ),
            Reach((2,), ("boss",)),
        ),
        ((Route(LEAD, hours=hours_of("08:00-20:00")), Route(BOSS, hours=hours_of("19:59-20:01"))), Reach()),
        (
            (
                Route(LEAD, hours=hours_of("20:00-08:00"), days=frozenset({"fri"})),
                Route(BOSS, hours=hours_of("00:00-08:00"), days=frozenset({"sat"})),
            ),
            Reach((1,), (), ("boss",)),
        ),
        ((Route(LEAD, frozenset({"4008123456"})), Route(BOSS, frozenset({"4008999956"}))), Reach((1,), (), ("boss",))),
    ],
)
def test_a_route_comes_into_effect_where_those_before_it_leave_a_queue_or_a_minute(
    routes: tuple[Route, ...], found: Reach
) -> None:
    queues = ["", "\0", *(queue for route in routes for queue in route.queues)]
    assert reach_of(routed(*routes), queues) == found


_RECEIVER = '[[pager.receivers]]\nname = "{name}"\nkind = "webhook"\nurl = "{url}"\n'


def settings_of(*names: str, url: str = "http://127.0.0.1:9/x", routes: str = "") -> None:
    receivers = "".join(_RECEIVER.format(name=name, url=url) for name in names)
    Path("sansheng.toml").write_text(receivers + routes)


def test_check_names_receivers_that_are_never_called_and_routes_that_never_fit(run: Run) -> None:
    routes = '[[pager.routes]]\nlevels = [["lead"]]\n[[pager.routes]]\nqueues = ["a"]\nlevels = [["boss"]]\n'
    settings_of("lead", "boss", "cook", routes=routes)
    english, chinese = run("pager", "check", "--english"), run("pager", "check")
    assert english.code == chinese.code == 0, english.err
    assert "pager.routes, the second (boss): never in effect" in english.err
    assert "boss is never called" in english.err
    assert "cook is never called" in english.err
    assert "lead is never called" not in english.err
    assert "pager.routes 第 2 条\uff08boss\uff09永远不会生效" in chinese.err
    assert "cook 永远不会收到通知" in chinese.err


def test_check_says_who_is_called_only_where_no_route_fits(run: Run) -> None:
    settings_of("lead", "cook", routes='[[pager.routes]]\nqueues = ["a"]\nlevels = [["lead"]]\n')
    assert "cook is in no route in effect: called only where no route fits" in run("pager", "check", "--english").err
    assert "cook 不在任何生效的路由中" in run("pager", "check").err


@pytest.mark.parametrize("routes", ["", '[[pager.routes]]\nlevels = [["lead"], ["boss"]]\n'])
def test_check_warns_of_nobody_where_everybody_can_be_called(run: Run, routes: str) -> None:
    settings_of("lead", "boss", routes=routes)
    found = run("pager", "check", "--english")
    assert found.code == 0
    assert "never" not in found.err
    assert "in no route" not in found.err


def test_the_commands_speak_of_notices_not_of_calls(run: Run) -> None:
    settings_of("lead")
    found = run("pager", "check")
    assert "当前通知对象" in found.out
    shown = found.out + found.err + pager_cli._test_page(Settings(), 0.0).title + "".join(pager_cli._COLUMNS[False])
    assert "呼叫" not in shown
    assert "测试通知" in shown


# ------------------------------------------------------------------------------------------- before `up` starts


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def to_start(folder: Path, url: str, name: str = "lead") -> Settings:
    return Settings(
        run_dir=folder / "run",
        kafka="127.0.0.1:1",
        ears={"workers": 0},
        wall={"port": free_port()},
        metrics=dict.fromkeys(("detect", "asterisk", "wall", "archive", "pager"), 0),
        monitoring={"prometheus": 0, "alertmanager": 0},
        pager={"receivers": [{"name": name, "kind": "webhook", "url": url}]},
    )  # type: ignore[arg-type]


async def test_up_starts_nothing_with_a_receiver_that_the_pager_would_refuse(tmp_path: Path, run: Run) -> None:
    said: list[str] = []
    with pytest.raises(UnreadyError) as refused:
        await up.run(to_start(tmp_path, "127.0.0.1:18777"), said.append)
    settings_of("lead", url="127.0.0.1:18777")
    assert str(refused.value) in run("pager", "check").err
    assert "lead" in str(refused.value)
    assert "url" in str(refused.value)
    assert "Traceback" not in str(refused.value)
    assert said == []
    assert not (tmp_path / "run").exists()


async def test_up_goes_on_with_a_receiver_that_can_be_called(tmp_path: Path) -> None:
    """As far as the broker, which is not there."""
    await up._check_pager(to_start(tmp_path, "http://127.0.0.1:18777/"))
