"""Phrases found by sound: how many of the misheard ones, how many that nobody said, and what it costs.

``python -m bench.phrases [--half tune|report]``. Errors are put into the sentences of ``tests/corpora`` as recognisers
make them: a character becomes one of the same sound, or of a near one, or any other; it gets lost, or one too many
comes in. The sentences are parted in two halves: limits were tuned on the one, and the other is reported. Recall is the
share of a rule's own sentences that sets it off; (+n): so many set off another one. Harmless speech is the good calls:
every alert there of a rule about forbidden or alarming words is a false one.
"""

from __future__ import annotations

import argparse
import random
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from msgspec.structs import replace
from pypinyin.constants import PINYIN_DICT
from rich.console import Console
from rich.table import Table

from streams.alerts import AlertChange
from streams.detectors.says import Says
from streams.events import AnyEvent, Transcript
from streams.phrases import syllables
from streams.phrases.match import Matcher, PhraseSet
from streams.phrases.normal import normal
from streams.rulebook.book import Rulebook, load
from tests.corpora import bad_rows, good_calls, judged, live, manifest, well_formed

RATES = (0.0, 0.1, 0.2, 0.3, 0.4)
#: What becomes of a character that is misheard: as small Mandarin models do it on telephone speech, from what is
#: published of their errors; most substitutions keep the sound or nearly so.
SHARES = {"same": 35, "tone": 25, "near": 18, "any": 8, "lost": 9, "more": 5}
#: Only homophones, with and without the tone.
HOMOPHONES = {"same": 60, "tone": 40}
COMMON_HAN = range(0x4E00, 0x9FA6)


class Sentence(NamedTuple):
    """What somebody says, and the rule that it must set off; None: none."""

    text: str
    role: str
    rule: str | None


def _chance(*seed: object) -> random.Random:
    return random.Random(" ".join(map(str, seed)))  # noqa: S311 - the same errors each time


@lru_cache(maxsize=1)
def _by_sound() -> tuple[dict[str, list[str]], dict[str, list[str]], list[str]]:
    """The usual characters by toned syllable, and by folded toneless one; and all of them."""
    texts = [s.text for s in sentences()] + harmless()
    usual = sorted({char for text in texts for char in text if ord(char) in COMMON_HAN} | set(_frequent()))
    toned, folded = defaultdict(list), defaultdict(list)
    for char in usual:
        sound = syllables.readings(char)[0]
        toned[sound].append(char)
        folded[str(syllables.fold(syllables.split(sound)[0]))].append(char)
    return toned, folded, usual


def _frequent() -> list[str]:
    """Characters of the first plane of GB 2312: the 3,755 that everybody knows."""
    codes = (bytes([high, low]) for high in range(0xB0, 0xD8) for low in range(0xA1, 0xFF))
    decoded = (code.decode("gb2312", "ignore") for code in codes)
    return [char for char in decoded if char and ord(char) in PINYIN_DICT]


def misheard(text: str, rate: float, shares: dict[str, int], chance: random.Random) -> str:
    """``text`` with so many of its characters wrong."""
    kinds, weights = list(shares), list(shares.values())
    return "".join(
        _wrong(char, chance.choices(kinds, weights)[0], chance)
        if ord(char) in COMMON_HAN and chance.random() < rate
        else char
        for char in text
    )


def _wrong(char: str, kind: str, chance: random.Random) -> str:
    toned, folded, usual = _by_sound()
    sound = (syllables.readings(char) or ("",))[0]
    base = syllables.split(sound)[0]
    if kind == "lost":
        return ""
    if kind == "more":
        return char + chance.choice(usual)
    alike = folded[str(syllables.fold(base))]
    choices = {
        "same": [toned[sound], [each for each in alike if _base(each) == base]],
        "tone": [[each for each in alike if _base(each) == base]],
        "near": [[each for each in alike if _base(each) != base], _near_ones(base)],
        "any": [usual],
    }
    for choice in choices[kind]:
        if others := [each for each in choice if each != char]:
            return chance.choice(others)
    return char


def _base(char: str) -> str:
    return syllables.split(syllables.readings(char)[0])[0]


@lru_cache(maxsize=1024)
def _near_ones(base: str) -> list[str]:
    """Usual characters whose syllable is near to that one."""
    return [each for each in _by_sound()[2] if 0 < syllables.base_cost(_base(each), base) <= syllables.NEAR]


def sentences() -> list[Sentence]:
    """All sentences that must set off a rule about words."""
    book = load()
    rows = [Sentence(row.says, row.role, row.rule) for row in bad_rows() if row.rule]
    rows += [Sentence(each["text"], each["role"], each["rule"]) for each in manifest()]
    says = {rule.id for rule in book.rules if isinstance(rule, Says) and rule.times == 1}
    return [row for row in dict.fromkeys(rows) if row.rule in says]


def harmless() -> list[str]:
    """Everything that is said in the good calls, once."""
    events = (event for call in good_calls() for event in call.events)
    return list(dict.fromkeys(event.text for event in events if isinstance(event, Transcript)))


def half(items: Sequence[Sentence], which: str) -> list[Sentence]:
    """Every other one, by rule, so that both halves have all rules."""
    ordered = sorted(items, key=lambda s: (s.rule or "", s.text))
    return ordered[0::2] if which == "tune" else ordered[1::2]


def alarms(book: Rulebook, changes: Iterable[AlertChange]) -> list[str]:
    """The rules about forbidden or alarming words among these alerts."""
    return [c.rule for c in live(changes) if isinstance(book.rule(c.rule), Says)]


