"""``python -m tests.scripted_worker plain|real|slow|broken``: a recogniser process whose ears need no model."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from asr import worker
from asr.audio import Frame
from asr.hearing import Listener
from streams.cli import logs, run_until_told
from streams.events import AnyEvent
from streams.settings import read_settings
from tests.ears_tools import PlainEar, real_ear


class SlowEar(PlainEar):
    """Takes three times as long as the sound."""

    def hear(self, frame: Frame) -> list[AnyEvent]:
        time.sleep(3 * frame.samples / frame.rate)
        return super().hear(frame)


class BrokenEar(PlainEar):
    """Fails on the legs of one call."""

    def hear(self, frame: Frame) -> list[AnyEvent]:
        if frame.call == "broken":
            raise ValueError("words that no log may tell")
        return super().hear(frame)


EARS: dict[str, Callable[[Frame], Listener]] = {
    "plain": PlainEar,
    "real": real_ear,
    "slow": SlowEar,
    "broken": BrokenEar,
}

if __name__ == "__main__":
    logs()
    run_until_told(worker.run(read_settings(), EARS[sys.argv[1]]))
