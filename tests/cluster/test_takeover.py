"""Workers that die, leave and come while a list is on its way: nothing lost, nothing twice, no connection too many."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from servers.clusters import Cluster, Crowd, fill
from servers.raw import RawServer, Serve
from servers.run import Result as Run
from servers.run import Runner, check
from waiting import wait_for

pytest.importorskip("distributed")

PACE = 400_000.0  # bytes a second of each connection
NAMES = [Crowd.name(n, 60_000 + n) for n in range(60)] + [Crowd.name(77, 4_000_000)]
TOTAL = sum(int(name.removesuffix(".bin").partition("-")[2]) for name in NAMES)


@pytest.fixture
def many(cluster: Cluster) -> Cluster:
    """Four workers, which a test may kill."""
    cluster.at_least(4)
    return cluster


# Of the bytes of the files. Where all workers end at once, what their connections had under way is sent again, and
# weighs more in a list as small as this one.
ONE_OF_THEM, ALL_AT_ONCE = 1.05, 1.15


class Listed:
    """A list of files that one server has, and runs of it."""

    def __init__(self, fastdl: Runner, serve: Serve, pace: float | None = PACE, names: list[str] = NAMES) -> None:
        self.fastdl, self.names = fastdl, names
        self.crowd = Crowd(pace)
        self.server: RawServer = serve(self.crowd.handle)
        self.urls = [self.server.url(f"/{name}") for name in names]

    def begin(self, cluster: Cluster, *more: str) -> subprocess.Popen[bytes]:
        fill(self.fastdl.cwd / "l.txt", self.urls)
        words = ("get", "-i", "l.txt", "-d", "out", "--json", "--cluster", cluster.address, *more)
        return self.fastdl.start(*words)

    def begun(self, cluster: Cluster, *more: str) -> subprocess.Popen[bytes]:
        """With a quarter of it sent."""
        part = self.server.alarm(TOTAL // 4)
        process = self.begin(cluster, *more)
        assert part.wait(60)
        return process

    def end(self, process: subprocess.Popen[bytes]) -> Run:
        out, err = process.communicate(timeout=90)
        return check(Run(process.returncode, out, err, self.fastdl.cwd, self.fastdl.home))

    def whole(self, process: subprocess.Popen[bytes], most: float) -> Run:
        """It ends well: every file is right, and the server has sent no more than `most` times their bytes."""
        result = self.end(process)
        assert result.code == 0, result.err
        assert Crowd.right(self.fastdl.cwd / "out", self.names) == []
        assert self.server.body_sent / TOTAL <= most
        return result

    @property
    def most(self) -> int:
        """Connections at a time."""
        return self.crowd.most[f"127.0.0.1:{self.server.port}"]


@pytest.fixture
def listed(fastdl: Runner, serve: Serve) -> Listed:
    return Listed(fastdl, serve)


def test_a_worker_is_killed_and_another_one_comes(many: Cluster, listed: Listed) -> None:
    process = listed.begun(many)
    many.workers[0].kill()
    many.add()
    result = listed.whole(process, ONE_OF_THEM)
    assert len(result.json) == len({entry["url"] for entry in result.json}) == len(NAMES)
    assert not [path for path in (result.cwd / "out").iterdir() if "fastdl" in path.name]
    assert listed.most <= 8


def test_redirects_to_another_host_are_held_too(many: Cluster, fastdl: Runner, listed: Listed, serve: Serve) -> None:
    before = Crowd()
    server = serve(before.handle)
    to = f"localhost:{listed.server.port}"
    listed.urls = [server.url(f"/to/{to}/{name}") for name in NAMES]
    process = listed.begun(many, "--per-host", "5")
    many.workers[1].kill()
    listed.whole(process, ONE_OF_THEM)
    assert before.most[f"127.0.0.1:{server.port}"] <= 5 and listed.crowd.most[to] <= 5


def test_a_worker_leaves_in_order(many: Cluster, listed: Listed) -> None:
    from distributed import Client

    process = listed.begun(many)
    with Client(many.address, set_as_default=False) as client:
        client.retire_workers([sorted(client.nthreads())[0]])
    listed.whole(process, ONE_OF_THEM)
    assert listed.most <= 8


def test_workers_that_are_busy_with_other_work_are_not_blamed(many: Cluster, fastdl: Runner, serve: Serve) -> None:
    from distributed import Client
    from distributed import Event as Sign

    def occupied(over: str) -> None:
        Sign(over).wait()

    names = [Crowd.name(n, 1000) for n in range(20)]
    listed = Listed(fastdl, serve, None, names)
    with Client(many.address, set_as_default=False) as client:
        workers = sorted(client.nthreads())[1:]
        tasks = [client.submit(occupied, "over", workers=[each], pure=False) for each in workers]
        wait_for(lambda: sum(len(keys) for keys in client.processing().values()) == len(tasks), 30)
        try:
            result = listed.end(listed.begin(many))
        finally:
            Sign("over", client=client).set()
            client.gather(tasks)
            Sign("over", client=client).clear()
    assert result.code == 0 and Crowd.right(fastdl.cwd / "out", names) == []
    assert "gets no files" not in result.err


def test_the_scheduler_dies_and_the_same_command_goes_on(many: Cluster, listed: Listed, tmp_path: Path) -> None:
    with Cluster(tmp_path / "first", tmp_path / "workers", 2) as first:
        process = listed.begun(first)
        assert first.scheduler is not None
        first.scheduler.kill()
        result = listed.end(process)
        assert result.code == 3
        assert "the scheduler" in result.error and "is gone" in result.error
        listed.server.until(lambda: listed.server.active == 0, 30)  # the workers notice it too
    listed.whole(listed.begin(many, "--skip-existing"), ALL_AT_ONCE)


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for one process there")
def test_ctrl_c_ends_the_downloads_at_the_workers(many: Cluster, listed: Listed) -> None:
    import signal

    process = listed.begun(many)
    process.send_signal(signal.SIGINT)
    result = listed.end(process)
    assert result.code == 130 and "interrupted" in result.error
    assert listed.server.connected == 0
    listed.whole(listed.begin(many, "--skip-existing"), ALL_AT_ONCE)


def test_a_head_that_is_killed_leaves_nobody_at_work(many: Cluster, listed: Listed) -> None:
    process = listed.begun(many)
    process.kill()
    process.communicate()
    listed.server.until(lambda: listed.server.active == 0, 30)


def test_the_lock_of_a_head_that_is_killed(many: Cluster, listed: Listed) -> None:
    """No file has a name that the lock has not heard of: the same command goes on, though nothing tells it what the
    files are that are there."""
    from distributed import Client

    listed.crowd.validators = False
    part = listed.server.alarm(TOTAL // 3)
    process = listed.begin(many, "--lock", "l.lock")
    assert part.wait(60)
    process.kill()
    process.communicate()
    with Client(many.address, set_as_default=False) as client:
        wait_for(lambda: not any(client.processing().values()), 30)
    again = listed.end(listed.begin(many, "--lock", "l.lock"))
    assert again.code == 0, again.err
    assert Crowd.right(again.cwd / "out", NAMES) == []
    assert (again.cwd / "l.lock").read_text("utf-8").count("\n") == 1 + len(NAMES)


def test_a_large_file_holds_up_no_small_one(many: Cluster, fastdl: Runner, serve: Serve) -> None:
    """Every small file ends while the large one is on its way: it is only let go when they have."""
    large, small = Crowd.name(5, 300_000), [Crowd.name(100 + n, 1000) for n in range(80)]
    listed = Listed(fastdl, serve, None, [large, *small])
    free = threading.Event()
    listed.crowd.block = lambda path: None if path != f"/{large}" else _held(free)
    process = listed.begin(many, "-j", "1")
    try:
        wait_for(lambda: Crowd.right(fastdl.cwd / "out", small) == [], 60)
    finally:
        free.set()
    result = listed.end(process)
    assert result.code == 0, result.err
    assert Crowd.right(fastdl.cwd / "out", [large]) == []


def _held(free: threading.Event) -> None:
    free.wait(60)
