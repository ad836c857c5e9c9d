"""Customers' telephone numbers: shortened before they are stored, comparable without being known.

``138****5678`` is what people see; ``customer_key`` is a keyed hash, so that two calls of one customer can be
recognised by whoever holds the key file and by nobody else.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path

from msgspec.structs import replace

from streams.events import AnyEvent, CallOffered

#: Fewer digits than this are an extension, not a person's number.
_PERSONAL_DIGITS = 7


def mask(number: str) -> str:
    """``13812345678`` -> ``138****5678``; extensions and names of lines stay."""
    if sum(c.isdigit() for c in number) < _PERSONAL_DIGITS:
        return number
    return f"{number[:3]}****{number[-4:]}"


def pseudonymise(event: AnyEvent, key: bytes) -> AnyEvent:
    """The event with the customer's number masked and its ``customer_key`` added; other events are unchanged."""
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
    """The site's key, made at the first call and kept in ``folder`` for its owner alone."""
    file = folder / "pseudonym.key"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return file.read_bytes()
    with os.fdopen(handle, "wb") as out:
        out.write(secrets.token_bytes(32))
    return file.read_bytes()
