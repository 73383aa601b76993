"""Where the bytes of a repair go: onto the damaged ones, where they differ from them."""

from __future__ import annotations

import threading

from fastdl.core.ranges import RangeSet
from fastdl.io.partial import Partial

GRAIN = 64 * 1024  # bytes that are compared, and written if they differ


class CompareSink:
    """Compares what comes with what is there, and writes only what differs."""

    def __init__(self, partial: Partial) -> None:
        self.old = 0  # bytes below are the damaged file's; above there is nothing yet
        self.written = RangeSet()
        self._partial = partial
        self._lock = threading.Lock()

    def write(self, worker: int, offset: int, view: memoryview, source: int) -> None:
        """See Sink."""
        for at in range(0, len(view), GRAIN):
            part = view[at : at + GRAIN]
            start = offset + at
            if start + len(part) <= self.old and self.same(start, part):
                continue
            self._partial.write(start, part)
            with self._lock:
                self.written.add(start, start + len(part))

    def settle(self, worker: int) -> None:
        """See Sink."""

    def same(self, offset: int, view: memoryview) -> bool:
        """See Sink."""
        stored = memoryview(bytearray(len(view)))
        filled = 0
        while filled < len(view):
            count = self._partial.read_into(offset + filled, stored[filled:])
            if count == 0:
                return False
            filled += count
        return stored == view
