"""Tables in docs/speed.md, each between two lines of its own."""

from pathlib import Path

from deepspeech_recipe.files import atomic_path

SPEED = Path(__file__).resolve().parent.parent / "docs" / "speed.md"


def write_between(page: Path, name: str, lines: list[str]) -> None:
    """Replaces what is between `<!-- NAME: begin -->` and `<!-- NAME: end -->`."""
    begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
    before, rest = page.read_text(encoding="utf-8").split(begin)
    after = rest.split(end)[1]
    with atomic_path(page) as temporary:
        temporary.write_text("\n".join([f"{before}{begin}", *lines, "", f"{end}{after}"]), encoding="utf-8")
