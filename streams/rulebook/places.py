"""Where each rule is written, for people who read or edit it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from msgspec import Struct

from streams.rulebook.book import DEFAULT_RULES
from streams.rulebook.laying import Draft
from streams.rulebook.reading import files_of


class Place(Struct, frozen=True):
    """Where a rule was written first: the file as it is found from the working directory, and the line, from 1."""

    file: Path
    line: int

    @property
    def chapter(self) -> str:
        """A chapter is a file."""
        return self.file.stem


def places(draft: Draft, overlays: Iterable[Path] = ()) -> Mapping[str, Place]:
    """The place of each rule, by its id; ``draft``: as read, with ``overlays`` laid over the default book."""
    found: dict[str, Place] = {}
    own = [file for folder in overlays for file in files_of(folder, [])]
    for rule_id, entry in draft.entries.items():
        name, line = entry.origin.place()
        files = own if rule_id in draft.added else files_of(DEFAULT_RULES, [])
        found[rule_id] = Place(_shown(next(file for file in files if file.name == name)), line)
    return found


def _shown(file: Path) -> Path:
    whole, here = file.resolve(), Path.cwd()
    return whole.relative_to(here) if whole.is_relative_to(here) else whole
