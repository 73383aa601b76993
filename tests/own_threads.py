"""What fastdl leaves running in this process."""

from __future__ import annotations

import contextlib
import threading
import time


def own_threads(name: str = "fastdl") -> list[str]:
    """The names of fastdl's threads at this moment, or of those whose names begin with `name`."""
    return [thread.name for thread in _running(name)]


def until_gone(limit: float, name: str = "fastdl") -> None:
    """Return when none of them runs any more, nor what they have begun; fails after `limit` seconds."""
    end = time.monotonic() + limit
    while threads := _running(name):
        with contextlib.suppress(RuntimeError):  # it is just being started
            threads[0].join(max(0.0, end - time.monotonic()))
        assert time.monotonic() < end, own_threads(name)


def _running(name: str) -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith(name)]
