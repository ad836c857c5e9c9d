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
    manuals: {"900": {title: 本中心服务规范}}  # further manuals that rules may cite

Owns merging and judging the form of the whole. Knows nothing of calls in progress. All faults are found at once, each
with its file, its line and the mend; what a book that can be used may still lack is the business of ``lint``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path

import msgspec
from msgspec import Struct

from streams.days import Calendar
from streams.detectors import KINDS
from streams.detectors.base import Rule, Site
from streams.detectors.units import decode
from streams.events import Masked
from streams.phrases.match import Found, Matcher, PhraseSet
from streams.rulebook import checks, form, reading
from streams.rulebook.laying import Change, Draft, lay
from streams.rulebook.reading import Entry, Fault, RulebookError, nearest
from streams.rulebook.sources import SOURCES, Manual, read_sources

DEFAULT_RULES = Path(__file__).parent / "rules"


class Rulebook(Struct, frozen=True, dict=True):
    """Rules by id, the phrase sets and site they refer to, the version that every alert names, and what overlays have
    changed and why. ``rules`` holds all of them; ``judges`` those that may fire.
    """

    version: str
    rules: tuple[Rule, ...]
    why: tuple[str, ...] = ()
    phrases: Mapping[str, PhraseSet] = {}
    groups: Mapping[str, tuple[str, ...]] = {}
    calendar: Calendar = Calendar()
    changed: tuple[Change, ...] = ()

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

    def find(self, text: str, sounds: Sequence[str] = (), masked: Sequence[Masked] = ()) -> Sequence[Found]:
        """The phrase sets of all rules that may fire, in ``text``; the others as for ``Matcher.find``."""
        return self._matcher.find(text, sounds, masked)

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


def load(overlays: Iterable[Path] = ()) -> Rulebook:
    """The default book with ``overlays`` (folders or files) laid over it, in order.

    Raises:
        RulebookError: with every fault that was found.
    """
    draft, book = read(overlays)
    if draft.faults:
        raise RulebookError(draft.faults)
    return book


def read(overlays: Iterable[Path] = ()) -> tuple[Draft, Rulebook]:
    """The book as written with its faults, and what of it can be used."""
    draft = Draft(manuals=dict(read_sources()))
    for n, folder in enumerate((DEFAULT_RULES, *overlays)):
        draft.own = n > 0
        for file in reading.files_of(folder, draft.faults):
            if document := reading.read(file, draft.faults):
                lay(document, draft)
    rules = tuple(rule for entry in draft.entries.values() for rule in _build(entry, draft))
    return draft, Rulebook(
        version=_version(draft),
        rules=rules,
        why=tuple(draft.why),
        phrases={name: msgspec.convert(each.texts(), PhraseSet) for name, each in draft.sets.items()},
        groups=draft.groups,
        calendar=Calendar(draft.holidays, tuple(draft.workdays)),
        changed=tuple(draft.changed),
    )


def _build(entry: Entry, draft: Draft) -> Iterator[Rule]:
    """The rule, if it is without fault."""
    kind = entry.raw.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        problem = "kind is missing" if kind is None else f"unknown kind {kind!r}"
        draft.faults.append(entry.fault(["kind"], problem, nearest(str(kind), KINDS)))
        return
    shape = form.shape_of(KINDS[kind])
    strangers: list[form.Misfit] = []
    fields = form.stripped(entry.raw, shape, [], strangers)
    found = [entry.fault(*stranger) for stranger in strangers]
    for path, problem, mend in form.misfits(fields, KINDS[kind]):
        found.append(entry.fault(path, f"rule {entry.raw['id']}: {problem}", mend))
    found += checks.clauses(entry, fields, draft.manuals, [stranger.path for stranger in strangers])
    found += checks.sentences(entry, fields)
    found += checks.names(entry, fields, shape, draft)
    draft.faults += found
    if not found:
        yield _with_titles(msgspec.convert(fields, KINDS[kind], dec_hook=decode), draft.manuals)


def _with_titles(rule: Rule, manuals: Mapping[str, Manual]) -> Rule:
    replace = msgspec.structs.replace
    clauses = [replace(clause, title=manuals[clause.manual].title) for clause in (rule.clause, *rule.also)]
    return replace(rule, clause=clauses[0], also=tuple(clauses[1:]))


def _version(draft: Draft) -> str:
    """A short hash of the book as written: the same rules have the same version anywhere."""
    written = {
        "rules": sorted((e.raw for e in draft.entries.values()), key=lambda r: str(r["id"])),
        "phrases": {name: each.texts() for name, each in draft.sets.items()},
        "groups": draft.groups,
        "calendar": [sorted((str(day), name) for day, name in draft.holidays.items()), sorted(draft.workdays)],
        "manuals": {name: manual.title for name, manual in draft.manuals.items()},
    }
    canonical = msgspec.json.encode(written, order="sorted")
    return hashlib.sha256(canonical).hexdigest()[:10]


__all__ = ["DEFAULT_RULES", "SOURCES", "Change", "Draft", "Fault", "Rulebook", "RulebookError", "load", "read"]
