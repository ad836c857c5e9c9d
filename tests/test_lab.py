"""The laboratory of the ears: what spoils speech does it the same way each time, and the counting counts."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from bench.lab import clips, noise, spoil
from bench.lab.clips import LEAD_S, LINE_HZ, TAIL_S, Clip
from bench.lab.framing import framed
from bench.lab.report import Results, headline
from bench.lab.score import count, delays, quantile
from bench.lab.spoil import PACKET, Condition
from bench.lab.syllables import Errors, compare, of_text
from bench.lab.tables import Table, markdown, write
from bench.lab.trial import Alarm, Outcome
from streams.events import Transcript, tag_of

TOOLS = shutil.which("ffmpeg") and shutil.which("sox")


def speech(seconds: float = 1.5, name: str = "made") -> Clip:
    """Something like speech: a buzz that comes and goes four times a second, with silence around it."""
    time = np.arange(round(seconds * LINE_HZ)) / LINE_HZ
    buzz = sum(np.sin(2 * np.pi * 150 * k * time) / k for k in range(2, 20))
    loud = 0.1 * buzz * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * time))
    around = np.pad(loud, (round(LEAD_S * LINE_HZ), round(TAIL_S * LINE_HZ)))
    return Clip(name, "agent", "forbidden-order", "快点讲", around.astype(np.float32))


VOICES = [replace(speech(1.0 + n / 7), name=f"voice {n}").sound for n in range(8)]
CONDITIONS = {c.name: c for c in spoil.conditions(VOICES)}
MADE_HERE = [n for n in CONDITIONS if n.startswith(("clean", "babble", "street", "hold", "3 %", "clipped"))]
BY_TOOLS = [name for name in CONDITIONS if name not in MADE_HERE]


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing from an earlier run."""
    monkeypatch.setattr(spoil, "folder", lambda: tmp_path)


# -- spoiling ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MADE_HERE)
def test_what_is_spoiled_twice_is_spoiled_alike_and_as_long_as_before(name: str):
    clip = speech()
    first, second = (CONDITIONS[name].spoil(clip, 7) for _ in range(2))
    assert np.array_equal(first, second)
    assert len(first) == len(clip.sound)
    assert np.abs(first).max() <= 1.0


@pytest.mark.skipif(not TOOLS, reason="ffmpeg or sox is not installed")
@pytest.mark.parametrize("name", BY_TOOLS)
def test_codecs_and_pitch_keep_the_length_and_tempo_changes_it_as_asked(name: str):
    clip = speech()
    first, second = (CONDITIONS[name].spoil(clip, 7) for _ in range(2))
    assert np.array_equal(first, second)
    factor = {"slower, 0.85": 1 / 0.85, "faster, 1.2": 1 / 1.2}.get(name, 1.0)
    assert len(first) == pytest.approx(len(clip.sound) * factor, rel=0.01 if factor != 1 else 0)
    assert clips.level(first) == pytest.approx(clips.level(clip.sound), rel=0.5)


@pytest.mark.parametrize("db", [20, 10, 5])
@pytest.mark.parametrize("kind", ["babble", "street", "hold music"])
def test_noise_reaches_the_asked_ratio(kind: str, db: int):
    clip = speech()
    spoiled = CONDITIONS[f"{kind} {db} dB"].spoil(clip, 3)
    scale = np.dot(spoiled, clip.sound) / np.dot(clip.sound, clip.sound)
    under = spoiled - scale * clip.sound
    ratio = 20 * np.log10(scale * clips.level(clip.sound) / np.sqrt(np.square(under).mean()))
    assert ratio == pytest.approx(db, abs=0.5)


def test_another_clip_is_spoiled_by_other_noise():
    assert not np.array_equal(noise.street(LINE_HZ, 1), noise.street(LINE_HZ, 2))


@pytest.mark.parametrize("losses", [spoil.random_losses, spoil.burst_losses])
def test_three_packets_in_a_hundred_get_lost(losses):
    lost = losses(50_000, 1)
    assert sum(lost) / len(lost) == pytest.approx(spoil.LOST, rel=0.1)


def test_bursts_lose_several_packets_in_a_row():
    lost = "".join("x" if each else " " for each in spoil.burst_losses(50_000, 1)).split()
    assert sum(map(len, lost)) / len(lost) == pytest.approx(spoil.BURST, rel=0.1)


def test_a_lost_packet_is_silence_or_the_fading_one_before():
    sound = np.arange(1, 3 * PACKET + 1, dtype=np.float32)
    losses = [False, True, False]
    silent = spoil.without(sound, losses, conceal=False)
    assert not silent[PACKET : 2 * PACKET].any()
    hidden = spoil.without(sound, losses, conceal=True)
    assert np.allclose(hidden[PACKET : 2 * PACKET], sound[:PACKET] * 0.7)
    assert np.array_equal(silent[2 * PACKET :], sound[2 * PACKET :])


def test_clipping_flattens_the_peaks():
    flat = spoil.clipped(speech().sound, 12)
    assert (np.abs(flat) > 0.98).mean() > 0.05


