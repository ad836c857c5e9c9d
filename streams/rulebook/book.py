"""The rulebook: rules as data, read from folders of YAML, checked, and named by a version.

The default book lies beside this file in ``rules/``. A site's own folder is laid over it::

    why: 演示:缩短时限           # what this overlay is for
    change:                      # fields of known rules
      ring-over-three:
        thresholds: [{after: 3 s, severity: warning}]
    rules: [...]                 # further rules

Owns reading and merging. Knows nothing of calls in progress. All faults are found at once, each with its
file, its line and the mend.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from pathlib import Path
from string import Formatter
from typing import Any

import msgspec
import yaml
from msgspec import Struct, inspect

from streams.alerts import FIGURES
from streams.detectors import KINDS
from streams.detectors.base import Rule
from streams.detectors.units import decode

DEFAULT_RULES = Path(__file__).parent / "rules"
SOURCES = Path(__file__).parent / "sources.yaml"
_TOP = ("rules", "change", "why")


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


class Rulebook(Struct, frozen=True):
    """Rules by id, the version that every alert names, and why overlays changed it."""

    version: str
    rules: tuple[Rule, ...]
    why: tuple[str, ...] = ()

    @property
    def judges(self) -> tuple[Rule, ...]:
        """The rules that may fire."""
        return tuple(r for r in self.rules if r.status in ("live", "trial"))

    def rule(self, rule_id: str) -> Rule | None:
        """The rule of that id, or None."""
        return next((r for r in self.rules if r.id == rule_id), None)


class _Entry(Struct):
    """One rule as written, and where: the raw mapping and the YAML nodes of its fields."""

    raw: dict[str, Any]
    file: str
    node: Any


def load(overlays: Iterable[Path] = ()) -> Rulebook:
    """The default book with ``overlays`` (folders or files) laid over it, in order.

    Raises:
        RulebookError: with every fault that was found.
    """
    faults: list[Fault] = []
    entries: dict[str, _Entry] = {}
    why: list[str] = []
    for folder in (DEFAULT_RULES, *overlays):
        for file in _files(folder, faults):
            _read(file, entries, why, faults)
    titles = _titles()
    rules = [rule for entry in entries.values() for rule in _build(entry, titles, faults)]
    if faults:
        raise RulebookError(faults)
    return Rulebook(version=_version(entries.values()), rules=tuple(rules), why=tuple(why))


def _files(folder: Path, faults: list[Fault]) -> Iterator[Path]:
    if folder.is_file():
        yield folder
        return
    found = sorted(folder.glob("*.yaml")) if folder.is_dir() else []
    if not found:
        faults.append(Fault(str(folder), 1, "no rules here", "a folder with .yaml files, or one such file"))
    yield from found


def _read(file: Path, entries: dict[str, _Entry], why: list[str], faults: list[Fault]) -> None:
    try:
        text = file.read_text("utf-8")
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        raw = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        faults.append(Fault(file.name, line, f"not YAML: {error.problem}", "check the indentation and quotes"))
        return
    except (OSError, UnicodeError, yaml.YAMLError) as error:
        faults.append(Fault(file.name, 1, f"cannot be read: {error}", "a UTF-8 text file"))
        return
    if not isinstance(raw, dict):
        faults.append(Fault(file.name, 1, "not a mapping", "begin with `rules:` or `change:`"))
        return
    for line, key in _twice(node, []):
        mend = "in YAML the second replaces the first: join them"
        faults.append(Fault(file.name, line, f"{key!r} stands here a second time", mend))
    for key in raw.keys() - set(_TOP):
        faults.append(Fault(file.name, _line(node, key), f"unknown section {key!r}", _nearest(str(key), _TOP)))
    if raw.get("why"):
        why.append(str(raw["why"]))
    _read_rules(file.name, raw.get("rules") or [], _child(node, "rules"), entries, faults)
    _read_changes(file.name, raw.get("change") or {}, _child(node, "change"), entries, faults)


def _read_rules(file: str, rules: Any, node: Any, entries: dict[str, _Entry], faults: list[Fault]) -> None:
    if not isinstance(rules, list):
        faults.append(Fault(file, _line(node), "`rules` is not a list", "begin each rule with `- id:`"))
        return
    for n, raw in enumerate(rules):
        where = _child(node, n)
        if not isinstance(raw, dict) or not isinstance(raw.get("id"), str):
            faults.append(Fault(file, _line(where), "a rule without an id", "add `id:` with a short name"))
        elif raw["id"] in entries:
            first = _origin(entries[raw["id"]])
            mend = f"first in {first.file}:{_line(first.node)}; to alter it use `change:`"
            faults.append(Fault(file, _line(where), f"duplicate id {raw['id']!r}", mend))
        else:
            entries[raw["id"]] = _Entry(raw, file, where)


def _read_changes(file: str, changes: Any, node: Any, entries: dict[str, _Entry], faults: list[Fault]) -> None:
    if not isinstance(changes, dict):
        faults.append(Fault(file, _line(node), "`change` is not a mapping", "rule id: {field: value}"))
        return
    for rule_id, fields in changes.items():
        where = _child(node, rule_id)
        if rule_id not in entries:
            faults.append(
                Fault(file, _line(node, rule_id), f"unknown rule {rule_id!r}", _nearest(str(rule_id), entries))
            )
        elif not isinstance(fields, dict):
            faults.append(Fault(file, _line(where), "not a mapping", "field: value"))
        else:
            old = entries[rule_id]
            entries[rule_id] = _Entry({**old.raw, **fields, "id": rule_id}, file, _Overlaid(where, old))


class _Overlaid(Struct):
    """The nodes of a changed rule: a field's line is where it was written last."""

    node: Any
    old: _Entry


