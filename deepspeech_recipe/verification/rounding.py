"""The original with the weights that an IR stores in fewer bits, each of which must be one of its own, rounded.

So an IR of 8 bits is compared as strictly as one of 32: what rounding explains is checked weight by weight, and all
else by the numbers. Which output channel of the IR is which one of the original is told by its weights, not by names
or places: an IR whose channels or layers are exchanged has the right weights and the wrong numbers.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from deepspeech_recipe.graphdef.build import GraphBuilder
from deepspeech_recipe.graphdef.view import GraphView, Tensor
from deepspeech_recipe.sources import LoadedModel
from deepspeech_recipe.verification.report import Check
from deepspeech_recipe.verification.stored import Stored, stored_matrices

# In units of half the distance of two neighbours: 1, but for what float32 makes of it.
_LIMIT = 1.01
_TILE = 16  # matrices are filled up with zeros to multiples of this
_DIRECTIONS = 24  # in which vectors are compared before all of their values are
_ROWS, _SAMPLE = 1024, 128


@dataclass(frozen=True, eq=False)
class _Block:
    """Weights of the original whose rows may be output channels. values: a view of a part of a matrix."""

    tensor: Tensor
    values: np.ndarray


def with_weights_of(model, source: LoadedModel) -> tuple[LoadedModel, Check | None]:
    """The source with the weights of an ov.Model, as far as these are rounded; and the check that they are no more
    than that. None if the model has none of fewer than 32 bits."""
    stored = list(stored_matrices(model))
    if not stored:
        return source, None
    view = GraphView.of(source.graph)
    weights = {tensor: view.constant(tensor).astype(np.float32) for tensor in dict(_readers(view))}
    blocks = [block for tensor, values in weights.items() for block in _blocks(tensor, values)]
    errors = [_take_over(matrix, [block for block in blocks if _may_be(matrix, block)]) for matrix in stored]
    worst = int(np.argmax(errors))
    detail = f"in units of half a step of rounding, of '{stored[worst].name}'"
    check = Check("weights", errors[worst] <= _LIMIT, errors[worst], _LIMIT, detail)
    return replace(source, graph=_with_constants(source.graph, view, weights)), check


def _readers(view: GraphView) -> Iterator[tuple[Tensor, tuple[str, int]]]:
    """The matrices of constants that are read by what is not constant: (tensor, (node, input))."""
    for node in view.nodes.values():
        if node.op in view.TRANSPARENT or view.constant_shape(Tensor(node.name)) is not None:
            continue
        for port, tensor in enumerate(node.inputs):
            shape = view.constant_shape(tensor)
            if shape is not None and len(shape) == 2 and view.constant(tensor).dtype.kind == "f":
                yield tensor, (node.name, port)


def _blocks(tensor: Tensor, values: np.ndarray) -> Iterator[_Block]:
    """Both sides of a matrix may be the outputs; the kernel `[I+H, 4H]` of an LSTM is two matrices."""
    rows, columns = values.shape
    yield _Block(tensor, values.T)
    yield _Block(tensor, values)
    if columns % 4 == 0 and rows > columns // 4:
        yield _Block(tensor, values[: rows - columns // 4].T)
        yield _Block(tensor, values[rows - columns // 4 :].T)


def _may_be(matrix: Stored, block: _Block) -> bool:
    size, stored = block.values.shape[1], matrix.values.shape[1]
    return size == stored or -(-size // _TILE) * _TILE == stored


def _take_over(matrix: Stored, blocks: Iterable[_Block]) -> float:
    """Gives the blocks the numbers of the stored channels that are theirs; returns the largest error of a channel, in
    units of half a step, infinite if there is nothing that it could be."""
    channels = np.flatnonzero(matrix.values.any(1))
    values, steps = matrix.values[channels], np.broadcast_to(matrix.step, matrix.values.shape)[channels]
    if matrix.is_whole:  # a step wider than the largest weight needs would allow everything
        steps = np.minimum(steps, np.abs(values).max(initial=0) / 127 + np.finfo(np.float32).tiny)
    errors = np.full(len(channels), np.inf)
    for block in _likely(values, list(blocks)):
        size = block.values.shape[1]
        stored = values[:, :size]
        own, _ = _nearest(stored, block.values)
        errors = np.minimum(errors, _errors(stored, block.values[own], steps[:, :size]))
        other, _ = _nearest(block.values, stored)
        right = _errors(stored[other], block.values, steps[other, :size]) <= _LIMIT
        block.values[right] = stored[other[right]]
    return float(errors.max(initial=0))


def _likely(values: np.ndarray, blocks: list[_Block]) -> list[_Block]:
    """The blocks that some of the channels are most like: one, or the four gates of a kernel in parts."""
    if not blocks or not len(values):
        return []
    some = values[:: max(1, len(values) // _SAMPLE)]
    width = values.shape[1]  # the narrower of two blocks would seem nearer
    distances = [
        _nearest(some, np.pad(block.values, [(0, 0), (0, width - block.values.shape[1])]))[1] for block in blocks
    ]
    best = set(np.argmin(distances, axis=0).tolist())
    return [block for number, block in enumerate(blocks) if number in best]


def _errors(found: np.ndarray, expected: np.ndarray, steps: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.nan_to_num(np.abs(found - expected) / (steps / 2), nan=np.inf).max(1)


def _nearest(vectors: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each vector the place of the other that is most like it, and how far it is from that."""
    directions = np.random.default_rng(0).standard_normal((vectors.shape[1], _DIRECTIONS)).astype(np.float32)
    ours, theirs = vectors @ directions, others @ directions
    squares = (theirs**2).sum(1)
    places = [(squares - 2 * ours[at : at + _ROWS] @ theirs.T).argmin(1) for at in range(0, len(ours), _ROWS)]
    place = np.concatenate(places)
    return place, ((ours - theirs[place]) ** 2).sum(1)


def _with_constants(graph, view: GraphView, weights: dict[Tensor, np.ndarray]):
    """A copy of the graph whose nodes read these matrices."""
    builder = GraphBuilder()
    builder.graph.CopyFrom(graph)
    nodes = {node.name: node for node in builder.graph.node}
    names = {}
    for tensor, values in weights.items():
        names[tensor] = f"{tensor.node}/stored_{tensor.port}"
        builder.const(names[tensor], values)
    for tensor, (node, port) in _readers(view):
        nodes[node].input[port] = names[tensor]
    return builder.graph
