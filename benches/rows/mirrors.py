"""An origin and a faster mirror at once, each with a rate of its own: how much of the sum of both arrives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benches.mirrors import ARIA2, GIVEN, MAPPED, SUM, Case, Place, Tool, one_run, workplace
from benches.row import Goal, Row, Sample, Setting, Task, Term, sample
from benches.text import MIB


def task_of(tool: Tool, case: Case, place: Place, name: str) -> Task:
    """One download by `tool` from the servers of `case`, with its share of the sum of their rates."""

    def run(tree: Path) -> Sample:
        done, _ = one_run(tool, case, place, tree)
        return sample(done, share=place.size / done.wall / case.rate)

    return Task(name, run, own=tool is not ARIA2, program="aria2c" if tool is ARIA2 else "")


@contextmanager
def _prepare(setting: Setting) -> Iterator[Sequence[Task]]:
    with workplace([SUM], (8 if setting.quick else 64) * MIB) as place:
        yield [task_of(tool, SUM, place, tool.name) for tool in (GIVEN, MAPPED, ARIA2)]


ROW = Row(
    name="mirrors",
    title="origin 2 MiB/s and mirror 8 MiB/s",
    goals=(
        Goal("-m: of the sum", Term(GIVEN.name, "share"), at_least=True, unit="%"),
        Goal("rule: of the sum", Term(MAPPED.name, "share"), at_least=True, unit="%"),
        Goal("-m: wall / aria2c -x8", Term(GIVEN.name), (Term(ARIA2.name),)),
    ),
    prepare=_prepare,
    warm=0,
    quick_runs=1,
)
