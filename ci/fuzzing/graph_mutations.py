"""Changes to GraphDefs that know what a graph is: inputs rewired into cycles, nodes dropped, doubled and renamed,
attributes of other kinds, shapes and types exchanged, function bodies."""

from random import Random

from ci.fuzzing.byte_mutations import FLOATS, WORDS, mutate_bytes
from ci.fuzzing.message_mutations import mutate_message
from ci.fuzzing.sound_mutations import change_soundly

_OPS = (
    *("Placeholder", "Const", "Identity", "VariableV2", "VarHandleOp", "ReadVariableOp", "Assign", "BlockLSTM"),
    *("BlockLSTMV2", "LSTMBlockCell", "While", "StatelessWhile", "If", "PartitionedCall", "Enter", "Exit", "Merge"),
    *("Switch", "NextIteration", "LoopCond", "TensorArrayV3", "TensorListReserve", "Split", "SplitV", "Unpack", "Pack"),
    *("ConcatV2", "StridedSlice", "GatherNd", "Reshape", "Transpose", "MatMul", "Add", "AddV2", "BiasAdd", "Cast"),
    *("Dequantize", "Mfcc", "AudioSpectrogram", "WriteFile", "ReadFile", "PrintV2", "PyFunc", "RestoreV2", "NoOp", "X"),
)
_SIZES = (-1, 0, 1, 2, 3, 16, 19, 29, 2048, 2**31 - 1, 2**31, 2**40, 2**62, -(2**63), -2)


def mutate_graph(graph, random: Random) -> None:
    """One to four changes to a GraphDef, in its nodes and in the bodies of its functions; in half of the graphs such
    that it stays whole."""
    sound = random.random() < 0.5
    for _ in range(random.choice((1, 1, 1, 1, 1, 2, 2, 4))):
        functions = graph.library.function
        nodes = random.choice(functions).node_def if functions and random.random() < 0.4 else graph.node
        if sound and nodes:
            change_soundly(nodes, random)
        elif not nodes or random.random() < 0.15:
            mutate_message(graph, random)
        else:
            random.choice(_CHANGES)(nodes, random)


def _with_inputs(nodes, random: Random):
    """A node with inputs, or any."""
    node = random.choice(nodes)
    for _ in range(20):
        if node.input:
            break
        node = random.choice(nodes)
    return node


def _rewire(nodes, random: Random) -> None:
    """To any node: behind it (a cycle), itself, another port, a control edge."""
    node = _with_inputs(nodes, random)
    if node.input:
        port, name = random.randrange(len(node.input)), random.choice(nodes).name
        node.input[port] = random.choice((name, name, name, f"{name}:{random.choice((1, 2, 6, 99))}", f"^{name}"))


def _self_loop(nodes, random: Random) -> None:
    node = _with_inputs(nodes, random)
    if node.input:
        node.input[random.randrange(len(node.input))] = node.name


def _odd_reference(nodes, random: Random) -> None:
    node = _with_inputs(nodes, random)
    if node.input:
        port = random.randrange(len(node.input))
        name = node.input[port]
        odd = (f"{name}:", f"{name}:-1", f"{name}:x", f"{name}:99999999999", ":0", "^", f"{name}:o:0", "", "missing")
        node.input[port] = random.choice(odd)


def _exchange_inputs(nodes, random: Random) -> None:
    one, two = _with_inputs(nodes, random), _with_inputs(nodes, random)
    if one.input and two.input:
        at, other = random.randrange(len(one.input)), random.randrange(len(two.input))
        one.input[at], two.input[other] = two.input[other], one.input[at]


def _drop_input(nodes, random: Random) -> None:
    node = _with_inputs(nodes, random)
    if node.input:
        del node.input[random.choice((random.randrange(len(node.input)), -1))]


def _all_inputs(nodes, random: Random) -> None:
    node = _with_inputs(nodes, random)
    kept = list(node.input)
    del node.input[:]
    if random.random() < 0.5:
        node.input.extend(kept * random.choice((2, 30)))


def _more_inputs(nodes, random: Random) -> None:
    random.choice(nodes).input.append(random.choice(nodes).name)


def _drop_node(nodes, random: Random) -> None:
    """With the edges to it bent to what it read, so that the graph stays whole."""
    node = random.choice(nodes)
    behind = node.input[0] if node.input else random.choice(nodes).name
    for other in nodes:
        for port, reference in enumerate(other.input):
            if reference.removeprefix("^").partition(":")[0] == node.name and random.random() < 0.9:
                other.input[port] = behind
    nodes.remove(node)


def _double_node(nodes, random: Random) -> None:
    node = random.choice(nodes)
    copy = nodes.add()
    copy.CopyFrom(node)
    copy.name = random.choice((node.name, f"{node.name}_1", f"{node.name}/x"))


def _rename(nodes, random: Random) -> None:
    node = random.choice(nodes)
    node.name = random.choice((random.choice(nodes).name, f"{node.name}_", *WORDS[:20]))


