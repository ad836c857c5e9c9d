"""A robot of a Feishu group (飞书自定义机器人), signed where it has a secret (签名校验).

https://open.feishu.cn/document/client-docs/bot-v3/add-custom-bot: at most 100 messages a minute and 5 a second. The
signature's key is what is signed elsewhere: HMAC with the key "<stamp>\\n<secret>" over nothing.
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
from streams.pager.receivers.words import Message, Words
from streams.settings import ReceiverSettings

LIMITS = (Limit(90, 60.0), Limit(4, 1.0))
_COLOURS = {"critical": "red", "warning": "orange", "notice": "blue", "resolved": "green", "claimed": "grey"}
_BAD_REQUEST = 9499


class Feishu(Robot):
    """A card to a Feishu robot; its texts are plain ones, so that nothing in them is markup."""

    limits: tuple[Limit, ...] = LIMITS
    CODE: ClassVar[str] = "code"
    SAYS: ClassVar[str] = "msg"
    NEVER: ClassVar[Mapping[int, str]] = MappingProxyType(
        {
            19001: "look at its url",
            19002: "it does not understand what it is sent: is its kind right?",
            19021: "look at its secret, and at this machine's clock",
            19022: "this machine's address is not on its list",
            19024: "none of its keywords is in the message: take a signature instead, or the keyword \u4e09\u58f0",
        }
    )
    TOO_QUICK: ClassVar[Mapping[int, float]] = MappingProxyType({11232: 10.0, 9499: 10.0, 99991400: 10.0})

    def __init__(self, given: ReceiverSettings, url: URL, words: Words, clock: Callable[[], float] = time.time) -> None:
        """``clock``: what the signature is stamped with."""
        super().__init__(given, url, words)
        self._clock = clock

    def message(self, notice: Notice) -> tuple[dict[str, Any], dict[str, str]]:
        """An interactive card; the signature is in the body."""
        said = self._words.write(notice)
        known = "" if notice.over else notice.news  # nobody took it: as grave as ever
        colour = _COLOURS.get(known) or _COLOURS[notice.page.severity]
        return {
            **(self._signature() if self._secret else {}),
            "msg_type": "interactive",
            "card": _card(said, colour),
        }, {}

    def never(self, code: int, said: str) -> str:
        """The robot says 9499 both to a bad request and to one too many; only its words tell them apart."""
        if code == _BAD_REQUEST and "too many" not in said.lower():
            return "it does not understand what it is sent: is its kind right?"
        return super().never(code, said)

    def _signature(self) -> dict[str, str]:
        stamp = str(int(self._clock()))
        digest = hmac.new(f"{stamp}\n{self._secret}".encode(), b"", hashlib.sha256).digest()
        return {"timestamp": stamp, "sign": base64.b64encode(digest).decode()}


def _card(said: Message, colour: str) -> dict[str, Any]:
    texts = [_plain(line) for line in said.lines]
    button = {"tag": "button", "type": "primary", "text": _plain(said.button), "url": said.link}
    return {
        "header": {"template": colour, "title": _plain(said.headline)},
        "elements": [
            *({"tag": "div", "text": text} for text in texts),
            {"tag": "action", "actions": [button]},
            {"tag": "note", "elements": [_plain(said.footer)]},
        ],
    }


def _plain(text: str) -> dict[str, str]:
    return {"tag": "plain_text", "content": text}
