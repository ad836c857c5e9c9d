"""The log of what was heard: sounds, words, phrases, and how far all that is known.

Times are seconds after ``T0``. ``■`` is speech, ``?`` the window that is asked about.
"""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from streams import call as calls
from streams.call import Call
from streams.events import AnyEvent, Gap, Role, SpeechEnded, SpeechStarted, Transcript, Word
from streams.phrases.match import Matcher, PhraseSet
from streams.talk import AHEAD_S, FIRST_HITS, GRACE_S, MAX_HITS, TAIL_S, Talk, Truth, hear, heard, look_again
from tests.drive import T0, answered, ended, held, offered, resumed, transferred, transferring

MATCHER = Matcher({"sorry": PhraseSet(("抱歉",)), "wait": PhraseSet(("稍等",))})
TALKING = (offered(0), answered(1))


def said(
    start: float,
    end: float,
    text: str = "好的",
    role: Role = "agent",
    *,
    lag: float = 0.0,
    final: bool = True,
    **more: object,
) -> Transcript:
    """A transcript that comes ``lag`` after its words; ``through`` is its end unless given."""
    times = {"start": T0 + start, "end": T0 + end, "through": T0 + end, **more}
    return Transcript(call="c1", at=T0 + end + lag, role=role, text=text, final=final, **times)  # type: ignore[arg-type]


def starts(t: float, role: Role = "agent") -> SpeechStarted:
    return SpeechStarted(call="c1", at=T0 + t, role=role)


def stops(t: float, role: Role = "agent") -> SpeechEnded:
    return SpeechEnded(call="c1", at=T0 + t, role=role)


def gap(start: float, end: float, role: Role = "agent") -> Gap:
    return Gap(call="c1", at=T0 + end, role=role, start=T0 + start, end=T0 + end)


def listen(*events: AnyEvent) -> tuple[Talk, Call]:
    """The log and the call after these events."""
    talk, fold = Talk(), calls.begin(events[0])
    for event in events:
        fold = calls.apply(fold, event)
        found = MATCHER.find(event.text) if isinstance(event, Transcript) else ()
        talk = hear(talk, fold.call, event, found)
    return talk, fold.call


def sounds(talk: Talk, role: Role = "agent") -> list[tuple[float, float | None]]:
    return [(s.start - T0, s.end if s.end is None else s.end - T0) for s in talk.leg(role).sounds]


def hits(talk: Talk) -> list[tuple[str, float, float]]:
    return [(hit.name, hit.start - T0, hit.end - T0) for hit in talk.hits]


# ------------------------------------------------------------------------------------------------- the log


def test_marks_make_sounds_and_words_do_not_add_to_them() -> None:
    talk, _ = listen(*TALKING, starts(2), stops(4), said(2.1, 3.9))
    assert sounds(talk) == [(2, 4)]
    assert talk.agent.marks
    assert talk.agent.first_sound == T0 + 2


def test_without_marks_sounds_are_where_words_are() -> None:
    talk, _ = listen(*TALKING, said(2, 4), said(6, 7))
    assert sounds(talk) == [(2, 4), (6, 7)]
    assert not talk.agent.marks


def test_a_mark_told_twice_or_without_its_beginning_changes_nothing() -> None:
    assert sounds(listen(*TALKING, starts(2), starts(2), starts(3), stops(4), stops(4))[0]) == [(2, 4)]
    assert sounds(listen(*TALKING, stops(4))[0]) == []


def test_a_phrase_is_timed_within_its_sentence() -> None:
    talk, _ = listen(*TALKING, said(2, 6, "非常抱歉请您稍等"))
    assert hits(talk) == [("sorry", 3, 4), ("wait", 5, 6)]


def test_the_times_of_words_are_better_than_an_even_pace() -> None:
    words = tuple(Word(text=text, start=T0 + at, end=T0 + at + 1) for text, at in (("请您", 2), ("稍等", 9)))
    talk, _ = listen(*TALKING, said(2, 10, "请您 稍等", words=words))
    assert hits(talk) == [("wait", 9, 10)]


