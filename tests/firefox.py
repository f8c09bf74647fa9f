"""Firefox, driven through a socket by its own protocol (Marionette, version 3), without any other package."""

from __future__ import annotations

import base64
import json
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

PROGRAM = shutil.which("firefox-esr") or shutil.which("firefox")
ABSENT = "no firefox here: apt-get install firefox-esr"
PATIENCE = 60.0
"""Seconds for a start on a loaded machine."""
KEYS = {"ArrowRight": "\ue014", "ArrowLeft": "\ue012", "Escape": "\ue00c", "Enter": "\ue007", "End": "\ue010"}


class Firefox:
    """One browser with one page."""

    def __init__(self) -> None:
        assert PROGRAM is not None
        self._folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        profile = Path(self._folder.name)
        (profile / "user.js").write_text('user_pref("marionette.port", 0);\n', encoding="utf-8")
        command = [PROGRAM, "--headless", "--marionette", "--no-remote", "--profile", str(profile)]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._socket = socket.create_connection(("127.0.0.1", self._port(profile)), timeout=PATIENCE)
        self._rest, self._number = b"", 0
        self._next()
        self.call("WebDriver:NewSession", capabilities={"alwaysMatch": {}})

    def _port(self, profile: Path) -> int:
        """The port that it has chosen, when it is ready."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            assert self._process.poll() is None, "firefox has ended"
            told = profile / "MarionetteActivePort"
            if told.exists() and told.read_text(encoding="utf-8").strip():
                return int(told.read_text(encoding="utf-8"))
            time.sleep(0.1)
        raise AssertionError("firefox does not answer")

    def call(self, name: str, **params: Any) -> Any:
        """Call a command and wait for its answer."""
        self._number += 1
        told = json.dumps([0, self._number, name, params]).encode()
        self._socket.sendall(str(len(told)).encode() + b":" + told)
        _, number, error, result = self._next()
        assert number == self._number and error is None, error
        return result

    def _next(self) -> Any:
        """The next message: its length, a colon, JSON."""
        while b":" not in self._rest or len(self._rest.partition(b":")[2]) < int(self._rest.partition(b":")[0]):
            more = self._socket.recv(1 << 16)
            assert more, "firefox has ended"
            self._rest += more
        length, _, rest = self._rest.partition(b":")
        self._rest = rest[int(length) :]
        return json.loads(rest[: int(length)])

    def open(self, url: str, width: int = 1200, height: int = 900) -> None:
        """Open a page and wait until it is loaded."""
        self.resize(width, height)
        self.call("WebDriver:Navigate", url=url)

    def resize(self, width: int, height: int = 900) -> None:
        self.call("WebDriver:SetWindowRect", width=width, height=height)

    def value(self, expression: str) -> Any:
        """The value of an expression in the page."""
        return self.call("WebDriver:ExecuteScript", script=f"return {expression}", args=[])["value"]

    def press(self, key: str) -> None:
        strokes = [{"type": kind, "value": KEYS[key]} for kind in ("keyDown", "keyUp")]
        self.call("WebDriver:PerformActions", actions=[{"type": "key", "id": "keys", "actions": strokes}])

    def picture(self, whole: bool = False) -> bytes:
        """A PNG of what is seen, or of the whole page."""
        return base64.b64decode(self.call("WebDriver:TakeScreenshot", full=whole)["value"])

    def close(self) -> None:
        self._socket.close()
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._folder.cleanup()
