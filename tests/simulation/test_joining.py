"""Mirrors that join a running download: 1,000 from their seeds, and single cases whose outcome is known.

A failure names its seed. To see it happen: `PYTHONPATH=src:tests python -m simulation.replay jSEED` (from the root of
the repository), with `-v` behind it the state after every event too.
"""

from __future__ import annotations

import random
from collections import Counter
from math import inf

import pytest

from fastdl.core.head import Validators
from fastdl.core.health import STALLS
from fastdl.core.pieces import MOST_AWAY, MOST_CONTRADICTIONS
from fastdl.core.ranges import RangeSet
from fastdl.core.state import Limits
from simulation.clock import Clock
from simulation.content import Version
from simulation.joining import KINDS, LIE, draw
from simulation.network import Network
from simulation.parts import Claims, Place, Settings
from simulation.scenarios import check
from simulation.server import Change, Outage, Quirk, Server
from simulation.shell import Outcome, download

KIB = 1024
MIB = 1024 * KIB
SIZE = 16 * MIB
CHUNKS, SEEDS = 40, 25
FILE = Version(1, SIZE, '"v1"')
LIAR = Version(LIE, SIZE, '"v1"')


@pytest.mark.parametrize("first", range(0, CHUNKS * SEEDS, SEEDS), ids=lambda first: f"from_{first}")
def test_seeds(first: int) -> None:
    served = 0
    for seed in range(first, first + SEEDS):
        try:
            scenario = draw(seed)
            outcome = scenario.run()
            check(scenario, outcome)
        except Exception as error:
            replay = f"PYTHONPATH=src:tests python -m simulation.replay j{seed}"
            raise AssertionError(f"seed {seed}: {error!r}; replay: {replay}") from error
        sources = outcome.attempts[-1].core.sources
        served += any(source.mapped and source.served for source in sources)
    assert served > SEEDS // 8, "the mirrors have become too bad to prove anything"


def test_the_same_seed_is_the_same_run() -> None:
    for seed in range(5):
        one, two = draw(seed).run(), draw(seed).run()
        assert (one.seconds, one.events, one.size) == (two.seconds, two.events, two.size)


def test_every_kind_of_mirror_occurs() -> None:
    assert len(KINDS) == len(set(KINDS))
    many = [draw(seed) for seed in range(400)]
    mirrors = [place.server for scenario in many for place in scenario.places if place.mapped]
    kinds = Counter(quirk.kind for server in mirrors for quirk in server.quirks)
    assert kinds["html"] and kinds["late"] and kinds["hang"] and kinds["cut"]
    assert any(version.number == LIE for server in mirrors for _, version in server.versions)
    assert any(scenario.settings.prefer for scenario in many) and any(scenario.settings.piece for scenario in many)


# --- single cases ----------------------------------------------------------------------------------------


def origin(rate: float = MIB, **rest: object) -> Server:
    return Server("origin", [(0.0, FILE)], rate=inf, total=rate, **rest)  # type: ignore[arg-type]


def mirror(name: str = "mirror", version: Version = FILE, rate: float = 4 * MIB, **rest: object) -> Server:
    return Server(name, [(0.0, version)], rate=inf, total=rate, **rest)  # type: ignore[arg-type]


def play(
    first: Server,
    *mirrors: Server,
    at: float = 0.3,
    limits: Limits | None = None,
    claims: Claims | None = None,
    **settings: object,
) -> Outcome:
    """Download from an origin; the mirrors join after `at` seconds. It must end well."""
    clock, chance = Clock(), random.Random(1)
    places = [Place(first), *(Place(one, mirror=True, mapped=True, joins=at) for one in mirrors)]
    made = Settings(limits or Limits(), size=first.versions[0][1].size, **settings)  # type: ignore[arg-type]
    outcome = download(clock, Network(clock, chance), places, made, chance, claims)
    assert outcome.error is None, outcome.error
    assert outcome.disk.versions() == [1] or made.piece is None
    return outcome


def test_a_mirror_is_tried_with_a_small_range_and_then_fed() -> None:
    one = mirror()
    outcome = play(origin(), one)
    brought = outcome.disk.by_source[1].total
    assert brought > 0.6 * SIZE and one.requests > 1


def test_a_mirror_of_which_only_the_head_is_known_gets_one_connection_after_the_other() -> None:
    """A head brings nothing."""
    silent = mirror(quirks=[Quirk("stall", 1.0, inf, inf, share=0.0)])
    play(origin(), silent)
    assert silent.opened <= STALLS


@pytest.mark.parametrize("kind", ["404", "500", "503", "429", "refuse", "reset"])
def test_a_trial_that_fails_is_the_only_one(kind: str) -> None:
    one = mirror(outages=[Outage(0.0, inf, kind)])
    outcome = play(origin(), one)
    assert one.refused == 1 and outcome.attempts[-1].core.sources[1].error is not None


