"""Replaces an unpacked program by a newer one, and goes back to the old one where the new one does not start.

A program is a folder that holds its executable and `_internal`. Only names that the new one brings are replaced: what
else a user keeps in that folder stays. The old files are moved aside, not removed, so every step can be taken back by a
rename. Windows refuses to replace or remove what a running program has open, and to rename a folder around it, but lets
each single file be renamed: there every file is moved for itself.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping

from fastdl.core.record import Record
from fastdl.core.versions import parse_version
from fastdl.errors import BadName, DiskError, IntegrityError, Terminated
from fastdl.io.disk import disk_error
from fastdl.io.files import exchange, long_path, patiently

INNER = "_internal"
PATIENCE = 120.0  # seconds for the new program's first start: virus scanners look at all of it


class Move(Record):
    """A rename, or with `new` an exchange, of which `new` is what stood at the source before."""

    source: str
    target: str
    new: os.stat_result | None = None

    def undone(self) -> bool:
        """Takes it back, if it ever took place. False where that fails."""
        try:
            if self.new is None:
                if os.path.lexists(self.target):
                    _move(self.target, self.source)
            elif os.path.samestat(os.lstat(self.target), self.new):
                return exchange(long_path(self.source), long_path(self.target))
        except OSError:
            return False
        return True


class NotTakenBack(DiskError):
    """The old program is not in its place, and must not be removed from where it lies."""


def check_folder(folder: str) -> None:
    """Raises DiskErrors where the program in `folder` cannot be replaced."""
    if not os.path.isdir(os.path.join(folder, INNER)):
        why = f"there is no {INNER} beside it"
        raise BadName(f"{folder} is no unpacked fastdl", why, "Unpack the new archive by hand.")
    parent = os.path.dirname(folder)
    for place in (parent, folder, os.path.join(folder, INNER)):
        if not os.access(place, os.W_OK):
            hint = "Run the same command as the one who owns it (sudo, or an administrator's console)."
            raise DiskError(f"cannot replace {folder}", f"{place} is not writable", hint)


def starts(program: str, version: str, environ: Mapping[str, str]) -> None:
    """Starts the program with --version. Raises IntegrityError where it does not say `version`."""
    try:
        done = subprocess.run(
            [program, "--version"],
            env=_clean(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
        said = done.stdout.decode("utf-8", "replace").strip()
        why = f"it ended with {done.returncode}" if done.returncode else f"it says '{said[:60]}'"
    except OSError as error:
        said, why = "", error.strerror or type(error).__name__
    except subprocess.TimeoutExpired:
        said, why = "", "it hangs"
    name, _, told = said.partition(" ")
    if name != "fastdl" or parse_version(told) != parse_version(version) or why.startswith("it ended"):
        hint = "The old one is still there; tell the project if this goes on."
        raise IntegrityError(f"fastdl {version} does not start here", why, hint)


def _clean(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment without what the running bundle has put there for itself."""
    clean = {name: value for name, value in environ.items() if not name.startswith(("_PYI_", "_MEI", "_FASTDL_"))}
    for name in ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"):
        before = clean.pop(name + "_ORIG", None)
        if before is not None:
            clean[name] = before
        elif getattr(sys, "frozen", False):
            clean.pop(name, None)
    return clean | {"PYINSTALLER_RESET_ENVIRONMENT": "1"}


def swap(folder: str, new: str, aside: str, check: Callable[[], None], *, files: bool = os.name == "nt") -> None:
    """Puts what is in `new` into `folder`, then calls `check`; if anything of that fails, everything goes back. What
    stood in `folder` is in `new` or `aside` afterwards. The three lie on one volume. `files`: move file by file. Raises
    what `check` raises, and DiskErrors."""
    done: list[Move] = []
    try:
        gone, brought, rest = _names(new, folder, files)
        for name in gone:
            _renamed(os.path.join(folder, name), os.path.join(aside, name), done)
        for name in brought:
            _put(os.path.join(folder, name), os.path.join(new, name), os.path.join(aside, name), done)
        for name in rest:
            _renamed(os.path.join(folder, name), os.path.join(aside, name), done)
        check()
    except BaseException as error:
        _take_back(done, folder, os.path.dirname(aside))
        if isinstance(error, OSError):
            raise disk_error(error, "replace", folder) from error
        raise


def _put(place: str, new: str, aside: str, done: list[Move]) -> None:
    """Brings one name into its place, in one step where the system can do that: then a program whose `_internal` and
    executable are there is there all the time."""
    if os.path.lexists(place):
        done.append(Move(new, place, os.lstat(new)))  # before, because a signal may come right after it
        if exchange(long_path(new), long_path(place)):
            return
        done.pop()
        _renamed(place, aside, done)
    _renamed(new, place, done)


def _renamed(source: str, target: str, done: list[Move]) -> None:
    done.append(Move(source, target))
    _move(source, target)


def _names(new: str, folder: str, files: bool) -> tuple[list[str], list[str], list[str]]:
    """By their paths in `folder`: what has to go before the new program has room, what that brings, and what is left of
    the old one afterwards. Whole names, or with `files` single files."""
    names = sorted(os.listdir(new))
    if not files:
        return [], names, []
    brought = [path for name in names for path in _leaves(new, name)]
    held = {os.path.normcase(path) for path in brought}
    old = [path for name in names for path in _leaves(folder, name) if os.path.normcase(path) not in held]
    gone = [path for path in old if any(one.startswith(os.path.normcase(path) + os.sep) for one in held)]
    return gone, brought, [path for path in old if path not in gone]


def _leaves(root: str, name: str) -> Iterator[str]:
    """The files and links at or below a name, by their paths from `root`."""
    top = os.path.join(root, name)
    if os.path.islink(top) or os.path.isfile(top):
        yield name
    for inner, folders, leaves in os.walk(top):
        for leaf in [*leaves, *(each for each in folders if os.path.islink(os.path.join(inner, each)))]:
            yield os.path.relpath(os.path.join(inner, leaf), root)


def _move(source: str, target: str) -> None:
    os.makedirs(os.path.dirname(target), exist_ok=True)
    patiently(lambda: os.rename(long_path(source), long_path(target)))


def _take_back(done: list[Move], folder: str, workshop: str) -> None:
    """Undoes the moves, last first. Raises NotTakenBack where the old program could not be put back."""
    left = [move for move in reversed(done) if not _to_its_end(move.undone)]
    if left:
        hint = f"Its files are in {workshop}: move them back by hand."
        raise NotTakenBack(f"cannot put the old fastdl back into {folder}", f"{len(left)} names are in the way", hint)


def _to_its_end(undo: Callable[[], bool]) -> bool:
    """Undoes a move, however often Ctrl-C is pressed meanwhile: half a program is worse than a moment's wait."""
    while True:
        try:
            return undo()
        except (KeyboardInterrupt, Terminated):
            continue


def clear(folder: str) -> None:
    """Removes a folder of ours as far as the system lets us: Windows keeps what still runs until the next upgrade."""
    with contextlib.suppress(OSError):
        shutil.rmtree(long_path(folder), ignore_errors=True)
