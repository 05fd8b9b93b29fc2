"""Shows on a terminal how far long work is: a bar by tqdm, or a line now and then without it. Elsewhere nothing."""

import shutil
import sys
import threading
import time
from typing import Any

from deepspeech_recipe.cli import console

_QUIET = 2.0  # seconds: shorter work needs no bar
_BETWEEN_LINES = 10.0


def shown() -> bool:
    """Whether somebody looks and wants to see it."""
    return sys.stderr.isatty() and not console.is_quiet()


class Progress:
    """The bar: call it with how much is done, and of how much; print lines by `log` while it is shown."""

    def __init__(self, unit: str):
        self._unit = unit
        self._terminal = shown()
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

    def note(self, text: str) -> None:
        """Says what the user should know, if that was not forbidden."""
        if not console.is_quiet():
            self.log(text)

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


class Stages:
    """What is being done, and for how long, on the last line of a terminal after two seconds; call it with each stage.

    With --verbose each stage is a line of its own, anywhere.
    """

    def __init__(self, first: str):
        self._text, self._begin, self._end, self._drawn = first, time.monotonic(), threading.Event(), False
        self._thread = threading.Thread(target=self._draw, name="stages", daemon=True)

    def __enter__(self) -> "Stages":
        if shown() and not console.is_verbose():
            self._thread.start()
        return self

    def __exit__(self, *error) -> None:
        self._end.set()
        if self._thread.is_alive():
            self._thread.join()
        if self._drawn:
            print("\r\033[K", end="", file=sys.stderr, flush=True)

    def __call__(self, text: str) -> None:
        self._text = text
        if console.is_verbose():
            console.note(f"… {text}")

    def _draw(self) -> None:
        wait = _QUIET
        while not self._end.wait(wait):
            wait, self._drawn = 1.0, True
            line = f"… {self._text} ({time.monotonic() - self._begin:.0f} s)"
            width = shutil.get_terminal_size().columns - 1
            print(f"\r\033[K{line[:width]}", end="", file=sys.stderr, flush=True)
