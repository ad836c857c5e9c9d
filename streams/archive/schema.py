"""The tables of the store, the same on SQLite and PostgreSQL. How an older store becomes this: ``migrations``.

What belongs to one call hangs on its number ``no``, which grows in the order in which calls were first heard of. What
is known only by its id (an alert whose call was never heard of) hangs on that. Times are Unix seconds, durations
seconds, days dates of the site's time zone (``YYYY-MM-DD``).
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    column,
    false,
    table,
)
from sqlalchemy.dialects.postgresql import ARRAY

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

#: SQLite numbers rows by itself only where the column is INTEGER.
_No = BigInteger().with_variant(Integer, "sqlite")


def _call_no(*, is_key: bool) -> Column[int]:
    owner = ForeignKey("calls.no", ondelete="CASCADE")
    return Column("call_no", _No, owner, primary_key=is_key, nullable=False, autoincrement=False)


#: One row a call: the figures of ``facts.Facts`` under the same names. While it is ``up`` only ``id``, ``day``,
#: ``began_at`` and ``heard_at`` are kept up.
calls = Table(
    "calls",
    metadata,
    Column("no", _No, primary_key=True),
    Column("id", String(256), nullable=False, unique=True),
    Column("state", String(8), nullable=False),
    Column("day", String(10), nullable=False, index=True),
    Column("began_at", Double, nullable=False, index=True),
    Column("heard_at", Double, nullable=False),
    Column("ended_at", Double),
    Column("answered_at", Double),
    Column("direction", String(8), nullable=False, server_default="inbound"),
    Column("queue", Text, nullable=False, server_default=""),
    Column("caller", Text, nullable=False, server_default=""),
    Column("caller_key", String(64), nullable=False, server_default="", index=True),
    Column("agent", Text, nullable=False, server_default=""),
    Column("ended_by", String(8)),
    Column("cause", Text, nullable=False, server_default=""),
    Column("in_time", Boolean),
    Column("abandoned", Boolean, nullable=False, server_default=false()),
    Column("wait_s", Double, nullable=False, server_default="0"),
    Column("ring_s", Double, nullable=False, server_default="0"),
    Column("talk_s", Double, nullable=False, server_default="0"),
    Column("held_s", Double, nullable=False, server_default="0"),
    Column("transfer_s", Double, nullable=False, server_default="0"),
    Column("transfers", Integer, nullable=False, server_default="0"),
    Column("duration_s", Double, nullable=False, server_default="0"),
    Column("listened", Boolean, nullable=False, server_default=false()),
    Index("ix_calls_state_heard_at", "state", "heard_at"),
    Index("ix_calls_queue_began_at", "queue", "began_at"),
    sqlite_autoincrement=True,
)

#: Who took part: the fields of ``facts.Part``.
parts = Table(
    "parts",
    metadata,
    _call_no(is_key=True),
    Column("agent", String(256), primary_key=True),
    Column("name", Text, nullable=False, server_default=""),
    Column("spoke", Boolean, nullable=False),
    Column("ring_s", Double, nullable=False),
    Column("missed", Integer, nullable=False),
    Column("talk_s", Double, nullable=False),
    Column("held_s", Double, nullable=False),
    Index("ix_parts_agent_call_no", "agent", "call_no"),
    Index("ix_parts_name_call_no", "name", "call_no"),
)

#: The record itself, in pieces as it came: zlib over NDJSON, each event with its ``seq`` and ``logged_at``. A piece
#: that was stored twice (offsets set back) may overlap others; ``seq`` tells.
records = Table(
    "records",
    metadata,
    _call_no(is_key=True),
    Column("first_seq", BigInteger, primary_key=True, autoincrement=False),
    Column("last_seq", BigInteger, nullable=False),
    Column("events", Integer, nullable=False),
    Column("lines", LargeBinary, nullable=False),
)

#: What was said, once a call has ended: ``lines`` is JSON of ``facts.Line``; gone after the words' retention.
words = Table("words", metadata, _call_no(is_key=True), Column("lines", LargeBinary, nullable=False))

#: One row an alert. ``changes``: JSON of all its ``AlertChange``s, oldest first, each once. ``finding`` to
#: ``decided_at`` are what ``judgements`` come to (``verdicts.Standing``).
alerts = Table(
    "alerts",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("call", String(256), nullable=False, index=True),
    Column("rule", String(256), nullable=False),
    Column("severity", String(8), nullable=False),
    Column("day", String(10), nullable=False, index=True),
    Column("opened_at", Double, nullable=False),
    Column("over_at", Double),
    Column("agent", String(256), nullable=False, server_default=""),
    Column("agent_name", Text, nullable=False, server_default=""),
    Column("queue", Text, nullable=False, server_default=""),
    Column("title", Text, nullable=False),
    Column("title_en", Text, nullable=False, server_default=""),
    Column("says", Text, nullable=False),
    Column("trial", Boolean, nullable=False, server_default=false()),
    Column("rulebook", String(64), nullable=False),
    Column("changes", LargeBinary, nullable=False),
    Column("finding", String(8), nullable=False, server_default="open"),
    Column("reason", String(16)),
    Column("appeal", String(16), nullable=False, server_default="none"),
    Column("decided_at", Double),
    Index("ix_alerts_rule_opened_at", "rule", "opened_at"),
    Index("ix_alerts_agent_opened_at", "agent", "opened_at"),
)

#: Every judgement, by its id. ``partition`` and ``seq`` (its offset) are the order in which they were made.
judgements = Table(
    "judgements",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("alert", String(64), nullable=False, index=True),
    Column("call", String(256), nullable=False, index=True),
    Column("at", Double, nullable=False, index=True),
    Column("by", Text, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("judgement", LargeBinary, nullable=False),
)

snoozes = Table(
    "snoozes",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("at", Double, nullable=False, index=True),
    Column("snooze", JSON, nullable=False),
)

#: Who read what: the pages of the wall (topic ``audit``), and the commands. ``id``: made once, or the message's place.
reads = Table(
    "reads",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("at", Double, nullable=False, index=True),
    Column("by", Text, nullable=False),
    Column("role", String(16), nullable=False),
    Column("what", String(32), nullable=False),
    Column("of", Text, nullable=False),
)

#: Calls that were deleted on request: what comes of them afterwards is not stored. And alerts about several calls of
#: which none is left: what comes of them from before ``at``.
forgotten = Table(
    "forgotten",
    metadata,
    Column("call", String(256), primary_key=True),
    Column("at", Double, nullable=False),
)

#: The next offset to read of each partition, written in the transaction of what was read before it.
progress = Table(
    "progress",
    metadata,
    Column("cluster", String(64), primary_key=True),
    Column("topic", String(256), primary_key=True),
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("next", BigInteger, nullable=False),
)

#: Of each day: how often it has changed, up to which change its Parquet files were written, and up to which it was seen
#: to hold no words any more (``keeping``).
days = Table(
    "days",
    metadata,
    Column("day", String(10), primary_key=True),
    Column("changed", BigInteger, nullable=False, server_default="0"),
    Column("changed_at", Double, nullable=False),
    Column("written", BigInteger, nullable=False, server_default="0"),
    Column("written_at", Double),
    Column("wordless", BigInteger, nullable=False, server_default="0"),
)

#: Where retention is: ``words``: the day whose words are being removed, ``changed`` as it was when that began, ``of``
#: what (``calls``, then ``alerts``), after which number or id. ``comments``: up to which day those were looked through.
keeping = Table(
    "keeping",
    metadata,
    Column("what", String(16), primary_key=True),
    Column("day", String(10), nullable=False),
    Column("changed", BigInteger, nullable=False, server_default="0"),
    Column("of", String(16), nullable=False, server_default=""),
    Column("after", String(64), nullable=False, server_default=""),
)

#: By what the words of a call are found (``grams.of``). SQLite: four bytes each, big end first, and ``grams_fts`` over
#: them; PostgreSQL: an array with an index of its own.
grams = Table(
    "grams",
    metadata,
    _call_no(is_key=True),
    Column("grams", LargeBinary().with_variant(ARRAY(Integer), "postgresql"), nullable=False),
    Index("ix_grams_grams", "grams", postgresql_using="gin").ddl_if(dialect="postgresql"),
)

#: SQLite's full-text index (FTS5): a call's number, and its grams as words of eight hexadecimal digits. It keeps no
#: text: what is to be taken out must be said again. A command to it goes into the column of its own name.
grams_fts = table("grams_fts", column("rowid", Integer), column("grams", Text), column("grams_fts", Text))
