"""Changes to a graph after which it still is one: arities, kinds and sizes are right, only the network is another.

What a reader's first checks refuse never gets to the recognisers and converters; these do.
"""

import math
from random import Random

from ci.fuzzing.byte_mutations import FLOATS

_LIKE = (
    {"Add", "AddV2", "Sub", "Mul", "Maximum", "Minimum", "RealDiv", "BiasAdd", "Pow", "Less", "Greater", "Equal"},
    {"Relu", "Tanh", "Sigmoid", "Neg", "Identity", "Softmax", "Square", "Rsqrt", "Softplus", "StopGradient", "Abs"},
    {"Reshape", "ExpandDims", "Transpose", "Tile", "BroadcastTo", "GatherNd"},
    {"Mean", "Sum", "Max", "All", "Any", "Prod"},
)
_SAME_SIZE_TYPES = ((1, 3), (2, 9), (4, 6, 10), (14, 19))
_KEPT = ("Const", "Placeholder", "Enter", "Exit", "Merge", "Switch", "NextIteration", "LoopCond", "NoOp")


def change_soundly(nodes, random: Random) -> None:
    """One change to the nodes of a graph or of a function's body."""
    random.choice(_CHANGES)(nodes, random)


def _name(reference: str) -> str:
    return reference.removeprefix("^").partition(":")[0]


def _behind(nodes, node) -> set[str]:
    """What a node's value depends on, itself included."""
    by_name = {each.name: each for each in nodes}
    found, stack = set(), [node.name]
    while stack:
        name = stack.pop()
        if name not in found:
            found.add(name)
            stack += map(_name, by_name[name].input if name in by_name else ())
    return found


def _rewire_forwards(nodes, random: Random) -> None:
    """An input comes from another node that does not depend on this one."""
    node, source = random.choice(nodes), random.choice(nodes)
    if node.input and node.name not in _behind(nodes, source):
        node.input[random.randrange(len(node.input))] = source.name


def _exchange_two_inputs(nodes, random: Random) -> None:
    node = random.choice([each for each in nodes if len(each.input) > 1] or nodes)
    if len(node.input) > 1:
        one, two = random.sample(range(len(node.input)), 2)
        node.input[one], node.input[two] = node.input[two], node.input[one]


def _like_op(nodes, random: Random) -> None:
    candidates = [(node, ops) for node in nodes for ops in _LIKE if node.op in ops]
    if candidates:
        node, ops = random.choice(candidates)
        node.op = random.choice(sorted(ops))


def _insert(nodes, random: Random) -> None:
    """A node of one input between two."""
    node = random.choice(nodes)
    if node.input and not node.input[0].startswith("^"):
        port = random.randrange(len(node.input))
        between = nodes.add(name=f"{node.name}/between{len(nodes)}", op=random.choice(sorted(_LIKE[1])))
        between.input.append(node.input[port])
        between.attr["T"].type = 1
        node.input[port] = between.name


def _bypass(nodes, random: Random) -> None:
    """Readers of a node read its first input."""
    node = random.choice([each for each in nodes if each.op not in _KEPT] or nodes)
    if not node.input or node.input[0].startswith("^"):
        return
    for other in nodes:
        for port, reference in enumerate(other.input):
            if reference in (node.name, f"{node.name}:0"):
                other.input[port] = node.input[0]


def _split_readers(nodes, random: Random) -> None:
    """A copy of a node, which some of its readers read."""
    node = random.choice(nodes)
    copy = nodes.add()
    copy.CopyFrom(node)
    copy.name = f"{node.name}/copy{len(nodes)}"
    for other in nodes:
        for port, reference in enumerate(other.input):
            if reference == node.name and random.random() < 0.5:
                other.input[port] = copy.name


def _constants(nodes) -> list:
    return [node.attr["value"].tensor for node in nodes if node.op == "Const" and "value" in node.attr]


def _values(nodes, random: Random) -> None:
    """Some elements of a constant: sizes, axes, indices, weights."""
    filled = [tensor for tensor in _constants(nodes) if tensor.tensor_content]
    if not filled:
        return
    tensor = random.choice(filled)
    data = bytearray(tensor.tensor_content)
    width = 8 if tensor.dtype in (2, 9) else 4
    for _ in range(random.choice((1, 1, 3))):
        at = random.randrange(len(data)) // width * width
        value = random.choice((-2, -1, 0, 1, 2, 3, 7, 30, 1000, 2**31 - 1)) % (1 << 8 * width)
        data[at : at + width] = value.to_bytes(width, "little")
    tensor.tensor_content = bytes(data)[: len(tensor.tensor_content)]


