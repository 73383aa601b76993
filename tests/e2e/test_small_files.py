"""Lists of small files: one request a file, one connection a job."""

from __future__ import annotations

import os
import threading
from collections import Counter

import pytest

from servers.content import content
from servers.files import FileApp, Reply, site
from servers.raw import Connection, Request, Serve
from servers.run import Result, Runner, check
from small_files import PATIENCE, ZEROS, apps, asked, codes, have, listed, serving, urls

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
    result = listed(fastdl, text + server.url("/003.bin") + "\n" + ZEROS, "-j", "1", "--per-host", "1", "--json")
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
    came = reached.wait(PATIENCE)
    out, err = process.communicate(timeout=PATIENCE)
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
    assert sent.wait(PATIENCE)
    out, err = process.communicate(urls(server, ["/001.bin"]).encode(), PATIENCE)
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
