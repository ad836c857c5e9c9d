"""A robot of a DingTalk group (钉钉自定义机器人), signed where it has a secret (加签).

https://open.dingtalk.com/document/robots/custom-robot-access: at most 20 messages a minute, or it is deaf for ten.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar

from yarl import URL

from streams.pager.pace import Limit
from streams.pager.page import Notice
from streams.pager.receivers.robots import Robot
from streams.pager.receivers.words import Words
from streams.settings import ReceiverSettings

#: Under the 20 of the documentation: the robot counts by its own clock, and a killed pager may have told one more.
LIMITS = (Limit(18, 60.0),)


class DingTalk(Robot):
    """Markdown to a DingTalk robot."""

    limits: tuple[Limit, ...] = LIMITS
    NEVER: ClassVar[Mapping[int, str]] = MappingProxyType(
        {
            310000: "look at its secret, its keywords and addresses, and at this machine's clock",
            300001: "look at the access_token in its url",
            300005: "look at the access_token in its url",
            400101: "look at the access_token in its url",
            400013: "its group was dissolved: make a robot in another one",
            400102: "the robot was switched off: switch it on in its group",
            400106: "the robot is gone: make a new one",
            400105: "its kind of message is not allowed there",
            40035: "it does not understand what it is sent: is its kind right?",
            430101: "its group forbids the link",
            430104: "its group forbids the words",
        }
    )
    TOO_QUICK: ClassVar[Mapping[int, float]] = MappingProxyType({130101: 60.0, 410100: 60.0, 660026: 60.0, 90030: 60.0})

    def __init__(self, given: ReceiverSettings, url: URL, words: Words, clock: Callable[[], float] = time.time) -> None:
        """``clock``: what the signature is stamped with."""
        super().__init__(given, url, words)
        self._clock = clock

    def message(self, notice: Notice) -> tuple[dict[str, Any], dict[str, str]]:
        """Markdown; the signature is in the query."""
        said = self._words.write(notice).flat
        link = f"[{said.button}]({said.link})"
        text = "  \n".join((f"**{said.headline}**", *said.lines, link, said.footer))
        body = {"msgtype": "markdown", "markdown": {"title": said.headline, "text": text}}
        return body, self._signature() if self._secret else {}

    def _signature(self) -> dict[str, str]:
        stamp = str(round(self._clock() * 1000))
        digest = hmac.new(self._secret.encode(), f"{stamp}\n{self._secret}".encode(), hashlib.sha256).digest()
        return {"timestamp": stamp, "sign": base64.b64encode(digest).decode()}
