"""A real browser without a window, for tests of the pages that this package writes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

#: Debian calls the program chromium, others chrome.
_PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "chrome")
_FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
)  # fmt: skip


def programs() -> tuple[str, str] | None:
    """Paths of the browser and of its driver; None where one of them is not installed."""
    found, driver = next(filter(None, map(shutil.which, _PROGRAMS)), None), shutil.which("chromedriver")
    return (found, driver) if found and driver else None


class Browser:
    """Opens pages from the file system, and notes what they say and ask for.

    Attributes:
        driver: selenium's own, for whatever a test wants to do.
    """

    def __init__(self, program: str, driver: str) -> None:
        options = Options()
        options.binary_location = program
        for flag in _FLAGS:
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(driver))

    def open(
        self, path: Path, *, width: int = 1366, height: int = 768, dark: bool = False, printed: bool = False
    ) -> None:
        """Load a page anew, in a window of so many CSS pixels."""
        self._do("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._do("Emulation.setEmulatedMedia", media="print" if printed else "", features=[scheme])
        self._logged("browser"), self._logged("performance")  # what earlier pages left
        self.driver.get(path.resolve().as_uri())

    def script(self, text: str, *given: Any) -> Any:
        """What a function body says, e.g. ``return document.title``; ``given`` are its ``arguments``."""
        return self.driver.execute_script(text, *given)

    def complaints(self) -> list[str]:
        """What the console has had to say since the page was opened."""
        return [entry["message"] for entry in self._logged("browser")]

    def requests(self) -> list[str]:
        """Addresses that the page has asked for since it was opened, its own and embedded data left out."""
        asked = []
        for entry in self._logged("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                address = message["params"]["request"]["url"]
                if address != self.driver.current_url.partition("#")[0] and not address.startswith(("data:", "blob:")):
                    asked.append(address)
        return asked

    def overflow_px(self) -> int:
        """By how much the page is wider than its window; 0 where nothing has to be scrolled sideways."""
        return int(self.script("return document.documentElement.scrollWidth - window.innerWidth"))

    def picture(self, path: Path, *, whole: bool = False) -> Path:
        """Write what is seen, or the whole page, as a PNG."""
        if whole:
            import base64

            taken = self._do("Page.captureScreenshot", captureBeyondViewport=True)
            path.write_bytes(base64.b64decode(taken["data"]))
        else:
            self.driver.save_screenshot(str(path))
        return path

    def close(self) -> None:
        """End the program."""
        self.driver.quit()

    def _do(self, command: str, **given: Any) -> Any:
        return self.driver.execute_cdp_cmd(command, given)

    def _logged(self, kind: str) -> list[dict[str, Any]]:
        return list(self.driver.get_log(kind))
