"""Asks OpenVINO's own frontends whether they take a file of which nothing can be made here.

In a child process: what was not checked is nothing for native code in this one.
"""

import json
import sys
from pathlib import Path

from deepspeech_recipe import limits
from deepspeech_recipe.processes import trial

_MEMORY = 2**30


def openvino_takes(path: Path) -> bool:
    """Whether OpenVINO reads a file, or a SavedModel's directory, and compiles a model with outputs."""
    outcome = trial.run(__name__, {"path": str(path.absolute())}, int(limits.allowed(limits.CONVERSION)))
    return outcome is not None and not outcome.failure and outcome.code == 0


def main() -> int:
    """The child."""
    task = json.load(sys.stdin)
    path = Path(task["path"])
    size = sum(file.stat().st_size for file in (path, *path.rglob("*")))
    from deepspeech_recipe.ir.ov_api import ov

    trial.limit(task["seconds"], _MEMORY + 10 * size)
    try:
        # A SavedModel without a signature is read as a model without outputs.
        return 0 if ov.Core().compile_model(path, "CPU").outputs else 1
    except RuntimeError as error:
        print(type(error).__name__, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
