"""The ears under test: the real engines with the settings' defaults, on the model that lies beside the project."""

from __future__ import annotations

import os
from pathlib import Path

from asr.ear import Engine
from asr.engines import load
from streams.rulebook.book import Rulebook
from streams.settings import Settings

#: Where a model is handed out beside the project; ``SANSHENG_MODELS`` names another folder.
MODELS = Path(__file__).parents[2].parent / "shared" / "models"


def engines(book: Rulebook) -> dict[str, Engine]:
    """By the setting ``ears.phrases``; ``recogniser`` needs none of its own, it is ``both`` without the spotter."""
    both = load(Settings(models=Path(os.environ.get("SANSHENG_MODELS") or MODELS)), book)
    return {"both": both, "spotter": both._replace(recogniser=None, reader=None)}
