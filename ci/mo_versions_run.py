"""Runs in the environment of one openvino-dev release, on Python 3.8 and later, without the package.

`python ci/mo_versions_run.py WORK RESULT`: converts each case of WORK/cases.json with Model Optimizer and the plugin
into RESULT/<case>.xml, runs the IR with the same release's OpenVINO on the inputs in WORK/<case>.npz, and writes its
outputs to RESULT/<case>.npz and what was printed to RESULT/run.json.
"""

import contextlib
import importlib
import io
import json
import logging
import os
import runpy
import subprocess
import sys
from pathlib import Path
from unittest import mock

import numpy as np

EXTENSIONS = str(Path(__file__).resolve().parent.parent / "mo_extensions")


def main(work: Path, result: Path) -> None:
    cases = json.loads((work / "cases.json").read_text())
    found = {"python": ".".join(map(str, sys.version_info[:3])), "cases": {}}
    empty = result / "empty"
    empty.mkdir(parents=True)
    os.chdir(empty)  # MO takes what lies in the current directory for extensions
    for name, case in cases.items():
        arguments = ["--output_dir", str(result), "--model_name", name, *case["model"], *case["arguments"]]
        arguments = [part.replace("EXTENSIONS", EXTENSIONS).replace("WORK", str(work)) for part in arguments]
        run = command if case.get("process") else in_this_process
        code, printed = run(["--extensions", EXTENSIONS, *arguments])
        found["cases"][name] = {"code": code, "printed": printed}
        if code == 0 and (work / f"{name}.npz").exists():
            try:
                np.savez(str(result / f"{name}.npz"), **outputs(result / f"{name}.xml", work / f"{name}.npz", case))
            except Exception as error:  # what OpenVINO raises is the finding here
                found["cases"][name]["error"] = str(error)
        print(f"{name}: {code} {found['cases'][name].get('error', '')}", flush=True)
    found["packages"] = {name: version_of(name) for name in ("openvino", "tensorflow", "numpy")}
    (result / "run.json").write_text(json.dumps(found, indent=1))


def command(arguments):
    """(exit code, what was printed) by the command `mo`, as a person types it."""
    mo = Path(sys.executable).parent / "mo"
    done = subprocess.run(
        [str(mo), *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    return done.returncode, done.stdout


def in_this_process(arguments):
    """The same by what the command `mo` runs, without loading TensorFlow each time."""
    # Older releases import a graph beside what the process has imported before.
    importlib.import_module("tensorflow").compat.v1.reset_default_graph()
    printed = io.StringIO()
    script = Path(importlib.import_module("openvino.tools.mo").__file__).with_name("main.py")
    handler = logging.StreamHandler(printed)
    with mock.patch.object(sys, "argv", [str(script), *arguments]), contextlib.redirect_stdout(printed):
        logging.getLogger().addHandler(handler)
        try:
            runpy.run_path(str(script), run_name="__main__")
        except SystemExit as end:
            return int(end.code or 0), printed.getvalue()
        finally:
            logging.getLogger().removeHandler(handler)
    return 0, printed.getvalue()


def outputs(xml: Path, calls: Path, case):
    """'<call>|<tensor>' → value: the calls of an .npz, 'call|input' → value and 'want|call|output' → value, one after
    the other, the states fed back (case["states"]: input → output)."""
    try:
        from openvino import Core
    except ImportError:  # 2022.3
        from openvino.runtime import Core

    core = Core()
    known = core.get_property("CPU", "SUPPORTED_PROPERTIES")
    exact = {"INFERENCE_PRECISION_HINT": "f32"} if "INFERENCE_PRECISION_HINT" in known else {"ENFORCE_BF16": "NO"}
    request = core.compile_model(core.read_model(str(xml)), "CPU", exact).create_infer_request()
    with np.load(str(calls)) as arrays:
        arrays = dict(arrays)
    found, carried = {}, {}
    for call in range(case["calls"]):
        feeds = {key.split("|", 1)[1]: value for key, value in arrays.items() if key.startswith(f"{call}|")}
        feeds.update(carried)
        request.infer(feeds)
        names = [key.split("|", 2)[2] for key in arrays if key.startswith(f"want|{call}|")]
        for name in {*names, *case["states"].values()}:
            found[f"{call}|{name}"] = np.array(request.get_tensor(name).data)
        carried = {into: found[f"{call}|{out}"] for into, out in case["states"].items()}
    return found


def version_of(package: str) -> str:
    from importlib import metadata

    for name in (package, f"{package}-cpu"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            return metadata.version(name)
    return "none"


if __name__ == "__main__":
    main(*(Path(part).resolve() for part in sys.argv[1:]))
