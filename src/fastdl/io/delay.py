"""`-r auto`: measures how long a packet takes to the server and back, and gives way when that grows.

The round trip is timed by opening a connection and closing it again, twice a second: those are a few small packets that
cross the same queues as the download, and it works alike on every system (a receiver cannot read the delay off its own
sockets everywhere).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from fastdl.core.limit import DelayLimit
from fastdl.errors import NetworkError

INTERVAL = 0.5  # seconds between probes


class DelayProbe(threading.Thread):
    """Feeds round-trip times to a DelayLimit and its rate to `apply` (bytes a second), until `stop`."""

    def __init__(
        self,
        limit: DelayLimit,
        round_trip: Callable[[], float],
        received: Callable[[], int],
        apply: Callable[[float], None],
    ) -> None:
        """`round_trip` measures once (seconds; NetworkError if it cannot); `received` counts all bytes so far."""
        super().__init__(name="fastdl-delay", daemon=True)
        self._limit = limit
        self._round_trip = round_trip
        self._received = received
        self._apply = apply
        self._ended = threading.Event()

    def run(self) -> None:
        """See Thread."""
        before, at = self._received(), time.monotonic()
        while not self._ended.wait(INTERVAL):
            try:
                rtt = self._round_trip()
            except NetworkError:
                continue  # refused or lost: the download itself will tell what is wrong
            count, now = self._received(), time.monotonic()
            self._apply(self._limit.sample(rtt, (count - before) / (now - at), now))
            before, at = count, now

    def stop(self) -> None:
        """End soon."""
        self._ended.set()
