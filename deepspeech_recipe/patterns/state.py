"""The state of a recurrent cell: where it comes from between calls, and where it goes.

Works for any recurrent cell: it is told which tensor is the initial state and which tensors hold the last one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

import numpy as np

from deepspeech_recipe.errors import Refusal
from deepspeech_recipe.graphdef.view import ASSIGN_OPS, PLACEHOLDER_OPS, UPDATE_OPS, GraphView, Node, Tensor

_CONSTANT_OPS = ("Const", "Fill", "ZerosLike")


@dataclass(frozen=True)
class State:
    """One state tensor of a cell.

    kind: 'variable' (kept in the graph, assigned its last value), 'input' (fed by the caller), or 'constant'.
    source: the tensor of the variable, placeholder or constant; shape: its sizes, -1 if unknown.
    new: the tensors that hold the last value; update, reset: the Assign nodes that carry it over and begin anew.
    initial: what it holds before the first call, as far as the file says: a number stands for a tensor full of it.
    """

    kind: str
    source: Tensor
    shape: tuple[int, ...] | None
    new: tuple[Tensor, ...]
    update: tuple[str, ...] = ()
    reset: tuple[str, ...] = ()
    initial: np.ndarray | None = field(default=None, compare=False)

    @property
    def name(self) -> str:
        """The name of the node where the state is kept."""
        return self.source.node


def recognise_state(view: GraphView, initial: Tensor, new: tuple[Tensor, ...], *, what: str) -> State | None:
    """Describes the state whose initial value is `initial` and whose last value is any of `new`.

    Returns None if the initial value is computed in the graph: then it is not a state.
    Raises Refusal if a variable's state would be lost. what: 'cell state' or 'hidden state', for the message.
    """
    source = view.source(initial)
    node = view.producer(source)
    if node is None:
        return None
    if node.op in PLACEHOLDER_OPS:
        return State("input", source, node.attribute("shape"), new)
    if view.is_variable(node):
        return replace(state_variable(view, node, any_of(view, new), what), new=new)
    value = constant_value(view, source)
    if node.op in _CONSTANT_OPS or value is not None:
        return State("constant", source, value.shape if value is not None else None, new, initial=value)
    return None


def any_of(view: GraphView, tensors: Iterable[Tensor]) -> Callable[[Tensor], bool]:
    """Whether a tensor is one of these, or a copy of one."""
    sources = {view.source(tensor) for tensor in tensors}
    return lambda tensor: view.source(tensor) in sources


def state_variable(view: GraphView, variable: Node, is_new: Callable[[Tensor], bool], what: str) -> State:
    """The state that a variable holds; `new` is the tensor that it is assigned.

    is_new: whether a tensor holds the last state. Raises Refusal if the state would be lost or come out wrong.
    what: as for `recognise_state`.
    """
    update: list[str] = []
    reset: list[str] = []
    value: tuple[Tensor, ...] = ()
    for writer in view.writers(variable):
        if writer.op in UPDATE_OPS:
            raise Refusal(
                f"The variable '{variable.name}' that holds the {what} is changed by {writer.op}",
                node=writer.name,
                remedy="Only a state that is assigned the cell's last state can become an input and an output",
            )
        if is_new(writer.inputs[1]):
            update.append(writer.name)
            value = writer.inputs[1:2]
        elif writer not in view.updates(variable):
            reset.append(writer.name)
        else:
            raise Refusal(
                f"The variable '{variable.name}', the cell's initial {what}, is assigned '{writer.inputs[1]}', "
                f"which is not its last {what}",
                node=writer.name,
                remedy=f"Assign the last {what} to the variable in the exported graph",
            )
    if not update:
        raise Refusal(
            f"The variable '{variable.name}' is the cell's initial {what}, but nothing assigns it the last {what}: "
            "the state would be lost",
            node=variable.name,
            remedy="Export the graph with its state update, or with placeholders in place of the variables",
        )
    source, shape, initial = Tensor(variable.name), view.shape(variable), initial_state(view, variable)
    if initial is not None and not np.isfinite(initial).all():
        raise Refusal(
            f"The variable '{variable.name}' that holds the {what} begins with values that are not finite",
            node=variable.name,
            remedy="Save or freeze the graph with zeros in it",
        )
    return State("variable", source, shape, value, tuple(update), tuple(reset), initial)


def initial_state(view: GraphView, variable: Node) -> np.ndarray | None:
    """What a state variable holds before the first call: what the file or, if it says nothing, the graph's own reset
    has for it. None if neither is known."""
    values = [view.initial_value(variable)]
    values += [constant_value(view, node.inputs[1]) for node in view.writers(variable) if node.op in ASSIGN_OPS]
    return next((value for value in values if value is not None), None)


def constant_value(view: GraphView, tensor: Tensor) -> np.ndarray | None:
    """What such a tensor holds, None if it is none; of a Fill, its one number."""
    node = view.source_node(tensor)
    if node is not None and node.op == "ZerosLike":
        return np.zeros(())
    return view.value(node.inputs[1] if node is not None and node.op == "Fill" else tensor)


def is_zero(view: GraphView, tensor: Tensor) -> bool:
    """Whether the tensor is known to hold nothing but zeros."""
    value = constant_value(view, tensor)
    return value is not None and not np.any(value)
