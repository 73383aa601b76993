"""`fastdl.Download`: paused, continued, limited and cancelled while it runs."""

from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import fastdl
from fastdl import errors
from fastdl.core.limit import CATCH_UP, MOST_BLOCK
from fastdl.core.ranges import RangeSet
from fastdl.events import Ended, Named, Progressed, Started
from own_threads import own_threads
from servers.files import FileApp, Reply
from servers.files import serve as serve_requests
from servers.raw import Connection, RawServer, Request, Serve
from servers.tls import Certificates
from waiting import wait_for

SIZE = 12_000_000
SLOW = 3e6  # bytes a second of one connection
Quiet = Callable[[RawServer], None]


def flowing(download: fastdl.Download, count: int = 1_000_000) -> None:
    """Until so many bytes have come."""
    wait_for(lambda: download.progress.done >= count or download.result is not None, 30)
    assert download.result is None, download.result


def ranges(server: RawServer, since: int = 0) -> list[tuple[int, int | None]]:
    return [exchange.range or (0, None) for exchange in server.log[since:]]


def stored(download: fastdl.Download) -> RangeSet:
    """What a download that rests has."""
    engine = download._run._engine
    assert engine is not None
    assert engine.attempt is not None
    return engine.attempt.done()


def fetched_again(server: RawServer, since: int, have: RangeSet) -> list[tuple[int, int | None]]:
    """Requests that asked for bytes which were there. (Near the end two may be asked for the same missing ones.)"""
    return [
        (start, end) for start, end in ranges(server, since) if have.overlaps(start, end if end is not None else SIZE)
    ]


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
    with fastdl.Download(server.url(), connections=connections) as download:
        download.start()
        flowing(download)
        download.pause()
        wait_for(lambda: download.state == "paused", 20)
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
    with fastdl.Download(server.url(), connections=1) as download:
        download.start()
        flowing(download)
        download.pause()
        wait_for(lambda: download.state == "paused", 20)
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
    with fastdl.Download(server.url()) as download:
        download.start()
        flowing(download)
        download.pause()
        wait_for(lambda: download.state == "paused", 20)
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
    with fastdl.Download(server.url()) as download:
        download.start()
        for _ in range(5):  # more often than a file may change
            flowing(download, 300_000)
            download.pause()
            wait_for(lambda: download.state == "paused", 20)
            assert server.log[-1].body < SIZE
            download.resume()
        app.rate = None
        download.pause()
        wait_for(lambda: download.state == "paused", 20)
        download.resume()
        download.wait()
    assert Path("file.bin").read_bytes() == app.bytes()


def test_paused_before_it_is_started(serve: Serve) -> None:
    app = FileApp(size=SIZE)
    server = serve(app)
    with fastdl.Download(server.url()) as download:
        assert download.state == "ready"
        download.pause()
        assert download.state == "paused"
        download.start()
        wait_for(lambda: download.state == "paused", 20)
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
    with fastdl.Download(server.url()) as download:
        download.start()
        assert asked.wait(30)
        download.pause()
        wait_for(lambda: download.state == "paused", 20)
        quiet(server)
        go_on.set()
        download.resume()
        download.wait()
    assert Path("file.bin").read_bytes() == app.bytes()


def test_many_pauses_in_quick_succession(serve: Serve) -> None:
    app = FileApp(size=SIZE, rate=SLOW)
    server = serve(app)
    with fastdl.Download(server.url()) as download:
        download.start()
        for count in range(20):
            flowing(download, 100_000 + count * 100_000)
            download.pause()
            download.pause()
            if count % 3:
                wait_for(lambda: download.state == "paused", 20)
            download.resume()
            download.resume()
        app.rate = None
        result = download.wait()
    assert Path("file.bin").read_bytes() == app.bytes()
    assert result.error is None


def test_a_pause_is_no_time_of_the_file(serve: Serve) -> None:
    """--max-time is over in less than the pause takes."""
    app = FileApp(size=SIZE, rate=SLOW)
    server = serve(app)
    with fastdl.Download(server.url(), max_time=20) as download:
        download.start()
        flowing(download, 200_000)
        download.pause()
        wait_for(lambda: download.state == "paused", 20)
        engine = download._run._engine
        assert engine is not None
        assert engine.attempt is not None
        assert engine.deadline is not None
        before, clock = engine.deadline, engine.attempt.now()
        time.sleep(0.05)
        assert engine.attempt.now() == clock  # it stands still
        app.rate = None
        download.resume()
        assert engine.deadline >= before + 0.05
        download.wait()


