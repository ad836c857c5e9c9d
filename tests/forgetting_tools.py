"""What the tests of forgetting share: calls with a sentence that nobody else says, and what can be read of a store."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from msgspec.structs import replace
from sqlalchemy import Table, select, update

from streams.alerts import AlertChange, Clause, Wording
from streams.archive import keeping, search
from streams.archive.keeping import Kept
from streams.archive.schema import alerts, calls, grams, judgements, metadata, parts, records, words
from streams.archive.store import Store
from streams.events import AnyEvent, CallOffered, Event, Evidence, Gap, Spotted, Transcript, Word
from streams.replay import read_record, replay
from streams.rulebook.book import Rulebook, read
from streams.settings import Settings
from streams.verdicts import Action, Judgement
from tests.archive_tools import Log, taken

SPEECH = Path(__file__).parent / "traces/speech"
DAY_S = 86_400.0
#: 2026-11-22 12:00 in Shanghai.
NOW = 1795320000.0
NOON = NOW


@cache
def book() -> Rulebook:
    """The default one."""
    return read([])[1]


def call(name: str, at: float, caller: str, secret: str, trace: str = "escalation") -> list[AnyEvent]:
    """A recorded call as that of ``caller`` at ``at``, in which the customer says ``secret`` too."""
    events = [event for event in read_record(SPEECH / f"{trace}.ndjson") if isinstance(event, Event)]
    by = at - events[0].at
    moved = [_moved(event, by, name, caller) for event in events]
    last = next(i for i, event in reversed(list(enumerate(moved))) if isinstance(event, Transcript))
    when = moved[last].at
    said = [Word(text=secret[:4], start=when - 0.9, end=when - 0.5), Word(text=secret[4:], start=when - 0.5, end=when)]
    extra: list[AnyEvent] = [
        Spotted(call=name, at=when, role="customer", text=secret, start=when - 1, end=when),
        Transcript(
            call=name, at=when, role="customer", text=secret, start=when - 1, end=when, final=True, words=tuple(said)
        ),
        Gap(call=name, at=when, role="agent", start=when - 1, end=when, reason="test"),
    ]
    return [*moved[: last + 1], *extra, *moved[last + 1 :]]  # type: ignore[list-item]


def _moved(event: Event, by: float, name: str, caller: str) -> Event:
    fields = {
        field: getattr(event, field) + by
        for field in ("at", "start", "end", "through", "said")
        if isinstance(getattr(event, field, None), float)
    }
    if isinstance(event, CallOffered):
        fields["caller"] = caller
    return replace(event, call=name, **fields)


def fired(events: Sequence[AnyEvent]) -> list[AlertChange]:
    """What the default rulebook makes of a call."""
    return [change for change in replay(book(), events) if isinstance(change, AlertChange)]


def quoting(name: str, at: float, secret: str) -> list[AlertChange]:
    """An alert whose sentence and evidence quote ``secret``, and whose end quotes it without evidence."""
    opened = AlertChange(
        id=f"q-{name}",
        rule="forbidden-words",
        severity="critical",
        state="opened",
        call=name,
        agent="8026",
        queue="hotline",
        at=at + 30,
        title="禁语",
        says=f"8026 号坐席说了\u201c{secret}\u201d",
        en=Wording("Forbidden words", f"agent 8026 said \u201c{secret}\u201d"),
        clause=Clause("规范", "5.2", quote="不得如此"),
        evidence=(Evidence(role="agent", text=secret, start=at + 20, end=at + 22, match=secret[:4]),),
        rulebook="b1",
    )
    cleared = replace(opened, state="cleared", at=at + 40, evidence=(), says=f"更正后没有\u201c{secret}\u201d")
    return [opened, cleared]


def surge(
    name: str, subject: str, about: Sequence[str], at: float, secret: str = "", when: float | None = None
) -> AlertChange:
    """An alert about several calls."""
    start = at if when is None else when
    return AlertChange(
        id=name,
        rule="surge",
        severity="warning",
        state="opened",
        call=f"~of:surge:{subject}",
        agent=None,
        queue=None,
        at=at,
        title="多位客户反映同类问题",
        says=f"多位客户反映\u201c{secret}\u201d" if secret else "同一位客户多次来电",
        clause=Clause("规范", "6.1"),
        evidence=(Evidence(role="customer", text=secret, start=start, end=start + 2),) if secret else (),
        calls=tuple(about),
        rulebook="b1",
    )


def judged(change: AlertChange, nth: int, action: Action, text: str = "") -> Judgement:
    """Something that a supervisor did with it."""
    return Judgement(
        id=f"{change.id}-{nth}",
        alert=change.id,
        call=change.call,
        rule=change.rule,
        action=action,
        by="li",
        by_name="李",
        at=change.at + 60 * nth,
        text=text,
    )


def filled(store: Store, made: Sequence[tuple[str, float, str, str]], log: Log | None = None) -> Log:
    """A store with these calls: name, when, caller, secret; each with its alerts, and one that was judged."""
    log = log or Log()
    before = len(log.messages)
    for name, at, caller, secret in made:
        events = call(name, at, caller, secret)
        quotes = quoting(name, at, secret)
        log.calls(events).alerts([*fired(events), *quotes])
        log.verdicts([judged(quotes[0], 1, "claimed"), judged(quotes[0], 2, "resolved", f"他说{secret}")])
    taken(store, log.messages[before:])
    return log


def kept(store: Store, settings: Settings, now: float) -> Kept:
    """Everything that is due."""
    done = Kept(more=True)
    while done.more:
        step = keeping.keep(store, settings, now)
        done = Kept(done.words + step.words, done.calls + step.calls, done.reads + step.reads, step.more)
    return done


def rows(store: Store, table: Table) -> list[tuple[Any, ...]]:
    """All of a table, in the order of its key."""
    with store.reading() as connection:
        found = connection.execute(select(table).order_by(*table.primary_key))
        return [tuple(bytes(v) if isinstance(v, memoryview) else v for v in row) for row in found]


def damage(store: Store, name: str) -> None:
    """The record of that call cannot be unpacked any more."""
    with store.writing() as connection:
        no = connection.scalar(select(calls.c.no).where(calls.c.id == name))
        connection.execute(update(records).where(records.c.call_no == no).values(lines=b"xx"))


def everything(store: Store, but: Sequence[str] = ()) -> dict[str, list[tuple[Any, ...]]]:
    """Every table."""
    return {table.name: rows(store, table) for table in metadata.sorted_tables if table.name not in but}


def of_calls(store: Store, names: Sequence[str]) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of these calls, byte for byte."""
    with store.reading() as connection:
        nos = list(connection.scalars(select(calls.c.no).where(calls.c.id.in_(names))))
    found: dict[str, list[tuple[Any, ...]]] = {}
    for table, column, wanted in (
        (calls, calls.c.no, nos),
        (parts, parts.c.call_no, nos),
        (records, records.c.call_no, nos),
        (words, words.c.call_no, nos),
        (grams, grams.c.call_no, nos),
        (alerts, alerts.c.call, names),
        (judgements, judgements.c.call, names),
    ):
        at = list(table.columns).index(column)
        found[table.name] = [row for row in rows(store, table) if row[at] in wanted]
    return found


