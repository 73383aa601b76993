"""What the journal, the progress and the tracker cost of a download's processor time, with progress as JSON lines."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benches.files import served
from benches.row import Goal, Row, Sample, Setting, Task, Term, sample
from benches.text import MIB

_TASK = "fastdl --progress json"
_QUICK_SIZE = 256 * MIB


@contextmanager
def _prepare(setting: Setting) -> Iterator[Sequence[Task]]:
    with served(setting.memory, _QUICK_SIZE if setting.quick else 1024 * MIB) as (server, source):
        out, account = setting.memory / "out", setting.home / "account.json"

        def run(tree: Path) -> Sample:
            setting.empty(out)
            options = ["get", "--progress", "json", "-d", str(out), server.url(source.path.name)]
            run = setting.fastdl(tree, options, launcher=("-m", "benches.accounting", str(account)))
            told = json.loads(account.read_text(encoding="utf-8"))
            parts = {f"part {name}": seconds / told["cpu"] for name, seconds in told["parts"].items()}
            return sample(run, **{"part": told["share"]}, **parts)

        yield [Task(_TASK, run, own=True)]


ROW = Row(
    name="overhead",
    title="journal, progress and tracker together",
    goals=(
        Goal("of the CPU time", Term(_TASK, "part"), limit=0.05, unit="%"),
        *(Goal(f"{name} alone", Term(_TASK, f"part {name}"), unit="%") for name in ("journal", "progress", "tracker")),
    ),
    prepare=_prepare,
    needs=("nginx",),
)
