"""Archives of which nothing may be unpacked: each has a name, is made byte by byte, and says what its refusal has to
speak of."""

from __future__ import annotations

import bz2
import gzip
import lzma
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from archives import (
    Zipped,
    entry,
    holes,
    leading,
    long_name,
    overlapping,
    pax,
    tar,
    unicode_name,
    zipped,
    zst,
)


@dataclass(frozen=True)
class Hostile:
    """An archive of which nothing may be unpacked. `says` is in the error; `only`: "windows" or "folding" where the
    archive is harmless on other systems."""

    label: str
    make: Callable[[], bytes]
    says: str
    only: str = ""


_OUT = "leads out of the folder"
_ABSOLUTE = "is absolute"
_DRIVE = "begins with a drive"
_BACKSLASH = "backslash"
_CONTROL = "control character"
_LINK = "a link out of the folder"
_BOMB = 80 * 1024 * 1024  # bytes


def _names() -> list[tuple[str, str]]:
    return [
        ("../evil", _OUT), ("a/../../evil", _OUT), ("a/..", _OUT), ("..", _OUT), ("./../evil", _OUT), ("a/../c", _OUT),
        ("/etc/evil", _ABSOLUTE), ("//server/share/evil", _ABSOLUTE), ("/", _ABSOLUTE), ("\\evil", _ABSOLUTE),
        ("\\\\server\\share\\evil", _ABSOLUTE), ("C:/evil", _DRIVE), ("C:\\evil", _DRIVE), ("c:evil", _DRIVE),
        ("..\\evil", _BACKSLASH), ("a\\..\\..\\evil", _BACKSLASH), ("a\\b", _BACKSLASH),
        ("a\nb", _CONTROL), ("a\x1b[2Jb", _CONTROL), ("a\x7fb", _CONTROL), ("a\u0085b", _CONTROL),
        ("x.iso.fastdl", "fastdl's own"), ("x.iso.fastdl.journal", "fastdl's own"), ("X.FASTDL", "fastdl's own"),
        ("x.zip.fastdl.extract/lock", "fastdl's own"), ("n" * 256, "too long"), ("d/" * 200 + "x", "too long"),
    ]  # fmt: skip


_OF_WINDOWS = [
    ("con", "device"), ("NUL.txt", "device"), ("a/COM1.log", "device"), ("aux.c", "device"), ("CON .txt", "device"),
    ("LPT\u00b9", "device"), ("x.txt:stream", "Windows"), ("dot.", "drops"), ("space ", "drops"), ("a. /b", "drops"),
    ("what?", "Windows"), ("a|b", "Windows"), ("a*b", "Windows"),
]  # fmt: skip
_COLLIDING = [("README", "readme"), ("caf\u00e9", "cafe\u0301"), ("Stra\u00dfe", "STRASSE"), ("a/b", "A/B")]


def _hostile_names() -> list[Hostile]:
    found = []
    for name, says in _names():
        found.append(Hostile(f"zip-name-{name[:20]!r}", lambda name=name: zipped(name), says))
        long = name.encode()
        found.append(Hostile(f"tar-name-{name[:20]!r}", lambda long=long: tar(long_name(long), entry("x", b"x")), says))
    for name, says in _OF_WINDOWS:
        found.append(Hostile(f"zip-windows-{name!r}", lambda name=name: zipped(name), says, "windows"))
    for one, two in _COLLIDING:
        label = f"tar-collision-{one!r}"
        found.append(
            Hostile(label, lambda one=one, two=two: tar(entry(one, b"1"), entry(two, b"2")), "twice", "folding")
        )
    return found


_FILE = entry("f", b"payload")

