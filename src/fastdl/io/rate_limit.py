"""The rate limit of a run: the throttle that holds now, and how another takes its place while connections are open."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable

from fastdl.core.hints import TYPE_CHECKING

if TYPE_CHECKING:
    from fastdl.core.urls import Url
    from fastdl.io.channel import Channel
    from fastdl.io.throttle import Throttle


class RateLimit:
    """Any thread may call it."""

    throttle: Throttle | None
    """What holds now; None where bytes come as fast as they may."""

    def __init__(self, round_trip: Callable[[Url], float]) -> None:
        """`round_trip` measures the way to a server, in seconds; it raises NetworkError."""
        self.throttle = None
        self._round_trip = round_trip
        self._served: Url | None = None  # what has answered first
        self._channels: weakref.WeakSet[Channel] = weakref.WeakSet()  # all that are open
        self._resting = False
        self._lock = threading.Lock()

    def hold(self, channel: Channel) -> None:
        """A new connection: the limit holds for it too, and all that follow."""
        with self._lock:
            self._channels.add(channel)
            throttle = self.throttle
        if throttle is not None:
            throttle.adopt(channel)

    def served(self, url: Url) -> None:
        """A server has answered: under "auto" the delay to the first one is watched."""
        with self._lock:
            self._served = self._served or url
            throttle = self.throttle
        if throttle is not None:
            throttle.watch(lambda: self._round_trip(url))

    def change(self, rate: int | str | None) -> None:
        """From now on at most `rate` bytes a second, "auto", or as fast as it comes (None)."""
        with self._lock:
            before = self.throttle
            if before is not None and before.auto is None and isinstance(rate, int):
                before.set_rate(rate, list(self._channels))
                return
            self.throttle = None
            if before is not None:
                before.close()
            if rate is not None:
                self._begin(rate)
            elif before is not None:
                from fastdl.io.throttle import FREE_WINDOW

                for channel in list(self._channels):
                    channel.hold_window(FREE_WINDOW)

    def _begin(self, rate: int | str) -> None:
        from fastdl.io.throttle import Throttle

        self.throttle = throttle = Throttle(rate)
        throttle.rest(self._resting)
        for channel in list(self._channels):
            throttle.adopt(channel, again=True)
        url = self._served
        if url is not None:
            throttle.watch(lambda: self._round_trip(url))

    def rest(self, resting: bool) -> None:
        """Whether nothing is to be measured, because nothing comes."""
        with self._lock:
            self._resting = resting
            if self.throttle is not None:
                self.throttle.rest(resting)

    def close(self) -> None:
        """No more measuring."""
        throttle = self.throttle
        if throttle is not None:
            throttle.close()
