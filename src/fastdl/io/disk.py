"""The data file: room for it, bytes at their offsets, and the operating system's refusals in plain words.

Room is reserved without writing a single zero. Two writers share one interface. Positional writes are the usual way;
mapped windows are for where blocks are really reserved, because a store into a hole of a full disk is no error that
a program could catch: it is SIGBUS.

Nothing here knows of journals. Functions on file descriptors raise OSError; `disk_error` turns it into the leaf of
the error tree, at the place that knows the path and what was being done.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sys
import threading
from collections import OrderedDict
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal, Protocol

from fastdl.errors import BadName, DiskError, NoPermission, NoSpace
from fastdl.io.files import shown

if sys.platform == "win32":
    from fastdl.io import windows

if TYPE_CHECKING:
    import mmap

WINDOW = 2 << 20
"""Bytes of one mapped window: a multiple of every system's allocation granularity."""
WINDOWS = 8
"""Windows that stay mapped at once, so that a writer's share of the memory is bounded."""

Kind = Literal["auto", "mmap", "positional"]


# --- errors ----------------------------------------------------------------------------------------------

_FULL = "the disk is full"
_NAMES = "the file system does not take this name"
_WHY: dict[int, tuple[type[DiskError], str]] = {
    errno.ENOSPC: (NoSpace, _FULL),
    getattr(errno, "EDQUOT", -1): (NoSpace, "the quota is used up"),
    errno.EFBIG: (NoSpace, "the file system or a limit does not allow a file this large"),
    errno.EACCES: (NoPermission, "permission denied"),
    errno.EPERM: (NoPermission, "not permitted"),
    errno.EROFS: (NoPermission, "the file system is read-only"),
    errno.ENAMETOOLONG: (BadName, "the name is too long for the file system"),
    errno.EILSEQ: (BadName, _NAMES),
    errno.EISDIR: (BadName, "a folder has this name"),
    errno.ENOTDIR: (BadName, "a part of the path is not a folder"),
    errno.ELOOP: (DiskError, "a symbolic link stands there, and it is not followed"),
    errno.ENOENT: (DiskError, "the folder or the file is gone"),
    errno.EMLINK: (DiskError, "it has a second name elsewhere (a hard link)"),
    errno.ENXIO: (DiskError, "it is not an ordinary file"),
    errno.EIO: (DiskError, "the device reports an input/output error"),
    errno.EMFILE: (DiskError, "too many files are open"),
    errno.ENFILE: (DiskError, "too many files are open"),
    getattr(errno, "ESTALE", -2): (DiskError, "the network file system lost the file"),
}
_WHY_WINDOWS: dict[int, tuple[type[DiskError], str]] = {
    112: (NoSpace, _FULL),  # ERROR_DISK_FULL
    39: (NoSpace, _FULL),  # ERROR_HANDLE_DISK_FULL
    1295: (NoSpace, "the quota is used up"),  # ERROR_DISK_QUOTA_EXCEEDED
    223: (NoSpace, "the file system does not allow a file this large"),  # ERROR_FILE_TOO_LARGE
    5: (NoPermission, "permission denied"),  # ERROR_ACCESS_DENIED
    19: (NoPermission, "the medium is write-protected"),  # ERROR_WRITE_PROTECT
    32: (DiskError, "another program has the file open"),  # ERROR_SHARING_VIOLATION
    33: (DiskError, "another program has locked the file"),  # ERROR_LOCK_VIOLATION
    123: (BadName, _NAMES),  # ERROR_INVALID_NAME
    161: (BadName, _NAMES),  # ERROR_BAD_PATHNAME
    206: (BadName, "the name is too long for the file system"),  # ERROR_FILENAME_EXCED_RANGE
    267: (BadName, "a part of the path is not a folder"),  # ERROR_DIRECTORY
    2: (DiskError, "the folder or the file is gone"),  # ERROR_FILE_NOT_FOUND
    3: (DiskError, "the folder or the file is gone"),  # ERROR_PATH_NOT_FOUND
    21: (DiskError, "the device is not ready"),  # ERROR_NOT_READY
    23: (DiskError, "the device reports an input/output error"),  # ERROR_CRC
    1117: (DiskError, "the device reports an input/output error"),  # ERROR_IO_DEVICE
}


