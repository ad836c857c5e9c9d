"""The pager's messages: read at the edge. What cannot be read is told without a word of what was in it."""

from __future__ import annotations

import re

import msgspec

from streams import alerts, verdicts
from streams.alerts import AlertChange
from streams.verdicts import Judgement, Snooze

#: Longer ids are nobody's; they would only fill records.
_LONGEST_ID = 200
_FIELD = re.compile(r"\$[\w.\[\]]*")


class UnreadableError(ValueError):
    """Not what belongs on the topic; ``field``: where it is wrong, if that is known."""

    def __init__(self, problem: str, field: str = "") -> None:
        self.field = field
        super().__init__(problem)


def alert_of(value: bytes | None) -> AlertChange:
    """Raises UnreadableError."""
    try:
        change = alerts.parse(value or b"")
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise UnreadableError("no change of an alert", _field(error)) from None
    _check("id", change.id)
    return change


def judgement_of(value: bytes | None) -> Judgement | None:
    """None: a snooze, which keeps alerts off the walls and calls nobody back. Raises UnreadableError."""
    try:
        verdict = verdicts.parse(value or b"")
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise UnreadableError("no verdict", _field(error)) from None
    if isinstance(verdict, Snooze):
        return None
    _check("alert", verdict.alert)
    _check("id", verdict.id)
    return verdict


def _field(error: Exception) -> str:
    """The path that msgspec names; never its text, which may repeat a value."""
    found = _FIELD.search(str(error))
    return found.group() if found else ""


def _check(field: str, name: str) -> None:
    if not 0 < len(name) <= _LONGEST_ID:
        raise UnreadableError(f"an id of {len(name)} characters; it has 1 to {_LONGEST_ID}", field)
