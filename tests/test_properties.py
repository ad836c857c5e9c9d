"""What must always hold of ``step``, whatever the calls: the seven properties, each with the fault it catches.

Each property is a check that takes the step function (or the rulebook) to be judged. It is run on the real one,
and on one with a planted fault, which it must catch: a check that cannot fail proves nothing. The sixth, that
the Faust agent gives what replay gives, is in the tests of the shell.
"""

from __future__ import annotations

import itertools
import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from msgspec.structs import asdict, replace

from streams.alerts import AlertChange, Clause, Severity
from streams.call import LATE_S, Call
from streams.core import JUMP_S, KEEP_ENDED_S, SILENT_S, Book, CallState, Step, dump, load, step
from streams.detectors.base import Facts, Rule
from streams.detectors.lasts import Lasts
from streams.detectors.must_say import MustSay
from streams.detectors.units import Duration
from streams.events import AnyEvent, Gap, Role, SpeechEnded, SpeechStarted, Spotted, Tick, Transcript
from streams.rulebook import book as rulebook
from streams.rulebook.book import Rulebook
from tests.drive import (
    T0,
    Row,
    answered,
    consulted,
    drive,
    ended,
    failed,
    held,
    missed,
    offered,
    resumed,
    rings,
    rows,
    tick,
    transferred,
    transferring,
)
from tests.test_events import events as any_events

BOOK = rulebook.load()

Stepper = Callable[[Book, CallState | None, AnyEvent], Step]


# ------------------------------------------------------------------------------------------------- calls

#: Durations around the limits of the default rulebook: shorter, just below, exact, just above, long.
RING_S = st.sampled_from([0.5, 4, 9.875, 10, 10.125, 15, 19.875, 20, 23])
WAIT_S = st.sampled_from([0.25, 3, 59.875, 60, 89.875, 90, 90.125, 125, 240, 250])
PAUSE_S = st.sampled_from([0, 0.125, 1, 5, 20, 70])
SPEECH_S = st.sampled_from([0.5, 2, 4, 12])
#: Something for every rule about words, and harmless sentences that look like it.
SENTENCES = st.sampled_from(
    [
        "您好，客服中心，工号8026，请问有什么可以帮您",
        "您好，非常抱歉让您久等了",
        "请您稍等，我帮您查询一下好吗",
        "让您久等了，感谢您的等待",
        "我现在为您转接，请稍等",
        "请问还有其他可以帮您的吗",
        "感谢您的来电，再见",
        "非常抱歉，您的电话没有声音，请您换一部电话再打来",
        "请您使用文明语言",
        "我理解您的心情，给您带来不便非常抱歉",
        "喂，有什么事快说",
        "再不说话我就挂机了",
        "不行就是不行，这是规定",
        "我不知道，你找别的地方问",
        "可能是吧，大概是这样",
        "您是说没有办法登录，对吗",
        "我要投诉，你们的服务太差了",
        "叫你们领导来接电话",
        "再不解决我就打幺二三一五",
        "你是不是脑子有病啊",
        "你的工号是多少",
        "我想问一下话费",
        "嗯",
        "",
    ]
)
AGENTS = st.lists(st.sampled_from(["101", "102", "103"]), min_size=1, max_size=3, unique=True)


