"""The record's contract: what is read, what is refused, and how the refusal is worded."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.events import (
    DEEPEST,
    LARGEST,
    LATEST_S,
    SLUGS,
    TYPES,
    BadEventError,
    Event,
    Masked,
    PersonalKind,
    Word,
    from_dict,
    parse,
    render,
    to_dict,
)
from tests.drive import T0

ROOT = Path(__file__).parent.parent

# The contract's table, each field with a value that it takes. A field with "?" may be left out.
TRANSCRIPT_FIELDS: dict[str, Any] = {
    "role": "agent",
    "text": "您好",
    "start": 1.0,
    "end": 2.5,
    "final": True,
    "through?": 2.5,
    "confidence?": 0.8,
    "words?": [{"text": "您好", "start": 1.0, "end": 2.5, "confidence": 0.8}],
}
CONTRACT: dict[str, dict[str, Any]] = {
    "call.offered": {"caller?": "13800000000", "called?": "10086", "queue?": "sales", "direction?": "outbound"},
    "agent.ringing": {"agent": "101"},
    "agent.missed": {"agent": "101", "reason?": "rejected"},
    "call.answered": {"agent": "101"},
    "call.held": {"by?": "customer"},
    "call.resumed": {"by?": "customer"},
    "call.transferring": {"agent?": "101", "to?": "102", "mode?": "attended"},
    "call.transferred": {"agent": "102"},
    "transfer.failed": {"reason?": "no answer"},
    "call.ended": {"by": "agent", "cause?": "16"},
    "speech.started": {"role": "customer"},
    "speech.ended": {"role": "customer"},
    "transcript": TRANSCRIPT_FIELDS,
    "phrase.spotted": {
        "role": "agent",
        "text": "有什么事快说",
        "start": 1.0,
        "end": 2.0,
        "final?": True,
        "said?": 0.5,
        "confidence?": 0.8,
    },
    "leg.tapped": {"role": "agent", "leg": "40325ec2-5efd-4bd3-805f-53576e581d13"},
    "gap": {"role": "agent", "start": 1.0, "end": 2.0, "reason?": "overrun"},
    "tick": {},
    "mark": {
        "rule": "repeat-caller",
        "source": "c7",
        "who?": "7f3a",
        "agent?": "101",
        "queue?": "sales",
        "evidence?": [
            {"role": "customer", "text": "断网了", "start": 1.0, "end": 2.5, "match": "断网", "by_sound": True}
        ],
        "grave?": True,
        "answers?": True,
    },
}
#: Beyond the shared contract: what the engine tells itself about subjects that rules count across calls, what a spotter
#: hears, and how sound and call are put together.
OURS = {"mark", "phrase.spotted", "leg.tapped"}
CLOSED_SETS = {
    "call.offered": {"direction": ["inbound", "outbound"]},
    "agent.missed": {"reason": ["timeout", "rejected", "unavailable"]},
    "call.held": {"by": ["agent", "customer"]},
    "call.resumed": {"by": ["agent", "customer"]},
    "call.transferring": {"mode": ["blind", "attended"]},
    "call.ended": {"by": ["agent", "customer", "system"]},
    "speech.started": {"role": ["agent", "customer"]},
    "speech.ended": {"role": ["agent", "customer"]},
    "transcript": {"role": ["agent", "customer"]},
    "phrase.spotted": {"role": ["agent", "customer"]},
    "leg.tapped": {"role": ["agent", "customer"]},
    "gap": {"role": ["agent", "customer"]},
}
#: Fields that the structs have beyond the contract: known to the project, still optional to any sender.
BEYOND = {"agent_name", "masked", "by_sound"}
COMMON = {"call", "at", "logged_at", "seq", "extra"}


def example(tag: str, **changes: object) -> dict[str, Any]:
    """A whole event of that type with every field of its row."""
    fields = {name.rstrip("?"): value for name, value in CONTRACT[tag].items()}
    return {"type": tag, "call": "c1", "at": T0 + 0.25, **fields, **changes}


def tick(**changes: object) -> dict[str, Any]:
    """The smallest event."""
    return example("tick", **changes)


def refusal(record: object) -> BadEventError:
    """The error that ``record`` (bytes, str, or an object to be written as JSON) is refused with."""
    line = record if isinstance(record, bytes | str) else json.dumps(record)
    with pytest.raises(BadEventError) as caught:
        parse(line)
    return caught.value


# ---------------------------------------------------------------------------------------------- the contract


@pytest.mark.parametrize("tag", CONTRACT)
def test_each_row_of_the_contract_is_read_with_exactly_its_fields_and_written_back(tag: str) -> None:
    event = parse(json.dumps(example(tag)))
    assert type(event) is TYPES[tag]
    assert event.extra == {}
    assert json.loads(render(event)) == example(tag)


@pytest.mark.parametrize("tag", CONTRACT)
def test_the_structs_know_no_field_that_the_contract_lacks(tag: str) -> None:
    assert set(TYPES[tag].__struct_fields__) - COMMON - BEYOND == {name.rstrip("?") for name in CONTRACT[tag]}


def test_the_types_are_those_of_the_contract() -> None:
    assert set(TYPES) == set(CONTRACT)


def test_the_design_page_lists_the_same_table() -> None:
    ours, shared = ROOT / "docs" / "design.md", ROOT.parent / "shared" / "design.md"
    for page in [ours, shared] if shared.is_file() else [ours]:
        _, _, table = page.read_text("utf-8").partition("fields beside `type`")
        listed: dict[str, set[str]] = {}
        for names, fields in re.findall(r"^\| (`[^|]+`) \|([^|]*)\|$", table, re.MULTILINE):
            bare = re.sub(r"\[[^]]*\]|\([^)]*\)", "", fields)
            for tag in re.findall(r"`([^`]+)`", names):
                listed[tag] = set(re.findall(r"`([^`]+)`", bare)) - BEYOND
        wanted = CONTRACT if page == ours else {tag: row for tag, row in CONTRACT.items() if tag not in OURS}
        assert listed == {tag: {name.rstrip("?") for name in row} for tag, row in wanted.items()}, page.name


REQUIRED = [(tag, name) for tag, row in CONTRACT.items() for name in ("call", "at", *row) if not name.endswith("?")]
OPTIONAL = [(tag, name.rstrip("?")) for tag, row in CONTRACT.items() for name in row if name.endswith("?")]


@pytest.mark.parametrize(("tag", "name"), REQUIRED)
def test_a_missing_required_field_is_named(tag: str, name: str) -> None:
    record = example(tag)
    del record[name]
    error = refusal(record)
    assert (error.field, str(error)) == (name, f"{name}: is missing")


@pytest.mark.parametrize(("tag", "name"), OPTIONAL)
def test_an_optional_field_may_be_left_out(tag: str, name: str) -> None:
    record = example(tag)
    del record[name]
    parse(json.dumps(record))


@pytest.mark.parametrize("tag", CLOSED_SETS)
def test_closed_sets_take_their_values_and_no_other(tag: str) -> None:
    for name, values in CLOSED_SETS[tag].items():
        for value in values:
            assert to_dict(parse(json.dumps(example(tag, **{name: value})))).get(name, value) == value
        assert refusal(example(tag, **{name: "nobody"})).field == name


def test_a_call_is_inbound_where_the_direction_is_absent() -> None:
    assert parse('{"type": "call.offered", "call": "c1", "at": 1}').direction == "inbound"  # type: ignore[union-attr]


def test_unknown_fields_are_kept_in_their_place() -> None:
    record = example("call.held", site="西安", nested={"a": [1, None, {"b": 2.5}]}, extra={"type": "x"})
    event = parse(json.dumps(record))
    assert event.extra == {"site": "西安", "nested": {"a": [1, None, {"b": 2.5}]}, "extra": {"type": "x"}}
    assert json.loads(render(event)) == record


# ------------------------------------------------------------------------------------------- clear refusals


@pytest.mark.parametrize(
    ("record", "field", "says"),
    [
        ({"type": "call.ofered"}, "type", "(did you mean call.offered?)"),
        ({"type": "agent.ring"}, "type", "did you mean agent.ringing?"),
        ({"type": "zzz"}, "type", "one of call.offered, agent.ringing"),
        ({"type": 7}, "type", "unknown event '7'"),
        ({"type": ["tick"]}, "type", "unknown event"),
        ({"call": "c", "at": 1}, "type", "type: is missing"),
        (tick(call=5), "call", "call: Expected `str`, got `int`"),
        (tick(call=None), "call", "got `null`"),
        (tick(call=""), "call", "of length >= 1"),
        (tick(call="c" * 257), "call", "of length <= 256"),
        (tick(at="1"), "at", "at: Expected `float`, got `str`"),
        (tick(at=True), "at", "got `bool`"),
        (tick(at=-0.001), "at", "Expected `float` >= 0"),
        (tick(at=1700000000000), "at", "looks like milliseconds (Unix seconds with fractions)"),
        (tick(at=LATEST_S), "at", "looks like milliseconds"),
        (tick(logged_at=1700000000000), "logged_at", "looks like milliseconds"),
        (tick(at=10**400), "at", "at: Number out of range"),
        (tick(seq=1.5), "seq", "Expected `int | null`, got `float`"),
        (example("transcript", words=[{"text": "a", "start": 1}]), "words[0].end", "words[0].end: is missing"),
        (example("transcript", words=[{"text": "a", "start": 1, "end": 1.7e12}]), "words[0].end", "like milliseconds"),
        (example("transcript", words="abc"), "words", "Expected `array`, got `str`"),
        (example("transcript", confidence=1.01), "confidence", "<= 1.0"),
        (example("transcript", final="yes"), "final", "Expected `bool`"),
        (example("agent.ringing", agent=""), "agent", "of length >= 1"),
    ],
)  # fmt: skip
def test_a_refusal_names_the_field_and_the_mend(record: dict[str, Any], field: str, says: str) -> None:
    error = refusal(record)
    assert error.field == field
    assert says in str(error)
    assert str(error).startswith(f"{field}: ")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("[1, 2]", "not a JSON object"),
        ("7", "not a JSON object"),
        ("null", "not a JSON object"),
        ('"tick"', "not a JSON object"),
        ("", "broken JSON"),
        ('{"type": "tick", "call": "c", "a', "broken JSON: Input data was truncated"),
        ("{} {}", "broken JSON: JSON is malformed: trailing characters"),
        ('{"type": "tick", "call": "c", "at": NaN}', "broken JSON"),
        ('{"type": "tick", "call": "c", "at": Infinity}', "broken JSON"),
        ('{"type": "tick", "call": "c", "at": 1e999}', "broken JSON: Number out of range"),
        ('{"type": "tick", "call": "c", "at": ' + "9" * 5000 + "}", "broken JSON: Integer value out of range"),
        (b'{"type": "tick", "call": "\\ud800", "at": 1}', "surrogate"),
        ('{"type": "tick", "call": "\ud800", "at": 1}', "surrogates not allowed"),
        (b'{"type": "tick", "call": "\xff", "at": 1}', "can't decode byte 0xff"),
        (b"\x00\xff\xfe%%% garbage", "broken JSON"),
        ("[" * 60_000, "broken JSON"),
        ('{"type": "tick", "call": "c", "at": 1, "x": ' + "[" * 30_000 + "]" * 30_000 + "}", "broken JSON"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_line_that_is_no_object_is_refused_as_a_whole(line: bytes | str, says: str) -> None:
    error = refusal(line)
    assert error.field == ""
    assert says in str(error)


@pytest.mark.parametrize("at", [float("nan"), float("inf"), float("-inf"), -1.0, LATEST_S])
def test_a_time_that_is_no_instant_is_refused_even_when_it_did_not_come_as_json(at: float) -> None:
    with pytest.raises(BadEventError, match=r"^at: "):
        from_dict({"type": "tick", "call": "c", "at": at})


def nested(levels: int) -> object:
    value: object = 1
    for _ in range(levels):
        value = [value]
    return value


def test_unknown_fields_may_nest_as_deep_as_can_be_stored_again_and_no_deeper() -> None:
    parse(json.dumps(example("tick", site=nested(DEEPEST))))
    error = refusal(example("tick", site=nested(DEEPEST + 1)))
    assert (error.field, str(error)) == ("site", f"site: nested too deeply (at most {DEEPEST} levels)")


def test_a_refusal_repeats_no_more_than_the_head_of_what_was_sent() -> None:
    assert len(str(refusal({"type": "客户身份证" * 1000}))) < 400


# ---------------------------------------------------------------------------------------------- properties

times = st.floats(0, LATEST_S, exclude_max=True)
shares = st.floats(0, 1)
names = st.text(min_size=1, max_size=12)
texts = st.text(max_size=12)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
words = st.builds(Word, text=texts, start=times, end=times, confidence=st.none() | shares, sound=st.none() | texts)
places = st.integers(0, 100)
hidden = st.builds(Masked, kind=st.sampled_from(get_args(PersonalKind)), start=places, end=places)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "agent": names,
    "text": texts,
    "start": times,
    "end": times,
    "final": st.booleans(),
    "through": st.none() | times,
    "confidence": st.none() | shares,
    "words": st.lists(words, max_size=3).map(tuple),
    "masked": st.lists(hidden, max_size=2).map(tuple),
    "by_sound": st.booleans(),
    "said": st.none() | times,
    "leg": names,
    "rule": names,
    "source": names,
    "evidence": st.just(()),
    "grave": st.booleans(),
    "answers": st.booleans(),
    "at": times,
    "call": names,
    "logged_at": st.none() | times,
    "seq": st.none() | st.integers(0, 2**63),
}
MAYBE = st.none() | texts


@st.composite
def events(draw: st.DrawFn) -> Event:
    """Any valid event of any type, unknown fields included."""
    tag = draw(st.sampled_from(sorted(TYPES)))
    known = set(TYPES[tag].__struct_fields__)
    fields: dict[str, Any] = {}
    for name in known - {"extra"}:
        closed = CLOSED_SETS.get(tag, {}).get(name)
        optional = tag == "call.transferring" and name == "agent"
        strategy = st.sampled_from(closed) if closed else MAYBE if optional else FIELDS.get(name, MAYBE)
        fields[name] = draw(strategy)
    unknown = st.text(max_size=8).filter(lambda key: key not in known and key != "type")
    return TYPES[tag](**fields, extra=draw(st.dictionaries(unknown, json_values, max_size=3)))


@given(events())
def test_what_is_written_reads_back_the_same(event: Event) -> None:
    line = render(event)
    assert b"\n" not in line
    assert parse(line) == event


@given(st.binary(max_size=80))
def test_any_bytes_are_read_or_refused_and_nothing_else(line: bytes) -> None:
    with suppress(BadEventError):
        parse(line)


@given(st.text(st.characters(), max_size=80))
def test_any_text_is_read_or_refused_even_with_lone_surrogates(line: str) -> None:
    with suppress(BadEventError):
        parse(line)


anything = json_values | st.integers(-(10**400), 10**400) | st.sampled_from([10**400, 1.7e12, -1, "", [], {}, None])


@given(st.dictionaries(st.sampled_from(["type", "call", "at", "seq", "role", "agent"]) | texts, anything) | json_values)
def test_any_json_value_is_read_or_refused(record: object) -> None:
    with suppress(BadEventError):
        parse(json.dumps(record))


@given(events(), st.data())
def test_an_event_with_one_field_spoilt_is_read_or_refused_for_it(event: Event, data: st.DataObject) -> None:
    record = json.loads(render(event))
    name = data.draw(st.sampled_from(sorted(record)))
    record[name] = data.draw(anything)
    try:
        parse(json.dumps(record))
    except BadEventError as error:
        assert re.split(r"[.\[]", error.field)[0] == name or name not in TYPES[event_tag(event)].__struct_fields__


def event_tag(event: Event) -> str:
    return str(to_dict(event)["type"])


@given(events(), st.integers(0, 400), st.binary(max_size=4))
def test_a_valid_line_that_was_cut_or_overwritten_is_read_or_refused(event: Event, place: int, junk: bytes) -> None:
    line = render(event)
    for spoilt in (line[:place], line[:place] + junk + line[place + len(junk) :]):
        try:
            parse(spoilt)
        except BadEventError as error:
            assert str(error)


@pytest.mark.parametrize(
    ("line", "slug"),
    [
        (b"{broken", "broken"),
        (b"[]", "broken"),
        (b"\xff\xfe", "broken"),
        (b'{"call":"c","at":1}', "type"),
        (b'{"type":"call.exploded","call":"c","at":1}', "type"),
        (b'{"type":"call.answered","call":"c","at":1}', "missing"),
        (b'{"type":"call.held","call":"c","at":"noon"}', "invalid"),
        (b'{"type":"call.held","call":"c","at":1795313624042}', "milliseconds"),
        (b'{"type":"call.held","call":"c","at":1,"x":' + b"[" * 99 + b"]" * 99 + b"}", "deep"),
        (b" " * (LARGEST + 1), "large"),
    ],
)
def test_each_fault_has_a_word_for_the_metric(line: bytes, slug: str) -> None:
    with pytest.raises(BadEventError) as told:
        parse(line)
    assert told.value.slug == slug
    assert slug in SLUGS
