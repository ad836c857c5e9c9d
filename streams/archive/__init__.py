"""Every call, once it has ended: kept, found again, judged again, and forgotten in time.

::

    calls, alerts, verdicts, audit ──▶ archivist ──▶ store (SQLite or PostgreSQL) ──▶ days (Parquet) ──▶ replay, DuckDB
                                                        │  ▲
                              search, figures, pages ◀──┘  └── forget (retention, a caller's request)

``facts`` (pure) makes a call's figures and lines of its record; ``schema`` is the tables, ``store`` their writing and
reading, ``migrations`` how an older one becomes them. ``archivist`` is the only file here that knows Kafka.
"""
