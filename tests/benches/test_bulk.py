"""The bulk bench as a whole: a small file, real nginx, real tools; and a tool that cheats is found out."""

from __future__ import annotations

import json
import os
import shutil
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from benches import bulk
from benches.harness import RunFailed, clean_environment
from benches.peers import Job, Peer
from benches.server import Nginx, find_nginx

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the benches need a POSIX system")
MIB = 1 << 20


def need(*programs: str) -> None:
    missing = [name for name in programs if not (find_nginx() if name == "nginx" else shutil.which(name))]
    if missing and os.environ.get("FASTDL_REQUIRE_SERVERS") == "1":
        pytest.fail(f"not installed: {', '.join(missing)}")
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")


def copying(code: str) -> Peer:
    """A tool that runs `code` with `job` as a mapping of strings."""

    def options(job: Job) -> list[str]:
        return [f"job = {{'url': {job.url!r}, 'target': {str(job.target)!r}}}\n{code}"]

    return Peer("cheat", (sys.executable, "-I", "-S", "-c"), options)


@pytest.fixture
def source(tmp_path: Path) -> bulk.Source:
    return bulk.make_file(tmp_path / "file.bin", MIB + 17)


def test_the_file_is_the_same_at_each_call_and_does_not_compress(tmp_path: Path) -> None:
    import zlib

    one, two = (bulk.make_file(tmp_path / name, 2 * MIB + 5) for name in ("one", "two"))
    data = one.path.read_bytes()
    assert len(data) == 2 * MIB + 5
    assert data == two.path.read_bytes()
    assert one.digest == two.digest == bulk.digest_of(one.path)
    assert len(zlib.compress(data, 1)) > len(data)


def test_a_wrong_file_ends_the_bench(tmp_path: Path, source: bulk.Source) -> None:
    job = Job("http://127.0.0.1:9/file.bin", tmp_path / "out")
    env = clean_environment(tmp_path)
    wrong = copying(f"open(job['target'], 'wb').write(b'x' * {source.size})")
    with pytest.raises(RunFailed, match="wrong file"):
        bulk.measure_case("case", [wrong], job, source, 1, env)
    with pytest.raises(RunFailed, match="left no file"):
        bulk.measure_case("case", [copying("pass")], job, source, 1, env)


def test_every_tool_runs_equally_often_and_starts_from_nothing(tmp_path: Path, source: bulk.Source) -> None:
    log = tmp_path / "log"
    copy = f"open(job['target'], 'xb').write(open({str(source.path)!r}, 'rb').read())"

    def logged(name: str) -> Peer:
        return Peer(name, *_parts(copying(f"{copy}\nopen({str(log)!r}, 'a').write({name!r} + ' ')")))

    job = Job("http://127.0.0.1:9/file.bin", tmp_path / "out")
    tools = [logged("a"), logged("b"), logged("c")]
    case = bulk.measure_case("case", tools, job, source, 3, clean_environment(tmp_path))
    assert log.read_text().split() == ["a", "b", "c", "a", "b", "c", "b", "c", "a", "c", "a", "b"]
    assert [(row.tool, row.runs) for row in case.rows] == [("a", 3), ("b", 3), ("c", 3)]
    assert not job.target.exists()


def _parts(peer: Peer) -> tuple[tuple[str, ...], Callable[[Job], list[str]]]:
    return peer.base, peer.options


def test_nginx_serves_ranges_on_both_ports_and_is_gone_afterwards(tmp_path: Path) -> None:
    need("nginx")
    import ssl

    root = tmp_path / "root"
    root.mkdir()
    source = bulk.make_file(root / "file.bin", MIB)
    with Nginx(root, tmp_path / "nginx") as server:
        trusted = ssl.create_default_context(cafile=str(server.cacert))
        for url, context in ((server.url("file.bin"), None), (server.url("file.bin", tls=True), trusted)):
            request = urllib.request.Request(url, headers={"Range": "bytes=100-199"})
            with urllib.request.urlopen(request, context=context, timeout=10) as answer:
                assert answer.status == 206
                assert answer.read() == source.path.read_bytes()[100:200]
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(server.url("file.bin"), timeout=10)


def test_the_command_line_measures_and_writes_its_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    need("nginx", "curl")
    result = tmp_path / "result.json"
    code = bulk.main(["--size", "1M", "--runs", "1", "--tools", "curl", "--disk", str(tmp_path), "--json", str(result)])
    out, err = capsys.readouterr()
    assert (code, err) == (0, "")
    data = json.loads(result.read_text())
    assert [case["name"].split(", ")[1] for case in data["cases"]] == ["plain", "TLS", "plain", "TLS"]
    assert all(case["size"] == MIB and [row["tool"] for row in case["rows"]] == ["curl"] for case in data["cases"])
    assert data["tools"]["curl"].startswith("curl ")
    assert out.count("| curl") >= 4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["result.json"]


@pytest.mark.parametrize("arguments", [["--runs", "0"], ["--tools", "nothing"], ["--tools", "", "--runs", "-1"]])
def test_a_bench_that_cannot_run_says_so_in_one_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert bulk.main(arguments) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("bulk: ")
    assert err.count("\n") == 1
