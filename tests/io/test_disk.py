"""Room, writers, flushing, and the operating system's refusals."""

from __future__ import annotations

import errno
import os
import random
import shutil
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fastdl.errors import BadName, DiskError, NoPermission, NoSpace
from fastdl.io import disk

MIB = 1 << 20


@pytest.fixture
def fd(tmp_path: Path) -> Iterator[int]:
    number = os.open(tmp_path / "data", os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0))
    yield number
    os.close(number)


def run_python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    source = str(Path(disk.__file__).parents[2])
    command = [sys.executable, "-c", textwrap.dedent(code), *arguments]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": source}, timeout=120)


def refused_mount() -> str | None:
    """Why a tiny file system of one's own cannot be had here; None where it can."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "needs Linux and root"
    if not shutil.which("unshare"):
        return "needs unshare"
    tried = subprocess.run(["unshare", "-m", "sh", "-c", "mount -t tmpfs none /mnt"], capture_output=True, check=False)
    return None if tried.returncode == 0 else "may not mount"


in_tiny_disk = pytest.mark.skipif(refused_mount() is not None, reason=refused_mount() or "")


def run_on_tiny_disk(folder: Path, code: str) -> subprocess.CompletedProcess[str]:
    """Run Python with a memory disk of 1 MiB mounted at `folder` (argv[1]) that nobody else sees."""
    script = 'mount -t tmpfs -o size=1m none "$1" && exec "$2" -c "$3" "$1"'
    command = ["unshare", "-m", "sh", "-c", script, "sh", str(folder), sys.executable, textwrap.dedent(code)]
    source = str(Path(disk.__file__).parents[2])
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": source}, timeout=120)


# --- errors ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "leaf", "why"),
    [
        (errno.ENOSPC, NoSpace, "the disk is full"),
        (errno.EACCES, NoPermission, "permission denied"),
        (errno.EPERM, NoPermission, "not permitted"),
        (errno.EROFS, NoPermission, "the file system is read-only"),
        (errno.ENAMETOOLONG, BadName, "the name is too long for the file system"),
        (errno.EIO, DiskError, "the device reports an input/output error"),
        (errno.ENOENT, DiskError, "the folder or the file is gone"),
        (errno.ELOOP, DiskError, "a symbolic link stands there, and it is not followed"),
    ],
)
def test_every_refusal_has_its_leaf(number: int, leaf: type[DiskError], why: str) -> None:
    error = disk.disk_error(OSError(number, os.strerror(number)), "write", "/folder/name")
    assert type(error) is leaf and error.code == 6
    assert (error.what, error.why) == ("Cannot write /folder/name", why)


@pytest.mark.parametrize(
    ("winerror", "leaf"),
    [(112, NoSpace), (39, NoSpace), (1295, NoSpace), (5, NoPermission), (19, NoPermission)]
    + [(123, BadName), (206, BadName), (3, DiskError), (32, DiskError), (1117, DiskError)],
)
def test_windows_refusals_have_the_same_leaves(winerror: int, leaf: type[DiskError]) -> None:
    error = OSError(errno.EINVAL, "Falscher Parameter")
    error.winerror = winerror  # type: ignore[attr-defined,unused-ignore]
    assert type(disk.disk_error(error, "write", "\\\\?\\C:\\name")) is leaf
    assert disk.disk_error(error, "write", "\\\\?\\C:\\name").what == "Cannot write C:\\name"


def test_an_invalid_argument_is_a_bad_name_only_where_a_name_is_given() -> None:
    error = OSError(errno.EINVAL, "Invalid argument")
    assert type(disk.disk_error(error, "create", "a")) is BadName
    assert type(disk.disk_error(error, "write", "a")) is DiskError


def test_an_unknown_refusal_keeps_the_systems_words() -> None:
    assert disk.disk_error(OSError(errno.EPIPE, "Broken pipe"), "write", "a").why == "broken pipe"
    assert disk.disk_error(OSError(), "write", "a").why


# --- room ------------------------------------------------------------------------------------------------


def test_room_has_the_right_size_and_is_all_zeros(fd: int, tmp_path: Path) -> None:
    disk.preallocate(fd, 3 * MIB + 5, str(tmp_path / "data"))
    assert (tmp_path / "data").read_bytes() == bytes(3 * MIB + 5)


def test_reserved_means_that_the_blocks_are_held(fd: int, tmp_path: Path) -> None:
    reserved = disk.preallocate(fd, 4 * MIB, str(tmp_path / "data"))
    if not reserved:
        pytest.skip("this file system reserves nothing")
    assert os.fstat(fd).st_blocks * 512 >= 4 * MIB


def test_a_longer_file_and_its_bytes_stay(fd: int, tmp_path: Path) -> None:
    os.write(fd, b"x" * 1000)
    disk.preallocate(fd, 10, str(tmp_path / "data"))
    assert (tmp_path / "data").read_bytes() == b"x" * 1000


def test_an_empty_file_needs_no_room(fd: int, tmp_path: Path) -> None:
    assert not disk.preallocate(fd, 0, str(tmp_path / "data"))


def test_no_byte_is_written_for_room(fd: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred gigabytes at once, on a disk that has them or says that it has: it would time out if written."""
    monkeypatch.setattr(disk, "_reserve", lambda *_: False)
    monkeypatch.setattr(disk, "free_space", lambda _: 1 << 50)
    try:
        disk.preallocate(fd, 100 << 30, str(tmp_path / "data"))
    except NoSpace:
        pytest.skip("this file system knows no files of 100 GB")
    assert os.fstat(fd).st_size == 100 << 30
    assert os.fstat(fd).st_blocks * 512 < MIB