def test_a_mirror_with_another_size_is_asked_once_and_brings_nothing() -> None:
    one = mirror(version=Version(3, SIZE + 1, '"v1"'))
    outcome = play(origin(), one)
    assert one.requests == 1 and not outcome.disk.by_source.get(1)


def test_a_mirror_without_ranges_is_asked_once() -> None:
    one = mirror(ranges=False)
    outcome = play(origin(), one)
    assert one.requests == 1 and not outcome.disk.by_source.get(1)


def test_a_mirror_that_hangs_is_left_out_after_its_trial() -> None:
    one = mirror(quirks=[Quirk("hang")])
    outcome = play(origin(), one)
    assert one.requests == 1 and outcome.attempts[-1].core.sources[1].error is not None


def test_trials_do_not_take_the_places_of_connections_that_are_allowed() -> None:
    hanging = [mirror(f"mirror-{n}", quirks=[Quirk("hang")]) for n in range(3)]
    outcome = play(origin(), *hanging)
    assert outcome.network.most_open == 8 + 3


def test_with_x_given_trials_count() -> None:
    hanging = [mirror(f"mirror-{n}", quirks=[Quirk("hang")]) for n in range(3)]
    outcome = play(origin(), *hanging, limits=Limits(connections=4))
    assert outcome.network.most_open <= 4


def test_mirrors_are_asked_where_the_origin_does_not_answer() -> None:
    outcome = play(origin(quirks=[Quirk("hang")]), mirror(), at=0.5)
    assert outcome.seconds < 1.5 + 4 + 1.5


def test_a_slow_origins_large_ranges_are_no_reason_not_to_try_a_mirror() -> None:
    """All is given out, in pieces of two megabytes or less, and each of them takes half a minute."""
    outcome = play(origin(256 * KIB), mirror(), at=5.0)
    assert outcome.seconds < 5 + 6


def test_an_origin_that_is_the_last_resort_is_left_in_peace() -> None:
    alone = play(origin(), mirror(), prefer=True, at=0.0)
    assert alone.disk.by_source[0].total < SIZE / 4  # what it had begun when the mirror answered


@pytest.mark.parametrize("how", ["silent", "hang", "slow"])
def test_the_last_resort_steps_in(how: str) -> None:
    one = mirror(rate=MIB)
    if how == "slow":
        one.changes.append(Change(3.0, None, 100.0))
    else:
        one.changes.append(Change(3.0, None, 0.0))
        one.outages.append(Outage(3.0, inf, how) if how == "hang" else Outage(-2.0, -1.0, "503"))
    outcome = play(origin(), one, prefer=True)
    assert outcome.seconds < 16 + 3.5


# --- pieces ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bans", [True, False])
@pytest.mark.parametrize("hashing", [inf, 4e6])
def test_an_altering_mirror_is_found_out_while_the_download_runs(bans: bool, hashing: float) -> None:
    outcome = play(origin(), mirror("liar", LIAR), mirror(), piece=MIB // 2, hashing=hashing, bans=bans)
    assert outcome.disk.versions() == [1]
    if hashing == inf:
        assert outcome.mended < SIZE / 4, "most of it was left for the end"


def test_a_liar_that_was_found_out_gets_no_more_work() -> None:
    liar = mirror("liar", LIAR)
    outcome = play(origin(), liar, piece=MIB // 2)
    watch = outcome.attempts[-1].watch
    assert outcome.attempts[-1].core.sources[1].error is not None
    assert watch.dropped + outcome.mended < 10 * MIB


def test_a_wrong_list_of_pieces_costs_some_pieces_and_not_the_file() -> None:
    outcome = play(origin(), mirror(), piece=256 * KIB, listed=5, bans=False)
    watch = outcome.attempts[-1].watch
    assert 0 < watch.dropped <= 256 * KIB * 2 * (MOST_AWAY + MOST_CONTRADICTIONS)
    assert outcome.mended == 0


def test_what_an_earlier_run_left_of_another_file_is_found_by_its_pieces() -> None:
    """Nothing but the overlap would tell, and it is right."""
    claims = Claims(RangeSet([(0, 8 * MIB)]), SIZE, Validators('"v1"'), 9)
    outcome = play(origin(), claims=claims, piece=MIB)
    assert outcome.disk.versions() == [1] and len(outcome.attempts) == 1


def test_bytes_that_were_wrong_are_no_standard_for_others() -> None:
    """The overlap that is compared lies in a piece that was found to be wrong."""
    plain = Version(1, SIZE)
    one = Server("origin", [(0.0, plain)], rate=inf, total=MIB, quirks=[Quirk("late", 1.0, 1, 1.0)])
    claims = Claims(RangeSet([(0, 8 * MIB)]), SIZE, Validators(), 9)
    outcome = play(one, claims=claims, piece=MIB)
    assert outcome.disk.versions() == [1] and len(outcome.attempts) == 1