def test_a_finished_sentence_replaces_the_unfinished_ones_of_its_party_only() -> None:
    guess = said(2, 3, "抱歉", final=False)
    other = said(2, 3, "抱歉", "customer", final=False)
    talk, _ = listen(*TALKING, guess, other)
    assert len(talk.hits) == 2
    talk, _ = listen(*TALKING, guess, other, said(2, 4, "抱着"))
    assert [hit.role for hit in talk.hits] == ["customer"]
    assert [u.final for u in talk.agent.said] == [True]


def test_a_finished_sentence_that_comes_again_is_one() -> None:
    talk, _ = listen(*TALKING, said(2, 4, "抱歉"), said(2, 4, "抱歉"))
    assert len(talk.hits) == len(talk.agent.said) == 1


# 10 |held ■■■ hold music ■■■ 30 |resumed
def test_what_is_heard_while_the_customer_is_held_or_transferred_is_no_talk() -> None:
    music = [starts(12), stops(14), said(12, 14, "抱歉"), starts(15, "customer"), said(15, 16, "抱歉", "customer")]
    talk, _ = listen(*TALKING, held(10), *music, resumed(30), starts(31), stops(32), said(31, 32, "抱歉"))
    assert [hit.start for hit in talk.hits] == [T0 + 31]
    assert sounds(talk) == [(31, 32)]
    assert sounds(talk, "customer") == []
    talk, _ = listen(*TALKING, transferring(10), *music, transferred(30), said(31, 32, "抱歉"))
    assert [(hit.start - T0, hit.agent) for hit in talk.hits] == [(31, "102")]


def test_evidence_hides_numbers_and_names_the_agent_on_the_line() -> None:
    talk, _ = listen(*TALKING, said(2, 6, "抱歉,是13812345678吗"))
    assert [(hit.text, hit.match, hit.agent) for hit in talk.hits] == [("抱歉,是138****78吗", "抱歉", "101")]


def test_of_many_hits_the_first_and_the_last_are_kept() -> None:
    many = [said(2 + n, 2.5 + n, "抱歉") for n in range(100)]
    kept = [round(hit.start - T0) for hit in listen(*TALKING, *many)[0].hits]
    assert kept == [*range(2, 2 + FIRST_HITS), *range(102 - MAX_HITS, 102)]


def test_a_recogniser_cannot_have_heard_the_future() -> None:
    talk, _ = listen(*TALKING, said(2, 4, through=T0 + 1000))
    assert (talk.agent.through, talk.alive) == (T0 + 4, T0 + 4)
    talk, _ = listen(*TALKING, said(2, 4, lag=1, through=T0 + 1000))
    assert talk.agent.through == T0 + 5
    talk, _ = listen(*TALKING, said(2, 4000, lag=4 - 4000))
    assert talk.agent.through == T0 + 4 + AHEAD_S


def test_a_sentence_dated_by_its_beginning_is_heard_to_its_end() -> None:
    talk, _ = listen(*TALKING, said(2, 6, lag=-4, through=None))
    assert (talk.agent.through, talk.alive) == (T0 + 6, T0 + 6)
    talk, _ = listen(*TALKING, said(2, 6, lag=-4, through=None, final=False))
    assert talk.agent.through == 0


# ----------------------------------------------------------------------------------------- what is known


def asked(*events: AnyEvent, until: float, now: float, since: float = 1, role: Role = "agent") -> Truth:
    talk, call = listen(*events)
    return heard(talk, call, role, T0 + since, T0 + until, T0 + now)


