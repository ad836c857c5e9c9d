"""``sansheng rules …``: check, test, list, show and explain the rulebook. Owns options and printing."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.padding import Padding
from rich.progress import track
from rich.text import Text

from streams import timelines
from streams.alerts import SEVERITIES, AlertChange
from streams.detectors import KINDS
from streams.detectors.base import Rule
from streams.detectors.conditions import Explained, Facts, clock
from streams.detectors.wording import ANSWER_ZH
from streams.explain import Explanation, Record, Verdict
from streams.rulebook import coverage, lint, schema
from streams.rulebook.book import Rulebook
from streams.rulebook.page import STATUS_ZH, Section, kind_of, page, severities
from streams.rulebook.places import Place, places
from streams.rulebook.reading import nearest
from streams.rulebook.sources import read_sources
from streams.settings import read_settings
from streams.terminal import Format, From, Reading, Source, as_written, book_of, err, print_table, say
from streams.timelines import Outcome, Sheet
from streams.verdicts import Precision

if TYPE_CHECKING:
    from streams.shell.judged import Judged

app = typer.Typer(help="The rulebook.", no_args_is_help=True)

#: Where a site keeps its timelines, beside the working directory.
TIMELINES = Path("tests/rules")

Overlays = Annotated[list[Path], typer.Option("--rulebook", help="Folder or file laid over the default rulebook.")]
Kind = StrEnum("Kind", {kind: kind for kind in sorted(KINDS)})  # type: ignore[misc]  # choices made at run time
Status = StrEnum("Status", {status: status for status in STATUS_ZH})  # type: ignore[misc]
Severity = StrEnum("Severity", {severity: severity for severity in SEVERITIES})  # type: ignore[misc]

Folders = Annotated[list[Path], typer.Option("--timelines", help="Folder of timelines, or one file of them.")]


@app.command()
def check(
    overlays: Annotated[list[Path], typer.Argument(help="Folders or files to lay over the default rulebook.")] = [],  # noqa: B006 - typer's way
    folders: Folders = [],  # noqa: B006 - typer's way
) -> None:
    """Find every fault of the rulebook, with file, line and the mend; exit 2 where there is one."""
    found = lint.check(overlays or read_settings().rulebook, folders or [TIMELINES] * TIMELINES.is_dir())
    for line in lint.summary(found.book):
        say(line)
    for warning in found.warnings:
        say(f"warning: {warning}", style="yellow")
    for fault in found.faults:
        say(str(fault), style="red")
    if found.faults:
        say(f"the rulebook has {len(found.faults)} fault(s)")
        raise typer.Exit(2)
    warned = f", {len(found.warnings)} warning(s)" if found.warnings else ""
    typer.echo(f"rulebook {found.book.version}: {len(found.book.rules)} rules, no faults{warned}")


@app.command("coverage")
def coverage_command() -> None:
    """Print, as Markdown, each clause of the manuals and the rules of the default book that watch it."""
    sys.stdout.write(coverage.as_markdown(book_of([]), read_sources()))


@app.command("schema")
def schema_command() -> None:
    """Print the JSON Schema of a file of rules, by which an editor checks while you type."""
    sys.stdout.write(schema.as_json())


@app.command()
def test(
    rules: Annotated[list[str], typer.Argument(metavar="RULE", help="Only the timelines of these rules.")] = [],  # noqa: B006 - typer's way
    folders: Folders = [],  # noqa: B006 - typer's way
    rulebook: Overlays = [],  # noqa: B006 - typer's way
) -> None:
    """Run the timelines of the rules and tell where something else came than was expected; exit 1 then."""
    book = book_of(rulebook or read_settings().rulebook)
    known = [rule.id for rule in book.rules]
    sheets = [timelines.read(file, known) for file in _files(book, rules, folders)]
    books = [timelines.trying(book, sheet.rule) for sheet in sheets]
    outcomes: list[list[Outcome]] = [[] for _ in sheets]
    running = [(n, by, each) for n, by in enumerate(books) if by is not None for each in sheets[n].timelines]
    quiet = not err.is_terminal or len(running) < 50
    for n, by, timeline in track(running, "timelines", console=err, transient=True, disable=quiet):
        outcomes[n].append(timelines.run(by, timeline))
    for n, sheet in enumerate(sheets):
        _tell_sheet(sheet, outcomes[n], retired=books[n] is None and sheet.rule in known)
    failed = sum(not outcome.passed for found in outcomes for outcome in found)
    faults = sum(len(sheet.faults) for sheet in sheets)
    more = f", {faults} fault(s) in files" if faults else ""
    typer.echo(f"{len(sheets)} rules, {len(running)} timelines, {failed} failed{more}")
    if failed or faults:
        raise typer.Exit(1)


def _files(book: Rulebook, rules: Sequence[str], folders: Sequence[Path]) -> list[Path]:
    """The files of timelines to run; exit 2 where there are none, or a rule is not known."""
    for rule in rules:
        _rule_of(book, rule)
    folders_in_use = list(folders) or [TIMELINES]
    for place in folders_in_use:
        if not place.exists():
            say(f"{place}: there are no timelines (give their folder with --timelines)", style="red")
            raise typer.Exit(2)
    files = [file for file in timelines.files_in(folders_in_use) if not rules or file.stem in rules]
    missing = [rule for rule in rules if rule not in {file.stem for file in files}]
    if missing or not files:
        what = f" of {', '.join(missing)}" if missing else ""
        say(f"{', '.join(map(str, folders_in_use))}: there are no timelines{what}", style="red")
        raise typer.Exit(2)
    return files


def _tell_sheet(sheet: Sheet, outcomes: Sequence[Outcome], *, retired: bool) -> None:
    """One line, and what went wrong."""
    if retired and not sheet.faults:
        typer.echo(f"-      {sheet.rule}: retired, its {len(sheet.timelines)} timelines were not run")
        return
    failed = [outcome for outcome in outcomes if not outcome.passed]
    counts = ", ".join(f"{sum(o.timeline.proves == p for o in outcomes)} {p}" for p in timelines.PROVES)
    word = "FAILED" if failed or sheet.faults else "ok"
    typer.echo(f"{word:6} {sheet.rule}: {len(outcomes) - len(failed)} of {len(outcomes)} timelines ({counts})")
    for fault in sheet.faults:
        typer.echo(f"  {fault}")
    for outcome in failed:
        typer.echo("  " + str(outcome).replace("\n", "\n  "))


def _rule_of(book: Rulebook, rule_id: str) -> Rule:
    """The rule of that id, or exit 2 with the nearest."""
    rule = book.rule(rule_id)
    if rule is None:
        say(f"unknown rule {rule_id!r} ({nearest(rule_id, [r.id for r in book.rules])})", style="red")
        raise typer.Exit(2)
    return rule


# ------------------------------------------------------------------------------------------- list and show


@app.command("list")
def list_rules(  # noqa: PLR0913 - one argument an option
    kind: Annotated[Kind | None, typer.Option(help="Only rules of that kind.")] = None,
    status: Annotated[Status | None, typer.Option(help="Only rules of that status.")] = None,
    severity: Annotated[Severity | None, typer.Option(help="Only rules that may alert with it.")] = None,
    chapter: Annotated[str | None, typer.Option(help="Only rules of that chapter (the name of its file).")] = None,
    folders: Folders = [],  # noqa: B006 - typer's way
    rulebook: Overlays = [],  # noqa: B006 - typer's way
    output: Annotated[Format, typer.Option("--format", help="ndjson or table.")] = Format.table,
) -> None:
    """Print all rules, or those of a kind, status, severity or chapter, as a table.

    The last columns are the alerts of the last seven days: how many people found right and wrong, how many nobody has
    judged, and the share of right ones among the judged.
    """
    overlays = rulebook or read_settings().rulebook
    draft, book = as_written(overlays)
    where = places(draft, overlays)
    chapters = dict.fromkeys(place.chapter for place in where.values())
    if chapter is not None and chapter not in chapters:
        say(f"unknown chapter {chapter!r} ({nearest(chapter, chapters)})", style="red")
        raise typer.Exit(2)
    proven = _proven(book, folders)
    judged = _judged()
    rows = [_row(rule, where[rule.id], len(proven.get(rule.id, ())), judged) for rule in book.rules]
    wanted = {"kind": kind, "status": status, "chapter": chapter}
    rows = [row for row in rows if all(value is None or row[name] == value for name, value in wanted.items())]
    rows = [row for row in rows if severity is None or severity in (step["severity"] for step in row["severities"])]
    if output is Format.ndjson:
        sys.stdout.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        return
    columns = ("id", "title", "kind", "severity", "status", "clause", "timelines", *_FIGURES)
    print_table(columns, map(_cells, rows), f"{len(rows)} of {len(book.rules)} rules, rulebook {book.version}")


#: What people made of a rule's alerts: columns of the table.
_FIGURES = ("right", "wrong", "open", "precision")
_UNKNOWN = "\u2013"


def _judged() -> Judged | None:
    """What people made of the alerts of the last seven days; None: unknown, and the operator has been told why."""
    from streams.shell.judged import UnansweredError, read_judged  # noqa: PLC0415 - the Kafka client takes a while

    settings = read_settings()
    try:
        with err.status("verdicts of the last seven days") as status:
            judged = read_judged(settings, lambda n: status.update(f"verdicts of the last seven days: {n:,} messages"))
    except UnansweredError as error:
        say(f"right, wrong, open and precision are not known: {error}", style="yellow")
        return None
    if not judged.whole:
        say("there were more alerts than could be read in time: how many are open is not known", style="yellow")
    return judged


def _figures(rule: str, judged: Judged | None) -> dict[str, Any] | None:
    if judged is None:
        return None
    found = judged.rules.get(rule, Precision())
    undecided = found.undecided if judged.whole else None
    return {"right": found.right, "wrong": found.wrong, "open": undecided, "precision": found.share}


def _figure_cells(row: dict[str, Any]) -> Iterator[str]:
    figures = row["last_7_days"] or {}
    for name in _FIGURES:
        value = figures.get(name)
        yield _UNKNOWN if value is None else f"{value:.0%}" if name == "precision" else str(value)


def _row(rule: Rule, place: Place, proven: int, judged: Judged | None) -> dict[str, Any]:
    steps = [
        {"severity": severity} | ({"after_s": after} if after is not None else {})
        for severity, after in severities(rule)
    ]
    return {
        "id": rule.id,
        "title": rule.title,
        "kind": kind_of(rule),
        "severities": steps,
        "status": rule.status,
        "chapter": place.chapter,
        "clause": {"manual": rule.clause.manual, "section": rule.clause.section},
        "timelines": proven,
        "last_7_days": _figures(rule.id, judged),
        "file": str(place.file),
        "line": place.line,
    }


def _cells(row: dict[str, Any]) -> Iterator[str]:
    steps = [
        f"{step['after_s']:g} s {step['severity']}" if "after_s" in step else step["severity"]
        for step in row["severities"]
    ]
    clause = f"{row['clause']['manual']} {row['clause']['section']}"
    yield from (row["id"], row["title"], row["kind"], ", ".join(steps), row["status"], clause, str(row["timelines"]))
    yield from _figure_cells(row)


def _proven(book: Rulebook, folders: Sequence[Path]) -> dict[str, list[str]]:
    """What the timelines prove, by rule; none where there is no folder of them."""
    known = [rule.id for rule in book.rules]
    wanted = list(folders) or ([TIMELINES] if TIMELINES.is_dir() else [])
    sheets = [timelines.read(file, known) for file in timelines.files_in(wanted)]
    return {sheet.rule: [f"{t.name}({t.proves})" for t in sheet.timelines] for sheet in sheets}


@app.command()
def show(
    rules: Annotated[list[str], typer.Argument(metavar="ID", help="Ids of rules; none: all of them.")] = [],  # noqa: B006 - typer's way
    folders: Folders = [],  # noqa: B006 - typer's way
    rulebook: Overlays = [],  # noqa: B006 - typer's way
) -> None:
    """Print a rule as a page: what it says, when it fires, its words, its clause, what is known to go wrong."""
    overlays = rulebook or read_settings().rulebook
    draft, book = as_written(overlays)
    where = places(draft, overlays)
    proven = _proven(book, folders)
    wanted = [_rule_of(book, rule_id) for rule_id in rules] or list(book.rules)
    for rule in wanted:
        _print_page(page(book, rule, where[rule.id], proven.get(rule.id, [])))


def _print_page(sections: Sequence[Section]) -> None:
    """On a terminal with a bold title and folded lines; in a pipe plain, a line a line."""
    console = Console(highlight=False)
    head, *rest = sections
    _print_line(console, head.heading, 0, "bold reverse" if console.is_terminal else "")
    for line in head.lines:
        _print_line(console, line, 0)
    for section in rest:
        _print_line(console, section.heading, 0, "bold")
        for line in section.lines:
            _print_line(console, line, 4)
    console.print()


def _print_line(console: Console, line: str, indent: int, style: str = "") -> None:
    if console.is_terminal:
        console.print(Padding(Text(line, style=style), (0, 0, 0, indent)))
    else:
        sys.stdout.write(" " * indent + line + "\n")


# ------------------------------------------------------------------------------------------------- explain


@app.command()
def explain(
    arguments: Annotated[list[str], typer.Argument(metavar="[ALERT_ID] FILES...", help="An alert and the record.")],
    rule: Annotated[str, typer.Option("--rule", help="Instead of an alert: this rule …")] = "",
    call: Annotated[str, typer.Option("--call", help="… in this call, whether it fired or not.")] = "",
    source: From = Source.record,
    rulebook: Overlays = [],  # noqa: B006 - typer's way
) -> None:
    """Tell why an alert came, or why a rule gave none in a call: each condition, its value, the moment."""
    if bool(rule) != bool(call):
        say("--rule and --call belong together: a rule, and the call that it is about", style="red")
        raise typer.Exit(2)
    alert_id, files = ("", arguments) if rule else (arguments[0], arguments[1:])
    paths = _existing(alert_id, files)
    book = book_of(rulebook or read_settings().rulebook)
    if rule:
        _rule_of(book, rule)
    reading = Reading(paths, source)
    record = Record(book, reading.events())
    reading.conclude()
    found = record.rule(rule, call) if rule else record.alert(alert_id)
    if found is None:
        _tell_missing(record, alert_id, call)
        raise typer.Exit(1)
    _print_explanation(found, alert_id)
    for subject in record.subjects(rule, call) if rule else ():
        if (more := record.rule(rule, subject)) is not None:
            _print_explanation(more, "")


def _existing(alert_id: str, files: Sequence[str]) -> list[Path]:
    missing = [name for name in files if not Path(name).is_file()]
    if not files or missing:
        what = f"no such file: {', '.join(missing)}" if missing else "no record given"
        also = f"{alert_id} is a file; " if alert_id and Path(alert_id).is_file() else ""
        say(f"{what} ({also}write `rules explain ALERT_ID FILES…` or `--rule ID --call CALL FILES…`)", style="red")
        raise typer.Exit(2)
    return [Path(name) for name in files]


def _tell_missing(record: Record, alert_id: str, call: str) -> None:
    if call:
        say(f"call {call!r} is not in the record ({nearest(call, record.calls)})", style="red")
        return
    say(f"alert {alert_id!r} is not in the record; it has {len(record.changes) or 'none'}:", style="red")
    for change in sorted(record.changes.values(), key=lambda change: change.at):
        typer.echo(f"{change.id}  {change.rule}  {change.call}  {change.says}")


def _print_explanation(found: Explanation, alert_id: str) -> None:
    rule, call, facts = found.rule, found.call, found.facts
    began = facts.site.calendar.local(call.begun_at)
    sections = [
        Section(f"{rule.title}  {rule.id}", [f"通话 {call.id},{began:%Y-%m-%d} {clock(facts, call.begun_at)} 开始"])
    ]
    if rule.status in ("draft", "retired"):
        sections.append(Section("没有判断", [f"规则状态:{STATUS_ZH[rule.status]}"]))
    for verdict in found.verdicts:
        sections.append(Section(_headline(verdict, facts), list(_lines(verdict.about, 0))))
    if not alert_id:
        told = "到记录结束时" if found.verdicts else "没有报警;到记录结束时"
        sections.append(Section(told, list(_lines(found.account, 0))))
    _print_page(sections)


def _headline(verdict: Verdict, facts: Facts) -> str:
    told = verdict.told
    known = f",{clock(facts, verdict.known_at)} 才能判定" if verdict.known_at - told.at >= 0.05 else ""
    if not isinstance(told, AlertChange):
        return f"{clock(facts, told.at)}  未判定:没有听到{known}"
    change = timelines.Change(0.0, told.state, told.severity)  # type: ignore[arg-type]
    return f"{clock(facts, told.at)}  {change.word}  {told.says}{known}  {told.id}"


def _lines(account: Sequence[Explained], depth: int) -> Iterator[str]:
    for each in account:
        because = f"  {each.because}" if each.because else ""
        yield f"{'  ' * depth}{ANSWER_ZH.get(each.answer, each.answer)}  {each.asks}{because}"
        yield from _lines(each.parts, depth + 1)
