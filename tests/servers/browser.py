"""Headless Chromium, spoken to through two pipes (the DevTools protocol): what a page looks like and complains of."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from .real import unavailable

PATIENCE = 60.0  # seconds; a browser that is silent for so long hangs
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome-headless-shell")

# Chromium reads commands from descriptor 3 and answers on 4.
_LAUNCH = """
import os, sys
reading, writing = int(sys.argv[1]), int(sys.argv[2])
os.dup2(reading, 10); os.dup2(writing, 11)
os.dup2(10, 3); os.dup2(11, 4)
os.closerange(5, 64)
os.execv(sys.argv[3], sys.argv[3:])
"""
_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-pipe",
    "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-extensions", "--hide-scrollbars", "--no-default-browser-check", "--host-resolver-rules=MAP * ~NOTFOUND",
)  # fmt: skip


def _binary() -> str:
    """Some Chromium; skips (or fails) the test where there is none."""
    found = next((path for name in NAMES if (path := shutil.which(name)) is not None), None)
    if found is None:
        unavailable("Chromium is not installed")
    assert found is not None
    return found


class Browser:
    """One browser with one page. `requests` are the URLs that were asked for, `complaints` what its console has."""

    def __init__(self, folder: Path) -> None:
        """Skips (or fails) the test where there is no Chromium. Not on Windows: it has other pipes."""
        binary = _binary()
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self._loaded = False
        self._number = 0
        self._rest = b""
        reading, self._out = os.pipe()
        self._in, writing = os.pipe()
        command = [sys.executable, "-c", _LAUNCH, str(reading), str(writing), binary, *_FLAGS]
        command += [f"--user-data-dir={folder / 'profile'}", "about:blank"]
        environ = {**os.environ, "HOME": str(folder), "TZ": "UTC"}
        self._process = subprocess.Popen(
            command, pass_fds=(reading, writing), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environ
        )
        os.close(reading)
        os.close(writing)
        self._session: str | None = None
        try:
            self._attach()
        except BaseException:
            self.close()
            raise

    def _attach(self) -> None:
        """Its one page takes the commands from now on."""
        (page,) = (each for each in self.ask("Target.getTargets")["targetInfos"] if each["type"] == "page")
        self._session = self.ask("Target.attachToTarget", targetId=page["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Log", "Runtime"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command, and its answer. Raises RuntimeError with the browser's complaint."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            told = self._next()
            if told.get("id") == self._number:
                if "error" in told:
                    raise RuntimeError(f"{method}: {told['error']}")
                result: dict[str, Any] = told["result"]
                return result

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._in], [], [], PATIENCE)
            block = os.read(self._in, 1 << 20) if ready else b""
            if not block:
                raise RuntimeError("Chromium has ended" if ready else "Chromium says nothing")
            self._rest += block
        text, _, self._rest = self._rest.partition(b"\0")
        told: dict[str, Any] = json.loads(text)
        self._note(told.get("method", ""), told.get("params", {}))
        return told

    def _note(self, method: str, told: dict[str, Any]) -> None:
        if method == "Network.requestWillBeSent":
            self.requests.append(told["request"]["url"])
        elif method == "Log.entryAdded":
            self.complaints.append(told["entry"]["text"])
        elif method == "Runtime.consoleAPICalled":
            self.complaints.append(str(told["args"]))
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(str(told["exceptionDetails"]))
        elif method == "Page.loadEventFired":
            self._loaded = True

    def open(self, path: Path, *, width: int, dark: bool) -> None:
        """Show a file, in a window so many pixels wide, to somebody who likes it dark or not."""
        features = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.ask("Emulation.setEmulatedMedia", features=features)
        size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600}
        self.ask("Emulation.setDeviceMetricsOverride", **size)
        self._loaded = False
        self.requests.clear()
        self.complaints.clear()
        self.ask("Page.navigate", url=path.as_uri())
        while not self._loaded:
            self._next()

    def value(self, expression: str) -> Any:
        """What an expression gives in the page."""
        told = self.ask("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in told:
            raise RuntimeError(str(told["exceptionDetails"]))
        return told["result"].get("value")

    def shot(self) -> bytes:
        """The whole page as PNG."""
        told = self.ask("Page.captureScreenshot", captureBeyondViewport=True)
        return base64.b64decode(told["data"])

    def close(self) -> None:
        """End it."""
        os.close(self._out)
        self._process.kill()
        self._process.wait(10)
        os.close(self._in)
