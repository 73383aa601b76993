"""A line that a download under `-r auto` shares with another one, as fluids: no packets, but rates and queues.

Both fill windows by CUBIC (RFC 9438), both wait in one queue that drops what is too much for it. The download reads at
a rate, and its windows count what is under way and, where the system says so, what waits to be read.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from fastdl.core.ledbat import DelayLimit

STEP = 0.002  # seconds
SEGMENT = 1448  # bytes
HEADROOM = 2.0  # as in io/throttle


@dataclass
class Cubic:
    """A sender's window: slow start, then CUBIC."""

    window: float
    best: float = 0.0  # bytes, where the last loss was
    since: float | None = None  # the last loss

    def advance(self, now: float, rtt: float) -> None:
        """A step without loss."""
        if self.since is None:
            self.window += self.window * STEP / rtt
            return
        k = (self.best / SEGMENT * 0.3 / 0.4) ** (1 / 3)
        target = SEGMENT * (0.4 * (now - self.since + rtt - k) ** 3 + self.best / SEGMENT)
        self.window += max(target - self.window, SEGMENT / 2) * STEP / rtt

    def lose(self, now: float, rtt: float) -> None:
        """A loss; more of them within a round trip are the same one."""
        if self.since is None or now - self.since >= rtt:
            self.since, self.best = now, self.window
            self.window = max(0.7 * self.window, 4 * SEGMENT)


@dataclass
class Line:
    """`capacity` bytes a second, `base` seconds there and back, a queue for `queue` seconds."""

    capacity: float
    base: float
    queue: float
    now: float = 0.0
    waiting: float = 0.0  # bytes
    arrived: float = 0.0  # bytes of the download that are here, read or not
    read: float = 0.0
    other: float = 0.0  # bytes that the other one got
    sender: Cubic = field(default_factory=lambda: Cubic(8 * 10 * SEGMENT))
    rival: Cubic = field(default_factory=lambda: Cubic(10 * SEGMENT))
    bounded: bool = False  # the windows count what waits to be read, as SO_RCVBUF does; Linux's clamp does not

    @property
    def rtt(self) -> float:
        return self.base + self.waiting / self.capacity

    def step(self, window: float | None, rate: float, rival: bool) -> None:
        """Some time passes. `window`: what the download lets its server send ahead, None where there is no download."""
        rtt = self.rtt
        allowed = 0.0 if window is None else max(0.0, window - (self.arrived - self.read if self.bounded else 0.0))
        ours = min(self.sender.window, allowed) / rtt
        theirs = self.rival.window / rtt if rival else 0.0
        through = min(self.capacity, ours + theirs + self.waiting / STEP)
        share = ours / (ours + theirs) if ours + theirs else 0.0
        self.waiting = max(0.0, self.waiting + (ours + theirs - through) * STEP)
        self.arrived += through * share * STEP
        self.other += through * (1 - share) * STEP
        self.read = min(self.arrived, self.read + rate * STEP)
        if self.waiting > self.queue * self.capacity:
            self.waiting = self.queue * self.capacity
            if ours:
                self.sender.lose(self.now, rtt)
            if theirs:
                self.rival.lose(self.now, rtt)
        if self.sender.window < allowed:
            self.sender.advance(self.now, rtt)
        if theirs:
            self.rival.advance(self.now, rtt)
        self.now += STEP


def fetch(line: Line, limit: DelayLimit | None, seconds: float, *, rival: bool, blind: bool = False) -> Line:
    """The download runs for `seconds` (None: there is none), alone or beside the rival. `blind`: it reads at the rate,
    but its windows are the system's."""
    until, due, before, at = line.now + seconds, line.now, line.read, line.now
    if limit is not None:
        limit.heard(line.rtt, line.now)
    while line.now < until:
        if limit is not None and line.now >= due:
            if line.now > at:
                limit.sample(line.rtt, (line.read - before) / (line.now - at), line.now)
            before, at, due = line.read, line.now, line.now + limit.interval
        if limit is None:
            line.step(None, 0.0, rival)
        elif blind:
            line.step(64 * line.capacity, limit.rate, rival)
        else:
            line.step(limit.window, HEADROOM * limit.rate, rival)
    return line
