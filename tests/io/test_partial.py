"""The pair of files: locked, not led elsewhere, true after every kill, renamed once and never over another file."""

from __future__ import annotations

import errno
import os
import random
import signal
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from disks import ENVIRONMENT, on_tiny_disk, run_on_tiny_disk, run_python
from fastdl.core.journal import HEADER_SIZE, Claim, JournalHeader, Slot, encode_header, encode_slot
from fastdl.errors import BadName, DiskError, NoPermission, NoSpace, TargetBusy, TargetExists
from fastdl.io import disk, files, partial
from fastdl.io.partial import Partial

SIZE = 100_000
CONTENT = random.Random(0).randbytes(SIZE)
HEADER = JournalHeader(
    url_key="key",
    url="https://example.org/file",
    masked=False,
    name="file",
    size=SIZE,
    etag='"1"',
    last_modified=None,
    digest=None,
    boot="",
    sources=["https://example.org/file", "https://example.com/file"],
    created=1.0,
)
posix_only = pytest.mark.skipif(sys.platform == "win32", reason="POSIX")
root_only = pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="needs root")


@pytest.fixture
def final(tmp_path: Path) -> str:
    return str(tmp_path / "file")


def names(folder: str | Path) -> list[str]:
    return sorted(os.listdir(folder))


def put(one: Partial, start: int, end: int, source: int = 0) -> int:
    """Fetch a run."""
    one.write(start, memoryview(CONTENT)[start:end])
    slot = one.run(start, source)
    one.record(slot, start, end, source)
    return slot


def whole(final: str) -> Partial:
    """A download that only has to be finished."""
    one = Partial.open(final)
    one.begin(HEADER)
    put(one, 0, SIZE)
    return one


