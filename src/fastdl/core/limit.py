"""The rate limit of `-r RATE`: a token bucket that all connections share, and what follows from a rate for reads.

Pure: the caller gives the clock's value and does the waiting.
"""

from __future__ import annotations

from fastdl.core.plain import dataclass

CATCH_UP = 1.03  # how much faster than the rate what was missed is made up for
LATE = 1.0  # seconds of the rate that may be missed and made up for, no more
BURST = 0.015  # seconds of the rate that may come at once
ALL_BLOCKS = 0.05  # seconds of the rate that all connections' blocks hold together
LONGEST_BLOCK = 0.0025  # seconds of the rate in one block
MOST_BLOCK = 128 * 1024  # bytes; less than what would go past this process inside the kernel (engine/intake)
LEAST_BLOCK = 4  # bytes
LEAST_SHARE = 32 * 1024  # bytes a second: below it a connection is so slow that servers give it up
LEAST_WINDOW = 8 * 1024  # bytes
USUAL_WINDOW = 64 * 1024  # bytes that a system lets a server send ahead in any case


@dataclass(slots=True)
class TokenBucket:
    """At most `rate` bytes a second, begun at time `begun`; see `take`.

    Debt is allowed and is paid by the next caller's wait, so the mean is exact whatever the block sizes are. Two
    buckets in one: what was missed (a late start, a wait that took too long) is made up for over the whole run, but
    never so fast that a single second is visibly over the rate."""

    rate: float
    begun: float
    tokens: float = 0.0  # for the moment: filled a little faster than `rate`, and soon full
    credit: float = 0.0  # for the mean: filled at `rate`

    def take(self, amount: int, now: float) -> float:
        """Spend `amount` bytes at time `now`; the result is how many seconds to wait before reading on."""
        passed = max(0.0, now - self.begun)
        self.begun += passed
        self.tokens = min(BURST * self.rate, self.tokens + passed * self.rate * CATCH_UP) - amount
        self.credit = min(LATE * self.rate, self.credit + passed * self.rate) - amount
        return max(0.0, -self.tokens / (self.rate * CATCH_UP), -self.credit / self.rate)

    def set_rate(self, rate: float, now: float) -> None:
        """Change the rate from `now` on. Debt and savings stay what they are in seconds: whoever took a large block
        under a high rate makes nobody wait for minutes under a low one."""
        self.take(0, now)
        self.tokens *= rate / self.rate
        self.credit *= rate / self.rate
        self.rate = rate


def block_for(rate: float, takers: int = 1) -> int:
    """How many bytes one read may take under a limit of `rate` bytes a second where `takers` connections may read at
    the same moment: 2.5 ms worth, less where the blocks of all would be seen in a second's sum."""
    return int(min(max(rate * min(LONGEST_BLOCK, ALL_BLOCKS / max(1, takers)), LEAST_BLOCK), MOST_BLOCK))


def window_for(rate: float, rtt: float) -> int | None:
    """How many bytes a server may send ahead of what is read, on a connection that takes `rtt` seconds there and back
    and may get the whole rate: else a system takes at once what is to be spread over seconds. None: as usual."""
    window = int(max(rate * (2 * rtt + 0.1), LEAST_WINDOW))
    return window if window < USUAL_WINDOW else None


def connections_for(rate: float) -> int:
    """How many connections share a rate well. Among too many, each would be so slow that the server gives it up."""
    return max(1, int(rate / LEAST_SHARE))
