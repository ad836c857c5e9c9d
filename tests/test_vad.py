"""The detector of speech on the spoken calls, and what must hold of it whatever the sound."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from asr.vad import SpeechDetector
from tests.ears_tools import channels_of

CALLS = Path(__file__).parents[1].parent / "shared" / "speech" / "calls"
material = pytest.mark.skipif(not CALLS.is_dir(), reason=f"no spoken calls at {CALLS}")


def decisions(detector: SpeechDetector, pcm: bytes) -> list[bool]:
    width = 2 * detector.block
    return [detector.speech(pcm[n : n + width]) for n in range(0, len(pcm) - width + 1, width)]


def sound(call: str) -> list[bytes]:
    """The two channels."""
    return channels_of(CALLS / f"{call}.wav")


def spoken(call: str, role: str) -> list[tuple[float, float]]:
    """When that party speaks, seconds from the answer."""
    begun = json.loads((CALLS / f"{call}.truth.json").read_text("utf-8"))["answered_at"]
    rows = [json.loads(line) for line in (CALLS / f"{call}.ndjson").read_text("utf-8").splitlines()]
    marks = [row["at"] - begun for row in rows if row["type"].startswith("speech.") and row["role"] == role]
    return list(zip(marks[::2], marks[1::2], strict=True))


@material
@pytest.mark.parametrize("call", ["dead-air", "silent-call-left-early", "look-alikes"])
def test_every_sentence_is_speech_and_silence_is_not(call):
    for channel, role in enumerate(("agent", "customer")):
        said, sentences = decisions(SpeechDetector(8000), sound(call)[channel]), spoken(call, role)
        for start, end in sentences:
            inside = said[round(start / 0.032) : round(end / 0.032)]
            assert sum(inside) / len(inside) > 0.5, (role, start)
        still = [v for n, v in enumerate(said) if not any(a - 0.1 <= n * 0.032 <= b + 0.1 for a, b in sentences)]
        assert sum(still) / len(still) < 0.02, role


@material
@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 48_000])
def test_the_rate_changes_little(rate):
    pcm = np.frombuffer(sound("rude-agent")[0], "<i2").astype(np.float64)
    at = np.arange(int(len(pcm) * rate / 8000)) * 8000 / rate
    said = decisions(SpeechDetector(rate), np.interp(at, np.arange(len(pcm)), pcm).astype("<i2").tobytes())
    same = decisions(SpeechDetector(8000), pcm.astype("<i2").tobytes())
    assert np.mean(said) == pytest.approx(np.mean(same), abs=0.03)


@material
def test_after_a_reset_it_decides_like_a_new_one():
    first, second = sound("rude-agent")
    used = SpeechDetector(8000)
    decisions(used, first)
    used.reset()
    assert decisions(used, second) == decisions(SpeechDetector(8000), second)


@material
def test_a_network_that_was_used_before_is_as_good_as_new():
    pcm = sound("rude-agent")[0]
    once = decisions(SpeechDetector(8000), pcm)  # its network goes back to the free ones at once
    assert decisions(SpeechDetector(8000), pcm) == once
    one, two = SpeechDetector(8000), SpeechDetector(8000)
    assert one._network is not two._network


def test_noise_and_chords_are_no_speech():
    at, noise = np.arange(8000 * 10) / 8000, np.random.default_rng(3).normal(0, 800, 80_000)
    chord = sum(4000 * np.sin(2 * np.pi * hertz * at) for hertz in (262, 330, 392))
    for what in (noise, chord, noise + chord):
        assert np.mean(decisions(SpeechDetector(8000), what.astype("<i2").tobytes())) < 0.02