def disk_error(error: OSError, doing: str, path: str) -> DiskError:
    """The leaf for an OSError: `doing` is a verb ("write", "create"), `path` what it was done to."""
    unknown = (DiskError, (error.strerror or type(error).__name__).lower())
    number = getattr(error, "winerror", None)
    leaf, why = _WHY_WINDOWS.get(number or 0) or _WHY.get(error.errno or 0, unknown)
    if error.errno == errno.EINVAL and doing.startswith(("create", "open", "rename")):
        leaf, why = BadName, _NAMES
    return leaf(f"Cannot {doing} {shown(path)}", why)


# --- room ------------------------------------------------------------------------------------------------


def preallocate(fd: int, size: int, path: str) -> bool:
    """Make the file `size` bytes long (or leave it longer) and reserve its blocks, in no time whatever the size:
    nothing is written. True where the blocks are really reserved; False where the file has holes, and free space was
    only looked up. Raises NoSpace with the bytes needed and free, or another DiskError."""
    try:
        state = os.fstat(fd)
        _check_free(size - _held(state, path), path)
        if size > 0 and _reserve(fd, size, state.st_size):
            return True
        if state.st_size < size:
            _extend(fd, size)
        return False
    except OSError as error:
        if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", -1)):
            raise _no_space(size, path) from error
        raise disk_error(error, "make room for", path) from error


def free_space(path: str) -> int | None:
    """Bytes that this user may still write in the folder of `path`; None where the file system does not tell."""
    folder = os.path.dirname(path) or "."
    try:
        if sys.platform == "win32":
            return shutil.disk_usage(folder).free
        state = os.statvfs(folder)
    except OSError:
        return None
    if state.f_blocks == 0:  # some FUSE file systems know no size
        return None
    return (state.f_bfree if os.geteuid() == 0 else state.f_bavail) * state.f_frsize


def _held(state: os.stat_result, path: str) -> int:
    """Bytes of the disk that the file has already."""
    if sys.platform == "win32":
        return windows.held_bytes(path)
    return state.st_blocks * 512


def _check_free(needed: int, path: str) -> None:
    """Refuse before anything is taken away from others: fallocate fills the disk and only then fails."""
    free = free_space(path)
    if free is not None and needed > free:
        raise _no_space(needed, path)


def _no_space(needed: int, path: str) -> NoSpace:
    free = free_space(path)
    known = "" if free is None else f", {free:,} are free"
    return NoSpace(f"No room for {shown(path)}", f"{max(needed, 0):,} bytes are needed{known}")


def truncate(fd: int, size: int) -> None:
    """Cut the file. Raises OSError."""
    if sys.platform == "win32":
        windows.set_end(fd, size)
    else:
        os.ftruncate(fd, size)


if sys.platform == "linux":

    def _reserve(fd: int, size: int, _now: int) -> bool:
        """fallocate(2), not posix_fallocate: where the file system cannot, glibc's would write zeros. Not on a memory
        disk: there it takes 0.24 s a GiB (pages, not extents) and the write is only as much faster as that."""
        if _is_memory(fd):
            return False
        import ctypes

        libc = ctypes.CDLL(None, use_errno=True)
        call = getattr(libc, "fallocate64", None) or getattr(libc, "fallocate", None)
        if call is None:
            return False
        call.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
        while call(fd, 0, 0, size) != 0:
            number = ctypes.get_errno()
            if number in (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.EPERM, errno.ENODEV):
                return False
            if number != errno.EINTR:
                raise OSError(number, os.strerror(number))
        return True

    def _is_memory(fd: int) -> bool:
        """Whether the file lies on tmpfs or ramfs. Only devices without a driver (major 0) can be one."""
        device = os.fstat(fd).st_dev
        if os.major(device) != 0:
            return False
        number = f"{os.major(device)}:{os.minor(device)}"
        try:
            with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as mounts:
                for line in mounts:
                    if line.split(" ", 3)[2] == number:
                        return line.partition(" - ")[2].split(" ", 1)[0] in ("tmpfs", "ramfs")
        except (OSError, IndexError):
            return False
        return False

    def _extend(fd: int, size: int) -> None:
        os.ftruncate(fd, size)

