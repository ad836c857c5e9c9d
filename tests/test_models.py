"""Models on disk, broken ones, and getting them from a publisher."""

from __future__ import annotations

import hashlib
import io
import shutil
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from asr import commands, engines
from asr.fetch import KNOWN, Known, fetch
from asr.models import checked, find, guarded, installed, places, recognised
from asr.recogniser import ModelError
from asr.scripted import LoudDetector, ScriptedRecogniser
from asr.sherpa_recogniser import SherpaRecogniser
from streams.rulebook.book import load
from streams.settings import read_settings

SHARED = Path(__file__).parents[1].parent / "shared" / "models" / "zipformer-zh-pinyin"


def folder_of(place: Path, name: str, *files: str) -> Path:
    """A folder with files of a few bytes."""
    for file in files:
        (place / name / file).parent.mkdir(parents=True, exist_ok=True)
        (place / name / file).write_bytes(b"x")
    return place / name


def transducer(place: Path, name: str = "a") -> Path:
    return folder_of(place, name, "tokens.txt", "encoder-1.onnx", "decoder-1.onnx", "joiner-1.onnx")


def vosk(place: Path, name: str = "v") -> Path:
    return folder_of(place, name, "am/final.mdl", "conf/mfcc.conf", "graph/HCLG.fst")


# -- what is there ----------------------------------------------------------------------------------------------------


def test_a_model_is_told_by_its_files(tmp_path: Path) -> None:
    transducer(tmp_path)
    folder_of(tmp_path, "b", "tokens.txt", "encoder.int8.onnx", "decoder.int8.onnx")
    vosk(tmp_path)
    folder_of(tmp_path, "w", "am/final.mdl", "conf/mfcc.conf", "graph/HCLr.fst", "graph/Gr.fst")
    folder_of(tmp_path, "none", "README.md")
    assert [(model.name, model.kind, model.engine) for model in installed([tmp_path, tmp_path / "nowhere"])] == [
        ("a", "transducer", "sherpa"),
        ("b", "paraformer", "sherpa"),
        ("v", "vosk", "vosk"),
        ("w", "vosk", "vosk"),
    ]


def test_of_several_trainings_in_a_folder_parts_of_one_are_taken(tmp_path: Path) -> None:
    parts = [
        f"{part}-{n}{small}.onnx"
        for part in ("encoder", "decoder", "joiner")
        for n in (1, 2)
        for small in ("", ".int8")
    ]
    (tmp_path / "a").mkdir()
    model = recognised(folder_of(tmp_path, "a", "tokens.txt", *(p for p in parts if p != "encoder-1.int8.onnx")))
    assert model
    assert {name: path.name for name, path in model.files.items()} == {
        "tokens": "tokens.txt",
        "encoder": "encoder-2.int8.onnx",
        "decoder": "decoder-2.onnx",
        "joiner": "joiner-2.int8.onnx",
    }


def test_the_first_place_wins(tmp_path: Path) -> None:
    first, second = tmp_path / "1", tmp_path / "2"
    transducer(first, "same")
    transducer(second, "same")
    transducer(second, "other")
    assert [model.folder.parent for model in installed([first, second])] == [first, second]
    assert find("same", (first, second), "sherpa").folder == first / "same"
    assert find("", (tmp_path, second), "sherpa").name == "other"
    assert find(str(second / "same"), (first,), "sherpa").folder == second / "same"


def test_places_begin_with_the_folder_of_the_settings(tmp_path: Path) -> None:
    assert places(tmp_path, Path(".run"))[:2] == (tmp_path, Path(".run/models"))
    assert places(None, Path(".run"))[0] == Path(".run/models")


def test_no_model_is_told_with_where_it_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=rf"no model 'zip' in {tmp_path} .*sansheng models fetch"):
        find("zip", (tmp_path,), "sherpa")
    with pytest.raises(ModelError, match="no model for vosk in"):
        find("", (tmp_path,), "vosk")


def test_a_model_of_another_engine_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"for vosk, not for sherpa .*ears.recogniser"):
        find(str(vosk(tmp_path)), (), "sherpa")


@pytest.mark.parametrize("missing", ["tokens.txt", "encoder-1.onnx", "decoder-1.onnx"])
def test_what_is_missing_is_named(tmp_path: Path, missing: str) -> None:
    folder = transducer(tmp_path)
    (folder / missing).write_bytes(b"")
    with pytest.raises(ModelError, match=missing.partition("-")[0]):
        checked(folder, "sherpa")


def test_a_transducer_without_its_joiner_is_no_paraformer(tmp_path: Path) -> None:
    folder = transducer(tmp_path)
    (folder / "joiner-1.onnx").unlink()
    (folder / "decoder-1.onnx").write_bytes(b"x" * 9000 + b"context_size\x12\x012")
    assert recognised(folder) is None
    with pytest.raises(ModelError, match=r"joiner\*.onnx is missing"):
        checked(folder, "sherpa")


