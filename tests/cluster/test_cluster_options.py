"""What options mean where a cluster downloads."""

from __future__ import annotations

import json
import os
import re
import sys
import time
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from fastdl import api, errors
from fastdl.cluster.head import Head
from fastdl.cluster.own_limits import bounded
from fastdl.events import Event
from fastdl.settings import Settings
from servers.clusters import Cluster, Crowd, fill
from servers.files import FileApp
from servers.raw import Serve
from servers.run import Runner

pytest.importorskip("distributed")

WHO = "import os, sys; open(sys.argv[1] + '.by', 'w').write(str(os.getppid()))"


@pytest.fixture
def two(cluster: Cluster) -> Cluster:
    cluster.at_least(2)
    return cluster


def test_the_rate_is_for_all_lanes_together() -> None:
    head = Head(Settings(limit_rate=1000))
    lanes = [head.join(number, f"w{number}") for number in (1, 2, 3, 4)]
    assert [head.orders(lane).rate for lane in lanes] == [250] * 4
    head.lose(4)
    assert head.orders(lanes[0]).rate == 333


def test_the_rate_holds_for_the_whole_cluster(two: Cluster, fastdl: Runner, serve: Serve) -> None:
    server = serve(Crowd().handle)  # type: ignore[arg-type]
    names = [Crowd.name(n, 400_000) for n in range(6)]
    fill(fastdl.cwd / "l.txt", [server.url(f"/{name}") for name in names])
    begin = time.monotonic()
    result = fastdl.get("-i", "l.txt", "-d", "out", "-r", "800K", "--cluster", two.address)
    assert result.code == 0, result.err
    assert Crowd.right(fastdl.cwd / "out", names) == []
    assert time.monotonic() - begin > 2.0  # 3 s at that rate, half of it if each worker had all of it


