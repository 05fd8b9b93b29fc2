"""`deepspeech-recipe transcribe`, and the bundled model's recordings as text, the same as TensorFlow's."""

import builtins
import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest

import deepspeech_recipe
from deepspeech_recipe.cli import main
from deepspeech_recipe.runtime import Recognizer
from deepspeech_recipe.runtime.recordings import live
from tests.support.bundled import MODEL, bundled_ir, samples_of, transcripts
from tests.support.limits import assert_close
from training.text import greedy

FIRST, SECOND = list(transcripts())[:2]


@pytest.fixture(scope="module")
def recognizer():
    return Recognizer(bundled_ir(), config={"INFERENCE_NUM_THREADS": 1})


@pytest.fixture
def at_once(monkeypatch):
    """Live audio without waiting."""
    monkeypatch.setattr(live.time, "sleep", lambda seconds: None)


def transcribe(*arguments) -> int:
    return main(["transcribe", *map(str, arguments), "--model", str(bundled_ir())])


def test_recordings_become_what_was_said(recognizer):
    said = list(transcripts().values())
    found = [result.text for result in recognizer.transcribe_batch([samples_of(path) for path in transcripts()])]
    wrong = sum(a != b for x, y in zip(found, said, strict=True) for a, b in zip(x.split(), y.split(), strict=True))
    words = sum(len(text.split()) for text in said)
    assert words > 15
    assert wrong <= 1
    attached = Recognizer(bundled_ir("attached"), config={"INFERENCE_NUM_THREADS": 1})
    for path, text in zip(transcripts(), found, strict=True):
        samples = samples_of(path)
        assert recognizer.transcribe(samples).text == attached.transcribe(samples).text == text
        stream = recognizer.stream()
        for at in range(0, len(samples), 1000):
            stream.feed(samples[at : at + 1000])
        assert stream.finish() == text


def test_the_same_as_tensorflow(tf, recognizer):
    from deepspeech_recipe.ir.audio_settings import AudioSettings
    from tests.support.reference import session

    metadata = recognizer.metadata
    audio = AudioSettings(**metadata["features"])
    with session(MODEL.read_bytes()) as run:
        for path in transcripts():
            expected = tensorflow_probabilities(run, samples_of(path), audio)
            assert_close(recognizer.features(samples_of(path)), expected, 2e-5)
            assert recognizer.transcribe(samples_of(path)).text == greedy(expected) != ""


def tensorflow_probabilities(run, samples, audio, context: int = 9, size: int = 160) -> np.ndarray:
    """As DeepSpeech's client: window by window to MFCCs, 16 context windows a call, the state fed back."""
    count = audio.frame_count(len(samples)) + 1
    padded = np.zeros((count - 1) * audio.stride + audio.window_size, np.float32)
    padded[: len(samples)] = samples
    frames = [padded[at : at + audio.window_size] for at in range(0, count * audio.stride, audio.stride)]
    mfccs = np.concatenate([run("mfccs:0", {"input_samples:0": frame}).reshape(1, -1) for frame in frames])
    mfccs = np.pad(mfccs, [(context, context + 16), (0, 0)])
    windows = np.stack([mfccs[at : at + 2 * context + 1] for at in range(count + 15)])
    c = h = np.zeros((1, size), np.float32)
    found = []
    for at in range(0, count, 16):
        feeds = {"input_node:0": windows[None, at : at + 16], "input_lengths:0": [16]}
        feeds |= {"previous_state_c:0": c, "previous_state_h:0": h}
        logits, c, h = run(["logits:0", "new_state_c:0", "new_state_h:0"], feeds)
        found.append(logits[:, 0])
    return np.concatenate(found)[:count]


def test_one_recording_several_and_the_function(capsys):
    assert transcribe(FIRST) == 0
    assert capsys.readouterr() == (f"{transcripts()[FIRST]}\n", "")
    assert transcribe(FIRST, FIRST) == 0
    assert capsys.readouterr() == (f"{FIRST}: {transcripts()[FIRST]}\n" * 2, "")
    results = deepspeech_recipe.transcribe([FIRST, str(FIRST)], bundled_ir())
    assert [result.text for result in results] == [transcripts()[FIRST]] * 2
    (alone,) = deepspeech_recipe.transcribe(FIRST, bundled_ir())
    for result in results:  # a call of several rows rounds otherwise
        assert [(each.text, each.start, each.end) for each in result.letters] == [
            (each.text, each.start, each.end) for each in alone.letters
        ]
        assert result.confidence == pytest.approx(alone.confidence, abs=1e-4)


def test_a_conversion_of_the_audio_is_said_on_stderr(capsys, tmp_path):
    soundfile, soxr = pytest.importorskip("soundfile"), pytest.importorskip("soxr")
    samples = soxr.resample(samples_of(FIRST), 16000, 48000)
    soundfile.write(tmp_path / "a.flac", np.stack([samples, samples], 1), 48000, "PCM_24")
    assert transcribe(tmp_path / "a.flac", "--json") == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["results"][0]["text"] == transcripts()[FIRST]
    assert err == f"{tmp_path / 'a.flac'}: 2 channels → mono, 48000 Hz → 16000 Hz\n"


