"""The one table of topics, how to lay them on a broker, and where a broker differs from it.

Owns names, partitions and how long things are kept. Knows nothing of what is in a message.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import KafkaError, TopicAlreadyExistsError, UnknownTopicOrPartitionError, for_code
from msgspec import Struct

from streams.settings import Settings
from streams.shell.kafka import BrokerError
from streams.shell.running import UnreadyError

Kind = Literal["missing", "partitions", "config"]

REACH_S = 5.0
SETTLE_S = 10.0
MAX_REPLICAS = 3

_MINUTE_S = 60
_HOUR_S = 60 * _MINUTE_S
_DAY_S = 24 * _HOUR_S


#: The worker's Faust app. Faust puts it before the names of its tables' changelogs.
DETECTOR = "sansheng-detect"
#: The worker's tables.
CALL_STATES, SUBJECT_STATES = "call-states", "subject-states"


class TopicSpec(Struct, frozen=True, kw_only=True):
    """One row. ``segment_s``: Kafka forgets whole segments only, so this much is kept beyond ``retention_s``.

    A compacted topic keeps the last message of each key for ever, and has no ``retention_s``.
    """

    name: str
    partitions: int
    retention_s: int | None = None
    segment_s: int
    cleanup: Literal["delete", "compact"] = "delete"

    @property
    def config(self) -> dict[str, str]:
        """Kafka's settings of the topic.

        ``LogAppendTime`` everywhere: the time of a message is the broker's, one clock for all (``logged_at``).
        """
        config = {
            "cleanup.policy": self.cleanup,
            "message.timestamp.type": "LogAppendTime",
            "segment.ms": str(self.segment_s * 1000),
        }
        if self.retention_s is not None:
            config["retention.ms"] = str(self.retention_s * 1000)
        return config


class Change(Struct, frozen=True):
    """What ``apply`` did to one topic: ``what`` is ``created`` or ``configured``, ``detail`` says how."""

    topic: str
    what: Literal["created", "configured"]
    detail: str

    def __str__(self) -> str:
        return f"{self.topic}: {self.what}: {self.detail}"


class Drift(Struct, frozen=True):
    """Where the broker differs from the table: ``detail`` gives both values, ``mend`` says what to do."""

    topic: str
    kind: Kind
    detail: str
    mend: str

    def __str__(self) -> str:
        return f"{self.topic}: {self.detail}. {self.mend}"


def specs(partitions: int = 16, prefix: str = "") -> tuple[TopicSpec, ...]:
    """The topics of one system; ``prefix`` goes before each name, for several systems on one broker.

    ``partitions`` is that of calls, subjects, alerts, verdicts and the changelogs (which must be the same, so that a
    call lives in one worker) and of audio. Workers are to be fewer.
    """
    return (
        TopicSpec(name=f"{prefix}calls", partitions=partitions, retention_s=7 * _DAY_S, segment_s=_DAY_S),
        # the longest that a rule counts back is a day; two hours more for workers that were down
        TopicSpec(name=f"{prefix}subjects", partitions=partitions, retention_s=26 * _HOUR_S, segment_s=_HOUR_S),
        TopicSpec(name=f"{prefix}alerts", partitions=partitions, retention_s=7 * _DAY_S, segment_s=_DAY_S),
        TopicSpec(name=f"{prefix}verdicts", partitions=partitions, retention_s=7 * _DAY_S, segment_s=_DAY_S),
        TopicSpec(name=f"{prefix}audio", partitions=partitions, retention_s=10 * _MINUTE_S, segment_s=_MINUTE_S),
        TopicSpec(name=f"{prefix}dead-letters", partitions=1, retention_s=30 * _DAY_S, segment_s=_DAY_S),
        TopicSpec(name=f"{prefix}heartbeats", partitions=1, retention_s=_HOUR_S, segment_s=10 * _MINUTE_S),
        # what the pager has sent, by page; it says itself when one is forgotten
        TopicSpec(name=f"{prefix}pages", partitions=partitions, segment_s=_DAY_S, cleanup="compact"),
        # what the walls know of the week, so that one that starts has not to read it all again
        TopicSpec(name=f"{prefix}wall", partitions=1, retention_s=_DAY_S, segment_s=_HOUR_S),
        # who opened which call's words; longer than the words themselves
        TopicSpec(name=f"{prefix}audit", partitions=1, retention_s=180 * _DAY_S, segment_s=7 * _DAY_S),
        *(_changelog(f"{prefix}{DETECTOR}-{table}", partitions) for table in (CALL_STATES, SUBJECT_STATES)),
    )


def _changelog(table: str, partitions: int) -> TopicSpec:
    """As Faust would make it itself, but before a worker starts.

    A topic that is made while messages come may be unknown to the worker until its next look, minutes later; its table
    takes nothing until then. Only compacted: one that also deletes by time would forget calls that are still up.
    """
    return TopicSpec(name=f"{table}-changelog", partitions=partitions, segment_s=_DAY_S, cleanup="compact")


def apply(bootstrap: str, wanted: tuple[TopicSpec, ...]) -> list[Change]:
    """Create what is missing and set what differs; nothing to do gives an empty list.

    Partitions of a topic that exists are left alone: the keys would move between partitions, and so running calls
    between workers. ``check`` reports them. Raises BrokerError where the broker cannot be reached or refuses.
    """
    with _admin(bootstrap) as admin:
        found = _found(admin, wanted)
        created = _create(admin, [spec for spec in wanted if spec.name not in found])
        return created + _configure(admin, [spec for spec in wanted if spec.name in found])


def check(bootstrap: str, wanted: tuple[TopicSpec, ...]) -> list[Drift]:
    """Every difference between the broker and the table. Raises BrokerError where the broker cannot be reached."""
    with _admin(bootstrap) as admin:
        found = _found(admin, wanted)
        present = [spec for spec in wanted if spec.name in found]
        return [
            *(_missing(spec) for spec in wanted if spec.name not in found),
            *(_recut(spec, found[spec.name]) for spec in present if spec.partitions != found[spec.name]),
            *(_reset(spec, *difference) for spec, difference in _differences(admin, present)),
        ]


def _missing(spec: TopicSpec) -> Drift:
    return Drift(spec.name, "missing", "the topic does not exist", "`sansheng topics apply` creates it")


def _recut(spec: TopicSpec, actual: int) -> Drift:
    return Drift(
        spec.name,
        "partitions",
        f"has {actual} partitions, the settings say {spec.partitions}",
        "This is never changed by itself, because running calls would move between workers. "
        f"Set the partitions to {actual}; or stop every process, delete the topic (its messages are lost) "
        "and run `sansheng topics apply`",
    )


def _reset(spec: TopicSpec, key: str, actual: str) -> Drift:
    return Drift(spec.name, "config", f"{key} is {actual}, not {spec.config[key]}", "`sansheng topics apply` sets it")


@contextmanager
def _admin(bootstrap: str) -> Iterator[Any]:
    """A connected admin client. Kafka's errors inside become BrokerErrors."""
    _must_listen(bootstrap)
    try:
        admin = KafkaAdminClient(
            bootstrap_servers=bootstrap.split(","),
            bootstrap_timeout_ms=int(REACH_S * 1000),
            client_id="sansheng-topics",
        )
        try:
            yield admin
        finally:
            admin.close()
    except KafkaError as error:
        raise BrokerError(f"the broker at {bootstrap} did not do as asked: {error}") from error


