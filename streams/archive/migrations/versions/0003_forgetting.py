"""How far the words of each day have been removed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """A count beside each day, and where the work is."""
    op.add_column("days", sa.Column("wordless", sa.BigInteger(), server_default="0", nullable=False))
    op.create_table(
        "keeping",
        sa.Column("what", sa.String(length=16), nullable=False),
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("changed", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("of", sa.String(length=16), server_default="", nullable=False),
        sa.Column("after", sa.String(length=64), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("what", name=op.f("pk_keeping")),
    )
