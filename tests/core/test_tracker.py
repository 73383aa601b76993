"""The counters: one writer a row, no lock, nothing lost."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator

import pytest

from fastdl.core import tracker
from fastdl.core.tracker import Tracker


@pytest.fixture
def hasty() -> Iterator[None]:
    """Threads take turns as often as Python can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_counts_are_kept_by_worker_and_source() -> None:
    counters = Tracker()
    first, second, other = counters.row(1, 0), counters.row(2, 0), counters.row(1, 7)
    first.add(tracker.BYTES, 100)
    first.add(tracker.BYTES, 2**40)
    second.add(tracker.BYTES, 5)
    other.add(tracker.ERRORS)
    assert counters.row(1, 0) is first
    assert counters.total(tracker.BYTES) == 2**40 + 105
    assert counters.by_source() == {
        0: {"bytes": 2**40 + 105, "wasted": 0, "requests": 0, "errors": 0, "connections": 0, "retries": 0},
        7: {"bytes": 0, "wasted": 0, "requests": 0, "errors": 1, "connections": 0, "retries": 0},
    }
    nothing = {"bytes": 0, "wasted": 0, "requests": 0, "errors": 0, "connections": 0, "retries": 0}
    assert counters.by_worker() == {
        (1, 0): nothing | {"bytes": 2**40 + 100},
        (2, 0): nothing | {"bytes": 5},
        (1, 7): nothing | {"errors": 1},
    }


def test_nothing_was_counted() -> None:
    assert Tracker().by_source() == {}
    assert Tracker().by_worker() == {}
    assert Tracker().total(tracker.BYTES) == 0
    assert len(Tracker().table()) == 0


def test_rows_that_were_given_out_stay_where_they_are() -> None:
    """More rows than one block holds: the first ones count on in the table that readers see."""
    counters = Tracker()
    rows = [counters.row(worker, worker % 3) for worker in range(700)]
    for row in rows:
        row.add(tracker.REQUESTS, 2)
    table = counters.table()
    assert len(table) == 700
    assert int(table["requests"].sum()) == counters.total(tracker.REQUESTS) == 1400
    assert sum(counts["requests"] for counts in counters.by_source().values()) == 1400


def test_rows_taken_at_the_same_time_are_not_shared(hasty: None) -> None:
    """Each worker asks for its row by itself, and two must never get the same one: a row has one writer."""
    for _ in range(40):
        counters = Tracker()
        gate = threading.Barrier(8)

        def work(worker: int, counters: Tracker = counters, gate: threading.Barrier = gate) -> None:
            gate.wait()
            for source in range(40):
                counters.row(worker, source).add(tracker.BYTES, 1)

        threads = [threading.Thread(target=work, args=(worker,)) for worker in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(counters.table()) == 320
        assert counters.total(tracker.BYTES) == 320
        assert {source: counts["bytes"] for source, counts in counters.by_source().items()} == dict.fromkeys(
            range(40), 8
        )
