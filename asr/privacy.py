"""Personal data is hidden here, before anything of a call is published.

What is hidden: telephone numbers of people, identity cards, bank cards, car plates, street addresses, given names, and
every other number of seven digits or more, written or spoken. What stays: public numbers (12315, 95588, 400…), staff
numbers, amounts, dates, family names, provinces, cities and districts. ``docs/privacy.md`` gives the reasons.

Numbers are ``asr.digits``; here is the rest, and the stars. Knows words and syllables, nothing of calls.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from msgspec import structs
from pypinyin import Style, lazy_pinyin

from asr.digits import STAR, Span, code_line, personal_numbers, tail
from asr.recogniser import Heard
from streams.events import Masked, PersonalKind


class Masking(NamedTuple):
    """``masked`` index the texts of ``words`` put together without spaces."""

    words: tuple[Heard, ...]
    masked: tuple[Masked, ...]


class _Unit(NamedTuple):
    """A character, with its syllable where that is known; ``start`` to ``end`` in the whole text."""

    word: int
    text: str
    sound: str
    start: int
    end: int


def mask(words: Sequence[Heard], before: str = "", *, final: bool = True) -> Masking:
    """Hide what is personal in one utterance.

    ``before`` is the masked text of what the same party said just before: a number goes on from there. Unless
    ``final``, a number at the end may go on and is hidden early. A masked utterance stays as it is.
    """
    hidden: dict[int, PersonalKind] = {}
    units = _units(words)
    while found := [span for span in _find(units, before, final) if not hidden.keys() >= {*range(*span[1:])}]:
        for kind, start, end in found:
            hidden |= {n: kind for n in range(start, end) if n not in hidden}
        units = [u._replace(text=STAR * len(u.text), sound=STAR) if n in hidden else u for n, u in enumerate(units)]
    return Masking(_words(words, units), tuple(_masked(units, hidden)))


def may_go_on(text: str) -> bool:
    """Whether ``text`` ends in a number that the next sentence may continue; only then it matters as ``before``."""
    return bool(tail(text))


def _units(words: Sequence[Heard]) -> list[_Unit]:
    """One unit a character; a word of one syllable is one unit. Sounds that do not fit the characters are left out."""
    units: list[_Unit] = []
    start = 0
    for n, word in enumerate(words):
        sounds = (word.sound or "").split()
        texts = [word.text] if len(sounds) == 1 else list(word.text) or [""] * len(sounds)
        fitting = sounds if len(sounds) == len(texts) else [""] * len(texts)
        for text, sound in zip(texts, fitting, strict=True):
            units.append(_Unit(n, text, sound, start, start + len(text)))
            start += len(text)
    return units


def _words(words: Sequence[Heard], units: Iterable[_Unit]) -> tuple[Heard, ...]:
    texts, sounds = [""] * len(words), [list[str]() for _ in words]
    for unit in units:
        texts[unit.word] += unit.text
        sounds[unit.word].append(unit.sound)
    return tuple(
        structs.replace(word, text=text, sound=" ".join(syllables) if word.sound and all(syllables) else None)
        for word, text, syllables in zip(words, texts, sounds, strict=True)
    )


def _masked(units: Sequence[_Unit], hidden: dict[int, PersonalKind]) -> Iterator[Masked]:
    """Neighbours of one kind are one."""
    start = None
    for n in sorted(hidden):
        start = units[n].start if start is None else start
        if hidden.get(n + 1) != hidden[n]:
            yield Masked(hidden[n], start, units[n].end)
            start = None


def _find(units: Sequence[_Unit], before: str, final: bool) -> list[Span]:
    sounds = [unit.sound for unit in units]
    plain = _told("".join(unit.text if len(unit.text) == 1 else "\0" for unit in units), sounds)
    code = code_line(plain, sounds)
    return [
        *_plates(plain, code, final),
        *_addresses(plain, final),
        *personal_numbers(plain, code, tail(before), final=final),
        *_names(plain),
    ]


#: Words that tell what comes next. Where they were heard by sound, the reading may have missed them.
_TELLING = re.findall(
    r"\S+",
    "工号 坐席 分机 手机号 手机 电话 座机 号码 身份证 卡号 账号 验证码 密码 单号 订单号 运单号 保单号 工单号 户号 编号 "
    "车牌号 车牌 热线 我叫 姓名是 名字叫 名字是 户主叫 机主叫 地址是 住在 小区 单元 号楼",
)
_BY_SOUND = {tuple(lazy_pinyin(word, style=Style.TONE3, neutral_tone_with_five=True)): word for word in _TELLING}


def _told(plain: str, sounds: Sequence[str]) -> str:
    """``plain`` with the telling words put where they were heard."""
    if not any(sounds):
        return plain
    line = list(plain)
    for n in range(len(sounds)):
        for size in (3, 2):
            if word := _BY_SOUND.get(tuple(sounds[n : n + size])):
                line[n : n + size] = word
                break
    return "".join(line)


# --- plates --------------------------------------------------------------------------------------------------------

_PROVINCES = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"
_PLATE = re.compile(
    rf"[{_PROVINCES}][\s·•]?[A-Za-z][\s·•,，-]*(?:[0-9A-Za-z零〇一幺二两三四五六七八九][\s·•,，-]?){{5,6}}"
)
_BEGUN_PLATE = re.compile(rf"[{_PROVINCES}][\s·•]?[A-Za-z][\s0-9A-Za-z零〇一幺二两三四五六七八九·•-]*$")
_PLATE_WORD = re.compile(r"车牌号?码?|牌照|车号")
#: On the code line, after such a word: 粤 and B are not heard surely, the digits are.
_SAID_PLATE = re.compile(r"-*([^0-9*/|-]{0,2}-*[0-9](?:-?[0-9a-jX.]){2,4}-?[0-9])")


def _plates(plain: str, code: str, final: bool) -> Iterator[Span]:
    for found in _PLATE.finditer(plain):
        yield Span("plate", found.start(), len(found.group().rstrip()) + found.start())
    if not final and (begun := _BEGUN_PLATE.search(plain)):
        yield Span("plate", *begun.span())
    for word in _PLATE_WORD.finditer(plain):
        if said := _SAID_PLATE.match(code, word.end()):
            yield Span("plate", *said.span(1))


# --- addresses -----------------------------------------------------------------------------------------------------

_NUMBER = r"(?:[0-9０-９零〇一幺二两三四五六七八九十百]{1,6}(?:[-–—之杠][0-9零〇一幺二两三四五六七八九十]{1,5})?)"
_BUILDING = "(?:号楼|号院|栋|幢|座)"
_PART = rf"(?:第?(?:{_NUMBER}|[A-Za-z甲乙丙丁东西南北])(?:{_BUILDING}|单元|门|楼|层|室|房|弄|支弄|号|期|区|组|队))"
_ROOM = r"(?:[0-9零〇一幺二两三四五六七八九]{3,4})"
#: A character of the name of a street; not those that stand before one.
_NAME = r"[^\W\d_在住是到的于位离我你您他她家址区市县省镇乡去从发寄送为叫对了下零一二三四五六七八九十]"
_STREET = rf"{_NAME}{{1,5}}?(?<![线马公电思半])(?:路|大街|街|大道|巷|胡同)[东南西北中]?段?"
_ESTATE = rf"{_NAME}{{1,6}}(?:小区|花园|家园|公寓|大厦|新村|广场|苑|府|城|庭|园|村|里|大院)"
_ADDRESS = re.compile(
    "|".join(
        [
            rf"{_STREET}{_NUMBER}(?:号|弄|支弄)(?:{_ESTATE})?{_PART}*{_ROOM}?",
            rf"{_STREET}(?:{_ESTATE})?{_PART}{{2,}}{_ROOM}?",
            rf"{_ESTATE}{_PART}+{_ROOM}?",
            rf"{_NUMBER}{_BUILDING}(?:{_PART}+{_ROOM}?|{_ROOM})",
            rf"{_NUMBER}单元{_NUMBER}(?:室|号|楼|层)?",
        ]
    )
)
_BEGUN_ADDRESS = re.compile(r"(?:住在|我家在|地址是|地址在)([^\s,，。*哪什多]{1,12})$")


def _addresses(plain: str, final: bool) -> Iterator[Span]:
    for found in _ADDRESS.finditer(plain):
        yield Span("address", *found.span())
    if not final and (begun := _BEGUN_ADDRESS.search(plain)):
        yield Span("address", *begun.span(1))


# --- names ---------------------------------------------------------------------------------------------------------

#: Family names that are hardly anything else; then those that are everyday words as well.
_FAMILIES = (
    "王李张刘陈杨赵吴徐孙朱胡郭林罗梁宋郑韩唐冯董萧曹袁邓傅沈曾彭吕卢蒋蔡贾丁魏薛阎潘杜戴钟汪姜范姚谭廖邹熊陆郝"
    "孔崔邱秦侯邵孟乔贺赖龚"
)
_MORE = (
    "黄周高何马谢许于苏程叶余夏田任方石金江白毛史顾万段雷钱汤尹黎易常武文欧闫肖温左柳颜莫关牛葛庄安施洪纪祝路齐季严"
    "尚鲁翟倪樊章俞滕殷岳兰申甘涂符毕焦成向管柯凌翁盛霍耿娄房裴"
)
_DOUBLE = "欧阳|上官|司马|诸葛|司徒|东方|皇甫|令狐|慕容|夏侯|端木|公孙|尉迟"
_SURE_FAMILY = rf"(?:{_DOUBLE}|(?!{_DOUBLE})[{_FAMILIES}])"
_FAMILY = rf"(?:{_DOUBLE}|(?!{_DOUBLE})[{_FAMILIES}{_MORE}])"
_TITLES = r"先生|女士|小姐|太太|同志|师傅|经理|老师|主任|总|大夫|医生|律师|阿姨|大爷|叔叔|大哥|大姐"
_GIVEN = rf"(?!{_TITLES})[一-鿿]"
_SECOND = (
    rf"(?:(?!{_TITLES})[^\W\d_A-Za-z请您你我他她的是在想要打呢啊吧来住有电手身先女小客了吗嘛呀和就也都这那对从给让把])?"
)
_SAYS_NAME = re.compile(
    rf"(?:(?:我|他|她|本人|人|主|名字|名|就|全名|孩子|爱人|老公|老婆|客户|朋友|同事|妈|爸|儿子|女儿)[就]?叫"
    rf"|(?:姓名|名字|大名|全名)[是叫为:： ]{{1,2}}|(?:机主|户主|开户人|持卡人|收件人|联系人|寄件人|本人)(?:是|为)"
    rf")(?P<family>{_FAMILY})(?P<given>{_GIVEN}{_SECOND})"
)
_TITLED = re.compile(rf"(?P<family>{_SURE_FAMILY})(?P<given>[一-鿿]{{1,2}}?)(?:先生|女士|小姐|太太)")
_DIGIT = "0-9零一幺二三四五六七八九"
_ALONE = re.compile(
    rf"(?:^|[\s,，。!！?？、])(?P<family>{_SURE_FAMILY})(?P<given>{_GIVEN}{_GIVEN}?)(?=$|[\s,，。!！?？、{_DIGIT}])"
)
#: Words that only look like a name.
_NO_NAME = re.compile(
    "王八|胡[说闹扯来搞乱]|孙子|熊样|熊孩子|张[口嘴贴扬]|曾经|陆续|杜绝|范围|董事|钟头|丁点|郑重|罗[嗦列]|林[业子]|梁上|宋体|侯着|孔[子雀]|邱"
)


def _names(plain: str) -> Iterator[Span]:
    """Family names stay, alone or with a title; given names do not."""
    for pattern in (_SAYS_NAME, _TITLED, _ALONE):
        for found in pattern.finditer(plain):
            if not _NO_NAME.match(found["family"] + found["given"]):
                yield Span("name", *found.span("given"))
