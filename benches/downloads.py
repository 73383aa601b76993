"""One file from one server by several programs: the tasks that most rows are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from benches.files import Source, check_file, served
from benches.peers import Job, peer_of
from benches.row import Sample, Setting, Task, sample
from benches.text import MIB

OWN, NOT_DURABLE = "fastdl", "fastdl --no-durable"


def task_of(setting: Setting, name: str, job: Job, source: Source, *, settle: bool = False) -> Task:
    """One whole download of `job` by the program `name`; with `settle` it begins with nothing left to write."""
    peer = peer_of(name)
    own = name in (OWN, NOT_DURABLE)

    def run(tree: Path) -> Sample:
        setting.empty(job.target.parent, settle=settle)
        if own:
            return sample(setting.fastdl(tree, peer.options(job), output=job.target))
        return sample(setting.peer(peer.command(job), output=job.target))

    program = "" if own else peer.base[0]
    return Task(name, run, own, program, lambda: check_file(name, job.target, source))


def one_file(
    tools: Sequence[str],
    *,
    size: int = 1024 * MIB,
    quick_size: int = 128 * MIB,
    on_disk: bool = False,
    tls: bool = False,
    http2: bool = False,
) -> Callable[[Setting], AbstractContextManager[Sequence[Task]]]:
    """`prepare` of a row in which each of `tools` fetches the same file."""

    @contextmanager
    def prepare(setting: Setting) -> Iterator[Sequence[Task]]:
        place = setting.disk if on_disk else setting.memory
        chosen = quick_size if setting.quick else size
        with served(setting.memory, chosen, setting.disk if on_disk else None) as (server, source):
            url = server.url(source.path.name, tls=tls, http2=http2)
            job = Job(url, place / "out" / "file.bin", server.cacert if tls or http2 else None)
            yield [task_of(setting, name, job, source, settle=on_disk) for name in tools]

    return prepare
