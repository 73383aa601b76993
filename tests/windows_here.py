"""A Windows of paper: enough of it to run the Windows branches of the disk code on POSIX.

`install()` makes Python say that it is on Windows and puts a kernel32 under it that works on POSIX descriptors, as
strict as the real one where it matters: no file that is open can be removed, renamed or replaced, rename fails as
MoveFileEx does, locks belong to handles, the C runtime's ftruncate is not to be used. What it cannot show is whether
Windows really has these calls in this form; the tests on a real one do that.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import sys
import types
from ctypes import wintypes
from typing import Any

_ABSENT = ("pwrite", "pread", "preadv", "pwritev", "fdatasync", "geteuid", "statvfs", "O_NOFOLLOW", "O_CLOEXEC")
_REAL = types.SimpleNamespace(
    **{name: getattr(os, name) for name in (*_ABSENT, "ftruncate", "unlink", "rename") if hasattr(os, name)}
)
_last = 0
calls: list[str] = []


class _WindowsError(OSError):
    """OSError with `winerror`, which only Windows has."""

    winerror: int | None = None


_KIND = {2: FileNotFoundError, 3: FileNotFoundError, 5: PermissionError, 32: PermissionError, 183: FileExistsError}
_ERRNO = {2: errno.ENOENT, 3: errno.ENOENT, 5: errno.EACCES, 32: errno.EACCES, 112: errno.ENOSPC, 183: errno.EEXIST}


def error(number: int) -> OSError:
    """What ctypes.WinError makes."""
    kind = _KIND.get(number, OSError)
    made = type(kind.__name__, (kind,), {"winerror": number})(_ERRNO.get(number, errno.EINVAL), f"error {number}")
    assert isinstance(made, OSError)
    return made


def is_open(path: str) -> bool:
    """Whether this process has the file open."""
    try:
        wanted = os.stat(path)
    except FileNotFoundError:
        return False
    for name in os.listdir("/proc/self/fd"):
        try:
            if os.path.samestat(os.fstat(int(name)), wanted):
                return True
        except OSError:
            continue
    return False


class _Call:
    """A function that takes `argtypes` and checks the number of its arguments against them."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.argtypes: tuple[Any, ...] | None = None
        self.restype: Any = None

    def __call__(self, *arguments: Any) -> int:
        global _last
        assert self.argtypes is not None and len(arguments) == len(self.argtypes), self.name
        converted = [kind.from_param(value) for kind, value in zip(self.argtypes, arguments, strict=True)]
        assert len(converted) == len(arguments)
        calls.append(self.name)
        _last = _DO[self.name](*(getattr(value, "_obj", value) for value in arguments))
        if self.name == "GetCompressedFileSizeW":
            return 0xFFFFFFFF if _last else _size
        return 0 if _last else 1


_size = 0


def _offset(place: Any) -> int:
    return int(place.offset) | int(place.offset_high) << 32


def _write_file(handle: int, buffer: Any, count: int, done: Any, place: Any) -> int:
    if _offset(place) > 1 << 40:
        return 112
    done.value = _REAL.pwrite(handle, bytes(buffer)[:count], _offset(place))
    return 0


def _read_file(handle: int, buffer: Any, count: int, done: Any, place: Any) -> int:
    data = _REAL.pread(handle, count, _offset(place))
    ctypes.memmove(buffer, data, len(data))
    done.value = len(data)
    return 0 if data else 38


def _control(handle: int, code: int, *_: Any) -> int:
    assert code == 0x900C4
    return 0


def _set_information(handle: int, kind: int, end: Any, length: int) -> int:
    assert (kind, length) == (6, 8)
    _REAL.ftruncate(handle, end.value)
    return 0


def _lock(handle: int, flags: int, reserved: int, low: int, high: int, place: Any) -> int:
    assert (flags, reserved, low, high, _offset(place)) == (3, 0, 1, 0, 1 << 62)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return 33
    return 0


def _unlock(handle: int, reserved: int, low: int, high: int, place: Any) -> int:
    assert (reserved, low, high, _offset(place)) == (0, 1, 0, 1 << 62)
    fcntl.flock(handle, fcntl.LOCK_UN)
    return 0


def _compressed_size(path: str, high: Any) -> int:
    global _size
    held = os.stat(path).st_blocks * 512
    high.value, _size = held >> 32, held & 0xFFFFFFFF
    return 0


def _move(source: str, target: str, flags: int) -> int:
    if not os.path.lexists(source):
        return 2
    if is_open(source) or is_open(target):
        return 32
    if os.path.lexists(target) and not flags & 1:
        return 183
    if os.path.isdir(target):
        return 5
    _REAL.rename(source, target)
    return 0


_DO = {
    "WriteFile": _write_file,
    "ReadFile": _read_file,
    "DeviceIoControl": _control,
    "SetFileInformationByHandle": _set_information,
    "LockFileEx": _lock,
    "UnlockFileEx": _unlock,
    "GetCompressedFileSizeW": _compressed_size,
    "MoveFileExW": _move,
}


def _unlink(path: str) -> None:
    if is_open(path):
        raise error(32)
    _REAL.unlink(path)


def _refuse(*_: Any, **__: Any) -> Any:
    raise AssertionError("not a call that Windows has, or not one to use there")


def install() -> None:
    """Be Windows from here on. What the standard library does at import time is done before."""
    for name in ("mmap", "numpy", "psutil", "shutil", "tempfile", "subprocess", "uuid", "hashlib", "random", "json"):
        __import__(name)
    kernel32 = types.SimpleNamespace(**{name: _Call(name) for name in _DO})
    msvcrt = types.ModuleType("msvcrt")
    msvcrt.get_osfhandle = lambda fd: fd  # type: ignore[attr-defined]
    sys.modules["msvcrt"] = msvcrt
    assert wintypes.DWORD
    ctypes.WinDLL = lambda *_, **__: kernel32  # type: ignore[attr-defined]
    ctypes.WinError = error  # type: ignore[attr-defined]
    ctypes.get_last_error = lambda: _last  # type: ignore[attr-defined]
    sys.platform = "win32"
    os.unlink = _unlink
    os.ftruncate = os.rename = os.link = _refuse
    for name in (*_ABSENT, "O_NONBLOCK", "O_NOCTTY", "O_DIRECTORY"):
        delattr(os, name)
    shutil = sys.modules["shutil"]
    shutil.disk_usage = lambda path: types.SimpleNamespace(free=_free(path))  # type: ignore[attr-defined]


def _free(path: str) -> int:
    state = _REAL.statvfs(path)
    return int(state.f_bavail * state.f_frsize)
