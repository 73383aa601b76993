"""`fastdl.Download`: paused and continued, and nothing comes twice."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

import fastdl
from fastdl import errors
from fastdl.core.ranges import RangeSet
from servers.files import FileApp, Reply
from servers.files import serve as serve_requests
from servers.raw import Connection, Request, Serve
from servers.tls import Certificates
from steered import SIZE, SLOW, Quiet, Steered, fetched_again, flowing, ranges, stored


def claimed(name: str = "file.bin") -> list[tuple[int, int]]:
    """The bytes that a partial download's journal knows, as ranges."""
    from fastdl.io.partial import Partial

    partial = Partial.open(name)
    try:
        return [tuple(piece) for piece in RangeSet((claim.start, claim.end) for claim in partial.claims)]
    finally:
        partial.close()


# --- pause and resume ------------------------------------------------------------------------------------


@pytest.mark.parametrize("connections", ["auto", 1])
def test_a_pause_ends_all_connections_and_nothing_comes_twice(
    serve: Serve, quiet: Quiet, connections: int | str
) -> None:
    app = FileApp(size=SIZE, rate=SLOW)
    server = serve(app)
    with flowing(server.url(), connections=connections) as download:
        download.rest()
        quiet(server)
        asked, accepted, done = len(server.log), server.accepted, download.progress.done
        have = stored(download)
        assert have.total == done
        assert not server.alarm(server.body_sent + 1).wait(0.3)  # a while in which nothing may happen
        assert (len(server.log), server.accepted, download.progress.done) == (asked, accepted, done)
        assert download.progress.speed == download.progress.connections == 0
        app.rate = None
        download.resume()
        result = download.wait()
    assert Path("file.bin").read_bytes() == app.bytes()
    assert download.state == "done"
    assert result.error is None
    assert sum(source.bytes for source in result.sources) == SIZE + result.wasted_bytes
    assert fetched_again(server, asked, have) == []
    assert server.log[asked].request.get("if-range") == '"v1"'


def test_pauses_without_a_strong_validator_fetch_a_little_again(serve: Serve) -> None:
    app = FileApp(size=SIZE, rate=SLOW, etag=None, last_modified=None)
    server = serve(app)
    with flowing(server.url(), connections=1) as download:
        download.rest()
        done, asked = download.progress.done, len(server.log)
        app.rate = None
        download.resume()
        result = download.wait()
    assert Path("file.bin").read_bytes() == app.bytes()
    first = min(start for start, _ in ranges(server, asked))
    assert 0 < result.wasted_bytes == done - first <= 16 * 1024


@pytest.mark.parametrize("validators", [{}, {"etag": None, "last_modified": None}], ids=["etag", "none"])
def test_a_file_that_changes_during_a_pause_is_begun_again(serve: Serve, validators: dict[str, Any]) -> None:
    app = FileApp(size=SIZE, rate=SLOW, **validators)
    server = serve(app)
    with flowing(server.url()) as download:
        download.rest()
        app.change()
        app.rate = None
        download.resume()
        download.wait()
    assert Path("file.bin").read_bytes() == app.bytes()


@pytest.mark.parametrize("sized", [True, False])
def test_a_server_without_ranges_begins_again(serve: Serve, sized: bool) -> None:
    app = FileApp(size=SIZE, rate=SLOW, ranges=False)

    def hook(connection: Connection, request: Request, reply: Reply) -> Reply:
        reply.close = not sized
        return reply if sized else reply.set("Content-Length", None)

    app.hook = hook
    server = serve(app)
    with Steered(server.url()) as download:
        download.start()
        for _ in range(5):  # more often than a file may change
            download.flow(300_000)
            download.rest()
            assert server.log[-1].body < SIZE
            download.resume()
        app.rate = None
        download.rest()
        download.resume()
        download.wait()
    assert Path("file.bin").read_bytes() == app.bytes()


def test_paused_before_it_is_started(serve: Serve) -> None:
    app = FileApp(size=SIZE)
    server = serve(app)
    with Steered(server.url()) as download:
        assert download.state == "ready"
        download.pause()
        assert download.state == "paused"
        download.start().paused()
        assert server.accepted == 0
        download.resume()
        assert download.wait().size == SIZE
    assert server.accepted > 0


