"""What the recogniser says of every release, every shape, and every near miss."""

import pytest

from deepspeech_recipe.errors import Refusal
from deepspeech_recipe.graphdef import proto
from deepspeech_recipe.graphdef.view import GraphView
from deepspeech_recipe.recipes.recognition import recognise
from tests.graphs.releases import VERSIONS

pytestmark = pytest.mark.requires_tf

LATE = "v0.7 to v0.9 or Coqui STT"
GENERATIONS = {
    "0.2": "v0.2 or v0.3",
    "0.3": "v0.2 or v0.3",
    "0.4": "v0.4",
    "0.5": "v0.5",
    "0.6": "v0.6",
    "0.7": LATE,
    "0.8": LATE,
    "0.9": LATE,
    "coqui": LATE,
}
LAST_STATES = {"0.2": "Gather", "0.3": "GatherV2"}


@pytest.fixture(scope="session")
def recognised(deepspeech):
    def run(version="0.9", **options):
        graph = deepspeech(version, **options)
        run.view = GraphView(proto.parse(proto.GraphDef, graph.graph_def, what="the graph").node)
        return recognise(run.view)

    return run


@pytest.mark.parametrize("version", VERSIONS)
def test_every_release_is_told_by_its_structure(recognised, version):
    model = recognised(version).acoustic
    assert model.generation == GENERATIONS[version]
    assert model.lstm.last_state_form(recognised.view) == LAST_STATES.get(version, "GatherNd")
    assert model.state_c.kind == ("variable" if version < "0.6" else "input")
    assert model.head == ("raw" if version in ("0.2", "0.3") else "probabilities")
    assert (model.audio is not None) == (version >= "0.5")
    assert model.lstm.cell.forget_bias == (1.0 if version < "0.6" else 0.0)
    assert (model.batch, model.time_steps, model.window_frames, model.n_input) == (3, 16, 7, 11)
    assert (model.dense_sizes, model.lstm.hidden_size, model.classes) == ((40, 36, 44, 28, 29), 32, 29)
    assert str(model.lengths) == "input_lengths:0"


@pytest.mark.parametrize("form", ["gather", "gather_v2", "gather_nd"])
@pytest.mark.parametrize("batch", [1, 3])
def test_last_state_forms(recognised, form, batch):
    model = recognised(last_state=form, batch=batch).acoustic
    assert model.lstm.last_state_form(recognised.view).lower() == form.replace("_", "")
    assert model.state_c.new != model.state_h.new


@pytest.mark.parametrize("steps", [16, 24, -1])
def test_without_lengths(recognised, steps):
    model = recognised("0.4", use_seq_length=False, n_steps=steps).acoustic
    assert model.lengths is None
    assert model.lstm.last_state_form(recognised.view) == "StridedSlice"
    assert model.time_steps == (None if steps < 0 else steps)


def test_layer_norm_and_zero_state(recognised):
    assert recognised(layer_norm=True).acoustic.layer_norm
    assert not recognised().acoustic.layer_norm
    assert recognised(no_state=True).acoustic.state_c.kind == "constant"


def test_what_the_graph_says_of_itself(recognised):
    labels = tuple(bytes([value]) for value in range(1, 256))
    meta = recognised(alphabet=labels, sample_rate=8000, language="cy", beam_width=77).acoustic.metadata
    assert (meta.sample_rate, meta.window_ms, meta.step_ms, meta.beam_width) == (8000, 32, 20, 77)
    assert (meta.alphabet, meta.language, meta.form) == (labels, "cy", "constants")
    assert recognised("0.5").acoustic.metadata.sample_rate == 16000
    assert recognised("0.5").acoustic.metadata.form == "noop"
    assert recognised("0.4").acoustic.metadata.form == "none"


