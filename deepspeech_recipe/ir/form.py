"""What form of the IR contract a model has, told by its inputs and outputs, and how such a model is compiled."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.ir.metadata import read_metadata
from deepspeech_recipe.ir.names import STATE_PAIRS, both_forms, find
from deepspeech_recipe.ir.ov_api import ov
from deepspeech_recipe.ir.read import last_line, read_ir


class IRForm:
    """An IR, what its metadata say, and its form.

    takes: 'windows', 'utterance' (samples of a whole one) or 'stream' (samples in blocks). batch, steps: None where
    dynamic; steps is None for samples too. state: 'external', 'internal' or 'none'. lengths: the name of an input
    of lengths, or None. classes: with the blank; None where dynamic. head: what `logits` is. path: None for an
    ov.Model. Raises RecipeError where the model is no IR of the contract.
    """

    def __init__(self, ir, name: str = "The model"):
        self.path = None if isinstance(ir, ov.Model) else Path(os.fspath(ir))
        self.name = name if self.path is None else str(self.path)
        self.model = ir if self.path is None else read_ir(self.path)
        try:
            self.metadata = read_metadata(self.model)
        except RecipeError as error:
            raise RecipeError(f"{self.name}: {error}") from None
        self.head = self.metadata.get("head", "probabilities")
        logits = self.output("logits")
        main = self.input("samples") or self.input("input_node")
        if logits is None or main is None:
            raise RecipeError(
                f"{self.name}: has no input 'input_node' or 'samples', or no output 'logits': it is a part of a model. "
                "Give the IR of the acoustic model."
            )
        if self.input("end_of_stream") is not None:
            self.takes = "stream"
        else:
            self.takes = "windows" if self.input("samples") is None else "utterance"
        shape = main.get_partial_shape()
        for port, ranks in ((main, (3, 4) if self.takes == "windows" else (2,)), (logits, (3,))):
            rank = port.get_partial_shape().rank
            if rank.is_dynamic or rank.get_length() not in ranks:
                found, needed = "any number of" if rank.is_dynamic else rank.get_length(), " or ".join(map(str, ranks))
                raise RecipeError(
                    f"{self.name}: '{port.get_any_name()}' has {found} dimensions, {needed} are needed: it is not "
                    "an IR of the contract."
                )
        self.batch = size_of(shape[0])
        self.steps = size_of(shape[1]) if self.takes == "windows" else None
        self.lengths = next((each for each in ("lengths", "sample_lengths") if self.input(each) is not None), None)
        self.classes = size_of(logits.get_partial_shape()[2])
        named = [each for each in STATE_PAIRS if self.input(each) is not None]
        if len(named) == 1 or any(self.output(STATE_PAIRS[each]) is None for each in named):
            raise RecipeError(f"{self.name}: has some of the state inputs and outputs, but not all. Convert it again.")
        self.state = "external" if named else "internal" if self.model.get_sinks() else "none"

    def input(self, name: str):
        return find(self.model.inputs, both_forms(name))

    def output(self, name: str):
        return find(self.model.outputs, both_forms(name))


def compile_model(model, device: str, name: str, config: dict | None = None):
    """In float32 where the device lets one choose. Raises RecipeError where it does not compile."""
    core = ov.Core()
    try:
        choice = {}
        if "INFERENCE_PRECISION_HINT" in core.get_property(device, "SUPPORTED_PROPERTIES"):
            choice["INFERENCE_PRECISION_HINT"] = "f32"
        return core.compile_model(model, device, choice | (config or {}))
    except RuntimeError as error:
        devices = ", ".join(core.available_devices)
        raise RecipeError(
            f"{name}: does not compile for {device} ({last_line(error)}). Devices here: {devices}."
        ) from None


@contextmanager
def errors_of(name: str) -> Iterator[None]:
    """Makes one line, with the IR's name, of what OpenVINO says of a model that it cannot run."""
    try:
        yield
    except RuntimeError as error:
        if type(error) is not RuntimeError:  # OpenVINO's have no type of their own
            raise
        raise RecipeError(f"{name}: OpenVINO cannot run it ({last_line(error)}). Convert the model again.") from error


def size_of(dimension) -> int | None:
    """None where it is dynamic."""
    return dimension.get_length() if dimension.is_static else None
