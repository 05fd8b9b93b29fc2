"""Chromium without a screen, and with a recording as its microphone."""

import importlib.util
import json
import shutil
from pathlib import Path

import pytest

NEEDS = "needs chromium, chromedriver and selenium: ci/test says how to get them"
_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--hide-scrollbars", "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"),
    *("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"),
)


class Browser:
    """A window of Chromium. driver: Selenium's, for all that is not here. downloads: where saved files go."""

    def __init__(self, folder: Path, microphone: Path):
        """folder: for its profile and downloads; microphone: a WAV file, which begins when the microphone is opened."""
        from selenium import webdriver

        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium")
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        for flag in _FLAGS:
            options.add_argument(flag)
        options.add_argument("about:blank")
        options.add_argument(f"--user-data-dir={folder / 'profile'}")
        options.add_argument(f"--use-file-for-fake-audio-capture={microphone}%noloop")
        self.downloads = folder / "downloads"
        self.downloads.mkdir()
        service = webdriver.ChromeService(shutil.which("chromedriver"))
        self.driver = webdriver.Chrome(options, service)
        self.command("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(self.downloads))
        self.requests: list[str] = []

    def command(self, name: str, **parameters) -> dict:
        """Of the DevTools protocol."""
        return self.driver.execute_cdp_cmd(name, parameters)

    def find(self, selector: str):
        return self.driver.find_element("css selector", selector)

    def all(self, selector: str) -> list:
        return self.driver.find_elements("css selector", selector)

    def text(self, selector: str) -> str:
        """'' if there is no such element, as nothing is displayed then."""
        return self.driver.execute_script("return document.querySelector(arguments[0])?.innerText ?? ''", selector)

    def run(self, script: str, *arguments):
        return self.driver.execute_script(script, *arguments)

    def until(self, condition, seconds: float = 120):
        """Waits for a condition → its value. While one page goes and the next one comes, it may fail."""
        from selenium.common.exceptions import TimeoutException, WebDriverException
        from selenium.webdriver.support.wait import WebDriverWait

        try:
            return WebDriverWait(self.driver, seconds, 0.02, [WebDriverException]).until(lambda _: condition())
        except TimeoutException:
            raise AssertionError(f"Not within {seconds} s. The page: {self.text('body')!r}") from None

    def drop(self, *paths: Path) -> None:
        """Files and folders, from outside, in the middle of the window."""
        data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            self.command("Input.dispatchDragEvent", type=kind, x=200, y=200, data=data)

    def saved(self, name: str) -> bytes:
        """A file that the page saved, as soon as it is whole."""
        path = self.downloads / name
        self.until(lambda: path.exists() and path.stat().st_size > 0)
        return path.read_bytes()

    def colours(self, scheme: str) -> None:
        """'light' or 'dark'."""
        self.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def size(self, width: int, height: int, density: int = 1) -> None:
        """Of the page, in its own pixels; density: how many of the screen make one of them."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": density, "mobile": False}
        self.command("Emulation.setDeviceMetricsOverride", **metrics)

    def console(self) -> list[str]:
        """What was logged since the last time."""
        return [f"{entry['level']}: {entry['message']}" for entry in self.driver.get_log("browser")]

    def addresses(self) -> set[str]:
        """All that was asked for since the last time, WebSockets among it."""
        found = set()
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                found.add(message["params"]["request"]["url"])
            elif message["method"] == "Network.webSocketCreated":
                found.add(message["params"]["url"])
        return found

    def close(self) -> None:
        self.driver.quit()


def need_chromium() -> None:
    """Skips the test if there is none."""
    if not (shutil.which("chromium") and shutil.which("chromedriver") and importlib.util.find_spec("selenium")):
        pytest.skip(NEEDS)
