"""Quick looks at whether a phrase can be near to any stretch of a text, so that the distance is rarely reckoned.

All of them work on the places of a text as bits of one number, so that a phrase costs a few operations an edge however
long the text is. A *wrong* syllable is one that folding does not make alike, one that is missing, or one too many.
"""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import Any

from streams.phrases.graph import _ONE, _ROW, Graph, wrong_of
from streams.phrases.heard import Heard
from streams.phrases.likeness import ANCHOR, SLIGHT, SYLLABLE


def lacking(bound: tuple[Any, ...], has: int, most: int) -> int:
    """How many syllables of the phrase are not in the text, as far as ``most`` and one beyond."""
    kind, found = bound[0], 0
    if kind == _ONE:
        found = most + 1
        for option in bound[1:]:
            found = min(found, lacking(option, has, most))
            if not found:
                break
        return found
    for part in bound[1:]:
        if kind == _ROW:
            found += lacking(part, has, most - found)
        elif not part & has:
            found += 1
        if found > most:
            break
    return found


def _hopeful(graph: Graph, heard: Heard) -> bool:
    """A quick look for phrases of which at most one syllable may be wrong, as most are: what stands before that one and
    what stands behind it must be in the text as it is, and right beside each other.
    """
    if graph.wrong > 1:
        return True
    before = _exact_before(graph, heard)
    if before[graph.end]:
        return True
    if not graph.wrong:
        return False
    behind = _exact_behind(graph, heard)
    for state, at in enumerate(before):
        if not at:
            continue
        if state not in graph.firm and at << 1 & behind[state]:
            return True
        for new, _ in graph.steps[state]:
            if (at << 1 | at) & behind[new]:
                return True
    return False


def _over(at: int, fillers: int) -> int:
    """The places, and those behind one or two fillers."""
    one = (at & fillers) << 1
    return at | one | (one & fillers) << 1


def _exact_before(graph: Graph, heard: Heard) -> list[int]:
    """For each state where it can be reached with no wrong syllable."""
    before = [0] * (graph.end + 1)
    before[0], places, last, fillers = (2 << len(heard.tokens)) - 1, heard.places, 1 << len(heard.tokens), heard.fillers
    for state in range(graph.end):
        if not before[state]:
            continue
        if state not in graph.firm:
            before[state] = _over(before[state], fillers)
        at = before[state]
        for new in graph.slight[state]:
            before[new] |= at
        for new, symbol in graph.steps[state]:
            known = places.get(symbol.number)
            if known is None:
                known = heard.places_of(symbol)
            if known & at:
                before[new] |= (known & at) << 1
        if graph.plain[state]:
            continue
        for new in graph.any[state]:
            before[new] |= at << 1 & (last << 1) - 1
        for new, sign in graph.edges[state]:
            before[new] |= at & (1 if sign == "^" else last)
        for new, regex in graph.spans[state]:
            for start, end in heard.spans_of(regex):
                before[new] |= (at >> start & 1) << end
    return before


def _exact_behind(graph: Graph, heard: Heard) -> list[int]:
    """For each state from where the end can be reached with no wrong syllable."""
    behind = [0] * (graph.end + 1)
    behind[graph.end], places, fillers = (2 << len(heard.tokens)) - 1, heard.places, heard.fillers
    for state in range(graph.end - 1, -1, -1):
        at = 0
        for new in graph.slight[state]:
            at |= behind[new]
        for new, symbol in graph.steps[state]:
            if behind[new]:
                known = places.get(symbol.number)
                if known is None:
                    known = heard.places_of(symbol)
                at |= behind[new] >> 1 & known
        if not graph.plain[state]:
            for new in graph.any[state]:
                at |= behind[new] >> 1
            for new, sign in graph.edges[state]:
                at |= behind[new] & (1 if sign == "^" else 1 << len(heard.tokens))
            for new, regex in graph.spans[state]:
                for start, end in heard.spans_of(regex):
                    at |= (behind[new] >> end & 1) << start
        if at and state not in graph.firm:
            at |= (one := at >> 1 & fillers) | (one >> 1 & fillers)
        behind[state] = at
    return behind


