"""For what tells nobody when it has happened: a file of another process, or its state; a state of the product of which
no event tells; what the search for garbage frees. What servers of the tests see they tell: `RawServer.until`."""

from __future__ import annotations

import time
from collections.abc import Callable


def wait_for(holds: Callable[[], object], limit: float) -> None:
    """Return as soon as it holds; fails after `limit` seconds."""
    until = time.monotonic() + limit
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.005)
