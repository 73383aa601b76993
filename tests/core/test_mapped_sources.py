"""Sources that join a download: what they are tried with, what they get, and what they can cost. In virtual time."""

from __future__ import annotations

import random
from math import inf
from typing import Any

import pytest

from fastdl.core import health, plan
from fastdl.core.orders import Abort, Failure, Fault, Fetch, Finish, Instruction
from fastdl.core.ranges import Range
from fastdl.core.scheduler import Scheduler
from fastdl.core.state import Limits
from fastdl.errors import ConnectionLost, HttpStatus
from simulation.clock import Clock
from simulation.content import Version
from simulation.network import Network
from simulation.parts import Place, Settings
from simulation.server import Change, Outage, Quirk, Server
from simulation.shell import Attempt, Outcome, download

KIB = 1024
MIB = 1024 * KIB
SIZE = 24 * MIB
ORIGIN = 2 * MIB  # bytes a second of the origin in all


def server(host: str, **more: Any) -> Server:
    return Server(host, [(0.0, more.pop("version", None) or Version(1, SIZE, f'"{host}"'))], **more)


def origin(**more: Any) -> Server:
    return server("origin", **{"rate": float(ORIGIN), "total": float(ORIGIN), **more})


class Played:
    """A download that mirrors join, and what was asked of whom."""

    def __init__(
        self,
        first: Server,
        *mirrors: Server,
        joins: float = 0.3,
        mapped: bool = True,
        limits: Limits | None = None,
        prefer: bool = False,
        size: int = SIZE,
    ) -> None:
        clock, chance = Clock(), random.Random(1)
        self.fetched: list[tuple[float, Fetch]] = []
        places = [Place(first)]
        places += [Place(one, mirror=True, mapped=mapped, joins=joins) for one in mirrors]
        settings = Settings(limits or Limits(), prefer=prefer, log=self._log)
        self.outcome: Outcome = download(clock, Network(clock, chance), places, settings, chance)
        assert self.outcome.error is None
        assert self.outcome.disk.written.total == size

    def _log(self, attempt: Attempt, what: str, instructions: list[Instruction]) -> None:
        self.fetched += [(attempt.clock.now, each) for each in instructions if isinstance(each, Fetch)]

    def of(self, source: int) -> list[Fetch]:
        """What was asked of a source."""
        return [fetch for _, fetch in self.fetched if fetch.source == source]

    def share(self, source: int) -> float:
        """The part of the file that came from it."""
        found = self.outcome.disk.by_source.get(source)
        return found.total / SIZE if found is not None else 0.0

    def state(self, source: int) -> Any:
        return self.outcome.attempts[-1].core.sources[source]

    @property
    def seconds(self) -> float:
        return self.outcome.seconds


ALONE = SIZE / ORIGIN  # seconds that the origin needs by itself


# --- those that are good ---------------------------------------------------------------------------------


def test_the_first_range_of_a_joined_source_is_small() -> None:
    played = Played(origin(), server("mirror", rate=8.0 * MIB))
    first = played.of(1)[0]
    assert first.end is not None
    assert first.end - first.start == plan.TRIAL
    assert all(fetch.ranged for fetch in played.of(1))


def test_a_faster_source_gets_most() -> None:
    played = Played(origin(), server("mirror", rate=2.0 * MIB, total=8.0 * MIB))
    assert played.share(1) > 0.7
    assert played.seconds < 1.25 * SIZE / (10 * MIB) + 0.5


def test_several_join() -> None:
    played = Played(origin(), *(server(f"m{n}", rate=2.0 * MIB, total=2.0 * MIB) for n in range(3)))
    assert all(played.share(number) > 0.15 for number in (1, 2, 3))
    assert played.seconds < 1.3 * ALONE / 4 + 0.5


def test_a_source_that_joins_before_the_origin_has_answered() -> None:
    played = Played(origin(quirks=[Quirk("late", 1.0, 1, 1.0)]), server("mirror", rate=8.0 * MIB), joins=0.0)
    assert played.fetched[0][1].source == 0
    assert played.share(1) > 0.3


