"""Any address that takes JSON: our shape (docs/pager.md), or that of a Jinja2 template.

With a secret each request is signed over its time and its body, so that it can neither be forged nor be played back.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import FunctionLoader, StrictUndefined, Template, TemplateError, TemplateSyntaxError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from yarl import URL

from streams.pager.page import News, Notice, Page
from streams.pager.receiver import Receiver, RefusedError
from streams.pager.receivers.posting import Poster, as_json, settle, tells
from streams.pager.receivers.words import CLAUSE, QUEUE, TITLE, Words, plain
from streams.settings import ReceiverSettings

#: What a template may give at most.
TEMPLATE_BYTES = 64 << 10
_NEWS: tuple[News, ...] = ("opened", "escalated", "claimed", "resolved")


class TemplateFault(ValueError):  # noqa: N818 - a fault of settings, told at the start
    """The template cannot be used; the text says file, line and why."""


class Webhook(Receiver):
    """JSON to one address."""

    def __init__(self, given: ReceiverSettings, url: URL, words: Words, clock: Callable[[], float] = time.time) -> None:
        """``clock``: what the signature is stamped with. Raises TemplateFault where the template gives no JSON."""
        self.name = given.name
        self.tells = tells(given, *_NEWS)
        self._words, self._clock, self._poster = words, clock, Poster(given, url)
        self._secret = given.secret.get_secret_value()
        self._shape = Shape(given.template) if given.template else None
        if self._shape:
            for notice in _samples():
                self._shape.fill(fields_of(notice, words))

    async def tell(self, notice: Notice) -> None:
        """Return once it has taken the notice. Raises RetryError, RefusedError; nothing else."""
        body = self._body(notice)
        headers = {"Idempotency-Key": quote(notice.id, safe="")}
        if self._secret:
            headers["X-Sansheng-Signature"] = self._signature(body)
        settle(await self._poster.post(body, headers))

    async def close(self) -> None:
        """Let go of connections."""
        await self._poster.close()

    def _body(self, notice: Notice) -> bytes:
        fields = fields_of(notice, self._words)
        if not self._shape:
            return as_json(fields)
        try:
            return self._shape.fill(fields)
        except TemplateFault as fault:
            why = str(fault)
        raise RefusedError(f"{why} (mend the template)")

    def _signature(self, body: bytes) -> str:
        stamp = str(int(self._clock()))
        digest = hmac.new(self._secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
        return f"t={stamp},v1={digest}"


def fields_of(notice: Notice, words: Words) -> dict[str, Any]:
    """Our shape, and what a template may use. Fields are added, never taken away; times are Unix seconds."""
    page, said = notice.page, words.write(notice)
    return {
        "version": 1,
        "id": notice.id,
        "news": notice.news,
        "level": notice.level,
        "round": notice.round,
        "over": notice.over,
        "at": notice.at,
        "headline": said.headline,
        "text": said.text,
        "page": {
            "id": page.id,
            "rule": page.rule,
            "title": plain(page.title, TITLE),
            "title_en": plain(page.title_en, TITLE),
            "severity": page.severity,
            "queue": plain(page.queue, QUEUE),
            "site": page.site,
            "clause": plain(page.clause, CLAUSE),
            "at": page.at,
            "link": said.link,
        },
    }


class Shape:
    """A template in a sandbox: it sees the notice and nothing of this machine."""

    def __init__(self, file: Path) -> None:
        """Reads the file once. Raises TemplateFault."""
        self._file = file
        self._template = self._read()

    def fill(self, fields: dict[str, Any]) -> bytes:
        """The JSON that the template gives. Raises TemplateFault."""
        try:
            given = self._template.render(fields)
            parsed = json.loads(given)
        except json.JSONDecodeError as error:
            raise TemplateFault(
                f"{self._file}: what it gives for {fields['news']!r} is not JSON: line {error.lineno} of that: "
                f"{error.msg} (texts want the filter tojson, without quotes around it)"
            ) from None
        except (TemplateError, ArithmeticError, TypeError, ValueError, LookupError, AttributeError) as error:
            raise TemplateFault(f"{self._file}:{_line(error, self._file)}: {error}") from None
        body = as_json(parsed)
        if len(body) > TEMPLATE_BYTES:
            raise TemplateFault(f"{self._file}: it gives more than {TEMPLATE_BYTES >> 10} KiB")
        return body

    def _read(self) -> Template:
        try:
            source = self._file.read_text("utf-8")
        except OSError as error:
            raise TemplateFault(f"{self._file}: {error.strerror}") from None
        except UnicodeDecodeError:
            raise TemplateFault(f"{self._file}: is not UTF-8") from None
        loader = FunctionLoader(lambda name: (source, str(self._file), None) if name == self._file.name else None)
        house = ImmutableSandboxedEnvironment(loader=loader, undefined=StrictUndefined, autoescape=False)
        house.policies["json.dumps_function"] = _dumps
        try:
            return house.get_template(self._file.name)
        except TemplateSyntaxError as error:
            raise TemplateFault(f"{self._file}:{error.lineno}: {error.message}") from None


def _dumps(value: Any, **options: Any) -> str:
    """JSON of ``tojson``; a name that there is not is told by its name."""
    return json.dumps(value, default=str, **options)  # str() of what is undefined raises


def _line(error: Exception, file: Path) -> int:
    """The line of the template that an error came from; Jinja2 puts it into the traceback."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)]
    return (lines or [None])[-1] or 1


def _samples() -> Iterator[Notice]:
    """A notice of each kind, to try a template on; with marks that break JSON where it was not asked for."""
    page = Page(
        id="0123456789abcdef",
        rule="sample",
        title='示例 "引号" \\',
        title_en='Sample "quotes" \\',
        severity="critical",
        queue="support",
        site="main",
        clause="示例 4.2",
        at=1.7e9,
        link="http://127.0.0.1/alerts/0123456789abcdef",
    )
    for news in _NEWS:
        yield Notice(page=page, news=news, at=1.7e9)
    yield Notice(page=page, news="resolved", over="expired", at=1.7e9)
