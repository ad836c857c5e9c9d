"""Phrases as managers write them, found in sentences as recognisers write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.phrases.match import Matcher, PhraseSet
from streams.phrases.normal import masked, normal
from streams.phrases.pattern import GAP, PatternError, compile_phrase


def matches(phrase: str, text: str, *but_not: str) -> list[str]:
    """What of ``text`` a set with that one phrase finds."""
    found = Matcher({"set": PhraseSet(phrases=(phrase,), but_not=but_not)}).find(text)
    return [text[each.start : each.end] for each in found]


@pytest.mark.parametrize(
    ("phrase", "text", "found"),
    [
        ("有什么事快说", "喂,有什么事,快说!", ["有什么事,快说"]),
        ("有什么事快说", "有什么事慢慢说", []),
        ("你的理解不对", "您的理解不对", ["您的理解不对"]),
        ("您的理解不对", "你的 理解不对", ["你的 理解不对"]),
        ("叫(你们|你)领导", "叫你们领导来", ["叫你们领导"]),
        ("叫(你们|你)领导", "叫他领导来", []),
        ("没[有]办法", "没办法。没有办法。", ["没办法", "没有办法"]),
        ("(我|)不知道", "不知道", ["不知道"]),
        ("叫…领导", "叫一二三四五六七八领导", ["叫一二三四五六七八领导"]),
        ("叫…领导", "叫一二三四五六七八九领导", []),
        ("叫...领导", "叫领导", ["叫领导"]),
        ("^喂", "喂,你好", ["喂"]),
        ("^喂", "他在喂鱼", []),
        ("什么$", "你说什么?", ["什么"]),
        ("什么$", "什么事", []),
        ("工号#", "我的工号八零二六", ["工号八"]),
        ("工号#", "工号是多少", []),
        ("12315", "我要打幺二三一五", ["幺二三一五"]),
        ("12315", "我要打一二三一五", ["一二三一五"]),
        ("一二三一五", "打12315", ["12315"]),
        ("315", "每月三百一十五元", []),
        ("315", "三一五曝光", ["三一五"]),
        ("#{11}", "号码是13800000000吗", ["13800000000"]),
        ("#{11}", "号码是138000000001吗", []),
        ("#{11}", "号码是一三八零零零零零零零零吗", ["一三八零零零零零零零零"]),
        ("#{16-19}", "卡号6222020200112233445", ["6222020200112233445"]),
        ("((a|b)c|d)e", "ACE bce de", ["ACE", "bce", "de"]),
        ("ok", "\uff2f\uff2b的", ["\uff2f\uff2b"]),
    ],
)
def test_a_phrase_finds_what_it_says(phrase: str, text: str, found: list[str]) -> None:
    assert matches(phrase, text) == found


def test_a_find_inside_an_innocent_phrase_is_none() -> None:
    assert matches("没有办法", "我没有办法律咨询,也没有办法", "没有办法律") == ["没有办法"]
    assert matches("可能", "尽可能快,可能明天", "尽可能") == ["可能"]
    assert matches("可能", "可能尽快", "尽可能") == ["可能"]


def test_of_overlapping_finds_of_one_set_the_longest_counts_once() -> None:
    found = Matcher({"set": PhraseSet(phrases=("不知道", "我不知道", "我"))}).find("我不知道")
    assert [(f.start, f.end) for f in found] == [(0, 4)]


def test_each_set_finds_its_own() -> None:
    found = Matcher({"a": PhraseSet(("抱歉",)), "b": PhraseSet(("抱歉", "久等"))}).find("抱歉让您久等了")
    assert [(f.name, f.start, f.end) for f in found] == [("a", 0, 2), ("b", 0, 2), ("b", 4, 6)]


@pytest.mark.parametrize(
    ("phrase", "problem"),
    [
        ("(a", "'(' is not closed"),
        ("a)", "')' closes nothing"),
        ("[a", "'[' is not closed"),
        *((phrase, "no word") for phrase in ("", "[a]", "…", "^", "a|", ",。")),
    ],
)
def test_a_phrase_that_cannot_be_read_is_refused_with_the_reason(phrase: str, problem: str) -> None:
    with pytest.raises(PatternError, match=problem.replace("(", r"\(").replace(")", r"\)").replace("[", r"\[")):
        compile_phrase(phrase)


plain = st.text(st.characters(categories=["Lo", "Nd", "Po", "Zs"], max_codepoint=0x9FFF), max_size=30)


@given(plain)
def test_each_character_of_a_normal_text_knows_where_it_came_from(text: str) -> None:
    form = normal(text)
    assert len(form.text) == len(form.origin)
    assert list(form.origin) == sorted(form.origin)
    assert all(0 <= index < len(text) for index in form.origin)
    assert normal(form.text).text == form.text


word = st.text("没有办法你好我要投诉", min_size=1, max_size=4)


@given(st.lists(word, min_size=1, max_size=4), plain, plain)
def test_a_phrase_is_found_wherever_it_stands_whatever_stands_around_it(
    parts: list[str], before: str, after: str
) -> None:
    phrase = "".join(parts)
    text = f"{before}。{','.join(parts)}。{after}"
    assert any(normal(phrase).text in normal(found).text for found in matches(phrase, text))


@given(word, st.integers(0, GAP + 3), word)
def test_a_gap_reaches_eight_characters_and_no_further(first: str, gap: int, second: str) -> None:
    text = first + "一丁" * (gap // 2) + "丁" * (gap % 2) + second
    assert bool(matches(f"{first}…{second}", text)) == (gap <= GAP)


def test_needles_lose_no_find_that_the_expression_alone_would_make() -> None:
    phrases = ["叫(你们|你)…(领导|经理)[来]", "[我](就|要)去投诉", "(a|[b]c)d", "#{11}", "^喂|喂$"]
    texts = ["叫你们的经理", "要去投诉", "就去投诉", "cd", "ad", "13800000000", "喂", "你好喂", "叫你领导来", "d"]
    for phrase in phrases:
        for text in texts:
            assert bool(matches(phrase, text)) == bool(compile_phrase(phrase).regex.search(normal(text).text))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("我的号码是13812345678对吗", "我的号码是138****78对吗"),
        ("一三八一二三四五六七八", "一三八****七八"),
        ("身份证42010619900101123X", "身份证420****3X"),
        ("工号8026,尾号6688", "工号8026,尾号6688"),
        ("6222 0202 0011 2233", "622****33"),
    ],
)
def test_long_numbers_are_hidden(text: str, shown: str) -> None:
    assert masked(text) == shown
