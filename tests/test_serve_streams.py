"""Live streams over WebSockets: the same texts as whole recordings, whatever comes in which blocks."""

import asyncio
import json
import random
import threading
import time
from contextlib import contextmanager

import pytest
import websockets
from websockets.sync.client import connect

from deepspeech_recipe import serve
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.runtime import Recognizer, Result, Scorer
from deepspeech_recipe.serve.incoming import Incoming
from deepspeech_recipe.serve.utterances import Settings, Utterances, chosen
from tests.support.bundled import FOLDER, bundled_batches, bundled_ir, pcm, samples_of
from tests.support.decoding import ENGLISH
from tests.support.scorer_writer import spell, words, write_scorer
from tests.support.serving import served
from tests.support.web import ask

pytestmark = pytest.mark.anywhere

RECORDINGS = sorted((FOLDER / "recordings").glob("*.wav"))


AUDIO = {path: pcm(samples_of(path)) for path in RECORDINGS}


@pytest.fixture(scope="module")
def recognizer():
    return Recognizer(bundled_batches(), max_batch=4)


@pytest.fixture(scope="module")
def results(recognizer):
    return {path: recognizer.transcribe(samples_of(path)) for path in RECORDINGS}


@pytest.fixture(scope="module")
def base():
    with served(bundled_batches(), max_streams=24, silence=0, idle=20) as address:
        yield address


@contextmanager
def stream(base: str, **options):
    """A connection, behind its first message."""
    with connect(base.replace("http", "ws") + "v1/stream", max_size=None, **options) as found:
        assert json.loads(found.recv())["type"] == "ready"
        yield found


def final(connection) -> dict:
    """The next one; partial texts before it grow as they say."""
    settled = ""
    while (message := json.loads(connection.recv(30)))["type"] == "partial":
        assert message["text"].startswith(settled)
        assert 0 <= message["settled"] <= len(message["text"])
        settled = message["text"][: message["settled"]]
    assert message["type"] == "final", message
    assert message["text"].startswith(settled.rstrip())
    return message


def test_a_stream_has_the_text_words_and_length_of_the_recording(base, results):
    path = RECORDINGS[0]
    with stream(base) as connection:
        for at in range(0, len(AUDIO[path]), 1001):
            connection.send(AUDIO[path][at : at + 1001])
        connection.send('{"end": true}')
        found = final(connection)
    wanted: Result = results[path]
    assert (found["text"], found["seconds"]) == (wanted.text, wanted.seconds)
    assert found["words"] == [{"word": each.text, "start": each.start, "end": each.end} for each in wanted.words]
    assert found["confidence"] == pytest.approx(wanted.confidence, rel=1e-4)
    assert " ".join(each["text"] for each in found["segments"]) == wanted.text


def test_many_streams_of_random_blocks_with_drops_and_returns(base, results):
    """Each hears recordings in blocks of any size, is dropped in the middle sometimes, and begins again."""
    errors = []

    def hear(seed: int) -> None:
        rng = random.Random(seed)
        try:
            for _ in range(3):
                path = rng.choice(RECORDINGS)
                with stream(base) as connection:
                    if rng.random() < 0.3:
                        connection.send(AUDIO[path][: rng.randrange(40_000)])
                        continue
                    for _ in range(rng.randrange(1, 3)):
                        at = 0
                        while at < len(AUDIO[path]):
                            size = rng.choice([1, 3, 641, 5000, 20_000, 100_001])
                            connection.send(AUDIO[path][at : at + size])
                            at += size
                        connection.send('{"end": true}')
                        assert final(connection)["text"] == results[path].text
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=hear, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    end = time.monotonic() + 10
    while "deepspeech_recipe_streams 0.0" not in ask(base, "metrics").text:
        assert time.monotonic() < end
        time.sleep(0.01)


def test_another_rate_is_converted(base, results):
    path = RECORDINGS[0]
    with stream(base) as connection:
        connection.send('{"rate": 48000}')
        audio = pcm(samples_of(path), 48000)
        for at in range(0, len(audio), 9999):
            connection.send(audio[at : at + 9999])
        connection.send('{"end": true}')
        found = final(connection)
    assert found["text"] == results[path].text
    assert found["seconds"] == pytest.approx(results[path].seconds, abs=0.01)


