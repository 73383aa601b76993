"""The server tracker: atomic counters without a lock.

Python has no atomic integer, and a lock for every block would be felt. So each worker owns one row of a preallocated
table and is its only writer; readers sum the rows. Writers go through a memoryview (an item store is one bytecode and
needs no numpy at start-up); readers who compute with them see the same memory as a numpy structured array.
"""

from __future__ import annotations

import itertools

from fastdl.core.hints import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FIELDS = ("source", "bytes", "wasted", "requests", "errors", "connections", "retries")
SOURCE, BYTES, WASTED, REQUESTS, ERRORS, CONNECTIONS, RETRIES = range(len(FIELDS))
_WIDTH = len(FIELDS)


_BLOCK = 256  # rows that are allocated at once


class Tracker:
    """Counters of (worker, source) pairs: bytes kept, bytes wasted, requests, errors, connections, and errors
    after which the source was to be asked again."""

    def __init__(self) -> None:
        self._blocks: list[bytearray] = []
        self._rows: dict[tuple[int, int], Row] = {}
        self._places = itertools.count()

    def row(self, worker: int, source: int) -> Row:
        """The row of `worker` for what it fetches from `source`; made when it is first asked for. Several workers may
        ask at once, each for its own."""
        known = self._rows.get((worker, source))
        if known is not None:
            return known
        block, place = divmod(next(self._places), _BLOCK)  # one step of the interpreter: no two get the same place
        while len(self._blocks) <= block:
            self._blocks.append(bytearray(_BLOCK * _WIDTH * 8))  # two at once make one too many: it is used later
        row = Row(memoryview(self._blocks[block]).cast("q"), place * _WIDTH)
        row.add(SOURCE, source)
        self._rows[worker, source] = row
        return row

    def total(self, field: int) -> int:
        """The sum of one counter over all rows."""
        return sum(row.get(field) for row in list(self._rows.values()))

    def table(self) -> NDArray[np.void]:
        """All rows in use as a numpy structured array."""
        import numpy as np

        kind = np.dtype([(name, np.int64) for name in FIELDS])
        blocks = [np.frombuffer(block, dtype=kind) for block in self._blocks]
        return np.concatenate(blocks)[: len(self._rows)] if blocks else np.empty(0, kind)

    def by_worker(self) -> dict[tuple[int, int], dict[str, int]]:
        """The counters of each (worker, source) as they stand."""
        rows = list(self._rows.items())
        return {key: {name: row.get(n) for n, name in enumerate(FIELDS) if n != SOURCE} for key, row in rows}

    def by_source(self) -> dict[int, dict[str, int]]:
        """The counters summed for each source id."""
        result: dict[int, dict[str, int]] = {}
        for (_, source), counts in self.by_worker().items():  # a few dozen rows: not worth an import of numpy
            sums = result.setdefault(source, dict.fromkeys(FIELDS[1:], 0))
            for name, count in counts.items():
                sums[name] += count
        return result


class Row:
    """One worker's counters; only that worker may call `add`."""

    __slots__ = ("_base", "_cells")

    def __init__(self, cells: memoryview, base: int) -> None:
        self._cells = cells
        self._base = base

    def add(self, field: int, amount: int = 1) -> None:
        """Add `amount` to a counter."""
        self._cells[self._base + field] += amount

    def get(self, field: int) -> int:
        """The value of a counter."""
        return self._cells[self._base + field]
