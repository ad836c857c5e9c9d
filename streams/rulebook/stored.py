"""A rulebook as bytes, and back: what a worker keeps of a version that calls in progress began with.

It holds the book as it is in force (read, merged, checked), not the files it came from: those have changed since.
Owns the form; knows nothing of files and calls.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Union

import msgspec

from streams.days import Hours
from streams.detectors import KINDS
from streams.detectors.units import Duration, decode
from streams.rulebook.book import Rulebook

_ANY_RULE: Any = Union[tuple(KINDS.values())]  # noqa: UP007 - made at run time, of the kinds that there are


def dump(book: Rulebook) -> bytes:
    """The stored form of a book (JSON, so that an operator can read it)."""
    return msgspec.json.encode(book, enc_hook=_written, order="deterministic")


def restore(stored: bytes) -> Rulebook:
    """The inverse of ``dump``.

    Raises:
        ValueError: and nothing else; it is no book, or one that this engine cannot judge by.
    """
    shapes = {field.encode_name: field.type for field in msgspec.structs.fields(Rulebook)}
    shapes["rules"] = tuple[_ANY_RULE, ...]
    try:
        raw = msgspec.json.decode(stored, type=dict[str, Any])
        fields = {name: msgspec.convert(raw[name], shape, dec_hook=decode) for name, shape in shapes.items()}
    except (msgspec.MsgspecError, KeyError, UnicodeError) as error:
        raise ValueError(f"not a stored rulebook: {error}") from error
    return Rulebook(**fields)


def _written(value: Any) -> Any:
    """A duration or hours as a manager writes them; other things of ours that are kept are not in a book."""
    if isinstance(value, Duration):
        return f"{Decimal(repr(float(value))):f} s"  # never 1e-05: no manager writes that, nor is it read
    if isinstance(value, Hours):
        return str(value)
    raise NotImplementedError(f"no writer for {type(value)}")
