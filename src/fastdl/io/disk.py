"""The data file: room for it, bytes at an offset, flushing, and the operating system's refusals in plain words.

Room is reserved without writing a single zero. Functions on file descriptors raise OSError; `disk_error` turns it
into the leaf of the error tree, at the place that knows the path and what was being done.
"""

from __future__ import annotations

import errno
import functools
import os
import sys

from fastdl.core.hints import TYPE_CHECKING
from fastdl.errors import BadName, DiskError, NoPermission, NoSpace
from fastdl.io.files import shown

if TYPE_CHECKING:
    import ctypes

if sys.platform == "win32":
    from fastdl.io import windows

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
    3: (DiskError, "there is no such folder or drive"),  # ERROR_PATH_NOT_FOUND
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
    return leaf(f"cannot {doing} {shown(path)}", why)


# --- room ------------------------------------------------------------------------------------------------


RESERVED = 4 * 1024 * 1024
"""Bytes from which on blocks are reserved: below, loading the C library's function costs more than it saves."""


def preallocate(fd: int, size: int, path: str) -> bool:
    """Make the file `size` bytes long (or leave it longer) and reserve its blocks, in no time whatever the size:
    nothing is written. True where the blocks are really reserved; False where the file has holes, and free space was
    only looked up. Raises NoSpace with the bytes needed and free, or another DiskError."""
    try:
        state = os.fstat(fd)
        _check_free(size - _held(state, path), path)
        if size >= RESERVED and _reserve(fd, size, state.st_size):
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
            import shutil

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
    return NoSpace(f"no room for {shown(path)}", f"{max(needed, 0):,} bytes are needed{known}")


def truncate(fd: int, size: int) -> None:
    """Cut the file. Raises OSError."""
    if sys.platform == "win32":
        windows.set_end(fd, size)
    else:
        os.ftruncate(fd, size)


if sys.platform == "linux":

    @functools.cache
    def _libc() -> ctypes.CDLL:
        import ctypes

        libc = ctypes.CDLL(None, use_errno=True)
        libc.sync_file_range.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
        return libc

    def begin_flush(fd: int) -> None:
        """Let the device begin to take what was written so far; nothing is waited for, and nothing promised. With
        delayed allocation (ext4) a file's blocks are only chosen now: done for many files before the first of them is
        flushed, one commit of the file system's journal serves them all."""
        import contextlib

        sync_file_range_write = 2
        with contextlib.suppress(AttributeError):  # a C library without it
            _libc().sync_file_range(fd, 0, 0, sync_file_range_write)

    def _reserve(fd: int, size: int, _now: int) -> bool:
        """fallocate(2), not posix_fallocate: where the file system cannot, glibc's would write zeros. On ext4 it saves
        a third of the writing time. Not on a memory disk: there it takes 0.24 s a GiB (pages, not extents), and both
        together are slower than writing into holes."""
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


if sys.platform != "linux":

    def begin_flush(fd: int) -> None:
        """Nothing: only Linux takes such a hint."""


# --- write-back ------------------------------------------------------------------------------------------

if sys.platform == "linux":

    def write_back(fd: int, start: int, length: int) -> bool:
        """Have the system begin to bring these bytes to the device, and do not wait for it (sync_file_range(2)): no
        promise of anything, but the flush at the end then finds little left to do. False where there is no such
        call."""
        import ctypes

        try:
            call = ctypes.CDLL(None).sync_file_range
        except (OSError, AttributeError):
            return False
        call.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
        write = 2  # SYNC_FILE_RANGE_WRITE
        return bool(call(fd, start, length, write) == 0)

else:

    def write_back(fd: int, start: int, length: int) -> bool:
        """False: macOS and Windows have calls that wait for the device, and none that only begins."""
        return False


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
