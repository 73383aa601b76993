"""The file of `--profile`: whether it can be written is seen before anything is downloaded; it is written at the end,
whatever became of the downloads."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterator

from fastdl.core.hints import TYPE_CHECKING
from fastdl.errors import BadName, DiskError, UsageError
from fastdl.io import files
from fastdl.io.disk import disk_error

if TYPE_CHECKING:
    from fastdl.engine.profile import Profile
    from fastdl.settings import Settings

_HINT = "Choose another file with --profile."


@contextlib.contextmanager
def profiling(path: str, settings: Settings, warn: Callable[[str], None]) -> Iterator[Profile]:
    """While it lasts, times are taken for the file `path`. `warn` is told if it cannot be written at the end: that is
    no reason to call the downloads failed. Raises DiskError if it cannot be begun, UsageError if it is the download's
    own name."""
    if settings.output is not None and _same(path, os.path.join(settings.dir, settings.output)):
        raise UsageError("--profile and --output name the same file", path, _HINT)
    target = _Target(path)
    from fastdl.engine.profile import Profile

    profile = Profile()
    try:
        yield profile
    finally:
        try:
            target.write(_text(profile, path))
        except DiskError as error:
            warn(f"{error.what} ({error.why})")


def _same(one: str, other: str) -> bool:
    return os.path.normcase(os.path.realpath(one)) == os.path.normcase(os.path.realpath(other))


def _text(profile: Profile, path: str) -> str:
    if path.lower().endswith(".txt"):
        from fastdl.ui.profiled import lines

        return "\n".join(lines(profile.report())) + "\n"
    import json

    return json.dumps(profile.report(), indent=1) + "\n"


class _Target:
    """A file that is replaced in one step, or something else (a pipe, a terminal) that is written to."""

    def __init__(self, path: str) -> None:
        """Raises DiskError, with nothing changed."""
        self._path = path
        self._special = os.path.exists(path) and not stat.S_ISREG(os.stat(path).st_mode)
        self._real = path if self._special else files.long_path(os.path.realpath(path))
        self._draft = f"{self._real}.{os.getpid()}.draft"
        if os.path.isdir(path):
            raise BadName(f"cannot write the profile {files.shown(path)}", "it is a folder", _HINT)
        if not self._special:
            self._clear()
            self._save("")
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
            worded = disk_error(error, "write the profile", self._path)
            raise type(worded)(worded.what, worded.why, _HINT) from error

    def write(self, text: str) -> None:
        """Raises DiskError; then an earlier file is what it was."""
        try:
            self._save(text)
            if not self._special:
                files.rename(self._draft, self._real, replace=True, durable=False)
        except OSError as error:
            raise disk_error(error, "write the profile", self._path) from error
        finally:
            if not self._special:
                self._clear()