def _other_op(nodes, random: Random) -> None:
    random.choice(nodes).op = random.choice((random.choice(nodes).op, random.choice(_OPS)))


def _as_other_node(nodes, random: Random) -> None:
    """The operation and the attributes of another node, under its own name and inputs."""
    node, other = random.choice(nodes), random.choice(nodes)
    name, inputs = node.name, list(node.input)
    node.CopyFrom(type(other).FromString(other.SerializeToString()))
    node.name = name
    if random.random() < 0.7:
        node.input[:] = inputs


def _attribute_of_another(nodes, random: Random) -> None:
    """A value of another attribute: another kind, mostly."""
    node, other = random.choice(nodes), random.choice(nodes)
    if node.attr and other.attr:
        value = other.attr[random.choice(sorted(other.attr))].SerializeToString()
        node.attr[random.choice(sorted(node.attr))].ParseFromString(value)


def _attribute_kind(nodes, random: Random) -> None:
    node = random.choice(nodes)
    if not node.attr:
        return
    value = node.attr[random.choice(sorted(node.attr))]
    kind = random.choice(("s", "i", "f", "b", "type", "shape", "tensor", "list", "func", "none"))
    value.Clear()
    if kind == "s":
        value.s = random.choice((b"", b"\xff\xfe", b"NHWC", b"\0"))
    elif kind == "i":
        value.i = random.choice(_SIZES)
    elif kind == "f":
        value.f = random.choice(FLOATS)
    elif kind == "b":
        value.b = True
    elif kind == "type":
        value.type = random.choice((0, 1, 2, 3, 4, 7, 8, 9, 10, 19, 20, 21, 101, 999))
    elif kind == "list":
        random.choice((value.list.i, value.list.s, value.list.type)).extend([])
        value.list.i.extend(random.choice(((), (1,), _SIZES[:9])))
    elif kind == "func":
        value.func.name = random.choice(("", "missing", node.name))
    elif kind != "none":
        getattr(value, kind).SetInParent()


def _drop_attribute(nodes, random: Random) -> None:
    node = random.choice(nodes)
    if node.attr:
        del node.attr[random.choice(sorted(node.attr))]


def _shape(nodes, random: Random) -> None:
    """Sizes of a shape attribute or of a constant: other, more, fewer, or of unknown rank."""
    with_shape = [value for node in nodes for value in node.attr.values() if value.WhichOneof("value") in _SHAPED]
    if not with_shape:
        return
    value = random.choice(with_shape)
    shape = value.shape if value.WhichOneof("value") == "shape" else value.tensor.tensor_shape
    kind = random.randrange(4)
    if kind == 0:
        shape.unknown_rank = True
    elif kind == 1:
        shape.dim.add(size=random.choice(_SIZES))
    elif kind == 2:
        del shape.dim[: random.randrange(1, 3)]
    elif shape.dim:
        random.choice(shape.dim).size = random.choice(_SIZES)


_SHAPED = ("shape", "tensor")


def _constant(nodes, random: Random) -> None:
    """The values of a constant: cut, of another type, all one value of a huge shape, or another constant's."""
    constants = [node for node in nodes if "value" in node.attr]
    if not constants:
        return
    tensor = random.choice(constants).attr["value"].tensor
    kind = random.randrange(6)
    if kind == 0:
        tensor.tensor_content = tensor.tensor_content[: random.randrange(len(tensor.tensor_content) + 1)]
    elif kind == 1:
        tensor.dtype = random.choice((0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 14, 19, 20, 101))
    elif kind == 2:
        tensor.tensor_content = b""
        tensor.float_val.append(random.choice(FLOATS))
        for size in (random.choice(_SIZES), random.choice((1, 3000, 70000))):
            tensor.tensor_shape.dim.add(size=size)
    elif kind == 3:
        other = random.choice(constants).attr["value"].tensor
        tensor.CopyFrom(type(other).FromString(other.SerializeToString()))
    elif kind == 4 and tensor.tensor_content:
        tensor.tensor_content = mutate_bytes(tensor.tensor_content, random)
    else:
        values = random.choice((tensor.int_val, tensor.int64_val, tensor.bool_val, tensor.string_val, tensor.half_val))
        values.append(b"x" if values is tensor.string_val else 1)


def _exchange_names(nodes, random: Random) -> None:
    one, two = random.choice(nodes), random.choice(nodes)
    one.name, two.name = two.name, one.name


_CHANGES = (
    *(_rewire, _rewire, _self_loop, _odd_reference, _exchange_inputs, _drop_input, _drop_input, _all_inputs),
    *(_more_inputs, _drop_node, _drop_node, _double_node, _rename, _other_op, _other_op, _as_other_node),
    *(_attribute_of_another, _attribute_of_another, _attribute_kind, _attribute_kind, _drop_attribute, _shape),
    *(_shape, _constant, _constant, _exchange_names),
)
