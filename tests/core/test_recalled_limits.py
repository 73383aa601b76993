"""What an earlier download has met of a host's limit is believed for a while."""

from __future__ import annotations

from fastdl.core import plan
from fastdl.core.orders import Fetch
from fastdl.core.scheduler import Scheduler
from fastdl.core.state import Limits

SIZE = 256 << 20


def begun(limit: int | None) -> tuple[Scheduler, int]:
    """A download over a long link, and how many connections it opens when it has the first head."""
    core = Scheduler(["one.example.org"], Limits(), lambda: 0.5)
    (first,) = core.start(0.0)
    assert isinstance(first, Fetch)
    if limit is not None:
        core.recall(0, limit, 0.05)
    more = core.opened(first.worker, 0.1, size=SIZE, end=SIZE, ranged=True, rtt=0.08)
    return core, 1 + sum(isinstance(order, Fetch) for order in more)


def test_no_more_connections_than_it_allows() -> None:
    assert begun(None)[1] == 8
    assert begun(3)[1] == 3


def test_it_is_tried_again_later() -> None:
    core, count = begun(3)
    for step in range(1, 1 + int(20 * plan.RECALLED)):
        now = 0.1 + step / 20
        for worker in list(core.busy()):
            if worker.phase.value == "asked":
                core.opened(worker.id, now, size=SIZE, end=worker.asked_end, ranged=True, rtt=0.08)
            core.arrived(worker.id, 50_000, now)
            core.stored(worker.id)
        count += sum(isinstance(order, Fetch) for order in core.tick(now))
        if now < plan.RECALLED:
            assert count == 3
    count += sum(isinstance(order, Fetch) for order in core.tick(plan.RECALLED + 1))
    assert count > 3
