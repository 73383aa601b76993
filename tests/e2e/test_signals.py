"""Ctrl-C and SIGTERM: the end comes soon, with the right code, two partial files, and the same command goes on."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from servers.files import FileApp
from servers.raw import Connection, RawServer, Request, Serve
from servers.run import Result, Runner, check

_SIZE = 4 << 20
_SLOW = 300_000.0  # bytes a second per connection
_PATIENCE = 20.0  # seconds until something that must happen has happened
_END = 3.0  # seconds; the contract says half a second, a busy test machine gets more
_WINDOWS = sys.platform == "win32"

if sys.platform == "win32":
    _SIGNALS = [(signal.CTRL_BREAK_EVENT, {130, 143})]
else:
    _SIGNALS = [(signal.SIGINT, {130}), (signal.SIGTERM, {143})]


def _end(process: subprocess.Popen[bytes], number: signal.Signals, fastdl: Runner) -> Result:
    """Send the signal; the process must end by itself."""
    process.send_signal(number)
    try:
        out, err = process.communicate(timeout=_END)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise AssertionError(f"still running {_END} s after signal {number}") from None
    return check(Result(process.returncode, out, err, fastdl.cwd, fastdl.home))


def _started(fastdl: Runner, server: RawServer, *args: str, body: int = 400_000) -> subprocess.Popen[bytes]:
    """Start and wait until the server has sent `body` bytes."""
    reached = server.alarm(body)
    process = fastdl.start("get", "--no-proxy", *args)
    assert reached.wait(_PATIENCE), "the download did not begin"
    return process


@pytest.mark.parametrize(("number", "codes"), _SIGNALS)
@pytest.mark.parametrize("connections", ["1", "4"])
def test_goes_on_where_it_was_stopped(
    fastdl: Runner, serve: Serve, number: signal.Signals, codes: set[int], connections: str
) -> None:
    app = FileApp(size=_SIZE, rate=_SLOW)
    server = serve(app)
    options = ("-x", connections, "-k", "128k", server.url())
    result = _end(_started(fastdl, server, *options), number, fastdl)
    assert result.code in codes
    assert result.files == {"file.bin.fastdl", "file.bin.fastdl.journal"}
    assert "again" in result.error
    sent = server.body_sent
    app.rate = None
    last = fastdl.get("--no-proxy", "--json", *options, expected=["file.bin"])
    assert last.code == 0, last.err
    assert (fastdl.cwd / "file.bin").read_bytes() == app.bytes()
    assert last.files == {"file.bin"}
    assert last.json[0]["resumed_bytes"] > 0
    assert server.body_sent - sent < _SIZE - 100_000, "it began from nothing"


@pytest.mark.parametrize(("number", "codes"), _SIGNALS)
def test_quiet_says_one_line(fastdl: Runner, serve: Serve, number: signal.Signals, codes: set[int]) -> None:
    server = serve(FileApp(size=_SIZE, rate=_SLOW))
    result = _end(_started(fastdl, server, "-q", server.url()), number, fastdl)
    assert result.code in codes
    assert len(result.err.splitlines()) == 1


@pytest.mark.skipif(_WINDOWS, reason="a console event reaches the whole group only once")
def test_twice_in_a_row(fastdl: Runner, serve: Serve) -> None:
    server = serve(FileApp(size=_SIZE, rate=_SLOW))
    process = _started(fastdl, server, server.url())
    process.send_signal(signal.SIGINT)
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    result = _end(process, signal.SIGINT, fastdl) if process.poll() is None else _collect(process, fastdl)
    assert result.code == 130
    assert "file.bin" not in result.files


def _collect(process: subprocess.Popen[bytes], fastdl: Runner) -> Result:
    out, err = process.communicate(timeout=_END)
    return check(Result(process.returncode, out, err, fastdl.cwd, fastdl.home))


def _silent(connection: Connection) -> None:
    """Takes the request and never answers."""
    while connection.receive() is not None:
        connection.hold()


def _stalling(connection: Connection, request: Request) -> None:
    app = FileApp(size=_SIZE)
    app.send(connection, app.reply(request), limit=100_000)
    connection.hold()


@pytest.mark.parametrize(("number", "codes"), _SIGNALS)
def test_while_nothing_is_answered(fastdl: Runner, serve: Serve, number: signal.Signals, codes: set[int]) -> None:
    server = serve(_silent)
    process = fastdl.start("get", "--no-proxy", server.url())
    server.until(lambda: len(server.log) > 0, _PATIENCE)
    result = _end(process, number, fastdl)
    assert result.code in codes
    assert result.files == set(), "nothing has arrived, so nothing is kept"


def test_while_it_stalls(fastdl: Runner, serve: Serve) -> None:
    def handler(connection: Connection) -> None:
        while (request := connection.receive()) is not None and connection.open:
            _stalling(connection, request)

    server = serve(handler)
    result = _end(_started(fastdl, server, server.url(), body=100_000), _SIGNALS[0][0], fastdl)
    assert result.code in _SIGNALS[0][1]


def test_while_it_waits_for_a_retry(fastdl: Runner, serve: Serve) -> None:
    app = FileApp(hook=lambda connection, request, reply: app.short(503, b"", ("Retry-After", "60")))
    server = serve(app)
    process = fastdl.start("get", "--no-proxy", server.url())
    server.until(lambda: len(server.log) > 0, _PATIENCE)
    result = _end(process, _SIGNALS[0][0], fastdl)
    assert result.code in _SIGNALS[0][1]
    assert result.files == set()


def test_several_files(fastdl: Runner, serve: Serve) -> None:
    app = FileApp(size=_SIZE, rate=_SLOW)
    server = serve(app)
    urls = [server.url(f"/{name}") for name in ("a.bin", "b.bin", "c.bin")]
    result = _end(_started(fastdl, server, *urls), _SIGNALS[0][0], fastdl)
    assert result.code in _SIGNALS[0][1]
    assert not result.files & {"a.bin", "b.bin", "c.bin"}
    app.rate = None
    last = fastdl.get("--no-proxy", *urls, expected=["a.bin", "b.bin", "c.bin"])
    assert last.code == 0
    assert last.files == {"a.bin", "b.bin", "c.bin"}


def test_to_stdout(fastdl: Runner, serve: Serve) -> None:
    server = serve(FileApp(size=_SIZE, rate=_SLOW))
    process = _started(fastdl, server, "-o", "-", server.url(), body=200_000)
    result = _end(process, _SIGNALS[0][0], fastdl)
    assert result.code in _SIGNALS[0][1]
    assert result.files == set()
    assert FileApp(size=_SIZE).bytes().startswith(result.stdout)
