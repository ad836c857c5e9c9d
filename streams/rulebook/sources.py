"""The manuals that rules cite, and their clauses: ``sources.yaml``, and ``manuals`` of a site's own.

Owns the comparison of a quote with the words of a manual. Knows nothing of rules.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path

import msgspec
from msgspec import Struct

from streams.rulebook.reading import parsed

SOURCES = Path(__file__).parent / "sources.yaml"
#: ``3 / 9`` on a line of its own, and the bare number of a page between two Chinese characters.
_PAGE = re.compile(
    "^[0-9]+ / [0-9]+[ \t]*$|(?<=[\u4e00-\u9fff,\uff0c\u3001\u3002]) [0-9]{1,2} (?=[\u4e00-\u9fff])", re.M
)
_QUOTES = str.maketrans({"“": '"', "”": '"', "「": '"', "」": '"', "‘": "'", "’": "'", "『": "'", "』": "'"})


class Passage(Struct, frozen=True, forbid_unknown_fields=True):
    """One clause: its ``section``, its words, and why no rule can watch it, where none can."""

    section: str
    text: str
    not_watched: str = ""


class Manual(Struct, frozen=True, forbid_unknown_fields=True):
    """A manual: its ``title`` as alerts print it, its ``file``, and its ``clauses``.

    Where no clauses are listed, sections and quotes are taken as they are.
    """

    title: str
    file: str = ""
    clauses: tuple[Passage, ...] = ()

    @property
    def sections(self) -> list[str]:
        """The names of its sections, each once, in order."""
        return list(dict.fromkeys(clause.section for clause in self.clauses))

    def passages(self, section: str) -> list[Passage]:
        """The clauses of a section; empty: it is not known."""
        return [clause for clause in self.clauses if plain(clause.section) == plain(section)]

    def holds(self, section: str, quote: str) -> bool:
        """Whether the words stand in that section; ``…`` in a quote leaves words out."""
        return bool(_spans("".join(plain(passage.text) for passage in self.passages(section)), plain(quote)))

    def quoted(self, section: str, quote: str) -> Iterator[Passage]:
        """The clauses of that section that the quote is from; without a quote, all of them."""
        passages, begins = self.passages(section), 0
        spans = _spans("".join(plain(passage.text) for passage in passages), plain(quote))
        for passage in passages:
            ends = begins + len(plain(passage.text))
            if not quote or any(begins < span.stop and span.start < ends for span in spans):
                yield passage
            begins = ends


def _spans(whole: str, words: str) -> list[range]:
    """Where the words stand, or their parts between ``…`` in this order; empty: they do not."""
    if words in whole:
        return [range(whole.index(words), whole.index(words) + len(words))]
    found, at = list[range](), 0
    for part in filter(None, words.split("...")):
        start = whole.find(part, at)
        if start < 0:
            return []
        at = start + len(part)
        found.append(range(start, at))
    return found


@lru_cache(maxsize=4096)
def plain(text: str) -> str:
    """A text of a manual as it is compared: without page numbers and whitespace, one form for each mark."""
    bare = _PAGE.sub("", text)
    return "".join(unicodedata.normalize("NFKC", bare).translate(_QUOTES).split())


def read_sources() -> Mapping[str, Manual]:
    """The manuals of the default book, by number."""
    return msgspec.convert(parsed(SOURCES.read_text("utf-8"))[0], dict[str, Manual])
