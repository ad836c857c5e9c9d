"""Telephone numbers in what comes from the topics, hidden before anything is stored, whoever sent it. Pure.

Owns which fields are free: what people said or wrote, names, causes, and every field that this version does not know.
Ids, dates and places in time stay, or nothing could be found by them any more.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from streams.alerts import AlertChange, Wording
from streams.events import AnyEvent, CallOffered, Evidence, Spotted, Transcript, Word
from streams.numbers import PERSONAL_DIGITS
from streams.phrases.normal import STAR, hidden, masked
from streams.telephony.pseudonym import pseudonymise
from streams.verdicts import Judgement, Snooze, Verdict

#: The longest name of a person that is kept: an index of PostgreSQL takes no more than 2.7 kB.
NAME = 256

_KEY = re.compile(r"[0-9a-f]{16}")
#: Dates, and times of Unix with their fraction (PBXs make ids of them), are no telephone numbers; nor is a UUID.
_NO_NUMBER = re.compile(
    r"((?<!\d)(?:19|20)\d\d-[01]\d-[0-3]\d(?!\d)|(?<![\d.])\d{10}\.\d{1,6}(?![\d.])"
    r"|(?<![\w-])[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}(?![\w-]))"
)
_FREE = ("agent_name", "cause", "reason")


def without_numbers(text: str) -> str:
    """The text with every telephone number in it hidden but for its ends."""
    if len(text) < PERSONAL_DIGITS:
        return text
    parts = _NO_NUMBER.split(text)
    return "".join(part if n % 2 else masked(part) for n, part in enumerate(parts))


def kept(event: AnyEvent, key: bytes) -> AnyEvent:
    """The event as it may be stored: numbers masked in all that is free. ``key``: of callers' pseudonyms."""
    if isinstance(event, CallOffered):
        return _offered(event, key)
    event = pseudonymise(event, key)
    if event.extra:
        event = replace(event, extra=_plain(event.extra))
    if isinstance(event, Transcript):
        return _said(event)
    if isinstance(event, Spotted):
        return replace(event, text=hidden(event.text))
    told = {name: getattr(event, name, None) for name in _FREE}
    free = {name: without_numbers(value) for name, value in told.items() if isinstance(value, str)}
    if "agent_name" in free:
        free["agent_name"] = free["agent_name"][:NAME]
    return replace(event, **free) if any(free[name] != told[name] for name in free) else event


def _offered(event: CallOffered, key: bytes) -> AnyEvent:
    """With a key that says nothing: the gateway's where it is one (it has masked the number: a masked number would
    give another key), or else made of what was given in its place.
    """
    given = event.extra.get("customer_key")
    rest = {name: value for name, value in event.extra.items() if name != "customer_key"}
    made = pseudonymise(replace(event, extra=_plain(rest)), key)
    if not isinstance(given, str) or not given:
        return made
    if not _KEY.fullmatch(given):
        number = (event.called if event.direction == "outbound" else event.caller) or ""
        if number and STAR not in number:
            return made
        given = hmac.new(key, given.encode(), hashlib.sha256).hexdigest()[:16]
    return replace(made, extra={**made.extra, "customer_key": given})


def _plain(value: Any) -> Any:
    """Fields that nobody knows, at any depth."""
    if isinstance(value, str):
        return without_numbers(value)
    if isinstance(value, dict):
        return {without_numbers(name): _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, int) and not isinstance(value, bool) and len(str(abs(value))) >= PERSONAL_DIGITS:
        return masked(str(value))
    return value


def _said(event: Transcript) -> Transcript:
    """With a star for each character of a long number that the recogniser left; in its words too, whose text may still
    hold what is hidden in the sentence, and whose sound would tell it.
    """
    text = hidden(event.text)
    words = _words(event.words if text == event.text else _aligned(event, text))
    return event if (text, words) == (event.text, event.words) else replace(event, text=text, words=words)


def _aligned(event: Transcript, text: str) -> tuple[Word, ...]:
    told, at = [], 0
    for word in event.words:
        found = event.text.find(word.text, at) if word.text else -1
        if found < 0:
            return ()
        at = found + len(word.text)
        told.append(replace(word, text=text[found:at]))
    return tuple(told)


def _words(words: Sequence[Word]) -> tuple[Word, ...]:
    """A number may be many words."""
    whole, at, told = hidden("".join(word.text for word in words)), 0, []
    for word in words:
        stars = whole[at : at + len(word.text)]
        at += len(word.text)
        is_hidden = STAR in stars and (word.sound is not None or stars != word.text)
        told.append(replace(word, text=stars, sound=None) if is_hidden else word)
    return tuple(told)


def change_kept(change: AlertChange) -> AlertChange:
    """The change of an alert as it may be stored."""
    en = change.en and Wording(change.en.title, without_numbers(change.en.says))
    name = change.agent_name and without_numbers(change.agent_name)[:NAME]
    evidence = tuple(map(_evidence, change.evidence))
    return replace(change, says=without_numbers(change.says), en=en, agent_name=name, evidence=evidence)


def _evidence(each: Evidence) -> Evidence:
    text, match, meant = (without_numbers(said) for said in (each.text, each.match, each.meant))
    return replace(each, text=text, match=match, meant=meant)


def verdict_kept(verdict: Verdict) -> Verdict:
    """What somebody did with an alert, as it may be stored."""
    told: Judgement | Snooze = replace(verdict, text=without_numbers(verdict.text))
    return told
