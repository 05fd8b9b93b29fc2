"""What an LSTM over a whole sequence is, whatever it was written as: one operation, a loop, or step by step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from deepspeech_recipe.graphdef.view import GraphView, Tensor
from deepspeech_recipe.patterns.activations import SIGMOID, TANH, Expression, described
from deepspeech_recipe.patterns.state import State

BLOCK, LOOP, STEPS = "BlockLSTM", "loop", "steps"
NOT_FROZEN = "Freeze the graph, so that trained variables become constants"


class Part(NamedTuple):
    """A part of a constant: what lies from that row and that column on."""

    tensor: Tensor
    row: int = 0
    column: int = 0


GATES = "fico"  # in the order of an LSTMSequence
PLAIN = (SIGMOID, SIGMOID, TANH, SIGMOID, TANH)


@dataclass(frozen=True)
class Cell:
    """What an LSTM computes in one step, as the constants of a graph.

    kernel, recurrent: for each gate f, i, c, o the weights `[I, H]` of x and `[H, H]` of h. biases: for each gate the
    vectors `[H]`, or single numbers, whose sum is its bias. forget_bias is still to be added to gate f.
    peepholes: their weights `[H]` for the gates i, f, o, None for a gate without; empty without any.
    clip: the bound of the cell state, 0 for none. activations: those of the gates f, i, c, o and of the cell state.
    An LSTMSequence has neither peepholes nor a clip and PLAIN activations alone: any other cell becomes a loop.
    """

    kernel: tuple[Part, ...]
    recurrent: tuple[Part, ...]
    biases: tuple[tuple[Part, ...], ...]
    forget_bias: float
    input_size: int
    hidden_size: int
    peepholes: tuple[Tensor | None, ...] = ()
    clip: float = 0.0
    activations: tuple[Expression, ...] = PLAIN

    @property
    def is_plain(self) -> bool:
        """Whether an LSTMSequence computes it."""
        return not self.peepholes and not self.clip and self.activations == PLAIN

    @property
    def peculiarities(self) -> list[str]:
        """What an LSTMSequence does not have, for messages."""
        found = ["its peepholes"] if self.peepholes else []
        found += [f"its cell state clipped to ±{self.clip:g}"] if self.clip else []
        others = dict.fromkeys(described(each) for each, plain in zip(self.activations, PLAIN) if each != plain)
        return found + ([f"its activation{'s' * (len(others) > 1)} {', '.join(others)}"] if others else [])

    @property
    def constants(self) -> set[Tensor]:
        """The tensors that hold its weights."""
        parts = {*self.kernel, *self.recurrent, *(part for own in self.biases for part in own)}
        return {part.tensor for part in parts} | {tensor for tensor in self.peepholes if tensor is not None}

    def weights(self, view: GraphView) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The weights as an OpenVINO LSTMSequence wants them, gates in the order f, i, c, o.

        Returns W `[1, 4H, I]`, R `[1, 4H, H]` and B `[1, 4H]`, float32, the forget bias added.
        """
        bias = np.zeros((4, self.hidden_size), np.float32)
        for place, parts in enumerate(self.biases):
            for part in parts:
                values = view.constant(part.tensor).reshape(-1)
                bias[place] += values if values.size == 1 else values[part.column :][: self.hidden_size]
        bias[0] += np.float32(self.forget_bias)
        size = self.hidden_size
        kernel = _by_gate(view, self.kernel, self.input_size, size)
        return kernel, _by_gate(view, self.recurrent, size, size), bias.reshape(1, -1)

    def peephole_weights(self, view: GraphView) -> np.ndarray | None:
        """`[3, H]`, for the gates i, f, o; None without peepholes."""
        if not self.peepholes:
            return None
        weights = np.zeros((3, self.hidden_size), np.float32)
        for place, tensor in enumerate(self.peepholes):
            if tensor is not None:
                weights[place] = view.constant(tensor).reshape(-1)
        return weights


def quarters(tensor: Tensor, order: str, size: int, row: int = 0) -> tuple[Part, ...]:
    """The parts of a tensor `[…, 4 · size]` that belong to the gates f, i, c, o. order: that of the gates in it."""
    return tuple(Part(tensor, row, order.index(gate) * size) for gate in GATES)