def test_json_has_words_with_times(capsys):
    assert transcribe(FIRST, SECOND, "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["model"] == str(bundled_ir())
    first, second = document["results"]
    assert (first["file"], second["file"]) == (str(FIRST), str(SECOND))
    assert first["text"] == " ".join(word["text"] for word in first["words"]) == transcripts()[FIRST]
    assert first["seconds"] == len(samples_of(FIRST)) / 16000
    ends = [time for word in first["words"] for time in (word["start"], word["end"])]
    assert ends == sorted(ends)
    assert 0 < ends[0] < ends[-1] <= first["seconds"]
    assert all(0.5 < word["confidence"] <= 1 for word in first["words"])
    assert -20 < first["confidence"] < 0


@pytest.mark.parametrize("form", ["--srt", "--vtt"])
def test_subtitles_end_with_the_text(capsys, form):
    assert transcribe(FIRST, form) == 0
    printed = capsys.readouterr().out.splitlines()
    mark, first = {"--srt": (",", "1"), "--vtt": (".", "WEBVTT")}[form]
    assert printed[0] == first
    assert printed[-1] == transcripts()[FIRST]
    begin, end = printed[-2].split(" --> ")
    assert begin < end
    assert begin[:9] == f"00:00:00{mark}"


def test_partial_texts_of_a_stream(capsys, at_once):
    assert transcribe(FIRST, "--stream") == 0
    captured = capsys.readouterr()
    text = transcripts()[FIRST]
    partial = captured.err.splitlines()
    assert captured.out == f"{text}\n"
    assert len(partial) > 3
    assert [part for part in partial if not text.startswith(part)] == []


def test_a_live_line_on_a_terminal(capsys, at_once, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "12")
    assert transcribe(FIRST, "--stream") == 0
    lines = capsys.readouterr().err.split("\r\033[K")
    assert lines[0] == lines[-1] == ""
    assert max(map(len, lines)) == 11
    assert "\n" not in "".join(lines)


def test_live_audio_keeps_its_pace(monkeypatch):
    slept = []
    monkeypatch.setattr(live.time, "monotonic", lambda: 100.0)
    monkeypatch.setattr(live.time, "sleep", slept.append)
    blocks = list(live.at_real_time([np.zeros(4000), np.zeros(100)], 16000))
    assert [len(block) for block in blocks] == [1600, 1600, 800, 100]
    assert slept == pytest.approx([0.1, 0.2, 0.25, 0.25625])


class FakeMicrophone:
    """Hears a recording, then the user presses Ctrl-C."""

    PortAudioError = RuntimeError

    def __init__(self, rate, size, channels, dtype, callback):
        data = np.round(samples_of(FIRST) * 32768).astype(dtype)[:, None]
        for at in range(0, len(data), size):
            callback(data[at : at + size], size, None, None)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass


def test_the_microphone(capsys, monkeypatch):
    real = live.queue.Queue

    class Queue(real):
        def get(self):
            if self.empty():
                raise KeyboardInterrupt
            return super().get()

    monkeypatch.setattr(live.queue, "Queue", Queue)
    module = SimpleNamespace(InputStream=FakeMicrophone, PortAudioError=RuntimeError)
    monkeypatch.setitem(sys.modules, "sounddevice", module)
    assert main(["transcribe", "--mic", "--model", str(bundled_ir())]) == 0
    assert capsys.readouterr().out == f"{transcripts()[FIRST]}\n"

    def broken(*arguments, **keywords):
        raise RuntimeError("no device")

    module.InputStream = broken
    assert main(["transcribe", "--mic", "--model", str(bundled_ir())]) == 2
    assert "No microphone can be opened (no device)" in capsys.readouterr().err


def test_the_microphone_without_sounddevice_names_the_remedy(capsys, monkeypatch):
    real = builtins.__import__

    def fake(name, *rest):
        if name == "sounddevice":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", fake)
    assert main(["transcribe", "--mic", "--model", str(bundled_ir())]) == 2
    assert "pip install sounddevice" in capsys.readouterr().err


def test_bad_usage_of_transcribe_is_one_line(capsys, tmp_path):
    (tmp_path / "text.wav").write_text("no audio")
    for reason, arguments in {
        "no recording is given": [],
        "--mic listens to the microphone and takes no files": ["--mic", FIRST],
        "subtitles are of one recording": ["--srt", FIRST, SECOND],
        "text.wav: cannot be read as audio": [tmp_path / "text.wav"],
        "not allowed with argument": ["--srt", "--vtt", FIRST],
        "no such file": [FIRST, "--model", tmp_path / "none.xml"],
    }.items():
        assert main(["transcribe", "--model", str(bundled_ir()), *map(str, arguments)]) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        (line,) = captured.err.splitlines()
        assert reason in line
