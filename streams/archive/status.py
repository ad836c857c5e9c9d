"""What an operator asks of the archive: how much it holds, how far it is, how large it has grown. Reads only."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct
from sqlalchemy import exists, func, select, text

from streams.archive import migrations
from streams.archive.schema import alerts, calls, days, words
from streams.archive.store import Store
from streams.settings import Settings

#: An alert whose call is not known after so long, seconds, will not be told of it any more.
UNKNOWN_AFTER_S = 86_400.0
_FILES = ("", "-wal", "-shm")


class Status(Struct, frozen=True, kw_only=True):
    """``unknown``: alerts whose call was never heard of; ``pending``: days whose Parquet is older than the store."""

    where: str
    revision: str
    calls: dict[str, int]
    alerts: int
    unknown: int
    words: int
    pending: int
    first_day: str
    last_day: str
    store_bytes: int
    days_bytes: int


def status(store: Store, settings: Settings) -> Status:
    """Of a store of this version. Raises StoreError."""
    lone = (alerts.c.opened_at < time.time() - UNKNOWN_AFTER_S) & ~exists().where(calls.c.id == alerts.c.call)
    with store.reading() as connection:
        ask = connection.scalar
        states = connection.execute(select(calls.c.state, func.count().label("number")).group_by(calls.c.state))
        return Status(
            where=store.where,
            revision=migrations.revision(store),
            calls={row.state: row.number for row in states},
            alerts=ask(select(func.count()).select_from(alerts)) or 0,
            unknown=ask(select(func.count()).select_from(alerts).where(lone)) or 0,
            words=ask(select(func.count()).select_from(words)) or 0,
            pending=ask(select(func.count()).select_from(days).where(days.c.changed > days.c.written)) or 0,
            first_day=ask(select(func.min(calls.c.day))) or "",
            last_day=ask(select(func.max(calls.c.day))) or "",
            store_bytes=_size(Path(store.where))
            if store.is_sqlite
            else ask(text("SELECT pg_database_size(current_database())")) or 0,
            days_bytes=sum(file.stat().st_size for file in settings.archive_folder.rglob("*.parquet")),
        )


def rows(found: Status, settings: Settings, lag: Mapping[str, int] | str) -> list[tuple[str, str]]:
    """As a table of what and how much; ``lag``: messages that wait by topic, or why nobody knows."""
    kept, up = settings.archive, found.calls.get("up", 0)
    ended, lost = found.calls.get("ended", 0), found.calls.get("lost", 0)
    folder = _plain(str(settings.archive_folder))
    waits = [("waiting in Kafka", lag)] if isinstance(lag, str) else [*_lags(lag)]
    return [
        ("store", f"{_plain(found.where)} ({_bytes(found.store_bytes)}, revision {found.revision})"),
        (
            "days as Parquet",
            f"{folder} ({_bytes(found.days_bytes)}; {_days(found.pending)} to be written)",
        ),
        ("from, to", f"{found.first_day} .. {found.last_day}" if found.first_day else "nothing yet"),
        ("calls", f"{ended:,} ended, {lost:,} whose end was lost, {up:,} going on"),
        ("transcripts", f"{found.words:,}"),
        ("alerts", f"{found.alerts:,}"),
        ("alerts of unknown calls", f"{found.unknown:,} (older than a day)"),
        *waits,
        ("kept", f"words {kept.words_days} days, figures {kept.figures_days}, who read what {kept.audit_days}"),
    ]


def _plain(place: str) -> str:
    """Every path in full; a URL as it is."""
    return place if "://" in place else str(Path(place).absolute())


def _days(number: int) -> str:
    return "1 day" if number == 1 else f"{number} days"


def _lags(lag: Mapping[str, int]) -> list[tuple[str, str]]:
    return [(f"waiting in {topic}", f"{number:,}") for topic, number in lag.items()]


def _size(file: Path) -> int:
    parts = (file.with_name(file.name + end) for end in _FILES)
    return sum(part.stat().st_size for part in parts if part.exists())


def _bytes(number: float) -> str:
    for unit in ("bytes", "KiB", "MiB"):
        if number < 1024:
            return f"{number:,.0f} {unit}"
        number /= 1024
    return f"{number:,.1f} GiB"