def readable(store: Store) -> str:
    """All that the rows say, unpacked."""
    texts: list[str] = []
    for own in everything(store).values():
        for row in own:
            texts += [_unpacked(value) if isinstance(value, bytes) else str(value) for value in row]
    return "\n".join(texts)


def _unpacked(value: bytes) -> str:
    try:
        return zlib.decompress(value).decode()
    except zlib.error:
        return value.decode("utf-8", "replace")


def in_parquet(folder: Path) -> str:
    """All that the files of the days say."""
    return "\n".join(str(pq.read_table(file).to_pylist()) for file in sorted(folder.rglob("*.parquet")))


def rows_in_parquet(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Table and row, of every file."""
    for file in sorted(folder.rglob("*.parquet")):
        for row in pq.read_table(file).to_pylist():
            yield file.parent.name, row


def on_disk(store: Store, folder: Path) -> bytes:
    """The bytes of the store's own files and of the days' (those are compressed: see ``in_parquet``)."""
    files = [Path(store.where + end) for end in ("", "-wal")] if store.is_sqlite else []
    return b"".join(file.read_bytes() for file in [*files, *folder.rglob("*")] if file.is_file())


def found_by(store: Store, said: str) -> list[str]:
    """The calls in which that was said, as the search has it."""
    query = search.Query(said=(search.Said(said),), limit=100)
    return [hit.call for hit in search.find(store, query).hits]
