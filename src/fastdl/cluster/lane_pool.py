"""The connections of one worker among many: it may have as many to a host as the head of the run lets it."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

from fastdl.io.pool import ConnectionPool, Origin
from fastdl.io.wire import WireChannel

PATIENCE = 0.5  # seconds that whoever wants a connection waits for a place, or for an idle one

LINGER = 0.25  # seconds that the place of a connection stays taken whose server may still be sending


class LanePool(ConnectionPool):
    """Asks for a part of the host's connections when a host is met for the first time, and keeps to it. Who finds no
    place waits a little: another download of this worker may be about to end.

    The bound holds at the server too: one that is in the middle of a body sees only later that its client has gone."""

    def __init__(self, per_host: int, ask: Callable[[], None]) -> None:
        """`ask` is called when there is a host to be asked for."""
        super().__init__(per_host)
        self._ask = ask
        self._shares: dict[str, int] = {}
        self._known: set[str] = set()
        self._lingering: deque[tuple[float, str]] = deque()  # when it is over, the host
        self._turn = threading.Condition()
        self._ended = False

    # --- what the head says ------------------------------------------------------------------------------

    def share(self, shares: dict[str, int]) -> None:
        """So many connections there may be, by host. Idle ones beyond that are closed; others are when they end."""
        with self._turn:
            self._shares = dict(shares)
            self._turn.notify_all()
        for host in shares:
            self._trim(host)

    def counts(self) -> dict[str, int]:
        """How many connections there are to each host that was asked for, idle ones too."""
        self._see_off()
        used = self.in_use()
        with self._turn:
            return {host: used.get(host, 0) for host in self._known}

    def end(self) -> None:
        """Nobody waits any more."""
        with self._turn:
            self._ended = True
            self._turn.notify_all()

    # --- what the downloads want -------------------------------------------------------------------------

    def most(self, host: str) -> int:
        with self._turn:
            return max(1, min(self._per_host, self._shares.get(host, self._per_host)))

    def scarce(self, takers: int) -> bool:
        with self._turn:
            return takers > min((self._per_host, *self._shares.values()))

    def take_idle(self, origin: Origin) -> WireChannel | None:
        host = origin[1]
        until = time.monotonic() + PATIENCE
        self._meet(host)
        while (channel := super().take_idle(origin)) is None:
            self._see_off()
            with self._turn:
                now = time.monotonic()
                if self._ended or now >= until or self._has_place(host) or self._has_idle(host):
                    return None
                over = self._lingering[0][0] if self._lingering else until
                self._turn.wait(max(0.0, min(until, over) - now))
        return channel

    def admit(self, host: str) -> bool:
        self._meet(host)
        self._see_off()
        with self._turn:
            share = self._shares.get(host, 0)
        while True:
            with self._lock:
                if self._open[host] < min(share, self._per_host):
                    self._open[host] += 1
                    return True
                if self._open[host] > share:
                    return False
                spare = next((c for o, c in self._idle.items() if o[1] == host and c), None)
                channel = spare.pop(0) if spare else None
            if channel is None:
                return False
            channel.close()

    def leave(self, host: str, *, midway: bool = False) -> None:
        if midway:
            with self._turn:
                self._lingering.append((time.monotonic() + LINGER, host))
            return
        super().leave(host)
        with self._turn:
            self._turn.notify_all()
        self._ask()

    def keep(self, origin: Origin, channel: WireChannel) -> None:
        super().keep(origin, channel)
        self._trim(origin[1])
        with self._turn:
            self._turn.notify_all()

    # --- inside ------------------------------------------------------------------------------------------

    def _see_off(self) -> None:
        """The places of those whose servers have surely noticed by now are free."""
        now = time.monotonic()
        with self._turn:
            over = []
            while self._lingering and self._lingering[0][0] <= now:
                over.append(self._lingering.popleft()[1])
        for host in over:
            self.leave(host)

    def _meet(self, host: str) -> None:
        with self._turn:
            if host in self._known:
                return
            self._known.add(host)
        self._ask()

    def _has_place(self, host: str) -> bool:
        return self._open[host] < self._shares.get(host, 0)

    def _has_idle(self, host: str) -> bool:
        """An idle connection elsewhere at this host, that gives its place up."""
        return any(o[1] == host and c for o, c in list(self._idle.items()))

    def _trim(self, host: str) -> None:
        """Close idle connections that are too many."""
        while True:
            with self._turn:
                share = self._shares.get(host, 0)
            with self._lock:
                spare = next((c for o, c in self._idle.items() if o[1] == host and c), None)
                channel = spare.pop(0) if spare and self._open[host] > share else None
            if channel is None:
                return
            channel.close()
