"""A body that is there goes on into a range whose answer is not due yet: who has asked for that is not needed."""

from __future__ import annotations

import pytest

from fastdl.core.orders import Abort, Fetch, Read
from fastdl.core.scheduler import Scheduler
from fastdl.core.state import Limits, Phase, Source, Worker

SIZE = 16 << 20
LATE = 1.0  # seconds that the server takes over each answer


class Neighbours:
    """A worker in the middle of its range, with the one that has asked for the next range."""

    def __init__(self) -> None:
        self.core = Scheduler(["one.example.org"], Limits(), lambda: 0.5)
        (first,) = self.core.start(0.0)
        assert isinstance(first, Fetch)
        self.others = self.core.opened(first.worker, LATE, size=SIZE, end=SIZE, ranged=True, rtt=0.03)
        self.front = self.core.workers[first.worker]
        assert self.front.lease is not None
        self.behind = next(worker for worker in self.core.busy() if self.start_of(worker) == self.front.lease.end)
        self.core.arrived(first.worker, self.front.lease.left // 2, LATE + 0.05)
        self.core.stored(first.worker)

    @staticmethod
    def start_of(worker: Worker) -> int:
        return worker.lease.start if worker.lease is not None else -1

    def reach_the_end(self) -> None:
        """The front's range has come, and is being stored."""
        assert self.front.lease is not None
        self.core.arrived(self.front.id, self.front.lease.left, LATE + 0.1)


def test_it_is_called_off() -> None:
    two = Neighbours()
    beyond = two.start_of(two.behind)
    two.reach_the_end()
    two.core.stored(two.front.id)
    assert two.core.ended(two.front.id, LATE + 0.1) == [Read(two.front.id, fresh=False)]
    assert two.start_of(two.front) == beyond
    assert Abort(two.behind.id) in two.core.tick(LATE + 0.15)


def test_an_answer_that_comes_before_it_is_called_off_is_no_answer_in_vain() -> None:
    two = Neighbours()
    end = two.behind.asked_end
    two.reach_the_end()
    two.core.opened(two.behind.id, LATE + 0.11, size=SIZE, end=end, ranged=True, rtt=0.03)
    assert two.core.ended(two.behind.id, LATE + 0.11) == [Read(two.behind.id, fresh=False)]
    assert two.core.arrived(two.behind.id, 1000, LATE + 0.12).keep == 1000
    assert two.core.wasted == 0
    assert two.core.tick(LATE + 0.15) == []
    assert two.behind.phase is Phase.FLOWING


@pytest.mark.parametrize("why", ["surplus", "disputed"])
def test_it_is_not_called_off_for_one_that_may_not_go_on(why: str) -> None:
    two = Neighbours()
    if why == "surplus":
        two.core.sources[0].limit = 1
    else:
        two.core.sources.append(Source(1, "mirror.example.org", mapped=True))
        two.front.source = 1
        two.core.disputed.add(two.start_of(two.behind), SIZE)
    two.reach_the_end()
    assert two.behind.lease is not None
