"""3,000 downloads over faulty networks, each from its seed; every step of each is checked (checks.py).

A failure names its seed. To see it happen: `PYTHONPATH=src:tests python -m simulation.replay SEED` (from the root of
the repository), with `-v` behind it the state after every event too.
"""

from __future__ import annotations

from collections import Counter

import pytest

from fastdl.core.orders import Fault
from simulation.scenarios import check, draw

CHUNKS, SEEDS = 120, 25  # in chunks, so that pytest-xdist can spread them


def play(seed: int) -> Counter[Fault]:
    """One scenario; the faults that it met. Raises AssertionError with the seed."""
    try:
        scenario = draw(seed)
        outcome = scenario.run()
        check(scenario, outcome)
    except Exception as error:
        replay = f"PYTHONPATH=src:tests python -m simulation.replay {seed}"
        raise AssertionError(f"seed {seed}: {error!r}; replay: {replay}") from error
    faults: Counter[Fault] = Counter()
    for attempt in outcome.attempts:
        faults.update(attempt.watch.faults)
    return faults


@pytest.mark.parametrize("first", range(0, CHUNKS * SEEDS, SEEDS), ids=lambda first: f"from_{first}")
def test_seeds(first: int) -> None:
    faults: Counter[Fault] = Counter()
    for seed in range(first, first + SEEDS):
        faults += play(seed)
    assert sum(faults.values()) > SEEDS // 2, "the networks have become too good to prove anything"


def test_the_same_seed_is_the_same_run() -> None:
    for seed in range(5):
        one, two = draw(seed).run(), draw(seed).run()
        assert (one.seconds, one.events, one.size) == (two.seconds, two.events, two.size)


def test_every_fault_occurs() -> None:
    faults: Counter[Fault] = Counter()
    for seed in range(5000, 5150):
        faults += play(seed)
    missing = set(Fault) - set(faults) - {Fault.FATAL}
    assert not missing, f"no scenario meets {missing}"
