"""What a mirror that alters bytes costs: an origin and two mirrors of 4 MiB/s each, with and without the liar."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benches.harness import RunFailed
from benches.mirrors import EVEN, GIVEN, Case, Place, one_run, workplace
from benches.row import Goal, Row, Sample, Setting, Task, Term, sample
from benches.text import MIB

_HONEST, _ALTERING, _SPARSE = "fastdl, honest", "fastdl, altering liar", "fastdl, sparse liar"
_CASES = dict(zip((_HONEST, _ALTERING, _SPARSE), EVEN, strict=True))


def _task(name: str, case: Case, place: Place) -> Task:
    def run(tree: Path) -> Sample:
        done, outcome = one_run(GIVEN, case, place, tree)
        if outcome != "right":
            raise RunFailed(f"{name}: {outcome}")
        return sample(done)

    return Task(name, run, own=True)


@contextmanager
def _prepare(setting: Setting) -> Iterator[Sequence[Task]]:
    with workplace(EVEN, (8 if setting.quick else 64) * MIB) as place:
        yield [_task(name, case, place) for name, case in _CASES.items()]


ROW = Row(
    name="liar",
    title="a liar beside three servers of 4 MiB/s",
    goals=(
        Goal("altering liar / honest", Term(_ALTERING), (Term(_HONEST),)),
        Goal("sparse liar / honest", Term(_SPARSE), (Term(_HONEST),)),
    ),
    prepare=_prepare,
    warm=0,
    quick_runs=1,
)
