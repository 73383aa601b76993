"""Single faults whose outcome is known, each by itself: what random networks may meet too rarely."""

from __future__ import annotations

import random
from math import inf

import pytest

from fastdl.core.head import Validators
from fastdl.core.ranges import RangeSet
from fastdl.core.state import Limits
from fastdl.errors import HttpStatus, ObjectChanged
from simulation.clock import Clock
from simulation.content import Version
from simulation.network import Network
from simulation.parts import Claims, Place, Settings
from simulation.server import Outage, Quirk, Server
from simulation.shell import Outcome, download

KIB = 1024
MIB = 1024 * KIB
SIZE = 8 * MIB


def server(host: str = "one", version: Version | None = None, **rest: object) -> Server:
    """An honest server."""
    return Server(host, [(0.0, version or Version(1, SIZE, '"v1"'))], **rest)  # type: ignore[arg-type]


def play(
    *servers: Server, limits: Limits | None = None, claims: Claims | None = None, lifetime: float | None = None
) -> Outcome:
    """Download from these servers, the first of them the origin; `lifetime`: behind a redirect whose target expires."""
    clock, chance = Clock(), random.Random(1)
    places = [Place(one, mirror=index > 0) for index, one in enumerate(servers)]
    if lifetime is not None:
        servers[0].lifetime = lifetime
        places[0].front = Server("front", servers[0].versions, is_front=True)
    return download(clock, Network(clock, chance), places, Settings(limits or Limits()), chance, claims)


def versions(outcome: Outcome) -> list[int]:
    """Which versions the bytes on the disk come from."""
    return [number for number in outcome.disk.versions() if outcome.disk.by_version[number]]


def asked(outcome: Outcome) -> int:
    """Requests in all."""
    return outcome.network.requests


@pytest.mark.parametrize("size", [0, 1, 64 * KIB, 64 * KIB + 1])
@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("sized", [True, False])
def test_small_files(size: int, ranges: bool, sized: bool) -> None:
    outcome = play(server(version=Version(1, size, '"v1"'), ranges=ranges, sized=sized))
    assert outcome.error is None and outcome.size == size
    assert asked(outcome) == 1


# --- another file ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("cut", [0, 1, 5])
def test_what_was_left_of_another_file_is_found_out_by_its_bytes(cut: int) -> None:
    """No validator tells, and the first connections break before the bytes to compare have come."""
    plain = Version(1, SIZE)
    claims = Claims(RangeSet([(0, MIB), (3 * MIB, 4 * MIB)]), SIZE, Validators(), 9)
    one = server(version=plain, quirks=[Quirk("cut", 1.0, cut, share=0.0)])
    outcome = play(one, claims=claims)
    assert outcome.error is None and versions(outcome) == [1]


def test_what_was_left_is_compared_by_the_mirror_too_where_the_origin_is_late() -> None:
    claims = Claims(RangeSet([(0, MIB)]), SIZE, Validators(), 9)
    one = server(version=Version(1, SIZE), quirks=[Quirk("late", 1.0, 1, 6.0)])
    outcome = play(one, server("two", Version(1, SIZE)), claims=claims)
    assert outcome.error is None and versions(outcome) == [1]


def test_what_was_left_of_the_same_file_is_kept() -> None:
    claims = Claims(RangeSet([(0, 7 * MIB)]), SIZE, Validators(), 1)
    outcome = play(server(version=Version(1, SIZE), rate=MIB), claims=claims)
    assert outcome.error is None and len(outcome.attempts) == 1
    assert outcome.seconds < 1.5


@pytest.mark.parametrize("at", [0.12, 0.5, 2.0])
def test_a_file_that_changes_once_is_fetched_again(at: float) -> None:
    one = server(rate=MIB)
    one.versions.append((at, Version(2, SIZE, '"v2"')))
    outcome = play(one, limits=Limits(connections=4))
    assert outcome.error is None and len(versions(outcome)) == 1


def test_a_file_that_never_stays_the_same_is_given_up() -> None:
    one = server(rate=MIB)
    one.versions = [(0.2 * n, Version(n, SIZE, f'"v{n}"')) for n in range(500)]
    one.quirks.append(Quirk("cut", 1.0, inf, share=0.3))
    outcome = play(one)
    assert isinstance(outcome.error, ObjectChanged) and len(outcome.attempts) == 4


