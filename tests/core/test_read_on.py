"""A body that goes on into the next range, before the answer to whoever has asked for that one is due."""

from __future__ import annotations

from fastdl.core.orders import Abort, Fetch, Read
from fastdl.core.scheduler import Scheduler
from fastdl.core.state import Limits

SIZE = 16 << 20


def begun() -> tuple[Scheduler, int, int]:
    """The first worker has read its range, whose last block is not stored yet; the second waits for its answer."""
    core = Scheduler(["one.example.org"], Limits(), lambda: 0.5)
    (first,) = core.start(0.0)
    assert isinstance(first, Fetch)
    second, *_ = core.opened(first.worker, 0.1, size=SIZE, end=SIZE, ranged=True, rtt=0.08)
    assert isinstance(second, Fetch)
    lease = core.workers[first.worker].lease
    assert lease is not None and lease.end == second.start
    core.arrived(first.worker, lease.left, 0.11)
    return core, first.worker, second.worker


def test_who_is_not_needed_is_called_off() -> None:
    core, first, second = begun()
    core.stored(first)
    core.ended(first, 0.12)
    assert Abort(second) in core.tick(0.15)


def test_an_answer_that_comes_sooner_is_read_after_all() -> None:
    core, first, second = begun()
    asked_end = core.workers[second].asked_end
    core.opened(second, 0.12, size=SIZE, end=asked_end, ranged=True, rtt=0.08)
    assert core.satisfied(second)
    assert Read(second, fresh=False) in core.ended(second, 0.12)
    assert core.arrived(second, 1000, 0.13).keep == 1000
    core.stored(second)
    core.stored(first)
    core.ended(first, 0.14)
    assert Abort(second) not in core.tick(0.15)
    lease = core.workers[second].lease
    assert lease is not None and lease.end == asked_end
