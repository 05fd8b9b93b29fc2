"""Writes docs/damages.md: every damage of tests/support/damages.py, what sees it, and from which size on.
`PYTHONPATH=. python docs/make_damages.py` (it takes a minute)
"""

import tempfile
from pathlib import Path

from deepspeech_recipe.sources import open_model
from deepspeech_recipe.verification import compare, verify
from deepspeech_recipe.verification.diagnose import diagnose
from deepspeech_recipe.verification.recordings import Recording, speech_like
from tests.support import verify_models as models
from tests.support.damages import DAMAGES, FORMS, GRAPH, Damage, damaged

PAGE = Path(__file__).with_name("damages.md")
BEGIN, END = "<!-- {}: begin -->", "<!-- {}: end -->"


def main() -> None:
    compare.built_in_recordings = lambda rate: [Recording("made-up speech", speech_like(rate)[:rate])]
    source = open_model(models.graph(GRAPH))
    page = PAGE.read_text()
    for name, rows in (("seen", seen(source)), ("sizes", sizes(source))):
        begin, end = BEGIN.format(name), END.format(name)
        before, rest = page.split(begin)
        page = f"{before}{begin}\n\n{table(rows)}\n\n{end}{rest.split(end)[1]}"
    PAGE.write_text(page)


def seen(source) -> list[list[str]]:
    """As the table has it and the tests hold it."""
    rows = [["damage", "size", "forms", "check of `verify`", "`diagnose`"]]
    for damage in DAMAGES:
        forms: dict[str, list[str]] = {}
        for form in damage.forms:
            forms.setdefault(damage.stage_in(form), []).append(form)
        for stage, where in forms.items():
            size = f"{damage.size:g}" if damage.size else ""
            listed = "all" if len(where) == len(FORMS) else "; ".join(where)
            rows.append([damage.name, size, listed, damage.check or "features, probabilities", stage])
    return rows


def outcome(source, damage: Damage, form: str, size: float) -> tuple[str, str]:
    """(checks that fail, the stage named); '–' for none."""
    with tempfile.TemporaryDirectory() as folder:
        report = verify(source, damaged(damage, form, Path(folder), size), reference="numpy")
        found = diagnose(source, damaged(damage, form, Path(folder), size))
    checks = dict.fromkeys(check.name.split(" after")[0] for check in report.checks if not check.passed)
    return ", ".join(checks) or "–", found.first or "–"


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
            known[size] = checks != "–", stage != "–"
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