class Telling:
    """Writes one plausible call, event by event, as ``draw`` decides."""

    def __init__(self, draw: st.DrawFn, call: str) -> None:
        self.draw, self.call = draw, call
        self.t = float(draw(st.integers(0, 60)))
        self.events: list[AnyEvent] = []
        self.agent = "101"

    def tell(self, kind: Callable[..., AnyEvent], *args: Any, after: float = 0.0, **fields: Any) -> None:
        self.t += after
        self.events.append(kind(self.t, *args, call=self.call, **fields))

    def whole(self) -> list[AnyEvent]:
        direction = self.draw(st.sampled_from(["inbound", "inbound", "inbound", "outbound"]))
        self.tell(offered, queue="sales", direction=direction)
        for _ in range(self.draw(st.integers(0, 2))):
            self.ring_in_vain()
        if self.draw(st.sampled_from([True, True, True, False])):
            self.ring_and_answer()
            for _ in range(self.draw(st.integers(0, 5))):
                self.draw(st.sampled_from([self.hold, self.transfer, self.speak, self.speak, self.speak]))()
        if self.draw(st.sampled_from([True, True, True, False])):
            self.tell(ended, self.draw(st.sampled_from(["agent", "customer", "system"])), after=self.draw(WAIT_S))
        return self.events

    def ring_in_vain(self) -> None:
        agents = self.draw(AGENTS)
        for agent in agents:
            self.tell(rings, agent, after=self.draw(PAUSE_S))
        for n, agent in enumerate(agents):
            self.tell(missed, agent, after=self.draw(RING_S if n == 0 else PAUSE_S))

    def ring_and_answer(self) -> None:
        agents = self.draw(AGENTS)
        for agent in agents:
            self.tell(rings, agent, after=self.draw(PAUSE_S), agent_name=f"Name {agent}")
        self.agent = self.draw(st.sampled_from(agents))
        self.tell(answered, self.agent, after=self.draw(RING_S))
        for agent in agents:
            if agent != self.agent:
                self.tell(missed, agent)

    def hold(self) -> None:
        by = self.draw(st.sampled_from(["agent", "agent", "customer"]))
        self.tell(held, by, after=self.draw(PAUSE_S))
        self.tell(resumed, by, after=self.draw(WAIT_S))

    def transfer(self) -> None:
        mode = self.draw(st.sampled_from(["blind", "attended"]))
        self.tell(transferring, "104", self.agent, after=self.draw(PAUSE_S), mode=mode)
        if self.draw(st.booleans()):
            self.tell(rings, "104", after=self.draw(PAUSE_S))
            if mode == "attended":
                self.tell(consulted, "104", after=self.draw(RING_S))
        if self.draw(st.booleans()):
            self.agent = "104"
            self.tell(transferred, "104", after=self.draw(WAIT_S))
        else:
            self.tell(failed, after=self.draw(WAIT_S))

    def speak(self) -> None:
        """One sentence, heard with marks, perhaps with a partial that is corrected, perhaps with a phrase that a
        spotter heard in it, rightly or not, before or after its words; or a gap in the hearing.
        """
        role: Role = self.draw(st.sampled_from(["agent", "customer"]))
        start = self.t + self.draw(PAUSE_S)
        text = self.draw(SENTENCES)
        end, call = start + self.draw(SPEECH_S), self.call
        self.t = end + self.draw(st.sampled_from([0.0, 0.25, 1.5]))
        if self.draw(st.sampled_from([True, True, True, True, True, False])):
            self.events.append(SpeechStarted(call=call, at=T0 + start, role=role))
            if self.draw(st.booleans()):
                guess = self.draw(SENTENCES)
                self.events.append(self.heard(role, guess, start, (start + end) / 2, (start + end) / 2, final=False))
            self.events.append(SpeechEnded(call=call, at=T0 + end, role=role))
            spots = [self.spotted(role, start, end)] if self.draw(st.sampled_from([False, False, True])) else []
            words = [self.heard(role, text, start, end, self.t, final=True)]
            self.events += words + spots if self.draw(st.sampled_from([False, False, True])) else spots + words
        else:
            self.events.append(Gap(call=call, at=T0 + self.t, role=role, start=T0 + start, end=T0 + end))

    def spotted(self, role: Role, start: float, end: float) -> Spotted:
        times = {
            "start": T0 + start,
            "end": T0 + (start + end) / 2,
            "said": self.draw(st.sampled_from([None, T0 + start])),
        }
        text, final = self.draw(SENTENCES), self.draw(st.booleans())
        return Spotted(call=self.call, at=T0 + self.t, role=role, text=text, final=final, **times)

    def heard(self, role: Role, text: str, start: float, end: float, at: float, *, final: bool) -> Transcript:
        times = {"start": T0 + start, "end": T0 + end, "through": T0 + end}
        return Transcript(call=self.call, at=T0 + at, role=role, text=text, final=final, **times)


@st.composite
def calls(draw: st.DrawFn, name: str = "c1") -> list[AnyEvent]:
    """One plausible call, in order; some events lost, some told twice."""
    events = Telling(draw, name).whole()
    times = draw(st.lists(st.sampled_from([1, 1, 1, 1, 1, 1, 1, 0, 2]), min_size=len(events), max_size=len(events)))
    return [event for event, n in zip(events, times, strict=True) for _ in range(n)]


@st.composite
def disordered(draw: st.DrawFn, events: st.SearchStrategy[list[AnyEvent]]) -> list[AnyEvent]:
    """The same, but some events arrive late: mostly within ``LATE_S``, a few beyond it."""
    told = draw(events)
    late = [draw(st.sampled_from([0, 0, 0, 0, 0.125, 2, LATE_S, 7])) for _ in told]
    order = sorted(range(len(told)), key=lambda n: told[n].at + late[n])
    return [told[n] for n in order]


