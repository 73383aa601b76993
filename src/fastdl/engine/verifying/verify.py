"""Checks files that are there: their size and every digest that is known of them, read once."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Iterable, Sequence

from fastdl.core.checklist import Checklist, Listed, parse_list
from fastdl.core.hints import Any, BinaryIO
from fastdl.core.plain import dataclass
from fastdl.core.ranges import RangeSet
from fastdl.core.shown import mask
from fastdl.core.verify import LENGTHS, new_hasher
from fastdl.engine.explaining.asking import Finding
from fastdl.errors import DigestMismatch, DiskError, FastdlError, IntegrityError, SizeMismatch, UsageError
from fastdl.io.disk import disk_error

BLOCK = 1024 * 1024
MOST_LIST = 64 * 1024 * 1024  # bytes of a list
STDIN = "-"
WINDOWS = sys.platform == "win32"


@dataclass(frozen=True, slots=True)
class Task:
    """One file to check. `size` in bytes where it is known; `error`: why it cannot be checked."""

    path: str
    expected: tuple[Finding, ...] = ()
    size: int | None = None
    error: FastdlError | None = None


@dataclass(frozen=True, slots=True)
class Mended:
    """What a repair did to a file that has `size` bytes now: `ranges` were wrong; `fetched` bytes came, in `asked`
    ranges."""

    size: int
    ranges: RangeSet
    fetched: int
    asked: int

    def to_json(self) -> dict[str, Any]:
        return {
            "ranges": [[start, end] for start, end in self.ranges],
            "bytes": self.ranges.total,
            "fetched_ranges": self.asked,
            "fetched_bytes": self.fetched,
        }


@dataclass(slots=True)
class Checked:
    """What became of one file. `shown` is the digest that is told: the one that differs, else the strongest; `found`
    is what the file has instead or as well, in hex. `size` in bytes, None where it could not be read."""

    path: str
    shown: Finding | None = None
    found: str | None = None
    size: int | None = None
    error: FastdlError | None = None
    mended: Mended | None = None

    @property
    def ok(self) -> bool:
        return self.error is None

    @property
    def exit_code(self) -> int:
        return self.error.code if self.error is not None else 0

    def to_json(self) -> dict[str, Any]:
        """The `--json` object; nothing secret is left in it."""
        shown = self.shown
        return {
            "path": self.path,
            "size": self.size,
            "algorithm": shown.digest.algorithm if shown is not None else None,
            "expected": shown.digest.hex if shown is not None else None,
            "found": self.found,
            "source": shown.source if shown is not None else None,
            "ok": self.ok,
            "repaired": self.mended.to_json() if self.mended is not None else None,
            "exit_code": self.exit_code,
            "error": mask(str(self.error)) if self.error is not None else None,
        }


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The strongest first."""
    order = list(LENGTHS)
    return tuple(sorted(findings, key=lambda finding: order.index(finding.digest.algorithm)))


Progress = Callable[[int, int | None], None]  # bytes read so far, size


def check(task: Task, progress: Progress = lambda done, size: None) -> Checked:
    """Check one file. Its failure is in what comes back; raises nothing but KeyboardInterrupt and the like."""
    checked = Checked(task.path, task.expected[0] if task.expected else None, error=task.error)
    if task.error is not None:
        return checked
    try:
        digests, checked.size = hashed(task.path, [each.digest.algorithm for each in task.expected], progress)
    except (DiskError, UsageError) as error:  # not what ends the run
        checked.error = error
        return checked
    differs = [each for each in task.expected if digests[each.digest.algorithm] != each.digest.value]
    if differs:
        checked.shown = differs[0]
    if checked.shown is not None:
        checked.found = digests[checked.shown.digest.algorithm].hex()
    if task.size is not None and checked.size != task.size:
        why = f"it has {checked.size} bytes instead of {task.size}"
        checked.error = SizeMismatch("the file has another size than the published one", why)
    elif differs:
        checked.error = mismatch(differs[0], checked.found or "")
    return checked