elif sys.platform == "darwin":

    def _reserve(fd: int, size: int, now: int) -> bool:
        """F_PREALLOCATE reserves behind the end of the file, ftruncate then takes it in."""
        import fcntl
        import struct

        if size <= now:
            return False
        f_preallocate, contiguous, everything, from_end = 42, 2, 4, 3
        for flags in (contiguous | everything, everything):
            try:
                fcntl.fcntl(fd, f_preallocate, struct.pack("=IiqqQ", flags, from_end, 0, size - now, 0))
            except OSError as error:
                refused = error
            else:
                os.ftruncate(fd, size)
                return now == 0
        if refused.errno in (errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOTTY):
            return False
        raise refused

    def _extend(fd: int, size: int) -> None:
        os.ftruncate(fd, size)

elif sys.platform == "win32":

    def _reserve(fd: int, size: int, _now: int) -> bool:
        """Nothing is reserved: a file without holes would be filled with zeros up to the highest offset written."""
        windows.make_sparse(fd)
        return False

    def _extend(fd: int, size: int) -> None:
        windows.set_end(fd, size)

else:

    def _reserve(fd: int, size: int, _now: int) -> bool:
        return False

    def _extend(fd: int, size: int) -> None:
        os.ftruncate(fd, size)


# --- writers ---------------------------------------------------------------------------------------------


class Writer(Protocol):
    """Puts bytes at their offset; safe from several threads at disjoint offsets. Raises OSError."""

    def write(self, offset: int, data: memoryview) -> None: ...

    def flush(self) -> None:
        """Hand everything to the system, so that `flush_data` reaches it."""

    def close(self) -> None: ...


def open_writer(fd: int, size: int | None, allocated: bool, kind: Kind = "auto") -> Writer:
    """The writer for a file of `size` bytes (None: unknown). Mapped windows only where the blocks are `allocated`,
    whatever was asked for: a hole on a full disk is SIGBUS. The caller keeps the fd and closes it after the writer.

    auto is positional writes. Measured on Linux, 1 GiB from 4 threads in blocks of 256 KiB, medians of 9 runs,
    mapped windows / pwrite: FIGURES
    """
    if kind == "mmap" and allocated and size:
        return MappedWriter(fd, size)
    return PositionalWriter(fd)


