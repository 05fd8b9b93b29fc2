"""Checkpoints of DeepSpeech and Coqui STT."""

import dataclasses
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepspeech_recipe.alphabet import BYTES_ALPHABET, serialize_alphabet
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.graphdef.build import GraphBuilder
from deepspeech_recipe.graphdef.proto import MetaGraphDef
from deepspeech_recipe.graphdef.tensor import to_numpy
from deepspeech_recipe.sources import LoadedModel, open_model
from tests.graphs.releases import RELEASES, VERSIONS
from tests.support.limits import assert_close
from tests.support.reference import random_chunks, run_chunks
from tests.support.source_models import LABELS, N_CONTEXT, make_weights, outcome

EXPORTER = Path(__file__).parent / "fixtures" / "exporter"
CELL = "cudnn_lstm/rnn/multi_rnn_cell/cell_0/cudnn_compatible_lstm_cell"

needs_tf = pytest.mark.requires_tf


def variables_of(weights, old: bool = False) -> dict[str, np.ndarray]:
    """The variables of a training checkpoint, with what else training saves."""
    found = {"global_step": np.int64(7), "beta1_power": np.float32(0.9)}
    for layer in "12356":
        dense = getattr(weights, f"layer_{layer}")
        kernel, bias = (f"h{layer}", f"b{layer}") if old else (f"layer_{layer}/weights", f"layer_{layer}/bias")
        found |= {kernel: dense.kernel, bias: dense.bias, f"{kernel}/Adam": dense.kernel * 0}
        if dense.gamma is not None:
            found |= {f"layer_{layer}/LayerNorm/gamma": dense.gamma, f"layer_{layer}/LayerNorm/beta": dense.beta}
    cell = "lstm_fused_cell" if old else CELL
    found |= {f"{cell}/kernel": weights.lstm_kernel, f"{cell}/bias": weights.lstm_bias}
    return found if old else {**found, "learning_rate": np.float32(1e-4)}


@pytest.fixture
def save(tf, tmp_path):
    """Writes variables as a checkpoint; returns its prefix."""

    def save(variables, name="best_dev-7", folder="run", state="best_dev_checkpoint", alphabet=LABELS):
        directory = tmp_path / folder
        directory.mkdir(exist_ok=True)
        tf1 = tf.compat.v1
        with tf.Graph().as_default(), tf1.Session() as session:
            for key, value in variables.items():
                tf1.get_variable(key, initializer=value, use_resource=False)
            session.run(tf1.global_variables_initializer())
            tf1.train.Saver().save(session, str(directory / name), latest_filename=state, write_meta_graph=False)
        if alphabet:
            (directory / "alphabet.txt").write_bytes(b"\n".join(alphabet) + b"\n")
        return directory / name

    return save


def small(path, **options) -> LoadedModel:
    return open_model(path, n_context=N_CONTEXT, **options)


def constants(graph) -> dict[str, np.ndarray]:
    return {node.name: to_numpy(node.attr["value"].tensor) for node in graph.node if node.op == "Const"}


def structure(graph) -> set:
    return {(node.name, node.op, tuple(node.input)) for node in graph.node}


@pytest.mark.parametrize("variant", ["plain", "other", "dynamic"])
def test_a_real_checkpoint_is_the_pb_exported_from_it(variant):
    """Saved in Coqui's training code; flags.txt and alphabet.txt lie beside it."""
    source = open_model(EXPORTER / variant / "checkpoint")
    exported = open_model(EXPORTER / variant / "output_graph.pb").graph
    assert source.kind == "checkpoint"
    placeholder = {"metadata_language"} if variant != "other" else set()
    got, want = constants(source.graph), constants(exported)
    assert {n for n in structure(exported) if n[0] not in placeholder} == structure(source.graph)
    for name in want.keys() - placeholder:
        np.testing.assert_array_equal(got[name], want[name], err_msg=name)
    for op in ("Placeholder", "AudioSpectrogram", "Mfcc"):
        attributes = [{n.name: n.attr for n in graph.node if n.op == op} for graph in (source.graph, exported)]
        for name, attr in attributes[0].items():
            assert all(attributes[1][name][key] == value for key, value in attr.items()), name


