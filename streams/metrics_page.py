"""``docs/metrics.md``: which question which metric answers, how things are counted, and the table of all of them.

Owns the questions; the metrics are those of ``streams.metrics.TABLE``.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from streams.metrics import DIRECT, LONGEST_QUEUE, MOST_QUEUES, OTHER, TABLE


class Answer(Struct, frozen=True):
    """A question that people ask, and the expression that answers it. ``note``: what to know before it is trusted."""

    question: str
    expression: str
    note: str = ""


_SHARE_OF = "sum by (queue) (rate({}_total[1h])) / sum by (queue) (rate(sansheng_calls_offered_total[1h]))"
_P95 = "histogram_quantile(0.95, sum by ({}le) (rate({}_seconds_bucket[{}])))"

#: What must be answerable, and how.
ANSWERS: tuple[Answer, ...] = (
    Answer("service level, by queue", _SHARE_OF.format("sansheng_calls_in_time"), "answered within 10 s (three rings)"),
    Answer(
        "how fast the error budget burns",
        "(1 - sum(rate(sansheng_calls_in_time_total[1h])) / sum(rate(sansheng_calls_offered_total[1h])))"
        " / (1 - scalar(max(sansheng:service_level_objective:ratio) or vector(0.8)))",
        "1: just used up by the end of the period; the target is that of dashboards/prometheus where its rules are "
        "loaded, else 80 %",
    ),
    Answer("share of customers who gave up", _SHARE_OF.format("sansheng_calls_abandoned")),
    Answer(
        "ring times, 95th percentile by queue",
        _P95.format("queue, ", "sansheng_ring", "1h"),
        "`outcome` tells answered, elsewhere (another phone was) and unanswered apart",
    ),
    Answer("hold times", _P95.format("queue, ", "sansheng_hold", "1h"), "one observation a hold"),
    Answer("transfer times", _P95.format("queue, ", "sansheng_transfer", "1h"), "one observation a transfer"),
    Answer(
        "mean talk time, by queue",
        "sum by (queue) (rate(sansheng_talk_seconds_sum[1h])) / sum by (queue) (rate(sansheng_talk_seconds_count[1h]))",
        "observed when a call ends; holds and transfers are left out",
    ),
    Answer("calls by phase", "sum by (phase) (sansheng_calls)", "`ended`: kept for ten minutes after their end"),
    Answer(
        "alerts by rule and severity",
        'sum by (rule, severity) (increase(sansheng_alerts_total{state="opened"}[1h]))',
        "a raise is a change of its own: `state`",
    ),
    Answer(
        "alerts by what people found",
        "sum by (rule, severity, finding) (max by (site, rule, severity, finding) (sansheng_rule_alerts))",
        "of seven days; every wall of a site knows them all, so never `sum` over walls",
    ),
    Answer(
        "precision of a rule",
        'sum by (rule) (max by (site, rule, severity, finding) (sansheng_rule_alerts{finding="true"}))'
        ' / sum by (rule) (max by (site, rule, severity, finding) (sansheng_rule_alerts{finding=~"true|false"}))',
        "of the alerts that somebody has judged; nothing where nobody has",
    ),
    Answer(
        "alerts that a snooze kept off the walls",
        "sum by (rule) (max by (site, rule) (increase(sansheng_wall_snoozed_total[1d])))",
        "opened while it was in force; each wall of a site counts the same ones",
    ),
    Answer("how often a rule could not judge", "sum by (rule) (increase(sansheng_not_judged_total[1d]))"),
    Answer("the recogniser's delay", _P95.format("", "sansheng_ears_delay", "5m")),
    Answer("how far the recogniser is behind", "max by (site, instance) (sansheng_ears_lag_seconds)"),
    Answer("the recogniser's load", "sansheng_ears_cpu_share", "of one core; it hears in one thread"),
    Answer("sound that was not heard", "sum by (reason) (rate(sansheng_ears_gap_seconds_total[5m]))", "seconds/second"),
    Answer(
        "channels that are heard, and connected",
        "sum(sansheng_ears_legs)",
        "`sansheng_listen_connections` by source; a connection can bring both parties",
    ),
    Answer("words a second", "sum(rate(sansheng_ears_words_total[5m]))", "of finished sentences"),
    Answer(
        "share of silence in what is heard",
        "1 - sum(rate(sansheng_ears_speech_seconds_total[5m])) / sum(rate(sansheng_ears_heard_seconds_total[5m]))",
        "two legs of one talk are silent half of the time",
    ),
    Answer("latency, event to alert", _P95.format("", "sansheng_event_to_alert", "5m"), "alerts that an event caused"),
    Answer("latency, event to wall", _P95.format("", "sansheng_event_to_wall", "5m"), "the whole way, ticks included"),
    Answer("latency, alert to wall", _P95.format("", "sansheng_wall_lag", "5m"), "its last part"),
    Answer("lateness of ticks", _P95.format("", "sansheng_tick_late", "5m"), "0.3 s of it are wanted: late events"),
    Answer(
        "what waits, by partition",
        "max by (site, topic, partition) (sansheng_lag_messages)",
        "each partition is told by the one worker that has it, by two while it changes hands",
    ),
    Answer(
        "what waits for the archive",
        "sum by (topic) (max by (site, topic) (sansheng_archive_lag_messages))",
        "one process of a site follows all partitions",
    ),
    Answer(
        "what waits for the pager, and for a receiver",
        "sum by (topic) (sansheng_pager_lag_messages)",
        "each pager counts its own partitions; `sansheng_pager_waiting` by receiver and "
        "`sansheng_pager_pages_in_progress` by state are summed likewise",
    ),
    Answer(
        "age of the last event",
        "time() - max by (site, instance) (sansheng_last_event_timestamp_seconds)",
        "heartbeats count: < 10 s",
    ),
    Answer("age of the last commit", "time() - max by (site, instance) (sansheng_last_commit_timestamp_seconds)"),
    Answer("dead letters", "sum by (source, reason) (increase(sansheng_dead_letters_total[1h]))"),
    Answer("which rulebook judges", "count by (version) (sansheng_rulebook_info)", "more than one: workers differ"),
    Answer("reloads of the rulebook", "sum by (outcome) (increase(sansheng_rulebook_reloads_total[1d]))"),
    Answer("clients of the wall", "sum by (mode) (sansheng_wall_clients)"),
    Answer("which version runs", "count by (version) (sansheng_build_info)"),
)

_HOW = f"""\
Base units, `_total` on what only rises. No label names a call, a person or a text. `queue` is `{DIRECT}` for calls
without one; after {MOST_QUEUES} different queues, and for names of more than {LONGEST_QUEUE} characters, it is
`{OTHER}`. Values of labels that are known before stand at zero from a process' start, those by rule from the moment
that a rulebook is taken, and those of a queue from the start where teams or pages name it, else from its first call
on, before anything of it has ended: so
the first event is a rise that `rate()` sees. Only what nobody can know before, such as a receiver that is added,
appears with its first value. Each process tells its own CPU, memory and open files too (`process_*`).

