"""Getting models from their publishers: a table of well-known ones, the download, and a safe unpacking.

Nothing half-done is ever found by the ears: an archive is loaded into a ``.part`` file (a later fetch goes on where it
broke off), unpacked beside the models, looked at, and only then moved into its place.
"""

from __future__ import annotations

import hashlib
import lzma
import tarfile
import tempfile
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path, PurePosixPath
from typing import Any

from msgspec import Struct

from asr.models import Engine, Model, checked
from asr.recogniser import ModelError

_PIECE = 1 << 18
_TIMEOUT_S = 30
_HTTP_RESUMED, _HTTP_NOTHING_LEFT = 206, 416
_DAMAGED = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, ValueError)


class Known(Struct, frozen=True):
    """A model that somebody publishes. ``size`` about, in MB; ``sha256`` of the archive where it is known."""

    name: str
    engine: Engine
    url: str
    size: int
    licence: str
    about: str
    sha256: str = ""


KNOWN = {
    model.name: model
    for model in (
        Known(
            "zipformer-zh-pinyin",
            "sherpa",
            "https://github.com/k2-fsa/sherpa-onnx/releases/download/kws-models/"
            "sherpa-onnx-kws-zipformer-wenetspeech-3.3M-2024-01-01-mobile.tar.bz2",
            5,
            "Apache-2.0",
            "Mandarin by sound, and the spotter; 0.02 of a core a channel",
        ),
        Known(
            "vosk-small-cn",
            "vosk",
            "https://alphacephei.com/vosk/models/vosk-model-small-cn-0.22.zip",
            42,
            "Apache-2.0",
            "Mandarin, small",
        ),
        Known(
            "vosk-cn",
            "vosk",
            "https://alphacephei.com/vosk/models/vosk-model-cn-0.22.zip",
            1300,
            "Apache-2.0",
            "Mandarin, large: for servers",
        ),
    )
}

#: Told of the bytes that are there and of those that there will be (None: nobody knows).
Progress = Callable[[int, int | None], None]


def fetch(known: Known, place: Path, told: Progress = lambda done, total: None) -> Model:
    """The model, in a folder of its name in ``place``.

    Raises:
        ModelError: it cannot be had, or what came is no such model; ``place`` is then as it was, but for the part of
            the archive that may be gone on with.
    """
    target = place / known.name
    if target.exists():
        raise ModelError(f"{target} is there already (delete the folder to fetch it anew)")
    try:
        place.mkdir(parents=True, exist_ok=True)
        archive = place / f".{known.name}.part"
        _download(known, archive, told)
        _compare(known, archive)
        _install(known, archive, target)
    except OSError as error:
        raise ModelError(f"{place}: {error.strerror or error} (free space? rights?)") from error
    return checked(target, known.engine)


def _download(known: Known, archive: Path, told: Progress) -> None:
    there = archive.stat().st_size if archive.exists() else 0
    request = urllib.request.Request(known.url, headers={"User-Agent": "sansheng"})  # noqa: S310 - checked below
    if request.type not in ("http", "https"):
        raise ModelError(f"{known.url}: not an address of http or https")
    if there:
        request.add_header("Range", f"bytes={there}-")
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310 - as above
            resumed = answer.status == _HTTP_RESUMED
            _store(answer, archive, there if resumed else 0, told)
    except urllib.error.HTTPError as error:
        if error.code == _HTTP_NOTHING_LEFT and there:
            return
        raise ModelError(
            f"{known.url}: the server answers {error.code} {error.reason} (moved? --url takes another address)"
        ) from None
    except (urllib.error.URLError, HTTPException, TimeoutError, ConnectionError) as error:
        why = getattr(error, "reason", None) or error
        mend = f"no network? fetch it elsewhere and unpack it into {archive.parent}"
        raise ModelError(f"{known.url}: cannot be reached: {why} ({mend})") from None


def _store(answer: Any, archive: Path, there: int, told: Progress) -> None:
    length = answer.headers.get("Content-Length")
    total = there + int(length) if length and length.isdecimal() else None
    with archive.open("ab" if there else "wb") as file:
        while piece := answer.read(_PIECE):
            file.write(piece)
            there += len(piece)
            told(there, total)
    if total is not None and there < total:
        raise HTTPException(f"broke off after {there} of {total} bytes; the next fetch goes on from there")


def _compare(known: Known, archive: Path) -> None:
    if not known.sha256:
        return
    with archive.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != known.sha256:
        archive.unlink()
        raise ModelError(f"{known.url}: wrong checksum {found}, not {known.sha256}; it was deleted (fetch it again)")


def _install(known: Known, archive: Path, target: Path) -> None:
    """Unpack, look at what came, and move it into its place."""
    with tempfile.TemporaryDirectory(prefix=f".{known.name}-", dir=target.parent) as folder:
        try:
            _unpack(archive, Path(folder))
        except _DAMAGED as error:
            raise ModelError(f"{known.url}: a broken archive: {error}; it was deleted (fetch it again)") from None
        finally:
            archive.unlink()
        found = _top(Path(folder))
        checked(found, known.engine)
        found.rename(target)


def _unpack(archive: Path, folder: Path) -> None:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as packed:
            for name in packed.namelist():
                _inside(name)
            packed.extractall(folder)  # noqa: S202 - looked at just now
        return
    try:
        with tarfile.open(archive) as packed_tar:
            packed_tar.extractall(folder, filter="data")
    except OSError as error:  # a damaged bz2 stream
        raise ValueError(str(error)) from None


def _inside(name: str) -> None:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts:
        raise ValueError(f"{name!r} lies outside of it")


def _top(folder: Path) -> Path:
    """The folder that the publisher packed, which is mostly the only one."""
    inner = list(folder.iterdir())
    return inner[0] if len(inner) == 1 and inner[0].is_dir() else folder
