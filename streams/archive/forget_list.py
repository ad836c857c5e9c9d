"""The list beside the store of what was deleted on request: a CSV table of `id,time`.

Owns its form: ids stand in quotes, as they may hold whatever a telephone system writes. It holds ids of calls and of
alerts and the keys of callers, and nothing else.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable
from pathlib import Path

from streams.archive.store import StoreError
from streams.settings import Settings
from streams.shell.running import make_private

_DAY_S = 86_400.0


def list_file(settings: Settings) -> Path:
    """Ids and times of what was deleted: so that a backup that is put back can be rid of it again."""
    return settings.run_dir / "archive" / "forgotten.csv"


def listed(file: Path) -> list[tuple[str, float]]:
    """What stands in it, id and time, oldest first. Raises StoreError with the place and the mend."""
    try:
        text = file.read_bytes().decode()
    except FileNotFoundError:
        return []
    except (OSError, UnicodeError) as error:
        raise StoreError(f"the list {file} cannot be read: {error}") from None
    found, rows = [], csv.reader(io.StringIO(text, newline=""))
    try:
        for row in rows:
            if row:
                found.append((",".join(row[:-1]), float(row[-1])))
    except (ValueError, csv.Error):
        raise StoreError(f"{file}:{rows.line_num}: not `id,time` (mend or delete that line)") from None
    return found


def write_list(settings: Settings, names: Iterable[str], now: float) -> None:
    """Add these, whole or not at all; what no copy can hold any more is left out. Raises StoreError."""
    file = list_file(settings)
    oldest = now - (settings.archive.figures_days + 1) * _DAY_S
    known = {name: at for name, at in listed(file) if at > oldest} | dict.fromkeys(names, now)
    try:
        make_private(file.parent)
        part = file.with_suffix(".part")
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as out:
            rows = ((name, round(at, 3)) for name, at in known.items())
            csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC).writerows(rows)
            out.flush()
            os.fsync(out.fileno())
        part.rename(file)
    except OSError as error:
        raise StoreError(f"the list {file} cannot be written: {error.strerror}; nothing was deleted") from None
