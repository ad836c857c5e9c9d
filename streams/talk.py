"""What was heard of one call: who made sounds when, which phrases fell, and how far that is known.

A fold of the speech events, beside ``call.Fold`` which folds the telephony. Rules do not keep words of their own:
they ask this log, so that a late word or a corrected one is in the right place for all of them.

Owns the question that fairness hangs on, :func:`heard`: is all that a party said up to a moment known by now? Knows
nothing of rules. Words and sounds of a held or transferring leg are hold music, or a talk with a colleague: left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import IntEnum

from msgspec import Struct
from msgspec.structs import replace

from streams.call import Call
from streams.events import AnyEvent, Gap, Role, SpeechEnded, SpeechStarted, Transcript
from streams.phrases.match import Found
from streams.phrases.normal import masked, normal

ROLES: tuple[Role, ...] = ("agent", "customer")

#: How late, seconds, a recogniser may be without changing a verdict: a final comes 1 to 3 s after the words.
GRACE_S = 5.0
#: Ears need not report the silence at the end of a call: so much of it, seconds, is believed without proof. It covers
#: the five seconds that an agent waits before he may end a silent call (002 第5篇).
TAIL_S = 10.0
#: No sentence is published before it was said, but its event may be dated by its beginning: sentences are at most this
#: long, seconds.
AHEAD_S = 30.0
#: So much is remembered of each leg and of each phrase set; the oldest goes first, but not the very first hits.
MAX_SOUNDS, MAX_SAID, MAX_HITS, FIRST_HITS = 64, 64, 14, 2
#: Evidence is cut to so many characters.
EXCERPT = 120

_SILENT_PHASES = frozenset({"held", "transferring"})


class Truth(IntEnum):
    """The answer to a question about what was said. ``WAIT``: not yet known; ``NEVER``: it cannot be known."""

    NO = 0
    YES = 1
    WAIT = 2
    NEVER = 3


class Sound(Struct, frozen=True, array_like=True):
    """Speech of one party from ``start`` to ``end``, Unix seconds; None: it goes on."""

    start: float
    end: float | None = None


class Utterance(Struct, frozen=True, array_like=True):
    """One recognised sentence. ``chars``: Chinese characters and letters in it, without marks."""

    start: float
    end: float
    chars: int
    final: bool


class Hit(Struct, frozen=True, array_like=True):
    """Phrase set ``name`` was said. ``said``: start of its utterance; ``text``: that utterance, numbers masked."""

    name: str
    role: Role
    start: float
    end: float
    said: float
    final: bool
    text: str
    match: str
    agent: str | None = None


class Leg(Struct, frozen=True, omit_defaults=True):
    """What was heard of one party. ``through``: all of its words up to then are known. ``marks``: from a detector
    of speech; otherwise sounds are where words are.
    """

    through: float = 0.0
    marks: bool = False
    first_sound: float | None = None
    sounds: tuple[Sound, ...] = ()
    said: tuple[Utterance, ...] = ()


class Missed(Struct, frozen=True, array_like=True):
    """Sound of a party that nobody can hear any more."""

    role: Role
    start: float
    end: float


class Talk(Struct, frozen=True, omit_defaults=True):
    """Everything heard of a call. ``alive``: the last instant of which any ear told, Unix seconds; 0: there is none."""

    agent: Leg = Leg()
    customer: Leg = Leg()
    hits: tuple[Hit, ...] = ()
    gaps: tuple[Missed, ...] = ()
    alive: float = 0.0

    def leg(self, role: Role) -> Leg:
        """The leg of that party."""
        return self.agent if role == "agent" else self.customer

    @property
    def recognised(self) -> bool:
        """Whether a recogniser has told anything; marks alone say that somebody speaks, and not what."""
        return any(leg.through or leg.said for leg in (self.agent, self.customer))

    def hits_of(self, names: Iterable[str], role: Role | None) -> Iterator[Hit]:
        """The hits of these sets by that party (None: by either), in order of time."""
        wanted = frozenset(names)
        return (hit for hit in self.hits if hit.name in wanted and role in (None, hit.role))


def hear(talk: Talk, call: Call, event: AnyEvent, found: Sequence[Found] = ()) -> Talk:
    """Fold one speech event in; ``found`` are the phrases in its text. Other events change nothing."""
    if isinstance(event, Transcript):
        return _transcribed(talk, call, event, found)
    if isinstance(event, SpeechStarted):
        return _marked(talk, event.role, event.at, lambda leg: _begun(leg, event.at, call))
    if isinstance(event, SpeechEnded):
        return _marked(talk, event.role, event.at, lambda leg: _over(leg, event.at))
    if isinstance(event, Gap):
        missed = Missed(event.role, event.start, max(event.start, event.end))
        return replace(talk, gaps=(*talk.gaps, missed)[-MAX_SAID:])
    return talk


# ------------------------------------------------------------------------------------------------- folding


def _with_leg(talk: Talk, role: Role, leg: Leg) -> Talk:
    return replace(talk, agent=leg) if role == "agent" else replace(talk, customer=leg)


def _marked(talk: Talk, role: Role, at: float, change: Callable[[Leg], Leg]) -> Talk:
    leg = replace(change(talk.leg(role)), marks=True)
    return replace(_with_leg(talk, role, leg), alive=max(talk.alive, at))


def _begun(leg: Leg, at: float, call: Call) -> Leg:
    if call.stretch_at(at).phase in _SILENT_PHASES or (leg.sounds and leg.sounds[-1].end is None):
        return leg
    return _sounding(leg, Sound(at))


def _over(leg: Leg, at: float) -> Leg:
    if leg.sounds and leg.sounds[-1].end is None:
        last = leg.sounds[-1]
        return replace(leg, sounds=(*leg.sounds[:-1], Sound(last.start, max(last.start, at))))
    return leg


def _sounding(leg: Leg, sound: Sound) -> Leg:
    kept = [s for s in leg.sounds if s.start != sound.start]
    sounds = tuple(sorted((*kept, sound), key=lambda s: s.start))[-MAX_SOUNDS:]
    first = sound.start if leg.first_sound is None else min(leg.first_sound, sound.start)
    return replace(leg, sounds=sounds, first_sound=first)


def _transcribed(talk: Talk, call: Call, event: Transcript, found: Sequence[Found]) -> Talk:
    """A transcript replaces the unfinished ones of its party, and a finished one of the same start.

    A finished sentence has been heard to its end, also where its writer dates the event by its beginning.
    """
    latest = event.at + AHEAD_S
    role, start, end = event.role, min(event.start, latest), min(max(event.start, event.end), latest)
    leg, told = talk.leg(role), event.through if event.through is not None else end * event.final
    through = max(leg.through, min(told, max(event.at, end * event.final)))
    gone = {u.start for u in leg.said if not u.final or u.start == start}
    said = [u for u in leg.said if u.start not in gone]
    sounds = leg.sounds if leg.marks else tuple(s for s in leg.sounds if s.start not in gone)
    leg = replace(leg, through=through, said=tuple(said), sounds=sounds)
    hits = tuple(hit for hit in talk.hits if hit.role != role or hit.said not in gone)
    chars = len(normal(event.text).text)
    if chars and call.stretch_at((start + end) / 2).phase not in _SILENT_PHASES:
        said = sorted((*said, Utterance(start, end, chars, event.final)), key=lambda u: u.start)[-MAX_SAID:]
        leg = replace(leg, said=tuple(said))
        leg = leg if leg.marks else _sounding(leg, Sound(start, end))
        hits = _bounded((*hits, *_hits(event, call, found)))
    return replace(_with_leg(talk, role, leg), hits=hits, alive=max(talk.alive, end * event.final, through))


def _hits(event: Transcript, call: Call, found: Sequence[Found]) -> Iterator[Hit]:
    for name, start, end in found:
        said_at, until = _time_of(event, start, begins=True), _time_of(event, end, begins=False)
        yield Hit(
            name=name,
            role=event.role,
            start=said_at,
            end=max(said_at, until),
            said=event.start,
            final=event.final,
            text=masked(event.text)[:EXCERPT],
            match=masked(event.text[start:end]),
            agent=call.stretch_at(said_at).agent or call.agent,
        )


def _time_of(event: Transcript, index: int, *, begins: bool) -> float:
    """When the text was at ``index``: by the words' times, or by even pace. Between two words: the next ``begins``."""
    if event.words and "".join(word.text for word in event.words) == event.text.replace(" ", ""):
        passed = index - event.text.count(" ", 0, index)
        for word in event.words:
            if passed < len(word.text) + (not begins):
                return word.start + (word.end - word.start) * passed / max(1, len(word.text))
            passed -= len(word.text)
    share = index / len(event.text) if event.text else 0.0
    return event.start + (max(event.start, event.end) - event.start) * share


