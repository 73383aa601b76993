"""While a download rests, nothing is asked for; afterwards everything is that was missing, and nothing else."""

from __future__ import annotations

import pytest

from fastdl.core.orders import Abort, Failure, Fault, Fetch, Finish, Instruction
from fastdl.core.scheduler import Scheduler
from fastdl.core.state import Limits
from fastdl.errors import ConnectionLost

SIZE = 64 << 20
GIVEN_UP = Failure(Fault.ABORTED, ConnectionLost("the connection was given up"))


def flowing(now: float = 0.1) -> Scheduler:
    """A download whose connections have brought a mebibyte each."""
    core = Scheduler(["one.example.org"], Limits(), lambda: 0.5)
    (first,) = core.start(0.0)
    assert isinstance(first, Fetch)
    orders = core.opened(first.worker, now, size=SIZE, end=SIZE, ranged=True, rtt=0.08)
    answer(core, orders, now)
    for worker in list(core.busy()):
        core.arrived(worker.id, 1 << 20, now + 0.1)
        core.stored(worker.id)
    return core


def answer(core: Scheduler, orders: list[Instruction], now: float) -> None:
    for order in orders:
        if isinstance(order, Fetch):
            core.opened(order.worker, now, size=SIZE, end=order.end, ranged=True, rtt=0.08)


def rested(core: Scheduler, now: float) -> list[Instruction]:
    core.resting = True
    return [order for worker in list(core.busy()) for order in core.failed(worker.id, GIVEN_UP, now)]


def finish(core: Scheduler, orders: list[Instruction], now: float) -> list[tuple[int, int]]:
    """Let everything come that is asked for; the ranges that came."""
    came: list[tuple[int, int]] = []
    while orders:
        order = orders.pop(0)
        if isinstance(order, Finish):
            return came
        if isinstance(order, Abort):
            continue
        if isinstance(order, Fetch):
            orders += core.opened(order.worker, now, size=SIZE, end=order.end, ranged=True, rtt=0.08)
        worker = core.workers[order.worker]
        lease = worker.lease
        assert lease is not None
        start = worker.offset
        while not core.satisfied(worker.id):
            count = min(1 << 20, lease.end - worker.offset)
            core.arrived(worker.id, count, now)
            core.stored(worker.id)
        came.append((start, worker.offset))
        orders += core.ended(worker.id, now)
    raise AssertionError("it has not finished")


def test_nobody_is_asked_while_it_rests() -> None:
    core = flowing()
    assert len(list(core.busy())) > 1
    assert rested(core, 0.3) == []
    assert list(core.busy()) == []
    for now in (0.4, 5.0, 500.0):
        assert core.tick(now) == []
    assert core.join("mirror.example.org", 0.5) == []


@pytest.mark.parametrize("overlap", [0, 16 * 1024])
def test_what_is_missing_comes_afterwards(overlap: int) -> None:
    core = flowing()
    rested(core, 0.3)
    stored, missing = core.done.total, core.done.missing(SIZE)
    came = finish(core, core.wake(overlap, 0.3), 0.4)
    assert core.done.total == SIZE
    again = sum(end - start for start, end in came) - (SIZE - stored)
    if overlap:
        gaps = {piece.start for piece in missing if piece.start}
        assert 0 < again <= overlap * len(gaps)
    else:
        assert again == 0


def test_it_rests_before_anything_is_known() -> None:
    core = Scheduler(["one.example.org"], Limits(), lambda: 0.5)
    core.resting = True
    assert core.start(0.0) == []
    assert core.tick(1.0) == []
    (first,) = core.wake(16 * 1024, 1.0)
    assert isinstance(first, Fetch)
    assert (first.start, first.end) == (0, None)


def test_no_failure_is_held_against_the_source() -> None:
    core = flowing()
    rested(core, 0.3)
    source = core.sources[0]
    assert (source.fails, source.error, source.stumbles) == (0, None, 0)
    assert len([order for order in core.wake(0, 0.3) if isinstance(order, Fetch)]) > 1
