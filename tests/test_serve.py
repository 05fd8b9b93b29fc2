"""`serve` over HTTP: transcriptions in OpenAI's forms, and what the server says of itself."""

import json
import re
import time

import pytest

from deepspeech_recipe import serve
from deepspeech_recipe.corpus import subtitles
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.runtime import Recognizer
from tests.support.bundled import FOLDER, bundled_batches, samples_of
from tests.support.serving import served
from tests.support.web import ask, transcription

pytestmark = pytest.mark.anywhere

RECORDING = sorted((FOLDER / "recordings").glob("*.wav"))[0]
WAV = RECORDING.read_bytes()
FORMATS = ("json", "text", "srt", "vtt", "verbose_json")


@pytest.fixture(scope="module")
def base():
    with served(bundled_batches(), max_streams=2) as address:
        yield address


@pytest.fixture(scope="module")
def result():
    return Recognizer(bundled_batches()).transcribe(samples_of(RECORDING))


def test_the_text_in_each_form(base, result):
    found = {form: transcription(base, WAV, {"response_format": form}) for form in FORMATS}
    assert {answer.status for answer in found.values()} == {200}
    assert found["json"].json == {"text": result.text}
    assert found["text"].text == f"{result.text}\n"
    assert found["srt"].text == subtitles.srt(result.words)
    assert found["vtt"].text == subtitles.vtt(result.words)
    assert found["vtt"].headers["content-type"].startswith("text/vtt")
    verbose = found["verbose_json"].json
    assert (verbose["text"], verbose["duration"], verbose["language"]) == (result.text, result.seconds, "en")
    assert [(each["start"], each["end"], each["text"]) for each in verbose["segments"]] == [
        *subtitles.cues(result.words)
    ]
    assert "words" not in verbose


@pytest.mark.parametrize(("asked", "there"), [(["word"], {"words"}), (["word", "segment"], {"words", "segments"})])
def test_words_and_segments_as_they_are_asked_for(base, result, asked, there):
    fields = [("response_format", "verbose_json"), *(("timestamp_granularities[]", each) for each in asked)]
    found = transcription(base, WAV, fields).json
    assert {"words", "segments"} & {*found} == there
    assert found["words"] == [{"word": each.text, "start": each.start, "end": each.end} for each in result.words]


def test_the_text_as_it_comes(base, result):
    found = transcription(base, WAV, {"stream": "true"})
    assert found.headers["content-type"].startswith("text/event-stream")
    events = [json.loads(line.removeprefix("data: ")) for line in found.text.split("\n\n") if line]
    assert [each["type"] for each in events[:-1]] == ["transcript.text.delta"] * (len(events) - 1)
    assert "".join(each["delta"] for each in events[:-1]) == result.text
    assert events[-1] == {"type": "transcript.text.done", "text": result.text}


def test_what_is_not_known_is_ignored(base, result):
    fields = {"prompt": "a", "temperature": "0.3", "colour": "blue", "model": "bundled", "language": "en-GB"}
    assert transcription(base, WAV, fields).json == {"text": result.text}


REFUSED = [
    ({"response_format": "xml"}, 400, "response_format", "must be json or text or srt or vtt or verbose_json"),
    ({"stream": "perhaps"}, 400, "stream", "must be true or 1 or false or 0"),
    ({"stream": "true", "response_format": "srt"}, 400, "response_format", "as it comes, not srt"),
    ({"model": "whisper-1"}, 404, "model", "There is no model 'whisper-1' here, only 'bundled'"),
    ({"language": "de"}, 400, "language", "The model's language is 'en', not 'de'"),
    ({"timestamp_granularities[]": "word"}, 400, "timestamp_granularities[]", "is about response_format=verbose_json"),
    (
        {"timestamp_granularities[]": "line", "response_format": "verbose_json"},
        *(400, "timestamp_granularities[]", "must be segment or word"),
    ),
]


@pytest.mark.parametrize(("fields", "status", "param", "reason"), REFUSED)
def test_values_that_do_not_fit(base, fields, status, param, reason):
    found = transcription(base, WAV, fields)
    assert (found.status, found.json["error"]["param"]) == (status, param)
    assert reason in found.message


def test_what_the_server_says_of_itself(base):
    assert ask(base, "health").json == {"status": "ready"}
    models = ask(base, "v1/models").json
    assert models["object"] == "list"
    (model,) = models["data"]
    assert ask(base, "v1/models/bundled").json == model
    other = ask(base, "v1/models/whisper-1")
    assert (other.status, other.message) == (404, "There is no model 'whisper-1' here, only 'bundled'.")
    assert (model["id"], model["language"], model["sample_rate"], model["scorer"]) == ("bundled", "en", 16000, False)
    assert model["processor"]
    assert transcription(base, WAV).status == 200
    metrics = ask(base, "metrics").text
    assert "deepspeech_recipe_streams_limit 2.0" in metrics
    assert float(re.search(r'audio_seconds_total\{interface="recording"\} (\S+)', metrics)[1]) > 0
    assert float(re.search(r"batch_rows_count (\S+)", metrics)[1]) > 0


def test_addresses_that_are_not_there(base):
    found = ask(base, "nothing")
    assert (found.status, found.message) == (404, "Not Found")
    assert ask(base, "v1/models", "POST").status == 405
    assert ask(base, "static/../access.py").status == 404
    assert ask(base, "static/%2e%2e/access.py").status == 404


def test_an_address_does_nothing_to_the_terminal_of_the_log(base, caplog):
    caplog.set_level("WARNING", "deepspeech_recipe")  # whatever Model Optimizer has set
    ask(base, "%1b%5b2Ja%00")
    assert "/\ufffd[2Ja\ufffd: 404" in caplog.text


def test_every_answer_keeps_the_page_to_itself(base):
    for path in ("", "health", "v1/models", "nothing", "static/page.css"):
        headers = ask(base, path).headers
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"


def test_a_model_that_cannot_be_loaded_is_said_without_its_place(tmp_path):
    path = tmp_path / "model.pb"
    path.write_bytes(b"nothing")
    with served(path, ready=False) as base:
        for _ in range(500):
            if ask(base, "health").json == {"status": "failed"}:
                break
            time.sleep(0.01)
        assert ask(base, "health").status == 503
        found = transcription(base, WAV)
    assert (found.status, found.headers["retry-after"]) == (503, "1")
    assert found.message == "The model cannot be loaded; the server's log says why."


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"max_streams": 0}, "max_streams is 0"),
        ({"silence": -1}, "silence is -1"),
        ({"idle": float("nan")}, "idle is nan"),
    ],
)
def test_options_that_are_not_possible(options, reason):
    with pytest.raises(RecipeError, match=reason):
        serve.app(bundled_batches(), **options)


def test_how_many_streams_keep_real_time_is_measured():
    with served(bundled_batches()) as base:
        limit = float(re.search(r"streams_limit (\d\S*)", ask(base, "metrics").text)[1])
    assert limit > 2