def checkpoint_of(graph) -> dict[str, np.ndarray]:
    """The weights of a graph of tests.graphs by the names of its release's variables."""
    release, found = RELEASES[graph.options.version], {"global_step": np.int64(7)}
    for layer in "12356":
        names = (f"h{layer}", f"b{layer}")
        if release.dense == "bias_add":
            names = (f"layer_{layer}/weights", f"layer_{layer}/bias")
        found |= {name: graph.weights[f"{kind}{layer}"] for name, kind in zip(names, "hb", strict=True)}
        if graph.options.layer_norm and layer != "6":
            norms = {kind: graph.weights[f"{kind}{layer}"] for kind in ("gamma", "beta")}
            found |= {f"layer_{layer}/LayerNorm/{kind}": value for kind, value in norms.items()}
    return found | {f"{release.cell_scope}/{kind}": graph.weights[kind] for kind in ("kernel", "bias")}


# CuDNN's training saves the names of v0.6 and later.
@pytest.mark.sampled
@needs_tf
@pytest.mark.parametrize(("version", "layer_norm"), [*((version, False) for version in VERSIONS), ("0.9", True)])
def test_a_checkpoint_of_every_release_computes_what_its_frozen_graph_does(deepspeech, save, version, layer_norm):
    graph = deepspeech(version, batch=1, layer_norm=layer_norm)
    prefix = save(checkpoint_of(graph), alphabet=graph.alphabet)
    prefix.with_name("best_dev-7.data-00000-of-00004").write_bytes(b"left from another save")
    rebuilt = open_model(prefix, n_context=graph.options.n_context, upper_frequency=4000).graph
    cell = f"{CELL}/GatherNd"
    names = dataclasses.replace(
        graph.names, state_c="previous_state_c:0", state_h="previous_state_h:0", new_c=f"{cell}:0", new_h=f"{cell}_1:0",
        initialize=None,
    )  # fmt: skip
    rebuilt = dataclasses.replace(graph, graph_def=rebuilt.SerializeToString(), names=names)
    chunks = random_chunks(graph)
    found, want = (run_chunks(each, chunks) for each in (rebuilt, graph))
    for part in ("raw_logits", "c", "h"):
        assert_close(getattr(found, part), getattr(want, part), 2e-6, part)
    assert np.ptp(want.h) > 0.5


@needs_tf
def test_every_way_to_name_a_checkpoint(save):
    prefix = save(variables_of(make_weights()))
    want = small(prefix).graph
    assert small(prefix.parent).graph == want
    for name in ("best_dev-7.index", "best_dev-7.data-00000-of-00001", "best_dev_checkpoint"):
        assert small(prefix.with_name(name)).graph == want
    state = prefix.with_name("best_dev_checkpoint")
    state.write_text('model_checkpoint_path: "/home/someone/run/best_dev-7"\n')
    assert small(prefix.parent).graph == want
    state.unlink()
    assert small(prefix.parent).graph == want


@needs_tf
def test_the_best_checkpoint_goes_before_the_last(save):
    save(variables_of(make_weights(seed=1)), "train-9", state="checkpoint")
    best = save(variables_of(make_weights(seed=2)), "best_dev-7")
    assert "'best_dev-7'" in small(best.parent).notes[0]
    best.with_name("best_dev_checkpoint").unlink()
    assert "'train-9'" in small(best.parent).notes[0]


@needs_tf
def test_older_names_have_a_forget_bias_and_no_features(save):
    source = small(save(variables_of(make_weights(), old=True)))
    (cell,) = [node for node in source.graph.node if node.op == "BlockLSTM"]
    assert cell.attr["forget_bias"].f == 1.0
    assert not any(node.op == "Mfcc" for node in source.graph.node)
    assert any("no feature part" in note for note in source.notes)
    (cell,) = [n for n in small(save(variables_of(make_weights()))).graph.node if n.op == "BlockLSTM"]
    assert cell.attr["forget_bias"].f == 0.0


def write_meta(prefix, limit: float | None, in_function: bool) -> None:
    builder = GraphBuilder()
    builder.node("s", "AudioSpectrogram", ["x"], window_size=320, stride=160)
    options = {} if limit is None else {"upper_frequency_limit": limit}
    builder.node("m", "Mfcc", ["s", "rate"], **options)
    meta = MetaGraphDef()
    if in_function:
        function = meta.graph_def.library.function.add()
        function.signature.name = "map"
        function.node_def.extend(builder.graph.node)
    else:
        meta.graph_def.CopyFrom(builder.graph)
    prefix.with_name(f"{prefix.name}.meta").write_bytes(meta.SerializeToString())