def _must_listen(bootstrap: str) -> None:
    """The client alone would try, and log, for long."""
    for address in bootstrap.split(","):
        host, _, port = address.strip().rpartition(":")
        try:
            socket.create_connection((host, int(port)), timeout=REACH_S).close()
        except (OSError, ValueError) as error:
            why = error
        else:
            return
    raise BrokerError(
        f"no Kafka broker can be reached at {bootstrap} ({why}). Start the embedded one with `sansheng kafka start`, "
        "or name another with SANSHENG_KAFKA=host:port"
    )


def _found(admin: Any, wanted: tuple[TopicSpec, ...]) -> dict[str, int]:
    """Partitions of those topics that exist, by name."""
    found: dict[str, int] = {}
    for topic in admin.describe_topics([spec.name for spec in wanted]):
        error = for_code(topic["error_code"])
        if error is UnknownTopicOrPartitionError:
            continue
        if topic["error_code"]:
            raise error(f"cannot describe {topic['name']}")
        found[topic["name"]] = len(topic["partitions"])
    return found


def _create(admin: Any, missing: list[TopicSpec]) -> list[Change]:
    if not missing:
        return []
    replicas = min(MAX_REPLICAS, len(admin.describe_cluster()["brokers"]))
    order = {
        spec.name: {"num_partitions": spec.partitions, "replication_factor": replicas, "configs": spec.config}
        for spec in missing
    }
    answer = admin.create_topics(order, raise_errors=False)["topics"]
    created = {topic["name"] for topic in answer if _was_created(topic)}
    admin.wait_for_topics(list(order))
    return [_creation(spec, replicas) for spec in missing if spec.name in created]


