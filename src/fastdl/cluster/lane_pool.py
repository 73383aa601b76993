"""The connections of one worker among many: it may have as many to a host as the head of the run lets it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from fastdl.io.pool import ConnectionPool, Origin
from fastdl.io.wire import WireChannel

PATIENCE = 0.5  # seconds that whoever wants a connection waits for a place, or for an idle one


class LanePool(ConnectionPool):
    """Asks for a part of the host's connections when a host is met for the first time, and keeps to it. Who finds no
    place waits a little: another download of this worker may be about to end."""

    def __init__(self, per_host: int, ask: Callable[[], None]) -> None:
        """`ask` is called when there is a host to be asked for."""
        super().__init__(per_host)
        self._ask = ask
        self._shares: dict[str, int] = {}
        self._known: set[str] = set()
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
            with self._turn:
                left = until - time.monotonic()
                if self._ended or left <= 0 or self._has_place(host) or self._has_idle(host):
                    return None
                self._turn.wait(left)
        return channel

    def admit(self, host: str) -> bool:
        self._meet(host)
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

    def leave(self, host: str) -> None:
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
