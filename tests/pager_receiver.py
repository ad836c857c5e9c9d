"""The other end of pages, for tests: a real HTTP server that behaves as robots, PagerDuty and webhooks do, and badly.

What is signed is verified with code of its own, after the services' documentation: nothing of streams.pager is used
here, so that a fault there is not repeated here. It runs in a thread; its methods may be called from any other.

    with PagerReceiver(secret="s3cret") as receiver:
        receiver.will(answer(429, headers={"Retry-After": "7"}), HANG, CUT)  # the next three; then it is well again
        ... ReceiverSettings(kind="dingtalk", url=receiver.url("dingtalk"), secret="s3cret") ...
        receiver.kill()   # every connection is torn, the port is closed
        receiver.start()  # the same port again
        assert receiver.news_of(page_id) == ["opened", "resolved"]
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import re
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from aiohttp import web

from streams.shell.kafka import free_port

KINDS = ("alertmanager", "pagerduty", "dingtalk", "wecom", "feishu", "webhook")
#: What stands in the robots' addresses and opens them.
TOKEN = "t0ken-of-the-robot"  # noqa: S105 - of robots that do not exist
_PATHS = {
    "alertmanager": "/alertmanager",
    "pagerduty": "/v2/enqueue",
    "dingtalk": f"/robot/send?access_token={TOKEN}",
    "wecom": f"/cgi-bin/webhook/send?key={TOKEN}",
    "feishu": f"/open-apis/bot/v2/hook/{TOKEN}",
    "webhook": "/webhook",
}
_MILLISECONDS = 1000


@dataclass(frozen=True)
class Behaviour:
    """How the next request is answered. ``how``: ``answer``, ``hang`` for ever, or ``cut`` in mid-answer."""

    how: str
    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


def answer(status: int, body: Any = b"", headers: Mapping[str, str] | None = None) -> Behaviour:
    """That status; a body that is not bytes is sent as JSON. What is answered so is not taken."""
    return Behaviour("answer", status, body if isinstance(body, bytes) else json.dumps(body).encode(), headers or {})


#: Never answers; nothing is taken.
HANG = Behaviour("hang")
#: Takes it, and the connection breaks in the middle of the answer: the sender cannot know.
CUT = Behaviour("cut")


@dataclass(frozen=True)
class Got:
    """One request. ``page``, ``news``: what it is about, as its receiver understands it; ``taken``: it was not refused.

    ``key``: what tells doubles where the kind has it: the header Idempotency-Key.
    """

    kind: str
    page: str
    news: str
    body: Any
    headers: Mapping[str, str]
    at: float
    taken: bool
    key: str = ""


class PagerReceiver:
    """One server for all kinds; ``url(kind)`` is what a ReceiverSettings wants."""

    def __init__(self, secret: str = "", tls: tuple[Path, Path] | None = None, clock: Callable[[], float] = time.time):
        """``secret``: of DingTalk, Feishu, webhook and PagerDuty, checked where given; ``tls``: certificate, key."""
        self.port = free_port()
        self.seen: list[Got] = []
        self.requests = 0
        self._secret, self._tls, self._clock = secret, tls, clock
        self._next: deque[Behaviour] = deque()
        self._steady: Behaviour | None = None
        self._changed = threading.Condition()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._runner: web.AppRunner | None = None

    # ------------------------------------------------------------------------------------------- life

    def start(self) -> None:
        """Listen on ``port``; returns when connections are taken."""
        ready, failed = threading.Event(), []

        def serve() -> None:
            loop = self._loop = asyncio.new_event_loop()
            try:
                loop.run_until_complete(self._listen())
            except OSError as error:
                failed.append(error)
                return
            finally:
                ready.set()
            loop.run_forever()
            loop.run_until_complete(self._end())
            loop.close()

        self._thread = threading.Thread(target=serve, name="pager-receiver", daemon=True)
        self._thread.start()
        ready.wait()
        if failed:
            raise failed[0]

    def kill(self) -> None:
        """As a process that dies: connections are torn, nobody listens any more."""
        if self._loop and self._thread and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(10)
            assert not self._thread.is_alive(), "the receiver does not die"
        self._thread = None

    stop = kill

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    async def _listen(self) -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._take)
        self._runner = web.AppRunner(app, handle_signals=False, access_log=None, shutdown_timeout=0)
        await self._runner.setup()
        context = None
        if self._tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*self._tls)
        await web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=context, reuse_address=True).start()

    async def _end(self) -> None:
        assert self._runner is not None and self._runner.server is not None
        for connection in self._runner.server.connections:
            if connection.transport is not None:
                connection.transport.abort()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:  # also those that hang; cleaning up would wait for them
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self._runner.cleanup()

    # ------------------------------------------------------------------------------------ how it answers

    def url(self, kind: str) -> str:
        """The address of that kind, token and all."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}{_PATHS[kind]}"

    def will(self, *behaviours: Behaviour) -> None:
        """Answer the next requests so, one after the other; it is well again afterwards."""
        self._next.extend(behaviours)

    def always(self, behaviour: Behaviour | None) -> None:
        """Answer every request so, until told otherwise; None: it is well."""
        self._steady = behaviour

    # -------------------------------------------------------------------------------------- what it got

    @property
    def taken(self) -> list[Got]:
        """What it took, in order, doubles included."""
        with self._changed:
            return [got for got in self.seen if got.taken]

    def news_of(self, page: str, kind: str | None = None) -> list[str]:
        """What it was told about that page, in order, doubles included."""
        return [got.news for got in self.taken if got.page == page and kind in {None, got.kind}]

    def pages(self) -> dict[str, list[str]]:
        """The news by page."""
        return {page: self.news_of(page) for page in dict.fromkeys(got.page for got in self.taken)}

    def wait(self, until: Callable[[Self], bool], timeout_s: float = 20) -> bool:
        """Block until that is so; false where it is not so in time."""
        with self._changed:
            return self._changed.wait_for(lambda: until(self), timeout_s)

    async def until(self, so: Callable[[Self], bool], timeout_s: float = 20) -> bool:
        """``wait`` for tests with a loop of their own."""
        return await asyncio.to_thread(self.wait, so, timeout_s)

    # ----------------------------------------------------------------------------------------- serving

    async def _take(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        behaviour = self._next.popleft() if self._next else self._steady or Behaviour("well")
        kind = _kind(request.path)
        status, body = self._judge(kind, request, raw)
        taken = status < 300 and body.get("errcode", 0) == 0 and body.get("code", 0) == 0
        taken = taken and behaviour.how in {"well", "cut"}
        self._keep(kind, request, raw, taken)
        if behaviour.how == "hang":
            await asyncio.sleep(3600)
        if behaviour.how == "cut":
            return await _cut(request)
        if behaviour.how == "answer":
            return web.Response(status=behaviour.status, body=behaviour.body, headers=dict(behaviour.headers))
        return web.json_response(body, status=status)

    def _keep(self, kind: str, request: web.Request, raw: bytes, taken: bool) -> None:
        try:
            body = json.loads(raw)
        except ValueError:
            body = raw
        key = request.headers.get("Idempotency-Key", "")
        with self._changed:
            self.requests += 1
            for page, news in _about(kind, body, key) if isinstance(body, dict | list) else [("", "")]:
                self.seen.append(Got(kind, page, news, body, dict(request.headers), self._clock(), taken, key))
            self._changed.notify_all()

    def _judge(self, kind: str, request: web.Request, raw: bytes) -> tuple[int, dict[str, Any]]:
        """Status and body as that kind answers."""
        if request.method != "POST" or not raw:
            return 405, {"message": "POST wanted"}
        return {
            "dingtalk": self._dingtalk,
            "wecom": self._wecom,
            "feishu": self._feishu,
            "webhook": self._webhook,
            "pagerduty": self._pagerduty,
            "alertmanager": self._alertmanager,
        }.get(kind, lambda *_: (404, {"message": "no such page"}))(request, raw)

    def _dingtalk(self, request: web.Request, raw: bytes) -> tuple[int, dict[str, Any]]:
        """https://open.dingtalk.com/document/robots/customize-robot-security-settings"""
        message = json.loads(raw)
        if request.query.get("access_token") != TOKEN:
            return 200, {"errcode": 300005, "errmsg": "token is not exist"}
        if self._secret:
            stamp = request.query.get("timestamp", "")
            wanted = _sign(key=self._secret, text=f"{stamp}\n{self._secret}")
            if not stamp.isdigit() or abs(self._clock() - int(stamp) / _MILLISECONDS) > 3600:
                return 200, {"errcode": 310000, "errmsg": "invalid timestamp"}
            if request.query.get("sign") != wanted:
                return 200, {"errcode": 310000, "errmsg": "sign not match"}
        if message.get("msgtype") != "markdown" or not message["markdown"]["title"] or not message["markdown"]["text"]:
            return 200, {"errcode": 40035, "errmsg": "缺少参数 json"}
        return 200, {"errcode": 0, "errmsg": "ok"}

    def _wecom(self, request: web.Request, raw: bytes) -> tuple[int, dict[str, Any]]:
        message = json.loads(raw)
        if request.query.get("key") != TOKEN:
            return 200, {"errcode": 93000, "errmsg": f"invalid webhook url, from key {request.query.get('key')}"}
        if message.get("msgtype") != "markdown":
            return 200, {"errcode": 40008, "errmsg": "invalid message type"}
        if len(message["markdown"]["content"].encode()) > 4096:
            return 200, {"errcode": 40058, "errmsg": "markdown.content exceed max length 4096"}
        return 200, {"errcode": 0, "errmsg": "ok"}

    def _feishu(self, request: web.Request, raw: bytes) -> tuple[int, dict[str, Any]]:
        message = json.loads(raw)
        if not request.path.endswith(TOKEN):
            return 400, {"code": 19001, "msg": "param invalid: incoming webhook access token invalid"}
        if self._secret:
            stamp = str(message.get("timestamp", ""))
            wanted = _sign(key=f"{stamp}\n{self._secret}", text="")
            if not stamp.isdigit() or abs(self._clock() - int(stamp)) > 3600 or message.get("sign") != wanted:
                why = "sign match fail or timestamp is not within one hour from current time"
                return 200, {"code": 19021, "msg": why, "data": {}}
        if message.get("msg_type") != "interactive" or not message["card"]["header"]["title"]["content"]:
            return 400, {"code": 9499, "msg": "Bad Request", "data": {}}
        return 200, {"StatusCode": 0, "StatusMessage": "success", "code": 0, "data": {}, "msg": "success"}

    def _webhook(self, request: web.Request, raw: bytes) -> tuple[int, dict[str, Any]]:
        if self._secret:
            shown = dict(
                part.split("=", 1) for part in request.headers.get("X-Sansheng-Signature", "").split(",") if part
            )
            signed = shown.get("t", "").encode() + b"." + raw
            wanted = hmac.new(self._secret.encode(), signed, hashlib.sha256).hexdigest()
            if abs(self._clock() - int(shown.get("t") or 0)) > 300 or shown.get("v1") != wanted:
                return 401, {"message": "the signature is wrong"}
        return 200, {"message": "taken"}

    def _pagerduty(self, request: web.Request, raw: bytes) -> tuple[int, dict[str, Any]]:
        event = json.loads(raw)
        errors = []
        if self._secret and event.get("routing_key") != self._secret:
            errors.append("Invalid routing key")
        if event.get("event_action") not in {"trigger", "acknowledge", "resolve"}:
            errors.append("'event_action' is invalid")
        if event.get("event_action") == "trigger":
            payload = event.get("payload", {})
            errors += [
                f"'payload.{name}' is missing or blank" for name in ("summary", "source") if not payload.get(name)
            ]
            if payload.get("severity") not in {"critical", "error", "warning", "info"}:
                errors.append("'payload.severity' is invalid (must be one of 'critical', 'warning', 'error' or 'info')")
        if errors:
            return 400, {"status": "invalid event", "message": "Event object is invalid", "errors": errors}
        return 202, {"status": "success", "message": "Event processed", "dedup_key": event.get("dedup_key")}

    def _alertmanager(self, request: web.Request, raw: bytes) -> tuple[int, dict[str, Any]]:
        """Only for trouble: what a real one makes of alerts, a real one says (tests/monitoring_tools.py)."""
        return (200, {}) if request.path.endswith("/api/v2/alerts") else (404, {})


def _sign(key: str, text: str) -> str:
    return base64.b64encode(hmac.new(key.encode(), text.encode(), digestmod=hashlib.sha256).digest()).decode()


def _kind(path: str) -> str:
    starts = {kind: known.partition("?")[0].removesuffix(f"/{TOKEN}") for kind, known in _PATHS.items()}
    return next((kind for kind, start in starts.items() if path.startswith(start)), "")


def _about(kind: str, body: Any, key: str) -> Iterator[tuple[str, str]]:
    """The pages in a request, each with its news."""
    if kind == "pagerduty":
        level = body.get("payload", {}).get("custom_details", {}).get("level", 1)
        first = "opened" if level == 1 else "escalated"
        news = {"trigger": first, "acknowledge": "claimed", "resolve": "resolved"}
        yield body.get("dedup_key", "").partition(".")[0], news.get(body.get("event_action"), "")
    elif kind == "alertmanager":
        for alert in body:
            burning = datetime.fromisoformat(alert["endsAt"]).timestamp() > time.time() + 1
            yield _page_in(alert.get("generatorURL", "")), "still" if burning else "resolved"
    elif kind == "webhook" and "page" in body:
        yield body["page"]["id"], body["news"]
    elif kind == "webhook" and key.count(".") >= 2:
        page, news, *_ = key.split(".")
        yield page, news
    else:
        text = json.dumps(body, ensure_ascii=False)
        yield _page_in(text), _news_in(text)


def _page_in(text: str) -> str:
    found = re.search(r"/alerts/([\w-]+)", text)
    return found.group(1) if found else ""


def _news_in(text: str) -> str:
    """The news in a robot's message, in the words that people read."""
    words = {
        "claimed": ("已有人处理", "Somebody has it"),
        "resolved": ("已解除", "Resolved", "超时未处理", "Nobody took it"),
        "escalated": ("升级到第", "escalated to level"),
    }
    return next((news for news, either in words.items() if any(word in text for word in either)), "opened")


async def _cut(request: web.Request) -> web.StreamResponse:
    """Half an answer, then the connection is torn."""
    response = web.StreamResponse(headers={"Content-Length": "1000", "Content-Type": "application/json"})
    await response.prepare(request)
    await response.write(b'{"errcode"')
    assert request.transport is not None
    request.transport.abort()
    return response
