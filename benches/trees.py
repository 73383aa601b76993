"""The source tree of another commit, unpacked beside the working tree: git's own state is only read."""

from __future__ import annotations

import io
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benches.results import git


def base_commit(root: Path, name: str | None) -> str:
    """What the working tree is compared with: the commit of this name; without one the last commit where the tree
    differs from it, else the one before. Raises ValueError where there is no such commit."""
    if name is None:
        name = "HEAD" if git(root, "status", "--porcelain", "--", "src") else "HEAD~1"
    commit = git(root, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
    if not commit:
        raise ValueError(f"git knows no commit {name!r} here; name one with --base")
    return commit


@contextmanager
def tree_of(root: Path, commit: str) -> Iterator[Path]:
    """The folder `src` of this commit, until the block ends. Raises ValueError where it has none."""
    with tempfile.TemporaryDirectory(prefix="fastdl-bench-base-") as folder:
        command = ["git", "-C", str(root), "archive", "--format=tar", commit, "src"]
        done = subprocess.run(command, capture_output=True, check=False, timeout=120)
        if done.returncode != 0:
            raise ValueError(f"the commit {commit[:12]} has no folder src")
        with tarfile.open(fileobj=io.BytesIO(done.stdout)) as packed:
            for member in packed:
                _unpack(packed, member, Path(folder))
        yield Path(folder) / "src"


def _unpack(packed: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    """Files and folders are all that is needed (and `extractall` behaves otherwise in each version of Python)."""
    path = folder / member.name
    if member.isdir():
        path.mkdir(parents=True, exist_ok=True)
    elif member.isfile() and (content := packed.extractfile(member)) is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.read())
