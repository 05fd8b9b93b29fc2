"""The server of the command: uvicorn, bound on all sides, and ended in order."""

import asyncio
import logging
import os
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.files import reading
from deepspeech_recipe.serve import wyoming
from deepspeech_recipe.serve.asgi import app
from deepspeech_recipe.serve.engine import Engine

logger = logging.getLogger(__name__)
LARGEST_MESSAGE = 2**18  # bytes of a WebSocket's: 8 seconds at 16 kHz
_LOCAL = ("127.0.0.1", "::1", "localhost")
_PATIENCE = 10  # seconds for live streams to end in


def serve(
    model,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    wyoming_port: int | None = None,
    token_file: str | os.PathLike | None = None,
    insecure: bool = False,
    ssl_certfile: str | os.PathLike | None = None,
    ssl_keyfile: str | os.PathLike | None = None,
    log: Callable[[str], None] | None = None,
    **options: Any,
) -> None:
    """Serves a model until SIGTERM or Ctrl-C, which end live streams with their final texts.

    - model, options: as `app` has them.
    - host, port: where it listens; port 0: one that is free. wyoming_port: for the Wyoming protocol; None: not at all.
    - token_file: a file with the token that clients must bring. Elsewhere than on this machine the server listens with
      one only, or if insecure is True; the Wyoming protocol has no token.
    - ssl_certfile, ssl_keyfile: for TLS, in PEM form.
    - log: gets the line that says where it listens.

    Raises RecipeError if it cannot begin: an option, the port, the model.
    """
    _check(host, wyoming_port, token_file, insecure)
    found = app(model, token=None if token_file is None else read_token(token_file), **options)
    engine: Engine = found.state.engine
    config = uvicorn.Config(
        found, http=_protocol(engine.options.max_connections, engine.options.idle), ws="websockets-sansio",
        ws_per_message_deflate=False, ws_max_size=LARGEST_MESSAGE, log_config=None, access_log=False,
        ws_ping_interval=None,  # `idle` says who is gone; a client's answer waits behind samples that are not read yet
        server_header=False, timeout_graceful_shutdown=_PATIENCE, ssl_certfile=ssl_certfile, ssl_keyfile=ssl_keyfile,
    )  # fmt: skip
    _load(config, ssl_certfile)
    with _listening(host, port) as listener:
        server = _Server(config, engine, None if wyoming_port is None else (host, wyoming_port))
        if log:
            shown = f"[{host}]" if ":" in host else host
            log(f"{'https' if config.is_ssl else 'http'}://{shown}:{listener.getsockname()[1]}/")
        asyncio.run(server.serve(sockets=[listener]))
    if server.failure is not None:
        raise server.failure


def read_token(path: str | os.PathLike) -> str:
    """The token in a file: its text without the space around it. Raises RecipeError if there is none."""
    with reading(path):
        token = Path(path).read_bytes().strip()
    if not token.isascii() or not token or not token.decode().isprintable():
        raise RecipeError(
            f"{path}: holds no token: one line of ASCII letters is needed, `openssl rand -hex 32` for one."
        )
    return token.decode()


def _check(host: str, wyoming_port: int | None, token_file: object, insecure: bool) -> None:
    if host in _LOCAL or insecure:
        return
    if token_file is None:
        raise RecipeError(
            f"--host {host} lets other machines in: give a token with --token-file, or --insecure if all of them may."
        )
    if wyoming_port is not None:
        raise RecipeError(
            f"--wyoming with --host {host} lets other machines in without a token, for the protocol has none: give "
            "--insecure if all of them may."
        )


def _load(config: uvicorn.Config, certificate: object) -> None:
    try:
        config.load()
    except (OSError, ssl.SSLError) as error:
        raise RecipeError(f"{certificate}: cannot be used for TLS ({error}).") from None


def _listening(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=128)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise RecipeError(f"{host}, port {port}: cannot be listened on ({reason}). Choose another --port.") from None


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, engine: Engine, wyoming_at: tuple[str, int] | None):
        super().__init__(config)
        self._engine, self._wyoming_at = engine, wyoming_at
        engine.log_failure = False  # it is raised
        self._wyoming: asyncio.Server | None = None
        self.failure: Exception | None = None
        self.should_exit = False

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._engine.start().add_done_callback(self._loaded)
        if self._wyoming_at is not None:
            host, port = self._wyoming_at
            try:
                self._wyoming = await wyoming.start(self._engine, host, port, self._engine.options.max_connections)
            except (OSError, OverflowError) as error:
                reason = getattr(error, "strerror", None) or error
                self._fail(
                    RecipeError(f"{host}, port {port}: cannot be listened on ({reason}). Choose another --wyoming.")
                )

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Nobody is let in any more; those who speak get their texts."""
        for server in (*self.servers, *filter(None, [self._wyoming])):
            server.close()
        self._engine.leaving.set()
        end = asyncio.get_running_loop().time() + _PATIENCE
        while self._engine.streams.taken and asyncio.get_running_loop().time() < end:
            await asyncio.sleep(0.02)
        await super().shutdown(sockets)
        if self.force_exit:  # uvicorn leaves that out then, and the app is cancelled with a traceback
            await self.lifespan.shutdown()

    def handle_exit(self, sig: int, frame) -> None:
        """A second signal does not wait."""
        self.force_exit = self.should_exit
        self.should_exit = True

    def _loaded(self, task: asyncio.Task) -> None:
        if self._engine.failure is not None:
            self._fail(self._engine.failure)

    def _fail(self, error: Exception) -> None:
        self.failure, self.should_exit = error, True


def _protocol(most: int, patience: float) -> type[H11Protocol]:
    """HTTP for at most that many connections, whose clients send their requests' heads within seconds: uvicorn waits
    for a head that began as long as it takes."""

    class Bounded(H11Protocol):
        def connection_made(self, transport) -> None:
            super().connection_made(transport)
            if len(self.connections) > most:
                logger.warning("all %d connections are in use", most)
                transport.write(b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
                transport.close()
            self._expect()

        def on_response_complete(self) -> None:
            super().on_response_complete()
            self._expect()

        def handle_websocket_upgrade(self, event) -> None:
            self._waiting.cancel()
            super().handle_websocket_upgrade(event)

        def connection_lost(self, exc: Exception | None) -> None:
            self._waiting.cancel()
            super().connection_lost(exc)

        def _expect(self) -> None:
            """Closes the connection unless a request has come in time."""
            last = self.cycle

            def close() -> None:
                if self.cycle is last:
                    self.transport.close()

            self._waiting = self.loop.call_later(patience, close)

    return Bounded
