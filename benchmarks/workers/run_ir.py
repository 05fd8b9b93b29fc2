"""Runs an IR, of somebody else's converter too, and many streams of it: `run_ir.py THREADS`.

What `deepspeech-recipe benchmark` runs IRs with, and more: rows of one call, live streams, and IRs without this
project's names and metadata.
"""

from typing import Any

import run_openvino
from loop import NO_CHUNKS, serve
from run_openvino import STATES, Call, named, ov

METADATA = ["deepspeech_recipe", "json"]
# What the outputs of documented conversions are called, which kept the framework's names.
STATES["c"] += ("/GatherNd", "/GatherV2")
STATES["h"] += ("/GatherNd_1", "/GatherV2_1")


class Worker(run_openvino.Worker):
    def load(self, model: str, metadata: str = "", recognizer=None, **others):
        """metadata: given to an IR that has none. recognizer: further options of the runtime's Recognizer. others: as
        the package's own worker takes them."""
        super().load(model, **others)
        self.metadata, self.recognizer = metadata, recognizer or {}
        self.batches: dict[int, Call] = {}

    def chunk(self, frames: int, repeat: int, rows: int = 1) -> dict:
        return super().chunk(frames, repeat) if rows == 1 else self._timed(self._rows(rows), frames, repeat)

    def _streams(self):
        network = self._network()
        if not hasattr(network, "stream"):
            raise ValueError(NO_CHUNKS)
        return network

    def _rows(self, rows: int) -> Call:
        """A call of that many rows, of one compiled model."""
        if rows not in self.batches:
            others = [call.compiled for call in self.batches.values()]
            compiled = others[0] if others else self._compile(self._batched())
            self.batches[rows] = Call(compiled, self.chunk_samples, rows)
        return self.batches[rows]

    def _batched(self):
        """The model for any number of rows; raises if it does not let itself be reshaped."""
        model = ov.Core().read_model(self.model)
        shapes = {}
        for port in model.inputs:
            shape = port.get_partial_shape()
            if shape[0].is_static and len(shape) > 1:
                shapes[port.get_any_name()] = ov.PartialShape([-1, *list(shape)[1:]])
        if shapes:
            model.reshape(shapes)
        return model

    def _recognizer(self):
        model: Any = self.model
        if self.metadata:
            model = ov.Core().read_model(self.model)
            if not model.has_rt_info(METADATA):
                self._dress(model)
        return model, self.recognizer

    def _dress(self, model) -> None:
        """Gives an IR that somebody else made the names and the metadata that the runtime asks for."""
        model.set_rt_info(self.metadata, METADATA)
        for kind, endings in STATES.items():
            port = named(model.outputs, endings)
            if port is not None and "new_state_" + kind not in port.get_names():
                port.add_names({"new_state_" + kind})


if __name__ == "__main__":
    serve(Worker())