def half(final: str) -> None:
    """What an interrupted run leaves."""
    one = Partial.open(final)
    one.begin(HEADER)
    put(one, 0, SIZE // 2)
    one.close()


def failing(number: int) -> Callable[..., int]:
    def fail(*_: object, **__: object) -> int:
        raise OSError(number, os.strerror(number))

    return fail


# --- opening -----------------------------------------------------------------------------------------------


def test_a_new_target_has_nothing(final: str) -> None:
    one = Partial.open(final)
    assert (one.header, one.claims, one.note, one.finished) == (None, [], "", None)
    one.close()


def test_opening_alone_leaves_nothing_behind(final: str, tmp_path: Path) -> None:
    Partial.open(final).close()
    assert names(tmp_path) == []


def test_the_folder_is_made(tmp_path: Path) -> None:
    one = Partial.open(str(tmp_path / "a" / "b" / "file"))
    one.begin(HEADER)
    one.close()
    assert names(tmp_path / "a" / "b") == ["file.fastdl", "file.fastdl.journal"]


def test_a_relative_name_stays_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    one = Partial.open("file")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    one.begin(HEADER)
    one.close()
    assert names(tmp_path) == ["elsewhere", "file.fastdl", "file.fastdl.journal"]


def test_going_on(final: str) -> None:
    half(final)
    one = Partial.open(final)
    assert one.claims == [Claim(0, SIZE // 2, 0)] and one.note == ""
    assert one.header is not None and one.header.etag == '"1"'
    one.continue_with(one.header)
    room = bytearray(1000)
    assert one.read_into(5000, memoryview(room)) == 1000 and room == CONTENT[5000:6000]
    put(one, SIZE // 2, SIZE, 1)
    one.finish(size=SIZE, durable=True)
    assert Path(final).read_bytes() == CONTENT
    assert names(os.path.dirname(final)) == ["file"]


def test_a_part_may_be_gone_on_from(final: str) -> None:
    half(final)
    one = Partial.open(final)
    assert one.header is not None
    one.continue_with(one.header, [Claim(10, 20, 0)])
    assert one.claims == [Claim(10, 20, 0)]
    one.close()
    assert Partial.open(final).claims == [Claim(10, 20, 0)]


def test_beginning_again_forgets_everything(final: str) -> None:
    half(final)
    one = Partial.open(final)
    one.begin(replace(HEADER, etag='"2"'))
    one.close()
    again = Partial.open(final)
    assert again.claims == [] and again.header is not None and again.header.etag == '"2"'
    assert Path(final + ".fastdl").read_bytes() == bytes(SIZE)
    again.close()


def test_fresh_passes_over_what_is_there_and_keeps_it_until_begun(final: str) -> None:
    half(final)
    one = Partial.open(final, fresh=True)
    assert one.header is None and one.claims == []
    one.close()
    one = Partial.open(final)
    assert one.claims == [Claim(0, SIZE // 2, 0)]
    one.close()


def test_a_damaged_journal_is_noted_and_begun_over(final: str) -> None:
    half(final)
    with open(final + ".fastdl.journal", "r+b") as file:
        file.write(b"x" * HEADER_SIZE)
    one = Partial.open(final)
    assert one.header is None and one.claims == [] and "damaged" in one.note
    one.begin(HEADER)
    one.close()
    assert Partial.open(final).note == ""


def test_a_newer_journal_is_noted_and_kept(final: str, tmp_path: Path) -> None:
    half(final)
    block = encode_header(HEADER).replace(b"fastdl-journal 1 ", b"fastdl-journal 2 ")
    Path(final + ".fastdl.journal").write_bytes(block)
    one = Partial.open(final)
    assert one.header is None and "newer version" in one.note
    one.close()
    assert Path(final + ".fastdl.journal").read_bytes() == block


def test_a_cut_journal_keeps_the_claims_that_it_still_has(final: str) -> None:
    half(final)
    os.truncate(final + ".fastdl.journal", HEADER_SIZE + 31)
    one = Partial.open(final)
    assert one.header is not None and one.claims == []
    one.close()


def test_a_cut_data_file_is_claimed_as_far_as_it_goes(final: str) -> None:
    half(final)
    os.truncate(final + ".fastdl", 777)
    one = Partial.open(final)
    assert one.claims == [Claim(0, 777, 0)]
    one.close()


def test_a_cut_data_file_is_not_claimed_in_full_after_it_grew_again(
    final: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between making room and whatever comes then: the old slot would cover the zeros."""
    half(final)
    os.truncate(final + ".fastdl", 777)
    one = Partial.open(final)
    assert one.header is not None
    monkeypatch.setattr(partial, "open_writer", failing(errno.EIO))
    with pytest.raises(DiskError):
        one.continue_with(one.header)
    one.close()
    assert Partial.open(final).claims == [Claim(0, 777, 0)]


def test_a_journal_without_data_is_taken_over(final: str) -> None:
    half(final)
    os.unlink(final + ".fastdl")
    one = Partial.open(final)
    assert one.header is None and one.claims == []
    one.begin(HEADER)
    put(one, 0, 10)
    one.close()
    one = Partial.open(final)
    assert one.claims == [Claim(0, 10, 0)]
    one.close()


def test_a_journal_without_data_is_cleared_away(final: str, tmp_path: Path) -> None:
    half(final)
    os.unlink(final + ".fastdl")
    Partial.open(final).close()
    assert names(tmp_path) == []


def test_data_without_a_journal_is_begun_over(final: str) -> None:
    Path(final + ".fastdl").write_bytes(b"old" * SIZE)
    one = Partial.open(final)
    assert one.header is None
    one.begin(HEADER)
    one.close()
    assert Path(final + ".fastdl").read_bytes() == bytes(SIZE)


def test_after_another_boot_only_what_was_flushed_counts(final: str, monkeypatch: pytest.MonkeyPatch) -> None:
    one = Partial.open(final)
    one.begin(HEADER)
    slot = put(one, 0, 1000)
    one.flush()
    one.write(1000, memoryview(CONTENT)[1000:3000])
    one.record(slot, 0, 3000, 0)
    put(one, 5000, 6000)
    one.close()
    monkeypatch.setattr(partial, "boot_identity", lambda: "another")
    one = Partial.open(final)
    assert one.claims == [Claim(0, 1000, 0)]
    assert one.header is not None
    one.continue_with(one.header)
    one.close()
    monkeypatch.setattr(partial, "boot_identity", lambda: "a third")
    one = Partial.open(final)
    assert one.claims == [Claim(0, 1000, 0)], "what was flushed before stays flushed"
    one.close()


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


# --- working -----------------------------------------------------------------------------------------------


def test_a_file_of_unknown_size_grows(final: str) -> None:
    one = Partial.open(final)
    one.begin(replace(HEADER, size=None))
    put(one, 0, 1000)
    put(one, 1000, SIZE)
    one.close()
    one = Partial.open(final)
    assert one.claims == [Claim(0, SIZE, 0)]
    assert one.header is not None
    one.continue_with(one.header)
    one.finish(size=SIZE, durable=True)
    assert Path(final).read_bytes() == CONTENT


def test_a_size_that_becomes_known(final: str) -> None:
    one = Partial.open(final)
    one.begin(replace(HEADER, size=None))
    put(one, 0, 1000)
    one.set_size(SIZE)
    assert os.path.getsize(final + ".fastdl") == SIZE
    put(one, 50_000, 60_000)
    one.close()
    one = Partial.open(final)
    assert one.header is not None and one.header.size == SIZE
    assert one.claims == [Claim(0, 1000, 0), Claim(50_000, 60_000, 0)]
    one.close()


def test_taking_back_and_forgetting(final: str) -> None:
    one = Partial.open(final)
    one.begin(HEADER)
    put(one, 0, 1000)
    slot = put(one, 2000, 3000)
    one.record(slot, 2000, 2000, 0)
    one.forget(300, 400)
    put(one, 300, 350, 1)
    one.close()
    one = Partial.open(final)
    assert one.claims == [Claim(0, 300, 0), Claim(300, 350, 1), Claim(400, 1000, 0)]
    one.close()


def test_a_flush_of_before_says_nothing_of_a_run_that_came_after(final: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the device is flushed, a range is forgotten and fetched anew into the very same slot."""
    one = Partial.open(final)
    one.begin(HEADER)
    put(one, 0, 1000)
    slot = put(one, 5000, 6000)
    real = disk.flush_data

    def meanwhile(fd: int) -> None:
        real(fd)
        monkeypatch.setattr(disk, "flush_data", real)
        one.forget(0, 1000)
        put(one, 0, 1000)
        one.record(slot, 5000, 5000, 0)
        one.record(slot, 5000, 6000, 0)

    monkeypatch.setattr(disk, "flush_data", meanwhile)
    one.flush()
    one.close()
    monkeypatch.setattr(partial, "boot_identity", lambda: "another")
    one = Partial.open(final)
    assert one.claims == []
    one.close()


def test_threads_write_record_and_flush(final: str) -> None:
    one = Partial.open(final)
    one.begin(HEADER)
    done = threading.Event()

    def work(number: int) -> None:
        for start in range(number * 1000, SIZE, 8000):
            slot = one.run(start, number % 2)
            for end in range(start + 100, start + 1001, 100):
                one.write(end - 100, memoryview(CONTENT)[end - 100 : end])
                one.record(slot, start, end, number % 2)
            one.end_run(slot)

    def flush() -> None:
        while not done.is_set():
            one.flush()

    workers = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    flusher = threading.Thread(target=flush)
    for thread in [*workers, flusher]:
        thread.start()
    for thread in workers:
        thread.join()
    done.set()
    flusher.join()
    one.close()
    one = Partial.open(final)
    assert [(claim.start, claim.end, claim.source) for claim in one.claims] == [
        (start, start + 1000, start // 1000 % 2) for start in range(0, SIZE, 1000)
    ]
    assert one.header is not None
    one.continue_with(one.header)
    one.finish(size=SIZE, durable=False)
    assert Path(final).read_bytes() == CONTENT


def test_after_the_end_nothing_is_written(final: str) -> None:
    one = whole(final)
    slot = one.run(0, 0)
    one.close()
    other = os.open(final + ".other", os.O_RDWR | os.O_CREAT)  # may well get the number that became free
    try:
        for call in (
            lambda: one.write(0, memoryview(b"stray")),
            lambda: one.record(slot, 0, 5, 0),
            lambda: one.read_into(0, memoryview(bytearray(1))),
            lambda: one.flush(),
            lambda: one.update_header(HEADER),
        ):
            with pytest.raises(DiskError):
                call()
        assert os.fstat(other).st_size == 0
    finally:
        os.close(other)


def test_a_straggler_keeps_its_file_and_not_the_lock(final: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write hangs in the kernel while the download is closed and begun again: its bytes go to the old file."""
    one = Partial.open(final)
    one.begin(HEADER)
    entered, leave = threading.Event(), threading.Event()
    real = disk.write_at
    hung: list[int] = []

    def hanging(fd: int, offset: int, data: memoryview) -> int:
        if bytes(data) == b"late":
            hung.append(os.fstat(fd).st_ino)
            entered.set()
            leave.wait()
            assert os.fstat(fd).st_ino == hung[0]
        return real(fd, offset, data)

    monkeypatch.setattr(disk, "write_at", hanging)
    straggler = threading.Thread(target=lambda: one.write(0, memoryview(b"late")))
    straggler.start()
    entered.wait()
    one.close()
    try:
        two = Partial.open(final)
        assert two.header is not None
    finally:
        leave.set()
        straggler.join()
    if sys.platform != "win32":
        two.begin(HEADER)
    two.close()


# --- the disk refuses --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "leaf"), [(errno.ENOSPC, NoSpace), (errno.EIO, DiskError), (errno.EROFS, NoPermission)]
)
def test_a_refused_write_keeps_what_is_claimed(
    final: str, monkeypatch: pytest.MonkeyPatch, number: int, leaf: type[DiskError]
) -> None:
    one = Partial.open(final)
    one.begin(HEADER)
    slot = put(one, 0, 1000)
    with monkeypatch.context() as patch:
        patch.setattr(disk, "write_at", failing(number))
        with pytest.raises(leaf) as caught:
            one.write(1000, memoryview(b"x"))
        assert type(caught.value) is leaf and caught.value.code == 6
        with pytest.raises(leaf):
            one.record(slot, 0, 2000, 0)
    one.close()
    one = Partial.open(final)
    assert one.claims == [Claim(0, 1000, 0)]
    one.close()


@pytest.mark.parametrize(
    ("number", "leaf"), [(errno.EROFS, NoPermission), (errno.EACCES, NoPermission), (errno.ENAMETOOLONG, BadName)]
)
def test_a_refused_open(final: str, monkeypatch: pytest.MonkeyPatch, number: int, leaf: type[DiskError]) -> None:
    monkeypatch.setattr(os, "open", failing(number))
    with pytest.raises(leaf):
        Partial.open(final)


@posix_only
def test_a_folder_without_permission() -> None:
    folder = tempfile.mkdtemp()
    os.chmod(folder, 0o555)
    was_root = os.geteuid() == 0
    try:
        if was_root:  # root may write anywhere
            os.seteuid(65534)
        with pytest.raises(NoPermission):
            Partial.open(os.path.join(folder, "file"))
    finally:
        if was_root:
            os.seteuid(0)
        os.rmdir(folder)


@pytest.mark.parametrize("name", ["x" * 250, "file\0", "file\ud800"])
def test_a_name_that_the_file_system_refuses(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadName):
        Partial.open(str(tmp_path / name))


def test_a_file_where_the_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")
    with pytest.raises(DiskError):
        Partial.open(str(tmp_path / "a" / "file"))


def test_no_room_leaves_nothing_behind(final: str, tmp_path: Path) -> None:
    one = Partial.open(final)
    with pytest.raises(NoSpace, match="bytes are needed"):
        one.begin(replace(HEADER, size=1 << 60))
    one.close()
    assert names(tmp_path) == []


def test_no_room_to_go_on_keeps_what_is_there(final: str, monkeypatch: pytest.MonkeyPatch) -> None:
    half(final)
    one = Partial.open(final)
    assert one.header is not None
    with monkeypatch.context() as patch:
        patch.setattr(disk, "preallocate", failing(errno.ENOSPC))
        with pytest.raises(NoSpace):
            one.continue_with(one.header)
    one.close()
    one = Partial.open(final)
    assert one.claims == [Claim(0, SIZE // 2, 0)]
    one.close()


def test_a_device_that_fails_while_flushing_is_not_believed_again(final: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system tells of a lost page once; the next flush would report success."""
    one = Partial.open(final)
    one.begin(HEADER)
    slot = put(one, 0, 1000)
    one.flush()
    one.write(1000, memoryview(CONTENT)[1000:])
    one.record(slot, 0, SIZE, 0)
    with monkeypatch.context() as patch:
        patch.setattr(disk, "flush_data", failing(errno.EIO))
        with pytest.raises(DiskError, match="input/output"):
            one.flush()
    for call in (
        lambda: one.record(slot, 0, SIZE, 0),
        lambda: one.flush(),
        lambda: one.finish(size=SIZE, durable=True),
    ):
        with pytest.raises(DiskError, match="input/output"):
            call()
    one.close()
    assert not os.path.exists(final)
    one = Partial.open(final)
    assert one.claims == [Claim(0, 1000, 0)], "not even in this boot"
    one.close()


@posix_only
def test_a_folder_that_vanished(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    one = whole(str(folder / "file"))
    for name in names(folder):
        os.unlink(folder / name)
    folder.rmdir()
    with pytest.raises(DiskError, match="gone"):
        one.finish(size=SIZE, durable=True)
    one.close()
    assert not folder.exists()


@posix_only
def test_another_file_in_the_datas_place_is_not_given_out(final: str) -> None:
    one = whole(final)
    os.unlink(final + ".fastdl")
    Path(final + ".fastdl").write_bytes(b"planted")
    with pytest.raises(DiskError, match="another file"):
        one.finish(size=SIZE, durable=False)
    one.close()
    assert not os.path.exists(final)


@on_tiny_disk
@pytest.mark.parametrize("writer", ["auto", "mmap"])
def test_a_real_full_disk(tmp_path: Path, writer: str) -> None:
    done = run_on_tiny_disk(
        tmp_path,
        f"""
        import sys
        from dataclasses import replace
        from fastdl.core.journal import JournalHeader
        from fastdl.errors import NoSpace
        from fastdl.io.partial import Partial
        header = JournalHeader("k", "u", False, "f", 800_000, None, None, None, "", ["u"], 1.0)
        path = sys.argv[1] + "/f"
        one = Partial.open(path, writer={writer!r})
        one.begin(header)
        slot = one.run(0, 0)
        one.write(0, memoryview(b"x" * 100_000))
        one.record(slot, 0, 100_000, 0)
        open(sys.argv[1] + "/other", "wb").write(bytes(800_000))  # somebody else fills the disk
        try:
            for at in range(100_000, 800_000, 50_000):
                one.write(at, memoryview(b"x" * 50_000))
                one.record(slot, 0, at + 50_000, 0)
        except NoSpace as error:
            print(type(error).__name__)
        one.close()
        one = Partial.open(path)
        print(one.claims[0].end >= 100_000, one.claims[0].end < 800_000)
        """,
    )
    assert (done.stdout, done.stderr) == ("NoSpace\nTrue True\n", "")


@on_tiny_disk
def test_a_real_read_only_disk(tmp_path: Path) -> None:
    done = run_on_tiny_disk(
        tmp_path,
        """
        import sys
        from fastdl.errors import NoPermission
        from fastdl.io.partial import Partial
        try:
            Partial.open(sys.argv[1] + "/f")
        except NoPermission as error:
            print(error.why)
        """,
        "size=1m,ro",
    )
    assert (done.stdout, done.stderr) == ("the file system is read-only\n", "")


# --- ending ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("durable", [True, False])
def test_finishing(final: str, tmp_path: Path, durable: bool) -> None:
    one = whole(final)
    one.finish(final, size=SIZE, replace=False, mtime=1_000_000_000.5, durable=durable)
    assert names(tmp_path) == ["file"]
    assert Path(final).read_bytes() == CONTENT
    assert os.stat(final).st_mtime == 1_000_000_000.5
    one.close()


def test_what_is_longer_is_cut(final: str) -> None:
    one = whole(final)
    one.finish(size=1000, durable=False)
    assert Path(final).read_bytes() == CONTENT[:1000]


def test_what_is_shorter_is_not_given_out(final: str) -> None:
    one = Partial.open(final)
    one.begin(replace(HEADER, size=None))
    put(one, 0, 10)
    with pytest.raises(DiskError, match="shorter"):
        one.finish(size=11, durable=False)
    one.close()
    assert not os.path.exists(final)


def test_an_empty_file(final: str) -> None:
    one = Partial.open(final)
    one.begin(replace(HEADER, size=0))
    one.finish(size=0, durable=True)
    assert Path(final).read_bytes() == b""


@pytest.mark.parametrize("mtime", [float("nan"), float("inf"), 1e30, -1e30, -1.0])
def test_an_absurd_time_does_no_harm(final: str, mtime: float) -> None:
    one = whole(final)
    one.finish(size=SIZE, mtime=mtime, durable=False)
    assert Path(final).read_bytes() == CONTENT


def refuse_way(*_: str) -> bool:
    return False


@pytest.fixture(params=["system call", "link", "look and rename"])
def ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ways to rename, of which the later ones are for poor file systems."""
    if sys.platform == "win32":
        return
    if request.param != "system call":
        monkeypatch.setattr(files, "_rename_exclusively", refuse_way)
    if request.param == "look and rename":
        monkeypatch.setattr(os, "link", failing(errno.EPERM))


@pytest.mark.usefixtures("ways")
def test_every_way_of_renaming(final: str, tmp_path: Path) -> None:
    whole(final).finish(size=SIZE, durable=True)
    assert names(tmp_path) == ["file"] and Path(final).read_bytes() == CONTENT
    assert os.stat(final).st_nlink == 1


@pytest.mark.usefixtures("ways")
def test_a_file_that_appeared_meanwhile_is_not_clobbered(final: str, tmp_path: Path) -> None:
    one = whole(final)
    Path(final).write_bytes(b"precious")
    with pytest.raises(TargetExists) as caught:
        one.finish(size=SIZE, durable=True)
    assert caught.value.code == 7
    assert Path(final).read_bytes() == b"precious"
    assert names(tmp_path) == ["file", "file.fastdl", "file.fastdl.journal"]
    one.finish(final + ".1", size=SIZE, durable=True)
    assert names(tmp_path) == ["file", "file.1"]
    assert Path(final + ".1").read_bytes() == CONTENT


@posix_only
@pytest.mark.usefixtures("ways")
def test_a_dangling_link_is_a_file_too(final: str) -> None:
    one = whole(final)
    os.symlink("nowhere", final)
    with pytest.raises(TargetExists):
        one.finish(size=SIZE, durable=False)
    one.close()


def test_replacing(final: str, tmp_path: Path) -> None:
    one = whole(final)
    Path(final).write_bytes(b"old")
    one.finish(size=SIZE, replace=True, durable=True)
    assert names(tmp_path) == ["file"] and Path(final).read_bytes() == CONTENT


def test_a_folder_is_not_replaced(final: str) -> None:
    one = whole(final)
    os.mkdir(final)
    with pytest.raises((DiskError, TargetExists)):
        one.finish(size=SIZE, replace=True, durable=True)
    one.close()


def test_discarding(final: str, tmp_path: Path) -> None:
    one = whole(final)
    one.discard()
    assert names(tmp_path) == []
    one.close()


def test_closing_keeps_both_and_may_be_repeated(final: str, tmp_path: Path) -> None:
    one = whole(final)
    one.close()
    one.close()
    assert names(tmp_path) == ["file.fastdl", "file.fastdl.journal"]


class Killed(BaseException):
    pass


def killed_in_finish(final: str, monkeypatch: pytest.MonkeyPatch, spot: tuple[object, str], durable: bool) -> None:
    def die(*_: object, **__: object) -> None:
        raise Killed

    one = whole(final)
    with monkeypatch.context() as patch:
        patch.setattr(*spot, die)
        with pytest.raises(Killed):
            one.finish(size=SIZE, durable=durable)
    assert one._journal is not None
    one._journal._handle.close()


@pytest.mark.parametrize("durable", [True, False])
def test_killed_between_the_rename_and_the_journal(
    final: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, durable: bool
) -> None:
    killed_in_finish(final, monkeypatch, (files, "remove"), durable)
    assert names(tmp_path) == ["file", "file.fastdl.journal"]
    one = Partial.open(final)
    assert one.header is None and one.claims == []
    assert one.finished is not None and one.finished.etag == '"1"'
    one.close()
    assert names(tmp_path) == ["file"] and Path(final).read_bytes() == CONTENT


@posix_only
def test_killed_between_the_link_and_the_unlink(final: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(files, "_rename_exclusively", refuse_way)
        killed_in_finish(final, monkeypatch, (os, "unlink"), True)
    assert names(tmp_path) == ["file", "file.fastdl", "file.fastdl.journal"]
    one = Partial.open(final)
    assert one.finished is not None
    one.close()
    assert names(tmp_path) == ["file"] and Path(final).read_bytes() == CONTENT


def test_a_rename_that_a_power_loss_may_have_emptied_is_not_taken_for_finished(
    final: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed_in_finish(final, monkeypatch, (files, "remove"), False)
    monkeypatch.setattr(partial, "boot_identity", lambda: "another")
    one = Partial.open(final)
    assert one.finished is None and one.header is None
    one.close()


def test_a_durable_rename_is_finished_after_a_power_loss_too(final: str, monkeypatch: pytest.MonkeyPatch) -> None:
    killed_in_finish(final, monkeypatch, (files, "remove"), True)
    monkeypatch.setattr(partial, "boot_identity", lambda: "another")
    one = Partial.open(final)
    assert one.finished is not None
    one.close()


@pytest.mark.parametrize(
    ("claimed", "size"), [(SIZE, SIZE + 1), (SIZE - 1, SIZE)], ids=["another size", "not all was there"]
)
def test_a_file_that_only_got_the_same_number_is_not_taken_for_ours(final: str, claimed: int, size: int) -> None:
    """The partial data was deleted by hand, and the system gave its number to the user's own file."""
    Path(final).write_bytes(bytes(size))
    header = replace(HEADER, boot=partial.boot_identity(), file=files.identity(os.stat(final)))
    slot = encode_slot(Slot(0, claimed, claimed, 0))
    Path(final + ".fastdl.journal").write_bytes(encode_header(header) + slot)
    one = Partial.open(final)
    assert one.finished is None
    one.close()


# --- a real kill -------------------------------------------------------------------------------------------

WORK = """
import sys, threading
from fastdl.core.journal import JournalHeader
from fastdl.io.partial import Partial
size, path, writer = int(sys.argv[2]), sys.argv[1], sys.argv[3]
one = Partial.open(path, writer=writer)
sources = ["a", "b", "c", "d"]
header = JournalHeader("k", "a", False, "f", size, None, None, None, "", sources, 1.0)
done = list(one.claims)
if one.header is None:
    one.begin(header)
else:
    one.continue_with(header)
block = 4096
def work(number):
    free = [at for at in range(number * block, size, 4 * block)
            if not any(claim.start <= at and at + block <= claim.end for claim in done)]
    for at in free:
        print("x", flush=True)
        slot = one.run(at, number)
        for low in range(at, at + block, block // 4):
            one.write(low, memoryview(bytes((o // 256 * 7 + number) % 251 + 1 for o in range(low, low + block // 4))))
            one.record(slot, at, low + block // 4, number)
        one.end_run(slot)
threads = [threading.Thread(target=work, args=(n,), daemon=True) for n in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
one.flush()
"""


@posix_only
@pytest.mark.parametrize("writer", ["positional", "mmap"])
def test_kill_9_in_the_midst_of_writing(tmp_path: Path, writer: str) -> None:
    """Killed at random places and started again, until it is whole; every claim is true each time."""
    final, size = str(tmp_path / "f"), 4096 * 600
    chance = random.Random(5)
    before = 0
    for kill in [True] * 6 + [False]:
        command = [sys.executable, "-c", WORK, final, str(size), writer]
        child = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        if kill:
            for _ in range(chance.randrange(1, 80)):
                child.stdout.readline()
            child.send_signal(signal.SIGKILL)
        child.communicate(timeout=60)
        one = Partial.open(final)
        stored = Path(final + ".fastdl").read_bytes()
        for claim in one.claims:
            for at in range(claim.start, claim.end, 256):
                assert stored[at] == stored[at + 255] == (at // 256 * 7 + claim.source) % 251 + 1
        got = sum(claim.end - claim.start for claim in one.claims)
        assert got >= before
        before = got
        one.close()
    assert before == size


@posix_only
def test_the_boot_of_this_machine_is_told(tmp_path: Path) -> None:
    """Two processes agree on it; otherwise every kill would cost what was not flushed."""
    code = "from fastdl.io.boot import boot_identity; print(boot_identity())"
    assert run_python(code).stdout == run_python(code).stdout
    assert not run_python(code).stdout.startswith("unknown")
