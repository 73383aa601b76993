"""The contract of `fastdl get`: what is checked, who helps, what is said, how fast, and the exit code."""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from pathlib import Path

import pytest

from servers.files import FileApp, site
from servers.raw import Connection, Request, Serve
from servers.run import Runner

_KEYS = {
    "url", "final_url", "path", "size", "sha256", "digest", "seconds", "bytes_per_second", "resumed_bytes",
    "wasted_bytes", "requests", "sources", "exit_code", "error",
}  # fmt: skip
_SPLIT = ("-x", "4", "-k", "128k")


@pytest.fixture
def app() -> FileApp:
    """A small file."""
    return FileApp(size=300_000)


# --- what is checked --------------------------------------------------------------------------------------

_ALGORITHMS = ("sha256", "sha512", "sha384", "sha1", "md5", "blake2b")


@pytest.mark.parametrize("algorithm", _ALGORITHMS)
@pytest.mark.parametrize("form", ["{0}:{1}", "{0}={1}", "{0}:{2}"])
def test_checksum_good(fastdl: Runner, serve: Serve, app: FileApp, algorithm: str, form: str) -> None:
    value = hashlib.new(algorithm, app.bytes()).hexdigest()
    given = form.format(algorithm, value, value.upper())
    result = fastdl.get("--json", "--checksum", given, serve(app).url(), expected=["file.bin"])
    assert result.code == 0, result.err
    digest = result.json[0]["digest"]
    assert digest == {"algorithm": algorithm, "value": value, "source": "user", "verified": True}


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
def test_checksum_sri(fastdl: Runner, serve: Serve, app: FileApp, algorithm: str) -> None:
    given = f"{algorithm}-{b64encode(hashlib.new(algorithm, app.bytes()).digest()).decode()}"
    assert fastdl.get("--checksum", given, serve(app).url()).code == 0


@pytest.mark.parametrize("algorithm", _ALGORITHMS)
@pytest.mark.parametrize("options", [(), _SPLIT])
def test_checksum_bad(fastdl: Runner, serve: Serve, app: FileApp, algorithm: str, options: tuple[str, ...]) -> None:
    value = hashlib.new(algorithm, b"another").hexdigest()
    result = fastdl.get("--checksum", f"{algorithm}:{value}", *options, serve(app).url(), expected=[])
    assert result.code == 5
    assert result.files == set(), "nothing of it can be trusted"
    assert value in result.error or value[:8] in result.error


def test_json_without_a_digest(fastdl: Runner, serve: Serve, app: FileApp) -> None:
    server = serve(app)
    result = fastdl.get("--json", server.url())
    (line,) = result.json
    assert set(line) == _KEYS
    assert line["url"] == line["final_url"] == server.url()
    assert Path(line["path"]).name == "file.bin"
    assert line["size"] == app.size
    assert line["sha256"] == app.sha256()
    assert line["exit_code"] == 0 and line["error"] is None
    assert line["resumed_bytes"] == 0 and line["wasted_bytes"] == 0
    assert line["requests"] == len(server.log)
    assert line["seconds"] > 0 and line["bytes_per_second"] > 0
    (source,) = line["sources"]
    assert set(source) == {"url", "host", "trust", "bytes", "connections", "errors"}
    assert source["bytes"] == app.size and source["trust"] == "origin" and source["errors"] == 0


def test_json_of_a_failure(fastdl: Runner, serve: Serve, app: FileApp) -> None:
    server = serve(site({"/file.bin": app.answer}))
    result = fastdl.get("--json", server.url("/missing.bin"))
    assert result.code == 4
    (line,) = result.json
    assert set(line) == _KEYS
    assert line["exit_code"] == 4 and "404" in line["error"]


def test_max_size(fastdl: Runner, serve: Serve) -> None:
    server = serve(FileApp(size=5_000_000, rate=5e6))
    result = fastdl.get("--max-size", "1M", server.url(), expected=[])
    assert result.code == 4
    assert result.files == set()
    assert server.body_sent < 2_500_000


def test_max_size_of_unknown_length(fastdl: Runner, serve: Serve) -> None:
    def endless(connection: Connection, request: Request) -> None:
        connection.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        for at in range(1 << 30):
            connection.body(FileApp(seed=at % 64).bytes(), 20e6)

    server = serve(site({"/": endless}))
    result = fastdl.get("--max-size", "1M", server.url(), expected=[])
    assert result.code == 4
    assert "file.bin" not in result.files


def test_max_size_that_fits(fastdl: Runner, serve: Serve, app: FileApp) -> None:
    assert fastdl.get("--max-size", str(app.size), serve(app).url()).code == 0


