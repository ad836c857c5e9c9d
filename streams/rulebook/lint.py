"""What a book that can be used may still lack: `sansheng rules check`.

A fault is a phrase that stands twice in its set or is forbidden by two rules, and a live rule without a timeline. A
phrase set that no rule uses is a warning: it disturbs nobody, and a site may keep one for later.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import asdict

from streams.detectors import KINDS
from streams.detectors.conditions import Condition, all_of, any_of, negate, words_of
from streams.detectors.says import Says
from streams.phrases.examples import examples
from streams.phrases.match import Matcher, PhraseSet
from streams.phrases.normal import normal
from streams.phrases.pattern import compile_phrase
from streams.rulebook import form, reading
from streams.rulebook.book import Draft, Rulebook, read
from streams.rulebook.laying import Written
from streams.rulebook.reading import Fault
from streams.talk import Truth


class Checked(NamedTuple):
    """What `rules check` tells. ``faults`` empty: the book can be used and lacks nothing."""

    book: Rulebook
    faults: list[Fault]
    warnings: list[Fault]


def check(overlays: Iterable[Path] = (), timelines: Sequence[Path] = ()) -> Checked:
    """Every fault and warning of the default book with ``overlays`` laid over it; ``timelines``: where they lie."""
    overlays = list(overlays)
    draft, book = read(overlays)
    untested = list(_untested(draft, book, timelines, own_only=bool(overlays)))
    faults = [*draft.faults, *_repeated(draft), *_forbidden_twice(draft, book)]
    warnings = list(_unused(draft, own_only=bool(overlays)))
    (faults if timelines else warnings).extend(untested)
    return Checked(book, faults, warnings)


def summary(book: Rulebook) -> Iterator[str]:
    """What each overlay changes, a line each, under its file and reason."""
    last = None
    for change in book.changed:
        if (change.file, change.why) != last:
            last = (change.file, change.why)
            yield f"overlay {change.file}: {change.why or 'it does not say why'}"
        yield f"  {change}"
    idle = {why: None for why in book.why if why not in {change.why for change in book.changed}}
    yield from (f"overlay: {why}" for why in idle)


# ------------------------------------------------------------------------------------------------- phrases


def _repeated(draft: Draft) -> Iterator[Fault]:
    """A phrase that stands in its set before, or in its `but_not`."""
    for name, each in draft.sets.items():
        seen: dict[str, Written] = {}
        for phrase in (*each.but_not, *each.phrases):
            first = seen.setdefault(compile_phrase(phrase.text).regex.pattern, phrase)
            if first is not phrase:
                mend = f"first in {first.file}:{first.line}; take one of them out"
                problem = f"phrase set {name}: {phrase.text!r} stands here a second time"
                yield Fault(phrase.file, phrase.line, problem, mend)


def _unused(draft: Draft, *, own_only: bool) -> Iterator[Fault]:
    """Phrase sets that no rule names, whatever its status; under an overlay only its own sets."""
    used: set[str] = set()
    for entry in draft.entries.values():
        if kind := KINDS.get(str(entry.raw.get("kind"))):
            used.update(name for _, name in form.words_in(form.places(entry.raw, form.shape_of(kind), [])))
    for name, each in draft.sets.items():
        if name not in used and (each.own or not own_only):
            yield Fault(
                each.file, each.line, f"no rule uses the phrase set {name!r}", "name it in a rule, or take it out"
            )


class _Way(NamedTuple):
    """A sentence that a rule forbids, by a phrase of the set ``name`` (or by a phrase of the rule's own)."""

    name: str
    phrase: str
    sentence: str


def _forbidden_twice(draft: Draft, book: Rulebook) -> Iterator[Fault]:
    """Phrases of a rule of forbidden words at which another such rule fires too.

    Tried with the matcher of the engine on sentences that each phrase matches. A rule that only counts (``times``) may
    count what is free once; what another forbids outright it need not count.
    """
    rules = [rule for rule in book.judges if isinstance(rule, Says) and rule.by == "agent"]
    names = {name for rule in rules for name in rule.phrase_names()}
    matcher = Matcher({name: book.phrases.get(name) or PhraseSet((name,)) for name in sorted(names)})
    told: set[tuple[frozenset[str], str]] = set()
    for rule in reversed(rules):
        for way in _ways(rule, book):
            said = {found.name for found in matcher.find(way.sentence)}
            for other in rules if _fires(rule, said) else ():
                pair = (frozenset({rule.id, other.id}), normal(way.sentence).text)
                if other is rule or other.times > 1 or pair in told or not _fires(other, said):
                    continue
                told.update((pair[0], normal(each).text) for each in examples(way.phrase))
                yield _told_twice(draft, rule, other, way)


def _told_twice(draft: Draft, rule: Says, other: Says, way: _Way) -> Fault:
    written = draft.sets[way.name].phrases if way.name in draft.sets else []
    place = next(((p.file, p.line) for p in written if p.text == way.phrase), None)
    if place is None:
        entry = draft.entries[rule.id]
        found = form.words_in(form.places(entry.raw, form.shape_of(type(rule)), []))
        place = entry.place(next((path for path, name in found if name == way.name), []))
    example = "" if way.sentence == way.phrase else f" (as in {way.sentence!r})"
    problem = f"{way.phrase!r}{example}, forbidden by {rule.id}, is forbidden by {other.id} already"
    mend = (
        f"take it out, or let one of them yield: `unless: {{utterance: [{way.name}]}}`, or `but_not` in the phrase set"
    )
    return Fault(*place, problem, mend)


def _ways(rule: Says, book: Rulebook) -> Iterator[_Way]:
    """Sentences by each phrase of the rule; with words that have to stand beside it."""
    words = words_of(rule.words)
    names = words.any or words.all[:1]
    others = [(way for phrase in _phrases(name, book) for way in examples(phrase)) for name in words.all]
    beside = "".join(next(ways, "") for ways in others[not words.any :])
    for name in names:
        for phrase in _phrases(name, book):
            for sentence in examples(phrase):
                yield _Way(name, phrase, sentence + beside)


def _phrases(name: str, book: Rulebook) -> Sequence[str]:
    return book.phrases[name].phrases if name in book.phrases else (name,)


def _fires(rule: Says, said: set[str]) -> bool:
    """Whether the rule may fire at a sentence in which those sets are, for all that the sentence tells."""
    words = words_of(rule.words)
    if not words.wanted(said) or words.barred(said):
        return False
    holds = Truth.YES if rule.when is None else _holds(rule.when, said)
    exempt = Truth.NO if rule.unless is None else _holds(rule.unless, said)
    return holds is not Truth.NO and exempt is not Truth.YES


def _holds(condition: Condition, said: set[str]) -> Truth:
    """What the sentence alone tells of a condition; NEVER where it asks for more than words of the same sentence."""
    parts = [_holds(each, said) for each in condition.all]
    parts += [any_of(_holds(each, said) for each in condition.any)] * bool(condition.any)
    parts += [negate(_holds(condition.no, said))] if condition.no else []
    if condition.utterance:
        words = words_of(condition.utterance)
        parts.append(Truth.YES if words.wanted(said) and not words.barred(said) else Truth.NO)
    blank, known = asdict(Condition()), ("all", "any", "no", "utterance")
    if any(value != blank[field] for field, value in asdict(condition).items() if field not in known):
        parts.append(Truth.NEVER)
    return all_of(parts)


# ----------------------------------------------------------------------------------------------- timelines


def _untested(draft: Draft, book: Rulebook, timelines: Sequence[Path], *, own_only: bool) -> Iterator[Fault]:
    """Live rules that no timeline proves; under an overlay only its own rules, for the default book has its tests."""
    tested = {rule for folder in timelines for rule in _tested(folder)}
    for rule in book.rules:
        own = rule.id in draft.added
        # an installed book is without its tests
        if rule.status != "live" or rule.id in tested or (not own and (own_only or not timelines)):
            continue
        where = next((folder for folder in timelines if folder.is_dir()), Path("tests/rules")) / f"{rule.id}.yaml"
        mend = f"write {where}, or let it begin with `status: trial`"
        yield draft.entries[rule.id].origin.fault(["id"], f"rule {rule.id} is live without a timeline", mend)


def _tested(folder: Path) -> set[str]:
    """The rules that have timelines in a folder, or in one file."""
    documents = (reading.read(file, []) for file in reading.files_of(folder, []))
    return {str(document.raw.get("rule")) for document in documents if document and document.raw.get("timelines")}
