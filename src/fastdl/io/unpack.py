"""`--extract`: unpacks an archive into a folder, all of it or nothing.

It is unpacked into a folder beside, NAME.fastdl.extract, where everything has to be made anew and nothing is followed;
what core/archive.py has not taken is never made. Only when the last checksum was right does it move to where it
belongs. A run that is killed leaves that folder; the next one removes it, and begins again.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable
from typing import BinaryIO

from fastdl.core.archive import Head, Member, Planner
from fastdl.core.record import Record
from fastdl.errors import NoSpace, UnsafeArchive
from fastdl.io import files
from fastdl.io.archives import Archive, Content, open_archive
from fastdl.io.disk import disk_error, free_space
from fastdl.io.merging import Appeared, Policy, carry_out, survey
from fastdl.io.staging import ASIDE, SUFFIX, TREE, staging

_SPARE = 16 * 1024 * 1024  # bytes that stay free
_WINDOWS = sys.platform == "win32"
_MOST_MADE = 10_000  # paths that are remembered: they may be long
_TRIES = 5  # times that it is looked again for what is there, while others make files in the same folder
_merging = threading.Lock()  # archives of one run often have a folder in common


class Unpacked(Record):
    """What was done: how many files (links too) the archive has, and the folder they are in."""

    files: int
    folder: str


def unpack(path: str, folder: str, policy: Policy, check: Callable[[], None]) -> Unpacked | None:
    """Unpack the archive at `path` into `folder`, which is made; None where the file is no archive. `check` is called
    often and raises what ends the run.

    Raises UnsafeArchive, TargetExists, TargetBusy, DiskError, UsageError where a decoder is missing."""
    folder = _root(folder)
    path = files.long_path(path)
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            archive = open_archive(file, size, check)
            if archive is None:
                return None
            os.makedirs(folder, exist_ok=True)
            with staging(os.path.join(folder, os.path.basename(path) + SUFFIX), check) as place:
                job = _Unpacking(file, size, place, check)
                job.fill(archive)
                _merge(job, folder, policy, path, check)
                return Unpacked(job.files, files.shown(folder))
    except OSError as error:
        raise disk_error(error, "unpack", path) from error


def _root(folder: str) -> str:
    """The folder as the beginning of paths of any length."""
    path = files.long_path(folder)
    if not _WINDOWS or path.startswith("\\\\?\\"):
        return path
    return "\\\\?\\UNC\\" + path[2:] if path.startswith("\\\\") else "\\\\?\\" + path


def _merge(job: _Unpacking, folder: str, policy: Policy, path: str, check: Callable[[], None]) -> None:
    while not _merging.acquire(timeout=0.1):
        check()
    try:
        for left in reversed(range(_TRIES)):
            try:
                carry_out(survey(job.tree, folder, policy, path, check), job.aside, check)
                return
            except Appeared:
                if not left:
                    raise
    finally:
        _merging.release()


class _Unpacking:
    """The tree of one archive in a staging folder."""

    def __init__(self, file: BinaryIO, size: int, place: str, check: Callable[[], None]) -> None:
        self.tree = os.path.join(place, TREE)
        self.aside = os.path.join(place, ASIDE)
        self.files = 0
        self._file = file
        self._size = size
        self._check = check
        os.mkdir(self.tree, 0o700)
        os.mkdir(self.aside, 0o700)
        self._folds = _folds_names(self.aside)
        self._made: set[str] = set()  # folders of which it is known that they are there
        self._folders: list[tuple[str, float]] = []  # whose times come last
        self._links: list[Member] = []

    def _planner(self) -> Planner:
        return Planner(self._size, windows=_WINDOWS, folds=self._folds)

    def fill(self, archive: Archive) -> None:
        """Unpack it. Where that costs nothing, every head is looked at before the first byte is written."""
        if archive.first:
            planner = self._planner()
            for head, _ in archive.members():
                planner.take(head)
            self._room(planner.size)
            again = open_archive(self._file, self._size, self._check)
            assert again is not None
            archive = again
        planner = self._planner()
        for head, content in archive.members():
            self._one(planner, head, content)
        for member in self._links:
            self._make(member, _symlink(member.target))
        for path, moment in reversed(self._folders):
            _set_time(path, moment)

    def _room(self, size: int) -> None:
        """Raises NoSpace where so many bytes do not fit."""
        free = free_space(self.tree)
        if free is not None and size + _SPARE > free:
            raise NoSpace(f"no room to unpack the archive into {files.shown(self.tree)}", f"{size} bytes, {free} free")

    def _one(self, planner: Planner, head: Head, content: Content) -> None:
        member = planner.take(head)
        if member is None:
            return
        if member.kind == "folder":
            self._folder(member.path, member.mode)
            if member.modified is not None:
                self._folders.append((self._path(member.path), member.modified))
            return
        self.files += 1
        if member.kind == "symlink":
            self._links.append(member)
        elif member.kind == "hardlink":
            self._make(member, lambda path: _link(self._path(member.target), path))
        else:
            if member.size > _SPARE:
                self._room(member.size)
            self._make(member, lambda path: self._write(path, member, content))

    def _path(self, path: str) -> str:
        return os.path.join(self.tree, *path.split("/"))

    def _make(self, member: Member, make: Callable[[str], None]) -> None:
        """Make one member, in folders that are made where they are missing."""
        above, _, _ = member.path.rpartition("/")
        if above:
            self._folder(above)
        try:
            make(self._path(member.path))
        except FileExistsError:
            why = "the file system takes it for the name of another member"
            raise UnsafeArchive(f"the archive is not safe: its member '{member.path[:200]}'", why) from None

    def _folder(self, path: str, mode: int = 0o755) -> None:
        """A folder and those above it. One that is there already gets no more permissions than it has."""
        there = path in self._made
        if not there:
            above, _, _ = path.rpartition("/")
            if above:
                self._folder(above)
            try:
                os.mkdir(self._path(path), mode)
            except FileExistsError:
                there = True
            if len(self._made) > _MOST_MADE:
                self._made.clear()
            self._made.add(path)
        if there and mode != 0o755 and not _WINDOWS:
            os.chmod(self._path(path), mode & os.stat(self._path(path)).st_mode | 0o700)

    def _write(self, path: str, member: Member, content: Content) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
        flags |= getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOINHERIT", 0)
        with open(os.open(path, flags, member.mode), "wb", buffering=0) as file:
            for data in content:
                view = memoryview(data)
                while view:
                    view = view[file.write(view) :]
        if member.modified is not None:
            _set_time(path, member.modified)


def _symlink(target: str) -> Callable[[str], None]:
    return lambda path: os.symlink(target, path)


def _link(source: str, path: str) -> None:
    """A second name, or a copy where the file system knows no second names."""
    try:
        os.link(source, path, follow_symlinks=False)
        return
    except FileExistsError:
        raise
    except (OSError, NotImplementedError):
        import shutil

        if os.path.lexists(path):
            raise FileExistsError(path) from None
        shutil.copy2(source, path, follow_symlinks=False)


def _set_time(path: str, moment: float) -> None:
    with contextlib.suppress(OSError, OverflowError, ValueError):
        os.utime(path, (moment, moment))


def _folds_names(folder: str) -> bool:
    """Whether the file system takes names that differ in letter case or in how an accent is written for the same."""
    for mine, other in (("probe-a", "PROBE-A"), ("probe-\u00e9", "probe-e\u0301")):
        path = os.path.join(folder, mine)
        try:
            with open(path, "xb"):
                pass
            if os.path.exists(os.path.join(folder, other)):
                return True
        except (OSError, UnicodeError):
            continue
        finally:
            with contextlib.suppress(OSError, UnicodeError):
                os.unlink(path)
    return False
