"""What many tests share: one real broker for the whole run and a corner of it for each test, a browser for each."""

from __future__ import annotations

import os
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
from pydantic import SecretStr
from rich.console import Console

from streams import cli
from streams.archive import migrations
from streams.archive.store import Store
from streams.settings import ArchiveSettings, Settings
from streams.shell.kafka import EmbeddedKafka
from tests.postgres import Postgres, postgres

if TYPE_CHECKING:
    from playwright.async_api import Browser

#: Jars are fetched once for the work tree, not once a run.
LIBS = Path(__file__).parents[1] / ".run/kafka"


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """host:port of a real broker; that of SANSHENG_TEST_KAFKA, else one that is started and stopped with the run."""
    if given := os.environ.get("SANSHENG_TEST_KAFKA"):
        yield given
        return
    data = tmp_path_factory.mktemp("kafka")
    with EmbeddedKafka(data, port=0, libs=LIBS, console=Console(stderr=True, quiet=True)) as broker:
        yield broker.bootstrap


@pytest.fixture
def prefix() -> str:
    """Put before topic and group names, so that tests on one broker never meet."""
    return f"t{uuid.uuid4().hex[:8]}-"


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """A Chromium."""
    from tests.browser_tools import launched  # noqa: PLC0415 - other tests go without playwright

    async with launched() as browser:
        yield browser


@pytest.fixture(scope="session")
def database() -> Iterator[Postgres]:
    """A real PostgreSQL for the whole run; each test makes its own database (``new``)."""
    with postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgres"])
def archived(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Settings with an archive of their own, of each kind in turn; its folder is ``tmp_path / "run"``."""
    url = request.getfixturevalue("database").new() if request.param == "postgres" else ""
    return Settings(run_dir=tmp_path / "run", archive=ArchiveSettings(url=SecretStr(url)))


@pytest.fixture
def store(archived: Settings) -> Iterator[Store]:
    """The store of those settings, with its tables, of each kind in turn."""
    made = Store(archived)
    migrations.upgrade(made)
    yield made
    made.close()


class Result(NamedTuple):
    """What a command did."""

    code: int
    out: str
    err: str


Run = Callable[..., Result]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """``sansheng …`` in an empty folder with no variable set but those that are given."""
    for name in [name for name in os.environ if name.startswith("SANSHENG_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)

    def sansheng(*arguments: str | Path, **variables: str) -> Result:
        with monkeypatch.context() as here:
            for name, value in variables.items():
                here.setenv(name, value)
            here.setattr("sys.argv", ["sansheng", *map(str, arguments)])
            with pytest.raises(SystemExit) as ended:
                cli.main()
        code = ended.value.code
        return Result(code if isinstance(code, int) else 0, *capsys.readouterr())

    return sansheng
