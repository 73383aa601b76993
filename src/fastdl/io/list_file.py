"""The bytes of a list, from a file or from stdin, as they come.

They are read without Python's buffers: a thread that waits inside one of those for a slow writer keeps its lock, and
with it the whole process from ending.
"""

from __future__ import annotations

import io
import select
import sys
from collections.abc import Iterator

from fastdl.errors import UsageError

CHUNK = 64 * 1024  # bytes
STDIN = "-"


def name_of(path: str) -> str:
    """How a list is called in messages."""
    return "stdin" if path == STDIN else path


def chunks_of(path: str) -> Iterator[bytes]:
    """The content of the list at `path`, "-" for stdin; it is opened at once and closed at its end. Raises UsageError,
    while it
    is read without the list's name."""
    return _chunks(_open(path))


def _open(path: str) -> io.FileIO:
    hint = "Check the path."
    try:
        if path != STDIN:
            return io.FileIO(path)
        if sys.stdin is None:
            raise UsageError("the list cannot be read from stdin", "it is closed", "Name a file.")
        hint = "Name a file."
        return io.FileIO(sys.stdin.fileno(), closefd=False)
    except (OSError, ValueError) as error:
        raise _unreadable(error, path, hint) from None


def _chunks(file: io.FileIO) -> Iterator[bytes]:
    with file:
        while True:
            try:
                chunk = file.read(CHUNK)
            except OSError as error:
                raise UsageError("it cannot be read to its end", error.strerror or "", "") from None
            if chunk is None:  # a pipe that somebody has made non-blocking holds nothing yet
                select.select([file], [], [])
                continue
            if not chunk:
                return
            yield chunk


def _unreadable(error: OSError | ValueError, path: str, hint: str) -> UsageError:
    reason = getattr(error, "strerror", None) or "there is no such file"
    return UsageError(f"the list {name_of(path)} cannot be read", reason, hint)
