"""Files that are whole before they are written: stored with one call, brought to the device many at a time.

A flush costs about the same for one small file as for fifty: one commit of the file system's own journal. So such a
file is handed over (`Settler.put`), and while one lot is being flushed and named, the next one gathers.

There is nothing to go on from, so there is no journal, and the data file itself is locked. (To make and remove a second
file for each one is what ext4 is slowest at: it passes by every inode that was freed a moment ago.) A kill in between
leaves NAME.fastdl alone, which the next one writes anew.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable

from fastdl.errors import DiskError, FastdlError, Interrupted, TargetExists
from fastdl.io import disk, files, phases
from fastdl.io.partial import DATA_SUFFIX, JOURNAL_SUFFIX

LOT = 32  # files that are flushed and named together


class SmallFile:
    """A whole file under its working name, locked. Errors are DiskError leaves and TargetExists."""

    __slots__ = ("_data", "_fd", "durable", "final", "replace")

    def __init__(self, final: str, *, durable: bool, replace: bool) -> None:
        """`final` is a path that has gone through `files.long_path`; `replace`: whatever has the name by then."""
        self.final = final
        self.durable = durable
        self.replace = replace
        self._data = final + DATA_SUFFIX
        self._fd = -1

    @phases.timed("disk")
    def store(self, body: memoryview, mtime: float | None) -> bool:
        """Write all of it; `mtime` is seconds since the epoch. False where another download, or a journal that one
        left, is in the way: then nothing has been touched."""
        try:
            self._fd = self._create()
        except FileExistsError:
            return False
        except OSError as error:
            raise disk.disk_error(error, "create", self._data) from error
        if not self._is_ours():
            return False
        try:
            done = 0
            while done < len(body):
                done += disk.write_at(self._fd, done, body[done:])
        except OSError as error:
            self.discard()
            raise disk.disk_error(error, "write", self._data) from error
        if mtime is not None:
            with contextlib.suppress(OSError, OverflowError, ValueError):
                os.utime(self._fd if os.utime in os.supports_fd else self._data, (mtime, mtime))
        return True

    def find(self, right: Callable[[bytes], bool]) -> bool:
        """Take over what another one, that is gone, has stored, if its bytes are `right`. Raises OSError."""
        if os.path.lexists(self.final + JOURNAL_SUFFIX):
            return False
        self._fd = files.open_plain(self._data)
        with contextlib.suppress(OSError), open(self._fd, "rb", closefd=False) as file:
            if files.try_lock(self._fd) and files.still_names(self._data, self._fd) and right(file.read()):
                return True
        self._close()
        return False

    def _create(self) -> int:
        try:
            return files.create(self._data)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(self._data), exist_ok=True)
            return files.create(self._data)
        except FileExistsError:
            if not self._remove_left():
                raise
            return files.create(self._data)

    def _remove_left(self) -> bool:
        """Take away what a download that was killed has stored here. Not where the system lets nobody remove an open
        file: then whoever was quicker could be hit."""
        if sys.platform == "win32" or os.path.lexists(self.final + JOURNAL_SUFFIX):
            return False
        try:
            fd = files.open_plain(self._data)
        except OSError:
            return False
        try:
            if not files.try_lock(fd) or not files.still_names(self._data, fd):
                return False
            files.remove(self._data)
            return True
        except OSError:  # a file system without locks
            return False
        finally:
            os.close(fd)

    def _is_ours(self) -> bool:
        """Lock it, and see that nobody was quicker: whoever begins with a journal removes what lies here, if he gets
        its lock (io/partial.py)."""
        with contextlib.suppress(OSError):  # a file system without locks
            if not files.try_lock(self._fd):
                self._close()
                return False
        if os.fstat(self._fd).st_nlink == 0 and sys.platform != "win32":  # there no open file can be removed
            self._close()
            return False
        if os.path.lexists(self.final + JOURNAL_SUFFIX):
            self.discard()
            return False
        return True

    def begin_flush(self) -> None:
        """Let the device begin, without waiting for it."""
        disk.begin_flush(self._fd)

    @phases.timed("flush")
    def flush(self) -> None:
        """The data is on the device when this returns."""
        try:
            disk.flush_data(self._fd)
        except OSError as error:
            self.discard()
            raise disk.disk_error(error, "flush", self._data) from error

    @phases.timed("rename")
    def name(self) -> None:
        """Give it its final name."""
        try:
            if sys.platform == "win32":  # no open file can be renamed there
                self._close()
            files.rename(self._data, self.final, replace=self.replace, durable=self.durable)
            self._close()
        except FileExistsError:
            self.discard()
            raise TargetExists(f"{files.shown(self.final)} exists already") from None
        except OSError as error:
            self.discard()
            raise disk.disk_error(error, "rename", self._data) from error

    def discard(self) -> None:
        """Leave nothing."""
        if sys.platform == "win32":
            self._close()
        with contextlib.suppress(OSError):
            files.remove(self._data)
        self._close()

    def _close(self) -> None:
        self._fd, fd = -1, self._fd
        if fd >= 0:
            os.close(fd)  # and the lock with it


Settled = Callable[["FastdlError | None"], None]


class Settler:
    """Gathers stored files and settles them by the lot. No thread of its own: whoever brings the file that makes a lot
    full does the work, and who watches over the run calls `hurry` now and then."""

    def __init__(self, before: Callable[[], None] | None = None) -> None:
        """`before` is called for each lot before it is flushed and named; raises Interrupted where it may not be."""
        self._before = before
        self._changed = threading.Condition()
        self._waiting: list[tuple[SmallFile, Settled]] = []
        self._under_way: set[str] = set()  # final paths, of those that are just being named too; in one letter case
        self._since = 0.0  # when the first of those that wait came

    def put(self, file: SmallFile, settled: Settled) -> None:
        """Take charge of a stored file; `settled` is called once, perhaps from another thread, when it has its name or
        when that failed."""
        with self._changed:
            if not self._waiting:
                self._since = time.monotonic()
            self._waiting.append((file, settled))
            self._under_way.add(os.path.normcase(file.final))
            lot = self._take() if len(self._waiting) >= LOT else []
        self._settle(lot)

    def hurry(self, age: float = 0.0) -> None:
        """Settle what waits, if the first of it has waited for `age` seconds."""
        with self._changed:
            due = self._waiting and time.monotonic() - self._since >= age
            lot = self._take() if due else []
        self._settle(lot)

    def wait_for(self, final: str) -> None:
        """Return when no file of that path is waiting."""
        name = os.path.normcase(final)
        if name in self._under_way:
            self.hurry()
            with self._changed:
                self._changed.wait_for(lambda: name not in self._under_way)

    def _take(self) -> list[tuple[SmallFile, Settled]]:
        lot, self._waiting = self._waiting, []
        return lot

    def _settle(self, lot: list[tuple[SmallFile, Settled]]) -> None:
        if not lot:
            return
        try:
            settle(lot, self._before)
        finally:
            with self._changed:
                self._under_way.difference_update(os.path.normcase(file.final) for file, _ in lot)
                self._changed.notify_all()


def settle(lot: list[tuple[SmallFile, Settled]], before: Callable[[], None] | None = None) -> None:
    """Flush all, then name all, then flush the folders: never a name before its bytes."""
    failed: dict[str, FastdlError] = {}
    for file, _ in lot:
        if file.durable:
            file.begin_flush()
    try:
        if before is not None:
            before()
    except Interrupted as error:
        for file, _ in lot:
            file.discard()
            failed[file.final] = error
    for file, _ in lot:
        if file.final in failed:
            continue
        try:
            if file.durable:
                file.flush()
            file.name()
        except (DiskError, TargetExists) as error:
            failed[file.final] = error
    for folder in {os.path.dirname(file.final) for file, _ in lot if file.durable and file.final not in failed}:
        try:
            disk.flush_folder(folder)
        except OSError as error:
            lost = disk.disk_error(error, "flush", folder)
            failed.update((file.final, lost) for file, _ in lot if os.path.dirname(file.final) == folder)
    crash: BaseException | None = None
    for file, settled in lot:
        try:
            settled(failed.get(file.final))
        except BaseException as error:  # the others are told all the same
            crash = crash or error
    if crash is not None:
        raise crash
