"""`list`: the releases. `cases WORK`: what is to be converted (see mo_versions_cases.py). `report WORK [PAGE]`: the
results of all releases, the IRs run once more by this environment's OpenVINO, as a table, and as the page; exit code 1
if something is wrong."""

import json
import sys
from collections import Counter
from pathlib import Path

import numpy as np

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.ir.metadata import read_metadata
from deepspeech_recipe.ir.ov_api import ov

LINE = "[ deepspeech-recipe ]"
# openvino-dev, Python, and the first TensorFlow that is too new for it. Every release, and every Python, is there once.
VERSIONS = (
    ("2022.3.2", "3.8", "2.13"),
    ("2022.3.2", "3.10", "2.13"),
    ("2023.0.2", "3.9", "2.13"),
    ("2023.1.0", "3.10", "2.14"),
    ("2023.2.0", "3.11", "2.15"),
    ("2023.3.0", "3.8", "2.16"),
    ("2023.3.0", "3.11", "2.16"),
    ("2024.0.0", "3.11", "2.17"),
    ("2024.1.0", "3.8", "2.17"),
    ("2024.2.0", "3.12", "2.17"),
    ("2024.3.0", "3.10", "2.17"),
    ("2024.4.0", "3.12", "2.18"),
    ("2024.5.0", "3.11", "2.18"),
    ("2024.6.0", "3.9", "2.18"),
    ("2024.6.0", "3.12", "2.18"),
)
# What a release cannot do, and a part of the Error that says so.
CANNOT = {(release, "internal"): "fail on a model with internal state" for release in ("2023.1.0", "2023.2.0")}
# What names, shapes and metadata are compared with.
REFERENCE = "2024.6.0-py3.12"
RECURRENT = ("LSTMSequence", "TensorIterator", "Loop", "LSTMCell", "ReadValue", "Assign")
PAGE = """# Every `mo` that people have

The plugin works in Model Optimizer of openvino-dev 2022.3 to 2024.6, on Python 3.8 and later. `ci/mo-versions` made
this page, with an environment for each line: {count} conversions by the real `mo`, each IR run by the OpenVINO of the
same release and from the same files by {newest}, over up to {calls} chained calls, beside TensorFlow's
numbers. Names, shapes, metadata and the kinds of recurrent operations are the same in all of them.

{table}
{missing}
Largest differences of probabilities, scores and states: absolute with weights of 32 bits, and with weights of 16 bits
relative to the largest value, where that is above 1.

## What was converted

{cases}

## What to know about a release

- Pythons that OpenVINO has wheels for: 3.7 to 3.10 for 2022.3, to 3.11 for 2023.0 to 2023.3; 3.8 to 3.11 for 2024.0, to
  3.12 for 2024.1 to 2024.4; 3.9 to 3.12 for 2024.5 and 2024.6. On Python 3.7 the plugin says that it needs 3.8.
- On Python 3.8 `mo` fails by itself with the openvino-telemetry that pip finds (`shutdown() got an unexpected keyword
  argument 'cancel_futures'`): `pip install "openvino-telemetry<2024"`.
- `mo` of 2022.3 writes weights of 32 bits unless it gets `--compress_to_fp16`; later ones write 16 bits unless they get
  `--compress_to_fp16=False`.
- 2023.1 and 2023.2 cannot keep the state inside of the IR: their own transformations fail on such a model. The plugin
  says so.
- 2022.3 to 2023.1 fail by themselves where they infer a StridedSlice with numpy 1.24 or later, which they allow
  (`np.int`). Where the plugin is loaded, it puts that right.
- Another release is one line: "The plugin deepspeech_recipe works with openvino-dev 2022.3 to 2024.6, and this is …".
- `deepspeech-recipe`, the package's command line, needs Python 3.10, and for its converter `mo` openvino-dev 2024.6.
"""


def main(command: str, work: str = "", page: str | None = None) -> int:
    if command == "list":
        print(*map(" ".join, VERSIONS), sep="\n")
        return 0
    if command == "cases":
        import mo_versions_cases

        mo_versions_cases.write(Path(work))
        return 0
    return report(Path(work), page and Path(page))


