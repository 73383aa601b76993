"""What `-r` does to connections: how much they read at once, how long they wait, how far servers may run ahead.

The rate holds where the program reads. Behind that the system takes what a server sends, as far as the receive window
allows, so under a limit windows are kept small; under `-r auto` they are what is steered.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Iterable

from fastdl.core import limit
from fastdl.core.hints import TYPE_CHECKING
from fastdl.core.ledbat import DelayLimit

if TYPE_CHECKING:
    from typing import Protocol

    from fastdl.io.delay import DelayProbe

    class Held(Protocol):
        """What is asked of a channel here: see io/channel.py and io/window.py."""

        @property
        def rtt(self) -> float: ...

        @property
        def body_left(self) -> int | None: ...

        def hold_window(self, size: int) -> None: ...


PIECE = 16 * 1024  # bytes of one read where the end of what is wanted is not known, as in io/wire
LEAST_PIECE = 256  # bytes of one read of a head
LEAST_WINDOW = 4 * 1024  # bytes of one connection under `-r auto`
STARTING_READS = 8 * 1024 * 1024.0  # bytes a second, until the first sample: windows hold from the beginning
FREE_WINDOW = 16 * 1024 * 1024  # bytes: of a connection whose limit is gone; the system makes use of what it needs
HEADROOM = 2.0  # by how much reads may be faster than what windows let through


class Throttle:
    """The rate limit of one run, for all its connections. Thread-safe."""

    def __init__(self, rate: int | str) -> None:
        """`rate`: bytes a second, or "auto"."""
        self.auto = DelayLimit() if rate == "auto" else None
        start = STARTING_READS if self.auto is not None else float(rate)
        self._bucket = limit.TokenBucket(start, time.monotonic())
        self._lock = threading.Lock()
        self.received = 0  # bytes
        self._probe: DelayProbe | None = None
        self._resting = False
        self._channels: weakref.WeakSet[Held] = weakref.WeakSet()

    # --- the rate ----------------------------------------------------------------------------------------

    def block(self, takers: int) -> int:
        """Bytes of one read where `takers` connections may read at the same moment."""
        return limit.block_for(self._bucket.rate, takers)

    def take(self, count: int) -> float:
        """Account for `count` bytes read; seconds to wait before the next read."""
        with self._lock:
            self.received += count
            return self._bucket.take(count, time.monotonic())

    def set_rate(self, rate: int, channels: Iterable[Held]) -> None:
        """From now on it is `rate` bytes a second, for these connections too."""
        with self._lock:
            self._bucket.set_rate(float(rate), time.monotonic())
        for channel in channels:
            self.adopt(channel, again=True)

    def most_connections(self) -> int | None:
        """How many connections to a host share the rate well; None: any number."""
        return limit.connections_for(self._bucket.rate) if self.auto is None else None

    # --- what servers may send ahead -----------------------------------------------------------------------

    def piece(self) -> int:
        """Bytes of one read of a head: with it comes part of the body."""
        return min(PIECE, max(LEAST_PIECE, self.block(1)))

    def adopt(self, channel: Held, *, again: bool = False) -> None:
        """A new connection: from now on the limit holds for it too. `again`: another one did."""
        if self.auto is None:
            window = limit.window_for(self._bucket.rate, channel.rtt)
            if window is not None or again:
                channel.hold_window(FREE_WINDOW if window is None else window)
            return
        with self._lock:
            self._channels.add(channel)
            if channel.rtt:
                self.auto.heard(channel.rtt, time.monotonic())
        self._share_window()

    def _share_window(self) -> bool:
        """Each connection whose body is under way gets an equal part. False if there is none that could be held."""
        if self.auto is None:
            return False
        with self._lock:
            flowing = [channel for channel in self._channels if channel.body_left != 0]
        for channel in flowing:
            channel.hold_window(max(LEAST_WINDOW, int(self.auto.window / len(flowing))))
        return bool(flowing)

    # --- the delay ---------------------------------------------------------------------------------------

    def watch(self, round_trip: Callable[[], float]) -> None:
        """Under `-r auto`: steer by this round trip (seconds; NetworkError if it cannot be measured) from now on, where
        there is none yet."""
        if self.auto is None:
            return
        from fastdl.io.delay import DelayProbe

        with self._lock:
            if self._probe is None:
                self._probe = DelayProbe(self.auto, round_trip, lambda: self.received, self._apply)
                self._probe.rest(self._resting)
                self._probe.start()

    def rest(self, resting: bool) -> None:
        """Whether nothing is to be measured, because nothing comes."""
        with self._lock:
            self._resting = resting
            if self._probe is not None:
                self._probe.rest(resting)

    def _apply(self, rate: float) -> None:
        # Windows hold what is under way. To pace the reads as closely would only make the system's buffers fill, and
        # hide how much comes; where no window can be held (HTTP/2) the pace is all there is.
        held = self._share_window()
        with self._lock:
            self._bucket.set_rate(rate * HEADROOM if held else rate, time.monotonic())

    def close(self) -> None:
        """No more measuring."""
        if self._probe is not None:
            self._probe.stop()
