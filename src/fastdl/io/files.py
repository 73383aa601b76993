"""Names on disk: opening without being led elsewhere, locking, renaming without clobbering.

A download may run in a folder that others can write to (a shared /tmp). So a symbolic link is not followed, a second
hard link and a device are refused, and no child process inherits a descriptor. Every path that fastdl opens has gone
through `long_path` before. Functions raise OSError.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import ntpath
import os
import stat
import sys
import threading
from collections.abc import Callable

from fastdl.core.hints import TypeVar

if sys.platform == "win32":
    from fastdl.io import windows

_Result = TypeVar("_Result")

_SAFELY = (
    getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_NONBLOCK", 0)  # a FIFO must not hold us up
    | getattr(os, "O_NOINHERIT", 0)
    | getattr(os, "O_BINARY", 0)
)
_LONG = 240  # MAX_PATH is 260 with the folder's own reserve of 12


class Handle:
    """An open file that several threads use and any may close. The descriptor is closed when its last user has left:
    a straggler never reads from or writes to another file that has got the same number meanwhile.

        with handle as fd:  # OSError (EBADF) once it is closed
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._users = 1  # the owner
        self._lock = threading.Lock()
        self.closed = False

    def __enter__(self) -> int:
        with self._lock:
            if self.closed:
                raise OSError(errno.EBADF, "the download has ended")
            self._users += 1
        return self._fd

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._leave()

    def close(self) -> None:
        """Let nobody in any more. Raises OSError where the system reports a write that failed late (NFS)."""
        with self._lock:
            if self.closed:
                return
            self.closed = True
        self._leave()

    def _leave(self) -> None:
        with self._lock:
            self._users -= 1
            last = self._users == 0
        if last:
            os.close(self._fd)


def long_path(path: str, *, windows: bool = sys.platform == "win32") -> str:
    """The absolute path; on Windows with the prefix that lifts the limit of 260 characters where it comes near it."""
    if not windows:
        return os.path.abspath(path)
    if path.startswith("\\\\?\\"):
        return path
    path = ntpath.abspath(path)
    if len(path) < _LONG:
        return path
    return "\\\\?\\UNC\\" + path[2:] if path.startswith("\\\\") else "\\\\?\\" + path


def not_a_file(path: str, *, windows: bool = sys.platform == "win32") -> str:
    """Why Windows would make no file of this name, without saying so: "aux.txt" is a device of older versions, "a:b" in
    a folder a stream of the file "a", "a." the file "a". "" where it would, and on other systems."""
    if windows and ":" in ntpath.splitdrive(path)[1]:
        return "Windows takes what follows the ':' for a stream of another file"
    if windows and ntpath.abspath(path).startswith("\\\\.\\"):
        return "Windows takes this name for a device"
    if windows and not path.startswith("\\\\?\\") and ntpath.basename(path).endswith((".", " ")):
        return "Windows takes no dot or blank at the end of a name"
    return ""


def is_writable(path: str) -> bool:
    """Whether the system's encoding of names can write it at all."""
    try:
        return b"\0" not in os.fsencode(path)
    except UnicodeEncodeError:
        return False


def shown(path: str) -> str:
    """The path as the user knows it."""
    if path.startswith("\\\\?\\UNC\\"):
        return "\\\\" + path[8:]
    return path.removeprefix("\\\\?\\")


def create(path: str) -> int:
    """A new empty file, readable by others as the umask has it. FileExistsError where anything has the name."""
    return patiently(lambda: os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | _SAFELY, 0o666))


def open_plain(path: str) -> int:
    """An existing ordinary file for reading and writing; OSError with ELOOP for a symbolic link, ENXIO for a device
    or a pipe, EMLINK for a file that has a second name (it is somebody else's too)."""
    if not hasattr(os, "O_NOFOLLOW") and os.path.islink(path):
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
    fd = patiently(lambda: os.open(path, os.O_RDWR | _SAFELY))
    state = os.fstat(fd)
    if stat.S_ISREG(state.st_mode) and state.st_nlink <= 1:
        return fd
    os.close(fd)
    number = errno.EMLINK if stat.S_ISREG(state.st_mode) else errno.ENXIO
    raise OSError(number, os.strerror(number), path)


def identity(state: os.stat_result) -> str:
    """Which file this is, whatever its name: device and number."""
    return f"{state.st_dev}:{state.st_ino}"


