"""Small requests one after the other (1, 128, 1,024, 2,048): what a request costs in a process that is warm."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from benches.files import serving
from benches.lists import one_after_the_other
from benches.row import Goal, Row, Setting, Task, Term

_COUNTS = (1, 128, 1024, 2048)


@contextmanager
def _prepare(setting: Setting) -> Iterator[Sequence[Task]]:
    with serving(setting.memory) as (server, root):
        yield one_after_the_other(setting, server, root, _COUNTS, jobs=1)


ROW = Row(
    name="sequential",
    title="small requests one after the other, -j 1, 16 KiB",
    goals=tuple(Goal(f"wall of {count:,}, s", Term(f"fastdl, {count}")) for count in _COUNTS),
    prepare=_prepare,
    needs=("nginx",),
    profile=True,
)
