"""What many tests share: one real broker for the whole run, and a corner of it for each test."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from streams.shell.kafka import EmbeddedKafka

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
