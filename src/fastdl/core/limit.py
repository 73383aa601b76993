"""Rate limits: a token bucket that all connections share, and the delay-based limit behind `-r auto`.

Pure: the caller gives the clock's value and does the waiting.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class TokenBucket:
    """At most `rate` bytes a second, with bursts of `burst` bytes after a pause.

    Debt is allowed and is paid by the next caller's wait, so the mean is exact whatever the block sizes are."""

    rate: float
    burst: float
    tokens: float = 0.0
    updated: float | None = None

    def take(self, amount: int, now: float) -> float:
        """Spend `amount` bytes at time `now`; the result is how many seconds to wait before reading on."""
        if self.updated is not None:
            self.tokens = min(self.burst, self.tokens + max(0.0, now - self.updated) * self.rate)
        self.updated = now if self.updated is None else max(now, self.updated)
        self.tokens -= amount
        return max(0.0, -self.tokens / self.rate)

    def set_rate(self, rate: float, now: float) -> None:
        """Change the rate from `now` on; tokens earned so far stay."""
        self.take(0, now)
        self.rate = rate
        self.burst = burst_for(rate)


def burst_for(rate: float) -> float:
    """Bytes that may go at once: 20 ms worth, so that no window of a second is visibly over the rate."""
    return rate * 0.02


def block_for(rate: float) -> int:
    """How many bytes one read may take under a limit of `rate` bytes a second: 2.5 ms worth, 128 bytes to 256 KiB.

    All connections may come at the same moment: sixteen of them and a burst stay below a tenth of a second's worth."""
    return int(min(max(rate / 400, 128), 256 * 1024))


@dataclass(slots=True)
class DelayLimit:
    """A rate that gives way to others: after LEDBAT (RFC 6817).

    The queueing delay is the round-trip time above the lowest one seen in the last minutes. Below the target the rate
    grows, above it the rate shrinks in proportion; it starts at `rate` bytes a second and never falls below `floor`."""

    rate: float
    target: float = 0.060  # seconds; RFC 6817 section 3.3 allows at most 0.1
    floor: float = 16 * 1024
    gain: float = 0.25
    starting: bool = True  # doubles with each sample until the first sign of a queue
    _bases: tuple[float, ...] = ()
    _minute: float = 0.0

    def sample(self, rtt: float, achieved: float, now: float) -> float:
        """Take a round-trip time (seconds) and the bytes a second that went through; returns the new rate."""
        if not self._bases or now - self._minute >= 60:
            self._bases = (*self._bases[-9:], rtt)
            self._minute = now
        else:
            self._bases = (*self._bases[:-1], min(self._bases[-1], rtt))
        off_target = max(-1.0, (self.target - (rtt - min(self._bases))) / self.target)
        self.starting = self.starting and off_target > 0.5
        grown = self.rate * (1 + (1.0 if self.starting else self.gain) * off_target)
        # A rate far above what flows measures nothing: keep it within twice of what was achieved.
        self.rate = max(self.floor, min(grown, 2 * max(achieved, self.floor)))
        return self.rate
