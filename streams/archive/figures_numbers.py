"""The arithmetic of figures: shares and how sure they are, means and percentiles, chance. Knows nothing of calls."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import accumulate
from statistics import NormalDist

from msgspec import Struct

#: A percentile of fewer values would be one call's own figure.
ENOUGH = 20
#: How sure an interval is.
CONFIDENCE = 0.95


class Spread(Struct, frozen=True):
    """Durations, seconds, of ``n`` calls. Percentiles are nearest ranks, and None where ``n`` is under ``ENOUGH``."""

    n: int = 0
    total_s: float = 0.0
    mean_s: float | None = None
    median_s: float | None = None
    p90_s: float | None = None
    longest_s: float | None = None


def spread(counts: Mapping[float, int], total_s: float, longest_s: float) -> Spread:
    """Of durations that were counted, duration to how many; sum and longest exact, seconds."""
    n = sum(counts.values())
    if not n:
        return Spread()
    is_enough = n >= ENOUGH
    return Spread(
        n=n,
        total_s=total_s,
        mean_s=total_s / n,
        median_s=_rank(counts, n, 0.5) if is_enough else None,
        p90_s=_rank(counts, n, 0.9) if is_enough else None,
        longest_s=longest_s,
    )


def spread_of(values: Iterable[float]) -> Spread:
    """Of single durations, seconds."""
    found = list(values)
    return spread(Counter(found), sum(found), max(found, default=0.0))


def _rank(counts: Mapping[float, int], n: int, share: float) -> float:
    """The least value that so many of all do not exceed."""
    wanted, values = math.ceil(share * n), sorted(counts)
    return next(v for v, upto in zip(values, accumulate(counts[v] for v in values), strict=True) if upto >= wanted)


def wilson(hits: int, of: int, confidence: float = CONFIDENCE) -> tuple[float, float] | None:
    """The interval in which a share lies, by Wilson (1927), which holds for few and for shares near 0 and 1 too."""
    if not of:
        return None
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share, spare = hits / of, z * z / of
    middle = (share + spare / 2) / (1 + spare)
    reach = z / (1 + spare) * math.sqrt(share * (1 - share) / of + spare / (4 * of))
    return max(0.0, middle - reach), min(1.0, middle + reach)


def share(part: float, whole: float) -> float | None:
    """None: there is nothing to have a share of."""
    return part / whole if whole else None


def tail(hits: int, of: int, chance: float) -> float:
    """How likely it is that so many or more of ``of`` are hit, where each is by ``chance`` (binomial, exact)."""
    if hits <= 0 or chance >= 1:
        return 1.0
    own = math.lgamma(of + 1) - math.lgamma(hits + 1) - math.lgamma(of - hits + 1)
    term = math.exp(own + hits * math.log(chance) + (of - hits) * math.log1p(-chance))
    total, odds = 0.0, chance / (1 - chance)
    for n in range(hits, of + 1):
        total += term
        if n > of * chance and term < total * 1e-12:
            break
        term *= (of - n) / (n + 1) * odds
    return min(1.0, total)