def test_a_workers_own_limits_count(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in (
        ("LIMIT_RATE", "5000"),
        ("JOBS", "2"),
        ("PER_HOST", "20"),
        ("CONFIG", str(tmp_path / "config")),
    ):
        monkeypatch.setenv(f"FASTDL_{name}", value)
    (tmp_path / "config").write_text("connections = 3\n")
    mine = bounded(Settings(jobs=4, per_host=8, connections=None))
    assert (mine.limit_rate, mine.jobs, mine.per_host, mine.connections) == (5000, 2, 8, 3)


def test_what_follows_is_done_at_the_workers(two: Cluster, fastdl: Runner, serve: Serve) -> None:
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("inside.txt", "text")
    app = FileApp(data=packed.getvalue(), size=len(packed.getvalue()))
    server, other = serve(app), serve(Crowd().handle)  # type: ignore[arg-type]
    (fastdl.cwd / "who.py").write_text(WHO)
    names = [Crowd.name(n, 1000) for n in range(4)]
    told = f'"{sys.executable}" "{fastdl.cwd / "who.py"}" {{path}}'
    fill(fastdl.cwd / "l.txt", [*(other.url(f"/{name}") for name in names), server.url("/a.zip")])
    words = ("--extract", "--on-complete", told, "--cluster", two.address)
    result = fastdl.get("-i", "l.txt", "-d", "out", *words)
    assert result.code == 0, result.err
    workers = {str(process.pid) for process in two.workers}
    assert {(fastdl.cwd / "out" / f"{name}.by").read_text() for name in names} <= workers
    assert (fastdl.cwd / "out" / "inside.txt").read_text() == "text"


def test_progress_json_tells_of_every_file(two: Cluster, fastdl: Runner, serve: Serve) -> None:
    server = serve(Crowd(400_000).handle)  # type: ignore[arg-type]
    names = [Crowd.name(n, 400_000) for n in range(3)]
    fill(fastdl.cwd / "l.txt", [server.url(f"/{name}") for name in names])
    result = fastdl.get("-i", "l.txt", "-d", "out", "--progress", "json", "--cluster", two.address)
    assert result.code == 0, result.err
    lines = [json.loads(line) for line in result.err.splitlines() if line.startswith("{")]
    assert {line["path"] for line in lines} == {str(Path("out") / name) for name in names}
    assert {line["total"] for line in lines} <= {400_000, None}


def test_the_lock_is_written_and_enforced(two: Cluster, fastdl: Runner, serve: Serve) -> None:
    crowd = Crowd()
    server = serve(crowd.handle)  # type: ignore[arg-type]
    names = [Crowd.name(n, 100 + n) for n in range(5)]
    urls = [server.url(f"/{name}") for name in names]
    fill(fastdl.cwd / "l.txt", urls)
    words = ("-i", "l.txt", "-d", "out", "--lock", "l.lock", "--json", "--cluster", two.address)
    assert fastdl.get(*words).code == 0
    lock = (fastdl.cwd / "l.lock").read_text()
    assert all(name in lock for name in names)
    other = re.sub(r'("size": 102.*"sha256": ")[0-9a-f]{8}', r"\g<1>00000000", lock)
    other = other if other != lock else re.sub(r'("sha256": ")[0-9a-f]{8}(.*"size": 102)', r"\g<1>00000000\2", lock)
    assert other != lock
    (fastdl.cwd / "l.lock").write_text(other)
    for name in names:
        (fastdl.cwd / "out" / name).unlink()
    result = fastdl.get(*words)
    assert result.code == 8
    failed = {entry["url"]: entry["exit_code"] for entry in result.json if entry["error"]}
    assert failed == {urls[2]: 5}
    assert Crowd.right(fastdl.cwd / "out", names) == [names[2]]
    assert (fastdl.cwd / "l.lock").read_text() == other


def test_the_second_run_fetches_nothing(two: Cluster, fastdl: Runner, serve: Serve) -> None:
    crowd = Crowd()
    server = serve(crowd.handle)  # type: ignore[arg-type]
    names = [Crowd.name(n, 100 + n) for n in range(30)]
    fill(fastdl.cwd / "l.txt", [server.url(f"/{name}") for name in names])
    words = ("-i", "l.txt", "-d", "out", "-N", "--cluster", two.address)
    assert fastdl.get(*words).code == 0
    before = server.body_sent
    assert fastdl.get(*words).code == 0
    assert server.body_sent == before and set(crowd.asked.values()) == {2}


def test_a_worker_that_does_not_see_the_folder_gets_no_files(
    two: Cluster, fastdl: Runner, serve: Serve, tmp_path: Path
) -> None:
    server = serve(Crowd().handle)  # type: ignore[arg-type]
    names = [Crowd.name(n, 1000) for n in range(20)]
    fill(fastdl.cwd / "l.txt", [server.url(f"/{name}") for name in names])
    blind = tmp_path / "blind"
    blind.mkdir()
    (blind / "sitecustomize.py").write_text(
        "import os.path\nsees = os.path.isdir\nos.path.isdir = lambda at: not str(at).endswith('out') and sees(at)\n"
    )
    two.add({"PYTHONPATH": os.pathsep.join([str(blind), str(Path(api.__file__).parents[2])])})
    try:
        two.wait(3)
        result = fastdl.get("-i", "l.txt", "-d", "out", "--cluster", two.address)
    finally:
        two.workers[-1].kill()
    assert result.code == 0, result.err
    assert "gets no files: the folder" in result.err
    assert Crowd.right(fastdl.cwd / "out", names) == []


def test_an_executor_that_is_bound_to_a_worker(two: Cluster, serve: Serve, tmp_path: Path) -> None:
    from distributed import Client

    from fastdl import download_many

    server = serve(Crowd().handle)  # type: ignore[arg-type]
    names = [Crowd.name(n, 1000) for n in range(8)]
    urls = [server.url(f"/{name}") for name in names]
    at_work: set[str] = set()

    def busy(dask_scheduler: Any) -> list[str]:
        return [task.processing_on.address for task in dask_scheduler.tasks.values() if task.processing_on]

    with Client(two.address, set_as_default=False) as client:

        def look(event: Event) -> None:
            at_work.update(client.run_on_scheduler(busy))

        workers = client.scheduler_info()["workers"]
        at = sorted(workers)[0]
        for number, one in enumerate((at, workers[at]["name"])):
            with client.get_executor(workers=[one], retries=2) as executor:
                results = download_many(urls, executor=executor, dir=tmp_path / str(number), on_event=look)
            assert [result.error for result in results] == [None] * len(names)
            assert Crowd.right(tmp_path / str(number), names) == []
        assert at_work == {at}
        with client.get_executor(resources={"GPU": 1}) as executor, pytest.raises(errors.UsageError, match="resources"):
            download_many(urls, executor=executor, dir=tmp_path)


def test_a_scheduler_that_does_it_otherwise_is_one_line(two: Cluster, fastdl: Runner) -> None:
    """Of another release of Dask, say: what a run needs of it is not there."""
    from distributed import Client

    fill(fastdl.cwd / "l.txt", ["http://127.0.0.1:1/x"])
    with Client(two.address, set_as_default=False) as client:

        def rename(dask_scheduler: Any, old: str, new: str) -> None:
            dask_scheduler.handlers[new] = dask_scheduler.handlers.pop(old)

        client.run_on_scheduler(rename, old="queue_create", new="gone")
        try:
            result = fastdl.get("-i", "l.txt", "--cluster", two.address)
        finally:
            client.run_on_scheduler(rename, old="gone", new="queue_create")
    assert result.code == 3
    assert "does not do what it is asked for" in result.error and "distributed" in result.error
