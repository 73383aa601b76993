"""Files by the threads and processes of executors."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from fastdl.cluster import process, spread
from fastdl.errors import BadEntry, ClusterLost, HttpStatus
from fastdl.events import Ended, Event, Named, Started
from fastdl.listing import File
from fastdl.settings import Settings
from servers.clusters import Crowd
from servers.raw import Serve
from servers.run import environment

LIMIT = 30.0  # seconds until a server sees nobody any more
OWNER = """
import multiprocessing, sys
from concurrent.futures import ProcessPoolExecutor
import fastdl

executor = ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(sys.argv[1]))
for future in [executor.submit(pow, 2, 2) for _ in range(20)]:
    future.result()
executor.submit(pow, 2, 2)
print(*(child.pid for child in multiprocessing.active_children()), flush=True)
fastdl.download_many(sys.argv[3:], executor, dir=sys.argv[2])
"""


class Inline(Executor):
    """An executor of somebody's own: it says nothing of itself and does it all at once."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


class Lazy(Executor):
    """Another one: it works when somebody asks for the result."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        class Asked(Future[Any]):
            def result(self, timeout: float | None = None) -> Any:
                if not self.done():
                    self.set_result(fn(*args, **kwargs))
                return super().result(timeout)

        return Asked()


def _executor(kind: str) -> Executor:
    if kind == "threads":
        return ThreadPoolExecutor(3)
    if kind == "inline":
        return Inline()
    if kind == "lazy":
        return Lazy()
    return ProcessPoolExecutor(3, mp_context=multiprocessing.get_context(kind))


KINDS = ["threads", "inline", "lazy", "spawn", *(["fork"] if "fork" in multiprocessing.get_all_start_methods() else [])]


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("FASTDL_STATE_DIR", str(tmp_path / "state"))
    yield
    process.end()  # of an executor that works in this process


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # fork beside threads: that is the user's choice
@pytest.mark.parametrize("kind", KINDS)
def test_every_file_is_there_and_told_of(kind: str, serve: Serve, tmp_path: Path) -> None:
    crowd = Crowd()
    server = serve(crowd.handle)  # type: ignore[arg-type]
    names = [Crowd.name(n, 700 * n) for n in range(20)] + [Crowd.name(99, 3_000_000)]
    settings = Settings(dir=str(tmp_path / "out"), history=False)
    files = [File(server.url(f"/{name}"), settings) for name in names]
    files += [File(server.url("/none"), settings), File("", settings, error=BadEntry("l, line 9", "no URL"))]
    events: list[Event] = []
    with _executor(kind) as executor:
        found = dict(spread.each(files, settings, executor, events.append))
    assert sorted(found) == list(range(len(files)))
    assert Crowd.right(tmp_path / "out", names) == []
    assert [found[job].error for job in range(len(names))] == [None] * len(names)
    assert isinstance(found[len(names)].error, HttpStatus) and isinstance(found[len(names) + 1].error, BadEntry)
    told = Counter(type(event) for event in events)
    assert told[Started] == told[Ended] == len(files) and told[Named] == len(names)
    assert all(path.name.endswith(".bin") for path in (tmp_path / "out").iterdir())


@pytest.mark.parametrize(("kind", "per_host"), [("threads", 2), ("spawn", 3), ("spawn", 2)])
def test_a_host_has_no_more_connections_than_it_may(kind: str, per_host: int, serve: Serve, tmp_path: Path) -> None:
    crowd = Crowd()
    server = serve(crowd.handle)  # type: ignore[arg-type]
    settings = Settings(dir=str(tmp_path), per_host=per_host, history=False)
    files = [File(server.url(f"/{Crowd.name(n, 2_000_000 if n == 5 else 5000)}"), settings) for n in range(30)]
    with _executor(kind) as executor:
        found = list(spread.each(files, settings, executor, lambda event: None))
    assert [result.error for _, result in found] == [None] * 30
    assert max(crowd.most.values()) <= per_host


def test_files_are_taken_as_they_are_needed(serve: Serve, tmp_path: Path) -> None:
    crowd = Crowd()
    server = serve(crowd.handle)  # type: ignore[arg-type]
    settings = Settings(dir=str(tmp_path), history=False)
    taken = 0

    def endless() -> Iterator[File]:
        nonlocal taken
        while True:
            taken += 1
            yield File(server.url(f"/{Crowd.name(taken, 100)}"), settings)

    with ThreadPoolExecutor(2) as executor:
        found = spread.each(endless(), settings, executor, lambda event: None)
        for _ in range(10):
            _, result = next(found)
            assert result.error is None
            assert taken < 10 + 2 * 2 + 2
        found.close()  # type: ignore[attr-defined]


def test_a_url_that_is_given_twice_is_fetched_once(serve: Serve, tmp_path: Path) -> None:
    crowd = Crowd()
    server = serve(crowd.handle)  # type: ignore[arg-type]
    settings = Settings(dir=str(tmp_path), history=False, skip_existing=True)
    url = server.url(f"/{Crowd.name(1, 50_000)}")
    with ThreadPoolExecutor(4) as executor:
        found = list(spread.each([File(url, settings)] * 4, settings, executor, lambda event: None))
    assert sorted(result.kept != "" for _, result in found) == [False, True, True, True]
    assert server.body_sent == 50_000


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("inline", "lazy")])
def test_leaving_early_ends_what_runs(kind: str, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    crowd = Crowd(rate=200_000)
    server = serve(crowd.handle)  # type: ignore[arg-type]
    folder = tmp_path / "out"
    settings = Settings(dir=str(folder), history=False)
    urls = [server.url(f"/{Crowd.name(n, 100 if n == 0 else 8_000_000)}") for n in range(9)]
    with _executor(kind) as executor:
        found = spread.each([File(url, settings) for url in urls], settings, executor, lambda event: None)
        job, result = next(found)
        assert (job, result.error) == (0, None)
        found.close()  # type: ignore[attr-defined]
        server.until(lambda: not server.connected, LIMIT)
    assert Crowd.right(folder, [Crowd.name(0, 100)]) == []
    assert not any(path.name == Crowd.name(n, 8_000_000) for n in range(1, 9) for path in folder.iterdir())
    assert list((tmp_path / "temporary").iterdir()) == []


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind in ("spawn", "fork")])
def test_processes_whose_owner_was_killed_end_what_they_had_begun(kind: str, serve: Serve, tmp_path: Path) -> None:
    crowd = Crowd(rate=200_000)
    server = serve(crowd.handle)  # type: ignore[arg-type]
    names = [Crowd.name(n, 8_000_000) for n in range(2)]
    begun = server.alarm(500_000)
    words = [sys.executable, "-c", OWNER, kind, str(tmp_path / "out"), *(server.url(f"/{name}") for name in names)]
    owner = subprocess.Popen(words, env=environment(tmp_path / "home"), stdout=subprocess.PIPE, text=True)
    with owner:
        assert owner.stdout is not None
        workers = [int(pid) for pid in owner.stdout.readline().split()]
        try:
            assert begun.wait(LIMIT) and len(workers) == 2
            owner.kill()
            server.until(lambda: not server.connected, LIMIT)
        finally:
            owner.kill()
            for pid in workers:  # a pool's processes wait for work for ever
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGTERM)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(
        name + end for name in names for end in (".fastdl", ".fastdl.journal")
    )


@pytest.mark.parametrize("kind", ["inline", "lazy"])
def test_who_works_in_the_callers_process_does_not_mind_whose_child_that_is(
    kind: str, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Gone:
        def is_alive(self) -> bool:
            return False

    monkeypatch.setattr("multiprocessing.process.parent_process", Gone)
    server = serve(Crowd().handle)  # type: ignore[arg-type]
    settings = Settings(dir=str(tmp_path), history=False)
    jobs = [File(server.url(f"/{Crowd.name(0, 1000)}"), settings)]
    ((_, result),) = spread.each(jobs, settings, _executor(kind), lambda event: None)
    assert result.error is None


def _die(*args: Any, **named: Any) -> None:
    import os

    os._exit(3)


def test_a_dead_process_is_an_error_of_the_run(serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    crowd = Crowd()
    server = serve(crowd.handle)  # type: ignore[arg-type]
    settings = Settings(dir=str(tmp_path), history=False)
    files = [File(server.url(f"/{Crowd.name(n, 100)}"), settings) for n in range(9)]
    monkeypatch.setattr("fastdl.cluster.process.run_one", _die)
    told: list[Event] = []
    with (
        ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as executor,
        pytest.raises(ClusterLost, match="takes no more files") as caught,
    ):
        for _, result in spread.each(files, settings, executor, told.append):
            assert isinstance(result.error, ClusterLost)
    assert caught.value.code == 3 and "a new executor" in (caught.value.hint or "")
    assert Counter(type(event) for event in told)[Started] == Counter(type(event) for event in told)[Ended] > 0
