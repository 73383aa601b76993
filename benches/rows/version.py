"""`--version` beside an interpreter that does nothing: what is imported before anybody knows what is wanted."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benches.row import Goal, Row, Sample, Setting, Task, Term, sample


@contextmanager
def _prepare(setting: Setting) -> Iterator[Sequence[Task]]:
    def own(tree: Path) -> Sample:
        return sample(setting.fastdl(tree, ["--version"]))

    def bare(tree: Path) -> Sample:
        return sample(setting.peer([sys.executable, "-c", "pass"]))

    yield [Task("fastdl --version", own, own=True), Task("python -c pass", bare)]


ROW = Row(
    name="version",
    title="fastdl --version",
    goals=(Goal("wall / python -c pass", Term("fastdl --version"), (Term("python -c pass"),), 3.0),),
    prepare=_prepare,
    turns=5,
)
