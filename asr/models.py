"""Models on disk: a model is a folder, told by its files; where it is looked for, and whether it can be loaded.

The libraries load models in C++ and may end the process over a broken file. So a folder that has not been tried yet is
loaded in a child process first; what went well is remembered by its files' sizes and times.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from msgspec import Struct

from asr.recogniser import ModelError

Kind = Literal["transducer", "paraformer", "vosk"]
Engine = Literal["sherpa", "vosk"]

#: The largest model takes some 20 s on a slow disk.
_TRIAL_S = 120
#: At its end an ONNX file tells about itself.
_TAIL_BYTES = 4096
#: A folder beside a checkout of the project, for several checkouts together.
_BESIDE = Path(__file__).resolve().parents[2] / "shared" / "models"
_FETCH = "`sansheng models list` shows what is there, `sansheng models fetch NAME` gets one"


class Model(Struct, frozen=True):
    """``files``: what the engine opens, by the name of its parameter; of a Vosk model the folder itself."""

    name: str
    folder: Path
    kind: Kind
    files: dict[str, Path]

    @property
    def engine(self) -> Engine:
        """The engine that loads it."""
        return "vosk" if self.kind == "vosk" else "sherpa"

    @property
    def bytes(self) -> int:
        """Its size on disk."""
        return sum(path.stat().st_size for path in self._all())

    @property
    def fingerprint(self) -> str:
        """Changes with every file."""
        facts = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in self._all()]
        return hashlib.sha256(repr((str(self.folder.resolve()), facts)).encode()).hexdigest()

    def _all(self) -> list[Path]:
        return sorted(path for path in self.folder.rglob("*") if path.is_file())


def places(models: Path | None, run_dir: Path) -> tuple[Path, ...]:
    """Folders of models, in the order in which they are looked at; the one that the settings name comes first."""
    own = (run_dir / "models", users_place())
    return (models, *own) if models else (*own, _BESIDE)


def users_place() -> Path:
    """The folder of models of whoever runs this; what is fetched goes there unless a setting names another."""
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "sansheng" / "models"


def installed(where: Iterable[Path]) -> list[Model]:
    """All models in these folders; of several with one name the first."""
    folders = (folder for place in where if place.is_dir() for folder in sorted(place.iterdir()) if folder.is_dir())
    found: dict[str, Model] = {}
    for folder in folders:
        model = recognised(folder)
        if model and model.name not in found:
            found[model.name] = model
    return list(found.values())


def find(name: str, where: Sequence[Path], engine: Engine) -> Model:
    """The model of that name or path; without a name the engine's first one.

    Raises:
        ModelError: there is none, or it is of another engine.
    """
    looked = ", ".join(str(place) for place in where)
    if not name:
        for model in installed(where):
            if model.engine == engine:
                return model
        raise ModelError(f"no model for {engine} in {looked} ({_FETCH})")
    folder = next((path for path in (Path(name), *(place / name for place in where)) if path.is_dir()), None)
    if folder is None:
        raise ModelError(f"no model {name!r} in {looked} ({_FETCH})")
    return checked(folder, engine)


def checked(folder: Path, engine: Engine) -> Model:
    """The model in ``folder``. Raises ModelError saying what is missing."""
    model = recognised(folder)
    if model is None:
        raise ModelError(f"{folder}: no whole model: {missing(folder, engine)} (fetch it again)")
    if model.engine != engine:
        raise ModelError(f"{folder}: this is a model for {model.engine}, not for {engine} (setting ears.recogniser)")
    return model


def recognised(folder: Path) -> Model | None:
    """The model in ``folder``, by its files; None: there is no whole one."""
    if not _missing_of_vosk(folder):
        return Model(folder.name, folder, "vosk", {"model": folder})
    encoder = next(iter(_sorted(folder, "encoder", small_first=True)), None)
    tokens = folder / "tokens.txt"
    if encoder is None or not _there(tokens):
        return None
    decoder = _like(encoder, "decoder", small_first=False)
    joiner = _like(encoder, "joiner", small_first=True)
    if decoder is None or (joiner is None and (any(folder.glob("joiner*")) or _is_transducers(decoder))):
        return None
    files = {"tokens": tokens, "encoder": encoder, "decoder": decoder}
    if joiner is None:
        return Model(folder.name, folder, "paraformer", files)
    return Model(folder.name, folder, "transducer", {**files, "joiner": joiner})


def missing(folder: Path, engine: Engine) -> str:
    """Which files a model of that engine should have, and has not."""
    if engine == "vosk":
        return f"{' and '.join(_missing_of_vosk(folder))} is missing or empty"
    wanted = {"tokens.txt": [folder / "tokens.txt"]}
    wanted |= {f"{part}*.onnx": list(folder.glob(f"{part}*.onnx")) for part in ("encoder", "decoder", "joiner")}
    lacking = [name for name, files in wanted.items() if not any(_there(file) for file in files)]
    return f"{', '.join(lacking) or 'a joiner or decoder of the same name as the encoder'} is missing or empty"


def _missing_of_vosk(folder: Path) -> list[str]:
    """Of the layout that Vosk reads: an acoustic model, its settings, and a graph in one piece or in two."""
    lacking = [name for name in ("am/final.mdl", "conf/mfcc.conf") if not _there(folder / name)]
    graph = folder / "graph"
    if not _there(graph / "HCLG.fst") and not (_there(graph / "HCLr.fst") and _there(graph / "Gr.fst")):
        lacking.append("graph/HCLG.fst (or HCLr.fst with Gr.fst)")
    return lacking


def _sorted(folder: Path, part: str, *, small_first: bool) -> list[Path]:
    files = (file for file in folder.glob(f"{part}*.onnx") if _there(file))
    return sorted(files, key=lambda file: ((".int8." in file.name) != small_first, file.name))


def _like(encoder: Path, part: str, *, small_first: bool) -> Path | None:
    """The ``part`` of the same training as ``encoder``; a folder may hold several."""
    stem = _stem(encoder, "encoder")
    files = _sorted(encoder.parent, part, small_first=small_first)
    return next((file for file in files if _stem(file, part) == stem), None)


def _stem(file: Path, part: str) -> str:
    return file.name.removeprefix(part).removesuffix(".onnx").removesuffix(".int8")


def _is_transducers(decoder: Path) -> bool:
    """Whether a joiner belongs to this decoder: sherpa needs its ``context_size``, written at the file's end."""
    with decoder.open("rb") as file:
        file.seek(max(0, decoder.stat().st_size - _TAIL_BYTES))
        return b"context_size" in file.read()