def _origin(entry: _Entry) -> _Entry:
    """Where the rule was written first."""
    return _origin(entry.node.old) if isinstance(entry.node, _Overlaid) else entry


def _build(entry: _Entry, titles: dict[str, str], faults: list[Fault]) -> Iterator[Rule]:
    kind = entry.raw.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        problem = "kind is missing" if kind is None else f"unknown kind {kind!r}"
        faults.append(_fault(entry, ["kind"], problem, _nearest(str(kind), KINDS)))
        return
    shape = inspect.type_info(KINDS[kind])
    strangers: list[tuple[list[Any], Iterable[str]]] = []
    fields = _known(entry.raw, shape, [], strangers)
    for path, known in strangers:
        faults.append(_fault(entry, path, f"unknown field {path[-1]!r}", _nearest(str(path[-1]), known)))
    try:
        rule = msgspec.convert(fields, KINDS[kind], dec_hook=decode)
    except msgspec.ValidationError as error:
        problem, path = _path(str(error))
        if not path and problem.split()[0] in fields:  # a rule's own check begins with the field's name
            path = [problem.split()[0]]
        faults.append(_fault(entry, path, f"rule {entry.raw['id']}: {problem}", _choices(shape, path)))
        return
    faults.extend(_check(entry, rule, titles))
    yield _with_titles(rule, titles)


def _known(raw: Any, shape: inspect.Type, path: list[Any], strangers: list[tuple[list[Any], Iterable[str]]]) -> Any:
    """``raw`` without the fields that ``shape`` does not know, at any depth; those go to ``strangers``."""
    if isinstance(shape, inspect.UnionType):
        shape = next((t for t in shape.types if isinstance(t, inspect.StructType)), shape)
    if isinstance(shape, inspect.VarTupleType) and isinstance(raw, list):
        return [_known(item, shape.item_type, [*path, n], strangers) for n, item in enumerate(raw)]
    if not isinstance(shape, inspect.StructType) or not isinstance(raw, dict):
        return raw
    shapes = {field.encode_name: field.type for field in shape.fields}
    names = {*shapes, shape.tag_field} - {None}
    strangers += [([*path, key], sorted(map(str, names))) for key in raw if key not in names]
    return {k: _known(v, shapes[k], [*path, k], strangers) if k in shapes else v for k, v in raw.items() if k in names}


def _choices(shape: inspect.Type, path: list[Any]) -> str:
    """What may stand at ``path`` where that is a closed set of words."""
    for key in path:
        if isinstance(shape, inspect.StructType):
            shape = next((field.type for field in shape.fields if field.encode_name == key), shape)
        elif isinstance(shape, inspect.VarTupleType):
            shape = shape.item_type
    options = shape.types if isinstance(shape, inspect.UnionType) else (shape,)
    words = next((t.values for t in options if isinstance(t, inspect.LiteralType)), ())
    return f"one of {', '.join(map(str, words))}" if words else ""


