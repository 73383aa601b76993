"""Play one seed and print every event and what the scheduler answered.

`PYTHONPATH=src:tests python -m simulation.replay SEED`, from the root of the repository; `j5` is seed 5 of joining.py.
With `-v` behind it the state after each event is printed as well.
"""

from __future__ import annotations

import sys

from fastdl.core.orders import Instruction, Read
from fastdl.core.scheduler import Scheduler
from fastdl.core.state import Lease
from simulation import joining
from simulation.scenarios import check, draw
from simulation.shell import Attempt


def main(seed: str, states: bool) -> None:
    """Print the run. Raises what the run raises."""
    scenario = joining.draw(int(seed[1:])) if seed.startswith("j") else draw(int(seed))
    print(scenario.mood, scenario.settings)
    for place in scenario.places:
        print(
            {name: getattr(place.server, name) for name in place.server.__dataclass_fields__}, place.front is not None
        )
        if place.mapped:
            print(f"    joins at {place.joins:.3f}")
    if scenario.claims is not None:
        print(scenario.claims)

    def log(attempt: Attempt, what: str, instructions: list[Instruction]) -> None:
        if what == "tick" and not instructions and not states:
            return
        said = ", ".join(_short(instruction) for instruction in instructions)
        print(f"{attempt.clock.now:9.3f}  {what}  ->  {said}")
        if states:
            _state(attempt.core)

    scenario.settings.log = log
    outcome = scenario.run()
    print(f"{outcome.error or 'whole'} after {outcome.seconds:.3f} s, {outcome.events} events")
    check(scenario, outcome)


def _short(instruction: Instruction) -> str:
    if isinstance(instruction, Read):
        return f"Read({instruction.worker}{', queued' if instruction.fresh else ''})"
    return str(instruction)


def _state(core: Scheduler) -> None:
    print(f"           done {core.done} missing {core.pool} busy at most {core.growth.allowed if core.growth else 1}")
    for worker in core.workers.values():
        rate = f"{worker.rate:.0f} B/s" if worker.rate is not None else "?"
        leases = f"{_lease(worker.lease)} then {_lease(worker.queued)}"
        print(f"           {worker.id} of {worker.source} {worker.phase.value} {leases} at {worker.offset}, {rate}")
    for source in core.sources:
        print(
            f"           source {source.id}: fails {source.fails}, limit {source.limit}, ready {source.ready:.3f},"
            f" ranges {source.ranges}, rate {source.rate}, {source.error}{', mapped' * source.mapped}"
        )


def _lease(lease: Lease | None) -> str:
    if lease is None:
        return "-"
    return f"[{lease.start} {lease.frontier} {lease.end}) by {lease.holders}, {lease.pending} pending"


if __name__ == "__main__":
    main(sys.argv[1], len(sys.argv) > 2)
