"""What an LSTM over a whole sequence is, whatever it was written as: one operation, a loop, or step by step."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from deepspeech_recipe.errors import NoMatch
from deepspeech_recipe.graphdef.view import GraphView, Tensor
from deepspeech_recipe.patterns.state import State

BLOCK, LOOP, STEPS = "BlockLSTM", "loop", "steps"
NOT_FROZEN = "Freeze the graph, so that trained variables become constants"


@dataclass(frozen=True)
class Cell:
    """What an LSTM computes in one step, as the constants of a graph.

    kernels: one tensor `[I+H, 4H]` (x above h), or two, `[I, 4H]` and `[H, 4H]`. bias: `[4H]`, or None.
    gates: the order of the gates i, c, f, o in them. forget_bias is still to be added to gate f.
    peepholes: their weights `[H]` for the gates i, f, o; clip: the bound of the cell state, 0 for none. An LSTMSequence
    has neither: a cell with one of them becomes a loop.
    """

    kernels: tuple[Tensor, ...]
    bias: Tensor | None
    gates: str
    forget_bias: float
    input_size: int
    hidden_size: int
    peepholes: tuple[Tensor, ...] = ()
    clip: float = 0.0

    @property
    def is_plain(self) -> bool:
        """Whether an LSTMSequence computes it."""
        return not self.peepholes and not self.clip

    def weights(self, view: GraphView) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The weights as an OpenVINO LSTMSequence wants them, gates in the order f, i, c, o.

        Returns W `[1, 4H, I]`, R `[1, 4H, H]` and B `[1, 4H]`, float32, the forget bias added.
        """
        kernels = [view.constant(kernel).astype(np.float32, copy=False) for kernel in self.kernels]
        if len(kernels) == 1:
            kernels = [kernels[0][: self.input_size], kernels[0][self.input_size :]]
        order = [self.gates.index(gate) for gate in "fico"]
        bias = np.zeros((4, self.hidden_size), np.float32)
        if self.bias is not None:
            bias[:] = view.constant(self.bias).reshape(bias.shape)[order]
        bias[0] += np.float32(self.forget_bias)
        return _by_gate(kernels[0], order), _by_gate(kernels[1], order), bias.reshape(1, -1)

    def peephole_weights(self, view: GraphView) -> np.ndarray | None:
        """`[3, H]`, for the gates i, f, o; None without peepholes."""
        if not self.peepholes:
            return None
        return np.stack([view.constant(tensor).astype(np.float32) for tensor in self.peepholes])


@dataclass(frozen=True)
class Layer:
    """One cell over the whole sequence, and the tensors of the graph that hold what it computes.

    initial_c, initial_h, last_c, last_h `[B, H]`: the states before the first and after the last step, as far as the
    graph reads these. Hidden states of all steps: sequence `[T, B, H]`, batch_major `[B, T, H]`, and steps, a tuple for
    each step of the tensors `[B, H]` that hold it.
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
    steps: tuple[tuple[Tensor, ...], ...] = ()
    lengths: Tensor | None = None


@dataclass(frozen=True)
class Lstm:
    """Layers one after the other over one sequence.

    form: what they are written as, 'BlockLSTM', 'loop' or 'steps'. node: a name for messages and new nodes.
    x: the sequence `[T, B, I]`, or `[B, T, I]` if is_batch_major; the first layer reads it, each other one the hidden
    states of the one before.
    steps: a constant number of steps, None if it follows the sequence.
    direction: 'forward' or 'reverse'; reversals: the nodes that turn time round before and after layers which run
    backwards, the one in front first. Its hidden states are in reverse order between them.
    dead: nodes that nobody reads. state_c, state_h: what the state of a BlockLSTM is between calls, None if it is
    computed in the graph. inside: the graph with its conditions or this loop written out, if constants lie in there.
    """

    form: str
    node: str
    x: Tensor
    layers: tuple[Layer, ...]
    steps: int | None = None
    is_batch_major: bool = False
    direction: str = "forward"
    reversals: tuple[str, ...] = ()
    dead: tuple[str, ...] = ()
    state_c: State | None = None
    state_h: State | None = None
    inside: GraphView | None = field(default=None, repr=False, compare=False)

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

    def last_state_form(self, view: GraphView) -> str:
        """The operation that takes the last state out: 'GatherNd', 'Gather', 'GatherV2', 'StridedSlice' or 'none'."""
        return next((view.nodes[tensor.node].op for tensor in (*self.layer.last_c, *self.layer.last_h)), "none")


def cell_sizes(view: GraphView, kernels: tuple[Tensor, ...], bias: Tensor | None) -> tuple[int, int]:
    """(I, H) of a cell's constants. Raises NoMatch if they do not fit together."""
    shapes = [view.constant_shape(kernel) or () for kernel in kernels]
    rows, hidden = sum(shape[0] for shape in shapes if shape), shapes[0][-1] // 4 if shapes[0] else 0
    fits = all(len(shape) == 2 and shape[1] == 4 * hidden for shape in shapes) and rows > hidden > 0
    if len(shapes) == 2:
        fits = fits and shapes[1][0] == hidden
    if bias is not None:
        fits = fits and view.constant_shape(bias) == (4 * hidden,)
    if not fits:
        raise NoMatch(
            f"The LSTM's kernel {' and '.join(str(list(shape)) for shape in shapes)} does not fit its bias or state; "
            "a projection of the hidden state is not part of an LSTMSequence",
            node=kernels[0].node,
        )
    return rows - hidden, hidden


def _by_gate(kernel: np.ndarray, order: list[int]) -> np.ndarray:
    """`[N, 4H]` → `[1, 4H, N]`, gate by gate: the kernel of a real model is too large to be turned in several steps."""
    size = kernel.shape[1] // 4
    turned = np.empty((1, 4 * size, len(kernel)), np.float32)
    for place, gate in enumerate(order):
        turned[0, place * size : (place + 1) * size] = kernel[:, gate * size : (gate + 1) * size].T
    return turned
