"""The folder in which an archive is unpacked before anything of it comes to its place: NAME.fastdl.extract."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import threading
from collections.abc import Callable, Iterator

from fastdl.errors import DiskError, TargetBusy
from fastdl.io import files

SUFFIX = ".fastdl.extract"
TREE = "tree"  # what was unpacked
ASIDE = "aside"  # what it replaces
_LOCK = "lock"
_LOOK = 0.1  # seconds between two looks at whether the run is being ended
_WINDOWS = sys.platform == "win32"
_turns = threading.Condition()
_in_use: set[str] = set()


@contextlib.contextmanager
def staging(path: str, check: Callable[[], None]) -> Iterator[str]:
    """A folder of our own, locked while it is in use, and gone afterwards. What a killed run left in it is removed. Two
    archives of one run may have the same name; the second waits, and `check` raises what ends that.
    Raises TargetBusy where another fastdl is at it, DiskError where something else has the name."""
    with _turn(path, check), _made(path):
        yield path


@contextlib.contextmanager
def _turn(path: str, check: Callable[[], None]) -> Iterator[None]:
    with _turns:
        while path in _in_use:
            check()
            _turns.wait(_LOOK)
        _in_use.add(path)
    try:
        yield
    finally:
        with _turns:
            _in_use.remove(path)
            _turns.notify_all()


@contextlib.contextmanager
def _made(path: str) -> Iterator[None]:
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        if not _is_ours(path):
            what = f"{files.shown(path)} is in the way"
            raise DiskError(what, "fastdl unpacks there first", "Remove or rename it.") from None
    ours = False
    try:
        with _locked(os.path.join(path, _LOCK), path):
            ours = True
            _remove_trees(path)
            try:
                yield
            finally:
                _remove_trees(path)
    finally:
        with contextlib.suppress(OSError):
            if ours and _WINDOWS:  # where no open file can be removed
                files.remove(os.path.join(path, _LOCK))
            if ours:
                os.rmdir(path)


def _is_ours(path: str) -> bool:
    """Whether an earlier run of this user left it."""
    state = os.lstat(path)
    if not stat.S_ISDIR(state.st_mode) or files.is_strangers(state, os.path.dirname(path)):
        return False
    return set(os.listdir(path)) <= {_LOCK, TREE, ASIDE}


@contextlib.contextmanager
def _locked(lock: str, path: str) -> Iterator[None]:
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
    fd = os.open(lock, flags | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOINHERIT", 0), 0o600)
    try:
        with contextlib.suppress(OSError):  # a file system without locks
            if not (files.try_lock(fd) and files.still_names(lock, fd)):
                raise TargetBusy(f"another fastdl is unpacking {files.shown(path.removesuffix(SUFFIX))}")
        try:
            yield
        finally:
            if not _WINDOWS:
                files.remove(lock)
    finally:
        os.close(fd)


def _remove_trees(path: str) -> None:
    """Remove what was unpacked or put aside, following no link."""
    import shutil

    for name in (TREE, ASIDE):
        shutil.rmtree(os.path.join(path, name), ignore_errors=True)
