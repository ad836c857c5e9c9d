"""The stock of conversations that the archive's week draws its calls from: ordinary ones, spoken ones, and odd ones.

Owns what happens in a call and what of it goes wrong on its way into the log (``ODD``). Each is made once, at
``BEGINS``; who moves it by whole seconds moves every figure of it exactly (a time of this century has room for
2**-22 s). What differs from call to call are the names below, which are filled in for each.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from bench.day import OPENS, PLAIN, Manner, Turn, call, skeletons
from streams.events import (
    AgentRinging,
    AnyEvent,
    CallAnswered,
    CallEnded,
    CallOffered,
    CallTransferred,
    Gap,
    LegTapped,
    Spotted,
    Tick,
    Transcript,
    Word,
    is_subject,
    render,
)
from streams.replay import read_record

SPEECH = Path(__file__).parents[1] / "tests/traces/speech"
#: What is filled in: the call's id, the customer's number in the clear and as the gateway masks it, the key that stands
#: for it, a place that is talked about (two characters that no rule knows), and an alert's id.
CALL, NUMBER, MASKED, KEY, PLACE, ALERT = "@CALL@", "@NUMBER@", "@MASKED@", "@KEY@", "龘靐", "@ALERT@"
#: When every conversation of the stock begins: nine in the morning of a plain Friday.
BEGINS = int(OPENS)
QUEUES = ("hotline", "vip", "repairs", "billing", "complaints")
#: An agent's number names the queue: so many serve each.
AGENTS, FIRST_AGENT = 40, 8001

_FAMILY, _GIVEN = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗", "敏静丽强磊洋艳勇军杰娟涛超霞平刚"
_MONTHS = ["一月", "二月", "三月", "四月", "五月", "六月", "七月", "八月", "九月", "十月", "这个月", "上个月"]
_BILLS = ["话费", "流量费", "宽带费", "套餐费", "会员费", "漫游费", "短信费", "来电显示费"]
_AMOUNTS = [
    "八十六",
    "五十八",
    "一百二十九",
    "三十九",
    "二百一十五",
    "十九",
    "七十二",
    "九十九",
    "一百八十八",
    "四十五",
]
_GOODS = [
    "副卡",
    "宽带",
    "电视盒子",
    "路由器",
    "光猫",
    "手机卡",
    "来电提醒",
    "亲情号",
    "流量包",
    "国际漫游",
    "一号双机",
    "云盘",
]
_PAPERS = ["本人身份证", "户口本", "居住证", "营业执照", "委托书和双方身份证", "护照"]
_WEEKDAYS = ["周一", "周二", "周三", "周四", "周五", "周六", "周日"]
#: Question, answer: {…} is drawn.
_TALKS = (
    ("我想查一下{month}的{bill}", "您{month}的{bill}是{amount}元"),
    ("{month}的{bill}怎么是{amount}块", "我帮您核对一下账单,里面包含{goods}的月租"),
    ("我要办{goods}要带什么", "办理{goods}请您带上{papers}"),
    ("{goods}能不能在网上办", "可以的,您登录掌上营业厅就能办理{goods}"),
    ("{goods}什么时候能装好", "师傅{weekday}上午会和您联系"),
    ("你们{weekday}上班吗", "{weekday}照常营业,早上九点到晚上六点"),
    ("我搬家了,宽带能不能移过去", "可以移机,请问新地址是在龘靐小区吗"),
    ("龘靐路的营业厅在哪里", "龘靐路的营业厅在地铁口旁边"),
    ("我的{goods}用不了", "您把{goods}重新启动一下,再试试看"),
    ("{goods}怎么取消", "我帮您取消{goods},下个月生效"),
    ("帮我把套餐换成{amount}元的", "已经为您改成{amount}元的套餐,下个月生效"),
    ("那个{bill}要怎么交", "{bill}可以在手机上交,也可以到营业厅交"),
    ("发票什么时候寄到", "电子发票{weekday}会发到您的邮箱"),
    ("我想改一下登记的名字", "改名字需要{papers}到营业厅办理"),
    ("家里的{goods}灯不亮了", "我为您登记报修,{weekday}上门"),
)
_ACKNOWLEDGES = ("好的", "嗯", "知道了", "明白了", "可以", "行")


class Sent(NamedTuple):
    """A message of a call: an event, or bytes that are none. ``after_s``: since the call's beginning, when it is sent.

    ``key``: other than the call's own, where given. ``kept`` False: nobody can or should store it.
    """

    after_s: float
    what: AnyEvent | bytes
    kept: bool = True
    key: bytes = b""


class Talk(Struct, frozen=True):
    """One conversation as it is sent. ``kind``: ``plain``, ``rough``, ``spoken`` or one of ``ODD``; ``raw``: it comes
    from a source that masks no numbers.
    """

    kind: str
    queue: str
    raw: bool
    sent: tuple[Sent, ...]


def name_of(agent: str) -> str:
    """The same number is the same person."""
    number = int(agent)
    return _FAMILY[number % len(_FAMILY)] + _GIVEN[number // 7 % len(_GIVEN)] + _GIVEN[number // 3 % len(_GIVEN)]


def stock(size: int, seed: int) -> list[Talk]:
    """So many conversations: each odd kind twice at least, else one in twelve is odd, one in ten spoken or rough.

    Raises ValueError where that are too few.
    """
    if size < 4 * len(ODD):
        raise ValueError(f"{size} conversations are too few for all kinds: {4 * len(ODD)} at least")
    recorded, spoken = list(skeletons()), _spoken()
    made = []
    for n in range(size):
        chance = random.Random(f"{seed}:talk:{n}")  # noqa: S311 - not for secrets
        kind = _kind(n, chance)
        events = spoken[n % len(spoken)] if kind == "spoken" else _call(recorded, n, kind, chance)
        queue = chance.choice(QUEUES)
        told = [Sent(event.at - BEGINS, event) for event in _staffed(events, queue, chance, raw=n % 19 == 3)]
        made.append(Talk(kind, queue, n % 19 == 3, tuple(ODD[kind](told, chance) if kind in ODD else told)))
    return made


def _kind(n: int, chance: random.Random) -> str:
    if n % 12 == 5 or n < 2 * len(ODD):  # each odd kind twice at least
        return list(ODD)[(n if n < 2 * len(ODD) else n // 12) % len(ODD)]
    return chance.choices(("plain", "rough", "spoken"), (0.8, 0.1, 0.1))[0]


def _call(recorded: list[list[AnyEvent]], n: int, kind: str, chance: random.Random) -> list[AnyEvent]:
    manner = PLAIN if kind == "rough" else POLITE
    while True:
        events = call(recorded, n, float(BEGINS), chance, 1, manner)
        if kind not in ODD or any(isinstance(event, Transcript) and event.text for event in events):
            return events  # an odd one is about words


def _spoken() -> list[list[AnyEvent]]:
    """The spoken calls, each from ``BEGINS`` on."""
    found = []
    for path in sorted(SPEECH.glob("*.ndjson")):
        events = [event for event in read_record(path) if not isinstance(event, Exception) and hasattr(event, "at")]
        moved = BEGINS - int(events[0].at)  # type: ignore[union-attr]
        found.append([_at(event, event.at + moved) for event in events])  # type: ignore[arg-type,union-attr]
    return found


def _turns(chance: random.Random) -> list[Turn]:
    """Question and answer, as they belong together."""
    turns = [Turn("agent", "您好,客服中心,工号八零二六为您服务,请问有什么可以帮您")]
    for _ in range(chance.randrange(2, 8)):
        drawn = {
            "month": chance.choice(_MONTHS),
            "bill": chance.choice(_BILLS),
            "amount": chance.choice(_AMOUNTS),
            "goods": chance.choice(_GOODS),
            "papers": chance.choice(_PAPERS),
            "weekday": chance.choice(_WEEKDAYS),
        }
        asks, answers = (text.format_map(drawn) for text in chance.choice(_TALKS))
        turns += [Turn("customer", asks), Turn("agent", f"好的,{answers}")]
        turns += [Turn("customer", chance.choice(_ACKNOWLEDGES))]
    return [
        *turns,
        Turn("agent", "请问还有其他可以帮您的吗"),
        Turn("customer", "没有了,谢谢"),
        Turn("agent", "感谢您的来电,祝您生活愉快,再见"),
    ]


POLITE = Manner(_turns, 0.32, (0.3, 0.5, 0.8, 1.2))


def _staffed(events: Iterable[AnyEvent], queue: str, chance: random.Random, *, raw: bool) -> list[AnyEvent]:
    """With agents of that queue, by number and name, and what is filled in for the call and its customer."""
    first, staff = FIRST_AGENT + AGENTS * QUEUES.index(queue), dict[str, str]()
    made = []
    for event in events:
        fields: dict[str, object] = {"call": CALL}
        if given := getattr(event, "agent", None):
            fields["agent"] = staff.setdefault(given, str(first + (chance.randrange(AGENTS) + len(staff)) % AGENTS))
        if isinstance(event, AgentRinging | CallAnswered | CallTransferred):
            fields["agent_name"] = name_of(str(fields["agent"]))
        if isinstance(event, CallOffered):
            extra = {} if raw else {"customer_key": KEY}
            fields |= {"caller": NUMBER if raw else MASKED, "called": "10000", "queue": queue, "extra": extra}
        made.append(replace(event, **fields))  # type: ignore[arg-type]
    return made


def _at(event: AnyEvent, at: float) -> AnyEvent:
    """Moved to ``at``, with all its times."""
    times = {
        name: value + at - event.at
        for name in ("start", "end", "through")
        if isinstance(value := getattr(event, name, None), float)
    }
    return replace(event, at=at, **times)  # type: ignore[arg-type]


# ------------------------------------------------------------------------------------------------ what goes wrong


def _words(told: Sequence[Sent]) -> list[int]:
    """Where there are final words."""
    return [n for n, each in enumerate(told) if isinstance(each.what, Transcript) and each.what.text]


def _end(told: Sequence[Sent]) -> int:
    return next(n for n, each in enumerate(told) if isinstance(each.what, CallEnded))


def _endless(told: list[Sent], _chance: random.Random) -> list[Sent]:
    """Its end was lost."""
    return told[: _end(told)]


def _late(told: list[Sent], _chance: random.Random) -> list[Sent]:
    """The last words are recognised a minute and a half after the end."""
    n, end = _words(told)[-1], told[_end(told)]
    said, at = told[n].what, told[-1].after_s + 90.0
    assert isinstance(said, Transcript) and isinstance(end.what, CallEnded)
    late = replace(said, at=round(end.what.at + 90.0, 3))
    return [*told[:n], *told[n + 1 :], Sent(at, late)]


def _very_late(told: list[Sent], _chance: random.Random) -> list[Sent]:
    """Some words lay in a buffer for forty minutes; they are sent with the times that they had."""
    n = _words(told)[len(_words(told)) // 2]
    return [*told[:n], *told[n + 1 :], Sent(told[-1].after_s + 2400.0, told[n].what)]


def _shuffled(told: list[Sent], chance: random.Random) -> list[Sent]:
    """Sources of different speed: what is less than a second apart may be logged in any order."""
    order = sorted(range(len(told)), key=lambda n: told[n].after_s + chance.random())
    return [Sent(told[place].after_s, told[n].what) for place, n in enumerate(order)]


def _twice(told: list[Sent], chance: random.Random) -> list[Sent]:
    """Some messages, the end among them, are sent twice."""
    again = {_end(told), *chance.sample(range(len(told)), len(told) // 4)}
    return [each for n, one in enumerate(told) for each in [one] * (2 if n in again else 1)]


def _garbled(told: list[Sent], _chance: random.Random) -> list[Sent]:
    """Between the events stands what nobody can read or believe, and ticks, which nobody keeps."""
    event = told[0].what
    assert not isinstance(event, bytes)
    whole = render(event)
    ticks = render(Tick(call=CALL, at=event.at + 1.0))
    bad = (
        b"{",
        b"\xff\xfe\x00",
        b"[]",
        whole.replace(b"call.offered", b"call.oferred"),
        b'{"type":"call.held","call":"@CALL@","at":1795312800000,"by":"agent"}',
        b'{"type":"call.held","call":"@CALL@"}',
        render(replace(event, at=event.at + 366 * 86_400.0)),  # its clock is a year ahead
        whole[: len(whole) // 2],
    )
    noise = [Sent(0.0, each, kept=False) for each in bad]
    noise += [Sent(0.0, whole, kept=False, key=b"@CALL@-other"), Sent(0.0, ticks, kept=False)]
    made = list(told)
    for n, each in enumerate(noise):
        place = (n * 7) % len(told) + n
        made.insert(place, each._replace(after_s=made[min(place, len(made) - 1)].after_s))
    return made


def _clock(told: list[Sent], _chance: random.Random) -> list[Sent]:
    """The sender's clock jumps back by an hour half-way."""
    half = len(told) // 2
    back = [
        each._replace(what=_at(each.what, round(each.what.at - 3600.0, 3)))
        for each in told[half:]
        if not isinstance(each.what, bytes)
    ]
    return [*told[:half], *back]


