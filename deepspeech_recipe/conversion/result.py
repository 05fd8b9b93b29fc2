"""What `convert` made, as plain values."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

from deepspeech_recipe.ir.metadata import metadata_of
from deepspeech_recipe.ir.names import TENSORS
from deepspeech_recipe.ir.ov_api import ov
from deepspeech_recipe.verification.report import Report


class TensorInfo(TypedDict):
    """An input or output: its name, all names it has, its shape (-1 for a size that is open) and its element type."""

    name: str
    names: list[str]
    shape: list[int]
    type: str


@dataclass(frozen=True)
class ConvertResult:
    """What `convert` made.

    files: the IR's .xml first. inputs, outputs: of the IR. metadata: what the IR says of itself.
    notes: lines for a person. verification: None if nothing was compared.
    """

    files: tuple[Path, ...]
    converter: str
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    metadata: dict[str, Any]
    notes: tuple[str, ...] = ()
    verification: Report | None = None

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "files": [str(path) for path in self.files],
            "converter": self.converter,
            "inputs": list(self.inputs),
            "outputs": list(self.outputs),
            "metadata": self.metadata,
            "notes": list(self.notes),
            "verification": None if self.verification is None else self.verification.as_dict(),
        }


def tensors(model: ov.Model, ports: Iterable) -> tuple[TensorInfo, ...]:
    """Describes inputs or outputs of a model. The contract's name, or the recipe's, goes before the framework's."""
    metadata = metadata_of(model)
    states = metadata.get("states", {})
    known = {*TENSORS, *metadata.get("inputs", ()), *metadata.get("outputs", ()), *states, *states.values()}
    return tuple(_tensor(port, known) for port in ports)


def _tensor(port: ov.Output, known: set[str]) -> TensorInfo:
    names = sorted(port.get_names(), key=lambda name: (name not in known, len(name), name))
    return {
        "name": names[0] if names else port.get_node().get_friendly_name(),
        "names": names,
        "shape": [size.get_length() if size.is_static else -1 for size in port.get_partial_shape()],
        "type": port.get_element_type().get_type_name(),
    }
