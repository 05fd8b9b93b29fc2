"""IRs of other recipes than DeepSpeech's against their originals: random inputs, call after call, states included."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from deepspeech_recipe.audio.samples import start_at_samples
from deepspeech_recipe.errors import RecipeError, some_of
from deepspeech_recipe.graphdef.proto import GraphDef
from deepspeech_recipe.graphdef.view import GraphView, Tensor
from deepspeech_recipe.installation import NoTensorFlow
from deepspeech_recipe.ir.model import IR
from deepspeech_recipe.ir.names import NO_STATE
from deepspeech_recipe.ir.runner import StatefulModel
from deepspeech_recipe.patterns.state import initial_state
from deepspeech_recipe.rewrite.frozen_inputs import freeze_inputs
from deepspeech_recipe.sources import LoadedModel
from deepspeech_recipe.verification.activations import (
    config_of,
    default_precision_note,
    explained_check,
    in_way,
    ways_of,
)
from deepspeech_recipe.verification.numpy_graph import NumpyGraph, unknown_operations
from deepspeech_recipe.verification.original import producer
from deepspeech_recipe.verification.report import Check, Report
from deepspeech_recipe.verification.rounding import with_weights_of
from deepspeech_recipe.verification.tensorflow_session import TensorFlowGraph
from deepspeech_recipe.verification.weights import weights_format

CALLS = 4
# Of the largest value, if that is above 1. Measured, with random weights, 5 to 1024 cells and up to two layers: 6e-7,
# 8e-4, 9e-3; trained ones are more sensitive. Weights of 8 bits that are found in the graph have the limit of fp32.
_LIMITS = {"fp32": 1e-5, "fp16": 2e-2, "int8": 0.3}
# Which input chooses.
_LOOK_UPS = {"Gather": 1, "GatherV2": 1, "GatherNd": 1, "ResourceGather": 1, "OneHot": 0}
_RESHAPED = ("Cast", "Reshape", "ExpandDims", "Squeeze")


@dataclass(frozen=True)
class CarriedState:
    """A state: its name in the IR, the graph's input or variable, its value before the first call, and the new one."""

    name: str
    source: Tensor
    initial: np.ndarray
    new: Tensor


def verify_stateful(source: LoadedModel, ir: IR, *, device: str = "CPU", reference: str = "auto") -> Report:
    """Compares an IR with its original: the same random inputs in several chained calls.

    reference: 'tensorflow', 'numpy', or 'auto', the first of them that can. Raises RecipeError if none can, or the IR
    was made of another graph.
    """
    judged = judged_by(source, ir)
    ways = ways_of(ir.model, judged.weights, device)
    models = {way: StatefulModel(in_way(ir, way), device=device, config=config_of(way, device)) for way in ways}
    pair = Pair(judged.source, ir)
    errors: dict[str, float] = {}
    details: dict[str, str] = {}
    moved = dict.fromkeys(ways, 0.0)
    call = pair.original(reference)
    for number in range(CALLS):
        feeds = pair.random_feeds(number)
        expected = call(feeds)
        runs = {way: model(feeds) | model.states for way, model in models.items()}
        found = runs[ways[0]]
        for name, value in expected.items():
            details[name] = ""
            if found[name].shape != value.shape:
                errors[name] = np.inf
                details[name] = f"shape {list(found[name].shape)}, of the original {list(value.shape)}"
                continue
            scale = max(1.0, float(np.abs(value).max(initial=0)))
            errors[name] = max(errors.get(name, 0.0), _error(found[name], value) / scale)
            moved = {way: max(most, _error(runs[way][name], found[name]) / scale) for way, most in moved.items()}
    checks = [judged.check] if judged.check else []
    for name, error in errors.items():
        what = f"{'state' if name in pair.states else 'output'} '{name}'"
        checks.append(Check(what, bool(error <= judged.limit), error, judged.limit, details[name]))
    if explained := explained_check(moved, judged.limit):
        checks.append(explained)
    kept = ir.metadata.get("state") if pair.states else NO_STATE
    return Report(
        model=str(source.path),
        ir=ir.name,
        reference=pair.reference,
        device=device,
        weights=judged.weights,
        form=f"recipe {ir.metadata.get('recipe')}, state {kept}, {CALLS} chained calls of random inputs",
        checks=tuple(checks),
        recordings=(),
        notes=default_precision_note(moved, device),
    )