def _check(entry: _Entry, rule: Rule, titles: dict[str, str]) -> Iterator[Fault]:
    for n, clause in enumerate((rule.clause, *rule.also)):
        if clause.manual not in titles:
            where = ["clause", "manual"] if n == 0 else ["also", n - 1, "manual"]
            yield _fault(entry, where, f"unknown manual {clause.manual!r}", _nearest(clause.manual, titles))
    for field, text in _sentences(rule):
        strange = [name for name in _names(text) if name not in FIGURES]
        for name in strange:
            yield _fault(entry, field, f"{{{name}}} is no figure of a sentence", _nearest(name, FIGURES))
        if not strange and not _fills(text):
            yield _fault(entry, field, "the sentence cannot be filled", "only {name}, without ':' or '!' behind it")
    if rule.status == "retired" and not rule.retired_because:
        yield _fault(entry, ["status"], "retired without a reason", "add `retired_because:`")


def _sentences(rule: Rule) -> Iterator[tuple[list[str], str]]:
    yield ["says"], rule.says
    yield ["says_cleared"], rule.says_cleared
    if rule.en:
        yield ["en", "says"], rule.en.says
        yield ["en", "says_cleared"], rule.en.says_cleared


def _names(text: str) -> list[str]:
    try:
        return [name for _, name, _, _ in Formatter().parse(text) if name is not None]
    except ValueError:
        return [text]


def _fills(text: str) -> bool:
    try:
        text.format_map(dict.fromkeys(FIGURES, ""))
    except (ValueError, KeyError, IndexError, AttributeError):
        return False
    return True


def _with_titles(rule: Rule, titles: dict[str, str]) -> Rule:
    replace = msgspec.structs.replace
    clauses = [replace(c, title=titles.get(c.manual, "")) for c in (rule.clause, *rule.also)]
    return replace(rule, clause=clauses[0], also=tuple(clauses[1:]))


def _titles() -> dict[str, str]:
    return {str(k): str(v["title"]) for k, v in yaml.safe_load(SOURCES.read_text("utf-8")).items()}


def _version(entries: Iterable[_Entry]) -> str:
    """A short hash of the rules as written: the same rules have the same version anywhere."""
    canonical = msgspec.json.encode(sorted((e.raw for e in entries), key=lambda r: str(r["id"])), order="sorted")
    return hashlib.sha256(canonical).hexdigest()[:10]


def _fault(entry: _Entry, path: list[Any], problem: str, mend: str) -> Fault:
    node, file = entry.node, entry.file
    while isinstance(node, _Overlaid) and path and _child(node.node, path[0]) is None:
        node, file = node.old.node, node.old.file
    node = node.node if isinstance(node, _Overlaid) else node
    line = _line(node)
    for key in path:
        line, node = _line(node, key), _child(node, key)
        if node is None:
            break
    return Fault(file, line, problem, mend)


def _path(error: str) -> tuple[str, list[Any]]:
    """Split msgspec's ``problem - at `$.thresholds[0].after```."""
    problem, _, where = error.partition(" - at `$")
    keys = where.rstrip("`").replace("[", ".").replace("]", "").strip(".").split(".")
    return problem, [int(k) if k.isdigit() else k for k in keys if k and k != "..."]


def _twice(node: Any, above: list[Any]) -> Iterator[tuple[int, str]]:
    """Keys that stand in one mapping more than once, with their lines; ``above``: nodes on the way (aliases loop)."""
    if not isinstance(node, yaml.CollectionNode) or node in above:
        return
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for name, _ in node.value:
            if name.value in seen:
                yield _line(name), name.value
            seen.add(name.value)
    for child in node.value:
        yield from _twice(child[1] if isinstance(child, tuple) else child, [*above, node])


def _child(node: Any, key: Any) -> Any:
    if isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
        return node.value[key]
    if isinstance(node, yaml.MappingNode):
        return next((value for name, value in node.value if name.value == str(key)), None)
    return None


def _line(node: Any, key: Any = None) -> int:
    """The line, from 1, of a node or of one of its keys."""
    if key is not None and isinstance(node, yaml.MappingNode):
        named = next((name for name, _ in node.value if name.value == str(key)), None)
        node = named or node
    elif key is not None:
        node = _child(node, key) or node
    return node.start_mark.line + 1 if node is not None else 1


def _nearest(name: str, known: Iterable[str]) -> str:
    known = sorted(known)
    near = get_close_matches(name, known, n=1)
    return f"did you mean {near[0]}?" if near else f"one of {', '.join(known)}"