def together(*of_calls: list[AnyEvent]) -> list[AnyEvent]:
    """Several calls in one record, in order of arrival."""
    arrivals: list[tuple[float, int, AnyEvent]] = []
    for call in of_calls:
        now = -math.inf
        for event in call:
            now = max(now, event.at)
            arrivals.append((now, len(arrivals), event))
    return [event for _, _, event in sorted(arrivals, key=lambda arrival: arrival[:2])]


one_call = calls() | disordered(calls())
some_calls = st.tuples(*(calls(f"c{n}") | disordered(calls(f"c{n}")) for n in range(3)))


# --------------------------------------------------------------------------------------------- the driver


class Seen(NamedTuple):
    """A change, and the event that the engine was given when it made it."""

    change: AlertChange
    cause: AnyEvent


class Engine:
    """Steps any number of calls by ``stepper``, as a worker does: a log with sequences, wakes, a table."""

    def __init__(self, stepper: Stepper = step, book: Book = BOOK) -> None:
        self.stepper, self.book = stepper, book
        self.states: dict[str, CallState] = {}
        self.wakes: dict[str, float] = {}
        self.log: list[AnyEvent] = []
        self.seen: list[Seen] = []

    def take(self, event: AnyEvent) -> None:
        """Log one event and step its call."""
        event = replace(event, seq=len(self.log))
        self.log.append(event)
        self.step(event)

    def step(self, event: AnyEvent) -> None:
        """Step the call of an event that has been logged."""
        result = self.stepper(self.book, self.states.get(event.call), event)
        self.seen += [Seen(change, event) for change in result.changes]
        if result.state is None or result.wake is None:
            self.states.pop(event.call, None)
            self.wakes.pop(event.call, None)
        else:
            self.states[event.call], self.wakes[event.call] = result.state, result.wake

    def wake(self, call: str, until: float) -> None:
        """Fire the wakes of a call, each exactly when it is due."""
        while (due := self.wakes.get(call, math.inf)) <= until:
            self.take(Tick(call=call, at=due))

    def run(self, record: Iterable[AnyEvent], until: float | None = None) -> list[AlertChange]:
        """A whole record with exact wakes, and ``until`` seconds after ``T0``."""
        for event in record:
            self.wake(event.call, event.at)
            self.take(event)
        for call in list(self.wakes):
            self.wake(call, T0 + (FOREVER if until is None else until))
        return [seen.change for seen in self.seen]


#: Long enough for every call here to be closed for its silence and then forgotten.
FOREVER = 10 * 3600.0


def by_call(changes: Iterable[AlertChange]) -> dict[str, list[AlertChange]]:
    found: dict[str, list[AlertChange]] = defaultdict(list)
    for change in changes:
        found[change.call].append(change)
    return found


def caught(check: Callable[[], None]) -> None:
    """The check must fail; it is not worth the time to find the smallest case."""
    with pytest.raises(AssertionError):
        check()


#: For checks that are meant to fail: stop at the first case.
hasty = settings(phases=[Phase.generate], max_examples=500, report_multiple_bugs=False, database=None)


def with_rule(rule: Rule) -> Rulebook:
    """The default book with one rule put in the place of the one of the same id."""
    others = tuple(r for r in BOOK.rules if r.id != rule.id)
    return replace(BOOK, rules=(*others, rule))


# ---------------------------------------------------------------- 1. all times shifted, all alerts shifted


def timeless(book: Rulebook) -> Rulebook:
    """Without the rules that ask for the hour or the day: these must change when all times are shifted."""
    dated = re.compile(r"(hours|days)=\((?!\))")
    return replace(book, rules=tuple(r for r in book.rules if not dated.search(f"{r.when} {r.unless}")))


TIMELESS = timeless(BOOK)


def check_shift(book: Book = TIMELESS, how: settings | None = None) -> None:
    @given(one_call, st.sampled_from([-86400 * 365, -1, 1, 17, 3600 * 7, 86400 * 1000]))
    def check(record: list[AnyEvent], delta: int) -> None:
        moved = [shifted(event, delta) for event in record]
        plain = Engine(book=book).run(record)
        later = Engine(book=book).run(moved, until=FOREVER + delta)
        assert later == [later_by(change, delta) for change in plain]

    (how(check) if how else check)()


