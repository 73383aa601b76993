"""The Windows branches, on a Windows of paper; on a real one every other test of this folder runs them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from disks import run_python

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the paper Windows is made of Linux")

START = """
import os, sys, time
import windows_here
windows_here.install()
from dataclasses import replace
from fastdl.core.journal import Claim, JournalHeader
from fastdl.errors import DiskError, NoSpace, TargetBusy, TargetExists
from fastdl.io import disk, files, windows, writers
from fastdl.io.partial import Partial
disk.RESERVED = 0
files.long_path = os.path.abspath  # paths are of the POSIX kind here
header = JournalHeader("k", "u", False, "f", 1000, None, None, None, "", ["u"], 1.0)
folder = sys.argv[1]
final = folder + "/f"
content = bytes(range(250)) * 4
time.sleep = lambda _: None
def names(): return sorted(os.listdir(folder))
def put(one, start, end):
    one.write(start, memoryview(content)[start:end])
    one.record(one.run(start, 0), start, end, 0)
def refused(kind, call):
    try:
        call()
    except kind as error:
        return str(error)
    raise SystemExit(f"not refused: {kind}")
"""


def on_windows(folder: Path, code: str) -> None:
    done = run_python(START + code, str(folder))
    assert (done.returncode, done.stderr) == (0, "")


def test_a_download_from_begin_to_end(tmp_path: Path) -> None:
    on_windows(
        tmp_path,
        """
one = Partial.open(final)
refused(TargetBusy, lambda: Partial.open(final))
one.begin(header)
put(one, 0, 400)
one.flush()
one.close()
assert names() == ["f.fastdl", "f.fastdl.journal"]
one = Partial.open(final)
assert one.claims == [Claim(0, 400, 0)] and one.header.boot.startswith("booted-")
one.continue_with(one.header)
put(one, 400, 1000)
room = bytearray(600)
assert one.read_into(500, memoryview(room)) == 500 and room[:500] == content[500:]
assert one.read_into(1000, memoryview(room)) == 0
one.finish(size=1000, mtime=1e9, durable=True)
assert names() == ["f"] and open(final, "rb").read() == content and os.stat(final).st_mtime == 1e9
assert {"DeviceIoControl", "LockFileEx", "UnlockFileEx", "MoveFileExW"} <= set(windows_here.calls)
""",
    )


def test_a_target_that_is_taken(tmp_path: Path) -> None:
    on_windows(
        tmp_path,
        """
open(final, "w").close()
one = Partial.open(final)
one.begin(header)
put(one, 0, 1000)
refused(TargetExists, lambda: one.finish(size=1000, durable=True))
assert os.path.getsize(final) == 0 and len(names()) == 3
one.finish(size=1000, replace=True, durable=True)
assert names() == ["f"] and open(final, "rb").read() == content
""",
    )


def test_beginning_again_and_discarding(tmp_path: Path) -> None:
    on_windows(
        tmp_path,
        """
one = Partial.open(final)
one.begin(header)
put(one, 0, 1000)
one.begin(replace(header, size=None))
put(one, 0, 10)
one.discard()
assert names() == []
Partial.open(final).close()
assert names() == []
one = Partial.open(final)
assert "bytes are needed" in refused(NoSpace, lambda: one.begin(replace(header, size=1 << 60)))
one.close()
assert names() == []
""",
    )


def test_a_scanner_that_holds_the_file_is_waited_for(tmp_path: Path) -> None:
    on_windows(
        tmp_path,
        """
one = Partial.open(final)
one.begin(header)
put(one, 0, 1000)
scanner = os.open(one.data_path, os.O_RDONLY)
naps = []
def nap(_):
    naps.append(_)
    if len(naps) == 3:
        os.close(scanner)
time.sleep = nap
one.finish(size=1000, durable=True)
assert naps == [0.05] * 3 and names() == ["f"]
""",
    )


def test_a_scanner_that_never_lets_go_is_not_waited_for(tmp_path: Path) -> None:
    on_windows(
        tmp_path,
        """
one = Partial.open(final)
one.begin(header)
put(one, 0, 1000)
scanner = os.open(one.data_path, os.O_RDONLY)
clock = iter(range(1000))
time.monotonic = lambda: next(clock)
assert "another program has the file open" in refused(DiskError, lambda: one.finish(size=1000, durable=True))
os.close(scanner)
one.finish(size=1000, durable=True)
assert names() == ["f"]
""",
    )


def test_offsets_beyond_32_bits_and_read_only_buffers(tmp_path: Path) -> None:
    on_windows(
        tmp_path,
        """
fd = os.open(final, os.O_RDWR | os.O_CREAT)
far = (5 << 32) + 7
assert windows.write_at(fd, far, memoryview(b"read-only")) == 9
assert windows.write_at(fd, 3, memoryview(bytearray(b"writable"))) == 8
room = bytearray(9)
assert windows.read_at(fd, far, memoryview(room)) == 9 and room == b"read-only"
assert os.fstat(fd).st_size == far + 9 and windows.held_bytes(final) < 1 << 20
error = refused(OSError, lambda: windows.write_at(fd, 1 << 41, memoryview(b"x")))
assert "112" in error
writer = writers.open_writer(fd, 1000, True, "mmap")
writer.write(0, memoryview(b"mapped"))
writer.flush()
writer.close()
assert windows.read_at(fd, 0, memoryview(room)) == 9 and room[:6] == b"mapped"
""",
    )
