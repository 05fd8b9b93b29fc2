"""Reads an IR of the contract, compiles it, and says what kind it is."""

import os
from pathlib import Path

from deepspeech_recipe.audio.settings import AudioSettings
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.ir_file import last_line, read_ir
from deepspeech_recipe.ov_api import ov
from deepspeech_recipe.passes.metadata import alphabet_labels, read_metadata
from deepspeech_recipe.passes.names import STATE_PAIRS, both_forms, find


class IR:
    """An IR and what its metadata say.

    takes: 'windows', 'utterance' (samples of a whole one) or 'stream' (samples in blocks). batch, steps: None where
    dynamic. state: 'external', 'internal' or 'none'. lengths: name of an input of lengths, or None.
    audio: the feature part's AudioSettings, None where the graph had none. labels: text of each class but the blank.
    """

    def __init__(self, ir, name: str = "The model"):
        self.path = None if isinstance(ir, ov.Model) else Path(os.fspath(ir))
        self.name = name if self.path is None else str(self.path)
        self.model = ir if self.path is None else read_ir(self.path)
        try:
            self.metadata = read_metadata(self.model)
        except RecipeError as error:
            raise RecipeError(f"{self.name}: {error}") from None
        self.audio = _audio(self.metadata)
        self.labels = alphabet_labels(self.metadata.get("alphabet"))
        self._find_form()

    def input(self, name: str):
        return find(self.model.inputs, both_forms(name))

    def output(self, name: str):
        return find(self.model.outputs, both_forms(name))

    @property
    def frame_step(self) -> float:
        """Seconds from a frame to the next."""
        if self.audio is not None:
            return self.audio.stride / self.audio.sample_rate
        return (self.metadata.get("step_ms") or 20) / 1000

    def _find_form(self) -> None:
        logits = self.output("logits")
        main = self.input("samples") or self.input("input_node")
        if logits is None or main is None:
            raise RecipeError(
                f"{self.name}: has no input 'input_node' or 'samples', or no output 'logits'. Give the IR of the "
                "acoustic model, not a part of it."
            )
        if self.input("end_of_stream") is not None:
            self.takes = "stream"
        else:
            self.takes = "windows" if self.input("samples") is None else "utterance"
        shape = main.get_partial_shape()
        self.batch = _size(shape[0])
        self.steps = _size(shape[1]) if self.takes == "windows" else None
        self.lengths = next((name for name in ("lengths", "sample_lengths") if self.input(name) is not None), None)
        self.classes = _size(logits.get_partial_shape()[2])
        named = [name for name in STATE_PAIRS if self.input(name) is not None]
        if len(named) == 1 or any(self.output(STATE_PAIRS[name]) is None for name in named):
            raise RecipeError(f"{self.name}: has some of the state inputs and outputs, but not all. Convert it again.")
        self.state = "external" if named else "internal" if self.model.get_sinks() else "none"
        self.raw = self.metadata.get("head", "probabilities") == "raw"
        if self.labels is not None and self.classes not in (None, len(self.labels) + 1):
            raise RecipeError(
                f"{self.name}: has {self.classes} classes and an alphabet of {len(self.labels)} labels. Convert it "
                "again with the alphabet it was trained with (--alphabet)."
            )


def compile_model(model, device: str, config: dict | None, name: str):
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


def _audio(metadata: dict) -> AudioSettings | None:
    features = metadata.get("features")
    return None if features is None else AudioSettings(**features)


def _size(dimension) -> int | None:
    return dimension.get_length() if dimension.is_static else None
