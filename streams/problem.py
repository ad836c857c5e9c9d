"""Something in the input that was left out: where it stands, what is wrong, and the mend."""

from __future__ import annotations

from msgspec import Struct


class Problem(Struct, frozen=True):
    """``where`` is file:line, a byte offset or a call; ``mend`` what to do about it."""

    text: str
    mend: str = ""
    where: str = ""

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        return f"{place}{self.text}" + (f" ({self.mend})" if self.mend else "")
