"""A model that outputs bytes: greedy text, whole, in blocks and in a batch, and no scorer."""

from pathlib import Path

import numpy as np
import pytest

from deepspeech_recipe import convert
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.runtime import Recognizer
from deepspeech_recipe.runtime.decoders.lm import Scorer
from tests.support.runtime_models import ONE_THREAD, speech
from tests.support.scorer_writer import ARPA

GRAPH = Path(__file__).parent / "fixtures" / "synthetic" / "bytes.pb"


@pytest.fixture(scope="module")
def ir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bytes")
    return convert(GRAPH, folder, converter="openvino", verify=False).files[0]


def test_bytes_become_text(ir):
    """Random weights say no characters: what is no UTF-8 is replaced, and nothing else is."""
    recognizer = Recognizer(ir, config=ONE_THREAD)
    found = recognizer.transcribe(speech())
    best = recognizer.features(speech()).argmax(1)
    runs = best[np.append(True, best[1:] != best[:-1])]
    said = bytes(int(label) + 1 for label in runs if label < 255)
    assert len(said) > 5
    assert found.text == said.decode(errors="replace")
    assert "".join(letter.text for letter in found.letters) == found.text
    stream = recognizer.stream()
    for at in range(0, len(speech()), 1000):
        stream.feed(speech()[at : at + 1000])
    assert stream.finish() == found.text
    assert recognizer.transcribe_batch([speech(), speech()])[1].text == found.text


def test_a_scorer_is_refused(ir):
    with pytest.raises(RecipeError, match="a model that outputs bytes is decoded greedily, without a scorer"):
        Recognizer(ir, Scorer(ARPA))
