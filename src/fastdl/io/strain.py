"""Whether this machine is short of memory or processor time: more connections would make it worse."""

from __future__ import annotations

from fastdl.core.record import Record

LEAST_MEMORY = 96 * 1024 * 1024  # bytes available to all programs, below which the machine begins to swap or kill
MOST_CPU = 95.0  # percent of all processors


class Strain(Record):
    """What is short at this moment."""

    memory: bool
    processor: bool


def strain() -> Strain:
    """Look now; the processors' load is that since the last look (none is told the first time)."""
    import psutil

    return Strain(psutil.virtual_memory().available < LEAST_MEMORY, psutil.cpu_percent(interval=None) > MOST_CPU)
