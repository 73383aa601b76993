"""A lock that is a file of its own, for what is replaced while it is held. Nothing is left of it afterwards."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator

from fastdl.io import files

_LOOK = 0.02  # seconds between two looks at it


@contextlib.contextmanager
def held(name: str, patience: float) -> Iterator[None]:
    """While it lasts, no other process holds the lock file `name`. Raises TimeoutError where another one did for
    `patience` seconds, OSError where the file cannot be made."""
    fd = _take(name, time.monotonic() + patience)
    try:
        yield
    finally:
        # Removed while it is held: who waits for it finds that the name is gone or leads to another file.
        if sys.platform == "win32":
            _let_go(fd)
        with contextlib.suppress(OSError):
            os.unlink(name)
        if sys.platform != "win32":
            _let_go(fd)


def _let_go(fd: int) -> None:
    with contextlib.suppress(OSError):
        files.unlock(fd)
    os.close(fd)


def _take(name: str, until: float) -> int:
    while True:
        try:
            fd = os.open(name, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
        except PermissionError:
            if sys.platform != "win32" or time.monotonic() >= until:
                raise
            time.sleep(_LOOK)  # it is just being removed, perhaps
            continue
        try:
            if _got(fd) and files.still_names(name, fd):
                return fd
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)
        if time.monotonic() >= until:
            raise TimeoutError("another process holds it")
        time.sleep(_LOOK)


def _got(fd: int) -> bool:
    try:
        return files.try_lock(fd)
    except OSError:
        return True  # a file system without locks: what is done under it has to do
