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

from fastdl.core.versions import parse_version
from fastdl.errors import BadName, DiskError, IntegrityError
from fastdl.io.disk import disk_error
from fastdl.io.files import long_path, patiently

INNER = "_internal"
PATIENCE = 120.0  # seconds for the new program's first start: virus scanners look at all of it
Move = tuple[str, str]  # from, to


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
    """Puts what is in `new` into `folder` and what stood there into `aside`, then calls `check`; if anything of that
    fails, everything goes back. The three lie on one volume. `files`: move file by file. Raises what `check` raises,
    and DiskErrors."""
    done: list[Move] = []
    try:
        names = sorted(os.listdir(new))
        for source, target in [*_moves(folder, aside, names, files), *_moves(new, folder, names, files)]:
            done.append((source, target))  # before, because a signal may come right after it
            _move(source, target)
        check()
    except BaseException as error:
        _take_back(done, folder, aside)
        if isinstance(error, OSError):
            raise disk_error(error, "replace", folder) from error
        raise


def _moves(source: str, target: str, names: list[str], files: bool) -> Iterator[Move]:
    """The renames that bring `names` from one folder to the other; looked up when they are asked for."""
    for name in names:
        top = os.path.join(source, name)
        if not os.path.lexists(top):
            continue
        if not files or os.path.islink(top) or not os.path.isdir(top):
            yield top, os.path.join(target, name)
            continue
        for inner, folders, leaves in os.walk(top):
            for leaf in [*leaves, *(name for name in folders if os.path.islink(os.path.join(inner, name)))]:
                path = os.path.join(inner, leaf)
                yield path, os.path.join(target, os.path.relpath(path, source))


def _move(source: str, target: str) -> None:
    os.makedirs(os.path.dirname(target), exist_ok=True)
    patiently(lambda: os.rename(long_path(source), long_path(target)))


def _take_back(done: list[Move], folder: str, aside: str) -> None:
    """Undoes the renames, last first. Raises DiskError where the old program could not be put back, and says where it
    is."""
    left = []
    for source, target in reversed(done):
        if not os.path.lexists(target):  # it never got there
            continue
        try:
            _move(target, source)
        except OSError:
            left.append(target)
    if left:
        hint = f"Move what is in {aside} back to {folder} by hand."
        raise DiskError(f"cannot put the old fastdl back into {folder}", f"{len(left)} names are in the way", hint)


def clear(folder: str) -> None:
    """Removes a folder of ours as far as the system lets us: Windows keeps what still runs until the next upgrade."""
    with contextlib.suppress(OSError):
        shutil.rmtree(long_path(folder), ignore_errors=True)
