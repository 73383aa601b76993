"""Whether the folders that fastdl writes to can be written to, and how much fits into them."""

from __future__ import annotations

import contextlib
import errno
import os
import sys

from fastdl.core.hints import TYPE_CHECKING
from fastdl.core.quantity import format_size
from fastdl.core.record import Record
from fastdl.engine.doctor.finding import INFO, OK, WRONG, Finding
from fastdl.io import files
from fastdl.io.disk import disk_error, free_space

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastdl.engine.doctor.finding import Tell

LOW = 64 << 20  # bytes: with less a disk is as good as full
FAT_LIMIT = (4 << 30) - 1  # bytes of a file on FAT
_FAT = {"fat", "fat16", "fat32", "msdos", "vfat"}
_LONG_NAME = 200  # bytes; a file's name with its endings may have 255
_JOURNAL = ".fastdl.journal"


class Folder(Record):
    """A folder that is written to. `role`: what for; `advice`: what to do where it cannot be used; `downloads`: whether
    large files go there; `made`: whether it is made where it is missing."""

    path: str
    role: str
    advice: str
    downloads: bool = False
    made: bool = True


def folders(directory: str, state: str) -> list[Folder]:
    """The folders of a run: of the downloads, of what is remembered, and the one for temporary files."""
    listed = [
        Folder(directory, "downloads", "Choose another folder with -d.", True),
        Folder(state, "state", "FASTDL_STATE_DIR names another folder."),
    ]
    variable = "TEMP" if sys.platform == "win32" else "TMPDIR"
    return [*listed, Folder(_temporary(), "temporary files", f"{variable} names another folder.", made=False)]


def _temporary() -> str:
    """The folder that is asked for. Python passes over one that cannot be written to, and takes the next."""
    named = [folder for name in ("TMPDIR", "TEMP", "TMP") if (folder := os.environ.get(name))]
    if named:
        return named[0]
    import tempfile

    try:
        return tempfile.gettempdir()
    except OSError:
        return "/tmp" if sys.platform != "win32" else "C:\\TEMP"


def check_disks(places: Sequence[Folder], tell: Tell) -> None:
    """Examine the folders, each in its turn."""
    for place in places:
        tell(_examined(place))
        if place.downloads:
            _limits(tell)
            _unfinished(place, tell)


def room_for(size: int, place: Folder) -> Finding | None:
    """What is wrong if a file of `size` bytes is to come into the folder; None where it fits."""
    there = existing(place.path)
    free = free_space(os.path.join(there, "x"))
    shown = f"the file has {format_size(size)}"
    if size > FAT_LIMIT and kind_of(there) in _FAT:
        return Finding("disk", WRONG, f"{shown}, and {_shown(place)} is on FAT, which takes 4 GiB", place.advice)
    limit = _file_limit()
    if limit is not None and size > limit:
        return Finding("disk", WRONG, f"{shown}, and 'ulimit -f' allows {format_size(limit)}", "Raise it: ulimit -f.")
    if free is not None and size > free:
        text = f"{shown}, and {format_size(free)} are free in {_shown(place)}"
        return Finding("disk", WRONG, text, f"Free some space. {place.advice}")
    return None


def existing(path: str) -> str:
    """The folder itself, or the nearest one above it that exists."""
    path = os.path.abspath(path)
    while not os.path.lexists(path) and os.path.dirname(path) != path:
        path = os.path.dirname(path)
    return path


def kind_of(path: str) -> str:
    """The file system on which a path lies, in lower case; "" where that cannot be told."""
    import psutil

    real = os.path.normcase(os.path.realpath(path))
    best, kind = "", ""
    with contextlib.suppress(OSError, psutil.Error):
        for part in psutil.disk_partitions(all=True):
            point = os.path.normcase(part.mountpoint)
            inside = real == point or real.startswith(point.rstrip(os.sep) + os.sep)
            if inside and len(point) >= len(best):
                best, kind = point, part.fstype.lower()
    return kind


def _shown(place: Folder) -> str:
    return os.path.abspath(place.path)


def _examined(place: Folder) -> Finding:
    there = existing(place.path)
    if not os.path.isdir(there):
        return Finding("disk", WRONG, f"{_shown(place)} ({place.role}): {there} is no folder", place.advice)
    if not place.made and not os.path.isdir(place.path):
        return Finding("disk", WRONG, f"{_shown(place)} ({place.role}): there is no such folder", place.advice)
    problem = _written(there)
    if problem is not None:
        why, advice = problem
        return Finding("disk", WRONG, f"{_shown(place)} ({place.role}): {why}", f"{advice} {place.advice}".strip())
    free = free_space(os.path.join(there, "x"))
    kind = kind_of(there)
    text = f"{_shown(place)} ({place.role})"
    if free is not None and free < LOW:
        return Finding("disk", WRONG, f"{text}: {format_size(free)} are free", f"Free some space. {place.advice}")
    text += f": {format_size(free)} free" if free is not None else ": can be written to"
    if place.downloads and kind in _FAT:
        return Finding("disk", INFO, f"{text}, but it is on {kind}: no file above 4 GiB fits")
    return Finding("disk", OK, text + (f", {kind}" if kind else ""))


def _written(folder: str) -> tuple[str, str] | None:
    """Why nothing can be written into a folder, and what to do; None where it can. A file of some bytes is made there
    and removed: a full disk lets files be made, it just takes no bytes."""
    name = f".fastdl-doctor-{os.getpid()}-{os.urandom(6).hex()}"
    path = files.long_path(os.path.join(folder, name.ljust(_LONG_NAME, "x")))
    try:
        fd = files.create(path)
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return f"names of {_LONG_NAME} bytes are too long there", "Long file names will be refused."
        return _worded(error, "create")
    try:
        os.write(fd, b"\0" * 4096)
        os.fsync(fd)
    except OSError as error:
        return _worded(error, "write")
    finally:
        os.close(fd)
        with contextlib.suppress(OSError):
            files.remove(path)
    return None


def _worded(error: OSError, doing: str) -> tuple[str, str]:
    """The error in the words that a download would use."""
    worded = disk_error(error, doing, "it")
    full = error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", -1))
    return worded.why, "Free some space." if full else ""


def _limits(tell: Tell) -> None:
    limit = _file_limit()
    if limit is not None:
        tell(Finding("disk", INFO, f"files may have {format_size(limit)} at most ('ulimit -f')"))


def _file_limit() -> int | None:
    """Bytes that the system lets a file of this process have; None where it sets no limit."""
    if sys.platform == "win32":
        return None
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    return None if soft == resource.RLIM_INFINITY else soft


def _unfinished(place: Folder, tell: Tell) -> None:
    try:
        with os.scandir(place.path) as entries:
            count = sum(entry.name.endswith(_JOURNAL) for entry in entries)
    except OSError:
        return
    if count:
        what = "1 unfinished download" if count == 1 else f"{count} unfinished downloads"
        tell(Finding("disk", INFO, f"{what} in {_shown(place)}", f"'fastdl resume {place.path}' goes on with it."))
