"""Two ways of putting bytes at an offset, behind one interface.

Positional writes are the usual way. Mapped windows, seen as numpy arrays, are for where blocks are really reserved:
a store into a hole of a full disk is no error that a program could catch, it is SIGBUS. Both raise OSError.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import threading
from collections import OrderedDict
from collections.abc import Iterator

from fastdl.core.hints import TYPE_CHECKING, Any, Literal, Protocol
from fastdl.io import disk

if TYPE_CHECKING:
    import mmap

    from fastdl.io.pipe import Pipe

WINDOW = 2 << 20
"""Bytes of one mapped window: a multiple of every system's allocation granularity."""
WINDOWS = 8
"""Windows that stay mapped at once, so that a writer's share of the memory is bounded."""

EARLY = 8 << 20
"""Bytes of a stretch that goes to the device as soon as it is full."""

Kind = Literal["auto", "mmap", "positional"]


class Writer(Protocol):
    """Puts bytes at their offset; safe from several threads at disjoint offsets. Raises OSError."""

    splices: bool
    """Whether `take` is the quickest way to the file."""

    def write(self, offset: int, data: memoryview) -> None: ...

    def take(self, offset: int, pipe: Pipe) -> None:
        """Put all that the pipe holds at `offset`."""

    def flush(self) -> None:
        """Hand everything to the system, so that `disk.flush_data` reaches it."""

    def close(self) -> None: ...


def open_writer(fd: int, size: int | None, allocated: bool, kind: Kind = "auto", *, durable: bool = False) -> Writer:
    """The writer for a file of `size` bytes (None: unknown). Mapped windows only where the blocks are `allocated`,
    whatever was asked for. `durable`: the file is going to be flushed. The caller keeps the fd and closes it after the
    writer.

    auto is positional everywhere. Measured on Linux (2 cores, 1 GiB from 4 threads in blocks of 256 KiB, 15 rounds in
    random order, windows / pwrite): ext4 with reserved blocks 1.4 (best) to 2.4 (median) of the time, 1.8 to 2.8 of
    the CPU, 1.2 to 1.5 with the flush; memory disk 1.7 to 2.4 and 2.0. A store into a new page makes the kernel clear
    it first, 4 KiB a fault. On Windows the file has holes (io/disk.py), so that nothing may be mapped there.
    """
    if kind == "mmap" and size and not why_not_mapped(size, allocated):
        return MappedWriter(fd, size)
    early = EarlyFlush(fd, size) if durable and allocated and size is not None and size >= 2 * EARLY else None
    return PositionalWriter(fd, early)


def why_not_mapped(size: int | None, allocated: bool) -> str:
    """What keeps a file from being written through mapped windows; "" where nothing does."""
    if not size:
        return "the size is not known before the end"
    if not allocated:
        return "no blocks are reserved for the file here"
    try:
        import numpy  # noqa: F401
    except ImportError:
        return "NumPy is not there, and the unpacked programs come without it"
    return ""


class EarlyFlush:
    """Begins to bring a file to the device while the rest of it is still coming, so that the flush at the end is short.

    It is counted how many bytes came into each stretch of EARLY bytes; one that is full is handed over. What is counted
    wrongly (threads count without a lock, bytes may come twice) comes a little early, or with the flush."""

    def __init__(self, fd: int, size: int) -> None:
        self._fd = fd
        self._size = size
        self._missing = [min(EARLY, size - at) for at in range(0, size, EARLY)]
        self._works = True

    def wrote(self, offset: int, length: int) -> None:
        """Bytes were written."""
        end = min(offset + length, self._size)
        while offset < end and self._works:
            index = offset // EARLY
            stop = min(end, (index + 1) * EARLY)
            left = self._missing[index] = self._missing[index] - (stop - offset)
            if left <= 0:
                self._works = disk.write_back(self._fd, index * EARLY, EARLY)
            offset = stop