_TAR = [
    ("nul-in-a-pax-name", lambda: tar(pax(path="a\0b"), _FILE), _CONTROL),
    ("pax-path-out", lambda: tar(pax(path="../evil"), _FILE), _OUT),
    ("prefix-out", lambda: tar(entry("evil", b"x", prefix=b"..")), _OUT),
    ("prefix-absolute", lambda: tar(entry("evil", b"x", prefix=b"/etc")), _ABSOLUTE),
    ("symlink-absolute", lambda: tar(entry("l", kind=b"2", target="/etc/passwd")), _LINK),
    ("symlink-up", lambda: tar(entry("l", kind=b"2", target="../x")), _LINK),
    ("symlink-up-from-deep", lambda: tar(entry("a/b/l", kind=b"2", target="../../../x")), _LINK),
    ("symlink-down-and-up", lambda: tar(entry("a/l", kind=b"2", target="x/../../../y")), _LINK),
    ("symlink-through-down-and-up", lambda: tar(entry("l", kind=b"2", target="a/..")), _LINK),
    ("symlink-backslash", lambda: tar(entry("l", kind=b"2", target="..\\x")), _LINK),
    ("symlink-drive", lambda: tar(entry("l", kind=b"2", target="C:/x")), _LINK),
    ("symlink-empty", lambda: tar(entry("l", kind=b"2", target="")), _LINK),
    ("symlink-control", lambda: tar(entry("l", kind=b"2", target="a\x1bb")), _LINK),
    ("symlink-pax-target", lambda: tar(pax(linkpath="/etc/x"), entry("l", kind=b"2", target="a")), _LINK),
    ("symlink-long-target", lambda: tar(long_name(b"/etc/x", b"K"), entry("l", kind=b"2", target="a")), _LINK),
    ("symlink-with-data", lambda: tar(entry("l", b"data", b"2", target="a")), "size"),
    (
        "written-through-a-symlink",
        lambda: tar(entry("d/", kind=b"5"), entry("l", kind=b"2", target="d"), entry("l/x", b"x")),
        "a link is in its path",
    ),
    (
        "folder-through-a-symlink",
        lambda: tar(entry("l", kind=b"2", target="."), entry("l/", kind=b"5")),
        "twice",
    ),
    ("file-over-a-symlink", lambda: tar(entry("l", kind=b"2", target="x"), entry("l", b"x")), "twice"),
    ("symlink-over-a-file", lambda: tar(_FILE, entry("f", kind=b"2", target="x")), "twice"),
    ("symlink-over-a-folder", lambda: tar(entry("d/x", b"x"), entry("d", kind=b"2", target="x")), "twice"),
    ("hardlink-outside", lambda: tar(entry("h", kind=b"1", target="/etc/passwd")), _ABSOLUTE),
    ("hardlink-up", lambda: tar(entry("h", kind=b"1", target="../x")), _OUT),
    ("hardlink-to-nothing", lambda: tar(entry("h", kind=b"1", target="x")), "no file of the archive"),
    ("hardlink-forward", lambda: tar(entry("h", kind=b"1", target="f"), _FILE), "no file of the archive"),
    ("hardlink-to-itself", lambda: tar(entry("h", kind=b"1", target="h")), "no file of the archive"),
    (
        "hardlink-to-a-symlink",
        lambda: tar(entry("s", kind=b"2", target="f"), entry("h", kind=b"1", target="s")),
        "no file of the archive",
    ),
    ("hardlink-to-a-folder", lambda: tar(entry("d/", kind=b"5"), entry("h", kind=b"1", target="d")), "no file"),
    ("hardlink-with-data", lambda: tar(_FILE, entry("h", b"data", b"1", target="f")), "size"),
    ("character-device", lambda: tar(entry("null", kind=b"3")), "a device"),
    ("block-device", lambda: tar(entry("sda", kind=b"4")), "a device"),
    ("named-pipe", lambda: tar(entry("pipe", kind=b"6")), "a named pipe"),
    ("unknown-kind", lambda: tar(entry("x", kind=b"Z")), "unknown kind"),
    ("sparse-without-a-map", lambda: tar(entry("x", b"y", b"S")), "map of a sparse file"),
    ("sparse-by-pax-without-a-map", lambda: tar(pax(GNU_sparse_major="1", GNU_sparse_realsize="9"), _FILE), "map of"),
    ("sparse-name-out", lambda: tar(holes("0,7", "7", "../evil"), _FILE), _OUT),
    ("sparse-bomb", lambda: tar(holes("0,7", "99999999999"), _FILE), "more than"),
    ("sparse-size-of-letters", lambda: tar(holes("0,7", "seven"), _FILE), "map of a sparse file"),
    ("sparse-overlapping", lambda: tar(holes("0,4,3,3", "9"), _FILE), "map of a sparse file"),
    ("sparse-beyond-its-end", lambda: tar(holes("4,7", "9"), _FILE), "map of a sparse file"),
    ("sparse-with-more-stored", lambda: tar(holes("0,3", "9"), _FILE), "map of a sparse file"),
    ("sparse-with-half-a-pair", lambda: tar(holes("0,7,7", "9"), _FILE), "map of a sparse file"),
    ("sparse-folder", lambda: tar(holes("9,0", "9"), entry("d/", kind=b"5")), "size makes no sense"),
    ("sparse-map-without-end", lambda: tar(leading("1", b"9" * 512)), "map of a sparse file"),
    ("sparse-map-of-millions", lambda: tar(leading("9", b"9000000\n")), "map of a sparse file"),
    ("global-sparse", lambda: tar(pax(b"g", GNU_sparse_name="x"), _FILE), "one name"),
    ("multi-volume", lambda: tar(entry("x", b"y", b"M")), "another volume"),
    ("twice", lambda: tar(_FILE, _FILE), "twice"),
    ("below-a-file", lambda: tar(_FILE, entry("f/x", b"x")), "a file is in its path"),
    ("file-over-a-folder", lambda: tar(entry("d/x", b"x"), entry("d", b"x")), "twice"),
    ("empty-name", lambda: tar(entry("", b"x")), "name is empty"),
    ("dot-as-a-file", lambda: tar(entry("./.", b"x")), "name is empty"),
    ("no-end", lambda: tar(_FILE, end=b""), "cut off"),
    ("cut-in-a-file", lambda: tar(entry("f", b"x" * 5000))[:3000], "cut off"),
    ("cut-in-a-header", lambda: tar(_FILE, _FILE)[:1200], "cut off"),
    ("bad-checksum", lambda: tar(_FILE, b"\1" + _FILE[1:]), "no header"),
    ("something-behind-its-end", lambda: tar(_FILE) + bytes(9728) + b"x" * 512, "follows its end"),
    ("one-block-of-zeros-inside", lambda: tar(_FILE, bytes(512), entry("g", b"x")), "follows its end"),
    ("negative-size", lambda: tar(_FILE, entry("x", size=b"\xff" * 12)), "no header"),
    ("size-of-letters", lambda: tar(_FILE, entry("x", size=b"seven")), "no header"),
    ("huge-size", lambda: tar(entry("x", size=b"\x80" + b"\0" * 3 + b"\x7f" + b"\xff" * 7)), "more than"),
    ("huge-size-by-pax", lambda: tar(pax(size="99999999999999"), entry("x")), "more than"),
    ("size-by-pax-is-no-number", lambda: tar(pax(size="-5"), entry("x")), "size is not valid"),
    ("global-path", lambda: tar(pax(b"g", path="evil"), _FILE), "one name"),
    ("global-size", lambda: tar(pax(b"g", size="0"), _FILE), "one name"),
    ("pax-without-length", lambda: tar(entry("pax", b"path=x\n", b"x"), _FILE), "extended header"),
    ("pax-with-a-wrong-length", lambda: tar(entry("pax", b"99 path=x\n", b"x"), _FILE), "extended header"),
    ("pax-of-length-nothing", lambda: tar(entry("pax", b"0 path=x\n", b"x"), _FILE), "extended header"),
    ("pax-for-nobody", lambda: tar(pax(path="x")), "within a member"),
    ("long-name-for-nobody", lambda: tar(_FILE, long_name(b"x")), "within a member"),
    ("extended-header-too-large", lambda: tar(entry("pax", b"x" * 1_100_000, b"x"), _FILE), "too large"),
    ("folder-with-data", lambda: tar(entry("d/", b"data", b"5")), "size"),
]

