"""The back-test: the same recorded calls judged by two rulebooks, and what differs.

::

    traces ──▶ index (one process: which line is whose) ──▶ batches of calls ──▶ workers: judge by both books, compare
                                                                                    │ marks
    table, NDJSON, report ◀── pictures of changed calls ◀── rules across calls ◀────┘

``traces`` owns finding and indexing the lines, ``judge`` one call under two books, ``compare`` what differs,
``run`` the processes, ``picture`` the geometry of a call's timeline, ``report`` the page, ``command`` what is printed.
"""
