"""Connections of one run: how many each host may have, and the idle ones that can be used again."""

from __future__ import annotations

import threading
from collections import Counter

from fastdl.io.wire import WireChannel

Origin = tuple[str, str, int]  # scheme, host, port
_MOST_IDLE = 64


class ConnectionPool:
    """Counts open connections per host (an idle one counts too) and keeps idle ones for the next request.

    Thread-safe; nothing waits in here."""

    def __init__(self, per_host: int) -> None:
        self._per_host = per_host
        self._open: Counter[str] = Counter()
        self._idle: dict[Origin, list[WireChannel]] = {}
        self._closed = False
        self._lock = threading.Lock()

    def take_idle(self, origin: Origin) -> WireChannel | None:
        """An idle connection to this origin that still works, or None. The caller owns it."""
        while True:
            with self._lock:
                waiting = self._idle.get(origin)
                channel = waiting.pop() if waiting else None
            if channel is None or channel.quiet():
                return channel
            channel.close()

    def admit(self, host: str) -> bool:
        """Claim a place for one more connection to `host`; false if all are taken. An idle connection to another port
        or scheme of the host gives its place up."""
        with self._lock:
            if self._open[host] < self._per_host:
                self._open[host] += 1
                return True
            spare = next((c for o, c in self._idle.items() if o[1] == host and c), None)
            channel = spare.pop(0) if spare else None
        if channel is None:
            return False
        channel.close()
        return self.admit(host)

    def most(self, host: str) -> int:
        """How many connections to `host` there may be."""
        return self._per_host

    def scarce(self, takers: int) -> bool:
        """Whether so many takers may find too few connections at one host."""
        return takers > self._per_host

    def leave(self, host: str, *, midway: bool = False) -> None:
        """Give a place back: a connection was closed. `midway`: its server owed it something, and may notice late."""
        with self._lock:
            self._open[host] -= 1

    def keep(self, origin: Origin, channel: WireChannel) -> None:
        """Keep a connection whose last body has ended for whoever needs it next."""
        if not channel.reusable:
            channel.close()
            return
        with self._lock:
            if not self._closed and sum(len(channels) for channels in self._idle.values()) < _MOST_IDLE:
                self._idle.setdefault(origin, []).append(channel)
                return
        channel.close()

    def drop_idle(self, patience: float) -> None:
        """Close the idle connections, and wait up to `patience` seconds until each server has noticed."""
        with self._lock:
            channels = [channel for waiting in self._idle.values() for channel in waiting]
            self._idle.clear()
        for channel in channels:
            channel.part(patience)

    def in_use(self) -> dict[str, int]:
        """Open connections by host, idle ones too."""
        with self._lock:
            return {host: count for host, count in self._open.items() if count > 0}

    def open(self) -> None:
        """Keep idle connections again, after `close`."""
        with self._lock:
            self._closed = False

    def close(self) -> None:
        """Close the idle connections; none is kept from now on."""
        with self._lock:
            self._closed = True
            channels = [channel for waiting in self._idle.values() for channel in waiting]
            self._idle.clear()
        for channel in channels:
            channel.close()
