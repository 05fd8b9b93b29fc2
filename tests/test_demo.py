"""The demo as a user runs it, its framing of audio, and greedy decoding."""

import importlib

import numpy as np
import pytest

from deepspeech_recipe import cli
from deepspeech_recipe.converters import mo
from deepspeech_recipe.demonstration.run import chunks, flushed, windows
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.runtime.decoders.greedy import greedy_text

demo_module = importlib.import_module("deepspeech_recipe.demonstration.demo")


def run(capsys, folder) -> tuple[int, str]:
    code = cli.main(["demo", "-o", str(folder)])
    captured = capsys.readouterr()
    return code, captured.out


@pytest.mark.requires_mo
def test_with_mo_and_tensorflow(capsys, tmp_path):
    code, printed = run(capsys, tmp_path)
    assert code == 0, printed
    assert "$ mo --extensions " in printed
    assert printed.count("SUCCESS ] Generated IR") == 2
    for what in ("LSTMSequence: 1, loops: 0", "MFCCs: largest", "probabilities: largest", "states: largest"):
        assert f"   ✓ {what}" in printed
    assert printed.count("   expected    ") == 6
    assert f"IR: {tmp_path / 'acoustic.xml'} " in printed
    assert "10 of 10 checks passed" in printed
    assert (tmp_path / "acoustic.xml").is_file()


@pytest.fixture
def without_mo(monkeypatch):
    monkeypatch.setattr(demo_module.mo, "usable", lambda: (False, "it is hidden"))


def test_without_mo(capsys, tmp_path, without_mo):
    code, printed = run(capsys, tmp_path)
    assert code == 0, printed
    assert f"Without Model Optimizer: it is hidden. {mo.remedy()}" in printed
    assert "$ deepspeech-recipe convert " in printed
    assert "✗" not in printed
    assert sorted(path.name for path in tmp_path.glob("*.xml")) == ["acoustic.audio.xml", "acoustic.xml"]


def test_a_wrong_text_is_a_failed_check(capsys, tmp_path, without_mo, monkeypatch):
    recordings = [(name, samples, text + " no") for name, samples, text in demo_module._recordings()[:2]]
    monkeypatch.setattr(demo_module, "_recordings", lambda: recordings)
    code, printed = run(capsys, tmp_path)
    assert code == 1
    assert printed.count("   ✗ ") == 2


@pytest.mark.requires_tf
@pytest.mark.parametrize("what", ["probabilities", "states", "MFCCs"])
def test_a_difference_from_tensorflow_is_seen(tmp_path, what):
    from deepspeech_recipe.demonstration.compare import compare
    from deepspeech_recipe.demonstration.run import Model

    class Bent(Model):
        """Computes one thing a little wrong."""

        def mfccs(self, samples):
            frames = (samples.size - self.window) // self.stride + 2
            return np.full((frames, 26), 1e9 if what == "MFCCs" else np.nan)

        def step(self, chunk, c, h):
            logits, c, h = super().step(chunk, c, h)
            return logits + 2e-5 * (what == "probabilities"), c, h + 2e-3 * (what == "states")

    demo_module._without_mo(tmp_path, lambda line: None)
    _, samples, _ = demo_module._recordings()[0]
    lines = []
    checks = compare(
        Bent(tmp_path / "acoustic.xml", tmp_path / "acoustic.audio.xml"),
        demo_module.GRAPH,
        samples,
        demo_module.LIMITS,
        lines.append,
    )
    failed = {line.split()[1].rstrip(":") for line in lines if "✗" in line}
    assert what in failed
    assert "MFCCs" in failed  # also where they are no numbers
    assert checks.count(False) == len(failed)


@pytest.mark.parametrize(("count", "frames"), [(0, 1), (5, 1), (8, 2), (9, 2), (11, 3)])
def test_the_client_s_flush(count, frames):
    padded = flushed(np.ones(count, np.float32), window=8, stride=3)
    assert padded.size == (frames - 1) * 3 + 8
    assert padded.sum() == count


def test_windows_and_chunks():
    mfccs = np.arange(1, 11, dtype=np.float32).reshape(5, 2)
    found = windows(mfccs, 1)
    assert found.shape == (5, 3, 2)
    assert found[0].tolist() == [[0, 0], [1, 2], [3, 4]]
    assert found[4].tolist() == [[7, 8], [9, 10], [0, 0]]
    pieces = chunks(found, 2)
    assert pieces.shape == (3, 1, 2, 3, 2)
    assert np.array_equal(pieces.reshape(6, 3, 2)[:5], found)
    assert not pieces[2, 0, 1].any()


def scores(*classes: int) -> np.ndarray:
    return np.eye(4, dtype=np.float32)[list(classes)]


def test_greedy_merges_repeats_and_drops_blanks():
    labels = [b"a", b"b", "é".encode()]
    assert greedy_text(scores(3, 0, 0, 3, 0, 1, 1, 2, 3), labels) == "aabé"
    assert greedy_text(scores(), labels) == ""
    # Labels that are pieces of one character become text together.
    assert greedy_text(scores(0, 1), [b"\xc3", b"\xa9", b"x"]) == "é"


def test_greedy_wants_scores_that_fit_the_alphabet():
    with pytest.raises(RecipeError, match=r"\[T, 3\] is needed"):
        greedy_text(scores(0), [b"a", b"b"])
