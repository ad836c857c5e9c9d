"""Posting to a receiver over HTTP, and what its answers mean.

Robots' addresses hold what opens them, so no address is ever part of a text: errors name what happened, the caller
names the receiver. Redirects are not followed, proxies of the environment not used, certificates verified; of an answer
64 KiB are read.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import ssl
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import SimpleNamespace
from typing import Any, NamedTuple

import aiohttp
from yarl import URL

from streams.pager.receiver import RefusedError, RetryError
from streams.pager.receivers.words import plain
from streams.settings import ReceiverSettings

#: An answer's rest is not read.
ANSWER_BYTES = 64 << 10
#: What is refused with one of these may be taken later.
_LATER = frozenset({408, 425, 429})
_SAID = 200
#: Shorter parts of an address are words.
_SECRET_FROM = 8
_MENDS = {
    **dict.fromkeys((301, 302, 307, 308), "put the address that it redirects to into its url"),
    400: "it does not understand what it is sent: is its kind right?",
    **dict.fromkeys((401, 403), "look at its secret, and at user and password in its url"),
    **dict.fromkeys((404, 405, 410), "look at its url"),
}


class Answer(NamedTuple):
    """What came back. ``after_s``: how long it asks to be left alone, seconds."""

    status: int
    body: bytes
    after_s: float | None

    @property
    def is_fault(self) -> bool:
        """The server itself, or one on the way to it, failed: what it had done by then is not known."""
        return self.status >= 500

    @property
    def json(self) -> Any:
        """The body, or None where it is not JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


class Poster:
    """Posts to one receiver over connections of its own."""

    def __init__(self, given: ReceiverSettings, url: URL, clock: Callable[[], float] = time.time) -> None:
        """``url`` may hold user and password: sent as basic authentication. Nothing is connected yet."""
        self._timeout_s, self._clock = given.timeout_s, clock
        self._auth = _basic(url)
        self._url = url.with_user(None)
        self._session: aiohttp.ClientSession | None = None

    async def post(
        self, body: bytes, headers: Mapping[str, str] | None = None, query: Mapping[str, str] | None = None
    ) -> Answer:
        """The answer, whatever it says. Raises RetryError where there is none: maybe taken, once it was being sent."""
        url = self._url.update_query(query) if query else self._url
        sent = {"Content-Type": "application/json; charset=utf-8", **(headers or {})}
        why, is_sent = "", asyncio.Event()
        asked = self._connected().post(url, data=body, headers=sent, allow_redirects=False, trace_request_ctx=is_sent)
        try:
            async with asked as answer:
                after_s = retry_after(answer.headers, self._clock())
                return Answer(answer.status, await _read(answer.content), after_s)
        except TimeoutError:
            why = f"no answer within {self._timeout_s:g} s"
        except aiohttp.ClientConnectorCertificateError as error:
            reason = getattr(error.certificate_error, "verify_message", "")
            why = f"its certificate is not to be trusted{': ' * bool(reason)}{reason}"
        except (aiohttp.ClientError, OSError) as error:
            why = _reason(error)
        raise RetryError(why, maybe=is_sent.is_set())  # outside, so that no error that knows the address hangs on it

    def _connected(self) -> aiohttp.ClientSession:
        if self._session is None:
            sending = aiohttp.TraceConfig()
            sending.on_request_headers_sent.append(_is_sent)
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=ssl.create_default_context(), limit=2),
                timeout=aiohttp.ClientTimeout(total=self._timeout_s),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": "sansheng-pager", "Accept-Encoding": "identity", **self._auth},
                trust_env=False,
                trace_configs=[sending],
            )
        return self._session

    async def close(self) -> None:
        """Let go of connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None


def as_json(body: Any) -> bytes:
    """A body as it is sent: UTF-8."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def rfc3339(at: float) -> str:
    """A time, Unix seconds, as JSON has it."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")


def settle(answer: Answer, said: str = "") -> None:
    """Return where it was taken. Raises RetryError, RefusedError. ``said``: the receiver's words, without secrets."""
    if 200 <= answer.status < 300:
        return
    mend = _MENDS.get(answer.status, "")
    why = f"HTTP {answer.status}{': ' * bool(said)}{said}"
    if 400 <= answer.status < 500 and answer.status not in _LATER:
        raise RefusedError(f"{why} ({mend or 'look at its settings'})")
    raise RetryError(f"{why} ({mend})" if mend else why, answer.after_s, answer.is_fault)


def clean(said: Any, *secrets: str) -> str:
    """A receiver's own words: one short line, without addresses and without what it may have echoed."""
    text = said if isinstance(said, str) else json.dumps(said, ensure_ascii=False)
    for secret in secrets:
        text = text.replace(secret, "\u2026") if secret else text
    return plain(re.sub(r"\w+://\S+", "\u2026", text), _SAID)


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """How long it asks to be left alone, seconds: Retry-After as a number or a date, or Feishu's own header.

    Never less than 0; None where nothing readable is asked for.
    """
    given = headers.get("Retry-After") or headers.get("x-ogw-ratelimit-reset") or ""
    if given.strip().isascii() and given.strip().isdigit():
        return float(given)
    try:
        at = parsedate_to_datetime(given).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
    return max(at - now, 0.0)


def secrets_of(url: URL) -> tuple[str, ...]:
    """What of an address may be a secret: its query's values, its password, what is long in its path."""
    return tuple(part for part in (*url.query.values(), url.password or "", *url.parts) if len(part) >= _SECRET_FROM)


def tells(given: ReceiverSettings, *news: str) -> frozenset[str]:
    """The news that a receiver is told; without ``resolved`` where that was switched off."""
    return frozenset(news) - (frozenset() if given.resolves else {"resolved"})


def _basic(url: URL) -> dict[str, str]:
    """The header that shows user and password of an address."""
    if not url.user:
        return {}
    return {"Authorization": f"Basic {base64.b64encode(f'{url.user}:{url.password or str()}'.encode()).decode()}"}


async def _is_sent(_session: aiohttp.ClientSession, context: SimpleNamespace, _what: object) -> None:
    """The request is on its way; whether it arrives is not known from now on."""
    context.trace_request_ctx.set()


async def _read(content: aiohttp.StreamReader) -> bytes:
    """The first 64 KiB of an answer."""
    body = b""
    while len(body) < ANSWER_BYTES and (part := await content.read(ANSWER_BYTES - len(body))):
        body += part
    return body


def _reason(error: aiohttp.ClientError | OSError) -> str:
    """What happened, in words that hold neither address nor token."""
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "no connection: its name is not known here"
    if isinstance(error, aiohttp.ClientSSLError):
        return "no connection: TLS failed"
    if isinstance(error, aiohttp.ClientConnectorError | OSError):
        number = getattr(error, "os_error", error).errno
        return f"no connection: {os.strerror(number)}" if number else "no connection"
    if isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientPayloadError | asyncio.IncompleteReadError):
        return "the connection broke off before the answer was whole"
    return f"no answer that is HTTP ({type(error).__name__})"
