"""Graphs that do more than to compute: y = x + 1, and beside it an operation with an effect, hidden in many places."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from deepspeech_recipe.graphdef.build import FLOAT, INT64, STRING, DType, GraphBuilder, set_attr
from deepspeech_recipe.graphdef.proto import DATA_TYPES

RESOURCE = DType(DATA_TYPES["DT_RESOURCE"])


@dataclass(frozen=True)
class Effect:
    """write(graph, file) adds the operation, which does something to the file (or reads it), and returns its name."""

    op: str
    write: Callable[[GraphBuilder, str], str]
    writes: bool = True  # else it reads, and fails as the file is missing


def text(graph: GraphBuilder, name: str, value: str) -> str:
    node = graph.graph.node.add(name=name, op="Const")
    node.attr["dtype"].type = STRING
    node.attr["value"].tensor.dtype = STRING
    node.attr["value"].tensor.tensor_shape.SetInParent()
    node.attr["value"].tensor.string_val.append(value.encode())
    return name


def texts(graph: GraphBuilder, name: str, value: str) -> str:
    text(graph, name, value)
    graph.graph.node[-1].attr["value"].tensor.tensor_shape.dim.add(size=1)
    return name


def _types(node, name: str, *types) -> None:
    node.attr[name].list.type.extend(types)


def _write_file(graph, file):
    return graph.node("effect", "WriteFile", [text(graph, "file", file), text(graph, "contents", "hello")])


def _print(graph, file):
    return graph.node("effect", "PrintV2", [text(graph, "message", "hello")], output_stream=f"file://{file}")


def _save(graph, file):
    inputs = [text(graph, "file", file), texts(graph, "names", "x"), graph.const("value", [1.0], np.float32)]
    graph.node("effect", "Save", inputs)
    _types(graph.graph.node[-1], "T", FLOAT)
    return "effect"


def _save_v2(graph, file):
    inputs = [text(graph, "file", file), texts(graph, "names", "x"), texts(graph, "slices", "")]
    graph.node("effect", "SaveV2", [*inputs, graph.const("value", [1.0], np.float32)])
    _types(graph.graph.node[-1], "dtypes", FLOAT)
    return "effect"


def _summary(graph, file):
    graph.node("writer", "SummaryWriter", shared_name="w", container="")
    inputs = [text(graph, "file", file), graph.const("queue", 1, np.int32), graph.const("flush", 1, np.int32)]
    graph.node("effect", "CreateSummaryFileWriter", ["writer", *inputs, text(graph, "suffix", "s")])
    return "effect"


def _debug(graph, file):
    graph.const("value", [1.0], np.float32)
    graph.node("effect", "DebugIdentity", ["value"], T=DType(FLOAT), tensor_name="value:0", device_name="")
    graph.graph.node[-1].attr["debug_urls"].list.s.append(f"file://{file}".encode())
    return "effect"


def _read_file(graph, file):
    return graph.node("effect", "ReadFile", [text(graph, "file", file)])


def _restore_v2(graph, file):
    graph.node("effect", "RestoreV2", [text(graph, "file", file), texts(graph, "names", "x"), texts(graph, "s", "")])
    _types(graph.graph.node[-1], "dtypes", FLOAT)
    return "effect"


def _restore(graph, file):
    return graph.node("effect", "Restore", [text(graph, "file", file), text(graph, "names", "x")], dt=DType(FLOAT))


def _table(graph, file):
    graph.node("table", "HashTableV2", key_dtype=DType(STRING), value_dtype=DType(INT64), shared_name="t")
    return graph.node("effect", "InitializeTableFromTextFileV2", ["table", text(graph, "file", file)],
                      key_index=-2, value_index=-1)  # fmt: skip


def _reader(graph, file):
    graph.node("reader", "WholeFileReaderV2", container="", shared_name="r")
    graph.node("queue", "FIFOQueueV2", container="", shared_name="q", capacity=1)
    _types(graph.graph.node[-1], "component_types", STRING)
    graph.node("full", "QueueEnqueueV2", ["queue", text(graph, "file", file)])
    _types(graph.graph.node[-1], "Tcomponents", STRING)
    return graph.node("effect", "ReaderReadV2", ["reader", "queue", "^full"])


def _dataset(graph, file):
    inputs = [texts(graph, "file", file), text(graph, "compression", ""), graph.const("buffer", 9, np.int64)]
    graph.node("lines", "TextLineDataset", inputs)
    graph.node("iterator", "IteratorV2", container="", shared_name="i")
    _types(graph.graph.node[-1], "output_types", STRING)
    graph.graph.node[-1].attr["output_shapes"].list.shape.add()
    graph.node("made", "MakeIterator", ["lines", "iterator"])
    graph.node("effect", "IteratorGetNext", ["iterator", "^made"])
    _types(graph.graph.node[-1], "output_types", STRING)
    graph.graph.node[-1].attr["output_shapes"].list.shape.add()
    return "effect"


def _vocabulary(graph, file):
    inputs = [text(graph, "file", file), text(graph, "old", file)]
    return graph.node("effect", "GenerateVocabRemapping", inputs, new_vocab_offset=0, num_new_vocab=1)


def _memory(graph, file):
    return graph.node("effect", "ImmutableConst", dtype=DType(FLOAT), shape=(1,), memory_region_name=file)


EFFECTS = (
    Effect("WriteFile", _write_file),
    Effect("PrintV2", _print),
    Effect("Save", _save),
    Effect("SaveV2", _save_v2),
    Effect("CreateSummaryFileWriter", _summary),
    Effect("DebugIdentity", _debug),
    Effect("ReadFile", _read_file, writes=False),
    Effect("RestoreV2", _restore_v2, writes=False),
    Effect("Restore", _restore, writes=False),
    Effect("InitializeTableFromTextFileV2", _table, writes=False),
    Effect("ReaderReadV2", _reader, writes=False),
    Effect("IteratorGetNext", _dataset, writes=False),
    Effect("GenerateVocabRemapping", _vocabulary, writes=False),
    Effect("ImmutableConst", _memory, writes=False),
)


def plain(output: str = "y", control: tuple[str, ...] = ()) -> GraphBuilder:
    """y = x + 1 `[3]`, after some other nodes."""
    graph = GraphBuilder(producer=1087)
    graph.placeholder("x", FLOAT, (3,))
    graph.const("one", 1.0, np.float32)
    graph.node(output, "AddV2", ["x", "one", *(f"^{name}" for name in control)], T=DType(FLOAT))
    return graph


def behind_a_control_edge(effect: Effect, file: str):
    graph = plain(control=("effect",))
    effect.write(graph, file)
    return graph.graph


def add_function(graph, name: str, body: GraphBuilder, result: str, control: tuple[str, ...] = ()) -> None:
    """A function of x `[3]` that returns a node of `body`, which may read x. control: nodes that it runs besides."""
    function = graph.library.function.add()
    function.signature.name = name
    function.signature.input_arg.add(name="x", type=FLOAT)
    function.signature.output_arg.add(name="out", type=FLOAT)
    function.ret["out"] = result
    for each in control:
        function.control_ret[each] = each
    for node in body.graph.node:
        if node.name == "x":
            continue
        copy = function.node_def.add()
        copy.CopyFrom(node)
        copy.input[:] = [_inner(reference, body) for reference in node.input]


def _inner(reference: str, body: GraphBuilder) -> str:
    if reference.startswith("^") or reference == "x" or ":" in reference:
        return reference
    kind = next(node.op for node in body.graph.node if node.name == reference)
    outputs = {"AddV2": "z", "WholeFileReaderV2": "reader_handle", "IteratorV2": "handle", "TextLineDataset": "handle"}
    outputs |= {"HashTableV2": "table_handle", "FIFOQueueV2": "handle", "SummaryWriter": "writer"}
    return f"{reference}:{outputs.get(kind, 'output')}:0"


def call(graph: GraphBuilder, name: str, op: str, function: str, inputs=("x",), **functions) -> str:
    """A node that calls functions of x."""
    graph.node(name, op, inputs)
    node = graph.graph.node[-1]
    for key, called in (functions or {"f": function}).items():
        node.attr[key].func.name = called
    lists = {"While": "T", "StatelessWhile": "T"}.get(op)
    for key in (lists,) if lists else ("Tin", "Tout"):
        _types(node, key, FLOAT)
    if op in ("If", "StatelessIf"):
        node.attr["Tcond"].type = DATA_TYPES["DT_BOOL"]
    set_attr(node, "_lower_using_switch_merge", True)
    return name
