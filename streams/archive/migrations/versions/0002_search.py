"""The index by which words are found, and what was said so far put into it; agents are found by name, too."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

from streams.archive.migrations import grams_0002 as grams

revision = "0002"
down_revision = "0001"

#: So many calls are put in at a time.
PORTION = 500

_No = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_Grams = sa.LargeBinary().with_variant(ARRAY(sa.Integer()), "postgresql")


def upgrade() -> None:
    """Make the tables and fill them, in portions: the words of a year do not fit into memory."""
    connection = op.get_bind()
    is_sqlite = connection.dialect.name == "sqlite"
    op.create_table(
        "grams",
        sa.Column("call_no", _No, autoincrement=False, nullable=False),
        sa.Column("grams", _Grams, nullable=False),
        sa.ForeignKeyConstraint(["call_no"], ["calls.no"], name=op.f("fk_grams_call_no"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("call_no", name=op.f("pk_grams")),
    )
    op.create_index("ix_parts_name_call_no", "parts", ["name", "call_no"])
    if is_sqlite:
        op.execute(
            "CREATE VIRTUAL TABLE grams_fts USING fts5(grams, content='', columnsize=0, detail=none, tokenize='ascii')"
        )
    else:
        op.execute("ALTER TABLE grams ALTER COLUMN grams SET STORAGE EXTERNAL")  # hashes: nothing to compress
    _fill(connection, is_sqlite)
    if not is_sqlite:  # an index is made faster at once than row by row
        op.create_index("ix_grams_grams", "grams", ["grams"], postgresql_using="gin")


def _fill(connection: sa.Connection, is_sqlite: bool) -> None:
    words = sa.table("words", sa.column("call_no", _No), sa.column("lines", sa.LargeBinary()))
    made = sa.table("grams", sa.column("call_no", _No), sa.column("grams", _Grams))
    fts = sa.table("grams_fts", sa.column("rowid", sa.Integer()), sa.column("grams", sa.Text()))
    after = -1
    while True:
        asked = sa.select(words).where(words.c.call_no > after).order_by(words.c.call_no).limit(PORTION)
        portion = [(no, grams.of(grams.lines_in(stored))) for no, stored in connection.execute(asked)]
        if not portion:
            return
        after = portion[-1][0]
        if is_sqlite:
            stored = [(no, grams.packed(own)) for no, own in portion]
            connection.execute(sa.insert(made), [{"call_no": no, "grams": own} for no, own in stored])
            connection.execute(sa.insert(fts), [{"rowid": no, "grams": own.hex(" ", -4)} for no, own in stored])
        else:
            connection.execute(sa.insert(made), [{"call_no": no, "grams": own} for no, own in portion])
