"""Pinyin as the models write it (``sh`` ``ǎo``) and as the rest of the ears does (``shao3``; ü is ``v``, neutral 5)."""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from pathlib import Path

INITIALS = frozenset(("zh", "ch", "sh", *"bpmfdtnlgkhjqxrzcsyw"))
#: How a syllable ends.
TONES = "12345"
#: Digits as they are read out one by one.
READ_OUT = str.maketrans("0123456789", "零一二三四五六七八九")
_MARKS = {"\u0304": "1", "\u0301": "2", "\u030c": "3", "\u0300": "4"}
#: 零 as a digit of its own, in the models' token tables.
_ZERO = "○"


@lru_cache(maxsize=4096)
def syllable(written: str) -> str | None:
    """``shǎo`` as ``shao3``, ``lǜ`` as ``lv4``, ``me`` as ``me5``; None: no syllable (a letter, an initial)."""
    if written == _ZERO:
        return "ling2"
    marks = unicodedata.normalize("NFD", written)
    tones = [tone for mark, tone in _MARKS.items() if mark in marks]
    plain = unicodedata.normalize("NFC", "".join(char for char in marks if char not in _MARKS)).replace("ü", "v")
    if not plain.isascii() or not plain.islower() or plain in INITIALS - {"n"} or len(tones) > 1:
        return None
    return None if plain == "n" and not tones else plain + (tones[0] if tones else "5")


def parts(written: str) -> tuple[str, ...]:
    """``shǎo`` as the models' tokens: its initial (y and w are some, too) and its final."""
    initial = written[: 2 if written[:2] in INITIALS else 1]
    return (initial, written[len(initial) :]) if initial in INITIALS and len(written) > len(initial) else (written,)


def toneless(sound: str) -> str:
    """``shao3`` as ``shao``."""
    return sound.rstrip(TONES)


def is_pinyin(tokens: frozenset[str]) -> bool:
    """Whether a model with these tokens hears by sound: initials and toned finals, no characters."""
    return {"zh", "ǎo"} <= tokens


def tokens_of(file: Path) -> frozenset[str]:
    """The tokens of a model, control tokens left out."""
    lines = file.read_text("utf-8").splitlines()
    names = (line.rsplit(maxsplit=1)[0] for line in lines if len(line.split()) == 2)
    return frozenset(name for name in names if not name.startswith(("<", "#")))
