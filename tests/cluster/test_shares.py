"""Connections to a host, shared by lanes that come, go, and learn of it late."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fastdl.cluster.shares import Shares

HOSTS = ("a", "b")

steps = st.lists(
    st.one_of(
        st.tuples(st.just("join")),
        st.tuples(st.just("kill"), st.integers(0, 9)),
        st.tuples(st.just("ask"), st.integers(0, 9), st.sampled_from(HOSTS)),
        st.tuples(st.just("hear"), st.integers(0, 9)),
        st.tuples(st.just("open"), st.integers(0, 9), st.sampled_from(HOSTS)),
        st.tuples(st.just("close"), st.integers(0, 9), st.sampled_from(HOSTS)),
        st.tuples(st.just("report"), st.integers(0, 9)),
        st.tuples(st.just("idle"), st.integers(0, 9)),
    ),
    max_size=200,
)


class Worker:
    """A lane as it is in truth: what it was told, in order, and what it has open."""

    def __init__(self) -> None:
        self.told: list[tuple[int, dict[str, int]]] = []
        self.seen = 0
        self.may: dict[str, int] = {}
        self.open: dict[str, int] = {}


@given(per_host=st.integers(1, 12), script=steps)
def test_all_together_never_have_too_many(per_host: int, script: list[tuple]) -> None:  # type: ignore[type-arg]
    shares = Shares(per_host)
    workers: dict[int, Worker] = {}
    for serial, step in enumerate(script, 1):
        names = sorted(workers)
        if step[0] == "join":
            workers[serial] = Worker()
            shares.join(max(workers))
        elif names:
            name = names[step[1] % len(names)]
            worker = workers[name]
            if step[0] == "kill":
                del workers[name]
                shares.leave(name)
            elif step[0] == "ask":
                worker.open.setdefault(step[2], 0)
            elif step[0] == "hear" and worker.told:
                worker.seen, worker.may = worker.told.pop(0)
            elif step[0] == "open" and worker.open.get(step[2], 0) < worker.may.get(step[2], 0):
                worker.open[step[2]] += 1
            elif step[0] == "close" and worker.open.get(step[2], 0):
                worker.open[step[2]] -= 1
            elif step[0] == "report":
                shares.heard(name, worker.seen, dict(worker.open))
            elif step[0] == "idle":
                shares.idle ^= {name}
        for name in shares.review(serial):
            if name in workers:
                workers[name].told.append((serial, shares.of(name)))
        for host in HOSTS:
            assert sum(worker.open.get(host, 0) for worker in workers.values()) <= per_host


def _settled(shares: Shares, lanes: list[int]) -> list[int]:
    for serial in range(1, 6):
        shares.review(serial)
        for lane in lanes:
            shares.heard(lane, serial, {"h": shares.of(lane).get("h", 0)})
    return [shares.of(lane)["h"] for lane in lanes]


def test_it_comes_out_even() -> None:
    shares = Shares(8)
    for lane in (1, 2, 3):
        shares.join(lane)
        shares.heard(lane, 0, {"h": 0})
    assert _settled(shares, [1, 2, 3]) == [3, 3, 2]
    shares.join(4)
    shares.heard(4, 0, {"h": 0})
    assert _settled(shares, [1, 2, 3, 4]) == [2, 2, 2, 2]
    shares.leave(2)
    assert _settled(shares, [1, 3, 4]) == [3, 3, 2]
    shares.idle = {1, 3}
    assert _settled(shares, [1, 3, 4]) == [0, 0, 8]


def test_what_a_lane_has_to_give_up_counts_until_it_says_so() -> None:
    shares = Shares(4)
    shares.join(1)
    shares.heard(1, 0, {"h": 0})
    assert shares.review(1) == {1} and shares.of(1) == {"h": 4}
    shares.heard(1, 1, {"h": 4})
    shares.join(2)
    shares.heard(2, 0, {"h": 0})
    assert shares.review(2) == {1} and shares.of(2) == {"h": 0}
    shares.heard(1, 1, {"h": 4})  # written before it had read the last orders
    assert shares.review(3) == set()
    shares.heard(1, 2, {"h": 3})  # one is closed, one is still busy
    assert shares.review(4) == {2} and shares.of(2) == {"h": 1}
    shares.heard(1, 4, {"h": 2})
    assert shares.review(5) == {2} and shares.of(2) == {"h": 2}


def test_more_lanes_than_connections() -> None:
    shares = Shares(2)
    for lane in range(5):
        shares.join(lane)
        shares.heard(lane, 0, {"h": 0})
    assert _settled(shares, list(range(5))) == [1, 1, 0, 0, 0]