def _there(file: Path) -> bool:
    return file.is_file() and file.stat().st_size > 0


def guarded(model: Model) -> None:
    """Load ``model`` in a child process, unless that went well before. Raises ModelError with what the child said."""
    proof = _proof(model)
    if proof.is_file() or _TRIAL in os.environ:
        return
    try:
        child = subprocess.run(  # noqa: S603 - our own module
            [sys.executable, "-m", "asr.models", model.engine, str(model.folder.resolve())],
            capture_output=True,
            timeout=_TRIAL_S,
            check=False,
            env={**os.environ, _TRIAL: "1"},
        )
    except subprocess.TimeoutExpired:
        raise ModelError(f"{model.folder}: the model was not loaded within {_TRIAL_S} s") from None
    if child.returncode != 0:
        raise ModelError(f"{model.folder}: the model is broken: {_last_words(child)} (fetch it again)")
    _remember(proof)


#: Set in the child.
_TRIAL = "_SANSHENG_TRIAL"


def _last_words(child: subprocess.CompletedProcess[bytes]) -> str:
    lines = [line.strip() for line in child.stderr.decode(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else f"the loading process ended with {child.returncode}"


def _proof(model: Model) -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "sansheng" / "loaded" / model.fingerprint


def _remember(proof: Path) -> None:
    try:
        proof.parent.mkdir(parents=True, exist_ok=True)
        proof.touch()
    except OSError:  # no cache: it will be tried again
        return


def _try(engine: Engine, folder: Path) -> None:
    """The child: load, and decode a second of silence."""
    if engine == "vosk":
        from asr.vosk_recogniser import VoskRecogniser as Recogniser  # noqa: PLC0415 - only what is asked for
    else:
        from asr.sherpa_recogniser import SherpaRecogniser as Recogniser  # type: ignore[assignment] # noqa: PLC0415
    try:
        stream = Recogniser(checked(folder, engine)).stream(8000)
        stream.feed(bytes(16_000))
        stream.finish()
    except ModelError as error:
        sys.exit(str(error.__cause__ or error))  # the parent names the folder and the mend
    except IndexError:
        sys.exit("tokens.txt does not hold every token that the model gives")


if __name__ == "__main__":
    _try("vosk" if sys.argv[1] == "vosk" else "sherpa", Path(sys.argv[2]))
