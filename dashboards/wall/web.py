"""The HTTP side of the wall's port: the pages' files, ``/ticket``, ``/healthz`` and the door to the websocket.

Files are read once, from the package; a request can only name one of them, so no path leads anywhere else.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from http import HTTPStatus
from importlib.resources import files
from importlib.resources.abc import Traversable
from urllib.parse import urljoin, urlsplit

import msgspec
from msgspec import Struct
from msgspec.structs import replace
from websockets.asyncio.server import ServerConnection
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from dashboards.wall.entrance import Answer

#: The websocket's path, and where a ticket for it is had.
LIVE, TICKET = "/live", "/ticket"
#: The addresses that are one page each, drawn in the browser; those that end in / take an id.
_SHELLS = {
    "/": "/index.html",
    "/desk": "/desk.html",
    "/rules": "/desk.html",
    "/search": "/desk.html",
    "/alerts/": "/desk.html",
    "/calls/": "/desk.html",
    "/agents/": "/desk.html",
}
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
#: No request leaves this server, nothing inline runs, nobody may frame the page.
_GUARDS = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_JSON = "application/json"
_SCRIPT = re.compile(r'<script type="module" src="([^"]+)"')
_IMPORT = re.compile(r"""(?:^|;)(?:import|export\b[^"';(]*\bfrom)\b[^"';(]*["']([./][^"']+)["']""", re.MULTILINE)
#: Files below this size, bytes, are not worth packing.
_SMALL = 512

#: Whether the wall is live, and what to say about it.
Health = Callable[[], tuple[bool, dict[str, object]]]
#: Answers a request for a ticket, from that address.
Admit = Callable[[Request, str], Awaitable[Answer]]


class File(Struct, frozen=True):
    """One file as it is sent. ``packed``: gzip, where that is shorter. ``tag``: changes with its content. ``needs``: of
    a page, the modules that it will import.
    """

    kind: str
    tag: str
    plain: bytes
    packed: bytes | None = None
    needs: tuple[str, ...] = ()


class Web:
    """Answers requests before they become a websocket (``process_request`` of the websockets library)."""

    def __init__(self, health: Health, admit: Admit, on_refused: Callable[[str], None]) -> None:
        """``on_refused`` is called with the reason when a websocket is not let in."""
        self._health, self._admit, self._on_refused = health, admit, on_refused
        self._files = with_needs(dict(_read(files("dashboards.wall") / "static")))

    async def __call__(self, connection: ServerConnection, request: Request) -> Response | None:
        """None: go on with the websocket's handshake."""
        path = _path(request)
        if path == LIVE:
            return self._door(request)
        if request.method not in ("GET", "HEAD"):
            return answer(HTTPStatus.METHOD_NOT_ALLOWED, "only GET\n")
        if path == TICKET:
            status, body = await self._admit(request, peer_of(connection))
            return answer(status, body, _JSON, request)
        if path == "/healthz":
            live, detail = self._health()
            status = HTTPStatus.OK if live else HTTPStatus.SERVICE_UNAVAILABLE
            return answer(status, msgspec.json.encode(detail) + b"\n", _JSON, request)
        file = self._files.get(_shell(path) or path)
        return _file(file, request) if file else answer(HTTPStatus.NOT_FOUND, "no such page\n", request=request)

    def _door(self, request: Request) -> Response | None:
        """A browser may only come from the page of this very server."""
        origin = request.headers.get("Origin")
        if origin is None or (_host(origin) or "nobody's") == request.headers.get("Host"):
            return None
        self._on_refused("origin")
        return answer(HTTPStatus.FORBIDDEN, "this websocket serves only its own page\n")


def answer(
    status: HTTPStatus, body: str | bytes, kind: str = "text/plain; charset=utf-8", request: Request | None = None
) -> Response:
    """A whole response with the guards, which nobody may keep; a HEAD request gets no body."""
    raw = body.encode() if isinstance(body, str) else body
    return _respond(status, raw, {"Content-Type": kind, "Cache-Control": "no-store"}, request)


def _respond(status: HTTPStatus, raw: bytes, headers: dict[str, str], request: Request | None) -> Response:
    whole = Headers({**_GUARDS, **headers, "Content-Length": str(len(raw)), "Connection": "close"})
    return Response(status, status.phrase, whole, b"" if request and request.method == "HEAD" else raw)


def _file(file: File, request: Request) -> Response:
    """Kept by the browser, but asked for each time: after an update nobody sees half of the old page."""
    packed = file.packed if "gzip" in _accepted(request) else None
    tag = f'"{file.tag}{"-gz" if packed else ""}"'
    headers = {"Content-Type": file.kind, "Cache-Control": "no-cache", "ETag": tag, "Vary": "Accept-Encoding"}
    if file.needs:  # all of them at once, instead of one round trip for each step from import to import
        headers["Link"] = ", ".join(f"<{path}>; rel=modulepreload" for path in file.needs)
    if tag in request.headers.get("If-None-Match", ""):
        return _respond(HTTPStatus.NOT_MODIFIED, b"", headers, request)
    if packed:
        return _respond(HTTPStatus.OK, packed, {**headers, "Content-Encoding": "gzip"}, request)
    return _respond(HTTPStatus.OK, file.plain, headers, request)


def _accepted(request: Request) -> set[str]:
    """The encodings that the browser takes; one with a quality is one with a wish, and ours are not worth it."""
    return {name.strip() for name in request.headers.get("Accept-Encoding", "").split(",")}


def _path(request: Request) -> str:
    """Where the request goes; "": nowhere."""
    with suppress(ValueError):
        return urlsplit(request.path).path
    return ""


def _host(origin: str) -> str:
    """Host and port of an origin; "": it is none."""
    with suppress(ValueError):
        return urlsplit(origin).netloc
    return ""


def peer_of(connection: ServerConnection) -> str:
    """The address that a connection comes from."""
    address = connection.remote_address
    return address[0] if address else ""


def _shell(path: str) -> str | None:
    """The page of that address, where it is one."""
    folder, _, rest = path.removeprefix("/").partition("/")
    return _SHELLS.get(f"/{folder}/" if rest else path)


def _read(folder: Traversable, path: str = "") -> Iterator[tuple[str, File]]:
    for one in folder.iterdir():
        if one.is_dir():
            yield from _read(one, f"{path}/{one.name}")
        elif kind := _TYPES.get(f".{one.name.rpartition('.')[2]}"):
            plain = one.read_bytes()
            packed = gzip.compress(plain, mtime=0) if len(plain) > _SMALL else None
            yield f"{path}/{one.name}", File(kind, hashlib.sha256(plain).hexdigest()[:16], plain, packed)


def with_needs(found: dict[str, File]) -> dict[str, File]:
    """Each page with all the modules that it imports, directly or not."""
    imports = {path: _imports(path, file) & found.keys() for path, file in found.items()}
    return {
        path: replace(file, needs=tuple(_reached(path, imports))) if path.endswith(".html") else file
        for path, file in found.items()
    }


def _imports(path: str, file: File) -> set[str]:
    """Of a page its scripts, of a script what it imports when it is loaded."""
    pattern = {".html": _SCRIPT, ".js": _IMPORT}.get(path[path.rfind(".") :])
    return {urljoin(path, name) for name in pattern.findall(file.plain.decode())} if pattern else set()


def _reached(path: str, imports: dict[str, set[str]]) -> list[str]:
    """The nearest first."""
    reached = [path]
    for each in reached:
        reached += sorted(imports[each] - set(reached))
    return reached[1:]
