"""The state of a recurrent cell: where it comes from between calls, and where it goes.

Works for any recurrent cell: it is told which tensor is the initial state and which tensors hold the last one.
"""

from collections.abc import Callable
from dataclasses import dataclass

from deepspeech_recipe.errors import Refusal
from deepspeech_recipe.graphdef.view import GraphView, Node, Tensor

VARIABLE_OPS = ("VariableV2", "Variable", "VarHandleOp")
_ASSIGN_OPS = ("Assign", "AssignVariableOp")
_UPDATE_OPS = (
    *("AssignAdd", "AssignSub", "ScatterUpdate", "ScatterNdUpdate", "ScatterAdd", "CountUpTo"),
    *("AssignAddVariableOp", "AssignSubVariableOp", "ResourceScatterUpdate", "ResourceScatterNdUpdate"),
)


@dataclass(frozen=True)
class State:
    """One state tensor of a cell.

    kind: 'variable' (kept in the graph, assigned its last value), 'input' (fed by the caller), or 'constant'.
    source: the tensor of the variable, placeholder or constant; shape: its sizes, -1 where unknown.
    new: the tensors that hold the last value; update, reset: the Assign nodes that carry it over and begin anew.
    """

    kind: str
    source: Tensor
    shape: tuple[int, ...] | None
    new: tuple[Tensor, ...]
    update: tuple[str, ...] = ()
    reset: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.source.node


def recognise_state(view: GraphView, initial: Tensor, new: tuple[Tensor, ...], *, what: str) -> State | None:
    """Describes the state whose initial value is `initial` and whose last value is any of `new`.

    Returns None where the initial value is computed in the graph: then it is no state.
    Raises Refusal where a variable's state would be lost. what: 'cell state' or 'hidden state', for the message.
    """
    source = view.source(initial)
    node = view.producer(source)
    if node is None:
        return None
    if node.op in ("Placeholder", "PlaceholderV2", "PlaceholderWithDefault"):
        return State("input", source, node.attribute("shape"), new)
    if node.op in ("Const", "Fill", "ZerosLike"):
        value = view.value(source)
        return State("constant", source, value.shape if value is not None else None, new)
    if node.op in VARIABLE_OPS:
        sources = {view.source(tensor) for tensor in new}
        update, reset, _ = assignments(view, node, lambda tensor: view.source(tensor) in sources, what)
        return State("variable", source, node.attribute("shape"), new, update, reset)
    return None


def assignments(view: GraphView, variable: Node, is_new: Callable[[Tensor], bool], what: str):
    """(the nodes that assign a variable its new value, those that begin anew, the new value).

    is_new: whether a tensor holds the last state. Raises Refusal where the state would be lost or come out wrong.
    what: as for `recognise_state`.
    """
    update, reset, value = [], [], None
    for writer in view.consumers(Tensor(variable.name)):
        if writer.op in _UPDATE_OPS:
            raise Refusal(
                f"The variable '{variable.name}' that holds the {what} is changed by {writer.op}",
                node=writer.name,
                remedy="Only a state that is assigned the cell's last state can become an input and an output",
            )
        if writer.op not in _ASSIGN_OPS:
            continue
        if is_new(writer.inputs[1]):
            update.append(writer.name)
            value = writer.inputs[1]
        elif is_constant(view, writer.inputs[1]):
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
    return tuple(update), tuple(reset), value


def is_constant(view: GraphView, tensor: Tensor) -> bool:
    """Whether the tensor is the same in every call, told by the operation that makes it."""
    node = view.source_node(tensor)
    return node is not None and node.op in ("Const", "Fill", "ZerosLike")
