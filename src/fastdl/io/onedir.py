"""Replaces an unpacked program by a newer one, and goes back to the old one where the new one does not start.

A program is a folder that holds its executable and `_fastdl-VERSION`, the parts of that one version. So those of the
new one come to lie beside the old ones, which still run, and one rename of the executable is the change: whenever this
is killed, the old program is there or the new one. Only names that the new one brings are replaced: what else a user
keeps in that folder stays, and what it replaces is kept aside, so every step can be taken back by a rename.

Windows does not replace the executable of a running program, but lets it be renamed. Between two renames then nothing
has its name; for that instant a command file lies beside it, which shells find in its place, and which puts it back.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping

from fastdl.core.record import Record
from fastdl.core.versions import parse_version
from fastdl.errors import BadName, DiskError, IntegrityError, Terminated
from fastdl.io.disk import disk_error
from fastdl.io.files import long_path, patiently

INNER = "_fastdl-"
"""How the folder with the parts of a program is called, in front of the version."""
PATIENCE = 120.0  # seconds for the new program's first start: virus scanners look at all of it
SCANNING = 30.0  # seconds in which scanners have to leave a whole folder alone, all of it, so that it can be moved
BRIDGE = """@if not exist "%~dpn0.exe" move "%~dp0{}\\%~n0.exe" "%~dpn0.exe" >nul
@"%~dpn0.exe" %*
"""


class Move(Record):
    """What went from one name to another, or is kept under it."""

    source: str
    target: str

    def undone(self) -> bool:
        """Takes it back, if it ever took place. False where that fails."""
        try:
            if os.path.lexists(self.target):
                _move(self.target, self.source)
        except OSError:
            return False
        return True


class NotTakenBack(DiskError):
    """The old program is not in its place, and must not be removed from where it lies."""


def check_folder(folder: str) -> None:
    """Raises DiskErrors where the program in `folder` cannot be replaced."""
    try:
        whole = any(name.startswith(INNER) for name in os.listdir(folder))
    except OSError as error:
        raise disk_error(error, "read", folder) from error
    if not whole:
        why = f"there is no {INNER}VERSION beside it"
        raise BadName(f"{folder} is no unpacked fastdl", why, "Unpack the new archive by hand.")
    for place in (os.path.dirname(folder), folder):
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


def swap(
    folder: str, new: str, aside: str, program: str, check: Callable[[], None], *, locked: bool = os.name == "nt"
) -> None:
    """Puts what is in `new` into `folder`, the executable (its name: `program`) at last, then calls `check`; if any of
    that fails, everything goes back. What was replaced is in `aside` afterwards. The three lie on one volume.
    `locked`: what runs cannot be replaced, only renamed. Raises what `check` raises, and DiskErrors."""
    done: list[Move] = []
    brought = sorted(os.listdir(new), key=lambda name: (os.path.normcase(name) == os.path.normcase(program), name))
    with _bridged(os.path.join(folder, program), aside) if locked else contextlib.nullcontext():
        try:
            for name in brought:
                place, there, kept = (os.path.join(root, name) for root in (folder, new, aside))
                _put(place, there, kept, done, locked)
            check()
        except BaseException as error:
            _take_back(done, folder, os.path.dirname(aside))
            if isinstance(error, OSError):
                raise disk_error(error, "replace", folder) from error
            raise
    _forget({*os.listdir(folder)} - {*brought}, folder, aside)


def _put(place: str, new: str, kept: str, done: list[Move], locked: bool) -> None:
    """Brings one name into its place. What is done is noted before, because a signal may come right after it."""
    there = os.path.lexists(place)
    whole = any(os.path.isdir(path) and not os.path.islink(path) for path in (place, new))
    if there:
        done.append(Move(place, kept))
        (_move if whole or locked else _copy)(place, kept)
    if whole or locked or not there:  # else what is kept takes the place of this when it goes back
        done.append(Move(new, place))
    _move(new, place)


def _copy(source: str, target: str) -> None:
    """Under the last name only when it is whole: it may have to go back."""
    os.makedirs(os.path.dirname(target), exist_ok=True)
    shutil.copy2(source, target + ".part", follow_symlinks=False)
    _move(target + ".part", target)


@contextlib.contextmanager
def _bridged(place: str, aside: str) -> Iterator[None]:
    """For as long as the executable may be missing, its command starts one that puts it back. Only names of ours stand
    in it, relative ones: cmd.exe reads files in a code page of its own."""
    command = long_path(os.path.splitext(place)[0] + ".cmd")
    text = BRIDGE.format(os.path.relpath(aside, os.path.dirname(place)).replace("/", "\\"))
    made = False
    try:
        if not _is_users(command):
            with open(command, "w", encoding="ascii", newline="\r\n") as file:
                made = True
                file.write(text)
    except OSError as error:
        raise disk_error(error, "write", command) from error
    try:
        yield
    finally:
        if made and os.path.lexists(place):
            with contextlib.suppress(OSError):
                os.unlink(command)


def _is_users(command: str) -> bool:
    """Whether a command file of that name is not one that an upgrade has left when it was killed, whole or begun."""
    ours = BRIDGE.partition("{}")[0]
    try:
        with open(command, encoding="ascii", errors="replace") as file:
            return not ours.startswith(file.read(len(ours)))
    except FileNotFoundError:
        return False
    except OSError:
        return True


def _forget(names: Iterable[str], folder: str, aside: str) -> None:
    """Puts the parts of older versions aside. Windows keeps a folder in which something runs where it is; the next
    upgrade finds it."""
    for name in names:
        if name.startswith(INNER) and parse_version(name[len(INNER) :]) is not None:
            with contextlib.suppress(OSError):
                os.makedirs(aside, exist_ok=True)
                os.rename(long_path(os.path.join(folder, name)), long_path(os.path.join(aside, name)))


def _move(source: str, target: str) -> None:
    os.makedirs(os.path.dirname(target), exist_ok=True)
    patiently(lambda: os.replace(long_path(source), long_path(target)), SCANNING)


def _take_back(done: list[Move], folder: str, workshop: str) -> None:
    """Undoes the moves, last first. Raises NotTakenBack where the old program could not be put back: parts of the new
    one that stay beside it do no harm, and the next upgrade finds them."""
    left = [move for move in reversed(done) if not _to_its_end(move.undone)]
    left = [move for move in left if os.path.dirname(move.source) == folder]
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