# --- mirrors ----------------------------------------------------------------------------------------------


def test_mirror_helps(fastdl: Runner, serve: Serve) -> None:
    """The origin is slow; the mirror brings most of it."""
    origin, mirror = FileApp(size=3 << 20, rate=300_000), FileApp(size=3 << 20, etag='"m"')
    first, second = serve(origin), serve(mirror)
    result = fastdl.get("--json", "-k", "128k", "-m", second.url("/copy.bin"), first.url(), expected=["file.bin"])
    assert result.code == 0, result.err
    assert (fastdl.cwd / "file.bin").read_bytes() == origin.bytes()
    assert second.body_sent > first.body_sent
    assert {source["url"] for source in result.json[0]["sources"]} == {first.url(), second.url("/copy.bin")}


@pytest.mark.parametrize(
    "mirror",
    [
        FileApp(size=2_000_000),
        FileApp(hook=lambda connection, request, reply: FileApp().short(404)),
        FileApp(size=3_000_000, ranges=False),
        FileApp(size=100, extra=(("Content-Type", "text/html"),)),
    ],
    ids=["another-size", "missing", "no-ranges", "a-page"],
)
def test_mirror_that_is_of_no_use(fastdl: Runner, serve: Serve, mirror: FileApp) -> None:
    origin = FileApp(size=3_000_000, rate=1.5e6)
    result = fastdl.get("-k", "128k", "-m", serve(mirror).url(), serve(origin).url(), expected=["file.bin"])
    assert result.code == 0, result.err
    assert (fastdl.cwd / "file.bin").read_bytes() == origin.bytes()


def test_mirror_that_is_dead(fastdl: Runner, serve: Serve) -> None:
    origin = FileApp(size=3_000_000, rate=1.5e6)
    result = fastdl.get("-k", "128k", "-m", "http://127.0.0.1:1/x", serve(origin).url(), expected=["file.bin"])
    assert result.code == 0, result.err
    assert (fastdl.cwd / "file.bin").read_bytes() == origin.bytes()


@pytest.mark.parametrize("state", ["dead", "404", "500"])
def test_mirror_when_the_origin_is_gone(fastdl: Runner, serve: Serve, state: str) -> None:
    mirror = FileApp(size=300_000)
    url = "http://127.0.0.1:1/file.bin"
    if state != "dead":
        url = serve(FileApp(hook=lambda connection, request, reply: mirror.short(int(state)))).url()
    result = fastdl.get("--retries", "1", "-m", serve(mirror).url("/m.bin"), url)
    assert result.code == 0, result.err
    assert [(fastdl.cwd / name).read_bytes() for name in result.files] == [mirror.bytes()]


def test_mirror_that_lies_with_a_digest(fastdl: Runner, serve: Serve) -> None:
    """Same size, other bytes: the digest fails; either the origin mends it, or it is exit 5. Never the wrong file."""
    origin, mirror = FileApp(size=2 << 20, rate=1e6), FileApp(size=2 << 20, seed=99, rate=1e6)
    digest = f"sha256:{origin.sha256()}"
    result = fastdl.get("-k", "128k", "--checksum", digest, "-m", serve(mirror).url(), serve(origin).url())
    assert result.code in (0, 5)
    if result.code == 0:
        assert (fastdl.cwd / "file.bin").read_bytes() == origin.bytes()
    else:
        assert result.files == set()


# --- several files ----------------------------------------------------------------------------------------


def test_several_urls(fastdl: Runner, serve: Serve) -> None:
    apps = {f"/{n}.bin": FileApp(size=100_000 + n, seed=n) for n in range(6)}
    server = serve(site({path: app.answer for path, app in apps.items()}))
    result = fastdl.get("--json", *(server.url(path) for path in apps))
    assert result.code == 0, result.err
    for path, app in apps.items():
        assert (fastdl.cwd / path[1:]).read_bytes() == app.bytes()
    assert [line["exit_code"] for line in result.json] == [0] * 6
    assert result.files == {path[1:] for path in apps}


def test_some_of_several_fail(fastdl: Runner, serve: Serve, app: FileApp) -> None:
    server = serve(site({"/good.bin": app.answer}))
    result = fastdl.get("--json", server.url("/good.bin"), server.url("/bad.bin"), expected=["good.bin"])
    assert result.code == 8
    assert {Path(line["url"]).name: line["exit_code"] for line in result.json} == {"good.bin": 0, "bad.bin": 4}
    assert (fastdl.cwd / "good.bin").read_bytes() == app.bytes()


def test_all_of_several_fail(fastdl: Runner, serve: Serve) -> None:
    server = serve(site({}))
    result = fastdl.get(server.url("/a"), server.url("/b"), expected=[])
    assert result.code == 8


