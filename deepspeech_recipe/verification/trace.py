"""The tensors between the stages, of both models, call by call."""

import numpy as np

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.graphdef.view import GraphView, Node, Tensor
from deepspeech_recipe.ir.layers import layer_ends, named_ends
from deepspeech_recipe.ir.model import IR
from deepspeech_recipe.ir.names import DENSE_BEFORE, DENSE_BEHIND, LOGITS, STATE_C, STATE_H
from deepspeech_recipe.ir.runner import StatefulModel
from deepspeech_recipe.verification.converted import Converted
from deepspeech_recipe.verification.original import Original, probabilities, producer
from deepspeech_recipe.verification.references import Numpy

_STATES = {"cell state": STATE_C, "hidden state": STATE_H}


def trace_original(original: Original, reference: Numpy, windows: np.ndarray, chunks) -> list[dict]:
    """For each chunk of one row's windows `[N, window, n_input]`: stage → `[T, …]`; states `[H]` after it."""
    tensors = layer_tensors(original)
    reference.start()
    traces, begin = [], 0
    for chunk in chunks:
        parts = []
        for at in range(0, chunk, original.steps or chunk):
            count = min(original.steps or chunk, chunk - at)
            parts.append(_call(original, reference, windows[begin + at : begin + at + count], tensors))
        trace = {name: np.concatenate([part[name] for part in parts]) for name in tensors}
        traces.append(trace | {name: value for name, value in parts[-1].items() if name not in tensors})
        begin += chunk
    return traces


def _call(original: Original, reference: Numpy, windows: np.ndarray, tensors: dict) -> dict:
    """One call of the graph, its first row ours and whole, the others empty."""
    rows, count = original.batch or 1, len(windows)
    steps = original.steps or count
    padded = np.zeros((rows, steps, *windows.shape[1:]), np.float32)
    padded[0, :count] = windows
    lengths = np.zeros(rows, int)
    lengths[0] = count
    _, c, h, values = reference.step(padded, lengths, list(tensors.values()))
    found = {name: value.reshape(steps, rows, -1)[:count, 0] for name, value in zip(tensors, values, strict=True)}
    return found if c is None else found | {"cell state": c[0], "hidden state": h[0]}


class TracedIR:
    """An IR whose stages are outputs too."""

    def __init__(self, ir: Converted):
        self._ir = ir
        model = ir.model.clone()
        ends = layer_ends(model)
        self._layers = tuple(ends)
        self._model = StatefulModel(IR(model, ir.name), device=ir.device, extra=ends)

    def start(self, state) -> None:
        """Begins an utterance. state: c, h `[B, H]` for an IR with external state."""
        self._model.reset(states=self._ir.given_states(state))

    def call(self, feeds: dict) -> dict:
        """Layer → values as the IR has them; states `[B, H]`, and the probabilities as 'logits'."""
        values, states = self._model(feeds), self._model.states
        found = {layer: values[layer] for layer in self._layers}
        found |= {part: states[name] for part, name in _STATES.items() if name in states}
        return found | {LOGITS: probabilities(values[LOGITS], self._ir.head)}


def rows_of(values: np.ndarray, steps: int, batch: int) -> list[np.ndarray]:
    """An IR's stage as `[T, B, F]`: in either order of time and batch that its memory may have.

    A streaming IR runs one step more than there are windows: it is dropped.
    """
    width = values.shape[-1] if values.ndim > 1 else 1
    if batch == 1:
        return [values.reshape(-1, width)[:steps, None]]
    flat = values.reshape(-1)
    width = flat.size // (steps * batch)
    return [flat.reshape(steps, batch, width), flat.reshape(batch, steps, width).swapaxes(0, 1)]


def layer_tensors(original: Original) -> dict[str, Tensor]:
    """Layer → tensor of the original graph where it ends, by topology: `[T·B, …]` or `[T, B, …]`, time-major."""
    view = original.view
    cells = view.of_op("BlockLSTM", "BlockLSTMV2")
    if not cells:
        raise RecipeError(f"{original.source.path}: is bidirectional (v0.1): verify compares it, diagnose cannot.")
    cell = cells[0]
    before = _weight_products(view, view.ancestors(cell.inputs[1]))[::-1]
    after = _weight_products(view, view.descendants(Tensor(cell.name, 6)))
    if not 1 <= len(before) <= len(DENSE_BEFORE) or len(after) != len(DENSE_BEHIND):
        raise RecipeError(f"{original.source.path}: its dense layers cannot be told apart.")
    logits = producer(view, view.source(original.logits))
    scores = logits.inputs[0] if logits.op == "Softmax" else original.logits
    ends = [node.inputs[0] for node in before] + [cell.inputs[1]] + [node.inputs[0] for node in after] + [scores]
    return named_ends(ends)


def _weight_products(view: GraphView, nodes) -> list[Node]:
    return [node for node in nodes if node.op == "MatMul" and view.value(node.inputs[1]) is not None]
