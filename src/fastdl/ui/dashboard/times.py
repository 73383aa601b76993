"""Times on the page: local, with the zone named, and for machines beside it."""

from __future__ import annotations

import time

from fastdl.ui.dashboard.html import Markup, el

_WRONG = (OSError, OverflowError, ValueError)  # a clock that was set absurdly once


def moment(when: float) -> Markup:
    """A Unix time, to the minute."""
    try:
        shown = time.strftime("%Y-%m-%d %H:%M", time.localtime(when))
        exact = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(when))
    except _WRONG:
        return el("span", "unknown")
    return el("time", shown, datetime=exact)


def day(when: float) -> str | None:
    """The local day of a Unix time, `2027-01-15`."""
    try:
        return time.strftime("%Y-%m-%d", time.localtime(when))
    except _WRONG:
        return None


def zone(now: float) -> str:
    """The zone of local times: "CET, UTC+01:00"."""
    local = time.localtime(now)
    offset = local.tm_gmtoff // 60
    sign = "-" if offset < 0 else "+"
    exact = f"UTC{sign}{abs(offset) // 60:02}:{abs(offset) % 60:02}"
    name = local.tm_zone
    return f"{name}, {exact}" if name and name != "UTC" else exact
