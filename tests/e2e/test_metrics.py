"""`--metrics`: read as Prometheus reads it, while fastdl works and afterwards."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from servers.content import digest
from servers.files import FileApp, Reply
from servers.raw import Connection, Request, Serve
from servers.real import package
from servers.run import Runner
from waiting import wait_for

text_string_to_metric_families = package("prometheus_client.parser").text_string_to_metric_families

SIZE = 3 << 20
LIMIT = 30.0  # seconds until a test that hangs fails

Values = dict[tuple[str, tuple[tuple[str, str], ...]], float]


class Metrics:
    """An exposition: `value(name, label=...)` is the sum of the samples that fit."""

    def __init__(self, text: str) -> None:
        assert text.endswith("\n")
        self.values: Values = {}
        self.kinds: dict[str, str] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                key = sample.name, tuple(sorted(sample.labels.items()))
                assert key not in self.values, f"twice: {key}"
                self.values[key] = sample.value
                self.kinds[sample.name] = family.type

    def value(self, name: str, **labels: str) -> float:
        found = [
            value
            for (own, pairs), value in self.values.items()
            if own == "fastdl_" + name and labels.items() <= dict(pairs).items()
        ]
        assert found or not labels, f"no {name} with {labels} in {sorted(self.values)}"
        return sum(found)

    def labels(self, name: str, label: str) -> set[str]:
        return {dict(pairs)[label] for own, pairs in self.values if own == "fastdl_" + name}


def written(path: Path) -> Metrics:
    return Metrics(path.read_text(encoding="utf-8"))


@contextmanager
def running(fastdl: Runner, *args: str) -> Iterator[subprocess.Popen[bytes]]:
    with fastdl.start("get", "--no-proxy", *args) as process:
        try:
            yield process
        finally:
            process.kill()


def address_of(process: subprocess.Popen[bytes]) -> str:
    """What a line on stderr says."""
    assert process.stderr is not None
    line = process.stderr.readline().decode()
    found = re.fullmatch(r"fastdl: metrics at (http://127\.0\.0\.1:\d+/metrics)\n", line.replace("\r", ""))
    assert found, line
    return found[1]


def scraped(url: str) -> Metrics:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=LIMIT) as answer:
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        return Metrics(answer.read().decode("utf-8"))


def scrape_until(url: str, holds: Callable[[Metrics], bool]) -> Metrics:
    found: list[Metrics] = []
    wait_for(lambda: found.append(scraped(url)) or holds(found[-1]), LIMIT)
    return found[-1]


def test_at_an_address_while_it_works(fastdl: Runner, serve: Serve) -> None:
    server = serve(FileApp(size=SIZE, rate=60_000))
    host = f"127.0.0.1:{server.port}"
    with running(fastdl, "-x", "2", "-k", "64k", "--metrics", "127.0.0.1:0", server.url()) as process:
        url = address_of(process)
        found = scrape_until(url, lambda found: found.value("receive_bytes_per_second") > 0)
        before: Values = {}
        for _ in range(20):
            now = scraped(url)
            for key, value in before.items():
                if now.kinds[key[0]] in ("counter", "summary"):
                    assert now.values[key] >= value, key
            before = now.values
        assert found.value("received_bytes_total", host=host, trust="origin") > 0
        assert 0 < found.value("missing_bytes") < SIZE
        assert found.value("connections", host="127.0.0.1") >= 1
        assert found.value("connections_opened_total", host=host) >= 1
        assert found.value("requests_total", host=host) >= 1
        assert (found.value("downloads_running"), found.value("downloads_total")) == (1, 0)
        assert found.value("process_resident_memory_bytes") > 1 << 20
        assert abs(found.value("start_time_seconds") - time.time()) < 1000
        with pytest.raises(urllib.error.HTTPError, match="404"):
            scraped(url.removesuffix("metrics"))


def test_at_an_address_nothing_is_written(fastdl: Runner, serve: Serve) -> None:
    result = fastdl.get("--no-proxy", "--metrics", "localhost:0", serve(FileApp(size=1000)).url())
    assert (result.code, result.files) == (0, {"file.bin"})


def test_a_port_in_use(fastdl: Runner, serve: Serve) -> None:
    server = serve(FileApp(size=1000))
    result = fastdl.get("-q", "--no-proxy", "--metrics", f"127.0.0.1:{server.port}", server.url())
    assert result.code == 2
    assert "another program has this port" in result.error
    assert (result.files, server.log) == (set(), [])


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0", "192.0.2.1:9180", "example.org:80", ":0"])
def test_other_addresses_than_the_loopback(fastdl: Runner, serve: Serve, address: str) -> None:
    server = serve(FileApp(size=1000))
    result = fastdl.get("--no-proxy", "--metrics", address, server.url())
    assert result.code == 2
    assert "loopback" in result.error or "missing" in result.error
    assert server.log == []


def test_quiet_and_json_keep_stderr_as_it_is(fastdl: Runner, serve: Serve) -> None:
    server = serve(FileApp(size=1000))
    quiet = fastdl.get("-q", "--no-proxy", "--metrics", "localhost:0", "--log", "log", server.url())
    assert (quiet.code, quiet.err) == (0, "")
    assert "metrics at http://" in (fastdl.cwd / "log").read_text(encoding="utf-8")
    told = fastdl.get("--overwrite", "--no-proxy", "--metrics", "localhost:0", "--progress", "json", server.url())
    assert told.code == 0
    assert all(line.startswith("{") for line in told.err.splitlines())
    assert "metrics at http://" in told.err


def test_in_a_file(fastdl: Runner, serve: Serve) -> None:
    app = FileApp(size=SIZE)
    server = serve(app)
    checksum = f"sha256:{app.sha256()}"
    result = fastdl.get("--no-proxy", "--metrics", "one.prom", "--checksum", checksum, "--json", server.url())
    assert result.code == 0, result.err
    assert result.files == {"file.bin", "one.prom"}
    found, told = written(fastdl.cwd / "one.prom"), result.json[0]
    host = f"127.0.0.1:{server.port}"
    assert found.value("received_bytes_total", host=host, trust="origin", run="one") == SIZE + told["wasted_bytes"]
    assert found.value("wasted_bytes_total", host=host) == told["wasted_bytes"]
    assert found.value("requests_total", host=host) == told["requests"]
    assert found.value("downloads_total", exit_code="0") == found.value("downloads_total") == 1
    assert found.value("digests_total", result="verified") == found.value("digests_total") == 1
    assert found.value("download_duration_seconds_count") == 1
    assert found.value("download_duration_seconds_sum") == pytest.approx(told["seconds"], abs=0.001)
    assert found.value("downloads_running") == found.value("connections") == found.value("missing_bytes") == 0
    assert found.value("receive_bytes_per_second") == 0
    assert found.value("start_time_seconds") <= found.value("end_time_seconds") <= time.time()
    assert found.labels("downloads_total", "run") == {"one"}


def test_a_list_with_all_outcomes(fastdl: Runner, serve: Serve) -> None:
    def hook(connection: Connection, request: Request, reply: Reply) -> Reply:
        if "gone" in request.target:
            return Reply(404, literal=b"no", headers=[("Content-Length", "2")])
        return reply

    server = serve(FileApp(size=5000, hook=hook))
    wrong = f"sha256:{'0' * 64}"
    lines = [server.url(f"/{number}") + f"\n out={number}" for number in range(40)]
    lines += [server.url("/gone"), server.url("/w") + f"\n checksum={wrong}", "nonsense"]
    (fastdl.cwd / "list").write_text("\n".join(lines) + "\n", encoding="utf-8")
    result = fastdl.get("-q", "--no-proxy", "-i", "list", "-d", "out", "--metrics", "m.prom", "--retries", "0")
    assert result.code == 8, result.err
    found = written(fastdl.cwd / "m.prom")
    codes = {code: found.value("downloads_total", exit_code=code) for code in ("0", "2", "4", "5")}
    assert codes == {"0": 40, "2": 1, "4": 1, "5": 1}
    assert found.value("digests_total", result="none") == 40
    assert found.value("digests_total", result="failed") == 1
    assert found.value("downloads_running") == 0
    assert found.labels("received_bytes_total", "host") == {f"127.0.0.1:{server.port}"}
    assert found.value("received_bytes_total") >= 41 * 5000
    assert found.value("requests_total") == len(server.log)


def test_retries_and_errors(fastdl: Runner, serve: Serve) -> None:
    def hook(connection: Connection, request: Request, reply: Reply) -> Reply:
        if app.count <= 2:
            return Reply(503, literal=b"", headers=[("Content-Length", "0"), ("Retry-After", "0")])
        return reply

    app = FileApp(size=5000, hook=hook)
    server = serve(app)
    result = fastdl.get("--no-proxy", "--metrics", "m.prom", server.url())
    assert result.code == 0, result.err
    found = written(fastdl.cwd / "m.prom")
    assert (found.value("errors_total"), found.value("retries_total")) == (2, 2)
    (fastdl.cwd / "file.bin").unlink()
    app.hook = lambda connection, request, reply: Reply(404, literal=b"", headers=[("Content-Length", "0")])
    assert fastdl.get("--no-proxy", "--metrics", "m.prom", server.url()).code == 4
    found = written(fastdl.cwd / "m.prom")
    assert (found.value("errors_total"), found.value("retries_total")) == (1, 0)


def test_each_source_and_its_trust(fastdl: Runner, serve: Serve) -> None:
    first, second = serve(FileApp(size=SIZE, rate=3e5)), serve(FileApp(size=SIZE, rate=3e5))
    options = ("--no-proxy", "-x", "4", "-k", "64k", "--metrics", "m.prom", "--json", "--no-cdn")
    result = fastdl.get(*options, "-m", second.url(), first.url())
    assert result.code == 0, result.err
    found = written(fastdl.cwd / "m.prom")
    for source, server in zip(result.json[0]["sources"], (first, second), strict=True):
        host = f"127.0.0.1:{server.port}"
        assert found.value("received_bytes_total", host=host, trust=source["trust"]) == source["bytes"] > 0


def test_going_on_counts_what_was_there(fastdl: Runner, serve: Serve) -> None:
    app = FileApp(size=SIZE, rate=2.5e5)
    server = serve(app)
    reached = server.alarm(900_000)
    with running(fastdl, "-x", "2", "--metrics", "m.prom", server.url()) as process:
        assert reached.wait(LIMIT)
        assert written(fastdl.cwd / "m.prom").value("downloads_running") in (0, 1), "there from the beginning"
        process.kill()
        process.communicate()
    app.rate = None
    result = fastdl("resume", "--no-proxy", "--metrics", "m.prom", "--json")
    assert result.code == 0, result.err
    found = written(fastdl.cwd / "m.prom")
    assert found.value("resumed_bytes_total") == result.json[0]["resumed_bytes"] > 0
    received = found.value("received_bytes_total") - found.value("wasted_bytes_total")
    assert received + found.value("resumed_bytes_total") == SIZE
    assert found.value("downloads_total", exit_code="0") == 1
    assert {"file.bin", "m.prom"} == {path.name for path in fastdl.cwd.iterdir()}


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for one process")
def test_an_interrupted_run_writes_its_last_state(fastdl: Runner, serve: Serve) -> None:
    import signal

    server = serve(FileApp(size=SIZE, rate=60_000))
    reached = server.alarm(100_000)
    with running(fastdl, "--metrics", "m.prom", server.url()) as process:
        assert reached.wait(LIMIT)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=LIMIT)
        assert process.returncode == 130
    found = written(fastdl.cwd / "m.prom")
    assert found.value("downloads_total", exit_code="130") == 1
    assert found.value("end_time_seconds") > 0
    assert found.value("received_bytes_total") > 0


def test_with_a_profile(fastdl: Runner, serve: Serve) -> None:
    server = serve(FileApp(size=SIZE))
    result = fastdl.get("--no-proxy", "--metrics", "m.prom", "--profile", "p.json", server.url())
    assert result.files == {"file.bin", "m.prom", "p.json"}
    assert written(fastdl.cwd / "m.prom").value("received_bytes_total") >= SIZE


def test_with_stdout(fastdl: Runner, serve: Serve) -> None:
    app = FileApp(size=SIZE)
    result = fastdl.get("--no-proxy", "-o", "-", "--metrics", "m.prom", serve(app).url())
    assert result.stdout == app.bytes()
    assert written(fastdl.cwd / "m.prom").value("received_bytes_total") >= SIZE


@pytest.mark.parametrize("place", ["folder", "none/m.prom", "fifo"])
def test_a_file_that_cannot_be_written(fastdl: Runner, serve: Serve, place: str) -> None:
    server = serve(FileApp(size=1000))
    (fastdl.cwd / "folder").mkdir()
    if place == "fifo":
        if not hasattr(os, "mkfifo"):
            pytest.skip("no named pipes here")
        os.mkfifo(fastdl.cwd / "fifo")
    result = fastdl.get("-q", "--no-proxy", "--metrics", place, server.url())
    assert result.code == 6
    assert "cannot write the metrics" in result.error
    assert server.log == []


@pytest.mark.parametrize(
    ("more", "named"),
    [
        (("-o", "x"), "--output"),
        (("-o", "x", "-d", "."), "--output"),
        (("--log", "x"), "--log"),
        (("--profile", "./x"), "--profile"),
    ],
)
def test_one_name_for_two_files(fastdl: Runner, serve: Serve, more: tuple[str, ...], named: str) -> None:
    server = serve(FileApp(size=1000))
    result = fastdl.get("--no-proxy", "--metrics", "x", *more, server.url())
    assert result.code == 2
    assert "name the same file" in result.error
    assert "--metrics" in result.error and named in result.error
    assert server.log == []


def test_a_download_of_that_name_is_not_overwritten(fastdl: Runner, serve: Serve) -> None:
    """The name comes from the server: nobody could know."""
    app = FileApp(size=SIZE, extra=(("Content-Disposition", 'attachment; filename="m.prom"'),))
    result = fastdl.get("--no-proxy", "--overwrite", "--metrics", "m.prom", serve(app).url())
    assert result.code == 0, result.err
    assert (fastdl.cwd / "m.prom").read_bytes() == app.bytes()
    assert result.err.count("warning: ") == 1 and "is a download now" in result.err


def test_an_earlier_file_is_replaced_and_nothing_else_is_left(fastdl: Runner, serve: Serve) -> None:
    (fastdl.cwd / "m.prom").write_text("old 1\n", encoding="utf-8")
    result = fastdl.get("--no-proxy", "--metrics", "m.prom", serve(FileApp(size=1000)).url())
    assert result.files == {"file.bin", "m.prom"}
    assert "old" not in (fastdl.cwd / "m.prom").read_text(encoding="utf-8")


def test_no_secret_gets_in(fastdl: Runner, serve: Serve) -> None:
    server = serve(FileApp(size=1000))
    url = server.url("/f?token=s3cr3t").replace("://", "://name:s3cr3t@")
    result = fastdl.get("--no-proxy", "-H", "X-Key: s3cr3t", "--metrics", "m.prom", url)
    assert result.code == 0, result.err
    text = (fastdl.cwd / "m.prom").read_text(encoding="utf-8")
    assert "s3cr3t" not in text and "name" not in text and "/f" not in text


def test_without_the_option_nothing_of_it_is_loaded(fastdl: Runner, serve: Serve) -> None:
    names = (
        "engine.metering",
        "engine.metrics",
        "io.metrics_server",
        "cli.metering",
        "core.exposition",
        "core.endpoint",
    )
    code = (
        "import sys\nfrom fastdl.__main__ import main\nassert main(sys.argv[1:]) == 0\n"
        f"print([n for n in {names!r} if 'fastdl.' + n in sys.modules])"
    )
    from servers.run import environment

    done = subprocess.run(
        [sys.executable, "-c", code, "get", "-q", "--no-proxy", serve(FileApp(size=1000)).url()],
        env=environment(fastdl.home), cwd=fastdl.cwd, capture_output=True, check=False, timeout=60,
    )  # fmt: skip
    assert (done.stdout.strip(), done.stderr) == (b"[]", b"")


def test_by_the_environment(fastdl: Runner, serve: Serve) -> None:
    app = FileApp(size=1000)
    result = fastdl.get("--no-proxy", serve(app).url(), env={"FASTDL_METRICS": "m.prom"})
    assert result.files == {"file.bin", "m.prom"}
    assert digest(app.seed, 1000) == app.sha256()