def alive_of(graph: Graph, heard: Heard) -> list[int]:
    """For each state the places of the text, as bits, at which it lies on a way through the phrase with few enough
    wrong syllables; empty: there is no such way."""
    before = _reached(graph, heard) if _hopeful(graph, heard) else []
    if not before:
        return []
    behind, wrong = _leading(graph, heard, before), len(before) - 1
    return [
        reduce(or_, (before[k][state] & behind[more][state] for k in range(wrong + 1) for more in range(wrong + 1 - k)))
        for state in range(graph.end + 1)
    ]


def _reached(graph: Graph, heard: Heard) -> list[list[int]]:
    """``[k][state]``: where the state can be reached with ``k`` wrong syllables; empty where the end cannot."""
    size, wrong, everywhere = graph.end + 1, graph.wrong, (2 << len(heard.tokens)) - 1
    reached = [[0] * size for _ in range(wrong + 2)]
    longest = [0] * size
    reached[0][0] = everywhere
    last, fillers, places = 1 << len(heard.tokens), heard.fillers, heard.places
    for state in range(graph.end):
        won = longest[state]
        for k in range(wrong + 1):
            at = reached[k][state]
            if not at:
                continue
            same, more = reached[k], reached[k + 1]
            if state not in graph.firm:
                at = _over(at, fillers)
                same[state] = at
                more[state] |= at << 1 & everywhere
            for new, cost in graph.free[state]:
                (more if cost > SLIGHT else same)[new] |= at
                longest[new] = max(longest[new], won)
            for new, symbol in graph.steps[state]:
                known = places.get(symbol.number)
                if known := at & (heard.places_of(symbol) if known is None else known):
                    same[new] |= known << 1
                    longest[new] = max(longest[new], won + symbol.length)
                more[new] |= at << 1 & everywhere
            for new in graph.any[state]:
                same[new] |= at << 1 & everywhere
                longest[new] = max(longest[new], won)
            for new, sign in graph.edges[state]:
                same[new] |= at & (1 if sign == "^" else last)
                longest[new] = max(longest[new], won + ANCHOR)
            for new, regex in graph.spans[state]:
                longest[new] = max(longest[new], won)
                for start, end in heard.spans_of(regex):
                    same[new] |= (at >> start & 1) << end
    most = longest[graph.end]
    fits = [k for k in range(wrong + 1) if reached[k][graph.end] and k <= wrong_of(most + k * SYLLABLE)]
    return reached[: fits[-1] + 1] if fits else []


def _leading(graph: Graph, heard: Heard, before: list[list[int]]) -> list[list[int]]:
    """``[k][state]``: from where the end can be reached with ``k`` wrong syllables."""
    wrong, last, fillers = len(before) - 1, 1 << len(heard.tokens), heard.fillers
    leading = [[0] * (graph.end + 1) for _ in range(wrong + 2)]
    leading[0][graph.end] = reduce(or_, (each[graph.end] for each in before))
    for state in reversed(range(graph.end)):
        for k in range(wrong + 1):
            same, more = leading[k], leading[k + 1]
            found = same[state]
            for new, cost in graph.free[state]:
                if cost > SLIGHT:
                    more[state] |= same[new]
                else:
                    found |= same[new]
            for new, symbol in graph.steps[state]:
                if at := same[new] >> 1:
                    found |= at & heard.places_of(symbol)
                    more[state] |= at
            for new in graph.any[state]:
                found |= same[new] >> 1
            for new, sign in graph.edges[state]:
                found |= same[new] & (1 if sign == "^" else last)
            for new, regex in graph.spans[state]:
                for start, end in heard.spans_of(regex):
                    found |= (same[new] >> end & 1) << start
            same[state] = found
            if state not in graph.firm:
                same[state] |= (one := found >> 1 & fillers) | (one >> 1 & fillers)
                more[state] |= found >> 1
    return leading
