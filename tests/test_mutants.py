"""The planting of faults: a fault that a test watches is noticed, and one that changes nothing is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mutants import is_noticed, mutants_of, planted

SOUND = '''
class Rule(Base, frozen=True):
    """A rule."""

def is_long(seconds: float) -> bool:
    """Whether that is at least 3 s."""
    return max(seconds, seconds) >= 3.0

def in_words() -> int:
    return 1
'''
TEST = """
from streams.rule import is_long

def test_both_sides():
    assert is_long(3.0)
    assert not is_long(2.5)
"""
FAULTS = {
    "max(seconds, seconds) >= 3.0  →  max(seconds, seconds) > 3.0": True,
    "max(seconds, seconds)  →  min(seconds, seconds)": False,
    "3.0  →  4.0": True,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A package of one module with its test."""
    source = SOUND.replace("(Base, ", "(object, ").replace(", frozen=True", "")
    for name, text in (("streams/rule.py", source), ("tests/test_rule.py", TEST)):
        file = tmp_path / name
        file.parent.mkdir()
        file.write_text(text, "utf-8")
    return tmp_path


def test_each_planted_fault_is_noticed_unless_it_changes_nothing(folder: Path) -> None:
    target = folder / "streams" / "rule.py"
    sound, found = target.read_text("utf-8"), {}
    assert not is_noticed(folder, ["rule"])
    for mutant in mutants_of(folder, "rule"):
        source, change = planted(mutant, sound)
        target.write_text(source, "utf-8")
        found[change] = is_noticed(folder, ["rule"])
    assert found == FAULTS


def test_what_only_explains_and_what_a_class_is_made_of_is_left_alone(folder: Path) -> None:
    (folder / "streams" / "rule.py").write_text(SOUND, "utf-8")
    changes = [planted(mutant, SOUND)[1] for mutant in mutants_of(folder, "rule")]
    assert sorted(changes) == sorted(FAULTS)
