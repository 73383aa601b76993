"""The contract of `fastdl get`: where the file goes, what is checked, what is said, and the exit code."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import sys
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


# --- where to ---------------------------------------------------------------------------------------------


def test_plain(fastdl: Runner, serve: Serve, app: FileApp) -> None:
    server = serve(app)
    result = fastdl.get(server.url(), expected=["file.bin"])
    assert result.code == 0
    assert (fastdl.cwd / "file.bin").read_bytes() == app.bytes()
    assert result.files == {"file.bin"}
    assert result.out == "", "stdout is for those who ask for it"
    assert server.log[0].range == (0, None), "the first request is a GET that brings bytes: no HEAD, no probe"
    assert len(server.log) == 1, "a small file needs one request"


@pytest.mark.parametrize("order", [("-o", "x.dat", "URL"), ("URL",)])
def test_without_the_word_get(fastdl: Runner, serve: Serve, app: FileApp, order: tuple[str, ...]) -> None:
    url = serve(app).url()
    result = fastdl(*(url if word == "URL" else word for word in order), expected=["x.dat", "file.bin"])
    assert result.code == 0
    assert result.files == {"x.dat" if "-o" in order else "file.bin"}


def test_output_name_and_folder(fastdl: Runner, serve: Serve, app: FileApp) -> None:
    result = fastdl.get("-d", "a/b", "-o", "other.dat", serve(app).url())
    assert result.code == 0
    assert (fastdl.cwd / "a" / "b" / "other.dat").read_bytes() == app.bytes()
    assert result.files == {str(Path("a/b/other.dat"))}


@pytest.mark.parametrize("options", [(), _SPLIT])
def test_output_to_stdout(fastdl: Runner, serve: Serve, options: tuple[str, ...]) -> None:
    app = FileApp(size=2_000_003, rate=3e6)
    result = fastdl.get("-o", "-", *options, serve(app).url())
    assert result.code == 0
    assert result.stdout == app.bytes()
    assert result.files == set()


def test_output_to_stdout_with_a_wrong_digest(fastdl: Runner, serve: Serve, app: FileApp) -> None:
    """What has gone out cannot be taken back, but the exit code tells."""
    result = fastdl.get("-o", "-", "--checksum", f"sha256:{'0' * 64}", serve(app).url())
    assert result.code == 5
    assert result.error


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX pipes")
def test_stdout_that_is_closed(fastdl: Runner, serve: Serve) -> None:
    """As in `fastdl get -o - URL | head`: it ends, without a traceback."""
    server = serve(FileApp(size=4 << 20, rate=2e6))
    process = fastdl.start("get", "-o", "-", server.url())
    assert process.stdout is not None and process.stderr is not None
    assert process.stdout.read(1000) == FileApp(size=1000).bytes()
    process.stdout.close()
    process.stdout = None
    err = process.stderr.read()
    assert process.wait(20) not in (0, 1)
    assert b"Traceback" not in err
    process.communicate()


def test_empty_file(fastdl: Runner, serve: Serve) -> None:
    result = fastdl.get("--json", serve(FileApp(size=0)).url())
    assert result.code == 0
    assert (fastdl.cwd / "file.bin").read_bytes() == b""
    assert result.json[0]["size"] == 0


@pytest.mark.parametrize("size", [1, 2, 65535, 65536, 65537, 262144, 1 << 20, (1 << 20) + 1, 3_333_333])
def test_sizes(fastdl: Runner, serve: Serve, size: int) -> None:
    app = FileApp(size=size)
    result = fastdl.get("-k", "64k", serve(app).url(), expected=["file.bin"])
    assert result.code == 0
    assert (fastdl.cwd / "file.bin").read_bytes() == app.bytes()


def test_several_connections(fastdl: Runner, serve: Serve) -> None:
    app = FileApp(size=4 << 20, rate=1e6)
    server = serve(app)
    result = fastdl.get("--json", *_SPLIT, server.url(), expected=["file.bin"])
    assert result.code == 0
    assert (fastdl.cwd / "file.bin").read_bytes() == app.bytes()
    assert len({exchange.connection for exchange in server.log if exchange.body > 0}) >= 4, "four are worth it here"
    assert app.peak <= 5, "-x 4 allows no more; a server may notice late that one was given up"
    assert server.body_sent < app.size * 1.1


def test_one_connection(fastdl: Runner, serve: Serve) -> None:
    app = FileApp(size=1 << 20, rate=2e6)
    server = serve(app)
    assert fastdl.get("-x", "1", server.url()).code == 0
    assert len(server.log) == 1 and server.accepted == 1


def test_per_host(fastdl: Runner, serve: Serve) -> None:
    app = FileApp(size=1 << 20, rate=1e6)
    server = serve(app)
    urls = [server.url(f"/{name}.bin") for name in "abcd"]
    assert fastdl.get("--per-host", "2", "-k", "64k", *urls).code == 0
    assert app.peak <= 2


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")
def test_permissions_follow_the_umask(fastdl: Runner, serve: Serve, app: FileApp) -> None:
    assert fastdl.get(serve(app).url()).code == 0
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE((fastdl.cwd / "file.bin").stat().st_mode) == 0o666 & ~mask


def test_no_remote_time(fastdl: Runner, serve: Serve, app: FileApp) -> None:
    assert fastdl.get("--no-remote-time", "-o", "now", serve(app).url()).code == 0
    assert fastdl.get("-o", "then", serve(app).url()).code == 0
    now, then = ((fastdl.cwd / name).stat().st_mtime for name in ("now", "then"))
    assert int(then) == 1704164645  # OLD_DATE
    assert now > then


# --- the target exists ------------------------------------------------------------------------------------


@pytest.fixture
def taken(fastdl: Runner) -> Path:
    """A file of the user's own under the name."""
    path = fastdl.cwd / "file.bin"
    path.write_bytes(b"mine")
    return path


