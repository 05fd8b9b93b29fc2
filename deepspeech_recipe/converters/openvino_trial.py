"""Tries OpenVINO's TensorFlow frontend in a child process if a graph keeps loops or conditions.

A loop that is not what TensorFlow writes can keep the frontend busy for ever, or kill the process; what else a graph
holds was checked when it was read. DeepSpeech's graphs, and others whose loops became LSTMSequences, have none left.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from deepspeech_recipe import limits
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.processes import trial

_FLOW = (
    frozenset(
        f"{reference}{op}" for op in ("Enter", "Exit", "Switch", "Merge", "NextIteration") for reference in ("", "Ref")
    )
    | {f"{prefix}{op}" for op in ("While", "If", "Case") for prefix in ("", "Stateless")}
    | {
        "PartitionedCall",
        "StatefulPartitionedCall",
    }
)
_BYTES_A_SECOND = 2e7
_MEMORY = 2**30


def is_at_risk(graph) -> bool:
    """Whether a GraphDef, as it is given to the frontend, has loops, conditions or calls."""
    return any(node.op in _FLOW for node in graph.node)


def try_conversion(graph: Path, weights: Sequence[np.ndarray]) -> None:
    """graph: the .pb for the frontend; weights: what its RecipeWeight nodes stand for.

    Raises RecipeError if the child process dies or does not end. How it ends otherwise, this process will see.
    """
    path = graph.with_suffix(".npz")
    np.savez(path, *weights)
    size = graph.stat().st_size + path.stat().st_size
    seconds = int(limits.allowed(limits.CONVERSION) + size / _BYTES_A_SECOND)
    outcome = trial.run(__name__, {"graph": str(graph), "weights": str(path), "memory": _MEMORY + 10 * size}, seconds)
    path.unlink()
    if outcome is not None and outcome.failure:
        raise RecipeError(
            f"OpenVINO's TensorFlow frontend {outcome.failure}, in {seconds} seconds of processor time: the graph's "
            "loops or conditions are damaged, or larger than such graphs are. For a file that you trust, set "
            f"{limits.VARIABLE}=10 in the environment, which widens all limits."
        )


def main() -> int:
    """The child: the conversion, whose result is thrown away."""
    task = json.load(sys.stdin)
    from deepspeech_recipe.converters.openvino import optimise, translate

    trial.limit(task["seconds"], task["memory"])
    with np.load(task["weights"], allow_pickle=False) as arrays:
        weights = [arrays[f"arr_{number}"] for number in range(len(arrays.files))]
    try:
        optimise(translate(Path(task["graph"]), weights))
    except Exception as error:  # this process's exceptions come again in the other, which says what they mean
        print(type(error).__name__, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
