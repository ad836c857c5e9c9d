"""The table of topics on a real broker: laid once, left alone, and every difference reported."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType
from typer.testing import CliRunner

from streams.metrics import Metrics
from streams.rulebook.book import load
from streams.settings import Settings
from streams.shell import topics
from streams.shell.detector import Detector
from streams.shell.kafka import BrokerError, free_port
from streams.shell.topics_cli import app
from tests.shell_tools import STRICT


@pytest.fixture
def admin(kafka: str) -> Iterator[Any]:
    client = KafkaAdminClient(bootstrap_servers=kafka)
    yield client
    client.close()


def eventually(true: Callable[[], object]) -> None:
    """The controller answers before the broker's view follows."""
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_table_is_that_of_the_design() -> None:
    day_s = 24 * 3600
    table = {spec.name: (spec.partitions, spec.retention_s) for spec in topics.specs()}
    assert table == {
        "calls": (16, 7 * day_s),
        "subjects": (16, 26 * 3600),
        "alerts": (16, 7 * day_s),
        "verdicts": (16, 7 * day_s),
        "audio": (16, 600),
        "dead-letters": (1, 30 * day_s),
        "heartbeats": (1, 3600),
        "pages": (16, None),
        "wall": (1, day_s),
        "audit": (1, 180 * day_s),
        "sansheng-detect-call-states-changelog": (16, None),
        "sansheng-detect-subject-states-changelog": (16, None),
    }


def test_every_topic_is_stamped_by_the_broker_and_rolls_well_within_its_retention() -> None:
    for spec in topics.specs():
        assert spec.config["message.timestamp.type"] == "LogAppendTime"
        assert spec.retention_s is None or spec.segment_s * 4 <= spec.retention_s


def test_the_changelogs_of_the_workers_tables_are_made_before_it_starts(prefix: str, tmp_path: Path) -> None:
    worker = Detector(Settings(topic_prefix=prefix, partitions=3, run_dir=tmp_path), load([STRICT]), Metrics("detect"))
    made = {spec.name: spec for spec in topics.specs(3, prefix)}
    for lane in (worker.calls, worker.subjects):
        spec = made[lane.table.changelog_topic_name]
        assert spec.partitions == lane.table.partitions
        assert spec.config["cleanup.policy"] == "compact"
        assert "retention.ms" not in spec.config


def test_apply_creates_what_is_missing_and_then_has_nothing_to_do(kafka: str, prefix: str) -> None:
    wanted = topics.specs(2, prefix)
    assert {drift.kind for drift in topics.check(kafka, wanted)} == {"missing"}
    created = topics.apply(kafka, wanted)
    assert [(c.topic, c.what) for c in created] == [(spec.name, "created") for spec in wanted]
    assert topics.apply(kafka, wanted) == []
    assert topics.check(kafka, wanted) == []


def test_a_topic_that_was_deleted_comes_back_alone(kafka: str, prefix: str, admin: Any) -> None:
    wanted = topics.specs(1, prefix)
    topics.apply(kafka, wanted)
    admin.delete_topics([f"{prefix}alerts"])
    eventually(lambda: topics.check(kafka, wanted))
    assert [(d.topic, d.kind) for d in topics.check(kafka, wanted)] == [(f"{prefix}alerts", "missing")]
    assert [c.topic for c in topics.apply(kafka, wanted)] == [f"{prefix}alerts"]


def test_another_partition_count_is_reported_with_the_mend_and_never_changed(kafka: str, prefix: str) -> None:
    topics.apply(kafka, topics.specs(2, prefix))
    wider = topics.specs(3, prefix)
    assert topics.apply(kafka, wider) == []
    drifts = topics.check(kafka, wider)
    changelogs = ("sansheng-detect-call-states-changelog", "sansheng-detect-subject-states-changelog")
    recut = ("calls", "subjects", "alerts", "verdicts", "audio", "pages", *changelogs)
    assert {d.topic for d in drifts} == {f"{prefix}{name}" for name in recut}
    assert {d.kind for d in drifts} == {"partitions"}
    assert "has 2 partitions, the settings say 3" in str(drifts[0])
    assert "Set the partitions to 2" in drifts[0].mend


def test_another_setting_is_reported_and_apply_sets_it_right(kafka: str, prefix: str, admin: Any) -> None:
    wanted = topics.specs(1, prefix)
    topics.apply(kafka, wanted)
    calls = ConfigResource(
        ConfigResourceType.TOPIC,
        f"{prefix}calls",
        {"retention.ms": "1000", "message.timestamp.type": "CreateTime", "max.message.bytes": "2000000"},
    )
    admin.alter_configs([calls])
    eventually(lambda: len(topics.check(kafka, wanted)) == 2)
    details = [d.detail for d in topics.check(kafka, wanted)]
    assert details == ["message.timestamp.type is CreateTime, not LogAppendTime", "retention.ms is 1000, not 604800000"]
    changed = topics.apply(kafka, wanted)
    assert [c.what for c in changed] == ["configured", "configured"]
    assert topics.check(kafka, wanted) == []
    # a setting that is not in the table is the operator's own
    kept = admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, f"{prefix}calls")])
    assert kept["topic"][f"{prefix}calls"]["max.message.bytes"]["value"] == "2000000"


async def test_a_message_carries_the_brokers_time_whatever_the_producer_says(kafka: str, prefix: str) -> None:
    topics.apply(kafka, topics.specs(1, prefix))
    async with AIOKafkaProducer(bootstrap_servers=kafka) as producer:
        sent = await producer.send_and_wait(f"{prefix}calls", b"x", timestamp_ms=1_000)
    async with AIOKafkaConsumer(f"{prefix}calls", bootstrap_servers=kafka, auto_offset_reset="earliest") as consumer:
        message = await consumer.getone()
    assert message.timestamp_type == 1
    assert message.timestamp == sent.timestamp > 1_700_000_000_000


def test_an_unreachable_broker_is_named_with_the_ways_out() -> None:
    nobody = f"127.0.0.1:{free_port()}"
    with pytest.raises(BrokerError, match=f"no Kafka broker can be reached at {nobody}.*sansheng kafka start"):
        topics.check(nobody, topics.specs())


def test_a_broken_address_is_named() -> None:
    with pytest.raises(BrokerError, match="reached at nonsense"):
        topics.apply("nonsense", topics.specs())


def test_the_command_applies_then_checks_clean_and_exits_1_on_drift(kafka: str, prefix: str) -> None:
    flags = ["--kafka", kafka, "--prefix", prefix, "--partitions"]
    run = CliRunner().invoke
    missing = run(app, ["check", *flags, "2"])
    assert (missing.exit_code, "does not exist" in missing.output) == (1, True)
    applied = run(app, ["apply", *flags, "2"])
    assert (applied.exit_code, f"{prefix}calls: created: 2 partitions" in applied.output) == (0, True)
    clean = run(app, ["check", *flags, "2"])
    assert (clean.exit_code, "all 12 topics are as they should be" in clean.output) == (0, True)
    assert run(app, ["apply", *flags, "3"]).exit_code == 1


def test_the_command_exits_2_without_a_broker() -> None:
    done = CliRunner().invoke(app, ["check", "--kafka", f"127.0.0.1:{free_port()}"])
    assert (done.exit_code, "sansheng kafka start" in done.output) == (2, True)
