"""`-r auto` leaves room for others: how fast a curl is beside it, by its speed alone, and how much of the link fastdl
gets when nobody else wants it. On a link with a short queue and on one with a long queue: the queue is what tells."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benches.harness import Run
from benches.row import Goal, Row, Sample, Setting, Task, Term, sample
from benches.text import MIB
from benches.wan.course import NAME, NEEDS, Course, course
from benches.wan.link import Link
from benches.wan.network import CLIENT

QUEUES = {"short queue": 0.04, "long queue": 0.15}  # seconds
MBIT = 50
AHEAD = 3.0  # seconds that fastdl has the link for itself before curl comes; half of it in the quick set


def _curl(made: Course) -> Sample:
    command = ["curl", "-q", "-sSf", "-o", os.devnull, f"{made.urls[0]}.part"]
    return _speed(made, made.setting.peer([*made.wan.inside(CLIENT), *command], timeout=60))


def _speed(made: Course, run: Run) -> Sample:
    size = (made.servers[0].root / f"{NAME}.part").stat().st_size
    return sample(run, speed=size / run.wall, wait=made.wan.counts()[0].wait / 1e6)


def _alone(made: Course, queue: str) -> Task:
    def run(tree: Path) -> Sample:
        made.fresh()
        return _curl(made)

    return Task(f"curl, {queue}", run, program="curl")


def _beside(made: Course, queue: str) -> Task:
    def run(tree: Path) -> Sample:
        made.fresh()
        with made.beside(tree, "-r", "auto"):
            time.sleep(AHEAD / 2 if made.setting.quick else AHEAD)
            return _curl(made)

    return Task(f"curl beside fastdl, {queue}", run, own=True, program="curl")


def _whole_link(made: Course, queue: str) -> Task:
    def run(tree: Path) -> Sample:
        made.fresh()
        return made.sample(made.fastdl(tree, "-r", "auto"))

    return Task(f"fastdl alone, {queue}", run, own=True)


@contextmanager
def _prepare(setting: Setting) -> Iterator[Sequence[Task]]:
    size, part = (24, 6) if setting.quick else (96, 40)
    queues = list(QUEUES)[:1] if setting.quick else list(QUEUES)
    with ExitStack() as stack:
        tasks = []
        for queue in queues:
            own = Setting(setting.quick, setting.home, setting.empty(setting.memory / queue[:4]), setting.disk)
            made = stack.enter_context(course(own, [Link(MBIT, queue=QUEUES[queue])], size * MIB))
            (made.servers[0].root / f"{NAME}.part").write_bytes(bytes(part * MIB))
            tasks += [_alone(made, queue), _beside(made, queue), _whole_link(made, queue)]
        yield tasks


ROW = Row(
    name="rate_auto",
    title="-r auto, 50 Mbit, 80 ms",
    goals=tuple(
        goal
        for queue in QUEUES
        for goal in (
            Goal(
                f"curl beside / alone, {queue}",
                Term(f"curl beside fastdl, {queue}", "speed"),
                (Term(f"curl, {queue}", "speed"),),
                limit=0.8,
                at_least=True,
            ),
            Goal(
                f"of the link alone, {queue}",
                Term(f"fastdl alone, {queue}", "share"),
                limit=0.9,
                at_least=True,
                unit="%",
            ),
        )
    ),
    prepare=_prepare,
    needs=(*NEEDS, "curl"),
    warm=0,
    quick_runs=1,
)
