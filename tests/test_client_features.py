"""DeepSpeech v0.2 to v0.4, whose features were computed by the client: audio in, as for later releases."""

from pathlib import Path

import numpy as np
import pytest

from deepspeech_recipe.audio.framing import client_frame_count
from deepspeech_recipe.audio.reference import utterance_mfccs
from deepspeech_recipe.conversion.convert import convert, convert_model
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.ir.metadata import read_metadata
from deepspeech_recipe.passes.attach_audio import feature_model
from deepspeech_recipe.recipes.audio import client_features
from deepspeech_recipe.runtime import Recognizer
from deepspeech_recipe.verification.run import verify
from tests.support import verify_models
from tests.support.audio_signals import CLIENTS, signals
from tests.support.compare import compiled
from tests.support.contract import FOLDER
from tests.support.limits import assert_close

V03, V04 = CLIENTS.values()
ONE_THREAD = {"INFERENCE_NUM_THREADS": 1}


@pytest.fixture(scope="module")
def package():
    """Made with `python_speech_features` 0.6: mfcc(samples, 16000, 0.025, 0.01, numcep=26)[::2], 'rectangular', and
    mfcc(samples, 16000, 0.032, 0.02, numcep=26, winfunc=numpy.hamming), 'hamming', of silence, a voice and hissing."""
    with np.load(Path(__file__).with_name("fixtures") / "classic_mfcc" / "clients.npz") as arrays:
        return dict(arrays)


@pytest.mark.parametrize("settings", CLIENTS.values(), ids=CLIENTS)
def test_frames_are_those_of_the_package(package, settings):
    samples, expected = package["samples"].astype(np.float32) / 32768, package[settings.window]
    assert_close(utterance_mfccs(samples, settings), expected, 1e-6)
    found = compiled(feature_model(settings, 0))([samples[None]])[0][0, :, 0]
    # Measured: 2e-5 and 6e-5. The values go up to 42.
    assert_close(found, expected, 1e-4)


@pytest.mark.parametrize(("settings", "limit"), [(V03, 2e-4), (V04, 4e-4)], ids=CLIENTS)
def test_single_precision_is_enough_for_any_signal(settings, limit):
    """Measured: 1.6e-4 and 2.8e-4, of values up to 97."""
    features = compiled(feature_model(settings, 0))
    for signal, samples in signals(16000).items():
        expected = utterance_mfccs(samples, settings)
        found = features([samples[None]])[0][0, :, 0]
        assert_close(found, expected, limit, signal)


def frames_of_the_client(count: int, window: int, step: int, every: int) -> int:
    """Sample by sample, as feedAudioContent and finishStream: a buffer, shifted when it is full; every n-th is used."""
    buffered, windows = 0, 0
    for _ in range(count):
        buffered += 1
        if buffered == window:
            windows += 1
            buffered -= step
    return len(range(0, windows + 1, every))  # with the last one, filled up


@pytest.mark.parametrize(("settings", "buffer"), [(V03, (400, 160, 2)), (V04, (512, 320, 1))], ids=CLIENTS)
def test_as_many_frames_as_the_client_makes(settings, buffer):
    for count in (0, 1, 239, 240, 399, 400, 511, 512, 559, 560, 719, 720, 831, 832, 879, 880, 1039, 1040, 5001, 5277):
        assert client_frame_count(count, settings) == frames_of_the_client(count, *buffer), count


FORMS = {
    "windows": {"time_steps": "dynamic", "batch": 1},
    "windows of 16": {"time_steps": 16, "batch": 1},
    "attached": {"audio": "attached"},
    "lengths": {"audio": "attached", "lengths": "input"},
    "streaming": {"audio": "attached", "state": "internal", "batch": 1},
}


@pytest.mark.parametrize("release", ["v0.2", "v0.4"])
def test_every_form_of_ir_hears_the_same(release, tmp_path):
    graph, alphabet = FOLDER / f"{release}.pb", tmp_path / "alphabet.txt"
    alphabet.write_text("\n".join("abcdefghi"))
    samples = signals(16000)["speech"][3000:13111]
    recognizers = {
        form: Recognizer(convert_model(graph, converter="openvino", **options), alphabet=alphabet, config=ONE_THREAD)
        for form, options in FORMS.items()
    }
    frames = recognizers["windows"].features(samples)
    settings = client_features("v0.4" if release == "v0.4" else "v0.2 or v0.3", 6)
    assert recognizers["windows"]._whole.audio == settings
    assert len(frames) == client_frame_count(len(samples), settings)
    assert frames.std() > 0.01
    for form, recognizer in recognizers.items():
        assert_close(recognizer.features(samples), frames, 2e-6, form)


def test_more_coefficients_than_its_filters_are_another_clients():
    graph = convert_model(FOLDER / "v0.4.pb", converter="openvino")
    assert read_metadata(graph)["sample_rate"] == 16000
    assert client_features("v0.4", 26) is not None
    assert client_features("v0.4", 27) is None
    assert client_features("v0.6", 26) is None


def test_another_rate_is_another_client(tmp_path):
    """What was typed is believed; then nothing is known of the features."""
    other = convert_model(FOLDER / "v0.4.pb", converter="openvino", sample_rate=8000)
    assert [read_metadata(other)[key] for key in ("sample_rate", "features", "upper_frequency")] == [8000, None, None]
    with pytest.raises(RecipeError, match=r"the client of DeepSpeech v0\.4 has 16000 Hz\. Leave it out"):
        convert_model(FOLDER / "v0.4.pb", converter="openvino", sample_rate=8000, audio="attached")
    result = convert(
        FOLDER / "v0.4.pb", tmp_path, converter="openvino", verify=False, sample_rate=8000, window_ms=32, step_ms=20
    )
    report = verify(FOLDER / "v0.4.pb", result.files[0], reference="numpy")
    assert report.passed, "\n".join(report.lines())


@pytest.mark.parametrize("options", [{}, *FORMS.values()], ids=["as it is", *FORMS])
@pytest.mark.parametrize("release", ["v0.2", "v0.4"])
def test_verify_compares_recordings(release, options, tmp_path, monkeypatch):
    verify_models.hear_little(monkeypatch)
    path = verify_models.ir_file(release, **options)
    report = verify(FOLDER / f"{release}.pb", path, reference="numpy")
    assert report.passed, "\n".join(report.lines())
    assert report.recordings[0].name == "made-up speech"


def test_features_that_are_unknown_have_no_audio(tmp_path):
    """No client of v0.6 computed features."""
    path = verify_models.without_features("v0.6", tmp_path)
    with pytest.raises(RecipeError, match=r"has no feature part.*Convert with --audio none"):
        convert_model(path, converter="openvino", audio="attached")