def test_jobs(fastdl: Runner, serve: Serve) -> None:
    app = FileApp(size=200_000, rate=400_000)
    server = serve(app)
    assert fastdl.get("-j", "1", "-x", "1", *(server.url(f"/{name}.bin") for name in "abc")).code == 0
    assert app.peak == 1


# --- what is said -----------------------------------------------------------------------------------------


def test_quiet_success_is_silent(fastdl: Runner, serve: Serve, app: FileApp) -> None:
    result = fastdl.get("-q", serve(app).url())
    assert (result.code, result.out, result.err) == (0, "", "")


def test_quiet_failure_is_one_line(fastdl: Runner, serve: Serve) -> None:
    result = fastdl.get("-q", serve(site({})).url())
    assert result.code == 4 and result.out == ""
    assert len(result.err.splitlines()) == 1 and result.error


def test_quiet_failure_of_several_is_one_line_each(fastdl: Runner, serve: Serve) -> None:
    server = serve(site({}))
    result = fastdl.get("-q", server.url("/a"), server.url("/b"))
    assert result.code == 8
    assert all(line.startswith("fastdl: error: ") for line in result.err.splitlines())


def test_progress_json(fastdl: Runner, serve: Serve) -> None:
    app = FileApp(size=1_000_000, rate=1e6)
    result = fastdl.get("--progress", "json", "-x", "1", serve(app).url())
    lines = [json.loads(line) for line in result.err.splitlines() if line.startswith("{")]
    assert lines and all({"path", "bytes", "total", "speed"} <= set(line) for line in lines)
    assert [line["bytes"] for line in lines] == sorted(line["bytes"] for line in lines)
    assert lines[-1]["total"] == app.size


@pytest.mark.parametrize("kind", ["auto", "bar", "plain", "none"])
def test_progress_kinds(fastdl: Runner, serve: Serve, app: FileApp, kind: str) -> None:
    result = fastdl.get("--progress", kind, serve(app).url())
    assert result.code == 0
    assert result.out == ""


def test_log_file(fastdl: Runner, serve: Serve, app: FileApp, tmp_path: Path) -> None:
    log = tmp_path / "the.log"
    assert fastdl.get("--log", str(log), serve(app).url()).code == 0
    assert "file.bin" in log.read_text("utf-8")


def test_verbose_explains(fastdl: Runner, serve: Serve, app: FileApp) -> None:
    url = serve(app).url()
    quiet, verbose = fastdl.get("-o", "a", url), fastdl.get("-v", "-o", "b", url)
    assert len(verbose.err) > len(quiet.err)


def test_dry_run(fastdl: Runner, serve: Serve) -> None:
    server = serve(FileApp(size=3_000_000, rate=3e6))
    result = fastdl.get("--dry-run", server.url())
    assert result.code == 0, result.err
    assert server.url() in result.out and "file.bin" in result.out
    assert result.files == set()
    assert server.body_sent < 500_000, "no body is fetched"


def test_dry_run_json(fastdl: Runner, serve: Serve, app: FileApp) -> None:
    server = serve(app)
    result = fastdl.get("--dry-run", "--json", server.url())
    assert result.code == 0
    (plan,) = result.json
    assert {"url", "sources", "digest", "plan"} <= set(plan)
    assert result.files == set()


def test_dry_run_of_what_is_not_there(fastdl: Runner, serve: Serve) -> None:
    assert fastdl.get("--dry-run", serve(site({})).url()).code == 4


# --- how fast, how long -----------------------------------------------------------------------------------


def test_limit_rate(fastdl: Runner, serve: Serve) -> None:
    """A lower bound of the time only: 600 kB at 400 kB/s take more than half a second on any machine."""
    result = fastdl.get("--json", "-r", "400000", serve(FileApp(size=600_000)).url())
    assert result.code == 0
    assert result.json[0]["seconds"] > 0.6


def test_limit_rate_counts_all_files(fastdl: Runner, serve: Serve) -> None:
    server = serve(FileApp(size=300_000))
    result = fastdl.get("--json", "-r", "400k", *(server.url(f"/{name}") for name in "abc"))
    assert result.code == 0
    assert max(line["seconds"] for line in result.json) > 0.9


def test_max_time(fastdl: Runner, serve: Serve) -> None:
    server = serve(FileApp(size=10 << 20, rate=200_000))
    result = fastdl.get("--max-time", "1", server.url(), expected=[])
    assert result.code == 3
    assert result.files == {"file.bin.fastdl", "file.bin.fastdl.journal"}, "what came is kept"