# ■■ 4 ........ 8?        through 4: may still come.   ■■ 9: now it is known
def test_what_the_recogniser_says_that_it_has_heard_is_known() -> None:
    assert asked(*TALKING, said(2, 4), until=8, now=8) is Truth.WAIT
    assert asked(*TALKING, said(2, 4), said(8.5, 9), until=8, now=9) is Truth.YES
    assert asked(*TALKING, said(2, 4), until=4, now=4) is Truth.YES


# agent ■■ 4 ..... 8?            customer ■■ 9: some ear lives; after the grace the agent was silent
def test_silence_is_known_once_another_ear_told_of_later_and_the_grace_is_over() -> None:
    events = (*TALKING, said(2, 4), said(8.5, 9, role="customer"))
    assert asked(*events, until=8, now=8 + GRACE_S - 0.1) is Truth.WAIT
    assert asked(*events, until=8, now=8 + GRACE_S) is Truth.YES


# agent ■■■■■■ (goes on)   8?
def test_a_sentence_that_goes_on_may_still_bring_words() -> None:
    events = (*TALKING, starts(7), said(8.5, 9, role="customer"))
    assert asked(*events, until=8, now=60) is Truth.WAIT
    events = (*TALKING, starts(7), said(8.5, 9, role="customer"), stops(12))
    assert asked(*events, until=8, now=12 + GRACE_S - 0.1) is Truth.WAIT
    assert asked(*events, until=8, now=12 + GRACE_S) is Truth.YES
    assert asked(*events, ended(20), until=8, now=20 + GRACE_S) is Truth.YES


def test_a_sentence_without_its_words_at_the_end_of_the_call_is_never_known() -> None:
    assert asked(*TALKING, starts(7), ended(20), until=8, now=20 + GRACE_S - 0.1) is Truth.WAIT
    assert asked(*TALKING, starts(7), ended(20), until=8, now=20 + GRACE_S) is Truth.NEVER


@pytest.mark.parametrize(
    ("lost", "answer"), [((2, 3), Truth.NEVER), ((7.9, 12), Truth.NEVER), ((0, 1), Truth.YES), ((8, 9), Truth.YES)]
)
def test_lost_time_inside_the_window_is_never_known(lost: tuple[float, float], answer: Truth) -> None:
    assert asked(*TALKING, gap(*lost), said(8.5, 20), until=8, now=20) is answer
    assert asked(*TALKING, gap(*lost, "customer"), said(8.5, 20), until=8, now=20) is Truth.YES


def test_nobody_listened() -> None:
    assert asked(*TALKING, until=8, now=1000) is Truth.WAIT
    assert asked(*TALKING, ended(20), until=8, now=20 + GRACE_S) is Truth.NEVER


# ■■ 10 ...... 20 |ended          the last ten seconds need no proof
def test_the_silence_at_the_end_of_a_call_is_believed_for_ten_seconds() -> None:
    def at_the_end(last: float) -> Truth:
        return asked(*TALKING, said(2, last), ended(20), until=20, now=20 + GRACE_S)

    assert at_the_end(20 - TAIL_S) is Truth.YES
    assert at_the_end(20 - TAIL_S - 0.1) is Truth.NEVER
    assert asked(*TALKING, said(2, 4), ended(60), until=8, now=60 + GRACE_S) is Truth.NEVER


@pytest.mark.parametrize(
    ("events", "until", "now", "again"),
    [
        ((said(2, 4),), 8, 8, None),
        ((said(2, 4), said(8.5, 9, role="customer")), 8, 9, 8 + GRACE_S),
        ((said(2, 4), ended(20)), 8, 20, 20 + GRACE_S),
        ((starts(7), stops(8)), 8, 8, 8 + GRACE_S),
        ((said(2, 4), ended(20)), 8, 20 + GRACE_S, None),
    ],
)
def test_when_to_look_again(events: Iterable[AnyEvent], until: float, now: float, again: float | None) -> None:
    talk, call = listen(*TALKING, *events)
    found = look_again(talk, call, "agent", T0 + until, T0 + now)
    assert found == (None if again is None else T0 + again)
