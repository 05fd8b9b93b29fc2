"""Small helpers for what the commands print, and for what they are given."""

import argparse
import json
import math
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from deepspeech_recipe.files import printable

_NARROWEST = 20  # letters, of a column that is wrapped


def typed(arguments) -> dict[str, Any]:
    """The options of a command line that are keywords of the command's function."""
    return {name: value for name, value in vars(arguments).items() if name not in ("command", "run", "json")}


def numbers_by_name(separator: str, form: str) -> Callable[[str], dict[str, float]]:
    """What an option reads: 'a=1,b=2' → {'a': 1.0, 'b': 2.0}. form: how one of them is written, for who writes it
    otherwise."""

    def read(text: str) -> dict[str, float]:
        numbers = {}
        for each in text.split(","):
            name, _, number = each.rpartition(separator)
            try:
                numbers[name] = float(number)
            except ValueError:
                name = ""
            if not name:
                raise argparse.ArgumentTypeError(f"{each!r} is not of the form {form}")
        return numbers

    return read


def json_document(value: Any) -> str:
    """JSON knows no infinity, and nothing that is not a number: these are null."""
    return json.dumps(_finite(value), indent=2, ensure_ascii=False, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def byte_count(size: int) -> str:
    """1234567 → '1.2 MB'"""
    for unit, scale in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= scale:
            return f"{size / scale:.1f} {unit}"
    return f"{size} bytes"


def shape(sizes: Iterable[int]) -> str:
    """[1, -1, 26] → '[1, ?, 26]'"""
    return f"[{', '.join('?' if size < 0 else str(size) for size in sizes)}]"


def rows(table: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """Lines of a table with aligned columns, indented by two; on a terminal the last column is as wide as it allows."""
    table = [tuple(map(printable, row)) for row in table]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    room = 0
    if sys.stdout.isatty():
        room = max(_NARROWEST, shutil.get_terminal_size().columns - sum(width + 2 for width in widths[:-1]) - 3)
    for *row, last in table:
        lines = (textwrap.wrap(last, room) if room else [last]) or [""]
        for number, line in enumerate(lines):
            cells = [*(row if number == 0 else [""] * len(row)), line]
            yield "  " + "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