def mismatch(expected: Finding, found: str) -> DigestMismatch:
    """The error of a file that has the digest `found` (hex) instead."""
    digest = expected.digest
    return DigestMismatch(f"the {digest.algorithm} does not match: the file has {found}", f"expected was {digest.hex}")


def hashed(path: str, algorithms: Sequence[str], progress: Progress) -> tuple[dict[str, bytes], int]:
    """The digests of a file ("-": stdin), by algorithm, and its size in bytes. Raises DiskError, and UsageError where
    an algorithm needs a package that is not installed."""
    hashers = {name: new_hasher(name) for name in algorithms}
    buffer = bytearray(BLOCK)
    view = memoryview(buffer)
    done = 0
    try:
        with _opened(path) as file:
            state = os.fstat(file.fileno())
            size = state.st_size if stat.S_ISREG(state.st_mode) else None
            while count := file.readinto(buffer):  # type: ignore[attr-defined]
                for hasher in hashers.values():
                    hasher.update(view[:count])
                done += count
                progress(done, size)
    except (OSError, ValueError) as error:
        raise unreadable(error, path) from error
    return {name: hasher.digest() for name, hasher in hashers.items()}, done


def _opened(path: str) -> BinaryIO:
    if path == STDIN:
        if sys.stdin is None:
            raise OSError("there is no stdin")
        return open(sys.stdin.fileno(), "rb", buffering=0, closefd=False)
    if os.path.isdir(path):
        raise IsADirectoryError("it is a folder")
    return open(path, "rb", buffering=0)


def unreadable(error: OSError | ValueError, path: str) -> DiskError:
    """The leaf for a file that cannot be read."""
    if isinstance(error, FileNotFoundError):
        return DiskError(f"cannot read {path}", "there is no such file", "Check the name.")
    if isinstance(error, IsADirectoryError):
        return DiskError(f"cannot read {path}", "it is a folder", "Name a file.")
    if isinstance(error, ValueError):
        return DiskError(f"cannot read {path}", "the name has characters that no file system takes", "Check the name.")
    leaf = disk_error(error, "read", path)
    return DiskError(leaf.what, leaf.why, "Check the name and the permissions.")


# --- lists -----------------------------------------------------------------------------------------------


def read_list(path: str) -> Checklist:
    """The list in a file ("-": stdin). Raises DiskError, and IntegrityError for a list without an entry."""
    try:
        data = bytearray()
        with _opened(path) as file:
            while len(data) <= MOST_LIST and (block := file.read(BLOCK)):  # a pipe gives less than is asked for
                data += block
    except (OSError, ValueError) as error:
        raise unreadable(error, path) from error
    if len(data) > MOST_LIST:
        raise DiskError(f"cannot read {path}", "it is too long for a list of checksums", "Name the list with -c.")
    listed = parse_list(_text(data), path)
    if not listed.files:
        raise IntegrityError(f"{path} lists no file", "no line of it is a checksum", "Name another list with -c.")
    return listed


def _text(data: bytearray) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):  # PowerShell's ">" writes this
        return data.decode("utf-16", "replace")
    return data.decode("utf-8", "surrogateescape")


def tasks_of(listed: Checklist, list_name: str, paths: Sequence[str]) -> list[Task]:
    """What is to be checked: the named files by their entries, or every entry if none is named."""
    if paths:
        return [_task_of(path, listed.find(path, windows=WINDOWS), list_name) for path in paths]
    return [_task_of(file.name, file if file.name else None, list_name) for file in listed.files]


def _task_of(path: str, entry: Listed | None, list_name: str) -> Task:
    if entry is None:
        hint = "Name the file before -c, or another list."
        what = "it is not listed" if path else "the list has a checksum without a name"
        return Task(path or list_name, error=IntegrityError(what, f"by {list_name}", hint))
    if not entry.digests:
        what = f"{list_name} has no usable checksum of it"
        return Task(path, error=IntegrityError(what, entry.why, "Get the list anew from the publisher."))
    return Task(path, in_order(Finding(digest, "list", list_name) for digest in entry.digests))
