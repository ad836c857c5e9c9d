"""YAML as managers write it: what is said, and on which line; and the faults found in it.

Owns files, lines and the wording of faults. Knows nothing of what a rule means.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from msgspec import Struct

#: libyaml reads ten times as fast; PyYAML may have been built without it.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
#: So many known names are listed where none is near.
LISTED = 24


class Fault(Struct, frozen=True):
    """Something wrong in a rulebook file; ``line`` counts from 1."""

    file: str
    line: int
    problem: str
    mend: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.problem}" + (f" ({self.mend})" if self.mend else "")


class RulebookError(ValueError):
    """The rulebook cannot be used; ``faults`` holds every fault that was found."""

    def __init__(self, faults: list[Fault]) -> None:
        self.faults = faults
        super().__init__("\n".join(str(f) for f in faults))


class Entry(Struct):
    """Something as written, and where: the raw value, the file's name, and the YAML node (or ``Overlaid``)."""

    raw: Any
    file: str
    node: Any

    @property
    def origin(self) -> Entry:
        """Where it was written first."""
        return self.node.old.origin if isinstance(self.node, Overlaid) else self

    def place(self, path: Iterable[Any] = ()) -> tuple[str, int]:
        """File and line of the field at ``path``, or of as much of the path as there is."""
        node, file, keys = self.node, self.file, list(path)
        while isinstance(node, Overlaid) and keys and child(node.node, keys[0]) is None:
            node, file = node.old.node, node.old.file
        node = node.node if isinstance(node, Overlaid) else node
        line = line_of(node)
        for key in keys:
            line, node = line_of(node, key), child(node, key)
            if node is None:
                break
        return file, line

    def fault(self, path: Iterable[Any], problem: str, mend: str = "") -> Fault:
        """A fault of the field at ``path``."""
        return Fault(*self.place(path), problem, mend)


class Overlaid(Struct):
    """The nodes of a changed rule: a field's line is where it was written last."""

    node: Any
    old: Entry


class Document(NamedTuple):
    """One file: the name that faults say, the mapping in it, and its nodes."""

    file: str
    raw: dict[str, Any]
    node: Any

    def section(self, name: str) -> tuple[Any, Any]:
        """What stands under a top-level name, and its node."""
        return self.raw.get(name), child(self.node, name)


def files_of(folder: Path, faults: list[Fault]) -> Iterator[Path]:
    """The YAML files of a folder in order of their names; a path that is no folder is the file itself."""
    if folder.is_file():
        yield folder
        return
    found = sorted(folder.glob("*.yaml")) if folder.is_dir() else []
    if not found:
        faults.append(Fault(str(folder), 1, "no rules here", "a folder with .yaml files, or one such file"))
    yield from found


def read(file: Path, faults: list[Fault]) -> Document | None:
    """The mapping in a file; None, and a fault, where there is none."""
    try:
        text = file.read_text("utf-8")
        raw, node = parsed(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        line = min(line, text.count("\n") + 1)  # the end of a text without a last newline lies behind its last line
        faults.append(Fault(file.name, line, f"not YAML: {error.problem}", "check the indentation and quotes"))
        return None
    except (OSError, UnicodeError, yaml.YAMLError, ValueError) as error:
        faults.append(Fault(file.name, 1, f"cannot be read: {error}", "a UTF-8 text file"))
        return None
    if not isinstance(raw, dict):
        faults.append(Fault(file.name, 1, "not a mapping", "begin with `rules:` or `change:`"))
        return None
    for line, key in _twice(node, []):
        mend = "in YAML the second replaces the first: join them"
        faults.append(Fault(file.name, line, f"{key!r} stands here a second time", mend))
    return Document(file.name, raw, node)


def parsed(text: str) -> tuple[Any, Any]:
    """The value that a YAML text has, and its nodes.

    Raises:
        YAMLError, ValueError: it is none, or holds a value that there is not, such as the 30th of February.
    """
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        return (loader.construct_document(node) if node is not None else None), node
    finally:
        loader.dispose()


def _twice(node: Any, above: list[Any]) -> Iterator[tuple[int, str]]:
    """Keys that stand in one mapping more than once, with their lines; ``above``: nodes on the way (aliases loop)."""
    if not isinstance(node, yaml.CollectionNode) or node in above:
        return
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for name, _ in node.value:
            if name.value in seen:
                yield line_of(name), name.value
            seen.add(name.value)
    for inner in node.value:
        yield from _twice(inner[1] if isinstance(inner, tuple) else inner, [*above, node])


def child(node: Any, key: Any) -> Any:
    """The node under a key of a mapping or at an index of a list; None: there is none."""
    if isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
        return node.value[key]
    if isinstance(node, yaml.MappingNode):
        return next((value for name, value in node.value if name.value == str(key)), None)
    return None


def line_of(node: Any, key: Any = None) -> int:
    """The line, from 1, of a node or of one of its keys."""
    if key is not None and isinstance(node, yaml.MappingNode):
        named = next((name for name, _ in node.value if name.value == str(key)), None)
        node = named or node
    elif key is not None:
        node = child(node, key) or node
    return node.start_mark.line + 1 if node is not None else 1


def nearest(name: str, known: Iterable[str]) -> str:
    """The mend of a name that is not known."""
    names = sorted(known)
    near = get_close_matches(name, names, n=1)
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return f"did you mean {near[0]}?" if near else f"one of {', '.join(names[:LISTED])}{more}"


def flow(value: Any) -> str:
    """A value as it would be written on one line of YAML; nothing for None."""
    if value is None:
        return ""
    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, sort_keys=False, width=10_000)
    return text.removesuffix("\n").removesuffix("\n...")