_PACKED = [
    ("gz-cut", lambda: gzip.compress(tar(_FILE))[:-12], "cut off"),
    ("gz-without-its-trailer", lambda: gzip.compress(tar(_FILE))[:-8], "cut off"),
    ("gz-bad-checksum", lambda: gzip.compress(tar(_FILE))[:-8] + bytes(8), "not valid"),
    ("gz-garbage-behind", lambda: gzip.compress(tar(_FILE)) + b"garbage", "follows its end"),
    ("gz-then-bz2", lambda: gzip.compress(tar(_FILE)) + bz2.compress(b"x"), "follows its end"),
    ("gz-tar-in-a-second-member", lambda: gzip.compress(tar(_FILE)) + gzip.compress(b"x" * 20_000), "follows its end"),
    ("xz-cut", lambda: lzma.compress(tar(_FILE))[:-20], "cut off"),
    ("xz-changed", lambda: _flipped(lzma.compress(tar(entry("f", bytes(range(256)) * 9)))), "not valid"),
    ("zst-cut", lambda: zst(tar(_FILE))[:-5], "cut off"),
    ("zst-changed", lambda: _flipped(zst(tar(entry("f", bytes(range(256)) * 9)))), "damaged"),
    ("bz2-cut", lambda: bz2.compress(tar(_FILE))[:-5], "cut off"),
    ("gz-bomb", lambda: gzip.compress(tar(entry("f", bytes(_BOMB)))), "more than"),
    ("xz-bomb", lambda: lzma.compress(tar(entry("f", bytes(_BOMB))), preset=0), "more than"),
    ("zst-bomb", lambda: zst(tar(entry("f", bytes(_BOMB)))), "more than"),
    ("zst-bomb-behind-its-end", lambda: zst(tar(_FILE) + bytes(2 * _BOMB)), "too large"),
    (
        "gz-bomb-of-many",
        lambda: gzip.compress(tar(*(entry(f"f{n}", bytes(1 << 20)) for n in range(80))), 1),
        "more than",
    ),
]


