"""What the scheduler knows of sources, connections and ranges in flight: plain data."""

from __future__ import annotations

from enum import Enum

from fastdl.core import plan
from fastdl.core.plain import dataclass, field
from fastdl.errors import FastdlError

UNKNOWN_END = 1 << 62  # the end of a lease while the size of the file is not known


@dataclass(slots=True)
class Source:
    """What is known of one source during this download."""

    id: int
    host: str
    limit: int = plan.MOST_CONNECTIONS  # connections that it seems to allow
    ranges: bool | None = None
    rate: float | None = None  # bytes a second of one connection
    rtt: float = 0.05  # seconds
    delay: float = 0.0  # seconds from a request to its head, which may be much more
    longest: float = 0.0  # the longest of these so far
    fails: int = 0  # in a row, without a new byte
    bad_ranges: int = 0  # in a row
    ready: float = 0.0  # not asked before this time
    more: float = 0.0  # no further connection beside those that flow before this time
    failed: float = -1.0  # when it last failed without serving anybody
    hold: float = plan.FIRST_HOLD  # seconds after a refusal until one connection more is tried
    relented: bool = False  # one more was tried, and no refusal has come since
    again: float = 0.0  # when that will be
    unanswered: bool = False  # it has let a connection wait while it served others
    stumbles: int = 0  # requests sent before the body in front had ended, and lost
    met: bool = False  # it has given a usable head
    served: bool = False
    error: FastdlError | None = None  # set: not used any more
    mapped: bool = False  # found by a rule: it has to prove itself, and nobody misses it
    last_resort: bool = False  # asked only where no other source serves (--cdn prefer)
    stalls: int = 0  # connections that fell silent in mid-body
    doubt: float = 1.0  # how much longer than usual its silences are borne, after some were no good
    most: int = 0  # connections that it served at once
    busy: int = 0  # refusals for being asked too much, those without a word too

    @property
    def thought(self) -> float:
        """Seconds that it takes over an answer before it begins, beyond what connecting and asking take."""
        return max(0.0, self.delay - 3 * self.rtt)

    @property
    def on_trial(self) -> bool:
        """Whether it is a mapped source that has not yet given a usable head."""
        return self.mapped and not self.met


@dataclass(slots=True)
class Lease:
    """A range in flight; see core/scheduler.py. `pending` counts blocks that are being stored."""

    start: int
    end: int
    frontier: int
    holders: list[int] = field(default_factory=list)
    pending: int = 0
    settled: int = 0  # every byte below it is stored
    shared: bool = False  # it was hedged
    due: float = float("inf")  # when it was to be complete, by the best rate that its worker has shown near its end

    def __post_init__(self) -> None:
        self.settled = self.frontier

    @property
    def left(self) -> int:
        return self.end - self.frontier


class Phase(Enum):
    IDLE = "idle"
    ASKED = "asked"  # request sent, no head yet
    FLOWING = "flowing"
    STOPPING = "stopping"  # an Abort is on its way


@dataclass(slots=True)
class Worker:
    """One connection slot. `offset` is where the next body byte belongs, `asked_end` where the body ends."""

    id: int
    source: int = -1
    phase: Phase = Phase.IDLE
    lease: Lease | None = None
    queued: Lease | None = None
    offset: int = 0
    asked_end: int | None = None
    since: float = 0.0
    begun: float = 0.0  # when the first body came on this connection
    last: float = 0.0
    pause: float = 0.0  # the usual pause in a body, seconds, and how much pauses vary; 0: none was seen
    sway: float = 0.0
    rate: float | None = None
    counted: int = 0  # bytes since `measured`
    measured: float = 0.0
    progressed: bool = False  # kept a byte since its last request
    connected: bool = False  # holds a connection, as far as is known here
    hurried: bool = False  # its request was sent before the body in front had ended
    comparing: bool = False  # its last block is held against doubtful bytes

    @property
    def has_all(self) -> bool:
        """Whether it has read all that its body should hold."""
        return self.asked_end is None or self.offset >= self.asked_end

    def silence(self, now: float) -> float:
        """Seconds without a byte, or since the request."""
        return now - max(self.last, self.since)

    def paused(self, seconds: float) -> None:
        """Nothing came for `seconds`, then the body went on: as RFC 6298, 2.2 and 2.3 smooth round-trip times."""
        if not self.pause:
            self.pause, self.sway = seconds, seconds / 2
            return
        self.sway += (abs(seconds - self.pause) - self.sway) / 4
        self.pause += (seconds - self.pause) / 8

    def forget(self) -> None:
        """Its connection is another one from here on."""
        self.rate = None
        self.pause = self.sway = 0.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What the user allows: connections (None: auto), connections a host, smallest split (bytes; None: adaptive),
    retries without progress."""

    connections: int | None = None
    per_host: int = 8
    min_split: int | None = None
    retries: int = 8
