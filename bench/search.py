"""How fast calls are found in a store, against a plain scan of all that was said (LIKE), in the same run.

The words are the store's own: a sample of its calls tells which are frequent and which rare. Each question is asked
anew, for the newest page of twenty, as the wall and the command do; the first asking of each is counted, too.
"""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import typer
from msgspec.structs import replace
from pydantic import SecretStr
from rich.console import Console
from sqlalchemy import Text, cast, func, select

from bench.lab.tables import Table, show
from streams.archive import past
from streams.archive.grams import plain, sounds
from streams.archive.schema import alerts, calls, parts, words
from streams.archive.search import Query, Said, find
from streams.archive.store import Store
from streams.settings import ArchiveSettings, Settings

#: Each question is asked so often.
TIMES = 9
#: What an answer may take at the longest, seconds.
LIMIT_S = 0.2
_SAMPLE = 400


class Asked(NamedTuple):
    """One question."""

    name: str
    query: Query


class Measured(NamedTuple):
    """Seconds; ``scan_s`` None: a scan cannot do it."""

    name: str
    p50_s: float
    longest_s: float
    hits: str
    scan_s: float | None


class Words(NamedTuple):
    """Of a store: two characters, but for the last."""

    frequent: str
    second: str
    rare: str
    rare_char: str


def measure(store: Store, times: int = TIMES) -> list[Measured]:
    """Ask a dozen typical questions, ``times`` each, and let a scan answer those that it can, once."""
    sounds("\u884c")  # the dictionary of readings is read once a process, at the first question by sound
    return [_measured(store, asked, times) for asked in questions(store)]


def table(title: str, figures: Sequence[Measured]) -> Table:
    """As it is printed; times in milliseconds."""
    rows = [
        (
            each.name,
            f"{1000 * each.p50_s:.1f}",
            f"{1000 * each.longest_s:.1f}",
            each.hits,
            "\u2013" if each.scan_s is None else f"{1000 * each.scan_s:.0f}",
        )
        for each in figures
    ]
    return Table(title, ("question", "p50 ms", "longest ms", "calls", "LIKE scan ms"), rows)


def questions(store: Store) -> list[Asked]:
    """A dozen and more, of the store's own words, queues, agents and rules."""
    own = _words(store)
    queue, agent = _most(store, calls.c.queue), _most(store, parts.c.agent)
    rule, since, until = _most(store, alerts.c.rule), *_middle(store)
    frequent, rare = Query(said=(Said(own.frequent),)), Query(said=(Said(own.rare),))
    by_sound = Query(sounds=(Said(own.rare),))
    both = Query(said=(Said(own.frequent), Said(own.second)))
    return [
        Asked("frequent word", frequent),
        Asked("frequent word, agent", replace(frequent, agent=agent)),
        Asked("frequent word, rule and finding", replace(frequent, rule=rule, finding="open")),
        Asked("frequent word, queue and an old day", replace(frequent, queue=queue, since=since, until=until)),
        Asked("frequent word, very long calls", replace(frequent, longer_s=_longest(store))),
        Asked("rare word", rare),
        Asked("rare word, queue", replace(rare, queue=queue)),
        Asked("rare word, rule", replace(rare, rule=rule)),
        Asked("two frequent words", both),
        Asked("two words, one of them rare", Query(said=(*frequent.said, *rare.said))),
        Asked("frequent word by sound", Query(sounds=frequent.said)),
        Asked("rare word by sound", by_sound),
        Asked("rare word by sound, agent", replace(by_sound, agent=agent)),
        Asked("one frequent character", Query(said=(Said(own.frequent[0]),))),
        Asked("one rare character", Query(said=(Said(own.rare_char),))),
        Asked("a word that nobody said", Query(said=(Said("\u9b51\u9b45\u9b4d\u9b49"),))),
        Asked("no word, agent", Query(agent=agent)),
        Asked("no word, rule", Query(rule=rule)),
    ]


def _measured(store: Store, asked: Asked, times: int) -> Measured:
    took, found = [], None
    for _ in range(times):
        seconds, found = _timed(lambda: find(store, asked.query))
        took.append(seconds)
    assert found is not None
    hits = f"{len(found.hits)}{'+' if found.more else ''}"
    plainly = bool(asked.query.said) and asked.query == Query(said=asked.query.said)
    scan_s = _timed(lambda: _scan(store, asked.query))[0] if plainly else None
    return Measured(asked.name, statistics.median(took), max(took), hits, scan_s)


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    began = time.perf_counter()
    done = work()
    return time.perf_counter() - began, done


def _scan(store: Store, query: Query) -> int:
    """What one would do without an index; it compares characters as they were written."""
    utf8 = cast(words.c.lines, Text) if store.is_sqlite else func.convert_from(words.c.lines, "UTF8")
    asked = select(calls.c.no).join(words).order_by(calls.c.began_at.desc()).limit(query.limit + 1)
    for each in query.said:
        asked = asked.where(utf8.contains(each.text))
    with store.reading() as connection:
        return len(connection.execute(asked).all())


def _words(store: Store) -> Words:
    """By how many calls of the sample have them."""
    pairs, chars = Counter[str](), Counter[str]()
    for texts in _sample(store):
        pairs.update({text[at : at + 2] for text in texts for at in range(len(text) - 1)})
        chars.update({char for text in texts for char in text})
    if len(pairs) < 3:
        raise ValueError("the store holds too few words to look for")
    often = [pair for pair, _ in pairs.most_common()]
    return Words(often[0], next(p for p in often if not set(p) & set(often[0])), often[-1], chars.most_common()[-1][0])


def _sample(store: Store) -> Iterator[list[str]]:
    """Sentences of some calls, evenly spread."""
    with store.reading() as connection:
        nos = list(connection.scalars(select(words.c.call_no).order_by(words.c.call_no)))
        some = nos[:: max(1, len(nos) // _SAMPLE)]
        for stored in connection.scalars(
            select(words.c.lines).where(words.c.call_no.in_(some)).order_by(words.c.call_no)
        ):
            yield [plain(line.text).text for line in past.lines_in(stored)]


def _most(store: Store, column: Any) -> str:
    """The value that most rows have."""
    asked = select(column).where(column != "").group_by(column).order_by(func.count().desc(), column).limit(1)
    with store.reading() as connection:
        return str(connection.scalar(asked) or "nobody")


def _middle(store: Store) -> tuple[float, float]:
    """A twentieth of the time from the first call to the last, early in it: the newest calls are not it."""
    with store.reading() as connection:
        first, last = connection.execute(select(func.min(calls.c.began_at), func.max(calls.c.began_at))).one()
    span = (last - first) / 20
    return first + 3 * span, first + 4 * span


def _longest(store: Store) -> float:
    """So long is one call of five hundred."""
    with store.reading() as connection:
        count = connection.scalar(select(func.count()).select_from(calls))
        asked = select(calls.c.duration_s).order_by(calls.c.duration_s.desc()).offset(count // 500).limit(1)
        return float(connection.scalar(asked))


def main(url: str, times: int = TIMES) -> None:
    """Measure the store at URL (sqlite:///FILE, postgresql://…)."""
    store = Store(Settings(run_dir=Path(), archive=ArchiveSettings(url=SecretStr(url))))
    show(Console(), table(f"Finding calls in {store.where}", measure(store, times)))


if __name__ == "__main__":
    typer.run(main)
