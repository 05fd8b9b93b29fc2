"""What a client of a live stream sends, one message after the other, as long as it and the server are there."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Silent(Exception):
    """Nothing came for too long."""


class Incoming(Generic[T]):
    """receive: waits for a message. leaving: set when the server is about to end. patience: seconds."""

    def __init__(self, receive: Callable[[], Awaitable[T]], leaving: asyncio.Event, patience: float):
        self._receive, self._leaving, self._patience = receive, asyncio.ensure_future(leaving.wait()), patience
        self._next: asyncio.Future[T] | None = None

    async def message(self) -> T | None:
        """The next one; None if the server is about to end. Raises Silent, and what `receive` raises."""
        if self._leaving.done():
            return None
        if self._next is None:
            self._next = asyncio.ensure_future(self._receive())
        waiting: set[asyncio.Future] = {self._next, self._leaving}
        await asyncio.wait(waiting, timeout=self._patience, return_when=asyncio.FIRST_COMPLETED)
        if self._next.done():
            found, self._next = self._next, None
            return found.result()
        if self._leaving.done():
            return None
        raise Silent(f"Nothing came for {self._patience:g} seconds.")

    def close(self) -> None:
        """Waits for nothing any more."""
        self._leaving.cancel()
        if self._next is not None:
            self._next.cancel()
