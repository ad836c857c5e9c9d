"""``sansheng listen``, ``recognise``, ``hear`` and ``models``: options, printing and exit codes of the ears.

What a command needs is imported when it runs: recognisers take a while.
"""

from __future__ import annotations

import typer


def mount(app: typer.Typer) -> None:
    """Add the commands to the command line."""
