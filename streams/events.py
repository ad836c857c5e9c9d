"""The vocabulary of the record: what happens to a call, one event a line.

Owns the NDJSON contract (``docs/design.md``): parse at the edge with :func:`parse`, trust the structs
inside. Knows nothing of Kafka, clocks or rules.

Times (``at``, ``start``, ``end`` ...) are Unix seconds with fractions, UTC. ``at`` is the world's time;
``logged_at`` and ``seq`` are the log's: the broker's append time and the offset, present only once an
event has been logged.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

Role = Literal["agent", "customer"]
Direction = Literal["inbound", "outbound"]
Party = Literal["agent", "customer", "system"]
TransferMode = Literal["blind", "attended"]
MissedReason = Literal["timeout", "rejected", "unavailable"]

#: A line of the record is at most this long, bytes: a call keeps its last few events in its state, which must fit
#: into one message of a broker.
LARGEST = 64 * 1024

#: Unix seconds. The upper bound (year 5138) is there to catch milliseconds, the usual mistake.
LATEST_S = 1e11
Seconds = Annotated[float, Meta(ge=0, lt=LATEST_S)]
Share = Annotated[float, Meta(ge=0, le=1)]
Id = Annotated[str, Meta(min_length=1, max_length=256)]


class Event(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type"):
    """What every event carries. ``extra`` keeps the fields that this version does not know."""

    call: Id
    at: Seconds
    logged_at: Seconds | None = None
    seq: int | None = None
    extra: dict[str, Any] = msgspec.field(default_factory=dict)


class CallOffered(Event, frozen=True, tag="call.offered"):
    """A customer's call has reached a queue or an agent's line."""

    caller: str | None = None
    called: str | None = None
    queue: str | None = None
    direction: Direction = "inbound"


class AgentRinging(Event, frozen=True, tag="agent.ringing"):
    """An agent's phone rings for this call. ``agent`` is the number that staff know, ``agent_name`` the person."""

    agent: Id
    agent_name: str | None = None


class AgentMissed(Event, frozen=True, tag="agent.missed"):
    """That phone stopped ringing without an answer while the call goes on."""

    agent: Id
    reason: MissedReason = "timeout"


class CallAnswered(Event, frozen=True, tag="call.answered"):
    """An agent picked up. During an attended transfer: the colleague who was asked picked up."""

    agent: Id
    agent_name: str | None = None


class CallHeld(Event, frozen=True, tag="call.held"):
    """One side put the other on hold."""

    by: Role = "agent"


class CallResumed(Event, frozen=True, tag="call.resumed"):
    """The hold is over; both sides hear each other again."""

    by: Role = "agent"


class CallTransferring(Event, frozen=True, tag="call.transferring"):
    """``agent`` asked for the customer to be passed on to ``to``; the customer waits."""

    agent: str | None = None
    to: str | None = None
    mode: TransferMode = "blind"


class CallTransferred(Event, frozen=True, tag="call.transferred"):
    """The customer is connected with the new agent."""

    agent: Id
    agent_name: str | None = None


class TransferFailed(Event, frozen=True, tag="transfer.failed"):
    """Nobody took the transfer; the customer is back with the first agent or in the queue."""

    reason: str | None = None


class CallEnded(Event, frozen=True, tag="call.ended"):
    """The customer's line is released. ``by``: who hung up first; system where neither party did."""

    by: Party
    cause: str | None = None


class SpeechStarted(Event, frozen=True, tag="speech.started"):
    """A party began to make sounds of speech."""

    role: Role


class SpeechEnded(Event, frozen=True, tag="speech.ended"):
    """A party fell silent."""

    role: Role


class Word(Struct, frozen=True, omit_defaults=True):
    """One recognised word; ``start`` and ``end`` in Unix seconds.

    ``sound``: toned pinyin with a space between syllables (``ni3 hao3``), where the recogniser heard the sound itself
    and not the characters.
    """

    text: str
    start: Seconds
    end: Seconds
    confidence: Share | None = None
    sound: str | None = None


#: What is hidden in a transcript before it is published.
PersonalKind = Literal["phone", "id_card", "bank_card", "plate", "address", "name", "number"]


class Masked(Struct, frozen=True):
    """The characters ``start`` to ``end`` of a transcript's text are stars: personal data of that kind stood there."""

    kind: PersonalKind
    start: Annotated[int, Meta(ge=0)]
    end: Annotated[int, Meta(ge=0)]