UNFIT = [
    ("[]", "must be a JSON object"),
    ("{", "must be a JSON object"),
    ("[" * 100_000, "must be a JSON object"),
    ('{"rate": 10}', "a whole number from 1000 to 768000"),
    ('{"rate": 1e400}', "a whole number from 1000 to 768000"),
    ('{"silence": "long"}', "must be a number of seconds"),
    ('{"silence": NaN}', "must be a number of seconds"),
    ('{"hot_words": ["a"]}', "must be an object of words and numbers"),
    ('{"alpha": "1"}', "alpha and beta must be numbers"),
    ('{"alpha": 1}', "are about a scorer, and there is none"),
]


@pytest.mark.parametrize(("text", "reason"), UNFIT, ids=range(len(UNFIT)))
def test_settings_that_do_not_fit_end_the_connection_with_the_reason(base, text, reason):
    with stream(base) as connection:
        connection.send(text)
        message = json.loads(connection.recv())
        assert message["type"] == "error"
        assert reason in message["message"]
        with pytest.raises(websockets.ConnectionClosed) as closed:
            connection.recv()
    assert closed.value.rcvd.code == 1003


def test_settings_come_before_the_samples_and_may_come_again_between_utterances(base):
    with stream(base) as connection:
        connection.send('{"silence": 1, "colour": "blue"}')
        connection.send(bytes(1000))
        connection.send('{"end": true}')
        assert final(connection)["text"] == ""
        connection.send('{"rate": 8000}')
        connection.send(bytes(16_000))
        connection.send('{"end": true}')
        assert final(connection)["seconds"] == 1
        connection.send(bytes(1000))
        connection.send('{"rate": 8000}')
        assert "before the first sample" in json.loads(connection.recv())["message"]


def test_noise_and_nothing_are_no_errors(base):
    with stream(base) as connection:
        connection.send('{"end": true}')
        assert final(connection) == final_of_nothing(0)
        connection.send(b"")
        connection.send(b"x")
        connection.send('{"end": true}')
        assert final(connection) == final_of_nothing(0)
        connection.send(random.Random(0).randbytes(99_999))
        connection.send('{"end": true}')
        assert final(connection)["seconds"] == 49_999 / 16000


def final_of_nothing(seconds: float) -> dict:
    return {
        "type": "final", "text": "", "words": [], "segments": [], "seconds": seconds,
        "confidence": pytest.approx(0, abs=1e-2),
    }  # fmt: skip


def test_a_stream_too_many_is_refused_and_the_others_go_on(results):
    path = RECORDINGS[0]
    with served(bundled_batches(), max_streams=1, silence=0) as base:
        with stream(base) as first:
            with connect(base.replace("http", "ws") + "v1/stream") as second:
                message = json.loads(second.recv())
                assert message == {
                    "type": "error",
                    "message": "All places for streams are in use, 1 of 1. Try again in a moment.",
                }
                with pytest.raises(websockets.ConnectionClosed) as closed:
                    second.recv()
                assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1013, message["message"])
            first.send(AUDIO[path])
            first.send('{"end": true}')
            assert final(first)["text"] == results[path].text
        assert 'refused_total{reason="streams"} 1.0' in ask(base, "metrics").text


def test_a_stream_that_stops_sending_gets_its_text_and_is_closed(results):
    path = RECORDINGS[0]
    with served(bundled_batches(), max_streams=1, silence=0, idle=0.3) as base, stream(base) as connection:
        connection.send(AUDIO[path])
        assert final(connection)["text"] == results[path].text
        assert json.loads(connection.recv())["message"] == "Nothing came for 0.3 seconds."
        with pytest.raises(websockets.ConnectionClosedOK):
            connection.recv()


def test_who_does_not_read_is_given_up():
    """As any ASGI host says it: what is sent does not get away."""
    application = serve.app(bundled_batches(), max_streams=1, idle=0.2)
    sent = []

    async def receive() -> dict:
        return {"type": "websocket.connect"} if not sent else {"type": "websocket.receive", "text": '{"end": true}'}

    async def send(message: dict) -> None:
        sent.append(message["type"])
        if len(sent) == 3:  # it was accepted, and has read that the server is ready
            await asyncio.Event().wait()

    async def run() -> int:
        engine = application.state.engine
        await engine.start()
        scope = {
            "type": "websocket",
            "path": "/v1/stream",
            "headers": [(b"host", b"x")],
            "query_string": b"",
            "scheme": "ws",
        }
        await asyncio.wait_for(application(scope, receive, send), 10)
        return engine.streams.taken

    assert asyncio.run(run()) == 0
    assert sent == ["websocket.accept", "websocket.send", "websocket.send"]


