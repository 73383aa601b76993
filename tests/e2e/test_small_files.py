"""Lists of small files: one request a file, one connection a job, and at every end nothing but whole files or pairs
that the next run goes on from."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter

import pytest

from servers.content import content
from servers.files import Answer, FileApp, Reply, site
from servers.raw import Connection, RawServer, Request, Serve
from servers.run import Result, Runner, check

_PATIENCE = 20.0  # seconds until something that must happen has happened
_DRIP = 20_000.0  # bytes a second: too slow for a small file's quick way
_ZEROS = "  checksum=sha-256=" + "00" * 32 + "\n"
_posix = pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C cannot be sent to one process there")


def apps(count: int, size: int = 2_000) -> dict[str, FileApp]:
    """Small files of different content, by path."""
    return {f"/{at:03}.bin": FileApp(size=size + at, seed=at + 1) for at in range(count)}


def serving(serve: Serve, files: dict[str, FileApp], **more: Answer) -> RawServer:
    return serve(site({path: app.answer for path, app in files.items()} | more))


def write(fastdl: Runner, text: str) -> str:
    path = fastdl.home.parent / "list.txt"
    path.write_text(text, encoding="utf-8")
    return str(path)


def listed(fastdl: Runner, text: str, *args: str) -> Result:
    """`get -i` with this list, which lies beside the folder of the run."""
    return fastdl.get("--no-proxy", "-i", write(fastdl, text), *args)


def urls(server: RawServer, paths: dict[str, FileApp] | list[str]) -> str:
    return "".join(f"{server.url(path)}\n" for path in paths)


def have(fastdl: Runner, files: dict[str, FileApp]) -> None:
    """These files are there, whole, and nothing else."""
    found = {str(path.relative_to(fastdl.cwd)) for path in fastdl.cwd.rglob("*") if path.is_file()}
    assert found == {path[1:] for path in files}
    for path, app in files.items():
        assert (fastdl.cwd / path[1:]).read_bytes() == app.bytes()


def asked(server: RawServer) -> Counter[str]:
    """Requests by path."""
    return Counter(each.request.target for each in server.log)


def codes(result: Result) -> dict[str, int]:
    """Exit codes by the last part of the URL."""
    return {told["url"].rpartition("/")[2]: told["exit_code"] for told in result.json}


# --- requests and connections ------------------------------------------------------------------------------


@pytest.mark.parametrize("jobs", [1, 4])
def test_one_request_a_file_and_one_connection_a_job(fastdl: Runner, serve: Serve, jobs: int) -> None:
    files = apps(40)
    server = serving(serve, files)
    result = listed(fastdl, urls(server, files), "-j", str(jobs), "--json")
    assert result.code == 0, result.err
    have(fastdl, files)
    assert set(asked(server).values()) == {1}
    assert server.accepted <= jobs
    told = {each["path"]: each for each in result.json}
    for path, app in files.items():
        one = told[path[1:]]
        url = server.url(path)
        assert (one["url"], one["final_url"], one["size"], one["exit_code"]) == (url, url, app.size, 0)
        assert (one["sha256"], one["requests"], one["wasted_bytes"]) == (app.sha256(), 1, 0)
        assert one["resumed_bytes"] == 0
        assert one["error"] is None
        (source,) = one["sources"]
        assert (source["url"], source["bytes"], source["errors"]) == (url, app.size, 0)
    assert sum(each["sources"][0]["connections"] for each in result.json) == server.accepted


def test_sizes_around_the_bounds(fastdl: Runner, serve: Serve) -> None:
    sizes = (0, 1, 256 * 1024 - 1, 256 * 1024, 256 * 1024 + 1, 700_000)
    files = {f"/{size}.bin": FileApp(size=size, seed=at) for at, size in enumerate(sizes)}
    server = serving(serve, files)
    result = listed(fastdl, urls(server, files), "-j", "1", "--json")
    assert result.code == 0, result.err
    have(fastdl, files)


def test_the_time_is_the_servers(fastdl: Runner, serve: Serve) -> None:
    server = serving(serve, apps(1))
    assert listed(fastdl, urls(server, ["/000.bin"])).code == 0
    assert os.stat(fastdl.cwd / "000.bin").st_mtime == 1704164645.0  # files.OLD_DATE


def test_a_large_file_goes_on_with_its_first_answer(fastdl: Runner, serve: Serve) -> None:
    files = apps(5) | {"/big.bin": FileApp(size=12_000_000, seed=77)} | {"/z.bin": FileApp(size=3_000, seed=78)}
    server = serving(serve, files)
    result = listed(fastdl, urls(server, files), "-j", "1", "--json")
    assert result.code == 0, result.err
    have(fastdl, files)
    starts = Counter((each.range or (0, None))[0] for each in server.log if each.request.target == "/big.bin")
    assert starts[0] == 1
    assert set(starts.values()) == {1}, "no request twice"
    (big,) = [each for each in result.json if each["path"] == "big.bin"]
    assert big["requests"] == sum(starts.values())
    assert asked(server)["/z.bin"] == 1


def test_without_length_and_in_chunks(fastdl: Runner, serve: Serve) -> None:
    def chunked(connection: Connection, request: Request, reply: Reply) -> Reply | None:
        connection.send(reply.set("Content-Length", None).add("Transfer-Encoding", "chunked").head())
        body = content(5, 0, 3_000)
        connection.body(b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))
        return None

    def closed(connection: Connection, request: Request, reply: Reply) -> Reply:
        reply.close = True
        return reply.set("Content-Length", None)

    files = {
        "/chunked": FileApp(size=3_000, seed=5, ranges=False, hook=chunked),
        "/closed": FileApp(size=4_000, seed=6, ranges=False, hook=closed),
        "/plain": FileApp(size=5_000, seed=7),
    }
    server = serving(serve, files)
    result = listed(fastdl, urls(server, files), "-j", "1", "--json")
    assert result.code == 0, result.err
    have(fastdl, files)
    assert set(asked(server).values()) == {1}


@pytest.mark.parametrize("close", ["close", "silent", "reset"])
def test_a_server_that_keeps_no_connection(fastdl: Runner, serve: Serve, close: str) -> None:
    """It says that it closes, closes without a word, or breaks off what it had kept."""

    def hook(connection: Connection, request: Request, reply: Reply) -> Reply | None:
        if close == "close":
            reply.add("Connection", "close")
        elif close == "reset" and connection.served > 1:
            connection.reset()
            return None
        reply.close = close != "reset"
        return reply

    files = apps(10)
    for app in files.values():
        app.hook = hook
    server = serving(serve, files)
    result = listed(fastdl, urls(server, files), "-j", "2", "--retries", "0")
    assert result.code == 0, result.err
    have(fastdl, files)


@pytest.mark.parametrize("per_host", [1, 2])
def test_fewer_connections_than_jobs(fastdl: Runner, serve: Serve, per_host: int) -> None:
    files = apps(20)
    server = serving(serve, files)
    result = listed(fastdl, urls(server, files), "-j", "6", "--per-host", str(per_host))
    assert result.code == 0, result.err
    have(fastdl, files)
    assert server.accepted <= per_host


def test_the_jobs_connection_is_not_in_the_way_of_its_next_file(fastdl: Runner, serve: Serve) -> None:
    """With one connection to the host, whoever does not go the quick way has to get that one."""
    files = apps(4)
    server = serving(serve, files)
    name = "000.bin"
    (fastdl.cwd / name).write_bytes(b"other")
    text = urls(server, ["/001.bin"]) + server.url("/000.bin") + "\n  auto-rename=true\n" + urls(server, ["/002.bin"])
    result = listed(fastdl, text + server.url("/003.bin") + "\n" + _ZEROS, "-j", "1", "--per-host", "1", "--json")
    assert result.code == 8, result.err
    assert codes(result) == {"001.bin": 0, "000.bin": 0, "002.bin": 0, "003.bin": 5}
    assert len(result.files) == 4


def test_a_job_that_waits_for_the_next_line_keeps_no_connection_from_another(fastdl: Runner, serve: Serve) -> None:
    files = apps(2)
    for app in files.values():
        app.head_delay = 0.1
    server = serving(serve, files)
    reached = server.alarm(sum(app.size for app in files.values()))
    process = fastdl.start("get", "--no-proxy", "-i", "-", "-j", "2", "--per-host", "1")
    assert process.stdin is not None
    process.stdin.write((urls(server, files) + "x\n").encode())
    process.stdin.flush()
    came = reached.wait(_PATIENCE)
    out, err = process.communicate(timeout=_PATIENCE)
    assert came, "the second file waits for the end of the list"
    assert check(Result(process.returncode, out, err, fastdl.cwd, fastdl.home)).code == 8
    have(fastdl, files)


@pytest.mark.parametrize(
    "stray", [b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n", b"HTTP/1.1 200 OK\r\n"]
)
def test_what_comes_unasked_between_two_files(fastdl: Runner, serve: Serve, stray: bytes) -> None:
    """It is no answer to the next request."""
    sent = threading.Event()
    files = apps(2)
    app = files["/000.bin"]

    def hook(connection: Connection, request: Request, reply: Reply) -> None:
        app.send(connection, reply)
        connection.send(b"HTTP/1.1 %b\r\nContent-Length: 4\r\n\r\nevil" % stray)
        sent.set()

    app.hook = hook
    server = serving(serve, files)
    process = fastdl.start("get", "--no-proxy", "-i", "-", "-j", "1", "--retries", "0", "--no-durable")
    assert process.stdin is not None
    process.stdin.write((urls(server, ["/000.bin"]) + "x\n").encode())
    process.stdin.flush()
    assert sent.wait(_PATIENCE)
    out, err = process.communicate(urls(server, ["/001.bin"]).encode(), _PATIENCE)
    result = check(Result(process.returncode, out, err, fastdl.cwd, fastdl.home))
    assert "1 of 3 files failed" in result.err, "the line that is no URL"
    have(fastdl, files)
    assert set(asked(server).values()) == {1}


def test_redirects_and_names_from_the_server(fastdl: Runner, serve: Serve) -> None:
    target = FileApp(size=3_000, seed=3)
    named = FileApp(size=3_001, seed=4, extra=(("Content-Disposition", 'attachment; filename="../n.txt"'),))

    def redirect(connection: Connection, request: Request) -> None:
        target.send(connection, target.short(302, b"there\n", ("Location", "/real/t.bin")))

    server = serve(site({"/go/a.bin": redirect, "/real/t.bin": target.answer, "/get": named.answer}))
    result = listed(fastdl, urls(server, ["/go/a.bin", "/get"]), "-j", "1", "--json")
    assert result.code == 0, result.err
    told = {each["url"]: each for each in result.json}
    one = told[server.url("/go/a.bin")]
    assert (one["final_url"], one["requests"]) == (server.url("/real/t.bin"), 2)
    assert (fastdl.cwd / one["path"]).read_bytes() == target.bytes()
    assert told[server.url("/get")]["path"] == "n.txt"
    assert (fastdl.cwd / "n.txt").read_bytes() == named.bytes()
    assert server.accepted == 1


def test_outputs_with_folders(fastdl: Runner, serve: Serve) -> None:
    files = apps(3)
    server = serving(serve, files)
    text = "".join(f"{server.url(path)}\n  out=d{at}/e/f.bin\n" for at, path in enumerate(files))
    assert listed(fastdl, text).code == 0
    have(fastdl, {f"/d{at}/e/f.bin": app for at, app in enumerate(files.values())})


def test_a_name_that_cannot_be(fastdl: Runner, serve: Serve) -> None:
    files = apps(3)
    server = serving(serve, files)
    (fastdl.cwd / "plain").write_bytes(b"mine")
    text = f"{server.url('/000.bin')}\n{server.url('/001.bin')}\n  out=plain/x\n{server.url('/002.bin')}\n"
    result = listed(fastdl, text, "-j", "1", "--json")
    assert result.code == 8
    assert codes(result) == {"000.bin": 0, "001.bin": 6, "002.bin": 0}
    (told,) = [each for each in result.json if each["exit_code"]]
    alone = fastdl.get("--no-proxy", server.url("/001.bin"), "-o", "plain/x", "--json").json[0]
    for key in ("exit_code", "requests", "final_url"):
        assert told[key] == alone[key], key
    assert len(told["sources"]) == len(alone["sources"])
    assert (fastdl.cwd / "plain").read_bytes() == b"mine"


# --- failures ----------------------------------------------------------------------------------------------


def test_a_wrong_checksum(fastdl: Runner, serve: Serve) -> None:
    files = apps(5)
    server = serving(serve, files)
    text = urls(server, files).replace("002.bin\n", "002.bin\n" + _ZEROS)
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
    assert reached.wait(_PATIENCE), "it did not begin"
    process.send_signal(number)
    try:
        out, err = process.communicate(timeout=_PATIENCE)
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
