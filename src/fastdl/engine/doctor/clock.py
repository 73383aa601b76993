"""This machine's clock against a server's Date (RFC 9110, section 6.6.1).

A clock that is wrong by hours makes certificates fail, signed URLs expire, and -N compare nonsense.
"""

from __future__ import annotations

from fastdl.core.dates import http_date
from fastdl.engine.doctor.finding import OK, WRONG, Finding

MOST = 60.0  # seconds; a server's clock is not perfect either
EARLIEST = 1_700_000_000  # Unix time before which this program was not there
_ADVICE = "Set the clock, and let the system keep it (NTP)."


def skew(date: str | None, age: str | None, began: float, ended: float) -> float | None:
    """Seconds that this clock is ahead of the server's; None where the answer gives no time. `age`: how long a cache
    has kept the answer (RFC 9111, section 5.1). `began` and `ended`: this clock around the exchange."""
    told = http_date(date)
    if told is None:
        return None
    if age is not None and age.strip().isascii() and age.strip().isdigit():
        told += min(int(age.strip()[:10]), 10 * 366 * 86400)
    if began <= told + 1.0 and told <= ended:  # Date has whole seconds
        return 0.0
    return (began + ended) / 2 - told


def judged(ahead: float | None, host: str, now: float) -> Finding | None:
    """The finding; None where nothing can be said."""
    if ahead is None:
        if now < EARLIEST:
            return Finding("clock", WRONG, "it shows a time before this program was made", _ADVICE)
        return None
    if abs(ahead) > MOST:
        way = "fast" if ahead > 0 else "slow"
        return Finding("clock", WRONG, f"{lasting(abs(ahead))} {way}, by the clock of {host}", _ADVICE)
    return Finding("clock", OK, f"agrees with {host}")


def lasting(seconds: float) -> str:
    """A span for people: "2 min", "3 h 5 min", "12 days"."""
    minutes = round(seconds / 60)
    if minutes < 120:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {rest} min"
    return f"{round(hours / 24)} days"
