"""Who read what through a command: noted before anything is shown, as the wall does on the ``audit`` topic.

Owns what stands in ``reads.of``: an id by itself, or a JSON object of named fields (``agent``, ``days``, ``text``…),
which ``reads_told`` puts into words. Numbers of people are hidden here, whoever notes; dates and ids stay.
"""

from __future__ import annotations

import getpass
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any
from uuid import uuid4

import msgspec
from sqlalchemy import insert

from streams import numbers
from streams.archive.schema import reads
from streams.archive.store import Store
from streams.audit import Opened
from streams.phrases.normal import masked

#: The role of whoever has a shell on this machine.
ROLE = "operator"
_MOST = 500
#: What is opened by its id alone.
_BY_ID = frozenset({"alert", "call", "lines"})
#: Digits that are no number of a person: dates and times, Asterisk's ids of channels, ids with letters.
_PLAIN = re.compile(
    r"(?<!\d)\d{4}-\d\d(?:-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?)?)?(?!\d)"
    r"|(?<![\w.])\d{9,10}\.\d+(?![\w.])"
    r"|(?<![A-Za-z0-9_.-])(?=[0-9_.-]*[A-Za-z])[A-Za-z0-9_.-]+"
)
_MOBILE = re.compile(r"(?:(?:\+|00)?86)?1[3-9]\d{9}")
#: Fields that name who or what was looked at.
_NAMES = frozenset({"id", "call", "calls", "alert", "agent", "agent_name", "rule", "rule_title", "queue", "team", "of"})
_RUN = re.compile(r"[\w.-]+")


def note(store: Store, what: Opened, of: str | Mapping[str, Any]) -> None:
    """Note that the user of this process sees ``what`` of ``of``: an id, or named fields, among them the id that was
    found. Raises DownError; then nothing is to be shown.
    """
    entry = {"id": uuid4().hex, "at": time.time(), "by": getpass.getuser(), "role": ROLE, "what": what}
    with store.writing() as connection:
        connection.execute(insert(reads), [{**entry, "of": written(what, of)}])


def written(what: str, of: str | Mapping[str, Any]) -> str:
    """``of`` as it is stored."""
    if not isinstance(of, str):
        fields = {name: _hidden(value) for name, value in of.items() if value not in ("", None, ())}
        text = msgspec.json.encode(fields).decode()
        return text if len(text) <= _MOST else msgspec.json.encode(_shorter(fields)).decode()
    if what in _BY_ID:
        return (numbers.mask(of) if _MOBILE.fullmatch(of) else of)[:_MOST]
    return hidden(of)[:_MOST]


def hidden(text: str) -> str:
    """``text`` with every number of seven digits or more hidden but for its ends; dates and ids stay."""
    told, at = list[str](), 0
    for plain in _PLAIN.finditer(text):
        told += [masked(text[at : plain.start()]), plain.group()]
        at = plain.end()
    return "".join((*told, masked(text[at:])))


def _hidden(value: Any) -> Any:
    if isinstance(value, str):
        return hidden(value)
    if isinstance(value, Mapping):
        return {name: _hidden(each) for name, each in value.items()}
    return [_hidden(each) for each in value] if isinstance(value, list | tuple) else value


def _shorter(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value[:60] if isinstance(value, str | list) else value for name, value in fields.items()}


# ------------------------------------------------------------------------------------------ what an entry is of


def fields_of(of: str) -> dict[str, Any] | None:
    """The named fields of an entry; None: it is an id, or words of an older version."""
    if not of.startswith("{"):
        return None
    try:
        return msgspec.json.decode(of, type=dict[str, Any])
    except msgspec.MsgspecError:
        return None


def is_of(what: str, of: str, wanted: str) -> bool:
    """Whether an entry is of that call, alert, agent or rule, and not of one whose id only begins so."""
    if of == wanted or (wanted := written(what, wanted)) == of:
        return True
    fields = fields_of(of)
    if fields is None:
        return _told_of(what, of, wanted)
    named = [value for name, value in fields.items() if name in _NAMES]
    return any(wanted in (value if isinstance(value, list) else [value]) for value in named)


def _told_of(what: str, of: str, wanted: str) -> bool:
    """Of an entry as older versions wrote it: ``agent 8046 2026-11-22``, or a sentence."""
    if what == "figures":
        return of.partition(" ")[2].rpartition(" ")[0] == wanted or wanted in of.split(" ")[1:-1]
    return what != "forget" and teller([wanted])(of)


def teller(ids: Iterable[str]) -> Callable[[str], bool]:
    """Tells whether an entry names any of many ids, which may hold whatever a telephone system writes.

    Each run of letters and digits of an id stands whole wherever the id does: so a look is as long as the entry. It is
    looked for by the run that the fewest share: `SIP/trunk-east;17` and its like have a long one in common.
    """
    by_run: dict[str, list[str]] = {}
    runs = {each: {run.strip(".") for run in _RUN.findall(each)} - {""} for each in ids}
    shared = Counter(run for own in runs.values() for run in own)
    for each, own in runs.items():
        rarest = min(own, key=lambda run: (shared[run], -len(run), run), default="")
        by_run.setdefault(rarest, []).append(each)
    odd = by_run.pop("", [])

    def tells(of: str) -> bool:
        for text in _texts(of):
            near = [each for run in _RUN.findall(text) for each in by_run.get(run.strip("."), ())]
            if any(_stands(each, text) for each in (*near, *odd)):
                return True
        return False

    return tells


def _texts(of: str) -> Iterator[str]:
    yield of
    for value in (fields_of(of) or {}).values():
        yield from (str(each) for each in (value if isinstance(value, list) else [value]))


def _stands(name: str, text: str) -> bool:
    """As a whole word: no letter, digit or dash goes on before or after it."""
    at = text.find(name) if name else -1
    while at >= 0:
        before, after = text[:at][-1:], text[at + len(name) :][:1]
        if not (before.isalnum() or before in set("_.-")) and not (after.isalnum() or after in set("_-")):
            return True
        at = text.find(name, at + 1)
    return False