def test_a_source_that_joins_steps_in_for_a_silent_origin() -> None:
    played = Played(origin(outages=[Outage(0.0, inf, "hang")]), server("mirror", rate=8.0 * MIB))
    assert played.share(1) == 1.0
    assert played.seconds < 1.5 + 0.5 + SIZE / (8 * MIB) + 1.0


def test_one_that_takes_over_from_an_origin_that_dies() -> None:
    played = Played(origin(outages=[Outage(2.0, inf, "reset")]), server("mirror", rate=4.0 * MIB))
    assert played.share(1) > 0.5
    assert played.seconds < 12


def test_others_first_spares_the_origin() -> None:
    played = Played(origin(), server("mirror", rate=2.0 * MIB), prefer=True)
    assert played.share(1) > 0.8


# --- those that are not ----------------------------------------------------------------------------------

BAD: dict[str, dict[str, Any]] = {
    "hangs": {"outages": [Outage(0.0, inf, "hang")]},
    "refuses connections": {"outages": [Outage(0.0, inf, "refuse")]},
    "resets": {"outages": [Outage(0.0, inf, "reset")]},
    "403": {"quirks": [Quirk("403")]},
    "404": {"quirks": [Quirk("404")]},
    "503": {"quirks": [Quirk("503")]},
    "429": {"quirks": [Quirk("429")]},
    "a page": {"quirks": [Quirk("html")]},
    "another size": {"version": Version(3, SIZE + 1)},
    "no ranges": {"ranges": False, "accepts": False},
    "wrong start": {"quirks": [Quirk("wrong start")]},
    "multipart": {"quirks": [Quirk("multipart")]},
}


@pytest.mark.parametrize("kind", BAD)
def test_one_that_fails_its_trial_is_asked_once(kind: str) -> None:
    """And it costs less than a second."""
    played = Played(origin(), server("mirror", rate=8.0 * MIB, **BAD[kind]))
    assert len(played.of(1)) == 1
    assert played.share(1) == 0.0
    assert played.state(1).error is not None or played.state(1).ranges is False
    assert played.seconds < ALONE + 1.0
    assert played.outcome.attempts[0].core.sources[0].error is None


@pytest.mark.parametrize("kind", ["reset", "refuse", "hang", "503", "404"])
def test_one_that_dies_later(kind: str) -> None:
    played = Played(origin(), server("mirror", rate=ORIGIN / 4, total=float(ORIGIN), outages=[Outage(2.0, inf, kind)]))
    assert played.share(1) > 0.05
    assert played.seconds < ALONE + 2.0
    after = [fetch for at, fetch in played.fetched if fetch.source == 1 and at > 2.1]
    assert len(after) <= 8 + health.MAPPED_RETRIES + 2


def test_one_that_falls_silent_is_left_out() -> None:
    played = Played(origin(), server("mirror", rate=ORIGIN / 4, changes=[Change(2.0, None, 0.0)]))
    assert played.seconds < ALONE + 2.0
    assert isinstance(played.state(1).error, ConnectionLost)


def test_one_that_is_far_slower_gets_next_to_nothing() -> None:
    played = Played(origin(rate=2.0 * MIB, total=inf), server("mirror", rate=20.0 * KIB))
    assert played.share(1) < 0.05
    assert played.seconds < 1.2 * SIZE / (8 * 2 * MIB) + 1.5


@pytest.mark.parametrize("kind", [*BAD, "good"])
@pytest.mark.parametrize("connections", [1, 2])
def test_no_more_connections_than_the_user_allows(kind: str, connections: int) -> None:
    mirror = server("mirror", rate=8.0 * MIB, **BAD.get(kind, {}))
    played = Played(origin(), mirror, limits=Limits(connections=connections))
    assert played.outcome.network.most_open <= connections


def test_many_bad_ones_cost_no_more_than_one() -> None:
    mirrors = [server(f"m{number}", **more) for number, more in enumerate(BAD.values())]
    played = Played(origin(), *mirrors)
    assert played.share(0) == 1.0
    assert played.seconds < ALONE + 2.5


