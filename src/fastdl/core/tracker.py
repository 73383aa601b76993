"""The server tracker: atomic counters without a lock.

Python has no atomic integer, and a lock for every block would be felt. So each worker owns one row of counters for each
source and is its only writer; readers sum the rows.
"""

from __future__ import annotations

FIELDS = ("bytes", "wasted", "requests", "errors", "connections", "retries")
BYTES, WASTED, REQUESTS, ERRORS, CONNECTIONS, RETRIES = range(len(FIELDS))


class Tracker:
    """Counters of (worker, source) pairs: bytes kept, bytes wasted, requests, errors, connections, and errors
    after which the source was to be asked again."""

    def __init__(self) -> None:
        self._rows: dict[tuple[int, int], Row] = {}

    def row(self, worker: int, source: int) -> Row:
        """The row of `worker` for what it fetches from `source`; made when it is first asked for. Several workers may
        ask at once, each for its own."""
        row = self._rows.get((worker, source))
        if row is None:
            row = self._rows[worker, source] = Row()
        return row

    def total(self, field: int) -> int:
        """The sum of one counter over all rows."""
        return sum(row.get(field) for row in list(self._rows.values()))

    def by_worker(self) -> dict[tuple[int, int], dict[str, int]]:
        """The counters of each (worker, source) as they stand."""
        return {key: row.counts() for key, row in list(self._rows.items())}

    def by_source(self) -> dict[int, dict[str, int]]:
        """The counters summed for each source id."""
        result: dict[int, dict[str, int]] = {}
        for (_, source), counts in self.by_worker().items():
            sums = result.setdefault(source, dict.fromkeys(FIELDS, 0))
            for name, count in counts.items():
                sums[name] += count
        return result


class Row:
    """One worker's counters; only that worker may call `add`."""

    __slots__ = ("_cells",)

    def __init__(self) -> None:
        self._cells = [0] * len(FIELDS)

    def add(self, field: int, amount: int = 1) -> None:
        """Add `amount` to a counter."""
        self._cells[field] += amount

    def get(self, field: int) -> int:
        """The value of a counter."""
        return self._cells[field]

    def counts(self) -> dict[str, int]:
        """All counters by name."""
        return dict(zip(FIELDS, self._cells, strict=True))
