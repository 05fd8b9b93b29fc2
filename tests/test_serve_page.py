"""The page of the server, in Chromium: speech and recordings as people give them."""

import base64
import io
import wave
import zipfile

import numpy as np
import pytest

from deepspeech_recipe.corpus import subtitles
from deepspeech_recipe.runtime import Recognizer
from tests.support.browser import Browser, need_chromium
from tests.support.bundled import bundled_batches, samples_of, transcripts
from tests.support.serving import served

FIRST, SECOND = list(transcripts())[:2]
RATE = 16000
SHOWN = "document.querySelector('.speak').dataset.state"


@pytest.fixture(scope="module")
def recognizer():
    return Recognizer(bundled_batches(), config={"INFERENCE_NUM_THREADS": 1})


@pytest.fixture(scope="module")
def address():
    need_chromium()
    with served(bundled_batches(), max_streams=4) as address:
        yield address


@pytest.fixture(scope="module")
def window(tmp_path_factory):
    """Its microphone hears a room that is nearly silent, and half a second later the first recording."""
    need_chromium()
    folder = tmp_path_factory.mktemp("chromium")
    room = np.random.default_rng(0).normal(0, 1e-4, 20 * RATE)
    spoken = samples_of(FIRST)
    room[RATE // 2 :][: len(spoken)] += spoken
    write_wav(folder / "microphone.wav", room)
    browser = Browser(folder, folder / "microphone.wav")
    yield browser
    browser.close()


@pytest.fixture
def page(window, address):
    """A page that was just opened; afterwards nothing was wrong in its console, nor asked of anybody else."""
    window.addresses()
    window.console()
    window.size(1000, 900)
    window.driver.get(address)
    window.until(lambda: window.text("#model").startswith("bundled"))
    yield window
    assert window.console() == []
    others = {
        url for url in window.addresses() if not url.startswith((address, address.replace("http", "ws", 1), "blob:"))
    }
    assert others == set()
    for path in window.downloads.iterdir():
        path.unlink()


def write_wav(path, samples):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((samples * 32767).clip(-32768, 32767).astype("<i2").tobytes())


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
    for _ in range(3):  # Chromium's microphone drops sound if the machine is too busy
        seen = []

        def heard(seen=seen):
            seen.append(page.text(".card[data-state=live] .text"))
            return seen[-1] == said or len(seen[-1]) > len(said) or page.text("#clock") == "0:09"

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


def test_a_folder_is_dropped_and_its_texts_are_saved(page, recognizer, tmp_path):
    folder = tmp_path / "Gespräche"
    (folder / "below").mkdir(parents=True)
    (folder / "first.wav").write_bytes(FIRST.read_bytes())
    (folder / "below" / "second.wav").write_bytes(SECOND.read_bytes())
    (folder / "damaged.wav").write_bytes(b"no audio")
    (folder / "notes.txt").write_bytes(b"text")
    page.drop(folder)
    page.until(lambda: page.text("#progress") == "2 of 3 done, 1 failed")
    names = [element.text for element in page.all(".card h2")]
    assert names == ["Gespräche/below/second.wav", "Gespräche/damaged.wav", "Gespräche/first.wav"]
    texts = [page.text(f".card:nth-child({number}) .text") for number in (1, 2, 3)]
    assert texts == [transcripts()[SECOND], "", transcripts()[FIRST]]
    assert "cannot be read as audio" in page.text(".card:nth-child(2) .wrong")
    (refused,) = page.console()  # Chromium itself logs every such answer
    assert "v1/audio/transcriptions" in refused
    assert "status of 400" in refused
    assert page.text("#left-out") == "1 file is not a recording, and left out."
    assert "real-time factor 0." in page.text(".card:nth-child(1) .facts")

    page.find("button[aria-label='Save Gespräche/below/second.wav as VTT']").click()
    words = recognizer.transcribe(samples_of(SECOND)).words
    assert page.saved("second.vtt").decode() == subtitles.vtt(words)
    page.find("#save-all").click()
    with zipfile.ZipFile(io.BytesIO(page.saved("texts.zip"))) as archive:
        assert archive.testzip() is None
        assert sorted(archive.namelist()) == [
            f"Gespräche/{name}.{suffix}" for name in ("below/second", "first") for suffix in ("srt", "txt", "vtt")
        ]
        assert archive.read("Gespräche/below/second.srt").decode() == subtitles.srt(words)
        assert archive.read("Gespräche/first.txt").decode() == transcripts()[FIRST] + "\n"


AS_WEBM = """
const [wav, done] = arguments;
const context = new AudioContext();
context.decodeAudioData(Uint8Array.from(atob(wav), (letter) => letter.charCodeAt()).buffer).then((buffer) => {
  const [source, stream] = [context.createBufferSource(), context.createMediaStreamDestination()];
  const recorder = new MediaRecorder(stream.stream, { mimeType: "audio/webm" });
  source.buffer = buffer;
  source.connect(stream);
  source.onended = () => recorder.stop();
  recorder.ondataavailable = async ({ data }) => {
    const { take } = await import("/static/recordings.js");
    take([{ file: new File([data], "talk.webm"), path: "talk.webm" }]);
    done(data.type);
  };
  recorder.start();
  source.start();
});
"""


def test_what_only_the_browser_can_read_is_read_by_it(page):
    page.find("h1").click()  # without, Chromium starts no sound
    kind = page.driver.execute_async_script(AS_WEBM, base64.b64encode(FIRST.read_bytes()).decode())
    assert kind.startswith("audio/webm")
    page.until(lambda: page.all(".card[data-state=done]"))
    assert page.text(".text") == transcripts()[FIRST]


def test_recordings_of_one_name_are_saved_under_several(page):
    for number in (1, 2, 3):
        page.find("#files").send_keys(str(FIRST))
        page.until(lambda number=number: len(page.all(".card[data-state=done]")) == number)
    page.find(".card .remove").click()
    assert page.driver.switch_to.active_element == page.find(".card .remove")
    page.find("#files").send_keys(str(FIRST))
    page.until(lambda: page.text("#progress") == "3 of 3 done")
    page.find("#save-all").click()
    with zipfile.ZipFile(io.BytesIO(page.saved("texts.zip"))) as archive:
        found = sorted(name for name in archive.namelist() if name.endswith(".txt"))
    assert found == sorted([f"{FIRST.stem}.txt", f"{FIRST.name}.txt", f"{FIRST.name}-2.txt"])


def test_a_click_on_a_word_plays_from_there(page, recognizer):
    from selenium.webdriver import ActionChains

    page.find("#files").send_keys(str(FIRST))
    page.until(lambda: page.all(".card[data-state=done] .word"))
    _, second, third, _ = recognizer.transcribe(samples_of(FIRST)).words
    page.find(".word:nth-child(3)").click()
    assert page.until(lambda: page.text(".word.now")) == third.text
    assert page.text(".play") == "Pause"
    page.find(".play").click()
    page.until(lambda: page.text(".play") == "Play")
    stopped = page.text(".word.now")

    # On the wave form, in the middle of the second word
    box = page.find(".timeline")
    middle = (second.start + second.end) / 2 / (len(samples_of(FIRST)) / RATE)
    across = round(box.size["width"] * (middle - 0.5))
    ActionChains(page.driver).move_to_element_with_offset(box, across, -20).click().perform()
    assert page.until(lambda: {page.text(".word.now")} - {stopped, ""}) == {second.text}


def test_everything_works_by_keyboard(page, recognizer):
    from selenium.webdriver import ActionChains, Keys

    def press(*keys):
        ActionChains(page.driver).send_keys(*keys).perform()

    def focused(attribute="aria-label"):
        return page.driver.switch_to.active_element.get_attribute(attribute)

    press(Keys.TAB)
    assert focused() == "Speak"
    press(Keys.ENTER)
    page.until(lambda: page.text("#clock"))
    assert focused() == "Stop"
    press(Keys.ESCAPE)
    page.until(lambda: page.all(".card[data-state=done]"))
    assert focused() == "Speak"
    press(Keys.TAB)
    assert focused("id") == "choose-files"
    press(Keys.TAB)
    assert focused("id") == "choose-folder"
    page.find("#files").send_keys(str(FIRST))
    page.until(lambda: page.all(".card[data-state=done] .word"))
    first, second = recognizer.transcribe(samples_of(FIRST)).words[:2]
    for _ in range(8):
        press(Keys.TAB)
        if focused("role") == "slider":
            break
    assert focused("aria-valuetext") == f"{first.text}, {first.start:.1f} seconds"
    press(Keys.ARROW_RIGHT)
    assert focused("aria-valuetext") == f"{second.text}, {second.start:.1f} seconds"
    press(Keys.ENTER)
    page.until(lambda: page.text(".word.now") == second.text)
    press(Keys.SPACE)
    page.until(lambda: page.text(".play") == "Play")


CONTRAST = """
const parts = (colour) => (colour.match(/[\\d.]+/g) ?? []).map(Number);
const light = (colour) => {
  const linear = (c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  const [r, g, b] = parts(colour).map((c) => linear(c / 255));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const behind = (element) => {
  const colour = getComputedStyle(element).backgroundColor;
  return parts(colour)[3] === 0 && element.parentElement ? behind(element.parentElement) : colour;
};
const found = [];
for (const element of document.querySelectorAll("body *:not(noscript)")) {
  const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
  if (!own || !element.checkVisibility()) continue;
  const style = getComputedStyle(element);
  const [a, b] = [light(style.color), light(behind(element))];
  const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  const large = parseFloat(style.fontSize) >= 24;
  if (contrast < (large ? 3 : 4.5)) found.push([element.textContent, contrast]);
}
return found;
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_both_colour_schemes_and_on_a_phone(page, scheme):
    """Contrast as WCAG 2.2 has it (1.4.3), no sideways scrolling, buttons for fingers."""
    page.colours(scheme)
    page.size(360, 740)
    page.find("#files").send_keys(str(FIRST))
    page.until(lambda: page.all(".card[data-state=done] .word"))
    page.run("document.querySelector('#problem').textContent = 'A problem.'")
    paper = page.run("return getComputedStyle(document.body).backgroundColor")
    assert (int(paper.split("(")[1].split(",")[0]) < 128) == (scheme == "dark")
    assert page.run(CONTRAST) == []
    assert page.run("return document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
    small = [b.get_attribute("outerHTML") for b in page.all("button") if b.is_displayed() and b.size["height"] < 36]
    assert small == []


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
        said = transcripts()[FIRST].split()[0]
        window.until(lambda: window.text(".text").startswith(said))
    window.until(lambda: window.text(".wrong"))
    assert window.text(".card[data-state=failed] .text").startswith(said)
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
