"""What parts of the scheduler bring on a long link: the same download with each of them switched off by
benches.switches, when nothing is wrong and when one of eight connections becomes 50 times slower or falls silent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benches.row import Goal, Row, Sample, Setting, Task, Term
from benches.rows.fault_connection import CONNECTIONS, LINK, struck
from benches.text import MIB
from benches.wan.course import NEEDS, Course, Fault, course, met

CASES: dict[str, tuple[Fault | None, tuple[str, ...]]] = {
    "sound": (None, ("pipelining", "stealing", "hedging", "sizing")),
    "50 x slower": (struck(LINK.rate / CONNECTIONS / 50), ("stealing", "hedging", "stealing,hedging")),
    "silent": (struck(0), ("stealing", "hedging", "stalls", "hedging,stalls")),
}


def name_of(case: str, parts: str = "") -> str:
    """What a task is called."""
    return f"{case}, without {parts}" if parts else case


def _task(made: Course, case: str, parts: str) -> Task:
    def run(tree: Path) -> Sample:
        made.fresh()
        fault = CASES[case][0]
        if fault is not None:
            fault(made)
        figures = made.sample(made.fastdl(tree, launcher=("-m", "benches.switches", "--off", parts, "--")))
        return met(name_of(case, parts), fault, figures)

    return Task(name_of(case, parts), run, own=True)


@contextmanager
def _prepare(setting: Setting) -> Iterator[Sequence[Task]]:
    with course(setting, [LINK], (12 if setting.quick else 32) * MIB) as made:
        yield [_task(made, case, parts) for case, (_, off) in CASES.items() for parts in ("", *off)]


ROW = Row(
    name="wan_switches",
    title="the scheduler's parts switched off, 100 Mbit, 80 ms, 32 MiB",
    goals=tuple(
        Goal(f"{name_of(case, parts)} / with", Term(name_of(case, parts)), (Term(case),))
        for case, (_, off) in CASES.items()
        for parts in off
    ),
    prepare=_prepare,
    needs=NEEDS,
    warm=0,
    quick_runs=1,
    profile=True,
)
