"""50 and 100 files at once: what threads and locks cost when there are many of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from benches.files import serving
from benches.lists import Listed
from benches.row import Goal, Row, Setting, Task, Term
from benches.text import MIB

_COUNTS = (50, 100)


@contextmanager
def _prepare(setting: Setting) -> Iterator[Sequence[Task]]:
    with serving(setting.memory) as (server, root):
        chosen = [Listed(server, root, setting.memory / "out", count, MIB) for count in _COUNTS]
        yield [listed.own(setting, f"fastdl, {len(listed.names)}", len(listed.names)) for listed in chosen]


ROW = Row(
    name="at_once",
    title="50 and 100 files of 1 MiB, all at once",
    goals=tuple(Goal(f"wall of {count}, s", Term(f"fastdl, {count}")) for count in _COUNTS),
    prepare=_prepare,
    needs=("nginx",),
    profile=True,
)
