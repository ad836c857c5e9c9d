"""Calls, what belongs to them, and how far the topics were read."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "alerts",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("call", sa.String(length=256), nullable=False),
        sa.Column("rule", sa.String(length=256), nullable=False),
        sa.Column("severity", sa.String(length=8), nullable=False),
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("opened_at", sa.Double(), nullable=False),
        sa.Column("over_at", sa.Double(), nullable=True),
        sa.Column("agent", sa.String(length=256), server_default="", nullable=False),
        sa.Column("agent_name", sa.Text(), server_default="", nullable=False),
        sa.Column("queue", sa.Text(), server_default="", nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("title_en", sa.Text(), server_default="", nullable=False),
        sa.Column("says", sa.Text(), nullable=False),
        sa.Column("trial", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("rulebook", sa.String(length=64), nullable=False),
        sa.Column("changes", sa.LargeBinary(), nullable=False),
        sa.Column("finding", sa.String(length=8), server_default="open", nullable=False),
        sa.Column("reason", sa.String(length=16), nullable=True),
        sa.Column("appeal", sa.String(length=16), server_default="none", nullable=False),
        sa.Column("decided_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alerts")),
    )
    op.create_index("ix_alerts_agent_opened_at", "alerts", ["agent", "opened_at"], unique=False)
    op.create_index(op.f("ix_alerts_call"), "alerts", ["call"], unique=False)
    op.create_index(op.f("ix_alerts_day"), "alerts", ["day"], unique=False)
    op.create_index("ix_alerts_rule_opened_at", "alerts", ["rule", "opened_at"], unique=False)
    op.create_table(
        "calls",
        sa.Column("no", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("id", sa.String(length=256), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("began_at", sa.Double(), nullable=False),
        sa.Column("heard_at", sa.Double(), nullable=False),
        sa.Column("ended_at", sa.Double(), nullable=True),
        sa.Column("answered_at", sa.Double(), nullable=True),
        sa.Column("direction", sa.String(length=8), server_default="inbound", nullable=False),
        sa.Column("queue", sa.Text(), server_default="", nullable=False),
        sa.Column("caller", sa.Text(), server_default="", nullable=False),
        sa.Column("caller_key", sa.String(length=64), server_default="", nullable=False),
        sa.Column("agent", sa.Text(), server_default="", nullable=False),
        sa.Column("ended_by", sa.String(length=8), nullable=True),
        sa.Column("cause", sa.Text(), server_default="", nullable=False),
        sa.Column("in_time", sa.Boolean(), nullable=True),
        sa.Column("abandoned", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("wait_s", sa.Double(), server_default="0", nullable=False),
        sa.Column("ring_s", sa.Double(), server_default="0", nullable=False),
        sa.Column("talk_s", sa.Double(), server_default="0", nullable=False),
        sa.Column("held_s", sa.Double(), server_default="0", nullable=False),
        sa.Column("transfer_s", sa.Double(), server_default="0", nullable=False),
        sa.Column("transfers", sa.Integer(), server_default="0", nullable=False),
        sa.Column("duration_s", sa.Double(), server_default="0", nullable=False),
        sa.Column("listened", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.PrimaryKeyConstraint("no", name=op.f("pk_calls")),
        sa.UniqueConstraint("id", name=op.f("uq_calls_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_calls_began_at"), "calls", ["began_at"], unique=False)
    op.create_index(op.f("ix_calls_caller_key"), "calls", ["caller_key"], unique=False)
    op.create_index(op.f("ix_calls_day"), "calls", ["day"], unique=False)
    op.create_index("ix_calls_queue_began_at", "calls", ["queue", "began_at"], unique=False)
    op.create_index("ix_calls_state_heard_at", "calls", ["state", "heard_at"], unique=False)
    op.create_table(
        "days",
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("changed", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("changed_at", sa.Double(), nullable=False),
        sa.Column("written", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("written_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_days")),
    )
    op.create_table(
        "forgotten",
        sa.Column("call", sa.String(length=256), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("call", name=op.f("pk_forgotten")),
    )
    op.create_table(
        "judgements",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("alert", sa.String(length=64), nullable=False),
        sa.Column("call", sa.String(length=256), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("judgement", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_judgements")),
    )
    op.create_index(op.f("ix_judgements_alert"), "judgements", ["alert"], unique=False)
    op.create_index(op.f("ix_judgements_at"), "judgements", ["at"], unique=False)
    op.create_index(op.f("ix_judgements_call"), "judgements", ["call"], unique=False)
    op.create_table(
        "progress",
        sa.Column("cluster", sa.String(length=64), nullable=False),
        sa.Column("topic", sa.String(length=256), nullable=False),
        sa.Column("partition", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("next", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("cluster", "topic", "partition", name=op.f("pk_progress")),
    )
    op.create_table(
        "reads",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("what", sa.String(length=32), nullable=False),
        sa.Column("of", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reads")),
    )
    op.create_index(op.f("ix_reads_at"), "reads", ["at"], unique=False)
    op.create_table(
        "snoozes",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("snooze", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_snoozes")),
    )
    op.create_index(op.f("ix_snoozes_at"), "snoozes", ["at"], unique=False)
    op.create_table(
        "parts",
        sa.Column("call_no", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("agent", sa.String(length=256), nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column("spoke", sa.Boolean(), nullable=False),
        sa.Column("ring_s", sa.Double(), nullable=False),
        sa.Column("missed", sa.Integer(), nullable=False),
        sa.Column("talk_s", sa.Double(), nullable=False),
        sa.Column("held_s", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["call_no"], ["calls.no"], name=op.f("fk_parts_call_no"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("call_no", "agent", name=op.f("pk_parts")),
    )
    op.create_index("ix_parts_agent_call_no", "parts", ["agent", "call_no"], unique=False)
    op.create_table(
        "records",
        sa.Column("call_no", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("first_seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("last_seq", sa.BigInteger(), nullable=False),
        sa.Column("events", sa.Integer(), nullable=False),
        sa.Column("lines", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["call_no"], ["calls.no"], name=op.f("fk_records_call_no"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("call_no", "first_seq", name=op.f("pk_records")),
    )
    op.create_table(
        "words",
        sa.Column("call_no", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("lines", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["call_no"], ["calls.no"], name=op.f("fk_words_call_no"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("call_no", name=op.f("pk_words")),
    )
