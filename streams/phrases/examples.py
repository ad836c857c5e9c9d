"""Sentences that a phrase matches, as short as they can be: one for each way through its alternatives.

For checking phrases against each other.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heappop, heappush
from itertools import islice

from streams.events import PersonalKind
from streams.phrases.normal import normal
from streams.phrases.pattern import Digits, Maybe, Node, OneOf, Personal, Row, Text, compile_phrase

#: A phrase with more ways through it than this is looked at by the first of them.
MOST = 256
_PERSONAL: dict[PersonalKind, str] = {
    "phone": "13800000000",
    "id_card": "11010119900307001x",
    "bank_card": "6222020200112233445",
    "plate": "京a12345",
    "number": "5555555",
}


def examples(phrase: str) -> list[str]:
    """Sentences in which ``phrase`` is found; marks as they stand in it."""
    regex, _, tree = compile_phrase(phrase)
    return [way for way in _ways(tree) if regex.search(normal(way).text)]


def _ways(node: Node) -> list[str]:  # noqa: PLR0911 - one for each kind of part
    match node:
        case Text():
            return [node.written]
        case Row():
            return ["".join(way) for way in islice(_products([_ways(part) for part in node.parts]), MOST)]
        case OneOf():
            return list(dict.fromkeys(way for option in node.options for way in _ways(option)))[:MOST]
        case Maybe():
            return ["", *_ways(node.inner)]
        case Digits():
            return ["5" * node.least]
        case Personal():
            return [_PERSONAL.get(node.kind, "*")]
        case _:
            return [""]


def _products(parts: list[list[str]]) -> Iterator[list[str]]:
    """All ways through ``parts``, those first that take what is written first: of very many the likeliest are kept."""
    heap = [(0, [0] * len(parts), 0)]
    while heap:
        rank, taken, since = heappop(heap)
        yield [part[n] for part, n in zip(parts, taken, strict=True)]
        for at in range(since, len(parts)):
            if taken[at] + 1 < len(parts[at]):
                heappush(heap, (rank + 1, [n + (at == index) for index, n in enumerate(taken)], at))
