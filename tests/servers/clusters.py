"""A Dask cluster of real processes on loopback, and a server of many files that counts who is connected at once."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

from waiting import wait_for

from .content import content
from .files import FileApp, serve
from .raw import Connection, Request
from .run import environment

START = 60.0  # seconds that a process of a cluster may take to be there, on a busy machine
END = 20.0


class Crowd:
    """Files `/SEED-SIZE.bin` (and below any folder), each `rate` bytes a second a connection. `/to/HOST:PORT/...`
    redirects. `most` has the greatest number of connections at once, by the host that was asked for."""

    def __init__(self, rate: float | None = None) -> None:
        self.rate = rate
        self.most: Counter[str] = Counter()
        self.asked: Counter[str] = Counter()  # by path
        self.headers: list[dict[str, str]] = []
        self.validators = True  # the server says something by which a file is known again
        self.block: Callable[[str], None] = lambda path: None
        self._now: dict[str, set[Connection]] = defaultdict(set)
        self._lock = threading.Lock()

    @staticmethod
    def name(seed: int, size: int) -> str:
        """The name of a file."""
        return f"{seed}-{size}.bin"

    @staticmethod
    def right(folder: Path, names: Sequence[str]) -> list[str]:
        """Those of the names that are not there as they should be."""
        wrong = []
        for name in names:
            seed, _, size = name.removesuffix(".bin").partition("-")
            path = folder / name
            if not path.is_file() or path.read_bytes() != content(int(seed), 0, int(size)):
                wrong.append(name)
        return wrong

    def handle(self, connection: Connection) -> None:
        """For RawServer."""

        def answer(connection: Connection, request: Request) -> None:
            host = request.get("host") or ""
            with self._lock:
                # One that its client has ended is none, though its thread here has yet to notice.
                self._now[host] = {each for each in self._now[host] if each.there} | {connection}
                self.most[host] = max(self.most[host], len(self._now[host]))
            self._answer(connection, request)

        serve(connection, answer)

    def _answer(self, connection: Connection, request: Request) -> None:
        path = request.target.partition("?")[0]
        with self._lock:
            self.asked[path] += 1
            self.headers.append(dict(request.headers))
        self.block(path)
        if path.startswith("/to/"):
            to, _, rest = path[4:].partition("/")
            app = FileApp()
            app.send(connection, app.short(302, b"", ("Location", f"http://{to}/{rest}")))
            return
        name = path.rpartition("/")[2]
        seed, dash, size = name.removesuffix(".bin").partition("-")
        if not dash or not size.isdecimal():
            app = FileApp()
            app.send(connection, app.short(404))
            return
        app = FileApp(size=int(size), seed=int(seed), etag=f'"{name}"', rate=self.rate)
        if not self.validators:
            app.etag = app.last_modified = None
        app.answer(connection, request)


class Cluster:
    """A scheduler and workers, each a process of its own; used as a context manager. Workers have one thread, no nanny
    and no dashboard, and `home` as every fastdl in the tests."""

    def __init__(self, folder: Path, home: Path, workers: int = 0, *, bare: bool = False) -> None:
        """`bare`: the scheduler cannot import fastdl."""
        self.folder = folder
        self.home = home
        self.address = ""
        self.workers: list[subprocess.Popen[bytes]] = []
        self._names = 0
        self._bare = bare
        self._wanted = workers
        self.scheduler: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Cluster:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.home.mkdir(parents=True, exist_ok=True)
        try:
            self._begin()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _begin(self) -> None:
        where = self.folder / "scheduler.json"
        words = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(where)]
        without = {"PYTHONPATH": ""} if self._bare else {}
        self.scheduler = self._start("scheduler", words, without)
        wait_for(lambda: self._address(where), START)
        for _ in range(self._wanted):
            self.add()
        if self._wanted:
            self.wait(self._wanted)

    def _address(self, where: Path) -> bool:
        try:
            self.address = json.loads(where.read_text())["address"]
        except (OSError, ValueError):
            return False
        return True

    def add(self, env: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        """One more worker, with these variables besides. It is there some time later: see `wait`."""
        self._names += 1
        folder = self.folder / f"worker{self._names}"
        words = [self.address, "--no-nanny", "--no-dashboard", "--nthreads", "1", "--memory-limit", "0"]
        words += ["--local-directory", str(folder), "--name", f"worker{self._names}", "--death-timeout", "60"]
        process = self._start("worker", words, env or {})
        self.workers.append(process)
        return process

    def _start(self, what: str, words: Sequence[str], env: Mapping[str, str]) -> subprocess.Popen[bytes]:
        quiet = {"DASK_CONFIG": str(self.folder / "dask"), "DASK_DISTRIBUTED__ADMIN__SYSTEM_MONITOR__INTERVAL": "10s"}
        with open(self.folder / f"{what}{self._names}.log", "wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.dask_{what}", *words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env=environment(self.home, quiet | dict(env)),
            )

    def wait(self, workers: int) -> None:
        """Until so many workers are there."""
        from distributed import Client

        with Client(self.address, set_as_default=False, timeout=START) as client:
            client.wait_for_workers(workers, timeout=START)

    def at_least(self, workers: int) -> None:
        """Until so many are there, started anew where a test has ended some."""
        for process in [each for each in self.workers if each.poll() is not None]:
            self.workers.remove(process)
        for _ in range(workers - len(self.workers)):
            self.add()
        self.wait(workers)

    @property
    def logs(self) -> str:
        """Everything that the processes have written."""
        return "\n".join(path.read_text("utf-8", "replace") for path in sorted(self.folder.glob("*.log")))

    def close(self) -> None:
        """End every process."""
        started = [*self.workers, *([self.scheduler] if self.scheduler is not None else [])]
        for process in started:
            process.kill()  # in order they would wait for each other
        for process in started:
            process.wait(END)


def fill(path: Path, urls: Sequence[str]) -> Path:
    """A list of URLs."""
    path.write_text("".join(f"{url}\n" for url in urls), encoding="utf-8")
    return path
