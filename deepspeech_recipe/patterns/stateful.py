"""States that a graph carries from call to call, whatever cell they belong to and however they are packed.

A variable that recurrent cells begin with, whole or in parts, and that is assigned what these cells end with; or an
input and an output of that kind (`state_links` says where a cell's state goes in and comes out). Cell state and
hidden state may lie side by side in one tensor, those of several layers too.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from deepspeech_recipe.errors import Refusal
from deepspeech_recipe.graphdef.proto import DATA_TYPES
from deepspeech_recipe.graphdef.view import PLACEHOLDER_OPS, GraphView, Node, Tensor
from deepspeech_recipe.patterns.lstm import Lstm
from deepspeech_recipe.patterns.state import State, constant_value, state_variable
from deepspeech_recipe.patterns.state_links import LOOPS, Link, Way, origin, parts, way_to


def carried_states(view: GraphView, links: list[Link], known: Iterable[str] = ()) -> tuple[State, ...]:
    """The states of a graph, those of the nodes `known` left out.

    A state of kind 'input' has in `new` the outputs that can be its new value, the likeliest first.
    Raises Refusal if a variable's state would be lost.
    """
    way = way_to(links)
    begins = _begins(view, links, way)
    ends = _ends(view, begins, way)
    states = []
    for source in begins:
        node = view.producer(source)
        if node is None or node.name in known:
            continue
        new = _reached(view, begins, source)
        if view.is_variable(node):
            states.append(_variable(view, node, begins[source][0], new, way))
        elif node.op in PLACEHOLDER_OPS:
            outputs = tuple(end for tensor in new for end, pieces in ends if tensor in pieces)
            if outputs:
                states.append(State("input", source, node.attribute("shape"), tuple(dict.fromkeys(outputs))))
    return tuple(states)


def new_values(view: GraphView, links: list[Link], states: Iterable[Tensor]) -> dict[Tensor, set[Tensor]]:
    """What becomes of each of these variables and inputs in a call, wherever it is kept; nothing of no state."""
    begins = _begins(view, links, way_to(links))
    return {source: set(_reached(view, begins, source)) for source in states}


def constant_states(view: GraphView, links: list[Link], loops: Iterable[Lstm]) -> tuple[State, ...]:
    """Constants that cells and loops of LSTM cells begin with, and that are not plain zeros: they are not all zero, or
    are read as a variable is, through a copy, which says that they were one before the graph was frozen."""
    ends = (*LOOPS, "Exit", "RefExit")  # loops carry weights and counters too
    begins = [link.previous for link in links if view.nodes[link.node].op not in ends]
    layers = [layer for loop in loops for layer in loop.layers]
    begins += [tensor for layer in layers for tensor in (layer.initial_c, layer.initial_h)]
    states = {}
    for source in dict.fromkeys(origin(view, tensor) for tensor in begins):
        value = constant_value(view, source)
        copied = any(node.op in view.TRANSPARENT for node in view.consumers(source))
        if value is not None and (np.any(value) or (copied and view.nodes[source.node].op == "Const")):
            states[source] = State("constant", source, value.shape, (), initial=value)
    return tuple(states.values())


def _begins(view: GraphView, links: list[Link], way: Way) -> dict[Tensor, list[Link]]:
    """Where states are kept, or handed on → the links that begin there."""
    begins: dict[Tensor, list[Link]] = {}
    for link in links:
        begins.setdefault(origin(view, link.previous, way), []).append(link)
    return begins


def _reached(view: GraphView, begins: dict[Tensor, list[Link]], source: Tensor) -> dict[Tensor, None]:
    """What becomes of a state, step after step; a dict for its order."""
    reached: dict[Tensor, None] = {}
    pending = [source]
    while pending:
        for link in begins.get(pending.pop(), ()):
            new = view.source(link.new)
            if new not in reached:
                reached[new] = None
                pending.append(new)
    return reached


def _ends(view: GraphView, begins: dict[Tensor, list[Link]], way: Way) -> list[tuple[Tensor, set[Tensor]]]:
    """The tensors that nobody reads and that hold nothing but last states, with these."""
    last = {view.source(link.new) for links in begins.values() for link in links} - set(begins)
    last_states = []
    for node in view.nodes.values():
        tensor = Tensor(node.name)
        if node.inputs and not view.is_read(node):
            pieces = parts(view, tensor, way)
            if pieces <= last:
                last_states.append((tensor, pieces))
    return last_states


def _variable(view: GraphView, node: Node, link: Link, new: dict[Tensor, None], way: Way) -> State:
    if node.attribute("dtype") != DATA_TYPES["DT_FLOAT"]:
        raise Refusal(
            f"The state in the variable '{node.name}' is not of type float32",
            node=node.name,
            remedy="Export the model with float32 variables",
        )
    read_after = _read_after_write(view, node)
    if read_after is not None:
        raise Refusal(
            f"The variable '{node.name}' that holds a state is read after it is assigned",
            node=read_after,
            remedy="Use the new value itself there, and export the graph again",
        )
    what = f"state of the cell '{link.node}'"
    return state_variable(view, node, lambda tensor: bool(parts(view, tensor, way) & set(new)), what)


def check_not_lost(view: GraphView, carried: Iterable[str] = ()) -> None:
    """Raises Refusal for a variable that is read and then assigned something computed, and that is not among
    `carried`."""
    carried = set(carried)
    for node in view.variables():
        readers = view.consumers(Tensor(node.name))
        values = [writer.inputs[1] for writer in view.updates(node)]
        is_read = any(reader.op in view.TRANSPARENT and view.is_read(reader) for reader in readers)
        if values and is_read and node.name not in carried:
            raise Refusal(
                f"The variable '{node.name}' is assigned '{values[0]}', but is not a recurrent cell's state as far as "
                "can be told: what it keeps from call to call would be lost",
                node=node.name,
                remedy="Name it in a recipe of your own (--recipe)",
            )


def _read_after_write(view: GraphView, variable: Node) -> str | None:
    """A read that waits for an assignment of the same variable."""
    writers = {node.name for node in view.writers(variable)}
    for node in view.consumers(Tensor(variable.name)):
        if node.op not in ("ReadVariableOp", "Identity"):
            continue
        pending, seen = list(node.control_inputs), set()
        while pending:
            name = pending.pop()
            if name in writers:
                return node.name
            if name not in seen and name in view.nodes:
                seen.add(name)
                before = view.nodes[name]
                pending += [*before.control_inputs, *(tensor.node for tensor in before.inputs)]
    return None