def test_a_full_disk_is_found_out_before_it_is_filled(fd: int, tmp_path: Path) -> None:
    with pytest.raises(NoSpace) as caught:
        disk.preallocate(fd, 1 << 60, str(tmp_path / "data"))
    assert f"{1 << 60:,} bytes are needed" in caught.value.why and "are free" in caught.value.why
    assert os.fstat(fd).st_blocks == 0


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_reservation_that_is_refused_is_no_space(
    fd: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*_: object) -> bool:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(disk, "_reserve", refuse)
    with pytest.raises(NoSpace, match="No room"):
        disk.preallocate(fd, 10, str(tmp_path / "data"))


def test_what_a_file_holds_already_is_not_needed_again(
    fd: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.write(fd, b"x" * MIB)
    os.fsync(fd)
    monkeypatch.setattr(disk, "free_space", lambda _: 5000)
    monkeypatch.setattr(disk, "_reserve", lambda *_: False)
    disk.preallocate(fd, MIB + 4000, str(tmp_path / "data"))
    with pytest.raises(NoSpace, match="6,000 bytes are needed, 5,000 are free"):
        disk.preallocate(fd, MIB + 6000, str(tmp_path / "data"))


def test_a_file_system_that_does_not_tell_is_believed(fd: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "free_space", lambda _: None)
    disk.preallocate(fd, 10, str(tmp_path / "data"))
    assert os.fstat(fd).st_size == 10


# --- writers ---------------------------------------------------------------------------------------------

Opened = Callable[[int, int], disk.Writer]


def small_windows(fd: int, size: int) -> disk.Writer:
    return disk.MappedWriter(fd, size, window=64 * 1024, windows=2)


@pytest.mark.parametrize("opened", [lambda fd, _: disk.PositionalWriter(fd), disk.MappedWriter, small_windows])
def test_threads_write_at_their_offsets(fd: int, tmp_path: Path, opened: Opened) -> None:
    size = 3 * MIB + 12345
    content = random.Random(1).randbytes(size)
    os.truncate(fd, size) if os.truncate in os.supports_fd else os.ftruncate(fd, size)
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
    writer = disk.MappedWriter(fd, 4 * MIB, window=64 * 1024, windows=3)
    for at in range(0, 4 * MIB, 64 * 1024):
        writer.write(at, memoryview(b"x" * 1000))
        assert len(writer._open) <= 3
    writer.write(0, memoryview(b"y" * 64 * 1024))
    assert 0 not in writer._open, "a full window is given back at once"
    writer.close()
    assert not writer._open


def test_bytes_that_cannot_be_mapped_are_written_the_other_way(fd: int, tmp_path: Path) -> None:
    os.ftruncate(fd, 100)
    writer = disk.MappedWriter(fd, 100)

    def refuse(_: int) -> object:
        raise OSError(errno.ENODEV, "no mmap here")

    writer._map = refuse  # type: ignore[method-assign,assignment]
    writer.write(10, memoryview(b"abc"))
    writer.close()
    assert (tmp_path / "data").read_bytes()[8:15] == b"\0\0abc\0\0"


def test_mapped_windows_end_where_the_file_does(fd: int) -> None:
    os.ftruncate(fd, 100)
    writer = disk.MappedWriter(fd, 100)
    with pytest.raises(ValueError, match="outside"):
        writer.write(90, memoryview(b"x" * 11))
    writer.close()


@pytest.mark.parametrize(
    ("size", "allocated", "kind", "expected"),
    [
        (100, True, "auto", disk.PositionalWriter),
        (100, True, "positional", disk.PositionalWriter),
        (100, True, "mmap", disk.MappedWriter),
        (100, False, "mmap", disk.PositionalWriter),
        (None, False, "mmap", disk.PositionalWriter),
        (0, True, "mmap", disk.PositionalWriter),
    ],
)
def test_only_reserved_blocks_are_mapped(
    fd: int, size: int | None, allocated: bool, kind: disk.Kind, expected: type[disk.Writer]
) -> None:
    os.ftruncate(fd, size or 0)
    writer = disk.open_writer(fd, size, allocated, kind)
    assert isinstance(writer, expected)
    writer.close()


@pytest.mark.skipif(not hasattr(os, "pwrite"), reason="needs pwrite")
def test_short_writes_are_gone_on_with(fd: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, data, at: real(fd, data[:7], at))
    disk.PositionalWriter(fd).write(3, memoryview(bytes(range(100))))
    assert (tmp_path / "data").read_bytes() == b"\0\0\0" + bytes(range(100))


@pytest.mark.skipif(not hasattr(os, "pwrite"), reason="needs pwrite")
def test_a_write_of_nothing_is_no_endless_loop(fd: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "pwrite", lambda *_: 0)
    with pytest.raises(OSError, match="space"):
        disk.PositionalWriter(fd).write(0, memoryview(b"x"))


FILL = """
    import os, sys
    from fastdl.io import disk
    path = sys.argv[1] + "/data"
    fd = os.open(path, os.O_RDWR | os.O_CREAT)
    os.ftruncate(fd, 8 << 20)
    writer = disk.open_writer(fd, 8 << 20, {allocated}, "mmap")
    block = memoryview(bytes(range(256)) * 256)
    for offset in range(0, 8 << 20, len(block)):
        try:
            writer.write(offset, block)
        except OSError as error:
            print(disk.disk_error(error, "write", "data"))
            break
"""


@in_tiny_disk
def test_a_full_disk_is_an_error_and_no_signal(tmp_path: Path) -> None:
    done = run_on_tiny_disk(tmp_path, FILL.format(allocated=False))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Cannot write data (the disk is full).")


@in_tiny_disk
def test_the_rule_about_holes_is_needed(tmp_path: Path) -> None:
    """What would happen if a file with holes were mapped: the process dies. If this ever passes without a signal,
    mapping may be used everywhere."""
    done = run_on_tiny_disk(tmp_path, FILL.format(allocated=True))
    assert done.returncode < 0


@in_tiny_disk
def test_room_on_a_tiny_disk(tmp_path: Path) -> None:
    done = run_on_tiny_disk(
        tmp_path,
        """
        import os, sys
        from fastdl.errors import NoSpace
        from fastdl.io import disk
        path = sys.argv[1] + "/data"
        fd = os.open(path, os.O_RDWR | os.O_CREAT)
        disk.preallocate(fd, 500_000, path)
        try:
            disk.preallocate(fd, 2_000_000, path)
        except NoSpace as error:
            print(error.why)
        """,
    )
    assert done.stderr == "" and done.stdout.startswith("2,000,000 bytes are needed, ")


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_mapped_writing_does_not_keep_the_file_in_memory(tmp_path: Path) -> None:
    """256 MiB go through; what this process holds grows by the open windows only."""
    done = run_python(
        """
        import os, re, sys, threading
        import numpy
        from fastdl.io import disk
        def resident():
            return int(re.search(r"VmRSS:\\s+(\\d+)", open("/proc/self/status").read())[1]) // 1024
        size = 256 << 20
        path = sys.argv[1] + "/data"
        fd = os.open(path, os.O_RDWR | os.O_CREAT)
        if not disk.preallocate(fd, size, path):
            os.posix_fallocate(fd, 0, size)  # any room is good enough here
        writer = disk.open_writer(fd, size, True, "mmap")
        assert isinstance(writer, disk.MappedWriter)
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


# --- reading and flushing --------------------------------------------------------------------------------


def test_reading_at_an_offset(fd: int) -> None:
    os.write(fd, bytes(range(100)))
    room = bytearray(30)
    assert disk.read_into(fd, 10, memoryview(room)) == 30
    assert room == bytes(range(10, 40))
    assert disk.read_into(fd, 90, memoryview(room)) == 10
    assert disk.read_into(fd, 100, memoryview(room)) == 0


@pytest.mark.skipif(sys.platform == "win32", reason="pread is not used there")
def test_reading_without_preadv(fd: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "preadv", raising=False)
    test_reading_at_an_offset(fd)


def test_flushing(fd: int, tmp_path: Path) -> None:
    os.write(fd, b"x")
    disk.flush_data(fd)
    disk.flush_folder(str(tmp_path))


@pytest.mark.skipif(sys.platform == "win32", reason="folders are not flushed there")
def test_a_device_that_fails_on_a_folder_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(number: int) -> Callable[[int], None]:
        def fsync(_: int) -> None:
            raise OSError(number, os.strerror(number))

        return fsync

    monkeypatch.setattr(os, "fsync", fail(errno.EINVAL))
    disk.flush_folder(str(tmp_path))
    monkeypatch.setattr(os, "fsync", fail(errno.EIO))
    with pytest.raises(OSError, match="Input/output"):
        disk.flush_folder(str(tmp_path))


@pytest.mark.skipif(sys.platform != "linux", reason="fallocate(2)")
@pytest.mark.parametrize("number", [errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL])
def test_without_fallocate_the_file_has_holes(
    fd: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    import ctypes

    class Libc:
        class fallocate64:  # noqa: N801
            def __new__(cls, *_: object) -> int:  # type: ignore[misc]
                ctypes.set_errno(number)
                return -1

    monkeypatch.setattr(disk, "_is_memory", lambda _: False)
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: Libc)
    assert not disk.preallocate(fd, 2 * MIB, str(tmp_path / "data"))
    assert os.fstat(fd).st_size == 2 * MIB and os.fstat(fd).st_blocks == 0
