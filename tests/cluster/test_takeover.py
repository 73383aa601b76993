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


def _begin(fastdl: Runner, cluster: Cluster, urls: list[str], *more: str) -> subprocess.Popen[bytes]:
    fill(fastdl.cwd / "l.txt", urls)
    return fastdl.start("get", "-i", "l.txt", "-d", "out", "--json", "--cluster", cluster.address, *more)


def _end(fastdl: Runner, process: subprocess.Popen[bytes]) -> Run:
    out, err = process.communicate(timeout=90)
    return check(Run(process.returncode, out, err, fastdl.cwd, fastdl.home))


# Of the bytes of the files. Where all workers end at once, what their connections had under way is sent again, and
# weighs more in a list as small as this one.
ONE_OF_THEM, ALL_AT_ONCE = 1.05, 1.15


def _sent(server: RawServer) -> float:
    return server.body_sent / TOTAL


def test_a_worker_is_killed_and_another_one_comes(many: Cluster, fastdl: Runner, serve: Serve) -> None:
    crowd = Crowd(PACE)
    server = serve(crowd.handle)  # type: ignore[arg-type]
    part = server.alarm(TOTAL // 4)
    process = _begin(fastdl, many, [server.url(f"/{name}") for name in NAMES])
    assert part.wait(60)
    many.workers[0].kill()
    many.add()
    result = _end(fastdl, process)
    assert result.code == 0, result.err
    assert Crowd.right(fastdl.cwd / "out", NAMES) == []
    assert len(result.json) == len({entry["url"] for entry in result.json}) == len(NAMES)
    assert not [path for path in (fastdl.cwd / "out").iterdir() if "fastdl" in path.name]
    assert _sent(server) <= ONE_OF_THEM
    assert crowd.most[f"127.0.0.1:{server.port}"] <= 8


def test_redirects_to_another_host_are_held_too(many: Cluster, fastdl: Runner, serve: Serve) -> None:
    crowd, behind = Crowd(), Crowd(PACE)
    server, other = serve(crowd.handle), serve(behind.handle)  # type: ignore[arg-type]
    part = other.alarm(TOTAL // 4)
    to = f"localhost:{other.port}"
    process = _begin(fastdl, many, [server.url(f"/to/{to}/{name}") for name in NAMES], "--per-host", "5")
    assert part.wait(60)
    many.workers[1].kill()
    result = _end(fastdl, process)
    assert result.code == 0, result.err
    assert Crowd.right(fastdl.cwd / "out", NAMES) == []
    assert _sent(other) <= ONE_OF_THEM
    assert crowd.most[f"127.0.0.1:{server.port}"] <= 5 and behind.most[to] <= 5


def test_a_worker_leaves_in_order(many: Cluster, fastdl: Runner, serve: Serve) -> None:
    from distributed import Client

    crowd = Crowd(PACE)
    server = serve(crowd.handle)  # type: ignore[arg-type]
    part = server.alarm(TOTAL // 4)
    process = _begin(fastdl, many, [server.url(f"/{name}") for name in NAMES])
    assert part.wait(60)
    with Client(many.address, set_as_default=False) as client:
        client.retire_workers([sorted(client.nthreads())[0]])
    result = _end(fastdl, process)
    assert result.code == 0, result.err
    assert Crowd.right(fastdl.cwd / "out", NAMES) == []
    assert _sent(server) <= ONE_OF_THEM
    assert crowd.most[f"127.0.0.1:{server.port}"] <= 8


def test_the_scheduler_dies_and_the_same_command_goes_on(
    many: Cluster, fastdl: Runner, serve: Serve, tmp_path: Path
) -> None:
    crowd = Crowd(PACE)
    server = serve(crowd.handle)  # type: ignore[arg-type]
    part = server.alarm(TOTAL // 4)
    urls = [server.url(f"/{name}") for name in NAMES]
    with Cluster(tmp_path / "first", tmp_path / "workers", 2) as first:
        process = _begin(fastdl, first, urls)
        assert part.wait(60) and first.scheduler is not None
        first.scheduler.kill()
        result = _end(fastdl, process)
        assert result.code == 3
        assert "the scheduler" in result.error and "is gone" in result.error
        wait_for(lambda: server.active == 0, 30)  # the workers notice it too
    again = _end(fastdl, _begin(fastdl, many, urls, "--skip-existing"))
    assert again.code == 0, again.err
    assert Crowd.right(fastdl.cwd / "out", NAMES) == []
    assert _sent(server) <= ALL_AT_ONCE


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for one process there")
def test_ctrl_c_ends_the_downloads_at_the_workers(many: Cluster, fastdl: Runner, serve: Serve) -> None:
    import signal

    crowd = Crowd(PACE)
    server = serve(crowd.handle)  # type: ignore[arg-type]
    part = server.alarm(TOTAL // 4)
    urls = [server.url(f"/{name}") for name in NAMES]
    process = _begin(fastdl, many, urls)
    assert part.wait(60)
    process.send_signal(signal.SIGINT)
    result = _end(fastdl, process)
    assert result.code == 130 and "interrupted" in result.error
    assert server.connected == 0
    again = _end(fastdl, _begin(fastdl, many, urls, "--skip-existing"))
    assert again.code == 0, again.err
    assert Crowd.right(fastdl.cwd / "out", NAMES) == []
    assert _sent(server) <= ALL_AT_ONCE


def test_a_head_that_is_killed_leaves_nobody_at_work(many: Cluster, fastdl: Runner, serve: Serve) -> None:
    crowd = Crowd(PACE)
    server = serve(crowd.handle)  # type: ignore[arg-type]
    part = server.alarm(TOTAL // 4)
    process = _begin(fastdl, many, [server.url(f"/{name}") for name in NAMES])
    assert part.wait(60)
    process.kill()
    process.communicate()
    wait_for(lambda: server.active == 0, 30)


def test_the_lock_of_a_head_that_is_killed(many: Cluster, fastdl: Runner, serve: Serve) -> None:
    """No file has a name that the lock has not heard of: the same command goes on, though nothing tells it what the
    files are that are there."""
    from distributed import Client

    crowd = Crowd(PACE)
    crowd.validators = False
    server = serve(crowd.handle)  # type: ignore[arg-type]
    part = server.alarm(TOTAL // 3)
    urls = [server.url(f"/{name}") for name in NAMES]
    process = _begin(fastdl, many, urls, "--lock", "l.lock")
    assert part.wait(60)
    process.kill()
    process.communicate()
    with Client(many.address) as client:
        wait_for(lambda: not any(client.processing().values()), 30)
    again = _end(fastdl, _begin(fastdl, many, urls, "--lock", "l.lock"))
    assert again.code == 0, again.err
    assert Crowd.right(fastdl.cwd / "out", NAMES) == []
    assert (fastdl.cwd / "l.lock").read_text("utf-8").count("\n") == 1 + len(NAMES)


def test_a_large_file_holds_up_no_small_one(many: Cluster, fastdl: Runner, serve: Serve) -> None:
    """Every small file ends while the large one is on its way: it is only let go when they have."""
    crowd = Crowd()
    server = serve(crowd.handle)  # type: ignore[arg-type]
    large, small = Crowd.name(5, 300_000), [Crowd.name(100 + n, 1000) for n in range(80)]
    free = threading.Event()
    crowd.block = lambda path: None if path != f"/{large}" else _held(free)
    process = _begin(fastdl, many, [server.url(f"/{name}") for name in [large, *small]], "-j", "1")
    try:
        wait_for(lambda: Crowd.right(fastdl.cwd / "out", small) == [], 60)
    finally:
        free.set()
    result = _end(fastdl, process)
    assert result.code == 0, result.err
    assert Crowd.right(fastdl.cwd / "out", [large]) == []


def _held(free: threading.Event) -> None:
    free.wait(60)