def _as_frozen(source: LoadedModel, values: dict[str, float]) -> LoadedModel:
    """The original with the inputs that were given a value for good; it may be that already."""
    view = GraphView.of(source.graph)
    values = {name: value for name, value in values.items() if name in view.nodes and view.nodes[name].op != "Const"}
    if not values:
        return source
    graph = GraphDef()
    graph.CopyFrom(source.graph)
    freeze_inputs(graph, values)
    return replace(source, graph=graph)


def _steps(rows: int, shapes: Iterable[list[int]]) -> int:
    """The size of time in inputs `[rows, T, …]` or `[T, rows, …]`: with lengths of 0 and 1 no state would be read."""
    sizes = [shape[1] if shape[0] == rows else shape[0] for shape in shapes if len(shape) > 2 and rows in shape[:2]]
    return min(sizes, default=1)


def _error(found: np.ndarray, expected: np.ndarray) -> float:
    """The largest difference; infinite if either is not a number."""
    error = float(np.abs(found - expected).max(initial=0))
    return error if np.isfinite(error) else np.inf


@dataclass(frozen=True)
class Judged:
    """source: with the weights that the IR rounded, if they were found; check: of these. limit: for all else."""

    source: LoadedModel
    weights: str
    check: Check | None
    limit: float


def judged_by(source: LoadedModel, ir: IR) -> Judged:
    """Weights that lie in functions of the graph are not found: then the limit allows for what rounding may do."""
    if (rate := ir.metadata.get("sample_rate")) is not None:
        source = replace(source, graph=start_at_samples(source.graph, rate))
    # What is stored in few numbers, as the weights of a small model are, does not tell.
    weights = max(weights_format(ir.model), ir.metadata.get("weights", "fp32"), key=list(_LIMITS).index)
    rounded, check = with_weights_of(ir.model, source)
    if check is None or not np.isfinite(check.figure):
        return Judged(source, weights, None, _LIMITS[weights])
    return Judged(rounded, weights, check, _LIMITS["fp16" if weights == "fp16" else "fp32"])


