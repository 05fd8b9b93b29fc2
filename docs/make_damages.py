"""Writes docs/damages.md: every damage of tests/support/damages.py in each of its forms, and what sees it.

`PYTHONPATH=. python docs/make_damages.py` (it takes two minutes). Ends with an error, and writes nothing, if what is
seen is not what that table declares and the tests hold.
"""

import sys
import tempfile
from pathlib import Path

from deepspeech_recipe.sources import open_model
from deepspeech_recipe.verification import compare, verify
from deepspeech_recipe.verification.diagnose import diagnose
from tests.support import verify_models as models
from tests.support.damages import DAMAGES, FORMS, GRAPH, Damage, damaged, kind_of

PAGE = Path(__file__).with_name("damages.md")
BEGIN, END = "<!-- {}: begin -->", "<!-- {}: end -->"


def main() -> None:
    compare.built_in_recordings = models.little
    source = open_model(models.graph(GRAPH))
    page = PAGE.read_text()
    for name, rows in (("seen", seen(source)), ("sizes", sizes(source))):
        begin, end = BEGIN.format(name), END.format(name)
        before, rest = page.split(begin)
        page = f"{before}{begin}\n\n{table(rows)}\n\n{end}{rest.split(end)[1]}"
    PAGE.write_text(page)


def seen(source) -> list[list[str]]:
    """What fails, form by form. Ends the program if that is not what is declared."""
    rows = [["damage", "size", "forms", "checks of `verify`", "in some of these forms also", "`diagnose`"]]
    wrong = []
    for damage in DAMAGES:
        found = {form: outcome(source, damage, form, damage.size_in(form)) for form in damage.forms}
        for form, (checks, stage) in found.items():
            if damage.check_in(form) not in checks or stage != damage.stage_in(form):
                wrong.append(f"{damage.name}, {form}: {', '.join(checks)}; {stage}")
        alike: dict[tuple, list[str]] = {}
        for form in damage.forms:
            alike.setdefault((damage.size_in(form), damage.check_in(form), damage.stage_in(form)), []).append(form)
        for (size, _, stage), forms in alike.items():
            all_checks = list(dict.fromkeys(check for form in forms for check in found[form][0]))
            always = [check for check in all_checks if all(check in found[form][0] for form in forms)]
            sometimes = [check for check in all_checks if check not in always]
            listed = "all" if len(forms) == len(FORMS) else "; ".join(forms)
            shown = f"{size:g}" if size else ""
            rows.append([damage.name, shown, listed, ", ".join(always), ", ".join(sometimes), stage])
    if wrong:
        sys.exit("\n".join(["Not as declared:", *wrong]))
    return rows


def outcome(source, damage: Damage, form: str, size: float) -> tuple[list[str], str | None]:
    """(the kinds of checks that fail, the stage named or None)."""
    with tempfile.TemporaryDirectory() as folder:
        report = verify(source, damaged(damage, form, Path(folder), size), reference="numpy")
        found = diagnose(source, damaged(damage, form, Path(folder), size))
    return list(dict.fromkeys(kind_of(check.name) for check in report.checks if not check.passed)), found.first


def sizes(source) -> list[list[str]]:
    rows = [["damage", "form", "`verify`", "`diagnose`"]]
    for damage in (each for each in DAMAGES if each.sizes):
        rows.append([damage.name, damage.forms[0], *smallest(source, damage, damage.forms[0])])
    return rows


def smallest(source, damage: Damage, form: str) -> list[str]:
    """From which of its sizes on both commands see a damage: larger ones are taken to be seen as well."""
    known: dict[float, tuple[bool, bool]] = {}

    def is_seen(size: float, command: int) -> bool:
        if size not in known:
            checks, stage = outcome(source, damage, form, size)
            known[size] = bool(checks), stage is not None
        return known[size][command]

    found = []
    for command in range(2):
        low, high = 0, len(damage.sizes)
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if is_seen(damage.sizes[middle], command) else (middle + 1, high)
        found.append(f"{damage.sizes[low]:g}" if low < len(damage.sizes) else f"not by {damage.sizes[-1]:g}")
    return found


def table(rows: list[list[str]]) -> str:
    head, *body = rows
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, ["---"] * len(head), *body))


if __name__ == "__main__":
    main()
