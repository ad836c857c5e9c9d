"""A day of a hotline as one trace: recorded phone traffic, with conversations written into its talking time.

The calls' skeletons are those of the recorded captures (rings, transfers, holds, who hangs up); where a customer talks
with an agent, one of the dialogues below is put in, and what follows is moved by its length. Speech marks and final
transcripts are as the recognisers give them: a sentence takes 0.22 s a character, and is known 0.4 s after its end.
There are three customers to a call, so that some call again. The same seed gives the same bytes. ``archive_week`` makes
its calls here too, of other talk (``Manner``).
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from streams.call import is_telephony
from streams.events import AnyEvent, CallEnded, CallOffered, Event, Role, SpeechEnded, SpeechStarted, Transcript, render
from streams.telephony.capture import record_capture

CAPTURES = Path(__file__).parents[1] / "tests/traces/asterisk"
#: A plain Friday, nine in the morning.
OPENS = datetime(2026, 11, 20, 9, tzinfo=ZoneInfo("Asia/Shanghai")).timestamp()
HOURS_S = 12 * 3600.0
CHARACTER_S = 0.22
KNOWN_AFTER_S = 0.4

OPENING = """您好,很高兴为您服务,请问有什么可以帮您?
您好,工号八零二六为您服务,请问有什么需要帮助?
喂,你好,请讲。
喂,哪位?""".splitlines()
CLOSING = """请问还有其他可以帮您的吗?
感谢您的来电,祝您生活愉快,再见。
请您稍后对我的服务作出评价,再见。""".splitlines()
ASKS = """我想查一下这个月的话费是多少
我的网络从昨天晚上开始就上不去了
上个月的账单怎么多了三十块钱
我要办理停机保号需要带什么证件
你们的营业厅几点下班
我的号码是幺三八零零一二三四五六,帮我看一下
我想把套餐换成便宜一点的
我昨天已经打过一次电话了还没有人回复我
我要投诉你们的服务
为什么又扣了我十块钱
快递都五天了还没有到
你能不能快一点,我在上班
这个费用我不认可
好的,那我等一下
嗯,是的
可以""".splitlines()
ANSWERS = """好的,我马上为您查询,请您稍等。
感谢您的耐心等待,您本月的费用是五十八元。
很抱歉给您带来不便,我帮您登记报修。
您是说从昨天晚上开始无法上网,对吗?
这项业务需要您携带本人身份证到营业厅办理。
请问您的联系电话是多少?
这个套餐每个月一百二十八元,包含三十个吉的流量。
不好意思,我没有听清,麻烦您再说一遍。
这个我不知道,不归我管。
您的心情我非常理解,我会尽快为您处理。
我已经为您登记,二十四小时之内会有专员与您联系。
不行就是不行,这是规定。
请您记录一下服务单号,二零二六一一二零零零三七。
您可以关注我们的公众号自助查询。
好的,我明白您的意思。""".splitlines()


class Turn(NamedTuple):
    """One sentence of a conversation."""

    role: Role
    text: str


class Manner(NamedTuple):
    """How people talk: what they say, how long a character takes, seconds, and the pauses between sentences."""

    turns: Callable[[random.Random], list[Turn]]
    character_s: float
    pauses_s: Sequence[float]


def write_day(path: Path, calls: int = 20_000, seed: int = 3) -> int:
    """Write a trace of ``calls`` calls to ``path``, its lines in order of time; how many lines it has."""
    chance, lines = random.Random(seed), 0  # noqa: S311 - not for secrets
    recorded = list(skeletons())
    starts = sorted(OPENS + chance.random() * HOURS_S for _ in range(calls))
    each = (call(recorded, n, at, random.Random(f"{seed}:{n}"), 3 * calls) for n, at in enumerate(starts))  # noqa: S311
    with path.open("wb") as out:
        for event in _in_order(each):
            out.write(render(event) + b"\n")
            lines += 1
    return lines


def _in_order(calls: Iterator[list[AnyEvent]]) -> Iterator[AnyEvent]:
    """Events of calls that begin one after the other, in order of time."""
    waiting: list[tuple[float, int, int, AnyEvent]] = []
    for n, events in enumerate(calls):
        while waiting and waiting[0][0] < events[0].at:
            yield heapq.heappop(waiting)[3]
        for m, event in enumerate(events):
            heapq.heappush(waiting, (event.at, n, m, event))
    while waiting:
        yield heapq.heappop(waiting)[3]


def skeletons() -> Iterator[list[AnyEvent]]:
    """The phone events of each recorded call that began under our eyes."""
    for capture in sorted(CAPTURES.glob("*.jsonl")):
        calls: dict[str, list[AnyEvent]] = {}
        for item in record_capture(capture):
            if isinstance(item, Event) and is_telephony(item):  # sounds without words are left out: words are put in
                calls.setdefault(item.call, []).append(item)
        yield from (events for events in calls.values() if isinstance(events[0], CallOffered))


def call(
    recorded: list[list[AnyEvent]],
    number: int,
    at: float,
    chance: random.Random,
    callers: int,
    manner: Manner | None = None,
) -> list[AnyEvent]:
    """One call from ``at`` on, of one of so many customers."""
    skeleton, agent = chance.choice(recorded), str(chance.randrange(8001, 8200))
    names: dict[str, str] = {}
    moved, made = at - skeleton[0].at, list[AnyEvent]()
    wait = chance.choice((0.0, 0.0, 0.0, 4.0, 9.0))
    for event in skeleton:
        fields = {"call": f"day-{number:05d}", "at": round(event.at + moved, 3)}
        if "agent_name" in event.__struct_fields__:
            fields["agent_name"] = None
        if given := getattr(event, "agent", None):
            fields["agent"] = names.setdefault(given, agent if not names else str(chance.randrange(8001, 8200)))
        if isinstance(event, CallOffered):
            fields |= {"caller": f"138{chance.randrange(callers):08d}", "queue": chance.choice(("hotline", "vip"))}
        made.append(replace(event, seq=None, logged_at=None, **fields))  # type: ignore[arg-type]
        tag = str(event.__struct_config__.tag)
        moved += wait if tag == "agent.ringing" else 0.0
        if tag in ("call.answered", "call.transferred") and not event.extra.get("consult"):
            talk = list(_talk(made[-1].call, made[-1].at + 0.6, chance, manner or PLAIN))
            made += talk
            moved += talk[-1].at - made[-1 - len(talk)].at
    made += list(_heard_out(made))
    return sorted(made, key=lambda event: event.at)


def _heard_out(made: list[AnyEvent]) -> Iterator[AnyEvent]:
    """Both recognisers say, just before the end of a call that they listened to, that they have heard all of it."""
    if isinstance(made[-1], CallEnded) and any(isinstance(event, Transcript) for event in made):
        at = round(made[-1].at - 0.01, 3)
        for role in ("agent", "customer"):
            yield Transcript(call=made[-1].call, at=at, role=role, text="", start=at, end=at, final=True, through=at)


def _turns(chance: random.Random) -> list[Turn]:
    """A conversation as it comes."""
    turns = [Turn("agent", chance.choice(OPENING))]
    for _ in range(chance.randrange(3, 15)):
        turns += [Turn("customer", chance.choice(ASKS)), Turn("agent", chance.choice(ANSWERS))]
    return turns + [Turn("agent", text) for text in CLOSING[: chance.randrange(1, len(CLOSING))]]


PLAIN = Manner(_turns, CHARACTER_S, (0.3, 0.5, 0.8, 1.5, 3.0, 7.0))


def _talk(call: str, at: float, chance: random.Random, manner: Manner) -> Iterator[AnyEvent]:
    """A conversation from ``at`` on."""
    heard: list[AnyEvent] = []
    for role, text in manner.turns(chance):
        start, end = round(at, 3), round(at + manner.character_s * len(text), 3)
        known = round(end + KNOWN_AFTER_S, 3)
        heard.append(SpeechStarted(call=call, at=start, role=role))
        heard.append(SpeechEnded(call=call, at=end, role=role))
        said = Transcript(call=call, at=known, role=role, text=text, start=start, end=end, final=True, through=known)
        heard.append(said)
        at = end + chance.choice(manner.pauses_s)
    yield from sorted(heard, key=lambda event: event.at)