@needs_tf
@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize(("limit", "in_function"), [(None, True), (3500.0, False)])
def test_the_training_graph_tells_the_features(save, old, limit, in_function):
    prefix = save(variables_of(make_weights(), old=old))
    write_meta(prefix, limit, in_function)
    nodes = {node.op: node for node in small(prefix).graph.node}
    assert nodes["Mfcc"].attr["upper_frequency_limit"].f == (limit or 4000.0)
    assert nodes["AudioSpectrogram"].attr["window_size"].i == 320
    assert nodes["AudioSpectrogram"].attr["stride"].i == 160
    nodes = {node.op: node for node in small(prefix, window_ms=40).graph.node}
    assert nodes["AudioSpectrogram"].attr["window_size"].i == 640


@needs_tf
def test_what_was_typed_goes_first(save):
    prefix = save(variables_of(make_weights()))
    (prefix.parent / "flags.txt").write_text(
        "--audio_sample_rate=8000\n--feature_win_len=40\n--noreduce_lr_on_plateau\n--relu_clip=12.5\n--export_language=\n"
    )
    nodes = {node.name: node for node in small(prefix, step_ms=10, n_steps=-1, language="fr").graph.node}
    assert nodes["AudioSpectrogram"].attr["window_size"].i == 320
    assert nodes["AudioSpectrogram"].attr["stride"].i == 80
    assert nodes["Mfcc"].attr["upper_frequency_limit"].f == 4000.0
    assert nodes["input_node"].attr["shape"].shape.dim[1].size == -1
    values = constants(small(prefix, step_ms=10, sample_rate=16000, beam_width=9).graph)
    assert values["Minimum/y"] == 12.5
    assert values["metadata_beam_width"] == [9]
    assert values["metadata_sample_rate"] == [16000]
    assert "metadata_language" not in values
    values = constants(small(prefix, language="fr").graph)
    assert values["metadata_language"][0] == b"fr"


@needs_tf
def test_defaults_are_said(save):
    source = small(save(variables_of(make_weights())))
    assert (
        "DeepSpeech's defaults, as the checkpoint does not say: sample_rate 16000, window_ms 32, step_ms 20"
        in source.notes
    )
    assert "time steps: 16" in source.notes


@needs_tf
def test_releases_that_look_alike_need_the_upper_frequency(save):
    """v0.6 computed features up to 4000 Hz, v0.7 up to half the sample rate; the wrong one gives bad text."""
    variables = variables_of(make_weights())
    del variables["learning_rate"]
    prefix = save(variables)
    reason = r"4000 Hz \(v0.6\) or at 8000 Hz \(v0.7 and later\).*upper frequency .--upper-frequency.: 4000 or 8000"
    with pytest.raises(RecipeError, match=reason):
        small(prefix)
    nodes = {node.op: node for node in small(prefix, upper_frequency=4000).graph.node}
    assert nodes["Mfcc"].attr["upper_frequency_limit"].f == 4000.0


@needs_tf
def test_windows_are_whole_samples(save):
    with pytest.raises(RecipeError, match=r"window_ms 32 is 705\.6 samples at 22050 Hz"):
        small(save(variables_of(make_weights())), sample_rate=22050)


@needs_tf
def test_the_alphabet_beside_or_typed_must_fit_the_network(save, tmp_path):
    """Comments and an escaped # count as in training; classes and labels must agree."""
    variables = variables_of(make_weights())
    prefix = save(variables, alphabet=[b"# comment", *LABELS[:-1], b"\\#"])
    values = constants(small(prefix).graph)
    assert values["metadata_alphabet"][0] == serialize_alphabet([*LABELS[:-1], b"#"])
    (tmp_path / "typed.txt").write_bytes(b"\n".join(LABELS))
    values = constants(small(prefix, alphabet=tmp_path / "typed.txt").graph)
    assert values["metadata_alphabet"][0] == serialize_alphabet(LABELS)
    (tmp_path / "typed.txt").write_bytes(b"\n".join(LABELS[:-1]))
    reason = "the alphabet given has 4 labels, which makes 5 classes with the blank, but the network has 6"
    with pytest.raises(RecipeError, match=reason):
        small(prefix, alphabet=tmp_path / "typed.txt")
    (prefix.parent / "alphabet.txt").unlink()
    source = small(prefix)
    assert "metadata_alphabet" not in constants(source.graph)
    assert "no alphabet: give an alphabet.txt of 5 labels to get text" in source.notes


@needs_tf
def test_a_byte_model_needs_no_alphabet_file(save):
    variables = variables_of(make_weights())
    variables["layer_6/weights"] = np.zeros((10, 256), np.float32)
    variables["layer_6/bias"] = np.zeros(256, np.float32)
    values = constants(small(save(variables, alphabet=None)).graph)
    assert values["metadata_alphabet"][0] == serialize_alphabet(BYTES_ALPHABET)


