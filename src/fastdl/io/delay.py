"""`-r auto`: measures how long a packet takes to the server and back.

The round trip is timed by opening a connection and closing it again, twice a second: those are a few small packets that
cross the same queues as the download, answered by the server's system and not by a busy program, and it works alike on
every system. What a system knows of the download's own connections does not serve: a receiver that sends next to
nothing gets few samples, and mixes the queue with the server's own pauses.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from fastdl.core.ledbat import DelayLimit
from fastdl.errors import NetworkError


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
        self._resting = False

    def run(self) -> None:
        """See Thread."""
        before, at = self._received(), time.monotonic()
        while not self._ended.wait(self._limit.interval):
            if self._resting:
                continue
            try:
                rtt = self._round_trip()
                if self._limit.doubtful(rtt):
                    rtt = min(rtt, self._round_trip())
            except NetworkError:
                continue  # refused or lost: the download itself will tell what is wrong
            count, now = self._received(), time.monotonic()
            self._apply(self._limit.sample(rtt, (count - before) / (now - at), now))
            before, at = count, now

    def rest(self, resting: bool) -> None:
        """Measure nothing for a while, or go on."""
        self._resting = resting

    def stop(self) -> None:
        """End soon."""
        self._ended.set()
