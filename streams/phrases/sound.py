"""Phrases found by how they sound.

A phrase becomes a graph whose edges are syllables; a text is a row of syllables. The cheapest way through the graph
beside a stretch of the text is its weighted distance: confusions of the line are cheap, other syllables dearer, and
syllables may be missing, doubled or put in. The longer a phrase, the more it may be misheard (:func:`allowed`).

So that thousands of phrases cost hardly more than fifty, three sieves come before that, each cheaper and coarser than
the next::

    pairs of folded syllables, all phrases at once (Aho-Corasick)  ──▶  a lower bound by the syllables that the text
    has at all (bit sets)  ──▶  the weighted distance

Deterministic; knows nothing of sets, calls or rules.
"""

from __future__ import annotations

from collections.abc import Sequence

import ahocorasick

from streams.phrases.graph import graph_of
from streams.phrases.heard import Heard
from streams.phrases.likeness import ANYTHING, INNOCENT, SHORT_ALLOWED, Near, Token, allowed
from streams.phrases.pattern import Node, Row
from streams.phrases.sieves import lacking
from streams.phrases.ways import ways, words_meant


class Sounds:
    """Finds any number of phrases by their sounds."""

    def __init__(self, trees: Sequence[Node | None]) -> None:
        """``None``: a phrase that is not looked for by sound."""
        self._graphs = [graph_of(tree or Row(())) for tree in trees]
        self._costs: dict[Token, dict[int, int]] = {}
        self._automaton = self._built()
        self._has, self._needs = self._having()

    def _built(self) -> ahocorasick.Automaton | None:
        by_pair: dict[str, int] = {}
        for n, graph in enumerate(self._graphs):
            if graph.most < 0:
                continue
            for pair in graph.pairs:
                by_pair[pair] = by_pair.get(pair, 0) | 1 << n
        automaton = ahocorasick.Automaton()
        for pair, phrases in by_pair.items():
            automaton.add_word(pair, phrases)
        automaton.make_automaton()
        return automaton if by_pair else None

    def _having(self) -> tuple[dict[int, int], dict[int, int]]:
        """For each folded syllable the phrases that have it, and for each number those that need so many of theirs."""
        having: dict[int, int] = {}
        needing: dict[int, int] = {}
        for n, graph in enumerate(self._graphs):
            for number in graph.alphabet:
                having[number] = having.get(number, 0) | 1 << n
            needing[graph.needed] = needing.get(graph.needed, 0) | 1 << n
        return having, needing

    def heard(self, plain: str, tokens: Sequence[Token], inside: int = 0) -> Heard:
        """A text made ready for :meth:`find`; ``inside``: the places, as bits, before which no word begins."""
        if len(self._costs) > 20_000:
            self._costs.clear()
        return Heard(plain, tokens, inside, self._costs)

    def candidates(self, heard: Heard) -> int:
        """The phrases that may be near enough, as a bit set."""
        found = 0
        if self._automaton is not None:
            for _, phrases in self._automaton.iter(heard.letters()):
                found |= phrases
        return found and found & self._enough(heard)

    def _enough(self, heard: Heard) -> int:
        """The phrases of whose syllables the text has enough: counted for all of them at once.

        Bit ``n`` of ``counts[k]`` says that the text has more than ``k`` syllables of phrase ``n``.
        """
        counts = [0] * max(self._needs, default=0)
        for number in heard.where:
            if phrases := self._has.get(number, 0):
                for k in range(len(counts)):
                    counts[k], phrases = counts[k] | phrases, counts[k] & phrases
                    if not phrases:
                        break
        return sum(phrases & counts[needed - 1] for needed, phrases in self._needs.items())

    def find(self, number: int, heard: Heard, *, innocent: bool = False) -> list[Near]:
        """Where phrase ``number`` is near enough: the best of those that overlap. ``innocent``: a gap is no risk."""
        graph = self._graphs[number]
        if graph.most < 0 or (graph.bound and lacking(graph.bound, heard.has, graph.wrong) > graph.wrong):
            return []
        off = 0 if innocent else graph.gaps * ANYTHING
        share = INNOCENT if innocent else 100
        found = [
            each
            for each in ways(graph, heard)
            if each.cost <= max(SHORT_ALLOWED, (allowed(each.length) - off) * share // 100)
        ]
        return best([each for each in found if self._is_whole(number, heard, each, innocent=innocent)])

    def _is_whole(self, number: int, heard: Heard, near: Near, *, innocent: bool) -> bool:
        """Whether it begins where a word does, and ends where one does or that one is misheard itself just there."""
        if heard.inside >> near.start & 1:
            return False
        if innocent or not heard.inside >> near.end & 1:
            return True
        return self.meant(number, heard, near)[-1:] != heard.tokens[near.end - 1].char

    def meant(self, number: int, heard: Heard, near: Near) -> str:
        """The words of the phrase that were meant there."""
        return words_meant(self._graphs[number], heard, near)


def best(found: Sequence[Near]) -> list[Near]:
    """The best ones, none over another."""
    kept: list[Near] = []
    for each in sorted(found, key=lambda near: (near.rank, near.start, near.end)):
        if all(each.end <= other.start or each.start >= other.end for other in kept):
            kept.append(each)
    return sorted(kept)
