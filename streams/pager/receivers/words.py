"""What people read in a page: Chinese first, English by the switch, cut at sane lengths. Pure.

Titles, clauses and queues come from rulebooks and PBXs, so nothing in them may act as markup where they are shown:
``flat`` puts look-alikes in the place of marks, which no robot's dialect of Markdown can take for its own.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from urllib.parse import quote
from zoneinfo import ZoneInfo

from msgspec import Struct

from streams.alerts import Severity
from streams.detectors.wording import SEVERITY_ZH
from streams.pager.page import Notice, Page

TITLE, CLAUSE, QUEUE, LINK = 80, 120, 40, 500
_SEVERITY_EN: Mapping[Severity, str] = MappingProxyType(
    {"critical": "Critical", "warning": "Warning", "notice": "Notice"}
)
_MARKS = str.maketrans({mark: chr(ord(mark) + 0xFEE0) for mark in "\\`*_{}[]()<>#+!|~@&"})
_ADDRESS = re.compile(r":(?=//)")


class Message(Struct, frozen=True):
    """One notice in words. ``headline`` fits a title, ``lines`` are the text below it without the link."""

    mark: str
    title: str
    queue: str
    time: str
    news: str
    basis: str
    act: str
    link: str
    footer: str

    @property
    def headline(self) -> str:
        """The whole page in a line: how grave, what, where, when."""
        return f"\u3010{self.mark}\u3011{self.title} \u00b7 {self.queue} \u00b7 {self.time}"

    @property
    def lines(self) -> tuple[str, ...]:
        """What is new, and where it is written; without empty lines."""
        return tuple(line for line in (self.news, self.basis) if line)

    @property
    def button(self) -> str:
        """What to do, as a link's own words."""
        return self.act.rstrip(":\uff1a ")

    @property
    def text(self) -> str:
        """All of it, for a place that knows no markup."""
        return "\n".join((self.headline, *self.lines, f"{self.act}{self.link}", self.footer))

    @property
    def flat(self) -> Message:
        """The same where marks would be markup; the link stays one."""
        return Message(
            mark=flat(self.mark),
            title=flat(self.title),
            queue=flat(self.queue),
            time=self.time,
            news=flat(self.news),
            basis=flat(self.basis),
            act=self.act,
            link=self.link,
            footer=flat(self.footer),
        )


class Words:
    """Writes notices, in the house's language and on its clock."""

    def __init__(self, zone: ZoneInfo, english: bool) -> None:
        self._zone, self._english = zone, english

    def write(self, notice: Notice) -> Message:
        """The notice in words."""
        page = notice.page
        titles = (page.title_en, page.title) if self._english else (page.title, page.title_en)
        return Message(
            mark=self._mark(notice),
            title=plain(titles[0] or titles[1] or page.rule, TITLE),
            queue=self._queue(page),
            time=self._time(page.at, notice.at),
            news=self._news(notice),
            basis=self._basis(page),
            act=self._act(notice),
            link=address(page.link),
            footer=f"{'Sansheng' if self._english else '三声'} \u00b7 {plain(page.site, QUEUE)}",
        )

    def _mark(self, notice: Notice) -> str:
        if notice.over == "expired":
            return "Nobody took it" if self._english else "超时未处理"
        if notice.news == "resolved":
            return "Resolved" if self._english else "已解除"
        if notice.news == "claimed":
            return "Claimed" if self._english else "已有人处理"
        return (_SEVERITY_EN if self._english else SEVERITY_ZH)[notice.page.severity]

    def _queue(self, page: Page) -> str:
        if not page.queue:
            return "direct call" if self._english else "直拨来电"
        return f"{'queue' if self._english else '队列'} {plain(page.queue, QUEUE)}"

    def _time(self, at: float, told_at: float) -> str:
        """09:12:31; with the day where it is told on another one, as after quiet hours."""
        then, told = (datetime.fromtimestamp(stamp, self._zone) for stamp in (at, told_at))
        clock = then.strftime("%H:%M:%S")
        if then.date() == told.date():
            return clock
        return f"{then:%Y-%m-%d} {clock}" if self._english else f"{then.month} 月 {then.day} 日 {clock}"

    def _news(self, notice: Notice) -> str:
        if notice.news == "escalated":
            zh = f"无人认领\uff0c升级到第 {notice.level} 级"
            return f"Nobody has claimed it: escalated to level {notice.level}" if self._english else zh
        if notice.news == "claimed":
            return "Somebody has it" if self._english else "已有人认领\uff0c无需再处理"
        if notice.over == "expired":
            zh = "一直无人认领\uff0c不再继续呼叫\uff1b告警可能仍未解除"
            return "Nobody claimed it; nobody is called any more, and it may still be so" if self._english else zh
        if notice.news == "resolved":
            return "It is over" if self._english else "告警已解除\uff0c无需再处理"
        if notice.round:
            return "Called again: nobody has it now" if self._english else "再次呼叫\uff1a目前无人处理"
        return ""

    def _basis(self, page: Page) -> str:
        clause = plain(page.clause, CLAUSE)
        if not clause:
            return ""
        return f"Basis: {clause}" if self._english else f"依据\uff1a{clause}"

    def _act(self, notice: Notice) -> str:
        over = notice.news in {"claimed", "resolved"} and not notice.over
        if self._english:
            return "See: " if over else "Open and handle: "
        return "查看\uff1a" if over else "请打开处理\uff1a"


def plain(text: str, length: int) -> str:
    """In one line, without characters that are not seen or that turn the text around; cut with an ellipsis."""
    seen = "".join(" " if unicodedata.category(c) in {"Cc", "Zl", "Zp", "Zs"} else c for c in text)
    line = " ".join("".join(c for c in seen if not unicodedata.category(c).startswith("C")).split())
    return line if len(line) <= length else line[: length - 1].rstrip() + "\u2026"


def flat(text: str) -> str:
    """Full-width look-alikes in the place of Markdown's and HTML's marks; no address becomes a link."""
    return _ADDRESS.sub("\uff1a", text.translate(_MARKS))


def address(link: str) -> str:
    """A link that ends no markup around it."""
    return quote(plain(link, LINK), safe=":/?#@&=+%.,;~-_")
