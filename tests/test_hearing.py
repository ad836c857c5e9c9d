"""One partition's legs: what is said of them whatever happens on the way, and from where a successor hears on."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from itertools import pairwise

import pytest
from msgspec.structs import replace

from asr import bookmark
from asr.audio import BadFrameError, Frame
from asr.hearing import AFTER_S, IDLE_ENDED_S, IDLE_S, KEPT_S, REHEAR_S, Hears, Left, Listener, Moment, Partition
from asr.holds import Holds
from streams.events import (
    AnyEvent,
    CallAnswered,
    CallEnded,
    CallHeld,
    CallResumed,
    Gap,
    SpeechEnded,
    Transcript,
    render,
)
from tests.ears_tools import BEGUN, RATE, PlainEar, frames_of, leg_of, real_ear

BEHIND_S = 20.0
NOTHING = Left({}, 0, 0.0)


def hears(
    phone: Holds | None = None, ear: Callable[[Frame], Listener] = PlainEar, room: Callable[[], bool] = lambda: True
) -> Hears:
    return Hears(ear, phone or Holds(), room, BEHIND_S)


def play(part: Partition, frames: Iterable[Frame], first: int = 0, age_s: float = 0.0) -> list[AnyEvent]:
    """The events of frames that lie in the log from offset ``first`` on."""
    return [
        event
        for n, frame in enumerate(frames)
        for event in part.take(frame, Moment(first + n, age_s, BEGUN + (first + n) / 10))
    ]


def texts(events: Iterable[AnyEvent]) -> list[str]:
    return [e.text for e in events if isinstance(e, Transcript) and e.final]


def gaps(events: Iterable[AnyEvent]) -> list[tuple[float, float, str | None]]:
    return [(round(e.start - BEGUN, 3), round(e.end - BEGUN, 3), e.reason) for e in events if isinstance(e, Gap)]


def three_legs() -> list[Frame]:
    """Frames of three legs as they lie in one partition, each begun a little later than the one before."""
    legs = [
        leg_of(["您好请讲", "好的再见"] * 3, call="a"),
        leg_of(["我要投诉你们这个服务", "不满意"] * 3, call="b", role="customer", begun=BEGUN + 0.37),
        leg_of(["请稍等"] * 3, call="c", begun=BEGUN + 1.93),
    ]
    return sorted((frame for leg in legs for frame in leg), key=lambda f: f.at(f.end))


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("ear", [PlainEar, real_ear], ids=["plain", "real"])
def test_whoever_takes_over_anywhere_tells_the_very_same(seed: int, ear: Callable[[Frame], Listener]) -> None:
    """Workers die at random frames; the successor has the last bookmark, and what was told after it is told again."""
    dice, log = random.Random(seed), three_legs()  # noqa: S311 - no secret
    whole = [render(event) for event in play(Partition(hears(ear=ear), NOTHING), log)]
    told: list[bytes] = []
    offset, left = 0, NOTHING
    while offset < len(log):
        part, until = Partition(hears(ear=ear), left), min(len(log), offset + dice.randrange(20, 160))
        committed = offset, ""
        for at in range(offset, until):
            told += [render(event) for event in part.take(log[at], Moment(at, 0.0, BEGUN))]
            if dice.random() < 0.1:
                committed = part.bookmark() or committed
        if until == len(log):
            break
        if committed[1] or committed[0] != offset:
            offset, left = committed[0], Left(bookmark.read(committed[1]), until, 0.0)
    assert set(told) == set(whole)
    assert len(texts(play(Partition(hears(ear=ear), NOTHING), log))) == 15


def test_a_bookmark_stays_behind_the_oldest_open_sentence_and_knows_the_other_legs() -> None:
    quiet = list(frames_of(bytes(RATE * 2 * 3), call="q"))[:-1]
    loud = list(leg_of(["一二三四五六七八九十"], call="l"))[:20]
    log = [frame for pair in zip(loud, quiet, strict=False) for frame in pair]
    part = Partition(hears(), NOTHING)
    play(part, log)
    offset, metadata = part.bookmark() or (None, "")
    assert offset == 20  # the second second of that leg begins in its frame 10
    assert {place.safe for place in bookmark.read(metadata).values()} == {RATE, 2 * RATE}


def test_a_finished_leg_is_forgotten_once_nobody_can_read_it_again() -> None:
    part = Partition(hears(), NOTHING)
    log = list(leg_of(["好"]))
    play(part, log)
    assert bookmark.read((part.bookmark() or (0, ""))[1]) == {}


def test_a_finished_leg_whose_frames_come_again_says_nothing() -> None:
    opener = list(leg_of(["一二三四五六七八九十" * 5], call="o"))[:30]
    done = list(leg_of(["好"], call="d"))
    log = opener[:20] + done + opener[20:]
    part = Partition(hears(), NOTHING)
    play(part, log)
    offset, metadata = part.bookmark() or (0, "")
    assert offset < 20
    successor = Partition(hears(), Left(bookmark.read(metadata), len(log), 0.0))
    assert not [e for e in play(successor, log[offset:], offset) if e.call == "d"]


def test_a_leg_of_which_nothing_came_since_the_takeover_is_not_forgotten_by_the_next() -> None:
    leg = list(leg_of(["您好", "再见"]))
    part = Partition(hears(), NOTHING)
    told = play(part, leg[:20])
    mark = part.bookmark()
    for _ in range(3):
        assert mark
        part = Partition(hears(), Left(bookmark.read(mark[1]), mark[0], 0.0))
        play(part, list(leg_of([], call="other"))[:5], mark[0])
        mark = part.bookmark()
    told += play(part, leg[20:], 100)
    assert texts(told) == ["您好", "再见"]
    assert gaps(told) == []


def test_what_the_topic_has_forgotten_is_a_gap_and_ends_a_sound_that_went_on() -> None:
    leg = list(leg_of(["一二三四五六七八九十", "再见"]))
    part = Partition(hears(), NOTHING)
    play(part, leg[:15])
    _, metadata = part.bookmark() or (0, "")
    told = play(Partition(hears(), Left(bookmark.read(metadata), 50, 0.0)), leg[25:], 50)
    assert gaps(told) == [(1.0, 2.5, "expired")]
    assert isinstance(told[0], SpeechEnded)
    assert texts(told) == ["再见"]


def test_a_stream_never_heard_of_that_does_not_begin_at_its_start_has_lost_it() -> None:
    assert gaps(play(Partition(hears(), NOTHING), list(leg_of(["您好", "再见"]))[9:])) == [(0.0, 0.9, "lost")]


def test_frames_that_come_twice_are_heard_once() -> None:
    leg = list(leg_of(["您好", "再见"]))
    told = play(Partition(hears(), NOTHING), [frame for frame in leg for _ in (1, 2)])
    assert [render(e) for e in told] == [render(e) for e in play(Partition(hears(), NOTHING), leg)]


def test_a_frame_that_overlaps_what_was_heard_is_cut() -> None:
    leg = list(leg_of(["您好", "再见"]))
    wide = [replace(f, pcm=g.pcm + f.pcm, offset=g.offset) for g, f in pairwise(leg)]
    told = play(Partition(hears(), NOTHING), [leg[0], *wide])
    assert texts(told) == ["您好", "再见"]
    assert gaps(told) == []


def test_sound_that_was_never_sent_is_silence_and_no_gap() -> None:
    leg = [f for f in leg_of(["您好", "再见"]) if not 2 <= f.offset / RATE < 2.1]
    leg = [replace(f, silent=RATE // 10) if f.offset == 2.1 * RATE else f for f in leg]
    assert gaps(play(Partition(hears(), NOTHING), leg)) == []


def test_a_worker_that_is_behind_skips_to_the_present_with_one_gap_a_leg() -> None:
    part, leg = Partition(hears(), NOTHING), list(leg_of(["您好", "请讲", "再见"]))
    told = play(part, leg[:5], age_s=BEHIND_S)
    told += play(part, leg[5:9], 5, age_s=BEHIND_S + 0.1)
    assert part.skipping
    told += play(part, leg[9:20], 9, age_s=BEHIND_S - 1)  # once behind, until it is up to date
    told += play(part, leg[20:], 20, age_s=0.3)
    assert not part.skipping
    assert gaps(told) == [(0.5, 2.0, "behind")]
    assert texts(told) == ["请讲", "再见"]


def test_a_sentence_that_must_be_heard_again_after_a_takeover_is_not_too_old() -> None:
    leg = list(leg_of(["您好", "再见"]))
    told = play(Partition(hears(), Left({}, len(leg), 0.0)), leg, age_s=BEHIND_S + REHEAR_S)
    assert (texts(told), gaps(told)) == (["您好", "再见"], [])


def test_a_leg_that_ends_while_sound_is_skipped_tells_the_gap() -> None:
    part, leg = Partition(hears(), NOTHING), list(leg_of(["您好"]))
    told = play(part, leg[:5]) + play(part, leg[5:], 5, age_s=BEHIND_S + 1)
    assert gaps(told) == [(0.5, 3.2, "behind")]


class Broken(PlainEar):
    """Fails at a character."""

    def hear(self, frame: Frame) -> list[AnyEvent]:
        if self._first.call == "a" and 1.2 * RATE <= frame.offset < 1.3 * RATE:
            raise MemoryError("secret words")
        return super().hear(frame)


def test_an_ear_that_fails_is_a_gap_and_a_new_ear_and_the_other_legs_hear_on() -> None:
    part, log = Partition(hears(ear=Broken), NOTHING), three_legs()
    told = play(part, log)
    assert part.faults == 1
    assert [e for e in told if e.call != "a"] == [e for e in play(Partition(hears(), NOTHING), log) if e.call != "a"]
    mine = [e for e in told if e.call == "a"]
    assert gaps(mine) == [(1.0, 1.3, "fault"), (1.3, 2.3, "fault")]
    assert texts(mine)[-1] == "好的再见"
    assert sum(isinstance(e, SpeechEnded) for e in mine) == 6  # the one that was cut off, too


class Dead(PlainEar):
    """Fails always."""

    def hear(self, frame: Frame) -> list[AnyEvent]:
        raise ValueError

    def finish(self) -> list[AnyEvent]:
        raise ValueError


def test_an_ear_that_always_fails_does_not_flood_the_record() -> None:
    part = Partition(hears(ear=Dead), NOTHING)
    told = play(part, leg_of(["您好"]))
    assert all(isinstance(e, Gap) for e in told)
    assert len(told) <= 2 * 4


def test_a_connection_that_comes_back_tells_what_nobody_heard_in_between() -> None:
    first = list(leg_of(["您好", "请讲"]))[:12]  # in the middle of a sentence
    second = list(leg_of(["再见"], stream="s2", begun=BEGUN + 5))
    told = play(Partition(hears(), NOTHING), first + second)
    assert texts(told) == ["您好", "再见"]
    assert gaps(told) == [(1.2, 5.0, "reconnected")]


def test_a_connection_that_comes_back_after_a_takeover_does_so_too() -> None:
    part = Partition(hears(), NOTHING)
    play(part, list(leg_of(["您好", "请讲"]))[:19])
    offset, metadata = part.bookmark() or (0, "")
    part = Partition(hears(), Left(bookmark.read(metadata), offset, 0.0))
    told = play(part, leg_of(["再见"], stream="s2", begun=BEGUN + 5), offset)
    assert gaps(told) == [(1.9, 5.0, "reconnected")]


def test_a_leg_that_was_ended_properly_may_come_again_without_a_gap() -> None:
    log = [*leg_of(["您好"]), *leg_of(["再见"], stream="s2", begun=BEGUN + 60)]
    assert gaps(play(Partition(hears(), NOTHING), log)) == []


def test_what_an_older_connection_still_sends_is_not_heard() -> None:
    old, new = list(leg_of(["您好您好您好"])), list(leg_of(["再见"], stream="s2", begun=BEGUN + 1))
    log = old[:10] + [frame for pair in zip(old[10:], new, strict=False) for frame in pair]
    assert "您好" not in "".join(texts(play(Partition(hears(), NOTHING), log)))


def test_a_client_that_is_gone_has_its_sentence_ended_and_may_go_on() -> None:
    part, leg = Partition(hears(), NOTHING), list(leg_of(["一二三四五", "再见"]))
    told = play(part, leg[:13])
    assert part.rest(BEGUN + 1.2 + IDLE_S) == []
    told += part.rest(BEGUN + 1.3 + IDLE_S)
    assert texts(told) == ["一二三"]
    assert part.legs == 0
    told += play(part, leg[15:], 13)
    assert gaps(told) == [(1.3, 1.5, "lost")]
    assert texts(told)[-1] == "再见"


def test_streams_that_are_long_over_are_forgotten() -> None:
    part = Partition(hears(), NOTHING)
    play(part, list(leg_of(["您好"]))[:8])
    part.rest(BEGUN + 1 + KEPT_S)
    assert bookmark.read((part.bookmark() or (0, ""))[1]) == {}


def test_a_held_leg_is_muted_whether_its_ear_was_there_or_comes_later() -> None:
    phone = Holds()
    leg = list(leg_of(["您好", "音乐", "再见"]))  # from 1.0, 2.2 and 3.4 s on
    part = Partition(hears(phone), NOTHING)
    phone.take(CallAnswered(call="c1", at=BEGUN, agent="101"))
    told = play(part, leg[:15])
    part.mute("c1", phone.take(CallHeld(call="c1", at=BEGUN + 2)))
    told += play(part, leg[15:28], 15)
    part.mute("c1", phone.take(CallResumed(call="c1", at=BEGUN + 3)))
    told += play(part, leg[28:], 28)
    assert texts(told) == ["您好", "再见"]
    assert texts(play(Partition(hears(phone), NOTHING), leg)) == ["您好", "再见"]


def test_what_sounds_well_after_the_end_of_the_call_is_not_heard() -> None:
    phone = Holds()
    phone.take(CallEnded(call="c1", at=BEGUN + 2.2 - AFTER_S, by="customer"))
    part = Partition(hears(phone), NOTHING)
    assert texts(play(part, leg_of(["您好", "再见"]))) == ["您好"]
    assert part.legs == 0


def test_a_call_that_has_ended_is_not_waited_for_long() -> None:
    phone = Holds()
    part = Partition(hears(phone), NOTHING)
    play(part, list(leg_of(["您好您好"]))[:12])
    phone.take(CallEnded(call="c1", at=BEGUN + 1.2, by="customer"))
    assert texts(part.rest(BEGUN + 1.3 + IDLE_ENDED_S)) == ["您好"]


@pytest.mark.parametrize(
    "bad",
    [
        {"rate": 16000},
        {"begun": BEGUN + 1},
        {"silent": 10**9},
        {"offset": 2**40},
        {"call": "~heartbeat:1"},
    ],
)
def test_a_frame_that_cannot_be_of_its_stream_is_refused_and_the_leg_goes_on(bad: dict[str, object]) -> None:
    leg = list(leg_of(["您好", "再见"]))
    part = Partition(hears(), NOTHING)
    told = play(part, leg[:5])
    with pytest.raises(BadFrameError):
        part.take(replace(leg[5], **bad), Moment(5, 0.0, BEGUN))
    told += play(part, leg[6:], 6)
    assert gaps(told) == [(0.5, 0.6, "lost")]
    assert texts(told) == ["您好", "再见"]


def test_legs_beyond_the_room_are_counted_and_what_they_missed_is_told_later() -> None:
    full = [True]
    part = Partition(hears(room=lambda: not full[0]), NOTHING)
    leg = list(leg_of(["您好", "再见"]))
    told = play(part, leg[:10])
    assert (part.refused, part.legs) == (10, 0)
    full[0] = False
    told += play(part, leg[10:], 10)
    assert gaps(told) == [(0.0, 1.0, "lost")]
    assert texts(told) == ["您好", "再见"]


def test_more_streams_than_a_commit_can_name_are_not_committed() -> None:
    part = Partition(hears(), NOTHING)
    for n in range(149):
        play(part, list(leg_of([], call=f"c{n}"))[:1], n)
        assert (part.bookmark() is None) == (n + 1 > 148)


def test_a_bookmark_of_somebody_else_is_told_apart() -> None:
    for text in ("some text", "1:é", "1:aa", "2:"):
        with pytest.raises(ValueError, match="bookmark"):
            bookmark.read(text)


def test_the_phone_of_a_call_tells_its_silent_stretches_however_late() -> None:
    phone = Holds()
    phone.take(CallAnswered(call="c", at=10, agent="1"))
    assert phone.take(CallHeld(call="c", at=20)) == [(20, None)]
    assert phone.take(CallHeld(call="c", at=18)) == [(20, 20), (18, None)]
    assert phone.take(CallResumed(call="c", at=25)) == [(18, 25)]
    assert phone.of("c") == ((18, 25),)
    assert phone.ended_at("c") is None
    phone.take(CallEnded(call="c", at=30, by="agent"))
    assert phone.ended_at("c") == 30
    phone.take(CallAnswered(call="d", at=1000, agent="1"))
    assert phone.of("c") == ()
