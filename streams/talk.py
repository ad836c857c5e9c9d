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

from streams.call import SILENT_PHASES, Call
from streams.events import AnyEvent, Gap, Role, SpeechEnded, SpeechStarted, Spotted, Transcript
from streams.phrases.match import Found
from streams.phrases.normal import masked, normal
from streams.tails import Find, Tail, find_across, so_far, tail_of

ROLES: tuple[Role, ...] = ("agent", "customer")

#: How late, seconds, a recogniser may be without changing a verdict: a final comes 1 to 3 s after the words.
GRACE_S = 5.0
#: The words of a party of whom no ear has told how far it is are waited for so long, seconds, where the other party's
#: ear tells that also in silence: one that has too little CPU may be that far behind the other.
BEHIND_S = 60.0
#: Ears need not report the silence at the end of a call: so much of it, seconds, is believed without proof. It covers
#: the five seconds that an agent waits before he may end a silent call (002 第5篇).
TAIL_S = 10.0
#: No sentence is published before it was said, but its event may be dated by its beginning: sentences are at most this
#: long, seconds.
AHEAD_S = 30.0
#: A spotter and a recogniser tell of one word with times that differ by up to this, seconds.
SPOT_S = 1.0
#: A phrase whose middle lies this far, seconds, outside a sentence may still stand in it.
EDGE_S = 0.3
#: So much is remembered of each leg and of each phrase set; the oldest goes first, but not the very first hits.
MAX_SOUNDS, MAX_SAID, MAX_HITS, FIRST_HITS = 64, 64, 14, 2
#: Evidence is cut to so many characters.
EXCERPT = 120


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
    """Phrase set ``name`` was said. ``said``: start of its utterance; ``text``: that utterance, numbers masked.

    ``told_as``: under which start its utterance was told first, if that was another. ``spotted``: by a spotter, and not
    by the recogniser. ``by_sound``: the characters are a reading. ``meant`` and ``distance``: as in ``Found``.
    """

    name: str
    role: Role
    start: float
    end: float
    said: float
    final: bool
    text: str
    match: str
    agent: str | None = None
    told_as: float | None = None
    spotted: bool = False
    by_sound: bool = False
    meant: str = ""
    distance: float = 0.0

    @property
    def utterance(self) -> float:
        """What tells its utterance from others of that party; it never changes, whatever is learnt of its start."""
        return self.said if self.told_as is None else self.told_as


class Leg(Struct, frozen=True, omit_defaults=True):
    """What was heard of one party. ``through``: all of its words up to then are known. ``marks``: from a detector
    of speech; otherwise sounds are where words are. ``tail``: the end of its last finished sentence.
    """

    through: float = 0.0
    marks: bool = False
    first_sound: float | None = None
    sounds: tuple[Sound, ...] = ()
    said: tuple[Utterance, ...] = ()
    tail: Tail | None = None


class Missed(Struct, frozen=True, array_like=True):
    """Sound of a party that nobody can hear any more."""

    role: Role
    start: float
    end: float


class Talk(Struct, frozen=True, omit_defaults=True):
    """Everything heard of a call. ``alive``: the last instant of which any ear told, Unix seconds; 0: there is none.

    ``hits`` are what was said, as far as is known. ``spots``: what a spotter said of that, as long as a transcript may
    still have a say in it. ``paced``: an ear tells how far it is also while nobody speaks.
    """

    agent: Leg = Leg()
    customer: Leg = Leg()
    hits: tuple[Hit, ...] = ()
    spots: tuple[Hit, ...] = ()
    gaps: tuple[Missed, ...] = ()
    alive: float = 0.0
    paced: bool = False

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


def by_utterance(hits: Iterable[Hit]) -> list[list[Hit]]:
    """The hits of one party, utterance by utterance."""
    groups: dict[float, list[Hit]] = {}
    for hit in hits:
        groups.setdefault(hit.utterance, []).append(hit)
    return list(groups.values())


def listen(find: Find, talk: Talk, event: Transcript | Spotted) -> Sequence[Found]:
    """The phrases in what was heard, and those that go on into it from the sentence before (``start`` is negative)."""
    if isinstance(event, Spotted):
        return find(event.text, (), ())
    tail = talk.leg(event.role).tail

    def known(found: Found) -> bool:
        """Whether it was found in the sentence before already."""
        same = (h for h in talk.hits if tail and (h.role, h.said, h.name) == (event.role, tail.said, found.name))
        return any(hit.end > tail.times[found.start] for hit in same if tail)

    return find_across(find if event.final else so_far(find), tail, event, known)


