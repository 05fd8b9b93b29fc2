"""Any IR with a state, call after call: the state is carried here, wherever the IR keeps it."""

from collections.abc import Mapping

import numpy as np

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.files import error_context
from deepspeech_recipe.ir.form import compile_model
from deepspeech_recipe.ir.initial_state import first_state, initial_states
from deepspeech_recipe.ir.metadata import is_acoustic, read_metadata
from deepspeech_recipe.ir.names import STATE_PAIRS, both_forms, find
from deepspeech_recipe.ir.ov_api import ov
from deepspeech_recipe.ir.read import read_ir

_CONTRACT = ("input_node", "logits", "lengths", "samples", "sample_lengths", "end_of_stream")


class StatefulModel:
    """An IR of this project, of any recipe. Not for several threads at once: make one for each stream.

        model = StatefulModel("model.xml")
        model({"frames": block})["scores"]      # as often as there are blocks
        model.reset()                           # a new stream

    inputs, outputs: the names of what goes in and comes out besides the state. metadata: what the IR says of itself.
    """

    def __init__(self, ir, *, device: str = "CPU", config: dict | None = None):
        """ir: an IR's .xml or an ov.Model. Raises RecipeError where it has no metadata, or lacks a state's tensor."""
        self._name = "the model" if isinstance(ir, ov.Model) else str(ir)
        model = ir if isinstance(ir, ov.Model) else read_ir(ir)
        with error_context(self._name):
            self.metadata = read_metadata(model)
        self._pairs = self._find_pairs(model)
        self._sinks = bool(model.get_sinks())
        taken = {name for pair in self._pairs.items() for name in pair}
        self.inputs, self.outputs = (
            tuple(name for name in map(self._name_of, ports) if name not in taken)
            for ports in (model.inputs, model.outputs)
        )
        self._ports = {name: find(model.inputs, both_forms(name)) for name in (*self.inputs, *self._pairs)}
        self._request = compile_model(model, device, self._name, config).create_infer_request()
        self.reset()

    def _find_pairs(self, model) -> dict[str, str]:
        """Input → output of the states that are outside."""
        if self.metadata.get("state") != "external":
            return {}
        acoustic = is_acoustic(self.metadata)
        pairs = STATE_PAIRS if acoustic else self.metadata["states"]
        found = {}
        for before, after in pairs.items():
            ports = find(model.inputs, both_forms(before)), find(model.outputs, both_forms(after))
            if acoustic and ports == (None, None):
                continue  # a network without state
            if None in ports:
                raise RecipeError(
                    f"{self._name}: the state '{before}' → '{after}' is not both an input and an output. "
                    "Convert the model again."
                )
            found[before] = after
        return found

    def _name_of(self, port) -> str:
        """The recipe's name, else the shortest."""
        known = {*_CONTRACT, *self._pairs, *self._pairs.values()}
        known |= {*self.metadata.get("inputs", ()), *self.metadata.get("outputs", ())}
        return min(port.get_names(), key=lambda name: (name not in known, len(name), name))

    @property
    def states(self) -> dict[str, np.ndarray]:
        """Copies of the states by name."""
        if self._sinks:
            return {each.name: each.state.data.copy() for each in self._request.query_state()}
        return {name: value.copy() for name, value in self._states.items()}

    def reset(self, rows: int | None = None) -> None:
        """Begins a new stream, with the model's initial state. rows: the batch, for states that leave it open (1 by
        default)."""
        if self._sinks:
            self._request.reset_state()
        initial = initial_states(self.metadata)
        self._states = {
            name: first_state(initial.get(name), [_size(each, rows) for each in port.get_partial_shape()], name)
            for name, port in self._ports.items()
            if name in self._pairs
        }

    def __call__(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """One call: values of `inputs` by name → copies of `outputs`. Raises RecipeError for other names."""
        given = {name.removesuffix(":0"): value for name, value in feeds.items()}
        if set(given) != set(self.inputs):
            raise RecipeError(
                f"{self._name}: takes {', '.join(self.inputs)}; it was given {', '.join(given) or 'nothing'}."
            )
        tensors = {}
        for name, value in {**given, **self._states}.items():
            kind = self._ports[name].get_element_type().to_dtype()
            tensors[self._ports[name].get_any_name()] = np.asarray(value, kind, order="C")
        self._request.infer(tensors)
        # Copies: the tensors are views on memory that the next call overwrites.
        for name, output in self._pairs.items():
            self._states[name] = self._request.get_tensor(output).data.copy()
        return {name: self._request.get_tensor(name).data.copy() for name in self.outputs}


def _size(dimension, rows: int | None) -> int:
    return dimension.get_length() if dimension.is_static else rows or 1
