"""The macOS branches, with its calls played on Linux; on a Mac every other test of this folder runs them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from disks import run_python

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="played on Linux")

START = """
import ctypes, errno, fcntl, json, hashlib, os, shutil, struct, subprocess, sys, tempfile, uuid
import numpy, psutil
sys.platform = "darwin"
del os.fdatasync, os.preadv
fcntl.F_FULLFSYNC = 51
said = []
refuse = set()
def play(fd, command, argument=0):
    said.append((command, argument))
    if command in refuse or (command, struct.unpack("=I", argument[:4])[0] if argument else 0) in refuse:
        raise OSError(errno.ENOTSUP if 51 in refuse else errno.ENOSPC, "refused")
    return argument
fcntl.fcntl = play
class Libc:
    def renamex_np(old, new, flags):
        assert flags.value in (2, 4)
        if flags.value == 2:
            os.rename(old, old + b"~")
            os.rename(new, old)
            os.rename(old + b"~", new)
            return 0
        if os.path.lexists(new):
            ctypes.set_errno(errno.EEXIST)
            return -1
        os.rename(old, new)
        return 0
    def sysctlbyname(name, room, length, new, new_length):
        assert (name, new, new_length.value) == (b"kern.bootsessionuuid", None, 0)
        room.value = b"3F2B"
        return 0
ctypes.CDLL = lambda *_, **__: Libc
from dataclasses import replace
from fastdl.core.journal import JournalHeader
from fastdl.errors import NoSpace, TargetExists
from fastdl.io import disk
disk.RESERVED = 0
from fastdl.io.partial import Partial
header = JournalHeader("k", "u", False, "f", 1000, None, None, None, "", ["u"], 1.0)
final = sys.argv[1] + "/f"
def fetched():
    one = Partial.open(final)
    one.begin(header)
    one.write(0, memoryview(b"x" * 1000))
    one.record(one.run(0, 0), 0, 1000, 0)
    return one
"""


def on_macos(folder: Path, code: str) -> None:
    done = run_python(START + code, str(folder))
    assert done.stderr == "" and done.returncode == 0


def test_a_download_from_begin_to_end(tmp_path: Path) -> None:
    on_macos(
        tmp_path,
        """
one = fetched()
assert one.header.boot == "3F2B"
command, argument = said[0]
assert command == 42 and struct.unpack("=IiqqQ", argument) == (2 | 4, 3, 0, 1000, 0) and len(argument) == 32
room = bytearray(10)
assert one.read_into(995, memoryview(room)) == 5
one.flush()
one.finish(size=1000, durable=True)
assert (51, 0) in said, "fsync reaches the drive's cache only"
assert os.listdir(sys.argv[1]) == ["f"]
one = fetched()
try:
    one.finish(size=1000, durable=False)
except TargetExists:
    print()
one.finish(size=1000, replace=True, durable=False)
assert os.listdir(sys.argv[1]) == ["f"]
""",
    )


def test_room_in_pieces_and_no_room(tmp_path: Path) -> None:
    on_macos(
        tmp_path,
        """
refuse.add((42, 2 | 4))
one = fetched()
assert [struct.unpack("=I", argument[:4])[0] for _, argument in said] == [2 | 4, 4]
refuse.add((42, 4))
try:
    one.begin(header)
except NoSpace:
    one.close()
    assert os.listdir(sys.argv[1]) == []
else:
    raise SystemExit("room was given")
""",
    )


def test_file_systems_that_know_neither_call(tmp_path: Path) -> None:
    on_macos(
        tmp_path,
        """
refuse.update({51, 42})
one = fetched()
one.flush()
one.finish(size=1000, durable=True)
assert os.path.getsize(final) == 1000
""",
    )