class Pair:
    """An IR and its graph: which tensor of the one is which of the other, told by names that the IR kept."""

    def __init__(self, source: LoadedModel, ir: IR):
        self._source, self._ir = _as_frozen(source, ir.metadata.get("frozen", {})), ir
        self._view = GraphView.of(self._source.graph)
        inputs = {name: self._tensor(name, ir.input(name).get_names()) for name in ir.inputs}
        self.inputs = {name: self._view.source(tensor) for name, tensor in inputs.items()}
        self.outputs = {name: self._tensor(name, ir.output(name).get_names()) for name in ir.outputs}
        self.states = {each.name: each for each in self._states()}

    @property
    def _rows(self) -> int:
        shapes = [self._view.shape(producer(self._view, state.source)) for state in self.states.values()]
        return next((shape[0] for shape in shapes if shape and shape[0] > 0), 3)

    def _states(self) -> Iterator[CarriedState]:
        for before, after in self._ir.metadata.get("states", {}).items():
            source = self._view.source(self._tensor(before, [before]))
            node = producer(self._view, source)
            updates = self._view.updates(node)
            new = updates[0].inputs[1] if updates else self._tensor(after, [after])
            initial = initial_state(self._view, node)
            shape = [max(size, 1) for size in self._view.shape(node) or ()]
            initial = np.array(np.broadcast_to(0 if initial is None else initial, shape), np.float32)
            yield CarriedState(before, source, initial, new)

    def _tensor(self, role: str, names) -> Tensor:
        """What the IR says that it is, else the first of its names that the graph has."""
        known = self._ir.metadata.get("graph", {}).get(role) or sorted(names)
        found = [Tensor.parse(name) for name in known if Tensor.parse(name).node in self._view.nodes]
        if not found:
            raise RecipeError(
                f"{self._ir.name}: is not made of {self._source.path}: its tensor '{role}' is not in the graph."
            )
        return found[0]

    def random_feeds(self, seed: int) -> dict[str, np.ndarray]:
        """Normal numbers, lengths, and else 0 and 1. An open size is the states' batch, or 3: which of them are the
        batch, and so must be equal, no graph says."""
        rng = np.random.default_rng(seed)
        ports = {name: self._ir.input(name) for name in self.inputs}
        shapes = {
            name: [size.get_length() if size.is_static else self._rows for size in port.get_partial_shape()]
            for name, port in ports.items()
        }
        feeds = {}
        for name, port in ports.items():
            kind, shape = port.get_element_type().to_dtype(), shapes[name]
            values: np.ndarray
            if self._is_index(self.inputs[name]):  # also as the floating-point numbers that Keras' inputs are
                values = rng.integers(0, 2, shape)
            elif np.issubdtype(kind, np.floating):
                values = rng.standard_normal(shape)
            elif np.issubdtype(kind, np.integer) and len(shape) == 1:
                steps = _steps(shape[0], shapes.values())
                values = rng.integers(0, steps + 1, shape)
                if (row := seed % (shape[0] + 1)) < shape[0]:  # one of them whole, in all calls but some
                    values[row] = steps
            else:
                values = rng.integers(0, 2, shape)
            feeds[name] = values.astype(kind)
        return feeds

    def _is_index(self, tensor: Tensor) -> bool:
        """Whether a tensor chooses rows of a table: of how many, it does not say."""
        return any(
            (node.op in _LOOK_UPS and node.inputs[_LOOK_UPS[node.op]] == read)
            or (node.op in _RESHAPED and self._is_index(Tensor(node.name)))
            for node, read in self._view.readers(tensor)
        )

    def original(self, reference: str = "auto"):
        """call(feeds) → outputs and new states by the IR's names, from the initial state on."""
        fetches = self.outputs | {state.name: state.new for state in self.states.values()}
        sources = {state.name: state.source for state in self.states.values()}
        graph = self._runner(reference, fetches.values(), (*self.inputs.values(), *sources.values()))
        kept = {state.name: state.initial for state in self.states.values()}

        def call(feeds):
            given = {self.inputs[name]: value for name, value in feeds.items()}
            given |= {sources[name]: value for name, value in kept.items()}
            found = dict(zip(fetches, graph.run(fetches.values(), given), strict=True))
            kept.update({name: found[name] for name in kept})
            return found

        return call

    def _runner(self, reference: str, fetches, feeds):
        """What computes tensors of the original."""
        if reference not in ("auto", "tensorflow", "numpy"):
            raise RecipeError(
                f"The reference '{reference}' reads DeepSpeech models only, and this IR was made by the recipe "
                f"'{self._ir.metadata.get('recipe')}'. Compare with tensorflow or numpy."
            )
        self.reference = "numpy, float64"
        if reference == "numpy":
            return NumpyGraph(self._view)
        try:
            graph = TensorFlowGraph(self._source.graph, fetches, feeds, self._source.path)
            self.reference = "tensorflow"
            return graph
        except NoTensorFlow as reason:
            unknown = unknown_operations(self._view, fetches, feeds)
            if reference == "tensorflow" or unknown:
                known = f"; and the numpy reference does not know {some_of(unknown)}" if unknown else ""
                raise NoTensorFlow(f"{reason.reason}{known}", remedy=reason.remedy) from None
            return NumpyGraph(self._view)
