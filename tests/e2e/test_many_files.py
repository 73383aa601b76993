"""A list of many small files from nginx with one process: three times kill -9, then to its end, then again and again.
What was asked for and what was sent is counted in nginx's own log; memory is that of the process, read while it runs.

The default suite does it with a few hundred files. At full size, with its figures:

    FASTDL_TEST_FILES=20000 python -m pytest -s tests/e2e/test_many_files.py
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from servers.real import Nginx
from servers.run import LIMIT, Runner

_FILES = int(os.environ.get("FASTDL_TEST_FILES", "600"))
_KILLS = 3
_PATIENCE = LIMIT + _FILES / 50  # seconds
_MOST_TWICE = 400  # files for each kill that may be sent twice: those of the last moment before it

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="nginx")


def content(name: str, version: int = 1) -> bytes:
    """A small file of its own."""
    seed = f"{name} {version}".encode()
    return hashlib.sha256(seed).digest() * random.Random(name).randrange(20, 100)


@dataclass(frozen=True, slots=True)
class Ran:
    """One run: its exit code, the time it took, the most memory that it had (bytes; 0 where the system does not tell),
    the answers by their status and the answers that had a body."""

    code: int
    seconds: float
    memory: int
    answers: Counter[str]
    bodies: int
    err: str


class Many:
    """`count` files in a folder of nginx, their list, and runs of it."""

    def __init__(self, fastdl: Runner, nginx: Nginx, count: int, folder: str) -> None:
        self.fastdl, self.nginx, self.folder = fastdl, nginx, folder
        self.names = [f"{at:05}.bin" for at in range(count)]
        self.place = nginx.places.data / folder
        self.place.mkdir(exist_ok=True)
        for name in self.names:
            self.put(name)
        self.list = fastdl.home.parent / f"{folder}.txt"
        self.list.write_text("".join(f"{nginx.plain}/{folder}/{name}\n" for name in self.names), "utf-8")

    def put(self, name: str, version: int = 1) -> None:
        """The server has this version of a file."""
        path = self.place / name
        path.write_bytes(content(name, version))
        os.utime(path, (1_600_000_000 + version, 1_600_000_000 + version))

    def log(self, start: int = 0) -> list[list[str]]:
        """What nginx has been asked for in this folder since its log had `start` bytes: the words of its lines."""
        with self.nginx.access_log.open("rb") as file:
            file.seek(start)
            lines = file.read().decode().splitlines()
        return [words for line in lines if len(words := line.split()) > 5 and words[2].startswith(f"/{self.folder}/")]

    def run(self, *args: str, kill_at: int | None = None) -> Ran:
        """Run it, to the end or until nginx has sent `kill_at` files."""
        start = self.nginx.access_log.stat().st_size
        began = time.monotonic()
        command = ["get", "--no-proxy", "-q", "-j", "8", "-i", str(self.list), *args]
        memory = 0
        with self.fastdl.start(*command) as process:
            while process.poll() is None:
                assert time.monotonic() - began < _PATIENCE
                memory = _memory(process.pid) or memory  # the mark of all that was before; not of what it began as
                if kill_at is not None and bodies(self.log(start)) >= kill_at:
                    process.kill()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(0.02)
            _, err = process.communicate()
        seconds = time.monotonic() - began
        asked = self.log(start)
        answers = Counter(words[3] for words in asked)
        return Ran(process.returncode, seconds, memory, answers, bodies(asked), err.decode())

    def have_all(self, changed: tuple[str, ...] = ()) -> None:
        """All files are there, whole, and nothing else."""
        assert {path.name for path in self.fastdl.cwd.iterdir()} == set(self.names)
        for name in self.names:
            assert (self.fastdl.cwd / name).read_bytes() == content(name, 2 if name in changed else 1), name


def bodies(log: list[list[str]]) -> int:
    """The answers that had a body."""
    return sum(words[3] in ("200", "206") and int(words[4]) > 0 for words in log)


def _memory(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text("utf-8").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")), 0)


def _tell(what: str, ran: Ran) -> None:
    figures = {"exit": ran.code, "seconds": round(ran.seconds, 1), "MiB": round(ran.memory / (1 << 20), 1)}
    print(json.dumps({"run": what, **figures, "answers": dict(ran.answers), "bodies": ran.bodies}))


@pytest.mark.parametrize("lock", [False, True])
def test_kills_and_the_same_list_again(fastdl: Runner, nginx: Nginx, lock: bool) -> None:
    many = Many(fastdl, nginx, _FILES, f"many-{lock}")
    options = ["--lock", str(many.list.with_suffix(".lock"))] if lock else []
    sent = 0
    for kill in range(_KILLS):
        killed = many.run(*options, kill_at=_FILES // (3 * _KILLS))  # early: this process may be slow to see it
        _tell(f"killed {kill + 1}", killed)
        assert killed.code == -9
        sent += killed.bodies
    rest = many.run(*options)
    _tell("to its end", rest)
    assert rest.code == 0, rest.err
    many.have_all()
    assert sent + rest.bodies <= _FILES + _KILLS * _MOST_TWICE

    again = many.run(*options)
    _tell("again", again)
    assert again.code == 0, again.err
    assert again.bodies == 0
    assert again.answers == ({} if lock else {"304": _FILES})

    changed, missing = tuple(many.names[3::100]), many.names[7::100]
    for name in missing:
        (fastdl.cwd / name).unlink()
    if not lock:
        for name in changed:
            many.put(name, version=2)
    sync = many.run("-N", *options)
    _tell("what changed", sync)
    assert sync.code == 0, sync.err
    assert sync.bodies == len(missing) + (0 if lock else len(changed))
    many.have_all(() if lock else changed)


def test_memory_does_not_grow_with_the_list(fastdl: Runner, nginx: Nginx) -> None:
    few = Many(fastdl, nginx, _FILES // 5, "memory-few").run("-d", "few")
    whole = Many(fastdl, nginx, _FILES, "memory-many").run("-d", "many")
    _tell(f"{_FILES // 5} files", few)
    _tell(f"{_FILES} files", whole)
    assert (few.code, whole.code) == (0, 0)
    if few.memory:
        assert whole.memory - few.memory < (16 << 20)
