"""The rulebook: rules as data, read from folders of YAML, checked, and named by a version.

The default book lies beside this file in ``rules/``. A site's own folder is laid over it::

    why: 演示:缩短时限           # what this overlay is for
    change:                      # fields of known rules
      ring-over-three:
        thresholds: [{after: 3 s, severity: warning}]
    rules: [...]                 # further rules
    phrases: {house-jargon: [...]}       # further phrase sets
    add: {apology: [不好意思哈]}            # further phrases of known sets
    groups: {new-staff: ["90*"]}         # named groups of agents
    calendar: {holidays: {2026-10-11: 店庆}, workdays: []}

Owns reading and merging. Knows nothing of calls in progress. All faults are found at once, each with its
file, its line and the mend.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from string import Formatter
from types import UnionType
from typing import Any, Union, get_args, get_origin

import msgspec
import yaml
from msgspec import Struct, inspect

from streams.alerts import FIGURES
from streams.days import Calendar
from streams.detectors import KINDS
from streams.detectors.base import Rule, Site
from streams.detectors.units import decode
from streams.phrases.match import Found, Matcher, PhraseSet
from streams.phrases.pattern import PatternError, compile_phrase

DEFAULT_RULES = Path(__file__).parent / "rules"
SOURCES = Path(__file__).parent / "sources.yaml"
_TOP = ("rules", "change", "why", "phrases", "add", "groups", "calendar")


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


class Rulebook(Struct, frozen=True, dict=True):
    """Rules by id, the phrase sets and site they refer to, the version that every alert names, and why overlays
    changed it. ``rules`` holds all of them; ``judges`` those that may fire.
    """

    version: str
    rules: tuple[Rule, ...]
    why: tuple[str, ...] = ()
    phrases: Mapping[str, PhraseSet] = {}
    groups: Mapping[str, tuple[str, ...]] = {}
    calendar: Calendar = Calendar()

    @cached_property
    def judges(self) -> tuple[Rule, ...]:
        """The rules that may fire."""
        return tuple(r for r in self.rules if r.status in ("live", "trial"))

    @cached_property
    def site(self) -> Site:
        """What conditions need beside the call."""
        procedures = {r.id: r for r in self.rules if hasattr(r, "done")}
        return Site(calendar=self.calendar, groups=self.groups, procedures=procedures)

    @cached_property
    def _matcher(self) -> Matcher:
        names = {name for rule in self.judges for name in rule.phrase_names()}
        return Matcher({name: self.phrases.get(name) or PhraseSet((name,)) for name in sorted(names)})

    @cached_property
    def _listeners(self) -> dict[str, tuple[Rule, ...]]:
        return {}

    @cached_property
    def _by_id(self) -> dict[str, Rule]:
        return {rule.id: rule for rule in self.rules}

    @cached_property
    def _judges_by_id(self) -> dict[str, Rule]:
        return {rule.id: rule for rule in self.judges}

    def find(self, text: str) -> Sequence[Found]:
        """The phrase sets of all rules that may fire, in ``text``."""
        return self._matcher.find(text)

    def listeners(self, tag: str) -> Sequence[Rule]:
        """The rules that may fire and listen to events of that type."""
        known = self._listeners.get(tag)
        if known is None:
            known = tuple(r for r in self.judges if tag in r.listens or (tag == "mark" and r.crosses_calls))
            self._listeners[tag] = known
        return known

    def judge(self, rule: str) -> Rule | None:
        """The rule of that id, if it may fire."""
        return self._judges_by_id.get(rule)

    def rule(self, rule_id: str) -> Rule | None:
        """The rule of that id, or None."""
        return self._by_id.get(rule_id)


class _Entry(Struct):
    """One rule as written, and where: the raw mapping and the YAML nodes of its fields."""

    raw: dict[str, Any]
    file: str
    node: Any


class _Draft(Struct):
    """A book while it is read: everything as written, and the faults met so far."""

    faults: list[Fault] = []
    entries: dict[str, _Entry] = {}
    why: list[str] = []
    phrases: dict[str, _Entry] = {}
    groups: dict[str, tuple[str, ...]] = {}
    calendar: dict[str, Any] = {}


def load(overlays: Iterable[Path] = ()) -> Rulebook:
    """The default book with ``overlays`` (folders or files) laid over it, in order.

    Raises:
        RulebookError: with every fault that was found.
    """
    draft = _Draft()
    for folder in (DEFAULT_RULES, *overlays):
        for file in _files(folder, draft.faults):
            _read(file, draft)
    titles = _titles()
    sets = _phrase_sets(draft)
    rules = [rule for entry in draft.entries.values() for rule in _build(entry, titles, draft.faults)]
    calendar = _calendar(draft)
    for rule in rules:
        draft.faults.extend(_check_names(draft, rule, sets))
    if draft.faults:
        raise RulebookError(draft.faults)
    return Rulebook(
        version=_version(draft),
        rules=tuple(rules),
        why=tuple(draft.why),
        phrases=sets,
        groups=draft.groups,
        calendar=calendar,
    )


def _files(folder: Path, faults: list[Fault]) -> Iterator[Path]:
    if folder.is_file():
        yield folder
        return
    found = sorted(folder.glob("*.yaml")) if folder.is_dir() else []
    if not found:
        faults.append(Fault(str(folder), 1, "no rules here", "a folder with .yaml files, or one such file"))
    yield from found


def _read(file: Path, draft: _Draft) -> None:
    faults = draft.faults
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
        draft.why.append(str(raw["why"]))
    _read_rules(file.name, raw.get("rules") or [], _child(node, "rules"), draft.entries, faults)
    _read_changes(file.name, raw.get("change") or {}, _child(node, "change"), draft.entries, faults)
    _read_phrases(file.name, raw, node, draft)
    _read_site(file.name, raw, node, draft)


def _read_phrases(file: str, raw: dict[str, Any], node: Any, draft: _Draft) -> None:
    """``phrases``: new sets; ``add``: further phrases of known ones. A list is short for ``{phrases: [...]}``."""
    for section in ("phrases", "add"):
        sets, where = raw.get(section) or {}, _child(node, section)
        if not isinstance(sets, dict):
            draft.faults.append(Fault(file, _line(where), f"`{section}` is not a mapping", "name: [phrases]"))
            continue
        for name, written in sets.items():
            entry = _Entry({"phrases": written} if isinstance(written, list) else written, file, _child(where, name))
            known = draft.phrases.get(str(name))
            if section == "phrases" and known:
                mend = f"first in {known.file}:{_line(known.node)}; to extend it use `add:`"
                draft.faults.append(Fault(file, _line(where, name), f"duplicate phrase set {name!r}", mend))
            elif section == "add" and not known:
                mend = _nearest(str(name), draft.phrases)
                draft.faults.append(Fault(file, _line(where, name), f"unknown phrase set {name!r}", mend))
            elif not isinstance(entry.raw, dict):
                draft.faults.append(Fault(file, _line(where, name), "not a list of phrases", f"{name}: [...]"))
            else:
                draft.phrases[str(name)] = _joined(known, entry) if known else entry


def _joined(known: _Entry, more: _Entry) -> _Entry:
    """A phrase set with what an overlay adds."""
    raw = dict(known.raw)
    for field, value in more.raw.items():
        raw[field] = [*(raw.get(field) or []), *value] if isinstance(value, list) else value
    return _Entry(raw, more.file, more.node)


def _phrase_sets(draft: _Draft) -> dict[str, PhraseSet]:
    sets: dict[str, PhraseSet] = {}
    for name, entry in draft.phrases.items():
        try:
            sets[name] = msgspec.convert(entry.raw, PhraseSet)
        except msgspec.ValidationError as error:
            problem, path = _path(str(error))
            draft.faults.append(_fault(entry, path, f"phrase set {name}: {problem}", ""))
            continue
        for field in ("phrases", "but_not"):
            for n, phrase in enumerate(getattr(sets[name], field)):
                try:
                    compile_phrase(phrase)
                except PatternError as error:
                    path = [field, n] if isinstance(entry.node, yaml.MappingNode) else [n]
                    draft.faults.append(_fault(entry, path, str(error), "see docs/rulebook.md"))
    return sets


def _read_site(file: str, raw: dict[str, Any], node: Any, draft: _Draft) -> None:
    for name, agents in (raw.get("groups") or {}).items():
        if not isinstance(agents, list) or not all(isinstance(a, str) for a in agents):
            line = _line(_child(node, "groups"), name)
            draft.faults.append(Fault(file, line, f"group {name}: not a list of texts", 'like ["80*", "9012"]'))
        else:
            draft.groups[str(name)] = tuple(agents)
    if isinstance(calendar := raw.get("calendar") or {}, dict):
        draft.calendar.update(calendar)
        draft.calendar.setdefault("", []).append((file, _child(node, "calendar")))


def _calendar(draft: _Draft) -> Calendar:
    written = {key: value for key, value in draft.calendar.items() if key}
    try:
        return msgspec.convert(written, Calendar, strict=False)
    except msgspec.ValidationError as error:
        problem, path = _path(str(error))
        file, node = draft.calendar[""][-1]
        draft.faults.append(_fault(_Entry({}, file, node), path, f"calendar: {problem}", "dates like 2026-10-11"))
        return Calendar()


_CHINESE = re.compile("[\u4e00-\u9fff#]")


def _check_names(draft: _Draft, rule: Rule, sets: Mapping[str, PhraseSet]) -> Iterator[Fault]:
    """Phrase sets and procedures that the rule refers to must be there; what is Chinese is a phrase itself."""
    entry = draft.entries[rule.id]
    for name in dict.fromkeys(rule.phrase_names()):
        if name in sets:
            continue
        if not _CHINESE.search(name):
            yield _fault(entry, _where(entry, name), f"unknown phrase set {name!r}", _nearest(name, sets))
        else:
            try:
                compile_phrase(name)
            except PatternError as error:
                yield _fault(entry, _where(entry, name), str(error), "see docs/rulebook.md")


def _where(entry: _Entry, text: str) -> list[Any]:
    """The path of the first place where ``text`` stands in what is written."""

    def search(raw: Any, path: list[Any]) -> list[Any] | None:
        items = raw.items() if isinstance(raw, dict) else enumerate(raw) if isinstance(raw, list) else ()
        for key, value in items:
            if value == text:
                return [*path, key]
            if (found := search(value, [*path, key])) is not None:
                return found
        return None

    return search(entry.raw, []) or []


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
    for problem, path in _misfits(fields, KINDS[kind]):
        faults.append(_fault(entry, path, f"rule {entry.raw['id']}: {problem}", _choices(shape, path)))
    faults.extend(_check(entry, fields, titles))
    if not faults:
        yield _with_titles(msgspec.convert(fields, KINDS[kind], dec_hook=decode), titles)


def _misfits(raw: Any, kind: Any) -> Iterator[tuple[str, list[Any]]]:
    """Everything in ``raw`` that is not as ``kind`` wants it, each with its path; msgspec stops at the first."""
    found = False
    if isinstance(raw, dict) and (struct := _struct(kind)):
        for field in msgspec.structs.fields(struct):
            if field.encode_name in raw:
                inner = _misfits(raw[field.encode_name], field.type)
            else:
                inner = iter([(f"Object missing required field `{field.encode_name}`", [])] * field.required)
            for problem, path in inner:
                found = True
                yield problem, [field.encode_name, *path] if field.encode_name in raw else path
    elif isinstance(raw, list) and get_origin(kind) is tuple:
        for n, item in enumerate(raw):
            for problem, path in _misfits(item, get_args(kind)[0]):
                found = True
                yield problem, [n, *path]
    if not found:
        yield from _misfit(raw, kind)


def _misfit(raw: Any, kind: Any) -> Iterator[tuple[str, list[Any]]]:
    """What msgspec says of ``raw`` as a whole, all its parts being right."""
    try:
        msgspec.convert(raw, kind, dec_hook=decode)
    except msgspec.ValidationError as error:
        problem, path = _path(str(error))
        if not path and isinstance(raw, dict) and problem.split()[0] in raw:
            path = [problem.split()[0]]  # a rule's own check begins with the field's name
        yield problem, path


def _struct(kind: Any) -> Any:
    """The Struct that ``kind`` is, or has among its alternatives; None: there is none."""
    options = (kind, *get_args(kind)) if isinstance(kind, UnionType) or get_origin(kind) is Union else (kind,)
    return next((t for t in options if isinstance(t, type) and issubclass(t, Struct)), None)


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


def _check(entry: _Entry, fields: dict[str, Any], titles: dict[str, str]) -> Iterator[Fault]:
    """What is wrong beyond the form; works on the fields as written, so that it also finds what a bad form hides."""
    yield from _check_manuals(entry, fields, titles)
    figures = (*FIGURES, *KINDS[fields["kind"]].figures)
    for path, text in _sentences(fields):
        for problem, mend in _sentence_faults(text, figures):
            yield _fault(entry, path, problem, mend)
    if fields.get("status") == "retired" and not fields.get("retired_because"):
        yield _fault(entry, ["status"], "retired without a reason", "add `retired_because:`")


def _check_manuals(entry: _Entry, fields: dict[str, Any], titles: dict[str, str]) -> Iterator[Fault]:
    also = fields.get("also")
    clauses: list[tuple[list[Any], Any]] = [(["clause"], fields.get("clause"))]
    clauses += [(["also", n], clause) for n, clause in enumerate(also if isinstance(also, list) else [])]
    for path, clause in clauses:
        manual = clause.get("manual") if isinstance(clause, dict) else None
        if isinstance(manual, str) and manual not in titles:
            yield _fault(entry, [*path, "manual"], f"unknown manual {manual!r}", _nearest(manual, titles))


def _sentences(fields: dict[str, Any]) -> Iterator[tuple[list[str], str]]:
    en = fields.get("en")
    for above, where in (([], fields), (["en"], en if isinstance(en, dict) else {})):
        for name in ("says", "says_cleared", "says_started"):
            if isinstance(text := where.get(name), str):
                yield [*above, name], text


def _sentence_faults(text: str, figures: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Each placeholder that cannot be filled, with the mend."""
    try:
        parts = [part[1:] for part in Formatter().parse(text) if part[1] is not None]
    except ValueError:
        yield "the braces do not match", "each figure is {name}; a brace that is meant as text is written twice"
        return
    for name, spec, conversion in parts:
        written = f"{{{name}{f'!{conversion}' if conversion else ''}{f':{spec}' if spec else ''}}}"
        if name not in figures:
            yield f"{written} is no figure of a sentence", _nearest(str(name), figures)
        elif conversion or not _fills(written, figures):
            yield f"the sentence cannot be filled: {written}", "only {name}, without ':' or '!' behind it"


def _fills(text: str, figures: Sequence[str]) -> bool:
    try:
        text.format_map(dict.fromkeys(figures, ""))
    except (ValueError, KeyError, IndexError, AttributeError):
        return False
    return True


def _with_titles(rule: Rule, titles: dict[str, str]) -> Rule:
    replace = msgspec.structs.replace
    clauses = [replace(c, title=titles.get(c.manual, "")) for c in (rule.clause, *rule.also)]
    return replace(rule, clause=clauses[0], also=tuple(clauses[1:]))


def _titles() -> dict[str, str]:
    return {str(k): str(v["title"]) for k, v in yaml.safe_load(SOURCES.read_text("utf-8")).items()}


def _version(draft: _Draft) -> str:
    """A short hash of the book as written: the same rules have the same version anywhere."""
    written = {
        "rules": sorted((e.raw for e in draft.entries.values()), key=lambda r: str(r["id"])),
        "phrases": {name: entry.raw for name, entry in draft.phrases.items()},
        "groups": draft.groups,
        "calendar": {str(key): str(value) for key, value in draft.calendar.items() if key},
    }
    canonical = msgspec.json.encode(written, order="sorted")
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
