"""Takes docs/page.png, the server's page in the README: a recording is done; of what is spoken, the first utterance has
ended, and the second may still change. `PYTHONPATH=. python docs/draw_page.py` (needs Chromium, its driver, and
flashlight-text)
"""

import tempfile
import wave
from pathlib import Path

import numpy as np

from deepspeech_recipe.runtime import Beam
from tests.support.browser import Browser
from tests.support.bundled import MODEL, samples_of, transcripts
from tests.support.serving import served

PICTURE = Path(__file__).with_name("page.png")
DROPPED, *SPOKEN = (list(transcripts())[number] for number in (1, 3, 0))
RATE = 16000
PAUSE = 3  # seconds: more than what ends an utterance


def main() -> None:
    options = {"name": "digits-and-commands", "decoder": Beam(100), "max_streams": 4}
    with tempfile.TemporaryDirectory() as name, served(MODEL, **options) as address:
        folder = Path(name)
        with wave.open(str(folder / "microphone.wav"), "wb") as file:
            file.setparams((1, 2, RATE, 0, "NONE", None))
            for path in SPOKEN:
                room = np.random.default_rng(0).normal(0, 3, PAUSE * RATE).astype("<i2")  # not quite silent
                file.writeframes((samples_of(path) * 32767).astype("<i2").tobytes() + room.tobytes())
        (folder / "music.wav").write_bytes(DROPPED.read_bytes())
        browser = Browser(folder, folder / "microphone.wav")
        try:
            browser.driver.get(address)
            browser.until(lambda: browser.text("#model").startswith("digits"))
            take(browser, folder / "music.wav")
        finally:
            browser.close()


def take(browser: Browser, recording: Path) -> None:
    browser.size(880, 950, density=2)
    for remove in (True, False):  # the first one compiles what the others use
        browser.drop(recording)
        browser.until(lambda: browser.all(".card[data-state=done]"))
        if remove:
            browser.find(".remove").click()
    browser.find("#microphone").click()
    live = ".card[data-state=live]"
    said = len(transcripts()[SPOKEN[0]].split()) + 3
    browser.until(lambda: len(browser.text(f"{live} .text").split()) >= said)
    assert browser.text(f"{live} .pending"), browser.text(live)
    browser.driver.save_screenshot(str(PICTURE))


if __name__ == "__main__":
    main()
