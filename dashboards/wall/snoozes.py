"""The snoozes: which rule is kept off the walls in which queue, until when, and which alerts that held back.

Those that are over are kept until they matter to no figure of the day. Reads no clock.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from msgspec.structs import replace

from streams.verdicts import Snooze


class Snoozes:
    """All snoozes of the day, by rule, in the order in which they were made."""

    def __init__(self, made: Iterable[Snooze] = ()) -> None:
        """``made``: as an earlier one had them."""
        self._by_rule: dict[str, list[Snooze]] = {}
        for snooze in made:
            self._by_rule.setdefault(snooze.rule, []).append(snooze)

    def take(self, snooze: Snooze) -> bool:
        """Fold one in; False: it was known. For one rule and queue each one ends the one before it."""
        made = self._by_rule.get(snooze.rule, [])
        if any(each.id == snooze.id for each in made):
            return False
        queue = sorted((*(e for e in made if e.queue == snooze.queue), snooze), key=lambda each: each.at)
        cut = [_cut(each, after.at) for each, after in pairwise(queue)]
        self._by_rule[snooze.rule] = [*(e for e in made if e.queue != snooze.queue), *cut, queue[-1]]
        return True

    def all(self) -> list[Snooze]:
        """Every one that is kept, by rule and then in the order in which they were made."""
        return [each for rule in sorted(self._by_rule) for each in self._by_rule[rule]]

    def in_force(self, now: float) -> list[Snooze]:
        """Those that hold alerts back at ``now``, the one that ends first first."""
        return sorted((each for each in self.all() if _lasts(each, now)), key=lambda each: (each.until, each.id))

    def ends_at(self, now: float) -> float:
        """When the next one in force ends; infinite where none is."""
        return min((each.until for each in self.all() if _lasts(each, now)), default=float("inf"))

    def until(self, rule: str, queue: str, now: float) -> float | None:
        """How long alerts of that rule and queue are kept off the walls at least; None: they are not."""
        made = self._by_rule.get(rule, ())
        return min((each.until for each in made if _lasts(each, now) and each.queue in ("", queue)), default=None)

    def that_held(self, rule: str, queue: str, opened_at: float, over_at: float) -> tuple[str, ...]:
        """Ids of those that kept an alert off the wall for a part of the time that it would have been there."""
        made = self._by_rule.get(rule, ())
        return tuple(
            each.id for each in made if each.queue in ("", queue) and max(opened_at, each.at) < min(over_at, each.until)
        )

    def forget(self, horizon: float) -> None:
        """Drop those that were over before ``horizon``."""
        kept = {rule: [each for each in made if each.until >= horizon] for rule, made in self._by_rule.items()}
        self._by_rule = {rule: made for rule, made in kept.items() if made}


def _cut(snooze: Snooze, at: float) -> Snooze:
    return replace(snooze, until=min(snooze.until, at))


def _lasts(snooze: Snooze, now: float) -> bool:
    return snooze.at < snooze.until and now < snooze.until