def shifted(event: AnyEvent, by: float) -> AnyEvent:
    """The event with all its times moved."""
    names = ("at", "start", "end", "through", "said")
    times = {name: getattr(event, name) + by for name in names if getattr(event, name, None) is not None}
    return replace(event, **times)


def later_by(change: AlertChange, by: float) -> AlertChange:
    evidence = tuple(replace(e, start=e.start + by, end=e.end + by) for e in change.evidence)
    return replace(change, at=change.at + by, evidence=evidence)


class OnTheMinute(Lasts, frozen=True, kw_only=True, tag="on_the_minute"):
    """Planted: looks at the time of day, as a rule that is only checked on the full minute would."""

    def due(self, facts: Facts, memory: Any) -> float | None:
        due = super().due(facts, memory)
        return None if due is None else math.ceil(due / 60) * 60.0


def test_1_shifting_all_times_shifts_all_alerts() -> None:
    check_shift()


def test_1_catches_a_rule_that_looks_at_absolute_time() -> None:
    hold = BOOK.rule("long-hold")
    assert hold
    caught(lambda: check_shift(with_rule(OnTheMinute(**asdict(hold))), hasty))


# ------------------------------------------------------ 2. calls together give what each of them gives alone


def check_together(make_stepper: Callable[[], Stepper], how: settings | None = None) -> None:
    @given(some_calls, st.integers(1, 3))
    def check(of_calls: tuple[list[AnyEvent], ...], partitions: int) -> None:
        alone = {name: Engine(make_stepper()).run(call) for call in of_calls for name in {e.call for e in call}}
        mixed = Engine(make_stepper()).run(together(*of_calls))
        assert by_call(mixed) == {name: changes for name, changes in alone.items() if changes}
        parts = [Engine(make_stepper()).run(together(*of_calls[n::partitions])) for n in range(partitions)]
        assert by_call(itertools.chain(*parts)) == by_call(mixed)

    (how(check) if how else check)()


def shared_memory() -> Stepper:
    """Planted: what the rules remember is kept once, not once per call."""
    shared: dict[str, Any] = {}

    def faulty(book: Book, state: CallState | None, event: AnyEvent) -> Step:
        result = step(book, replace(state, memory=dict(shared)) if state else None, event)
        if result.state:
            shared.update(result.state.memory)
        return result

    return faulty


def test_2_calls_together_give_what_each_gives_alone_whatever_the_partitioning() -> None:
    check_together(lambda: step)


def test_2_catches_state_that_is_shared_between_calls() -> None:
    caught(lambda: check_together(shared_memory, hasty))


# ----------------------------------------------- 3. the stored form and redelivery of events change nothing


def restored(state: CallState) -> CallState:
    """A state out of the table."""
    return load(dump(state))


class Restarting(Engine):
    """A worker that keeps only stored states, and is killed and gets the last events again."""

    def __init__(self, stepper: Stepper, restore: Callable[[CallState], CallState], again: Iterator[int]) -> None:
        super().__init__(stepper)
        self.restore, self.again = restore, again

    def take(self, event: AnyEvent) -> None:
        super().take(event)
        self.states = {call: self.restore(state) for call, state in self.states.items()}
        for old in self.log[len(self.log) - min(next(self.again, 0), len(self.log)) :]:
            if old.call in self.states:  # an event of a call long gone begins a new one: call ids are not reused
                self.step(old)


def check_redelivery(
    stepper: Stepper, restore: Callable[[CallState], CallState] = restored, how: settings | None = None
) -> None:
    @given(one_call, st.lists(st.sampled_from([0, 0, 1, 2, 5, 9]), max_size=40))
    def check(record: list[AnyEvent], again: list[int]) -> None:
        assert Restarting(stepper, restore, iter(again)).run(record) == Engine(stepper).run(record)

    (how(check) if how else check)()


def unguarded(book: Book, state: CallState | None, event: AnyEvent) -> Step:
    """Planted: no guard by sequence."""
    return step(book, state, replace(event, seq=None))


def restored_without_memory(state: CallState) -> CallState:
    """Planted: a stored form that leaves out what the rules remember."""
    return replace(restored(state), memory={})


def restored_without_the_past(state: CallState) -> CallState:
    """Planted: a stored form that leaves out the events which may still be overtaken."""
    return replace(restored(state), fold=replace(state.fold, base=None, recent=()))