def test_nodes_that_disagree_about_the_etag_end_in_one_plain_stream() -> None:
    outcome = play(server(rate=4 * MIB, per_node=3))
    assert outcome.error is None
    assert outcome.attempts[-1].core.single


def test_a_mirror_with_another_file_is_not_used() -> None:
    outcome = play(server(rate=MIB), server("two", Version(2, SIZE + 1, '"v2"'), rate=4 * MIB))
    assert outcome.error is None and versions(outcome) == [1]
    assert asked(outcome) < 60


# --- refusals --------------------------------------------------------------------------------------------


def test_no_retries_means_one_request() -> None:
    outcome = play(server(quirks=[Quirk("500")]), limits=Limits(retries=0))
    assert isinstance(outcome.error, HttpStatus) and asked(outcome) == 1


@pytest.mark.parametrize("kind", ["404", "403", "410", "401"])
def test_a_final_refusal_is_one_request(kind: str) -> None:
    outcome = play(server(quirks=[Quirk(kind)]))
    assert isinstance(outcome.error, HttpStatus) and asked(outcome) == 1


@pytest.mark.parametrize("kind", ["500", "503", "reset", "refuse", "hang"])
def test_a_dead_server_is_asked_as_often_as_retries_allow(kind: str) -> None:
    outcome = play(server(outages=[Outage(0.0, inf, kind)]), limits=Limits(retries=4))
    assert outcome.error is not None
    assert sum(outcome.attempts[0].watch.faults.values()) == 5
    assert outcome.seconds < 5 * 30 + 0.5 * (1 + 2 + 4 + 8) + 1


@pytest.mark.parametrize("kind", ["500", "503", "reset", "refuse", "hang"])
def test_a_server_that_dies_is_asked_as_often_as_retries_allow(kind: str) -> None:
    one = server(outages=[Outage(1.0, inf, kind)], rate=MIB / 4, most=128 * KIB)
    outcome = play(one, limits=Limits(retries=4))
    assert outcome.error is not None
    # Eight connections may fail at once; what follows is one probe after the other.
    assert one.refused <= 8 + 8 + 4 + 2


def test_a_long_retry_after_is_a_refusal() -> None:
    outcome = play(server(quirks=[Quirk("503")], retry_after="3600"))
    assert outcome.error is not None and asked(outcome) == 1


def test_retry_after_is_obeyed() -> None:
    outcome = play(server(quirks=[Quirk("429", 1.0, 1)], retry_after="7"))
    assert outcome.error is None and 7 <= outcome.seconds < 11


def test_a_byte_a_connection_is_progress() -> None:
    """Slow, but not given up, and no more than a connection for each byte."""
    tiny = Version(1, 40, '"v1"')
    outcome = play(server(version=tiny, quirks=[Quirk("cut", 1.0, inf, share=0.05)]), limits=Limits(retries=2))
    assert outcome.error is None or asked(outcome) <= 45


@pytest.mark.parametrize("lifetime", [1.0, 2.5])
def test_an_expired_target_is_looked_up_again(lifetime: float) -> None:
    outcome = play(server(rate=MIB / 4), lifetime=lifetime)
    assert outcome.error is None
    assert outcome.seconds < 1.3 * 4 + 1
    assert asked(outcome) < 100


# --- limits ----------------------------------------------------------------------------------------------


def test_one_connection_is_one_even_if_the_origin_does_not_answer() -> None:
    one = server(quirks=[Quirk("late", 1.0, 1, 8.0)])
    outcome = play(one, server("two"), limits=Limits(connections=1))
    assert outcome.error is None and outcome.network.most_open == 1


def test_a_mirror_steps_in_for_an_origin_that_does_not_answer() -> None:
    one = server(outages=[Outage(0.0, inf, "hang")])
    outcome = play(one, server("two", rate=2 * MIB))
    assert outcome.error is None and outcome.seconds < 1.5 + 1.5


def test_two_sources_at_one_host_share_its_connections() -> None:
    outcome = play(server("same", rate=MIB / 2), server("same", rate=MIB / 2), limits=Limits(per_host=3))
    assert outcome.error is None and outcome.network.most_open <= 3
