"""A server that serves some connections and refuses others: what it serves stays in use."""

from __future__ import annotations

from fastdl.core import plan
from fastdl.core.orders import Failure, Fault, Fetch
from fastdl.core.scheduler import Scheduler
from fastdl.core.state import Limits
from fastdl.errors import ConnectFailed

SIZE = 16 << 20


def test_a_time_to_wait_is_not_for_the_successor_of_a_connection_that_was_served() -> None:
    core = Scheduler(["one.example.org"], Limits(), lambda: 0.5)
    (first,) = core.start(0.0)
    assert isinstance(first, Fetch)
    second, *others = core.opened(first.worker, 0.1, size=SIZE, end=SIZE, ranged=True, rtt=0.08)
    assert isinstance(second, Fetch) and len(others) == 6
    core.opened(second.worker, 0.2, size=SIZE, end=second.end, ranged=True, rtt=0.08)
    for other in others:
        assert isinstance(other, Fetch)
        assert core.failed(other.worker, Failure(Fault.BUSY, ConnectFailed("too many"), wait=5.0), 0.2) == []
    lease = core.workers[first.worker].lease
    assert lease is not None
    core.arrived(first.worker, lease.left, 0.3)
    core.stored(first.worker)
    core.arrived(second.worker, 1000, 0.3)
    core.stored(second.worker)
    orders = core.ended(first.worker, 0.3) + core.tick(0.3 + 2 * plan.LINGER)
    assert sum(isinstance(order, Fetch) for order in orders) == 1  # and not two: the refused ones wait
