"""The weighted distance: the cheapest way through a phrase beside a stretch of a text."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heappop, heappush

from streams.phrases.graph import Graph
from streams.phrases.heard import Heard
from streams.phrases.likeness import (
    ANCHOR,
    COST_AT,
    COST_BITS,
    KEY_AT,
    LENGTH_AT,
    LENGTH_BITS,
    NONE,
    START,
    WORTH,
    Near,
    delta_of,
    substituted,
)
from streams.phrases.sieves import alive_of

_AT_EDGE = delta_of(0, ANCHOR)


def ways(graph: Graph, heard: Heard) -> Iterator[Near]:
    """The best way to each end of the phrase in the text."""
    alive = alive_of(graph, heard)
    if not alive:
        return
    hopes, length = graph.hopes, len(heard.tokens)
    ahead: list[dict[int, int]] = [{} for _ in range(length + 2)]
    for at in range(length + 1):
        now = ahead[at]
        if alive[0] >> at & 1:
            now[0] = at
        waiting = sorted(now)
        while waiting:
            state = heappop(waiting)
            value = now[state]
            if alive[state] >> at & 1 and (value >> KEY_AT) + hopes[state] <= WORTH:
                _stay(graph, state, value, (at == 0, at == length), now, waiting)
                if at < length:
                    _go_on(graph, heard, state, value, ahead, at)
        if graph.end in now:
            yield near_of(now[graph.end], at)
        now.clear()


def _stay(
    graph: Graph, state: int, value: int, border: tuple[bool, bool], now: dict[int, int], waiting: list[int]
) -> None:
    """Onwards in the phrase and not in the text."""
    onward = graph.free[state]
    if graph.edges[state]:
        onward = [*onward, *((new, _AT_EDGE) for new, sign in graph.edges[state] if border[sign == "$"])]
    for new, delta in onward:
        if new not in now:
            heappush(waiting, new)
            now[new] = value + delta
        elif value + delta < now[new]:
            now[new] = value + delta


def _go_on(graph: Graph, heard: Heard, state: int, value: int, ahead: list[dict[int, int]], at: int) -> None:
    """Onwards in the text."""
    row, then = heard.rows[at], ahead[at + 1]
    for new, symbol in graph.steps[state]:
        delta = row.get(symbol.number)
        if delta is None:
            delta = row[symbol.number] = delta_of(substituted(symbol, heard.tokens[at]), symbol.length)
        if value + delta < then.get(new, NONE):
            then[new] = value + delta
    for new in graph.any[state]:
        then[new] = min(value, then.get(new, NONE))
    if state not in graph.firm:
        then[state] = min(value + heard.inserted[at], then.get(state, NONE))
    for new, regex in graph.spans[state]:
        if found := regex.match(heard.plain, at):
            ahead[found.end()][new] = min(value, ahead[found.end()].get(new, NONE))


def near_of(value: int, end: int) -> Near:
    """A state of the search as a find."""
    start = value & ((1 << START) - 1)
    return Near(start, end, value >> COST_AT & ((1 << COST_BITS) - 1), value >> LENGTH_AT & ((1 << LENGTH_BITS) - 1))


def words_meant(graph: Graph, heard: Heard, near: Near) -> str:
    """The same search between two places, with the words of the way."""
    size, length = graph.end + 1, len(heard.tokens)
    reached: list[dict[int, tuple[int, str]]] = [{} for _ in range(length + 2)]
    reached[near.start][0] = (0, "")

    def reach(at: int, state: int, value: int, words: str) -> None:
        if at <= near.end and value < reached[at].get(state, (NONE, ""))[0]:
            reached[at][state] = (value, words)

    for at in range(near.start, near.end + 1):
        for state in range(size):
            value, words = reached[at].get(state, (NONE, ""))
            if value == NONE:
                continue
            lost = {new: symbol.char for new, symbol in graph.steps[state]}
            for new, delta in graph.free[state]:
                reach(at, new, value + delta, words + (lost.get(new, "") if delta else ""))
            for new, sign in graph.edges[state]:
                if at == (0 if sign == "^" else length):
                    reach(at, new, value + _AT_EDGE, words)
            if at == near.end:
                continue
            each = heard.tokens[at]
            for new, symbol in graph.steps[state]:
                reach(at + 1, new, value + delta_of(substituted(symbol, each), symbol.length), words + symbol.char)
            for new in graph.any[state]:
                reach(at + 1, new, value, words + each.char)
            if state not in graph.firm:
                reach(at + 1, state, value + heard.inserted[at], words)
            for new, regex in graph.spans[state]:
                if found := regex.match(heard.plain, at):
                    reach(found.end(), new, value, words + found.group())
    return reached[near.end].get(graph.end, (0, ""))[1]
