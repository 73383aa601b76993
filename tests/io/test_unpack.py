"""Archives of every kind and dialect, unpacked."""

from __future__ import annotations

import contextlib
import io
import random
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from archives import PACKERS, Zipped, entry, holes, leading, long_name, old_holes, pax, tar, unicode_name, zipped
from fastdl.core.tar import pax_records
from fastdl.errors import UnsafeArchive
from fastdl.io.archives import open_archive
from servers.content import content
from unpacking import FILES, FOLDERS, Put, by_tarfile, tree
from unpacking import put as put


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
