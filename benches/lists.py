"""Many small files from one list: the tasks of the rows that measure what a file costs beside its bytes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from benches.files import check_many, make_many
from benches.row import Sample, Setting, Task, sample
from benches.server import Nginx
from benches.text import KIB

SIZE = 16 * KIB


class Listed:
    """`count` files of `size` bytes on `server`, and the list of their URLs. Where they are fetched to is `target`."""

    def __init__(self, server: Nginx, root: Path, target: Path, count: int, size: int = SIZE) -> None:
        name = f"n{count}"
        self.root = root / name
        self.target = target
        self.names = make_many(self.root, count, size)
        self.list = root / f"{name}.txt"
        self.list.write_text("".join(f"{server.url(f'{name}/{file}')}\n" for file in self.names), encoding="utf-8")

    def own(self, setting: Setting, name: str, jobs: int, *, settle: bool = False) -> Task:
        """fastdl with `jobs` files at once."""

        def run(tree: Path) -> Sample:
            setting.empty(self.target, settle=settle)
            options = ["get", "-q", "-j", str(jobs), "-d", str(self.target), "-i", str(self.list)]
            return sample(setting.fastdl(tree, options))

        return Task(name, run, own=True, check=self._check(name))

    def aria2(self, setting: Setting, name: str, jobs: int, *, settle: bool = False) -> Task:
        """aria2c with `jobs` files at once, each with one connection: a file of this size has no use for more."""

        def run(tree: Path) -> Sample:
            setting.empty(self.target, settle=settle)
            options = ["--no-conf", "-q", "-j", str(jobs), "--file-allocation=none", f"--dir={self.target}"]
            return sample(setting.peer(["aria2c", *options, f"--input-file={self.list}"]))

        return Task(name, run, program="aria2c", check=self._check(name))

    def _check(self, name: str) -> Callable[[], None]:
        return lambda: check_many(name, self.target, self.root, self.names)


def one_after_the_other(setting: Setting, server: Nginx, root: Path, counts: Sequence[int], jobs: int) -> list[Task]:
    """A task of fastdl for each of `counts` files with `jobs` at once."""
    chosen = [Listed(server, root, setting.memory / "out", count) for count in counts]
    return [listed.own(setting, f"fastdl, {len(listed.names)}", jobs) for listed in chosen]
