"""The one table of metric names; every process takes its metrics from here.

No call id, agent id or text is ever a label. ``docs/metrics.md`` is made from this table
(``sansheng metrics``), and a test holds the two together.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

Kind = Literal["counter", "gauge", "histogram"]

#: 3 rings are 10 s; the manual's limits of 20 s, 60 s, 90 s, 120 s and 240 s are edges too.
_PHONE_S = (1.0, 2.0, 3.0, 5.0, 8.0, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 90.0, 120.0, 240.0, 600.0)
_QUICK_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

_ARCHIVE = ("archive",)


class Metric(Struct, frozen=True):
    """One row: the name without prefix and unit suffix rules of Prometheus already applied."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    where: tuple[str, ...] = ("detect",)


TABLE: tuple[Metric, ...] = (
    Metric("sansheng_events_total", "counter", "Events of the record that were processed", ("type",)),
    Metric("sansheng_alerts_total", "counter", "Changes of alerts that were sent", ("rule", "severity", "state")),
    Metric("sansheng_calls", "gauge", "Calls in progress on this worker's partitions", ("phase",)),
    Metric("sansheng_ring_seconds", "histogram", "How long an agent's phone rang", ("outcome",), _PHONE_S),
    Metric("sansheng_hold_seconds", "histogram", "How long a customer was kept on hold", (), _PHONE_S),
    Metric("sansheng_transfer_seconds", "histogram", "How long a customer waited in a transfer", (), _PHONE_S),
    Metric("sansheng_calls_offered_total", "counter", "Inbound calls whose wait has ended"),
    Metric("sansheng_calls_in_time_total", "counter", "Inbound calls answered within 10 s of being offered"),
    Metric("sansheng_calls_abandoned_total", "counter", "Inbound calls that the customer gave up before an answer"),
    Metric("sansheng_tick_late_seconds", "histogram", "How long after its deadline a tick was processed", (), _QUICK_S),
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
        ("source",),
        (),
        ("detect", "asterisk", "listen", "recognise"),
    ),
    Metric("sansheng_oddities_total", "counter", "Events whose time had to be set right or came too late"),
    Metric("sansheng_not_judged_total", "counter", "Times that a rule could not be judged: words not heard", ("rule",)),
    Metric("sansheng_marks_total", "counter", "What calls told rules that count across calls", ("rule",)),
    Metric("sansheng_rulebook_info", "gauge", "1 for the rulebook version that judges new calls", ("version",)),
    Metric("sansheng_rulebook_versions", "gauge", "Rulebook versions in use, old ones of calls in progress included"),
    Metric("sansheng_rulebook_reloads_total", "counter", "Changed rulebooks, taken or refused", ("outcome",)),
    Metric("sansheng_rulebook_refused", "gauge", "1 while the rulebook's files have faults and an older one judges"),
    Metric("sansheng_calls_moved_total", "counter", "Calls that went on under another rulebook: theirs was lost"),
    Metric("sansheng_pbx_connected", "gauge", "1 while logged in to the PBX", (), (), ("asterisk",)),
    Metric("sansheng_pbx_connects_total", "counter", "Logins to the PBX", (), (), ("asterisk",)),
    Metric("sansheng_pbx_blocks_total", "counter", "AMI blocks received", (), (), ("asterisk",)),
    Metric(
        "sansheng_pbx_problems_total", "counter", "AMI blocks or bytes that could not be read", (), (), ("asterisk",)
    ),
    Metric(
        "sansheng_pbx_events_total", "counter", "Events of the record that the PBX gave", ("type",), (), ("asterisk",)
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
    ),
    Metric("sansheng_ears_spotted_total", "counter", "Phrases told while they were spoken", (), (), ("recognise",)),
    Metric("sansheng_ears_gaps_total", "counter", "Stretches that were not heard", ("reason",), (), ("recognise",)),
    Metric("sansheng_ears_gap_seconds_total", "counter", "Their length", ("reason",), (), ("recognise",)),
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
    Metric("sansheng_wall_clients", "gauge", "Browsers connected", ("mode",), (), ("wall",)),
    Metric("sansheng_wall_boards", "gauge", "Different parts of the floor that are looked at", (), (), ("wall",)),
    Metric("sansheng_wall_refused_total", "counter", "Connections and tickets refused", ("reason",), (), ("wall",)),
    Metric(
        "sansheng_wall_acts_total",
        "counter",
        "What people did with alerts, or wanted to: done, or the problem",
        ("action", "outcome"),
        (),
        ("wall",),
    ),
    Metric(
        "sansheng_wall_pages_total",
        "counter",
        "Pages asked for: shown, or the problem",
        ("what", "outcome"),
        (),
        ("wall",),
    ),
    Metric(
        "sansheng_rule_alerts",
        "gauge",
        "Alerts of the last seven days by what people found them to be: true, false, open",
        ("rule", "finding"),
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
    ),
    Metric(
        "sansheng_wall_lag_seconds",
        "histogram",
        "From an alert's broker time to the browsers' queues",
        (),
        _QUICK_S,
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
    Metric("sansheng_archive_lag_messages", "gauge", "Messages that wait in Kafka", ("topic",), (), _ARCHIVE),
    Metric("sansheng_archive_last_write_timestamp_seconds", "gauge", "When a batch was last stored", (), (), _ARCHIVE),
    Metric(
        "sansheng_archive_unreadable_total",
        "counter",
        "Messages that could not be read, or that the store refuses for ever",
        ("topic",),
        (),
        _ARCHIVE,
    ),
    Metric(
        "sansheng_archive_resets_total",
        "counter",
        "Partitions read from their beginning: the place is gone (retention), or was never there (another-log)",
        ("topic", "reason"),
        (),
        _ARCHIVE,
    ),
    Metric(
        "sansheng_archive_days_pending", "gauge", "Days whose Parquet files are older than the store", (), (), _ARCHIVE
    ),
    Metric("sansheng_archive_days_written_total", "counter", "Days written as Parquet", (), (), _ARCHIVE),
    Metric(
        "sansheng_archive_days_failed_total",
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
    ),
    Metric("sansheng_archive_schema_info", "gauge", "1 for the store's revision", ("revision",), (), _ARCHIVE),
    Metric("sansheng_listen_connections", "gauge", "Sources of audio connected", ("source",), (), ("listen",)),
    Metric("sansheng_listen_audio_seconds_total", "counter", "Sound that was published", ("source",), (), ("listen",)),
    Metric(
        "sansheng_listen_silence_seconds_total",
        "counter",
        "Silence that sources did not send and that was put in its place",
        ("source",),
        (),
        ("listen",),
    ),
    Metric(
        "sansheng_listen_slowed_seconds_total",
        "counter",
        "How long clients that send faster than time were made to wait",
        ("source",),
        (),
        ("listen",),
    ),
    Metric(
        "sansheng_listen_faults_total",
        "counter",
        "What was wrong with a source of audio (docs/audio.md)",
        ("source", "reason"),
        (),
        ("listen",),
    ),
    Metric(
        "sansheng_listen_reads_calls", "gauge", "1 while `calls` can be read, where taps are told", (), (), ("listen",)
    ),
)


