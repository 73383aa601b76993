"""`get --cluster` and Dask's executor with a real scheduler and worker processes."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

import pytest

from fastdl import __version__
from servers.clusters import Cluster, Crowd, fill
from servers.raw import RawServer, Serve
from servers.run import Runner, everything_written
from waiting import wait_for

pytest.importorskip("distributed")


def _urls(server: RawServer, names: list[str], folder: str = "/") -> list[str]:
    return [server.url(folder + name) for name in names]


def _left_at_the_scheduler(cluster: Cluster) -> tuple[int, int]:
    """Tasks and queues that are still there."""
    from distributed import Client

    with Client(cluster.address, set_as_default=False) as client:
        counts: tuple[int, int] = client.run_on_scheduler(
            lambda dask_scheduler: (len(dask_scheduler.tasks), len(dask_scheduler.extensions["queues"].queues))
        )
        return counts


def _wanted_workers(cluster: Cluster) -> int:
    """How many an adaptive cluster would have."""
    from distributed import Client

    with Client(cluster.address, set_as_default=False) as client:
        target: int = client.run_on_scheduler(lambda dask_scheduler: dask_scheduler.adaptive_target())
        return target


def test_a_list_by_a_cluster_is_told_like_one_of_this_process(cluster: Cluster, fastdl: Runner, serve: Serve) -> None:
    crowd = Crowd()
    server = serve(crowd.handle)  # type: ignore[arg-type]
    names = [Crowd.name(n, 1000 * n) for n in range(40)] + [Crowd.name(99, 4_000_000)]
    fill(fastdl.cwd / "l.txt", [*_urls(server, names), server.url("/none")])
    result = fastdl.get("-i", "l.txt", "-d", "out", "--cluster", cluster.address)
    assert result.code == 8
    assert Crowd.right(fastdl.cwd / "out", names) == []
    assert "1 of 42 files failed" in result.err and "HTTP 404" in result.err
    assert result.err.count("\n") == 45 or "42 files" in result.err
    again = fastdl.get("-i", "l.txt", "-d", "out", "--cluster", cluster.address, "--json", "--skip-existing")
    assert again.code == 8
    told = {entry["url"]: entry for entry in again.json}
    assert len(again.json) == len(told) == 42
    assert all(
        told[url]["path"] == str(Path("out") / name) for url, name in zip(_urls(server, names), names, strict=True)
    )
    assert _left_at_the_scheduler(cluster) == (0, 0)
    assert crowd.most[f"127.0.0.1:{server.port}"] <= 8


def test_secrets_come_from_the_user_and_are_shown_nowhere(
    cluster: Cluster, fastdl: Runner, serve: Serve, tmp_path: Path
) -> None:
    crowd = Crowd()
    server = serve(crowd.handle)  # type: ignore[arg-type]
    (fastdl.cwd / "n.netrc").write_text("machine 127.0.0.1 login anna password n3trcs3cret\n")
    (fastdl.cwd / "c.txt").write_text("127.0.0.1\tFALSE\t/\tFALSE\t0\tsession\tc00kies3cret\n")
    first, second, third = (Crowd.name(n, 100) for n in range(3))
    lines = [
        server.url(f"/{first}"),
        " header=X-Own: h3aders3cret",
        server.url(f"/{second}"),
        f" netrc-file={fastdl.cwd / 'n.netrc'}",
        server.url(f"/{third}"),
        " bearer-env=TOKEN",
        f" cookies={fastdl.cwd / 'c.txt'}",
    ]
    (fastdl.cwd / "l.txt").write_text("\n".join(lines))
    result = fastdl.get(
        "-i", "l.txt", "--cluster", cluster.address, "-v", "--log", "log", env={"TOKEN": "b3arers3cret"}
    )
    assert result.code == 0, result.err
    sent = json.dumps(crowd.headers)
    from base64 import b64encode

    for part in ("h3aders3cret", "Bearer b3arers3cret", "c00kies3cret", b64encode(b"anna:n3trcs3cret").decode()):
        assert part in sent
    for secret in (b"h3aders3cret", b"b3arers3cret", b"c00kies3cret", b"n3trcs3cret"):
        assert secret not in everything_written(cluster.folder, cluster.home) + result.stderr + result.stdout
        assert secret not in (fastdl.cwd / "log").read_bytes()


def test_no_file_url_or_secret_is_part_of_a_task(cluster: Cluster, serve: Serve, tmp_path: Path) -> None:
    """What the dashboard could show: keys, functions and arguments of the tasks, while they run."""
    from distributed import Client

    from fastdl.cluster import spread
    from fastdl.listing import File
    from fastdl.settings import Settings

    crowd = Crowd()
    server = serve(crowd.handle)  # type: ignore[arg-type]
    settings = Settings(dir=str(tmp_path), headers=[("X-Own", "h3aders3cret")], history=False)
    files = [File(server.url(f"/{Crowd.name(n, 5000)}?token=qu3rys3cret"), settings) for n in range(30)]
    seen = ""
    with Client(cluster.address, set_as_default=False) as client, client.get_executor() as executor:
        for _, result in spread.each(files, settings, executor, lambda event: None):
            assert result.error is None
            seen = seen or client.run_on_scheduler(
                lambda dask_scheduler: repr(
                    [(key, task.run_spec, task.annotations) for key, task in dask_scheduler.tasks.items()]
                )
            )
    assert "fastdl" in seen
    assert "s3cret" not in seen and f":{server.port}" not in seen and ".bin" not in seen


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("http://h/x", "--cluster", "tcp://127.0.0.1:1"), "--cluster is for a list"),
        (("-i", "l.txt", "-o", "-", "--cluster", "tcp://127.0.0.1:1"), "-o - and --cluster exclude each other"),
        (("-i", "l.txt", "--profile", "p", "--cluster", "tcp://127.0.0.1:1"), "--profile and --cluster exclude"),
        (("-i", "l.txt", "--metrics", "m", "--cluster", "tcp://127.0.0.1:1"), "--metrics and --cluster exclude"),
        (("-i", "l.txt", "--cluster", "smtp://127.0.0.1:1"), "is no address of a scheduler"),
        (("-i", "l.txt", "--cluster", "127.0.0.1"), "is no address of a scheduler"),
        (("-i", "l.txt", "--cluster", "tls://127.0.0.1:1"), "no certificates for tls://127.0.0.1:1"),
    ],
)
def test_what_cannot_be_meant_is_refused(words: tuple[str, ...], part: str, fastdl: Runner) -> None:
    fill(fastdl.cwd / "l.txt", ["http://127.0.0.1:1/x"])
    result = fastdl.get(*words)
    assert result.code == 2
    assert part in result.error


def test_without_dask_the_extra_is_named(fastdl: Runner) -> None:
    fill(fastdl.cwd / "l.txt", ["http://127.0.0.1:1/x"])
    (fastdl.cwd / "distributed.py").write_text("raise ImportError('not here')\n")
    result = fastdl.get("-i", "l.txt", "--cluster", "tcp://127.0.0.1:1")
    assert result.code == 2
    assert "fastdl[cluster]" in result.error


def test_a_scheduler_that_does_not_answer(fastdl: Runner, serve: Serve) -> None:
    fill(fastdl.cwd / "l.txt", ["http://127.0.0.1:1/x"])
    silent = serve(lambda connection: connection.hold())
    for port in (silent.port, 1):
        result = fastdl.get("-i", "l.txt", "--cluster", f"tcp://127.0.0.1:{port}", "--connect-timeout", "0.5")
        assert result.code == 3
        assert "cannot be reached (no answer within 0.5 s)" in result.error
        assert result.err.count("\n") == 1


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for one process there")
def test_a_cluster_without_workers_is_waited_for(fastdl: Runner, serve: Serve, tmp_path: Path) -> None:
    crowd = Crowd()
    server = serve(crowd.handle)  # type: ignore[arg-type]
    names = [Crowd.name(1, 100)]
    fill(fastdl.cwd / "l.txt", _urls(server, names))
    with Cluster(tmp_path / "empty", fastdl.home) as empty:
        for ending in ("ctrl-c", "worker"):
            process = fastdl.start("get", "-i", "l.txt", "--cluster", empty.address)
            assert process.stderr is not None
            assert b"no worker; waiting" in process.stderr.readline()
            if ending == "ctrl-c":
                process.send_signal(signal.SIGINT)
            else:
                wait_for(lambda: _wanted_workers(empty) >= 1, 30)  # one that grows with its work would begin a worker
                empty.add()
            _, err = process.communicate(timeout=60)
            assert b"waiting" not in err
            assert process.returncode == (130 if ending == "ctrl-c" else 0), err
            assert _left_at_the_scheduler(empty) == (0, 0)
    assert Crowd.right(fastdl.cwd, names) == []


def test_a_worker_without_this_fastdl_is_named(fastdl: Runner, tmp_path: Path) -> None:
    fill(fastdl.cwd / "l.txt", ["http://127.0.0.1:1/x"])
    none, old = tmp_path / "none", tmp_path / "old"
    none.mkdir()
    old.mkdir()
    (none / "fastdl.py").write_text("raise ImportError('not here')\n")
    (old / "fastdl.py").write_text('__version__ = "0.0.1"\n')
    with Cluster(tmp_path / "strange", fastdl.home, bare=True) as strange:
        for path, part in ((none, "has no fastdl"), (old, "has fastdl 0.0.1")):
            worker = strange.add({"PYTHONPATH": str(path)})
            strange.wait(1)
            result = fastdl.get("-i", "l.txt", "--cluster", strange.address)
            worker.terminate()
            worker.wait(20)
            assert result.code == 2
            assert "the worker tcp://127.0.0.1:" in result.error and part in result.error
            assert f"Install fastdl {__version__}" in result.error


def test_the_folder_has_to_be_there_at_the_worker(fastdl: Runner, cluster: Cluster) -> None:
    fill(fastdl.cwd / "l.txt", ["http://127.0.0.1:1/x"])
    (fastdl.cwd / "file").write_text("")
    result = fastdl.get("-i", "l.txt", "-d", "file/sub", "--cluster", cluster.address)
    assert result.code == 6
