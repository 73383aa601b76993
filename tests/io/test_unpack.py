"""Unpacking what is harmless: everything arrives, what is in the way is treated as asked, nothing is half done."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import random
import shutil
import stat
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archives import (
    PACKERS,
    Zipped,
    entry,
    holes,
    leading,
    long_name,
    old_holes,
    pax,
    tar,
    unicode_name,
    zipped,
)
from fastdl.core.tar import pax_records
from fastdl.errors import DiskError, Interrupted, NoSpace, TargetBusy, TargetExists, Terminated, UnsafeArchive
from fastdl.io import files
from fastdl.io import unpack as unpacking
from fastdl.io.archives import open_archive
from fastdl.io.decompress import decoded
from fastdl.io.merging import Policy
from fastdl.io.staging import SUFFIX, staging
from fastdl.io.unpack import unpack
from servers.content import content

posix = pytest.mark.skipif(sys.platform == "win32", reason="links and permissions of POSIX")
Put = Callable[..., "tuple[int, Path]"]


@pytest.fixture
def put(tmp_path: Path) -> Put:
    """Unpack an archive of these bytes into a folder; how many files it had, and the folder."""

    def unpacked(data: bytes, policy: Policy = "refuse", name: str = "an.archive") -> tuple[int, Path]:
        archive = tmp_path / name
        archive.write_bytes(data)
        done = unpack(str(archive), str(tmp_path / "here"), policy, lambda: None)
        assert done is not None
        assert archive.read_bytes() == data, "the archive stays"
        assert not list((tmp_path / "here").glob("*" + SUFFIX))
        return done.files, tmp_path / "here"

    return unpacked


def tree(folder: Path) -> dict[str, bytes | None]:
    """Every path below a folder: the content of files, None for folders."""
    return {
        path.relative_to(folder).as_posix(): None if path.is_dir() else path.read_bytes() for path in folder.rglob("*")
    }


FILES = {"top.bin": content(1, 0, 700_001), "a/b/deep.txt": b"deep", "a/empty": b"", "\u00e9/\u65e5\u672c.txt": b"name"}
FOLDERS = {"a", "a/b", "\u00e9", "nothing in it"}


def by_tarfile(mode: int) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=mode) as archive:
        folder = tarfile.TarInfo("nothing in it")
        folder.type, folder.mode = tarfile.DIRTYPE, 0o755
        archive.addfile(folder)
        for name, data in FILES.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(data), 1_600_000_000
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def by_zipfile(method: int) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        archive.writestr("nothing in it/", b"")
        for name, data in FILES.items():
            archive.writestr(name, data)
    return out.getvalue()


@pytest.mark.parametrize("mode", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("packer", PACKERS)
def test_tar(put: Put, packer: str, mode: int) -> None:
    count, here = put(PACKERS[packer](by_tarfile(mode)))
    assert count == len(FILES)
    assert tree(here) == FILES | dict.fromkeys(FOLDERS)
    assert (here / "top.bin").stat().st_mtime == 1_600_000_000


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
def test_zip(put: Put, method: int) -> None:
    count, here = put(by_zipfile(method))
    assert count == len(FILES)
    assert tree(here) == FILES | dict.fromkeys(FOLDERS)


class Unseekable(io.RawIOBase):
    """A pipe: zip archives are written to it with sizes behind the bytes."""

    def __init__(self) -> None:
        self.data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        self.data += bytes(data)  # type: ignore[call-overload]
        return len(bytes(data))  # type: ignore[call-overload]


@pytest.mark.parametrize("large", [False, True])
def test_zip_that_was_streamed(put: Put, large: bool) -> None:
    out = Unseekable()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:  # type: ignore[arg-type]
        for name, data in FILES.items():
            with archive.open(zipfile.ZipInfo(name), "w", force_zip64=large) as member:
                member.write(data)
    _, here = put(bytes(out.data))
    assert {name: data for name, data in tree(here).items() if data is not None} == FILES


def test_zip_as_info_zip_streams_it(put: Put) -> None:
    """It knows the size of a file beforehand, and writes that; the rest is nothing."""
    _, here = put(zipped(Zipped(b"f", b"x" * 99, method=8, flags=8, local_crc=0, local_packed=0)))
    assert tree(here) == {"f": b"x" * 99}


def test_zip64(put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ZIP64_LIMIT", "ZIP_FILECOUNT_LIMIT"):
        monkeypatch.setattr(zipfile, name, 2)
    _, here = put(by_zipfile(zipfile.ZIP_DEFLATED))
    assert tree(here) == FILES | dict.fromkeys(FOLDERS)


@pytest.mark.parametrize(
    ("member", "name"),
    [
        (Zipped(b"\x82.txt", b"x", flags=0, system=0), "\u00e9.txt"),
        (Zipped("\u00e9.txt".encode(), b"x", flags=0), "\u00e9.txt"),
        (Zipped(b"\x82.txt", b"x", flags=0), "\u00e9.txt"),
        (Zipped("\u00e9.txt".encode(), b"x", system=0), "\u00e9.txt"),
        (Zipped(b"e.txt", b"x", flags=0, extra=unicode_name(b"e.txt", "\u00e9.txt")), "\u00e9.txt"),
        (Zipped(b"e.txt", b"x", extra=unicode_name(b"old name", "\u00e9.txt")), "e.txt"),
        (Zipped(b"./a//e.txt", b"x"), "a/e.txt"),
        (Zipped(b"a\\e.txt", b"x", flags=0, system=0), "a/e.txt"),
    ],
)
def test_names_in_zip(put: Put, member: Zipped, name: str) -> None:
    _, here = put(zipped(member))
    assert tree(here)[name] == b"x"


@pytest.mark.parametrize("data", [zipped(), tar(), tar(end=bytes(10_240)), PACKERS["tar.gz"](tar())])
def test_archives_of_nothing(put: Put, data: bytes) -> None:
    assert put(data)[0] == 0


@pytest.mark.parametrize(
    "data",
    [
        tar(long_name(b"d/" * 60 + b"f"), entry("x", b"1")),
        tar(pax(path="d/" * 60 + "f", mtime="1600000000.5", comment="x"), entry("x", b"1")),
        tar(pax(b"g", comment="0123456789abcdef"), entry("d/f", b"1")),
        tar(entry("f", b"1", prefix=b"d/d")),
        tar(entry("f", b"1", kind=b"\0", magic=bytes(8))),
        tar(entry("f", b"1", magic=b"ustar  \0", prefix=b"no prefix")),
        tar(entry("./", kind=b"5"), entry("./d/", kind=b"5"), entry("./d/", kind=b"5"), entry("./d/f", b"1")),
        tar(entry("label", kind=b"V"), entry("f", b"1")),
        tar(entry("f", b"1"), end=bytes(512)),
        tar(entry("f", b"1")) + b"rest of a record".ljust(8192, b"x"),
        tar(entry("f", b"1", size=b"\x80" + bytes(10) + b"\1")),
    ],
)
def test_dialects_of_tar(put: Put, data: bytes) -> None:
    count, here = put(data)
    assert count == 1
    assert [content for content in tree(here).values() if content is not None] == [b"1"]


def test_members_of_gzip_are_one_stream(put: Put) -> None:
    data = tar(entry("f", content(2, 0, 3000)))
    pack = PACKERS["tar.gz"]
    _, here = put(pack(data[:1000]) + pack(data[1000:]) + bytes(100))
    assert (here / "f").read_bytes() == content(2, 0, 3000)


def test_frames_of_zstandard_are_one_stream(put: Put) -> None:
    data, pack = tar(entry("f", content(2, 0, 3000))), PACKERS["tar.zst"]
    skipped = b"\x50\x2a\x4d\x18\x04\0\0\0skip"
    _, here = put(skipped + pack(data[:1000]) + skipped + pack(data[1000:]))
    assert (here / "f").read_bytes() == content(2, 0, 3000)


def squeezable(ratio: int) -> bytes:
    """Three megabytes that are packed to so many times less; the blocks of Zstandard are as large as these."""
    block = 128 * 1024
    return b"".join(random.Random(n).randbytes(block // ratio).ljust(block, b"\0") for n in range(24))


@pytest.mark.parametrize("ratio", [2, 3, 5, 8, 9, 10])
def test_a_decoder_may_give_exactly_what_it_was_asked_for(put: Put, ratio: int) -> None:
    """Then it does not know yet that it wants more, and gives nothing at the next step."""
    data, pack = squeezable(ratio), PACKERS["tar.zst"]
    _, here = put(pack(tar(entry("f", data))))
    assert (here / "f").read_bytes() == data
    _, here = put(zipped(Zipped(b"g", data, method=93, body=pack(data))))
    assert (here / "g").read_bytes() == data


class Counted(io.BytesIO):
    """Counts the bytes that are read."""

    taken = 0

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        self.taken += len(data)
        return data


@pytest.mark.parametrize("cut", [0, 5])
def test_streams_without_number_are_read_once(cut: int) -> None:
    """What lies behind the end of a stream was read with it: the next stream begins there."""
    pack, data = PACKERS["tar.gz"], tar(entry("f", b"x" * 3000))
    file = Counted(pack(data[:2000]) + pack(b"") * 20_000 + pack(data[2000:])[: -cut or None])
    archive = open_archive(file, len(file.getvalue()), lambda: None)
    assert archive is not None
    with contextlib.nullcontext() if not cut else pytest.raises(UnsafeArchive, match="cut off"):
        assert [b"".join(content) for _, content in archive.members()] == [b"x" * 3000]
    assert file.taken < 2 * len(file.getvalue())


SEGMENTS = [(n * 1000, bytes([n]) * 10) for n in range(1, 60)]


@pytest.mark.parametrize(
    ("data", "size", "segments"),
    [
        (tar(old_holes(5000, (0, b"a"), (4000, b"b" * 1000))), 5000, [(0, b"a"), (4000, b"b" * 1000)]),
        (tar(old_holes(5000, (10, b"a"), (5000, b""))), 5000, [(10, b"a")]),
        (tar(old_holes(70_000, *SEGMENTS)), 70_000, SEGMENTS),
        (tar(holes("3,2,9,0", "9"), entry("GNUSparseFile.0/f", b"ab")), 9, [(3, b"ab")]),
        (tar(leading("9000", b"2\n3\n2\n8000\n1\n".ljust(512, b"\0") + b"abc")), 9000, [(3, b"ab"), (8000, b"c")]),
        (tar(leading("400000", b"0\n".ljust(512, b"\0"))), 400_000, []),
    ],
)
def test_files_with_holes(put: Put, data: bytes, size: int, segments: list[tuple[int, bytes]]) -> None:
    count, here = put(data[:-1024] + tar(entry("next", b"next")))
    wanted = bytearray(size)
    for start, part in segments:
        wanted[start : start + len(part)] = part
    assert count == 2
    assert tree(here) == {"f": bytes(wanted), "next": b"next"}


def test_holes_of_the_oldest_kind() -> None:
    """Version 0.0 repeats two records for each segment."""
    text = b"".join(b"%d %s\n" % (len(each) + 4, each) for each in OLDEST)
    assert pax_records(text)["GNU.sparse.map"] == b"3,2,8000,1"


OLDEST = [f"GNU.sparse.{key}".encode() for key in ("offset=3", "numbytes=2", "offset=8000", "numbytes=1")]


@pytest.mark.skipif(shutil.which("tar") is None or sys.platform != "linux", reason="GNU tar")
@pytest.mark.parametrize("how", ["gnu", "oldgnu", "pax", "posix --sparse-version=0.0", "posix --sparse-version=0.1"])
def test_what_gnu_tar_packs(put: Put, tmp_path: Path, how: str) -> None:
    there = tmp_path / "there"
    (there / ("n" * 120)).mkdir(parents=True)
    (there / ("n" * 120) / ("m" * 120)).write_bytes(b"long")
    (there / "link").symlink_to("n" * 120 + "/" + "m" * 120)
    with open(there / "sparse", "wb") as file:
        for place in range(8):
            file.seek(place << 20)
            file.write(b"data")
    words = ["tar", "-S", "-cf", str(tmp_path / "x.tar"), *f"--format={how}".split(), "-C", str(there), "."]
    subprocess.run(words, check=True, timeout=100)
    _, here = put((tmp_path / "x.tar").read_bytes())
    assert tree(here) == tree(there)


# --- links and permissions -------------------------------------------------------------------------------


@posix
def test_links(put: Put) -> None:
    count, here = put(
        tar(
            entry("a/f", b"payload"),
            entry("a/b/up", kind=b"2", target="../f"),
            entry("folder", kind=b"2", target="a/b"),
            entry("to a link", kind=b"2", target="folder/up"),
            entry("dangling", kind=b"2", target="not here"),
            entry("same", kind=b"1", target="a/f"),
        )
    )
    assert count == 6
    assert os.readlink(here / "a/b/up") == "../f"
    assert (here / "to a link").read_bytes() == (here / "same").read_bytes() == b"payload"
    assert os.path.samefile(here / "same", here / "a/f")
    assert not (here / "dangling").exists()


@posix
def test_links_in_zip(put: Put) -> None:
    _, here = put(zipped(Zipped(b"l", b"f", mode=0o120777), Zipped(b"f", b"x", mode=0o100755)))
    assert os.readlink(here / "l") == "f"
    assert os.access(here / "f", os.X_OK)


@posix
@pytest.mark.parametrize(
    ("mode", "kept"), [(0o644, 0o644), (0o755, 0o755), (0o7777, 0o755), (0o600, 0o600), (0, 0o600), (0o666, 0o644)]
)
def test_permissions(put: Put, mode: int, kept: int) -> None:
    """Nothing of setuid and the like, nothing that others may write, always what its owner may undo."""
    _, here = put(tar(entry("f", b"x", mode=mode), entry("d/", kind=b"5", mode=mode)))
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE((here / "f").stat().st_mode) == kept & ~umask
    assert stat.S_IMODE((here / "d").stat().st_mode) == (kept | 0o700) & ~umask


def test_times_that_make_no_sense(put: Put) -> None:
    _, here = put(tar(pax(mtime="1e300"), entry("f", b"x"), pax(mtime="nan"), entry("g", b"x")))
    assert tree(here) == {"f": b"x", "g": b"x"}


# --- what is there already -------------------------------------------------------------------------------


MINE = tar(entry("d/same", b"same"), entry("d/mine", b"theirs", modified=2_000_000_000), entry("d/new", b"new"))


def prepared(tmp_path: Path) -> Path:
    folder = tmp_path / "here" / "d"
    folder.mkdir(parents=True)
    (folder / "same").write_bytes(b"same")
    (folder / "mine").write_bytes(b"mine")
    return folder


def test_what_is_there_is_not_replaced(put: Put, tmp_path: Path) -> None:
    prepared(tmp_path)
    with pytest.raises(TargetExists, match="mine exists") as caught:
        put(MINE)
    assert "--overwrite, --skip-existing or --auto-rename" in caught.value.hint
    assert tree(tmp_path / "here") == {"d": None, "d/same": b"same", "d/mine": b"mine"}


@pytest.mark.parametrize(
    ("policy", "mine", "others"),
    [
        ("overwrite", b"theirs", {}),
        ("skip", b"mine", {}),
        ("rename", b"mine", {"d/mine.1": b"theirs"}),
        ("newer", b"theirs", {}),
    ],
)
def test_unless_it_is_asked_for(
    put: Put, tmp_path: Path, policy: Policy, mine: bytes, others: dict[str, bytes]
) -> None:
    prepared(tmp_path)
    _, here = put(MINE, policy)
    assert tree(here) == {"d": None, "d/same": b"same", "d/new": b"new", "d/mine": mine} | others


def test_newer_keeps_what_is_newer_here(put: Put, tmp_path: Path) -> None:
    folder = prepared(tmp_path)
    os.utime(folder / "mine", (2_100_000_000, 2_100_000_000))
    put(MINE, "newer")
    assert (folder / "mine").read_bytes() == b"mine"


def test_the_same_command_again(put: Put) -> None:
    data = by_tarfile(tarfile.PAX_FORMAT)
    put(data)
    _, here = put(data)
    (here / "a" / "b" / "deep.txt").unlink()
    put(data)
    assert tree(here) == FILES | dict.fromkeys(FOLDERS)


@pytest.mark.parametrize("policy", ["refuse", "overwrite", "newer"])
def test_the_archive_itself_is_not_replaced(tmp_path: Path, policy: Policy) -> None:
    archive = tmp_path / "x.tar"
    archive.write_bytes(tar(entry("x.tar", b"another", modified=3_000_000_000), entry("f", b"x")))
    before = archive.read_bytes()
    with pytest.raises(TargetExists):
        unpack(str(archive), str(tmp_path), policy, lambda: None)
    assert tree(tmp_path) == {"x.tar": before}


@pytest.mark.parametrize("policy", ["refuse", "overwrite", "skip", "rename", "newer"])
def test_folders_and_files_do_not_take_each_others_place(put: Put, tmp_path: Path, policy: Policy) -> None:
    (tmp_path / "here" / "f").mkdir(parents=True)
    with pytest.raises(TargetExists, match="is a folder"):
        put(tar(entry("f", b"x")), policy)
    assert tree(tmp_path / "here") == {"f": None}


@posix
@pytest.mark.parametrize("policy", ["refuse", "overwrite", "skip", "rename", "newer"])
def test_nothing_goes_through_a_link_that_is_there(put: Put, tmp_path: Path, policy: Policy) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "d").symlink_to(outside)
    with pytest.raises(TargetExists, match="is a link"):
        put(tar(entry("d/f", b"x")), policy)
    assert not list(outside.iterdir())


@posix
def test_a_link_that_is_there_is_replaced_itself(put: Put, tmp_path: Path) -> None:
    (tmp_path / "outside").write_bytes(b"safe")
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "f").symlink_to(tmp_path / "outside")
    put(tar(entry("f", b"x")), "overwrite")
    assert (tmp_path / "outside").read_bytes() == b"safe"
    assert tree(tmp_path / "here") == {"f": b"x"}


# --- what goes wrong -------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", range(3))
def test_a_move_that_fails_takes_the_others_back(
    put: Put, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    prepared(tmp_path)
    (tmp_path / "here" / "z").write_bytes(b"old")
    real, left = files.rename, step

    def failing(source: str, target: str, **more: bool) -> None:
        nonlocal left
        if "tree" in source:
            left -= 1
            if left == -1:
                raise PermissionError(13, "no")
        real(source, target, **more)

    monkeypatch.setattr(files, "rename", failing)
    before = tree(tmp_path / "here")
    with pytest.raises(DiskError):
        put(MINE[:-1024] + tar(entry("z", b"new")), "overwrite")
    assert tree(tmp_path / "here") == before


def test_a_name_that_appears_meanwhile_is_looked_at_again(
    put: Put, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, met = files.rename, []

    def late(source: str, target: str, **more: bool) -> None:
        if not met:
            met.append(target)
            os.mkdir(target)
            Path(target, "other").write_bytes(b"other")
        real(source, target, **more)

    monkeypatch.setattr(files, "rename", late)
    _, here = put(MINE)
    assert met
    assert {"d/other", "d/new", "d/mine"} <= set(tree(here))


def stops(after: int) -> Callable[[], None]:
    left = after

    def check() -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise Interrupted("interrupted")

    return check


def test_a_signal_while_a_decoder_is_at_work_is_no_damage() -> None:
    """It is raised wherever the main thread is just then."""

    class Signalled:
        eof, needs_input, unused_data = False, True, b""

        def decompress(self, data: bytes, most: int) -> bytes:
            raise Terminated("terminated")

    with pytest.raises(Terminated):
        list(decoded(Signalled(), lambda count: b"data"))


@pytest.mark.parametrize("packer", ["tar", "tar.gz", "tar.zst"])
@pytest.mark.parametrize("after", [0, 2, 5, 8, 11])
def test_interrupted(tmp_path: Path, packer: str, after: int) -> None:
    archive = tmp_path / "x.archive"
    archive.write_bytes(PACKERS[packer](tar(*(entry(f"f{n}", content(n, 0, 100)) for n in range(9)))))
    with pytest.raises(Interrupted):
        unpack(str(archive), str(tmp_path / "here"), "refuse", stops(after))
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path != archive]


def test_leftovers_of_a_killed_run(put: Put, tmp_path: Path) -> None:
    old = tmp_path / "here" / f"an.archive{SUFFIX}" / "tree" / "d"
    old.mkdir(parents=True)
    (old / "half").write_bytes(b"x")
    _, here = put(tar(entry("f", b"x")))
    assert tree(here) == {"f": b"x"}


def test_a_strangers_folder_is_left_alone(put: Put, tmp_path: Path) -> None:
    theirs = tmp_path / "here" / f"an.archive{SUFFIX}"
    theirs.mkdir(parents=True)
    (theirs / "letters").write_bytes(b"precious")
    with pytest.raises(DiskError, match="in the way"):
        put(tar(entry("f", b"x")))
    assert (theirs / "letters").read_bytes() == b"precious"


def test_two_at_a_time(put: Put, tmp_path: Path) -> None:
    staging = tmp_path / "here" / f"an.archive{SUFFIX}"
    staging.mkdir(parents=True)
    fd = os.open(staging / "lock", os.O_RDWR | os.O_CREAT)
    try:
        assert files.try_lock(fd)
        with pytest.raises(TargetBusy):
            put(tar(entry("f", b"x")))
        assert (staging / "lock").exists()
    finally:
        os.close(fd)
    put(tar(entry("f", b"x")))


def test_two_of_one_run_with_the_same_name_take_turns(tmp_path: Path) -> None:
    """Lists may give two files the same name in two folders, and both are unpacked into --dir."""
    failed: list[Exception] = []
    met, both = threading.Event(), []

    def one(number: int) -> None:
        def check() -> None:
            both.append(number)
            if len(set(both)) == 2:
                met.set()
            met.wait(30)  # until the other one is at it too

        archive = tmp_path / str(number) / "x.tar"
        archive.parent.mkdir()
        archive.write_bytes(tar(entry(f"f{number}", b"x")))
        try:
            unpack(str(archive), str(tmp_path / "here"), "refuse", check)
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert tree(tmp_path / "here") == {"f0": b"x", "f1": b"x"}


def test_who_waits_for_its_turn_can_be_ended(tmp_path: Path) -> None:
    with (
        staging(str(tmp_path / "x"), lambda: None),
        pytest.raises(Interrupted),
        staging(str(tmp_path / "x"), stops(1)),
    ):
        raise AssertionError("not its turn")
    with staging(str(tmp_path / "x"), lambda: None):
        pass
    assert not list(tmp_path.iterdir())


def test_room_is_looked_for_first(put: Put, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "free_space", lambda path: 20 * 1024 * 1024)
    with pytest.raises(NoSpace):
        put(tar(entry("f", bytes(9 << 20))))
    assert tree(tmp_path / "here") == {}


@pytest.mark.parametrize("data", [b"", b"text", b"<html>", bytes(511), b"\x1f\x8b", PACKERS["tar.gz"](b"text")])
def test_no_archive(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x").write_bytes(data)
    assert _outcome(tmp_path / "x", tmp_path / "here") in (None, "refused")
    assert not (tmp_path / "here").exists() or not list((tmp_path / "here").iterdir())


def _outcome(archive: Path, here: Path) -> object:
    try:
        return unpack(str(archive), str(here), "refuse", lambda: None)
    except UnsafeArchive:
        return "refused"


# --- properties ------------------------------------------------------------------------------------------

_PART = st.sampled_from(["a", "b", "..", ".", "", "C:", "a\\b", "A", "con", "x\n", "\u00e9", "e\u0301", "l"])
_NAME = st.lists(_PART, min_size=1, max_size=4).map("/".join)
_MEMBER = st.one_of(
    st.builds(lambda name, data: entry(name, data), _NAME, st.binary(max_size=20)),
    st.builds(lambda name: entry(name, kind=b"5"), _NAME),
    st.builds(lambda name, target: entry(name, kind=b"2", target=target), _NAME, _NAME),
    st.builds(lambda name, target: entry(name, kind=b"1", target=target), _NAME, _NAME),
)


@pytest.fixture(scope="module")
def arena(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    yield tmp_path_factory.mktemp("arena")


def _leads_in_a_circle(path: str) -> bool:
    """Nobody can follow such links, and what realpath() makes of `a -> a//b` is "/b"."""
    try:
        os.stat(path)
    except OSError as error:
        return error.errno == errno.ELOOP
    return False


@settings(deadline=None, max_examples=200)
@given(members=st.lists(_MEMBER, max_size=5))
def test_no_tree_of_members_gets_out(arena: Path, members: list[bytes]) -> None:
    """Every path, with every link of it followed, is in the folder; and what is refused leaves it empty."""
    here = arena / "deep" / "here"
    shutil.rmtree(here, ignore_errors=True)  # of an example that failed
    (arena / "x.tar").write_bytes(tar(*members))
    done = _outcome(arena / "x.tar", here)
    inside = os.path.realpath(here)
    for folder, folders, names in os.walk(here):
        for name in (*folders, *names):
            if not _leads_in_a_circle(os.path.join(folder, name)):
                real = os.path.realpath(os.path.join(folder, name))
                assert real == inside or real.startswith(inside + os.sep)
    if done == "refused":
        assert not list(here.iterdir())
    assert {path.name for path in arena.iterdir()} <= {"x.tar", "deep"}
    assert {path.name for path in (arena / "deep").iterdir()} <= {"here"}


@settings(deadline=None, max_examples=200)
@given(data=st.binary(max_size=40), at=st.integers(0, 2000), kind=st.sampled_from(["tar", "zip", "tar.gz", "tar.zst"]))
def test_damaged_archives_end_in_an_error_or_whole(arena: Path, data: bytes, at: int, kind: str) -> None:
    whole = tar(entry("d/f", b"payload"), pax(path="g"), entry("x", b"more"))
    whole = zipped("d/f", Zipped(b"g", b"m" * 50, method=8)) if kind == "zip" else PACKERS[kind](whole)
    at %= len(whole)
    (arena / "x.tar").write_bytes(whole[:at] + data + whole[at + len(data) :])
    here = arena / "deep" / "here"
    if _outcome(arena / "x.tar", here) == "refused":
        assert not list(here.iterdir())
    shutil.rmtree(here, ignore_errors=True)