def test_what_was_made_before_is_taken_from_the_folder():
    made = []
    condition = Condition("counted", lambda clip, _: made.append(clip.name) or clip.sound * 0.5, keep=True)
    first, second = condition.apply(speech()), condition.apply(speech())
    assert made == ["made"]
    assert np.array_equal(first.sound, second.sound)


def test_a_missing_tool_is_named_with_the_way_to_get_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(spoil.shutil, "which", lambda _: None)
    with pytest.raises(spoil.MissingToolError, match="ffmpeg is not installed: apt-get install"):
        CONDITIONS["A-law"].apply(speech())


# -- framing -------------------------------------------------------------------------------------------


def test_the_clip_takes_the_place_of_the_middle_utterance():
    clip = speech()
    frame = framed(clip)
    begun, ends = frame.frames[0].begun, frame.frames[-1].at(frame.frames[-1].end)
    assert ends - begun == pytest.approx(clip.lasts_s)
    assert all(event.at <= begun for event in frame.before)
    assert all(event.at > ends for event in frame.after)
    texts = [e.text for e in (*frame.before, *frame.after) if isinstance(e, Transcript)]
    assert len(texts) == 11
    assert not any("甲乙丙丁" in text for text in texts)
    marks = [tag_of(e) for e in (*frame.before, *frame.after)]
    assert marks.count("speech.started") == marks.count("speech.ended") == 11
    assert b"".join(f.pcm for f in frame.frames) == clips.pcm(clip.sound)


# -- counting ------------------------------------------------------------------------------------------


def outcome(wants: str, *fired: str, back: tuple[str, ...] = (), **fields) -> Outcome:
    alarms = tuple(Alarm(rule, 0.4, 0.5, False) for rule in fired) + tuple(Alarm(r, 0.3, 0.4, True) for r in back)
    given = {"condition": "clean", "mode": "both", "clip": "x", "tuning": False, **fields}
    return Outcome(
        wants=wants,
        role="agent",
        speech_s=90.0,
        lasts_s=93.0,
        cpu_s=1.0,
        alarms=alarms,
        sets_said=(),
        sets_heard=(),
        errors=Errors(),
        heard="",
        **given,
    )


MADE_UP = [
    outcome("media", "media"),
    outcome("media", "media", "legal"),
    outcome("media", back=("media",)),  # a hit that did not stand is none
    outcome("legal"),
    outcome("harmless"),
    outcome("harmless", "media", "media"),  # two alerts of one rule on one clip are one false alarm
    outcome("greeting", back=("legal",)),
    outcome("real"),
]


def test_hits_false_alarms_and_those_taken_back_are_counted():
    counted = count(MADE_UP)
    assert (counted.hits, counted.bad, counted.others) == (2, 4, 1)
    assert (counted.false, counted.flashes) == (1, 1)
    assert counted.recall == 0.5
    assert counted.false_an_hour == pytest.approx(1 / (4 * 90 / 3600))


def test_delays_are_those_of_alerts_that_were_wanted_and_stood():
    assert delays(MADE_UP) == [0.4, 0.4]
    assert delays(MADE_UP, after_speech=True) == [0.5, 0.5]
    assert quantile([4.0, 1.0, 3.0, 2.0, 5.0], 0.5) == 3.0
    assert np.isnan(quantile([], 0.5))


def test_the_headline_tells_the_half_that_nobody_tuned_on_first():
    tuned = [outcome("media", tuning=True), outcome("media", "media", tuning=True)]
    (row,) = headline(Results([*MADE_UP, *tuned])).rows
    assert row[:3] == ("clean, both", "0.50 (2/4)", "0.50 (1/2)")


def test_both_halves_have_enough_sentences():
    names = [f"{n:03}-x" for n in range(108)]
    tuning = sum(replace(speech(0.1), name=name).tuning for name in names)
    assert 40 < tuning < 68


def test_misheard_missed_and_added_syllables_are_told_apart():
    assert compare(of_text("你们领导"), ["ni", "men", "lin", "dao"]) == Errors(4, 1, 0, 0)
    assert compare(of_text("你们领导"), ["ni", "ling", "dao"]) == Errors(4, 0, 1, 0)
    assert compare(of_text("投诉"), ["wo", "tou", "su", "le"]) == Errors(2, 0, 0, 2)
    assert of_text("打幺二,女") == ["da", "yao", "er", "nv"]
    assert Errors(10, 1, 1, 3).rate == 0.2


# -- writing -------------------------------------------------------------------------------------------


def test_a_table_replaces_its_section_and_nothing_else(tmp_path: Path):
    page = tmp_path / "page.md"
    page.write_text("# A\nby hand\n<!-- lab -->\nold\n<!-- /lab -->\nby hand too\n", "utf-8")
    write(page, "lab", markdown([Table("T", ("a", "b"), [("x|y", "1")], "a note")]))
    text = page.read_text("utf-8")
    assert text.startswith("# A\nby hand\n<!-- lab -->\n**T**\n\n| a | b |\n| --- | ---: |\n| x\\|y | 1 |\n\na note\n")
    assert text.endswith("<!-- /lab -->\nby hand too\n")
    with pytest.raises(ValueError, match="no <!-- cost -->"):
        write(page, "cost", "")