def test_3_the_stored_form_and_redelivered_events_change_nothing() -> None:
    check_redelivery(step)


@given(one_call)
def test_3_an_event_that_was_folded_in_leaves_the_state_as_it_is(record: list[AnyEvent]) -> None:
    class Repeating(Engine):
        def step(self, event: AnyEvent) -> None:
            super().step(event)
            state = self.states.get(event.call)
            for old in self.log if state else ():
                assert step(BOOK, state, old) == Step(state, (), self.wakes[event.call])

    Repeating().run(record)


def test_3_catches_a_missing_guard_by_sequence() -> None:
    caught(lambda: check_redelivery(unguarded, how=hasty))


@pytest.mark.parametrize("restore", [restored_without_memory, restored_without_the_past])
def test_3_catches_a_stored_form_that_is_not_whole(restore: Callable[[CallState], CallState]) -> None:
    caught(lambda: check_redelivery(step, restore, hasty))


@given(one_call)
def test_3_a_state_is_the_same_after_its_stored_form_at_every_step(record: list[AnyEvent]) -> None:
    class Storing(Engine):
        def step(self, event: AnyEvent) -> None:
            super().step(event)
            for state in self.states.values():
                assert load(dump(state)) == state

    Storing().run(record)


junk_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["fold", "memory", "kind", "seq", "x"]), inner),
)


@given(junk_values)
def test_3_anything_else_than_a_stored_state_is_refused_in_one_way(junk: object) -> None:
    with pytest.raises(msgspec.MsgspecError):
        load(msgspec.json.encode(junk))


@pytest.mark.parametrize("memory", [{"long-hold": {"kind": "gone", "x": 1}}, {"long-hold": {"x": 1}}, {"long-hold": 5}])
def test_3_what_a_kind_that_is_gone_had_remembered_is_dropped(memory: dict[str, object]) -> None:
    state = step(BOOK, None, offered(0)).state
    assert state
    stored = msgspec.json.decode(dump(state))
    assert load(msgspec.json.encode({**stored, "memory": memory})) == state


# ------------------------------------------------------- 4. late wakes change neither what nor when nor which


class LateWakes(Engine):
    """Each tick arrives ``late`` seconds after it was due; meanwhile events overtake it."""

    def __init__(self, stepper: Stepper, late: Iterator[float], stamped_late: bool) -> None:
        super().__init__(stepper)
        self.late, self.stamped_late = late, stamped_late
        self.ticks: dict[str, list[tuple[float, float]]] = defaultdict(list)

    def step(self, event: AnyEvent) -> None:
        before = self.wakes.get(event.call)
        super().step(event)
        due = self.wakes.get(event.call)
        if due is not None and due != before:
            self.ticks[event.call].append((due + next(self.late, 0.0), due))

    def wake(self, call: str, until: float) -> None:
        """``until`` is the time on the wall: ticks that arrive by then."""
        while ripe := sorted(tick for tick in self.ticks[call] if tick[0] <= until):
            arrival, due = ripe[0]
            self.ticks[call].remove(ripe[0])
            self.take(Tick(call=call, at=arrival if self.stamped_late else due))


def check_late_wakes(stepper: Stepper, how: settings | None = None) -> None:
    @given(calls(), st.lists(st.sampled_from([0, 0.125, 1, 7, 20]), max_size=40), st.booleans())
    def check(record: list[AnyEvent], late: list[float], stamped_late: bool) -> None:
        assert LateWakes(stepper, iter(late), stamped_late).run(record) == Engine(stepper).run(record)

    (how(check) if how else check)()


def stamped_at_the_tick(book: Book, state: CallState | None, event: AnyEvent) -> Step:
    """Planted: an alert carries the time of the tick, not that of the deadline."""
    result = step(book, state, event)
    if not isinstance(event, Tick):
        return result
    return result._replace(changes=tuple(replace(change, at=event.at) for change in result.changes))


def only_when_woken(book: Book, state: CallState | None, event: AnyEvent) -> Step:
    """Planted: deadlines are looked at on ticks alone, not on the events that overtake them."""
    if state and not isinstance(event, Tick):
        whole = step(book, state, event)
        deaf = step(book, replace(state, dues={}, wake=math.inf), event)
        return deaf if not whole.state or not deaf.state else deaf._replace(state=merged(deaf.state, whole.state))
    return step(book, state, event)


