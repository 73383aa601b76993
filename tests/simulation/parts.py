"""What the simulated shell is made of besides its workers: sources, settings, the pool of connections."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING

from fastdl.core.head import Validators
from fastdl.core.orders import Instruction
from fastdl.core.ranges import RangeSet
from fastdl.core.state import Limits
from simulation.network import Channel
from simulation.server import Server

if TYPE_CHECKING:
    from simulation.shell import Attempt


@dataclass(slots=True)
class Place:
    """A source: its server and, before it, whatever redirects there."""

    server: Server
    front: Server | None = None
    mirror: bool = False
    mapped: bool = False  # found by a rule: it joins a running download
    joins: float = 0.0  # at which moment
    token: tuple[float, int] | None = None  # the redirect's target, as far as it is known
    found: bool = False
    validators: Validators | None = None
    content_type: str | None = None


@dataclass(slots=True)
class Claims:
    """What an earlier run left."""

    done: RangeSet
    size: int
    validators: Validators
    version: int


@dataclass(slots=True)
class Settings:
    """The part of the settings that matters here, and how the machine behaves."""

    limits: Limits
    timeout: float = 30.0
    window: int | None = None  # output in order: how many bytes may wait for their turn
    hesitation: float = 0.0  # chance that a thread is held up at a point where another may run
    longest: float = 0.01  # seconds that it is held up
    disk: float = 0.0  # seconds that a write may take
    shares: list[tuple[float, int]] = field(default_factory=list)  # from when on how many connections a host
    others: list[tuple[float, int]] = field(default_factory=list)  # from when on how many slots others hold
    short_of_memory: list[float] = field(default_factory=list)  # when the machine is found to be
    prefer: bool = False  # --cdn prefer: the origin is the last resort
    piece: int | None = None  # bytes of a piece, where there is a list of their digests
    size: int = 0  # bytes of the file that the list is about
    listed: int = 1  # and which version that is
    hashing: float = inf  # bytes a second that the check of pieces manages
    bans: bool = True  # whoever brought a wrong piece alone is not asked any more
    log: Callable[[Attempt, str, list[Instruction]], None] | None = None


class Pool:
    """io/pool.py: connections a host, idle ones kept."""

    def __init__(self, per_host: int) -> None:
        self.per_host = per_host
        self.others = 0
        self.open: Counter[str] = Counter()
        self._idle: dict[int, list[Channel]] = {}

    def take_idle(self, server: Server) -> Channel | None:
        """An idle connection that still works."""
        waiting = self._idle.get(id(server), [])
        while waiting:
            channel = waiting.pop()
            if channel.quiet():
                return channel
            self.close(channel)
        return None

    def admit(self, host: str) -> bool:
        """Claim a place."""
        if self.open[host] + self.others >= self.per_host:
            spare = next((c for c in self._idle.values() if c and c[0].server.host == host), None)
            if spare is None:
                return False
            self.close(spare.pop(0))
        self.open[host] += 1
        return True

    def close(self, channel: Channel) -> None:
        """Close a connection and give its place back."""
        if not channel.closed:
            channel.close()
            self.open[channel.server.host] -= 1

    def keep(self, channel: Channel) -> None:
        """Keep a connection for whoever needs it next."""
        if channel.reusable:
            self._idle.setdefault(id(channel.server), []).append(channel)
        else:
            self.close(channel)
