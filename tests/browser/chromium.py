"""A headless Chromium that downloads nothing, and a page opened in it from a file."""

import json
import shutil
from pathlib import Path

MISSING = "No Chromium with its driver (Debian: apt install chromium chromium-driver)."
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--hide-scrollbars",
)  # fmt: skip


class Page:
    """One page in the browser, and everything the browser said and fetched meanwhile."""

    def __init__(self, driver) -> None:
        self.driver = driver

    def open(self, path: Path, *, width: int = 1280) -> None:
        self.driver.get("about:blank")  # what leaving the page before makes it say is not ours
        self.said()
        self.requested()
        screen = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
        self.driver.get(path.resolve().as_uri())

    def run(self, script: str):
        return self.driver.execute_script(script)

    def press(self, key: str) -> None:
        """Press and release a key, by the name of its code, on what has the focus."""
        text = {"Space": " "}.get(key, key)
        for kind in ("keyDown", "keyUp"):
            told = {"type": kind, "code": key, "key": text, "text": text}
            self.driver.execute_cdp_cmd("Input.dispatchKeyEvent", told)

    def said(self) -> list[str]:
        """Return the console's messages since the last call, warnings and errors alike."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def requested(self) -> list[str]:
        """Addresses asked for since the last look, but for data inside the page."""
        events = [json.loads(e["message"])["message"] for e in self.driver.get_log("performance")]
        asked = [e["params"]["request"]["url"] for e in events
                 if e["method"] == "Network.requestWillBeSent"]  # fmt: skip
        return [url for url in asked if not url.startswith("data:")]

    def printed(self) -> bytes:
        """The page as a PDF."""
        import base64

        found = self.driver.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})
        return base64.b64decode(found["data"])


def start(folder: Path):
    """Start a browser that keeps its data in a folder; None where there is none."""
    chromium, chromedriver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or chromedriver is None:
        return None
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*FLAGS, f"--user-data-dir={folder}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    return webdriver.Chrome(options=options, service=webdriver.ChromeService(chromedriver))
