"""Sizes, rates and times as people write and read them.

One reading for the command line, the environment, the config file and lists: powers of 1024 whatever the letter case,
exact integers (a float would round beyond 8 PiB), and an error that names the value instead of a guess.
"""

from __future__ import annotations

import math
import re

from fastdl.core.hints import Literal
from fastdl.core.pattern import pattern
from fastdl.core.shown import clean
from fastdl.errors import UsageError

MAX_SIZE = 2**63 - 1  # what a file offset can hold
MAX_SECONDS = 4_000_000.0  # 46 days: waits longer than 2**32 ms are refused by Windows

_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_SIZE = pattern(r"(?i)([0-9]{1,30})(?:\.([0-9]{1,30}))?\s*([kmgt]?)(?:i?b)?")
_SECONDS = pattern(r"(?i)([0-9]{1,15}(?:\.[0-9]{0,15})?|\.[0-9]{1,15})\s*(s|m|h)?")


def parse_size(text: str, what: str = "size") -> int:
    """Bytes of "1.5G", "500k", "64MiB", "1024": powers of 1024, a "B" or "iB" behind the letter changes nothing.
    Parts of a byte are dropped. `what` is named in the UsageError."""
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise _bad(what, text, "it is a number of bytes, with k, M, G or T behind it if need be", "10M")
    whole, part, unit = found[1], found[2] or "", found[3].lower()
    if part and not unit:
        raise _bad(what, text, "there are no parts of a byte", "1.5M")
    size = (int(whole + part) << 10 * _POWERS[unit]) // int("1" + "0" * len(part))
    if size > MAX_SIZE:
        raise _bad(what, text, "it is too large", "10M")
    return size


def parse_rate(text: str, what: str = "rate") -> int | Literal["auto"]:
    """Bytes a second of "500k", "2M/s", or "auto". 0 means no limit, as curl and aria2 have it. Raises UsageError."""
    plain = text.strip()
    if plain.lower() == "auto":
        return "auto"
    return parse_size(re.sub(r"(?i)\s*/s(?:ec)?$", "", plain), what)


def parse_seconds(text: str, what: str = "time") -> float:
    """Seconds, more than 0, of "30", "0.5", "90s", "5m", "1h". Raises UsageError."""
    found = _SECONDS.fullmatch(text.strip())
    if found is None:
        raise _bad(what, text, "it is a number of seconds", "30")
    seconds = float(found[1]) * {"s": 1, "m": 60, "h": 3600}[(found[2] or "s").lower()]
    if not 0 < seconds <= MAX_SECONDS:
        raise _bad(what, text, f"it is more than 0 and at most {MAX_SECONDS:.0f} seconds", "30")
    return seconds


def _bad(what: str, text: str, why: str, example: str) -> UsageError:
    return UsageError(f"the {what} '{clean(text, 60)}' cannot be used", why, f"Write for example {example}.")


def format_size(size: float) -> str:
    """Bytes for people: "512 B", "1.5 KiB", "23.0 GiB"; always at most four digits."""
    if abs(size) < 1024:
        return f"{size:.0f} B"
    for unit in ("KiB", "MiB", "GiB", "TiB"):
        size /= 1024
        # What would be shown as 1024.0 belongs to the next unit.
        if abs(size) < 1023.95:
            return f"{size:.1f} {unit}"
    return f"{size / 1024:.1f} PiB"


def format_rate(rate: float) -> str:
    """Bytes a second for people: "1.5 MiB/s"."""
    return f"{format_size(rate)}/s"


def format_seconds(seconds: float) -> str:
    """A duration for people: "0.4 s", "42 s", "3:05", "1:02:03", "2 d 03:00"; "--:--" where it is not known."""
    if not math.isfinite(seconds) or seconds < 0:
        return "--:--"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes}:{rest:02}"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours}:{minutes:02}:{rest:02}"
    return f"{hours // 24} d {hours % 24:02}:{minutes:02}"
