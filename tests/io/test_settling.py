"""Files that are whole before they are written: locked, and nothing left where that fails."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fastdl.errors import BadName, DiskError, NoSpace, TargetBusy, TargetExists
from fastdl.io import disk, files, settling
from fastdl.io.partial import Partial
from partials import HEADER, failing, half, names, posix_only
from settled import BODY, settled, small, stored
from settled import final as final

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
