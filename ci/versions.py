"""`list`: the environments, each `name python pin …`. `cases WORK`: what is converted, and TensorFlow's numbers for it.
`report WORK [PAGE]`: the results as a table, and as the page; exit code 1 if something is wrong or missing."""

import json
import sys
from pathlib import Path

import numpy as np
from mo_versions_cases import EXACT, FIXTURES, acoustic, first_release, loop

from tests.support.bundled import MODEL, transcripts
from tests.support.exporter_fixtures import FOLDER, expected

# What pip takes without a pin is the newest that goes with the rest. package → (version, Python).
AXES = {
    "openvino": [
        ("2024.6.0", "3.12"), ("2025.0.0", "3.10"), ("2025.1.0", "3.11"), ("2025.2.0", "3.12"), ("2025.3.0", "3.13"),
        ("2025.4.0", "3.10"), ("2025.4.1", "3.11"), ("2026.0.0", "3.12"), ("2026.1.0", "3.13"), ("2026.2.0", "3.10"),
        ("2026.2.1", "3.11"), ("2026.3.0", "3.12"), ("2026.3.1", "3.13"), ("2026.4.0", "3.11"), ("2026.4.1", "3.12"),
    ],
    "numpy": [
        ("1.23.0", "3.10"), ("1.23.5", "3.11"), ("1.24.4", "3.11"), ("1.25.2", "3.11"), ("1.26.4", "3.12"),
        ("2.0.2", "3.12"), ("2.1.3", "3.13"), ("2.2.6", "3.13"), ("2.3.5", "3.13"), ("2.4.6", "3.13"),
        ("2.5.5", "3.13"),
    ],
    "protobuf": [
        ("4.25.0", "3.12"), ("4.25.9", "3.12"), ("5.26.0", "3.12"), ("5.29.6", "3.12"), ("6.30.0", "3.12"),
        ("6.33.6", "3.12"), ("7.34.0", "3.12"), ("7.36.2", "3.12"),
    ],
    "tensorflow-cpu": [
        ("2.15.1", "3.11"), ("2.16.2", "3.12"), ("2.17.1", "3.12"), ("2.18.1", "3.12"), ("2.19.1", "3.12"),
        ("2.20.0", "3.13"), ("2.21.0", "3.13"),
    ],
}  # fmt: skip
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
OLDEST = ("openvino==2024.6.0", "numpy==1.23.0", "protobuf==4.25.0")
TITLES = {
    "python": "Python, and what pip takes on it",
    "openvino": "OpenVINO",
    "numpy": "numpy",
    "protobuf": "protobuf",
    "tensorflow-cpu": "TensorFlow, which `verify` and `convert` compare with where it is installed",
    "oldest": "The oldest of all",
}
PAGE = """# Versions that go together

`ci/versions` made this page, with an environment for each line, in which pip installed the package beside the version
in bold, and what it takes without being told of everything else. {count} conversions by OpenVINO's own frontend, the
converter that needs no Model Optimizer; each IR run over up to {calls} chained calls beside TensorFlow's numbers, which
are files of this repository. Where TensorFlow is installed, `convert` compares with what that computes, too. What goes
with `mo`: [every `mo` that people have](mo-versions.md).
{tables}
The difference is the largest of all probabilities, scores and states. More than {exact:.0e} fails the run.

## What is converted

{cases}
"""


def environments() -> list[tuple[str, str, str, tuple[str, ...]]]:
    """(axis, name, Python, pins)"""
    found = [("python", f"python-{python}", python, ()) for python in PYTHONS]
    for package, versions in AXES.items():
        found += [(package, f"{package}-{version}", python, (f"{package}=={version}",)) for version, python in versions]
    return [*found, ("oldest", "oldest", "3.10", OLDEST)]


def cases(work: Path) -> None:
    """cases.json, <case>.npz with inputs and TensorFlow's numbers (as mo_versions_run.py reads them), <case>.pb"""
    found = {}
    for name, (case, model, values) in _graphs().items():
        path = model
        if isinstance(model, bytes):
            path = work / f"{name}.pb"
            path.write_bytes(model)
        np.savez(work / f"{name}.npz", **values)
        found[name] = {"check": "numbers", "model": str(path), "options": {}, **case}
    whole = {str(path): text for path, text in transcripts().items()}
    found["texts"] = {"what": "the bundled model, six recordings to their texts", "check": "texts", "texts": whole}
    found["texts"]["model"] = str(MODEL)
    found["int8"] = {"what": "`.tflite` with 8-bit weights, kept in 8 bits (as exact as `verify` wants it)"}
    found["int8"] |= {"check": "verify", "model": str(FOLDER / "plain" / "int8.tflite")}
    found["int8"]["options"] = {"weights": "int8", "verify": False}
    for case in found.values():
        case.setdefault("options", {})
    (work / "cases.json").write_text(json.dumps(found, indent=1))


