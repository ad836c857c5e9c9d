"""No false alarm on good calls; exactly the right rule on each forbidden sentence."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from streams.alerts import AlertChange
from streams.detectors.surge import Surge
from streams.rulebook.book import Rulebook, load
from tests.corpora import (
    WORD_KINDS,
    Row,
    Written,
    bad_rows,
    captures,
    dialogues,
    exceptions,
    good_calls,
    judged,
    live,
    manifest,
    real_transcripts,
    well_formed,
)

BAD = bad_rows()
SPOKEN = manifest()


@pytest.fixture(scope="module")
def book() -> Rulebook:
    return load()


@pytest.fixture(scope="module")
def good() -> list[Written]:
    return list(good_calls())


@pytest.fixture(scope="module")
def alarms(book: Rulebook, good: list[Written]) -> dict[tuple[str, str], str]:
    """The live rules that fire on good calls: (call, rule) -> what the alert says."""
    found = ((call, change) for call in good for change in live(judged(book, call.events)))
    return {(call.name, change.rule): f"{call.source}: {change.says}" for call, change in found}


@pytest.fixture(scope="module", autouse=True)
def _summary(good: list[Written], alarms: dict[tuple[str, str], str], record_testsuite_property) -> None:
    """The figures of the good corpus, in the JUnit report."""
    record_testsuite_property("good_calls", len(good))
    record_testsuite_property("good_minutes", round(sum(call.lasts_s for call in good) / 60))
    record_testsuite_property("false_alarms", len(alarms))


def told(changes: list[AlertChange]) -> list[str]:
    return [f"{change.rule}: {' / '.join(e.match for e in change.evidence)}" for change in changes]


def test_no_live_rule_fires_on_a_good_call(alarms: dict[tuple[str, str], str]):
    known = exceptions()
    unknown = [f"{call}: {rule}: {says}" for (call, rule), says in alarms.items() if (call, rule) not in known]
    remedy = "give the phrase set a but_not, mend the dialogue, or list it with a reason in corpora/exceptions.yaml"
    assert unknown == [], remedy


def test_no_exception_is_stale(alarms: dict[tuple[str, str], str]):
    stale = [each for each in exceptions() if each not in alarms]
    assert stale == [], "these no longer fire: remove them from corpora/exceptions.yaml"


def test_every_exception_has_a_reason():
    assert [each for each, because in exceptions().items() if not because.strip()] == []


def test_the_good_calls_have_their_own_names(good: list[Written]):
    names = [(call.source, call.name) for call in good]
    assert sorted(names) == sorted(set(names))


def test_at_least_sixty_dialogues_are_written_by_hand(good: list[Written]):
    by_hand = [c for c in good if c.source.endswith(".txt") and not c.source.startswith("manual-")]
    assert len(by_hand) >= 60


def test_no_rule_about_words_fires_on_the_captured_phones(book: Rulebook):
    words = {rule.id for rule in book.rules if rule.__struct_config__.tag in WORD_KINDS}
    changes = [(call.name, c.rule) for call in captures() for c in live(judged(book, call.events)) if c.rule in words]
    assert changes == []


@pytest.mark.parametrize("row", BAD, ids=[f"{row.section} {row.says}" for row in BAD])
def test_a_forbidden_sentence_fires_exactly_its_rule(book: Rulebook, row: Row):
    fired = live(judged(book, well_formed(row.says, row.role).events))
    assert [change.rule for change in fired] == ([row.rule] if row.rule else []), told(fired)


def test_the_well_formed_call_itself_is_silent(book: Rulebook):
    assert told(live(judged(book, well_formed("好的,我明白了").events))) == []


def _of_words(book: Rulebook, changes: list[AlertChange]) -> Iterator[str]:
    """The rules that fired for a word: kinds that watch phones or a whole procedure are tested elsewhere."""
    for change in changes:
        rule = book.rule(change.rule)
        if rule and rule.__struct_config__.tag == "says":
            yield change.rule


@pytest.mark.parametrize("line", SPOKEN, ids=[line["file"] for line in SPOKEN])
def test_a_spoken_sentence_fires_exactly_its_rule(book: Rulebook, line: dict[str, str]):
    changes = live(judged(book, well_formed(line["text"], line["role"]).events))
    rule = book.rule(line["rule"])
    if line["role"] == "agent" or rule is None:
        assert [c.rule for c in changes] == ([line["rule"]] if rule else []), told(changes)
        return
    fires = not isinstance(rule, Surge) and rule.__struct_config__.tag == "says"
    assert list(_of_words(book, changes)) == ([rule.id] if fires else []), told(changes)


@pytest.mark.parametrize("role", ["agent", "customer"])
def test_no_rule_fires_on_real_recordings(book: Rulebook, role: str):
    calls = [well_formed(text, role) for text in real_transcripts()]
    assert [told(live(judged(book, call.events))) for call in calls] == [[] for _ in calls]


# -- the format ----------------------------------------------------------------------------------------------


def test_the_format_gives_speech_with_its_marks():
    (call,) = dialogues("== 一 | 队列 vip\n(响铃 2 秒)\n坐席: 您好,请问\n(保持 3 秒)\n(客户挂机)\n", "x")
    start = call.events[0].at
    rows = [(event.__struct_config__.tag, round(event.at - start, 2)) for event in call.events]
    assert rows == [
        ("call.offered", 0.0),
        ("agent.ringing", 0.0),
        ("call.answered", 2.0),
        ("speech.started", 2.5),
        ("speech.ended", 3.5),
        ("transcript", 3.9),
        ("call.held", 4.0),
        ("call.resumed", 7.0),
        ("call.ended", 7.5),
    ]
    assert call.speech_s == pytest.approx(1.0)


def test_a_call_without_an_end_is_ended_by_the_customer():
    (call,) = dialogues("== 一\n坐席: 您好\n", "x")
    assert call.events[-1].by == "customer"


@pytest.mark.parametrize("line", ["旁白: 您好", "您好", "(唱歌 3 秒)", "坐席:"])
def test_a_line_that_cannot_be_read_is_named(line: str):
    with pytest.raises(ValueError, match="x, call 一: cannot read"):
        list(dialogues(f"== 一\n{line}\n", "x"))
