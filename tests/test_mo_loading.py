"""Model Optimizer with the plugin restores a model's variables, and runs nothing else that the file names for it."""

import numpy as np
import pytest

from deepspeech_recipe.converters.mo_loading import check_before_loading
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.graphdef.pure import NotPure
from tests.support.mo_run import MOError, mo

pytestmark = [pytest.mark.requires_mo, pytest.mark.requires_tf]


class Arguments:
    """What `check_before_loading` asks of Model Optimizer's arguments."""

    model = meta_graph = checkpoint = saved_model = None
    is_text = False

    def __init__(self, **given):
        self.__dict__.update(given)


@pytest.fixture
def meta_graph(tf, tmp_path):
    """`meta_graph(change)`: a checkpoint of y = x · w whose .meta was changed; the path of the .meta."""
    tf1 = tf.compat.v1

    def write(change=lambda meta: None):
        prefix = str(tmp_path / "model")
        with tf.Graph().as_default(), tf1.Session() as session:
            x = tf1.placeholder(tf.float32, [2, 3], name="x")
            w = tf1.get_variable("w", initializer=np.ones((3, 4), np.float32), use_resource=False)
            tf.matmul(x, w, name="y")
            session.run(tf1.global_variables_initializer())
            tf1.train.Saver().save(session, prefix)
        path = tmp_path / "model.meta"
        meta = tf1.MetaGraphDef.FromString(path.read_bytes())
        change(meta)
        path.write_bytes(meta.SerializeToString())
        return path

    return write


def effect(tf, meta, file) -> None:
    """Adds a node that writes a file."""
    with tf.Graph().as_default() as graph:
        tf.raw_ops.WriteFile(filename=str(file), contents="hello", name="effect")
    meta.graph_def.node.extend(graph.as_graph_def().node)


@pytest.mark.parametrize("place", ["save/restore_all", "w"])
def test_an_effect_beside_the_restoring_is_refused(tf, meta_graph, tmp_path, place):
    file = tmp_path / "written"

    def change(meta):
        effect(tf, meta, file)
        next(node for node in meta.graph_def.node if node.name == place).input.append("^effect")

    path = meta_graph(change)
    arguments = ["--input_meta_graph", str(path), "--output", "y"]
    with pytest.raises(NotPure, match=r"model\.meta: The outputs need WriteFile, .*Node at fault: 'effect'"):
        check_before_loading(Arguments(meta_graph=str(path)))
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:  # as MO does: the case is a true one
        tf.compat.v1.train.import_meta_graph(str(path)).restore(session, str(path.with_suffix("")))
        session.run("w:0")
    assert file.exists()
    file.unlink()
    with pytest.raises(MOError, match="The outputs need WriteFile"):
        mo(None, *arguments)
    assert not file.exists()


def test_another_file_is_not_restored(tf, meta_graph):
    def change(meta):
        node = next(node for node in meta.graph_def.node if node.op == "RestoreV2")
        with tf.Graph().as_default() as graph:
            tf.constant("/etc/another", name="another")
        meta.graph_def.node.extend(graph.as_graph_def().node)
        node.input[0] = "another"

    with pytest.raises(NotPure, match=r"RestoreV2 would read another file.*'save/RestoreV2'"):
        check_before_loading(Arguments(meta_graph=str(meta_graph(change))))


@pytest.mark.parametrize("op", ["RestoreV2", "Restore"])
def test_a_restoring_without_inputs_is_one_line(meta_graph, op):
    def change(meta):
        node = next(node for node in meta.graph_def.node if node.op == "RestoreV2")
        node.op = op
        del node.input[:]

    path = meta_graph(change)
    reason = rf"{path}: node 'save/RestoreV2' \({op}\) has no inputs; the file is damaged"
    with pytest.raises(RecipeError, match=reason):
        check_before_loading(Arguments(meta_graph=str(path)))
    with pytest.raises(MOError, match=reason):
        mo(None, "--input_meta_graph", str(path), "--output", "y")


def test_a_whole_one_is_converted(meta_graph):
    path = meta_graph()
    check_before_loading(Arguments(meta_graph=str(path.with_suffix(".index"))))
    model, _ = mo(None, "--input_meta_graph", str(path), "--output", "y")
    assert [list(port.shape) for port in model.outputs] == [[2, 4]]


def test_tables_of_a_saved_model_are_refused(tf, tmp_path):
    (tmp_path / "words").write_text("one\ntwo\n")

    class Words(tf.Module):
        def __init__(self):
            rows = tf.lookup.TextFileInitializer(str(tmp_path / "words"), tf.string, 0, tf.int64, -1)
            self.table = tf.lookup.StaticHashTable(rows, 0)

        @tf.function(input_signature=[tf.TensorSpec([3], tf.string)])
        def __call__(self, words):
            return self.table.lookup(words)

    tf.saved_model.save(Words(), str(tmp_path / "saved"))
    with pytest.raises(NotPure, match="saved: The SavedModel holds a table or another object whose functions run"):
        check_before_loading(Arguments(saved_model=str(tmp_path / "saved")))


def test_keras_is_not_asked_to_load(tf, tmp_path, monkeypatch):
    class Double(tf.Module):
        def __init__(self):
            self.w = tf.Variable(np.ones((3, 4), np.float32))

        @tf.function(input_signature=[tf.TensorSpec([2, 3], tf.float32)])
        def __call__(self, x):
            return tf.matmul(x, self.w)

    module = Double()
    tf.saved_model.save(module, str(tmp_path / "saved"), signatures=module.__call__.get_concrete_function())
    asked = []
    monkeypatch.setattr(tf.keras.models, "load_model", lambda *_, **__: asked.append(True) or 1 / 0)
    model, _ = mo(None, "--saved_model_dir", str(tmp_path / "saved"))
    assert [list(port.shape) for port in model.outputs] == [[2, 4]]
    assert not asked
    mo(None, "--saved_model_dir", str(tmp_path / "saved"), plugin=False)
    assert asked
