"""Connections of one run: how many each host may have, and the idle ones that can be used again."""

from __future__ import annotations

import threading
import time
from collections import Counter

from fastdl.core.hints import TYPE_CHECKING
from fastdl.io.wire import WireChannel

if TYPE_CHECKING:
    from fastdl.io.channel import Channel

Origin = tuple[str, str, int]  # scheme, host, port
LATE = 1.0  # seconds after which an answer is late where others came sooner
_MOST_IDLE = 64
_MOST_MET = 1000


class ConnectionPool:
    """Counts open connections per host (an idle one counts too) and keeps idle ones for the next request.

    Thread-safe; nothing waits in here."""

    def __init__(self, per_host: int) -> None:
        self._per_host = per_host
        self._open: Counter[str] = Counter()
        self._idle: dict[Origin, list[WireChannel]] = {}
        self._awaiting: dict[Channel, tuple[Origin, float]] = {}  # since when
        self._longest: dict[Origin, float] = {}  # seconds to an answer, of those that came
        self.patience = LATE
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

    # --- connections that hang ---------------------------------------------------------------------------

    def await_answer(self, origin: Origin, channel: Channel) -> None:
        """An answer is waited for, until `awaited` is called."""
        with self._lock:
            self._awaiting[channel] = origin, time.monotonic()

    def awaited(self, channel: Channel, *, answered: bool) -> bool:
        """No longer; false where `relieve` has broken the connection off meanwhile."""
        with self._lock:
            found = self._awaiting.pop(channel, None)
            if found is not None and answered:
                origin, since = found
                if len(self._longest) >= _MOST_MET:
                    self._longest.clear()
                self._longest[origin] = max(self._longest.get(origin, 0.0), time.monotonic() - since)
        return found is not None

    def wanted(self) -> bool:
        """Whether somebody waits in vain, and could use a connection that another one keeps for itself."""
        if not self._awaiting:
            return False
        with self._lock:
            return bool(self._late())

    def relieve(self) -> None:
        """A server may serve so many connections at once and let every further one hang. Whoever waits there in vain
        gets an idle connection in its place; where all wait, they begin anew."""
        with self._lock:
            late = self._late()
            waiting = Counter(origin[1] for origin, _ in self._awaiting.values())
            spare = {origin: len(channels) for origin, channels in self._idle.items()}
            for channel in late:
                origin = self._awaiting[channel][0]
                if spare.get(origin, 0) > 0:
                    spare[origin] -= 1
                elif waiting[origin[1]] < self._open[origin[1]]:
                    continue
                del self._awaiting[channel]
                channel.abort()

    def _late(self) -> list[Channel]:
        """Whose answers are late, by what others of the same origin took; the oldest first."""
        now = time.monotonic()
        met = self._longest
        return [
            channel
            for channel, (origin, since) in self._awaiting.items()
            if origin in met and now - since > max(self.patience, 2 * met[origin])
        ]

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
