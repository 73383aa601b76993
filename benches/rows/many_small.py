"""1,000 files of 16 KiB from one list, and whether ten times as many take ten times as long: what a file costs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from benches.files import serving
from benches.lists import Listed
from benches.row import Goal, Row, Setting, Task, Term

_JOBS = 8
_DISK, _MEMORY, _TEN = "fastdl, disk", "fastdl, memory", "fastdl, memory, ten times"
_ARIA2_DISK, _ARIA2_MEMORY = "aria2c -j8, disk", "aria2c -j8, memory"


@contextmanager
def _prepare(setting: Setting) -> Iterator[Sequence[Task]]:
    count = 200 if setting.quick else 1000
    with serving(setting.memory) as (server, root):
        on_disk = Listed(server, root, setting.disk / "out", count)
        in_memory = Listed(server, root, setting.memory / "out", count)
        ten_times = Listed(server, root, setting.memory / "out", 10 * count)
        yield [
            on_disk.own(setting, _DISK, _JOBS, settle=True),
            on_disk.aria2(setting, _ARIA2_DISK, _JOBS, settle=True),
            in_memory.own(setting, _MEMORY, _JOBS),
            in_memory.aria2(setting, _ARIA2_MEMORY, _JOBS),
            ten_times.own(setting, _TEN, _JOBS),
        ]


ROW = Row(
    name="many_small",
    title="1,000 files of 16 KiB, -i, -j 8",
    goals=(
        Goal("disk, wall / aria2c -j8", Term(_DISK), (Term(_ARIA2_DISK),), 0.25),
        Goal("memory, wall / aria2c -j8", Term(_MEMORY), (Term(_ARIA2_MEMORY),), 0.7),
        Goal("ten times as many / once", Term(_TEN), (Term(_MEMORY),), 11.0),
    ),
    prepare=_prepare,
    needs=("nginx",),
)
