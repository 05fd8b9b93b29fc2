"""Models of families that no LSTMSequence fits: untouched, with one line that says why."""

import numpy as np
import openvino
import pytest

from deepspeech_recipe.conversion.convert import convert
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.graphdef.proto import GraphDef, parse
from deepspeech_recipe.graphdef.view import GraphView
from deepspeech_recipe.recipes.recognition import recognise
from tests.support.compare import compiled, op_counts

pytestmark = pytest.mark.requires_tf

NO_SEQUENCE = "not a known LSTM: its cell reads a ConcatV2, not a step of a sequence"
MODELS = {
    "gru": "not a known LSTM: a hidden state σ(o) · tanh(c) was looked for",
    "gnmt": NO_SEQUENCE,
    "tacotron": NO_SEQUENCE,
    "transformer": "",
}


def make(name: str, control_flow: str) -> bytes:
    from tests.graphs import decoders, rnn

    if name == "gru":
        return rnn.dynamic(cell="gru", time_major=True, control_flow=control_flow).graph_def
    return decoders.transformer() if name == "transformer" else decoders.decoder(name, control_flow)


@pytest.mark.parametrize("control_flow", ["v1", "v2"])
@pytest.mark.parametrize("name", MODELS)
def test_the_recogniser_says_why(name, control_flow):
    found = recognise(GraphView.of(parse(GraphDef, make(name, control_flow), what="a test")))
    assert not found.lstms
    assert not found.states
    assert len(found.refused) == bool(MODELS[name])
    assert all(MODELS[name] in str(refusal) for refusal in found.refused)


@pytest.mark.sampled
@pytest.mark.parametrize("name", MODELS)
def test_convert_does_nothing_and_says_why(name, tmp_path):
    (tmp_path / "model.pb").write_bytes(make(name, "v2"))
    with pytest.raises(RecipeError, match="no LSTM that could be converted") as caught:
        convert(tmp_path / "model.pb", tmp_path / "out", converter="openvino")
    assert MODELS[name] in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "OpenVINO converts it by itself: `ovc FILE`." in str(caught.value)
    assert openvino.convert_model(tmp_path / "model.pb").outputs
    assert not (tmp_path / "out").exists()


@pytest.mark.sampled
@pytest.mark.requires_mo
@pytest.mark.parametrize("name", MODELS)
def test_mo_makes_what_it_makes_alone(name, tmp_path):
    """The same operations, the same numbers, and one line: loops as the command makes them without --extensions, by
    OpenVINO's frontend."""
    from openvino.tools.mo import convert_model

    from tests.support.mo_run import mo

    path = tmp_path / "model.pb"
    path.write_bytes(make(name, "v2"))
    with_plugin, printed = mo(path)
    (said,) = [line for line in printed.splitlines() if line.startswith("[ deepspeech-recipe ]")]
    assert "left as it is" in said
    assert MODELS[name] in said
    loops = name != "transformer"
    assert ("converted by OpenVINO's own frontend" in said) == loops
    alone = convert_model(input_model=str(path), compress_to_fp16=False) if loops else mo(path, plugin=False)[0]
    assert op_counts(with_plugin) == op_counts(alone)
    np.testing.assert_array_equal(*(run(model, name) for model in (with_plugin, alone)))


def run(model, name: str) -> np.ndarray:
    from tests.graphs import decoders, rnn

    shape = (9, 2, rnn.INPUT) if name == "gru" else (decoders.BATCH, decoders.MEMORY, decoders.WIDTH)
    found = compiled(model)([np.random.default_rng(3).standard_normal(shape).astype(np.float32)])[0]
    assert found.std() > 0.01
    return found
