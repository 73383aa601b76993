"""The files of a lane: how long a target that was taken over is waited for, and what is given back."""

from __future__ import annotations

import pytest

from fastdl.cluster import in_hand
from fastdl.cluster.in_hand import InHand
from fastdl.cluster.messages import Todo
from fastdl.listing import File
from fastdl.settings import Settings

LEASE = 90.0  # seconds that NFS servers keep the locks of a machine that says nothing any more


class Clock:
    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(in_hand, "time", clock)
    return clock


def todo(job: int, *, again: bool = False) -> Todo:
    return Todo(job, File(f"http://a.test/{job}", Settings()), again)


def test_the_locks_of_a_machine_that_died_are_outwaited(clock: Clock) -> None:
    files = InHand()
    files.give([todo(0, again=True), todo(1)])
    taken_over, new = files.next(), files.next()
    assert not files.may_wait(new), "another program has it"
    for _ in range(2):
        clock.now += LEASE / 2 + 1
        assert files.may_wait(taken_over)
        files.once_more(taken_over)
        assert files.next() is taken_over
    clock.now += LEASE
    assert not files.may_wait(taken_over), "since it was begun for the first time"


def test_what_is_given_up_does_not_wait(clock: Clock) -> None:
    files = InHand()
    files.give([todo(0), todo(1)])
    files.next()
    assert files.clear() == [0, 1]
    assert (files.waiting, files.find(0), files.room(2)) == (0, None, 4)