def _bounded(hits: Sequence[Hit]) -> tuple[Hit, ...]:
    """The hits in order of time; of each set and party the first ones and the last ones."""
    ordered = sorted(hits, key=lambda hit: (hit.start, hit.end, hit.name))
    groups: dict[tuple[str, Role], list[Hit]] = {}
    for hit in ordered:
        groups.setdefault((hit.name, hit.role), []).append(hit)
    if all(len(group) <= FIRST_HITS + MAX_HITS for group in groups.values()):
        return tuple(ordered)
    kept = {id(hit) for group in groups.values() for hit in (*group[:FIRST_HITS], *group[-MAX_HITS:])}
    return tuple(hit for hit in ordered if id(hit) in kept)


# ----------------------------------------------------------------------------------------- what is known


def heard(talk: Talk, call: Call, role: Role, since: float, until: float, now: float) -> Truth:
    """Whether everything that ``role`` said from ``since`` to ``until`` is known at ``now`` (all Unix seconds).

    As :func:`listened`; but in a call in which sounds are marked and no words recognised, no words are ever known.
    """
    known = listened(talk, call, role, since, until, now)
    if known is not Truth.YES or talk.recognised:
        return known
    return Truth.NEVER if call.ended_at is not None and now >= call.ended_at + GRACE_S else Truth.WAIT


