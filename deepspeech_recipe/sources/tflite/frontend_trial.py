"""Asks OpenVINO's own TensorFlow Lite frontend whether it takes a file that has no translation here.

In a child process: what was not checked is nothing for native code in this one.
"""

import json
import sys
from pathlib import Path

from deepspeech_recipe import limits
from deepspeech_recipe.processes import trial

_MEMORY = 2**30


def openvino_takes(path: Path) -> bool:
    """Whether OpenVINO reads the file and compiles what it holds."""
    outcome = trial.run(__name__, {"path": str(path.absolute())}, int(limits.allowed(limits.CONVERSION)))
    return outcome is not None and not outcome.failure and outcome.code == 0


def main() -> int:
    """The child."""
    task = json.load(sys.stdin)
    trial.limit(task["seconds"], _MEMORY + 10 * Path(task["path"]).stat().st_size)
    from deepspeech_recipe.ir.ov_api import ov

    try:
        ov.Core().compile_model(task["path"], "CPU")
    except RuntimeError as error:
        print(type(error).__name__, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
