"""The part of a graph that computes some tensors, and nothing but that: what may be run of a file of unknown origin.

What a graph does besides computing, it does through control edges (a session runs whatever a fetched node depends on),
through operations with an effect, and through attributes that tell TensorFlow where and how to run a node. None of
them is left here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from deepspeech_recipe.errors import Refusal
from deepspeech_recipe.graphdef.control_flow import ControlFlow
from deepspeech_recipe.graphdef.node import Tensor, called_by, node_of
from deepspeech_recipe.graphdef.proto import DATA_TYPES, GraphDef, NodeDef
from deepspeech_recipe.graphdef.pure_ops import PURE_OPS, RANDOM_OPS
from deepspeech_recipe.graphdef.tensor import with_content

# How a function is to be run: a session's configuration, the name of another executor.
_HOW_TO_RUN = ("config", "config_proto", "executor_type")
_ANEW = "Export the graph anew"

_NOT_DATA = {DATA_TYPES["DT_RESOURCE"]: "resource", DATA_TYPES["DT_VARIANT"]: "variant"}


class NotPure(Refusal):
    """A graph that does more than to compute its outputs: nothing of it is run."""


class NotRepeatable(NotPure):
    """A graph whose outputs are others in every run."""


def pure_graph(graph, fetches: Iterable[Tensor], feeds: Iterable[Tensor] = ()):
    """The GraphDef that computes `fetches` from `feeds`, without control edges, devices and internal attributes.

    feeds: tensors that are given; what makes them is replaced by a Placeholder. Variables may be among them: those
    that read one then read what is fed. Branches, loops and functions are followed.
    Raises NotPure if a fetched tensor needs an operation that is not known to be pure.
    """
    result = GraphDef(version=graph.version)
    result.versions.CopyFrom(graph.versions)
    functions = _Functions(graph.library)
    result.node.extend(_pure_nodes(graph, fetches, feeds, functions, random=False))
    result.library.function.extend(functions.copies())
    return result


def check_pure(graph, fetches: Iterable[Tensor], feeds: Iterable[Tensor] = ()) -> None:
    """Raises NotPure if `pure_graph` would, but for random numbers, and without a copy of the weights."""
    functions = _Functions(graph.library, random=True)
    for _ in _pure_nodes(graph, fetches, feeds, functions, random=True):
        pass
    functions.copies()


def _pure_nodes(graph, fetches, feeds, functions: _Functions, *, random: bool) -> Iterator:
    nodes = {node.name: node for node in graph.node}
    fed = {tensor.node: _placeholder(nodes[tensor.node], tensor) for tensor in feeds}
    flow = ControlFlow(nodes, fed)
    kept: set[str] = set()
    stack = [tensor.node for tensor in fetches]
    while stack:
        name = stack.pop()
        if name in kept:
            continue
        kept.add(name)
        if name in fed:
            yield fed[name]
            continue
        if name not in nodes:
            raise Refusal(f"The graph has no node '{name}'", remedy="Copy the file again")
        _refuse_late_read(nodes[name], fed, nodes)
        node = _copy(_read_of_fed(nodes[name], fed, nodes), functions, flow.place(name), random=random)
        stack += [node_of(reference) for reference in node.input]
        yield node


def check_operation(node, functions: Collection[str] = (), *, random: bool = False, where: str = "") -> None:
    """Raises NotPure if a NodeDef's operation is not on the list.

    functions: names that are not an operation's; random: random numbers are allowed; where: the function that the node
    stands in."""
    if node.op in (PURE_OPS | RANDOM_OPS if random else PURE_OPS) and node.op not in functions:
        return
    place = f"{node.name}' in the function '{where}" if where else node.name
    if node.op in RANDOM_OPS and not random:
        raise NotRepeatable(
            f"The outputs depend on random numbers ({node.op}), which differ from run to run",
            node=place,
            remedy="Export the graph for inference, without dropout and noise",
        )
    if node.op in functions:  # which of the two would run is for TensorFlow to say
        raise NotPure(
            f"A function of the graph has the name of an operation, '{node.op}': nothing of it is run",
            node=place,
            remedy=_ANEW,
        )
    raise NotPure(
        f"The outputs need {node.op}, which is not among the operations that compute and do nothing else: nothing of "
        "the graph is run",
        node=place,
        remedy="Export the graph for inference, without it",
    )


def _placeholder(node, tensor: Tensor):
    """A Placeholder in the place of a node that is fed."""
    placeholder = NodeDef(name=node.name, op="Placeholder")
    kind = next((node.attr[name].type for name in ("dtype", "T") if name in node.attr and node.attr[name].type), 0)
    if tensor.port or kind in (0, *_NOT_DATA):
        raise Refusal(f"'{tensor}' cannot be fed", node=node.name)
    placeholder.attr["dtype"].type = kind % 100  # references to variables are 100 more
    if "shape" in node.attr:
        placeholder.attr["shape"].shape.CopyFrom(node.attr["shape"].shape)
    elif node.op == "Const":
        placeholder.attr["shape"].shape.CopyFrom(node.attr["value"].tensor.tensor_shape)
    else:
        placeholder.attr["shape"].shape.unknown_rank = True
    return placeholder


def _read_of_fed(node, fed: Mapping, nodes: Mapping):
    """The value of a variable that is fed is what is fed."""
    source = Tensor.parse(node.input[0]).node if node.op == "ReadVariableOp" and node.input else None
    if source not in fed or nodes[source].op != "VarHandleOp":
        return node
    read = NodeDef(name=node.name, op="Identity", input=[source])
    read.attr["T"].type = fed[source].attr["dtype"].type
    return read


def _refuse_late_read(node, fed: Mapping, nodes: Mapping) -> None:
    """A read that waits for an assignment of the variable reads the new value, and control edges alone say so."""
    read = {Tensor.parse(each).node for each in node.input} & set(fed)
    if not any(each.startswith("^") for each in node.input):
        return
    for variable in read:
        seen, stack = set(), [each[1:] for each in node.input if each.startswith("^")]
        while stack:
            name = stack.pop()
            if name in seen or name not in nodes:
                continue
            seen.add(name)
            inputs = [node_of(each) for each in nodes[name].input]
            if nodes[name].op.startswith("Assign") and inputs[:1] == [variable]:
                raise Refusal(
                    f"The variable '{variable}' is read after it was assigned",
                    node=node.name,
                    remedy="Export the graph so that every read gives the value from before the call",
                )
            stack += inputs


def _copy(node, functions: _Functions, control: Iterable[str] = (), *, random: bool = False, where: str = ""):
    """The node as it may be run."""
    check_operation(node, functions.known, random=random, where=where)
    copy = NodeDef(name=node.name, op=node.op)
    copy.input.extend(each for each in node.input if not each.startswith("^"))
    copy.input.extend(f"^{name}" for name in control)
    for name, value in node.attr.items():
        if name.startswith("_") or name in _HOW_TO_RUN:
            continue
        copy.attr[name].CopyFrom(value)
        for tensor in (value.tensor, *value.list.tensor) if value.WhichOneof("value") in ("tensor", "list") else ():
            if tensor.dtype in _NOT_DATA:
                kind = _NOT_DATA[tensor.dtype]
                raise NotPure(f"A constant holds a {kind} in place of numbers", node=node.name, remedy=_ANEW)
    for name in called_by(copy):
        functions.need(name, node.name)
    if copy.op == "Const" and "value" in copy.attr:
        with_content(copy.attr["value"].tensor)
    copy.DiscardUnknownFields()
    return copy


class _Functions:
    """The functions of a library that are called, as they may be run."""

    def __init__(self, library, *, random: bool = False):
        self._random = random
        self.known = {function.signature.name: function for function in library.function}
        self._needed: dict[str, str] = {}

    def need(self, name: str, caller: str) -> None:
        if name not in self.known:
            raise Refusal(f"The function '{name}' is not in the file", node=caller)
        self._needed.setdefault(name, caller)

    def copies(self) -> Iterable:
        """All that are called, by others too."""
        made: dict[str, object] = {}
        while missing := [name for name in self._needed if name not in made]:
            for name in missing:
                made[name] = self._copy(self.known[name])
        return made.values()

    def _copy(self, function):
        copy = type(function)()
        copy.signature.CopyFrom(function.signature)
        name = function.signature.name
        nodes = {node.name: node for node in function.node_def}
        stack = [node_of(reference) for reference in function.ret.values()]
        kept: set[str] = set()
        while stack:
            inner = stack.pop()
            if inner in kept or inner not in nodes:  # an argument
                continue
            kept.add(inner)
            node = _copy(nodes[inner], self, random=self._random, where=name)
            copy.node_def.append(node)
            stack += [node_of(reference) for reference in node.input]
        for output, reference in function.ret.items():
            copy.ret[output] = reference
        copy.DiscardUnknownFields()
        return copy
