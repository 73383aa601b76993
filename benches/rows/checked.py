"""1 GiB with a SHA-256 that is known and checked: hashing goes on beside the download, so the whole takes as long as
the longer of the two and not as long as both."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benches.downloads import OWN, task_of
from benches.files import check_file, served
from benches.peers import Job, peer_of
from benches.row import Goal, Row, Sample, Setting, Task, Term, sample
from benches.text import MIB

CHECKED = "fastdl --checksum"
_QUICK_SIZE = 256 * MIB


@contextmanager
def _prepare(setting: Setting) -> Iterator[Sequence[Task]]:
    with served(setting.memory, _QUICK_SIZE if setting.quick else 1024 * MIB) as (server, source):
        job = Job(server.url(source.path.name), setting.memory / "out" / "file.bin")
        known = f"sha256:{hashlib.sha256(source.path.read_bytes()).hexdigest()}"

        def checked(tree: Path) -> Sample:
            setting.empty(job.target.parent)
            return sample(setting.fastdl(tree, [*peer_of(OWN).options(job), "--checksum", known]))

        def hashed(tree: Path) -> Sample:
            return sample(setting.peer(["sha256sum", str(source.path)]))

        yield [
            Task(CHECKED, checked, own=True, check=lambda: check_file(CHECKED, job.target, source)),
            task_of(setting, OWN, job, source),
            Task("sha256sum", hashed, program="sha256sum"),
        ]


ROW = Row(
    name="checked",
    title="1 GiB with a SHA-256 known and checked",
    goals=(Goal("wall / the larger of (download, sha256sum)", Term(CHECKED), (Term(OWN), Term("sha256sum")), 1.1),),
    prepare=_prepare,
    needs=("nginx",),
)
