"""PagerDuty, Events API v2: trigger, acknowledge and resolve under one dedup_key, the page's id.

A page that is opened anew is another incident, and the one before is over: whoever has acknowledged an incident is not
called again for it.

https://developer.pagerduty.com/docs/events-api-v2/trigger-events/
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from yarl import URL

from streams.pager.page import News, Notice
from streams.pager.receiver import Receiver
from streams.pager.receivers.posting import Answer, Poster, as_json, clean, rfc3339, settle, tells
from streams.pager.receivers.words import QUEUE, Words, plain
from streams.settings import ReceiverSettings

ADDRESS = "https://events.pagerduty.com/v2/enqueue"
_ACTIONS: Mapping[News, str] = MappingProxyType(
    {"opened": "trigger", "escalated": "trigger", "claimed": "acknowledge", "resolved": "resolve"}
)
_SEVERITIES = {"critical": "critical", "warning": "warning", "notice": "info"}


class PagerDuty(Receiver):
    """Events to one service of PagerDuty; its routing key is the receiver's secret."""

    def __init__(self, given: ReceiverSettings, url: URL, words: Words) -> None:
        """Nothing is connected yet."""
        self.name = given.name
        self.tells = tells(given, *_ACTIONS)
        self._words, self._poster = words, Poster(given, url)
        self._key = given.secret.get_secret_value()

    async def tell(self, notice: Notice) -> None:
        """Return once it has taken the notice. Raises RetryError, RefusedError; nothing else."""
        if notice.news in ("opened", "resolved"):  # an end may come before the new round was ever told
            for before in range(notice.round):  # not known here which of them there were; the others are passed over
                await self._send("resolve", _key(notice, before))
        action = _ACTIONS[notice.news]
        await self._send(action, _key(notice, notice.round), self._trigger(notice) if action == "trigger" else {})

    async def close(self) -> None:
        """Let go of connections."""
        await self._poster.close()

    async def _send(self, action: str, key: str, more: Mapping[str, Any] = MappingProxyType({})) -> None:
        event = {"routing_key": self._key, "event_action": action, "dedup_key": key, **more}
        answer = await self._poster.post(as_json(event))
        settle(answer, self._said(answer))

    def _trigger(self, notice: Notice) -> dict[str, Any]:
        page, said = notice.page, self._words.write(notice)
        return {
            "client": "Sansheng",
            "client_url": said.link,
            "links": [{"href": said.link, "text": said.button}],
            "payload": {
                "summary": said.headline,
                "source": f"sansheng-{plain(page.site, QUEUE)}",
                "severity": _SEVERITIES[page.severity],
                "timestamp": rfc3339(page.at),
                "component": plain(page.queue, QUEUE) or "direct",
                "group": plain(page.site, QUEUE),
                "class": plain(page.rule, QUEUE),
                "custom_details": {"level": notice.level, "news": said.news, "clause": said.basis},
            },
        }

    def _said(self, answer: Answer) -> str:
        """What it has against an event: its message and its errors."""
        body = answer.json
        if not isinstance(body, dict) or answer.status < 300:
            return ""
        errors = body.get("errors")
        texts = [body.get("message"), *(errors if isinstance(errors, list) else [])]
        return clean("; ".join(str(text) for text in texts if text), self._key)


def _key(notice: Notice, opened: int) -> str:
    """The incident of a page that was opened anew so often."""
    return f"{notice.page.id}.{opened}" if opened else notice.page.id
