"""How each program is told to fetch one URL into one file, as fast as it can and without a word."""

from __future__ import annotations

import sys
from collections.abc import Callable
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


def peer_of(name: str) -> Peer:
    """The program of this name. Raises LookupError where none is called so."""
    for peer in ALL:
        if peer.name == name:
            return peer
    raise LookupError(f"no tool is called {name!r}; there are {', '.join(peer.name for peer in ALL)}")
