"""The HTTP side of the wall's port: the page's files, ``/healthz`` and the door to the websocket.

Files are read once, from the package; a request can only name one of them, so no path leads anywhere else.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from importlib.resources import files
from urllib.parse import urlsplit

import msgspec
from websockets.asyncio.server import ServerConnection
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

#: The websocket's path.
LIVE = "/live"
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
#: No request leaves this server, nothing inline runs, nobody may frame the page, nothing is cached.
_GUARDS = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}

#: Whether the wall is live, and what to say about it.
Health = Callable[[], tuple[bool, dict[str, object]]]


class Web:
    """Answers requests before they become a websocket (``process_request`` of the websockets library)."""

    def __init__(self, health: Health, on_refused: Callable[[str], None]) -> None:
        """``on_refused`` is called with the reason when a websocket is not let in."""
        self._health, self._on_refused = health, on_refused
        self._pages = _read_pages()

    def __call__(self, _connection: ServerConnection, request: Request) -> Response | None:
        """None: go on with the websocket's handshake."""
        path = urlsplit(request.path).path
        if path == LIVE:
            return self._door(request)
        if request.method not in ("GET", "HEAD"):
            return answer(HTTPStatus.METHOD_NOT_ALLOWED, "only GET\n")
        if path == "/healthz":
            live, detail = self._health()
            status = HTTPStatus.OK if live else HTTPStatus.SERVICE_UNAVAILABLE
            return answer(status, msgspec.json.encode(detail) + b"\n", "application/json", request)
        page = self._pages.get("/index.html" if path == "/" else path)
        if page is None:
            return answer(HTTPStatus.NOT_FOUND, "no such page\n", request=request)
        return answer(HTTPStatus.OK, page[1], page[0], request)

    def _door(self, request: Request) -> Response | None:
        """A browser may only come from the page of this very server."""
        origin = request.headers.get("Origin")
        if origin is None or urlsplit(origin).netloc == request.headers.get("Host"):
            return None
        self._on_refused("origin")
        return answer(HTTPStatus.FORBIDDEN, "this websocket serves only its own page\n")


def answer(
    status: HTTPStatus, body: str | bytes, kind: str = "text/plain; charset=utf-8", request: Request | None = None
) -> Response:
    """A whole response with the guards; a HEAD request gets no body."""
    raw = body.encode() if isinstance(body, str) else body
    headers = Headers({**_GUARDS, "Content-Type": kind, "Content-Length": str(len(raw)), "Connection": "close"})
    return Response(status, status.phrase, headers, b"" if request and request.method == "HEAD" else raw)


def _read_pages() -> dict[str, tuple[str, bytes]]:
    """Path -> content type and bytes."""
    folder = files("dashboards.wall") / "static"
    kinds = {f"/{file.name}": (_TYPES.get(f".{file.name.rpartition('.')[2]}"), file) for file in folder.iterdir()}
    return {path: (kind, file.read_bytes()) for path, (kind, file) in kinds.items() if kind}
