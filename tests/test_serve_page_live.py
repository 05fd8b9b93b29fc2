"""The page of the server, in Chromium, with a recording as its microphone."""

import io
import wave

import numpy as np
import pytest

from deepspeech_recipe.corpus import subtitles
from tests.support.bundled import bundled_batches, samples_of, transcripts
from tests.support.page import FIRST, RATE, address, page, recognizer, window
from tests.support.serving import served

pytestmark = pytest.mark.anywhere

__all__ = ["address", "page", "recognizer", "window"]
SHOWN = "document.querySelector('.speak').dataset.state"


def speak(page, until) -> None:
    """Presses, waits for a condition while the microphone is open, presses again, waits for the final text."""
    page.find("#microphone").click()
    page.until(until)
    page.find("#microphone").click()
    page.until(lambda: page.run(f"return {SHOWN}") == "idle")


@pytest.fixture
def saved(window, recognizer):
    """What the first card has: (what is recognised in its sound, its subtitles)."""

    def read():
        for label, suffix in (("WAV", "wav"), ("SRT", "srt")):
            window.find(f"button[aria-label$={label}]").click()
            window.until(lambda suffix=suffix: list(window.downloads.glob(f"*.{suffix}")))
        sound, times = (next(window.downloads.glob(f"*.{suffix}")) for suffix in ("wav", "srt"))
        with wave.open(io.BytesIO(window.saved(sound.name))) as file:
            assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (RATE, 1, 2)
            samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        texts = window.saved(times.name).decode()
        sound.unlink()
        times.unlink()
        return recognizer.transcribe(samples), texts

    return read


def test_speech_is_read_along_and_is_what_transcribe_hears(page, recognizer, saved):
    said = transcripts()[FIRST]
    assert said == recognizer.transcribe(samples_of(FIRST)).text
    for _ in range(5):  # Chromium's microphone drops sound if the machine is too busy
        seen = []

        def heard(seen=seen):
            seen.append(page.text(".card[data-state=live] .text"))
            return seen[-1] == said or len(seen[-1]) > len(said) or page.text("#clock") >= "0:09"

        speak(page, heard)
        text = page.text(".card[data-state=done] .text")
        sound, times = saved()
        assert text == sound.text, "whatever came through the microphone"
        assert times == subtitles.srt(sound.words)
        if text == said:
            break
    assert text == said
    assert len(set(seen)) > 3, "it comes while it is said"
    assert page.run("return document.querySelector('#announced').textContent") == f"{said} "


READ = """
const [text, settled, done] = arguments;
import("/static/card.js").then(({ Card }) => {
  const card = new Card("live");
  card.set("live");
  card.read(text, settled);
  done();
});
"""


def test_what_may_still_change_is_grey_and_what_is_settled_is_black(page):
    page.driver.execute_async_script(READ, "a 😀 settled, and not", len("a 😀 settled"))
    assert page.text(".card .text") == "a 😀 settled, and not"
    assert page.text(".card .pending") == ", and not"
    colour = "return getComputedStyle(document.querySelector(arguments[0])).color"
    assert page.run(colour, ".card .text") == page.run(colour, "body")
    assert page.run(colour, ".card .pending") == "rgb(139, 135, 126)"


REFUSED = "navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('', arguments[0]); }"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("NotAllowedError", "does not let this page use the microphone"),
        ("NotFoundError", "No microphone was found"),
        ("NotReadableError", "another program may have it"),
    ],
)
def test_why_there_is_no_microphone_is_said(page, name, words):
    page.run(REFUSED.replace("arguments[0]", repr(name)))
    page.find("#microphone").click()
    page.until(lambda: words in page.text("#problem"))
    assert page.run(f"return {SHOWN}") == "idle"


@pytest.mark.long
def test_a_full_server_is_waited_for_with_recordings_and_a_lost_one_leaves_what_was_said(window):
    from websockets.sync.client import connect

    with served(bundled_batches(), max_streams=1) as address:
        window.driver.get(address)
        window.until(lambda: window.text("#model"))
        with connect(address.replace("http", "ws", 1) + "v1/stream") as other:
            assert '"ready"' in other.recv()
            window.find("#microphone").click()
            window.until(lambda: "in use" in window.text("#problem") + window.text(".wrong"))
            window.until(lambda: window.run(f"return {SHOWN}") == "idle")
            for button in window.all(".remove"):
                button.click()
            window.find("#files").send_keys(str(FIRST))
            window.until(lambda: "in use" in window.text(".card[data-state=waiting] .doing"))
        window.until(lambda: window.text(".card[data-state=done] .text") == transcripts()[FIRST])
        window.find(".remove").click()
        window.find("#microphone").click()
        window.until(lambda: window.text(".text").strip())
    window.until(lambda: window.text(".wrong"))
    assert window.text(".card[data-state=failed] .text").strip()
    assert window.find(".again").is_displayed()
    assert window.find("button[aria-label$=WAV]").is_displayed()
    window.find(".again").click()
    window.until(lambda: "connection to the server was lost" in window.text(".wrong"))
    window.console()  # Chromium itself logs lost connections


def test_a_token_is_asked_for_once(window):
    with served(bundled_batches(), max_streams=1, token="a secret") as address:
        window.driver.get(address)
        assert not window.find("#wrong").is_displayed()
        window.find("#token").send_keys("a guess")
        window.find("button").click()
        window.until(lambda: window.find("#wrong").is_displayed())
        window.find("#token").send_keys("a secret")
        window.find("button").click()
        window.until(lambda: window.text("#model").startswith("bundled"))
        window.find("#microphone").click()
        window.until(lambda: window.text("#clock"))
        window.find("#microphone").click()
        window.until(lambda: window.all(".card[data-state=done]"))
        window.driver.get(address)
        window.until(lambda: window.text("#model").startswith("bundled"))
    window.console()  # Chromium itself logs a page with status 401


RESAMPLED = """
const [from, to, frequency, done] = arguments;
import("/static/audio.js").then(({ Resampler }) => {
  const samples = Float32Array.from({ length: from }, (_, n) => Math.cos((2 * Math.PI * frequency * n) / from));
  const resampler = new Resampler(from, to);
  const made = [];
  for (let at = 0; at < from; at += 128) made.push(...resampler.feed(samples.subarray(at, at + 128)));
  done([...made, ...resampler.finish()]);
});
"""


@pytest.mark.parametrize("rates", [(48000, 16000), (44100, 16000), (48000, 8000), (8000, 16000)])
def test_the_microphone_is_resampled_as_exactly_as_16_bits_tell(page, rates):
    """What both rates can carry comes through, and nothing above the lower Nyquist frequency (−70 dB)."""
    source, target = rates
    nyquist = min(rates) / 2
    times = np.arange(target) / target
    inner = slice(target // 10, -target // 10)
    for frequency in (0.1 * nyquist, 0.85 * nyquist, 1.05 * nyquist):
        if frequency > source / 2:
            continue
        made = np.array(page.driver.execute_async_script(RESAMPLED, source, target, frequency))
        wanted = np.cos(2 * np.pi * frequency * times) if frequency < nyquist else np.zeros(target)
        assert made.shape == (target,)
        assert np.abs(made - wanted)[inner].max() < 3e-4
