"""The programs that `fastdl bench` compares: how each is told to fetch one file, and one run of it by the clock.

None of them reads a config file of the user's, none flushes to the device, and all have the same environment, so that
what is compared is the programs. aria2c is given eight connections, as fastdl has them, and writes no zeros
beforehand.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping

from fastdl.core.plain import dataclass

VERSION_SECONDS = 10.0  # that a program has to tell its version
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@dataclass(frozen=True, slots=True)
class Tool:
    """A program that is there. `arguments` gives what follows its name, for a URL and the path of the file."""

    name: str
    program: tuple[str, ...]
    version: str
    arguments: Callable[[str, str], list[str]]

    def command(self, url: str, path: str) -> list[str]:
        """The whole command line."""
        return [*self.program, *self.arguments(url, path)]


@dataclass(frozen=True, slots=True)
class Outcome:
    """One run: seconds of the clock and of the processor (None: not known), and why it failed, or "", with its code;
    `out` is what it wrote to stdout."""

    seconds: float
    cpu: float | None
    failure: str = ""
    code: int = 0
    out: bytes = b""


def _fastdl(url: str, path: str) -> list[str]:
    return ["get", "--quiet", "--no-durable", "-o", path, url]


def _curl(url: str, path: str) -> list[str]:
    return ["-q", "-sSfL", "-o", path, url]


def _wget(url: str, path: str) -> list[str]:
    return ["--no-config", "-nv", "-O", path, url]


def _aria2c(url: str, path: str) -> list[str]:
    folder, name = os.path.split(path)
    options = [
        "--no-conf=true",
        "--quiet=true",
        "-x8",
        "-s8",
        "-k1M",
        "--file-allocation=none",
        "--allow-overwrite=true",
    ]
    return [*options, "-d", folder, "-o", name, url]


PEERS: tuple[tuple[str, Callable[[str, str], list[str]]], ...] = (
    ("curl", _curl),
    ("wget", _wget),
    ("wget2", _wget),
    ("aria2c", _aria2c),
)


def own_program() -> tuple[str, ...]:
    """How this very fastdl is started once more."""
    if getattr(sys, "frozen", False):
        return (sys.executable,)
    return sys.executable, "-m", "fastdl"


def fastdl() -> Tool:
    """This fastdl."""
    from fastdl import __version__

    return Tool("fastdl", own_program(), __version__, _fastdl)


def peers(environ: Mapping[str, str]) -> tuple[list[Tool], list[str]]:
    """The others that are installed, and the names of those that are not."""
    found, missing = [], []
    for name, arguments in PEERS:
        path = _which(name)
        if path is None:
            missing.append(name)
        else:
            found.append(Tool(name, (path,), _version(path, environ), arguments))
    return found, missing


def _which(name: str) -> str | None:
    """The program on the PATH. Windows looks into the current folder first, where anybody may have put one."""
    path = shutil.which(name)
    if path is None:
        return None
    folder = os.path.dirname(os.path.abspath(path))
    listed = os.environ.get("PATH", "").split(os.pathsep)
    return path if any(os.path.abspath(part) == folder for part in listed if part) else None


def _version(path: str, environ: Mapping[str, str]) -> str:
    try:
        done = subprocess.run(
            [path, "--version"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=dict(environ),
            timeout=VERSION_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    match = re.search(rb"\d+(?:\.\d+)+", done.stdout)
    return match[0].decode() if match is not None else ""


def environment(folder: str, environ: Mapping[str, str], *, loopback: bool) -> dict[str, str]:
    """The variables of all runs: none of fastdl's own settings but an empty config and a state in `folder`; for a
    server on this machine no proxy."""
    kept = {name: value for name, value in environ.items() if not name.upper().startswith("FASTDL_")}
    if loopback:
        kept = {name: value for name, value in kept.items() if name.lower() not in _PROXIES}
    config = os.path.join(folder, "config.toml")
    with open(config, "w", encoding="utf-8"):
        pass  # nothing is set
    kept["FASTDL_CONFIG"] = config
    kept["FASTDL_STATE_DIR"] = os.path.join(folder, "state")
    if not getattr(sys, "frozen", False):
        import fastdl as package

        place = os.path.dirname(os.path.dirname(os.path.abspath(package.__file__)))
        paths = [os.path.abspath(part) for part in environ.get("PYTHONPATH", "").split(os.pathsep) if part]
        kept["PYTHONPATH"] = os.pathsep.join(dict.fromkeys([place, *paths]))
    return kept


def run(command: list[str], environ: Mapping[str, str], folder: str) -> Outcome:
    """Run it in `folder` to its end. It does not outlive this call, whatever ends that."""
    child = _Child(command, environ, folder)
    try:
        child.start()
        while not child.ended.wait(0.1):  # with a bound, so that Ctrl-C gets through on Windows too
            pass
    except BaseException:
        child.kill()
        raise
    return child.outcome


class _Child(threading.Thread):
    """A program that runs. In a thread, since no signal's exception comes there: between the start of a process and
    the first line that could end it again."""

    def __init__(self, command: list[str], environ: Mapping[str, str], folder: str) -> None:
        super().__init__(name="fastdl-bench")
        self.outcome = Outcome(0.0, None, "it did not run", 1)
        self._command = command
        self._environ = dict(environ)
        self._folder = folder
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._unwanted = False
        self.ended = threading.Event()  # a join that a signal interrupts takes the thread for ended

    def run(self) -> None:
        """See Thread."""
        try:
            self._to_the_end()
        finally:
            self.ended.set()

    def _to_the_end(self) -> None:
        before = _children_cpu()
        began = time.perf_counter()
        try:
            process = self._begin()
        except OSError as error:
            self.outcome = Outcome(0.0, None, error.strerror or "it cannot be started", 1)
            return
        if process is None:
            return
        out, said = process.communicate()
        seconds = time.perf_counter() - began
        cpu = _children_cpu()
        spent = cpu - before if cpu is not None and before is not None else None
        failure = _failure(process.returncode, said) if process.returncode else ""
        self.outcome = Outcome(seconds, spent, failure, process.returncode, out)

    def _begin(self) -> subprocess.Popen[bytes] | None:
        with self._lock:
            if not self._unwanted:
                self._process = subprocess.Popen(
                    self._command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    cwd=self._folder,
                    env=self._environ,
                )
            return self._process

    def kill(self) -> None:
        """End the program, and wait until it is gone."""
        with self._lock:
            self._unwanted = True
            if self._process is not None:
                self._process.kill()
                self._process.wait()


def _failure(code: int, said: bytes) -> str:
    """The exit code, and the last line that the program had to say."""
    last = said.decode("utf-8", "replace").strip().splitlines()[-1:]
    return f"exit {code}" + (f": {last[0]}" if last else "")


def _children_cpu() -> float | None:
    """Seconds of the processor that ended child processes have had; Windows does not count them."""
    if sys.platform == "win32":
        return None
    times = os.times()
    return times.children_user + times.children_system
