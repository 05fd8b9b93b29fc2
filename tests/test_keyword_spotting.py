"""Someone has a keyword spotter that takes a WAV file, and wants it in OpenVINO."""

import io
import wave

import numpy as np
import pytest

from deepspeech_recipe import cli, convert_model, verify
from deepspeech_recipe.audio import reference
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.graphdef.build import FLOAT, STRING, DType, GraphBuilder
from deepspeech_recipe.ir.audio_settings import AudioSettings
from tests.support.audio_signals import signals
from tests.support.compare import compiled, op_counts
from tests.support.limits import assert_close

RATE = 8000
SETTINGS = {"window_size": 240, "stride": 160, "magnitude_squared": True}
EXACT = 2e-6  # of scores; measured: 7e-7
OF_FEATURES = 1e-4


@pytest.fixture(scope="module", params=["conv", "lstm"])
def spotter(request, tf, tmp_path_factory):
    """(kind, the path of its graph)"""
    from tests.graphs.keywords import keyword_spotter

    path = tmp_path_factory.mktemp("keywords") / f"{request.param}.pb"
    path.write_bytes(keyword_spotter(request.param))
    return request.param, path


def wav(samples: np.ndarray) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(RATE)
        writer.writeframes((samples * 32767).astype("<i2").tobytes())
    return file.getvalue()


def assert_scores(model, path) -> None:
    """Of several recordings, of which one is longer than the graph takes and one is shorter."""
    from tests.support.reference import run_graph

    network, recordings = compiled(model), signals(RATE)
    assert "decoded_sample_data:0" in model.input(0).get_names()
    for samples in (recordings["speech"], recordings["noise"], recordings["speech"][:1500]):
        fetches = ["labels_softmax:0", "decoded_sample_data:0"]
        scores, decoded = run_graph(path.read_bytes(), {"wav_data:0": np.array(wav(samples), object)}, fetches)
        found = network([decoded])["labels_softmax:0"]
        assert np.ptp(scores) > 0.01
        assert_close(found, scores, EXACT)


@pytest.mark.requires_tf
def test_it_begins_at_the_samples_of_the_wav_file(spotter):
    kind, path = spotter
    model = convert_model(path, sample_rate=RATE)
    assert op_counts(model)["LSTMSequence"] == (kind == "lstm")
    assert verify(path, model).exit_code == 0
    assert_scores(model, path)


@pytest.mark.requires_mo
@pytest.mark.requires_tf
@pytest.mark.parametrize("spotter", ["lstm"], indirect=True)
def test_the_plugin_takes_it_cut_at_the_samples(spotter):
    from tests.support.mo_run import mo

    _, path = spotter
    cut = "decoded_sample_data:0[4000 1],decoded_sample_data:1[1]->[8000]"
    assert_scores(mo(path, "--input", cut)[0], path)


@pytest.mark.requires_mo
@pytest.mark.requires_tf
@pytest.mark.parametrize("spotter", ["conv"], indirect=True)
def test_the_plugin_says_how_to_cut_it(spotter):
    from tests.support.mo_run import MOError, mo

    with pytest.raises(MOError, match=r"Mfcc is computed in the graph.*NODE:0\[16000 1\],NODE:1\[1\]->\[16000\]"):
        mo(spotter[1])


def small(rate="constant", **changes) -> GraphBuilder:
    """samples [N, 1] → AudioSpectrogram → Mfcc → y, without TensorFlow."""
    builder = GraphBuilder()
    if rate == "wav":
        builder.placeholder("wav_data", STRING, ())
        builder.node("samples", "DecodeWav", ["wav_data"], desired_channels=1)
        read = "samples:1"
    else:
        builder.placeholder("samples", FLOAT, (-1, 1))
        read = builder.placeholder("rate", 3, ()) if rate == "input" else builder.const("rate", RATE, np.int32)
    builder.node("spectrogram", "AudioSpectrogram", ["samples"], **{**SETTINGS, **changes})
    builder.node("mfcc", "Mfcc", ["spectrogram", read], dct_coefficient_count=9)
    builder.node("y", "Identity", ["mfcc"], T=DType(FLOAT))
    return builder


@pytest.fixture
def saved(tmp_path):
    def save(builder: GraphBuilder):
        (tmp_path / "model.pb").write_bytes(builder.graph.SerializeToString())
        return tmp_path / "model.pb"

    return save


@pytest.mark.parametrize("rate", ["constant", "wav"])
@pytest.mark.parametrize("squared", [True, False])
def test_features_of_samples_of_any_length(saved, rate, squared):
    path = saved(small(rate, magnitude_squared=squared))
    model = convert_model(path, sample_rate=RATE if rate == "wav" else None)
    settings = AudioSettings(**{**SETTINGS, "magnitude_squared": squared}, sample_rate=RATE, dct_coefficient_count=9)
    network = compiled(model)
    for length in (8000, 240, 641):
        samples = signals(RATE)["speech"][:length]
        wanted = reference.mfcc_of_spectrogram(reference.spectrogram(samples[None], settings), settings)
        assert_close(network([samples[:, None]])["y:0"], wanted, OF_FEATURES)


def test_audio_constants_stay_in_32_bits(saved):
    """FP16 ones would cost 0.07."""
    model = convert_model(saved(small()), weights="fp16")
    kinds = {op.get_element_type().get_type_name() for op in model.get_ops() if op.get_type_name() == "Constant"}
    assert "f16" not in kinds


def test_without_the_sample_rate_it_is_asked_for(saved, capsys):
    path = saved(small("wav"))
    assert cli.main(["convert", str(path), "-o", str(path.parent / "out")]) == 2
    line = capsys.readouterr().err
    assert "decodes a WAV file" in line
    assert "Node at fault: 'samples'" in line
    assert "--sample-rate 16000" in line
    assert not (path.parent / "out").exists()


@pytest.mark.parametrize(
    ("builder", "rate", "reason"),
    [
        (small("input"), None, "The sample rate of an Mfcc is computed in the graph. Node at fault: 'mfcc'"),
        (small("wav"), 4000, r"upper_frequency_limit \(4000 Hz\) is above half the sample rate \(2000 Hz\)"),
        (small(stride=0), None, "stride is 0, at least 1 is needed. Node at fault: 'spectrogram'"),
    ],
    ids=["rate", "limit", "stride"],
)
def test_features_that_cannot_be_computed_are_refused_by_their_node(saved, builder, rate, reason):
    with pytest.raises(RecipeError, match=reason):
        convert_model(saved(builder), sample_rate=rate)


def test_an_unknown_number_of_frequency_bins_is_refused(saved):
    reason = r"frequency bins that an Mfcc reads is not known\. Node at fault: 'mfcc'.*\"0:mfcc\[1,\?,BINS\]\""
    with pytest.raises(RecipeError, match=reason):
        convert_model(saved(small()), converter="openvino", inputs="0:mfcc[1,?,?]")
    assert convert_model(saved(small()), converter="openvino", inputs="0:mfcc[1,?,129]").outputs


@pytest.mark.requires_mo
@pytest.mark.requires_tf
def test_complex_numbers_are_not_for_mo(tmp_path):
    from tests.graphs.keywords import spectral_mask

    (tmp_path / "model.pb").write_bytes(spectral_mask())
    with pytest.raises(RecipeError, match=r"mo cannot convert the complex numbers of '.+'\. Leave --converter mo out"):
        convert_model(tmp_path / "model.pb", converter="mo")
