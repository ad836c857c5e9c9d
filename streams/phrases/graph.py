"""A phrase as a graph whose edges are syllables, and what can be said of it before any text is seen."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from streams.phrases import syllables
from streams.phrases.likeness import (
    ANCHOR,
    KEY_AT,
    MISSING,
    NEVER,
    NONE,
    SHARE,
    SLIGHT,
    SYLLABLE,
    TURNING,
    WEAK,
    WEAK_MISSING,
    WEAK_SYLLABLE,
    WHOLE,
    Symbol,
    allowed,
    delta_of,
    letter,
    symbol_of,
)
from streams.phrases.pattern import GAP, Digits, Edge, Gap, Maybe, Node, OneOf, Personal, Row, Text, expression


class Graph:
    """A phrase as edges between numbered states, each edge to a higher one; the last state is the end."""

    def __init__(self, tree: Node) -> None:
        self.steps: list[list[tuple[int, Symbol]]] = [[]]
        self.free: list[list[tuple[int, int]]] = [[]]
        self.any: list[list[int]] = [[]]
        self.edges: list[list[tuple[int, str]]] = [[]]
        self.spans: list[list[tuple[int, re.Pattern[str]]]] = [[]]
        self.gaps = 0
        self.firm = {0}  # where nothing may be put in: before the phrase, and where anything may stand anyway
        self.end = self._close(self._build(tree, 0))
        self.least, self.longest = self._lengths()
        self.most = allowed(self.longest)
        self.wrong = wrong_of(min(self.longest, self.least + SYLLABLE))
        self.bound = bound_of(tree)
        self.costs = [
            [(new, delta >> KEY_AT) for new, delta in self.free[state]]
            + [(new, -symbol.length // SHARE) for new, symbol in self.steps[state]]
            + [(new, -ANCHOR // SHARE) for new, _ in self.edges[state]]
            + [(new, 0) for new in self.any[state]]
            + [(new, 0) for new, _ in self.spans[state]]
            for state in range(self.end + 1)
        ]
        self.slight = [[new for new, cost in free if cost <= SLIGHT] for free in self.free]
        self.plain = [not (self.any[n] or self.edges[n] or self.spans[n]) for n in range(self.end + 1)]
        self.hopes = self._hopes()
        self.alphabet, self.needed = self._alphabet()
        self.pairs = frozenset(
            letter(a) + letter(b) for one, other in self._pairs() for a in one.folds[:3] for b in other.folds[:3]
        )

    def _state(self) -> int:
        for table in (self.steps, self.free, self.any, self.edges, self.spans):
            table.append([])
        return len(self.free) - 1

    def _close(self, *states: int) -> int:
        """A new state to which these lead for nothing."""
        new = self._state()
        for state in states:
            self.free[state].append((new, 0))
        return new

    def _build(self, node: Node, at: int) -> int:  # noqa: PLR0911 - one for each kind of part
        match node:
            case Text():
                return self._text(node.plain, at, set())
            case Row():
                return self._row(node.parts, at)
            case OneOf():
                return self._close(*[self._build(option, at) for option in node.options])
            case Maybe():
                return self._close(at, self._build(node.inner, at))
            case Gap():
                return self._gap(at)
            case Edge():
                new = self._state()
                self.edges[at].append((new, node.sign))
                return new
            case Digits() | Personal():
                new = self._state()
                self.spans[at].append((new, re.compile(expression(node))))
                return new

    def _row(self, parts: tuple[Node, ...], at: int) -> int:
        """One behind the other. Beside a gap nothing is taken for another syllable: that would make the gap longer."""
        for n, part in enumerate(parts):
            if not isinstance(part, Text):
                at = self._build(part, at)
                continue
            before, behind = n > 0 and isinstance(parts[n - 1], Gap), isinstance((*parts, None)[n + 1], Gap)
            at = self._text(part.plain, at, {n for n, gap in ((0, before), (len(part.plain) - 1, behind)) if gap})
        return at

    def _text(self, plain: str, at: int, beside: set[int]) -> int:
        """Characters; those of the places ``beside`` stand alone."""
        for n, (char, sounds) in enumerate(zip(plain, syllables.in_context(plain), strict=True)):
            new, symbol = self._state(), symbol_of(char, sounds, alone=len(plain) == 1 or n in beside)
            self.steps[at].append((new, symbol))
            missing = (
                NEVER
                if symbol.alone or char in TURNING or len(plain) < WHOLE
                else WEAK_MISSING
                if char in WEAK
                else MISSING
            )
            self.free[at].append((new, delta_of(missing)))
            at = new
        return at

    def _gap(self, at: int) -> int:
        self.gaps += 1
        self.firm.add(at)
        chain = [at]
        for _ in range(GAP):
            new = self._state()
            self.any[chain[-1]].append(new)
            chain.append(new)
        new = self._close(*chain)
        self.firm.update((*chain, new))
        return new

    def _lengths(self) -> tuple[int, int]:
        """The shortest and the longest way through."""
        shortest, longest = [NONE] * (self.end + 1), [-1] * (self.end + 1)
        shortest[0] = longest[0] = 0
        for state in range(self.end + 1):
            if longest[state] < 0:
                continue
            on = [(new, symbol.length) for new, symbol in self.steps[state]]
            on += [(new, ANCHOR) for new, _ in self.edges[state]]
            on += [(new, 0) for new, cost in self.free[state] if not cost]
            on += [(new, 0) for new in self.any[state]] + [(new, 0) for new, _ in self.spans[state]]
            for new, length in on:
                shortest[new] = min(shortest[new], shortest[state] + length)
                longest[new] = max(longest[new], longest[state] + length)
        return shortest[self.end], longest[self.end]

    def _hopes(self) -> list[int]:
        """The least that the rest of the phrase can cost from each state, against the length that it wins."""
        hopes = [0] * (self.end + 1)
        for state in reversed(range(self.end)):
            hopes[state] = min(cost + hopes[new] for new, cost in self.costs[state])
        return hopes

    def _alphabet(self) -> tuple[frozenset[int], int]:
        """All folded syllables in it, and how many different ones a text must have at least."""
        seen: set[int] = set()
        least = [NONE] * (self.end + 1)
        least[0] = 0
        for state in range(self.end + 1):
            before = least[state]
            free = [new for new, cost in self.free[state] if not cost] + self.any[state]
            for new in [*free, *(new for new, _ in self.edges[state]), *(new for new, _ in self.spans[state])]:
                least[new] = min(least[new], before)
            for new, symbol in self.steps[state]:
                counts = symbol.length > WEAK_SYLLABLE and bool(symbol.folds) and seen.isdisjoint(symbol.folds)
                least[new] = min(least[new], before + counts)
            seen.update(number for _, symbol in self.steps[state] for number in symbol.folds)
        return frozenset(seen), max(1, least[self.end] - self.wrong)

    def _pairs(self) -> Iterator[tuple[Symbol, Symbol]]:
        """Syllables that can follow one another."""
        following: list[list[Symbol]] = [[] for _ in self.free]
        for state in reversed(range(self.end + 1)):
            near = [symbol for _, symbol in self.steps[state]]
            for new, cost in self.free[state]:
                near += following[new] if not cost else []
            near += [symbol for new, _ in self.edges[state] for symbol in following[new]]
            near += [s for new, symbol in self.steps[state] if symbol.char in WEAK for s in following[new]]
            following[state] = list(dict.fromkeys(near))
        for state in range(self.end + 1):
            for new, symbol in self.steps[state]:
                for behind in following[new]:
                    yield symbol, behind


@lru_cache(maxsize=16_384)
def graph_of(tree: Node) -> Graph:
    """The graph of a phrase; rulebooks are read again and again."""
    return Graph(tree)


def wrong_of(length: int) -> int:
    """How many syllables of a phrase of that length may be others than those of the phrase."""
    return max(0, allowed(length)) // syllables.NEAR


def bound_of(tree: Node) -> tuple[Any, ...] | None:
    """What a text must have for the phrase: syllables as bits, alternatives, or parts; None: nothing in particular."""
    match tree:
        case Text():
            symbols = [symbol_of(*pair) for pair in zip(tree.plain, syllables.in_context(tree.plain), strict=True)]
            bits = [sum(1 << n for n in each.folds) for each in symbols if each.folds and each.length > WEAK_SYLLABLE]
            return (_TEXT, *bits) if bits else None
        case Row():
            parts = [part for part in map(bound_of, tree.parts) if part]
            return (_ROW, *parts) if len(parts) > 1 else parts[0] if parts else None
        case OneOf():
            options = [bound_of(option) for option in tree.options]
            return (_ONE, *options) if all(options) else None
        case _:
            return None


_TEXT, _ROW, _ONE = range(3)
