"""Ears for the rulebook that is in force."""

from __future__ import annotations

from pathlib import Path

import pytest

from asr.ear import Engine
from asr.recogniser import ModelError
from asr.renew import Ears
from asr.scripted import ScriptedRecogniser
from streams.rulebook.book import Rulebook, load
from streams.settings import Settings

OVERLAY = """why: a test
change:
  ring-over-three:
    thresholds: [{after: %s s, severity: warning}]
"""


class Engines:
    """Counts what is loaded; ``broken`` may be set."""

    def __init__(self) -> None:
        self.books: list[str] = []
        self.broken: Exception | None = None

    def __call__(self, book: Rulebook) -> Engine:
        if self.broken:
            raise self.broken
        self.books.append(book.version)
        return Engine(ScriptedRecogniser())


@pytest.fixture
def overlay(tmp_path: Path) -> Path:
    file = tmp_path / "overlay.yaml"
    file.write_text(OVERLAY % 15)
    return file


def write(file: Path, text: str) -> None:
    """As somebody else's editor does."""
    file.write_text(text)


def ears_for(overlay: Path, engines: Engines) -> Ears:
    return Ears(Settings(rulebook=[overlay]), load([overlay]), engines)


async def test_a_changed_book_is_taken_once_it_is_the_same_at_two_looks(overlay: Path) -> None:
    engines = Engines()
    ears = ears_for(overlay, engines)
    first = ears.engine
    write(overlay, OVERLAY % 16)
    await ears.look()
    assert ears.engine is first  # somebody may be saving just now
    await ears.look()
    await ears.look()
    assert engines.books[1:] == [load([overlay]).version]
    assert ears.engine is not first


async def test_a_book_with_faults_changes_nothing(overlay: Path) -> None:
    engines = Engines()
    ears = ears_for(overlay, engines)
    write(overlay, "change: {no-such-rule: {}}")
    for _ in range(3):
        await ears.look()
    assert len(engines.books) == 1


@pytest.mark.parametrize("error", [ModelError("gone"), OSError("no space left")])
async def test_a_model_that_has_gone_leaves_the_ears_as_they_are(overlay: Path, error: Exception) -> None:
    engines = Engines()
    ears = ears_for(overlay, engines)
    first, engines.broken = ears.engine, error
    write(overlay, OVERLAY % 17)
    for _ in range(3):
        await ears.look()
    assert ears.engine is first