# --- given mirrors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [3 * MIB, 6 * MIB])
@pytest.mark.parametrize("share", [0.1, 0.3, 0.6])
@pytest.mark.parametrize("rate", [MIB / 2, MIB])
def test_a_given_mirror_that_falls_silent_with_all_connections(size: int, share: float, rate: float) -> None:
    """The origin has nothing to do by then: it is asked, instead of waiting for the time-out."""
    version = Version(1, size, '"v1"')
    stall = Quirk("stall", 1.0, inf, 1e6, share=share)
    silent = server("mirror", rate=2.0 * MIB, rtt=0.0005, version=version, quirks=[stall])
    played = Played(origin(rtt=0.0005, rate=rate, total=inf, version=version), silent, mapped=False, size=size)
    assert played.seconds < 8


LARGE = 64 * MIB


# --- step by step ----------------------------------------------------------------------------------------


def started(size: int = LARGE) -> Scheduler:
    """An origin that has answered and flows by one connection."""
    core = Scheduler(["origin"], Limits(), lambda: 0.5)
    (fetch,) = core.start(0.0)
    assert isinstance(fetch, Fetch)
    core.opened(fetch.worker, 0.1, size=size, end=size, ranged=True, rtt=0.05)
    return core


def fetches(instructions: list[Instruction], source: int) -> list[Fetch]:
    return [each for each in instructions if isinstance(each, Fetch) and each.source == source]


def test_a_trial_does_not_count_among_the_connections_that_are_allowed() -> None:
    core = started()
    core.tick(0.2)
    assert core.growth is not None and core.in_use(0.2) >= core.growth.allowed
    before = core.in_use(0.2)
    (trial,) = fetches(core.join("mirror", 0.3), 1)
    assert core.in_use(0.3) == before
    core.opened(trial.worker, 0.4, size=LARGE, end=trial.end, ranged=True, rtt=0.05)
    assert core.in_use(0.4) > before


def test_who_sent_wrong_bytes_gets_no_more_work_and_they_are_missing_again() -> None:
    core = started()
    (trial,) = fetches(core.join("mirror", 0.3), 1)
    assert trial.end is not None
    core.opened(trial.worker, 0.4, size=LARGE, end=trial.end, ranged=True, rtt=0.05)
    count = trial.end - trial.start
    assert core.arrived(trial.worker, count, 0.5).keep == count
    assert core.stored(trial.worker)
    core.ended(trial.worker, 0.5)
    assert core.done.holds(trial.start, trial.end)
    instructions = core.distrust([1], [Range(trial.start, trial.end)], 0.6)
    assert not core.done.overlaps(trial.start, trial.end)
    assert fetches(instructions + core.tick(0.7) + core.tick(5.0), 1) == []
    assert core.sources[1].error is not None
    flying = [(w.lease.start, w.lease.end) for w in core.busy() if w.lease is not None]
    assert sum(end - start for start, end in flying) + core.done.total + core.pool.total == LARGE


def test_the_end_waits_for_bytes_that_were_taken_back() -> None:
    """A piece turns out wrong at the very end."""
    core = started(512 * KIB)
    core.arrived(0, 512 * KIB, 0.5)
    core.distrust([], [], 0.5)
    assert core.stored(0)
    assert any(isinstance(each, Finish) for each in core.ended(0, 0.6))
    assert core.distrust([0], [Range(0, 10)], 0.7) == [], "it is over"


def test_a_failed_trial_is_nobodys_error() -> None:
    core = started()
    (trial,) = fetches(core.join("mirror", 0.3), 1)
    instructions = core.failed(trial.worker, Failure(Fault.BUSY, HttpStatus("no", "429", status=429), 60.0), 0.4)
    assert not any(isinstance(each, Abort) for each in instructions)
    assert core.sources[1].error is not None
    assert core.sources[0].error is None and core.sources[0].ready == 0.0
    assert fetches(core.tick(100.0), 1) == []