@needs_tf
def test_layer_normalisation_is_seen(save):
    weights = make_weights(layer_norm=True)
    got = constants(small(save(variables_of(weights))).graph)
    np.testing.assert_array_equal(got["layer_2/LayerNorm/gamma"], weights.layer_2.gamma)
    variables = variables_of(weights)
    del variables["layer_2/LayerNorm/gamma"]
    with pytest.raises(RecipeError, match="Of layer 2's normalisation only 'layer_2/LayerNorm/beta'"):
        small(save(variables))


@needs_tf
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda v: v.pop("layer_5/bias"), r"1 of 12 variables of v0\.6 and later.* are missing \(layer_5/bias\)"),
        (
            lambda v: (v.pop(f"{CELL}/kernel"), v.pop(f"{CELL}/bias")),
            r"missing \(cudnn_lstm/.*/kernel, cudnn_lstm/.*/bias\)",
        ),
        (lambda v: (v.clear(), v.update(other=np.float32(1))), "is not a checkpoint of DeepSpeech: 12 of 12 variables"),
        (
            lambda v: (
                v.pop(f"{CELL}/kernel"),
                v.pop(f"{CELL}/bias"),
                v.update({"cudnn_lstm/opaque_kernel": np.zeros(9)}),
            ),
            "opaque CuDNN blob .'cudnn_lstm/opaque_kernel'.*Save the checkpoint again",
        ),
        (
            lambda v: (v.clear(), v.update({"bidirectional_rnn/fw/basic_lstm_cell/kernel": np.zeros((3, 4))})),
            r"v0\.1, a bidirectional network.*Export it with v0\.1's own DeepSpeech\.py --export_dir",
        ),
        (lambda v: v.update({"layer_2/bias": np.zeros(3, np.float32)}), "do not fit together"),
        (
            lambda v: v.update({"layer_1/weights": np.zeros((21, 11), np.float32)}),
            "Layer 1 has 21 inputs, which is not a multiple of the 5",
        ),
    ],
)
def test_variables_that_do_not_fit_are_named(save, change, reason):
    variables = variables_of(make_weights())
    change(variables)
    prefix = save(variables)
    with pytest.raises(RecipeError, match=reason) as caught:
        small(prefix)
    assert str(prefix) in str(caught.value)


def copied(tmp_path) -> Path:
    return Path(shutil.copytree(EXPORTER / "plain" / "checkpoint", tmp_path / "run"))


@pytest.mark.parametrize(
    ("remove", "reason"),
    [
        ("best_dev-732.index", r"has no best_dev-732\.index beside its data file"),
        ("best_dev-732.data-00000-of-00001", r"is not whole: 0 of its \.data"),
    ],
)
@pytest.mark.parametrize("named", [".", "best_dev-732"])
def test_a_missing_file_of_a_checkpoint_is_named(tmp_path, remove, reason, named):
    folder = copied(tmp_path)
    (folder / remove).unlink()
    with pytest.raises(RecipeError, match=reason):
        open_model(folder / named)


def test_several_checkpoints_need_a_name(tmp_path):
    folder = copied(tmp_path)
    (folder / "best_dev_checkpoint").unlink()
    shutil.copy(folder / "best_dev-732.index", folder / "train-900.index")
    with pytest.raises(RecipeError, match=r"holds 2 checkpoints \(best_dev-732, train-900\)"):
        open_model(folder)
    (folder / "checkpoint").write_text('model_checkpoint_path: ""\n')
    with pytest.raises(RecipeError, match="names no checkpoint"):
        open_model(folder)


@pytest.mark.parametrize("name", ["best_dev-732.index", "best_dev-732.data-00000-of-00001"])
def test_files_that_are_cut_off_are_refused(tmp_path, name):
    folder = copied(tmp_path)
    (folder / name).write_bytes((folder / name).read_bytes()[:-200])
    with pytest.raises(RecipeError, match=re.escape(str(folder))):
        open_model(folder)


@given(st.data())
@settings(max_examples=30, deadline=None)
def test_damaged_files_open_or_are_refused(tmp_path_factory, data):
    folder = copied(tmp_path_factory.mktemp("fuzz"))
    target = folder / data.draw(st.sampled_from(["best_dev-732.index", "flags.txt", "best_dev_checkpoint"]))
    content = bytearray(target.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    target.write_bytes(content)
    result = outcome(lambda: open_model(folder))
    assert isinstance(result, LoadedModel) or str(folder) in str(result)
