"""``sansheng pager …``: runs the pager, tries a receiver, shows open pages and who would be called.

Owns options and printing; what is printed is for supervisors and managers, Chinese first, English by ``--english``.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator
from datetime import datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from streams.alerts import SIGNS, duration_en, duration_zh
from streams.detectors.wording import SEVERITY_ZH
from streams.pager.deciding import Contact, PagerState
from streams.pager.duty import Plan, shown
from streams.pager.page import Notice, Page
from streams.pager.reach import Reach, reach_of
from streams.pager.receiver import Receiver, RefusedError, RetryError
from streams.settings import Settings, read_settings
from streams.settings_faults import ordinal
from streams.terminal import print_table, say

#: Runs work with logs until a signal; what an operator can mend is said in words, exit 1.
Run = Callable[[Coroutine[Any, Any, None]], None]

app = typer.Typer(help="Pages: who is called for an alert that cannot wait.")

English = Annotated[bool, typer.Option("--english", help="English instead of Chinese.")]
Kafka = Annotated[str | None, typer.Option(help="host:port of a broker to use, not the embedded one.")]

_COLUMNS = {
    False: (
        "序号",
        "规则",
        "级别",
        "队列",
        "开始时间",
        "通知到",
        "认领",
        "通知对象",
    ),
    True: ("no.", "rule", "severity", "queue", "since", "level", "claimed", "told"),
}
_DIRECT = {False: "直拨来电", True: "direct calls"}
_OTHERS = {False: "其他队列", True: "any other queue"}


def mount(parent: typer.Typer, run: Run) -> None:
    """``sansheng pager``, which runs the pager, and its commands."""

    @app.callback(invoke_without_command=True)
    def pager(context: typer.Context, kafka: Kafka = None) -> None:
        """Call people for alerts that cannot wait; where nobody claims, those of the next level."""
        if context.invoked_subcommand is None:
            from streams.pager import pager  # noqa: PLC0415 - the Kafka client takes a while to import

            run(pager.run(read_settings(kafka=kafka)))

    parent.add_typer(app, name="pager")


# ------------------------------------------------------------------------------------------- test


@app.command("test")
def test_command(
    receiver: Annotated[str, typer.Argument(help="Name of a receiver in the settings.")],
) -> None:
    """Send a page that is plainly marked as a test to one receiver, and end it again."""
    from streams.pager.receivers import receivers  # noqa: PLC0415 - the web client takes a while to import

    settings = read_settings()
    made = receivers(settings)
    if receiver not in made:
        known = ", ".join(made) or "none; `sansheng pager` says how to write one"
        say(f"no receiver is called {receiver!r} (known: {known})", style="red")
        raise typer.Exit(2)
    raise typer.Exit(asyncio.run(_tell_test(settings, made[receiver])))


async def _tell_test(settings: Settings, receiver: Receiver) -> int:
    now = time.time()
    page = _test_page(settings, now)
    try:
        for news in ("opened", "resolved"):
            if news in receiver.tells:
                await receiver.tell(Notice(page=page, news=news, at=now))
    except (RetryError, RefusedError) as error:
        say(f"{receiver.name}: {error}", style="red")
        return 1
    finally:
        await receiver.close()
    say(f"{receiver.name} has taken the test page")
    return 0


def _test_page(settings: Settings, now: float) -> Page:
    from streams.pager.planning import wall_url  # noqa: PLC0415 - with the rest of the shell

    return Page(
        id=f"test-{int(now)}",
        rule="test",
        title="测试通知\uff08无需处理\uff09",
        title_en="Test page (nothing to do)",
        severity="critical",
        queue="",
        site=settings.site,
        clause="",
        at=now,
        link=f"{wall_url(settings)}/",
    )


# ------------------------------------------------------------------------------------------- status


@app.command("status")
def status_command(kafka: Kafka = None, english: English = False) -> None:
    """Print the pages that are open, who was told, and whether somebody has them; and the address of each."""
    from aiokafka.errors import KafkaError  # noqa: PLC0415 - the Kafka client takes a while to import

    from streams.pager import records  # noqa: PLC0415 - as above
    from streams.shell.clients import LostError  # noqa: PLC0415 - as above
    from streams.shell.topics import must_fit  # noqa: PLC0415 - as above

    settings = read_settings(kafka=kafka)
    for client in ("aiokafka", "kafka"):
        logging.getLogger(client).setLevel(logging.CRITICAL)  # they repeat what we say in a word
    try:
        must_fit(settings)
        found = asyncio.run(records.read(settings, range(settings.partitions)))
    except (LostError, KafkaError, OSError, TimeoutError) as error:
        say(f"Kafka at {settings.bootstrap}: {error or type(error).__name__}", style="red")
        raise typer.Exit(1) from None
    states = [state for pages in found.values() for state in pages.values() if state.page and not state.is_over]
    states.sort(key=lambda state: state.opened_at)
    zone = ZoneInfo(settings.wall.timezone)
    title = (f"未结束的值班通知\uff1a{len(states)} 个", f"{len(states)} open pages")[english]
    rows = ((str(number), *_row(state, zone, english=english)) for number, state in enumerate(states, 1))
    print_table(_COLUMNS[english], rows, title)
    for number, state in enumerate(states, 1):
        typer.echo(f"{number:>3}  {state.page.link if state.page else ''}")  # in a cell it would be folded


def _row(state: PagerState, zone: ZoneInfo, *, english: bool) -> tuple[str, ...]:
    page = state.page
    assert page is not None  # noqa: S101 - the caller has looked
    since = datetime.fromtimestamp(page.at, zone)
    lasts = (duration_zh, duration_en)[english](max(0.0, time.time() - page.at))
    return (
        page.title_en if english else page.title,
        f"{SIGNS[page.severity]} {page.severity if english else SEVERITY_ZH[page.severity]}",
        page.queue or _DIRECT[english],
        f"{since:%m-%d %H:%M:%S} ({lasts})",
        _level(state, english=english),
        (("否", "no"), ("是", "yes"))[state.is_claimed][english],
        ", ".join(_told(name, contact, english=english) for name, contact in state.contacts.items()) or "-",
    )


def _level(state: PagerState, *, english: bool) -> str:
    if state.level:
        return f"level {state.level}" if english else f"第 {state.level} 级"
    return "held: everybody has quiet hours" if english else "暂缓\uff08全部在免打扰时段\uff09"


def _told(name: str, contact: Contact, *, english: bool) -> str:
    if contact.knows:
        return name
    if contact.is_done:
        return f"{name} (refused)" if english else f"{name}\uff08已拒收\uff09"
    return f"{name} (not reached yet)" if english else f"{name}\uff08尚未送达\uff09"


# ------------------------------------------------------------------------------------------- check


@app.command("check")
def check_command(english: English = False) -> None:
    """Check the settings of the pager and print who would be called now, queue by queue."""
    from streams.pager.planning import NO_RECEIVER, plan_of, wall_url  # noqa: PLC0415 - with the rest of the shell
    from streams.pager.receivers import receivers  # noqa: PLC0415 - the web client takes a while to import

    settings = read_settings()
    if not settings.pager.receivers:
        say(NO_RECEIVER, style="red")
        raise typer.Exit(1)
    plan = plan_of(settings, receivers(settings).values())
    queues = dict(_queues(settings, english=english))
    now = time.time()
    rows = [(name, _called(plan, queue, now, english=english)) for queue, name in queues.items()]
    title = ("当前通知对象", "who would be called now")[english]
    print_table((("队列", "queue")[english], ("各级", "levels")[english]), rows, title)
    for line in _remarks(settings, plan, now, wall_url(settings), english=english):
        say(line)
    for line in _idle(reach_of(plan, queues), plan, english=english):
        say(line, style="yellow")


def _queues(settings: Settings, *, english: bool) -> Iterator[tuple[str, str]]:
    """Every queue that the settings name, then those that they do not; and what they are called."""
    teams = (queue for team in settings.wall.teams.values() for queue in team.queues)
    routes = (queue for route in settings.pager.routes for queue in route.queues)
    for queue in dict.fromkeys((*routes, *teams)):
        if queue:
            yield queue, queue
    yield "\0", _OTHERS[english]  # no queue is called so
    yield "", _DIRECT[english]


def _called(plan: Plan, queue: str, now: float, *, english: bool) -> str:
    """The levels, with whoever has quiet hours in brackets."""
    quiet = ("免打扰", "quiet")[english]
    levels = (
        ", ".join(f"{name} ({quiet})" if plan.is_quiet(name, now) else name for name in level)
        for level in plan.levels(queue, now)
    )
    return " → ".join(levels)


def _idle(reach: Reach, plan: Plan, *, english: bool) -> Iterator[str]:
    """What is written in the settings and has no effect, or less than its writer may think."""
    for number in reach.idle:
        levels = " → ".join(", ".join(level) for level in plan.routes[number].levels)
        yield (
            f"pager.routes 第 {number + 1} 条\uff08{levels}\uff09永远不会生效\uff1a"
            "排在前面的路由已包含其全部队列和时段\uff1b请前移或删除",
            f"pager.routes, {ordinal(number)} ({levels}): never in effect, for those before it have all its queues "
            "and hours; put it before them, or take it out",
        )[english]
    for name in reach.never:
        yield (
            f"{name} 永远不会收到通知\uff1a没有任何生效的路由包含它\uff1b请写入某条路由的 levels\uff0c或删除该接收端",
            f"{name} is never called: no route in effect has it; put it into the levels of one, or take it out",
        )[english]
    for name in reach.last:
        yield (
            f"{name} 不在任何生效的路由中\uff1a只有没有路由匹配时才会通知它\uff08此时通知全部接收端\uff09",
            f"{name} is in no route in effect: called only where no route fits, as everybody is then",
        )[english]


def _alike(queues: Iterable[str]) -> Iterator[list[str]]:
    """Queues that pages cannot tell apart."""
    found: dict[str, list[str]] = {}
    for queue in queues:
        found.setdefault(shown(queue), []).append(queue)
    return (names for names in found.values() if len(names) > 1)


def _remarks(settings: Settings, plan: Plan, now: float, link: str, *, english: bool) -> Iterator[str]:
    waits = (duration_zh, duration_en)[english](plan.escalate_after_s)
    clock = f"{datetime.fromtimestamp(now, plan.zone):%H:%M} {settings.wall.timezone}"
    if english:
        yield f"it is {clock}; the next level (→) is called when nobody has claimed after {waits}"
        yield f"pages link to {link}/alerts/…"
    else:
        yield f"现在是 {clock}\uff1b{waits}无人认领时通知下一级\uff08→\uff09"
        yield f"通知中的链接指向 {link}/alerts/…"
    for names in _alike(name for name, _ in _queues(settings, english=english)):
        listed = ", ".join(names)
        yield (
            f"{listed}\uff1a隐去部分数字后名称相同\uff0c按同一队列匹配路由\uff0c以先写的路由为准",
            f"{listed}: the same where numbers are shown in part, so the first route for either counts for both",
        )[english]
    if not settings.pager.wall_url:
        yield (
            "pager.wall_url 未设置\uff1a该地址在手机上可能打不开",
            "pager.wall_url is not set: that address may not open on a phone",
        )[english]