def report(work: Path, page: Path | None) -> int:
    cases = json.loads((work / "cases.json").read_text())
    folders = sorted((work / "results").glob("*/"), key=lambda folder: [int(part) for part in _numbers(folder.name)])
    like = work / "results" / REFERENCE
    rows, wrong = [], []
    for folder in folders:
        found = json.loads((folder / "run.json").read_text())
        worst, failures = Counter(), []
        for name, case in cases.items():
            failures += [
                f"{folder.name}, {case['what']}: {text}"
                for text in _judge(work, folder, like, name, case, found, worst)
            ]
        left_out = sum((folder.name.split("-")[0], name) in CANNOT for name in cases)
        good = len(cases) - left_out - len({failure.split(": ")[0] for failure in failures})
        packages = found["packages"]
        rows.append(
            f"| {folder.name.split('-')[0]} | {found['python']} | {packages['tensorflow']} | {packages['numpy']} "
            f"| {good} of {len(cases)} | {worst['own']:.0e} | {worst['new']:.0e} | {worst['own half']:.0e} |"
        )
        wrong += failures
    titles = ["openvino-dev", "Python", "TensorFlow", "numpy", "right", "its OpenVINO", "the newest", "16 bits"]
    table = "\n".join([f"| {' | '.join(titles)} |", "|---" * len(titles) + "|", *rows])
    if page is not None and not wrong:
        newest = f"OpenVINO {ov.__version__.split('-')[0]}"
        calls = max(case["calls"] for case in cases.values())
        listed = "\n".join(f"- {case['what']}" for case in cases.values())
        left_out = [f"{release} on Python {python}" for release, python, _ in VERSIONS]
        for folder in folders:
            left_out.remove(folder.name.replace("-py", " on Python "))
        missing = f"\nNot run when this page was made: {', '.join(left_out)}.\n" if left_out else ""
        texts = {"newest": newest, "calls": calls, "table": table, "missing": missing, "cases": listed}
        page.write_text(PAGE.format(count=len(cases), **texts))
    print(table, *wrong, sep="\n")
    return 1 if wrong else 0


def _numbers(name: str) -> list[str]:
    return name.replace("-py", ".").split(".")


def _judge(work: Path, folder: Path, like: Path, name: str, case: dict, found: dict, worst: Counter):
    """What is wrong with one conversion; notes the largest differences."""
    done = found["cases"][name]
    refused = CANNOT.get((folder.name.split("-")[0], name), case["refused"])
    if refused:
        if done["code"] != 1 or refused not in done["printed"] or "INTERNAL ERROR" in done["printed"]:
            yield f"should end in an Error: {done['printed'][-300:]}"
        return
    if done["code"] != 0 or "error" in done:
        yield done.get("error") or done["printed"][-300:]
        return
    if done["printed"].count(LINE) != 1:
        yield f"{done['printed'].count(LINE)} lines of the plugin"
    xml = folder / f"{name}.xml"
    if _description(xml) != _description(like / xml.name):
        yield f"is not as in {like.name}: {_description(xml)}"
    with np.load(work / f"{name}.npz") as arrays:
        want = {key[len("want|") :]: value for key, value in arrays.items() if key.startswith("want|")}
    with np.load(folder / f"{name}.npz") as arrays:
        runs = {"own": dict(arrays)}
    from mo_versions_run import outputs

    runs["new"] = outputs(xml, work / f"{name}.npz", case)
    for which, values in runs.items():
        differences = [_difference(values[key], expected, case["relative"]) for key, expected in want.items()]
        if max(differences) > case["tolerance"]:
            yield f"off by {max(differences):.2g} ({'its own' if which == 'own' else 'the newest'} OpenVINO)"
        if case["kind"]:
            key = f"{which} {case['kind']}".replace(" full", "")
            worst[key] = max(worst[key], *differences)


def _difference(values, expected, relative: bool) -> float:
    if values.shape != expected.shape or not np.isfinite(values).all():
        return float("inf")
    return float(np.abs(values - expected).max() / (max(1, np.abs(expected).max()) if relative else 1))


def _description(xml: Path) -> tuple:
    """Names and shapes of inputs and outputs, the recurrent operations, the metadata."""
    model = ov.Core().read_model(xml)
    ports = [
        [(sorted(port.get_names()), str(port.get_partial_shape())) for port in side]
        for side in (model.inputs, model.outputs)
    ]
    kinds = Counter(node.get_type_name() for node in model.get_ops())
    try:
        metadata = read_metadata(model)
    except RecipeError:
        metadata = None
    return ports, {kind: kinds[kind] for kind in RECURRENT}, metadata


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