class Transcript(Event, frozen=True, tag="transcript"):
    """Words of one party. ``through``: everything this party said up to then has been heard and published.

    ``by_sound``: the recogniser heard syllables (``words[].sound``); the characters are a reading of them, for people.
    """

    role: Role
    text: str
    start: Seconds
    end: Seconds
    final: bool
    through: Seconds | None = None
    confidence: Share | None = None
    words: tuple[Word, ...] = ()
    masked: tuple[Masked, ...] = ()
    by_sound: bool = False


class Spotted(Event, frozen=True, tag="phrase.spotted"):
    """A phrase of the rulebook was heard by a spotter, while the sentence goes on.

    ``text`` is the phrase in characters. ``final``: it stands by itself; otherwise the final transcript of that time
    confirms or withdraws it. ``said``: when its utterance began, as the transcripts of that have it for ``start``,
    where the ear knows.
    """

    role: Role
    text: str
    start: Seconds
    end: Seconds
    final: bool = False
    said: Seconds | None = None
    confidence: Share | None = None


class LegTapped(Event, frozen=True, tag="leg.tapped"):
    """The sound of one party of this call comes in under the name ``leg`` (the UUID of an AudioSocket)."""

    role: Role
    leg: Id


class Gap(Event, frozen=True, tag="gap"):
    """Sound of one party that cannot be heard any more: rules about it are not judged."""

    role: Role
    start: Seconds
    end: Seconds
    reason: str | None = None


class Evidence(Struct, frozen=True, omit_defaults=True):
    """Words that prove something, numbers masked; ``match`` is what was looked for. Times in Unix seconds.

    ``by_sound``: only the sound was heard; the characters are written for people to read. ``match`` is what was heard;
    where it sounds like a phrase but is written otherwise, ``meant`` is the phrase and ``distance`` says how far apart
    they are (0: the same sounds, 1: nothing in common).
    """

    role: Role
    text: str
    start: Seconds
    end: Seconds
    match: str = ""
    by_sound: bool = False
    meant: str = ""
    distance: float = 0.0


class Mark(Event, frozen=True, tag="mark"):
    """What a call tells a rule that looks across calls. ``call`` is the *subject* here, ``source`` the call.

    ``who`` is counted once (the caller's key, where it is known). ``agent``, ``agent_name``: who had the call.
    """

    rule: Id
    source: Id
    who: str | None = None
    agent: str | None = None
    agent_name: str | None = None
    queue: str | None = None
    evidence: tuple[Evidence, ...] = ()
    grave: bool = False
    answers: bool = False


#: The record of a subject that rules count across calls is keyed by this, the rule's id, and the subject.
SUBJECT = "~of:"


def is_subject(call: str) -> bool:
    """Whether that is the key of a subject's record and not of a call."""
    return call.startswith(SUBJECT)


class Tick(Event, frozen=True, tag="tick"):
    """A wake that the shell put into the record; carries no fact but the time."""


AnyEvent = (
    CallOffered
    | AgentRinging
    | AgentMissed
    | CallAnswered
    | CallHeld
    | CallResumed
    | CallTransferring
    | CallTransferred
    | TransferFailed
    | CallEnded
    | SpeechStarted
    | SpeechEnded
    | Transcript
    | Spotted
    | LegTapped
    | Gap
    | Mark
    | Tick
)

#: Unknown fields may nest this deep. Deeper ones could be read, but not written again inside a stored state.
DEEPEST = 32

TYPES: dict[str, type[Event]] = {str(cls.__struct_config__.tag): cls for cls in get_args(AnyEvent)}
_FIELDS = {tag: frozenset(cls.__struct_fields__) - {"extra"} for tag, cls in TYPES.items()}


def tag_of(event: Event) -> str:
    """The event's ``type`` in the record."""
    return str(event.__struct_config__.tag)


#: What can be wrong with a record, in a word; a metric's label.
Slug = Literal[
    "broken",  # no JSON, or no object
    "type",  # a type that is missing or not known
    "missing",  # a field
    "invalid",  # a field of another type, or out of its bounds
    "milliseconds",  # a time that looks like milliseconds
    "large",  # too many bytes, or a state that would be too large
    "deep",  # nested too deeply
    "key",  # the message has another key
    "future",  # its time has not come
    "misplaced",  # it does not belong on this topic
    "internal",  # a fault of ours
]
SLUGS: tuple[str, ...] = get_args(Slug)


