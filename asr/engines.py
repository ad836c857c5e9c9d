"""What an ear hears with, put together from the settings and the rulebook: recogniser, spotter, reader, detector.

The engines below know nothing of settings and rules; who starts them does it here.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

from asr.ear import Engine
from asr.models import Model, find, installed, places
from asr.reading import Reader
from asr.recogniser import ModelError, Recogniser, Spotter
from asr.scripted import LoudDetector, ScriptedRecogniser, ScriptedSpotter
from streams.detectors.says import Says
from streams.events import Role
from streams.phrases.examples import examples
from streams.phrases.match import PhraseSet
from streams.phrases.normal import normal
from streams.phrases.pattern import compile_phrase
from streams.rulebook.book import Rulebook
from streams.settings import Settings

log = logging.getLogger(__name__)

#: A phrase of fewer syllables sounds like too much else.
LEAST_SYLLABLES = 3
#: A phrase with many alternatives is spotted in so many of its ways, the likeliest; the recogniser knows them all.
MOST_WAYS = 64
#: What a spotter hears is put on the wall at once: only what must not wait.
GRAVE = ("warning", "critical")
#: What is put around a phrase to see whether it is found in the middle of a sentence, too.
_AROUND = "的"


def load(settings: Settings, book: Rulebook) -> Engine:
    """Everything that an ear needs.

    Raises:
        ModelError: a model is missing or broken. The reader and, beside a recogniser, the spotter may be missing: that
            is logged, and the ear does without.
    """
    phrases = spotted_phrases(book)
    if settings.ears.recogniser == "scripted":
        log.warning("ears.recogniser is scripted: it hears the coded sound of tests, and nothing of people")
        spotter = ScriptedSpotter(phrases) if settings.ears.phrases != "recogniser" else None
        recogniser = ScriptedRecogniser() if settings.ears.phrases != "spotter" else None
        return Engine(recogniser, spotter, None, settings.ears.partial_every_s, LoudDetector)
    hears = None if settings.ears.phrases == "spotter" else _recogniser(settings)
    reader = _reader() if hears and hears.capabilities.by_sound else None
    return Engine(hears, _spotter(settings, phrases), reader, settings.ears.partial_every_s)


def name(engine: Engine) -> str:
    """Which engine hears, with which model, for logs and people."""
    parts = [engine.recogniser.name] if engine.recogniser else []
    parts += ["phrases spotted"] if engine.spotter else []
    parts += ["read by libime's language model"] if engine.reader else []
    return ", ".join(parts)


def model_places(settings: Settings) -> tuple[Path, ...]:
    """Where models are looked for."""
    return places(settings.models, settings.run_dir)


def spotted_phrases(book: Rulebook) -> dict[Role, tuple[str, ...]]:
    """The phrases of grave rules that a spotter can know for what they are, each for the party that the rule is about.

    Left out is what counts at the end or the beginning of a sentence only, what may be part of something harmless
    (``but_not``), and what holds a shorter phrase that is spotted anyway.
    """
    found: dict[Role, dict[str, None]] = {"agent": {}, "customer": {}}
    for rule in book.judges:
        if isinstance(rule, Says) and rule.severity in GRAVE and rule.times == 1:
            for words in rule.words if isinstance(rule.words, tuple) else ():
                found[rule.by].update(dict.fromkeys(_spottable(book.phrases.get(words) or PhraseSet((words,)))))
    return {role: tuple(_without_longer(phrases)) for role, phrases in found.items()}


def _spottable(phrases: PhraseSet) -> Iterator[str]:
    harmless = ["".join(filter(str.isalnum, each)) for phrase in phrases.but_not for each in examples(phrase)]
    for phrase in phrases.phrases:
        for each in examples(phrase)[:MOST_WAYS]:
            plain = "".join(filter(str.isalnum, each))
            stands = compile_phrase(phrase).regex.search(normal(f"{_AROUND}{plain}{_AROUND}").text)
            if stands and len(plain) >= LEAST_SYLLABLES and not any(plain in other for other in harmless):
                yield plain


def _without_longer(phrases: dict[str, None]) -> Iterator[str]:
    for phrase in phrases:
        size = len(phrase)
        inner = (phrase[a:b] for a in range(size) for b in range(a + LEAST_SYLLABLES, size + 1) if b - a < size)
        if not any(part in phrases for part in inner):
            yield phrase


def _recogniser(settings: Settings) -> Recogniser:
    ears, where = settings.ears, model_places(settings)
    if ears.recogniser == "vosk":
        from asr.vosk_recogniser import VoskRecogniser  # noqa: PLC0415 - 30 MB, only where it is asked for

        return VoskRecogniser(find(ears.model, where, "vosk"), grammar=ears.grammar)
    from asr.sherpa_recogniser import SherpaRecogniser  # noqa: PLC0415 - as above

    return SherpaRecogniser(find(ears.model, where, "sherpa"))


def _spotter(settings: Settings, phrases: dict[Role, tuple[str, ...]]) -> Spotter | None:
    if settings.ears.phrases == "recogniser":
        return None
    from asr.spotter import SherpaSpotter  # noqa: PLC0415 - as above

    try:
        spotter = SherpaSpotter(_spotter_model(settings), phrases)
    except ModelError as error:
        if settings.ears.phrases == "spotter":
            raise
        log.warning("phrases are not spotted, the recogniser alone finds them: %s", error)
        return None
    if spotter.unspeakable:
        log.warning(
            "%d phrases cannot be spelt by the spotter's model and are left to the recogniser: %s",
            len(spotter.unspeakable),
            "、".join(spotter.unspeakable[:20]),
        )
    return spotter


def _spotter_model(settings: Settings) -> Model:
    """The recogniser's own model where it can do that, else the first one that can."""
    ears, where = settings.ears, model_places(settings)
    if ears.model and ears.recogniser == "sherpa":
        named = find(ears.model, where, "sherpa")
        if named.kind == "transducer":
            return named
    able = next((model for model in installed(where) if model.kind == "transducer"), None)
    return able or find("", where, "sherpa")


def _reader() -> Reader | None:
    try:
        return Reader()
    except ModelError as error:
        log.warning("what is heard is shown as pinyin, not as characters: %s", error)
        return None
