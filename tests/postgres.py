"""A PostgreSQL of Debian's packages for the tests: a cluster in a folder of its own, on a free port of loopback.

``initdb`` refuses to run as root, so root lends it to the system's user ``postgres``. Not durable (no fsync): a test is
over when its machine is.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from uuid import uuid4

import psycopg
from psycopg import sql

from streams.shell.kafka import free_port

READY_S = 30.0


def binaries() -> Path | None:
    """The newest version's programs; None: it is not installed (``deploy/system.sh test`` does it)."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    return found[-1].parent if found else None


class Postgres:
    """One cluster."""

    def __init__(self, folder: Path) -> None:
        """``folder`` must be empty, and readable for the user ``postgres`` where root runs this."""
        found = binaries()
        assert found, "PostgreSQL is missing: apt-get install postgresql"
        self._bin, self._data, self.port = found, folder / "data", free_port()
        self._as = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
        if self._as:
            owner = pwd.getpwnam("postgres")
            os.chown(folder, owner.pw_uid, owner.pw_gid)
        self._run("initdb", "-D", str(self._data), "-U", "sansheng", "-A", "trust", "-E", "UTF8", "--no-sync")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns when it answers."""
        options = ("-p", str(self.port), "-h", "127.0.0.1", "-k", "", "-F", "-c", "max_connections=50")
        self._process = subprocess.Popen(
            [*self._as, str(self._bin / "postgres"), "-D", str(self._data), *options],
            stdout=subprocess.DEVNULL,
            stderr=(self._data.parent / "log").open("ab"),
            cwd="/",
        )
        deadline = time.monotonic() + READY_S
        while True:
            try:
                psycopg.connect(self.url("postgres"), connect_timeout=2).close()
                return
            except psycopg.OperationalError:
                assert self._process.poll() is None, (self._data.parent / "log").read_text()
                assert time.monotonic() < deadline, "PostgreSQL does not answer"
                time.sleep(0.05)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End it, and every connection with it; SIGKILL as a power cut would."""
        if self._process is None:
            return
        server = int((self._data / "postmaster.pid").read_text().split()[0])
        os.kill(server, how)
        self._process.wait()
        while _runs(server):
            time.sleep(0.02)
        if how == signal.SIGKILL:
            (self._data / "postmaster.pid").unlink(missing_ok=True)
        self._process = None

    def url(self, name: str) -> str:
        """Of a database."""
        return f"postgresql://sansheng@127.0.0.1:{self.port}/{name}"

    def new(self) -> str:
        """A new, empty database; its URL."""
        name = f"t{uuid4().hex[:12]}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return self.url(name)

    def _run(self, program: str, *arguments: str) -> None:
        command: Sequence[str] = [*self._as, str(self._bin / program), *arguments]
        subprocess.run(command, check=True, capture_output=True, cwd="/")


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0] != "Z"
    except OSError:
        return False


@contextmanager
def postgres() -> Iterator[Postgres]:
    """A running cluster, gone at the end."""
    folder = Path(mkdtemp(prefix="sansheng-postgres-"))
    folder.chmod(0o755)
    server = None
    try:
        server = Postgres(folder)
        server.start()
        yield server
    finally:
        if server:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)