class PositionalWriter:
    """pwrite(2) and its Windows twin."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def write(self, offset: int, data: memoryview) -> None:
        while len(data):
            done = write_at(self._fd, offset, data)
            if done <= 0:  # no system should; it would be an endless loop
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            offset += done
            data = data[done:]

    def flush(self) -> None:
        return None

    def close(self) -> None:
        return None


class _Window:
    """One mapped piece of the file, seen as a numpy array of bytes."""

    __slots__ = ("array", "filled", "length", "map", "users")

    def __init__(self, mapped: mmap.mmap, array: Any, length: int) -> None:
        self.map = mapped
        self.array = array
        self.length = length
        self.filled = 0
        self.users = 0

    def release(self) -> None:
        self.array = None  # the map cannot be closed while an array looks into it
        with contextlib.suppress(BufferError):  # a thread is just writing into it: closed when that ends
            self.map.close()


class MappedWriter:
    """mmap windows over a file whose blocks are reserved, the least recently used given back: pages that were
    written leave this process's memory and stay the kernel's to write out. A window that is full is given back at
    once. Where a window cannot be mapped (a file system without mmap, no address space) bytes go the other way."""

    def __init__(self, fd: int, size: int, window: int = WINDOW, windows: int = WINDOWS) -> None:
        import numpy

        self._bytes = numpy.uint8
        self._look = numpy.frombuffer
        self._fd = fd
        self._size = size
        self._step = window
        self._most = windows
        self._open: OrderedDict[int, _Window] = OrderedDict()
        self._lock = threading.Lock()
        self._other = PositionalWriter(fd)

    def write(self, offset: int, data: memoryview) -> None:
        if offset < 0 or offset + len(data) > self._size:
            raise ValueError(f"outside of the mapped file: {offset}+{len(data)} of {self._size}")
        while len(data):
            index, inside = divmod(offset, self._step)
            count = min(len(data), self._step - inside)
            try:
                with self._window(index) as window:
                    window.array[inside : inside + count] = self._look(data[:count], dtype=self._bytes)
            except OSError:
                self._other.write(offset, data[:count])
            offset += count
            data = data[count:]
            self._count(index, count)

    def flush(self) -> None:
        """Linux and the BSDs keep mapped pages and the file one; elsewhere the open windows are handed over."""
        if sys.platform == "linux":
            return
        with self._lock:
            for window in self._open.values():
                window.map.flush()

    def close(self) -> None:
        with self._lock:
            for window in self._open.values():
                window.release()
            self._open.clear()

    @contextlib.contextmanager
    def _window(self, index: int) -> Iterator[_Window]:
        with self._lock:
            window = self._open.get(index) or self._map(index)
            self._open.move_to_end(index)
            window.users += 1
            self._give_back(self._most)
        try:
            yield window
        finally:
            with self._lock:
                window.users -= 1

    def _map(self, index: int) -> _Window:
        import mmap

        start = index * self._step
        length = min(self._step, self._size - start)
        mapped = mmap.mmap(self._fd, length, access=mmap.ACCESS_WRITE, offset=start)
        window = _Window(mapped, self._look(mapped, dtype=self._bytes), length)
        self._open[index] = window
        return window

    def _give_back(self, most: int) -> None:
        """Close what was used longest ago until `most` are open; windows in use stay (under the lock)."""
        surplus = len(self._open) - most
        for index in [i for i, window in self._open.items() if not window.users][: max(surplus, 0)]:
            self._open.pop(index).release()

    def _count(self, index: int, count: int) -> None:
        with self._lock:
            window = self._open.get(index)
            if window is None:
                return
            window.filled += count
            if window.filled >= window.length and not window.users:
                self._open.pop(index).release()


# --- bytes at an offset, and flushing --------------------------------------------------------------------

if sys.platform == "win32":

    def write_at(fd: int, offset: int, data: memoryview) -> int:
        """Write some of `data` at `offset`; how many bytes. Raises OSError."""
        return windows.write_at(fd, offset, data)

    def read_into(fd: int, offset: int, view: memoryview) -> int:
        """Fill `view` from `offset` on; how many bytes, 0 at the end of the file. Raises OSError."""
        return windows.read_at(fd, offset, view)

    def flush_data(fd: int) -> None:
        """Everything written so far is on the device when this returns. Raises OSError."""
        os.fsync(fd)  # FlushFileBuffers

    def flush_folder(path: str) -> None:
        """Nothing to do: a rename that must last is asked for as such (MOVEFILE_WRITE_THROUGH)."""

else:

    def write_at(fd: int, offset: int, data: memoryview) -> int:
        """Write some of `data` at `offset`; how many bytes. Raises OSError."""
        return os.pwrite(fd, data, offset)

    def read_into(fd: int, offset: int, view: memoryview) -> int:
        """Fill `view` from `offset` on; how many bytes, 0 at the end of the file. Raises OSError."""
        if hasattr(os, "preadv"):
            return os.preadv(fd, [view], offset)
        data = os.pread(fd, len(view), offset)
        view[: len(data)] = data
        return len(data)

    def flush_data(fd: int) -> None:
        """Everything written so far is on the device when this returns. Raises OSError."""
        if sys.platform == "darwin":
            import fcntl

            try:  # fsync reaches the drive's cache only
                fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
            except OSError as error:
                if error.errno not in (errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOTTY):
                    raise
                os.fsync(fd)
        elif hasattr(os, "fdatasync"):
            os.fdatasync(fd)
        else:
            os.fsync(fd)

    def flush_folder(path: str) -> None:
        """The folder's entries are on the device when this returns; a file system that knows no such thing, or a
        folder that may not be read, is passed over. Raises OSError on a failing device."""
        try:
            fd = os.open(path, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
        except PermissionError:
            return
        try:
            os.fsync(fd)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EACCES, errno.EBADF):
                raise
        finally:
            os.close(fd)
