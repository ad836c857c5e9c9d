"""What of a record and of an alert are people's words, and what is left without them. Pure.

A sentence quotes where its alert has evidence, or holds quotation marks: detectors put them round every word that they
tell. What is left says what happened, when and to whom, and no longer what was said.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from streams.alerts import AlertChange, Wording
from streams.events import Evidence

#: Events that hold words, or say that there were none: a rule must find no ears at all, and not silence.
SPOKEN = frozenset({"transcript", "phrase.spotted"})
#: Stands in ``reads.of`` in place of what was deleted on request: that somebody read it stays.
MARKER = "~forgotten"
_QUOTES = re.compile('[\u201c\u201d\u300c\u300d\u300e\u300f"]')


class _Tagged(Struct):
    type: str


_tagged = msgspec.json.Decoder(_Tagged)


class Left(NamedTuple):
    """A piece of a record without its words. ``events``: how many it holds; 0: it is to go."""

    lines: bytes
    events: int


def silent(piece: bytes) -> Left | None:
    """Of a row of ``records``; None: it holds no words."""
    whole = [line for line in zlib.decompress(piece).split(b"\n") if line]
    left = [line for line in whole if _tagged.decode(line).type not in SPOKEN]
    return None if len(left) == len(whole) else Left(zlib.compress(b"\n".join(left)), len(left))


def wordless(changes: Sequence[AlertChange]) -> tuple[AlertChange, ...]:
    """The changes of one alert without what they quote; the same where they quote nothing."""
    if not any(change.evidence or _quotes(change) for change in changes):
        return tuple(changes)
    return tuple(_plain(change, ()) for change in changes)


def _quotes(change: AlertChange) -> bool:
    return any(_QUOTES.search(text) for text in (change.says, change.en.says if change.en else ""))


def _plain(change: AlertChange, evidence: tuple[Evidence, ...]) -> AlertChange:
    """Its title in place of its sentence."""
    en = change.en and Wording(change.en.title, change.en.title)
    return replace(change, says=change.title, en=en, evidence=evidence)


#: From when to when a call went on, Unix seconds.
Span = tuple[float, float]
EVER: Span = (float("-inf"), float("inf"))


def without(changes: Sequence[AlertChange], gone: Mapping[str, Span]) -> tuple[AlertChange, ...]:
    """The changes of one alert without the calls ``gone``: by id, and when each was. Empty: nothing is left.

    Nothing tells whose words evidence is: what was said while such a call went on goes with it, and where something
    went, so does the sentence that may quote it.
    """
    left = [part for change in changes if (part := _without(change, gone)) is not None]
    return tuple(left) if any(change.state in ("opened", "raised") for change in left) else ()


def _without(change: AlertChange, gone: Mapping[str, Span]) -> AlertChange | None:
    lost = [gone[call] for call in change.calls if call in gone]
    if not lost:
        return None if change.call in gone else change
    calls = tuple(call for call in change.calls if call not in gone)
    if not calls or change.call in gone:
        return None
    evidence = tuple(e for e in change.evidence if not any(e.start <= end and e.end >= begun for begun, end in lost))
    change = replace(change, calls=calls)
    return change if evidence == change.evidence and not _quotes(change) else _plain(change, evidence)


def taken(changes: Sequence[AlertChange], gone: Mapping[str, float]) -> tuple[AlertChange, ...]:
    """What of changes that come from the topic may be stored. ``gone``: tombstones, id of a call or an alert -> when.

    An alert that was deleted stays so, but what it says of later is of others.
    """
    late = [change for change in changes if gone.get(change.id, float("-inf")) < change.at]
    found: list[AlertChange] = []
    for change in late:
        left = _without(change, {call: EVER for call in (change.call, *change.calls) if call in gone})
        found += [left] if left else []
    return tuple(found)
