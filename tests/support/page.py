"""The server's page in Chromium, as fixtures for the tests that import them."""

import numpy as np
import pytest

from deepspeech_recipe.runtime import Recognizer
from tests.support.browser import Browser, need_chromium
from tests.support.bundled import bundled_batches, samples_of, transcripts
from tests.support.serving import served
from training import speech

FIRST, SECOND = list(transcripts())[:2]
RATE = 16000


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
    """samples: float from −1 to 1."""
    speech.write_wav(path, (samples * 32767).clip(-32768, 32767).astype("<i2"))
