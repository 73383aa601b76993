"""HTTP dates (RFC 9110, section 5.6.7) as Unix time."""

from __future__ import annotations

import functools

_MONTHS = {
    name: number
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), start=1
    )
}

_LONGEST = 100  # characters; nothing longer is a date


@functools.lru_cache(maxsize=256)  # many files of one server have few dates
def http_date(text: str | None) -> float | None:
    """Seconds since 1970 of an HTTP date, None where there is none or it makes no sense.

    The form that every server sends is read here; the obsolete ones are left to the e-mail package, whose import costs
    more than the rest of a small download."""
    if text is None or len(text) > _LONGEST:
        return None
    parts = text.split(" ")
    if len(parts) == 6 and parts[5] == "GMT" and len(parts[0]) == 4 and parts[2] in _MONTHS:
        day, year, clock = parts[1], parts[3], parts[4].split(":")
        numbers = [day, year, *clock]
        if len(clock) == 3 and all(len(n) in (2, 4) and n.isascii() and n.isdigit() for n in numbers):
            return _seconds(int(year), _MONTHS[parts[2]], int(day), *(int(n) for n in clock))
    return _obsolete(text)


def _seconds(year: int, month: int, day: int, hour: int, minute: int, second: int) -> float | None:
    if not (1 <= day <= 31 and hour < 24 and minute < 60 and second <= 60 and year >= 1):
        return None
    # Days since 1970 in the Gregorian calendar, with years that begin in March so that leap days come last.
    shifted, march = (year, month - 3) if month > 2 else (year - 1, month + 9)
    days = 365 * shifted + shifted // 4 - shifted // 100 + shifted // 400 + (153 * march + 2) // 5 + day - 1 - 719468
    return float(days * 86400 + hour * 3600 + minute * 60 + second)


def _obsolete(text: str) -> float | None:
    from datetime import timezone
    from email.utils import parsedate_to_datetime

    try:
        moment = parsedate_to_datetime(text)
        if moment.tzinfo is None:  # asctime's form names no zone: all of HTTP's dates are in UTC
            moment = moment.replace(tzinfo=timezone.utc)
        return moment.timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
