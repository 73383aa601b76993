"""Bytes from a socket to a file without a stop in this process: socket, pipe, file, all inside the kernel (splice(2)).

The pipe is a buffer like any other, only that nobody sees what is in it: bytes come into it first, then it is decided
where they belong, and where they have to be looked at after all they are read out of it. Linux alone has this call;
elsewhere `open_pipe` gives None and bytes go through memory.
"""

from __future__ import annotations

import contextlib
import os
import sys

ROOM = 1024 * 1024
"""Bytes of a pipe: what users may ask for without privileges. Fewer system calls a byte; measured on loopback, 1 GiB,
one connection: 256 KiB cost a sixth more processor time."""
LEAST_ROOM = 256 * 1024
"""Smaller ones (a user who has many pipes gets no larger ones) do not pay."""


class Pipe:
    """One pipe, used by one thread: `fill` it while it is empty, then `move` or `read` all that it holds."""

    __slots__ = ("_reader", "_writer", "held", "room")

    def __init__(self, reader: int, writer: int, room: int) -> None:
        self._reader = reader
        self._writer = writer
        self.room = room
        self.held = 0  # bytes in it

    def fill(self, sock: int, most: int) -> int:
        """Take up to `most` bytes out of a socket's buffer; how many, 0 at its end. Raises BlockingIOError where
        nothing has come yet (the socket is a non-blocking one), and other OSErrors."""
        self.held = _splice(sock, self._writer, most, None)
        return self.held

    def put(self, data: bytes) -> int:
        """Put bytes into it that were read elsewhere, LEAST_ROOM at most; how many."""
        self.held = os.write(self._writer, data) if data else 0
        return self.held

    def move(self, fd: int, offset: int) -> int:
        """Put bytes into a file; how many of those that are held. Raises OSError: EINVAL where the file system cannot
        do it, and then nothing is lost."""
        done = _splice(self._reader, fd, self.held, offset)
        self.held -= done
        return done

    def read(self, view: memoryview) -> int:
        """Take bytes out into memory; how many. Raises OSError."""
        data = os.read(self._reader, min(len(view), self.held))  # rare: a copy more is no matter
        view[: len(data)] = data
        self.held -= len(data)
        return len(data)

    def close(self) -> None:
        """What it holds is lost."""
        for fd in (self._reader, self._writer):
            with contextlib.suppress(OSError):
                os.close(fd)


if sys.platform == "linux" and hasattr(os, "splice"):

    def _splice(source: int, target: int, most: int, offset: int | None) -> int:
        if offset is None:
            return os.splice(source, target, most)
        return os.splice(source, target, most, offset_dst=offset)

    def open_pipe() -> Pipe | None:
        """An empty pipe; None where there is no room for one."""
        import fcntl

        try:
            reader, writer = os.pipe()
        except OSError:
            return None
        room = 0
        with contextlib.suppress(OSError):  # what the system allows is smaller: as it is
            fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, ROOM)
        with contextlib.suppress(OSError):
            room = fcntl.fcntl(writer, fcntl.F_GETPIPE_SZ)
        pipe = Pipe(reader, writer, min(room, ROOM))
        if room < LEAST_ROOM:
            pipe.close()
            return None
        return pipe

else:

    def _splice(source: int, target: int, most: int, offset: int | None) -> int:
        raise NotImplementedError

    def open_pipe() -> Pipe | None:
        """None: this system has no such call."""
        return None
