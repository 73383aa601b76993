"""The pair of files is locked, and leads nobody elsewhere."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from disks import ENVIRONMENT
from fastdl.core.journal import Claim
from fastdl.errors import DiskError, TargetBusy
from fastdl.io import files
from fastdl.io.partial import Partial
from partials import HEADER, SIZE, failing, half, posix_only, put, root_only, whole


@pytest.fixture
def final(tmp_path: Path) -> str:
    return str(tmp_path / "file")


# --- names that lead elsewhere -----------------------------------------------------------------------------


@posix_only
@pytest.mark.parametrize("suffix", [".fastdl", ".fastdl.journal"])
def test_a_symbolic_link_is_not_followed(final: str, tmp_path: Path, suffix: str) -> None:
    half(final)
    victim = tmp_path / "victim"
    os.rename(final + suffix, victim)
    before = victim.read_bytes()
    os.symlink(victim, final + suffix)
    with pytest.raises(DiskError, match="symbolic link"):
        Partial.open(final)
    assert victim.read_bytes() == before


@posix_only
def test_a_new_data_file_replaces_a_symbolic_link(final: str, tmp_path: Path) -> None:
    (tmp_path / "victim").write_bytes(b"precious")
    os.symlink(tmp_path / "victim", final + ".fastdl")
    one = Partial.open(final)
    one.begin(HEADER)
    one.close()
    assert (tmp_path / "victim").read_bytes() == b"precious"
    assert not os.path.islink(final + ".fastdl")


@posix_only
@pytest.mark.parametrize("suffix", [".fastdl", ".fastdl.journal"])
def test_a_file_with_a_second_name_is_not_written_to(final: str, tmp_path: Path, suffix: str) -> None:
    half(final)
    os.link(final + suffix, tmp_path / "victim")
    with pytest.raises(DiskError, match="second name"):
        Partial.open(final)


@posix_only
@pytest.mark.parametrize("suffix", [".fastdl", ".fastdl.journal"])
def test_a_pipe_neither_hangs_nor_is_used(final: str, suffix: str) -> None:
    half(final)
    os.unlink(final + suffix)
    os.mkfifo(final + suffix)
    with pytest.raises(DiskError, match="ordinary file"):
        Partial.open(final)


@pytest.mark.parametrize("suffix", [".fastdl", ".fastdl.journal"])
def test_a_folder_in_the_way_is_told(final: str, suffix: str) -> None:
    half(final)
    os.unlink(final + suffix)
    os.mkdir(final + suffix)
    with pytest.raises(DiskError):
        Partial.open(final)


@root_only
def test_a_strangers_files_in_a_folder_for_everybody_are_not_gone_on_from(tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(0o777)
    final = str(folder / "file")
    half(final)
    os.chown(final + ".fastdl", 12345, -1)
    one = Partial.open(final)
    assert one.header is None and one.claims == [] and "another user" in one.note
    one.begin(HEADER)
    assert os.stat(final + ".fastdl").st_uid == 0
    put(one, 0, 10)
    one.close()
    os.chown(final + ".fastdl.journal", 12345, -1)
    one = Partial.open(final)
    assert one.claims == [] and os.stat(final + ".fastdl.journal").st_uid == 0
    one.close()
    half(final)
    os.chown(final + ".fastdl", 12345, -1)
    folder.chmod(0o755)
    one = Partial.open(final)
    assert one.claims == [Claim(0, SIZE // 2, 0)], "root in a user's own folder goes on"
    one.close()


@posix_only
def test_new_files_are_what_the_umask_lets_them_be(final: str) -> None:
    before = os.umask(0o027)
    try:
        one = whole(final)
        one.finish(size=SIZE, durable=False)
    finally:
        os.umask(before)
    assert stat.S_IMODE(os.stat(final).st_mode) == 0o640


def test_no_child_inherits_the_files(final: str) -> None:
    one = Partial.open(final)
    one.begin(HEADER)
    code = "import sys; sys.stdin.read()"
    child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, close_fds=False)
    try:
        one.close()
        Partial.open(final).close()  # a child that held the lock would keep it
    finally:
        child.communicate()


# --- the lock ----------------------------------------------------------------------------------------------


def test_a_second_one_in_this_process_is_refused(final: str) -> None:
    one = Partial.open(final)
    with pytest.raises(TargetBusy) as caught:
        Partial.open(final)
    assert caught.value.code == 9
    one.close()
    Partial.open(final).close()


HOLD = """
import sys
from fastdl.io.partial import Partial
one = Partial.open(sys.argv[1])
print("held", flush=True)
sys.stdin.read()
"""


def test_another_process_is_refused_until_this_one_dies(final: str) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD, final],
        env=ENVIRONMENT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert child.stdout is not None and child.stdout.readline() == "held\n"
        with pytest.raises(TargetBusy):
            Partial.open(final)
    finally:
        child.kill()
        child.communicate()
    Partial.open(final).close()


def test_the_lock_of_a_removed_journal_is_no_lock(final: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The holder finished and removed the journal while we were opening it."""
    real, calls = files.try_lock, []

    def removed_meanwhile(fd: int) -> bool:
        calls.append(fd)
        if len(calls) == 1:
            os.unlink(final + ".fastdl.journal")
        return real(fd)

    monkeypatch.setattr(files, "try_lock", removed_meanwhile)
    if sys.platform == "win32":
        pytest.skip("no open file can be removed there")
    one = Partial.open(final)
    assert len(calls) == 2
    with pytest.raises(TargetBusy):
        Partial.open(final)
    one.close()


@posix_only
def test_a_journal_that_vanishes_for_ever_is_given_up_on(final: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = files.try_lock

    def removed_meanwhile(fd: int) -> bool:
        os.unlink(final + ".fastdl.journal")
        return real(fd)

    monkeypatch.setattr(files, "try_lock", removed_meanwhile)
    with pytest.raises(DiskError):
        Partial.open(final)


def test_a_file_system_without_locks_is_noted(final: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "try_lock", failing(errno.ENOLCK))
    one = Partial.open(final)
    assert "would not be noticed" in one.note
    one.close()


def test_many_at_once_and_one_has_it(final: str) -> None:
    got: list[Partial] = []
    refused: list[Exception] = []
    gate = threading.Barrier(8)

    def try_it() -> None:
        gate.wait()
        try:
            got.append(Partial.open(final))
        except TargetBusy as error:
            refused.append(error)

    threads = [threading.Thread(target=try_it) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 1 and len(refused) == 7
    got[0].close()
