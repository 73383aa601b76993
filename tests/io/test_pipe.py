"""Bytes that go through a pipe arrive where they belong, whatever is small, slow, full or impossible on the way."""

from __future__ import annotations

import errno
import os
import random
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fastdl.io import pipe as pipes
from fastdl.io.pipe import Pipe, open_pipe
from fastdl.io.writers import PositionalWriter

CONTENT = random.Random(7).randbytes(300_000)
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="splice is a call of Linux")


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = open_pipe()
    assert made is not None
    yield made
    made.close()


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    near, far = socket.socketpair()
    near.setblocking(False)
    with near, far:
        yield near, far


@pytest.fixture
def fd(tmp_path: Path) -> Iterator[int]:
    number = os.open(tmp_path / "data", os.O_RDWR | os.O_CREAT)
    yield number
    os.close(number)


Ends = tuple[socket.socket, socket.socket]


def filled(pipe: Pipe, ends: Ends, data: bytes) -> Pipe:
    ends[1].sendall(data)
    assert pipe.fill(ends[0].fileno(), pipe.room) == len(data) == pipe.held
    return pipe


@pytest.mark.skipif(sys.platform == "linux", reason="there it exists")
def test_elsewhere_there_is_none() -> None:
    assert open_pipe() is None


@linux_only
def test_from_a_socket_into_a_file(pipe: Pipe, ends: Ends, fd: int, tmp_path: Path) -> None:
    writer = PositionalWriter(fd)
    at = 5
    for start in range(0, len(CONTENT), 50_000):
        writer.take(at, filled(pipe, ends, CONTENT[start : start + 50_000]))
        at += 50_000
        assert pipe.held == 0
    assert (tmp_path / "data").read_bytes() == bytes(5) + CONTENT
    assert writer.splices


@linux_only
def test_nothing_yet_and_the_end(pipe: Pipe, ends: Ends) -> None:
    with pytest.raises(BlockingIOError):
        pipe.fill(ends[0].fileno(), 100)
    assert pipe.held == 0
    ends[1].shutdown(socket.SHUT_WR)
    assert pipe.fill(ends[0].fileno(), 100) == 0


@linux_only
def test_no_more_than_was_asked_for(pipe: Pipe, ends: Ends) -> None:
    ends[1].sendall(CONTENT[:1000])
    assert pipe.fill(ends[0].fileno(), 300) == 300
    view = memoryview(bytearray(500))
    assert pipe.read(view[:100]) == 100 and pipe.read(view[100:]) == 200
    assert bytes(view[:300]) == CONTENT[:300] and pipe.held == 0
    assert ends[0].recv(1000) == CONTENT[300:1000]


@linux_only
def test_bytes_that_were_read_elsewhere(pipe: Pipe, fd: int, tmp_path: Path) -> None:
    assert pipe.put(b"") == 0
    assert pipe.put(CONTENT[: pipes.LEAST_ROOM]) == pipes.LEAST_ROOM, "it has room for so much at once"
    PositionalWriter(fd).take(0, pipe)
    assert (tmp_path / "data").read_bytes() == CONTENT[: pipes.LEAST_ROOM]


@linux_only
def test_short_moves_are_gone_on_with(
    pipe: Pipe, ends: Ends, fd: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(pipe, ends, CONTENT[:10_000])
    real = os.splice

    def short(source: int, target: int, count: int, **more: int) -> int:
        return real(source, target, min(count, 777), **more)

    monkeypatch.setattr(os, "splice", short)
    PositionalWriter(fd).take(3, pipe)
    assert (tmp_path / "data").read_bytes() == bytes(3) + CONTENT[:10_000]


@linux_only
@pytest.mark.parametrize("moves", [0, 2])
def test_a_file_system_that_cannot(
    pipe: Pipe, ends: Ends, fd: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moves: int
) -> None:
    """It is found out at the first try, nothing is lost, and it is not tried again."""
    filled(pipe, ends, CONTENT[:10_000])
    real, left = os.splice, [moves]

    def refuse(source: int, target: int, count: int, **more: int) -> int:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        return real(source, target, min(count, 1000), **more)

    monkeypatch.setattr(os, "splice", refuse)
    writer = PositionalWriter(fd)
    writer.take(0, pipe)
    assert (tmp_path / "data").read_bytes() == CONTENT[:10_000]
    assert not writer.splices and pipe.held == 0


@linux_only
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EDQUOT])
def test_a_disk_that_refuses(pipe: Pipe, ends: Ends, fd: int, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    filled(pipe, ends, CONTENT[:10_000])

    def refuse(*_: int, **__: int) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "splice", refuse)
    with pytest.raises(OSError) as error:
        PositionalWriter(fd).take(0, pipe)
    assert error.value.errno == number


@linux_only
def test_a_move_of_nothing_is_no_endless_loop(pipe: Pipe, ends: Ends, fd: int, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(pipe, ends, b"abc")
    monkeypatch.setattr(os, "splice", lambda *_, **__: 0)
    with pytest.raises(OSError, match="space"):
        PositionalWriter(fd).take(0, pipe)


@linux_only
def test_no_pipe_without_room_or_descriptors(monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl

    def small(fd: int, command: int, value: int = 0) -> int:
        if command == fcntl.F_SETPIPE_SZ:
            raise OSError(errno.EPERM, os.strerror(errno.EPERM))
        return 4096

    before = len(os.listdir("/proc/self/fd"))
    with monkeypatch.context() as patch:
        patch.setattr(fcntl, "fcntl", small)
        assert open_pipe() is None

    def none() -> tuple[int, int]:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    with monkeypatch.context() as patch:
        patch.setattr(os, "pipe", none)
        assert open_pipe() is None
    assert len(os.listdir("/proc/self/fd")) == before, "nothing is left open"