def hear(talk: Talk, call: Call, event: AnyEvent, found: Sequence[Found] = ()) -> Talk:
    """Fold one speech event in; ``found`` are the phrases in its text. Other events change nothing."""
    match event:
        case Transcript() if _is_watermark(event):
            talk = talk if talk.paced or not event.through else replace(talk, paced=True)
            talk = _gone_on(talk, event.role, min(event.through or 0.0, event.at))
        case Transcript():
            talk = _transcribed(talk, call, event, found)
        case Spotted():
            talk = _spotted(talk, call, event, found)
        case SpeechStarted():
            talk = _marked(talk, event.role, event.at, lambda leg: _begun(leg, event.at, call))
        case SpeechEnded():
            talk = _marked(talk, event.role, event.at, lambda leg: _over(leg, event.at))
        case Gap():
            missed = Missed(event.role, event.start, max(event.start, event.end))
            talk = replace(talk, gaps=(*talk.gaps, missed)[-MAX_SAID:])
    return talk


# ------------------------------------------------------------------------------------------------- folding


def _with_leg(talk: Talk, role: Role, leg: Leg) -> Talk:
    return replace(talk, agent=leg) if role == "agent" else replace(talk, customer=leg)


def _marked(talk: Talk, role: Role, at: float, change: Callable[[Leg], Leg]) -> Talk:
    leg = replace(change(talk.leg(role)), marks=True)
    return replace(_with_leg(talk, role, leg), alive=max(talk.alive, at))


def _begun(leg: Leg, at: float, call: Call) -> Leg:
    if call.stretch_at(at).phase in SILENT_PHASES or (leg.sounds and leg.sounds[-1].end is None):
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


def _is_watermark(event: Transcript) -> bool:
    """Whether it only tells how far the recogniser is: no word, no time of its own, and nothing is finished."""
    return not event.final and not event.text and event.end <= event.start


def _gone_on(talk: Talk, role: Role, through: float) -> Talk:
    """The recogniser has heard that party up to ``through``."""
    if through <= talk.leg(role).through:
        return talk
    leg = replace(talk.leg(role), through=through)
    talk = replace(_with_leg(talk, role, leg), alive=max(talk.alive, through))
    left = _unrefuted(leg, role, talk.spots)
    return talk if left == talk.spots else _joined(talk, [hit for hit in talk.hits if not hit.spotted], left)


def _transcribed(talk: Talk, call: Call, event: Transcript, found: Sequence[Found]) -> Talk:
    """A transcript replaces the unfinished ones of its party, and a finished one of the same start.

    A finished sentence has been heard to its end, also where its writer dates the event by its beginning. A guess about
    a sentence that is finished comes too late: its recogniser has begun that sentence anew.
    """
    latest = event.at + AHEAD_S
    role, start, end = event.role, min(event.start, latest), min(max(event.start, event.end), latest)
    leg, told = talk.leg(role), event.through if event.through is not None else end * event.final
    through = max(leg.through, min(told, max(event.at, end * event.final)))
    if not event.final and any(u.final and u.start == start for u in leg.said):
        return _gone_on(talk, role, through)
    replaces_all = event.final or bool(event.text)
    gone = {u.start for u in leg.said if u.start == start or (replaces_all and not u.final)}
    said = [u for u in leg.said if u.start not in gone]
    sounds = leg.sounds if leg.marks else tuple(s for s in leg.sounds if s.start not in gone)
    leg = replace(leg, through=through, said=tuple(said), sounds=sounds)
    old = [hit for hit in talk.hits if not hit.spotted and hit.role == role and hit.said in gone]
    hits = [hit for hit in talk.hits if not hit.spotted and hit not in old]
    inside = [spot for spot in talk.spots if spot.role == role and _stands_in(spot, start, end, event.final)]
    told_as = min([s.utterance for s in inside] + [h.utterance for h in old if h.said == start], default=start)
    chars = len(normal(event.text).text)
    if chars and call.stretch_at((start + end) / 2).phase not in SILENT_PHASES:
        said = sorted((*said, Utterance(start, end, chars, event.final)), key=lambda u: u.start)[-MAX_SAID:]
        leg = replace(leg, said=tuple(said))
        leg = leg if leg.marks else _sounding(leg, Sound(start, end))
        hits += [_placed(hit, told_as, inside) for hit in _hits(event, call, found, leg.tail)]
        if event.final and (leg.tail is None or end >= leg.tail.end or leg.tail.said == event.start):
            leg = replace(leg, tail=tail_of(event, end, lambda n: _time_of(event, n, begins=True)))
    talk = replace(_with_leg(talk, role, leg), alive=max(talk.alive, end * event.final, through))
    spots = talk.spots
    if event.final:
        kept = [replace(s, said=start) for s in inside if s.final]
        spots = (*(s for s in spots if s not in inside), *(_placed(s, told_as) for s in kept))
    return _joined(talk, hits, _unrefuted(talk.leg(role), role, spots))