def test_existing_is_kept(fastdl: Runner, serve: Serve, app: FileApp, taken: Path) -> None:
    result = fastdl.get(serve(app).url(), expected=["file.bin"])
    assert result.code == 7
    assert taken.read_bytes() == b"mine"
    assert all(option in result.error for option in ("--overwrite", "--skip-existing", "--auto-rename"))
    assert result.files == {"file.bin"}


def test_existing_overwrite(fastdl: Runner, serve: Serve, app: FileApp, taken: Path) -> None:
    result = fastdl.get("--overwrite", serve(app).url(), expected=["file.bin"])
    assert result.code == 0
    assert taken.read_bytes() == app.bytes()


def test_existing_overwrite_only_when_whole(fastdl: Runner, serve: Serve, app: FileApp, taken: Path) -> None:
    result = fastdl.get("--overwrite", "--checksum", f"sha256:{'0' * 64}", serve(app).url(), expected=["file.bin"])
    assert result.code == 5
    assert taken.read_bytes() == b"mine"


def test_existing_skip(fastdl: Runner, serve: Serve, taken: Path) -> None:
    server = serve(FileApp(size=3_000_000, rate=3e6))
    result = fastdl.get("--skip-existing", server.url(), expected=["file.bin"])
    assert result.code == 0
    assert taken.read_bytes() == b"mine"
    assert server.body_sent < 1_500_000


def test_existing_auto_rename(fastdl: Runner, serve: Serve, app: FileApp, taken: Path) -> None:
    result = fastdl.get("--json", "--auto-rename", serve(app).url())
    assert result.code == 0
    assert taken.read_bytes() == b"mine"
    (new,) = result.files - {"file.bin"}
    assert (fastdl.cwd / new).read_bytes() == app.bytes()
    assert Path(result.json[0]["path"]).name == new and new.endswith(".bin")


def test_existing_and_the_very_same(fastdl: Runner, serve: Serve, app: FileApp, taken: Path) -> None:
    """Known by its digest: success, without another download."""
    taken.write_bytes(app.bytes())
    server = serve(app)
    result = fastdl.get("--checksum", f"sha256:{app.sha256()}", server.url(), expected=["file.bin"])
    assert result.code == 0, result.err
    assert taken.read_bytes() == app.bytes()


def test_existing_folder(fastdl: Runner, serve: Serve, app: FileApp) -> None:
    (fastdl.cwd / "file.bin").mkdir()
    result = fastdl.get("--overwrite", serve(app).url())
    assert result.code in (6, 7)
    assert (fastdl.cwd / "file.bin").is_dir()


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_existing_link_out_of_the_folder(fastdl: Runner, serve: Serve, app: FileApp, tmp_path: Path) -> None:
    """A link that was planted under the name leads nowhere: the file behind it is not touched."""
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    (fastdl.cwd / "file.bin").symlink_to(victim)
    for suffix in (".fastdl", ".fastdl.journal"):
        (fastdl.cwd / f"file.bin{suffix}").symlink_to(victim)
    fastdl.get("--overwrite", serve(app).url())
    assert victim.read_bytes() == b"precious"


