"""How ended calls are told to people: found ones in a row each, one call from its head to what fired. Pure.

Owns the words, Chinese and English. Sentences are printed whole; what was looked for stands in 【brackets】.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from streams.alerts import SIGNS, AlertChange, agent_en, agent_zh, by_sound_zh, duration_en, duration_zh, typeset_zh
from streams.archive.facts import Line
from streams.archive.search import Fired, Hit, Query, Sentence
from streams.archive.words import WORDS
from streams.call import Stretch
from streams.phrases.normal import masked
from streams.verdicts import Standing

#: So many sentences of one call are shown in a table; the others are counted.
SHOWN = 3

COLUMNS = (
    ("时间", "坐席", "队列", "时长", "告警", "说到的话", "通话编号"),
    ("time", "agent", "queue", "duration", "alerts", "what was said", "call"),
)
#: For a spreadsheet: times in ISO 8601, durations in seconds, one line a cell.
CSV_COLUMNS = (
    ("时间", "坐席", "队列", "时长（秒）", "告警条数", "告警", "说到的话", "通话编号"),
    ("time", "agent", "queue", "duration, s", "alerts", "which", "what was said", "call"),
)


class Story(NamedTuple):
    """One call as it is told. ``fired``: each alert's changes, and how it stands.

    ``words_gone``: its words have been deleted, because they are kept for so many days only.
    """

    hit: Hit
    phases: Sequence[Stretch]
    lines: Sequence[Line]
    fired: Sequence[tuple[Sequence[AlertChange], Standing]]
    listened: bool
    words_gone: int | None = None


class Told:
    """Tells in one language, times as the site's clock has them."""

    def __init__(self, zone: ZoneInfo, *, english: bool) -> None:
        self._zone, self._english = zone, english

    def words(self, zh: str, en: str) -> str:
        """One of the two."""
        return en if self._english else zh

    def word(self, key: str) -> str:
        """A word of the vocabulary."""
        return self.words(*WORDS[key])

    @property
    def columns(self) -> Sequence[str]:
        """Of ``row``."""
        return COLUMNS[self._english]

    # ------------------------------------------------------------------------------------------ a row each

    def row(self, hit: Hit) -> list[str]:
        """A found call."""
        return [
            self._time(hit.began_at, "%Y-%m-%d %H:%M:%S"),
            self._speakers(hit),
            hit.queue,
            self._duration(hit.duration_s),
            "\n".join(self._alerts(hit, signs=True)),
            "\n".join(self._sentences(hit.sentences)),
            hit.call,
        ]

    def csv_row(self, hit: Hit) -> list[str | float]:
        """The same for a spreadsheet, all its sentences; columns: ``csv_columns``."""
        return [
            datetime.fromtimestamp(hit.began_at, self._zone).isoformat(timespec="seconds"),
            self._speakers(hit),
            hit.queue,
            round(hit.duration_s, 3),
            len(hit.alerts),
            self.words("；", "; ").join(self._alerts(hit, signs=False)),
            " / ".join(self._sentences(hit.sentences, len(hit.sentences))),
            hit.call,
        ]

    @property
    def csv_columns(self) -> Sequence[str]:
        """Of ``csv_row``."""
        return CSV_COLUMNS[self._english]

    def block(self, hit: Hit) -> list[str]:
        """A found call where a row would not fit: lines; id and time stand whole."""
        time, agents, queue, took, alerts, said, call = self.row(hit)
        facts = (agents, self.words(f"队列 {queue}", f"queue {queue}") if queue else "", took)
        below = [f"  {line}" for line in (*alerts.split("\n"), *said.split("\n")) if line]
        return [f"{time}  {call}", f"  {' · '.join(filter(None, facts))}", *below]

    def _speakers(self, hit: Hit) -> str:
        """Who spoke, of a transferred call all; who spoke last stands last."""
        who = [self._agent(each.agent, each.name) for each in hit.agents if each.spoke and each.agent != hit.agent]
        last = [self._agent(hit.agent, hit.agent_name)] if hit.agent else []
        return " → ".join(filter(None, (self.words("、", ", ").join(who), *last)))

    def _alerts(self, hit: Hit, *, signs: bool) -> Iterator[str]:
        """Equal ones once, with how many there are."""
        told = Counter(self._fired(each, signs=signs) for each in hit.alerts)
        return (f"{text} ×{n}" if n > 1 else text for text, n in told.items())

    def summary(self, shown: int, more: bool) -> str:
        """How many are shown, and how to go on."""
        if more:
            return self.words(
                f"已显示通话 {shown} 通，还有更早的；要接着看，请用同样的条件再加上",
                f"{shown} call(s) shown, there are older ones: ask the same again with",
            )
        return self.words(f"共找到通话 {shown} 通", f"{shown} call(s) found, these are all")

    def nothing(self, query: Query, words_days: int = 0) -> str:
        """Nothing was found; what was asked, and what else may help. ``words_days``: words are kept so long."""
        asked = self.asked(query)
        zh = f"没有找到符合条件的通话（{asked or '不限条件'}）。"
        en = f"No call is like that ({asked or 'any call'})."
        said = (*query.said, *query.sounds)
        if any(masked(each.text) != each.text for each in said):
            return self.words(
                f"{zh}号码在归档中已隐去，不能按号码查找。",
                f"{en} Numbers are hidden in the archive: no call is found by one.",
            )
        if said and words_days:
            zh += f"说过的话只保存 {words_days} 天，更早的通话不能按内容查找。"
            en += f" Words are kept for {words_days} days; older calls are not found by what was said."
        if query.said and not query.sounds:
            return self.words(
                f"{zh}识别可能写成了同音的字：可以用 --sounds-like 按读音再找一次。",
                f"{en} The recogniser may have written it in other characters: try --sounds-like.",
            )
        return self.words(f"{zh}可以放宽时间或条件再试。", f"{en} Try a longer time, or fewer conditions.")

    def asked(self, query: Query) -> str:
        """What was looked for, in words."""
        return self.words("，", ", ").join(self._parts(query))

    def _parts(self, query: Query) -> Iterator[str]:
        for each in query.said:
            who = self.word(each.role) if each.role else ""
            yield self.words(f"{who}说到“{each.text}”", f"{who} said “{each.text}”".strip())
        for each in query.sounds:
            who = self.word(each.role) if each.role else ""
            yield self.words(f"{who}说了读音像“{each.text}”的话", f"{who} said what sounds like “{each.text}”".strip())
        if query.day:
            yield self.words(f"{query.day} 当天", f"on {query.day}")
        if query.since is not None:
            yield self.words(f"{self._time(query.since)} 起", f"from {self._time(query.since)}")
        if query.until is not None:
            yield self.words(f"{self._time(query.until)} 之前", f"before {self._time(query.until)}")
        named = (
            (query.queue, "队列", "queue"),
            (query.agent, "坐席", "agent"),
            (query.rule, "规则", "rule"),
            (query.severity and self.word(query.severity), "告警级别不低于", "alerts at least"),
            (query.finding and self.word(query.finding), "告警判定为", "alerts found"),
            (query.appeal and self.word(f"appeal-{query.appeal}"), "告警", "alerts with"),
            (self._duration(query.longer_s) if query.longer_s is not None else None, "时长不短于", "at least"),
            (self._duration(query.shorter_s) if query.shorter_s is not None else None, "时长不超过", "at most"),
        )
        yield from (self.words(f"{zh} {value}", f"{en} {value}") for value, zh, en in named if value)

    def _sentences(self, sentences: Sequence[Sentence], shown: int = SHOWN) -> Iterator[str]:
        for each in sentences[:shown]:
            sound = self._by_sound(each.by_sound)
            yield f"{_clock(each.at_s)} {self.word(each.role)}{self.words('：', ': ')}{marked(each)}{sound}"
        if (left := len(sentences) - shown) > 0:
            yield self.words(f"另有 {left} 句", f"and {left} more")

    def _fired(self, fired: Fired, *, signs: bool) -> str:
        title = fired.title_en if self._english and fired.title_en else fired.title
        stands = [self.word("trial")] if fired.trial else []
        stands += [self.word(fired.finding)] if fired.finding != "open" else []
        stands += [self.word(f"appeal-{fired.appeal}")] if fired.appeal != "none" else []
        told = self.words("、", ", ").join(stands)
        level = f"{SIGNS[fired.severity]} " if signs else f"{self.word(fired.severity)} "
        return f"{level}{title}" + (self.words(f"（{told}）", f" ({told})") if told else "")

    # ------------------------------------------------------------------------------------------ one call

    def story(self, story: Story) -> Iterator[str]:
        """One call, line by line."""
        yield from self._head(story.hit)
        if story.phases:
            yield from ("", self.words("经过", "Phases"))
            yield from (f"  {self._phase(each, story.hit)}" for each in story.phases)
        yield from ("", self.words("对话", "What was said"))
        if not story.lines:
            yield f"  {self._silence(story)}"
        for line in story.lines:
            at = _clock(line.start - story.hit.began_at)
            yield f"  {at} {self.word(line.role)}{self.words('：', ': ')}{line.text}{self._by_sound(line.by_sound)}"
        yield from ("", self.words("告警", "Alerts"))
        if not story.fired:
            yield f"  {self.words('没有触发告警', 'none')}"
        for changes, standing in story.fired:
            yield from (f"  {each}" for each in self._alert(changes, standing))

    def _head(self, hit: Hit) -> Iterator[str]:
        who = [self._agent(each.agent, each.name) for each in hit.agents if each.spoke]
        facts = [
            self._time(hit.began_at, "%Y-%m-%d %H:%M:%S"),
            self.word(hit.direction),
            self.words(f"队列 {hit.queue}", f"queue {hit.queue}") if hit.queue else "",
            self.words(f"客户 {hit.caller}", f"customer {hit.caller}") if hit.caller else "",
            self.words("、", ", ").join(who) or self.words("无人接听", "nobody answered"),
            self.words(f"时长 {self._duration(hit.duration_s)}", f"took {self._duration(hit.duration_s)}"),
            self._end(hit),
        ]
        yield self.words(f"通话 {hit.call}", f"Call {hit.call}")
        yield " · ".join(filter(None, facts))

    def _end(self, hit: Hit) -> str:
        if hit.state != "ended" or not hit.ended_by:
            return self.word(hit.state)
        who = self.word(hit.ended_by)
        return self.words("系统结束通话" if hit.ended_by == "system" else f"{who}挂机", f"{who} hung up")

    def _phase(self, phase: Stretch, hit: Hit) -> str:
        name = next((each.name for each in hit.agents if each.agent == phase.agent), "")
        who = self._agent(phase.agent, name) if phase.agent else ""
        spent = f"{self.word(phase.phase)} {self._duration(phase.until - phase.since)}"
        return f"{self._time(phase.since, '%H:%M:%S')} {spent} {who}".rstrip()

    def _silence(self, story: Story) -> str:
        if story.words_gone is not None:
            return self.words(
                f"对话文字只保存 {story.words_gone} 天，已按期删除",
                f"what was said is kept for {story.words_gone} days, and was deleted in time",
            )
        if story.listened:
            return self.words("没有文字：无人说话", "no words: nobody spoke")
        return self.words("通话没有接入语音，没有对话文字", "nobody listened to this call: there are no words")

    def _alert(self, changes: Sequence[AlertChange], standing: Standing) -> Iterator[str]:
        worst = max(changes, key=lambda change: tuple(SIGNS)[::-1].index(change.severity))
        told = worst.en if self._english and worst.en else worst
        trial = self.words("（试行）", " (on trial)") if worst.trial else ""
        sign, level = SIGNS[worst.severity], self.word(worst.severity)
        yield f"{self._time(changes[0].at, '%H:%M:%S')} {sign} {level} {told.title}{trial}"
        if told.says != told.title:  # what it quoted is deleted with the words
            yield f"    {told.says}"
        yield f"    {self._stands(standing)}"

    def _stands(self, standing: Standing) -> str:
        told = [self.word(standing.finding)]
        if standing.reason:
            told[0] += self.words(f"（{self.word(standing.reason)}）", f" ({self.word(standing.reason)})")
        if standing.appeal != "none":
            told.append(self.word(f"appeal-{standing.appeal}"))
        by = next((j for j in reversed(standing.history) if j.action not in ("commented", "claimed")), None)
        if by is not None:
            at = self._time(by.at)
            told.append(self.words(f"{by.by_name}，{at}", f"{by.by_name}, {at}"))
        if said := [j.text for j in standing.history if j.text]:
            told.append(self.words(f"“{said[-1]}”", f"“{said[-1]}”"))
        return " · ".join(told)

    # ------------------------------------------------------------------------------------------ figures

    def _time(self, at: float, form: str = "%Y-%m-%d %H:%M") -> str:
        return datetime.fromtimestamp(at, self._zone).strftime(form)

    def _duration(self, seconds: float) -> str:
        return self.words(duration_zh(seconds), duration_en(seconds))

    def _agent(self, agent: str | None, name: str) -> str:
        return self.words(typeset_zh(agent_zh(agent, name)), agent_en(agent, name))

    def _by_sound(self, by_sound: bool) -> str:
        return self.words(typeset_zh(by_sound_zh(by_sound)), " (by its sound)" * by_sound)


def marked(sentence: Sentence) -> str:
    """With brackets round what was looked for."""
    told, after = "", 0
    for start, end in sentence.spans:
        told += f"{sentence.text[after:start]}【{sentence.text[start:end]}】"
        after = end
    return told + sentence.text[after:]


def _clock(seconds: float) -> str:
    """``95`` -> ``01:35``: how far into the call."""
    minutes, rest = divmod(max(0, int(seconds)), 60)
    return f"{minutes:02d}:{rest:02d}"
