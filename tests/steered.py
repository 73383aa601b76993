"""Downloads that a test steers, and what their servers are asked for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import fastdl
from fastdl.core.ranges import RangeSet
from servers.raw import RawServer
from waiting import wait_for

SIZE = 12_000_000
SLOW = 6e5  # bytes a second of one connection: however many there are, a test gets to what it does meanwhile
Quiet = Callable[[RawServer], None]


class Steered(fastdl.Download):
    """One whose events wake the test that waits for something of it."""

    def __init__(self, url: str, **options: Any) -> None:
        heard, self._heard = threading.Event(), [0]
        count = self._heard

        def hear(event: fastdl.Event) -> None:  # it does not know the download, which must be free to go
            count[0] += 1
            heard.set()

        self._woken = heard
        super().__init__(url, on_event=hear, **options)

    def until(self, holds: Callable[[], bool], limit: float = 30) -> None:
        """Return when it holds, which is looked at after each event; fails after `limit` seconds."""
        end = time.monotonic() + limit
        self._woken.clear()
        while not holds():
            assert self._woken.wait(end - time.monotonic())
            self._woken.clear()

    def hear(self, events: int) -> None:
        """Until so many more have come."""
        wanted = self._heard[0] + events
        self.until(lambda: self._heard[0] >= wanted)

    def flow(self, count: int = 300_000) -> None:
        """Until so many bytes have come."""
        self.until(lambda: self.progress.done >= count or self.result is not None)
        assert self.result is None, self.result

    def paused(self) -> None:
        """Until it is: of that no event tells."""
        wait_for(lambda: self.state == "paused", 20)

    def rest(self) -> None:
        """Pause it, and wait until it is."""
        self.pause()
        self.paused()


def flowing(url: str, count: int = 300_000, **options: Any) -> Steered:
    """A download of which so many bytes have come."""
    download = Steered(url, **options)
    download.start().flow(count)
    return download


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
