"""Room, bytes at an offset, flushing, and the operating system's refusals."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from disks import on_tiny_disk, run_on_tiny_disk
from fastdl.errors import BadName, DiskError, NoPermission, NoSpace
from fastdl.io import disk

MIB = 1 << 20


@pytest.fixture
def fd(tmp_path: Path) -> Iterator[int]:
    number = os.open(tmp_path / "data", os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0))
    yield number
    os.close(number)


def held(fd: int) -> int:
    """Bytes of the disk that a file takes; 0 where the system does not tell."""
    return getattr(os.fstat(fd), "st_blocks", 0) * 512


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
    assert (error.what, error.why) == ("cannot write /folder/name", why)


@pytest.mark.parametrize(
    ("winerror", "leaf"),
    [
        *((112, NoSpace), (39, NoSpace), (1295, NoSpace), (5, NoPermission), (19, NoPermission)),
        *((123, BadName), (206, BadName), (3, DiskError), (32, DiskError), (1117, DiskError)),
    ],
)
def test_windows_refusals_have_the_same_leaves(winerror: int, leaf: type[DiskError]) -> None:
    error = OSError(errno.EINVAL, "Falscher Parameter")
    error.winerror = winerror  # type: ignore[attr-defined,unused-ignore]
    assert type(disk.disk_error(error, "write", "\\\\?\\C:\\name")) is leaf
    assert disk.disk_error(error, "write", "\\\\?\\C:\\name").what == "cannot write C:\\name"


def test_a_drive_that_there_never_was_is_not_gone() -> None:
    error = OSError(errno.ENOENT, "Der Pfad")
    error.winerror = 3  # type: ignore[attr-defined,unused-ignore]
    assert str(disk.disk_error(error, "create", "Q:\\x").why) == "there is no such folder or drive"


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
    assert held(fd) >= 4 * MIB


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
    assert held(fd) < MIB


def test_a_full_disk_is_found_out_before_it_is_filled(fd: int, tmp_path: Path) -> None:
    with pytest.raises(NoSpace) as caught:
        disk.preallocate(fd, 1 << 60, str(tmp_path / "data"))
    assert f"{1 << 60:,} bytes are needed" in caught.value.why and "are free" in caught.value.why
    assert held(fd) == 0


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_reservation_that_is_refused_is_no_space(
    fd: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*_: object) -> bool:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(disk, "_reserve", refuse)
    with pytest.raises(NoSpace, match="no room"):
        disk.preallocate(fd, disk.RESERVED, str(tmp_path / "data"))


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


@on_tiny_disk
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
        class fallocate64:
            def __new__(cls, *_: object) -> int:  # type: ignore[misc]
                ctypes.set_errno(number)
                return -1

    monkeypatch.setattr(disk, "_is_memory", lambda _: False)
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: Libc)
    assert not disk.preallocate(fd, 2 * MIB, str(tmp_path / "data"))
    assert os.fstat(fd).st_size == 2 * MIB and os.fstat(fd).st_blocks == 0