def test_audio_settings_are_read_from_the_nodes(recognised):
    settings = recognised(sample_rate=8000).acoustic.audio.settings
    assert (settings.sample_rate, settings.window_size, settings.stride) == (8000, 256, 160)
    assert settings.upper_frequency_limit == 4000
    assert recognised("0.5").acoustic.audio.settings.upper_frequency_limit == 4000
    assert recognised("0.9").acoustic.audio.settings.upper_frequency_limit == 8000


NEAR_MISSES = {
    "peephole": ({"peephole": True}, "peephole connections", "use_peephole=False"),
    "cell clip": ({"cell_clip": 1.5}, "clips its cell state to ±1.5", "cell_clip=-1"),
    "cell states are an output": ({"cell_consumer": "output"}, "cell states of all steps are also read", "remove"),
    "cell states are read": ({"cell_consumer": "mixed"}, "cell states of all steps are also read", "remove"),
    "index length - 1": ({"last_index": "length_minus_one"}, "taken at", "state at the length"),
    "constant index": ({"last_index": "constant"}, "taken at", "state at the length"),
    "other tensor gathered": ({"gather_over": "gates"}, "output gate of all steps", "remove this reader"),
    "initial state left out": ({"gather_over": "sequence"}, "also read by", "remove"),
    "other initial state": ({"concat_initial": "zeros"}, "also read by", "remove"),
    "outputs swapped": ({"swap_states": True}, "called as the other state, but holds the cell state", "Export"),
    "inputs crossed": ({"initial_state": "crossed"}, "called as the other state", "Export"),
    "one state for both": ({"initial_state": "shared"}, "called as the other state", "Export"),
    "one state constant": ({"initial_state": "zero_h"}, "hidden state from a constant", "same way"),
    "initial state computed": ({"initial_state": "computed"}, "is computed by the graph", "placeholders"),
    "variable never assigned": ({"version": "0.4", "missing_assign": "c"}, "state would be lost", "state update"),
    "both never assigned": ({"version": "0.5", "missing_assign": "ch"}, "state would be lost", "state update"),
    "variables swapped": ({"version": "0.3", "swap_states": True}, "is not its last cell state", "Assign the last"),
}


@pytest.mark.parametrize(("options", "reason", "remedy"), NEAR_MISSES.values(), ids=NEAR_MISSES)
def test_near_misses_are_refused_with_reason_node_and_remedy(recognised, options, reason, remedy):
    with pytest.raises(Refusal) as refusal:
        recognised(**options)
    assert reason in str(refusal.value)
    assert "Node at fault: '" in str(refusal.value)
    assert remedy in refusal.value.remedy


def test_stripped_cell_clip_means_the_default_of_the_operation(deepspeech):
    """Exporters strip attributes that have their default, and BlockLSTM's cell_clip is 3 by default."""
    graph = proto.parse(proto.GraphDef, deepspeech("0.9").graph_def, what="the graph")
    cell = next(node for node in graph.node if node.op == "BlockLSTM")
    del cell.attr["cell_clip"]
    with pytest.raises(Refusal, match="clips its cell state to ±3"):
        recognise(GraphView(graph.node))


def test_other_names_change_nothing(deepspeech):
    """Roles come from topology: a graph with every node renamed is recognised all the same."""
    graph = proto.parse(proto.GraphDef, deepspeech("0.9").graph_def, what="the graph")
    expected = recognise(GraphView(graph.node)).acoustic
    for node in graph.node:
        node.name = f"speech/{node.name.replace('_', '-')}-x"
        for index, name in enumerate(node.input):
            base, colon, port = name.removeprefix("^").partition(":")
            renamed = f"speech/{base.replace('_', '-')}-x{colon}{port}"
            node.input[index] = "^" + renamed if name.startswith("^") else renamed
    model = recognise(GraphView(graph.node)).acoustic
    assert model.state_c.source.node == "speech/previous-state-c-x"
    assert model.state_h.source.node == "speech/previous-state-h-x"
    assert model.logits.node == "speech/logits-x"
    assert (model.lstm.hidden_size, model.dense_sizes) == (expected.lstm.hidden_size, expected.dense_sizes)