def test_what_is_missing_of_a_vosk_model_is_named(tmp_path: Path) -> None:
    folder = vosk(tmp_path)
    shutil.rmtree(folder / "graph")
    with pytest.raises(ModelError, match=r"graph/HCLG.fst .* missing"):
        checked(folder, "vosk")


# -- broken ones ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", ["encoder", "decoder", "joiner", "tokens"])
def test_a_truncated_file_is_told_and_ends_no_process(tmp_path: Path, part: str) -> None:
    if not SHARED.is_dir():
        pytest.skip("no model of sherpa's in ../shared/models")
    folder = Path(shutil.copytree(SHARED, tmp_path / "cut", copy_function=shutil.copyfile))
    for file in folder.glob(f"{part}*"):
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(ModelError, match=r"cut: .*fetch it again") as told:
        SherpaRecogniser(checked(folder, "sherpa"))
    assert str(told.value).count("fetch it again") == 1
    assert ("tokens.txt" in str(told.value)) == (part == "tokens")


def test_a_broken_vosk_model_is_told_and_ends_no_process(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"v: the model is broken"):
        guarded(checked(vosk(tmp_path), "vosk"))


def test_a_model_is_tried_again_only_after_it_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not SHARED.is_dir():
        pytest.skip("no model of sherpa's in ../shared/models")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    model = checked(Path(shutil.copytree(SHARED, tmp_path / "m", copy_function=shutil.copyfile)), "sherpa")
    guarded(model)
    monkeypatch.setattr("asr.models.subprocess.run", lambda *_, **__: pytest.fail("it was tried before"))
    guarded(model)
    model.files["tokens"].write_bytes(model.files["tokens"].read_bytes() + b"\n")
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    before = len(list((tmp_path / "cache").rglob("*")))
    guarded(model)
    assert len(list((tmp_path / "cache").rglob("*"))) == before + 1


# -- fetching ---------------------------------------------------------------------------------------------------------


class Publisher(BaseHTTPRequestHandler):
    """Serves ``files``; the connection breaks off after ``most`` bytes of an answer. Notes what was asked for."""

    files: dict[str, bytes]
    asked: list[str | None]
    most: list[int]

    def __init__(self, files: dict[str, bytes], asked: list[str | None], most: list[int], *args: object) -> None:
        self.files, self.asked, self.most = files, asked, most
        super().__init__(*args)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        body, wanted = self.files.get(self.path), self.headers.get("Range")
        self.asked.append(wanted)
        if body is None:
            self.send_error(404)
            return
        since = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        if since >= len(body):
            self.send_error(416)
            return
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(len(body) - since))
        self.end_headers()
        self.wfile.write(body[since : since + (self.most.pop() if self.most else len(body))])

    def log_message(self, *_: object) -> None:
        """Not on the terminal."""


class Site:
    """A publisher on loopback."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[str | None] = []
        self.most: list[int] = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Publisher, self.files, self.asked, self.most))
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def publish(self, body: bytes, name: str = "m.zip", sha256: str = "") -> Known:
        self.files[f"/{name}"] = body
        url = f"http://127.0.0.1:{self.server.server_port}/{name}"
        return Known("mine", "sherpa", url, 1, "Apache-2.0", "", sha256)


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    yield site
    site.server.shutdown()
    site.server.server_close()


MEMBERS = {f"top/{name}": b"x" * 5000 for name in ("tokens.txt", "encoder.onnx", "decoder.onnx", "joiner.onnx")}


def zipped(members: dict[str, bytes], packing: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", packing) as packed:
        for name, body in members.items():
            packed.writestr(name, body)
    return buffer.getvalue()


def damaged(body: bytes, name: bytes) -> bytes:
    """The first byte of that member's content is another."""
    at = body.index(name) + len(name)
    return body[:at] + b"\xff" + body[at + 1 :]


