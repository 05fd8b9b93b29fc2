"""What a client of a live stream sends, one message after the other, as long as it and the server are there."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Silent(Exception):
    """Nothing came for too long."""


class Incoming(Generic[T]):
    """receive: waits for a message. ends: whether it is the last one. leaving: set when the server is about to end.
    patience: seconds.

    One message is read ahead, so that `gone` is set while a thread still works on the one before.
    """

    def __init__(
        self,
        receive: Callable[[], Awaitable[T]],
        ends: Callable[[T], bool],
        leaving: asyncio.Event,
        patience: float,
    ):
        self._receive, self._ends, self._patience = receive, ends, patience
        self._leaving = asyncio.ensure_future(leaving.wait())
        self._next: asyncio.Future[T] | None = None
        self.gone = threading.Event()

    async def message(self) -> T | None:
        """The next one; None if the server is about to end. Raises Silent, and what `receive` raises."""
        if self._leaving.done():
            return None
        if self._next is None:
            self._next = self._ahead()
        waiting: set[asyncio.Future] = {self._next, self._leaving}
        await asyncio.wait(waiting, timeout=self._patience, return_when=asyncio.FIRST_COMPLETED)
        if self._next.done():
            found = self._next.result()
            self._next = None if self.gone.is_set() else self._ahead()
            return found
        if self._leaving.done():
            return None
        raise Silent(f"Nothing came for {self._patience:g} seconds.")

    def _ahead(self) -> asyncio.Future[T]:
        def arrived(message: asyncio.Future[T]) -> None:
            if message.cancelled() or message.exception() is not None or self._ends(message.result()):
                self.gone.set()

        found = asyncio.ensure_future(self._receive())
        found.add_done_callback(arrived)
        return found

    def close(self) -> None:
        """Waits for nothing any more."""
        self._leaving.cancel()
        if self._next is not None:
            self._next.cancel()
