"""Noises to lay under speech: other voices, a street, hold music. All made from a seed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bench.lab.clips import LINE_HZ, Sound, level

#: So many voices talk at once: fewer could be understood, more are a hiss.
VOICES = 5
#: The telephone band, Hz.
_BAND = (300.0, 3_400.0)


def babble(others: Sequence[Sound], samples: int, seed: int) -> Sound:
    """Voices that speak on top of each other, each its sentence over and over from somewhere in it."""
    random = np.random.default_rng(seed)
    mix = np.zeros(samples)
    for pick in random.choice(len(others), VOICES, replace=False):
        voice = others[pick]
        mix += np.resize(np.roll(voice, int(random.integers(len(voice)))), samples) / level(voice)
    return _band(mix)


def street(samples: int, seed: int) -> Sound:
    """A rumble that falls off with the frequency, cars that pass by, a horn now and then."""
    random = np.random.default_rng(seed)
    time = np.arange(samples) / LINE_HZ
    rumble = _shaped(random.normal(0, 1, samples), lambda hz: 1 / np.maximum(hz, 50))
    mix = rumble / rumble.std()
    for _ in range(max(1, samples // (2 * LINE_HZ))):
        when, width = random.uniform(0, samples / LINE_HZ), random.uniform(0.4, 1.2)
        passing = _shaped(random.normal(0, 1, samples), lambda hz: np.exp(-(((hz - 700) / 900) ** 2)))
        mix += 1.2 * passing / passing.std() * np.exp(-(((time - when) / width) ** 2))
    when, pitch = random.uniform(0, samples / LINE_HZ), random.uniform(380, 480)
    horn = np.sin(2 * np.pi * pitch * time) + np.sin(2 * np.pi * pitch * 1.26 * time)
    return _band(mix + horn * ((time > when) & (time < when + 0.35)))


def music(samples: int, seed: int) -> Sound:
    """Broken chords with overtones, four notes a second, over a bass: what people wait to."""
    random = np.random.default_rng(seed)
    root = random.uniform(200, 280)
    mix = np.zeros(samples)
    note_samples = LINE_HZ // 4
    chords = [(0, 4, 7, 12), (9, 12, 16, 21), (5, 9, 12, 17), (7, 11, 14, 19)]
    for note in range(-(-samples // note_samples)):
        chord = chords[note // 8 % len(chords)]
        semitone = chord[int(random.integers(len(chord)))]
        begin = note * note_samples
        time = np.arange(min(4 * note_samples, samples - begin)) / LINE_HZ
        for pitch, loud in (
            (root * 2 ** (semitone / 12), 1.0),
            (root / 2 * 2 ** (chord[0] / 12), 0.6 * (note % 4 == 0)),
        ):
            tone = sum(np.sin(2 * np.pi * pitch * k * time) / k for k in range(1, 6))
            mix[begin : begin + len(time)] += loud * tone * np.exp(-4 * time)
    return _band(mix)


def _band(sound: NDArray[np.float64]) -> Sound:
    within = _shaped(sound, lambda hz: ((hz >= _BAND[0]) & (hz <= _BAND[1])).astype(float))
    return (within / within.std()).astype(np.float32)


def _shaped(sound: NDArray[np.float64], gain) -> NDArray[np.float64]:
    spectrum = np.fft.rfft(sound)
    return np.fft.irfft(spectrum * gain(np.fft.rfftfreq(len(sound), 1 / LINE_HZ)), len(sound))
