"""Numbers in speech, and which of them are personal.

Each character becomes one letter of a *code line*; the numbers are looked for there, so a digit is the same whether it
was written, said, or is a wrong reading of the sound of one::

    我 的 号 码 是 幺 三 八 嗯 领 零 1 2 3 4 5 6 是 我 的
    .  -  |  .  -  1  3  8  -  a  0  1 2 3 4 5 6 -  .  -

========== ==========================================================================================
``0``-``9`` a digit                                     ``a``-``j`` a syllable that may be one (就, 要 …)
``T H K``   十 百 千                                     ``G D`` 个 双 (三个八, 双六)
``X``       the last place of an identity card          ``*``   hidden already
``-``       a filler, a mark, a space                   ``|``   what counts or joins: never in a number
``/``       a mark that no number has                   ``.``   anything else
========== ==========================================================================================
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import dropwhile
from typing import NamedTuple

from pypinyin import Style, pinyin
from stdnum import luhn
from stdnum.iso7064 import mod_11_2

from asr.pinyin import toneless
from streams.events import PersonalKind

#: What stands for a hidden character, and for a hidden syllable.
STAR = "*"
#: So many digits in a row of no known form are hidden; in an unfinished sentence those at its end sooner.
LONG, UNFINISHED = 7, 4
#: A secret (验证码, 密码) may be shorter.
_SECRET_DIGITS = 3
#: A pause between two digits of one number: at most so many fillers.
_PAUSE = 6
#: In a number the syllables that are surely digits must be at least this share.
_SURE = 0.6
#: In a number whose form is known so many may be lost.
_LOST = 2
#: So many characters behind a number do not prove yet that it is over.
_BEGUN = 2
#: So many digits beside a hidden number belong to it.
_LEFT_OVER = 3
_HIDDEN_LEFT, _HIDDEN_RIGHT = re.compile(r"\*{4}([^*/]{0,2})$"), re.compile(r"([^*/]{0,2})\*{4}")
#: What may stand for a digit that was not understood.
_UNKNOWN = frozenset(".|abcdefghij")


class Span(NamedTuple):
    """Characters ``start`` to ``end`` hold something of that kind."""

    kind: PersonalKind
    start: int
    end: int


class _Token(NamedTuple):
    """A piece of a number: its digits and its place. ``sure``: how many of the digits are beyond doubt."""

    digits: str
    start: int
    end: int
    sure: int
    amount: bool = False


# --- the code line -------------------------------------------------------------------------------------------------

_DIGITS = ("零〇", "一幺壹", "二两贰", "三叁", "四肆", "五伍", "六陆", "七柒", "八捌", "九玖")
_WRITTEN = {char: str(digit) for digit, chars in enumerate(_DIGITS) for char in f"{digit}{chr(0xFF10 + digit)}{chars}"}
_SAID = {
    **{"ling2": "0", "dong4": "0", "yi1": "1", "yao1": "1", "er4": "2", "liang3": "2", "san1": "3", "si4": "4"},
    **{"wu3": "5", "liu4": "6", "qi1": "7", "ba1": "8", "jiu3": "9"},
}
#: Without the tone, and as the line blurs it.
_PERHAPS = {sound[:-1]: digit for sound, digit in _SAID.items()}
_PERHAPS |= {"lin": "0", "nin": "0", "ring": "0", "shan": "3", "sang": "3", "shi": "4", "niu": "6", "riu": "6"}
_PERHAPS |= {"xi": "7", "pa": "8", "xiu": "9"}
_OTHER = {"十": "T", "百": "H", "千": "K", "个": "G", "双": "D", "X": "X", "x": "X", "Ｘ": "X", "叉": "X", STAR: STAR}
#: Never part of a number: what counts, measures, joins.
_STOPS = frozenset("年月日号时点分秒元块钱毛角斤米岁天次万亿第和或跟至到减加乘除比度折倍位条楼层栋单室组")
_MARKS = frozenset("%:：/~￥¥$#")
_FILLER = re.compile(
    r"[\s,，、。.·•…\-–—_()（）;；!！?？]|[嗯啊呃额哦噢呀哎唉诶的了是对]"
    r"|然后|那个|这个|就是|接着|后面|下面|接下来|完了|后边|再来|杠"
)


def code_line(plain: str, sounds: Sequence[str]) -> str:
    """One letter for each character of ``plain``; ``sounds`` are its syllables, empty where they are not known."""
    line = [_letter(char, sound) for char, sound in zip(plain, sounds, strict=True)]
    for filler in _FILLER.finditer(plain):
        line[filler.start() : filler.end()] = "-" * len(filler.group())
    return "".join(line)


def _letter(char: str, sound: str) -> str:
    known = _WRITTEN.get(char) or _OTHER.get(char) or _SAID.get(sound)
    if known:
        return known
    perhaps = _PERHAPS.get(toneless(sound) or _sound(char))
    if perhaps:
        return chr(ord("a") + int(perhaps))
    return "|" if char in _STOPS else "/" if char in _MARKS else "."


@lru_cache(maxsize=8192)
def _sound(char: str) -> str:
    """How a character is said, without its tone: recognisers that write characters mistake them, too."""
    return pinyin(char, style=Style.NORMAL)[0][0] if "一" <= char <= "鿿" else ""


def tail(before: str) -> str:
    """The digits at the very end of what was said before, if more may follow; hidden ones count as some digit."""
    plain = before[-40:]
    code = code_line(plain, [""] * len(plain)).rstrip("-")
    found = re.search(rf"(?:[0-9*]-{{0,{_PAUSE}}})+$", code)
    digits = re.sub("[^0-9*]", "", found.group()) if found else ""
    return "" if len(digits) < 2 or _PUBLIC.fullmatch(digits) else digits.replace(STAR, "0")


# --- tokens and runs -----------------------------------------------------------------------------------------------

_AMOUNT = re.compile(r"(?:([1-9])K)?0?(?:([1-9])H)?0?(?:([1-9])?(T))?([1-9](?![KHT]))?")
_REPEATED = re.compile(r"([2-9])G([0-9])|D([0-9])")


def _tokens(code: str) -> list[_Token]:
    tokens: list[_Token] = []
    at = 0
    while at < len(code):
        token = _repeated(code, at) or _amount(code, at) or _single(code, at)
        if token:
            tokens.append(token)
        at = token.end if token else at + 1
    return tokens


def _repeated(code: str, at: int) -> _Token | None:
    """三个八, 双六."""
    found = _REPEATED.match(code, at)
    if found is None:
        return None
    digits = (found[2] or found[3]) * int(found[1] or 2)
    return _Token(digits, at, found.end(), len(digits))


def _amount(code: str, at: int) -> _Token | None:
    """一百三十八."""
    found = _AMOUNT.match(code, at)
    if found is None or not {*"KHT"} & {*found.group()}:
        return None
    thousands, hundreds, tens, ten, ones = found.groups()
    value = 1000 * int(thousands or 0) + 100 * int(hundreds or 0) + 10 * int(tens or bool(ten)) + int(ones or 0)
    return _Token(str(value), at, found.end(), len(str(value)), amount=True) if value else None


def _single(code: str, at: int) -> _Token | None:
    letter = code[at]
    if letter.isdigit():
        return _Token(letter, at, at + 1, 1)
    if "a" <= letter <= "j":
        return _Token(str(ord(letter) - ord("a")), at, at + 1, 0)
    return _Token("X", at, at + 1, 0) if letter == "X" else None


def _joined(tokens: Sequence[_Token]) -> str:
    return "".join(token.digits for token in tokens)


def _runs(tokens: Sequence[_Token], code: str) -> Iterator[list[_Token]]:
    """Digits in a row but for fillers."""
    run: list[_Token] = []
    for token in (each for each in tokens if not each.amount):
        if run and not _near(run[-1], token, code):
            yield run
            run = []
        run.append(token)
    if run:
        yield run


def _near(one: _Token, other: _Token, code: str) -> bool:
    gap = code[one.end : other.start]
    return len(gap) <= _PAUSE and not gap.strip("-")


def _trimmed(run: list[_Token]) -> list[_Token]:
    """From the first sure digit to the last; a doubtful one only where it completes a number. Empty: too doubtful."""
    sure = [n for n, token in enumerate(run) if token.sure]
    if not sure:
        return []
    first, end = sure[0], sure[-1] + 1
    digits = _joined(run[first:end])
    if first and len(digits) == 10 and re.match("[3-9]", digits) and run[first - 1].digits == "1":
        first -= 1
    elif end < len(run) and re.fullmatch(r"1[3-9]\d{8}|[1-9]\d{5}(?:19|20)\d{9}", digits):
        end += 1
    return run[first:end] if len(digits) * _SURE <= sum(token.sure for token in run[first:end]) else []


def _parts(run: Sequence[_Token]) -> Iterator[list[_Token]]:
    """The run, cut at its pauses."""
    part: list[_Token] = []
    for token in run:
        if part and token.start > part[-1].end:
            yield part
            part = []
        part.append(token)
    if part:
        yield part


# --- which of them are personal ------------------------------------------------------------------------------------

#: What a number is, is told by the words just before it.
_NEAR_BY = r"[^0-9]{0,4}$"
_ORDER = re.compile(
    r"(?:单|单号|编号|流水|流水号|凭证号?|户号|批次号?|合同号?|受理号?|票号|条码|型号|序列号)" + _NEAR_BY
)
_CARD = re.compile(r"(?:卡|卡号|账号|帐号|账户|尾号)" + _NEAR_BY)
_SECRET = re.compile(r"(?:验证码|密码|校验码|安全码|动态码)" + _NEAR_BY)
_STAFF = re.compile(r"(?:工号|坐席|座席|分机)[号是为就的:：,， ]{0,3}$")
_TELEPHONE = re.compile(r"(?:电话|手机|手机号|座机|号码|联系方式)" + _NEAR_BY)
_HOTLINE = re.compile(r"(?:热线|客服电话|服务电话|投诉电话|总机)[号码是为:： ]{0,4}$")
_COUNTED = re.compile(r"[元块圆万亿兆度年%]|人民币|\.\d")
#: 110, 12315, 10086, 95588, 96315; hotlines of companies: 400 and 800. These belong to nobody.
_PUBLIC = re.compile(r"11[0249]|12[02]|1[0-2]\d{3}|11[68]\d{3}|9[56]\d{3,6}|[48]00\d{7}|999")
_SHORT_PUBLIC = re.compile(r"11[0249]|12[02]|1[0-2]\d{3}|9[56]\d{3}|999")
_MOBILE = re.compile(r"(?:0{0,2}86)?0?1[3-9]\d{9}")
_LANDLINE = re.compile(r"(?:0{0,2}86)?0(?:10|2\d|[3-9]\d\d)[2-8]\d{6,7}")
_LOCAL = re.compile(r"[2-8]\d{6,7}")
_DAY = r"(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"
_DATE = re.compile(rf"(?:19|20)\d\d{_DAY}")
#: Of 18 places, or the old one of 15. A misheard digit breaks the checksum, so the date of birth is enough.
_ID_CARD = re.compile(rf"[1-9]\d{{5}}{_DATE.pattern}\d{{3}}[\dX]|[1-9]\d{{7}}{_DAY}\d{{3}}")


def personal_numbers(plain: str, code: str, tail: str, *, final: bool) -> Iterator[Span]:
    """The numbers that must not be published. ``tail``: digits that were said just before."""
    tokens = _tokens(code)
    for whole in _runs(tokens, code):
        if run := _trimmed(whole):
            goes_on = tail if not code[: run[0].start].strip("-") else ""
            yield from _judged(run, plain, goes_on)
    yield from _misheard(tokens, code)
    yield from _beside(tokens, plain, code)
    if not final:
        yield from _unfinished(tokens, plain, code)


def _judged(run: list[_Token], plain: str, tail: str) -> Iterator[Span]:
    """The run as one number; or else those of its parts that are one; or else what is left beside public numbers."""
    kind = _kind_at(run, plain)
    digits = _joined(run)
    if kind is None and len(digits) > 1 and len(tail) + len(digits) >= LONG and tail and not _PUBLIC.fullmatch(digits):
        kind = _kind(tail + digits) or "number"
    parts = list(_parts(run))
    if kind is None:
        return
    if kind != "number" or tail or not any(_kind_at(part, plain) or _is_public(part) for part in parts):
        yield Span(kind, run[0].start, run[-1].end)
        return
    kinds: list[PersonalKind | None] = [_kind_at(part, plain) for part in parts]
    left = [n for n, part in enumerate(parts) if kinds[n] is None and not _is_public(part)]
    if sum(len(_joined(parts[n])) for n in left) >= LONG:
        kinds = ["number" if n in left else kind for n, kind in enumerate(kinds)]
    for part, found in zip(parts, kinds, strict=True):
        if found:
            yield Span(found, part[0].start, part[-1].end)


def _is_public(part: Sequence[_Token]) -> bool:
    return _PUBLIC.fullmatch(_joined(part)) is not None


def _is_hotline(part: Sequence[_Token]) -> bool:
    """12315, not 110: an identity card of Peking begins like that."""
    return len(part) > 3 and _is_public(part)


def _kind_at(run: Sequence[_Token], plain: str) -> PersonalKind | None:
    return _kind(_joined(run), plain[max(0, run[0].start - 12) : run[0].start], plain[run[-1].end :])


def _kind(digits: str, context: str = "", after: str = "") -> PersonalKind | None:
    """What a number is by its form and the words around it; none: it may stay."""
    digits = digits if len(digits) == 18 else digits.replace("X", "")
    if len(digits) >= _SECRET_DIGITS and _SECRET.search(context):
        return "number"
    if len(digits) < LONG or _PUBLIC.fullmatch(digits):
        return None
    if _ORDER.search(context) and not (len(digits) == 18 and mod_11_2.is_valid(digits)):
        return "number"
    return _form(digits, context) or ("number" if not _is_harmless(digits, context, after) else None)


def _form(digits: str, context: str) -> PersonalKind | None:
    if _ID_CARD.fullmatch(digits):
        return "id_card"
    if _MOBILE.fullmatch(digits) or (_LANDLINE.fullmatch(digits) and not _HOTLINE.search(context)):
        return "phone"
    if 13 <= len(digits) <= 19 and (luhn.is_valid(digits) or _CARD.search(context) or digits.startswith("62")):
        return "bank_card"
    return "phone" if _LOCAL.fullmatch(digits) and _TELEPHONE.search(context) else None


def _is_harmless(digits: str, context: str, after: str) -> bool:
    """A staff number, an amount, a date, the hotline of a company."""
    if _STAFF.search(context):
        return len(digits) == LONG
    date = _DATE.fullmatch(digits) is not None and not _TELEPHONE.search(context)
    return date or _COUNTED.match(after) is not None or _HOTLINE.search(context) is not None


def _misheard(tokens: Sequence[_Token], code: str) -> Iterator[Span]:
    """Numbers in which some digits were not understood, or that were read as amounts (一百三十八…)."""
    hotlines = {part[0].start for run in _runs(tokens, code) for part in _parts(_between(run)) if _is_hotline(part)}
    for first, token in enumerate(tokens):
        if token.sure and not (first and _touch(tokens[first - 1], token)):
            own = [n for n in range(first + 1, len(tokens)) if tokens[n].start in hotlines]
            yield from _form_from(tokens[first : min(own, default=len(tokens))], code)
    yield from _dense([token for token in tokens if not token.amount], code)


def _form_from(tokens: Sequence[_Token], code: str) -> Iterator[Span]:
    """A mobile or an identity card from here on, with as many places as it needs, few of them lost."""
    digits, sure, last = "", 0, tokens[0]
    for n, here in enumerate(tokens):
        if n and not _near(last, here, code):
            digits += "?"
            if code[last.end : here.start] not in _UNKNOWN or digits.count("?") > _LOST:
                return
        digits, sure, last = digits + here.digits, sure + here.sure, here
        guess = digits.replace("?", "5")
        kind: PersonalKind = "phone" if len(guess) == 11 else "id_card"
        goes_on = n + 1 < len(tokens) and _touch(here, tokens[n + 1])
        certain = sure >= len(digits) * _SURE and (here.sure or guess == digits)
        if certain and not goes_on and (_MOBILE.fullmatch(guess) or _ID_CARD.fullmatch(guess)):
            yield Span(kind, tokens[0].start, here.end)
            return


def _dense(tokens: Sequence[_Token], code: str) -> Iterator[Span]:
    """Almost nothing but digits, here and there another syllable: a long number, badly heard."""
    for group in _bridged([run for each in _runs(tokens, code) if (run := _between(each))], code):
        runs = list(dropwhile(_is_single, list(dropwhile(_is_single, group))[::-1]))[::-1]
        sure = sum(token.sure for run in runs for token in run)
        hotline = any(_is_hotline(part) for run in runs for part in _parts(run))
        if len(runs) > 1 and sure > LONG and not hotline:
            yield Span("number", runs[0][0].start, runs[-1][-1].end)


def _is_single(run: Sequence[_Token]) -> bool:
    return len(run) == 1


def _between(run: list[_Token]) -> list[_Token]:
    """Without the doubtful ones at its ends."""
    sure = [n for n, token in enumerate(run) if token.sure]
    return run[sure[0] : sure[-1] + 1] if sure else []


def _bridged(runs: Sequence[list[_Token]], code: str) -> Iterator[list[list[_Token]]]:
    """Runs that only one unknown syllable separates."""
    group: list[list[_Token]] = []
    for run in runs:
        gap = code[group[-1][-1].end : run[0].start] if group else ""
        if gap and (gap not in _UNKNOWN or gap == "|"):
            yield group
            group = []
        group.append(run)
    yield group


def _beside(tokens: Sequence[_Token], plain: str, code: str) -> Iterator[Span]:
    """What is left of a number beside its hidden part, one or two lost syllables away."""
    for run in map(_between, _runs(tokens, code)):
        if len(_joined(run)) < _LEFT_OVER or _is_public(run) or _STAFF.search(plain[: run[0].start]):
            continue
        start, end = run[0].start, run[-1].end
        left, right = _HIDDEN_LEFT.search(code[:start]), _HIDDEN_RIGHT.match(code[end:])
        if left or right:
            yield Span("number", start - len(left[1]) if left else start, end + len(right[1]) if right else end)


def _touch(one: _Token, other: _Token) -> bool:
    return one.end == other.start and other.sure > 0 and one.sure > 0


def _unfinished(tokens: Sequence[_Token], plain: str, code: str) -> Iterator[Span]:
    """A number at the end of a sentence that goes on; behind it a filler may have begun (然…)."""
    end = len(code.rstrip("-")) - _BEGUN
    run: list[_Token] = []
    for token in reversed(tokens):
        if not (_near(token, run[0], code) if run else token.end >= end):
            break
        run.insert(0, token)
    while run and not run[0].sure:
        run.pop(0)
    digits = _joined(run)
    if len(digits) < UNFINISHED or _SHORT_PUBLIC.fullmatch(digits) or (len(run) == 1 and run[0].amount):
        return
    if len(digits) >= LONG or not _STAFF.search(plain[: run[0].start]):
        yield Span("number", run[0].start, run[-1].end)
