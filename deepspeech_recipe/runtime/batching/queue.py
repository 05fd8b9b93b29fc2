"""Which rows share the next call of the network, and when it begins."""

from collections.abc import Hashable


class BatchQueue:
    """First come, first served. A call begins when enough rows wait, when no other could join, or when the first one
    has waited for max_delay seconds.

    Rows of one call have as many windows as its first one; others wait for their turn. Not for several threads.
    Times are seconds of any clock that never goes back.
    """

    def __init__(self, max_rows: int, max_delay: float):
        self._max_rows, self._max_delay = max_rows, max_delay
        self._joined: set[Hashable] = set()
        self._queue: dict[Hashable, tuple[int, float]] = {}  # in the order of arrival: windows, since when

    def join(self, row: Hashable) -> None:
        """The row will have something to compute sooner or later."""
        self._joined.add(row)

    def leave(self, row: Hashable) -> None:
        """Nothing comes from it any more."""
        self._joined.discard(row)
        self._queue.pop(row, None)

    def put(self, row: Hashable, windows: int, since: float) -> None:
        """The row, which has joined, has that many windows for a call; one that waits already keeps its place."""
        self._queue.setdefault(row, (windows, since))

    def waiting(self, row: Hashable) -> bool:
        return row in self._queue

    def wait(self, now: float) -> float | None:
        """Seconds until a call should begin: 0 if it is due, None if nobody waits."""
        if not self._queue:
            return None
        windows, since = next(iter(self._queue.values()))
        if len(self._queue) == len(self._joined) or len(self._together(windows)) == self._max_rows:
            return 0.0
        return max(0.0, since + self._max_delay - now)

    def take(self) -> list:
        """The rows of the next call, in their order; they no longer wait."""
        windows, _ = next(iter(self._queue.values()))
        rows = self._together(windows)
        for row in rows:
            del self._queue[row]
        return rows

    def _together(self, windows: int) -> list:
        return [row for row, (size, _) in self._queue.items() if size == windows][: self._max_rows]