def still_names(path: str, fd: int) -> bool:
    """Whether the path names the open file. (On Windows no open file can be removed or replaced.)"""
    if sys.platform == "win32":
        return True
    try:
        return os.path.samestat(os.lstat(path), os.fstat(fd))
    except FileNotFoundError:
        return False


def is_strangers(state: os.stat_result, folder: str) -> bool:
    """Whether another user may have put this file there for us to find: it is not ours, and everybody may write to
    the folder. (The owner alone says little: some network file systems show one owner for all.)"""
    if sys.platform == "win32":
        return False
    return state.st_uid != os.geteuid() and bool(os.stat(folder).st_mode & stat.S_IWOTH)


def remove(path: str) -> None:
    """Remove a file; one that is gone already is no error."""
    with contextlib.suppress(FileNotFoundError):
        patiently(lambda: os.unlink(path))


if sys.platform == "win32":

    def patiently(action: Callable[[], _Result], seconds: float = windows.PATIENCE) -> _Result:
        """Run it, again for some seconds where a virus scanner holds the file."""
        return windows.patiently(action, seconds)

    def try_lock(fd: int) -> bool:
        """Take the file's exclusive lock at once; False where another holder has it, in this process too."""
        return windows.try_lock(fd)

    def unlock(fd: int) -> None:
        """Give the lock back before the file is closed."""
        windows.unlock(fd)

    def rename(source: str, target: str, *, replace: bool, durable: bool) -> None:
        """One atomic rename; FileExistsError where `target` exists and `replace` is false. `durable`: it is on the
        device when this returns."""
        windows.patiently(lambda: windows.move(source, target, replace=replace, durable=durable))

else:

    def patiently(action: Callable[[], _Result], seconds: float = 0.0) -> _Result:
        """Run it (Windows waits for virus scanners here)."""
        return action()

    def try_lock(fd: int) -> bool:
        """Take the file's exclusive lock at once; False where another holder has it, in this process too. A file
        system without locks raises OSError."""
        import fcntl

        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def unlock(fd: int) -> None:
        """Give the lock back before the file is closed."""
        import fcntl

        fcntl.flock(fd, fcntl.LOCK_UN)

    def rename(source: str, target: str, *, replace: bool, durable: bool) -> None:
        """One atomic rename; FileExistsError where `target` exists and `replace` is false. To be on the device it
        needs `flush_folder` afterwards."""
        if replace:
            os.rename(source, target)
            return
        for way in (_rename_exclusively, _link_and_unlink):
            if way(source, target):
                return
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target)
        os.rename(source, target)

    @functools.cache  # a run may rename very many files
    def _special_rename() -> tuple[Callable[[bytes, bytes], int] | None, Callable[[], int]]:
        """The system's call (old, new) that does not replace, None where it has none; and who tells its error."""
        import ctypes

        libc = ctypes.CDLL(None, use_errno=True)
        if sys.platform == "linux" and hasattr(libc, "renameat2"):
            at_fdcwd, noreplace = -100, ctypes.c_uint(1)
            linux = libc.renameat2
            return lambda old, new: int(linux(at_fdcwd, old, at_fdcwd, new, noreplace)), ctypes.get_errno
        if sys.platform == "darwin" and hasattr(libc, "renamex_np"):
            excl = ctypes.c_uint(4)
            macos = libc.renamex_np
            return lambda old, new: int(macos(old, new, excl)), ctypes.get_errno
        return None, ctypes.get_errno

    def _rename_exclusively(source: str, target: str) -> bool:
        """renameat2(2) with RENAME_NOREPLACE, renamex_np(2) with RENAME_EXCL; False where system or file system have
        no such call."""
        call, get_errno = _special_rename()
        if call is None:
            return False
        if not call(os.fsencode(source), os.fsencode(target)):
            return True
        number = get_errno()
        if number in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP):
            return False
        raise OSError(number, os.strerror(number), target)

    def _link_and_unlink(source: str, target: str) -> bool:
        """A second name, then the first one away: as atomic for the target. A kill in between leaves both names,
        which Partial.open recognises. False where the file system has no hard links."""
        try:
            os.link(source, target, follow_symlinks=False)
        except FileExistsError:
            raise
        except (OSError, NotImplementedError):
            return False
        os.unlink(source)
        return True
