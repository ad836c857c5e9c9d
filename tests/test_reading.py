"""Syllables read as characters: what supervisors see of a recogniser that hears by sound."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pypinyin import Style, lazy_pinyin

from asr.reading import MEND, Reader, spelt
from asr.recogniser import ModelError

SENTENCES = Path(__file__).parent / "corpora" / "spoken" / "sentences.ndjson"


@pytest.fixture(scope="module")
def reader() -> Reader:
    try:
        return Reader()
    except ModelError as error:
        pytest.skip(str(error))


def sounds(text: str) -> list[str]:
    return lazy_pinyin(text, style=Style.TONE3, neutral_tone_with_five=True, v_to_u=False)


def spoken() -> Iterator[str]:
    """The corpus of spoken sentences, without marks; not those with letters or written numbers."""
    for line in SENTENCES.read_text().splitlines():
        text = re.sub(r"[\s,，。、?？!！]", "", json.loads(line)["text"])
        if re.fullmatch("[一-鿿]+", text):
            yield text


@pytest.mark.parametrize(
    "text",
    [
        "您好客服中心请问有什么可以帮您",
        "感谢您的来电祝您生活愉快再见",
        "喂有什么事快说",
        "我要投诉你们",
        "为什么没有人接电话",
        "您的手机欠费停机了",
        "绿色女士",
    ],
)
def test_a_sentence_of_a_hotline_is_read(reader: Reader, text: str) -> None:
    assert "".join(reader.read(sounds(text))) == text


@pytest.mark.parametrize("number", ["一二三一五", "幺三八零零幺三八零零零", "八零二六", "九五五八八"])
def test_numbers_read_out_are_digits(reader: Reader, number: str) -> None:
    assert "".join(reader.read(sounds(f"我打{number}"))) == f"我打{number}"


def test_wrong_tones_and_blurred_sounds_are_read_all_the_same(reader: Reader) -> None:
    heard = ["qing4", "wen4", "you3", "sen2", "me5", "ke3", "yi3", "ban1", "lin2"]
    assert "".join(reader.read(heard[:7])) == "请问有什么可以"


def test_a_syllable_that_no_word_has_is_spelt(reader: Reader) -> None:
    assert reader.read(["ni3", "xyz1", "hao3"]) == ("你", "Xyz", "好")
    assert reader.read(["", "5", "ni3"])[2] == "你"
    assert reader.read([]) == ()


@given(
    heard=st.lists(
        st.sampled_from(sorted({*sounds("您好客服中心一二三四五女略啊嗯哦"), "fiao4", "r5", "", "5"})), max_size=20
    )
)
def test_each_syllable_gets_one_character(reader: Reader, heard: list[str]) -> None:
    read = reader.read(heard)
    assert len(read) == len(heard) and all(read)


def test_a_growing_sentence_is_read_as_if_it_had_come_at_once(reader: Reader) -> None:
    heard = sounds("如果没有其他问题感谢您的来电祝您生活愉快再见")
    for end in range(len(heard) + 1):
        partly = reader.read(heard[:end])
    assert partly == Reader().read(heard)


def test_a_very_long_sentence_is_read(reader: Reader) -> None:
    assert len(reader.read(sounds("您好") * 1000)) == 2000


def test_the_spoken_sentences_are_read_well(reader: Reader) -> None:
    """0.98 of the characters are right; 0.92 where a tenth of the syllables was misheard."""
    texts, rng = list(spoken()), random.Random(4)  # noqa: S311 - the same errors each time
    others = sorted({sound for text in texts for sound in sounds(text)})

    def accuracy(errors: float) -> float:
        heard = [[rng.choice(others) if rng.random() < errors else sound for sound in sounds(text)] for text in texts]
        read = ["".join(reader.read(each)) for each in heard]
        right = sum(
            one == other for text, said in zip(texts, read, strict=True) for one, other in zip(text, said, strict=True)
        )
        return right / sum(map(len, texts))

    assert len(texts) > 80
    assert accuracy(0.0) > 0.95
    assert accuracy(0.1) > 0.8


def test_without_a_model_it_is_said_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=MEND):
        Reader(tmp_path / "zh_CN.lm")


@pytest.mark.parametrize("content", [b"", b"no model", b"<unk>\0" * 5000])
def test_a_broken_model_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "zh_CN.lm").write_bytes(content)
    with pytest.raises(ModelError, match=str(tmp_path)):
        Reader(tmp_path / "zh_CN.lm")


def test_syllables_can_be_spelt_instead() -> None:
    assert spelt(["nin2", "hao3", "lv4"]) == ("Nin", "Hao", "Lü")
