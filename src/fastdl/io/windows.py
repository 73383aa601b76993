"""Windows twins of the POSIX calls that Python lacks there: writing at an offset, sparse files, locks, renames.

Imported on Windows only. What the C runtime offers is not enough: its chsize fills with zeros, its rename neither
waits for virus scanners nor goes through to the device. Errors are OSErrors with `winerror` set.
"""

from __future__ import annotations

import sys

if sys.platform == "win32":
    import ctypes
    import msvcrt
    import time
    from collections.abc import Callable
    from ctypes import wintypes

    from fastdl.core.hints import Any, TypeVar

    _Result = TypeVar("_Result")

    _FSCTL_SET_SPARSE = 0x000900C4
    _FILE_END_OF_FILE_INFO = 6
    _MOVEFILE_REPLACE_EXISTING = 0x1
    _MOVEFILE_WRITE_THROUGH = 0x8
    _ERROR_HANDLE_EOF = 38
    _PASSING = frozenset({5, 32, 33})  # access denied, sharing violation, lock violation: a scanner has it open
    PATIENCE = 3.0  # seconds
    _EXCLUSIVE, _AT_ONCE = 0x2, 0x1
    _ERROR_LOCK_VIOLATION, _ERROR_IO_PENDING = 33, 997
    _LOCK_AT = 1 << 62  # far beyond any journal: locked bytes can be read by nobody else there
    _MOST = 1 << 30  # bytes in one call

    class _Overlapped(ctypes.Structure):
        _fields_ = (
            ("internal", ctypes.c_size_t),
            ("internal_high", ctypes.c_size_t),
            ("offset", wintypes.DWORD),
            ("offset_high", wintypes.DWORD),
            ("event", wintypes.HANDLE),
        )

    def _load() -> Any:
        """kernel32 with the types of the calls that are used here; handles are pointers, not ints."""
        kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
        dword, handle, pointer = wintypes.DWORD, wintypes.HANDLE, ctypes.c_void_p
        transfer = (handle, pointer, dword, ctypes.POINTER(dword), ctypes.POINTER(_Overlapped))
        kernel32.WriteFile.argtypes = transfer
        kernel32.ReadFile.argtypes = transfer
        kernel32.DeviceIoControl.argtypes = (
            *(handle, dword, pointer, dword, pointer, dword),
            *(ctypes.POINTER(dword), pointer),
        )
        kernel32.SetFileInformationByHandle.argtypes = (handle, ctypes.c_int, pointer, dword)
        kernel32.MoveFileExW.argtypes = (wintypes.LPCWSTR, wintypes.LPCWSTR, dword)
        kernel32.LockFileEx.argtypes = (handle, dword, dword, dword, dword, ctypes.POINTER(_Overlapped))
        kernel32.UnlockFileEx.argtypes = (handle, dword, dword, dword, ctypes.POINTER(_Overlapped))
        kernel32.GetCompressedFileSizeW.argtypes = (wintypes.LPCWSTR, ctypes.POINTER(dword))
        kernel32.GetCompressedFileSizeW.restype = dword
        return kernel32

    _kernel32 = _load()

    def _failed() -> OSError:
        return ctypes.WinError(ctypes.get_last_error())

    def _place(offset: int) -> _Overlapped:
        return _Overlapped(offset=offset & 0xFFFFFFFF, offset_high=offset >> 32)

    def _transfer(call: Any, fd: int, buffer: Any, count: int, offset: int) -> int:
        """WriteFile or ReadFile at an offset of 64 bits, which the call takes in two halves."""
        done = wintypes.DWORD()
        if call(msvcrt.get_osfhandle(fd), buffer, count, ctypes.byref(done), ctypes.byref(_place(offset))):
            return done.value
        if ctypes.get_last_error() == _ERROR_HANDLE_EOF:
            return 0
        raise _failed()

    def write_at(fd: int, offset: int, data: memoryview) -> int:
        """pwrite(2): the number of bytes written at `offset`; the file's own position does not matter."""
        count = min(len(data), _MOST)
        kind = ctypes.c_char * count
        buffer = kind.from_buffer_copy(data[:count]) if data.readonly else kind.from_buffer(data)
        return _transfer(_kernel32.WriteFile, fd, buffer, count, offset)

    def read_at(fd: int, offset: int, view: memoryview) -> int:
        """preadv(2) into one buffer: the number of bytes read, 0 at the end of the file."""
        count = min(len(view), _MOST)
        return _transfer(_kernel32.ReadFile, fd, (ctypes.c_char * count).from_buffer(view), count, offset)

    def make_sparse(fd: int) -> bool:
        """Let the file have holes; False where the file system (FAT) knows none."""
        done = wintypes.DWORD()
        handle = msvcrt.get_osfhandle(fd)
        return bool(_kernel32.DeviceIoControl(handle, _FSCTL_SET_SPARSE, None, 0, None, 0, ctypes.byref(done), None))

    def set_end(fd: int, size: int) -> None:
        """ftruncate(2) that writes nothing."""
        end = ctypes.c_int64(size)
        handle = msvcrt.get_osfhandle(fd)
        if not _kernel32.SetFileInformationByHandle(handle, _FILE_END_OF_FILE_INFO, ctypes.byref(end), 8):
            raise _failed()

    def held_bytes(path: str) -> int:
        """What the file takes on the disk, holes left out."""
        high = wintypes.DWORD()
        low: int = _kernel32.GetCompressedFileSizeW(path, ctypes.byref(high))
        if low == 0xFFFFFFFF and ctypes.get_last_error():
            raise _failed()
        return high.value << 32 | low

    def try_lock(fd: int) -> bool:
        """Take the exclusive lock of the file, at once or not at all; it ends with the fd."""
        place = ctypes.byref(_place(_LOCK_AT))
        if _kernel32.LockFileEx(msvcrt.get_osfhandle(fd), _EXCLUSIVE | _AT_ONCE, 0, 1, 0, place):
            return True
        if ctypes.get_last_error() in (_ERROR_LOCK_VIOLATION, _ERROR_IO_PENDING):
            return False
        raise _failed()

    def unlock(fd: int) -> None:
        """Give the lock back."""
        if not _kernel32.UnlockFileEx(msvcrt.get_osfhandle(fd), 0, 1, 0, ctypes.byref(_place(_LOCK_AT))):
            raise _failed()

    def move(source: str, target: str, *, replace: bool, durable: bool) -> None:
        """One rename; FileExistsError where `target` exists and `replace` is false."""
        flags = (_MOVEFILE_REPLACE_EXISTING if replace else 0) | (_MOVEFILE_WRITE_THROUGH if durable else 0)
        if not _kernel32.MoveFileExW(source, target, flags):
            raise _failed()

    def patiently(action: Callable[[], _Result], seconds: float = PATIENCE) -> _Result:
        """Do it again for some seconds while a virus scanner or an indexer holds the file open."""
        until = time.monotonic() + seconds
        while True:
            try:
                return action()
            except OSError as error:
                if getattr(error, "winerror", None) not in _PASSING or time.monotonic() > until:
                    raise
                time.sleep(0.05)
