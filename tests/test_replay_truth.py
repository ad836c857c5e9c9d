"""``sansheng replay --from asterisk`` on every capture: exactly the alerts that the phones' own log implies.

The expected alerts are computed here from the truth files and the rulebook's limits alone, by a few lines that
share nothing with the detectors.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from typer.testing import CliRunner

from streams.cli import app
from tests.asterisk_tools import FOLDER, NAMES
from tests.shell_tools import STRICT
from tests.truth import Truth, truths

TOLERANCE_S = 0.1
#: A ring that began before the monitor connected is known to the second only.
SNAPSHOT_S = 1.0

#: rule -> (after, severity) of each threshold
Limits = dict[str, list[tuple[float, str]]]
DEFAULT: Limits = {
    "ring-over-three": [(10, "warning"), (20, "critical")],
    "long-hold": [(90, "notice"), (120, "warning"), (240, "critical")],
    "transfer-wait": [(60, "warning"), (120, "critical")],
}
STRICT_LIMITS: Limits = {
    "ring-over-three": [(3, "warning"), (20, "critical")],
    "long-hold": [(5, "warning"), (240, "critical")],
    "transfer-wait": [(5, "warning"), (120, "critical")],
}
BOOKS: dict[str, tuple[list[str], Limits]] = {
    "default": ([], DEFAULT),
    "strict": (["--rulebook", str(STRICT)], STRICT_LIMITS),
}


class Expected(NamedTuple):
    """An alert change that the truth implies."""

    rule: str
    state: str
    severity: str
    agent: str | None
    at: float


def implied(name: str, truth: Truth, limits: Limits) -> Iterator[Expected]:
    """What a fair inspector with a stopwatch would write down for one call."""
    if name == "audiosocket_call":
        return  # never reached a queue or an agent: no call of the hotline
    for agent, begin, end in stretches(name, truth):
        yield from climbing("ring-over-three", agent, begin, end, end, limits)
    for begin, end in truth.holds:
        yield from climbing("long-hold", truth.rings[0][0], begin, end, end, limits)
    for begin, end in truth.waits:
        joined = end + CONSULT_S.get(name, 0.0)
        yield from climbing("transfer-wait", truth.rings[0][0], begin, end, joined, limits)
    answered = [ring for ring in truth.rings if ring[3] == "answered"]
    if truth.by == "customer" and not answered:
        yield Expected("abandoned-while-ringing", "opened", "warning", None, truth.ended)
    if truth.by == "agent" and answered:
        yield Expected("agent-hung-up-first", "opened", "warning", answered[-1][0], truth.ended)


#: f4: the truth's wait ends when the colleague answers; the customer waits on through 5 s of consultation.
CONSULT_S = {"f4_atxfer_ami": 5.02}


def stretches(name: str, truth: Truth) -> Iterator[tuple[str | None, float, float]]:
    """Rings of one call; phones that rang together are one stretch and nobody's fault in particular."""
    if name == "j_ringall":
        yield None, min(r[1] for r in truth.rings), max(r[2] for r in truth.rings)
        return
    for agent, begin, end, _ in truth.rings:
        yield agent, begin, end


def climbing(
    rule: str, agent: str | None, begin: float, end: float, cleared: float, limits: Limits
) -> Iterator[Expected]:
    """Opened at the first threshold, raised at each further one, cleared at the end."""
    passed = [(after, severity) for after, severity in limits[rule] if end - begin >= after]
    for n, (after, severity) in enumerate(passed):
        yield Expected(rule, "raised" if n else "opened", severity, agent, begin + after)
    if passed:
        yield Expected(rule, "cleared", passed[-1][1], agent, cleared)


def replayed(file: Path, *more: str) -> list[dict[str, Any]]:
    """The command's own output."""
    result = CliRunner().invoke(app, ["replay", "--from", "asterisk", str(file), *more])
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.mark.parametrize("book", BOOKS)
@pytest.mark.parametrize("name", NAMES)
def test_the_alerts_are_exactly_those_that_the_truth_implies(name: str, book: str) -> None:
    options, limits = BOOKS[book]
    expected = sorted(e for truth in truths(name).values() for e in implied(name, truth, limits))
    told = sorted(
        Expected(c["rule"], c["state"], c["severity"], c["agent"], c["at"])
        for c in replayed(FOLDER / f"{name}.jsonl", *options)
    )
    assert [e[:4] for e in told] == [e[:4] for e in expected]
    slack = SNAPSHOT_S if name == "k_connect_mid_call" else TOLERANCE_S
    assert [e.at for e in told] == pytest.approx([e.at for e in expected], abs=slack)
