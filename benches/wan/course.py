"""What the rows on emulated links have in common: links with a server each, one file on all of them, programs that
fetch it across them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benches.files import Source, check_file, make_file
from benches.harness import Run, RunFailed, clean_environment
from benches.row import Sample, Setting, Skip, Task, sample
from benches.wan.link import Link, ideal
from benches.wan.network import CLIENT, Wan, WanFailed, unavailable
from benches.wan.server import FarServer

NEEDS = ("root", "tun", "nginx", "cc")
NAME = "file.bin"
TIMEOUT = 120.0

Fault = Callable[["Course"], None]
"""Arms a fault for the run that begins now."""


@dataclass(slots=True)
class Course:
    """Running servers behind running links, all with the same file."""

    setting: Setting
    wan: Wan
    servers: list[FarServer]
    source: Source

    @property
    def target(self) -> Path:
        """Where programs write."""
        return self.setting.memory / "out" / NAME

    @property
    def urls(self) -> list[str]:
        """The file at each server."""
        return [server.url(NAME) for server in self.servers]

    def fresh(self) -> None:
        """Every run begins alike: all servers up, silent links, no faults, no file."""
        for server in self.servers:
            if not server.running:
                server.start()
        self.wan.wait_quiet()
        self.wan.reset()
        self.setting.empty(self.target.parent)

    def fastdl(self, tree: Path, *options: str, launcher: Sequence[str] = ("-m", "fastdl")) -> Run:
        """fastdl in `tree` fetches the file with the options that a user who gives none has, and these."""
        prefix, words = self.wan.inside(CLIENT), self._words(options)
        return self.setting.fastdl(tree, words, launcher=launcher, prefix=prefix, timeout=TIMEOUT)

    def _words(self, options: Sequence[str]) -> list[str]:
        origin, *mirrors = self.urls
        more = [word for url in mirrors for word in ("-m", url)]
        return ["get", "-q", "-d", str(self.target.parent), "-o", NAME, *options, *more, origin]

    @contextmanager
    def beside(self, tree: Path, *options: str) -> Iterator[None]:
        """The same download, under way until the block ends. Raises RunFailed if it was over before."""
        env = clean_environment(self.setting.home, PYTHONPATH=str(tree), FASTDL_STATE_DIR=str(self.setting.home / "by"))
        command = [*self.wan.inside(CLIENT), sys.executable, "-m", "fastdl", *self._words(options)]
        quiet = subprocess.DEVNULL
        process = subprocess.Popen(command, env=env, stdin=quiet, stdout=quiet, stderr=quiet)
        try:
            yield
            if process.poll() is not None:
                raise RunFailed("fastdl was to be busy meanwhile, and had ended")
        finally:
            process.kill()
            process.wait()

    def aria2(self, connections: int, *, check: bool = True) -> Run:
        """aria2c fetches it with at most so many connections to a server."""
        # `-s` counts the connections of all servers together.
        split = [f"-x{connections}", f"-s{connections * len(self.urls)}", "-k1M", "--file-allocation=none"]
        where = [f"--dir={self.target.parent}", f"--out={NAME}"]
        command = ["aria2c", "--no-conf", "-q", *split, *where, *self.urls]
        return self.setting.peer([*self.wan.inside(CLIENT), *command], timeout=TIMEOUT, check=check)

    def sample(self, run: Run) -> Sample:
        """The usual figures of a run, and: `share`, how much of what the links can carry it got; `connections` that it
        opened; `down`, the bytes that came down by those of the file; `struck`, the packets that a fault has slowed
        or swallowed; `late`, how late the emulator was at worst (s)."""
        counts = self.wan.counts()
        speed = self.source.size / run.wall
        return sample(
            run,
            share=speed / sum(link.payload for link in self.wan.links),
            slowdown=run.wall / ideal(self.wan.links, self.source.size),
            connections=float(sum(count.connections for count in counts)),
            down=sum(count.bytes for count in counts) / self.source.size,
            struck=float(sum(count.struck for count in counts)),
            late=self.wan.lateness(),
        )

    def own_task(self, name: str, *options: str, fault: Fault | None = None) -> Task:
        """One download by fastdl; `fault` happens during it."""

        def run(tree: Path) -> Sample:
            self.fresh()
            if fault is not None:
                fault(self)
            return met(name, fault, self.sample(self.fastdl(tree, *options)))

        return Task(name, run, own=True, check=lambda: check_file(name, self.target, self.source))

    def aria2_task(self, name: str, connections: int, fault: Fault | None = None) -> Task:
        """The same by aria2c."""

        def run(tree: Path) -> Sample:
            self.fresh()
            if fault is not None:
                fault(self)
            return met(name, fault, self.sample(self.aria2(connections)))

        return Task(name, run, program="aria2c", check=lambda: check_file(name, self.target, self.source))


def met(name: str, fault: Fault | None, figures: Sample) -> Sample:
    """The figures of a run; raises RunFailed where a fault was to happen and met nobody: its connection had been closed
    by then."""
    if fault is not None and not figures["struck"]:
        raise RunFailed(f"{name}: the fault met no connection")
    return figures


@contextmanager
def course(setting: Setting, links: Sequence[Link], size: int, limit: int = 0) -> Iterator[Course]:
    """Links and servers with a file of `size` bytes; each server gives `limit` bytes a second to a connection (0: all
    there is). Everything is gone afterwards. Raises Skip where there can be no network."""
    missing = unavailable()
    if missing:
        raise Skip(missing)
    root = setting.memory / "site"
    root.mkdir()
    source = make_file(root / NAME, size)
    with ExitStack() as stack:
        try:
            wan = stack.enter_context(Wan(links))
        except WanFailed as error:
            raise Skip(str(error)) from None
        servers = [
            stack.enter_context(FarServer(wan, number, root, setting.memory / f"nginx{number}", limit))
            for number in range(len(links))
        ]
        yield Course(setting, wan, servers, source)


def against_aria2(
    links: Sequence[Link], connections: int, *, size: int, quick_size: int, limit: int = 0, options: Sequence[str] = ()
) -> Callable[[Setting], AbstractContextManager[Sequence[Task]]]:
    """`prepare` of a row in which fastdl and `aria2c -xN` fetch one file."""

    @contextmanager
    def prepare(setting: Setting) -> Iterator[Sequence[Task]]:
        with course(setting, links, quick_size if setting.quick else size, limit) as made:
            yield [made.own_task("fastdl", *options), made.aria2_task(f"aria2c -x{connections}", connections)]

    return prepare