An event is counted once, whatever dies. The worker counts what an event means (events, calls, rings, holds, transfers,
talks, alerts, marks) when the broker has acknowledged the state that contains it; one that comes again after a kill
either was not counted or is known by its offset. What a killed process counted after its last scrape is lost to
Prometheus, and so is what had been stored but not counted yet, a few milliseconds' worth: a kill can lose a count and
never double one. Three that rest on no state any more may be told twice, as far as offsets were not committed (one
second): `sansheng_dead_letters_total`, `leg.tapped` among the events, and what ended more than ten minutes before it
was read, for its state is forgotten at once (a worker that is killed while it catches up).
"""


def as_markdown() -> str:
    """What can be answered, how things are counted, and the table, for the documentation."""
    return f"# Metrics\n\n## What they answer\n\n{_answers()}\n## How they count\n\n{_HOW}\n## All of them\n\n{_rows()}"


def _answers() -> str:
    rows = ((a.question, f"`{a.expression}`", a.note) for a in ANSWERS)
    return _table(("question", "expression", "to know"), rows)


def _rows() -> str:
    rows = ((f"`{m.name}`", m.kind, ", ".join(m.labels), ", ".join(m.where), m.help) for m in TABLE)
    return _table(("metric", "kind", "labels", "process", "what"), rows)


def _table(columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """As Markdown has it."""
    cells = ((cell.replace("|", "\\|") for cell in row) for row in rows)
    lines = (f"| {' | '.join(row)} |" for row in (columns, *cells))
    head, *body = lines
    return "\n".join((head, "|" + "---|" * len(columns), *body)) + "\n"
