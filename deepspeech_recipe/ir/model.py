"""An IR of any recipe: its model, what its metadata say, and its tensors by the names of the contract or the recipe."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.files import error_context
from deepspeech_recipe.ir.find import find_ir
from deepspeech_recipe.ir.initial_state import first_state, initial_states
from deepspeech_recipe.ir.metadata import is_acoustic, read_metadata
from deepspeech_recipe.ir.names import EXTERNAL, INTERNAL, NO_STATE, STATE_PAIRS, TENSORS, find_input, find_output, stem
from deepspeech_recipe.ir.ov_api import ov
from deepspeech_recipe.ir.read import read_ir


class IR:
    """An IR of this project.

    path: of its .xml, None for an ov.Model. name: for messages. model: the ov.Model. metadata: what it says of itself.
    state: where it is kept, 'external', 'internal' or 'none'. states: input → output of each external state.
    inputs, outputs: names of what goes in and comes out besides the states.
    """

    def __init__(self, ir, name: str = "The model"):
        """ir: an IR's .xml, a folder with one, an ov.Model, or an opened IR, which is not read again.

        Raises RecipeError if it has no metadata, or lacks a state's tensor."""
        if isinstance(ir, IR):
            self.__dict__.update(vars(ir))
            return
        self.path = None if isinstance(ir, ov.Model) else find_ir(ir) or Path(ir)
        self.name = name if self.path is None else str(self.path)
        self.model = model = ir if self.path is None else read_ir(self.path)
        with error_context(self.name):
            self.metadata = read_metadata(self.model)
        self.states = self._find_states()
        self.state = EXTERNAL if self.states else INTERNAL if self.model.get_sinks() else NO_STATE
        named = [[self._name_of(port) for port in ports if port.get_names()] for ports in (model.inputs, model.outputs)]
        self.inputs = tuple(name for name in dict.fromkeys(named[0]) if name not in self.states)
        self.outputs = tuple(name for name in dict.fromkeys(named[1]) if name not in self.states.values())
        # Under every name: a state's new value may be another output as well.
        self._inputs = {stem(name): port for port in model.inputs for name in port.get_names()}
        self._tensors = {stem(name): port.get_any_name() for port in model.outputs for name in port.get_names()}
        self._fed: dict[str, tuple] = {}
        self._shapes = {name: [*map(size_of, self._inputs[name].get_partial_shape())] for name in self.states}
        self._initial = initial_states(self.metadata)

    def input(self, name: str):
        """The input of that name, or None."""
        return find_input(self.model, name)

    def output(self, name: str):
        """The output of that name, or None."""
        return find_output(self.model, name)

    def first_states(self, rows: int | None = None) -> dict[str, np.ndarray]:
        """What the external states hold before the first call, by the names of the inputs: zeros, unless the metadata
        say something else. rows: the batch, for states that leave it open (1 by default)."""
        return {
            name: first_state(self._initial.get(name), [size or rows or 1 for size in shape], name)
            for name, shape in self._shapes.items()
        }

    def feeds(self, values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Values by name → what an inference request takes: by its own names, contiguous, of the inputs' types."""
        found = {}
        for name, value in values.items():
            tensor, dtype = self._fed.get(name) or self._feed(name)
            found[tensor] = np.asarray(value, dtype, order="C")
        return found

    def view(self, request, name: str) -> np.ndarray:
        """An output of the last call: a view on memory that the next call overwrites."""
        return request.get_tensor(self._tensors[name]).data

    def new_states(self, request, rows: int | None = None) -> dict[str, np.ndarray]:
        """Copies of the external states after the last call, by the names of the inputs. rows: only the first ones."""
        return {name: self.view(request, after)[:rows].copy() for name, after in self.states.items()}

    def _feed(self, name: str) -> tuple:
        """An input's own name and type: asked for once, as OpenVINO answers slowly."""
        port = self._inputs[name]
        self._fed[name] = port.get_any_name(), port.get_element_type().to_dtype()
        return self._fed[name]

    def _find_states(self) -> dict[str, str]:
        if is_acoustic(self.metadata):
            # What the metadata call external may be gone: parts of a model are converted too.
            pairs = STATE_PAIRS if any(self.input(name) is not None for name in STATE_PAIRS) else {}
        else:
            pairs = self.metadata["states"] if self.metadata.get("state") == EXTERNAL else {}
        for before, after in pairs.items():
            if self.input(before) is None or self.output(after) is None:
                raise RecipeError(
                    f"{self.name}: the state '{before}' → '{after}' is not both an input and an output. "
                    "Convert the model again."
                )
            if self.input(before).get_partial_shape().rank.is_dynamic:
                raise RecipeError(f"{self.name}: the state '{before}' has any number of dimensions.")
        return {stem(before): stem(after) for before, after in pairs.items()}

    def _name_of(self, port) -> str:
        """The contract's or the recipe's name, else the shortest."""
        known = {*TENSORS, *self.states, *self.states.values()}
        known |= {*self.metadata.get("inputs", ()), *self.metadata.get("outputs", ())}
        return min(map(stem, port.get_names()), key=lambda name: (name not in known, len(name), name))


def size_of(dimension) -> int | None:
    """None if it is dynamic."""
    return dimension.get_length() if dimension.is_static else None