def listened(talk: Talk, call: Call, role: Role, since: float, until: float, now: float) -> Truth:
    """Whether every sound that ``role`` made from ``since`` to ``until`` is known at ``now`` (all Unix seconds).

    The recogniser says so itself (``through``); or no sound of the party is unaccounted for, ``GRACE_S`` has passed,
    and some ear has told of a later moment. Of an ended call its last ``TAIL_S`` need no such proof. Time that was
    lost (``gap``), or a call to whose end nobody listened, gives ``NEVER``.
    """
    if any(gap.role == role and gap.start < until and gap.end > since for gap in talk.gaps):
        return Truth.NEVER
    if talk.leg(role).through >= until:
        return Truth.YES
    over = call.ended_at is not None and now >= call.ended_at + GRACE_S
    if unfinished(talk.leg(role), until, now):
        return Truth.NEVER if over else Truth.WAIT
    if now >= until + GRACE_S and talk.alive >= until:
        return Truth.YES
    if not over or call.ended_at is None:
        return Truth.WAIT
    return Truth.YES if talk.alive >= call.ended_at - TAIL_S else Truth.NEVER


def unfinished(leg: Leg, until: float, now: float) -> bool:
    """Whether a sound that began before ``until`` goes on, or has ended so lately that its words may still come."""
    last = next((s for s in reversed(leg.sounds) if s.start < until), None)
    if last is None or (last.end is not None and last.end <= leg.through):
        return False
    return last.end is None or now < last.end + GRACE_S


def look_again(talk: Talk, call: Call, role: Role, until: float, now: float) -> float | None:
    """The next instant at which :func:`heard` may answer otherwise without a further event; None: never."""
    moments = [until + GRACE_S] if talk.alive >= until else []
    if call.ended_at is not None:
        moments.append(max(call.ended_at, until) + GRACE_S)
    leg = talk.leg(role)
    moments += [s.end + GRACE_S for s in leg.sounds[-1:] if s.end is not None and s.end > leg.through]
    return min((moment for moment in moments if moment > now), default=None)
