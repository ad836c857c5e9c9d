"""What the robots of DingTalk, WeCom and Feishu have in common: a code in the answer.

A robot says no with HTTP 200 (Feishu also with 400) and a code that is not 0. Codes that nothing but a person can mend
are refused for ever; every other one, unknown ones included, is tried again, for a page that is lost is worse than one
that is late.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from yarl import URL

from streams.pager.page import Notice
from streams.pager.receiver import Receiver, RefusedError, RetryError
from streams.pager.receivers.posting import Answer, Poster, as_json, clean, secrets_of, settle, tells
from streams.pager.receivers.words import Words
from streams.settings import ReceiverSettings


class Robot(Receiver):
    """One robot of a chat group."""

    #: The names of the answer's code and words, and the codes that mean "never" with what to do about them.
    CODE: ClassVar[str] = "errcode"
    SAYS: ClassVar[str] = "errmsg"
    NEVER: ClassVar[Mapping[int, str]] = {}
    #: Codes that mean "too quick", and for how long to be silent then, seconds.
    TOO_QUICK: ClassVar[Mapping[int, float]] = {}

    def __init__(self, given: ReceiverSettings, url: URL, words: Words) -> None:
        """Nothing is connected yet."""
        self.name = given.name
        self.tells = tells(given, "opened", "escalated", "claimed", "resolved")
        self._words, self._poster = words, Poster(given, url)
        self._secret = given.secret.get_secret_value()
        self._secrets = (self._secret, *secrets_of(url))

    async def tell(self, notice: Notice) -> None:
        """Return once it has taken the notice. Raises RetryError, RefusedError; nothing else."""
        body, query = self.message(notice)
        self._settle(await self._poster.post(as_json(body), query=query))

    async def close(self) -> None:
        """Let go of connections."""
        await self._poster.close()

    @abstractmethod
    def message(self, notice: Notice) -> tuple[dict[str, Any], dict[str, str]]:
        """Body and query as the robot wants them."""

    def never(self, code: int, _said: str) -> str:
        """What to do about a code that will not go away; empty: it may."""
        return self.NEVER.get(code, "")

    def _settle(self, answer: Answer) -> None:
        body = answer.json
        code = _code(body, self.CODE)
        if code is None:
            settle(answer)
            raise RetryError("its answer is not a robot's (look at its kind and its url)", maybe=True)
        if code == 0:
            return settle(answer)
        said = clean(body.get(self.SAYS) or "", *self._secrets)
        if mend := self.never(code, said):
            raise RefusedError(f"code {code}: {said} ({mend})")
        raise RetryError(f"code {code}: {said}", answer.after_s or self.TOO_QUICK.get(code), answer.is_fault)


def _code(body: Any, name: str) -> int | None:
    """The code of an answer; Feishu's older answers call it StatusCode."""
    if not isinstance(body, dict):
        return None
    code = body.get(name, body.get("StatusCode"))
    return code if isinstance(code, int) else None