class Metrics:
    """The metrics of one process, each by its name in ``TABLE``."""

    def __init__(self, process: str) -> None:
        """``process``: detect, asterisk, listen, recognise, wall or archive; only its rows are made."""
        self.process = process
        self.registry = CollectorRegistry()
        self._made = {m.name: self._make(m) for m in TABLE if process in m.where}

    def _make(self, metric: Metric) -> Counter | Gauge | Histogram:
        if metric.kind == "histogram":
            return Histogram(
                metric.name, metric.help, metric.labels, registry=self.registry, buckets=metric.buckets or _QUICK_S
            )
        made = Counter if metric.kind == "counter" else Gauge
        return made(metric.name, metric.help, metric.labels, registry=self.registry)

    def count(self, name: str, *labels: str, by: float = 1) -> None:
        """Add to a counter."""
        made = self._made[name]
        (made.labels(*labels) if labels else made).inc(by)  # type: ignore[union-attr]

    def set(self, name: str, value: float, *labels: str) -> None:
        """Set a gauge."""
        made = self._made[name]
        (made.labels(*labels) if labels else made).set(value)  # type: ignore[union-attr]

    def drop(self, name: str, *labels: str) -> None:
        """Stop serving one of a metric's series."""
        self._made[name].remove(*labels)

    def observe(self, name: str, seconds: float, *labels: str) -> None:
        """Add an observation, in seconds, to a histogram."""
        made = self._made[name]
        (made.labels(*labels) if labels else made).observe(seconds)  # type: ignore[union-attr]

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


def as_markdown() -> str:
    """The table for the documentation."""
    head = "| metric | kind | labels | process | what |\n|---|---|---|---|---|\n"
    rows = (f"| `{m.name}` | {m.kind} | {', '.join(m.labels)} | {', '.join(m.where)} | {m.help} |" for m in TABLE)
    return head + "\n".join(rows) + "\n"
