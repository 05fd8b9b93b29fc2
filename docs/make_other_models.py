"""Writes docs/other-models.md from tests/families. `PYTHONPATH=. python docs/make_other_models.py`"""

from collections.abc import Iterable
from pathlib import Path

from tests.families import Family, families

PAGE = Path(__file__).with_name("other-models.md")
FRONT = """# Other models with LSTMs

What becomes of models that are not DeepSpeech's, family by family. Each row is a graph that TensorFlow built, and that
the tests convert by both converters and compare with TensorFlow over several calls. [What happens in which
case](options.md#graphs-that-are-not-deepspeechs) · [your own LSTM in an hour](own-lstm.md)

An `LSTMSequence` is OpenVINO's operation for a whole LSTM. *mo* is Model Optimizer with this project's plugin,
`deepspeech-recipe convert` does without it too.
"""
REFUSED = """
## Refused

None of these is an `LSTMSequence`, and none is converted to something near it.

| model | why | instead |
|---|---|---|
"""


def becomes(family: Family) -> str:
    parts = []
    if family.sequences:
        parts.append("an `LSTMSequence`" if family.sequences == 1 else f"{family.sequences} `LSTMSequence`s")
    if family.loops:
        parts.append("a loop, exactly" if family.loops == 1 else f"{family.loops} loops, exactly")
    return " and ".join(parts)


def text(all_families: Iterable[Family]) -> str:
    """The whole page."""
    rows: dict[str, list[str]] = {}
    refused = []
    for each in all_families:
        if each.is_refused:
            refused.append(f"| {each.name} | {each.why or each.reason} | {each.instead} |")
        else:
            rows.setdefault(each.section, []).append(f"| {each.name} | {becomes(each)} | {each.mo or 'the same'} |")
    page = FRONT
    for section, lines in rows.items():
        page += f"\n## {section}\n\n| model | becomes | mo |\n|---|---|---|\n" + "\n".join(lines) + "\n"
    return page + REFUSED + "\n".join(refused) + "\n"


if __name__ == "__main__":
    PAGE.write_text(text(families()), encoding="utf-8")