def _found(told: list[Sent], _chance: random.Random) -> list[Sent]:
    """It was talking when it was first heard of."""
    return told[next(n for n, each in enumerate(told) if isinstance(each.what, CallAnswered)) :]


def _only_end(told: list[Sent], _chance: random.Random) -> list[Sent]:
    """An end without a call."""
    return [told[_end(told)]]


def _only_words(told: list[Sent], _chance: random.Random) -> list[Sent]:
    """Words of a call that the telephone never told of."""
    return [told[n] for n in _words(told)]


def _partials(told: list[Sent], _chance: random.Random) -> list[Sent]:
    """Sentences are told while they go on, and the last is never finished."""
    words = _words(told)
    made: list[Sent] = []
    for n, each in enumerate(told):
        said = each.what
        if n not in words:
            made.append(each)
        elif isinstance(said, Transcript):
            part = replace(said, text=said.text[: max(1, len(said.text) // 2)], final=False, through=None)
            made.append(Sent(each.after_s, part))
            if n != words[-1]:
                made.append(each)
    heard_out = [n for n, e in enumerate(made) if isinstance(e.what, Transcript) and not e.what.text]
    return [each for n, each in enumerate(made) if n not in heard_out]


def _ears(told: list[Sent], _chance: random.Random) -> list[Sent]:
    """All that an ear may say: which leg it is, a phrase while the sentence goes on, a gap, words by their sound."""
    words = _words(told)
    made: list[Sent] = []
    for n, each in enumerate(told):
        said = each.what
        if n == words[0] and isinstance(said, Transcript):
            made.append(Sent(each.after_s, LegTapped(call=CALL, at=said.at, role="agent", leg="3f2a-leg")))
            made.append(
                Sent(
                    each.after_s,
                    Spotted(call=CALL, at=said.at, role=said.role, text="您好", start=said.start, end=said.end),
                )
            )
        if n == words[-1] and isinstance(said, Transcript):
            made.append(
                Sent(
                    each.after_s,
                    Gap(call=CALL, at=said.at, role=said.role, start=said.start, end=said.start, reason="lost"),
                )
            )
            sounds = (Word(text="再见", start=said.start, end=said.end, sound="zai4 jian4"),)
            made.append(each._replace(what=replace(said, text="再见", words=sounds, by_sound=True)))
        else:
            made.append(each)
    return made


#: What may go wrong with a call, by name.
ODD: dict[str, Callable[[list[Sent], random.Random], list[Sent]]] = {
    "endless": _endless,
    "late-words": _late,
    "very-late-words": _very_late,
    "shuffled": _shuffled,
    "twice": _twice,
    "garbled": _garbled,
    "clock-back": _clock,
    "found-talking": _found,
    "only-end": _only_end,
    "only-words": _only_words,
    "partials": _partials,
    "ears": _ears,
}
assert not is_subject(CALL)
