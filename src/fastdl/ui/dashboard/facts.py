"""All that the page is made of."""

from __future__ import annotations

from fastdl.core.history import Entry, Totals
from fastdl.core.record import Record
from fastdl.core.servers import Server
from fastdl.io.caches import Heap
from fastdl.io.profiles import Profiled


class Facts(Record):
    """What the state folder holds. `lies`: (host, Unix time, evidence); `caches`: (hits, misses) by name; `heaps`: what
    each held; `entries`: the history, the newest first; `profiles`: times of downloads, the newest first."""

    servers: list[Server]
    lies: list[tuple[str, float, str]]
    caches: dict[str, tuple[int, int]]
    heaps: dict[str, Heap]
    totals: Totals
    entries: list[Entry]
    profiles: list[Profiled]

    @property
    def empty(self) -> bool:
        """Whether nothing is known at all."""
        return not (self.servers or self.lies or self.caches or self.totals.downloads)
