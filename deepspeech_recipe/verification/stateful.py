"""IRs of other recipes than DeepSpeech's against their originals: random inputs, call after call, states included."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.graphdef.view import GraphView, Tensor
from deepspeech_recipe.ir.model import IR
from deepspeech_recipe.ir.names import NO_STATE
from deepspeech_recipe.ir.runner import StatefulModel
from deepspeech_recipe.patterns.state import initial_state
from deepspeech_recipe.sources import LoadedModel
from deepspeech_recipe.verification.original import producer
from deepspeech_recipe.verification.report import Check, Report
from deepspeech_recipe.verification.tensorflow_session import TensorFlowGraph
from deepspeech_recipe.verification.weights import weights_format

CALLS = 4
# Of the largest value, if that is above 1; of what layers make of FP16 weights.
_LIMITS = {"fp32": 1e-5, "fp16": 2e-2}


@dataclass(frozen=True)
class CarriedState:
    """A state: its name in the IR, the graph's input or variable, its value before the first call, and the new one."""

    name: str
    source: Tensor
    initial: np.ndarray
    new: Tensor


def verify_stateful(source: LoadedModel, ir: IR, *, device: str = "CPU") -> Report:
    """Compares an IR with its original in TensorFlow: the same random inputs in several chained calls.

    Raises RecipeError if TensorFlow is not installed, or the IR was made of another graph.
    """
    converted = StatefulModel(ir, device=device)
    weights = weights_format(ir.model)
    limit = _LIMITS.get(weights, _LIMITS["fp16"])
    pair = Pair(source, ir)
    errors: dict[str, float] = {}
    call = pair.original()
    for number in range(CALLS):
        feeds = pair.random_feeds(number)
        expected = call(feeds)
        found = converted(feeds) | converted.states
        for name, value in expected.items():
            scale = max(1.0, float(np.abs(value).max(initial=0)))
            error = float(np.abs(found[name] - value).max(initial=0)) / scale
            errors[name] = max(errors.get(name, 0.0), error if np.isfinite(error) else np.inf)
    checks = tuple(
        Check(f"{'state' if name in pair.states else 'output'} '{name}'", bool(error <= limit), error, limit, "")
        for name, error in errors.items()
    )
    kept = ir.metadata.get("state") if pair.states else NO_STATE
    return Report(
        model=str(source.path),
        ir=ir.name,
        reference="tensorflow",
        device=device,
        weights=weights,
        form=f"recipe {ir.metadata.get('recipe')}, state {kept}, {CALLS} chained calls of random inputs",
        checks=checks,
        recordings=(),
        notes=(),
    )


class Pair:
    """An IR and its graph: which tensor of the one is which of the other, told by names that the IR kept."""

    def __init__(self, source: LoadedModel, ir: IR):
        self._source, self._ir = source, ir
        self._view = GraphView.of(source.graph)
        inputs = {name: self._tensor(ir.input(name).get_names(), name) for name in ir.inputs}
        self.inputs = {name: self._view.source(tensor) for name, tensor in inputs.items()}
        self.outputs = {name: self._tensor(ir.output(name).get_names(), name) for name in ir.outputs}
        self.states = {each.name: each for each in self._states()}

    @property
    def _rows(self) -> int:
        shapes = [self._view.shape(producer(self._view, state.source)) for state in self.states.values()]
        return next((shape[0] for shape in shapes if shape and shape[0] > 0), 2)

    def _states(self) -> Iterator[CarriedState]:
        for before, after in self._ir.metadata.get("states", {}).items():
            names = self._ir.metadata.get("graph", {})
            source = self._view.source(self._tensor(names.get(before, [before]), before))
            node = producer(self._view, source)
            updates = self._view.updates(node)
            new = updates[0].inputs[1] if updates else self._tensor(names.get(after, [after]), after)
            initial = initial_state(self._view, node)
            shape = [max(size, 1) for size in self._view.shape(node) or ()]
            initial = np.array(np.broadcast_to(0 if initial is None else initial, shape), np.float32)
            yield CarriedState(before, source, initial, new)

    def _tensor(self, names, role: str) -> Tensor:
        found = [Tensor.parse(name) for name in sorted(names) if Tensor.parse(name).node in self._view.nodes]
        if not found:
            raise RecipeError(
                f"{self._ir.name}: is not made of {self._source.path}: its tensor '{role}' is not in the graph."
            )
        return found[0]

    def random_feeds(self, seed: int) -> dict[str, np.ndarray]:
        """Normal numbers, small integers. An open batch is the states', or 2; other open sizes are 3."""
        rng = np.random.default_rng(seed)
        feeds = {}
        for name in self.inputs:
            port = self._ir.input(name)
            shape = [size.get_length() if size.is_static else 3 for size in port.get_partial_shape()]
            if shape and port.get_partial_shape()[0].is_dynamic:
                shape[0] = self._rows
            kind = port.get_element_type().to_dtype()
            whole = not np.issubdtype(kind, np.floating)
            feeds[name] = (rng.integers(0, 2, shape) if whole else rng.standard_normal(shape)).astype(kind)
        return feeds

    def original(self):
        """call(feeds) → outputs and new states by the IR's names, in TensorFlow, from the initial state on."""
        fetches = self.outputs | {state.name: state.new for state in self.states.values()}
        sources = {state.name: state.source for state in self.states.values()}
        graph = TensorFlowGraph(
            self._source.graph, fetches.values(), (*self.inputs.values(), *sources.values()), self._source.path
        )
        kept = {state.name: state.initial for state in self.states.values()}

        def call(feeds):
            given = {self.inputs[name]: value for name, value in feeds.items()}
            given |= {sources[name]: value for name, value in kept.items()}
            found = dict(zip(fetches, graph.run(fetches.values(), given), strict=True))
            kept.update({name: found[name] for name in kept})
            return found

        return call
