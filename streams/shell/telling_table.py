"""Faust's table, which tells when the broker has what was written to it.

Faust writes a table's changes behind the back of who makes them and says nothing. Until the broker has a state, the
event that brought it about may come again to a successor that knows nothing of it; what is to happen once for each
event has to wait for that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from faust.tables.table import Table


class TellingTable(Table):  # type: ignore[type-arg] # Faust's tables have no types worth having
    """A table whose newest write can be waited for."""

    _newest: Any

    def send_changelog(self, *what: Any, **more: Any) -> Any:
        """Called by Faust for each write."""
        self._newest = super().send_changelog(*what, **more)
        return self._newest

    def when_written(self, then: Callable[[], None]) -> None:
        """Call ``then`` once the broker has acknowledged the newest write; never where it does not."""
        self._newest.add_done_callback(lambda sent: None if _failed(sent) else then())


def _failed(sent: Any) -> bool:
    return sent.cancelled() or sent.exception() is not None
