"""Laying one file of YAML over another: what a book holds while it is read, and the faults met so far.

Rules, changes of rules, phrase sets, groups, days and manuals are merged by name. Owns merging and what overlays have
changed; whether a rule is right as a whole is judged in ``checks``.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import msgspec
from msgspec import Struct

from streams.phrases.match import Nearness, PhraseSet
from streams.phrases.pattern import PatternError, compile_phrase
from streams.rulebook import form
from streams.rulebook.reading import Document, Entry, Fault, Overlaid, child, flow, line_of, nearest
from streams.rulebook.sources import Manual

SECTIONS = ("rules", "change", "why", "phrases", "add", "groups", "calendar", "manuals")


class Change(Struct, frozen=True):
    """One thing that an overlay has laid over the book: ``field`` of ``name`` in one of its sections.

    ``old`` and ``new`` are as written, on one line; ``old`` is empty for what is new.
    """

    section: str
    name: str
    field: str
    old: str
    new: str
    file: str
    line: int
    why: str = ""

    def __str__(self) -> str:
        what = (
            f"{self.name} {self.field}".strip()
            if self.section in ("change", "rules")
            else f"{self.section} {self.name}"
        )
        values = f"{self.old} → {self.new}" if self.old else f"new: {self.new}"
        return f"{self.file}:{self.line}: {what}: {values}"

    @property
    def rule(self) -> str:
        """The id of the rule that it is about; empty: it is about none."""
        return self.name if self.section in ("change", "rules") else ""


class Written(Struct, frozen=True):
    """A phrase, and where it was written."""

    text: str
    file: str
    line: int


class SetDraft(Struct):
    """A phrase set while it is read, with the place of each phrase. ``own``: an overlay brought it."""

    file: str
    line: int
    own: bool = False
    title: str = ""
    sound: bool | float = True
    phrases: list[Written] = []
    but_not: list[Written] = []

    def texts(self) -> dict[str, Any]:
        """What is in it."""
        sound = {} if self.sound is True else {"sound": self.sound}
        return {
            **sound,
            "title": self.title,
            "phrases": [phrase.text for phrase in self.phrases],
            "but_not": [phrase.text for phrase in self.but_not],
        }


class Draft(Struct):
    """A book while it is read: everything as written, and the faults met so far. ``own``: an overlay is being read;
    ``added``: the ids of rules that overlays brought.
    """

    manuals: dict[str, Manual]
    faults: list[Fault] = []
    entries: dict[str, Entry] = {}
    why: list[str] = []
    sets: dict[str, SetDraft] = {}
    groups: dict[str, tuple[str, ...]] = {}
    holidays: dict[date, str] = {}
    workdays: list[date] = []
    changed: list[Change] = []
    own: bool = False
    added: list[str] = []


class _Added(Struct):
    """What ``add`` may say of a phrase set."""

    phrases: tuple[str, ...] = ()
    but_not: tuple[str, ...] = ()
    sound: Nearness | None = None


def lay(document: Document, draft: Draft) -> None:
    """Lay one file over what was read before."""
    file, raw, node = document
    before = len(draft.changed)
    for key in raw.keys() - set(SECTIONS):
        draft.faults.append(Fault(file, line_of(node, key), f"unknown section {key!r}", nearest(str(key), SECTIONS)))
    if raw.get("why"):
        draft.why.append(str(raw["why"]))
    _lay_rules(document, draft)
    _lay_changes(document, draft)
    for section in ("phrases", "add"):
        for name, entry in _named(document, section, "name: [phrases]", draft):
            _lay_set(section, name, entry, draft)
    for name, entry in _named(document, "groups", 'name: ["80*"]', draft):
        _lay_group(name, entry, draft)
    for name, entry in _named(document, "calendar", "holidays: {2026-10-11: 店庆}", draft):
        _lay_days(name, entry, draft)
    for name, entry in _named(document, "manuals", '"900": {title: …}', draft):
        _lay_manual(name, entry, draft)
    why = str(raw.get("why") or "")
    draft.changed[before:] = [msgspec.structs.replace(change, why=why) for change in draft.changed[before:]]


def _named(document: Document, section: str, mend: str, draft: Draft) -> Iterator[tuple[str, Entry]]:
    """What stands in a section that is a mapping."""
    raw, node = document.section(section)
    if raw is not None and not isinstance(raw, dict):
        draft.faults.append(Fault(document.file, line_of(node), f"`{section}` is not a mapping", mend))
        return
    for name, value in (raw or {}).items():
        yield str(name), Entry(value, document.file, child(node, name) or node)


def _lay_rules(document: Document, draft: Draft) -> None:
    file, (rules, node) = document.file, document.section("rules")
    if not isinstance(rules or [], list):
        draft.faults.append(Fault(file, line_of(node), "`rules` is not a list", "begin each rule with `- id:`"))
        return
    for n, raw in enumerate(rules or []):
        where = child(node, n)
        if not isinstance(raw, dict) or not isinstance(raw.get("id"), str):
            mend = "add `id:` with a short name"
            draft.faults.append(Fault(file, line_of(where), "a rule without an id", mend))
        elif raw["id"] in draft.entries:
            first = draft.entries[raw["id"]].origin
            mend = f"first in {first.file}:{line_of(first.node)}; to alter it use `change:`"
            draft.faults.append(Fault(file, line_of(where), f"duplicate id {raw['id']!r}", mend))
        else:
            draft.entries[raw["id"]] = Entry(raw, file, where)
            draft.added += [raw["id"]] * draft.own
            _changed(draft, Change("rules", raw["id"], "", "", _flow(draft, raw.get("title")), file, line_of(where)))


def _lay_changes(document: Document, draft: Draft) -> None:
    file, (changes, node) = document.file, document.section("change")
    if not isinstance(changes or {}, dict):
        draft.faults.append(Fault(file, line_of(node), "`change` is not a mapping", "rule id: {field: value}"))
        return
    for rule_id, fields in (changes or {}).items():
        old, where, line = draft.entries.get(rule_id), child(node, rule_id), line_of(node, rule_id)
        if old is None:
            mend = nearest(str(rule_id), draft.entries)
            draft.faults.append(Fault(file, line, f"unknown rule {rule_id!r}", mend))
        elif not isinstance(fields, dict):
            draft.faults.append(Fault(file, line_of(where), "not a mapping", "field: value"))
        else:
            for field, value in fields.items():
                if old.raw.get(field) != value:
                    values = _flow(draft, old.raw.get(field)), _flow(draft, value)
                    _changed(draft, Change("change", rule_id, str(field), *values, file, line_of(where, field)))
            draft.entries[rule_id] = Entry({**old.raw, **fields, "id": rule_id}, file, Overlaid(where, old))


def _lay_set(section: str, name: str, entry: Entry, draft: Draft) -> None:
    """``phrases``: a new set; ``add``: further phrases of a known one. A list is short for ``{phrases: [...]}``."""
    known = draft.sets.get(name)
    if section == "phrases" and known:
        mend = f"first in {known.file}:{known.line}; to extend it use `add:`"
        draft.faults.append(entry.fault([], f"duplicate phrase set {name!r}", mend))
        return
    if section == "add" and not known:
        draft.faults.append(entry.fault([], f"unknown phrase set {name!r}", nearest(name, draft.sets)))
        return
    short = isinstance(entry.raw, list)
    raw = {"phrases": entry.raw} if short else entry.raw
    if not isinstance(raw, dict):
        draft.faults.append(entry.fault([], "not a list of phrases", f"{name}: [...]"))
        raw = {"phrases": []}
    strangers: list[form.Misfit] = []
    kind = PhraseSet if section == "phrases" else _Added
    fields = form.stripped(raw, form.shape_of(kind), [], strangers)
    for path, problem, mend in (*strangers, *form.misfits(fields, kind)):
        draft.faults.append(entry.fault(path[short:], f"phrase set {name}: {problem}", mend))
    file, line = entry.place()
    draft.sets[name] = known = known or SetDraft(file, line, draft.own, str(fields.get("title") or ""))
    if _is_nearness(fields.get("sound")):
        known.sound = fields["sound"]
    for field, into in (("phrases", known.phrases), ("but_not", known.but_not)):
        written = fields.get(field)
        for n, phrase in enumerate(written if isinstance(written, list) else []):
            into.extend(_readable(phrase, entry, [n] if short else [field, n], draft))
    _changed(draft, Change(section, name, "", "", _flow(draft, raw.get("phrases") or raw.get("but_not")), file, line))


def _is_nearness(value: Any) -> bool:
    """What is none has been told as a fault."""
    return isinstance(value, bool) or (isinstance(value, int | float) and 0 <= value <= 1)


def _readable(phrase: Any, entry: Entry, path: list[Any], draft: Draft) -> list[Written]:
    """The phrase with its place; nothing, and a fault, if it cannot be read."""
    if not isinstance(phrase, str):
        return []
    try:
        compile_phrase(phrase)
    except PatternError as error:
        draft.faults.append(entry.fault(path, str(error), "see docs/rulebook.md"))
        return []
    return [Written(phrase, *entry.place(path))]


def _lay_group(name: str, entry: Entry, draft: Draft) -> None:
    if not isinstance(entry.raw, list) or not all(isinstance(agent, str) for agent in entry.raw):
        draft.faults.append(entry.fault([], f"group {name}: not a list of texts", 'like ["80*", "9012"]'))
    old = draft.groups.get(name)
    draft.groups[name] = tuple(map(str, entry.raw)) if isinstance(entry.raw, list) else ()
    _changed(
        draft, Change("groups", name, "", _flow(draft, old and list(old)), _flow(draft, entry.raw), *entry.place())
    )


def _lay_days(name: str, entry: Entry, draft: Draft) -> None:
    """Single days of ``calendar``, over those of earlier files."""
    days = {"holidays": dict, "workdays": list}
    if name not in days:
        draft.faults.append(entry.fault([], f"calendar: unknown field {name!r}", nearest(name, days)))
        return
    if not isinstance(entry.raw, days[name]):
        mend = "holidays: {2026-10-11: 店庆}, workdays: [2026-10-10]"
        draft.faults.append(entry.fault([], f"calendar: {name} is not a {days[name].__name__}", mend))
        return
    for n, day in enumerate(entry.raw):
        path, value = [day if name == "holidays" else n], entry.raw[day] if name == "holidays" else ""
        try:
            when = msgspec.convert(day, date)
        except msgspec.ValidationError:
            draft.faults.append(entry.fault(path, f"calendar: {day!r} is no date", "dates like 2026-10-11"))
            continue
        if name == "holidays" and not isinstance(value, str):
            draft.faults.append(entry.fault(path, f"calendar: the holiday {day} has no name", f"{day}: 店庆"))
        elif name == "holidays":
            draft.holidays[when] = value
            draft.workdays = [each for each in draft.workdays if each != when]
        else:
            draft.workdays.append(when)
            draft.holidays.pop(when, None)
    _changed(draft, Change("calendar", name, "", "", _flow(draft, entry.raw), *entry.place()))


def _lay_manual(name: str, entry: Entry, draft: Draft) -> None:
    if name in draft.manuals:
        draft.faults.append(entry.fault([], f"duplicate manual {name!r}", "give it a number of its own"))
        return
    strangers: list[form.Misfit] = []
    fields = form.stripped(entry.raw, form.shape_of(Manual), [], strangers)
    found = [*strangers, *form.misfits(fields, Manual)]
    for path, problem, mend in found:
        draft.faults.append(entry.fault(path, f"manual {name}: {problem}", mend))
    draft.manuals[name] = Manual(title=name) if found else msgspec.convert(fields, Manual)
    _changed(draft, Change("manuals", name, "", "", draft.manuals[name].title, *entry.place()))


def _flow(draft: Draft, value: Any) -> str:
    """The value on one line, where it is to be noted: writing the whole default book so takes a while."""
    return flow(value) if draft.own else ""


def _changed(draft: Draft, change: Change) -> None:
    """Note what an overlay lays over the book."""
    if draft.own:
        draft.changed.append(change)
