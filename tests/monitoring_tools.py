"""A real Prometheus and a real Alertmanager, of Debian's packages, for tests."""

from __future__ import annotations

import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from streams.shell.kafka import free_port

READY_S = 30.0


def prometheus(folder: Path, config: Path, *options: str) -> AbstractContextManager[str]:
    """Started on that configuration; yields its address."""
    return _running("prometheus", folder, config, f"--storage.tsdb.path={folder / 'data'}", *options)


def alertmanager(folder: Path, config: Path) -> AbstractContextManager[str]:
    """Started on that configuration; yields its address."""
    alone = "--cluster.listen-address="
    return _running("prometheus-alertmanager", folder, config, f"--storage.path={folder / 'data'}", alone)


@contextmanager
def _running(program: str, folder: Path, config: Path, *options: str) -> Iterator[str]:
    listens, log = f"127.0.0.1:{free_port()}", folder / f"{program}.log"
    command = [program, f"--config.file={config}", f"--web.listen-address={listens}", *options]
    folder.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=out) as process:
        try:
            _until_ready(process, log, f"http://{listens}")
            yield f"http://{listens}"
        finally:
            process.kill()


def _until_ready(process: subprocess.Popen[bytes], log: Path, url: str) -> None:
    until = time.monotonic() + READY_S
    while time.monotonic() < until:
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(f"{url}/-/ready", timeout=2):  # noqa: S310 - our own, on loopback
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise RuntimeError(f"{process.args!r} is not ready:\n{log.read_text(errors='replace')[-2000:]}")