def _placed(hit: Hit, told_as: float, spots: Iterable[Hit] = ()) -> Hit:
    """The hit in the utterance that is known by ``told_as``, at the time that a spotter has told for good."""
    spot = next((spot for spot in spots if spot.final and _is_same(spot, hit)), hit)
    return replace(hit, told_as=told_as if told_as != hit.said else None, start=spot.start, end=spot.end)


def _joined(talk: Talk, heard_hits: Sequence[Hit], spots: Sequence[Hit]) -> Talk:
    """What the recogniser heard, and what only the spotter did."""
    alone = [spot for spot in spots if not any(_is_same(spot, hit) for hit in heard_hits)]
    return replace(talk, hits=_bounded((*heard_hits, *alone)), spots=_bounded(spots))


def _is_same(spot: Hit, hit: Hit) -> bool:
    """Whether the recogniser's hit is the phrase that was spotted."""
    near = spot.start - SPOT_S <= hit.end and hit.start <= spot.end + SPOT_S
    return near and (spot.name, spot.role) == (hit.name, hit.role)


def _stands_in(spot: Hit, start: float, end: float, final: bool) -> bool:
    """Whether the spotted phrase stands in the sentence from ``start`` to ``end``, or further where it goes on."""
    middle = (spot.start + spot.end) / 2
    return spot.said == start or (start - EDGE_S <= middle and (not final or middle <= end + EDGE_S))


def _unrefuted(leg: Leg, role: Role, spots: Sequence[Hit]) -> tuple[Hit, ...]:
    """The spots without those to which the recogniser has listened without hearing a word."""
    if any(not u.final for u in leg.said):
        return tuple(spots)
    sounds = leg.sounds if leg.marks else ()
    goes_on = min((s.start for s in sounds if s.end is None or s.end > leg.through), default=leg.through)
    return tuple(s for s in spots if s.final or s.role != role or s.end + SPOT_S > min(leg.through, goes_on))


def _spotted(talk: Talk, call: Call, event: Spotted, found: Sequence[Found]) -> Talk:
    """A spotter tells of a phrase while its sentence goes on, or when the recogniser is past it.

    It is no utterance, and proves nothing about what else was said. What a finished sentence has decided stays so.
    """
    latest = event.at + AHEAD_S
    event = replace(event, start=min(event.start, latest), end=min(max(event.start, event.end), latest))
    if call.stretch_at((event.start + event.end) / 2).phase in SILENT_PHASES:
        return talk
    leg, spots = talk.leg(event.role), list(talk.spots)
    said = _sentence_of(leg, event)
    told_as = min((h.utterance for h in (*talk.hits, *spots) if (h.role, h.said) == (event.role, said)), default=said)
    heard_hits = [hit for hit in talk.hits if not hit.spotted]
    for hit in _hits(event, call, found):
        spot = replace(hit, said=said, spotted=True, by_sound=True)
        known = next((s for s in spots if s.start <= spot.end and spot.start <= s.end and _is_same(s, spot)), None)
        if known is None:
            finals = [h for h in heard_hits if h.final and _is_same(spot, h)]
            spot = replace(spot, start=finals[0].start, end=finals[0].end) if finals else spot
            spots.append(_placed(spot, told_as))
        elif spot.final and not known.final:
            spots[spots.index(known)] = replace(known, final=True)
    over = [u for u in leg.said if u.final]
    kept = [s for s in spots if s.final or not any(_stands_in(s, u.start, u.end, u.final) for u in over)]
    left = _unrefuted(leg, event.role, kept)
    return talk if left == talk.spots else _joined(talk, heard_hits, left)


def _sentence_of(leg: Leg, event: Spotted) -> float:
    """The start of the sentence in which the phrase stands, as far as is known by now."""
    if event.said is not None:
        return event.said
    middle = (event.start + event.end) / 2
    starts = [u.start for u in leg.said if u.start - EDGE_S <= middle and (not u.final or middle <= u.end + EDGE_S)]
    starts += [
        s.start for s in leg.sounds if s.start - EDGE_S <= middle and (s.end is None or middle <= s.end + EDGE_S)
    ]
    return starts[0] if starts else event.start


