"""E-mail over SMTP with TLS, in a thread: the standard library's client blocks.

A password is never sent in the clear, but to this machine itself. All mails of a page are one conversation: the first
one's Message-ID is made from the page's id, and later ones refer to it; a double has the Message-ID of the first.
"""

from __future__ import annotations

import asyncio
import logging
import smtplib
import ssl
import threading
from collections import OrderedDict
from contextlib import suppress
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate
from typing import NamedTuple
from urllib.parse import quote

from yarl import URL

from streams.pager.page import Notice, Page
from streams.pager.receiver import Receiver, RefusedError, RetryError
from streams.pager.receivers.posting import clean, tells
from streams.pager.receivers.words import Words, plain
from streams.settings import ReceiverSettings

log = logging.getLogger("sansheng.pager")

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_PORTS = {"smtp": 587, "smtps": 465}
#: Notices that only some have got are remembered, so that the others alone get them again.
_PARTLY = 1000


class _Left(NamedTuple):
    """Who has not got a notice yet. ``taken``: some have."""

    to: list[str]
    taken: bool


class Mail(Receiver):
    """Mails to a list of people."""

    def __init__(self, given: ReceiverSettings, url: URL, words: Words) -> None:
        """``url``: smtp (STARTTLS) or smtps. Raises ValueError where an address of the settings is none."""
        self.name = given.name
        self.tells = tells(given, "opened", "escalated", "claimed", "resolved")
        self._words, self._url, self._timeout_s = words, url, given.timeout_s
        self._from, self._to = _address(given.sender), tuple(_address(one) for one in given.to)
        self._late = f"no answer within {given.timeout_s:g} s"
        self._left: OrderedDict[str, _Left] = OrderedDict()

    async def tell(self, notice: Notice) -> None:
        """Return once the server has taken the mail for everybody. Raises RetryError, RefusedError; nothing else."""
        why: RetryError | RefusedError
        is_sent = threading.Event()
        try:
            return await asyncio.to_thread(self._send, notice, is_sent)
        except (RetryError, RefusedError):
            raise
        except smtplib.SMTPResponseException as error:
            why = self._no(error.smtp_code, error.smtp_error)
        except ssl.SSLCertVerificationError as error:
            why = RetryError(f"its certificate is not to be trusted: {error.verify_message}")
        except TimeoutError:
            why = RetryError(self._late, maybe=is_sent.is_set())
        except smtplib.SMTPServerDisconnected as error:  # also what smtplib makes of its own timeout
            late = isinstance(error.__context__, TimeoutError)
            text = self._late if late else "the connection broke off before the answer was whole"
            why = RetryError(text, maybe=is_sent.is_set())
        except smtplib.SMTPException as error:
            why = RetryError(f"no answer that is SMTP's ({type(error).__name__})", maybe=is_sent.is_set())
        except OSError as error:
            why = RetryError(f"no connection: {error.strerror or type(error).__name__}", maybe=is_sent.is_set())
        raise why  # outside, so that no error that knows the password hangs on it

    async def close(self) -> None:
        """Nothing stays open between mails."""

    def _send(self, notice: Notice, is_sent: threading.Event) -> None:
        """``is_sent`` is set when the mail itself is begun: where that breaks off, it may have been taken."""
        to = self._left[notice.id].to if notice.id in self._left else [one.addr_spec for one in self._to]
        server = self._connected()
        is_sent.set()
        try:
            refused = server.send_message(self.mail(notice), self._from.addr_spec, to)
        except smtplib.SMTPRecipientsRefused as error:
            refused = error.recipients
        except BaseException:
            server.close()
            raise
        with suppress(smtplib.SMTPException, OSError):  # it has the mail; how it says goodbye changes nothing
            server.quit()
        self._settle(notice, refused, len(to))

    def _settle(self, notice: Notice, refused: dict[str, tuple[int, bytes]], tried: int) -> None:
        """Those that are refused for now get it later; those refused for ever count only where nobody got it."""
        later = [one for one, (code, _) in refused.items() if code < 500]
        before = self._left.pop(notice.id, None)
        taken = len(refused) < tried or (before is not None and before.taken)
        if later:
            self._left[notice.id] = _Left(later, taken)
            if len(self._left) > _PARTLY:
                self._left.popitem(last=False)
            raise RetryError(f"{len(later)} of {len(self._to)} recipients are not taken now", maybe=taken)
        if not taken:
            raise RefusedError(f"none of {tried} recipients is taken (look at its to)")
        if refused:
            log.error("receiver %s: %d of %d recipients are refused for ever", self.name, len(refused), tried)

    def _connected(self) -> smtplib.SMTP:
        host, port = self._url.host or "", self._url.explicit_port or _PORTS[self._url.scheme]
        context = ssl.create_default_context()
        if self._url.scheme == "smtps":
            server: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=self._timeout_s, context=context)
        else:
            server = smtplib.SMTP(host, port, timeout=self._timeout_s)
        try:
            self._greet(server, context)
        except BaseException:
            server.close()
            raise
        return server

    def _greet(self, server: smtplib.SMTP, context: ssl.SSLContext) -> None:
        """TLS where it is offered, then the login."""
        server.ehlo()
        if self._url.scheme == "smtp" and server.has_extn("starttls"):
            server.starttls(context=context)
            server.ehlo()
        elif self._url.scheme == "smtp" and self._url.host not in LOOPBACK:
            raise RetryError("the server offers no STARTTLS (take smtps:// or another server: pages go encrypted)")
        if self._url.user:
            try:
                server.login(self._url.user, self._url.password or "")
            except smtplib.SMTPNotSupportedError:
                raise RefusedError("the server takes no login (leave user and password out of its url)") from None

    def _no(self, code: int, said: bytes | str) -> RetryError | RefusedError:
        """4xx: later; 5xx: never (RFC 5321, 4.2.1)."""
        text = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
        why = f"SMTP {code}: {clean(text, self._url.password or '', self._url.user or '')}"
        if code in {530, 534, 535}:
            return RefusedError(f"{why} (look at user and password in its url)")
        return RefusedError(f"{why} (look at its sender and its to)") if code >= 500 else RetryError(why)

    def mail(self, notice: Notice) -> EmailMessage:
        """Subject and text; every header is made from one line."""
        page, said = notice.page, self._words.write(notice)
        mail = EmailMessage(policy=SMTP)
        mail["From"], mail["To"], mail["Subject"] = self._from, self._to, plain(said.headline, 200)
        mail["Date"] = formatdate(notice.at, localtime=False)
        mail["Message-ID"] = _message_id(page, notice.id)
        first = _message_id(page, f"{page.id}.opened.1")
        if first != mail["Message-ID"]:
            mail["In-Reply-To"] = mail["References"] = first
        mail["Auto-Submitted"] = "auto-generated"
        if page.severity == "critical" and notice.news in {"opened", "escalated"}:
            mail["Importance"] = "high"
        mail.set_content(said.text + "\n", charset="utf-8")
        return mail


def _message_id(page: Page, name: str) -> str:
    return f"<{quote(name, safe='')}@{quote(page.site, safe='')}.sansheng.invalid>"


def _address(text: str) -> Address:
    """An address as in settings: name@host, or Name <name@host>. Raises ValueError."""
    name, bracket, rest = text.rpartition("<")
    spec = rest.removesuffix(">") if bracket else text
    if text.isprintable() and spec.isascii() and not any(mark in spec for mark in " ,;<>\"'"):
        with suppress(ValueError, MessageError, LookupError, AttributeError):  # all of them are Address' way to say no
            address = Address(name.strip().strip('"') if bracket else "", addr_spec=spec)
            if address.username and address.domain:
                return address
    raise ValueError("an address is no address such as name@example.org")
