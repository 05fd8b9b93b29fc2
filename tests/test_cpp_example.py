"""Programs with nothing of this project: the C++ example, built against the openvino wheel, and the one in the docs."""

import os
import re
import shutil
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import pytest
from openvino.utils import get_cmake_path

from deepspeech_recipe.ir.metadata import alphabet_json, write_metadata
from deepspeech_recipe.ir.ov_api import opset, ov
from deepspeech_recipe.passes.attach_audio import attach_audio
from deepspeech_recipe.passes.streaming import streaming_model
from tests.support.acoustic_model import acoustic_model
from tests.support.audio_signals import SETTINGS, signals
from tests.support.compare import compiled
from tests.support.limits import assert_close
from tests.support.skips import has_mo

# It takes 5 s to build.
pytestmark = [pytest.mark.long] if has_mo() else []

EXAMPLE = "examples/cpp"
LABELS = ["a", "é", "語", " ", '"', "z"]
CONTEXT = 3


@pytest.fixture(scope="module")
def program(request, tmp_path_factory):
    """The built example."""
    missing = [tool for tool in ("cmake", "g++", "make") if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"needs cmake, g++ and make: {', '.join(missing)} missing")
    build = tmp_path_factory.mktemp("cpp")
    source = request.config.rootpath / EXAMPLE
    configure = ["cmake", "-S", source, "-B", build, "-G", "Unix Makefiles", f"-DOpenVINO_DIR={get_cmake_path()}"]
    for command in ([*configure, "-DCMAKE_CXX_FLAGS=-Wall -Wextra -Werror"], ["cmake", "--build", build]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    return build / "stream"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A streaming IR for 16 kHz whose labels are letters of one, two and three bytes."""
    streaming = streaming_model(lively_model(), SETTINGS["16 kHz"], CONTEXT)
    labels = [label.encode() for label in LABELS]
    write_metadata(streaming, {"sample_rate": 16000, "alphabet": alphabet_json(labels)})
    path = tmp_path_factory.mktemp("model") / "model.xml"
    ov.save_model(streaming, path, compress_to_fp16=False)
    return path


def lively_model():
    """The random weights have one class that always wins: here classes are judged by what they mostly are."""
    model = acoustic_model(26, CONTEXT)
    samples = signals(16000)["speech"][None]
    mean = compiled(attach_audio(model, SETTINGS["16 kHz"], CONTEXT))([samples])["logits"].mean(0, keepdims=True)
    result = model.output("logits").get_node()
    result.input(0).replace_source_output(opset.subtract(result.input_value(0), mean).output(0))
    return model


def write_wav(path, samples, rate=16000, width=2):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(np.round(samples * 32768).astype("<i2").tobytes())
    return path


def run(program, *arguments):
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    command = [*([program] if isinstance(program, Path) else program), *arguments]
    return subprocess.run(command, capture_output=True, check=False, encoding="utf-8", env=environment)


def in_python(model, samples) -> np.ndarray:
    request = compiled(ov.Core().read_model(model)).create_infer_request()
    request.infer({"samples": samples[None], "end_of_stream": np.array(True)})
    return request.get_tensor("logits").data[:, 0].copy()


def greedy(probabilities) -> str:
    best = probabilities.argmax(1)
    kept = best[np.append(True, best[1:] != best[:-1])]
    return "".join(LABELS[each] for each in kept if each < len(LABELS))


@pytest.mark.parametrize(("count", "block"), [(0, 320), (100, 160), (9000, 100), (9000, 5120), (9000, 100000)])
def test_probabilities_are_pythons(program, model, tmp_path, count, block):
    samples = signals(16000)["speech"][:count]
    recording = write_wav(tmp_path / "speech.wav", samples)
    done = run(program, model, recording, str(block), "--probabilities")
    assert done.returncode == 0, done.stderr
    found = np.array([line.split() for line in done.stdout.splitlines()], np.float32)
    expected = in_python(model, samples)
    assert found.shape == expected.shape
    assert_close(found, expected, 2e-7)


@pytest.fixture
def python_program(request, tmp_path):
    """The Python program of docs/streaming.md, run outside of the checkout."""
    page = (request.config.rootpath / "docs" / "streaming.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert "deepspeech_recipe." not in code
    path = tmp_path / "program.py"
    path.write_text(code, encoding="utf-8")
    return [sys.executable, path]


@pytest.mark.parametrize("which", ["program", "python_program"])
def test_the_program_prints_the_text(request, which, model, tmp_path):
    program = request.getfixturevalue(which)
    samples = signals(16000)["speech"]
    expected = greedy(in_python(model, samples))
    assert len(set(expected) & {"é", "語", " "}) > 1
    done = run(program, model, write_wav(tmp_path / "speech.wav", samples))
    assert (done.stdout, done.stderr, done.returncode) == (expected + "\n", "", 0)


def test_errors_are_one_line(program, model, tmp_path):
    samples = signals(16000)["speech"][:500]
    text = tmp_path / "text.wav"
    text.write_text("no audio")
    cases = {
        "usage": [model],
        "is no WAV file": [model, text],
        "the model wants 16000 samples a second": [model, write_wav(tmp_path / "8.wav", samples, rate=8000)],
        "is not 16-bit PCM with one channel": [model, write_wav(tmp_path / "32.wav", samples[:400], width=4)],
    }
    for reason, arguments in cases.items():
        done = run(program, *arguments)
        assert (done.returncode, done.stdout) == (1, "")
        (line,) = done.stderr.splitlines()
        assert line.startswith("stream: ")
        assert reason in line
