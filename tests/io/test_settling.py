"""Files that are whole before they are written: locked, flushed, named by the lot, nothing left where that fails."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fastdl.errors import BadName, DiskError, NoSpace, TargetBusy, TargetExists
from fastdl.io import disk, files, settling
from fastdl.io.partial import Partial
from fastdl.io.settling import LOT, Settler, SmallFile, settle
from partials import HEADER, failing, half, names, posix_only

BODY = memoryview(b"a small file")
Told = list[tuple[str, str]]

_OTHER = """
import sys
from fastdl.io.partial import Partial
from fastdl.io.settling import SmallFile
from fastdl.errors import TargetBusy
sys.path.insert(0, sys.argv[2])
from partials import HEADER
print(SmallFile(sys.argv[1], durable=False, replace=False).store(memoryview(b"other"), None))
one = Partial.open(sys.argv[1])
try:
    one.begin(HEADER)
except TargetBusy:
    print("busy")
one.close()
"""


@pytest.fixture
def final(tmp_path: Path) -> str:
    return str(tmp_path / "file")


def small(final: str, **more: bool) -> SmallFile:
    return SmallFile(final, durable=more.get("durable", True), replace=more.get("replace", False))


def stored(final: str, **more: bool) -> SmallFile:
    file = small(final, **more)
    assert file.store(BODY, None)
    return file


def settled(file: SmallFile) -> DiskError | TargetExists | None:
    """What came of this one."""
    told: list[DiskError | TargetExists | None] = []
    settle([(file, told.append)])
    assert len(told) == 1
    return told[0]


def lot(folder: Path, count: int) -> list[SmallFile]:
    return [stored(str(folder / f"{at:02}")) for at in range(count)]


# --- one file ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("durable", [True, False])
def test_from_its_bytes_to_its_name(final: str, tmp_path: Path, durable: bool) -> None:
    file = small(final, durable=durable)
    assert file.store(BODY, 1_000_000_000.0)
    assert names(tmp_path) == ["file.fastdl"], "there is nothing to go on from, so no journal"
    assert settled(file) is None
    assert names(tmp_path) == ["file"]
    assert Path(final).read_bytes() == BODY
    assert os.stat(final).st_mtime == 1_000_000_000.0


def test_an_empty_file(final: str) -> None:
    file = small(final)
    assert file.store(memoryview(b""), None)
    assert settled(file) is None
    assert Path(final).read_bytes() == b""


def test_a_time_that_no_file_system_takes(final: str) -> None:
    file = small(final)
    assert file.store(BODY, 1e300)
    assert settled(file) is None


def test_a_missing_folder_is_made(tmp_path: Path) -> None:
    final = str(tmp_path / "a" / "b" / "file")
    assert settled(stored(final)) is None
    assert Path(final).read_bytes() == BODY


def test_a_file_where_a_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"mine")
    with pytest.raises(DiskError):
        small(str(tmp_path / "a" / "file")).store(BODY, None)
    assert (tmp_path / "a").read_bytes() == b"mine"


@posix_only
def test_a_name_that_is_too_long(tmp_path: Path) -> None:
    with pytest.raises(BadName):
        small(str(tmp_path / ("x" * 255))).store(BODY, None)
    assert names(tmp_path) == []


def test_all_of_it_where_the_system_takes_little_at_a_time(final: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = disk.write_at
    monkeypatch.setattr(disk, "write_at", lambda fd, offset, data: whole(fd, offset, data[:5]))
    assert settled(stored(final)) is None
    assert Path(final).read_bytes() == BODY


# --- who is in the way -------------------------------------------------------------------------------------


def test_while_it_is_stored_nobody_else_gets_the_target(final: str, tmp_path: Path) -> None:
    file = stored(final)
    assert not small(final).store(memoryview(b"other"), None)
    other = Partial.open(final)
    with pytest.raises(TargetBusy):
        other.begin(HEADER)
    other.close()
    assert names(tmp_path) == ["file.fastdl"]
    assert settled(file) is None
    assert Path(final).read_bytes() == BODY


def test_nor_another_process(final: str, tmp_path: Path) -> None:
    file = stored(final)
    arguments = [sys.executable, "-c", _OTHER, final, str(Path(__file__).parents[1])]
    source = str(Path(settling.__file__).parents[2])
    run = subprocess.run(arguments, env=os.environ | {"PYTHONPATH": source}, capture_output=True, text=True, timeout=30)
    assert run.stdout.split() == ["False", "busy"], run.stderr
    assert settled(file) is None
    assert Path(final).read_bytes() == BODY
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize("held", [True, False])
def test_a_partial_download_is_left_alone(final: str, tmp_path: Path, held: bool) -> None:
    half(final)
    before = Path(final + ".fastdl").read_bytes()
    other = Partial.open(final) if held else None
    assert not small(final).store(BODY, None)
    assert Path(final + ".fastdl").read_bytes() == before
    if other is not None:
        other.close()
    again = Partial.open(final)
    assert again.claims
    again.close()


def test_it_steps_back_from_a_journal_without_data(final: str, tmp_path: Path) -> None:
    other = Partial.open(final)
    assert not small(final).store(BODY, None)
    assert names(tmp_path) == ["file.fastdl.journal"]
    other.begin(HEADER)
    other.close()


def test_a_partial_download_begins_where_a_killed_run_left_a_small_file(final: str, tmp_path: Path) -> None:
    Path(final + ".fastdl").write_bytes(b"half a sm")
    one = Partial.open(final)
    assert one.header is None, "nothing is to be trusted of it"
    one.begin(HEADER)
    assert os.path.getsize(final + ".fastdl") == HEADER.size
    assert Path(final + ".fastdl").read_bytes()[:9] == bytes(9)
    one.discard()
    assert names(tmp_path) == []


@posix_only
def test_what_a_killed_run_left_is_written_anew(final: str, tmp_path: Path) -> None:
    Path(final + ".fastdl").write_bytes(b"half of what is longer than this one")
    assert settled(stored(final)) is None
    assert Path(final).read_bytes() == BODY
    assert names(tmp_path) == ["file"]


@posix_only
def test_what_somebody_else_shares_is_not_taken_away(final: str, tmp_path: Path) -> None:
    """A second name: it is somebody's own file."""
    (tmp_path / "own").write_bytes(b"precious")
    os.link(tmp_path / "own", final + ".fastdl")
    assert not small(final).store(BODY, None)
    assert names(tmp_path) == ["file.fastdl", "own"]


