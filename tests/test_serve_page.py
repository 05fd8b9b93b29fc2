"""The page of the server, in Chromium: recordings as people give them, words that are played, keyboard and colours."""

import io
import zipfile
from pathlib import Path

import pytest

from deepspeech_recipe.corpus import subtitles
from tests.support.bundled import samples_of, transcripts
from tests.support.page import FIRST, RATE, SECOND, address, page, recognizer, window

pytestmark = pytest.mark.anywhere

__all__ = ["address", "page", "recognizer", "window"]
TALK = Path(__file__).with_name("fixtures") / "browser" / "talk.webm"


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


def test_what_only_the_browser_can_read_is_read_by_it(page):
    """Opus in WebM, as Chromium's MediaRecorder writes it (24 kbit/s): the server's library reads no WebM."""
    page.find("#files").send_keys(str(TALK))
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


SLOWLY = """
const play = HTMLMediaElement.prototype.play;
HTMLMediaElement.prototype.play = function () {
  this.playbackRate = 0.1;
  return play.call(this);
};
"""


@pytest.fixture
def slowly(page):
    """The page, where a word takes seconds to play: who looks late on a busy machine still sees it."""
    page.run(SLOWLY)
    return page


def test_a_click_on_a_word_plays_from_there(slowly, recognizer):
    from selenium.webdriver import ActionChains

    slowly.find("#files").send_keys(str(FIRST))
    slowly.until(lambda: slowly.all(".card[data-state=done] .word"))
    _, second, third, _ = recognizer.transcribe(samples_of(FIRST)).words
    slowly.find(".word:nth-child(3)").click()
    assert slowly.until(lambda: slowly.text(".word.now")) == third.text
    assert slowly.text(".play") == "Pause"
    slowly.find(".play").click()
    slowly.until(lambda: slowly.text(".play") == "Play")
    stopped = slowly.text(".word.now")

    # On the wave form, in the middle of the second word
    box = slowly.find(".timeline")
    middle = (second.start + second.end) / 2 / (len(samples_of(FIRST)) / RATE)
    across = round(box.size["width"] * (middle - 0.5))
    ActionChains(slowly.driver).move_to_element_with_offset(box, across, -20).click().perform()
    assert slowly.until(lambda: {slowly.text(".word.now")} - {stopped, ""}) == {second.text}


def test_everything_works_by_keyboard(slowly, recognizer):
    from selenium.webdriver import ActionChains, Keys

    def press(*keys):
        ActionChains(slowly.driver).send_keys(*keys).perform()

    def focused(attribute="aria-label"):
        return slowly.driver.switch_to.active_element.get_attribute(attribute)

    press(Keys.TAB)
    assert focused() == "Speak"
    press(Keys.ENTER)
    slowly.until(lambda: slowly.text("#clock"))
    assert focused() == "Stop"
    press(Keys.ESCAPE)
    slowly.until(lambda: slowly.all(".card[data-state=done]"))
    assert focused() == "Speak"
    press(Keys.TAB)
    assert focused("id") == "choose-files"
    press(Keys.TAB)
    assert focused("id") == "choose-folder"
    slowly.find("#files").send_keys(str(FIRST))
    slowly.until(lambda: slowly.all(".card[data-state=done] .word"))
    first, second = recognizer.transcribe(samples_of(FIRST)).words[:2]
    for _ in range(8):
        press(Keys.TAB)
        if focused("role") == "slider":
            break
    assert focused("aria-valuetext") == f"{first.text}, {first.start:.1f} seconds"
    press(Keys.ARROW_RIGHT)
    assert focused("aria-valuetext") == f"{second.text}, {second.start:.1f} seconds"
    press(Keys.ENTER)
    slowly.until(lambda: slowly.text(".word.now") == second.text)
    press(Keys.SPACE)
    slowly.until(lambda: slowly.text(".play") == "Play")


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