# --- -N ---------------------------------------------------------------------------------------------------


def test_newer_fetches_once(fastdl: Runner, serve: Serve, app: FileApp) -> None:
    server = serve(app)
    assert fastdl.get("-N", server.url()).code == 0
    sent = server.body_sent
    result = fastdl.get("-N", server.url(), expected=["file.bin"])
    assert result.code == 0
    assert server.body_sent - sent < 1000, "nothing new, nothing fetched"
    assert (fastdl.cwd / "file.bin").read_bytes() == app.bytes()


def test_newer_replaces(fastdl: Runner, serve: Serve, app: FileApp) -> None:
    server = serve(app)
    assert fastdl.get("-N", server.url()).code == 0
    app.change(size=123_456)
    app.last_modified = "Wed, 03 Jan 2024 03:04:05 GMT"
    result = fastdl.get("-N", server.url(), expected=["file.bin"])
    assert result.code == 0, result.err
    assert (fastdl.cwd / "file.bin").read_bytes() == app.bytes()


def test_newer_by_its_date_alone(fastdl: Runner, serve: Serve) -> None:
    app = FileApp(size=2_000_000, etag=None, rate=4e6)
    server = serve(app)
    assert fastdl.get("-N", server.url()).code == 0
    sent = server.body_sent
    assert fastdl.get("-N", server.url()).code == 0
    assert server.body_sent - sent < 1_000_000, "not newer"
    app.change()
    app.last_modified = "Wed, 03 Jan 2024 03:04:05 GMT"
    assert fastdl.get("-N", server.url()).code == 0
    assert (fastdl.cwd / "file.bin").read_bytes() == app.bytes()


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


# --- the disk ---------------------------------------------------------------------------------------------


def test_folder_that_is_a_file(fastdl: Runner, serve: Serve, app: FileApp) -> None:
    (fastdl.cwd / "blocked").write_bytes(b"")
    result = fastdl.get("-d", "blocked", serve(app).url())
    assert result.code == 6
    assert result.error


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may write everywhere")
def test_folder_without_permission(fastdl: Runner, serve: Serve, app: FileApp) -> None:
    (fastdl.cwd / "closed").mkdir(mode=0o500)
    assert fastdl.get("-d", "closed", serve(app).url()).code == 6


def test_name_that_is_too_long(fastdl: Runner, serve: Serve, app: FileApp) -> None:
    result = fastdl.get("-o", "x" * 300, serve(app).url())
    assert result.code == 6
    assert result.files == set()


@pytest.mark.skipif(not Path("/bin/sh").exists(), reason="needs ulimit")
@pytest.mark.parametrize("options", [(), _SPLIT])
def test_file_size_limit(fastdl: Runner, serve: Serve, options: tuple[str, ...]) -> None:
    """A quota (here RLIMIT_FSIZE): exit 6, never a signal."""
    server = serve(FileApp(size=3_000_000, rate=3e6))
    script = fastdl.cwd.parent / "limited.sh"
    script.write_text('ulimit -f 100\nexec "$@"\n', "utf-8")
    result = fastdl.get(*options, server.url(), through=["/bin/sh", str(script)])
    assert result.code == 6, result.err
    assert "file.bin" not in result.files


@pytest.mark.skipif(sys.platform == "win32", reason="devices have other names there")
def test_output_to_a_device(fastdl: Runner, serve: Serve, app: FileApp) -> None:
    """`-o /dev/null` as with curl: nothing is created beside it, and the digest is checked all the same."""
    checksum = hashlib.sha256(app.bytes()).hexdigest()
    server = serve(app)
    result = fastdl.get("-o", "/dev/null", "--checksum", f"sha256:{checksum}", server.url(), expected=[])
    assert result.code == 0, result.err
    assert fastdl.get("-o", "/dev/null", "--checksum", "sha256:" + "0" * 64, server.url(), expected=[]).code == 5


def test_a_url_given_twice(fastdl: Runner, serve: Serve) -> None:
    app = FileApp(size=3_000_000, rate=6e6)
    server = serve(app)
    result = fastdl.get("--json", server.url(), server.url(), expected=["file.bin"])
    assert result.code == 0, result.err
    assert [line["exit_code"] for line in result.json] == [0, 0]
    assert (fastdl.cwd / "file.bin").read_bytes() == app.bytes()
    assert server.body_sent < 1.5 * app.size, "it is fetched once"
