"""A server that serves some connections and lets every further one hang without a word."""

from __future__ import annotations

from fastdl.core import plan
from fastdl.core.orders import Abort, Failure, Fault, Fetch, Instruction
from fastdl.core.scheduler import Scheduler
from fastdl.core.state import Limits, Phase
from fastdl.errors import ConnectionLost

SIZE = 16 << 20
RTT = 0.03
LOST = Failure(Fault.ABORTED, ConnectionLost("the connection was given up"))


class Play:
    """A scheduler, and a server that answers the requests on `served` connections at once, and no others ever."""

    def __init__(self, served: int, *, rate: int = 4_000_000, connections: int | None = None) -> None:
        self.core = Scheduler(["one.example.org"], Limits(connections), lambda: 0.5)
        self.served = served
        self.rate = rate
        self.open: set[int] = set()  # workers whose connections are served
        self.now = 0.0
        self.asked: list[Fetch] = []
        self.most_hung = 0
        self.obey(self.core.start(0.0))

    def obey(self, orders: list[Instruction]) -> None:
        for order in orders:
            if isinstance(order, Fetch):
                self.asked.append(order)
                if len(self.open) < self.served or order.worker in self.open:
                    self.open.add(order.worker)
            elif isinstance(order, Abort):
                self.open.discard(order.worker)
                self.obey(self.core.failed(order.worker, LOST, self.now))

    def step(self) -> None:
        """A tenth of a second."""
        self.now += 0.1
        for worker in list(self.core.workers.values()):
            if worker.id not in self.open:
                continue
            if worker.phase is Phase.ASKED:
                end = SIZE if worker.asked_end is None else worker.asked_end
                self.obey(self.core.opened(worker.id, self.now, size=SIZE, end=end, ranged=True, rtt=RTT))
            elif worker.phase is Phase.FLOWING and worker.lease is not None:
                self.core.arrived(worker.id, min(self.rate // 10, worker.lease.left), self.now)
                if self.core.stored(worker.id):
                    self.obey(self.core.ended(worker.id, self.now))
                if not worker.connected:
                    self.open.discard(worker.id)
        self.obey(self.core.tick(self.now))
        self.most_hung = max(self.most_hung, self.hung())

    def hung(self) -> int:
        return sum(1 for w in self.core.busy() if w.phase is Phase.ASKED and w.id not in self.open)


def test_who_has_nothing_to_do_fetches_what_hangs() -> None:
    play = Play(served=2)
    while not play.core.over and play.now < 30:
        play.step()
    assert play.core.over and play.core.done.total == SIZE
    assert play.now < 1.2 * SIZE / play.rate
    assert play.core.wasted == 0


def test_no_more_connections_while_one_hangs() -> None:
    """Two are served, the third hangs: the fourth would too."""
    play = Play(served=2, rate=400_000, connections=3)
    while play.hung() == 0:
        play.step()
    play.core.limits = Limits(8)
    play.core.growth = plan.Growth.begin(RTT, 8, 8, 1, play.now)
    late = next(w for w in play.core.busy() if w.phase is Phase.ASKED and w.id not in play.open)
    while not play.core.is_late(late, play.now):
        play.now += 0.01
    asked = len(play.asked)
    play.obey(play.core.tick(play.now))
    assert len(play.asked) == asked


def test_where_all_hang_one_asks_anew() -> None:
    """They may hold each other's places. Nobody is heard meanwhile, which is no reason to wait for the time-out."""
    play = Play(served=1, rate=400_000)
    play.step()
    play.step()
    play.served = 0
    (first,) = play.open
    play.open.clear()
    play.obey(play.core.failed(first, Failure(Fault.LOST, ConnectionLost("the connection broke")), play.now))
    play.step()
    assert play.hung() > 1
    began, asked = play.now, len(play.asked)
    while play.hung() > 1:
        play.step()
        assert play.now < began + plan.JAM + 0.5
    assert play.hung() == 1 and len(play.asked) == asked + 1
    assert play.core.sources[0].fails == 0, "nobody has failed"
    while play.now < began + 20:
        play.step()
    assert len(play.asked) == asked + 1, "the only one is left to its time-out"


def test_what_hangs_is_remembered_as_a_refusal() -> None:
    play = Play(served=2, rate=400_000)
    while play.core.sources[0].limit > 2:
        play.step()
    source = play.core.sources[0]
    assert source.busy and source.most == 2


def test_who_is_slow_to_answer_does_not_hang() -> None:
    """The first answer takes a second, and somebody has nothing to do while others take three."""
    core = Scheduler(["one.example.org"], Limits(), lambda: 0.5)
    (first,) = core.start(0.0)
    assert isinstance(first, Fetch)
    others = core.opened(first.worker, 1.0, size=SIZE, end=SIZE, ranged=True, rtt=RTT)
    assert len(others) > 1
    for step in range(1, 9):
        now = 1.0 + step / 10
        core.arrived(first.worker, 1000, now)
        core.stored(first.worker)
        assert not any(isinstance(order, Abort) for order in core.tick(now))
    assert not any(core.is_late(worker, 4.9) for worker in core.busy())
    assert core.sources[0].busy == 0