def merged(deaf: CallState, whole: CallState) -> CallState:
    """What a step without deadlines made of a call, with the deadlines and the wake that it should have."""
    return replace(deaf, dues=whole.dues, wake=whole.wake)


def test_4_wakes_up_to_20_s_late_change_no_id_and_no_stamp() -> None:
    check_late_wakes(step)


def test_4_catches_alerts_stamped_at_the_tick() -> None:
    caught(lambda: check_late_wakes(stamped_at_the_tick, hasty))


def test_4_catches_deadlines_that_only_a_tick_looks_at() -> None:
    caught(lambda: check_late_wakes(only_when_woken, hasty))


# -------------------------------------------- 5. with exact wakes an alert comes when it becomes true, not later


def expected_waits(record: list[AnyEvent], until: float) -> list[tuple[str, float, Severity]]:
    """By brute force: how long each hold by the agent and each transfer lasted, and what that makes due."""
    found: list[tuple[str, float, Severity]] = []
    engine, before = Engine(), None
    for event in [*record, tick(until, record[0].call)]:
        engine.step(event)
        state = engine.states.get(event.call)
        after = state.fold.call if state else None
        if before and (
            not after or after.since != before.since or after.phase != before.phase or event.at == T0 + until
        ):
            found += _climbed(before, event.at)
        before = after
    return found


def _climbed(call: Call, until: float) -> Iterator[tuple[str, float, Severity]]:
    for rule in BOOK.rules:
        if isinstance(rule, Lasts) and rule.phase == call.phase and rule.phase != "ringing" and rule.since(call):
            reached = [t for t in rule.thresholds if call.since + t.after <= until]
            yield from ((rule.id, call.since + t.after, t.severity) for t in reached)


def check_promptness(stepper: Stepper, how: settings | None = None) -> None:
    @given(calls())
    def check(record: list[AnyEvent]) -> None:
        engine = Engine(stepper)
        engine.run(record)
        seen = [s for s in engine.seen if "transcript" not in rule_of(s.change).listens]
        assert [s.change.at for s in seen] == [s.cause.at for s in seen]

    (how(check) if how else check)()


def rule_of(change: AlertChange) -> Rule:
    rule = BOOK.rule(change.rule)
    assert rule
    return rule


@given(calls())
def test_5_an_alert_is_never_stamped_later_than_what_made_it_known(record: list[AnyEvent]) -> None:
    engine = Engine()
    engine.run(record)
    assert all(change.at <= cause.at for change, cause in engine.seen)


def woken_late(book: Book, state: CallState | None, event: AnyEvent) -> Step:
    """Planted: the wake is asked for a second too late."""
    result = step(book, state, event)
    return result._replace(wake=None if result.wake is None else result.wake + 1)


def test_5_with_exact_wakes_an_alert_comes_at_the_instant_at_which_it_became_true() -> None:
    check_promptness(step)


def test_5_catches_a_wake_that_is_asked_for_too_late() -> None:
    caught(lambda: check_promptness(woken_late, hasty))


@given(calls())
def test_5_holds_and_transfers_are_alerted_at_exactly_the_limits_that_they_reach(record: list[AnyEvent]) -> None:
    if record:
        until = record[-1].at - T0
        changes = Engine().run(record, until=until)
        told = [(c.rule, c.at, c.severity) for c in changes if c.rule in ("long-hold", "transfer-wait")]
        cleared = [(c.rule, c.at, c.severity) for c in changes if c.state == "cleared"]
        assert sorted(set(told) - set(cleared)) == sorted(set(expected_waits(record, until)) - set(cleared))


# ----------------------------------------- 7. a recogniser that is late within the grace changes no verdict


class Impatient(MustSay, frozen=True, kw_only=True, tag="impatient"):
    """Planted: judges at the deadline, whether or not the agent has been heard up to there."""

    def _verdict(self, facts: Facts, anchor: Any) -> Any:
        _, until = self._window(facts.call, anchor)
        known = facts.talk.agent
        return super()._verdict(
            facts._replace(talk=replace(facts.talk, agent=replace(known, through=max(known.through, until)))), anchor
        )


GREETING = MustSay(
    id="greeting",
    title="问候",
    says="{agent}没有问候",
    clause=Clause("000", "x"),
    anchor="answered",
    after=Duration(8),
    by="agent",
    words=("您好",),
    severity="notice",
)


