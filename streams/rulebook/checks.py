"""What may be wrong with a rule beyond its form: what it cites, the figures of its sentences, the names it refers to.

Works on the fields as written, so that it also finds what a bad form hides.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from string import Formatter
from typing import Any

from msgspec import inspect

from streams.alerts import FIGURES
from streams.detectors import KINDS
from streams.phrases.pattern import PatternError, compile_phrase
from streams.rulebook import form
from streams.rulebook.laying import Draft
from streams.rulebook.reading import Entry, Fault, nearest
from streams.rulebook.sources import Manual

_CHINESE = re.compile("[\u4e00-\u9fff#]")


def clauses(
    entry: Entry, fields: dict[str, Any], manuals: Mapping[str, Manual], strangers: Sequence[form.Path]
) -> Iterator[Fault]:
    """What is wrong with the clauses that a rule cites. One with an unknown field has its fault already."""
    also = fields.get("also")
    clauses: list[tuple[form.Path, Any]] = [(["clause"], fields.get("clause"))]
    clauses += [(["also", n], clause) for n, clause in enumerate(also if isinstance(also, list) else [])]
    for path, clause in clauses:
        known = isinstance(clause, dict) and all(path != stranger[:-1] for stranger in strangers)
        texts = [clause.get(key) for key in ("manual", "section", "quote")] if known else [None]
        manual = texts[0]
        if isinstance(manual, str) and manual not in manuals:
            yield entry.fault([*path, "manual"], f"unknown manual {manual!r}", nearest(manual, manuals))
        elif all(isinstance(text, str | None) for text in texts) and isinstance(manual, str) and texts[1]:
            yield from _cited(entry, path, manuals[manual], texts[1], texts[2] or "")


def _cited(entry: Entry, path: form.Path, manual: Manual, section: str, quote: str) -> Iterator[Fault]:
    if not quote:
        yield entry.fault(path, "a clause without its words", "add `quote:` with the words of the manual")
    elif not manual.clauses:
        return
    elif not manual.passages(section):
        known = manual.sections
        there = next((each for each in known if manual.holds(each, quote)), None)
        mend = f"the words stand in {there}" if there else nearest(section, known)
        yield entry.fault([*path, "section"], f"unknown section {section!r}", mend)
    elif not manual.holds(section, quote):
        there = next((each for each in manual.sections if manual.holds(each, quote)), None)
        mend = f"it stands in {there}" if there else "copy the words from the manual, as they are there"
        yield entry.fault([*path, "quote"], f"the quote does not stand in {section} of {manual.title}", mend)


def names(entry: Entry, fields: dict[str, Any], shape: inspect.Type, draft: Draft) -> Iterator[Fault]:
    """Phrase sets, groups and procedures that are named must be there; what is Chinese is a phrase itself."""
    found = list(form.places(fields, shape, []))
    for path, name in form.words_in(found):
        if name in draft.sets:
            continue
        if not _CHINESE.search(name):
            yield entry.fault(path, f"unknown phrase set {name!r}", nearest(name, draft.sets))
            continue
        try:
            compile_phrase(name)
        except PatternError as error:
            yield entry.fault(path, str(error), "see docs/rulebook.md")
    for path, condition in form.conditions_in(found):
        agents = condition.get("agent")
        for n, agent in enumerate(agents if isinstance(agents, list) else []):
            if isinstance(agent, str) and agent.startswith("@") and agent[1:] not in draft.groups:
                mend = nearest(agent[1:], draft.groups) if draft.groups else "name it under `groups:`"
                yield entry.fault([*path, "agent", n], f"unknown group of agents {agent!r}", mend)
        if (done := condition.get("done")) is not None:
            yield from _procedure(entry, [*path, "done"], done, fields, draft)


def _procedure(entry: Entry, path: form.Path, name: Any, fields: dict[str, Any], draft: Draft) -> Iterator[Fault]:
    procedures = {
        rule: each.raw.get("status", "live")
        for rule, each in draft.entries.items()
        if hasattr(KINDS.get(str(each.raw.get("kind"))), "done")
    }
    if name not in procedures:
        mend = nearest(str(name), procedures) if procedures else "there is no rule of kind procedure"
        yield entry.fault(path, f"unknown procedure {name!r}", mend)
    elif _fires(fields.get("status", "live")) and not _fires(procedures[name]):
        # its words are listened for only while it judges
        yield entry.fault(path, f"the procedure {name!r} is {procedures[name]}", "make it live or trial")


def _fires(status: Any) -> bool:
    return status in ("live", "trial")


def sentences(entry: Entry, fields: dict[str, Any]) -> Iterator[Fault]:
    """Sentences that cannot be filled, and a status without its reason; also of a rule whose form is bad."""
    figures, en = (*FIGURES, *KINDS[fields["kind"]].figures), fields.get("en")
    for above, where in (([], fields), (["en"], en if isinstance(en, dict) else {})):
        for name, text in where.items():
            if str(name).startswith("says") and isinstance(text, str):
                for problem, mend in _sentence_faults(text, figures):
                    yield entry.fault([*above, name], problem, mend)
    if fields.get("status") == "retired" and not fields.get("retired_because"):
        yield entry.fault(["status"], "retired without a reason", "add `retired_because:`")


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
            yield f"{written} is no figure of a sentence", nearest(str(name), figures)
        elif conversion or not _fills(written, figures):
            yield f"the sentence cannot be filled: {written}", "only {name}, without ':' or '!' behind it"


def _fills(text: str, figures: Sequence[str]) -> bool:
    try:
        text.format_map(dict.fromkeys(figures, ""))
    except (ValueError, KeyError, IndexError, AttributeError):
        return False
    return True
