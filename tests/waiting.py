"""For what tells nobody when it has happened."""

from __future__ import annotations

import time
from collections.abc import Callable


def wait_for(holds: Callable[[], bool], limit: float) -> None:
    """Return as soon as it holds; fails after `limit` seconds."""
    until = time.monotonic() + limit
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.005)
