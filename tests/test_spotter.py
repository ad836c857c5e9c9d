"""Phrases heard by their sound, each for its own party, while the sentence goes on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from asr.engines import spotted_phrases
from asr.models import Model, find
from asr.pinyin import tokens_of
from asr.recogniser import ModelError, Spot
from asr.spotter import SherpaSpotter, sounds
from streams.events import Role
from streams.rulebook.book import load
from tests.ears_tools import channels_of

SHARED = Path(__file__).parents[1].parent / "shared"
RATE = 8000
PHRASES: dict[Role, tuple[str, ...]] = {"agent": ("有什么事快说", "不说我挂线"), "customer": ("要投诉",)}

pytestmark = pytest.mark.skipif(not (SHARED / "models").is_dir(), reason="no model of sherpa's in ../shared/models")


@pytest.fixture(scope="module")
def model() -> Model:
    return find("zipformer-zh-pinyin", (SHARED / "models",), "sherpa")


@pytest.fixture(scope="module")
def spotter(model: Model) -> SherpaSpotter:
    return SherpaSpotter(model, PHRASES)


@pytest.fixture(scope="module")
def threat() -> bytes:
    """有什么事快说，不说我挂线啦"""
    return sound("004-forbidden-hangup-threat.wav")


def sound(name: str) -> bytes:
    [pcm] = channels_of(SHARED / "speech" / "sentences" / name)
    return pcm


def spotted(spotter: SherpaSpotter, role: Role, pcm: bytes, cut: int = 800) -> list[Spot]:
    stream = spotter.stream(RATE, role)
    found = [spot for at in range(0, len(pcm), 2 * cut) for spot in stream.feed(pcm[at : at + 2 * cut])]
    return found + stream.finish()


def test_both_phrases_of_a_sentence_are_spotted_with_their_times(spotter: SherpaSpotter, threat: bytes) -> None:
    first, second = spotted(spotter, "agent", threat)
    assert (first.text, second.text) == PHRASES["agent"]
    # timed by ear: 有 at 0.35, 说 until 1.6; 不 at 1.9, 线 until 2.9
    assert [first.start, first.end, second.start, second.end] == pytest.approx([0.35, 1.55, 1.9, 2.85], abs=0.15)


def test_a_phrase_is_told_before_the_sentence_ends(spotter: SherpaSpotter, threat: bytes) -> None:
    stream = spotter.stream(RATE, "agent")
    assert [spot.text for spot in stream.feed(threat[: 2 * int(2.4 * RATE)])] == ["有什么事快说"]


@pytest.mark.parametrize("cut", [37, 160, 4000, 10**6])
def test_phrases_are_the_same_however_the_sound_is_cut(spotter: SherpaSpotter, threat: bytes, cut: int) -> None:
    assert spotted(spotter, "agent", threat, cut) == spotted(spotter, "agent", threat)


def test_words_of_one_party_are_not_looked_for_in_the_other(spotter: SherpaSpotter, threat: bytes) -> None:
    assert spotted(spotter, "customer", threat) == []


def test_a_party_without_phrases_is_not_decoded(model: Model, threat: bytes) -> None:
    assert spotted(SherpaSpotter(model, {"agent": (), "customer": ("要投诉",)}), "agent", threat) == []


def test_a_phrase_at_the_very_end_is_spotted(spotter: SherpaSpotter, threat: bytes) -> None:
    until = threat[: 2 * int(2.88 * RATE)]
    assert [spot.text for spot in spotted(spotter, "agent", until)] == list(PHRASES["agent"])


def test_silence_and_noise_hold_no_phrase(spotter: SherpaSpotter) -> None:
    hiss = np.random.default_rng(1).normal(0, 500, 5 * RATE).astype("<i2").tobytes()
    assert spotted(spotter, "agent", hiss) == spotted(spotter, "agent", bytes(10 * RATE)) == []


def test_phrases_that_cannot_be_spelt_are_named_and_the_others_spotted(model: Model, threat: bytes) -> None:
    spotter = SherpaSpotter(model, {"agent": ("有什么事快说", "한다", "，")})
    assert spotter.unspeakable == ["한다", "，"]
    assert [spot.text for spot in spotted(spotter, "agent", threat)] == ["有什么事快说"]


def test_the_spotter_needs_a_transducer(model: Model) -> None:
    from msgspec.structs import replace  # noqa: PLC0415 - here alone

    with pytest.raises(ModelError, match="needs a transducer; this is a paraformer"):
        SherpaSpotter(replace(model, kind="paraformer"), PHRASES)


# -- how a phrase is spelt --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tokens(model: Model) -> frozenset[str]:
    return tokens_of(model.files["tokens"])


@pytest.mark.parametrize(
    ("phrase", "said"),
    [
        ("投诉", "t óu s ù"),
        ("不要挂", "b ú y ào g uà"),  # 不 before a fourth tone
        ("一样的", "y í y àng d e"),  # 一 too
        ("你好吗", "n í h ǎo m a"),  # a third tone before a third
        ("你好吗", "n ín h ǎo m a"),  # 您 for 你
        ("打 12315", "d ǎ y āo èr s ān y āo w ǔ"),
        ("打12315", "d ǎ y ī èr s ān y ī w ǔ"),
        ("这是谁", "zh èi sh ì sh éi"),
        ("认识大v", "r èn sh í d à V"),
        ("绿女略", "l ǜ n ǚ l üè"),
        ("举起", "j ǔ q ǐ"),
    ],
)
def test_a_phrase_is_looked_for_in_every_way_to_say_it(tokens: frozenset[str], phrase: str, said: str) -> None:
    assert said in [" ".join(way) for way in sounds(phrase, tokens)]


def test_for_a_model_of_characters_a_phrase_is_its_characters() -> None:
    assert sounds("要，投诉", frozenset("要投诉")) == [("要", "投", "诉")]


def test_what_has_no_token_is_not_spelt(tokens: frozenset[str]) -> None:
    assert sounds("한다", tokens) == sounds("…", tokens) == []


# -- which phrases of the rulebook ------------------------------------------------------------------------------------


def test_of_the_rulebook_grave_words_are_spotted_for_the_party_they_are_about() -> None:
    phrases = spotted_phrases(load())
    assert "再不说话我就挂机了" in phrases["agent"] or any(p in "再不说话我就挂机了" for p in phrases["agent"])
    assert any("领导" in phrase for phrase in phrases["customer"])
    assert not set(phrases["agent"]) & {"你好", "您好", "请稍等"}
    assert all(len(phrase) >= 3 for each in phrases.values() for phrase in each)


def test_a_phrase_that_holds_a_shorter_one_is_left_out() -> None:
    for phrases in spotted_phrases(load()).values():
        known = set(phrases)
        assert not [
            p for p in phrases for a in range(len(p)) for b in range(a + 3, len(p) + 1) if p[a:b] in known - {p}
        ]


def test_phrases_that_may_be_harmless_are_left_to_the_recogniser() -> None:
    phrases = spotted_phrases(load())
    assert "没有办法" not in phrases["agent"]  # 没有办法登录: it counts at the end of a sentence only
    assert "要投诉" not in phrases["customer"]  # 不是要投诉


def test_harmless_sentences_set_off_nothing(model: Model) -> None:
    spotter = SherpaSpotter(model, spotted_phrases(load()))
    lines = (SHARED / "speech" / "sentences" / "manifest.ndjson").read_text("utf-8").splitlines()
    harmless = [entry for entry in map(json.loads, lines) if entry["rule"] == "harmless"]
    assert harmless
    offenders = {e["text"]: found for e in harmless if (found := spotted(spotter, e["role"], sound(e["file"])))}
    assert not offenders
