"""The places that pages go to, one file a kind; this one makes them from settings and finds what is wrong there.

Every fault is told at once, with the receiver's name and never with its address, for that may hold a secret.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from zoneinfo import ZoneInfo

from yarl import URL

from streams.pager.receiver import Receiver
from streams.pager.receivers.alertmanager import Alertmanager
from streams.pager.receivers.dingtalk import DingTalk
from streams.pager.receivers.feishu import Feishu
from streams.pager.receivers.mail import LOOPBACK, Mail
from streams.pager.receivers.pagerduty import ADDRESS, PagerDuty
from streams.pager.receivers.webhook import TemplateFault, Webhook
from streams.pager.receivers.wecom import WeCom
from streams.pager.receivers.words import Words
from streams.settings import ReceiverSettings, Settings, SettingsError

Maker = Callable[[ReceiverSettings, URL, Words], Receiver]
_KINDS: Mapping[str, Maker] = MappingProxyType(
    {
        "alertmanager": Alertmanager,
        "pagerduty": PagerDuty,
        "dingtalk": DingTalk,
        "wecom": WeCom,
        "feishu": Feishu,
        "webhook": Webhook,
        "email": Mail,
    }
)
#: What opens these is in their address or body: they are not reached in the clear.
_ENCRYPTED = frozenset({"pagerduty", "dingtalk", "wecom", "feishu"})
#: What a robot's address is nothing without.
_KEYS = MappingProxyType({"dingtalk": "access_token", "wecom": "key"})
_SIGNED = frozenset({"dingtalk", "feishu", "webhook", "pagerduty"})


def receivers(settings: Settings) -> dict[str, Receiver]:
    """Every receiver by its name; nothing is connected yet.

    Raises:
        SettingsError: with every fault that was found.
    """
    words = Words(ZoneInfo(settings.wall.timezone), settings.pager.english)
    made: dict[str, Receiver] = {}
    faults = []
    for given in settings.pager.receivers:
        own = [f"{given.name} comes twice (receivers need names of their own)"] * (given.name in made)
        own += [f"{given.name}: {fault}" for fault in _faults(given)]
        try:
            if not own:
                made[given.name] = _KINDS[given.kind](given, _url(given), words)
        except TemplateFault as fault:
            own = [f"{given.name}: template {fault}"]
        except ValueError as fault:
            own = [f"{given.name}: {fault} (sender, to)"]
        faults += [f"setting pager.receivers: {fault}" for fault in own]
    if faults:
        raise SettingsError(faults)
    return made


def _url(given: ReceiverSettings) -> URL:
    """Its address; of PagerDuty the usual one. Raises ValueError, whose text may hold it."""
    return URL(given.url.get_secret_value() or (ADDRESS if given.kind == "pagerduty" else ""))


def _faults(given: ReceiverSettings) -> Iterator[str]:
    yield from _address_faults(given)
    if given.kind == "pagerduty" and not given.secret.get_secret_value():
        yield "secret is empty: the routing key of its PagerDuty integration goes there"
    if given.kind not in _SIGNED and given.secret.get_secret_value():
        yield f"secret: {given.kind} has none (what opens it goes into its url)"
    if given.template and given.kind != "webhook":
        yield f"template is of webhooks, not of {given.kind}"
    if given.kind == "email" and not (given.sender and given.to):
        yield "sender and to are wanted: who mails are from, and who gets them"
    if given.kind != "email" and (given.sender or given.to):
        yield f"sender and to are of e-mail, not of {given.kind}"


def _address_faults(given: ReceiverSettings) -> Iterator[str]:
    schemes = ("smtp", "smtps") if given.kind == "email" else ("http", "https")
    try:
        url = _url(given)
        _ = url.explicit_port  # a port that is none is found only when it is asked for
    except ValueError:
        yield f"url is no address (such as {schemes[-1]}://HOST/PATH)"
        return
    if url.scheme not in schemes or not url.host:
        yield f"url is empty or no address of {given.kind} (it begins with {' or '.join(f'{s}://' for s in schemes)})"
    elif given.kind in _ENCRYPTED and url.scheme == "http" and url.host not in LOOPBACK:
        yield "url: http would show its token to everybody on the way; take https"
    elif given.kind == "alertmanager" and re.search(r"/api/v\d(/alerts)?/?$", url.path):
        yield "url is the address of its API; write its base, without /api/…"
    elif (key := _KEYS.get(given.kind)) and not url.query.get(key):
        yield f"url has no {key}; take the whole address that {given.kind} shows for the robot, with ?{key}=…"