def _flipped(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 0xFF]) + data[middle + 1 :]


_ZIP = [
    ("symlink-absolute", lambda: zipped(Zipped(b"l", b"/etc/passwd", mode=0o120777)), _LINK),
    ("symlink-up", lambda: zipped(Zipped(b"l", b"../x", mode=0o120777)), _LINK),
    ("symlink-of-megabytes", lambda: zipped(Zipped(b"l", b"a" * 5000, mode=0o120777)), "too long"),
    ("written-through-a-symlink", lambda: zipped(Zipped(b"l", b".", mode=0o120777), "l/x"), "a link is in its path"),
    ("symlink-named-as-a-folder", lambda: zipped(Zipped(b"l/", b"x", mode=0o120777)), "a link and a folder"),
    ("device", lambda: zipped(Zipped(b"d", mode=0o020666)), "no file and no folder"),
    ("pipe", lambda: zipped(Zipped(b"d", mode=0o010666)), "no file and no folder"),
    ("socket", lambda: zipped(Zipped(b"d", mode=0o140666)), "no file and no folder"),
    ("nul", lambda: zipped(Zipped(b"good.txt\0../evil", b"x")), _CONTROL),
    ("nul-at-its-end", lambda: zipped(Zipped(b"good.txt\0.exe", b"x")), _CONTROL),
    ("bad-utf-8", lambda: zipped(Zipped(b"\xff\xfe", b"x")), "not valid UTF-8"),
    ("other-name-by-unicode-field", lambda: zipped(Zipped(b"good", b"x", extra=unicode_name(b"good", "../x"))), _OUT),
    ("encrypted", lambda: zipped(Zipped(b"f", b"x", flags=1)), "encrypted"),
    ("strongly-encrypted", lambda: zipped(Zipped(b"f", b"x", flags=0x41)), "encrypted"),
    ("aes", lambda: zipped(Zipped(b"f", b"x", method=99)), "encrypted"),
    ("hidden-directory", lambda: zipped(Zipped(b"f", b"x", flags=1 << 13)), "encrypted"),
    ("patch", lambda: zipped(Zipped(b"f", b"x", flags=1 << 5)), "patch"),
    ("unknown-method", lambda: zipped(Zipped(b"f", b"x", method=9)), "deflate64"),
    ("two-names", lambda: zipped(Zipped(b"good", b"x", local_name=b"../x")), "in two ways"),
    ("two-sizes", lambda: zipped(Zipped(b"f", b"x", local_size=7)), "in two ways"),
    ("two-sizes-though-streamed", lambda: zipped(Zipped(b"f", b"x", flags=8, local_size=7)), "in two ways"),
    ("two-checksums", lambda: zipped(Zipped(b"f", b"x", local_crc=0)), "in two ways"),
    ("two-methods", lambda: zipped(Zipped(b"f", b"x", local_method=8)), "in two ways"),
    ("wrong-checksum", lambda: zipped(Zipped(b"f", b"payload", crc=1)), "checksum"),
    ("longer-than-it-says", lambda: zipped(Zipped(b"f", b"p" * 100, method=8, size=50)), "checksum"),
    ("shorter-than-it-says", lambda: zipped(Zipped(b"f", b"p" * 100, method=8, size=150)), "checksum"),
    ("stored-of-two-sizes", lambda: zipped(Zipped(b"f", b"p" * 9, size=5)), "shares its bytes"),
    ("deflate-of-garbage", lambda: zipped(Zipped(b"f", b"p", method=8, body=b"\xff" * 9)), "not valid"),
    ("deflate-cut", lambda: zipped(Zipped(b"f", b"p", method=8, body=b"\x4b")), "end well"),
    ("deflate-with-more-behind", lambda: zipped(Zipped(b"f", b"p", method=8, body=b"K\x04\x00more")), "end well"),
    ("bytes-of-another", overlapping, "shares its bytes"),
    ("bytes-of-the-directory", lambda: zipped(Zipped(b"f", b"p", packed=90, size=90)), "shares its bytes"),
    ("nested-in-another", lambda: zipped(Zipped(b"f", b"p" * 99), Zipped(b"g", b"p", at=10)), "shares its bytes"),
    ("beyond-the-end", lambda: zipped(Zipped(b"f", b"p", at=0xFFFFFF)), "where it should be"),
    ("twice", lambda: zipped("f", "f"), "twice"),
    ("below-a-file", lambda: zipped("f", "f/x"), "a file is in its path"),
    ("folder-with-data", lambda: zipped(Zipped(b"d/", b"x", mode=0o040755)), "size"),
    ("empty-name", lambda: zipped(Zipped(b"", b"x")), "name is empty"),
    ("count-too-small", lambda: zipped("f", "g", count=1), "more than it says"),
    ("count-too-large", lambda: zipped("f", count=2), "directory is not"),
    ("many", lambda: zipped("f", count=65_000), "directory is not"),
    ("several-volumes", lambda: zipped("f", disk=1), "several volumes"),
    ("zip64-far-beyond", lambda: _zip64(2**64 - 1), "end is not valid"),
    ("zip64-directory-far-beyond", lambda: _zip64(0), "directory is not"),
    ("two-counts", lambda: _zip64(0, 2), "in two ways"),
    ("dos-name-out", lambda: zipped(Zipped(b"..\\evil", b"x", system=0)), _OUT),
    ("dos-name-absolute", lambda: zipped(Zipped(b"\\evil", b"x", system=0)), _ABSOLUTE),
    ("dos-name-of-a-share", lambda: zipped(Zipped(b"\\\\server\\share\\evil", b"x", system=0)), _ABSOLUTE),
    ("dos-name-with-a-drive", lambda: zipped(Zipped(b"C:\\evil", b"x", system=0)), _DRIVE),
    ("dos-name-of-both-kinds", lambda: zipped(Zipped(b"a/b\\..\\..\\..\\evil", b"x", system=0)), _BACKSLASH),
    ("two-ends", lambda: zipped("f", comment=zipped("../evil")), "two ends"),
    ("cut", lambda: zipped("f", "g")[:-30], "its end is missing"),
    ("bytes-behind", lambda: zipped("f") + b"garbage", "its end is missing"),
    ("bytes-in-front", lambda: b"PK\3\4" + zipped("f"), "directory is not where"),
    ("zip64-size-missing", lambda: zipped(Zipped(b"f", b"p", size=0xFFFFFFFF)), "size is missing"),
    ("bomb", lambda: zipped(Zipped(b"f", bytes(_BOMB), method=8)), "more than"),
    ("bomb-of-many", lambda: _many_bombs(), "more than"),
    ("bomb-that-lies", lambda: zipped(replace(Zipped(b"f", bytes(_BOMB), method=8), size=10)), "checksum"),
]


def _zip64(at: int, count: int = 0xFFFF) -> bytes:
    """An archive whose locator names a place for the end record of zip64, and whose record names one for the rest."""
    huge = 2**64 - 10
    record = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, huge, huge)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, at + (at == 0) * 4, 1)
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return b"PK\3\4" + record + locator + end


def _many_bombs() -> bytes:
    one = Zipped(b"", bytes(1 << 20), method=8)
    return zipped(*(replace(one, name=b"f%d" % n) for n in range(80)))


def _rows(kind: str, rows: Sequence[tuple[str, Callable[[], bytes], str]]) -> list[Hostile]:
    return [Hostile(f"{kind}-{label}", make, says) for label, make, says in rows]


HOSTILE = [*_hostile_names(), *_rows("tar", _TAR), *_rows("packed", _PACKED), *_rows("zip", _ZIP)]
