"""Who read what through a command: noted before anything is shown, as the wall does on the ``audit`` topic."""

from __future__ import annotations

import getpass
import time
from uuid import uuid4

from sqlalchemy import insert

from streams.archive.schema import reads
from streams.archive.store import Store
from streams.audit import Opened

#: The role of whoever has a shell on this machine.
ROLE = "operator"


def note(store: Store, what: Opened, of: str) -> None:
    """Note that the user of this process sees ``what`` of ``of``. Raises DownError; then nothing is to be shown."""
    entry = {"id": uuid4().hex, "at": time.time(), "by": getpass.getuser(), "role": ROLE, "what": what, "of": of[:500]}
    with store.writing() as connection:
        connection.execute(insert(reads), [entry])
