"""`serve` over HTTP: transcriptions in OpenAI's forms, and what the server says of itself."""

import io
import json
import re
import socket
import time
import wave
from contextlib import suppress
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepspeech_recipe import serve
from deepspeech_recipe.corpus import subtitles
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.runtime import Recognizer
from tests.support.bundled import FOLDER, bundled_batches, samples_of
from tests.support.serving import served
from tests.support.web import ask, form, transcription

RECORDING = sorted((FOLDER / "recordings").glob("*.wav"))[0]
WAV = RECORDING.read_bytes()
FORMATS = ("json", "text", "srt", "vtt", "verbose_json")


@pytest.fixture(scope="module")
def base():
    with served(bundled_batches(), max_streams=2, idle=1.0, max_upload=2**20, max_recording=20) as address:
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


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        (b"", "talk.wav: "),
        (b"no audio at all", "talk.wav: cannot be read as audio"),
        (WAV[:-1000], "talk.wav: is cut off"),
        (WAV[:40], "talk.wav: "),
    ],
)
def test_a_damaged_recording_is_named_as_its_sender_does_and_the_next_one_is_done(base, result, file, reason):
    found = transcription(base, file)
    assert found.status == 400
    assert reason in found.message
    assert "/tmp" not in found.text
    assert transcription(base, WAV).json["text"] == result.text


def test_bounds_of_an_upload(base):
    found = transcription(base, WAV + bytes(2**23))
    assert (found.status, found.message) == (413, "The upload is larger than 1048576 bytes.")
    with io.BytesIO() as long, wave.open(long, "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(bytes(32_000 * 21))
        found = transcription(base, long.getvalue())
    assert (found.status, found.message) == (400, "talk.wav: is longer than 20 seconds.")


def test_an_upload_that_does_not_say_how_long_it_is(base):
    body, kind = form({}, bytes(2**24))
    lines = ["POST /v1/audio/transcriptions HTTP/1.1", "Host: x", f"Content-Type: {kind}", "Transfer-Encoding: chunked"]
    answer = b""
    with socket.create_connection((urlsplit(base).hostname, urlsplit(base).port), timeout=20) as client:
        client.sendall("\r\n".join([*lines, "\r\n"]).encode())
        with suppress(OSError):  # it is refused before all of it has come
            for at in range(0, len(body), 2**19):
                part = body[at : at + 2**19]
                client.sendall(f"{len(part):x}\r\n".encode() + part + b"\r\n")
        with suppress(OSError):
            answer = client.recv(2**16)
    assert b" 413 " in answer.split(b"\r\n")[0]


def test_an_upload_without_a_recording(base):
    body, kind = form({"file": "a text"})
    found = ask(base, "v1/audio/transcriptions", "POST", body, {"Content-Type": kind})
    assert found.status == 400
    assert found.message == "The field `file` is missing: a recording, uploaded as a file."
    assert ask(base, "v1/audio/transcriptions", "POST", b"{}", {"Content-Type": "application/json"}).status == 400


def test_half_an_upload_ends_in_time_and_a_client_that_goes_costs_nothing(base, result):
    body, kind = form({}, WAV)
    lines = [
        "POST /v1/audio/transcriptions HTTP/1.1",
        "Host: x",
        f"Content-Type: {kind}",
        f"Content-Length: {len(body)}",
    ]
    head = "\r\n".join([*lines, "\r\n"])
    address = urlsplit(base)
    with socket.create_connection((address.hostname, address.port)) as gone:
        gone.sendall(head.encode() + body[:1000])
    with socket.create_connection((address.hostname, address.port), timeout=10) as slow:
        slow.sendall(head.encode() + body[:1000])
        assert b" 408 " in slow.recv(2**16).split(b"\r\n")[0]
    with socket.create_connection((address.hostname, address.port)) as impatient:
        impatient.sendall(head.encode() + body)
    assert transcription(base, WAV).json["text"] == result.text
    for _ in range(200):
        if "deepspeech_recipe_streams 0.0" in (metrics := ask(base, "metrics").text):
            break
        time.sleep(0.01)
    assert "deepspeech_recipe_streams 0.0" in metrics


names = st.sampled_from(["response_format", "stream", "language", "model", "timestamp_granularities[]", "file", "x"])
values = st.one_of(st.text(max_size=8), st.sampled_from([*FORMATS, "true", "word", "en"]))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(names, values), max_size=5), st.sampled_from([None, b"", WAV[:2000]]))
def test_any_form_gets_an_answer_in_the_promised_form(base, fields, file):
    fields = [(name, value.replace("\ud800", "")) for name, value in fields]
    found = transcription(base, file, fields)
    assert found.status in (400, 404), found.text
    assert found.message


@settings(max_examples=60, deadline=None)
@given(
    st.binary(max_size=200), st.sampled_from(["multipart/form-data; boundary=x", "text/plain", "multipart/form-data"])
)
def test_any_body_gets_an_answer_in_the_promised_form(base, body, kind):
    found = ask(base, "v1/audio/transcriptions", "POST", body, {"Content-Type": kind})
    assert (found.status, bool(found.message)) == (400, True)


def test_what_the_server_says_of_itself(base):
    assert ask(base, "health").json == {"status": "ready"}
    models = ask(base, "v1/models").json
    assert models["object"] == "list"
    (model,) = models["data"]
    assert (model["id"], model["language"], model["sample_rate"], model["scorer"]) == ("bundled", "en", 16000, False)
    assert model["processor"]
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
