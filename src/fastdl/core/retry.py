"""When to try again: back-off with jitter, and Retry-After (RFC 9110, section 10.2.3)."""

from __future__ import annotations

from fastdl.core.dates import http_date

FIRST_WAIT = 0.5  # seconds
LONGEST_WAIT = 30.0  # seconds
LONGEST_RETRY_AFTER = 600.0  # seconds; a server that asks for more is taken to have refused


def backoff(failures: int, jitter: float) -> float:
    """Seconds to wait after the `failures`-th failure in a row (1 is the first); `jitter` is uniform in [0, 1).

    Half of the exponential step is fixed and half is random, so that many clients do not come back at once."""
    step = min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(failures - 1, 16))
    return step * (0.5 + 0.5 * jitter)


def retry_after(value: str | None, wall_clock: float) -> float | None:
    """Seconds to wait that a Retry-After field asks for, as delay-seconds or as an HTTP date; None if there is none or
    it makes no sense. `wall_clock` is Unix time in seconds."""
    if value is None:
        return None
    text = value.strip(" \t")
    if text.isascii() and text.isdigit():
        return float(text.lstrip("0")[:12] or 0)
    moment = http_date(text)
    return None if moment is None else max(0.0, moment - wall_clock)
