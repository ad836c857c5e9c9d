"""A robot of a WeCom group (企业微信群机器人); what opens it is the key in its address.

https://developer.work.weixin.qq.com/document/path/91770: at most 20 messages a minute, 4096 bytes of Markdown each.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

from streams.pager.pace import Limit
from streams.pager.page import Notice
from streams.pager.receivers.robots import Robot

LIMITS = (Limit(18, 60.0),)
_COLOURS = {"resolved": "info", "claimed": "comment"}


class WeCom(Robot):
    """Markdown to a WeCom robot."""

    limits: tuple[Limit, ...] = LIMITS
    NEVER: ClassVar[Mapping[int, str]] = MappingProxyType(
        {
            93000: "look at the key in its url",
            93004: "the robot was switched off: switch it on in its group",
            93008: "the robot is not in its group any more: make a new one",
            40008: "it does not understand what it is sent: is its kind right?",
            40035: "it does not understand what it is sent: is its kind right?",
            40058: "it does not understand what it is sent: is its kind right?",
        }
    )
    TOO_QUICK: ClassVar[Mapping[int, float]] = MappingProxyType({45009: 60.0, 45033: 10.0})

    def message(self, notice: Notice) -> tuple[dict[str, Any], dict[str, str]]:
        """Markdown; there is no signature."""
        said = self._words.write(notice).flat
        colour = _COLOURS.get("" if notice.over else notice.news, "warning")
        head = f'<font color="{colour}">{said.headline}</font>'
        link = f"[{said.button}]({said.link})"
        text = "\n".join((head, *(f"> {line}" for line in said.lines), link, said.footer))
        return {"msgtype": "markdown", "markdown": {"content": text}}, {}
