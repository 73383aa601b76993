"""Lists of small files that fail, have a name that is taken, or are stopped: nothing but whole files or pairs that the
next run goes on from."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys

import pytest

from servers.files import FileApp, Reply
from servers.raw import Connection, RawServer, Request, Serve
from servers.run import Result, Runner, check
from small_files import PATIENCE, ZEROS, apps, asked, codes, have, listed, serving, urls, write

_DRIP = 20_000.0  # bytes a second: too slow for a small file's quick way
_posix = pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C cannot be sent to one process there")


# --- failures ----------------------------------------------------------------------------------------------


def test_a_wrong_checksum(fastdl: Runner, serve: Serve) -> None:
    files = apps(5)
    server = serving(serve, files)
    text = urls(server, files).replace("002.bin\n", "002.bin\n" + ZEROS)
    result = listed(fastdl, text, "--json")
    assert result.code == 8
    assert codes(result) == {path[1:]: 5 * (path == "/002.bin") for path in files}
    (bad,) = [each for each in result.json if each["exit_code"]]
    assert files["/002.bin"].sha256() in bad["error"]
    assert bad["digest"]["verified"] is False
    assert bad["size"] == files["/002.bin"].size
    del files["/002.bin"]
    have(fastdl, files)


def test_a_right_checksum(fastdl: Runner, serve: Serve) -> None:
    files = apps(2)
    server = serving(serve, files)
    text = "".join(f"{server.url(path)}\n  checksum=sha-256={app.sha256()}\n" for path, app in files.items())
    result = listed(fastdl, text, "--json")
    assert result.code == 0
    assert all(each["digest"]["verified"] for each in result.json)
    assert set(asked(server).values()) == {1}


@pytest.mark.parametrize(("status", "retries"), [(404, 3), (403, 3), (500, 2), (503, 0)])
def test_as_many_requests_as_for_a_file_alone(fastdl: Runner, serve: Serve, status: int, retries: int) -> None:
    files = apps(2)
    bad = FileApp()

    def fail(connection: Connection, request: Request) -> None:
        bad.send(connection, bad.short(status, b"no\n", ("Retry-After", "0")))

    server = serving(serve, files, **{"/bad": fail})
    options = ("--retries", str(retries), "--json")
    alone = fastdl.get("--no-proxy", server.url("/bad"), *options)
    single = asked(server)["/bad"]
    result = listed(fastdl, urls(server, ["/000.bin", "/bad", "/001.bin"]), "-j", "1", *options)
    assert asked(server)["/bad"] - single == single
    (told,) = [each for each in result.json if each["exit_code"]]
    for key in ("exit_code", "error", "requests", "sources", "path"):
        assert told[key] == alone.json[0][key] or key == "sources", key
    assert [one["errors"] for one in told["sources"]] == [one["errors"] for one in alone.json[0]["sources"]]
    have(fastdl, files)


@pytest.mark.parametrize("cut", ["short", "reset", "no head"])
def test_a_failure_that_passes(fastdl: Runner, serve: Serve, cut: str) -> None:
    files = apps(3)
    app = files["/001.bin"]

    def hook(connection: Connection, request: Request, reply: Reply) -> Reply | None:
        if app.meet() > 1:
            return reply
        if cut != "no head":
            app.send(connection, reply, limit=700)
        connection.reset() if cut == "reset" else connection.finish()
        return None

    app.hook = hook
    server = serving(serve, files)
    result = listed(fastdl, urls(server, files), "-j", "1", "--json")
    assert result.code == 0, result.err
    have(fastdl, files)
    assert {told["url"]: told["sha256"] for told in result.json} == {
        server.url(path): each.sha256() for path, each in files.items()
    }


def test_too_large(fastdl: Runner, serve: Serve) -> None:
    files = {"/small": FileApp(size=1_000), "/exact": FileApp(size=2_000), "/large": FileApp(size=2_001)}
    server = serving(serve, files)
    result = listed(fastdl, urls(server, files), "--max-size", "2000", "-j", "1", "--json")
    assert result.code == 8
    found = codes(result)
    assert (found["small"], found["exact"]) == (0, 0)
    assert found["large"] not in (0, 1)
    assert asked(server)["/large"] == 1
    del files["/large"]
    have(fastdl, files)


# --- names that are taken ----------------------------------------------------------------------------------


@pytest.mark.parametrize("option", ["", "--overwrite", "--skip-existing", "--auto-rename", "-N"])
def test_existing_files(fastdl: Runner, serve: Serve, option: str) -> None:
    files = apps(3)
    server = serving(serve, files)
    (fastdl.cwd / "001.bin").write_bytes(b"mine")
    os.utime(fastdl.cwd / "001.bin", (1_000_000, 1_000_000))
    result = listed(fastdl, urls(server, files), *filter(None, [option]), "--json")
    assert codes(result) == {"000.bin": 0, "001.bin": 0 if option else 7, "002.bin": 0}
    now = (fastdl.cwd / "001.bin").read_bytes()
    assert (now == files["/001.bin"].bytes()) == (option in ("--overwrite", "-N"))
    expected = {path[1:] for path in files} | ({"001.1.bin"} if option == "--auto-rename" else set())
    assert len(result.files) == len(expected)
    assert not any("fastdl" in name for name in result.files)
    for name in ("000.bin", "002.bin"):
        assert (fastdl.cwd / name).read_bytes() == files["/" + name].bytes()
    if option == "--auto-rename":
        (extra,) = result.files - {path[1:] for path in files}
        assert (fastdl.cwd / extra).read_bytes() == files["/001.bin"].bytes()


@pytest.mark.parametrize("option", ["--skip-existing", "-N", "--overwrite"])
def test_the_same_list_again(fastdl: Runner, serve: Serve, option: str) -> None:
    files = apps(5)
    server = serving(serve, files)
    assert listed(fastdl, urls(server, files), option).code == 0
    before = server.body_sent
    assert listed(fastdl, urls(server, files), option).code == 0
    have(fastdl, files)
    assert (server.body_sent == before) == (option != "--overwrite")


@pytest.mark.parametrize("jobs", [1, 8])
@pytest.mark.parametrize("option", ["", "--overwrite", "--skip-existing", "--auto-rename"])
def test_two_urls_with_one_name(fastdl: Runner, serve: Serve, jobs: int, option: str) -> None:
    first, second = apps(6), {path: FileApp(size=3_000, seed=at + 50) for at, path in enumerate(apps(6))}
    one, two = serving(serve, first), serving(serve, second)
    text = "".join(f"{one.url(path)}\n{two.url(path)}\n" for path in first)
    result = listed(fastdl, text, "-j", str(jobs), *filter(None, [option]), "--json")
    assert not any("fastdl" in name for name in result.files), (result.files, result.json)
    for path in first:
        ends = [each["exit_code"] for each in result.json if each["url"].endswith(path)]
        assert len(ends) == 2
        have_it = [(fastdl.cwd / name).read_bytes() for name in result.files if name[:3] == path[1:4]]
        both = [first[path].bytes(), second[path].bytes()]
        if option == "--auto-rename":
            assert ends == [0, 0]
            assert sorted(have_it) == sorted(both)
            continue
        assert len(have_it) == 1
        assert have_it[0] in both
        assert 0 in ends, "one of the two has it"
        if not option:
            assert sorted(ends) in ([0, 7], [0, 9])
    for each in result.json:
        if each["exit_code"]:
            assert " exists" in each["error"] or "another fastdl" in each["error"]
        elif option not in ("--overwrite", "--skip-existing"):
            body = (fastdl.cwd / each["path"]).read_bytes()
            assert hashlib.sha256(body).hexdigest() == each["sha256"]


@pytest.mark.parametrize("jobs", [1, 8])
def test_a_url_given_many_times(fastdl: Runner, serve: Serve, jobs: int) -> None:
    files = apps(3)
    server = serving(serve, files)
    result = listed(fastdl, urls(server, files) * 5, "-j", str(jobs), "--json")
    assert result.code == 0, result.err
    have(fastdl, files)
    assert len(result.json) == 15


# --- ends before the end -----------------------------------------------------------------------------------


def _ended(fastdl: Runner, server: RawServer, text: str, number: int, body: int, *args: str) -> Result:
    """Send the signal when the server has sent `body` bytes; the process has to end by itself."""
    reached = server.alarm(body)
    process = fastdl.start("get", "--no-proxy", "-i", write(fastdl, text), *args)
    assert reached.wait(PATIENCE), "it did not begin"
    process.send_signal(number)
    try:
        out, err = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise AssertionError("it does not end") from None
    return check(Result(process.returncode, out, err, fastdl.cwd, fastdl.home))


@_posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL if sys.platform != "win32" else 9])
def test_a_slow_small_file_is_gone_on_with(fastdl: Runner, serve: Serve, number: int) -> None:
    files = apps(1) | {"/slow.bin": FileApp(size=200_000, seed=9, rate=_DRIP)}
    server = serving(serve, files)
    text = urls(server, files)
    result = _ended(fastdl, server, text, number, 40_000, "-j", "1")
    assert result.code == (130 if number == signal.SIGINT else -signal.SIGKILL)
    assert result.files - {"000.bin"} == {"slow.bin.fastdl", "slow.bin.fastdl.journal"}
    before = sum(each.body for each in server.log if each.request.target == "/slow.bin")
    files["/slow.bin"].rate = None
    last = listed(fastdl, text, "-j", "1", "--json", "--skip-existing")
    assert last.code == 0, last.err
    have(fastdl, files)
    (told,) = [each for each in last.json if each["path"] == "slow.bin"]
    assert told["resumed_bytes"] > 0
    again = sum(each.body for each in server.log if each.request.target == "/slow.bin") - before
    assert again <= 200_000 - told["resumed_bytes"] + 32 * 1024, "only the rest is asked for"


def test_killed_in_the_middle_of_many(fastdl: Runner, serve: Serve) -> None:
    files = apps(300)
    for app in files.values():
        app.rate = 200_000.0
    server = serving(serve, files)
    text = urls(server, files)
    total = sum(app.size for app in files.values())
    for share in (0.2, 0.5):
        reached = server.alarm(int(total * share))
        process = fastdl.start("get", "--no-proxy", "-i", write(fastdl, text), "--skip-existing", "-j", "8")
        while not reached.wait(0.02) and process.poll() is None:
            continue
        process.kill()
        process.communicate()
        for path in fastdl.cwd.iterdir():
            if ".fastdl" not in path.name:
                assert path.read_bytes() == files["/" + path.name].bytes(), "a name before its bytes"
    result = listed(fastdl, text, "--skip-existing", "-j", "8", "-q")
    assert result.code == 0, result.err
    have(fastdl, files)


@_posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_in_the_middle_of_many(fastdl: Runner, serve: Serve, number: int) -> None:
    files = apps(300)
    server = serving(serve, files)
    text = urls(server, files)
    result = _ended(fastdl, server, text, number, 300_000, "-j", "8", "--json")
    assert result.code == (130 if number == signal.SIGINT else 143)
    ended = {each["path"] for each in result.json if each["exit_code"] == 0}
    whole = {name for name in result.files if ".fastdl" not in name}
    assert whole == ended, "what is there has been reported, and the other way round"
    for name in whole:
        assert (fastdl.cwd / name).read_bytes() == files["/" + name].bytes()
    for name in result.files - whole:
        pair = name.removesuffix(".journal")
        assert {pair, pair + ".journal"} <= result.files, "nothing is left of a small file"
    last = listed(fastdl, text, "--skip-existing", "-q")
    assert last.code == 0, last.err
    have(fastdl, files)


def test_files_that_are_replaced_need_no_journal(fastdl: Runner, serve: Serve) -> None:
    """Those of a list that is fetched again with --overwrite went the long way: three times the time and the memory."""
    files = apps(40)
    server = serving(serve, files)
    listed(fastdl, urls(server, files), "-j", "2")
    for path in files:
        (fastdl.cwd / path[1:]).write_bytes(b"older")
    told = fastdl.home.parent / "times.json"
    assert listed(fastdl, urls(server, files), "-j", "2", "--overwrite", "--profile", str(told)).code == 0
    have(fastdl, files)
    phases = json.loads(told.read_text(encoding="utf-8"))["sum"]
    assert "journal" not in phases["workers"]["phases"]
    assert phases["workers"]["seconds"] == 0
