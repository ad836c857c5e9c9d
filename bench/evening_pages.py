"""The pages of the evening beside those that must have been: one each, none double, nothing personal in any. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

#: A page that was over sooner than that, seconds, may have ended before its turn came: nobody is called for what is
#: over. Two records are written and one request is made in that time.
SHORT_S = 3.0
_OPENINGS = ("opened", "escalated")


class Life(NamedTuple):
    """A page by the pager's own record. ``over_at`` None: it is not over."""

    opened_at: float
    over_at: float | None
    outcome: str

    @property
    def lasted_s(self) -> float:
        """Seconds until it was over."""
        return float("inf") if self.over_at is None else self.over_at - self.opened_at


class Told(NamedTuple):
    """What a receiver took about one page, and when."""

    page: str
    news: str
    at: float


class Outage(NamedTuple):
    """A receiver was dead from ``begun``; ``ended``: when it took something for the first time again."""

    begun: float
    ended: float


class Receiver(NamedTuple):
    """How one receiver fared. The last six are faults where they are not empty."""

    name: str
    wanted: int
    once: int
    over_before: int
    resolved: int
    missing: tuple[str, ...]
    double: tuple[str, ...]
    strange: tuple[str, ...]
    unresolved: tuple[str, ...]
    unsigned: int
    personal: tuple[str, ...]

    @property
    def is_right(self) -> bool:
        """Whether nothing is missing, double, strange, unsigned or personal."""
        return not any(self[5:])


def compare(
    name: str, wanted: Iterable[str], told: Sequence[Told], lives: Mapping[str, Life], outage: Outage | None = None
) -> Receiver:
    """What a receiver took beside the pages that must have been."""
    must, news = set(wanted), _by_page(told)
    missing, over_before = _not_told(must, news, lives, outage)
    ended = {page for page, life in lives.items() if life.over_at is not None and page in news}
    return Receiver(
        name=name,
        wanted=len(must),
        once=sum(_openings(news[page]) == 1 for page in must if page in news),
        over_before=len(over_before),
        resolved=sum(news[page].count("resolved") == 1 for page in ended),
        missing=tuple(sorted(missing)),
        double=tuple(sorted(p for p, each in news.items() if _openings(each) > 1 or each.count("resolved") > 1)),
        strange=tuple(sorted(news.keys() - must)),
        unresolved=tuple(sorted(page for page in ended if "resolved" not in news[page])),
        unsigned=0,
        personal=(),
    )


def _by_page(told: Iterable[Told]) -> dict[str, list[str]]:
    news: dict[str, list[str]] = {}
    for each in told:
        news.setdefault(each.page, []).append(each.news)
    return news


def _openings(news: Sequence[str]) -> int:
    return sum(each in _OPENINGS for each in news)


def _not_told(
    must: set[str], news: Mapping[str, Sequence[str]], lives: Mapping[str, Life], outage: Outage | None
) -> tuple[set[str], set[str]]:
    """Those that nobody was called for: without a reason, and because they were over before their turn came."""
    silent = {page for page in must if not _openings(news.get(page, ()))}
    over = {page for page in silent if (life := lives.get(page)) and _was_over(life, outage)}
    return silent - over, over


def _was_over(life: Life, outage: Outage | None) -> bool:
    if life.over_at is None:
        return False
    if life.lasted_s < SHORT_S:
        return True
    return outage is not None and life.opened_at > outage.begun - SHORT_S and life.over_at < outage.ended + SHORT_S


def personal_in(bodies: Iterable[Any], secrets: Iterable[str]) -> tuple[str, ...]:
    """What of ``secrets`` stands in a body, by its own, not as a part of a longer word or number."""
    known = set(secrets)
    longest = sorted(known, key=len, reverse=True)
    found: set[str] = set()
    for body in bodies:
        text = re.sub(r"https?://\S+?/alerts/\w+", "", json.dumps(body, ensure_ascii=False))
        words = set(re.findall(r"[\w.-]+", text))
        found |= words & known
        found |= {secret for secret in longest if not re.fullmatch(r"[\w.-]+", secret) and secret in text}
        found |= {name for name in longest if _is_chinese(name) and name in text}
    return tuple(sorted(found))


def _is_chinese(text: str) -> bool:
    return any("\u4e00" <= character <= "\u9fff" for character in text)
