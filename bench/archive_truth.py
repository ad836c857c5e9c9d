"""The store against the week that was sent: each call, alert, judgement and entry once, whole, and nothing else.

Reads the tables as they lie (and unpacks records itself), so that no reading code of the archive can hide what is lost
or double. Both sides are counted and hashed; what differs is told by its kind and id, never by what was said.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pyarrow.parquet as pq
from sqlalchemy import func, select

from bench.archive_week import Alerted, Week
from streams.archive import day_files, search
from streams.archive.quoted import MARKER
from streams.archive.schema import alerts, calls, grams, judgements, reads, records, snoozes, words
from streams.archive.store import Store
from streams.backtest.run import cores
from streams.settings import Settings

#: Calls that are compared at a time, and faults that are told.
CHUNK, TOLD = 500, 20
_FACTS = ("id", "state", "day", "queue", "caller", "caller_key")
_QUOTES = '“”「」『』"'


class Gone(NamedTuple):
    """What must be forgotten: days of the site whose words are, and the numbers of calls that are altogether."""

    days: frozenset[str] = frozenset()
    calls: frozenset[int] = frozenset()


class Side(NamedTuple):
    """What was counted, and a hash of all of it."""

    calls: int = 0
    events: int = 0
    lines: int = 0
    alerts: int = 0
    changes: int = 0
    judgements: int = 0
    reads: int = 0
    digest: int = 0

    def joined(self, other: Side) -> Side:
        """Both."""
        sums = [one + more for one, more in zip(self[:-1], other[:-1], strict=True)]
        return Side(*sums, (self.digest + other.digest) % 2**256)

    @property
    def hash(self) -> str:
        """The first of its 64 digits."""
        return f"{self.digest:064x}"[:16]


class Compared(NamedTuple):
    """Both sides, and what differs, in words."""

    stored: Side
    true: Side
    faults: tuple[str, ...]


def compare(settings: Settings, week: Week, gone: Gone = Gone()) -> Compared:  # noqa: B008 - never changed
    """All of the store against all of the week; every core is kept busy."""
    found = Compared(Side(), Side(), ())
    chunks = [range(at, min(at + CHUNK, week.size)) for at in range(0, week.size, CHUNK)]
    with ProcessPoolExecutor(cores(), get_context("spawn"), initializer=_open, initargs=(settings, week, gone)) as pool:
        for answer in pool.map(_chunk, chunks):
            found = _joined(found, answer)
    store = Store(settings)
    try:
        for answer in (_counts(store, week, gone), _alerts(store, week, gone), _people(store, week, gone)):
            found = _joined(found, answer)
    finally:
        store.close()
    if found.stored != found.true and not found.faults:
        return found._replace(faults=("both sides do not come to the same",))
    return found


def _joined(one: Compared, more: Compared) -> Compared:
    faults = (*one.faults, *more.faults)
    return Compared(one.stored.joined(more.stored), one.true.joined(more.true), faults)


def _hash(what: object) -> int:
    return int.from_bytes(hashlib.sha256(msgspec.json.encode(what, order="sorted")).digest(), "big")


# ---------------------------------------------------------------------------------------------------------- calls

_open_here: list[tuple[Store, Week, Gone]] = []


def _open(settings: Settings, week: Week, gone: Gone) -> None:
    _open_here[:] = [(Store(settings), week, gone)]


def _chunk(numbers: Sequence[int]) -> Compared:
    store, week, gone = _open_here[0]
    ids = {week.call_id(n): n for n in numbers}
    with store.reading() as connection:
        rows = {row.id: row for row in connection.execute(select(calls).where(calls.c.id.in_(list(ids))))}
        nos = [row.no for row in rows.values()]
        pieces: dict[int, list[Any]] = {}
        for row in connection.execute(select(records).where(records.c.call_no.in_(nos)).order_by(records.c.first_seq)):
            pieces.setdefault(row.call_no, []).append(row)
        said = {row.call_no: row.lines for row in connection.execute(select(words).where(words.c.call_no.in_(nos)))}
        found = set(connection.scalars(select(grams.c.call_no).where(grams.c.call_no.in_(nos))))
    answer = Compared(Side(), Side(), ())
    for name, n in ids.items():
        row = rows.get(name)
        own = _stored(row, pieces.get(row.no, []), said.get(row.no), row.no in found) if row else None
        answer = _joined(answer, _call(week, n, own, gone))
    return answer


class _Own(NamedTuple):
    """A call as it lies in the store. ``trouble``: it cannot be right by itself."""

    facts: list[Any]
    events: list[dict[str, Any]]
    lines: list[list[Any]]
    trouble: str = ""


def _stored(row: Any, pieces: Sequence[Any], said: bytes | None, is_found: bool) -> _Own:
    events, seqs = [], []
    for piece in pieces:
        lines = [json.loads(line) for line in zlib.decompress(piece.lines).split(b"\n") if line]
        seqs += [line.pop("seq") for line in lines]
        events += [{name: value for name, value in line.items() if name != "logged_at"} for line in lines]
    trouble = "" if seqs == sorted(set(seqs)) else "events stand in it twice or out of order"
    lines = [
        [line["role"], line["start"], line["end"], line["text"], line.get("by_sound", False)]
        for line in json.loads(said or b"[]")
    ]
    if lines and not is_found:
        trouble = "its words are not in the search index"
    if is_found and not lines:
        trouble = "the search index knows words that the call has not"
    return _Own([row.id, row.state, row.day, row.queue, row.caller, row.caller_key], events, lines, trouble)


def _call(week: Week, n: int, own: _Own | None, gone: Gone) -> Compared:
    stored = Side(1, len(own.events), len(own.lines), digest=_hash(own[:3])) if own else Side()
    if n in gone.calls:
        return Compared(stored, Side(), (f"call {week.call_id(n)}: it is still there",) if own else ())
    truth = _true(week, n, is_wordless=week.day(n) in gone.days)
    true = Side(1, len(truth.events), len(truth.lines), digest=_hash(truth[:3]))
    return Compared(stored, true, tuple(_differences(f"call {week.call_id(n)} ({week.talk(n).kind})", own, truth)))


def _true(week: Week, n: int, *, is_wordless: bool) -> _Own:
    is_known = week.offered(n)
    number, key = week.number(n), week.customer_key(n)
    whose = [week.talk(n).queue, f"{number[:3]}****{number[-4:]}", key] if is_known else ["", "", ""]
    events, lines = week.record(n), [list(line) for line in week.lines(n)]
    if is_wordless:
        events, lines = [event for event in events if "text" not in event], []
    return _Own([week.call_id(n), week.state(n), week.day(n), *whose], events, lines)


def _differences(name: str, own: _Own | None, truth: _Own) -> Iterable[str]:
    if own is None:
        yield f"{name}: lost"
        return
    if own.trouble:
        yield f"{name}: {own.trouble}"
    if own.facts != truth.facts:
        both = zip(_FACTS, own.facts, truth.facts, strict=True)
        wrong = (f"{what} {stored!r}, not {true!r}" for what, stored, true in both if stored != true)
        yield f"{name}: {'; '.join(wrong)}"
    for what, stored, true in (("events", own.events, truth.events), ("sentences", own.lines, truth.lines)):
        if stored != true:
            yield f"{name}: {len(stored)} {what}, not {len(true)}; the {_first(stored, true)}. differs"


def _first(one: Sequence[Any], other: Sequence[Any]) -> int:
    """The first that differs, counted from 1."""
    same = next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    return same + 1


def _counts(store: Store, week: Week, gone: Gone) -> Compared:
    """Nothing is there beside the calls of the week."""
    with store.reading() as connection:
        count = connection.scalar(select(func.count()).select_from(calls)) or 0
    wanted = week.size - len(gone.calls)
    return Compared(Side(), Side(), (f"{count:,} calls are stored, not {wanted:,}",) if count != wanted else ())


# ----------------------------------------------------------------------------------------------- alerts and people


def _alerts(store: Store, week: Week, gone: Gone) -> Compared:
    gone_calls = {week.call_id(n) for n in gone.calls}
    with store.reading() as connection:
        rows = {row.id: row for row in connection.execute(select(alerts))}
        done: dict[str, list[Any]] = {}
        for row in connection.execute(select(judgements).order_by(judgements.c.partition, judgements.c.seq)):
            done.setdefault(row.alert, []).append(json.loads(row.judgement))
    found = Compared(Side(), Side(), ())
    for alert in week.alerts():
        touched = gone_calls & {call for change in alert.changes for call in (change.call, *change.calls)}
        row, own = rows.pop(alert.id, None), done.pop(alert.id, [])
        found = _joined(found, _touched(alert, row, gone_calls) if touched else _alert(alert, row, own, gone))
    extra = [f"alert {each}: nobody has sent it" for each in list(rows)[:TOLD]]
    extra += [f"judgements of alert {each}: nobody has made them" for each in list(done)[:TOLD]]
    return _joined(found, Compared(Side(), Side(), tuple(extra)))


def _touched(alert: Alerted, row: Any, gone: set[str]) -> Compared:
    """An alert about calls of which one is forgotten: it must not tell of that any more."""
    tells = row is not None and any(call.encode() in row.changes for call in gone)
    return Compared(Side(), Side(), (f"alert {alert.id}: it tells of a call that is forgotten",) if tells else ())


def _alert(alert: Alerted, row: Any, own: list[dict[str, Any]], gone: Gone) -> Compared:
    truth = _true_alert(alert)
    true = Side(alerts=1, changes=len(truth[1]), judgements=len(alert.judgements), digest=_hash(truth))
    if row is None:
        return Compared(Side(), true, (f"alert {alert.id}: lost",))
    changes = sorted(json.loads(row.changes), key=_order)
    stored = [[row.id, row.day, row.finding, row.reason, row.appeal], changes, own]
    if alert.day in gone.days:
        quoting = _quoting(changes, own)
        truth, stored = _without_words(truth), _without_words(stored)
        true = true._replace(digest=_hash(truth))
    else:
        quoting = ""
    side = Side(alerts=1, changes=len(changes), judgements=len(own), digest=_hash(stored))
    names = ("what became of it", "its changes", "what people did with it")
    wrong = [name for name, is_, true_ in zip(names, stored, truth, strict=True) if is_ != true_]
    wrong += [] if row.call in {change.call for change in alert.changes} else ["its call"]
    faults = [f"alert {alert.id}: not as it was sent: {', '.join(wrong)}"] if wrong else []
    return Compared(side, true, (*faults, *([f"alert {alert.id}: {quoting}"] if quoting else [])))


def _true_alert(alert: Alerted) -> list[Any]:
    changes: list[dict[str, Any]] = []
    for change in alert.changes:
        plain = json.loads(msgspec.json.encode(change))
        changes += [] if plain in changes else [plain]
    made = [json.loads(msgspec.json.encode(each)) for each in alert.judgements]
    return [[alert.id, alert.day, *alert.outcome], sorted(changes, key=_order), made]


def _order(change: dict[str, Any]) -> tuple[float, bytes]:
    return change["at"], msgspec.json.encode(change, order="sorted")


def _quoting(changes: Iterable[dict[str, Any]], own: Iterable[dict[str, Any]]) -> str:
    """What words are left in an alert of a day that must hold none."""
    for change in changes:
        texts = [change["says"], (change.get("en") or {}).get("says", "")]
        if change.get("evidence") or any(mark in text for text in texts for mark in _QUOTES):
            return "it still quotes"
    return "a comment is still there" if any(each.get("text") for each in own) else ""


def _without_words(alert: list[Any]) -> list[Any]:
    """What must be the same after its words are gone."""
    bare = ("says", "en", "evidence")
    changes = [{name: value for name, value in change.items() if name not in bare} for change in alert[1]]
    made = [{name: value for name, value in each.items() if name != "text"} for each in alert[2]]
    return [alert[0], sorted(changes, key=_order), made]


def _people(store: Store, week: Week, gone: Gone) -> Compared:
    """Snoozes, and who read what (that a forgotten call was read stays, which one does not); commands that this bench
    runs itself are no part of the week.
    """
    gone_calls = {week.call_id(n) for n in gone.calls}
    with store.reading() as connection:
        rows = connection.execute(select(reads).where(reads.c.role != "operator"))
        read = Counter((row.at, row.by, row.role, row.what, row.of) for row in rows)
        slept = {row.id: row.snooze for row in connection.execute(select(snoozes))}
    wanted = Counter(
        (each.at, each.by, each.role, each.what, MARKER if each.id in gone_calls else each.id) for each in week.reads()
    )
    snoozed = {each.id: msgspec.to_builtins(each) for each in week.snoozes()}
    faults = [f"reads: {len(list((wanted - read).elements()))} lost, {len(list((read - wanted).elements()))} double"]
    faults = faults if read != wanted else []
    faults += ["snoozes: not as they were sent"] if slept != snoozed else []
    stored = Side(reads=read.total(), digest=_hash([sorted(read.items()), slept]))
    true = Side(reads=wanted.total(), digest=_hash([sorted(wanted.items()), snoozed]))
    return Compared(stored, true, tuple(faults))


# ------------------------------------------------------------------------------------------ what can be found again


def compare_found(settings: Settings, week: Week, gone: Gone = Gone(), samples: int = 6) -> tuple[str, ...]:  # noqa: B008 - as above
    """Looks for some of the week's places, page by page: exactly the calls are found in which they were said."""
    some = range(0, week.size, max(1, week.size // 400))
    talked = [week.place(n) for n in some if any(week.place(n) in line.text for line in week.lines(n))]
    said: dict[str, set[str]] = {place: set() for place in talked[:: max(1, len(talked) // samples)]}
    for n in range(week.size):
        place, is_gone = week.place(n), n in gone.calls or week.day(n) in gone.days
        if place in said and not is_gone and any(place in line.text for line in week.lines(n)):
            said[place].add(week.call_id(n))
    store, faults = Store(settings), [] if any(said.values()) else ["search: nothing could be looked for"]
    try:
        for place, wanted in said.items():
            found = set(_pages(store, place))
            if found != wanted:
                faults.append(f"search: {len(found):,} calls with a place are found, not {len(wanted):,}")
    finally:
        store.close()
    return tuple(faults)


def _pages(store: Store, text: str) -> Iterable[str]:
    query, more = search.Query(said=(search.Said(text),), limit=search.PAGE), True
    while more:
        found = search.find(store, query)
        yield from (hit.call for hit in found.hits)
        query, more = msgspec.structs.replace(query, after=found.next), found.more


# -------------------------------------------------------------------------------------------------------- the days


def compare_days(folder: Path, week: Week, gone: Gone = Gone()) -> tuple[str, ...]:  # noqa: B008 - never changed
    """The week's Parquet files against the week: their rows, and that nothing forgotten is in them."""
    wanted: dict[str, Counter[str]] = {day.isoformat(): Counter() for day in week.days}
    sizes: dict[tuple[int, bool], dict[str, int]] = {}  # calls of one conversation have as much of each
    for n in range(week.size):
        key = (week.plan[n].talk, week.day(n) in gone.days)
        if key not in sizes:
            truth = _true(week, n, is_wordless=key[1])
            sizes[key] = {"calls": 1, "lines": len(truth.lines), "events": len(truth.events)}
        if n not in gone.calls:
            wanted[week.day(n)].update(sizes[key])
    forgotten, faults = {week.call_id(n) for n in gone.calls}, list[str]()
    for day, counts in wanted.items():
        for table, count in counts.items():
            faults += _of_day(day_files.file_of(folder, table, day), count, forgotten)  # type: ignore[arg-type]
        faults += _quoted_in(folder, day) if day in gone.days else []
    if left := list(day_files.leftovers(folder)):
        faults.append(f"{len(left)} files of a day are left half-written")
    return tuple(faults)


def _of_day(path: Path, count: int, forgotten: set[str]) -> Iterable[str]:
    if not path.exists():
        yield f"{path.parent.name} of {path.stem}: there is no file"
        return
    stored = pq.read_table(path, columns=["call"])["call"].to_pylist()
    if len(stored) != count:
        yield f"{path.parent.name} of {path.stem}: {len(stored):,} rows, not {count:,}"
    if path.parent.name == "calls" and len(set(stored)) != len(stored):
        yield f"calls of {path.stem}: some stand in it twice"
    if found := forgotten & set(stored):
        yield f"{path.parent.name} of {path.stem}: {len(found)} forgotten calls"


def _quoted_in(folder: Path, day: str) -> Iterable[str]:
    """Words in the files of a day that must hold none."""
    told = pq.read_table(day_files.file_of(folder, "alerts", day), columns=["says", "changes"]).to_pylist()
    texts = [text for row in told for text in (row["says"], *(change["says"] for change in row["changes"]))]
    if any(mark in text for text in texts for mark in _QUOTES):
        yield f"alerts of {day}: they still quote"
    comments = pq.read_table(day_files.file_of(folder, "verdicts", day), columns=["text"])["text"].to_pylist()
    if any(comments):
        yield f"verdicts of {day}: comments are still there"
    kinds = set(pq.read_table(day_files.file_of(folder, "events", day), columns=["type"])["type"].to_pylist())
    if kinds & {"transcript", "phrase.spotted"}:
        yield f"events of {day}: words are still there"


def _holds(file: Path, what: bytes) -> bool:
    if not file.exists() or not file.stat().st_size:
        return False
    with file.open("rb") as content, mmap.mmap(content.fileno(), 0, access=mmap.ACCESS_READ) as whole:
        return whole.find(what) >= 0


def traces_left(settings: Settings, week: Week, gone: Gone, samples: int = 200) -> tuple[str, ...]:
    """Looks for forgotten sentences in the bytes of a SQLite store, by the moments at which they were said."""
    store = Store(settings)
    store.close()
    if not store.is_sqlite:
        return ()
    files = [Path(f"{store.where}{suffix}") for suffix in ("", "-wal")]

    def found(numbers: Iterable[int]) -> int:
        picked = [week.lines(n)[0] for n in list(numbers)[:: max(1, week.size // samples)] if week.lines(n)]
        return sum(
            any(_holds(file, b'"start":%s' % msgspec.json.encode(line.start)) for file in files) for line in picked
        )

    is_gone = [n in gone.calls or week.day(n) in gone.days for n in range(week.size)]
    left = found(n for n in range(week.size) if is_gone[n])
    if not found(n for n in range(week.size) if not is_gone[n]):
        return ("the store's file shows no sentence at all: this search proves nothing",)
    return (f"{left} forgotten sentences are still in the bytes of {Path(store.where).name}",) if left else ()
