"""The one table of metric names; every process takes its metrics from here.

No call id, agent id or text is ever a label. What a label can say is written beside it as far as it is known before
(``Metric.values``), and stands at zero from the start: ``rate()`` sees a rise, and the first event of a series that has
just appeared is none. ``docs/metrics.md`` is made from this table (``sansheng metrics``), and a test holds the two
together.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from itertools import product
from typing import Any, Literal, Protocol, get_args

from msgspec import Struct
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    start_http_server,
)

from streams.call import PHASES
from streams.events import SLUGS, TYPES
from streams.verdicts import Action

Kind = Literal["counter", "gauge", "histogram"]

#: 3 rings are 10 s; the manual's limits of 20 s, 60 s, 90 s, 120 s and 240 s are edges too.
_PHONE_S = (1.0, 2.0, 3.0, 5.0, 8.0, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 90.0, 120.0, 240.0, 600.0)
#: Talk time goes on where waits have long ended.
_TALK_S = (10.0, 20.0, 30.0, 60.0, 120.0, 180.0, 240.0, 300.0, 420.0, 600.0, 900.0, 1800.0, 3600.0)
#: What a receiver far away takes, and what a dead one costs.
_PAGE_S = (0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0)
#: When a counter began to be is told by ``process_start_time_seconds``: no second series for each.
disable_created_metrics()  # type: ignore[no-untyped-call]
_QUICK_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

_ARCHIVE, _PAGER = ("archive",), ("pager",)
EVERYWHERE = ("detect", "asterisk", "listen", "recognise", "wall", "archive", "pager")


#: The label of a call without a queue, and of one whose queue has no label of its own any more.
DIRECT, OTHER = "direct", "other"
#: So many queues have a label of their own, each of so many characters at most: labels are for ever, names are not.
MOST_QUEUES, LONGEST_QUEUE = 50, 64

_Values = tuple[tuple[str, ...], ...]
_QUEUE: _Values = ((DIRECT, OTHER),)
_SOURCES = ("audiosocket", "vosk", "twilio", "audiohook")
#: What can be wrong with a source of audio (docs/audio.md).
LISTEN_REASONS = (
    "hello",
    "half",
    "unknown",
    "unreadable",
    "rate",
    "sequence",
    "peer",
    "unmatched",
    "twice",
    "nothing",
    "idle",
    "large",
    "faster",
    "slow",
    "endless",
    "token",
    "full",
    "address",
    "ours",
)
#: Why sound was not heard; an ear's other reasons are counted as ``other``.
GAP_REASONS = ("behind", "expired", "reconnected", "fault", "lost", OTHER)
_REFUSALS = ("ticket", "role", "rate", "unexpected", "full", "origin", "header", "busy", "token", "user")
_ACT_PROBLEMS = ("not_allowed", "too_late", "unknown", "unavailable", "busy", "too_long", "bad")
_PAGE_PROBLEMS = ("unknown", "not_allowed", "unavailable", "busy", "archive", "no_archive", "forgotten", "bad")
_ARCHIVED = ("calls", "alerts", "verdicts", "audit")
_PAGED = ("alerts", "verdicts", "pages")
_RING_ENDS = ("answered", "elsewhere", "unanswered")
_EVENTS = tuple(TYPES)
#: Where messages that cannot be read come from, and why they cannot be, by the process that puts them aside.
_DEAD: Mapping[str, _Values] = {
    "detect": (("calls", "subjects"), SLUGS),
    "asterisk": (("asterisk",), ("unreadable", "unusable", "large")),
    "listen": (("listen",), LISTEN_REASONS),
    "recognise": (("audio",), ("unreadable", "half", "misplaced", "mixed")),
}


class Metric(Struct, frozen=True):
    """One row: the name without prefix and unit suffix rules of Prometheus already applied.

    ``values`` are those of its labels that are known before, in the labels' order; every combination stands at zero
    from the start. Empty: they come from the rulebook, from the settings or from the calls. ``values_in``: by process.
    """

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    where: tuple[str, ...] = ("detect",)
    values: _Values = ()
    values_in: Mapping[str, _Values] = {}

    def at_zero(self, process: str) -> list[tuple[str, ...]]:
        """The labels of each series that ``process`` serves from its start."""
        values = self.values_in.get(process, self.values)
        return list(product(*values)) if values else []


TABLE: tuple[Metric, ...] = (
    Metric(
        "sansheng_build_info",
        "gauge",
        "1 for the version that runs",
        ("version",),
        (),
        EVERYWHERE,
        values=((version("sansheng"),),),
    ),
    Metric(
        "sansheng_events_total",
        "counter",
        "Events of the record that were processed; heartbeats left out",
        ("type",),
        values=(_EVENTS,),
    ),
    Metric("sansheng_alerts_total", "counter", "Changes of alerts that were sent", ("rule", "severity", "state")),
    Metric("sansheng_calls", "gauge", "Calls in progress on this worker's partitions", ("phase",), values=(PHASES,)),
    Metric(
        "sansheng_ring_seconds",
        "histogram",
        "How long an agent's phone rang",
        ("queue", "outcome"),
        _PHONE_S,
        values=(*_QUEUE, _RING_ENDS),
    ),
    Metric(
        "sansheng_hold_seconds",
        "histogram",
        "How long a customer was kept on hold",
        ("queue",),
        _PHONE_S,
        values=_QUEUE,
    ),
    Metric(
        "sansheng_transfer_seconds",
        "histogram",
        "How long a customer waited in a transfer",
        ("queue",),
        _PHONE_S,
        values=_QUEUE,
    ),
    Metric(
        "sansheng_talk_seconds",
        "histogram",
        "How long agent and customer talked, holds left out, by the call's end",
        ("queue",),
        _TALK_S,
        values=_QUEUE,
    ),
    Metric("sansheng_calls_offered_total", "counter", "Inbound calls whose wait has ended", ("queue",), values=_QUEUE),
    Metric(
        "sansheng_calls_in_time_total",
        "counter",
        "Inbound calls answered within 10 s of being offered",
        ("queue",),
        values=_QUEUE,
    ),
    Metric(
        "sansheng_calls_abandoned_total",
        "counter",
        "Inbound calls that the customer gave up before an answer",
        ("queue",),
        values=_QUEUE,
    ),
    Metric(
        "sansheng_tick_late_seconds",
        "histogram",
        "How long after it could be a tick was processed",
        (),
        _QUICK_S,
    ),
    Metric(
        "sansheng_event_to_alert_seconds",
        "histogram",
        "From the event's time to the alert's acknowledgement by the broker",
        (),
        _QUICK_S,
    ),
    Metric("sansheng_last_event_timestamp_seconds", "gauge", "When the last event was processed; its age is liveness"),
    Metric("sansheng_last_commit_timestamp_seconds", "gauge", "When offsets were last committed"),
    Metric(
        "sansheng_dead_letters_total",
        "counter",
        "Messages that could not be read",
        ("source", "reason"),
        (),
        ("detect", "asterisk", "listen", "recognise"),
        values_in=_DEAD,
    ),
    Metric(
        "sansheng_lag_messages",
        "gauge",
        "Messages that wait in Kafka, by partition",
        ("topic", "partition"),
        (),
        ("detect", "recognise"),
    ),
    Metric("sansheng_oddities_total", "counter", "Events whose time had to be set right or came too late"),
    Metric("sansheng_not_judged_total", "counter", "Times that a rule could not be judged: words not heard", ("rule",)),
    Metric("sansheng_marks_total", "counter", "What calls told rules that count across calls", ("rule",)),
    Metric("sansheng_rulebook_info", "gauge", "1 for the rulebook version that judges new calls", ("version",)),
    Metric("sansheng_rulebook_versions", "gauge", "Rulebook versions in use, old ones of calls in progress included"),
    Metric(
        "sansheng_rulebook_reloads_total",
        "counter",
        "Changed rulebooks, taken or refused",
        ("outcome",),
        values=(("taken", "refused"),),
    ),
    Metric("sansheng_rulebook_refused", "gauge", "1 while the rulebook's files have faults and an older one judges"),
    Metric("sansheng_calls_moved_total", "counter", "Calls that went on under another rulebook: theirs was lost"),
    Metric("sansheng_pbx_connected", "gauge", "1 while logged in to the PBX", (), (), ("asterisk",)),
    Metric("sansheng_pbx_connects_total", "counter", "Logins to the PBX", (), (), ("asterisk",)),
    Metric("sansheng_pbx_blocks_total", "counter", "AMI blocks received", (), (), ("asterisk",)),
    Metric(
        "sansheng_pbx_problems_total", "counter", "AMI blocks or bytes that could not be read", (), (), ("asterisk",)
    ),
    Metric(
        "sansheng_pbx_events_total",
        "counter",
        "Events of the record that the PBX gave",
        ("type",),
        (),
        ("asterisk",),
        values=(_EVENTS,),
    ),
    Metric("sansheng_ears_heard_seconds_total", "counter", "Sound taken from the topic", (), (), ("recognise",)),
    Metric("sansheng_ears_speech_seconds_total", "counter", "Speech in it", (), (), ("recognise",)),
    Metric("sansheng_ears_legs", "gauge", "Legs that are being heard", (), (), ("recognise",)),
    Metric("sansheng_ears_words_total", "counter", "Words of finished sentences", (), (), ("recognise",)),
    Metric(
        "sansheng_ears_transcripts_total",
        "counter",
        "Transcripts sent: partial, final, or watermark (nothing was said)",
        ("type",),
        (),
        ("recognise",),
        values=(("partial", "final", "watermark"),),
    ),
    Metric("sansheng_ears_spotted_total", "counter", "Phrases told while they were spoken", (), (), ("recognise",)),
    Metric(
        "sansheng_ears_gaps_total",
        "counter",
        "Stretches that were not heard",
        ("reason",),
        (),
        ("recognise",),
        values=(GAP_REASONS,),
    ),
    Metric(
        "sansheng_ears_gap_seconds_total",
        "counter",
        "Their length",
        ("reason",),
        (),
        ("recognise",),
        values=(GAP_REASONS,),
    ),
    Metric("sansheng_ears_faults_total", "counter", "Ears that failed and were replaced", (), (), ("recognise",)),
    Metric(
        "sansheng_ears_delay_seconds",
        "histogram",
        "From a frame's broker time to when what it brought about was sent",
        (),
        _QUICK_S,
        ("recognise",),
    ),
    Metric("sansheng_ears_lag_seconds", "gauge", "Age of the sound that is heard now", (), (), ("recognise",)),
    Metric("sansheng_ears_cpu_share", "gauge", "Share of one core that the process uses", (), (), ("recognise",)),
    Metric(
        "sansheng_ears_last_commit_timestamp_seconds",
        "gauge",
        "When offsets were last committed",
        (),
        (),
        ("recognise",),
    ),
    Metric(
        "sansheng_wall_clients", "gauge", "Browsers connected", ("mode",), (), ("wall",), values=(("wall", "desk"),)
    ),
    Metric("sansheng_wall_boards", "gauge", "Different parts of the floor that are looked at", (), (), ("wall",)),
    Metric(
        "sansheng_wall_refused_total",
        "counter",
        "Connections and tickets refused",
        ("reason",),
        (),
        ("wall",),
        values=(_REFUSALS,),
    ),
    Metric(
        "sansheng_wall_acts_total",
        "counter",
        "What people did with alerts, or wanted to: done, or the problem",
        ("action", "outcome"),
        (),
        ("wall",),
        values=((*get_args(Action), "snoozed"), ("done", *_ACT_PROBLEMS)),
    ),
    Metric(
        "sansheng_wall_pages_total",
        "counter",
        "Pages asked for: shown, or the problem",
        ("what", "outcome"),
        (),
        ("wall",),
        values=(("alert", "call", "agent", "find"), ("shown", *_PAGE_PROBLEMS)),
    ),
    Metric(
        "sansheng_rule_alerts",
        "gauge",
        "Alerts of the last seven days by what people found them to be: true, false, open",
        ("rule", "severity", "finding"),
        (),
        ("wall",),
    ),
    Metric("sansheng_wall_changes_total", "counter", "Changes sent to browsers' queues", (), (), ("wall",)),
    Metric("sansheng_wall_resyncs_total", "counter", "Slow browsers that got a new snapshot", (), (), ("wall",)),
    Metric(
        "sansheng_wall_unreadable_total",
        "counter",
        "Messages that the wall could not read; topic views: parts of the screens that it could not make",
        ("topic",),
        (),
        ("wall",),
        values=(("calls", "alerts", "verdicts", "heartbeats", "views"),),
    ),
    Metric(
        "sansheng_wall_lag_seconds",
        "histogram",
        "From an alert's broker time to the browsers' queues",
        (),
        _QUICK_S,
        ("wall",),
    ),
    Metric(
        "sansheng_event_to_wall_seconds",
        "histogram",
        "From when an alert became true to the browsers' queues",
        (),
        _QUICK_S,
        ("wall",),
    ),
    Metric(
        "sansheng_wall_snoozed_total", "counter", "Alerts that a snooze kept off the walls", ("rule",), (), ("wall",)
    ),
    Metric(
        "sansheng_wall_last_message_timestamp_seconds",
        "gauge",
        "When a message was last read from Kafka",
        (),
        (),
        ("wall",),
    ),
    Metric("sansheng_archive_writable", "gauge", "1 while the store takes what is written", (), (), _ARCHIVE),
    Metric(
        "sansheng_archive_calls_total",
        "counter",
        "Calls that were stored at their end, or changed after it",
        (),
        (),
        _ARCHIVE,
    ),
    Metric("sansheng_archive_alerts_total", "counter", "Alerts that were stored, or changed", (), (), _ARCHIVE),
    Metric("sansheng_archive_verdicts_total", "counter", "Verdicts and snoozes that were stored", (), (), _ARCHIVE),
    Metric("sansheng_archive_batches_total", "counter", "Batches that were stored", (), (), _ARCHIVE),
    Metric(
        "sansheng_archive_batch_seconds",
        "histogram",
        "How long a batch took to store, waiting for the store included",
        (),
        _QUICK_S,
        _ARCHIVE,
    ),
    Metric(
        "sansheng_archive_lag_messages",
        "gauge",
        "Messages that wait in Kafka",
        ("topic",),
        (),
        _ARCHIVE,
        values=(_ARCHIVED,),
    ),
    Metric("sansheng_archive_last_write_timestamp_seconds", "gauge", "When a batch was last stored", (), (), _ARCHIVE),
    Metric(
        "sansheng_archive_unreadable_total",
        "counter",
        "Messages that could not be read, or that the store refuses for ever",
        ("topic",),
        (),
        _ARCHIVE,
        values=(_ARCHIVED,),
    ),
    Metric(
        "sansheng_archive_resets_total",
        "counter",
        "Partitions read from their beginning: the place is gone (retention), or was never there (another-log)",
        ("topic", "reason"),
        (),
        _ARCHIVE,
        values=(_ARCHIVED, ("retention", "another-log")),
    ),
    Metric(
        "sansheng_archive_parquet_pending",
        "gauge",
        "Days whose Parquet files are older than the store",
        (),
        (),
        _ARCHIVE,
    ),
    Metric("sansheng_archive_parquet_written_total", "counter", "Days written as Parquet", (), (), _ARCHIVE),
    Metric(
        "sansheng_archive_parquet_failed_total",
        "counter",
        "Times that days could not be written as Parquet",
        (),
        (),
        _ARCHIVE,
    ),
    Metric(
        "sansheng_archive_forgotten_total",
        "counter",
        "What was forgotten at the end of its time: words of calls, calls, entries of the audit",
        ("kind",),
        (),
        _ARCHIVE,
        values=(("words", "calls", "reads"),),
    ),
    Metric("sansheng_archive_schema_info", "gauge", "1 for the store's revision", ("revision",), (), _ARCHIVE),
    Metric(
        "sansheng_pager_pages_in_progress",
        "gauge",
        "Pages that are not over: open (nobody has claimed), claimed, held (everybody has quiet hours)",
        ("state",),
        (),
        _PAGER,
        values=(("open", "claimed", "held"),),
    ),
    Metric(
        "sansheng_pager_pages_total",
        "counter",
        "Pages by what became of them: opened, claimed, resolved, expired, too-late (nobody was woken)",
        ("outcome",),
        (),
        _PAGER,
        values=(("opened", "claimed", "resolved", "expired", "too-late"),),
    ),
    Metric(
        "sansheng_pager_escalations_total",
        "counter",
        "Times that a next level was called: nobody had claimed, all had quiet hours, or all refuse for ever",
        ("why",),
        (),
        _PAGER,
        values=(("unclaimed", "quiet", "refused"),),
    ),
    Metric(
        "sansheng_pager_deliveries_total",
        "counter",
        "Tries to tell a receiver: sent, failed (tried again), refused (given up)",
        ("receiver", "outcome"),
        (),
        _PAGER,
    ),
    Metric(
        "sansheng_pager_delivery_seconds",
        "histogram",
        "From when an alert became true to the receiver's answer",
        ("receiver",),
        _PAGE_S,
        _PAGER,
    ),
    Metric("sansheng_pager_waiting", "gauge", "Messages that wait for a receiver", ("receiver",), (), _PAGER),
    Metric(
        "sansheng_pager_receiver_up", "gauge", "1 while a receiver takes what it is sent", ("receiver",), (), _PAGER
    ),
    Metric(
        "sansheng_pager_lag_messages", "gauge", "Messages that wait in Kafka", ("topic",), (), _PAGER, values=(_PAGED,)
    ),
    Metric("sansheng_pager_last_commit_timestamp_seconds", "gauge", "When offsets were last committed", (), (), _PAGER),
    Metric(
        "sansheng_pager_unreadable_total",
        "counter",
        "Messages that could not be read",
        ("topic",),
        (),
        _PAGER,
        values=(_PAGED,),
    ),
    Metric(
        "sansheng_listen_connections",
        "gauge",
        "Sources of audio connected",
        ("source",),
        (),
        ("listen",),
        values=(_SOURCES,),
    ),
    Metric(
        "sansheng_listen_audio_seconds_total",
        "counter",
        "Sound that was published",
        ("source",),
        (),
        ("listen",),
        values=(_SOURCES,),
    ),
    Metric(
        "sansheng_listen_silence_seconds_total",
        "counter",
        "Silence that sources did not send and that was put in its place",
        ("source",),
        (),
        ("listen",),
        values=(_SOURCES,),
    ),
    Metric(
        "sansheng_listen_slowed_seconds_total",
        "counter",
        "How long clients that send faster than time were made to wait",
        ("source",),
        (),
        ("listen",),
        values=(_SOURCES,),
    ),
    Metric(
        "sansheng_listen_faults_total",
        "counter",
        "What was wrong with a source of audio (docs/audio.md)",
        ("source", "reason"),
        (),
        ("listen",),
        values=(_SOURCES, LISTEN_REASONS),
    ),
    Metric(
        "sansheng_listen_reads_calls", "gauge", "1 while `calls` can be read, where taps are told", (), (), ("listen",)
    ),
)


_KINDS: Mapping[Kind, Any] = {"counter": Counter, "gauge": Gauge, "histogram": Histogram}


class Figures(Protocol):
    """What takes counts and observations."""

    def count(self, name: str, *labels: str, by: float = 1) -> None:
        """Add to a counter."""

    def observe(self, name: str, seconds: float, *labels: str) -> None:
        """Add an observation, in seconds, to a histogram."""

    def queue(self, name: str | None) -> str:
        """The label of a queue; None: of a call without one."""


class Metrics:
    """The metrics of one process, each by its name in ``TABLE``, and what is known of the process itself."""

    def __init__(self, process: str) -> None:
        """``process``: one of ``EVERYWHERE``; only its rows are made, with the label values that are known before."""
        self.process = process
        self.registry = CollectorRegistry()
        self._made = {m.name: self._make(m) for m in TABLE if process in m.where}
        self._queues: set[str] = set()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.set("sansheng_build_info", 1, version("sansheng"))

    def _make(self, metric: Metric) -> Any:
        more = {"buckets": metric.buckets} if metric.kind == "histogram" else {}
        made: Any = _KINDS[metric.kind](metric.name, metric.help, metric.labels, registry=self.registry, **more)
        for labels in metric.at_zero(self.process):
            made.labels(*labels)
        return made

    def _series(self, name: str, labels: tuple[str, ...]) -> Any:
        made = self._made[name]
        return made.labels(*labels) if labels else made

    def lay(self, name: str, *labels: str) -> None:
        """Serve a series from zero on, so that the first thing to happen is seen as a rise."""
        self._series(name, labels)

    def count(self, name: str, *labels: str, by: float = 1) -> None:
        """Add to a counter."""
        self._series(name, labels).inc(by)

    def set(self, name: str, value: float, *labels: str) -> None:
        """Set a gauge."""
        self._series(name, labels).set(value)

    def drop(self, name: str, *labels: str) -> None:
        """Stop serving one of a metric's series."""
        self._made[name].remove(*labels)

    def only(self, name: str, values: Mapping[tuple[str, ...], float]) -> None:
        """Set a gauge's series, by their labels, and stop serving its others."""
        made = self._made[name]
        told = {tuple(sample.labels.values()) for metric in made.collect() for sample in metric.samples}
        for labels in told - values.keys():
            made.remove(*labels)
        for labels, value in values.items():
            made.labels(*labels).set(value)

    def observe(self, name: str, seconds: float, *labels: str) -> None:
        """Add an observation, in seconds, to a histogram."""
        self._series(name, labels).observe(seconds)

    def queue(self, name: str | None) -> str:
        """The label of a queue: ``direct`` for None, and ``other`` for those that come after ``MOST_QUEUES``.

        One that is heard of for the first time, from the settings or by its first call, is laid at zero in every metric
        by queue: before anything of its calls has ended, so that what ends first is seen as a rise.
        """
        label = name or DIRECT
        if label in self._queues or label == DIRECT:
            return label
        if len(self._queues) >= MOST_QUEUES or len(label) > LONGEST_QUEUE:
            return OTHER
        self._queues.add(label)
        self._lay_queue(label)
        return label

    def _lay_queue(self, queue: str) -> None:
        for metric in TABLE:
            if "queue" in metric.labels and self.process in metric.where:
                for _, *others in metric.at_zero(self.process):  # the queue is the first of the labels
                    self.lay(metric.name, queue, *others)

    def serve(self, host: str, port: int) -> None:
        """Serve ``/metrics``; port 0 switches it off. Raises OSError, with the mend, where the port is in use."""
        if not port:
            return
        try:
            start_http_server(port, host, registry=self.registry)
        except OSError as error:
            variable = f"SANSHENG_METRICS__{self.process.upper()}"
            raise OSError(
                f"metrics port {host}:{port}: {error.strerror}; set {variable} to another one, or 0"
            ) from None


class Later:
    """Counts and observations that wait until what they are of is safe: whoever dies before has counted nothing."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._waiting: list[tuple[Any, tuple[Any, ...], dict[str, float]]] = []

    def count(self, name: str, *labels: str, by: float = 1) -> None:
        """As ``Metrics.count``, but later."""
        self._waiting.append((self._metrics.count, (name, *labels), {"by": by}))

    def observe(self, name: str, seconds: float, *labels: str) -> None:
        """As ``Metrics.observe``, but later."""
        self._waiting.append((self._metrics.observe, (name, seconds, *labels), {}))

    def queue(self, name: str | None) -> str:
        """As ``Metrics.queue``, at once."""
        return self._metrics.queue(name)

    def apply(self) -> None:
        """It is safe."""
        waiting, self._waiting = self._waiting, []
        for add, what, more in waiting:
            add(*what, **more)
