"""Where a document's commands run: an empty folder, an empty home, the names that documents use for programs.

bash runs them as a person's shell does, but stops at the first that fails. `fastdl`, `python` and what stands in
`.venv` are the program under test and the interpreter that runs the tests. There is no
terminal, unless `typed` says what is typed at it.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pages.blocks import ROOT
from servers.run import LIMIT, environment

BASH = None if sys.platform == "win32" else shutil.which("bash")
needs_bash = pytest.mark.skipif(BASH is None, reason="needs bash")
_PATHS = "PYTHONPATH"


@dataclass(frozen=True, slots=True)
class Ran:
    """How a script ended, and all that it wrote, in order."""

    code: int
    text: str


@dataclass(slots=True)
class Sandbox:
    """`folder` is new and the test's own."""

    folder: Path
    extra: Mapping[str, str] = field(default_factory=dict)
    kept: Mapping[str, bytes] = field(default_factory=dict)  # what lies in the home

    def __post_init__(self) -> None:
        for part in (self.cwd, self.home, self.programs):
            part.mkdir(parents=True, exist_ok=True)
        run = {"fastdl": [sys.executable, "-m", "fastdl"]}
        run |= {name: [sys.executable] for name in ("python", "python3", "py")}
        for name, words in run.items():
            self._program(self.programs / name, words)
        _write(self.home, self.kept)
        (self.cwd / ".venv").mkdir()
        (self.cwd / ".venv/bin").symlink_to(self.programs)

    @property
    def cwd(self) -> Path:
        """The folder in which the commands run."""
        return self.folder / "here"

    @property
    def home(self) -> Path:
        """The user's home."""
        return self.folder / "home"

    @property
    def programs(self) -> Path:
        """What stands first on the PATH."""
        return self.folder / "programs"

    @staticmethod
    def _program(path: Path, words: list[str]) -> None:
        path.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n', encoding="utf-8")
        path.chmod(0o755)

    def environment(self) -> dict[str, str]:
        """As `servers.run` has it, with these programs first and the benches to be imported."""
        env = environment(self.home, self.extra)
        env["PATH"] = os.pathsep.join([str(self.programs), env.get("PATH", os.defpath)])
        env[_PATHS] = os.pathsep.join([env[_PATHS], str(ROOT)])
        env["PYTHONDONTWRITEBYTECODE"] = "1"
        return env

    def lay(self, files: Mapping[str, bytes]) -> None:
        """Put files there before the commands run."""
        _write(self.cwd, files)

    def run(self, script: str, typed: str | None = None, timeout: float = LIMIT) -> Ran:
        """Run it with bash, which stops where a command fails. A script that outlives `timeout` is killed, with all
        that it started, and fails the test."""
        assert BASH is not None
        command = [BASH, "-euo", "pipefail", "-c", script]
        with _terminal(typed) as terminal:
            process = subprocess.Popen(
                command if terminal is None else [sys.executable, "-c", _ATTACH, str(terminal), *command],
                cwd=self.cwd,
                env=self.environment(),
                stdin=subprocess.DEVNULL if terminal is None else terminal,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=() if terminal is None else (terminal,),
            )
            try:
                out, _ = process.communicate(timeout=timeout)
            except subprocess.TimeoutExpired:
                raise AssertionError(f"still running after {timeout} s: {script}") from None
            finally:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
        return Ran(process.returncode, out.decode("utf-8", "replace"))


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        path.chmod(0o600)


# Makes a terminal that of the new session, and becomes the command.
_ATTACH = """
import fcntl, os, sys, termios
fcntl.ioctl(int(sys.argv[1]), termios.TIOCSCTTY, 0)
os.close(int(sys.argv[1]))
os.execv(sys.argv[2], sys.argv[2:])
"""


@contextlib.contextmanager
def _terminal(typed: str | None) -> Iterator[int | None]:
    """The descriptor of a terminal at which `typed` is entered as soon as something is asked there."""
    if typed is None:
        yield None
        return
    near, far = os.openpty()

    def answer() -> None:
        with contextlib.suppress(OSError):
            while not os.read(near, 1024).rstrip().endswith(b":"):
                pass
            os.write(near, typed.encode())
            while os.read(near, 1024):
                pass

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    try:
        yield far
    finally:
        os.close(far)
        thread.join(LIMIT)
        os.close(near)
