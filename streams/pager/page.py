"""What a page is, and what a receiver is told about it. Pure.

Nothing in here is about a person: no call, no agent, no words, no login. What leaves the house is the rule, how grave
it is, the queue, when, and the address of a page that asks for a token.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from streams.alerts import Severity

#: ``opened``: somebody is called; ``escalated``: the same for a level above the first; ``claimed``: somebody has it;
#: ``resolved``: it is over; ``still``: nothing new, for a receiver that forgets (``Receiver.repeats_s``).
News = Literal["opened", "escalated", "claimed", "resolved", "still"]


class Page(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One page, for ever under one id: the alert's. ``at``: when the alert became what pages, Unix seconds.

    ``clause``: where the rule is written, as people cite it; ``queue`` "": a direct call; ``slot``: a number
    that no other open page of the same rule and queue has, from 1, and as low as can be: it tells open pages
    apart where ids may not stand (labels of Alertmanager). Each partition has numbers of its own, so that two pagers
    never give the same one; and a number is free again only when everybody has been told of the end.
    """

    id: str
    rule: str
    title: str
    title_en: str
    severity: Severity
    queue: str
    site: str
    clause: str
    at: float
    link: str
    slot: int = 1


class Notice(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One message to one receiver. ``level``: from 1; ``at``: when it was decided, Unix seconds.

    ``round``: how often the page has been opened anew, released by who had it or reopened; 0 for most. ``over``: with
    ``resolved``, why nobody follows it any more where it is not simply over: ``expired``, nobody ever took it.
    ``id`` is the page's and the news': told twice, a receiver that can tell does nothing the second time.
    """

    page: Page
    news: News
    level: int = 1
    at: float
    round: int = 0
    over: Literal["", "expired"] = ""

    @property
    def id(self) -> str:
        """The same for the same news of the same page, and another one when it is opened anew."""
        anew = f".{self.round}" if self.round else ""
        return f"{self.page.id}.{self.news}.{self.level}{anew}"
