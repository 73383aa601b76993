"""The pair of files: what is found again, and that it is true, after every kill."""

from __future__ import annotations

import errno
import os
import random
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from disks import ENVIRONMENT, run_python
from fastdl.core.journal import HEADER_SIZE, Claim, encode_header
from fastdl.errors import DiskError
from fastdl.io import data_file, disk, partial
from fastdl.io.partial import Partial
from partials import CONTENT, HEADER, SIZE, failing, half, names, posix_only, put, whole


@pytest.fixture
def final(tmp_path: Path) -> str:
    return str(tmp_path / "file")


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
    monkeypatch.setattr(data_file, "open_writer", failing(errno.EIO))
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


def test_a_flush_reaches_data_then_its_name_then_the_journal(final: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its name in the folder the data is lost all the same; that is flushed once."""
    one = Partial.open(final)
    one.begin(HEADER)
    slot = put(one, 0, 1000)
    done: list[str] = []

    def flushed(fd: int) -> None:
        done.extend(path for path in (one.data_path, one.journal_path) if os.path.samestat(os.stat(path), os.fstat(fd)))

    monkeypatch.setattr(disk, "flush_data", flushed)
    monkeypatch.setattr(disk, "flush_folder", done.append)
    one.flush()
    one.record(slot, 0, 1000, 0)
    one.flush()
    assert done == [one.data_path, one.folder, one.journal_path, one.data_path, one.journal_path]
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