@posix_only
def test_a_link_under_its_working_name_is_not_followed(final: str, tmp_path: Path) -> None:
    (tmp_path / "victim").write_bytes(b"precious")
    os.symlink(tmp_path / "victim", final + ".fastdl")
    assert not small(final).store(BODY, None)
    assert (tmp_path / "victim").read_bytes() == b"precious"


# --- races -------------------------------------------------------------------------------------------------


def _before_the_lock(monkeypatch: pytest.MonkeyPatch, what: Callable[[], None]) -> None:
    """Once, between the making of the data file and its lock."""
    real, done = files.try_lock, []

    def lock(fd: int) -> bool:
        if not done:
            done.append(fd)
            what()
        return real(fd)

    monkeypatch.setattr(files, "try_lock", lock)


@posix_only
def test_another_one_begins_before_the_lock(final: str, monkeypatch: pytest.MonkeyPatch) -> None:
    other: list[Partial] = []

    def begins() -> None:
        other.append(Partial.open(final))
        other[0].begin(HEADER)

    _before_the_lock(monkeypatch, begins)
    assert not small(final).store(BODY, None)
    (one,) = other
    one.write(0, memoryview(b"x" * 100))
    assert os.path.getsize(final + ".fastdl") == HEADER.size, "the other one's file is still there"
    one.close()


@posix_only
def test_another_one_comes_and_goes_before_the_lock(
    final: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def passes() -> None:
        one = Partial.open(final)
        one.begin(HEADER)
        one.discard()

    _before_the_lock(monkeypatch, passes)
    assert not small(final).store(BODY, None), "its file has no name any more"
    assert names(tmp_path) == []


@posix_only
def test_another_one_holds_the_lock_already(final: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "try_lock", lambda fd: False)
    assert not small(final).store(BODY, None)
    monkeypatch.undo()
    one = Partial.open(final)
    one.begin(HEADER)
    one.close()


def test_without_locks(final: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "try_lock", failing(errno.ENOLCK))
    assert settled(stored(final)) is None
    assert Path(final).read_bytes() == BODY


@posix_only
def test_no_file_stays_open(final: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = os.dup(0)
    os.close(before)
    Path(final).write_bytes(b"other")
    assert isinstance(settled(stored(final)), TargetExists)
    half(final)
    assert not small(final).store(BODY, None)
    os.remove(final + ".fastdl")
    assert not small(final).store(BODY, None)
    monkeypatch.setattr(disk, "write_at", failing(errno.EIO))
    os.remove(final + ".fastdl.journal")
    with pytest.raises(DiskError):
        small(final).store(BODY, None)
    after = os.dup(0)
    os.close(after)
    assert before == after


# --- failures ----------------------------------------------------------------------------------------------


def test_a_full_disk_leaves_nothing(final: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "write_at", failing(errno.ENOSPC))
    with pytest.raises(NoSpace, match=r"cannot write .*file\.fastdl"):
        small(final).store(BODY, None)
    assert names(tmp_path) == []


def test_a_flush_that_fails_leaves_nothing(final: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "flush_data", failing(errno.EIO))
    assert "cannot flush" in str(settled(stored(final)))
    assert names(tmp_path) == []


def test_a_name_that_is_taken_by_now(final: str, tmp_path: Path) -> None:
    file = stored(final)
    Path(final).write_bytes(b"other")
    error = settled(file)
    assert isinstance(error, TargetExists)
    assert "file exists already" in str(error)
    assert Path(final).read_bytes() == b"other"
    assert names(tmp_path) == ["file"]


def test_a_name_that_is_taken_and_may_be_replaced(final: str, tmp_path: Path) -> None:
    file = stored(final, replace=True)
    Path(final).write_bytes(b"other")
    assert settled(file) is None
    assert Path(final).read_bytes() == BODY
    assert names(tmp_path) == ["file"]


def test_a_folder_with_that_name(final: str, tmp_path: Path) -> None:
    file = stored(final, replace=True)
    os.mkdir(final)
    assert isinstance(settled(file), DiskError)
    assert names(tmp_path) == ["file"]


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