class BadEventError(ValueError):
    """A record that cannot be read. ``field`` is the offending one (empty: the whole line), ``mend`` what to do,
    ``slug`` the kind of fault in a word.
    """

    def __init__(self, problem: str, *, field: str = "", mend: str = "", slug: Slug = "invalid") -> None:
        self.problem, self.field, self.mend, self.slug = problem, field, mend, slug
        where = f"{field}: " if field else ""
        super().__init__(f"{where}{problem}" + (f" ({mend})" if mend else ""))


def parse(line: bytes | str) -> AnyEvent:
    """Read one NDJSON line.

    Raises:
        BadEventError: and nothing else, whatever the bytes are.
    """
    if len(line) > LARGEST:
        raise BadEventError(f"{len(line)} bytes long", mend=f"at most {LARGEST}", slug="large")
    return from_dict(_decode(line))


def from_dict(record: object) -> AnyEvent:
    """Read one event from decoded JSON; unknown fields go to ``extra``. Raises BadEventError only."""
    if not isinstance(record, dict):
        raise BadEventError("not a JSON object", mend="one object a line, {...}", slug="broken")
    cls = _class_of(record.get("type", UNSET))
    known = _FIELDS[str(cls.__struct_config__.tag)]
    extra = {k: v for k, v in record.items() if k not in known and k != "type"}
    for name, value in extra.items():
        if not _shallow(value, DEEPEST):
            raise BadEventError(
                "nested too deeply", field=str(name)[:64], mend=f"at most {DEEPEST} levels", slug="deep"
            )
    try:
        event = msgspec.convert({**{k: v for k, v in record.items() if k in known}, "extra": extra}, cls)
    except msgspec.ValidationError as error:
        raise _explain(error) from None
    return event  # type: ignore[return-value]


def to_dict(event: Event) -> dict[str, Any]:
    """The event as JSON builtins: ``type`` first, defaults left out, ``extra`` laid back in place."""
    record: dict[str, Any] = msgspec.to_builtins(event)
    record.pop("extra", None)
    return {**record, **event.extra}


def render(event: Event) -> bytes:
    """One NDJSON line without its newline; ``parse(render(e)) == e``."""
    return msgspec.json.encode(to_dict(event))


def _decode(line: bytes | str) -> object:
    try:
        return msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise BadEventError(f"broken JSON: {error}", mend="one JSON object a line, UTF-8", slug="broken") from None


def _class_of(tag: object | UnsetType) -> type[Event]:
    if tag is UNSET:
        raise BadEventError("is missing", field="type", mend=f"one of {', '.join(TYPES)}", slug="type")
    if not isinstance(tag, str) or tag not in TYPES:
        near = get_close_matches(str(tag)[:64], TYPES, n=1)
        mend = f"did you mean {near[0]}?" if near else f"one of {', '.join(TYPES)}"
        raise BadEventError(f"unknown event {str(tag)[:64]!r}", field="type", mend=mend, slug="type")
    return TYPES[tag]


_PATH = re.compile(r" - at `\$\.?([^`]*)`$")
_MISSING = re.compile(r"missing required field `([^`]+)`")


def _explain(error: msgspec.ValidationError) -> BadEventError:
    text = str(error)
    path = _PATH.search(text)
    problem = _PATH.sub("", text)
    missing = _MISSING.search(text)
    field = ".".join(p for p in (path.group(1) if path else "", missing.group(1) if missing else "") if p)
    if problem.startswith("Expected `float` < "):  # the only such bound is LATEST_S
        return BadEventError(
            "looks like milliseconds", field=field, mend="Unix seconds with fractions", slug="milliseconds"
        )
    if missing:
        return BadEventError("is missing", field=field, slug="missing")
    return BadEventError(problem, field=field)


def _shallow(value: object, levels: int) -> bool:
    """Whether decoded JSON nests at most ``levels`` deep."""
    if not isinstance(value, dict | list):
        return True
    inner = value.values() if isinstance(value, dict) else value
    return levels > 0 and all(_shallow(v, levels - 1) for v in inner)
