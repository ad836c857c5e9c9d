"""docs/rulebook.md is true: its examples are read by the real loader, and its new kind works as it stands there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
import yaml

from streams.alerts import FIGURES
from streams.detectors import KINDS
from streams.detectors.conditions import Condition
from streams.detectors.units import decode
from streams.rulebook.book import load

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "rulebook.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    """The code blocks of that language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def rows(heading: str) -> list[list[str]]:
    """The body of the first table under that heading, cell by cell."""
    _, _, section = PAGE.partition(f"## {heading}\n")
    table = [line for line in section.split("\n## ")[0].splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in table[1:]]


def test_every_kind_and_its_figures_are_on_the_page() -> None:
    listed = {row[0].strip("`"): set(re.findall(r"\{(\w+)\}", row[3])) for row in rows("The kinds")}
    assert listed == {kind: set(cls.figures) for kind, cls in KINDS.items()}
    assert all(f"{{{name}}}" in PAGE for name in FIGURES)


@pytest.mark.parametrize("row", rows("The kinds"), ids=lambda row: str(row[0]))
def test_the_example_of_each_kind_is_a_rule(row: list[str], tmp_path: Path) -> None:
    written = yaml.safe_load(row[2].strip("`"))
    names = set(re.findall(r"[a-z][a-z-]+", row[2]))
    rule = {
        "id": "example",
        "title": "例",
        "says": "{agent}",
        "kind": row[0].strip("`"),
        "status": "draft",
        "clause": {"manual": "000", "section": "一(二)", "quote": "电话响铃3声内接听"},
        **({"severity": "notice"} if row[0] != "`lasts`" else {}),
        **written,
    }
    sets = {name: ["某某"] for name in ("vague", "no-sound", "no-signal", "soothing", "farewell") if name in names}
    known = load().phrases
    text = {"rules": [rule], "phrases": {name: words for name, words in sets.items() if name not in known}}
    (tmp_path / "example.yaml").write_text(yaml.safe_dump(text, allow_unicode=True), "utf-8")
    assert load([tmp_path]).rule("example") is not None


@pytest.mark.parametrize("row", rows("Conditions: `when` and `unless`"), ids=lambda row: str(row[0]))
def test_the_example_of_each_condition_is_one(row: list[str]) -> None:
    written = yaml.safe_load(row[2].strip("`"))
    assert msgspec.convert(written, Condition, dec_hook=decode) != Condition()


def test_every_field_of_a_condition_is_on_the_page() -> None:
    named = set(re.findall(r"`(\w+)`", " ".join(row[0] for row in rows("Conditions: `when` and `unless`"))))
    fields = {field.encode_name for field in msgspec.structs.fields(Condition)}
    assert named == fields - {"all", "any", "not"}
    assert all(f"`{word}`" in PAGE for word in ("all", "any", "not"))


def test_a_new_kind_is_one_file_one_rule_and_one_timeline(tmp_path: Path) -> None:
    """In a copy of the package, with nothing else touched."""
    shutil.copytree(ROOT / "streams", tmp_path / "streams", ignore=shutil.ignore_patterns("__pycache__"))
    (code,) = blocks("python")
    rule = next(block for block in blocks("yaml") if "id: passed-on-twice" in block)
    timeline = next(block for block in blocks("yaml") if "rule: passed-on-twice" in block)
    (tmp_path / "streams" / "detectors" / "passed_on.py").write_text(code, "utf-8")
    for folder in ("ours", "timelines"):
        (tmp_path / folder).mkdir()
    (tmp_path / "ours" / "ours.yaml").write_text(rule, "utf-8")
    (tmp_path / "timelines" / "passed-on-twice.yaml").write_text(timeline, "utf-8")
    told = sansheng(tmp_path, "rules", "test", "--rulebook", "ours", "--timelines", "timelines", "passed-on-twice")
    assert told.returncode == 0, told.stdout + told.stderr
    assert "passed-on-twice" in told.stdout
    (tmp_path / "ours" / "ours.yaml").write_text(rule.replace("times: 2", "times: 3"), "utf-8")
    broken = sansheng(tmp_path, "rules", "test", "--rulebook", "ours", "--timelines", "timelines", "passed-on-twice")
    assert broken.returncode == 1, broken.stdout + broken.stderr


def sansheng(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line of the package in ``folder``."""
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    command = [sys.executable, "-m", "streams.cli", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