def _was_created(topic: dict[str, Any]) -> bool:
    """False where another process was quicker. Raises the broker's error for the rest."""
    error = for_code(topic["error_code"])
    if error is TopicAlreadyExistsError:
        return False
    if topic["error_code"]:
        raise error(f"cannot create {topic['name']}: {topic.get('error_message') or 'no reason given'}")
    return True


def _creation(spec: TopicSpec, replicas: int) -> Change:
    kept = "compacted" if spec.retention_s is None else f"kept {_span(spec.retention_s)}"
    what = f"{spec.partitions} partitions, {replicas} replicas, {kept}"
    return Change(spec.name, "created", what)


def _span(seconds: int) -> str:
    for name, unit_s in (("days", _DAY_S), ("h", _HOUR_S)):
        if seconds >= unit_s:
            return f"{seconds / unit_s:g} {name}"
    return f"{seconds / _MINUTE_S:g} min"


def _configure(admin: Any, present: list[TopicSpec]) -> list[Change]:
    differences = _differences(admin, present)
    if not differences:
        return []
    orders: dict[str, dict[str, str]] = {}
    for spec, (key, _) in differences:
        orders.setdefault(spec.name, {})[key] = spec.config[key]
    changed = [ConfigResource(ConfigResourceType.TOPIC, name, order) for name, order in orders.items()]
    for name, result in admin.alter_configs(changed, raise_on_unknown=False)["topic"].items():
        if result != "OK":
            raise BrokerError(f"the broker refused to set {orders[name]} of {name}: {result}")
    _await_settings(admin, present)
    return [
        Change(spec.name, "configured", f"{key} {actual} → {spec.config[key]}") for spec, (key, actual) in differences
    ]


def _await_settings(admin: Any, present: list[TopicSpec]) -> None:
    """The controller answers before the brokers know; a check right after must not see the old values."""
    deadline = time.monotonic() + SETTLE_S
    while left := _differences(admin, present):
        if time.monotonic() > deadline:
            raise BrokerError(f"the broker took the settings and still shows {left[0][1]} of {left[0][0].name}")
        time.sleep(0.02)


def _differences(admin: Any, present: list[TopicSpec]) -> list[tuple[TopicSpec, tuple[str, str]]]:
    """Each setting of the table that the broker holds otherwise: the spec, and (key, the broker's value)."""
    if not present:
        return []
    # all settings of each: Tansu, the stand-in, hangs up when it is asked for some
    asked = [ConfigResource(ConfigResourceType.TOPIC, spec.name) for spec in present]
    held = admin.describe_configs(asked, config_filter="all")["topic"]
    return [
        (spec, (key, str(actual)))
        for spec in present
        for key, value in spec.config.items()
        if (actual := held[spec.name].get(key, {}).get("value", "unknown")) != value
    ]


def must_fit(settings: Settings) -> None:
    """Refuse to run on topics that are not there or have other partitions than the settings say.

    With another number of partitions a worker would take calls for somebody else's and lose their deadlines.

    Raises:
        UnreadyError: the drift and its mend, or no broker.
    """
    drifts = check(settings.bootstrap, specs(settings.partitions, settings.topic_prefix))
    serious = [str(drift) for drift in drifts if drift.kind in ("missing", "partitions")]
    if serious:
        raise UnreadyError("\n".join([*serious, "`sansheng topics apply` makes what is missing"]))
