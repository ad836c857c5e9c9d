"""Customers' telephone numbers: shortened before they are stored, comparable without being known.

``138****5678`` is what people see; ``customer_key`` is a keyed hash, so that two calls of one customer can be
recognised by whoever holds the key file and by nobody else.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from msgspec.structs import replace

from streams.events import (
    AgentMissed,
    AgentRinging,
    AnyEvent,
    CallAnswered,
    CallOffered,
    CallTransferred,
    CallTransferring,
)
from streams.numbers import mask

#: Telephone numbers inside a text; not the seconds of a Uniqueid.
_NUMBER = re.compile(r"(?<![\d.])\+?\d{7,}(?![\d.])")


def masked(fields: Mapping[str, str | list[str]]) -> dict[str, str | list[str]]:
    """A PBX's block with every telephone number masked; ids and channel names stay, to find the place by."""
    return {key: value if key.lower().endswith(("id", "channel")) else _hidden(value) for key, value in fields.items()}


def _hidden(value: str | list[str]) -> str | list[str]:
    if isinstance(value, list):
        return [_NUMBER.sub(lambda found: mask(found.group()), one) for one in value]
    return _NUMBER.sub(lambda found: mask(found.group()), value)


def pseudonymise(event: AnyEvent, key: bytes) -> AnyEvent:
    """The event with every telephone number masked; a customer's gets its ``customer_key`` too."""
    if isinstance(event, CallTransferring):
        return replace(event, agent=event.agent and mask(event.agent), to=event.to and mask(event.to))
    if isinstance(event, AgentRinging | AgentMissed | CallAnswered | CallTransferred):
        return replace(event, agent=mask(event.agent))  # an outside line that took a transfer
    if not isinstance(event, CallOffered):
        return event
    outbound = event.direction == "outbound"
    number = event.called if outbound else event.caller
    if not number:
        return event
    extra = {**event.extra, "customer_key": hmac.new(key, number.encode(), hashlib.sha256).hexdigest()[:16]}
    if outbound:
        return replace(event, called=mask(number), extra=extra)
    return replace(event, caller=mask(number), extra=extra)


def key_from(folder: Path) -> bytes:
    """The site's key, made at the first call and kept in ``folder`` for its owner alone.

    Processes that start together get the same one: it appears under its name with all its bytes, and the first stays.
    """
    file = folder / "pseudonym.key"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not file.exists():
        handle, fresh = tempfile.mkstemp(dir=folder, prefix=".pseudonym.key.")
        try:
            with os.fdopen(handle, "wb") as out:
                out.write(secrets.token_bytes(32))
            with suppress(FileExistsError):
                os.link(fresh, file)
        finally:
            Path(fresh).unlink()
    return file.read_bytes()
