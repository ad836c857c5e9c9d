"""The ear of one leg: what it tells, when, and that a successor tells the same.

::

    s  0         1         2         3         4
       ..........您好......................请讲......
                 │   │     │ hangover           speech.started at the onset, .ended at the offset,
                 │   │     final                the final 0.6 s later; a watermark at every even second of silence
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from asr.audio import Frame
from asr.ear import CUT_S, HANGOVER_S, LONGEST_S, PRE_S, Ear, Engine
from asr.scripted import LoudDetector, ScriptedRecogniser, ScriptedSpotter, silence, speak
from asr.sources.wav import WavFile
from streams.events import AnyEvent, Gap, SpeechEnded, SpeechStarted, Spotted, Transcript

SHARED = Path(__file__).parents[1].parent / "shared"
RATE = 8_000
BEGUN = 1_795_312_800.0
BLOCK_S = 0.02


def frame(pcm: bytes, offset: int, **more: object) -> Frame:
    fields = {"call": "c", "role": "agent", "stream": "s", "begun": BEGUN, "rate": RATE, **more}
    return Frame(offset=offset, pcm=pcm, **fields)


def frames(pcm: bytes, size: int = 800, begin: int = 0) -> list[Frame]:
    return [frame(pcm[2 * n : 2 * (n + size)], n) for n in range(begin, len(pcm) // 2, size)]


def engine(**more: object) -> Engine:
    return Engine(**{"recogniser": ScriptedRecogniser(), "detector": LoudDetector, **more})


def hear(pcm: bytes, **more: object) -> list[AnyEvent]:
    return hear_all(frames(pcm), engine(**more))


def hear_all(given: list[Frame], engine: Engine, mutes: tuple[tuple[float, float | None], ...] = ()) -> list[AnyEvent]:
    ear = Ear(given[0], engine)
    for start, end in mutes:
        ear.mute(start, end)
    return [event for each in given for event in ear.hear(each)] + ear.finish()


def finals(events: list[AnyEvent]) -> list[Transcript]:
    return [event for event in events if isinstance(event, Transcript) and event.final]


def partials(events: list[AnyEvent]) -> list[Transcript]:
    return [event for event in events if isinstance(event, Transcript) and not event.final and event.text]


def watermarks(events: list[AnyEvent]) -> list[float]:
    return [e.through - BEGUN for e in events if isinstance(e, Transcript) and not e.final and not e.text]


def marks(events: list[AnyEvent]) -> list[tuple[str, float]]:
    names = {SpeechStarted: "started", SpeechEnded: "ended"}
    return [(names[type(e)], round(e.at - BEGUN, 3)) for e in events if type(e) in names]


# ------------------------------------------------------------------------------------------------- what is told


def test_speech_marks_stand_at_the_true_onset_and_offset():
    events = hear(silence(1.0) + speak("您好") + silence(2.0))
    assert marks(events) == [("started", 1.0), ("ended", 1.5)]


def test_a_final_has_the_words_with_their_times_and_says_how_far_it_knows():
    (final,) = finals(hear(silence(1.0) + speak("您好") + silence(2.0)))
    assert final.text == "您好"
    assert [(w.text, w.start - BEGUN, w.end - BEGUN) for w in final.words] == [("您", 1.0, 1.25), ("好", 1.25, 1.5)]
    assert final.at - BEGUN == pytest.approx(1.5 + HANGOVER_S)
    assert final.through - BEGUN == pytest.approx(1.5 + HANGOVER_S - PRE_S)


def test_a_short_pause_does_not_cut_a_sentence_and_a_long_one_does():
    below, beyond = silence(HANGOVER_S - BLOCK_S), silence(HANGOVER_S)
    one, two, rest = speak("您好"), speak("请讲"), silence(2)
    assert [event.text for event in finals(hear(one + below + two + rest))] == ["您好请讲"]
    assert [event.text for event in finals(hear(one + beyond + two + rest))] == ["您好", "请讲"]


def test_a_click_is_no_speech():
    assert marks(hear(silence(1.0) + speak("嗯", 0.08) + silence(1.0))) == []


def test_silence_is_not_decoded():
    recogniser = Counting()
    hear(silence(10.0) + speak("您好") + silence(10.0), recogniser=recogniser)
    assert recogniser.seconds <= PRE_S + 0.5 + HANGOVER_S + 0.1


def test_sound_without_words_leaves_speech_marks_and_a_watermark():
    events = hear(silence(1.0) + b"\x00\x40" * RATE + silence(1.0))
    assert marks(events) == [("started", 1.0), ("ended", 2.0)]
    assert finals(events) == []
    assert watermarks(events)[-1] == pytest.approx(3.0)


def test_partials_carry_something_new_and_come_at_most_so_often():
    events = hear(speak("您好请问有什么可以帮您", 0.12) + silence(2.0), partial_every_s=0.5)
    told = partials(events)
    assert len({event.text for event in told}) == len(told) >= 2
    assert all(b.at - a.at >= 0.5 - 1e-6 for a, b in pairwise(told))
    assert {event.start for event in told} == {finals(events)[0].start}


def test_a_partial_that_came_too_early_is_told_as_soon_as_it_may():
    events = hear(speak("您", 0.2) + speak("好", 0.2) + b"\x00\x40" * RATE * 2 + silence(2.0), partial_every_s=0.5)
    assert [event.text for event in partials(events)] == ["您", "您好"]
    one, two = partials(events)
    assert two.at - one.at == pytest.approx(0.5, abs=0.1)


def test_a_spotted_phrase_is_told_while_the_sentence_goes_on():
    events = hear(
        speak("再不说话我就挂机了您听见没有", 0.25) + silence(2.0), spotter=ScriptedSpotter({"agent": ["我就挂机了"]})
    )
    (spotted,) = [event for event in events if isinstance(event, Spotted)]
    assert not spotted.final
    assert (spotted.start - BEGUN, spotted.end - BEGUN) == (1.0, 2.25)
    assert spotted.at - BEGUN <= 2.25 + 0.1
    assert events.index(spotted) < events.index(finals(events)[0])


def test_a_spotter_alone_is_final():
    events = hear(
        speak("我就挂机了") + silence(2.0), recogniser=None, spotter=ScriptedSpotter({"agent": ["我就挂机了"]})
    )
    assert [event.final for event in events if isinstance(event, Spotted)] == [True]
    assert finals(events) == partials(events) == []
    assert watermarks(events)


def test_syllables_are_read_as_characters_and_marked():
    reader = Spelling()
    (final,) = finals(hear(speak("投诉") + silence(2.0), recogniser=ScriptedRecogniser(by_sound=True), reader=reader))
    assert final.by_sound
    assert final.text == "投诉"
    assert [word.sound for word in final.words] == ["tou2", "su4"]


def test_personal_numbers_are_masked_in_partials_and_finals():
    events = hear(silence(1) + speak("我的电话是13800005678") + silence(2))
    for event in (*partials(events), *finals(events)):
        assert "0000" not in event.text
    assert finals(events)[0].masked


def test_a_number_goes_on_over_a_pause_and_is_hidden_there():
    pause = silence(HANGOVER_S + 0.5)
    texts = [e.text for e in finals(hear(speak("1380000") + pause + speak("5678") + silence(2)))]
    assert texts == ["*******", "****"]


def test_a_language_with_spaces_has_its_masked_places_behind_the_spaces():
    (final,) = finals(hear(speak("是13800005678") + silence(2), recogniser=Spaced()))
    (hidden,) = final.masked
    assert set(final.text[hidden.start : hidden.end]) == {"*", " "}
    assert final.text[hidden.start] == final.text[hidden.end - 1] == "*"


# ------------------------------------------------------------------------------------------------- how far is known


def test_watermarks_come_every_two_seconds_of_silence():
    assert watermarks(hear(silence(7.0))) == pytest.approx([1.68, 3.68, 5.68, 7.0])


def test_nothing_is_told_of_a_time_that_was_known_already():
    pcm = silence(1.9) + speak("您好") + silence(1.3) + speak("请讲") + silence(4) + speak("喂")
    through, events = 0.0, hear(pcm)
    assert len(finals(events)) == 3
    for event in events:
        begins = event.start if isinstance(event, Transcript) else event.at
        assert begins >= through - 1e-9
        through = max(through, getattr(event, "through", None) or 0.0)


def test_no_watermark_takes_the_place_of_a_partial():
    events = hear(speak("您好请问有什么可以帮您的吗") + silence(2.0))
    first = next(n for n, event in enumerate(events) if isinstance(event, Transcript) and event.text)
    until = next(n for n, event in enumerate(events) if isinstance(event, Transcript) and event.final)
    assert not watermarks(events[first:until])


# ----------------------------------------------------------------------------------------- long sentences, holes, holds


def test_a_sentence_without_end_is_cut_at_its_quietest_place_and_loses_no_word():
    text = "".join(chr(0x4E00 + n) for n in range(120))
    hush, breath = LONGEST_S - 1.0, silence(0.2)
    said = [speak(text[n : n + 68]) for n in range(0, len(text), 68)]  # 17 s each
    events = hear(breath.join(said) + silence(2))
    assert "".join(event.text for event in finals(events)) == text
    assert hush <= finals(events)[0].through - BEGUN <= hush + 0.2
    assert all(event.end - event.start <= LONGEST_S for event in finals(events))


def test_lost_sound_ends_the_sentence_and_is_a_gap():
    given = frames(speak("您好您好") + speak("请讲请讲") + silence(2))
    events = hear_all([f for f in given if not 8000 <= f.offset < 10_000], engine())
    (gap,) = [event for event in events if isinstance(event, Gap)]
    assert (gap.start - BEGUN, gap.end - BEGUN) == pytest.approx((1.0, 1.3), abs=1e-6)
    assert gap.reason == "lost"
    assert [event.text for event in finals(events)] == ["您好您好", "请讲"]
    assert marks(events) == [("started", 0.0), ("ended", 1.0), ("started", 1.3), ("ended", 2.0)]


def test_sound_that_its_source_did_not_send_is_silence():
    speech = speak("您好")
    given = [*frames(speech), frame(speech, 12_000, silent=8_000)]
    events = hear_all(given, engine())
    assert [event.text for event in finals(events)] == ["您好", "您好"]
    assert not [event for event in events if isinstance(event, Gap)]
    assert marks(events) == [("started", 0.0), ("ended", 0.5), ("started", 1.5), ("ended", 2.0)]


def test_a_hole_that_is_only_partly_silence_is_a_gap_and_then_silence():
    (gap,) = [e for e in hear_all([frame(b"", 0), frame(silence(1), 16_000, silent=4_000)], engine()) if type(e) is Gap]
    assert (gap.start - BEGUN, gap.end - BEGUN) == (0.0, 1.5)


def test_silence_beyond_belief_is_a_gap():
    hour = 3600 * RATE
    events = hear_all([frame(b"", 0), frame(silence(1), hour, silent=hour)], engine())
    assert [round(e.end - e.start) for e in events if isinstance(e, Gap)] == [3000]


def test_frames_delivered_again_change_nothing():
    given = frames(silence(1) + speak("您好") + silence(2))
    again = [each for n, each in enumerate(given) for each in (*given[max(0, n - 3) : n], each)]
    assert hear_all(again, engine()) == hear_all(given, engine())


def test_a_held_leg_is_neither_speech_nor_decoded_and_its_watermark_goes_on():
    pcm = speak("请稍等") + silence(1) + speak("音乐" * 12) + silence(1) + speak("让您久等了") + silence(1)
    recogniser = Counting()
    events = hear_all(frames(pcm), engine(recogniser=recogniser), ((BEGUN + 1.0, BEGUN + 8.5),))
    assert [event.text for event in finals(events)] == ["请稍等", "让您久等了"]
    assert [at for _, at in marks(events)] == pytest.approx([0.0, 0.75, 8.75, 10.0], abs=BLOCK_S)
    assert [through for through in watermarks(events) if 2 <= through <= 8] == [2.0, 4.0, 6.0, 8.0]
    assert recogniser.seconds < 4


def test_a_hold_ends_the_sentence_that_is_open():
    events = hear_all(frames(speak("您好" * 8)), engine(), ((BEGUN + 2.0, None),))
    assert [event.text for event in finals(events)] == ["您好" * 4]
    assert marks(events) == [("started", 0.0), ("ended", 2.0)]


def test_a_hold_that_was_taken_back_mutes_nothing():
    pcm = speak("您好" * 4) + silence(1)
    ear = Ear(frame(b"", 0), engine())
    ear.mute(BEGUN, None)
    ear.mute(BEGUN, BEGUN)
    assert [e.text for e in finals(ear.hear(frame(pcm, 0)))] == ["您好" * 4]


def test_what_cannot_be_heard_is_told_with_its_reason():
    ear = Ear(frame(b"", 0), engine())
    ear.hear(frame(speak("您好"), 0))
    events = ear.lose(40_000, "behind")
    assert [event.text for event in finals(events)] == ["您好"]
    assert [(e.start - BEGUN, e.end - BEGUN, e.reason) for e in events if isinstance(e, Gap)] == [(0.5, 5.0, "behind")]
    assert ear.safe == 40_000
    assert ear.lose(40_000, "behind") == []


def test_two_legs_are_two_ears():
    one, two = Ear(frame(b"", 0), engine()), Ear(frame(b"", 0, role="customer"), engine())
    sounds = {id(one): silence(1) + speak("您好") + silence(2), id(two): speak("请讲") + silence(3)}
    together: dict[int, list[AnyEvent]] = {id(one): [], id(two): []}
    for n in range(30):
        for ear, role in ((one, "agent"), (two, "customer")):
            together[id(ear)] += ear.hear(frame(sounds[id(ear)][1600 * n : 1600 * n + 1600], 800 * n, role=role))
    assert [e.text for e in finals(together[id(one)])] == ["您好"]
    assert [e.text for e in finals(together[id(two)])] == ["请讲"]


# ------------------------------------------------------------------------------------------------- successors


class Moody(LoudDetector):
    """Says what a detector that adapts might say: how long it has listened changes its mind."""

    def __init__(self, rate: int) -> None:
        super().__init__(rate)
        self._heard = 0

    def speech(self, pcm: bytes) -> bool:
        self._heard += 1
        return super().speech(pcm) or self._heard % 150 > 140

    def reset(self) -> None:
        self._heard = 0


PARTS = st.one_of(
    st.floats(0.05, 5.0).map(lambda seconds: silence(round(seconds, 3))),
    st.floats(0.05, 8.0).map(lambda seconds: b"\x01\x00" * round(seconds * RATE)),  # silence that is looked at
    st.sampled_from(["嗯", "您好", "请问有什么可以帮您", "我要投诉你们", "电话13800", "1234", "005678"]).map(
        lambda text: speak(text, 0.2)
    ),
)


@st.composite
def legs(draw: st.DrawFn) -> tuple[list[Frame], tuple[tuple[float, float | None], ...], int]:
    """Frames of any size with some holes, muted stretches, and the frame behind which the ear dies."""
    pcm = b"".join(draw(st.lists(PARTS, min_size=1, max_size=8)))
    given, at = [], 0
    while at < len(pcm) // 2:
        size = draw(st.sampled_from([160, 800, 801, 1600, 5000]))
        what = draw(st.sampled_from(["sound"] * 12 + ["lost", "silent"]))
        if what == "sound" or not given:
            silent = draw(st.sampled_from([0, 777])) if given and given[-1].end < at else 0
            given.append(frame(pcm[2 * at : 2 * (at + size)], at, silent=silent))
        elif what == "silent":
            given.append(frame(b"", at + size, silent=size))
        at += size
    seconds = len(pcm) / 2 / RATE
    starts = draw(st.lists(st.floats(0, seconds), max_size=2))
    mutes = tuple((BEGUN + start, BEGUN + start + draw(st.floats(0.01, 4))) for start in starts)
    return given, mutes, draw(st.integers(0, len(given) - 1))


@settings(max_examples=150, deadline=None)
@given(legs(), st.sampled_from([LoudDetector, Moody]))
def test_a_successor_at_the_safe_sample_tells_the_very_same(leg, detector):
    """Faults that it is known to catch: a detector that is not reset, a pre-roll or a count of voiced blocks that is
    taken over a new beginning, sound that is not heard again, a safe sample that is told too early.
    """
    given, mutes, dies_after = leg
    hears = engine(recogniser=ScriptedRecogniser(delay_s=0.2), detector=detector)
    ear, told, counts, safe = Ear(given[0], hears), [], [], []
    for start, end in mutes:
        ear.mute(start, end)
    for each in given:
        told += ear.hear(each)
        counts.append(len(told))
        safe.append(ear.safe)
    told += ear.finish()
    again = successor(given, hears, mutes, safe[dies_after])
    assert again == told[len(told) - len(again) :]
    assert len(again) >= len(told) - counts[dies_after]
    assert safe == sorted(safe)


def successor(given: list[Frame], engine: Engine, mutes: tuple[tuple[float, float], ...], at: int) -> list[AnyEvent]:
    ear = Ear(replace(given[0], offset=at, silent=0, pcm=b""), engine)
    for start, end in mutes:
        ear.mute(start, end)
    return [event for each in given if each.end > at for event in ear.hear(each)] + ear.finish()


@settings(max_examples=60, deadline=None)
@given(legs(), st.sampled_from([160, 800, 3333]))
def test_how_sound_is_cut_into_frames_changes_nothing(leg, size):
    pcm = b"".join(each.pcm for each in leg[0])
    assert hear_all(frames(pcm, size), engine()) == hear_all([frame(pcm, 0)], engine())


def test_in_silence_the_safe_sample_follows_and_in_a_sentence_it_waits_at_its_beginning():
    ear = Ear(frame(b"", 0), engine())
    ear.hear(frame(silence(10.5), 0))
    assert ear.safe / RATE == pytest.approx(9.68)
    ear.hear(frame(speak("您好请问有什么可以帮您", 0.5), 84_000))
    assert ear.safe / RATE == pytest.approx(9.68)
    ear.hear(frame(silence(1), ear_end := 84_000 + 44_000))
    assert ear.safe / RATE == pytest.approx(ear_end / RATE + HANGOVER_S - PRE_S)


def test_the_safe_sample_waits_while_a_number_may_go_on():
    ear = Ear(frame(b"", 0), engine())
    ear.hear(frame(speak("电话13800"), 0))
    ear.hear(frame(silence(6), 14_000))
    assert ear.safe == 0
    ear.hear(frame(silence(5), 14_000 + 48_000))
    assert ear.safe > 60_000


def test_the_sound_before_a_cut_is_bounded():
    ear = Ear(frame(b"", 0), engine())
    for each in frames(b"\x00\x40" * RATE * 60):
        ear.hear(each)
        assert each.end - ear.safe <= (LONGEST_S + CUT_S) * RATE


@pytest.fixture(scope="module")
def real() -> Engine:
    """The engine that hears Mandarin; a reader is a matter of its own tests."""
    if not (SHARED / "models").is_dir():
        pytest.skip(f"no models and calls at {SHARED}")
    from asr.models import find  # noqa: PLC0415 - only where there is a model
    from asr.sherpa_recogniser import SherpaRecogniser  # noqa: PLC0415 - as above

    return Engine(SherpaRecogniser(find("zipformer-zh-pinyin", (SHARED / "models",), "sherpa")))


@pytest.mark.parametrize("call", ["rude-agent", "silent-call-left-early", "late-answer-apology"])
def test_with_the_real_engine_a_successor_tells_the_very_same(real, call):
    for n, role in enumerate(("agent", "customer")):
        given = [f for f in WavFile(SHARED / "speech" / "calls" / f"{call}.wav").frames("c", BEGUN) if f.role == role]
        ear, told, safe = Ear(given[0], real), [], []
        for each in given:
            told += ear.hear(each)
            safe.append(ear.safe)
        told += ear.finish()
        assert len(marks(told)) >= 4 or role == "customer"
        for at in sorted(set(safe))[n::4]:
            again = successor(given, real, (), at)
            assert again == told[len(told) - len(again) :]


# ------------------------------------------------------------------------------------------------- doubles


class Counting(ScriptedRecogniser):
    """Counts the seconds that it was fed."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0

    def stream(self, rate: int):
        stream, feed = super().stream(rate), ScriptedRecogniser().stream(rate).feed

        def counted(pcm: bytes) -> None:
            self.seconds += len(pcm) / 2 / rate
            feed(pcm)
            type(stream).feed(stream, pcm)

        stream.feed = counted  # type: ignore[method-assign]
        return stream


class Spelling:
    """Reads the two syllables that the test knows."""

    def read(self, sounds: list[str]) -> tuple[str, ...]:
        return tuple({"tou2": "投", "su4": "诉"}[sound] for sound in sounds)


class Spaced(ScriptedRecogniser):
    """A language written with spaces between words."""

    def __init__(self) -> None:
        super().__init__()
        self.capabilities = type(self.capabilities)(language="ko")
