"""One file of 1 MiB by a process that has just been started: the start is most of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from benches.downloads import OWN, task_of
from benches.files import served
from benches.peers import Job
from benches.row import Goal, Row, Setting, Task, Term
from benches.text import MIB

_TOOLS = (OWN, "aria2c -x8", "curl")


@contextmanager
def _prepare(setting: Setting) -> Iterator[Sequence[Task]]:
    with served(setting.memory, MIB) as (server, source):
        url = server.url(source.path.name)
        tasks = []
        for place, folder in (("memory", setting.memory), ("disk", setting.disk)):
            job = Job(url, folder / "out" / "file.bin")
            chosen = (task_of(setting, name, job, source, settle=place == "disk") for name in _TOOLS)
            tasks += [replace(task, name=f"{task.name}, {place}") for task in chosen]
        yield tasks


ROW = Row(
    name="one_small",
    title="1 MiB file from a cold process",
    goals=(
        Goal("memory, wall / aria2c", Term("fastdl, memory"), (Term("aria2c -x8, memory"),), 2.5),
        Goal("disk, wall / aria2c", Term("fastdl, disk"), (Term("aria2c -x8, disk"),), 2.5),
        Goal("memory, wall / curl", Term("fastdl, memory"), (Term("curl, memory"),)),
    ),
    prepare=_prepare,
    needs=("nginx",),
    turns=3,
)
