"""What all receivers have in common: how they are told, and how they say no."""

from __future__ import annotations

from typing import Protocol

from streams.pager.pace import Limit
from streams.pager.page import Notice


class RetryError(Exception):
    """Not taken now; the text says why and holds no secret. ``after_s``: what the receiver asked for, if it did.

    ``maybe``: it may have been taken all the same, as where the answer never came.
    """

    def __init__(self, why: str, after_s: float | None = None, maybe: bool = False) -> None:
        self.after_s, self.maybe = after_s, maybe
        super().__init__(why)


class RefusedError(Exception):
    """Never to be taken; the text says why and the mend, and holds no secret."""


class Receiver(Protocol):
    """One place that pages go to. ``repeats_s``: it forgets what it is not told again within that time; 0: it does not.

    ``limits``: how many messages it takes in which time; none: as many as come.
    ``tells``: the news that it can do something with; it is never asked to tell others.
    """

    name: str
    repeats_s: float = 0.0
    limits: tuple[Limit, ...] = ()
    tells: frozenset[str]

    async def tell(self, notice: Notice) -> None:
        """Return once it has taken the notice. Raises RetryError, RefusedError; nothing else."""

    async def close(self) -> None:
        """Let go of connections."""
