"""``sansheng archive forget | keep | reads``: deleting on request, retention by hand, and who read what.

Prints for whoever answers for personal data: Chinese first, English by ``--english``; never a number or a sentence.
"""

from __future__ import annotations

import csv
import getpass
import re
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from sqlalchemy import Row, select

from streams.archive import day_files, forget, forget_days, keeping, quoted, reads_told
from streams.archive import reads as audit
from streams.archive.archive_cli import app, opened
from streams.archive.forget import Account, Asked, Found
from streams.archive.schema import reads
from streams.archive.store import Store
from streams.events import CallOffered
from streams.phrases.normal import masked
from streams.settings import Settings
from streams.telephony.pseudonym import key_from, pseudonymise
from streams.terminal import bar, print_table, say

#: What ``calls.caller_key`` looks like.
_KEY = re.compile(r"[0-9a-f]{16}")
#: A spreadsheet takes a file for UTF-8 by its first bytes, and what begins so for a formula, whoever wrote it.
_BOM, _FORMULA = "\ufeff", ("=", "+", "-", "@", "\t", "\r")

English = Annotated[bool, typer.Option("--english", help="Print in English.")]


# ------------------------------------------------------------------------------------------ forget


@app.command("forget")
def forget_command(  # noqa: PLR0913 - each is an option of its own
    caller: Annotated[str, typer.Option(help="A customer's number; `-`: it is asked for, and not shown.")] = "",
    caller_key: Annotated[str, typer.Option(help="The pseudonym of a customer, as the archive has it.")] = "",
    call: Annotated[str, typer.Option(help="One call, by its id.")] = "",
    again: Annotated[
        bool,
        typer.Option("--again", help="All that was ever deleted: after a backup was put back, or an interruption."),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    reason: Annotated[str, typer.Option(help="Why, for the audit: a case number, no names.")] = "",
    report: Annotated[Path | None, typer.Option(help="Write what was removed to this new file, as JSON.")] = None,
    english: English = False,
) -> None:
    """Delete a customer's calls everywhere: store, search index, Parquet files; and tell what was removed."""
    if [bool(caller), bool(caller_key), bool(call), again].count(True) != 1:
        _refuse("say whose data: --caller NUMBER, --caller-key KEY, --call ID, or --again", 2)
    if report and report.exists():
        _refuse(f"{report} is there already: name a new file", 2)
    if report and not report.absolute().parent.is_dir():
        _refuse(f"{report.absolute().parent} is no folder", 2)
    with opened() as (store, settings):
        asked: Asked = "again" if again else "call" if call else "caller"
        found = _found(store, settings, caller, caller_key, call)
        if found.is_empty:
            _nothing(store, settings, asked, english=english)
            return
        audit.note(store, "forget", {"asked": asked, "done": False, "count": len(found.calls)})
        _show(found, english=english)
        if not (yes or typer.confirm(_ASK[english], err=True)):
            _refuse(_UNTOUCHED[english], 1)
        account = forget.remove(
            store,
            settings,
            found,
            asked=asked,
            by=getpass.getuser(),
            role=audit.ROLE,
            reason=masked(reason),
            tell=lambda step: say(_STEPS[step][english]),
        )
    if report:
        report.write_bytes(msgspec.json.format(msgspec.json.encode(account), indent=2) + b"\n")
    _print(account, english=english)
    if account.verified is False:
        raise typer.Exit(1)


def _refuse(why: str, code: int) -> None:
    say(why, style="red")
    raise typer.Exit(code)


def _found(store: Store, settings: Settings, caller: str, caller_key: str, call: str) -> Found:
    if call:
        return forget.of_call(store, call)
    if caller_key:
        if not _KEY.fullmatch(caller_key):
            _refuse("that is no caller key: it has 16 of the characters 0-9 and a-f (`calls.caller_key`)", 2)
        return forget.of_caller(store, [caller_key])
    if not caller:
        return forget.of_list(store, forget.list_file(settings))
    number = _asked_for() if caller == "-" else caller
    if "*" in number or len(re.sub(r"\D", "", number)) < 3:
        _refuse("that is no whole telephone number (stars cannot be looked up: give all digits)", 2)
    if not (settings.run_dir / "pseudonym.key").exists():
        _refuse(
            f"{settings.run_dir}/pseudonym.key is missing: only that key leads from a number to its calls "
            "(put it back from where it is kept, or name --caller-key or --call)",
            1,
        )
    return forget.of_caller(store, keys_of(number, key_from(settings.run_dir)))


def _asked_for() -> str:
    """Out of the shell's history: typed unseen, or the first line of what is piped in."""
    if sys.stdin.isatty():
        return str(typer.prompt("number", hide_input=True, err=True))
    return sys.stdin.readline().strip()


def keys_of(number: str, key: bytes) -> list[str]:
    """The pseudonyms of a number, in each of the ways in which exchanges write it."""
    digits = re.sub(r"\D", "", number)
    plain = re.sub(r"^(?:00)?86(?=1\d{10}$)|^0(?=1\d{10}$)", "", digits)
    ways = dict.fromkeys((number, digits, plain, *(f"{before}{plain}" for before in ("0", "86", "+86", "0086"))))
    made = [pseudonymise(CallOffered(call="-", at=0, caller=way), key) for way in ways]
    return [str(each.extra["customer_key"]) for each in made]


def _nothing(store: Store, settings: Settings, asked: Asked, *, english: bool) -> None:
    """Nothing of that is there: a mistyped number must not look like a request that was met."""
    if asked != "again":
        _refuse(_NONE[asked][english], 1)
    written = forget.finish(store, settings)
    say(_CLEAN[english].format(days=day_files.told(written) or "-"))


_NONE = {
    "caller": (
        "归档中没有这位客户的通话\uff0c什么也没有改动",
        "the archive has no call of such a customer; nothing was changed",
    ),
    "call": ("归档中没有这通通话\uff0c什么也没有改动", "the archive has no such call; nothing was changed"),
}
_CLEAN = (
    "已删除过的数据没有再出现\uff1b重写的日文件\uff1a{days}",
    "nothing that was deleted is there again; days written anew: {days}",
)
_ASK = ("以上数据将永久删除\uff0c确定吗\uff1f", "all this is deleted for good; go on?")
_UNTOUCHED = ("已取消\uff0c什么也没有改动", "nothing was changed")
_STEPS = {
    "rows": ("正在删除通话、告警与索引……", "deleting calls, alerts and index ..."),
    "days": ("正在重写相关日期的 Parquet 文件……", "writing the days' Parquet files anew ..."),
    "pages": ("正在清理数据库中的残留……", "cleaning the database's pages ..."),
    "check": ("正在抽查是否还有残留……", "looking whether anything is left ..."),
}


def _show(found: Found, *, english: bool) -> None:
    """How much, and from when to when; no number, no text."""
    one, several = len(found.alerts), len(found.shared)
    first, last = (found.days[0], found.days[-1]) if found.days else ("-", "-")
    span = first if first == last else f"{first} – {last}"
    if english:
        say(f"{len(found.calls)} calls ({span}), {one} alerts; {several} alerts about several calls lose theirs")
    else:
        say(
            f"找到通话 {len(found.calls)} 通\uff08{span}\uff09\uff0c告警 {one} 条\uff1b"
            f"另有 {several} 条涉及多通通话的告警将去掉这些通话"
        )


_KINDS = {
    "calls": ("通话", "calls"),
    "parts": ("参与的坐席", "agents taking part"),
    "records": ("通话事件记录", "records of events"),
    "words": ("通话文字及其索引", "transcripts and their index"),
    "alerts": ("告警", "alerts"),
    "judgements": ("复核与申诉", "judgements and appeals"),
    "shared": ("涉及多通通话的告警\uff08已去掉这些通话\uff09", "alerts about several calls (without these now)"),
    "reads": ("查阅记录\uff08已隐去对象\uff09", "entries of the audit (what was read is hidden now)"),
}
_LEFT = {
    "states": ("检测进程的通话状态", "the detectors' states of calls"),
    "backups": (
        "备份\uff1a恢复后请执行 sansheng archive forget --again",
        "backups: once put back, run sansheng archive forget --again",
    ),
    "exports": ("已打印、导出或转发的报表与证据", "figures and evidence that were printed, exported or sent on"),
}


def _print(account: Account, *, english: bool) -> None:
    """The account on stdout."""
    counts: dict[str, dict[str, int]] = defaultdict(dict)
    for each in account.removed:
        counts[each.kind][each.day] = each.count
    rows = [(_KINDS[kind][english], day or "-", str(own[day])) for kind, own in counts.items() for day in sorted(own)]
    if english:
        title = f"Removed on request, {account.at}: {account.calls} calls"
        print_table(("kind", "day", "rows"), rows, title)
    else:
        print_table(
            ("类别", "日期", "条数"), rows, f"应要求删除\uff0c{_moment(account.at)}\uff1a通话 {account.calls} 通"
        )
    for line in _told(account, english=english):
        typer.echo(line)
    left = [(_where(each.where, english=english), each.until or "-") for each in account.left]
    if english:
        print_table(("not removed", "gone by"), left, "Still elsewhere")
    else:
        print_table(("未删除的位置", "最迟消失于"), left, "仍在别处的数据")


def _moment(at: str) -> str:
    """ISO 8601 as a Chinese sentence has it; no time: nothing was ever heard of."""
    return f"{datetime.fromisoformat(at):%Y年%-m月%-d日 %H:%M}" if at else "-"


def _where(name: str, *, english: bool) -> str:
    topic = name.removeprefix("kafka:")
    if topic != name:
        return f"Kafka topic {topic}" if english else f"Kafka 主题 {topic}"
    return _LEFT[name][english]


def _told(account: Account, *, english: bool) -> Iterator[str]:
    written = day_files.told(account.parquet) or "-"
    check = {None: "none", True: "gone", False: "left"}[account.verified]
    yield (f"Parquet written anew: {written}" if english else f"重写的 Parquet 日文件\uff1a{written}")
    yield _CHECKS[check][english].format(samples=account.samples)
    yield (
        f"The archive had read up to {account.known_until}; what came later is not in this."
        if english
        else f"归档当时已收到 {_moment(account.known_until)} 为止的通话\uff0c之后的不在此列\u3002"
    )


_CHECKS = {
    "gone": (
        "已在数据库文件中抽查 {samples} 处\uff0c均无残留\u3002",
        "{samples} pieces of it were looked for in the database's file; none is left.",
    ),
    "left": (
        "数据库文件中仍有残留\uff08可能有程序正在读取\uff09\uff1a请稍后执行 sansheng archive forget --again\u3002",
        "Something is left in the database's file (somebody may read it): run sansheng archive forget --again later.",
    ),
    "none": (
        "PostgreSQL 已执行 VACUUM\uff1b预写日志归档与备份须另行处理\u3002",
        "PostgreSQL was vacuumed; archives of its write-ahead log, and backups, are yours to deal with.",
    ),
}


# ------------------------------------------------------------------------------------------ keep


@app.command("keep")
def keep_command() -> None:
    """Remove at once what has become too old by the settings; the archivist does it by itself."""
    done = keeping.Kept(more=True)
    now = time.time()
    with opened() as (store, settings):
        total = keeping.pending(store, settings, now)
        with bar() as tell:
            while done.more:
                step = keeping.keep(store, settings, now)
                done = keeping.Kept(
                    done.words + step.words, done.calls + step.calls, done.reads + step.reads, step.more
                )
                left = keeping.pending(store, settings, now) if step.more else 0
                tell("words", total - left, max(total, 1))
        written = _write_old(store, settings, now)
        forget.scrub(store)
    limit = keeping.limits(store, settings, now)
    say(f"words of {done.words} call(s) before {limit.words} removed; {done.calls} call(s) before {limit.figures}")
    say(f"{done.reads} entries of the audit before {limit.audit} removed; days written anew: {written or '-'}")


def _write_old(store: Store, settings: Settings, now: float) -> str:
    """The files of days that have lost something."""
    before, folder = keeping.limits(store, settings, now).words, settings.archive_folder
    due = {day for day in forget_days.stale(store, folder) if day < before}
    return day_files.told(forget_days.renew(store, folder, due, unknown_too=False))


# ------------------------------------------------------------------------------------------ reads


class As(StrEnum):
    """How the entries are printed."""

    table = "table"
    csv = "csv"


@app.command("reads")
def reads_command(
    of: Annotated[str, typer.Option(help="Of one call or alert, by its id.")] = "",
    by: Annotated[str, typer.Option(help="Of one person, by login.")] = "",
    span: Annotated[str, typer.Option("--days", help="2026-11-21, or 2026-11-01..2026-11-21.")] = "",
    output: Annotated[As, typer.Option("--format", help="table or csv.")] = As.table,
    english: English = False,
) -> None:
    """Print who read what of calls: on the wall's pages, and through commands. This is noted, too."""
    try:
        asked = day_files.days_of(span) if span else ()
    except ValueError as error:
        _refuse(str(error), 2)
    with opened() as (store, _):
        audit.note(store, "reads", {"of": of, "by": by, "days": span})
        _list(store, list(_entries(store, of, by, asked)), output, english=english)


def _entries(store: Store, of: str, by: str, asked: Sequence[str]) -> Iterator[Row[Any]]:
    found = select(reads).order_by(reads.c.at, reads.c.id)
    if by:
        found = found.where(reads.c.by == by)
    if asked:
        found = found.where(reads.c.at >= keeping.midnight(store, asked[0]))
    with store.reading() as connection:
        for row in connection.execution_options(yield_per=5000).execute(found):
            if of and not audit.is_of(row.what, row.of, of):
                continue
            if not asked or store.day_of(row.at) <= asked[-1]:
                yield row


_HEADS = (("时间", "谁", "角色", "做了什么", "对象"), ("time", "who", "role", "what", "of"))
_GONE = ("已应要求删除", "deleted on request")
_NO_READS = ("没有符合条件的查阅记录", "the audit has no such entry")


def _list(store: Store, found: Iterable[Row[Any]], output: As, *, english: bool) -> None:
    rows = [
        (
            f"{datetime.fromtimestamp(row.at, store.zone):%Y-%m-%d %H:%M:%S}",
            row.by,
            reads_told.role(row.role, english=english),
            reads_told.what(row.what, english=english),
            _GONE[english]
            if row.of == quoted.MARKER
            else reads_told.told(row.what, row.of, store.zone, english=english),
        )
        for row in found
    ]
    if output is As.csv:
        sys.stdout.write(_BOM)
        csv.writer(sys.stdout).writerows([_HEADS[english], *([_safe(cell) for cell in row] for row in rows)])
        return
    if not rows:
        say(_NO_READS[english])
        return
    print_table(_HEADS[english], rows, f"{len(rows)} entries" if english else f"共 {len(rows)} 条")


def _safe(cell: str) -> str:
    """A name that looks like a formula is told apart from one."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
