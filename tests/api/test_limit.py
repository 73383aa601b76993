"""`fastdl.Download`: a limit that changes while it runs."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

import fastdl
from fastdl import errors
from fastdl.core.limit import CATCH_UP, MOST_BLOCK
from own_threads import own_threads, until_gone
from servers.files import FileApp
from servers.raw import Serve
from steered import SIZE, SLOW, Steered, flowing

# --- limits ----------------------------------------------------------------------------------------------


def test_limits_change_while_it_runs(serve: Serve) -> None:
    """Down, up and off. Upper bounds hold by whatever time has passed; that it ends at all shows the way up."""
    rate = 50_000
    app = FileApp(size=SIZE)
    server = serve(app)
    with flowing(server.url(), limit_rate=1_000_000, count=300_000) as download:
        download.limit(rate)
        session = download._run._session
        assert session is not None
        throttle = session._throttle
        assert throttle is not None
        since, before = time.monotonic(), throttle.received
        download.until(lambda: throttle.received > before + rate // 4, 60)
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
    with Steered(server.url(), limit_rate=10) as download:
        download.start().until(lambda: download.progress.total == SIZE)
        assert download.progress.done < SIZE // 2
        download.limit(rate)
        download.wait()
    assert Path("file.bin").read_bytes() == app.bytes()


def test_a_limit_comes_in_mid_run(serve: Serve) -> None:
    app = FileApp(size=4 * SIZE, rate=SLOW)
    server = serve(app)
    with flowing(server.url(), connections=2) as download:
        download.limit(1000)
        session = download._run._session
        assert session is not None
        throttle = session._throttle
        assert throttle is not None
        download.until(lambda: throttle.received > 0)
        app.rate = None
        # What still comes is what two connections had begun to read, and the rate.
        since = time.monotonic()
        before = throttle.received
        download.hear(4)
        assert throttle.received - before <= 2 * (1 << 20) + 2000 * (time.monotonic() - since + 1)
        download.limit(0)
        download.wait()
    assert Path("file.bin").read_bytes() == app.bytes()


def test_auto_begins_and_ends_in_mid_run(serve: Serve) -> None:
    app = FileApp(size=SIZE, rate=SLOW)
    server = serve(app)
    with flowing(server.url()) as download:
        download.limit("auto")
        download.until(lambda: "fastdl-delay" in own_threads())
        download.rest()
        download.resume()
        app.rate = None
        download.limit(None)
        until_gone(20, "fastdl-delay")
        download.wait()
    assert Path("file.bin").read_bytes() == app.bytes()


def test_auto_measures_nothing_while_it_is_paused(serve: Serve) -> None:
    app = FileApp(size=SIZE, rate=SLOW)
    server = serve(app)
    with flowing(server.url()) as download:
        download.rest()
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
    with Steered(server.url()) as download:
        download.limit(20_000)
        download.start().until(lambda: download.progress.total == SIZE)
        session = download._run._session
        assert session is not None
        assert session._throttle is not None
        download.limit(None)
        download.wait()
