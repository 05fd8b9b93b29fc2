"""The bundled model in 8 bits, as `convert` writes it: one text, whatever the form of the IR and who runs it."""

from functools import cache

import pytest

from deepspeech_recipe.conversion.convert import convert
from deepspeech_recipe.runtime import Recognizer
from tests.support.bundled import MODEL, samples_of, transcripts
from tests.support.runtime_models import ONE_THREAD

FORMS = {
    "as the graph": {},
    "internal": {"state": "internal"},
    "separate": {"audio": "separate", "batch": "dynamic", "time_steps": "dynamic"},
    "attached": {"audio": "attached", "batch": "dynamic"},
    "lengths": {"audio": "attached", "lengths": "input", "batch": "dynamic"},
    "streaming": {"audio": "attached", "state": "internal"},
}
RECORDINGS = list(transcripts())[:4]


@cache
def expected() -> list[str]:
    """By the IR in full precision."""
    from tests.support.bundled import bundled_ir

    one = Recognizer(bundled_ir(), config=ONE_THREAD)
    return [one.transcribe(samples_of(path)).text for path in RECORDINGS]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_an_8_bit_model_gives_the_same_text(form, tmp_path):
    path = convert(MODEL, tmp_path, converter="openvino", verify=False, weights="int8", **FORMS[form]).files[0]
    one = Recognizer(path, config=ONE_THREAD)
    samples = [samples_of(path) for path in RECORDINGS]
    assert [one.transcribe(each).text for each in samples] == expected()
    assert all(expected())
    assert [result.text for result in one.transcribe_batch(samples)] == expected()
    assert one._ir.input_kind != "utterance"  # it goes chunk by chunk
    if "batch" in FORMS[form]:
        shared = Recognizer(path, config=ONE_THREAD, max_batch=3, max_delay=0)
        streams = [shared.stream() for _ in samples]
        for stream, each in zip(streams, samples, strict=True):
            stream.feed(each)
        assert [stream.finish() for stream in streams] == expected()
