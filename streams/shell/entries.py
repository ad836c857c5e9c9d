"""The wall's addresses as they are printed once, and the tokens that are made for a run where none are set.

The token is in the fragment, which no browser sends and no log of a server shows. A token that somebody set is never
printed: whoever set it has it, and what a process prints lands in logs.
"""

from __future__ import annotations

import secrets
from typing import NamedTuple

from pydantic import SecretStr

from streams.settings import WallSettings

_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - shown, not bound


class Entries(NamedTuple):
    """The addresses of wall mode and of the desk, each with its token where it has one."""

    wall: str
    desk: str


def with_tokens(wall: WallSettings) -> WallSettings:
    """With a token for the televisions, and one for the desk where nobody could come in otherwise."""
    made = {}
    if not wall.token.get_secret_value():
        made["token"] = SecretStr(secrets.token_urlsafe(18))
    if not wall.desk_token.get_secret_value() and not wall.users and not wall.user_header:
        made["desk_token"] = SecretStr(secrets.token_urlsafe(18))
    return wall.model_copy(update=made)


def entries(wall: WallSettings, port: int) -> Entries:
    """Of settings that have their tokens; ``port``: the one that is listened on."""
    base = f"http://{reachable(wall.host, port)}"
    return Entries(_with(f"{base}/", wall.token), _with(f"{base}/desk", wall.desk_token))


def reachable(host: str, port: int) -> str:
    """host:port, for somebody on this machine, of what listens on that address."""
    host = _ANYWHERE.get(host, host)
    return f"{f'[{host}]' if ':' in host else host}:{port}"


def without_given(shown: Entries, given: WallSettings) -> Entries:
    """For printing: only tokens that were made, not those that ``given`` has."""
    return Entries(_bare(shown.wall, given.token), _bare(shown.desk, given.desk_token))


def _with(address: str, token: SecretStr) -> str:
    return f"{address}#token={token.get_secret_value()}" if token.get_secret_value() else address


def _bare(address: str, given: SecretStr) -> str:
    return address.partition("#")[0] if given.get_secret_value() else address
