"""Tables of the documents, each between two lines of its own, and the programs that write them."""

import argparse
from pathlib import Path

from deepspeech_recipe.files import atomic_path

SPEED = Path(__file__).resolve().parent.parent / "docs" / "speed.md"


def table_parser(description: str | None, page: Path = SPEED) -> argparse.ArgumentParser:
    """What all of these programs can be told."""
    found = argparse.ArgumentParser(description=description)
    found.add_argument("--quick", action="store_true", help="a small network and one round: a test of the program")
    found.add_argument("--page", type=Path, default=page, help="the page that gets the tables")
    return found


def marks(name: str) -> tuple[str, str]:
    """The lines that a table stands between."""
    return f"<!-- {name}: begin -->", f"<!-- {name}: end -->"


def write_between(page: Path, name: str, lines: list[str]) -> None:
    """Replaces what is between `<!-- NAME: begin -->` and `<!-- NAME: end -->`."""
    begin, end = marks(name)
    before, rest = page.read_text(encoding="utf-8").split(begin)
    after = rest.split(end)[1]
    with atomic_path(page) as temporary:
        temporary.write_text("\n".join([f"{before}{begin}\n", *lines, "", f"{end}{after}"]), encoding="utf-8")
