"""A phrase that goes on from one finished sentence of a party into the next is found, and found once."""

from __future__ import annotations

from streams.core import CallState, step
from streams.events import Masked, Transcript, Word, from_dict
from streams.phrases.match import Matcher, PhraseSet
from streams.tails import CHARS, sounds_of
from streams.talk import Hit

SETS = {
    "complaint": PhraseSet(("我要投诉[你们公司]",)),
    "maybe": PhraseSet(("可能",), but_not=("尽可能",)),
    "summons": PhraseSet(("^喂",)),
    "number": PhraseSet(("#{11}",)),
    "what": PhraseSet(("说什么$",)),
}


class _Book:
    """A book that only looks for words."""

    version = ""
    _matcher = Matcher(SETS)

    def __init__(self) -> None:
        from streams.core import NoRules  # noqa: PLC0415 - all but the words

        self._none = NoRules()
        self.site = self._none.site

    def find(self, *asked):
        return self._matcher.find(*asked)

    def listeners(self, tag):
        return ()

    def judge(self, rule):
        return None


def said(text: str, start: float, end: float, *, final: bool = True, role: str = "customer", **fields) -> Transcript:
    event = {"type": "transcript", "call": "c", "at": end, "role": role, "text": text, "start": start, "end": end}
    return from_dict({**event, "final": final, **fields})


def hits(*events: Transcript) -> list[Hit]:
    answered = [
        {"type": "call.offered", "call": "c", "at": 0.0},
        {"type": "call.answered", "call": "c", "at": 1.0, "agent": "8026"},
    ]
    state: CallState | None = None
    for event in [*map(from_dict, answered), *events]:
        state = step(_Book(), state, event).state
    return list(state.talk.hits)


def test_a_phrase_that_a_pause_cuts_in_two_is_one_hit_at_its_own_time():
    (hit,) = hits(said("那我要", 10.0, 13.0), said("投诉,听见没有", 14.0, 17.0))
    assert (hit.name, hit.match, hit.text) == ("complaint", "我要投诉", "那我要投诉,听见没有")
    assert (hit.start, hit.said) == (11.0, 14.0)


def test_a_misheard_one_too():
    (hit,) = hits(said("那我要", 10.0, 13.0), said("投述", 14.0, 17.0))
    assert (hit.match, hit.meant) == ("我要投述", "我要投诉")


def test_after_a_long_pause_or_by_the_other_party_it_is_none():
    assert hits(said("那我要", 10.0, 13.0), said("投诉", 15.0, 17.0)) == []
    assert hits(said("那我要", 10.0, 13.0), said("投诉", 14.0, 17.0, role="agent")) == []


def test_what_was_found_before_is_not_found_again():
    found = hits(said("我要投诉", 10.0, 13.0), said("你们公司", 14.0, 17.0))
    assert [(hit.match, hit.said) for hit in found] == [("我要投诉", 10.0)]


def test_a_partial_finds_it_early_and_its_final_confirms_or_withdraws_it():
    first = said("那我要", 10.0, 13.0)
    assert [hit.final for hit in hits(first, said("投诉", 14.0, 15.0, final=False))] == [False]
    assert [h.final for h in hits(first, said("投诉", 14.0, 15.0, final=False), said("投诉你", 14.0, 16.0))] == [True]
    assert hits(first, said("投诉", 14.0, 15.0, final=False), said("偷懒的人", 14.0, 16.0)) == []


def test_the_words_before_make_what_follows_innocent():
    assert hits(said("请您尽", 10.0, 13.0), said("可能快点", 14.0, 17.0)) == []
    assert [hit.name for hit in hits(said("请您", 10.0, 13.0), said("可能快点", 14.0, 17.0))] == ["maybe"]


def test_the_beginning_of_the_second_sentence_stays_a_beginning():
    assert [hit.name for hit in hits(said("好", 10.0, 13.0), said("喂", 14.0, 17.0))] == ["summons"]


def test_a_corrected_sentence_is_not_joined_with_itself():
    found = hits(said("那我要", 10.0, 13.0), said("那我要投诉", 10.0, 13.0))
    assert [(hit.match, hit.said) for hit in found] == [("我要投诉", 10.0)]


def test_the_tail_is_short_and_tells_no_number():
    answered = [
        {"type": "call.offered", "call": "c", "at": 0.0},
        {"type": "call.answered", "call": "c", "at": 1.0, "agent": "8026"},
    ]
    state: CallState | None = None
    for event in [*map(from_dict, answered), said("我的电话是13800000000", 10.0, 13.0)]:
        state = step(_Book(), state, event).state
    tail = state.talk.customer.tail
    assert tail.text == "是" + "*" * 11
    assert len(tail.text) == len(tail.times) == CHARS


def test_sounds_and_hidden_numbers_go_along():
    words = (
        {"text": "那", "start": 10, "end": 11, "sound": "na4"},
        {"text": "窝", "start": 11, "end": 12, "sound": "wo3"},
    )
    more = (
        {"text": "药", "start": 13, "end": 14, "sound": "yao4"},
        {"text": "头素", "start": 14, "end": 16, "sound": "tou2 su4"},
    )
    (hit,) = hits(
        said("那窝", 10.0, 12.0, words=words, by_sound=True), said("药头素", 13.0, 16.0, words=more, by_sound=True)
    )
    assert (hit.match, hit.meant, hit.distance, hit.by_sound) == ("窝药头素", "我要投诉", 0.0, True)


def test_each_character_has_its_sound():
    event = said("你好 吗", 1.0, 2.0)
    words = (Word("你好", 1, 2, sound="ni3 hao3"), Word("吗", 1, 2, sound="ma5"))
    sounds = sounds_of(
        Transcript(call="c", at=2.0, role="agent", text=event.text, start=1.0, end=2.0, final=True, words=words)
    )
    assert sounds == ("ni3", "hao3", "", "ma5")
    assert sounds_of(event) == ()


def test_a_hidden_number_is_found_whole_and_stays_hidden():
    spans = ({"kind": "phone", "start": 3, "end": 14},)
    (hit,) = hits(said("号码是***********", 10.0, 13.0, masked=spans))
    assert (hit.name, hit.match) == ("number", "*" * 11)
    assert Masked("phone", 3, 14).kind == "phone"


def test_what_may_only_stand_at_the_end_waits_for_the_end():
    going_on = said("你们在说什么", 10, 11, final=False)
    assert hits(going_on) == []
    assert [hit.name for hit in hits(going_on, said("你们在说什么", 10, 11))] == ["what"]
    assert hits(going_on, said("你们在说什么业务", 10, 12)) == []


def test_a_first_word_alone_says_nothing_yet():
    assert hits(said("喂", 10, 10.3, final=False)) == []
    assert [hit.name for hit in hits(said("喂说话呀", 10, 11, final=False))] == ["summons"]
    assert [hit.name for hit in hits(said("喂", 10, 10.3))] == ["summons"]
