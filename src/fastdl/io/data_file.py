"""NAME.fastdl, the data of a download that is not whole yet: opened with care, written at offsets, renamed once.

What is claimed of it stands in the journal; io/partial.py keeps the order between the two. The system's errors become
leaves of DiskError here.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

from fastdl.core.hints import TYPE_CHECKING
from fastdl.errors import DiskError, TargetBusy, TargetExists
from fastdl.io import disk, files, phases
from fastdl.io.writers import Kind, PositionalWriter, Writer, open_writer, why_not_mapped

if TYPE_CHECKING:
    from fastdl.io.pipe import Pipe


class DataFile:
    """The file at `path`, which is to be `target` in the end. `close` may be called by any thread at any time; those
    who are still in it are let out first, and whoever comes later gets a DiskError."""

    unmapped: str
    """Why mapped windows were asked for and are not used, else empty."""

    def __init__(self, path: str, target: str, writer: Kind, durable: bool) -> None:
        """`durable`: what is written goes to the device early."""
        self.path = path
        self.unmapped = ""
        self._target = target
        self._folder = os.path.dirname(path)
        self._kind = writer
        self._durable = durable
        self._handle = _ENDED
        self._writer: Writer | None = None

    @property
    def is_open(self) -> bool:
        return self._handle is not _ENDED

    # --- opening -----------------------------------------------------------------------------------------

    def open(self) -> bool:
        """Open what an earlier run left; false where there is nothing. Raises DiskError."""
        with worded("open", self.path):
            try:
                self._handle = files.Handle(files.open_plain(self.path))
            except FileNotFoundError:
                return False
        return True

    def is_strangers(self) -> bool:
        """Whether another user may have put it there. Raises DiskError."""
        with worded("open", self.path), self._handle as fd:
            return files.is_strangers(os.fstat(fd), self._folder)

    def make(self) -> None:
        """Make it anew, empty, in the place of what lies there. Raises TargetBusy, DiskError."""
        with worded("create", self.path):
            self._make_way()
            try:
                self._handle = files.Handle(files.create(self.path))
            except FileExistsError:
                raise self._busy() from None

    def _make_way(self) -> None:
        """A small file that another download stores under this name has no journal, and is locked itself
        (io/settling.py). Raises TargetBusy, OSError."""
        try:
            fd = files.open_plain(self.path)
        except FileNotFoundError:
            return
        except OSError:  # no ordinary file, or not ours to open: what removing it says, counts
            files.remove(self.path)
            return
        try:
            with contextlib.suppress(OSError):  # a file system without locks
                if not files.try_lock(fd):
                    raise self._busy()
            if sys.platform != "win32":
                files.remove(self.path)
        finally:
            os.close(fd)
        files.remove(self.path)

    def _busy(self) -> TargetBusy:
        return TargetBusy(f"another fastdl is downloading to {files.shown(self._target)}")

    def prepare(self, size: int | None) -> None:
        """Make room for `size` bytes, and ready to write. Raises NoSpace with the bytes needed and free."""
        with worded("write", self.path), self._handle as fd:
            allocated = size is not None and disk.preallocate(fd, size, self.path)
            self._writer = open_writer(fd, size, allocated, self._kind, durable=self._durable)
            self.unmapped = why_not_mapped(size, allocated) if self._kind == "mmap" else ""

    # --- working -----------------------------------------------------------------------------------------

    def write(self, offset: int, view: memoryview) -> None:
        """Put bytes at their offset."""
        try:
            with self._handle as fd:
                (self._writer or PositionalWriter(fd)).write(offset, view)
        except OSError as error:
            raise disk.disk_error(error, "write", self.path) from error

    @property
    def splices(self) -> bool:
        """Whether `take` is the quickest way to the file."""
        return self._writer is not None and self._writer.splices

    def take(self, offset: int, pipe: Pipe) -> None:
        """As `write`, with all that a pipe holds."""
        try:
            with self._handle as fd:
                (self._writer or PositionalWriter(fd)).take(offset, pipe)
        except OSError as error:
            raise disk.disk_error(error, "write", self.path) from error

    def read_into(self, offset: int, view: memoryview) -> int:
        """Read what was written; how many bytes, 0 at the end of the file."""
        with worded("read", self.path), self._handle as fd:
            return disk.read_into(fd, offset, view)

    def state(self) -> os.stat_result:
        """What the system says of it."""
        with worded("read", self.path), self._handle as fd:
            return os.fstat(fd)

    def flush(self, *, name: bool) -> None:
        """Bring what was written to the device. `name`: the folder's entry too, without which the data is lost all
        the same."""
        with worded("flush", self.path), self._handle as fd:
            if self._writer is not None:
                self._writer.flush()
            disk.flush_data(fd)
            if name:
                disk.flush_folder(self._folder)

    # --- ending ------------------------------------------------------------------------------------------

    def trim(self, size: int) -> None:
        """Nothing more is written: `size` bytes stay. Raises DiskError where there are fewer, or where the name leads
        to another file by now."""
        self._close_writer()
        with worded("rename", self.path), self._handle as fd:
            state = os.fstat(fd)
            if not files.still_names(self.path, fd):
                os.lstat(self.path)  # if it is gone altogether, this says so
                raise DiskError(f"cannot rename {files.shown(self.path)}", "another file has taken its place")
            if state.st_size > size:
                disk.truncate(fd, size)
            elif state.st_size < size:
                raise DiskError(f"cannot rename {files.shown(self.path)}", "it is shorter than the download")

    def set_time(self, mtime: float) -> None:
        """Seconds since the epoch. A time that the file system does not take is passed over: the bytes are right all
        the same."""
        with contextlib.suppress(OSError, OverflowError, ValueError):
            os.utime(self.path, (mtime, mtime))

    @phases.timed("rename")
    def rename(self, target: str, *, replace: bool, durable: bool) -> None:
        """Give it its name, in the same folder. Raises TargetExists where that is taken and `replace` is false."""
        with worded("rename to", target):
            try:
                files.rename(self.path, target, replace=replace, durable=durable)
            except FileExistsError as error:
                raise TargetExists(f"{files.shown(target)} exists already") from error
        if durable:
            with worded("flush", self._folder):
                disk.flush_folder(self._folder)

    def remove(self) -> None:
        """Close it and take it away."""
        with worded("remove", self.path):
            self.close()
            files.remove(self.path)

    def close(self) -> None:
        """Network file systems report a full disk here: DiskError. It does no harm when called again."""
        handle, self._handle = self._handle, _ENDED
        try:
            self._close_writer()
        finally:
            with worded("write", self.path):
                handle.close()

    def _close_writer(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            with worded("write", self.path):
                writer.close()


_ENDED = files.Handle(-1)
_ENDED.closed = True


@contextlib.contextmanager
def worded(doing: str, path: str) -> Iterator[None]:
    """OSErrors inside become leaves of the error tree; `doing` is a verb."""
    try:
        yield
    except OSError as error:
        raise disk.disk_error(error, doing, path) from error