def test_hot_words_and_weights_of_a_stream_and_no_place_of_the_scorer(tmp_path, results):
    path = RECORDINGS[0]
    said = results[path].text
    scorer = write_scorer(tmp_path / "words.scorer", [spell(word, ENGLISH) for word in words()])
    decoder = Scorer(scorer, beam_width=50)
    with served(bundled_batches(), max_streams=4, silence=0, decoder=decoder) as base:
        texts = []
        for asked in ({}, {"hot_words": {said.split()[-1]: -200.0}}):
            with stream(base) as connection:
                connection.send(json.dumps(asked))
                connection.send(AUDIO[path])
                connection.send('{"end": true}')
                texts.append(final(connection)["text"])
        with stream(base) as connection:
            connection.send('{"hot_words": {"xyzzy": 1}}')
            error = json.loads(connection.recv())["message"]
    assert texts[0] == said
    assert texts[1].split()[-1] != said.split()[-1]
    assert error == "words.scorer: does not know the hot words 'xyzzy'."


# Without a network: what comes of bytes.


def events(utterances: Utterances, audio: bytes, sizes) -> list:
    found, at = [], 0
    while at < len(audio):
        size = next(sizes)
        utterances.add(audio[at : at + size])
        if utterances.due:
            found += utterances.work()
        at += size
    return [*found, *utterances.end()]


def sizes(seed: int):
    rng = random.Random(seed)
    while True:
        yield rng.choice([1, 7, 640, 3001, 50_000])


@pytest.mark.parametrize(
    "ir", [bundled_batches, bundled_ir, lambda: bundled_ir("streaming")], ids=["batches", "one", "inside"]
)
def test_utterances_end_at_the_same_samples_however_they_are_cut(ir):
    """Two recordings with silence between them are two utterances."""
    recognizer = Recognizer(ir())
    audio = AUDIO[RECORDINGS[0]] + bytes(2 * 32_000) + AUDIO[RECORDINGS[1]] + bytes(2 * 32_000)
    settings = Settings(silence=1.5)
    found = [events(Utterances(recognizer, settings), audio, sizes(seed)) for seed in range(3)]
    assert found[0] == found[1] == found[2]
    ends = [each for each in found[0] if isinstance(each, Result)]
    assert ends[0].text == recognizer.transcribe(samples_of(RECORDINGS[0])).text
    assert ends[1].text.endswith(recognizer.transcribe(samples_of(RECORDINGS[1])).text)
    assert sum(each.seconds for each in ends) == len(audio) / 32_000


def test_an_utterance_ends_when_it_is_too_long(recognizer):
    found = events(Utterances(recognizer, Settings(longest=2.0)), AUDIO[RECORDINGS[0]], sizes(0))
    lengths = [each.seconds for each in found if isinstance(each, Result)]
    assert len(lengths) > 1
    assert max(lengths) < 2.4


def test_a_partial_text_is_told_once(recognizer):
    found = events(Utterances(recognizer, Settings()), AUDIO[RECORDINGS[0]] + bytes(64_000), sizes(0))
    texts = [each.text for each in found[:-1]]
    assert len(texts) == len(set(texts)) > 3


def test_settings_of_a_scorer_need_one(recognizer):
    with pytest.raises(RecipeError, match="are about a scorer, and there is none"):
        Utterances(recognizer, chosen(Settings(), {"hot_words": {"a": 1.0}}))


def test_nothing_is_worked_on_for_a_client_that_is_gone(recognizer):
    gone = threading.Event()
    utterances = Utterances(recognizer, Settings(), gone)
    utterances.add(AUDIO[RECORDINGS[0]])
    work = utterances.work()
    assert next(work).text
    gone.set()
    assert [*work, *utterances.end()] == []


def test_that_a_client_is_gone_is_known_while_a_message_is_worked_on():
    async def run() -> list:
        messages = asyncio.Queue()
        incoming = Incoming(messages.get, lambda message: message == "end", asyncio.Event(), 5)
        messages.put_nowait("a")
        found = [await incoming.message(), incoming.gone.is_set()]
        messages.put_nowait("end")
        for _ in range(3):
            await asyncio.sleep(0)
        found += [incoming.gone.is_set(), await incoming.message()]
        incoming.close()
        return found

    assert asyncio.run(run()) == ["a", False, True, "end"]