def check_late_recogniser(rule: Rule, how: settings | None = None) -> None:
    book = with_rule(rule)

    @given(st.sampled_from([0.5, 3, 6, 7, 9, math.inf]), st.lists(st.integers(0, 25), min_size=8, max_size=8))
    def check(greeted_at: float, delays: list[int]) -> None:
        def record(published: list[float]) -> list[AnyEvent]:
            """Every 2 s what the agent said in them, published when the recogniser is through with it."""
            words = [
                Transcript(
                    call="c1", at=T0 + at, role="agent", start=T0 + heard - 2, end=T0 + heard, final=True,
                    text="您好" if heard - 2 < greeted_at <= heard else "", through=T0 + heard,
                )
                for heard, at in zip(range(2, 18, 2), published, strict=True)
            ]  # fmt: skip
            return [offered(-2), answered(0), *words]

        prompt = [2.0 * n for n in range(1, 9)]
        late = list(itertools.accumulate((t + d for t, d in zip(prompt, delays, strict=True)), max))
        on_time, delayed = (Engine(book=book).run(record(published), until=600) for published in (prompt, late))
        assert of_rule(delayed, rule) == of_rule(on_time, rule)

    (how(check) if how else check)()


def of_rule(changes: list[AlertChange], rule: Rule) -> list[AlertChange]:
    return [change for change in changes if change.rule == rule.id]


def test_7_a_recogniser_late_by_less_than_the_grace_changes_no_verdict() -> None:
    check_late_recogniser(GREETING)


def test_7_catches_a_verdict_at_the_deadline_instead_of_at_through() -> None:
    caught(lambda: check_late_recogniser(Impatient(**asdict(GREETING)), hasty))


@given(calls(), st.sampled_from([0.5, 2, 4.5]))
def test_7_words_later_than_the_others_by_less_than_the_grace_change_no_verdict(
    record: list[AnyEvent], late: float
) -> None:
    """Of every rule of the book: each transcript comes so much later, everything else when it comes."""
    prompt = [replace(e, at=e.end) if isinstance(e, Transcript) and e.final else e for e in record if not partial(e)]
    delayed = [replace(e, at=e.at + late) if isinstance(e, Transcript) else e for e in prompt]
    on_time = {(c.id, c.state, c.severity) for c in Engine().run(sorted(prompt, key=lambda e: e.at))}
    assert {(c.id, c.state, c.severity) for c in Engine().run(sorted(delayed, key=lambda e: e.at))} == on_time


def partial(event: AnyEvent) -> bool:
    return isinstance(event, Spotted) or (isinstance(event, Transcript) and not event.final)


def test_7_a_recogniser_that_is_never_through_is_not_held_against_the_agent() -> None:
    early = Transcript(call="c1", at=T0 + 1, role="agent", start=T0, end=T0 + 1, final=True, text="", through=T0 + 1)
    assert of_rule(drive(with_rule(GREETING), [offered(-2), answered(0), early], until=100), GREETING) == []
    told = drive(with_rule(GREETING), [offered(-2), answered(0), early, ended(60)], until=100)
    assert of_rule(told, GREETING) == []


# --------------------------------------------------------------------------- beside the seven: disorder, time


@given(some_calls)
def test_an_alert_lives_in_order_opened_raised_cleared_and_never_backwards_in_time(
    of_calls: tuple[list[AnyEvent], ...],
) -> None:
    lives: dict[str, list[AlertChange]] = defaultdict(list)
    for change in Engine().run(together(*of_calls)):
        lives[change.id].append(change)
    for life in lives.values():
        states = [change.state for change in life]
        assert states[0] == "opened"
        assert set(states[1:-1]) <= {"raised"}
        assert states[-1] in ("opened", "raised", "cleared")
        assert [change.at for change in life] == sorted(change.at for change in life)
        assert len({(change.call, change.rule) for change in life}) == 1


@given(some_calls)
def test_in_the_end_every_call_is_forgotten_and_no_wait_is_left_open(of_calls: tuple[list[AnyEvent], ...]) -> None:
    engine = Engine()
    engine.run(together(*of_calls))
    assert engine.states == {}
    last = {seen.change.id: seen.change for seen in engine.seen}
    lasting = {rule.id for rule in BOOK.rules if isinstance(rule, Lasts)}
    assert {change.state for change in last.values() if change.rule in lasting} <= {"cleared"}