def _graphs() -> dict:
    """name → (case, path or bytes of the model, values)"""
    made = {
        "v0.2": acoustic("v0.2", "state in variables, raw scores (v0.2)"),
        "v0.5": acoustic("v0.5", "state in variables (v0.5)"),
        "v0.9": acoustic("v0.9", "state in placeholders (v0.9)"),
        "internal": acoustic("v0.9", "internal state", internal=True),
        "layer_norm": acoustic("layer_norm", "layer norm"),
        "bytes": acoustic("bytes", "an alphabet of bytes"),
        "open": acoustic("steps_open", "time steps left open by the graph"),
        "block_lstm_v2": acoustic("block_lstm_v2", "BlockLSTMV2"),
        "v0.1": first_release(),
        **{name: loop(name) for name in ("both", "while", "layers")},
    }
    found = {}
    for name, (case, graph, values) in made.items():
        kept = {key: getattr(case, key) for key in ("what", "calls", "states", "tolerance")}
        found[name] = kept | ({"options": {"state": "internal"}} if name == "internal" else {}), graph, values
    exported = {
        "pb": ("plain", "output_graph.pb", "Coqui STT's `.pb`"),
        "any_length": ("dynamic", "output_graph.pb", "the same with any number of steps"),
        "pbmm": ("plain", "output_graph.pbmm", "`.pbmm`"),
        "tflite": ("plain", "float.tflite", "`.tflite`"),
        "checkpoint": ("other", "checkpoint", "a checkpoint, with layer norm"),
    }
    for name, (variant, file, what) in exported.items():
        found[name] = _exported(variant, file, what)
    for name in ("keras", "tf_keras", "tf_keras_unrolled"):
        found[name] = _keras(name)
    return found


def _exported(variant: str, file: str, what: str):
    want = expected(variant)
    states = {f"previous_state_{role}": f"new_state_{role}" for role in "ch"}
    values = {f"0|{name}": np.zeros(want.c.shape[1:], np.float32) for name in states}
    for call, chunk in enumerate(want.chunks):
        values[f"{call}|input_node"] = chunk
        found = {"logits": want.logits, "new_state_c": want.c, "new_state_h": want.h}
        values |= {f"want|{call}|{name}": rows[call] for name, rows in found.items()}
    case = {"what": what, "calls": len(want.chunks), "states": states, "tolerance": EXACT}
    return case, FOLDER / variant / file, values


def _keras(name: str):
    """A SavedModel in an archive."""
    folder = FIXTURES / "keras"
    entry = "keras_tensor" if name == "keras" else "input_1"
    with np.load(folder / f"{name}.npz") as arrays:
        values = {f"{call}|{entry}": x for call, x in enumerate(arrays["x"])}
        values |= {f"want|{call}|output_0": y for call, y in enumerate(arrays["y"])}
        calls = len(arrays["x"])
    what = f"a stateful SavedModel of {name.replace('_', ' ')}"
    case = {"what": what, "calls": calls, "states": {}, "tolerance": EXACT, "options": {"state": "internal"}}
    return case, folder / f"{name}.zip", values


def report(work: Path, page: Path | None) -> int:
    known = json.loads((work / "cases.json").read_text())
    tables: dict[str, list[str]] = {}
    wrong = []
    for axis, name, *_ in environments():
        result = work / "results" / f"{name}.json"
        if not result.exists():
            if page is not None or result.with_name(f"{name}.log").exists():
                wrong.append(f"{name}: no result")
            continue
        found = json.loads(result.read_text())
        failures = {case: each["wrong"] for case, each in found["cases"].items() if each["wrong"]}
        failures |= {case: "not run" for case in known if case not in found["cases"]}
        wrong += [f"{name}, {known[case]['what']}: {text}" for case, text in failures.items()]
        worst = max((each["difference"] or 0 for each in found["cases"].values()), default=0)
        cells = {"python": found["python"], **found["packages"]}
        bold = axis.removesuffix("-cpu")
        if bold in cells:
            cells[bold] = f"**{cells[bold]}**"
        row = [*cells.values(), f"{len(known) - len(failures)} of {len(known)}", f"{worst:.0e}"]
        tables.setdefault(axis, []).append(f"| {' | '.join(row)} |")
    titles = ["Python", "OpenVINO", "numpy", "protobuf", "TensorFlow", "right", "largest difference"]
    head = f"| {' | '.join(titles)} |\n" + "|---" * len(titles) + "|"
    text = "".join(f"\n## {TITLES[axis]}\n\n{head}\n" + "\n".join(rows) + "\n" for axis, rows in tables.items())
    if page is not None and not wrong:
        listed = "\n".join(f"- {case['what']}" for case in known.values())
        calls = max(case.get("calls", 0) for case in known.values())
        about = {"count": len(known), "calls": calls, "exact": EXACT}
        page.write_text(PAGE.format(tables=text, cases=listed, **about))
    print(text, *wrong, sep="\n")
    return 1 if wrong else 0


def main(command: str, work: str = "", page: str | None = None) -> int:
    if command == "list":
        print(*(" ".join([name, python, *pins]) for _, name, python, pins in environments()), sep="\n")
        return 0
    if command == "cases":
        cases(Path(work))
        return 0
    return report(Path(work), page and Path(page))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
