"""Each kind of receiver against a real server: what it is sent, how it is signed, and what its answers mean."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import ssl
import subprocess
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from msgspec.structs import replace
from pydantic import SecretStr
from yarl import URL

from streams.pager.page import News, Notice, Page
from streams.pager.receiver import Receiver, RefusedError, RetryError
from streams.pager.receivers import receivers
from streams.pager.receivers.alertmanager import FORGETS_S, Alertmanager
from streams.pager.receivers.posting import Poster, retry_after
from streams.pager.receivers.words import Words, address, flat, plain
from streams.settings import PagerSettings, ReceiverSettings, Settings, SettingsError
from streams.shell.kafka import free_port
from tests.monitoring_tools import alertmanager
from tests.pager_receiver import CUT, HANG, TOKEN, PagerReceiver, answer
from tests.pager_tools import PAGE

AT = PAGE.at
SECRET = "s3cret-of-the-test"  # noqa: S105 - of receivers that do not exist
ANOTHER = "another-one"
SIGNED = {"dingtalk", "feishu", "webhook", "pagerduty"}
OPENED = Notice(page=PAGE, news="opened", at=AT + 3)
ESCALATED = Notice(page=PAGE, news="escalated", level=2, at=AT + 303)
CLAIMED = Notice(page=PAGE, news="claimed", at=AT + 400)
RESOLVED = Notice(page=PAGE, news="resolved", at=AT + 500)
EXPIRED = replace(RESOLVED, over="expired")


def settings(*given: ReceiverSettings, english: bool = False) -> Settings:
    return Settings(pager=PagerSettings(receivers=given, english=english))


def one(kind: str, url: str, *, secret: str = "", english: bool = False, **more: Any) -> Receiver:
    made = ReceiverSettings(name="duty", kind=kind, url=SecretStr(url), secret=SecretStr(secret), **more)
    return receivers(settings(made, english=english))["duty"]


@asynccontextmanager
async def at(server: PagerReceiver, kind: str, **more: Any) -> AsyncIterator[Receiver]:
    """That kind of receiver, at that server."""
    more.setdefault("secret", SECRET if kind in SIGNED else "")
    receiver = one(kind, server.url(kind), **more)
    try:
        yield receiver
    finally:
        await receiver.close()


@pytest.fixture
def server() -> Iterator[PagerReceiver]:
    with PagerReceiver(secret=SECRET) as server:
        yield server


# ------------------------------------------------------------------------------------------------ robots


async def test_dingtalk_is_signed_and_reads_as_a_manager_would_write(server: PagerReceiver) -> None:
    async with at(server, "dingtalk") as receiver:
        for notice in (OPENED, ESCALATED, CLAIMED, RESOLVED):
            await receiver.tell(notice)
    texts = [got.body["markdown"]["text"] for got in server.taken]
    head = "保持超过 240 秒 · 队列 support · 06:13:20"
    basis, link = "依据\uff1a《服务规范》4.2", "http://wall.example/alerts/0123456789abcdef"
    assert texts == [
        "  \n".join((f"**【严重】{head}**", basis, f"[请打开处理]({link})", "三声 · main")),
        "  \n".join(
            (f"**【严重】{head}**", "无人认领\uff0c升级到第 2 级", basis, f"[请打开处理]({link})", "三声 · main")
        ),
        "  \n".join(
            (f"**【已有人处理】{head}**", "已有人认领\uff0c无需再处理", basis, f"[查看]({link})", "三声 · main")
        ),
        "  \n".join((f"**【已解除】{head}**", "告警已解除\uff0c无需再处理", basis, f"[查看]({link})", "三声 · main")),
    ]
    assert server.news_of(PAGE.id) == ["opened", "escalated", "claimed", "resolved"]


_EXPIRED_ZH = "一直无人认领\uff0c不再继续呼叫\uff1b告警可能仍未解除"


@pytest.mark.parametrize("kind", ["dingtalk", "wecom", "feishu"])
async def test_a_page_that_nobody_took_is_not_said_to_be_over(server: PagerReceiver, kind: str) -> None:
    async with at(server, kind) as receiver:
        await receiver.tell(EXPIRED)
    async with at(server, kind, english=True) as receiver:
        await receiver.tell(EXPIRED)
    zh, en = (json.dumps(got.body, ensure_ascii=False) for got in server.taken)
    assert "【超时未处理】保持超过 240 秒" in zh
    assert _EXPIRED_ZH in zh
    assert "请打开处理" in zh
    assert "已解除" not in zh
    assert "无需" not in zh
    assert "【Nobody took it】" in en
    assert "Nobody claimed it; nobody is called any more, and it may still be so" in en
    assert "It is over" not in en
    assert not any(calm in zh for calm in ('"green"', 'color=\\"info\\"'))  # as grave as ever
    assert server.news_of(PAGE.id) == ["resolved", "resolved"]


async def test_who_is_called_again_reads_that_nobody_has_it(server: PagerReceiver) -> None:
    again = replace(OPENED, round=1)
    async with at(server, "wecom") as receiver:
        await receiver.tell(again)
    async with at(server, "wecom", english=True) as receiver:
        await receiver.tell(again)
    zh, en = (got.body["markdown"]["content"].splitlines()[1] for got in server.taken)
    assert (zh, en) == ("> 再次呼叫\uff1a目前无人处理", "> Called again: nobody has it now")


async def test_english_by_the_switch(server: PagerReceiver) -> None:
    async with at(server, "feishu", english=True) as receiver:
        await receiver.tell(ESCALATED)
        await receiver.tell(RESOLVED)
    cards = [got.body["card"] for got in server.taken]
    assert [card["header"]["title"]["content"] for card in cards] == [
        "【Critical】On hold for more than 240 s · queue support · 06:13:20",
        "【Resolved】On hold for more than 240 s · queue support · 06:13:20",
    ]
    said = [element["text"]["content"] for element in cards[0]["elements"] if element["tag"] == "div"]
    assert said == ["Nobody has claimed it: escalated to level 2", "Basis: 《服务规范》4.2"]
    assert cards[0]["elements"][2]["actions"][0]["text"]["content"] == "Open and handle"


async def test_a_page_of_the_night_before_is_told_with_its_day(server: PagerReceiver) -> None:
    async with at(server, "wecom") as receiver:
        await receiver.tell(replace(OPENED, page=replace(PAGE, queue=""), at=AT + 86_400))
    text = server.taken[0].body["markdown"]["content"]
    assert text.startswith(
        '<font color="warning">【严重】保持超过 240 秒 · 直拨来电 · 11 月 15 日 06:13:20</font>\n> 依据'
    )


@pytest.mark.parametrize("kind", ["dingtalk", "wecom", "feishu"])
async def test_what_comes_from_outside_is_no_markup_and_is_cut(server: PagerReceiver, kind: str) -> None:
    queue = "a*b_[x](http://evil/)<font>@all`\\!\u202e\u200b\r\n\ud800# " + "q" * 5000
    async with at(server, kind) as receiver:
        await receiver.tell(replace(OPENED, page=replace(PAGE, queue=queue, title="标" * 5000, clause="条" * 5000)))
    text = json.dumps(server.taken[0].body, ensure_ascii=False)
    assert len(text) < 1500
    assert not any(mark in text for mark in "\u202e\u200b\ud800")
    if kind == "feishu":
        said = server.taken[0].body["card"]
        assert {element["text"]["tag"] for element in said["elements"] if element["tag"] == "div"} == {"plain_text"}
        assert said["header"]["title"]["tag"] == "plain_text"
    else:
        shown = server.taken[0].body["markdown"]
        assert re.findall(r"\]\(([^)]*)\)", shown.get("text") or shown["content"]) == [PAGE.link]
        assert "http://evil" not in text
        assert "<font>" not in text
        assert "a\uff0ab\uff3f\uff3bx\uff3d\uff08http\uff1a//evil/\uff09" in text


@pytest.mark.parametrize("kind", ["dingtalk", "feishu"])
async def test_a_wrong_secret_is_refused_for_ever(server: PagerReceiver, kind: str) -> None:
    async with at(server, kind, secret=ANOTHER) as receiver:
        with pytest.raises(RefusedError, match="look at its secret"):
            await receiver.tell(OPENED)
    assert server.taken == []


_NO = [
    ("dingtalk", answer(200, {"errcode": 130101, "errmsg": "send too fast, exceed 20 times per minute"}), 60),
    ("dingtalk", answer(200, {"errcode": -1, "errmsg": "系统繁忙"}), None),
    ("dingtalk", answer(200, {"errcode": 424242, "errmsg": "unknown"}), None),
    ("dingtalk", answer(200, b"<html>please log in</html>"), None),
    ("dingtalk", answer(502, b"bad gateway"), None),
    ("dingtalk", answer(500, {"errcode": 0, "errmsg": "ok"}), None),
    ("wecom", answer(200, {"errcode": 45009, "errmsg": "api freq out of limit"}), 60),
    ("wecom", answer(200, {"errcode": -1, "errmsg": "system busy"}), None),
    ("feishu", answer(400, {"code": 9499, "msg": "too many request", "data": {}}), 10),
    ("feishu", answer(200, {"code": 11232, "msg": "frequency limited psm"}), 10),
    (
        "feishu",
        answer(429, {"code": 99991400, "msg": "request trigger frequency limit"}, {"x-ogw-ratelimit-reset": "52"}),
        52,
    ),
]


@pytest.mark.parametrize(("kind", "no", "after_s"), _NO)
async def test_what_a_robot_may_take_later(server: PagerReceiver, kind: str, no: Any, after_s: float | None) -> None:
    server.will(no)
    async with at(server, kind) as receiver:
        with pytest.raises(RetryError) as refused:
            await receiver.tell(OPENED)
        assert refused.value.after_s == after_s
        await receiver.tell(OPENED)
    assert server.news_of(PAGE.id) == ["opened"]


_NEVER = [
    ("dingtalk", answer(200, {"errcode": 310000, "errmsg": f"keywords not in content {TOKEN}"})),
    ("dingtalk", answer(200, {"errcode": 400102, "errmsg": "机器人已停用"})),
    ("dingtalk", answer(404)),
    ("wecom", answer(200, {"errcode": 93000, "errmsg": f"invalid webhook url {TOKEN}"})),
    ("feishu", answer(200, {"code": 19021, "msg": "sign match fail or timestamp is not within one hour"})),
    ("feishu", answer(400, {"code": 9499, "msg": "Bad Request", "data": {}})),
    ("feishu", answer(400, {"code": 19001, "msg": f"param invalid: https://open.example/hook/{TOKEN}"})),
]


@pytest.mark.parametrize(("kind", "no"), _NEVER)
async def test_what_only_a_person_can_mend(server: PagerReceiver, kind: str, no: Any) -> None:
    server.will(no)
    async with at(server, kind) as receiver:
        with pytest.raises(RefusedError, match=r"\(.+\)$") as refused:
            await receiver.tell(OPENED)
    assert TOKEN not in str(refused.value)
    assert SECRET not in str(refused.value)
    assert "://" not in str(refused.value)


@pytest.mark.parametrize(("kind", "messages", "span_s"), [("dingtalk", 20, 60), ("wecom", 20, 60), ("feishu", 5, 1)])
def test_robots_limits_are_under_what_their_documentation_says(
    server: PagerReceiver, kind: str, messages: int, span_s: float
) -> None:
    limit = next(limit for limit in one(kind, server.url(kind)).limits if limit.span_s == span_s)
    assert 0.8 * messages <= limit.messages < messages


# -------------------------------------------------------------------------------------------- PagerDuty


async def test_pagerduty_has_one_incident_a_page(server: PagerReceiver) -> None:
    async with at(server, "pagerduty") as receiver:
        for notice in (OPENED, ESCALATED, CLAIMED, RESOLVED):
            await receiver.tell(notice)
    assert [got.body["event_action"] for got in server.taken] == ["trigger", "trigger", "acknowledge", "resolve"]
    assert {got.body["dedup_key"] for got in server.taken} == {PAGE.id}
    assert server.taken[0].body == {
        "routing_key": SECRET,
        "event_action": "trigger",
        "dedup_key": PAGE.id,
        "client": "Sansheng",
        "client_url": PAGE.link,
        "links": [{"href": PAGE.link, "text": "请打开处理"}],
        "payload": {
            "summary": "【严重】保持超过 240 秒 · 队列 support · 06:13:20",
            "source": "sansheng-main",
            "severity": "critical",
            "timestamp": "2023-11-14T22:13:20.000+00:00",
            "component": "support",
            "group": "main",
            "class": "hold-long",
            "custom_details": {"level": 1, "news": "", "clause": "依据\uff1a《服务规范》4.2"},
        },
    }
    assert server.taken[3].body == {"routing_key": SECRET, "event_action": "resolve", "dedup_key": PAGE.id}


async def test_pagerduty_calls_again_for_what_was_acknowledged_and_released(server: PagerReceiver) -> None:
    """Nobody is called for an incident that somebody has acknowledged, so it is another one."""
    anew = [replace(notice, round=1) for notice in (OPENED, ESCALATED, CLAIMED, RESOLVED)]
    async with at(server, "pagerduty") as receiver:
        for notice in (OPENED, CLAIMED, *anew):
            await receiver.tell(notice)
    first, second = PAGE.id, f"{PAGE.id}.1"
    assert [(got.body["event_action"], got.body["dedup_key"]) for got in server.taken] == [
        ("trigger", first),
        ("acknowledge", first),
        ("resolve", first),
        ("trigger", second),
        ("trigger", second),
        ("acknowledge", second),
        ("resolve", first),  # where the new one was never told it would stay open
        ("resolve", second),
    ]


async def test_pagerduty_says_why_not(server: PagerReceiver) -> None:
    async with at(server, "pagerduty", secret=ANOTHER) as receiver:
        with pytest.raises(RefusedError, match=r"HTTP 400: Event object is invalid; Invalid routing key \("):
            await receiver.tell(OPENED)
    async with at(server, "pagerduty") as receiver:
        for status in (429, 500, 503):
            server.will(answer(status, {"message": SECRET}, {"Retry-After": "9"}))
            with pytest.raises(RetryError) as later:
                await receiver.tell(OPENED)
            assert later.value.after_s == 9
            assert SECRET not in str(later.value)


# ---------------------------------------------------------------------------------------------- webhook


async def test_a_webhook_has_our_shape_a_key_and_a_signature(server: PagerReceiver) -> None:
    async with at(server, "webhook") as receiver:
        await receiver.tell(ESCALATED)
    (got,) = server.taken
    assert got.headers["Idempotency-Key"] == "0123456789abcdef.escalated.2"
    assert re.fullmatch(r"t=\d+,v1=[0-9a-f]{64}", got.headers["X-Sansheng-Signature"])
    assert got.body == {
        "version": 1,
        "id": "0123456789abcdef.escalated.2",
        "news": "escalated",
        "level": 2,
        "round": 0,
        "over": "",
        "at": AT + 303,
        "headline": "【严重】保持超过 240 秒 · 队列 support · 06:13:20",
        "text": "【严重】保持超过 240 秒 · 队列 support · 06:13:20\n无人认领\uff0c升级到第 2 级\n"
        "依据\uff1a《服务规范》4.2\n请打开处理\uff1ahttp://wall.example/alerts/0123456789abcdef\n三声 · main",
        "page": {
            "id": PAGE.id,
            "rule": "hold-long",
            "title": "保持超过 240 秒",
            "title_en": "On hold for more than 240 s",
            "severity": "critical",
            "queue": "support",
            "site": "main",
            "clause": "《服务规范》4.2",
            "at": AT,
            "link": PAGE.link,
        },
    }


async def test_a_webhook_is_told_of_a_page_that_nobody_took_and_of_one_opened_anew(server: PagerReceiver) -> None:
    async with at(server, "webhook") as receiver:
        await receiver.tell(EXPIRED)
        await receiver.tell(replace(OPENED, round=2))
    expired, anew = (got.body for got in server.taken)
    assert (expired["news"], expired["over"]) == ("resolved", "expired")
    assert _EXPIRED_ZH in expired["text"]
    assert (anew["round"], anew["id"]) == (2, "0123456789abcdef.opened.1.2")
    assert server.news_of(PAGE.id) == ["resolved", "opened"]


async def test_a_webhook_with_a_wrong_secret_is_refused_and_one_without_is_not_signed(server: PagerReceiver) -> None:
    async with at(server, "webhook", secret=ANOTHER) as receiver:
        with pytest.raises(RefusedError, match=r"^HTTP 401 \(look at its secret"):
            await receiver.tell(OPENED)
    async with at(server, "webhook", secret="") as receiver:
        with pytest.raises(RefusedError):
            await receiver.tell(OPENED)
    assert "X-Sansheng-Signature" not in server.seen[-1].headers


async def test_a_template_gives_the_body(server: PagerReceiver, tmp_path: Path) -> None:
    file = tmp_path / "teams.json.j2"
    file.write_text(
        '{"summary": {{ headline | tojson }},\n "level": {{ level }},\n'
        ' {% if news == "resolved" %}"done": true,{% endif %} "facts": [{{ page.queue | tojson }}]}\n'
    )
    async with at(server, "webhook", template=file) as receiver:
        await receiver.tell(replace(OPENED, page=replace(PAGE, queue='q"\\<b>')))
        await receiver.tell(RESOLVED)
    assert server.taken[0].body == {
        "summary": '【严重】保持超过 240 秒 · 队列 q"\\<b> · 06:13:20',
        "level": 1,
        "facts": ['q"\\<b>'],
    }
    assert server.taken[1].body["done"] is True
    assert server.news_of("") == []
    assert server.news_of(PAGE.id) == ["opened", "resolved"]


@pytest.mark.parametrize(
    ("template", "fault"),
    [
        ('{"a": 1,\n "b": {{ headline | tojson }\n}', r"teams\.j2:2: unexpected '}'"),
        ('{"a": 1,\n "b": {{ headlines | tojson }}\n}', r"teams\.j2:2: 'headlines' is undefined"),
        ('{"a": 1,\n\n "b": {{ page.call | tojson }}\n}', r"teams\.j2:3: .* has no attribute 'call'"),
        (
            '{"a": "{{ headline }}", \n "b": "{{ page.title }}"}',
            r"teams\.j2: what it gives for 'opened' is not JSON: line 1",
        ),
        ('{% if news == "resolved" %}no{% else %}{}{% endif %}', r"what it gives for 'resolved' is not JSON"),
        ("{}{{ [].append(1) }}", r"teams\.j2:1: .*unsafe"),
        ("{% for i in range(9999999) %}{% endfor %}{}", r"teams\.j2:1: Range too big"),
        ('{\n"a": {{ 1 // 0 }}}', r"teams\.j2:2: .*zero"),
        ("{% include '/etc/passwd' %}", r"teams\.j2:1: /etc/passwd"),
        ('"{{ "x" * 70000 }}"', r"it gives more than 64 KiB"),
    ],
)
def test_a_template_that_cannot_work_is_told_at_the_start(tmp_path: Path, template: str, fault: str) -> None:
    file = tmp_path / "teams.j2"
    file.write_text(template)
    with pytest.raises(SettingsError, match=rf"setting pager.receivers: duty: template .*{fault}"):
        one("webhook", "http://127.0.0.1/x", template=file)


# ------------------------------------------------------------------------------------------ connections


@pytest.mark.parametrize("kind", ["alertmanager", "pagerduty", "dingtalk", "wecom", "feishu", "webhook"])
async def test_no_text_ever_holds_an_address_or_a_secret(server: PagerReceiver, kind: str) -> None:
    texts = []
    async with at(server, kind, timeout_s=0.2) as receiver:
        server.will(HANG, answer(302, headers={"Location": f"http://127.0.0.1/{TOKEN}"}), answer(500, TOKEN.encode()))
        for number in range(3):
            await asyncio.sleep(number // 2)  # Feishu is told twice a second
            with pytest.raises(RetryError) as failed:
                await receiver.tell(OPENED)
            texts.append(failed)
        await asyncio.to_thread(server.kill)
        with pytest.raises(RetryError) as failed:
            await receiver.tell(OPENED)
        texts.append(failed)
    assert str(texts[0].value) == "no answer within 0.2 s"
    assert "url" in str(texts[1].value)
    assert "HTTP 500" in str(texts[2].value) or kind in {"dingtalk"}
    for failed in texts:
        assert failed.value.__cause__ is None
        assert failed.value.__context__ is None
        for secret in (TOKEN, SECRET, "127.0.0.1", "://"):
            assert secret not in str(failed.value)


@pytest.mark.parametrize(
    ("behaviour", "maybe"),
    [
        (HANG, True),
        (CUT, True),
        (answer(500), True),
        (answer(503, headers={"Retry-After": "3"}), True),
        (answer(504), True),
        (answer(408), False),
        (answer(425), False),
        (answer(429), False),
        (answer(302, headers={"Location": "http://127.0.0.1:1/"}), False),
    ],
)
@pytest.mark.parametrize("kind", ["alertmanager", "pagerduty", "dingtalk", "webhook"])
async def test_what_may_have_been_taken_all_the_same(
    server: PagerReceiver, kind: str, behaviour: Any, maybe: bool
) -> None:
    async with at(server, kind, timeout_s=0.3) as receiver:
        server.will(behaviour)
        with pytest.raises(RetryError) as failed:
            await receiver.tell(OPENED)
    assert failed.value.maybe is maybe


@pytest.mark.parametrize(("status", "maybe"), [(200, False), (502, True)])
async def test_a_robot_that_says_no_has_not_taken_it(server: PagerReceiver, status: int, maybe: bool) -> None:
    async with at(server, "wecom") as receiver:
        server.will(answer(status, {"errcode": -1, "errmsg": "system busy"}))
        with pytest.raises(RetryError, match="code -1") as failed:
            await receiver.tell(OPENED)
    assert failed.value.maybe is maybe


async def test_what_never_left_this_machine_was_not_taken(server: PagerReceiver) -> None:
    """Neither where nobody listens, nor where somebody does but never says a word of TLS."""
    with socket_that_hangs() as port:
        mute = one("webhook", f"https://127.0.0.1:{port}/", timeout_s=0.3)
        with pytest.raises(RetryError, match=r"no answer within 0\.3 s") as failed:
            await mute.tell(OPENED)
        assert not failed.value.maybe
        await mute.close()
    async with at(server, "webhook") as receiver:
        await asyncio.to_thread(server.kill)
        with pytest.raises(RetryError, match="no connection: Connection refused") as failed:
            await receiver.tell(OPENED)
        assert not failed.value.maybe


async def test_a_redirect_is_not_followed(server: PagerReceiver) -> None:
    async with at(server, "webhook") as receiver:
        server.will(answer(307, headers={"Location": server.url("webhook")}))
        with pytest.raises(RetryError, match=r"HTTP 307 \(put the address that it redirects to into its url\)"):
            await receiver.tell(OPENED)
    assert server.requests == 1


async def test_of_a_long_answer_64_kib_are_read(server: PagerReceiver) -> None:
    url = server.url("webhook")
    poster = Poster(ReceiverSettings(name="duty", kind="webhook", url=SecretStr(url)), URL(url))
    server.will(answer(500, b"x" * 10_000_000))
    assert len((await poster.post(b"{}")).body) == 64 << 10
    await poster.close()


async def test_proxies_of_the_environment_are_not_used(server: PagerReceiver, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with at(server, "webhook") as receiver:
        await receiver.tell(OPENED)
    assert server.requests == 1


async def test_user_and_password_of_the_address_are_basic_authentication(server: PagerReceiver) -> None:
    url = server.url("alertmanager").replace("//", "//ops:p%40ss@")
    receiver = one("alertmanager", url)
    await receiver.tell(OPENED)
    await receiver.close()
    assert server.seen[0].headers["Authorization"] == "Basic b3BzOnBAc3M="
    assert server.news_of(PAGE.id) == ["still"]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that signs itself, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    made, key = folder / "cert.pem", folder / "key.pem"
    names = "subjectAltName=DNS:localhost,IP:127.0.0.1"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    subprocess.run([*command.split(), "-addext", names, "-keyout", key, "-out", made], check=True, capture_output=True)
    return made, key


async def test_certificates_are_verified(certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    with PagerReceiver(secret=SECRET, tls=certificate) as server:
        async with at(server, "dingtalk") as receiver:
            with pytest.raises(RetryError, match="its certificate is not to be trusted: self-signed certificate"):
                await receiver.tell(OPENED)
        assert server.requests == 0
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
        async with at(server, "dingtalk") as receiver:
            await receiver.tell(OPENED)
        assert server.news_of(PAGE.id) == ["opened"]


@pytest.mark.parametrize(
    ("given", "after_s"),
    [
        ("120", 120),
        ("0", 0),
        ("86400", 86_400),
        ("Tue, 14 Nov 2023 22:14:20 GMT", 60),
        ("Tue, 14 Nov 2023 22:12:20 GMT", 0),
        ("Wed, 15 Nov 2023 22:13:20 GMT", 86_400),
        ("-5", None),
        ("soon", None),
        ("", None),
        ("\u0663", None),
    ],
)
def test_retry_after(given: str, after_s: float | None) -> None:
    assert retry_after({"Retry-After": given}, AT) == after_s


def test_plain_and_flat_text() -> None:
    assert plain("  a\r\n\tb\x00\u202ec\u2028d ", 40) == "a b c d"
    assert plain("x" * 41, 40) == "x" * 39 + "\u2026"
    assert plain("x" * 40, 40) == "x" * 40
    assert (
        flat("[a](b) <@u> *c* https://d")
        == "\uff3ba\uff3d\uff08b\uff09 \uff1c\uff20u\uff1e \uff0ac\uff0a https\uff1a//d"
    )
    assert address("http://h:1/alerts/a?b=c") == "http://h:1/alerts/a?b=c"
    assert address("http://h/) [x](y\n'") == "http://h/%29%20%5Bx%5D%28y%20%27"


# ------------------------------------------------------------------------------------------------- e-mail


class Post:
    """What a mail server took; ``says``: its answers to recipients, then to data."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.to: list[list[str]] = []
        self.says: dict[str, str] = {}
        self.data_says = "250 taken"
        self.thinks_s = 0.0
        self.logins: list[tuple[bytes, bytes]] = []
        self.encrypted: list[bool] = []

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if said := self.says.get(address):
            return said
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.data_says.startswith("2"):
            assert isinstance(envelope.content, bytes)
            self.mails.append(message_from_bytes(envelope.content, policy=default))  # type: ignore[arg-type]
            self.to.append(list(envelope.rcpt_tos))
            self.encrypted.append(session.ssl is not None)
            await asyncio.sleep(self.thinks_s)
        return self.data_says

    def authenticate(self, _server: SMTP, _session: Session, _envelope: Envelope, _how: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.logins.append((data.login, data.password))
        return AuthResult(success=data.password == b"p@ss", handled=False)


@contextmanager
def post_office(post: Post, host: str = "127.0.0.1", **options: Any) -> Iterator[int]:
    """A mail server with those options of aiosmtpd; yields its port."""
    controller = Controller(post, hostname=host, port=free_port(), **options)
    controller.start()
    try:
        yield controller.port
    finally:
        controller.stop()


def mailed(url: str, *to: str, sender: str = "三声告警 <pager@example.org>", timeout_s: float = 5) -> Receiver:
    return one("email", url, sender=sender, to=to or ("a@example.org", "b@example.org"), timeout_s=timeout_s)


async def test_mails_of_a_page_are_one_conversation_and_doubles_are_known() -> None:
    post = Post()
    with post_office(post) as port:
        receiver = mailed(f"smtp://127.0.0.1:{port}")
        for notice in (OPENED, OPENED, RESOLVED):
            await receiver.tell(notice)
    opened, again, resolved = post.mails
    assert opened["Subject"] == "【严重】保持超过 240 秒 · 队列 support · 06:13:20"
    assert str(opened["From"]) == "三声告警 <pager@example.org>"
    assert opened["To"] == "a@example.org, b@example.org"
    assert opened["Message-ID"] == again["Message-ID"] == "<0123456789abcdef.opened.1@main.sansheng.invalid>"
    assert resolved["In-Reply-To"] == resolved["References"] == opened["Message-ID"]
    assert "In-Reply-To" not in opened
    assert (opened["Importance"], resolved["Importance"]) == ("high", None)
    assert opened["Auto-Submitted"] == "auto-generated"
    assert opened.get_content_type() == "text/plain"
    assert opened.get_content().replace("\r\n", "\n").splitlines()[-2:] == [
        "请打开处理\uff1ahttp://wall.example/alerts/0123456789abcdef",
        "三声 · main",
    ]
    assert post.to[0] == ["a@example.org", "b@example.org"]


async def test_nothing_from_outside_becomes_a_header() -> None:
    post = Post()
    with post_office(post) as port:
        evil = replace(
            PAGE, title="x\r\nBcc: spy@example.org\r\n\r\nhello", queue="q\nX-Evil: 1", site="s\r\nX-Evil: 2"
        )
        await mailed(f"smtp://127.0.0.1:{port}").tell(replace(OPENED, page=evil))
    (mail,) = post.mails
    assert set(mail.keys()) == {
        "From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "Importance", "Content-Type",
        "Content-Transfer-Encoding", "MIME-Version",
    }  # fmt: skip
    assert mail["Subject"].startswith("【严重】x Bcc: spy@example.org hello · 队列 q X-Evil: 1 · ")
    assert post.to == [["a@example.org", "b@example.org"]]


async def test_login_goes_over_starttls_with_a_verified_certificate(
    certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    post = Post()
    more = {"tls_context": context, "require_starttls": True, "authenticator": post.authenticate, "auth_required": True}
    with post_office(post, **more) as port:
        with pytest.raises(RetryError, match="its certificate is not to be trusted"):
            await mailed(f"smtp://pager:p%40ss@127.0.0.1:{port}").tell(OPENED)
        assert post.logins == []
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
        await mailed(f"smtp://pager:p%40ss@127.0.0.1:{port}").tell(OPENED)
        assert post.logins == [(b"pager", b"p@ss")]
        assert post.encrypted == [True]
        with pytest.raises(RefusedError, match=r"SMTP 535: .*look at user and password") as refused:
            await mailed(f"smtp://pager:hush-hush@127.0.0.1:{port}").tell(OPENED)
        assert "hush" not in str(refused.value)
        assert refused.value.__context__ is None
    assert len(post.mails) == 1


async def test_smtps(certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    post = Post()
    with post_office(post, ssl_context=context) as port:
        await mailed(f"smtps://127.0.0.1:{port}").tell(OPENED)
    assert len(post.mails) == 1


async def test_nothing_goes_in_the_clear_to_another_machine() -> None:
    post = Post()
    with (
        post_office(post, "127.0.0.2", authenticator=post.authenticate, auth_require_tls=False) as port,
        pytest.raises(RetryError, match=r"the server offers no STARTTLS \(take smtps://"),
    ):
        await mailed(f"smtp://pager:p%40ss@127.0.0.2:{port}").tell(OPENED)
    assert post.logins == []
    assert post.mails == []


async def test_who_is_refused_for_ever_keeps_no_other_from_it(caplog: pytest.LogCaptureFixture) -> None:
    post = Post()
    post.says = {"a@example.org": "550 no such user"}
    with post_office(post) as port:
        await mailed(f"smtp://127.0.0.1:{port}").tell(OPENED)
    assert post.to == [["b@example.org"]]
    assert "receiver duty: 1 of 2 recipients are refused for ever" in caplog.text
    assert "example.org" not in caplog.text


async def test_mail_that_is_put_off_is_tried_again_and_mail_that_is_refused_is_not() -> None:
    post = Post()
    with post_office(post) as port:
        receiver = mailed(f"smtp://127.0.0.1:{port}")
        post.data_says = "451 try later"
        with pytest.raises(RetryError, match="SMTP 451: try later") as later:
            await receiver.tell(OPENED)
        assert not later.value.maybe
        post.data_says = "554 spam"
        with pytest.raises(RefusedError, match=r"SMTP 554: spam \(look at its sender and its to\)"):
            await receiver.tell(OPENED)
        post.data_says = "250 taken"
        post.says = {"a@example.org": "550 no such user", "b@example.org": "550 no such user"}
        with pytest.raises(RefusedError, match=r"none of 2 recipients is taken"):
            await receiver.tell(OPENED)
    with pytest.raises(RetryError, match="no connection: Connection refused") as later:
        await receiver.tell(OPENED)
    assert not later.value.maybe


async def test_mail_whose_answer_is_lost_may_have_been_taken() -> None:
    post = Post()
    post.thinks_s = 1.0
    with post_office(post) as port:
        with pytest.raises(RetryError, match=r"no answer within 0\.3 s") as later:
            await mailed(f"smtp://127.0.0.1:{port}", timeout_s=0.3).tell(OPENED)
        assert later.value.maybe
    assert len(post.mails) == 1


async def test_who_is_refused_after_others_have_it_is_no_refusal_of_the_mail() -> None:
    """Whoever has it is to hear of its end."""
    post = Post()
    post.says = {"a@example.org": "451 greylisted"}
    with post_office(post) as port:
        receiver = mailed(f"smtp://127.0.0.1:{port}")
        with pytest.raises(RetryError) as later:
            await receiver.tell(OPENED)
        assert later.value.maybe
        post.says = {"a@example.org": "550 no such user"}
        await receiver.tell(OPENED)
        post.says = {"a@example.org": "451 greylisted", "b@example.org": "451 greylisted"}
        with pytest.raises(RetryError) as later:
            await receiver.tell(RESOLVED)
        assert not later.value.maybe
        post.says = dict.fromkeys(post.says, "550 no such user")
        with pytest.raises(RefusedError, match="none of 2 recipients is taken"):
            await receiver.tell(RESOLVED)
    assert post.to == [["b@example.org"]]


async def test_who_was_put_off_alone_gets_the_mail_later() -> None:
    post = Post()
    post.says = {"a@example.org": "451 greylisted"}
    with post_office(post) as port:
        receiver = mailed(f"smtp://127.0.0.1:{port}")
        with pytest.raises(RetryError, match="1 of 2 recipients are not taken now") as later:
            await receiver.tell(OPENED)
        assert "example.org" not in str(later.value)
        post.says = {}
        await receiver.tell(OPENED)
        await receiver.tell(RESOLVED)
    assert post.to == [["b@example.org"], ["a@example.org"], ["a@example.org", "b@example.org"]]


async def test_a_mail_server_that_hangs_is_given_up() -> None:
    with socket_that_hangs() as port, pytest.raises(RetryError, match=r"no answer within 0\.2 s") as late:
        await mailed(f"smtp://127.0.0.1:{port}", timeout_s=0.2).tell(OPENED)
    assert not late.value.maybe


@contextmanager
def socket_that_hangs() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


# ------------------------------------------------------------------------------------------ Alertmanager

_NOWHERE = "route: {receiver: nowhere}\nreceivers: [{name: nowhere}]\n"


def _alerts(url: str) -> list[dict[str, Any]]:
    with urllib.request.urlopen(f"{url}/api/v2/alerts") as answered:  # noqa: S310 - a server that the test started
        return sorted(json.load(answered), key=lambda alert: (alert["labels"]["slot"], alert["labels"]["severity"]))


async def test_a_real_alertmanager_opens_keeps_and_resolves(tmp_path: Path) -> None:
    """Two pages of one rule at once, one of them raised on the way; each label's values are few."""
    now = time.time()
    clock = {"at": now}
    config = tmp_path / "alertmanager.yml"
    config.write_text(_NOWHERE)
    first = replace(PAGE, at=now - 30)
    second = replace(first, id="fedcba9876543210", slot=2, severity="warning", link="http://wall.example/alerts/fedc")
    with alertmanager(tmp_path, config) as url:
        given = ReceiverSettings(name="am", kind="alertmanager", url=SecretStr(url))
        receiver = Alertmanager(given, URL(url), _words(), lambda: clock["at"])
        assert receiver.repeats_s * 4 < FORGETS_S

        await _tell(receiver, first, "opened")
        await _tell(receiver, second, "opened")
        shown = await asyncio.to_thread(_alerts, url)
        assert [alert["labels"] for alert in shown] == [
            {"alertname": "SanshengPage", "rule": "hold-long", "severity": severity, "queue": "support", "site": "main",
             "slot": slot}
            for severity, slot in (("critical", "1"), ("warning", "2"))
        ]  # fmt: skip
        assert [alert["generatorURL"] for alert in shown] == [first.link, second.link]
        assert shown[0]["annotations"] == {
            "title": "保持超过 240 秒",
            "summary": shown[0]["annotations"]["summary"],
            "clause": "依据\uff1a《服务规范》4.2",
            "link": first.link,
        }
        told = await asyncio.to_thread(
            subprocess.check_output, ["amtool", f"--alertmanager.url={url}", "alert", "query", "-o", "json"]
        )
        assert {alert["labels"]["slot"] for alert in json.loads(told)} == {"1", "2"}

        clock["at"] = now + 60
        await _tell(receiver, first, "still")
        kept = await asyncio.to_thread(_alerts, url)
        assert [_ends(after) - _ends(before) for before, after in zip(shown, kept, strict=True)] == [60, 0]
        assert _ends(kept[0]) == pytest.approx(now + 60 + FORGETS_S, abs=0.01)

        clock["at"] = time.time() + 10  # our clock is ahead of Alertmanager's
        await _tell(receiver, replace(second, severity="critical"), "opened")  # raised
        assert [(alert["labels"]["severity"], alert["labels"]["slot"]) for alert in await _later(url, 2)] == [
            ("critical", "1"),
            ("critical", "2"),
        ]
        await _tell(receiver, first, "resolved")
        assert [alert["labels"]["slot"] for alert in await _later(url, 1)] == ["2"]
        await receiver.close()


async def _tell(receiver: Receiver, page: Page, news: News) -> None:
    await receiver.tell(Notice(page=page, news=news, at=page.at))


async def _later(url: str, count: int) -> list[dict[str, Any]]:
    """What it shows when it shows so many: an alert that is over leaves within its own second."""
    async with asyncio.timeout(10):
        while len(shown := await asyncio.to_thread(_alerts, url)) != count:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    return shown


def _ends(alert: dict[str, Any]) -> float:
    return datetime.fromisoformat(alert["endsAt"]).timestamp()


def _words() -> Words:
    return Words(ZoneInfo("Asia/Shanghai"), english=False)


# ---------------------------------------------------------------------------------------------- settings


@pytest.mark.parametrize("address", ["no address", "@x", "a@", "a@b@c", "a@[b", "a b@c", "<>", "", "\u4e09@b.c"])
def test_what_is_no_address_is_a_fault_of_the_settings(address: str) -> None:
    given = ReceiverSettings(name="f", kind="email", url=SecretStr("smtp://h"), sender="a@b.c", to=("a@b.c", address))
    with pytest.raises(SettingsError, match="an address is no address such as"):
        receivers(settings(given))


def test_every_fault_is_told_at_once_and_no_address(tmp_path: Path) -> None:
    secret = SecretStr("x")
    given = (
        ReceiverSettings(name="a", kind="dingtalk"),
        ReceiverSettings(name="b", kind="wecom", url=SecretStr(f"http://qyapi.example/send?key={TOKEN}")),
        ReceiverSettings(name="c", kind="pagerduty"),
        ReceiverSettings(name="d", kind="webhook", url=SecretStr(f"ftp://h/{TOKEN}"), template=tmp_path / "none.j2"),
        ReceiverSettings(name="e", kind="email", url=SecretStr("smtp://h")),
        ReceiverSettings(name="f", kind="email", url=SecretStr("smtp://h"), sender="no address", to=("a@b.c",)),
        ReceiverSettings(name="g", kind="wecom", url=SecretStr("https://h/?key=x"), secret=secret, to=("a@b.c",)),
        ReceiverSettings(name="h", kind="webhook", url=SecretStr(f"http://h:port/{TOKEN}")),
        ReceiverSettings(name="i", kind="alertmanager", url=SecretStr("http://h"), template=tmp_path / "none.j2"),
        ReceiverSettings(name="j", kind="webhook", url=SecretStr("http://h"), template=tmp_path / "none.j2"),
    )
    with pytest.raises(SettingsError) as faults:
        receivers(settings(*given))
    assert [fault.removeprefix("setting pager.receivers: ") for fault in faults.value.faults] == [
        "a: url is empty or no address of dingtalk (it begins with http:// or https://)",
        "b: url: http would show its token to everybody on the way; take https",
        "c: secret is empty: the routing key of its PagerDuty integration goes there",
        "d: url is empty or no address of webhook (it begins with http:// or https://)",
        "e: sender and to are wanted: who mails are from, and who gets them",
        "f: an address is no address such as name@example.org (sender, to)",
        "g: secret: wecom has none (what opens it goes into its url)",
        "g: sender and to are of e-mail, not of wecom",
        "h: url is no address (such as https://HOST/PATH)",
        "i: template is of webhooks, not of alertmanager",
        f"j: template {tmp_path / 'none.j2'}: No such file or directory",
    ]
    assert TOKEN not in str(faults.value)


def test_names_are_unique() -> None:
    twice = ReceiverSettings(name="a", kind="alertmanager", url=SecretStr("http://127.0.0.1"))
    with pytest.raises(SettingsError, match="a comes twice"):
        receivers(settings(twice, twice))


@pytest.mark.parametrize(
    ("kind", "url", "says"),
    [
        ("dingtalk", f"https://h/robot/send?x={TOKEN}", "url has no access_token"),
        ("wecom", f"https://h/send?x={TOKEN}", "url has no key"),
        ("alertmanager", "http://127.0.0.1:9093/api/v2/alerts", "write its base"),
        ("alertmanager", "http://127.0.0.1:9093/api/v2", "write its base"),
    ],
)
def test_an_address_that_would_reach_nobody_is_refused(kind: str, url: str, says: str) -> None:
    with pytest.raises(SettingsError, match=says) as fault:
        one(kind, url, secret=SECRET if kind in SIGNED else "")
    assert TOKEN not in str(fault.value)


def test_what_each_kind_is_told() -> None:
    made = {
        kind: one(kind, "https://h/x?key=x&access_token=x", secret=SECRET if kind in SIGNED else "")
        for kind in ("alertmanager", "pagerduty", "dingtalk", "wecom", "feishu", "webhook")
    }
    people = {"opened", "escalated", "claimed", "resolved"}
    assert {kind: set(receiver.tells) for kind, receiver in made.items()} == {
        "alertmanager": {"opened", "escalated", "still", "resolved"},
        **dict.fromkeys(("pagerduty", "dingtalk", "wecom", "feishu", "webhook"), people),
    }
    assert {kind: receiver.repeats_s for kind, receiver in made.items() if receiver.repeats_s} == {"alertmanager": 60}
    assert one("wecom", "https://h/x?key=x", resolves=False).tells == people - {"resolved"}