@dataclass(frozen=True)
class Layer:
    """One cell over the whole sequence, and the tensors of the graph that hold what it computes.

    initial_c, initial_h, last_c, last_h `[B, H]`: the states before the first and after the last step, as far as the
    graph reads these. Hidden states of all steps: sequence `[T, B, H]`, batch_major `[B, T, H]`, rows `[T·B, H]`,
    columns `[B, T·H]`, and steps, a tuple for each step of the tensors `[B, H]` that hold it.
    lengths: the tensor `[B]` of lengths, None if every step counts. Past its own a row of a loop or of steps keeps its
    state and gives zeros; of a BlockLSTM lengths say only how far it runs, and what is taken out of it.
    """

    cell: Cell
    initial_c: Tensor
    initial_h: Tensor
    last_c: tuple[Tensor, ...] = ()
    last_h: tuple[Tensor, ...] = ()
    sequence: tuple[Tensor, ...] = ()
    batch_major: tuple[Tensor, ...] = ()
    rows: tuple[Tensor, ...] = ()
    columns: tuple[Tensor, ...] = ()
    steps: tuple[tuple[Tensor, ...], ...] = ()
    lengths: Tensor | None = None


@dataclass(frozen=True)
class Lstm:
    """Layers one after the other over one sequence.

    form: what they are written as, 'BlockLSTM', 'loop' or 'steps'. node: a name for messages and new nodes.
    x: the sequence `[T, B, I]`, or `[B, T, I]` if is_batch_major; the first layer reads it, each other one the hidden
    states of the one before.
    reshape: the sizes that x is to be given first, () for its own; packed: the steps `[B, I]` that are to be packed in
    its place, () if x is a sequence.
    steps: a constant number of steps, None if it follows the sequence.
    direction: 'forward' or 'reverse'; reversals: the nodes that turn time round before and after layers which run
    backwards, the one in front first. Its hidden states are in reverse order between them.
    passed_on: what a loop hands through unchanged, behind it → in front of it.
    state_c, state_h: what the state of a BlockLSTM is between calls, None if it is computed in the graph.
    inside: the graph with its conditions or this loop written out, if constants lie in there.
    """

    form: str
    node: str
    x: Tensor
    layers: tuple[Layer, ...]
    steps: int | None = None
    is_batch_major: bool = False
    direction: str = "forward"
    reversals: tuple[str, ...] = ()
    passed_on: Mapping[Tensor, Tensor] = field(default_factory=dict)
    state_c: State | None = None
    state_h: State | None = None
    inside: GraphView | None = field(default=None, repr=False, compare=False)
    reshape: tuple[int, ...] = ()
    packed: tuple[Tensor, ...] = ()

    @property
    def layer(self) -> Layer:
        """The first one; the only one of a BlockLSTM."""
        return self.layers[0]

    @property
    def cell(self) -> Cell:
        return self.layer.cell

    @property
    def lengths(self) -> Tensor | None:
        """Those of the first layer."""
        return self.layer.lengths

    @property
    def hidden_size(self) -> int:
        return self.cell.hidden_size

    @property
    def states(self) -> tuple[State, ...]:
        """Those that are known here."""
        return tuple(state for state in (self.state_c, self.state_h) if state is not None)

    @property
    def replacement(self) -> str:
        """What its layers become, for messages: 'an LSTMSequence', or a loop and why."""
        loops = [layer.cell for layer in self.layers if not layer.cell.is_plain]
        plain = len(self.layers) - len(loops)
        parts = ["an LSTMSequence" if plain == 1 else f"{plain} LSTMSequences"] if plain else []
        if loops:
            reasons = dict.fromkeys(reason for cell in loops for reason in cell.peculiarities)
            parts.append(f"{'a loop' if len(loops) == 1 else f'{len(loops)} loops'}, for {' and '.join(reasons)}")
        return " and ".join(parts)

    def last_state_form(self, view: GraphView) -> str:
        """The operation that takes the last state out: 'GatherNd', 'Gather', 'GatherV2', 'StridedSlice' or 'none'."""
        return next((view.nodes[tensor.node].op for tensor in (*self.layer.last_c, *self.layer.last_h)), "none")


def _by_gate(view: GraphView, parts: tuple[Part, ...], rows: int, size: int) -> np.ndarray:
    """Parts `[N, H]` → `[1, 4H, N]`, gate by gate: the kernel of a real model is too large to be turned in several
    steps."""
    turned = np.empty((1, 4 * size, rows), np.float32)
    for place, part in enumerate(parts):
        whole = slice(part.row, part.row + rows), slice(part.column, part.column + size)
        block = view.constant_part(part.tensor, whole)
        turned[0, place * size : (place + 1) * size] = block.T
    return turned