def _scalars(nodes, random: Random) -> None:
    """A constant that is kept as values."""
    lists = ("float_val", "int_val", "int64_val", "bool_val")
    found = [getattr(tensor, name) for tensor in _constants(nodes) for name in lists if getattr(tensor, name)]
    if found:
        values = random.choice(found)
        kind = type(values[0])
        values[random.randrange(len(values))] = random.choice(
            FLOATS if kind is float else (False, True) if kind is bool else (-1, 0, 1, 2, 3, 5, 100, 2**31 - 1)
        )


def _same_elements(nodes, random: Random) -> None:
    """A constant of another shape, or of another type, of the same bytes."""
    found = [node for node in nodes if node.op == "Const" and node.attr["value"].tensor.tensor_content]
    if not found:
        return
    node = random.choice(found)
    tensor = node.attr["value"].tensor
    if random.random() < 0.3:
        others = next((types for types in _SAME_SIZE_TYPES if tensor.dtype in types), (tensor.dtype,))
        tensor.dtype = node.attr["dtype"].type = random.choice(others)
        return
    sizes = [dim.size for dim in tensor.tensor_shape.dim]
    count = math.prod(sizes)
    random.shuffle(sizes)
    sizes = random.choice((sizes, [count], [1, count], [count, 1], [*sizes, 1]))
    del tensor.tensor_shape.dim[:]
    for size in sizes:
        tensor.tensor_shape.dim.add(size=size)


def _attribute_value(nodes, random: Random) -> None:
    """Another value of the kind that an attribute has."""
    found = [
        value for node in nodes for value in node.attr.values() if value.WhichOneof("value") in ("b", "f", "i", "type")
    ]
    if not found:
        return
    value = random.choice(found)
    kind = value.WhichOneof("value")
    if kind == "b":
        value.b = not value.b
    elif kind == "f":
        value.f = random.choice(FLOATS)
    elif kind == "i":
        value.i = random.choice((-1, 0, 1, 2, 3, 5, 16, 512, 2**31 - 1))
    elif kind == "type":
        value.type = random.choice((1, 2, 3, 9, 10, 19))


def _input_shape(nodes, random: Random) -> None:
    """Of a placeholder or a variable."""
    found = [node.attr["shape"].shape for node in nodes if "shape" in node.attr]
    if not found:
        return
    shape = random.choice(found)
    kind = random.randrange(4)
    if kind == 0:
        shape.dim.add(size=random.choice((-1, 1, 3)))
    elif kind == 1 and shape.dim:
        del shape.dim[random.randrange(len(shape.dim))]
    elif kind == 2:
        shape.unknown_rank = True
        del shape.dim[:]
    elif shape.dim:
        random.choice(shape.dim).size = random.choice((-1, 0, 1, 2, 5, 19, 4096))


def _input_or_constant(nodes, random: Random) -> None:
    """A constant becomes an input of its type, an input a constant."""
    node = random.choice([each for each in nodes if each.op in ("Const", "Placeholder")] or nodes)
    if node.op == "Const" and "dtype" in node.attr:
        dtype = node.attr["dtype"].type
        node.op = "Placeholder"
        node.attr.clear()
        node.attr["dtype"].type = dtype
    elif node.op == "Placeholder" and node.attr["dtype"].type == 1:
        node.op = "Const"
        sizes = [max(1, min(dim.size, 20)) for dim in node.attr["shape"].shape.dim]
        node.attr.clear()
        node.attr["dtype"].type = 1
        tensor = node.attr["value"].tensor
        tensor.dtype = 1
        for size in sizes:
            tensor.tensor_shape.dim.add(size=size)
        tensor.float_val.append(random.choice((0.0, 1.0)))


_CHANGES = (
    *(_rewire_forwards, _rewire_forwards, _rewire_forwards, _exchange_two_inputs, _like_op, _like_op, _insert),
    *(_bypass, _bypass, _split_readers, _values, _values, _scalars, _same_elements, _attribute_value),
    *(_attribute_value, _input_shape, _input_or_constant),
)