def test_pauses_while_it_connects_or_waits_for_a_head(serve: Serve, quiet: Quiet) -> None:
    asked, go_on = threading.Event(), threading.Event()
    app = FileApp(size=SIZE)

    def handle(connection: Connection) -> None:
        request = connection.receive()
        if request is None:
            return
        asked.set()
        if not go_on.is_set():
            return connection.hold()
        app.answer(connection, request)
        app.handle(connection)

    server = serve(handle)
    with Steered(server.url()) as download:
        download.start()
        assert asked.wait(30)
        download.rest()
        quiet(server)
        go_on.set()
        download.resume()
        download.wait()
    assert Path("file.bin").read_bytes() == app.bytes()


def test_many_pauses_in_quick_succession(serve: Serve) -> None:
    app = FileApp(size=SIZE, rate=SLOW)
    server = serve(app)
    with Steered(server.url()) as download:
        download.start()
        for count in range(20):
            download.flow(100_000 + count * 100_000)
            download.pause()
            download.pause()
            if count % 3:
                download.paused()
            download.resume()
            download.resume()
        app.rate = None
        result = download.wait()
    assert Path("file.bin").read_bytes() == app.bytes()
    assert result.error is None


def test_a_pause_is_no_time_of_the_file(serve: Serve, quiet: Quiet) -> None:
    """--max-time is over in less than the pause takes."""
    app = FileApp(size=SIZE, rate=SLOW)
    server = serve(app)
    with flowing(server.url(), max_time=20, count=200_000) as download:
        download.rest()
        engine = download._run._engine
        assert engine is not None
        assert engine.attempt is not None
        assert engine.deadline is not None
        quiet(server)
        before, clock = engine.deadline, engine.attempt.now()
        assert not server.alarm(server.body_sent + 1).wait(0.05)  # a while in which nothing may happen
        assert engine.attempt.now() == clock  # it stands still
        app.rate = None
        download.resume()
        assert engine.deadline >= before + 0.05
        download.wait()


def test_what_has_come_is_in_the_journal_while_it_is_paused(serve: Serve) -> None:
    app = FileApp(size=SIZE, rate=SLOW)
    server = serve(app)
    with flowing(server.url()) as download:
        download.rest()
        done = download._run._engine.attempt.facts()[0]  # type: ignore[union-attr]
        with pytest.raises(errors.TargetBusy):  # nobody else takes it
            fastdl.download(server.url())
        download.cancel()
        with pytest.raises(errors.Cancelled):
            download.wait()
    assert sum(end - start for start, end in claimed()) == done
    app.rate = None
    assert fastdl.download(server.url()).resumed_bytes == done
    assert Path("file.bin").read_bytes() == app.bytes()


@pytest.mark.parametrize("connections", ["auto", 1])
def test_a_pause_over_tls(serve: Serve, quiet: Quiet, certificates: Certificates, connections: int | str) -> None:
    app = FileApp(size=SIZE, rate=SLOW)
    server = serve(app, tls=certificates.context_for("localhost"))
    with flowing(server.url(host="localhost"), cacert=certificates.ca, connections=connections) as download:
        download.rest()
        quiet(server)
        have, asked = stored(download), len(server.log)
        app.rate = None
        download.resume()
        download.wait()
    assert fetched_again(server, asked, have) == []
    assert Path("file.bin").read_bytes() == app.bytes()


def test_redirects_and_mirrors_rest_too(serve: Serve, quiet: Quiet) -> None:
    app = FileApp(size=SIZE, rate=SLOW)
    target, mirror = serve(app), serve(app)

    def redirect(connection: Connection, request: Request) -> None:
        app.send(connection, app.short(302, b"", ("Location", target.url())))

    origin = serve(lambda connection: serve_requests(connection, redirect))
    with flowing(origin.url(), mirror=mirror.url(), connections=4, count=2_000_000) as download:
        download.rest()
        for server in (origin, target, mirror):
            quiet(server)
        have, asked = stored(download), [len(target.log), len(mirror.log)]
        app.rate = None
        download.resume()
        result = download.wait()
    assert fetched_again(target, asked[0], have) == fetched_again(mirror, asked[1], have) == []
    assert len([source for source in result.sources if source.bytes]) == 2
    assert Path("file.bin").read_bytes() == app.bytes()