def test_what_has_come_is_in_the_journal_while_it_is_paused(serve: Serve) -> None:
    app = FileApp(size=SIZE, rate=SLOW)
    server = serve(app)
    with fastdl.Download(server.url()) as download:
        download.start()
        flowing(download)
        download.pause()
        wait_for(lambda: download.state == "paused", 20)
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


# --- limits ----------------------------------------------------------------------------------------------


def test_limits_change_while_it_runs(serve: Serve) -> None:
    """Down, up and off. Upper bounds hold by whatever time has passed; that it ends at all shows the way up."""
    rate = 50_000
    app = FileApp(size=SIZE)
    server = serve(app)
    with fastdl.Download(server.url(), limit_rate=1_000_000) as download:
        download.start()
        flowing(download, 300_000)
        download.limit(rate)
        session = download._run._session
        assert session is not None
        throttle = session._throttle
        assert throttle is not None
        since, before = time.monotonic(), throttle.received
        wait_for(lambda: throttle.received > before + rate // 4, 60)
        came, took = throttle.received - before, time.monotonic() - since
        assert came <= rate * CATCH_UP * (took + 1) + 16 * MOST_BLOCK
        download.limit("2M")
        assert session._throttle is throttle
        download.limit(None)
        assert session._throttle is None
        download.wait()
    assert Path("file.bin").read_bytes() == app.bytes()


@pytest.mark.parametrize("rate", [None, 0, "100M"])
def test_a_limit_that_lets_next_to_nothing_through_is_taken_off(serve: Serve, rate: int | str | None) -> None:
    """At 10 bytes a second this test would never end: whoever waits for the limit is woken."""
    app = FileApp(size=SIZE)
    server = serve(app)
    with fastdl.Download(server.url(), limit_rate=10) as download:
        download.start()
        wait_for(lambda: download.progress.total == SIZE, 30)
        assert download.progress.done < SIZE // 2
        download.limit(rate)
        download.wait()
    assert Path("file.bin").read_bytes() == app.bytes()


def test_a_limit_comes_in_mid_run(serve: Serve) -> None:
    app = FileApp(size=4 * SIZE, rate=SLOW)
    server = serve(app)
    with fastdl.Download(server.url(), connections=2) as download:
        download.start()
        flowing(download)
        download.limit(1000)
        session = download._run._session
        assert session is not None
        throttle = session._throttle
        assert throttle is not None
        wait_for(lambda: throttle.received > 0, 30)
        app.rate = None
        # What still comes is what two connections had begun to read, and the rate.
        since = time.monotonic()
        before = throttle.received
        time.sleep(0.3)
        assert throttle.received - before <= 2 * (1 << 20) + 2000 * (time.monotonic() - since + 1)
        download.limit(0)
        download.wait()
    assert Path("file.bin").read_bytes() == app.bytes()


def test_auto_begins_and_ends_in_mid_run(serve: Serve) -> None:
    app = FileApp(size=SIZE, rate=SLOW)
    server = serve(app)
    with fastdl.Download(server.url()) as download:
        download.start()
        flowing(download)
        download.limit("auto")
        wait_for(lambda: "fastdl-delay" in own_threads(), 20)
        download.pause()
        wait_for(lambda: download.state == "paused", 20)
        download.resume()
        app.rate = None
        download.limit(None)
        wait_for(lambda: "fastdl-delay" not in own_threads(), 20)
        download.wait()
    assert Path("file.bin").read_bytes() == app.bytes()


def test_auto_measures_nothing_while_it_is_paused(serve: Serve) -> None:
    app = FileApp(size=SIZE, rate=SLOW)
    server = serve(app)
    with fastdl.Download(server.url()) as download:
        download.start()
        flowing(download)
        download.pause()
        wait_for(lambda: download.state == "paused", 20)
        download.limit("auto")
        session = download._run._session
        assert session is not None
        throttle = session._throttle
        assert throttle is not None
        assert throttle._probe is not None
        assert throttle._probe._resting
        download.resume()
        assert not throttle._probe._resting
        app.rate = None
        download.limit(None)
        download.wait()
    assert Path("file.bin").read_bytes() == app.bytes()


@pytest.mark.parametrize("rate", ["fast", -1, 1.5, True])
def test_what_is_no_rate_changes_nothing(rate: object) -> None:
    download = fastdl.Download("http://127.0.0.1:9/f")
    with pytest.raises(errors.UsageError):
        download.limit(rate)  # type: ignore[arg-type]
    assert download._run._settings.limit_rate is None


def test_a_limit_before_the_start_holds_from_the_start(serve: Serve) -> None:
    server = serve(FileApp(size=SIZE))
    with fastdl.Download(server.url()) as download:
        download.limit(20_000)
        download.start()
        wait_for(lambda: download.progress.total == SIZE, 30)
        session = download._run._session
        assert session is not None
        assert session._throttle is not None
        download.limit(None)
        download.wait()


# --- cancel ----------------------------------------------------------------------------------------------


def test_cancelled_from_another_thread(serve: Serve, quiet: Quiet) -> None:
    app = FileApp(size=SIZE, rate=SLOW)
    server = serve(app)
    with fastdl.Download(server.url()) as download:
        download.start()
        flowing(download)
        other = threading.Thread(target=download.cancel)
        other.start()
        with pytest.raises(errors.Cancelled) as caught:
            download.wait()
        other.join()
        assert (caught.value.code, download.state) == (130, "cancelled")
        assert caught.value.result is download.result
        download.cancel()
        download.resume()
        download.pause()
        download.limit(5)
        assert download.start().state == "cancelled"
    quiet(server)
    assert sorted(os.listdir()) == ["file.bin.fastdl", "file.bin.fastdl.journal"]
    app.rate = None
    assert fastdl.download(server.url()).resumed_bytes > 0
    assert Path("file.bin").read_bytes() == app.bytes()


@pytest.mark.parametrize("kind", [Started, Named, Progressed, Ended])
def test_cancelled_from_the_callback(serve: Serve, quiet: Quiet, kind: type) -> None:
    server = serve(FileApp(size=SIZE, rate=SLOW if kind is not Ended else None))
    events: list[fastdl.Event] = []

    def on_event(event: fastdl.Event) -> None:
        events.append(event)
        if isinstance(event, kind):
            download.cancel()

    with fastdl.Download(server.url(), on_event=on_event) as download:
        download.start()
        if kind is Ended:
            assert download.wait().size == SIZE  # it was over by then
        else:
            with pytest.raises(errors.Cancelled):
                download.wait()
    quiet(server)
    assert isinstance(events[-1], Ended)


def test_steered_from_the_callback(serve: Serve) -> None:
    app = FileApp(size=SIZE, rate=SLOW)
    server = serve(app)
    seen = []

    def on_event(event: fastdl.Event) -> None:
        seen.append(event)
        if isinstance(event, Named):
            download.limit("10M")
            download.pause()
            threading.Timer(0.05, download.resume).start()
        if isinstance(event, Progressed):
            app.rate = None
            with pytest.raises(RuntimeError):
                download.wait()

    with fastdl.Download(server.url(), on_event=on_event) as download:
        download.start().wait()
    assert Path("file.bin").read_bytes() == app.bytes()
    assert any(isinstance(event, Progressed) for event in seen)


def test_cancelled_before_it_was_started() -> None:
    download = fastdl.Download("http://127.0.0.1:9/f")
    with pytest.raises(RuntimeError):
        download.wait()
    download.cancel()
    assert download.start().state == "cancelled"
    with pytest.raises(errors.Cancelled):
        download.wait()


def test_cancelled_while_it_is_paused(serve: Serve) -> None:
    server = serve(FileApp(size=SIZE, rate=SLOW))
    with fastdl.Download(server.url()) as download:
        download.start()
        flowing(download)
        download.pause()
        wait_for(lambda: download.state == "paused", 20)
        download.cancel()
        with pytest.raises(errors.Cancelled):
            download.wait()


def test_the_end_of_the_block_cancels(serve: Serve, quiet: Quiet) -> None:
    server = serve(FileApp(size=SIZE, rate=SLOW))
    with pytest.raises(ZeroDivisionError), fastdl.Download(server.url()) as download:
        download.start()
        flowing(download)
        _ = 1 // 0
    assert download.state == "cancelled"
    quiet(server)


# --- waiting, and what is left ---------------------------------------------------------------------------


def test_waiting_has_an_end_and_may_go_on(serve: Serve) -> None:
    app = FileApp(size=SIZE, rate=SLOW)
    server = serve(app)
    with fastdl.Download(server.url()) as download:
        download.start()
        with pytest.raises(TimeoutError):
            download.wait(0.01)
        with pytest.raises(TimeoutError):
            download.wait(0)
        assert download.state == "running"
        assert download.result is None
        app.rate = None
        first, second = download.wait(60), download.wait()
        assert first is second is download.result
    assert download.progress.done == download.progress.total == SIZE


def test_several_threads_may_wait(serve: Serve) -> None:
    server = serve(FileApp(size=SIZE, rate=SLOW))
    outcomes: list[str] = []
    with fastdl.Download(server.url()) as download:
        download.start()

        def wait() -> None:
            try:
                download.wait()
            except errors.Cancelled:
                outcomes.append("cancelled")

        threads = [threading.Thread(target=wait) for _ in range(4)]
        for thread in threads:
            thread.start()
        flowing(download)
        download.cancel()
        for thread in threads:
            thread.join()
    assert outcomes == ["cancelled"] * 4


@pytest.mark.parametrize("paused", [False, True])
def test_a_download_that_nobody_holds_ends(serve: Serve, quiet: Quiet, paused: bool) -> None:
    """Also one in the middle of its work: no thread and no socket is left, and nobody is warned."""
    server = serve(FileApp(size=SIZE, rate=SLOW))
    held = [fastdl.Download(server.url()).start()]
    flowing(held[0])
    if paused:
        held[0].pause()
        wait_for(lambda: held[0].state == "paused", 20)
    assert own_threads()
    held.clear()
    gc.collect()
    quiet(server)
    wait_for(lambda: own_threads() == [], 20)
    gc.collect()
    assert sorted(os.listdir()) == ["file.bin.fastdl", "file.bin.fastdl.journal"]


def test_one_that_was_never_started_is_nothing() -> None:
    download = fastdl.Download("http://127.0.0.1:9/f")
    assert download.state == "ready"
    assert repr(download) == "<Download of http://127.0.0.1:9/f: ready>"
    del download
    gc.collect()
    assert own_threads() == []


def test_its_text_shows_no_secret() -> None:
    assert "pass" not in repr(fastdl.Download("http://me:pass@127.0.0.1:9/f?token=pass"))
    assert "pass" not in repr(fastdl.Job("http://me:pass@127.0.0.1:9/f", user="me:pass"))


@pytest.mark.parametrize("connections", ["auto", 1])
def test_a_pause_over_tls(serve: Serve, quiet: Quiet, certificates: Certificates, connections: int | str) -> None:
    app = FileApp(size=SIZE, rate=SLOW)
    server = serve(app, tls=certificates.context_for("localhost"))
    with fastdl.Download(server.url(host="localhost"), cacert=certificates.ca, connections=connections) as download:
        download.start()
        flowing(download)
        download.pause()
        wait_for(lambda: download.state == "paused", 20)
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
    with fastdl.Download(origin.url(), mirror=mirror.url(), connections=4) as download:
        download.start()
        flowing(download, 2_000_000)
        download.pause()
        wait_for(lambda: download.state == "paused", 20)
        for server in (origin, target, mirror):
            quiet(server)
        have, asked = stored(download), [len(target.log), len(mirror.log)]
        app.rate = None
        download.resume()
        result = download.wait()
    assert fetched_again(target, asked[0], have) == fetched_again(mirror, asked[1], have) == []
    assert len([source for source in result.sources if source.bytes]) == 2
    assert Path("file.bin").read_bytes() == app.bytes()