def _hits(event: Transcript | Spotted, call: Call, found: Sequence[Found], tail: Tail | None = None) -> Iterator[Hit]:
    for each in found:
        before = tail if each.start < 0 else None
        said_at = before.times[each.start] if before else _time_of(event, each.start, begins=True)
        until = _time_of(event, each.end, begins=False)
        text = before.text + event.text if before else event.text
        skipped = len(text) - len(event.text)
        yield Hit(
            name=each.name,
            role=event.role,
            start=said_at,
            end=max(said_at, until),
            said=event.start,
            final=event.final,
            text=masked(text)[:EXCERPT],
            match=masked(text[each.start + skipped : each.end + skipped]),
            agent=call.stretch_at(said_at).agent or call.agent,
            by_sound=isinstance(event, Transcript) and event.by_sound,
            meant=masked(each.meant),
            distance=each.distance,
        )


def _time_of(event: Transcript | Spotted, index: int, *, begins: bool) -> float:
    """When the text was at ``index``: by the words' times, or by even pace. Between two words: the next ``begins``."""
    words = event.words if isinstance(event, Transcript) else ()
    if words and "".join(word.text for word in words) == event.text.replace(" ", ""):
        passed = index - event.text.count(" ", 0, index)
        for word in words:
            if passed < len(word.text) + (not begins):
                return word.start + (word.end - word.start) * passed / max(1, len(word.text))
            passed -= len(word.text)
    share = index / len(event.text) if event.text else 0.0
    return event.start + (max(event.start, event.end) - event.start) * share


def _bounded(hits: Sequence[Hit]) -> tuple[Hit, ...]:
    """The hits in order of time; of each set and party the first ones and the last ones."""
    ordered = sorted(hits, key=lambda hit: (hit.start, hit.end, hit.name))
    if len(ordered) <= FIRST_HITS + MAX_HITS:
        return tuple(ordered)
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

    As :func:`listened`; but in a call in which sounds are marked and no words recognised, no words are ever known, and
    an ear that may only be behind is waited for.
    """
    known = listened(talk, call, role, since, until, now)
    over = call.ended_at is not None and now >= call.ended_at + GRACE_S
    if known is Truth.YES and talk.paced and not talk.leg(role).through and now < until + BEHIND_S and not over:
        return Truth.WAIT
    if known is not Truth.YES or talk.recognised:
        return known
    return Truth.NEVER if over else Truth.WAIT


def listened(talk: Talk, call: Call, role: Role, since: float, until: float, now: float) -> Truth:
    """Whether every sound that ``role`` made from ``since`` to ``until`` is known at ``now`` (all Unix seconds).

    The recogniser says so itself (``through``); or no sound of the party is unaccounted for, ``GRACE_S`` has passed,
    and some ear has told of a later moment. Ears that tell how far they are speak each for itself: that the other one
    is farther proves nothing. Of an ended call its last ``TAIL_S`` need no such proof. Time that was lost (``gap``), or
    a call to whose end nobody listened, gives ``NEVER``.
    """
    if any(gap.role == role and gap.start < until and gap.end > since for gap in talk.gaps):
        return Truth.NEVER
    leg = talk.leg(role)
    if leg.through >= until:
        return Truth.YES
    over, tells = call.ended_at is not None and now >= call.ended_at + GRACE_S, talk.paced and leg.through > 0
    if unfinished(leg, until, now):
        return Truth.NEVER if over else Truth.WAIT
    if not tells and now >= until + GRACE_S and talk.alive >= until:
        return Truth.YES
    if not over or call.ended_at is None:
        return Truth.WAIT
    last = leg.through if tells else talk.alive
    return Truth.YES if last >= call.ended_at - TAIL_S else Truth.NEVER


def unfinished(leg: Leg, until: float, now: float) -> bool:
    """Whether a sound that began before ``until`` goes on, or has ended so lately that its words may still come."""
    last = next((s for s in reversed(leg.sounds) if s.start < until), None)
    if last is None or (last.end is not None and last.end <= leg.through):
        return False
    return last.end is None or now < last.end + GRACE_S


def look_again(talk: Talk, call: Call, role: Role, until: float, now: float) -> float | None:
    """The next instant at which :func:`heard` may answer otherwise without a further event; None: never."""
    leg = talk.leg(role)
    waits = () if talk.paced and leg.through else (GRACE_S, BEHIND_S) if talk.paced else (GRACE_S,)
    moments = [until + wait_s for wait_s in waits] if talk.alive >= until else []
    if call.ended_at is not None:
        moments.append(max(call.ended_at, until) + GRACE_S)
    moments += [s.end + GRACE_S for s in leg.sounds[-1:] if s.end is not None and s.end > leg.through]
    return min((moment for moment in moments if moment > now), default=None)