def recall(
    book: Rulebook, rows: Sequence[Sentence], rate: float, shares: dict[str, int], rounds: int
) -> tuple[Counter, Counter, Counter]:
    """By rule: how many there are, how many were found, and how many set off another rule as well or instead."""
    total, hit, wrong = Counter[str](), Counter[str](), Counter[str]()
    for n, row in enumerate(rows):
        for turn in range(rounds):
            text = misheard(row.text, rate, shares, _chance(n, turn, rate))
            told = set(alarms(book, judged(book, well_formed(text, row.role).events)))
            total[row.rule] += 1
            hit[row.rule] += row.rule in told
            wrong.update(told - {row.rule})
    return total, hit, wrong


def false_alarms(book: Rulebook, rate: float, shares: dict[str, int]) -> tuple[Counter, float]:
    """By rule, and the hours of speech."""
    found, seconds = Counter[str](), 0.0
    for call in good_calls():
        chance = _chance(call.source, call.name, rate)
        events = [_heard(event, rate, shares, chance) for event in call.events]
        found.update(alarms(book, judged(book, events)))
        seconds += call.speech_s
    return found, seconds / 3600


def _heard(event: AnyEvent, rate: float, shares: dict[str, int], chance: random.Random) -> AnyEvent:
    if not isinstance(event, Transcript):
        return event
    return replace(event, text=misheard(event.text, rate, shares, chance))


def costs(many: Sequence[int] = (50, 500, 5_000)) -> list[tuple[str, str, str]]:
    """What ``find`` costs with so many phrases, against characters alone, and against the fewest."""
    texts, rows, first = harmless()[::10], [], 0.0
    for count in many:
        phrases = made(count)
        quiet = Matcher({name: PhraseSet((name,), sound=False) for name in phrases})
        loud = Matcher({name: PhraseSet((name,)) for name in phrases})
        exact, near = (min(_spent(each, texts) for _ in range(2)) for each in (quiet, loud))
        first = first or near
        rows.append((f"{count:,} phrases: characters alone", f"{exact * 1e6:,.0f} µs a sentence", "1.00"))
        rows.append((f"{count:,} phrases: and sounds", f"{near * 1e6:,.0f} µs a sentence", f"{near / exact:.2f}"))
        rows.append((f"{count:,} phrases against {many[0]}", "", f"{near / first:.2f}"))
    return rows


def made(count: int) -> list[str]:
    """So many phrases: those of the book, then new ones put together of their words."""
    book, chance = load(), _chance(count)
    written = list(dict.fromkeys(phrase for each in book.phrases.values() for phrase in each.phrases))
    chance.shuffle(written)
    words = sorted({text[n : n + 2] for text in map(_plain, harmless()) for n in range(0, len(text) - 1, 2)})
    while len(written) < count:
        written.append("".join(chance.sample(words, chance.randint(2, 4))))
    return written[:count]


def _plain(text: str) -> str:
    return normal(text).text


def _spent(matcher: Matcher, texts: Sequence[str]) -> float:
    """CPU seconds a text; each is new to the matcher."""
    matcher.forget()
    begun = time.process_time()
    for text in texts:
        matcher.find(text)
    return (time.process_time() - begun) / len(texts)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--half", choices=["tune", "report"], default="report")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rates", type=float, nargs="*", default=RATES)
    parser.add_argument("--shares", choices=["mixed", "homophones"], default="mixed")
    parser.add_argument("--only", choices=["recall", "false", "cost"])
    given = parser.parse_args()
    console, shares = Console(width=120), SHARES if given.shares == "mixed" else HOMOPHONES
    if given.only in (None, "recall"):
        console.print(recall_table(load(), given, shares))
    if given.only in (None, "false"):
        console.print(false_table(load(), given, shares))
    if given.only in (None, "cost"):
        table = Table("what", "cost", "ratio", title="find(), CPU time")
        for row in costs():
            table.add_row(*row)
        console.print(table)


def recall_table(book: Rulebook, given: argparse.Namespace, shares: dict[str, int]) -> Table:
    """How many of a rule's own sentences set it off, for each share of errors."""
    rows = half(sentences(), given.half)
    table = Table("rule", "sentences", *[f"{rate:.0%}" for rate in given.rates], title=f"recall, {given.half} half")
    by_rate = [recall(book, rows, rate, shares, given.rounds if rate else 1) for rate in given.rates]
    for rule in sorted({row.rule for row in rows if row.rule}):
        shown = [
            f"{hit[rule] / total[rule]:.2f}" + (f" (+{wrong[rule]})" if wrong[rule] else "")
            for total, hit, wrong in by_rate
        ]
        table.add_row(rule, str(sum(row.rule == rule for row in rows)), *shown)
    table.add_row("all", str(len(rows)), *[f"{h.total() / t.total():.3f} (+{w.total()})" for t, h, w in by_rate])
    return table


def false_table(book: Rulebook, given: argparse.Namespace, shares: dict[str, int]) -> Table:
    """Alerts in harmless speech, for each share of errors."""
    by_rate = [false_alarms(book, rate, shares) for rate in given.rates]
    hours = by_rate[0][1]
    table = Table("rule", *[f"{rate:.0%}" for rate in given.rates], title=f"false alarms in {hours:.1f} h of speech")
    for rule in sorted({rule for found, _ in by_rate for rule in found}):
        table.add_row(rule, *[str(found[rule]) for found, _ in by_rate])
    table.add_row("an hour", *[f"{found.total() / hours:.2f}" for found, _ in by_rate])
    return table


if __name__ == "__main__":
    main()
