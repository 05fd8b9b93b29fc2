"""Who may come in, and what every answer says to browsers."""

import asyncio
import hmac
import ipaddress
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deepspeech_recipe.serve.errors import ApiError, answer, note
from deepspeech_recipe.serve.options import Options

COOKIE = "deepspeech_recipe"
_OPEN = ("/", "/health", "/login")  # the page asks for the token itself
_POLICY = (
    "default-src 'self'; media-src blob:; connect-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'; object-src 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "microphone=(self)",
    "Referrer-Policy": "same-origin",  # with no-referrer browsers send the form of the token with the Origin null
    "X-Content-Type-Options": "nosniff",
}


class Token:
    """What clients must know, or None if they need nothing."""

    def __init__(self, token: str | None):
        self._token = None if token is None else token.encode()

    @property
    def needed(self) -> bool:
        return self._token is not None

    @property
    def cookie(self) -> str:
        """What a browser keeps in the place of the token."""
        return hmac.new(self._token or b"", b"cookie", "sha256").hexdigest()

    def is_right(self, token: str) -> bool:
        """In the same time for every wrong one of the same length."""
        return self._token is None or hmac.compare_digest(token.encode(errors="replace"), self._token)

    def is_known(self, connection: HTTPConnection) -> bool:
        """Whether a request brings the token, or the cookie that stands for it."""
        scheme, _, given = connection.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self.is_right(given.strip()):
            return True
        cookie = connection.cookies.get(COOKIE, "")
        return not self.needed or hmac.compare_digest(cookie.encode(errors="replace"), self.cookie.encode())


class Guard:
    """ASGI middleware. Refuses requests without the token; those that another page has a browser send; and those to
    a name that somebody may have pointed here, at addresses of this machine that he cannot reach (DNS rebinding). An
    answer that nobody reads is given up."""

    def __init__(self, app: ASGIApp, token: Token, options: Options):
        self._app, self._token, self._options = app, token, options
        self._origins = {each.rstrip("/").lower() for each in options.origins}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        refusal = self._refusal(connection)
        if refusal is not None:
            note(connection, f"{refusal.status}: {refusal}")
        if refusal is not None and scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": str(refusal)})
        elif scope["type"] == "websocket":
            await self._app(scope, receive, send)
        else:
            await self._answer(self._app if refusal is None else answer(refusal), connection, receive, send)

    async def _answer(self, app: ASGIApp, connection: HTTPConnection, receive: Receive, send: Send) -> None:
        given_up = False

        async def patient(message: Message) -> None:
            nonlocal given_up
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                if not connection.url.path.startswith(f"{connection.scope.get('root_path', '')}/static/"):
                    headers.setdefault("Cache-Control", "no-store")
            try:
                await asyncio.wait_for(send(message), self._options.idle)
            except asyncio.TimeoutError:
                given_up = True
                raise OSError("The answer is not read.") from None

        try:
            await app(connection.scope, receive, patient)
        except Exception:
            if not given_up:
                raise
            note(connection, "does not read its answer")

    def _refusal(self, connection: HTTPConnection) -> ApiError | None:
        host, origin = connection.headers.get("host", ""), connection.headers.get("origin")
        if not (self._token.needed or _is_own_name(host) or host.lower() in _hosts(self._origins)):
            return ApiError(
                421, f"This server does not go by the name {host!r}. Start it with --origin http://{host}.", code="host"
            )
        if origin is not None and origin.lower() not in self._origins and _host(origin) != host.lower():
            return ApiError(403, f"The page at {origin!r} may not use this server.", code="origin")
        path = connection.scope["path"].removeprefix(connection.scope.get("root_path", ""))
        if path in _OPEN or path.startswith("/static/") or self._token.is_known(connection):
            return None
        return ApiError(401, "The token is missing, or wrong: Authorization: Bearer TOKEN.", code="invalid_api_key")


def _is_own_name(host: str) -> bool:
    """Whether nobody else can have given this name to the machine: an address, or a name without a dot."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    try:
        ipaddress.ip_address(name)
        return True
    except ValueError:
        return "." not in name and name != ""


def _host(origin: str) -> str:
    return origin.lower().partition("://")[2]


def _hosts(origins: Iterable[str]) -> set[str]:
    return {_host(each) for each in origins}
