"""When a spotted phrase stands although the recogniser has heard it a little otherwise."""

from __future__ import annotations

import pytest

from asr.agreement import nearly


@pytest.mark.parametrize(
    ("phrase", "heard"),
    [
        ("找消费者协会", "wo3 jiu4 zhao3 xiao1 fei4 zhe3 xue2 hui4"),
        ("下班了快点", "xiao3 ban1 le5 kuai4 dian3 le5"),
        ("找别的地方问", "ni3 zhao3 bie2 de5 di4 fang1 le5 wu3"),
        ("去法院起诉", "na4 wo3 jiu4 qu4 fa3 ren4 qi3 song4 ni3 men5"),
        ("打12315", "jiu4 da3 yao1 er4 shan1 yi1 wu3"),
    ],
)
def test_a_phrase_that_was_nearly_heard_stands(phrase: str, heard: str):
    assert nearly(phrase, heard.split())


@pytest.mark.parametrize(
    ("phrase", "heard"),
    [
        ("去法院起诉", "wo3 bu2 hui4 qu4 fa3 yuan4 qi3 su4 ni3"),  # heard exactly: the words decide, contexts and all
        ("去法院起诉", "wo3 qu4 yi1 yuan4 kan4 bing4"),
        ("找消费者协会", ""),
        ("听不懂", "ting1 bu4 tong1"),  # too short
        ("下班了快点", "shang4 ban1 le5 man4 man5"),
    ],
)
def test_a_phrase_that_was_heard_exactly_or_not_at_all_is_left_to_the_words(phrase: str, heard: str):
    assert not nearly(phrase, heard.split())
