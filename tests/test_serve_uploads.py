"""Recordings that are sent over HTTP: damaged, too long, too slowly, or by clients that go."""

import io
import socket
import threading
import time
import wave
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepspeech_recipe.runtime import Recognizer
from deepspeech_recipe.serve import transcriptions, uploads
from tests.support.bundled import FOLDER, bundled_batches, pcm, samples_of
from tests.support.serving import served
from tests.support.web import ask, form, transcription

pytestmark = pytest.mark.anywhere

RECORDING = sorted((FOLDER / "recordings").glob("*.wav"))[0]
WAV = RECORDING.read_bytes()


@pytest.fixture(scope="module")
def base():
    with served(bundled_batches(), max_streams=2, idle=1.0, max_upload=2**20, max_recording=20) as address:
        yield address


@pytest.fixture(scope="module")
def result():
    return Recognizer(bundled_batches()).transcribe(samples_of(RECORDING))


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
    until_metric(base, "streams 0.0")


def until_metric(base: str, line: str) -> str:
    """All of them, when there is such a line among them."""
    for _ in range(3000):
        if f"\ndeepspeech_recipe_{line}\n" in (metrics := ask(base, "metrics").text):
            return metrics
        time.sleep(0.01)
    raise AssertionError(metrics)


@pytest.mark.parametrize(
    ("stream", "sound"), [("false", "noise"), ("true", "noise"), ("true", "speech")], ids=["whole", "no text", "text"]
)
def test_nothing_is_recognised_any_more_for_a_client_that_goes(stream, sound, caplog, result, monkeypatch):
    """It has sent ten minutes, and goes when the work on it has begun, or when it has read the first text."""
    caplog.set_level("WARNING", "deepspeech_recipe")
    begun, done = threading.Event(), threading.Event()

    @contextmanager
    def blocks_of(*arguments):
        try:
            with uploads.blocks_of(*arguments) as blocks:
                begun.set()
                yield blocks
        finally:
            done.set()

    monkeypatch.setattr(transcriptions, "blocks_of", blocks_of)
    said = np.resize(samples_of(RECORDING), 600 * 16000)
    samples = np.random.default_rng(0).normal(0, 0.1, len(said)) if sound == "noise" else said
    with io.BytesIO() as long, wave.open(long, "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(pcm(samples))
        body, kind = form({"stream": stream}, long.getvalue())
    head = f"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}"
    with served(bundled_batches(), max_streams=1) as base:
        with socket.create_connection((urlsplit(base).hostname, urlsplit(base).port)) as client:
            client.sendall(f"{head}\r\n\r\n".encode() + body)
            assert begun.wait(60)
            if sound == "speech":
                assert client.recv(2**16).startswith(b"HTTP/1.1 200 ")
        until_metric(base, "streams 0.0")
        assert done.wait(60)
        assert transcription(base, WAV).json["text"] == result.text
        until_metric(base, f'audio_seconds_total{{interface="recording"}} {result.seconds}')
    logged = [record.message for record in caplog.records if "transcriptions" in record.message]
    assert logged == ["127.0.0.1, /v1/audio/transcriptions: the client is gone"] * (sound == "noise")


names = st.sampled_from(["response_format", "stream", "language", "model", "timestamp_granularities[]", "file", "x"])
values = st.one_of(
    st.text(max_size=8), st.sampled_from(["json", "text", "srt", "vtt", "verbose_json", "true", "word", "en"])
)


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
