"""Outcomes as tables: recall, false alarms, delay, what was misheard. No figure without its baseline beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from bench.lab.score import Count, count, delays, quantile
from bench.lab.syllables import total
from bench.lab.tables import Table
from bench.lab.trial import MODES, Mode, Outcome

#: Which half is whose.
HALVES = {"report": False, "tuning": True}
MODE_NAMES = {"recogniser": "recogniser alone", "spotter": "spotter alone", "both": "both", "finals": "finals only"}
#: The aims of the issue.
AIMS = {"clean": 0.97, "10 dB": 0.90}
IN_NOISE = tuple(f"{noise} 10 dB" for noise in ("babble", "street", "hold music"))


class Results:
    """All outcomes of a run."""

    def __init__(self, outcomes: Sequence[Outcome]) -> None:
        self.all = outcomes
        self.conditions = list(dict.fromkeys(outcome.condition for outcome in outcomes))

    def of(
        self, keeps: Callable[[Outcome], bool], mode: Mode = "both", conditions: Iterable[str] = ()
    ) -> list[Outcome]:
        """Those of a mode and of these conditions (none: all)."""
        wanted = set(conditions)
        return [o for o in self.all if o.mode == mode and (not wanted or o.condition in wanted) and keeps(o)]

    def half(self, name: str, mode: Mode = "both", conditions: Iterable[str] = ()) -> list[Outcome]:
        """Those of a half of the sentences. The real clips were not tuned on, but looked at: they count to both."""
        return self.of(lambda o: o.wants == "real" or o.tuning == HALVES[name], mode, conditions)


def tables(results: Results) -> list[Table]:
    """All tables of a run of the lab."""
    return [
        headline(results),
        by_condition(results),
        by_rule(results),
        false_alarms(results),
        losses(results),
        delay(results),
        misheard(results),
    ]


def headline(results: Results) -> Table:
    """The figures of the issue: on the half that nobody tuned on, and the other beside it."""
    rows = []
    for what, conditions in (("clean", ["clean"]), ("10 dB", [c for c in IN_NOISE if c in results.conditions])):
        for mode in MODES:
            halves = [count(results.half(half, mode, conditions)) for half in HALVES] if conditions else []
            if halves and halves[0].bad:
                aim = f"≥ {AIMS[what]:.2f}"
                rows.append((f"{what}, {MODE_NAMES[mode]}", *(_recall(c) for c in halves), aim, *map(_false, halves)))
    columns = ("", "recall, report half", "recall, tuning half", "aim", "false, report half", "false, tuning half")
    note = (
        "THE figure is that of the report half: thresholds, confusions and phrases were looked at on the tuning half "
        "only. False alarms: alerts that stood, on harmless and polite sentences and on the real recordings (each on "
        "both legs); in brackets those that a final took back. 10 dB: babble, street and hold music together."
    )
    return Table("Recall of forbidden and escalating sentences, and false alarms", columns, rows, note)


def by_condition(results: Results) -> Table:
    """Recall through everything that lines do, against clean, for each mode."""
    rows = []
    clean = {mode: count(results.half("report", mode, ["clean"])) for mode in MODES}
    for condition in results.conditions:
        each = [count(results.half("report", mode, [condition])) for mode in MODES]
        tuned = count(results.half("tuning", "both", [condition]))
        drop = each[2].recall - clean["both"].recall
        rows.append((condition, *(_recall(c) for c in each), f"{drop:+.2f}", _recall(tuned), _false(each[2])))
    columns = (
        "report half",
        *(MODE_NAMES[m] for m in MODES),
        "both, against clean",
        "both, tuning half",
        "false, both",
    )
    return Table("Recall in each condition", columns, rows)


def by_rule(results: Results) -> Table:
    """Recall of each rule; both halves together, for a rule has few sentences."""
    rules = list(dict.fromkeys(o.wants for o in results.all if o.bad))
    noisy = [c for c in IN_NOISE if c in results.conditions]
    rows = []
    for rule in rules:
        cells = [rule]
        for conditions in (["clean"], noisy):
            for mode in MODES:
                c = count(results.of(lambda o, rule=rule: o.wants == rule, mode, conditions)) if conditions else None
                cells.append(f"{c.hits}/{c.bad}" if c else "")
        rows.append(cells)
    names = [f"{when}: {MODE_NAMES[mode]}" for when in ("clean", "10 dB") for mode in MODES]
    return Table("Each rule: sentences whose alert stood, both halves", ("rule", *names), rows)


def false_alarms(results: Results) -> Table:
    """What fired on harmless speech, named, and how often an hour."""
    rows = []
    for mode in MODES:
        for what, conditions in (("clean", ["clean"]), ("all conditions", [])):
            c = count(results.of(lambda o: not o.bad, mode, conditions))
            if c.harmless_s:
                rows.append(
                    (
                        f"{MODE_NAMES[mode]}, {what}",
                        str(c.false),
                        str(c.flashes),
                        f"{c.harmless_s / 60:.1f}",
                        f"{c.false_an_hour:.1f}",
                    )
                )
    named: dict[str, list[str]] = {}
    for o in results.of(lambda o: not o.bad):
        for rule in o.standing:
            named.setdefault(f"{rule} on {o.clip}", []).append(o.condition)
    note = "; ".join(f"{what}: {', '.join(where)}" for what, where in named.items())
    columns = ("harmless speech", "alerts that stood", "taken back by the final", "minutes of speech", "an hour")
    return Table(
        "False alarms", columns, rows, f"With both, these stood: {note}." if note else "With both, none stood."
    )


def losses(results: Results) -> Table:
    """Sentences that were missed, with what was heard; of the tuning half only: the other stays unseen."""
    rows = [
        (f"{o.clip} ({o.condition})", o.heard or "—", ", ".join(a.rule + "*" * a.taken_back for a in o.alarms) or "—")
        for o in results.of(lambda o: o.bad and not o.hit and o.tuning, "both", ["clean", *IN_NOISE])
    ]
    return Table("What was missed with both, tuning half", ("sentence", "heard", "alerts (*: taken back)"), rows)


def delay(results: Results) -> Table:
    """From the end of the phrase to the alert."""
    rows = []
    for what, conditions in (("clean", ["clean"]), ("all conditions", [])):
        for mode, name in (
            ("finals", "recogniser, finals only (baseline)"),
            ("recogniser", "recogniser, partials and finals"),
            ("spotter", "spotter alone"),
            ("both", "both"),
        ):
            rows_of = results.of(lambda o: o.bad, mode, conditions)
            words, speech = delays(rows_of), delays(rows_of, after_speech=True)
            rows.append(
                (
                    f"{what}: {name}",
                    *(f"{quantile(v, q):.2f} s" for v in (words, speech) for q in (0.5, 0.95)),
                    str(len(words)),
                )
            )
    columns = ("", "after the phrase, p50", "p95", "after the whole sentence, p50", "p95", "alerts")
    note = (
        "Time of the sound at which the alert came out of the fold, and the work it took (ear and fold, here); "
        "from the event to the wall it takes 12 ms more (docs/bench.md). Aims: p50 0.6 s, p95 1.2 s. The end of the "
        "phrase by the recogniser's word times; that of the sentence by the clean sound: negative where the alert came "
        "sooner."
    )
    return Table("Delay from the end of the phrase to the alert", columns, rows, note)


def misheard(results: Results) -> Table:
    """Syllable error rates, toneless."""
    rows = []
    base: dict[bool, float] = {}
    for condition in results.conditions:
        cells = [condition]
        for real in (False, True):
            errors = total(
                o.errors for o in results.of(lambda o, real=real: (o.wants == "real") == real, "both", [condition])
            )
            base.setdefault(real, errors.rate)
            cells += [f"{errors.rate:.1%}", f"{errors.rate - base[real]:+.1%}", f"{errors.rate_added:.1%}"]
        rows.append(cells)
    columns = (
        "",
        "sentences: wrong or missed",
        "against clean",
        "added",
        "real: wrong or missed",
        "against clean",
        "added",
    )
    note = "Added through babble are words of the other voices, heard in the silence around the sentence."
    return Table("Syllables misheard, without tones", columns, rows, note)


def _recall(c: Count) -> str:
    return f"{c.recall:.2f} ({c.hits}/{c.bad})"


def _false(c: Count) -> str:
    return f"{c.false} ({c.flashes})"