class PositionalWriter:
    """pwrite(2) and its Windows twin; splice(2) for what comes in a pipe."""

    def __init__(self, fd: int, early: EarlyFlush | None = None) -> None:
        self._fd = fd
        self._early = early
        self.splices = True
        self._turn = threading.Lock()

    def write(self, offset: int, data: memoryview) -> None:
        """Put all of `data` at `offset`; short writes are gone on with."""
        start, length = offset, len(data)
        while len(data):
            done = disk.write_at(self._fd, offset, data)
            if done <= 0:  # no system should; it would be an endless loop
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            offset += done
            data = data[done:]
        if self._early is not None:
            self._early.wrote(start, length)

    def take(self, offset: int, pipe: Pipe) -> None:
        """Put all that the pipe holds at `offset`. A file system that cannot do that is found out at the first try.

        One thread at a time: the kernel lets one in anyway, and has the others spin for their turn, which cost a
        quarter of all processor time (2 cores, 4 threads). For `write` a lock brought less than it cost."""
        start, length = offset, pipe.held
        try:
            with self._turn:
                while pipe.held:
                    done = pipe.move(self._fd, offset)
                    if done <= 0:
                        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                    offset += done
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
                raise
            self.splices = False
            length = offset - start
            self._copy(offset, pipe)
        if self._early is not None:
            self._early.wrote(start, length)

    def _copy(self, offset: int, pipe: Pipe) -> None:
        view = memoryview(bytearray(pipe.held))
        while pipe.held:
            done = pipe.read(view)
            self.write(offset, view[:done])
            offset += done

    def flush(self) -> None:
        """Nothing waits here."""

    def close(self) -> None:
        """Nothing is held here."""


class _Window:
    """One mapped piece of the file, seen as a numpy array of bytes."""

    __slots__ = ("array", "filled", "length", "map", "users")

    def __init__(self, mapped: mmap.mmap, array: Any, length: int) -> None:
        self.map = mapped
        self.array = array
        self.length = length
        self.filled = 0
        self.users = 0

    def release(self) -> None:
        self.array = None  # the map cannot be closed while an array looks into it
        self.map.close()


class MappedWriter:
    """mmap windows over a file whose blocks are reserved, the least recently used given back: pages that were
    written leave this process's memory and stay the kernel's to write out. A window that is full is given back at
    once. Where a window cannot be mapped (a file system without mmap, no address space) bytes go the other way."""

    splices = False

    def __init__(self, fd: int, size: int, window: int = WINDOW, windows: int = WINDOWS) -> None:
        import numpy

        self._bytes = numpy.uint8
        self._look = numpy.frombuffer
        self._fd = fd
        self._size = size
        self._step = window
        self._most = windows
        self._open: OrderedDict[int, _Window] = OrderedDict()
        self._lock = threading.Lock()
        self._other = PositionalWriter(fd)

    def write(self, offset: int, data: memoryview) -> None:
        """Put all of `data` at `offset`, which lies within the file (ValueError otherwise)."""
        if offset < 0 or offset + len(data) > self._size:
            raise ValueError(f"outside of the mapped file: {offset}+{len(data)} of {self._size}")
        while len(data):
            index, inside = divmod(offset, self._step)
            count = min(len(data), self._step - inside)
            self._write_within(index, inside, data[:count])
            offset += count
            data = data[count:]

    def take(self, offset: int, pipe: Pipe) -> None:
        """Put all that the pipe holds at `offset`."""
        self._other.take(offset, pipe)

    def flush(self) -> None:
        """Linux keeps mapped pages and the file one; elsewhere the open windows are handed over."""
        if sys.platform == "linux":
            return
        with self._lock:
            for window in self._open.values():
                window.map.flush()

    def close(self) -> None:
        """Give all windows back; one that a thread is just writing to goes when that has ended."""
        with self._lock:
            self._most = 0
            self._give_back()

    @property
    def windows_open(self) -> int:
        """How many windows are mapped now."""
        return len(self._open)

    def _write_within(self, index: int, inside: int, data: memoryview) -> None:
        try:
            with self._window(index, len(data)) as window:
                window.array[inside : inside + len(data)] = self._look(data, dtype=self._bytes)
        except OSError:
            self._other.write(index * self._step + inside, data)

    @contextlib.contextmanager
    def _window(self, index: int, count: int) -> Iterator[_Window]:
        """The window, held open while `count` bytes are put into it."""
        with self._lock:
            window = self._open.get(index) or self._map(index)
            self._open.move_to_end(index)
            window.users += 1
        try:
            yield window
        finally:
            with self._lock:
                window.users -= 1
                window.filled += count
                if window.filled >= window.length and not window.users:
                    self._open.pop(index).release()
                self._give_back()

    def _map(self, index: int) -> _Window:
        import mmap

        start = index * self._step
        length = min(self._step, self._size - start)
        mapped = mmap.mmap(self._fd, length, access=mmap.ACCESS_WRITE, offset=start)
        window = _Window(mapped, self._look(mapped, dtype=self._bytes), length)
        self._open[index] = window
        return window

    def _give_back(self) -> None:
        """Release what was used longest ago and is in no use, until few enough are open (under the lock)."""
        surplus = max(0, len(self._open) - self._most)
        for index in [index for index, window in self._open.items() if not window.users][:surplus]:
            self._open.pop(index).release()
