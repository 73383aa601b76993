"""A body that goes on into the next range, before the answer to whoever has asked for that one is due."""

from __future__ import annotations

import pytest

from fastdl.core.orders import Abort, Fetch, Instruction, Read
from fastdl.core.scheduler import Scheduler
from fastdl.core.state import Limits, Source

SIZE = 16 << 20


def begun(*, surplus: bool = False, disputed: bool = False) -> tuple[Scheduler, int, int]:
    """The first worker has read its range, whose last block is not stored yet; the second waits for its answer.
    `surplus`: there are more connections than there may be by now; `disputed`: what follows is for the origin alone."""
    core = Scheduler(["one.example.org"], Limits(), lambda: 0.5)
    (first,) = core.start(0.0)
    assert isinstance(first, Fetch)
    second, *_ = core.opened(first.worker, 0.1, size=SIZE, end=SIZE, ranged=True, rtt=0.08)
    assert isinstance(second, Fetch)
    lease = core.workers[first.worker].lease
    assert lease is not None and lease.end == second.start
    if surplus:
        core.sources[0].limit = 1
    if disputed:
        core.sources.append(Source(1, "mirror.example.org", mapped=True))
        core.workers[first.worker].source = 1
        core.disputed.add(second.start, SIZE)
    core.arrived(first.worker, lease.left, 0.11)
    return core, first.worker, second.worker


def test_who_is_not_needed_is_called_off() -> None:
    core, first, second = begun()
    core.stored(first)
    core.ended(first, 0.12)
    assert Abort(second) in core.tick(0.15)


def test_an_answer_that_is_late_is_not_waited_for() -> None:
    """The body reaches the next range long after that one's answer was due."""
    core = Scheduler(["one.example.org"], Limits(), lambda: 0.5)
    (first,) = core.start(0.0)
    assert isinstance(first, Fetch)
    others = core.opened(first.worker, 0.1, size=SIZE, end=SIZE, ranged=True, rtt=0.03)
    lease = core.workers[first.worker].lease
    assert lease is not None
    second = next(order for order in others if isinstance(order, Fetch) and order.start == lease.end)
    orders: list[Instruction] = []
    for step in range(1, 11):
        core.arrived(first.worker, lease.end // 10 if step < 10 else lease.left, 0.1 + step / 10)
        core.stored(first.worker)
        orders += core.tick(0.1 + step / 10)
    orders += core.ended(first.worker, 1.1)
    assert Read(first.worker, fresh=False) in orders and Abort(second.worker) in orders
    lease = core.workers[first.worker].lease
    assert lease is not None and lease.start <= second.start < lease.end


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


@pytest.mark.parametrize(("surplus", "disputed"), [(True, False), (False, True)])
def test_nobody_is_called_off_for_a_body_that_may_not_go_on(surplus: bool, disputed: bool) -> None:
    core, _, second = begun(surplus=surplus, disputed=disputed)
    assert core.workers[second].lease is not None
    assert Abort(second) not in core.tick(0.15)
