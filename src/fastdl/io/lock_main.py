"""LOCK itself, as a file: opened as it is, and replaced only as a whole, where no other program has changed it."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from collections.abc import Iterable

from fastdl.core.hints import BinaryIO
from fastdl.errors import BadName, DiskError, FastdlError, UsageError
from fastdl.io import disk, files
from fastdl.io.disk import disk_error

HINT = "Choose another file with --lock."
_DRAFT = ".fastdl.new"


class LockMain:
    """The lock at `path`, which people call `name`. `file` is open for reading, None where there is no lock."""

    def __init__(self, path: str, name: str) -> None:
        """Raises BadName, UsageError, DiskError for what can be no lock."""
        self.path = path
        self._name = name
        self.file: BinaryIO | None = None
        self._state = _state_of(path, name)

    @property
    def exists(self) -> bool:
        """Whether there was a lock when it was looked at."""
        return self._state is not None

    @property
    def is_writable(self) -> bool:
        """Whoever takes the right to write away means it, though a rename would not ask."""
        return self._state is None or (bool(self._state.st_mode & 0o222) and os.access(self.path, os.W_OK))

    def open(self) -> None:
        """Look once more, and open it if it is there. Raises as __init__."""
        self._state = _state_of(self.path, self._name)
        if self._state is not None:
            try:
                self.file = open(self.path, "rb")  # noqa: SIM115
            except OSError as error:
                raise disk_error(error, "read the lock", self._name) from error

    def replace(self, lines: Iterable[str]) -> None:
        """Put these in its place. Raises DiskError, and then it is what it was."""
        draft = self.path + _DRAFT
        try:
            files.remove(draft)
            with os.fdopen(files.create(draft), "wb") as file:
                if self._state is not None and sys.platform != "win32":
                    os.fchmod(file.fileno(), stat.S_IMODE(self._state.st_mode))
                for line in lines:
                    file.write(line.encode())
                file.flush()
                disk.flush_data(file.fileno())
            if self._state is not None and not _is_same(self._state, _state_of(self.path, self._name)):
                why, hint = "another program changed it meanwhile", "Run the same command again."
                raise DiskError(f"cannot write the lock {self._name}", why, hint)
            self.close()  # Windows replaces no open file
            files.rename(draft, self.path, replace=self._state is not None, durable=True)
            disk.flush_folder(os.path.dirname(self.path))
        except FileExistsError:
            raise DiskError(f"cannot write the lock {self._name}", "another program made it meanwhile", "") from None
        except OSError as error:
            raise unwritten(error, self._name) from error
        finally:
            with contextlib.suppress(OSError):
                files.remove(draft)

    def close(self) -> None:
        """Let go of it."""
        if self.file is not None:
            self.file.close()


def unwritten(error: OSError, name: str) -> DiskError:
    """The leaf for a lock that cannot be written."""
    worded = disk_error(error, "write the lock", name)
    return type(worded)(worded.what, worded.why, HINT)


def _state_of(path: str, name: str) -> os.stat_result | None:
    """None where there is no lock yet. Raises BadName, UsageError, DiskError for what can be none."""
    try:
        state = os.stat(path)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise _unusable(error, name) from error
    if stat.S_ISDIR(state.st_mode):
        raise BadName(f"the lock {name} is a folder", "", HINT)
    if not stat.S_ISREG(state.st_mode):
        raise UsageError(f"the lock {name} is no ordinary file", "", HINT)
    return state


def _unusable(error: OSError | ValueError, name: str) -> FastdlError:
    if isinstance(error, OSError):
        return disk_error(error, "read the lock", name)
    return UsageError(f"the lock {name} cannot be used", "not a file name", HINT)


def _is_same(one: os.stat_result, other: os.stat_result | None) -> bool:
    return other is not None and (one.st_ino, one.st_size, one.st_mtime_ns) == (
        other.st_ino,
        other.st_size,
        other.st_mtime_ns,
    )
