"""How each program is told to fetch one URL into one file, as fast as it can and without a word."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent / "src"


@dataclass(frozen=True, slots=True)
class Job:
    """One file to fetch: the URL, where it goes, and the authority that signed the server's certificate."""

    url: str
    target: Path
    cacert: Path | None = None


@dataclass(frozen=True, slots=True)
class Peer:
    """A program in one way of calling it: `base` is how it is started, `options` what a job adds to that."""

    name: str
    base: tuple[str, ...]
    options: Callable[[Job], list[str]]

    def command(self, job: Job) -> list[str]:
        """The whole command line."""
        return [*self.base, *self.options(job)]

    def installed(self) -> bool:
        """Whether its program is on the PATH."""
        return shutil.which(self.base[0]) is not None

    def version(self, env: Mapping[str, str]) -> str:
        """The first line that the program says of itself."""
        command = [*self.base, "--version"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30, env=dict(env))
        return (done.stdout or done.stderr).strip().split("\n")[0].strip()


def _fastdl(*more: str) -> Callable[[Job], list[str]]:
    def options(job: Job) -> list[str]:
        trust = ["--cacert", str(job.cacert)] if job.cacert else []
        return ["get", "-q", "-d", str(job.target.parent), "-o", job.target.name, *trust, *more, job.url]

    return options


def _curl(job: Job) -> list[str]:
    trust = ["--cacert", str(job.cacert)] if job.cacert else []
    return ["-q", "-sSf", *trust, "-o", str(job.target), job.url]


def _aria2(connections: int) -> Callable[[Job], list[str]]:
    def options(job: Job) -> list[str]:
        trust = [f"--ca-certificate={job.cacert}"] if job.cacert else []
        where = [f"--dir={job.target.parent}", f"--out={job.target.name}"]
        # Its quickest way to make the file wherever the disk has fallocate; the default writes zeros first.
        speed = [f"-x{connections}", f"-s{connections}", "-k1M", "--file-allocation=falloc"]
        return ["--no-conf", "-q", *speed, *trust, *where, job.url]

    return options


def _wget2(job: Job) -> list[str]:
    trust = [f"--ca-certificate={job.cacert}"] if job.cacert else []
    return ["-q", *trust, "-O", str(job.target), job.url]


_OWN = (sys.executable, "-m", "fastdl")
ALL = (
    Peer("fastdl", _OWN, _fastdl()),
    # As the others do it: the file is left in the system's cache when the program ends.
    Peer("fastdl --no-durable", _OWN, _fastdl("--no-durable")),
    Peer("curl", ("curl",), _curl),
    Peer("aria2c -x8", ("aria2c",), _aria2(8)),
    Peer("wget2", ("wget2",), _wget2),
)


def find(names: Iterable[str] | None = None) -> list[Peer]:
    """The peers that are installed, in the order of `ALL`; with `names` only those, by name or by program.

    Raises LookupError for a name that no peer has and for one that is not installed: it was asked for."""
    if names is None:
        return [peer for peer in ALL if peer.installed()]
    chosen: list[Peer] = []
    for name in names:
        matching = [peer for peer in ALL if name in (peer.name, peer.name.split()[0])]
        if not matching:
            raise LookupError(f"no tool is called {name!r}; there are {', '.join(peer.name for peer in ALL)}")
        if not matching[0].installed():
            raise LookupError(f"{name} is not installed")
        chosen += matching
    return [peer for peer in ALL if peer in chosen]
