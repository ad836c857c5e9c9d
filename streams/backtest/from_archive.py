"""Days of the archive for a replay: exported first where the store says that they have changed, and noted as read.

Owns what is told of days that are missing or may be stale. Without the store, what was exported earlier is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import typer

from streams.archive import day_files, days, migrations, reads
from streams.archive.day_files import DayError
from streams.archive.days import BadDayError
from streams.archive.store import DownError, Store, StoreError
from streams.settings import Settings, read_settings
from streams.terminal import bar, say


def files(asked: Sequence[str]) -> list[Path]:
    """The files of events of these days; what is missing or may be stale is told. Exit 2 where there is none."""
    settings = read_settings()
    stale = _export(settings, asked)
    folder = settings.archive_folder
    there = [day for day in asked if day_files.file_of(folder, "events", day).exists()]
    _tell_stale(settings, [day for day in stale if day in there])
    if missing := [day for day in asked if day not in there]:
        say(f"no calls of {day_files.told(missing)} in {folder}", style="yellow" if there else "red")
    if not there:
        raise typer.Exit(2)
    return [day_files.file_of(folder, "events", day) for day in there]


def _export(settings: Settings, asked: Sequence[str]) -> Sequence[str]:
    """Note that these days are read, and write those anew that are due; which may be stale afterwards."""
    folder = settings.archive_folder
    try:
        store = Store(settings)
    except StoreError as error:
        say(str(error), style="yellow")
        return asked
    try:
        migrations.check(store)
        reads.note(store, "record", {"days": day_files.told(asked)})
        due = days.due_of(store, folder, asked)
    except StoreError as error:
        say(str(error), style="yellow")
        return asked
    else:
        return _write(store, folder, due)
    finally:
        store.close()


def _write(store: Store, folder: Path, due: Sequence[str]) -> Sequence[str]:
    if due:
        say(f"changed since their last export, and exported first: {day_files.told(due)}")
    damaged = list[str]()
    with bar() as tell:
        for n, day in enumerate(due):
            try:
                days.write_day(store, folder, day, lambda done, of, day=day: tell(f"exporting {day}", done, of))  # type: ignore[misc]
            except BadDayError as error:  # the others can be written
                say(str(error), style="yellow")
                damaged.append(day)
            except DownError as error:
                say(str(error), style="yellow")
                return [*damaged, *due[n:]]
    return damaged


def _tell_stale(settings: Settings, stale: Sequence[str]) -> None:
    if not stale:
        return
    zone, folder, oldest = ZoneInfo(settings.wall.timezone), settings.archive_folder, float("inf")
    for day in stale:
        try:
            oldest = min(oldest, day_files.about(day_files.file_of(folder, "events", day)).written_at)
        except DayError:
            continue  # told when it is read
    since = f" (the oldest of {datetime.fromtimestamp(oldest, zone):%Y-%m-%d %H:%M})" if oldest < float("inf") else ""
    say(f"read as last exported, and may be stale: {day_files.told(stale)}{since}", style="yellow")
