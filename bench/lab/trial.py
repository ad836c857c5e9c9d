"""One clip through the real pipeline: ear, then the fold with the default rulebook.

The ear hears it once; what is told is judged three times, as if only the recogniser had been there, only its finished
sentences, or both recogniser and spotter. A spotter alone is another ear.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

from msgspec import Struct

from asr.ear import Ear, Engine
from bench.lab.clips import LEAD_S, TAIL_S, Clip, speech_ends
from bench.lab.framing import Framed, framed
from bench.lab.syllables import Errors, compare, of_text, plain
from streams.alerts import AlertChange
from streams.events import AnyEvent, Spotted, Transcript
from streams.replay import Driver
from streams.rulebook.book import Rulebook

Mode = Literal["recogniser", "finals", "spotter", "both"]
MODES: tuple[Mode, ...] = ("recogniser", "spotter", "both")


class Told(NamedTuple):
    """What the ear told when the frame that ends at ``at`` (Unix seconds) had come in, after ``cpu_s`` of work."""

    at: float
    cpu_s: float
    events: tuple[AnyEvent, ...]


class Alarm(Struct, frozen=True):
    """``after_words_s``: from the end of the phrase (by the words' times) to the alert; ``after_speech_s``: from that
    of the whole sentence. ``taken_back``: it did not stand.
    """

    rule: str
    after_words_s: float
    after_speech_s: float
    taken_back: bool


class Outcome(Struct, frozen=True):
    """What came of one clip in one condition and mode. ``sets_…``: phrase sets in its text, and heard."""

    condition: str
    mode: Mode
    clip: str
    wants: str
    role: str
    tuning: bool
    speech_s: float
    lasts_s: float
    cpu_s: float
    alarms: tuple[Alarm, ...]
    sets_said: tuple[str, ...]
    sets_heard: tuple[str, ...]
    errors: Errors
    heard: str

    @property
    def bad(self) -> bool:
        """Whether a rule has to fire."""
        return self.wants not in HARMLESS

    @property
    def hit(self) -> bool:
        """Whether that rule fired, and its alert stood."""
        return any(alarm.rule == self.wants and not alarm.taken_back for alarm in self.alarms)

    @property
    def standing(self) -> tuple[str, ...]:
        """Rules whose alerts stood and should not have."""
        return tuple(dict.fromkeys(a.rule for a in self.alarms if a.rule != self.wants and not a.taken_back))

    @property
    def flashes(self) -> tuple[str, ...]:
        """Rules whose alerts were seen for a moment and should not have been."""
        return tuple(dict.fromkeys(a.rule for a in self.alarms if a.rule != self.wants and a.taken_back))


#: Classes of clips on which no rule may fire; the polite ones are what rules about missing words wait for.
POLITE = frozenset(
    {"greeting", "late-answer-apology", "ask-to-wait", "thanks-for-waiting", "announce-transfer"}
    | {"soothing", "read-back", "closing", "rating"}
)
HARMLESS = POLITE | {"harmless", "real"}


class Lab:
    """Engines and book, loaded once a process."""

    def __init__(self, book: Rulebook, engines: dict[str, Engine]) -> None:
        """``engines``: ``both`` and ``spotter``, or fewer."""
        self.book, self.engines = book, engines

    def outcomes(self, condition: str, clip: Clip, spoiled: Clip) -> list[Outcome]:
        """All modes of one clip."""
        frame, found = framed(spoiled), list[Outcome]()
        tempo = len(spoiled.sound) / len(clip.sound)
        speech_ended = frame.frames[0].begun + speech_ends(clip.sound) * tempo
        for name, engine in self.engines.items():
            told = hear(frame, engine)
            for mode, keeps in _VIEWS[name].items():
                found.append(self._judged(condition, clip, (mode, frame, told, keeps, speech_ended)))
        return found

    def _judged(self, condition: str, clip: Clip, heard: tuple[Mode, Framed, list[Told], Keeps, float]) -> Outcome:
        mode, frame, told, keeps, speech_ended = heard
        driver = Driver(self.book)
        alarms, hits, cpu_s = self._alarms(driver, frame, (told, keeps, speech_ended))
        said = {found.name for found in self.book.find(clip.text)}
        words = [
            w for t in told for e in t.events if isinstance(e, Transcript) and e.final and keeps(e) for w in e.words
        ]
        sounds = [plain(s) for word in words for s in (word.sound or " ".join(of_text(word.text))).split()]
        rule = self.book.rule(clip.wants)
        if rule is not None and rule.__struct_config__.tag != "says":  # it takes more than these words to fire
            alarms += [Alarm(rule.id, 0.0, 0.0, False)] if said & hits & set(rule.phrase_names()) else []
        return Outcome(
            condition=condition,
            mode=mode,
            clip=clip.name,
            wants=clip.wants,
            role=clip.role,
            tuning=clip.tuning,
            speech_s=clip.lasts_s - LEAD_S - TAIL_S,
            lasts_s=clip.lasts_s,
            cpu_s=cpu_s,
            alarms=tuple(alarms),
            sets_said=tuple(sorted(said)),
            sets_heard=tuple(sorted(hits)),
            errors=compare(of_text(clip.text), sounds),
            heard=" ".join(sounds),
        )

    def _alarms(
        self, driver: Driver, frame: Framed, heard: tuple[list[Told], Keeps, float]
    ) -> tuple[list[Alarm], set[str], float]:
        told, keeps, speech_ended = heard
        for event in frame.before:
            driver.feed(event)
        changes, cpu_s = list[tuple[float, AlertChange]](), 0.0
        for each in told:
            begun = time.process_time()
            new = [change for event in each.events if keeps(event) for change in driver.feed(event)]
            spent = each.cpu_s + time.process_time() - begun
            cpu_s += spent
            changes += [(each.at + spent, change) for change in new]
        hits = _hits(driver, frame)
        for event in frame.after:
            changes += [(event.at, change) for change in driver.feed(event)]
        end = frame.after[-1].at if frame.after else told[-1].at
        changes += [(change.at, change) for change in driver.finish(end + 600.0)]
        return list(self._of_words(changes, speech_ended)), hits, cpu_s

    def _of_words(self, changes: Sequence[tuple[float, AlertChange]], speech_ended: float) -> list[Alarm]:
        """The alerts of rules that fire for a word; others judge the whole call."""
        cleared = {change.id for _, change in changes if change.state == "cleared"}
        alarms = []
        for at, change in changes:
            rule = self.book.rule(change.rule)
            if change.state == "opened" and not change.trial and rule and rule.__struct_config__.tag == "says":
                alarms.append(Alarm(change.rule, at - change.at, at - speech_ended, change.id in cleared))
        return alarms


Keeps = Callable[[AnyEvent], bool]


def _hits(driver: Driver, frame: Framed) -> set[str]:
    """The phrase sets that were heard in the clip."""
    first = frame.frames[0]
    state = driver.state(first.call)
    return (
        {hit.name for hit in state.talk.hits if hit.role == first.role and hit.end >= first.begun} if state else set()
    )


def hear(frame: Framed, engine: Engine) -> list[Told]:
    """The ear on the clip, frame by frame as they come in."""
    ear, told = Ear(frame.frames[0], engine), list[Told]()
    for each in frame.frames:
        begun = time.process_time()
        events = ear.hear(each)
        told.append(Told(each.at(each.end), time.process_time() - begun, tuple(events)))
    begun = time.process_time()
    events = ear.finish()
    told.append(Told(frame.frames[-1].at(frame.frames[-1].end), time.process_time() - begun, tuple(events)))
    return told


def _all(_event: AnyEvent) -> bool:
    return True


def _no_spots(event: AnyEvent) -> bool:
    return not isinstance(event, Spotted)


def _finals(event: AnyEvent) -> bool:
    return _no_spots(event) and not (isinstance(event, Transcript) and not event.final and bool(event.text))


#: Which views of what an engine told are judged.
_VIEWS: dict[str, dict[Mode, Keeps]] = {
    "both": {"both": _all, "recogniser": _no_spots, "finals": _finals},
    "spotter": {"spotter": _all},
}
