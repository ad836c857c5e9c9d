"""A rule as a page that a quality manager reads: in Chinese, with everything that the engine goes by.

Owns the page's words and order; where it is printed is somebody else's business.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from streams.alerts import SEVERITIES, Clause, Severity, duration_zh, typeset_zh
from streams.detectors.base import Rule, Status
from streams.detectors.wording import SEVERITY_ZH, condition_zh
from streams.phrases.match import PhraseSet
from streams.rulebook.book import Rulebook
from streams.rulebook.laying import Change
from streams.rulebook.places import Place

STATUS_ZH: dict[Status, str] = {
    "draft": "草稿(不报警)",
    "trial": "试行(报警,并注明试行)",
    "live": "生效",
    "retired": "停用(不报警)",
}


class Section(NamedTuple):
    """A heading and the lines under it."""

    heading: str
    lines: list[str]


def page(book: Rulebook, rule: Rule, place: Place, timelines: Sequence[str]) -> list[Section]:
    """The page of one rule; ``timelines``: what its timelines prove, in their own words."""
    return [section for section in _sections(book, rule, place, timelines) if section.lines]


def kind_of(rule: Rule) -> str:
    """The rule's kind, as it is written."""
    return str(rule.__struct_config__.tag)


def severities(rule: Rule) -> tuple[tuple[Severity, float | None], ...]:
    """The severities that its alerts may have, each with the seconds after which it has them, where time decides."""
    steps = getattr(rule, "thresholds", ())
    if steps:
        return tuple((step.severity, float(step.after)) for step in steps)
    graver = getattr(rule, "graver", None)
    found = {getattr(rule, "announce", None), getattr(rule, "severity", None), graver.severity if graver else None}
    return tuple((severity, None) for severity in SEVERITIES if severity in found)


def _sections(book: Rulebook, rule: Rule, place: Place, timelines: Sequence[str]) -> Iterator[Section]:
    yield Section(f"{rule.title}  {rule.id}", [f"种类 {kind_of(rule)}  级别 {_levels(rule)}  章 {place.chapter}"])
    yield Section("状态", list(_status(rule)))
    yield Section("告警句子", [typeset_zh(text) for text in _sentences(rule)])
    yield Section("什么时候报警", in_words(book, rule))
    yield Section("词语", [line for name in _names(rule) for line in _phrases(name, book.phrases.get(name))])
    yield Section("依据", [line for clause in (rule.clause, *rule.also) for line in _clause(clause)])
    yield Section("主管可以做什么", [typeset_zh(rule.advice)] if rule.advice else [])
    yield Section("已知漏报", [f"- {typeset_zh(text)}" for text in rule.known_misses])
    yield Section("可能误报", [f"- {typeset_zh(text)}" for text in rule.false_alarms])
    yield Section("时间线", [f"- {name}" for name in timelines] or ["还没有"])
    yield Section("写在", [f"{place.file}:{place.line}"])
    yield Section("本地改动", [line for each in _changes(book, rule) for line in _changed(each)])


def in_words(book: Rulebook, rule: Rule) -> list[str]:
    """When the rule fires, in Chinese sentences."""
    return [typeset_zh(_titled(text, book)) for text in _when(rule)]


def _titled(text: str, book: Rulebook) -> str:
    """The names of phrase sets replaced by their titles."""
    for name, phrases in book.phrases.items():
        text = text.replace(f"〔{name}〕", f"〔{phrases.title or name}〕")
    return text


def _levels(rule: Rule) -> str:
    after = {s: f"(满 {duration_zh(a)})" if a is not None else "" for s, a in severities(rule)}
    return "、".join(f"{SEVERITY_ZH[s]}{text}" for s, text in after.items())


def _status(rule: Rule) -> Iterator[str]:
    yield STATUS_ZH[rule.status]
    because = rule.retired_because if rule.status == "retired" else rule.status_because
    if because:
        yield f"理由:{because}"
    if rule.page:
        yield "试行期间不呼叫" if rule.status == "trial" else "触发后呼叫值班人员"


def _sentences(rule: Rule) -> Iterator[str]:
    for name, label in (
        ("says", ""),
        ("says_started", "开始时:"),
        ("says_graver", "加重时:"),
        ("says_cleared", "解除时:"),
    ):
        if text := getattr(rule, name, ""):
            yield label + text


def _when(rule: Rule) -> Iterator[str]:
    yield rule.in_words() + "。"
    if rule.when:
        yield f"只在:{condition_zh(rule.when)}。"
    if rule.unless:
        yield f"除非:{condition_zh(rule.unless)}。"


def _names(rule: Rule) -> list[str]:
    return list(dict.fromkeys(rule.phrase_names()))


def _phrases(name: str, phrases: PhraseSet | None) -> Iterator[str]:
    """The list in full; a phrase that stands in the rule itself is its own list."""
    if phrases is None:
        return
    yield f"〔{phrases.title or name}〕{name}:  {'  '.join(phrases.phrases)}"
    if phrases.but_not:
        yield f"  不算:  {'  '.join(phrases.but_not)}"
    if phrases.sound is not True:
        yield f"  按读音:  {'不查找' if phrases.sound is False else f'差别不超过 {phrases.sound:.0%}'}"


def _clause(clause: Clause) -> Iterator[str]:
    yield f"{clause.manual}《{clause.title}》{clause.section}" if clause.title else f"{clause.manual} {clause.section}"
    if clause.quote:
        yield f"  “{clause.quote}”"


def _changes(book: Rulebook, rule: Rule) -> Iterable[Change]:
    """What overlays changed of the rule, and of the phrase sets that it refers to."""
    names = {("add", name) for name in rule.phrase_names()} | {("phrases", name) for name in rule.phrase_names()}
    return (each for each in book.changed if each.rule == rule.id or (each.section, each.name) in names)


def _changed(change: Change) -> Iterator[str]:
    what = f"〔{change.name}〕{change.field}".rstrip() if not change.rule else change.field
    old = f"原为 {change.old}" if change.old else "新增"
    yield f"{change.file}:{change.line}  {what}:{change.new}({old})"
    if change.why:
        yield f"  理由:{change.why}"
