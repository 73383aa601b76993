"""LOCK.fastdl, the file beside a lock: what a run learns is appended to it, so that a kill loses none of it. It is also
what says that a run is using the lock: whoever has it locked."""

from __future__ import annotations

import contextlib
import os
import sys

from fastdl.core.hints import BinaryIO
from fastdl.errors import TargetBusy
from fastdl.io import disk, files

SUFFIX = ".fastdl"
_TRIES = 20  # times that the file may vanish between opening and locking it


class LockSide:
    """The file beside the lock at `path`, which people call `name`. `file` is open for reading, None where there is
    none; `end`: bytes of it that are whole lines, and as long as nobody has read it, all that it has."""

    def __init__(self, path: str, name: str) -> None:
        self.path = path + SUFFIX
        self._name = name
        self._ours = False
        self.file: BinaryIO | None = None
        self.end = 0

    def look(self) -> None:
        """Open it, if it is there, whoever uses it."""
        with contextlib.suppress(OSError):
            self.file = open(self.path, "rb")  # noqa: SIM115

    def take(self) -> None:
        """Make or open it, and lock it until `close`. Raises TargetBusy, OSError."""
        for _ in range(_TRIES):
            fd = self._fd()
            try:
                if not _locked(fd):
                    break
                if files.still_names(self.path, fd):
                    self.end = os.fstat(fd).st_size
                    self.file, self._ours = os.fdopen(fd, "rb"), True
                    return
            finally:
                if not self._ours:
                    os.close(fd)
        raise TargetBusy(f"another fastdl is using the lock {self._name}", "", "Wait for it to end.")

    def _fd(self) -> int:
        try:
            return files.create(self.path)
        except FileExistsError:
            try:
                return files.open_plain(self.path)
            except FileNotFoundError:
                return files.create(self.path)

    def append(self, data: bytes) -> None:
        """Write behind the last whole line; safe from a kill of the process when this returns. Raises OSError."""
        assert self.file is not None
        fd, left = self.file.fileno(), memoryview(data)
        os.ftruncate(fd, self.end)  # a torn end goes
        at = self.end
        while left:
            done = disk.write_at(fd, at, left)
            at, left = at + done, left[done:]
        self.file.seek(0, os.SEEK_END)  # forget what was read ahead
        self.end = at

    def remove(self) -> None:
        """End its use and, where it is ours, remove it while it is locked: who waits for it sees that its name is
        gone."""
        file, self.file = self.file, None
        if file is None:
            return
        if sys.platform == "win32":
            file.close()
        if self._ours:
            with contextlib.suppress(OSError):
                files.remove(self.path)
        file.close()

    def close(self) -> None:
        """Let go of it. What stands in it stays for the next run."""
        if self.end == 0:
            self.remove()
        elif self.file is not None:
            self.file.close()
            self.file = None


def _locked(fd: int) -> bool:
    try:
        return files.try_lock(fd)
    except OSError:
        return True  # a file system without locks: what is done without one has to do
