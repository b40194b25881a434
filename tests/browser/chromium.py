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

KEYS = {"Space": 32, "Tab": 9, "Escape": 27, "ArrowLeft": 37, "ArrowRight": 39}


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
        told = {"code": key, "key": {"Space": " "}.get(key, key)}
        told |= {"windowsVirtualKeyCode": KEYS[key]}
        for kind in ("keyDown", "keyUp"):
            told |= {"type": kind, **({"text": " "} if key == "Space" else {})}
            self.driver.execute_cdp_cmd("Input.dispatchKeyEvent", told)

    def settle(self) -> None:
        """Wait until the page has laid out, drawn its charts and told everybody of scrolling."""
        self.driver.execute_async_script(
            "const done = arguments[0];"
            "requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done)));"
        )

    def type(self, text: str) -> None:
        """Type text into what has the focus."""
        self.driver.execute_cdp_cmd("Input.insertText", {"text": text})

    def hover(self, x: float, y: float) -> None:
        """Move the pointer to a place in the window, in pixels."""
        self._mouse("mouseMoved", x, y)

    def click(self, x: float, y: float) -> None:
        """Click at a place in the window."""
        self.drag((x, y), (x, y))

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Press at one place, move to another one in steps, and release there."""
        self.hover(*start)
        self._mouse("mousePressed", *start)
        for part in (0.25, 0.5, 0.75, 1.0) if start != end else ():
            here = (a + part * (b - a) for a, b in zip(start, end, strict=True))
            self._mouse("mouseMoved", *here, buttons=1)
        self._mouse("mouseReleased", *end)

    def _mouse(self, kind: str, x: float, y: float, buttons: int = 0) -> None:
        told = {"type": kind, "x": x, "y": y, "button": "left", "clickCount": 1}
        told |= {"buttons": buttons} if kind == "mouseMoved" else {}
        if kind == "mouseMoved" and not buttons:
            told["button"] = "none"
        self.driver.execute_cdp_cmd("Input.dispatchMouseEvent", told)

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
