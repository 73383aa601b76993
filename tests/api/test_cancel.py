"""`fastdl.Download`: called off, waited for, forgotten; what is left then."""

from __future__ import annotations

import gc
import os
import threading
from pathlib import Path

import pytest

import fastdl
from fastdl import errors
from fastdl.events import Ended, Named, Progressed, Started
from own_threads import own_threads, until_gone
from servers.files import FileApp
from servers.raw import Serve
from steered import SIZE, SLOW, Quiet, Steered, flowing

# --- cancel ----------------------------------------------------------------------------------------------


def test_cancelled_from_another_thread(serve: Serve, quiet: Quiet) -> None:
    app = FileApp(size=SIZE, rate=SLOW)
    server = serve(app)
    with flowing(server.url()) as download:
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
    with flowing(server.url()) as download:
        download.rest()
        download.cancel()
        with pytest.raises(errors.Cancelled):
            download.wait()


def test_the_end_of_the_block_cancels(serve: Serve, quiet: Quiet) -> None:
    server = serve(FileApp(size=SIZE, rate=SLOW))
    with pytest.raises(ZeroDivisionError), flowing(server.url()) as download:
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
    with Steered(server.url()) as download:
        download.start()

        def wait() -> None:
            try:
                download.wait()
            except errors.Cancelled:
                outcomes.append("cancelled")

        threads = [threading.Thread(target=wait) for _ in range(4)]
        for thread in threads:
            thread.start()
        download.flow()
        download.cancel()
        for thread in threads:
            thread.join()
    assert outcomes == ["cancelled"] * 4


@pytest.mark.parametrize("paused", [False, True])
def test_a_download_that_nobody_holds_ends(serve: Serve, quiet: Quiet, paused: bool) -> None:
    """Also one in the middle of its work: no thread and no socket is left, and nobody is warned."""
    server = serve(FileApp(size=SIZE, rate=SLOW))
    held = [flowing(server.url())]
    if paused:
        held[0].rest()
    assert own_threads()
    held.clear()
    gc.collect()
    quiet(server)
    until_gone(20)
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
