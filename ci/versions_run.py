"""Runs in an environment with the installed package: `python ci/versions_run.py WORK RESULT.json`.

Converts each case of WORK/cases.json by OpenVINO's own frontend, runs the IR on the inputs in WORK/<case>.npz, and
writes the largest difference from TensorFlow's numbers there; what is wrong is printed too, and the exit code is 1.
"""

import json
import sys
import tempfile
from pathlib import Path

import numpy as np
from mo_versions_run import outputs, version_of

PACKAGES = ("openvino", "numpy", "protobuf", "tensorflow")


def main(work: Path, result: Path) -> int:
    found = {
        "python": ".".join(map(str, sys.version_info[:3])),
        "packages": {name: version_of(name) for name in PACKAGES},
        "cases": {},
    }
    for name, case in json.loads((work / "cases.json").read_text()).items():
        try:
            difference, wrong = judge(work, name, case)
        except Exception as error:  # whatever a version does is the finding
            difference, wrong = None, f"{type(error).__name__}: {error}"
        found["cases"][name] = {"difference": difference, "wrong": wrong}
        print(f"{name}: {difference if wrong is None else wrong}", flush=True)
    result.write_text(json.dumps(found, indent=1))
    return int(any(each["wrong"] for each in found["cases"].values()))


def judge(work: Path, name: str, case: dict) -> tuple[float | None, str | None]:
    """The largest difference, if numbers are compared, and what is wrong."""
    from deepspeech_recipe import convert

    with tempfile.TemporaryDirectory() as folder:
        # By default compared with the original, call by call, where TensorFlow is installed.
        done = convert(case["model"], folder, name="ir", converter="openvino", **case["options"])
        if done.verification is not None and not done.verification.passed:
            return None, "verify: " + ", ".join(each.name for each in done.verification.checks if not each.passed)
        return CHECKS[case["check"]](work, name, case, done.files[0])


def numbers(work: Path, name: str, case: dict, ir: Path):
    """Chained calls beside TensorFlow's numbers."""
    calls = work / f"{name}.npz"
    values = outputs(ir, calls, case)
    with np.load(calls) as arrays:
        want = {key.removeprefix("want|"): value for key, value in arrays.items() if key.startswith("want|")}
    for key, expected in want.items():
        if values[key].shape != expected.shape or not np.isfinite(values[key]).all():
            return None, f"{key} is {values[key].shape} with NaN or infinite values, or is not {expected.shape}"
    difference = float(np.max([np.abs(values[key] - expected).max() for key, expected in want.items()]))
    return difference, None if difference <= case["tolerance"] else f"off by {difference:.2g}"


def texts(work: Path, name: str, case: dict, ir: Path):
    """Recordings and their texts."""
    from deepspeech_recipe import transcribe

    found = [result.text for result in transcribe(list(case["texts"]), ir)]
    return None, None if found == list(case["texts"].values()) else f"heard {found}"


def verified(work: Path, name: str, case: dict, ir: Path):
    """`verify`, beside the graph in numpy and float64."""
    from deepspeech_recipe import verify

    report = verify(case["model"], ir, reference="numpy")
    return None, None if report.passed else ", ".join(check.name for check in report.checks if not check.passed)


CHECKS = {"numbers": numbers, "texts": texts, "verify": verified}

if __name__ == "__main__":
    sys.exit(main(*(Path(part).resolve() for part in sys.argv[1:])))
