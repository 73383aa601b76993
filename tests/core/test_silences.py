"""A source whose answers begin and bring nothing: it must neither hold all connections nor be asked for ever."""

from __future__ import annotations

from fastdl.core.orders import Abort, Failure, Fault, Fetch, Instruction
from fastdl.core.scheduler import Scheduler
from fastdl.core.state import Limits, Phase
from fastdl.errors import ConnectionLost

SIZE = 64 << 20
LOST = Failure(Fault.ABORTED, ConnectionLost("the connection was given up"))


class Play:
    """A scheduler, and what each of its sources does: source 0 sends a megabyte a second, source 1 heads alone."""

    def __init__(self, limits: Limits, *hosts: str) -> None:
        self.core = Scheduler(hosts, limits, lambda: 0.5)
        self.now = 0.0
        self.obey(self.core.start(0.0))

    def obey(self, orders: list[Instruction]) -> None:
        for order in orders:
            if isinstance(order, Fetch):
                end = order.end if order.end is not None else SIZE
                self.obey(self.core.opened(order.worker, self.now, size=SIZE, end=end, ranged=True, rtt=0.01))
            elif isinstance(order, Abort):
                self.obey(self.core.failed(order.worker, LOST, self.now))

    def step(self, rate: int = 1_000_000) -> None:
        """A tenth of a second; `rate` in bytes a second."""
        self.now += 0.1
        for worker in list(self.core.workers.values()):
            if worker.phase is Phase.FLOWING and worker.source == 0:
                self.core.arrived(worker.id, rate // 10, self.now)
                if self.core.stored(worker.id):
                    self.obey(self.core.ended(worker.id, self.now))
        self.obey(self.core.tick(self.now))

    def held_by(self, source: int) -> int:
        return sum(1 for worker in self.core.busy() if worker.source == source)


def test_a_mirror_that_only_begins_answers_does_not_hold_every_connection() -> None:
    """The origin is away for a moment, the mirror takes all places, and the origin comes back."""
    play = Play(Limits(connections=3), "one.example.org", "two.example.org")
    for _ in range(10):
        play.step()
    for worker in list(play.core.busy()):
        if worker.source == 0:
            failure = Failure(Fault.LOST, ConnectionLost("the connection broke"), 3.0)
            play.obey(play.core.failed(worker.id, failure, play.now))
    assert play.held_by(0) == 0
    for _ in range(120):
        play.step()
    assert play.held_by(0) >= 2
    before = play.core.stored_bytes()
    play.step()
    assert play.core.stored_bytes() > before


def test_it_is_given_up_in_the_end() -> None:
    play = Play(Limits(connections=3, per_host=1, retries=3), "one.example.org", "two.example.org")
    while play.now < 60 and play.core.sources[1].error is None:
        play.step(rate=100_000)
    assert isinstance(play.core.sources[1].error, ConnectionLost)
    assert play.core.sources[0].error is None
    assert not play.core.over