def tarred(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:bz2") as packed:
        for name, body in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(body)
            packed.addfile(entry, io.BytesIO(body))
    return buffer.getvalue()


@pytest.mark.parametrize(("pack", "name"), [(zipped, "m.zip"), (tarred, "m.tar.bz2")])
def test_a_model_is_fetched_and_found(site: Site, tmp_path: Path, pack: object, name: str) -> None:
    told: list[tuple[int, int | None]] = []
    body = pack(MEMBERS)  # type: ignore[operator]
    known = site.publish(body, name, hashlib.sha256(body).hexdigest())
    model = fetch(known, tmp_path / "models", lambda done, total: told.append((done, total)))
    assert (model.name, model.kind, model.folder) == ("mine", "transducer", tmp_path / "models" / "mine")
    assert told[-1] == (len(body), len(body))
    assert find("mine", (tmp_path / "models",), "sherpa") == model
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["mine"]


def test_a_fetched_model_goes_into_the_folder_of_the_settings_or_else_into_ones_own(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = site.publish(zipped(MEMBERS))
    monkeypatch.setitem(KNOWN, known.name, known)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.delenv("SANSHENG_MODELS", raising=False)
    commands.models_fetch(known.name)
    assert [model.name for model in installed([tmp_path / "data" / "sansheng" / "models"])] == ["mine"]
    monkeypatch.setenv("SANSHENG_MODELS", str(tmp_path / "named"))
    commands.models_fetch(known.name)
    assert [model.name for model in installed([tmp_path / "named"])] == ["mine"]


def test_a_fetch_that_broke_off_is_gone_on_with(site: Site, tmp_path: Path) -> None:
    known = site.publish(zipped(MEMBERS))
    site.most.append(7000)
    with pytest.raises(ModelError, match=r"broke off after 7000 of .* the next fetch goes on"):
        fetch(known, tmp_path)
    assert installed([tmp_path]) == []
    fetch(known, tmp_path)
    assert site.asked == [None, "bytes=7000-"]
    assert (tmp_path / "mine" / "tokens.txt").stat().st_size == 5000


def test_a_fetch_that_was_killed_before_unpacking_is_finished(site: Site, tmp_path: Path) -> None:
    known = site.publish(zipped(MEMBERS))
    (tmp_path / ".mine.part").write_bytes(zipped(MEMBERS))
    assert fetch(known, tmp_path).name == "mine"


@pytest.mark.parametrize(
    ("body", "name", "why"),
    [
        (zipped(MEMBERS)[:-3000], "m.zip", "broken archive"),
        (tarred(MEMBERS)[:-30], "m.tar.bz2", "broken archive"),
        (damaged(zipped(MEMBERS, zipfile.ZIP_DEFLATED), b"tokens.txt"), "m.zip", "broken archive"),
        (b"<html>sign in</html>", "m.zip", "broken archive"),
        (zipped({"../out.txt": b"x", **MEMBERS}), "m.zip", "outside"),
        (zipped({"/out.txt": b"x", **MEMBERS}), "m.zip", "outside"),
        (tarred({"../out.txt": b"x", **MEMBERS}), "m.tar.bz2", "outside"),
        (zipped({"top/README": b"x"}), "m.zip", r"tokens.txt.* missing"),
    ],
    ids=["half-zip", "half-tar", "damaged-zip", "page", "zip-out", "zip-absolute", "tar-out", "other"],
)
def test_what_is_no_model_leaves_nothing_behind(site: Site, tmp_path: Path, body: bytes, name: str, why: str) -> None:
    place = tmp_path / "models"
    with pytest.raises(ModelError, match=why):
        fetch(site.publish(body, name), place)
    assert [path.name for path in tmp_path.rglob("*")] == ["models"]


def test_a_wrong_checksum_is_told_and_the_archive_deleted(site: Site, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=f"wrong checksum .* not {'0' * 64}"):
        fetch(site.publish(zipped(MEMBERS), sha256="0" * 64), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_archive_that_is_not_there_is_told(site: Site, tmp_path: Path) -> None:
    known = site.publish(b"")
    site.files.clear()
    with pytest.raises(ModelError, match=r"m.zip: the server answers 404 .*--url"):
        fetch(known, tmp_path)


def test_without_a_network_the_mend_is_told(site: Site, tmp_path: Path) -> None:
    known = site.publish(b"")
    site.server.server_close()
    with pytest.raises(ModelError, match=f"cannot be reached.*unpack it into {tmp_path}"):
        fetch(known, tmp_path)


def test_a_model_that_is_there_is_not_fetched_again(site: Site, tmp_path: Path) -> None:
    known = site.publish(zipped(MEMBERS))
    fetch(known, tmp_path)
    with pytest.raises(ModelError, match="is there already"):
        fetch(known, tmp_path)


def test_only_the_web_is_fetched_from(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="not an address of http"):
        fetch(Known("mine", "vosk", "file:///etc/passwd", 1, "", ""), tmp_path)


def test_well_known_models_come_from_their_publishers() -> None:
    assert {"vosk-small-cn", "vosk-cn", "zipformer-zh-pinyin"} <= set(KNOWN)
    assert all(known.url.startswith("https://") and known.licence for known in KNOWN.values())


# -- put together -----------------------------------------------------------------------------------------------------


def test_a_missing_model_is_told_when_the_ears_start(tmp_path: Path) -> None:
    settings = read_settings(models=tmp_path, run_dir=tmp_path / "run")
    with pytest.raises(ModelError, match="no model 'nothing'"):
        engines.load(
            settings.model_copy(update={"ears": settings.ears.model_copy(update={"model": "nothing"})}), load()
        )


def test_the_scripted_recogniser_brings_its_own_detector() -> None:
    settings = read_settings()
    scripted = settings.model_copy(update={"ears": settings.ears.model_copy(update={"recogniser": "scripted"})})
    engine = engines.load(scripted, load())
    assert isinstance(engine.recogniser, ScriptedRecogniser)
    assert engine.detector is LoudDetector
    assert engines.name(engine) == "scripted, phrases spotted"
