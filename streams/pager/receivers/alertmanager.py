"""Alertmanager, https://prometheus.io/docs/alerting/latest/clients/: ``POST /api/v2/alerts``.

It forgets an alert that it is not told again (``endsAt``), so that a pager that is gone leaves nothing burning. Labels
are few and of few values: pages of the same rule, queue and severity are told apart by their slot, never by an id.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from yarl import URL

from streams.pager.page import Notice, Page
from streams.pager.receiver import Receiver
from streams.pager.receivers.posting import Poster, as_json, clean, rfc3339, secrets_of, settle, tells
from streams.pager.receivers.words import QUEUE, Words, address, plain
from streams.settings import ReceiverSettings

#: It is told again so often, and forgets after so long, seconds: several may go wrong.
REPEATS_S, FORGETS_S = 60.0, 300.0
#: What is over has been so for this long, seconds: an end that is still to come by Alertmanager's own clock would be
#: passed over in favour of the later one that it was told before.
SKEW_S = 30.0
#: Pages whose labels are known; more are never open at once.
_PAGES = 10_000

Labels = dict[str, str]


class Alertmanager(Receiver):
    """Opens, keeps and resolves alerts."""

    repeats_s = REPEATS_S

    def __init__(self, given: ReceiverSettings, url: URL, words: Words, clock: Callable[[], float] = time.time) -> None:
        """``url``: its base, with user and password where it wants them."""
        self.name = given.name
        self.tells = tells(given, "opened", "escalated", "still", "resolved")
        self._words, self._clock = words, clock
        self._poster = Poster(given, url / "api/v2/alerts")
        self._secrets = secrets_of(url)
        self._open: OrderedDict[str, Labels] = OrderedDict()

    async def tell(self, notice: Notice) -> None:
        """Return once it has taken the notice. Raises RetryError, RefusedError; nothing else."""
        labels, before = labels_of(notice.page), self._open.get(notice.page.id)
        over = notice.news == "resolved"
        alerts = [self._alert(notice, labels, over)]
        if before and before != labels:  # raised: another alert for Alertmanager, and the first one is over
            alerts.append(self._alert(notice, before, True))
        answer = await self._poster.post(as_json(alerts))
        settle(answer, clean(answer.json or "", *self._secrets) if answer.status == 400 else "")
        self._remember(notice.page.id, None if over else labels)

    async def close(self) -> None:
        """Let go of connections."""
        await self._poster.close()

    def _alert(self, notice: Notice, labels: Labels, over: bool) -> dict[str, Any]:
        now, page, said = self._clock(), notice.page, self._words.write(notice)
        starts = min(page.at, now)
        return {
            "labels": labels,
            "annotations": {
                "title": said.title,
                "summary": f"{said.title} \u00b7 {said.queue} \u00b7 {said.time}",
                "clause": said.basis,
                "link": said.link,
            },
            "startsAt": rfc3339(starts),
            "endsAt": rfc3339(max(starts, now - SKEW_S) if over else now + FORGETS_S),
            "generatorURL": address(page.link),
        }

    def _remember(self, page: str, labels: Labels | None) -> None:
        self._open.pop(page, None)
        if labels:
            self._open[page] = labels
        if len(self._open) > _PAGES:
            self._open.popitem(last=False)


def labels_of(page: Page) -> Labels:
    """The whole identity of an alert at Alertmanager."""
    return {
        "alertname": "SanshengPage",
        "rule": plain(page.rule, QUEUE),
        "severity": page.severity,
        "queue": plain(page.queue, QUEUE) or "direct",
        "site": plain(page.site, QUEUE),
        "slot": str(page.slot),
    }
