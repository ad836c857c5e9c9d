"""Phrases found by sound: what is misheard is found, what merely looks or sounds alike is not."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.events import Masked, PersonalKind
from streams.phrases import syllables
from streams.phrases.match import Found, Matcher, PhraseSet
from streams.phrases.normal import normal
from streams.phrases.pattern import PatternError, compile_phrase


def found(phrase: str, text: str, *but_not: str, sound: bool | float = True) -> list[Found]:
    return Matcher({"set": PhraseSet((phrase,), but_not=but_not, sound=sound)}).find(text)


def meant(phrase: str, text: str, *but_not: str) -> list[tuple[str, str]]:
    """What was heard and what was meant."""
    return [(text[f.start : f.end], f.meant) for f in found(phrase, text, *but_not)]


# ------------------------------------------------------------------------------------------- syllables


@pytest.mark.parametrize(
    ("one", "other"),
    [
        "zhi zi",
        "chou cou",
        "shan san",
        "ni li",
        "ren len",
        "fei hui",
        "fu hu",
        "jin jing",
        "men meng",
        "lan lang",
        "lü lu",
    ]
    and [tuple(pair.split()) for pair in ("zhi zi", "chou cou", "shan san", "nan lan", "ren len", "fei hui", "fu hu")]
    + [tuple(pair.split()) for pair in ("jin jing", "men meng", "lan lang", "lv lu", "nve lue", "fa hua", "zhan zang")],
)
def test_the_confusions_of_line_and_dialects_are_cheap_and_folded_together(one: str, other: str):
    assert syllables.fold(one) == syllables.fold(other)
    assert 0 < syllables.base_cost(one, other) <= 2 * syllables.CHEAP


def test_near_syllables_cost_less_than_others_and_all_costs_are_symmetric():
    assert syllables.base_cost("ba", "pa") == syllables.NEAR
    assert syllables.base_cost("shuo", "guo") == syllables.HALF
    assert syllables.base_cost("lao", "shi") == syllables.OTHER
    bases = ["ba", "pa", "zhong", "er", "yuan", "wu", "yi", "you", "xiong", "nv", "lve", "ri", "wen", "qun", "o"]
    assert all(syllables.base_cost(a, b) == syllables.base_cost(b, a) for a in bases for b in bases)


def test_every_syllable_of_the_dictionary_can_be_taken_apart_and_compared():
    for base in syllables._BASES:
        assert syllables.base_cost(base, base) == 0
        assert 0 <= syllables.fold(base) < syllables.FOLDS
        assert syllables.base_cost(base, "zhuang") <= syllables.OTHER


def test_a_character_has_the_readings_that_words_give_it_and_no_others():
    assert set(syllables.readings("行")) == {"xing2", "hang2"}
    assert syllables.readings("有") == ("you3",)
    assert syllables.readings("1") == ("yi1", "yao1")
    assert syllables.readings("a") == ()


# ---------------------------------------------------------------------------------------------- finding


@pytest.mark.parametrize(
    ("phrase", "text", "said", "words"),
    [
        ("叫(你们|你)领导", "我要叫你们另岛来", "叫你们另岛", "叫你们领导"),
        ("你的理解不对", "您的里解不对", "您的里解不对", "你的理解不对"),
        ("再不说话我就挂机", "再不所话我就瓜机", "再不所话我就瓜机", "再不说话我就挂机"),
        ("找消费者协会投诉", "找消费者鞋会投诉你们", "找消费者鞋会投诉", "找消费者协会投诉"),
        ("不行就是不行", "不行啊就是呢不行", "不行啊就是呢不行", "不行就是不行"),
        ("不行就是不行", "不行就是那个不行", "不行就是那个不行", "不行就是不行"),
        ("不行就是不行", "不行就是是不行", "不行就是是不行", "不行就是不行"),
        ("我要去法院起诉你们", "我要去法院起述你们", "我要去法院起述你们", "我要去法院起诉你们"),
        ("我要去法院起诉你们", "我要去法起诉你们", "我要去法起诉你们", "我要去法院起诉你们"),
        ("我要去12315投诉", "我要去幺二散一五投诉", "我要去幺二散一五投诉", "我要去12315投诉"),
        ("银行柜台排队", "引航柜台排队", "引航柜台排队", "银行柜台排队"),
        ("什么事情快(说|讲)", "神么事情快酱", "神么事情快酱", "什么事情快讲"),
    ],
)
def test_a_misheard_phrase_is_found_and_says_what_was_meant(phrase: str, text: str, said: str, words: str):
    assert meant(phrase, text) == [(said, words)]
    assert 0 < found(phrase, text)[0].distance < 0.25


@pytest.mark.parametrize(
    ("phrase", "text", "why"),
    [
        ("畜生", "您是猪年出生的吗", "the recogniser wrote another word"),
        ("你先别吵", "您先别着急", "the border lies in a word"),
        ("你理解得不对", "您理解得很对", "不 must be heard"),
        ("你要投诉吗我帮你登记", "您要投诉我帮您登记", "吗 must be heard"),
        ("滚", "请把棍拿来", "one syllable"),
        ("闭嘴", "请看笔嘴", "two syllables must have their tones"),
        ("打12345", "打12354", "a digit is another number, not a near one"),
        ("叫领导来", "叫一二三四五六七八九领导来", "no gap was written"),
        ("没办法给你解决问题", "办法给你解决问题", "没 must be heard"),
    ],
)
def test_look_alikes_stay_quiet(phrase: str, text: str, why: str):
    assert meant(phrase, text) == [], why


def test_the_longer_a_phrase_the_more_of_it_may_be_misheard():
    assert meant("我要投诉", "我要投树") != []  # the same but for the line
    assert meant("我要投诉", "我要桌诉") == []  # another syllable: too much of four
    assert meant("我现在就要去投诉公司", "我现在就要去桌诉公司") != []


def test_characters_are_trusted_and_say_nothing_of_sounds():
    assert found("没有办法", "没有办法") == [Found("set", 0, 4, "", 0.0)]


def test_a_misheard_innocent_phrase_keeps_the_find_quiet():
    assert meant("接口", "请看一下冲电接口", "(充电|数据)…接口") == []
    assert meant("你自己再确认", "麻翻您自己再确认一下", "(请|麻烦)…你自己再确认") == []
    assert meant("你自己再确认", "您自己再确认一下", "(请|麻烦)…你自己再确认") != []


def test_an_innocent_phrase_that_merely_sounds_alike_does_not_excuse_what_was_said_to_the_letter():
    assert meant("神经病", "神经病,懒得理你", "神经病(学|理)") == [("神经病", "")]


def test_a_set_can_be_kept_to_its_characters_or_limited():
    assert found("你的理解不对", "你的里解不对", sound=False) == []
    assert found("你的理解不对", "你的泥解不对") != []
    assert found("你的理解不对", "你的里解不对", sound=0.02) != []
    assert found("你的理解不对", "你的泥解不对", sound=0.02) == []


def test_what_was_heard_by_sound_counts_by_its_sound_and_not_by_the_reading():
    matcher = Matcher({"set": PhraseSet(("叫你们领导",))})
    sounds = ("jiao4", "ni3", "men5", "lin3", "dao4")
    (one,) = matcher.find("叫你们林道", sounds)
    assert (one.meant, one.distance > 0) == ("叫你们领导", True)
    assert matcher.find("教泥门令到", ("jiao4", "ni3", "men5", "ling3", "dao3"))[0].distance == 0.0
    assert matcher.find("叫你们林道", ("jiao4", "ni3", "men5", "shang1", "ke4")) == []


def test_two_syllables_are_found_by_sound_only_with_their_tones():
    matcher = Matcher({"set": PhraseSet(("闭嘴",))})
    assert matcher.find("必嘴", ("bi4", "zui3")) != []
    assert matcher.find("鼻嘴", ("bi2", "zui1")) == []


def test_a_find_reaches_over_no_more_than_its_own_words():
    text = "好的那你就叫你们另岛来吧谢谢"
    assert meant("叫你们领导来", text) == [("叫你们另岛来", "叫你们领导来")]


def test_many_phrases_find_what_each_finds_alone():
    phrases = [
        "叫你们领导",
        "你的理解不对",
        "不行就是不行",
        "我要去法院起诉你们",
        "再不说话我就挂机",
        "没有办法给你处理",
    ]
    texts = ["叫你们另岛来", "您的里解不对", "不行就事不行", "再不所话我就瓜机", "我要去法院起述你们", "今天天气不错"]
    together = Matcher({phrase: PhraseSet((phrase,)) for phrase in phrases})
    for text in texts:
        alone = [each for p in phrases for each in Matcher({p: PhraseSet((p,))}).find(text)]
        assert together.find(text) == sorted(alone, key=lambda f: (f.start, f.end, f.name))


words = st.text("叫你们领导来我要投诉不行就是没有办法", min_size=3, max_size=10)


@settings(max_examples=60, deadline=None)
@given(words, words, words)
def test_finding_is_the_same_each_time_and_in_its_place(phrase: str, before: str, after: str):
    text = before + phrase + after
    one, two = (Matcher({"set": PhraseSet((phrase,))}) for _ in range(2))
    assert one.find(text) == two.find(text) == one.find(text)
    assert any(f.start <= len(before) and f.end >= len(before) + 1 for f in one.find(text))
    assert all(0 <= f.start < f.end <= len(text) and 0 <= f.distance <= 1 for f in one.find(text))


# ----------------------------------------------------------------------------------------- hidden numbers


@pytest.mark.parametrize(
    ("phrase", "text", "kind", "hit"),
    [
        ("#{11}", "是***********吧", "phone", True),
        ("#{11}", "是******吧", "phone", True),
        ("#{16-19}", "卡号****************", "bank_card", True),
        ("#{18}", "是******************吧", "id_card", True),
        ("#{11}", "是******************吧", "id_card", False),
        ("#{11}", "住在***********", "address", False),
        ("<电话>", "是***********吧", "phone", True),
        ("<phone>", "是***********吧", "phone", True),
        ("<电话>", "是***********吧", "name", False),
        ("<姓名>", "我叫**", "name", True),
        ("我叫<姓名>先生", "我叫**先生", "name", True),
        ("住<地址>", "住在***", "address", False),
        ("工号#", "工号****", "number", True),
    ],
)
def test_hidden_numbers_are_found_by_their_kind(phrase: str, text: str, kind: PersonalKind, hit: bool):
    masked = (Masked(kind, text.index("*"), text.rindex("*") + 1),)
    assert bool(Matcher({"set": PhraseSet((phrase,))}).find(text, (), masked)) == hit


@pytest.mark.parametrize(
    ("phrase", "text"),
    [
        ("<电话>", "号码13800000000"),
        ("<电话>", "号码一三八零零零零零零零零"),
        ("<身份证>", "是11010119900307001x"),
        ("<银行卡>", "卡号6222020200112233445"),
        ("<车牌>", "车牌京A12345"),
        ("<号码>", "是1234567"),
    ],
)
def test_numbers_that_nobody_has_hidden_are_found_by_their_form(phrase: str, text: str):
    assert found(phrase, text) != []


def test_stars_without_a_kind_hide_nothing_that_a_rule_knows():
    assert found("#{11}", "是***********吧") == []


def test_a_number_is_found_as_an_amount_only_where_that_is_written():
    assert found("<315>", "三百一十五") != []
    assert found("<315>", "三一五") != []
    assert found("315", "三百一十五") == []
    assert found("<250>", "二百五") != []


@pytest.mark.parametrize("phrase", ["<谁>", "<电话", "电话>", "<>"])
def test_an_unknown_or_unclosed_mark_is_refused(phrase: str):
    with pytest.raises(PatternError):
        compile_phrase(phrase)


def test_stars_keep_their_places_in_a_normal_text():
    plain = normal("我, 是 ***!", (Masked("name", 5, 8),))
    assert len(plain.text) == 5
    assert plain.origin == (0, 3, 5, 6, 7)
