"""Shows on a terminal how far long work is: a bar by tqdm, or a line now and then without it. Elsewhere nothing."""

import sys
import time
from typing import Any

_QUIET = 2.0  # seconds: shorter work needs no bar
_BETWEEN_LINES = 10.0


class Progress:
    """The bar: call it with how much is done, and of how much; print lines by `log` while it is shown."""

    def __init__(self, unit: str):
        self._unit = unit
        self._terminal = sys.stderr.isatty()
        self._bar: Any = None  # tqdm's, as soon as there is one
        self._last = time.monotonic()

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *error) -> None:
        if self._bar is not None:
            self._bar.close()

    def __call__(self, done: float, total: float) -> None:
        if not self._terminal:
            return
        try:
            from tqdm import tqdm
        except ImportError:
            self._line(done, total)
            return
        if self._bar is None:
            layout = "{percentage:3.0f}%|{bar}| {n:.0f}/{total:.0f} {unit} [{elapsed}<{remaining}]"
            self._bar = tqdm(
                total=total, unit=self._unit, file=sys.stderr, delay=_QUIET, leave=False, dynamic_ncols=True,
                bar_format=layout,
            )  # fmt: skip
        self._bar.update(done - self._bar.n)

    def log(self, text: str, file=None) -> None:
        """Prints a line on stderr, or on another file, not across the bar."""
        file = file or sys.stderr
        if self._bar is None:
            print(text, file=file, flush=True)
        else:
            self._bar.write(text, file=file)
            file.flush()

    def _line(self, done: float, total: float) -> None:
        now = time.monotonic()
        if now - self._last >= _BETWEEN_LINES:
            self._last = now
            print(f"{done:.0f} of {total:.0f} {self._unit}", file=sys.stderr, flush=True)
