"""What the store makes of messages: each call once, whatever comes again, in whatever pieces."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import func, select

from streams.archive import past
from streams.archive.schema import calls, records
from streams.archive.store import Store
from streams.events import Event
from streams.replay import read_record
from tests.archive_tools import Log, taken

SPEECH = Path(__file__).parent / "traces/speech"


def spoken(name: str = "escalation") -> list[Event]:
    return [event for event in read_record(SPEECH / f"{name}.ndjson") if isinstance(event, Event)]


@pytest.mark.parametrize("batch", [1, 7, 1000])
def test_a_call_is_kept_whole_in_whatever_pieces_it_comes(store: Store, batch: int) -> None:
    events = spoken()
    taken(store, Log().calls(events).messages, batch)  # type: ignore[arg-type]
    with store.reading() as connection:
        found = past.record(connection, "escalation")
        assert [event.at for event in found] == [event.at for event in events]
        row = connection.execute(select(calls)).one()
        assert (row.state, row.agent, row.transfers) == ("ended", "8030", 1)
        assert connection.scalar(select(func.count()).select_from(records)) == 1
        assert past.lines(connection, "escalation")[0].text.startswith("您好")
