"""Peak memory of a small and of a large file: it must be small, and the same for both.

The large file is a sparse one, so that its source takes no room; where it arrives is the real disk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benches.downloads import OWN
from benches.files import need_room, serving
from benches.harness import RunFailed
from benches.peers import Job, peer_of
from benches.row import Goal, Row, Sample, Setting, Task, Term, sample
from benches.text import MIB

_SMALL, _LARGE = "fastdl, 100 MiB", "fastdl, large"
_LIMIT = 45.0
_FLAT = (
    1.2  # a small file is over before all connections are open; growth with the size would be ten or a hundred times
)


@contextmanager
def _prepare(setting: Setting) -> Iterator[Sequence[Task]]:
    large = (1 if setting.quick else 10) * 1024 * MIB
    need_room(setting.disk, large)
    with serving(setting.memory) as (server, root):
        tasks = []
        for name, size in ((_SMALL, 100 * MIB), (_LARGE, large)):
            with (root / f"{size}.bin").open("wb") as file:
                file.truncate(size)
            job = Job(server.url(f"{size}.bin", tls=True), setting.disk / "out" / "file.bin", server.cacert)
            tasks.append(_task(setting, name, job, size))
        yield tasks


def _task(setting: Setting, name: str, job: Job, size: int) -> Task:
    def run(tree: Path) -> Sample:
        setting.empty(job.target.parent, settle=True)
        return sample(setting.fastdl(tree, [*peer_of(OWN).options(job), "--no-durable"]))

    def check() -> None:
        if job.target.stat().st_size != size:
            raise RunFailed(f"{name} brought a wrong file; its memory means nothing")

    return Task(name, run, own=True, check=check)


ROW = Row(
    name="memory",
    title="peak memory, 100 MiB to 10 GiB, TLS",
    goals=(
        Goal("peak, 100 MiB", Term(_SMALL, "peak"), limit=_LIMIT, unit="MiB"),
        Goal("peak, large file", Term(_LARGE, "peak"), limit=_LIMIT, unit="MiB"),
        Goal("large / small", Term(_LARGE, "peak"), (Term(_SMALL, "peak"),), _FLAT),
    ),
    prepare=_prepare,
    needs=("nginx",),
    warm=0,
)
