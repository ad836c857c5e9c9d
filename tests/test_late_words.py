"""Words that come many seconds after they were said: nobody is blamed for what has not been heard yet.

An ear dates what it tells by the sound, and time goes on meanwhile, so events have two times here: when they were said,
and when they came. Wakes come when they are due by the second one. Figures are seconds after the call was offered.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from streams.core import Step, dump, load, step
from streams.events import AnyEvent, Role, SpeechEnded, SpeechStarted, Tick, Transcript
from streams.rulebook import book as rulebook
from streams.talk import BEHIND_S
from tests.drive import T0, answered, drive, ended, offered

BOOK = rulebook.load()
GREETING, CLOSING = "greeting-missing", "closing-missing"
CALL = ((0.0, offered(0)), (0.5, answered(0.5)))
#: The time to greet is up.
LIMIT = 8.5

Came = tuple[float, AnyEvent]


def mark(through: float, role: Role = "agent") -> Transcript:
    """An ear tells how far it has heard, as ears do every two seconds, whether or not somebody speaks."""
    t = T0 + through
    return Transcript(call="c1", at=t + 0.3, role=role, text="", start=t, end=t, final=False, through=t)


def marks(came: float, *through: float, role: Role = "customer") -> list[Came]:
    return [(came + n / 100, mark(each, role)) for n, each in enumerate(through)]


def speaks(came: float, start: float, end: float, text: str, role: Role = "agent") -> list[Came]:
    """A sentence, as an ear tells it, all at once."""
    said: list[AnyEvent] = [
        SpeechStarted(call="c1", at=T0 + start, role=role),
        SpeechEnded(call="c1", at=T0 + end, role=role),
        Transcript(
            call="c1", at=T0 + end + 0.6, role=role, text=text, start=T0 + start, end=T0 + end, final=True,
            through=T0 + end + 0.3,
        ),
    ]  # fmt: skip
    return [(came, event) for event in said]


def greets(came: float, start: float = 1.5) -> list[Came]:
    return speaks(came, start, start + 3, "您好请问有什么可以帮您")


def live(*parts: Sequence[Came], until: float = 700, rule: str = GREETING) -> list[tuple[str, float, float]]:
    """What was told of the rule: what, for when, and at which moment. State is stored and read between events."""
    arrivals = sorted((each for part in (CALL, *parts) for each in part), key=lambda each: each[0])
    told: list[tuple[str, float, float]] = []
    now, answer = 0.0, Step(None, (), None)

    def take(event: AnyEvent, now: float) -> Step:
        found = step(BOOK, load(dump(answer.state)) if answer.state else None, event)
        news = [(c.state, c.at) for c in found.changes if c.rule == rule]
        news += [("not judged", each.at) for each in found.not_judged if each.rule == rule]
        told.extend((what, round(at - T0, 3), round(now, 3)) for what, at in news)
        return found

    for came, event in [*(each for each in arrivals if each[0] < until), (until, None)]:
        while answer.wake is not None and answer.wake <= T0 + came:
            now = max(now, answer.wake - T0)  # a wake in the past is due at once
            answer = take(Tick(call="c1", at=answer.wake), now)
        now, answer = came, take(event, came) if event else answer
    return told


# customer ear ─ 2 ─ 4 ─ 6 ─ 8 ─ 10 ─ …        hears as it should
# agent ear    ─ 1 ─ (30 s behind) ─────────── 您好请问有什么可以帮您, said at 1.5
@pytest.mark.parametrize("first", [(), (1.0,)], ids=["not heard of yet", "heard once"])
def test_an_agent_is_not_blamed_while_his_ear_is_behind_the_customers(first: tuple[float, ...]) -> None:
    others = [came for t in range(2, 60, 2) for came in marks(t + 0.3, t)]
    late = [*marks(1.3, *first, role="agent"), *greets(25), *marks(32, 6, 8, 10, role="agent")]
    assert live(others, late, until=60) == []


def test_an_agent_who_does_not_greet_is_told_of_as_soon_as_his_ear_is_through() -> None:
    others = [came for t in range(2, 60, 2) for came in marks(t + 0.3, t)]
    late = [*speaks(25, 1.5, 3, "\u5582\u4ec0\u4e48\u4e8b"), *marks(32, 6, 8, 10, role="agent")]
    assert live(others, late, until=60) == [("opened", LIMIT, 32.02)]


def test_words_that_come_after_the_alert_take_it_back() -> None:
    deaf = [came for t in range(2, 60, 2) for came in speaks(t + 0.3, t - 1, t, "\u55ef", "customer")]
    assert live(deaf, greets(25), until=60)[1:] == [("cleared", LIMIT, 25)]


def test_an_agent_who_greets_too_late_stays_blamed_however_late_that_is_heard() -> None:
    deaf = [came for t in range(2, 60, 2) for came in speaks(t + 0.3, t - 1, t, "\u55ef", "customer")]
    opened = live(deaf, greets(25, start=8.5), until=60)
    assert [what for what, _, _ in opened] == ["opened", "cleared"]  # begun at the very limit
    assert [what for what, _, _ in live(deaf, greets(25, start=8.6), until=60)] == ["opened"]


# of the agent no ear tells anything: it may be behind, or there is none
def test_an_ear_that_has_told_nothing_is_waited_for_for_so_long_and_no_longer() -> None:
    others = [came for t in range(2, 60, 2) for came in marks(t + 0.3, t)]
    assert live(others, until=LIMIT + BEHIND_S - 0.1) == []
    assert live(others, until=90) == [("opened", LIMIT, LIMIT + BEHIND_S)]
    assert live(others, greets(LIMIT + BEHIND_S - 0.5), marks(70, 10, role="agent"), until=90) == []
    after = live(others, greets(80), marks(80.5, 10, role="agent"), until=90)
    assert [(what, now) for what, _, now in after] == [("opened", LIMIT + BEHIND_S), ("cleared", 80)]


def test_an_ear_that_never_gets_there_is_not_held_against_the_agent() -> None:
    others = [came for t in range(2, 40, 2) for came in marks(t + 0.3, t)]
    gone = live(others, marks(2.3, 2, role="agent"), [(40, ended(40))], until=60)
    assert gone == [("not judged", LIMIT, 45)]


# ■ 您好 … 30 |held on ................ 40 ended    the agent's ear is at 29 (31), the customer's at the end
@pytest.mark.parametrize(("through", "what"), [(29.9, "not judged"), (30.0, "opened")])
def test_at_the_end_an_ear_speaks_for_its_own_party_only(through: float, what: str) -> None:
    others = [came for t in range(2, 42, 2) for came in marks(t + 0.3, t)]
    others += speaks(11, 9, 10, "\u55ef", "customer")  # who says nothing is owed no closing
    mine = [*greets(5), *marks(38, through, role="agent"), (40.0, ended(40, "agent"))]
    assert live(others, mine, rule=CLOSING, until=60) == [(what, 40, 45)]
    thanks = speaks(50, 35, 39, "请问还有什么可以帮您感谢您的来电再见")
    after = live(others, mine, thanks, rule=CLOSING, until=60)[1:]
    assert after == ([("cleared", 40, 50)] if what == "opened" else [])


def test_who_reads_that_an_alert_is_taken_back_reads_why() -> None:
    deaf = [e for t in range(2, 20, 2) for _, e in speaks(t, t - 1, t, "\u55ef", "customer")]
    late = [event for _, event in greets(25)]
    _, cleared = [c for c in drive(BOOK, [*(e for _, e in CALL), *deaf, *late]) if c.rule == GREETING]
    assert cleared.state == "cleared"
    assert "语音识别来晚了" in cleared.says
    assert cleared.en
    assert "the words came late" in cleared.en.says