@given(st.lists(st.tuples(any_events(), st.floats(0, 5e9), st.none() | st.integers(0, 9)), max_size=8))
def test_any_events_at_any_times_in_any_order_are_stepped_and_stored_without_an_error(told: list[Any]) -> None:
    states: dict[str, CallState] = {}
    for event, at, seq in told:
        result = step(BOOK, states.get("c1"), replace(event, call="c1", at=at, seq=seq))
        states.pop("c1", None)
        if result.state:
            states["c1"] = load(dump(result.state))
            assert states["c1"] == result.state
            assert result.wake is not None


# 4 |101 rings .. 7 ! warning     7 the ring of 102 at 1.5 arrives: it has lasted 5 s since 6.5, before the alert
def test_late_news_raises_an_alert_no_earlier_than_it_was_opened() -> None:
    ring = BOOK.rule("ring-over-three")
    assert isinstance(ring, Lasts)
    low, high = ring.thresholds
    quick = (replace(low, after=Duration(3)), replace(high, after=Duration(5)))
    record = [rings(4), tick(7), rings(1.5, "102"), answered(8)]
    assert rows(Engine(book=with_rule(replace(ring, thresholds=quick))).run(record)) == [
        Row("ring-over-three", "opened", "warning", 7),
        Row("ring-over-three", "raised", "critical", 7),
        Row("ring-over-three", "cleared", "critical", 8),
    ]


TALK = [offered(0), rings(1), answered(2)]


def notes(record: list[AnyEvent]) -> list[str]:
    engine, found = Engine(), []

    def noting(book: Book, state: CallState | None, event: AnyEvent) -> Step:
        result = step(book, state, event)
        found.extend(result.notes)
        return result

    engine.stepper = noting
    engine.run(record)
    return found


# 10 |held ...... 30 the clock jumps back an hour ...... 3630-3600 ... 100 ! the hold counts on
def test_a_clock_that_jumps_back_an_hour_is_noted_once_and_the_call_goes_on() -> None:
    back = 3600
    other = missed(30 - back, "103")
    record = [*TALK, held(10), other, resumed(120 - back), ended(130 - back, "agent")]
    changes = Engine().run(record)
    # 20 s of the hold lie between its start and the jump and are lost with it
    assert rows(changes) == [
        Row("long-hold", "opened", "notice", 100),
        Row("long-hold", "cleared", "notice", 100),
        Row("agent-hung-up-first", "opened", "warning", 110),
    ]
    assert notes(record) == ["at: the clock jumped back 3580.0 s; the call goes on from its last event"]


# 2 |answered .. an event of an hour ago .. 100 |held .. 190 !
def test_one_event_of_an_hour_ago_does_not_push_the_rest_of_the_call_an_hour_ahead() -> None:
    record = [*TALK, SpeechStarted(call="c1", at=T0 - 3600, role="customer"), held(100), resumed(195), ended(200)]
    assert rows(Engine().run(record)) == [
        Row("long-hold", "opened", "notice", 190),
        Row("long-hold", "cleared", "notice", 195),
    ]


@pytest.mark.parametrize(("behind", "jumped"), [(JUMP_S, False), (JUMP_S + 0.125, True)])
def test_an_event_far_behind_is_a_jump_and_one_less_far_behind_is_late(behind: float, jumped: bool) -> None:
    (note,) = notes([*TALK, resumed(100), held(100 - behind)])
    assert ("the clock jumped back" if jumped else "too late to be placed") in note


def test_a_jump_in_one_call_does_not_touch_the_others() -> None:
    other = [offered(0, "c2"), answered(1, call="c2"), held(5, call="c2"), resumed(100, call="c2")]
    jumping = [*TALK, held(10), resumed(20 - 3600)]
    assert by_call(Engine().run(together(jumping, other)))["c2"] == Engine().run(other)


def test_an_event_after_the_call_was_forgotten_begins_a_new_call_even_where_the_tick_is_late() -> None:
    again = 3 + KEEP_ENDED_S + 5
    record = [*TALK, ended(3), offered(again), ended(again + 7, "customer")]
    prompt = Engine().run(record)
    assert rows(prompt) == [Row("abandoned-while-ringing", "opened", "warning", again + 7)]
    assert LateWakes(step, itertools.repeat(20.0), stamped_late=False).run(record) == prompt


def test_the_end_that_step_declares_itself_is_the_same_however_late_the_tick() -> None:
    record = [*TALK, held(10)]
    assert LateWakes(step, itertools.repeat(20.0), stamped_late=True).run(record) == Engine().run(record)
    assert rows(Engine().run(record))[-1] == Row("long-hold", "cleared", "critical", 10 + SILENT_S)
