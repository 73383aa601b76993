"""One of several connections becomes 50 times slower, or falls silent, when 40 % of the file has come; the link itself
stays as it is. Who waits for that connection's range pays for it at the end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from benches.row import Goal, Row, Setting, Task, Term
from benches.text import MIB
from benches.wan.course import NEEDS, Course, Fault, course
from benches.wan.link import Link

LINK = Link(100)
VICTIM = 3  # the third connection that a program opens
CONNECTIONS = 8
SOUND, SLOW, SILENT = "fastdl", "fastdl, 50 x slower", "fastdl, silent"
PEER, PEER_SLOW = "aria2c -x8", "aria2c -x8, 50 x slower"


def struck(rate: float) -> Fault:
    """The victim gets `rate` bytes a second from 40 % of the file on."""

    def fault(course: Course) -> None:
        course.wan.fault(0, VICTIM, rate, int(course.source.size * 0.4))

    return fault


@contextmanager
def _prepare(setting: Setting) -> Iterator[Sequence[Task]]:
    with course(setting, [LINK], (12 if setting.quick else 100) * MIB) as made:
        slow = struck(LINK.rate / CONNECTIONS / 50)
        tasks = [
            made.own_task(SOUND),
            made.own_task(SLOW, fault=slow),
            made.own_task(SILENT, fault=struck(0)),
        ]
        if not setting.quick:  # it takes minutes
            tasks += [made.aria2_task(PEER, CONNECTIONS), made.aria2_task(PEER_SLOW, CONNECTIONS, slow)]
        yield tasks


ROW = Row(
    name="fault_connection",
    title="one of 8 connections fails, 100 Mbit, 80 ms, 100 MiB",
    goals=(
        Goal("50 x slower / without", Term(SLOW), (Term(SOUND),), 1.15),
        Goal("silent / without", Term(SILENT), (Term(SOUND),), 1.15),
        Goal("aria2c -x8: 50 x slower / without", Term(PEER_SLOW), (Term(PEER),)),
    ),
    prepare=_prepare,
    needs=NEEDS,
    warm=0,
    quick_runs=1,
)
