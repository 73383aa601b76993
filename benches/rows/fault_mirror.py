"""One of two mirrors of 50 Mbit each is gone when half of the file has come: it refuses connections, or falls silent.
The ideal is what both carry until then and the other one carries alone afterwards, without a moment of waiting."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benches.files import check_file
from benches.row import Goal, Row, Sample, Setting, Task, Term
from benches.text import MIB
from benches.wan.course import NEEDS, Course, course
from benches.wan.link import HEADERS, MTU, Link, ideal_after_loss

LINKS = (Link(50), Link(50))
LOST = 1
SOUND, REFUSES, SILENT = "fastdl", "fastdl, one refuses", "fastdl, one silent"


def half(size: int) -> int:
    """How many bytes of the file come from the mirror that is lost: half of its half."""
    return size // 4


def _task(made: Course, name: str, *, refuses: bool) -> Task:
    def run(tree: Path) -> Sample:
        made.fresh()
        after = half(made.source.size)
        packets = after * MTU // (MTU - HEADERS)
        if refuses:
            over = made.wan.when(LOST, packets, made.servers[LOST].stop)
        else:
            made.wan.fault(LOST, 0, 0, packets)
        try:
            measured = made.fastdl(tree)
        finally:
            if refuses:
                over.set()
        best = ideal_after_loss(LINKS, made.source.size, LOST, after)
        return {**made.sample(measured), "slowdown": measured.wall / best}

    return Task(name, run, own=True, check=lambda: check_file(name, made.target, made.source))


@contextmanager
def _prepare(setting: Setting) -> Iterator[Sequence[Task]]:
    with course(setting, LINKS, (20 if setting.quick else 64) * MIB) as made:
        sound = [] if setting.quick else [made.own_task(SOUND)]
        yield [*sound, _task(made, REFUSES, refuses=True), _task(made, SILENT, refuses=False)]


ROW = Row(
    name="fault_mirror",
    title="one of two mirrors is lost half-way, 50 + 50 Mbit, 80 ms, 64 MiB",
    goals=(
        Goal("without a fault / ideal", Term(SOUND, "slowdown")),
        Goal("one refuses / ideal", Term(REFUSES, "slowdown"), limit=1.1),
        Goal("one silent / ideal", Term(SILENT, "slowdown"), limit=1.3),
    ),
    prepare=_prepare,
    needs=NEEDS,
    warm=0,
    quick_runs=1,
)
