"""Runs fastdl.exe in wine, as `servers.run` runs the command: an empty home, a folder of its own, a console."""

from __future__ import annotations

import os
import select
import signal
import struct
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyte

from fastdl import __version__
from wine.prefix import Wine, windows_path

from .attested import Attester
from .raw import RawServer
from .releases import API, Releases
from .run import Result, check

LIMIT = 180.0  # seconds for one run; wine's first start of a program takes its time


class Console:
    """A terminal that remembers every line that it has shown. Wine draws its console on it."""

    def __init__(self, width: int) -> None:
        self._screen = pyte.Screen(width, 24)
        self._stream = pyte.ByteStream(self._screen)
        self.shown: list[str] = []

    def take(self, fd: int) -> bool:
        """Shows what the terminal is given; whether there may be more."""
        try:
            data = os.read(fd, 256)  # small pieces, so that no state of the screen is passed over
        except OSError:
            return False
        self._stream.feed(data)
        known = set(self.shown)
        self.shown += [line for line in self.lines if line not in known]
        return bool(data)

    @property
    def lines(self) -> list[str]:
        """What stands there now."""
        return [line.rstrip() for line in self._screen.display if line.strip()]


@dataclass
class Windows:
    """Runs a fastdl.exe in a folder of the test, with a home of the test."""

    wine: Wine
    program: Path
    cwd: Path
    home: Path
    env: dict[str, str] = field(default_factory=dict)

    def environment(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """What fastdl.exe finds: no setting, no state, nothing of whoever runs the tests."""
        config = self.home / "config.toml"
        if not config.exists():
            config.write_text("", "utf-8")
        places = {"FASTDL_CONFIG": windows_path(config), "FASTDL_STATE_DIR": windows_path(self.home / "state")}
        return {**places, **self.env, **(extra or {})}

    def __call__(self, *args: str, env: Mapping[str, str] | None = None, program: Path | None = None) -> Result:
        """Runs it to its end, and checks what is true of every run."""
        words = [str(program or self.program), *args]
        done = self.wine.run(words, folder=self.cwd, extra=self.environment(env), timeout=LIMIT)
        return check(Result(done.returncode, done.stdout, done.stderr, self.cwd, self.home))

    def get(self, *args: str) -> Result:
        """`fastdl get ARGS`."""
        return self("get", *args)

    def upgrade_check(self, program: Path) -> dict[str, Any]:
        """What `upgrade --check --json` of a program says, of a release server that has the same version."""
        app = Releases(Attester())
        app.release(__version__)
        with RawServer(app.handle) as server:
            env = {"FASTDL_RELEASES": server.url(API)}
            done = self("upgrade", "--check", "--json", env=env, program=program)
        assert done.code == 0, done.err
        return done.json[0]

    def start(self, *args: str) -> subprocess.Popen[bytes]:
        """Starts it and gives the process, for tests that kill it."""
        return subprocess.Popen(
            self.wine.command(self.program, *args),
            cwd=self.cwd,
            env=self.wine.environment(self.environment()),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def at_console(self, *args: str, width: int = 100, stop_at: str = "") -> tuple[int, Console]:
        """Runs it in a console of its own; its exit code, and what stood in the console. Where that says `stop_at`,
        somebody presses Ctrl-C."""
        import fcntl  # neither is there on Windows, where nothing of this runs
        import termios

        near, far = os.openpty()
        fcntl.ioctl(far, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
        process = subprocess.Popen(
            self.wine.command(self.program, *args),
            cwd=self.cwd,
            env=self.wine.environment(self.environment({"TERM": "xterm-256color"})),
            stdin=far,
            stdout=far,
            stderr=far,
            start_new_session=True,
        )
        os.close(far)
        console = Console(width)
        limit = time.monotonic() + LIMIT
        try:
            while time.monotonic() < limit:
                ended = process.poll() is not None
                if select.select([near], [], [], 0.0 if ended else 0.1)[0]:
                    if not console.take(near):
                        break
                    if stop_at and any(stop_at in line for line in console.lines):
                        process.send_signal(signal.SIGINT)  # which wine hands on as a console's Ctrl-C
                        stop_at = ""
                elif ended:
                    break
        finally:
            process.kill()
            process.wait(10)
            os.close(near)
        return process.returncode, console
