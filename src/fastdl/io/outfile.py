"""A file that a run writes beside its downloads (`--profile`, `--metrics`, `stats --html`).

It is replaced in one step, so that who reads it sees the old text or the new one, and it is tried before anything is
done, so that nobody waits in vain.
"""

from __future__ import annotations

import contextlib
import os
import stat

from fastdl.errors import BadName
from fastdl.io import files
from fastdl.io.disk import disk_error


def same_file(one: str, other: str) -> bool:
    """Whether two paths lead to one file, where they are names; whether it exists does not matter."""
    return os.path.normcase(os.path.realpath(one)) == os.path.normcase(os.path.realpath(other))


class OutFile:
    """A file that is replaced in one step, as often as `write` is called; or something else (a pipe, a terminal) that
    is written to. While it is written a draft lies beside it, whose name ends in `.draft`."""

    def __init__(self, path: str, what: str, hint: str) -> None:
        """`what`: "the profile"; `hint`: what to do if it cannot be written. Raises DiskError, with nothing changed."""
        self._path, self._what, self._hint = path, what, hint
        self._special = os.path.exists(path) and not stat.S_ISREG(os.stat(path).st_mode)
        self._real = path if self._special else files.long_path(os.path.realpath(path))
        self._draft = f"{self._real}.{os.getpid()}.draft"
        if os.path.isdir(path):
            raise BadName(f"cannot write {what} {files.shown(path)}", "it is a folder", hint)
        if not self._special:
            self._clear()
            self._save("")
            self._clear()

    def write(self, text: str) -> None:
        """Raises DiskError; then an earlier file is what it was."""
        try:
            self._save(text)
            if not self._special:
                files.rename(self._draft, self._real, replace=True, durable=False)
        except OSError as error:
            raise disk_error(error, f"write {self._what}", self._path) from error
        finally:
            if not self._special:
                self._clear()

    def _clear(self) -> None:
        with contextlib.suppress(OSError):
            files.remove(self._draft)

    def _save(self, text: str) -> None:
        place, mode = (self._real, "w") if self._special else (self._draft, "x")  # never through a planted link
        try:
            with open(place, mode, encoding="utf-8", newline="\n") as file:
                file.write(text)
        except OSError as error:
            worded = disk_error(error, f"write {self._what}", self._path)
            raise type(worded)(worded.what, worded.why, self._hint) from error
