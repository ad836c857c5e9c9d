"""Whole spoken calls give, through ``sansheng replay``, exactly what a careful quality inspector would write down."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from streams import alerts, events
from streams.alerts import AlertChange
from streams.events import AnyEvent, SpeechEnded, SpeechStarted, Transcript
from streams.problem import Problem
from streams.replay import Driver, read_record, replay
from streams.rulebook.book import load

CALLS = Path(__file__).parent / "traces" / "speech"
WRITTEN: dict[str, list[list[object]]] = yaml.safe_load((CALLS / "inspector.yaml").read_text("utf-8"))


def offered_at(call: str) -> float:
    """When the first event of the call was."""
    return float(json.loads((CALLS / f"{call}.ndjson").open(encoding="utf-8").readline())["at"])


def judged(call: str) -> list[AlertChange]:
    """The alert changes as the command line prints them."""
    command = [sys.executable, "-m", "streams.cli", "replay", str(CALLS / f"{call}.ndjson")]
    told = subprocess.run(command, capture_output=True, text=True, check=True)
    assert told.stderr == ""
    return [alerts.parse(line) for line in told.stdout.splitlines()]


def test_every_call_has_its_list() -> None:
    assert {path.stem for path in CALLS.glob("*.ndjson")} == WRITTEN.keys()


@pytest.mark.parametrize("call", WRITTEN)
def test_the_alerts_are_exactly_those_that_an_inspector_writes_down(call: str) -> None:
    changes, start = judged(call), offered_at(call)
    assert sorted([round(c.at - start, 1), c.rule, f"{c.state} {c.severity}"] for c in changes) == WRITTEN[call]
    for change in changes:  # each explained by its clause, in a sentence about this agent, with the words that prove it
        assert change.clause.title
        assert change.clause.section
        assert change.clause.quote
        assert "{" not in change.says
        assert change.en
        assert (change.says.count("8026") == 1) == (change.agent == "8026")
        if change.rule.startswith("forbidden") or change.rule in ("complaint", "wants-superior", "regulator", "media"):
            assert all(evidence.match in evidence.text for evidence in change.evidence)
            assert change.evidence


@pytest.mark.parametrize("call", WRITTEN)
def test_every_rule_could_be_judged(call: str) -> None:
    driver = Driver(load())
    for item in read_record(CALLS / f"{call}.ndjson"):
        assert not isinstance(item, Problem)
        driver.feed(item)
    driver.finish(offered_at(call) + 3600)
    assert driver.not_judged == []


@pytest.mark.parametrize("call", WRITTEN)
def test_a_dialogue_written_by_hand_gives_the_same_alerts(call: str) -> None:
    """No speech marks, no ``through``, each line dated by its beginning."""
    recorded = [item for item in read_record(CALLS / f"{call}.ndjson") if not isinstance(item, Problem)]
    plain = sorted(map(by_hand, (e for e in recorded if not isinstance(e, SpeechStarted | SpeechEnded))), key=at)
    changes = [item for item in replay(load(), plain) if isinstance(item, AlertChange)]
    wanted = {(rule, *str(change).split()) for _, rule, change in WRITTEN[call]}
    assert {(change.rule, change.state, change.severity) for change in changes} == wanted


def by_hand(event: AnyEvent) -> AnyEvent:
    """The event as people write it."""
    if not isinstance(event, Transcript):
        return event
    record = events.to_dict(event)
    return events.from_dict({**record, "at": event.start, "through": None})


def at(event: AnyEvent) -> float:
    return event.at
