"""Both ways of writing put the same bytes down, in bounded memory, and a full disk is an error, never a signal."""

from __future__ import annotations

import errno
import os
import random
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from disks import on_tiny_disk, run_on_tiny_disk, run_python
from fastdl.io import disk, writers

MIB = 1 << 20


@pytest.fixture
def fd(tmp_path: Path) -> Iterator[int]:
    number = os.open(tmp_path / "data", os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0))
    yield number
    os.close(number)


Opened = Callable[[int, int], writers.Writer]


def small_windows(fd: int, size: int) -> writers.Writer:
    return writers.MappedWriter(fd, size, window=64 * 1024, windows=2)


@pytest.mark.parametrize("opened", [lambda fd, _: writers.PositionalWriter(fd), writers.MappedWriter, small_windows])
def test_threads_write_at_their_offsets(fd: int, tmp_path: Path, opened: Opened) -> None:
    size = 3 * MIB + 12345
    content = random.Random(1).randbytes(size)
    os.ftruncate(fd, size)
    writer = opened(fd, size)
    pieces = [(at, min(at + 50_000, size)) for at in range(0, size, 50_000)]
    random.Random(2).shuffle(pieces)
    view = memoryview(content)

    def work(mine: list[tuple[int, int]]) -> None:
        for start, end in mine:
            writer.write(start, view[start:end])

    threads = [threading.Thread(target=work, args=(pieces[n::4],)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writer.flush()
    writer.close()
    assert (tmp_path / "data").read_bytes() == content


def test_windows_are_given_back(fd: int) -> None:
    os.ftruncate(fd, 4 * MIB)
    writer = writers.MappedWriter(fd, 4 * MIB, window=64 * 1024, windows=3)
    for at in range(0, 4 * MIB, 64 * 1024):
        writer.write(at, memoryview(b"x" * 1000))
        assert writer.windows_open <= 3
    before = writer.windows_open
    writer.write(0, memoryview(b"y" * 64 * 1024))
    assert writer.windows_open <= before, "a full window is given back at once"
    writer.close()
    assert writer.windows_open == 0


def test_bytes_that_cannot_be_mapped_are_written_the_other_way(fd: int, tmp_path: Path) -> None:
    os.ftruncate(fd, 100)
    writer = writers.MappedWriter(fd, 100)

    def refuse(_: int) -> object:
        raise OSError(errno.ENODEV, "no mmap here")

    writer._map = refuse  # type: ignore[method-assign,assignment]
    writer.write(10, memoryview(b"abc"))
    writer.close()
    assert (tmp_path / "data").read_bytes()[8:15] == b"\0\0abc\0\0"


def test_mapped_windows_end_where_the_file_does(fd: int) -> None:
    os.ftruncate(fd, 100)
    writer = writers.MappedWriter(fd, 100)
    with pytest.raises(ValueError, match="outside"):
        writer.write(90, memoryview(b"x" * 11))
    writer.close()


@pytest.mark.parametrize(
    ("size", "allocated", "kind", "expected"),
    [
        (100, True, "auto", writers.PositionalWriter),
        (100, True, "positional", writers.PositionalWriter),
        (100, True, "mmap", writers.MappedWriter),
        (100, False, "mmap", writers.PositionalWriter),
        (None, False, "mmap", writers.PositionalWriter),
        (0, True, "mmap", writers.PositionalWriter),
    ],
)
def test_only_reserved_blocks_are_mapped(
    fd: int, size: int | None, allocated: bool, kind: writers.Kind, expected: type[writers.Writer]
) -> None:
    os.ftruncate(fd, size or 0)
    writer = writers.open_writer(fd, size, allocated, kind)
    assert isinstance(writer, expected)
    writer.close()


@pytest.mark.skipif(not hasattr(os, "pwrite"), reason="needs pwrite")
def test_short_writes_are_gone_on_with(fd: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, data, at: real(fd, data[:7], at))
    writers.PositionalWriter(fd).write(3, memoryview(bytes(range(100))))
    assert (tmp_path / "data").read_bytes() == b"\0\0\0" + bytes(range(100))


@pytest.mark.skipif(not hasattr(os, "pwrite"), reason="needs pwrite")
def test_a_write_of_nothing_is_no_endless_loop(fd: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "pwrite", lambda *_: 0)
    with pytest.raises(OSError, match="space"):
        writers.PositionalWriter(fd).write(0, memoryview(b"x"))


class Device:
    """Notes what is handed over early."""

    def __init__(self, works: bool = True) -> None:
        self.ranges: list[tuple[int, int]] = []
        self.works = works

    def write_back(self, fd: int, start: int, length: int) -> bool:
        self.ranges.append((start, length))
        return self.works


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Device:
    made = Device()
    monkeypatch.setattr(writers.disk, "write_back", made.write_back)
    monkeypatch.setattr(writers, "EARLY", 1000)
    return made


def test_full_stretches_go_to_the_device_early(fd: int, device: Device) -> None:
    writer = writers.open_writer(fd, 3500, True, durable=True)
    block = memoryview(bytes(400))
    for offset, expected in (
        (0, []),
        (400, []),
        (800, [0]),  # reaches into the second stretch
        (2000, [0]),
        (2400, [0]),
        (2800, [0, 2000]),
        (3200, [0, 2000, 3000]),  # the last one is shorter, and this write goes beyond its end
        (1200, [0, 2000, 3000]),
        (1600, [0, 2000, 3000, 1000]),
    ):
        writer.write(offset, block)
        assert [start for start, _ in device.ranges] == expected
    writer.close()


@pytest.mark.parametrize(
    ("size", "allocated", "durable"), [(1999, True, True), (5000, False, True), (5000, True, False)]
)
def test_what_is_small_or_not_flushed_waits(fd: int, device: Device, size: int, allocated: bool, durable: bool) -> None:
    writer = writers.open_writer(fd, size, allocated, durable=durable)
    writer.write(0, memoryview(bytes(size)))
    assert device.ranges == []


def test_a_system_without_the_call_is_asked_once(fd: int, device: Device) -> None:
    device.works = False
    writer = writers.open_writer(fd, 5000, True, durable=True)
    writer.write(0, memoryview(bytes(5000)))
    writer.write(0, memoryview(bytes(5000)))
    assert len(device.ranges) == 1


def test_early_write_back_is_no_promise(fd: int) -> None:
    """The real call: true on Linux, false elsewhere, and never an error, on a descriptor that is none either."""
    os.write(fd, bytes(10_000))
    assert disk.write_back(fd, 0, 10_000) == (sys.platform == "linux")
    assert not disk.write_back(-1, 0, 10_000)


FILL = """
    import os, sys
    from fastdl.io import disk, writers
    path = sys.argv[1] + "/data"
    fd = os.open(path, os.O_RDWR | os.O_CREAT)
    os.ftruncate(fd, 8 << 20)
    writer = writers.open_writer(fd, 8 << 20, {allocated}, "mmap")
    block = memoryview(bytes(range(256)) * 256)
    for offset in range(0, 8 << 20, len(block)):
        try:
            writer.write(offset, block)
        except OSError as error:
            print(disk.disk_error(error, "write", "data"))
            break
"""


@on_tiny_disk
def test_a_full_disk_is_an_error_and_no_signal(tmp_path: Path) -> None:
    done = run_on_tiny_disk(tmp_path, FILL.format(allocated=False))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("cannot write data (the disk is full).")


@on_tiny_disk
def test_the_rule_about_holes_is_needed(tmp_path: Path) -> None:
    """What would happen if a file with holes were mapped: the process dies. If this ever passes without a signal,
    mapping may be used everywhere."""
    done = run_on_tiny_disk(tmp_path, FILL.format(allocated=True))
    assert done.returncode < 0


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_mapped_writing_does_not_keep_the_file_in_memory(tmp_path: Path) -> None:
    """256 MiB go through; what this process holds grows by the open windows only."""
    done = run_python(
        """
        import os, re, sys, threading
        import numpy
        from fastdl.io import disk, writers
        def resident():
            return int(re.search(r"VmRSS:\\s+(\\d+)", open("/proc/self/status").read())[1]) // 1024
        size = 256 << 20
        path = sys.argv[1] + "/data"
        fd = os.open(path, os.O_RDWR | os.O_CREAT)
        if not disk.preallocate(fd, size, path):
            os.posix_fallocate(fd, 0, size)  # any room is good enough here
        writer = writers.open_writer(fd, size, True, "mmap")
        assert isinstance(writer, writers.MappedWriter)
        block = memoryview(bytearray(256 << 10))
        before, most = resident(), 0
        for at in range(0, size // 4, len(block)):
            for part in range(4):
                writer.write(part * (size // 4) + at, block)
            most = max(most, resident())
        writer.close()
        os.unlink(path)
        print(most - before)
        """,
        str(tmp_path),
    )
    assert done.stderr == ""
    assert int(done.stdout) < 64, "MiB"


@pytest.mark.parametrize(
    ("size", "allocated", "why"),
    [
        (None, True, "size is not known"),
        (0, True, "size is not known"),
        (MIB, False, "no blocks"),
        (MIB, True, "NumPy"),
    ],
)
def test_why_windows_are_not_used(
    fd: int, size: int | None, allocated: bool, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in the unpacked programs, which come without NumPy."""
    monkeypatch.setitem(sys.modules, "numpy", None)
    assert why in writers.why_not_mapped(size, allocated)
    assert isinstance(writers.open_writer(fd, size, allocated, "mmap"), writers.PositionalWriter)
    monkeypatch.undo()
    assert bool(writers.why_not_mapped(size, allocated)) == (why != "NumPy")
