"""The config file on disk: changed in one step, and by one program at a time.

The new text is written beside the old one and takes its name when it is whole, so that no reader and no power cut sees
half of it. Permissions and owner stay; a symbolic link stays, too, and leads to the new file. A file that nobody may
write to is left alone, even where the folder would allow to replace it.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from collections.abc import Callable, Iterator

from fastdl.config import read
from fastdl.errors import DiskError, NoPermission
from fastdl.io import files, lockfile
from fastdl.io.disk import disk_error, flush_folder

PATIENCE = 10.0  # seconds for another program to let go of the lock
_NEW = 0o600  # of a new file: it may come to hold a password
_HINT = "FASTDL_CONFIG names another file."

Change = Callable[[str], str]


def change(path: str, edit: Change) -> bool:
    """Replace the text of the config file by what `edit` makes of it; False where that is the same text. A missing file
    is "" and is made, with its folder. `edit` sees line breaks and the mark at the beginning as they are; what it
    raises leaves the file as it was. Raises UsageError where the file cannot be read, DiskError where it cannot be
    written."""
    real = files.long_path(os.path.realpath(path))
    if os.path.exists(real) and not os.path.isfile(real):  # /dev/null, say: it must not be replaced
        raise DiskError(f"cannot write the config file {path}", "it is no ordinary file", _HINT)
    try:
        os.makedirs(os.path.dirname(real), mode=0o700, exist_ok=True)
    except OSError as error:
        raise _worded(error, "make the folder of", path) from error
    with _locked(real, path):
        before = read(real, required=False, exact=True)
        after = edit(before)
        if after == before and os.path.exists(real):
            return False
        _check_writable(real, path)
        try:
            _replace(real, after)
        except OSError as error:
            raise _worded(error, "write", path) from error
    return True


def create(path: str, text: str) -> bool:
    """Make the config file, unless it is there. Raises as `change`."""
    return change(path, lambda before: before or text)


def open_to_others(path: str) -> bool:
    """Whether other users of this machine may read the file. Windows keeps a user's folders to that user."""
    if sys.platform == "win32":
        return False
    try:
        return bool(os.stat(path).st_mode & (stat.S_IRGRP | stat.S_IROTH))
    except OSError:
        return False


def _worded(error: OSError, doing: str, path: str) -> DiskError:
    worded = disk_error(error, f"{doing} the config file", path)
    return type(worded)(worded.what, worded.why, _HINT)


def _check_writable(real: str, path: str) -> None:
    """A file without any permission to write is meant to stay as it is. (The superuser's are not asked otherwise.)"""
    with contextlib.suppress(FileNotFoundError):
        mode = os.stat(real).st_mode
        if not mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH) or not os.access(real, os.W_OK):
            raise NoPermission(f"cannot write the config file {path}", "it is read-only", _HINT)


def _replace(real: str, text: str) -> None:
    draft = real + ".draft"
    try:
        files.remove(draft)  # of one that was killed: nobody else may be at it now
        fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), _NEW)
        with open(fd, "wb") as file:
            _keep_owner(real, draft)
            file.write(text.encode("utf-8"))
            file.flush()
            os.fsync(fd)
        files.rename(draft, real, replace=True, durable=True)
        with contextlib.suppress(OSError):  # some file systems flush no folders
            flush_folder(os.path.dirname(real))
    finally:
        with contextlib.suppress(OSError):
            files.remove(draft)


def _keep_owner(real: str, draft: str) -> None:
    try:
        state = os.stat(real)
    except FileNotFoundError:
        return
    if sys.platform != "win32":
        with contextlib.suppress(OSError):  # only the superuser may; it then stays theirs whose file it is
            os.chown(draft, state.st_uid, state.st_gid)
    os.chmod(draft, stat.S_IMODE(state.st_mode))


@contextlib.contextmanager
def _locked(real: str, path: str) -> Iterator[None]:
    """While it lasts no other fastdl changes the file. The lock is a file of its own, since this one is replaced."""
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(lockfile.held(real + ".lock", PATIENCE))
        except TimeoutError as error:
            raise DiskError(f"the config file {path} is in use", "another fastdl changes it", "Try again.") from error
        except OSError as error:
            raise _worded(error, "lock", path) from error
        yield
