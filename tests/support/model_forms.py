"""A graph in every form in which people hand it to `mo`: frozen, as text, metagraph, checkpoint, SavedModel."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.support.reference import tensorflow

# Form → what to type, in the folder that `write_forms` filled.
ARGUMENTS = {
    "frozen": ["--input_model", "frozen.pb"],
    "text": ["--input_model", "frozen.pbtxt", "--input_model_is_text"],
    "metagraph": ["--input_meta_graph", "model.meta"],
    "checkpoint": ["--input_model", "inference.pb", "--input_checkpoint", "variables.ckpt"],
    "checkpoints": ["--input_model", "inference.pb", "--input_checkpoint", "checkpoints"],
    "saved_model": ["--saved_model_dir", "saved"],
}


@dataclass(frozen=True)
class Forms:
    """folder: where they lie. initial: state variable → its value in all of them. graph_def: the graph with its
    weights as constants, its states as they were."""

    folder: Path
    initial: dict[str, np.ndarray]
    graph_def: bytes

    def arguments(self, form: str) -> list[str]:
        here = [str(self.folder / each) if (self.folder / each).exists() else each for each in ARGUMENTS[form]]
        return [*here, "--model_name", form]


def write_forms(graph_def: bytes, folder: Path, *, weights, inputs, outputs, others=(), seed: int = 3) -> Forms:
    """weights: constants that become variables again. inputs, outputs: of the SavedModel's signature; others: what
    freezing keeps besides. All variables but the weights begin with random values."""
    tf = tensorflow()
    tf1 = tf.compat.v1
    inference = tf1.GraphDef.FromString(graph_def)
    values = {}
    for node in inference.node:
        if node.name in weights:
            values[node.name] = tf.make_ndarray(node.attr["value"].tensor)
            _make_variable(node, values[node.name].shape)
    folder.mkdir(exist_ok=True)
    (folder / "inference.pb").write_bytes(inference.SerializeToString())
    with tf.Graph().as_default() as graph, tf1.Session() as session:
        tf1.import_graph_def(inference, name="")
        variables = {op.name: op.outputs[0] for op in graph.get_operations() if op.type == "VariableV2"}
        rng = np.random.default_rng(seed)
        initial = {
            name: rng.uniform(-0.5, 0.5, each.shape).astype(np.float32)
            for name, each in variables.items()
            if name not in values
        }
        for name, value in (values | initial).items():
            session.run(tf.raw_ops.Assign(ref=variables[name], value=value))
        saver = tf1.train.Saver(variables)
        saver.export_meta_graph(str(folder / "model.meta"))
        saver.save(session, str(folder / "model"), write_meta_graph=False)
        first_format = tf1.train.Saver(variables, write_version=tf1.train.SaverDef.V1)
        first_format.save(session, str(folder / "variables.ckpt"), write_meta_graph=False)
        (folder / "checkpoints").mkdir(exist_ok=True)
        shutil.copy(folder / "variables.ckpt", folder / "checkpoints")
        kept = [*outputs, *others]
        frozen = tf1.graph_util.convert_variables_to_constants(session, graph.as_graph_def(), kept)
        (folder / "frozen.pb").write_bytes(frozen.SerializeToString())
        tf1.io.write_graph(frozen, str(folder), "frozen.pbtxt", as_text=True)
        _save(tf1, session, folder / "saved", inputs, outputs, saver)
    return Forms(folder, initial, graph_def)


def _make_variable(node, shape) -> None:
    node.op = "VariableV2"
    kind = node.attr["dtype"].type
    node.attr.clear()
    node.attr["dtype"].type = kind
    node.attr["container"].s = node.attr["shared_name"].s = b""
    node.attr["shape"].shape.unknown_rank = False
    for size in shape:
        node.attr["shape"].shape.dim.add(size=size)


def _save(tf1, session, folder: Path, inputs, outputs, saver) -> None:
    tensors = [{name: session.graph.get_tensor_by_name(f"{name}:0") for name in names} for names in (inputs, outputs)]
    signature = tf1.saved_model.predict_signature_def(*tensors)
    builder = tf1.saved_model.Builder(str(folder))
    builder.add_meta_graph_and_variables(session, ["serve"], {"serving_default": signature}, saver=saver)
    builder.save()


def run_from(graph_def: bytes, initial: dict[str, np.ndarray], feeds: list[dict], fetches: list[str]) -> list[list]:
    """Chained calls of a graph that keeps its state, from these values of its variables on."""
    tf = tensorflow()
    tf1 = tf.compat.v1
    with tf.Graph().as_default() as graph, tf1.Session() as session:
        tf1.import_graph_def(tf1.GraphDef.FromString(graph_def), name="")
        for name, value in initial.items():
            session.run(tf.raw_ops.Assign(ref=graph.get_tensor_by_name(f"{name}:0"), value=value))
        # The states are read in calls of their own: in the same call they could be read before they are assigned.
        return [[*session.run(fetches, each), *session.run([f"{name}:0" for name in initial])] for each in feeds]
