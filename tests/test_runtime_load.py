"""Many streams at once: every one hears all, and every chunk is counted. (How long they take is not tested.)"""

import numpy as np
import pytest

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.runtime import Recognizer, Stream
from deepspeech_recipe.runtime.load import Load, load
from tests.support import runtime_models
from tests.support.runtime_models import ONE_THREAD, recognizer, speech


@pytest.mark.parametrize("pace", [None, 500])
@pytest.mark.parametrize("rows", [None, 2])
def test_every_stream_gets_the_whole_text(rows, pace):
    one = Recognizer(runtime_models.model("windows, open"), config=ONE_THREAD, max_batch=rows, max_delay=0)
    audio = np.resize(speech(), 32000)
    found = load(one, audio, 3, pace=pace)
    assert (found.streams, found.audio, len(found.latencies)) == (3, 6.0, 3 * 6)
    assert found.texts == (recognizer("windows, open").transcribe(audio).text,) * 3
    assert found.wall > 0
    assert found.cpu > 0


def test_speed_and_latencies_are_computed_from_the_measurements():
    found = Load(2, 30.0, 10.0, 1.0, np.arange(101) / 100, ("", ""))
    assert (found.speed, found.latency(0.5), found.latency(0.95), found.latency(1)) == (3, 0.5, 0.95, 1)


def test_too_few_streams_or_samples_are_refused(monkeypatch):
    one = recognizer("windows, open")
    for streams, samples in ((0, speech()), (1, speech()[:10000])):
        with pytest.raises(RecipeError, match="at least 1 of 10240 is needed"):
            load(one, samples, streams)
    with pytest.raises(RecipeError, match="Sample 9 is nan"):
        load(one, np.where(np.arange(20000) == 9, np.nan, 0), 2)

    def fail(stream, samples):
        raise RecipeError("out of paper")

    one.transcribe(speech())
    monkeypatch.setattr(Recognizer, "transcribe", lambda *arguments: None)
    monkeypatch.setattr(Stream, "feed", fail)
    with pytest.raises(RecipeError, match="out of paper"):
        load(one, speech(), 3)
