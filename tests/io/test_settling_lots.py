"""Small files by the lot: flushed, named, told; those who wait for one of them."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fastdl.errors import DiskError, TargetExists
from fastdl.io import disk, files
from fastdl.io.settling import LOT, Settler, SmallFile, settle
from partials import failing, names
from settled import final as final
from settled import settled, stored


def lot(folder: Path, count: int) -> list[SmallFile]:
    return [stored(str(folder / f"{at:02}")) for at in range(count)]


# --- lots --------------------------------------------------------------------------------------------------


def test_a_lot_is_settled_when_it_is_full(tmp_path: Path) -> None:
    settler, told = Settler(), []
    for file in lot(tmp_path, LOT):
        assert told == []
        settler.put(file, told.append)
    assert told == [None] * LOT
    assert names(tmp_path) == [f"{at:02}" for at in range(LOT)]
    settler.hurry()
    assert len(told) == LOT


def test_what_waits_is_settled_by_its_age(final: str) -> None:
    settler, told = Settler(), []
    settler.hurry()
    settler.put(stored(final), told.append)
    settler.hurry(3600.0)
    assert told == []
    settler.hurry()
    assert told == [None]


def test_waiting_for_a_path(final: str) -> None:
    settler, told = Settler(), []
    settler.wait_for(final)
    settler.put(stored(final), told.append)
    settler.wait_for(final + "2")
    assert told == [], "another one's path is no reason to hurry"
    settler.wait_for(final)
    assert told == [None]
    settler.wait_for(final)


def test_waiting_for_the_same_file_in_another_letter_case(final: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On Windows a list may name one file in two ways."""
    monkeypatch.setattr(os.path, "normcase", str.lower)
    settler, told = Settler(), []
    settler.put(stored(final), told.append)
    settler.wait_for(final.upper())
    assert told == [None]
    settler.wait_for(final)


def test_waiting_for_a_path_that_another_thread_is_naming(final: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settler, begun, goes_on = Settler(), threading.Event(), threading.Event()
    order: list[str] = []
    real = files.rename

    def rename(*args: Any, **more: Any) -> None:
        begun.set()
        assert goes_on.wait(20)
        order.append("named")
        real(*args, **more)

    def wait() -> None:
        settler.wait_for(final)
        order.append("waited")

    monkeypatch.setattr(files, "rename", rename)
    settler.put(stored(final), lambda error: None)
    namer = threading.Thread(target=settler.hurry)
    waiter = threading.Thread(target=wait)
    namer.start()
    assert begun.wait(20)
    waiter.start()
    goes_on.set()
    namer.join(20)
    waiter.join(20)
    assert order == ["named", "waited"]


def test_bytes_then_names_then_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each file's bytes are flushed before it is named, the folders once for all, and then it is told."""
    done: list[str] = []
    paths = {}

    def record(name: str, of: Any, path: Callable[..., str]) -> None:
        real = getattr(of, name)

        def call(*args: Any, **more: Any) -> Any:
            done.append(f"{name} {os.path.basename(path(*args))}")
            return real(*args, **more)

        monkeypatch.setattr(of, name, call)

    record("begin_flush", disk, lambda fd: paths[fd])
    record("flush_data", disk, lambda fd: paths[fd])
    record("flush_folder", disk, lambda path: path)
    record("rename", files, lambda source, target: target)
    settler = Settler()
    for name in ("d/1", "d/2", "e/3"):
        file = stored(str(tmp_path / name))
        paths[file._fd] = name
        settler.put(file, lambda error: done.append("told"))
    settler.hurry()
    assert done[:3] == ["begin_flush 1", "begin_flush 2", "begin_flush 3"]
    for name in "123":
        assert done.index(f"flush_data {name}") < done.index(f"rename {name}")
    assert sorted(done[-5:-3]) == ["flush_folder d", "flush_folder e"]
    assert done[-3:] == ["told"] * 3
    assert len(done) == 3 + 6 + 2 + 3


def test_nothing_is_flushed_where_that_is_not_asked_for(final: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("begin_flush", "flush_data", "flush_folder"):
        monkeypatch.setattr(disk, name, failing(errno.EIO))
    assert settled(stored(final, durable=False)) is None


def test_each_is_told_its_own_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settler, told = Settler(), []
    for at, file in enumerate(lot(tmp_path, 5)):
        settler.put(file, lambda error, at=at: told.append((at, error)))  # type: ignore[misc]
    (tmp_path / "01").write_bytes(b"other")
    real, calls = disk.flush_data, []

    def flush(fd: int) -> None:
        calls.append(fd)
        if len(calls) == 4:
            raise OSError(errno.EIO, "broken")
        real(fd)

    monkeypatch.setattr(disk, "flush_data", flush)
    settler.hurry()
    kinds = {at: type(error) for at, error in told}
    assert kinds == {0: type(None), 1: TargetExists, 2: type(None), 3: DiskError, 4: type(None)}
    assert len(told) == 5
    assert names(tmp_path) == ["00", "01", "02", "04"]
    assert (tmp_path / "01").read_bytes() == b"other"


def test_a_folder_that_cannot_be_flushed_is_said_of_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = disk.flush_folder

    def flush(path: str) -> None:
        if os.path.basename(path) == "d":
            raise OSError(errno.EIO, "broken")
        real(path)

    monkeypatch.setattr(disk, "flush_folder", flush)
    told: dict[str, DiskError | TargetExists | None] = {}
    settle([(stored(str(tmp_path / name)), lambda e, n=name: told.update({n: e})) for name in ("d/1", "e/2")])  # type: ignore[misc]
    assert isinstance(told["d/1"], DiskError)
    assert told["e/2"] is None


def test_one_who_fails_to_listen_does_not_keep_it_from_the_others(tmp_path: Path) -> None:
    settler, told = Settler(), []

    def deaf(error: object) -> None:
        raise RuntimeError("a bug")

    first, second, third = lot(tmp_path, 3)
    settler.put(first, told.append)
    settler.put(second, deaf)
    settler.put(third, told.append)
    with pytest.raises(RuntimeError, match="a bug"):
        settler.hurry()
    assert told == [None, None]
    assert names(tmp_path) == ["00", "01", "02"]
    for file in (first, second, third):
        settler.wait_for(file.final)


def test_many_threads_and_one_settler(tmp_path: Path) -> None:
    settler, told = Settler(), []

    def bring(number: int) -> None:
        for at in range(50):
            settler.put(stored(str(tmp_path / f"{number}-{at}"), durable=False), told.append)

    threads = [threading.Thread(target=bring, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    settler.hurry()
    assert told == [None] * 200
    assert len(names(tmp_path)) == 200
    assert not any(name.endswith(".fastdl") for name in names(tmp_path))
