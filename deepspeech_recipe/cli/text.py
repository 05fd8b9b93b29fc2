"""Small helpers for what the commands print."""

from collections.abc import Iterable, Iterator


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
    """Lines of a table with aligned columns, indented by two."""
    table = list(table)
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        yield "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
