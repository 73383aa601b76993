"""Reads what a zip archive says of its members (APPNOTE 6.3.10), and holds what it says twice against each other.

A zip archive describes each member at its end, in the central directory, and again before its bytes. Who trusts one
description can be shown other files than who trusts the other; so both have to agree here, and no two members may share
bytes (the trick of small archives that unpack to terabytes). The whole file belongs to the archive.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator

from fastdl.core.archive import MOST_MEMBERS, Head, Kind
from fastdl.core.record import Record
from fastdl.errors import UnsafeArchive

ReadAt = Callable[[int, int], bytes]  # offset, count -> bytes, fewer at the end of the file

STORED, DEFLATED, BZIP2, ZSTANDARD = 0, 8, 12, 93
_OTHERS = {9: "deflate64", 14: "LZMA", 95: "XZ", 97: "WavPack", 98: "PPMd", 99: "AES encryption"}
_END = struct.Struct("<4s4H2LH")
_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_UNKNOWN = (0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF)  # of an end record: see that of zip64
_MOST_COMMENT = 65_535
_MOST_DIRECTORY = MOST_MEMBERS * 512  # bytes
_DOS = 0
_UNIX = (3, 19)  # and macOS
_KINDS: dict[int, Kind] = {0: "file", 0o100000: "file", 0o040000: "folder", 0o120000: "symlink"}


class Entry(Record):
    """A member: how it is described, and where its bytes are. `moment` is its time as DOS has it, of no time zone;
    `crc` is the CRC-32 of its `head.size` bytes, which are packed by `method` into `packed` bytes at `offset`."""

    head: Head
    moment: tuple[int, int, int, int, int, int]
    method: int
    crc: int
    packed: int
    offset: int


class _Central(Record):
    """A row of the central directory. `name` is as bytes."""

    name: bytes
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    offset: int  # of the local header
    system: int
    attributes: int
    moment: tuple[int, int, int, int, int, int]
    extra: bytes


def entries(read_at: ReadAt, size: int) -> Iterator[Entry]:
    """The members of a zip archive of `size` bytes, as they lie in it. Raises UnsafeArchive."""
    count, start, end = _directory(read_at, size)
    rows = sorted(_central(read_at(start, end - start), count), key=lambda row: row.offset)
    for number, row in enumerate(rows, 1):
        yield _entry(read_at, row, rows[number].offset if number < len(rows) else start)


# --- the end, where a zip archive begins -------------------------------------------------------------------


def _directory(read_at: ReadAt, size: int) -> tuple[int, int, int]:
    """How many members there are, and where the central directory begins and ends."""
    begin = max(0, size - _END.size - _MOST_COMMENT)
    tail = read_at(begin, size - begin)
    found = [at for at in _places(tail, b"PK\5\6") if _ends_there(tail, at)]
    if len(found) != 1:
        raise _damaged("its end is missing" if not found else "it has two ends")
    place = begin + found[0]
    _, disk, first, here, count, length, start, _ = _END.unpack_from(tail, found[0])
    end = place
    if place >= _LOCATOR.size:
        locator = read_at(place - _LOCATOR.size, _LOCATOR.size)
        if locator[:4] == b"PK\6\7":
            ordinary = tail[found[0] : found[0] + _END.size]
            end, disk, first, here, count, length, start = _large(read_at, locator, place, ordinary)
    if disk or first or here != count:
        raise UnsafeArchive("the archive has several volumes", "fastdl does not unpack those")
    if start + length != end or length < count * _CENTRAL.size:
        raise _damaged("its directory is not where it should be")
    if count > MOST_MEMBERS or length > _MOST_DIRECTORY:
        raise UnsafeArchive(f"the archive has more than {MOST_MEMBERS} members")
    return count, start, end


def _places(data: bytes, mark: bytes) -> Iterator[int]:
    at = data.find(mark)
    while at >= 0:
        yield at
        at = data.find(mark, at + 1)


def _ends_there(tail: bytes, at: int) -> bool:
    """Whether the comment of this end record ends with the file."""
    return at + _END.size <= len(tail) and at + _END.size + struct.unpack_from("<H", tail, at + 20)[0] == len(tail)


def _large(read_at: ReadAt, locator: bytes, place: int, end: bytes) -> tuple[int, ...]:
    """What the end record of a zip64 archive says; the other one, `end`, leaves it open or says the same."""
    _, disk, at, disks = _LOCATOR.unpack(locator)
    record = read_at(at, _END64.size)
    if len(record) < _END64.size or record[:4] != b"PK\6\6" or disk or disks > 1:
        raise _damaged("its end is not valid")
    _, length, _, _, disk, first, here, count, size, start = _END64.unpack(record)
    if at + 12 + length != place - _LOCATOR.size:
        raise _damaged("its end is not valid")
    told = tuple(zip(_END.unpack(end)[1:7], (disk, first, here, count, size, start), strict=True))
    if any(short not in (long, most) for (short, long), most in zip(told, _UNKNOWN, strict=True)):
        raise UnsafeArchive("the archive is not safe", "it describes its directory in two ways")
    return at, disk, first, here, count, size, start


# --- the central directory -------------------------------------------------------------------------------


def _central(data: bytes, count: int) -> Iterator[_Central]:
    at = 0
    for _ in range(count):
        if data[at : at + 4] != b"PK\1\2" or at + _CENTRAL.size > len(data):
            raise _damaged("its directory is not valid")
        (_, made, _, flags, method, clock, date, crc, packed, size, names, extras, comments, disk, _, outer, start) = (
            _CENTRAL.unpack_from(data, at)
        )
        at += _CENTRAL.size
        name = data[at : at + names]
        extra = data[at + names : at + names + extras]
        at += names + extras + comments
        if at > len(data):
            raise _damaged("its directory is not valid")
        size, packed, start = _wide(extra, size, packed, start)
        if disk not in (0, 0xFFFF):
            raise UnsafeArchive("the archive has several volumes", "fastdl does not unpack those")
        moment = (
            1980 + (date >> 9), date >> 5 & 15, date & 31, clock >> 11, clock >> 5 & 63, (clock & 31) * 2,
        )  # fmt: skip
        yield _Central(name, flags, method, crc, packed, size, start, made >> 8, outer, moment, extra)
    if at != len(data):
        raise _damaged("its directory has more than it says")


def _wide(extra: bytes, *values: int) -> tuple[int, ...]:
    """Sizes and offset; those that are all ones stand in the field of zip64, in this order."""
    if 0xFFFFFFFF not in values:
        return values
    field = _field(extra, 1)
    found, at = [], 0
    for value in values:
        if value == 0xFFFFFFFF:
            if field is None or len(field) < at + 8:
                raise _damaged("a size is missing")
            value = int.from_bytes(field[at : at + 8], "little")
            at += 8
        found.append(value)
    return tuple(found)


def _field(extra: bytes, number: int) -> bytes | None:
    """The content of one extra field."""
    at = 0
    while at + 4 <= len(extra):
        identity, length = struct.unpack_from("<2H", extra, at)
        if identity == number and at + 4 + length <= len(extra):
            return extra[at + 4 : at + 4 + length]
        at += 4 + length
    return None


# --- one member ------------------------------------------------------------------------------------------


def _entry(read_at: ReadAt, row: _Central, limit: int) -> Entry:
    """The member of a row, of which all lies before `limit`."""
    name = _name(row)
    if row.flags & (1 | 1 << 6 | 1 << 13) or row.method == 99:
        raise UnsafeArchive(f"the member '{name[:200]}' is encrypted", "fastdl asks for no password")
    if row.method not in (STORED, DEFLATED, BZIP2, ZSTANDARD):
        how = _OTHERS.get(row.method, f"method {row.method}")
        raise UnsafeArchive(f"the member '{name[:200]}' cannot be unpacked", f"{how} is not supported")
    if row.flags & 1 << 5:
        raise UnsafeArchive(f"the member '{name[:200]}' is a patch")
    offset = row.offset + _local(read_at, row, name)
    if offset + row.packed > limit or (row.method == STORED and row.packed != row.size):
        raise UnsafeArchive("the archive is not safe", f"the member '{name[:200]}' shares its bytes with another")
    mode = row.attributes >> 16 if row.system in _UNIX else 0
    kind = _KINDS.get(mode & 0o170000)
    if kind is None:
        raise UnsafeArchive(f"the archive is not safe: its member '{name[:200]}'", "it is no file and no folder")
    if name.endswith("/") or (row.attributes & 0x10 and not mode):
        if kind == "symlink":
            raise UnsafeArchive(f"the archive is not safe: its member '{name[:200]}'", "it is a link and a folder")
        kind = "folder"
    head = Head(name, kind, row.size, mode & 0o7777 if mode else None, _modified(row.extra))
    return Entry(head, row.moment, row.method, row.crc, row.packed, offset)


def _local(read_at: ReadAt, row: _Central, name: str) -> int:
    """The length of the member's own header, which has to say what the directory says."""
    raw: bytes = read_at(row.offset, _LOCAL.size)
    if len(raw) < _LOCAL.size or raw[:4] != b"PK\3\4":
        raise _damaged(f"the member '{name[:200]}' is not where it should be")
    _, _, flags, method, _, _, crc, packed, size, names, extras = _LOCAL.unpack(raw)
    rest = read_at(row.offset + _LOCAL.size, names + extras)
    streamed = bool(flags & 8)  # what was not known yet follows the bytes, and is nothing here
    try:
        size, packed = _wide(rest[names:], size, packed)
    except UnsafeArchive:
        if not streamed:
            raise
        size = packed = 0
    told = ((size, row.size), (packed, row.packed), (crc, row.crc))
    same = all(here == there or (streamed and not here) for here, there in told)
    if rest[:names] != row.name or method != row.method or (flags ^ row.flags) & 1 or not same:
        raise UnsafeArchive("the archive is not safe", f"it describes the member '{name[:200]}' in two ways")
    return int(_LOCAL.size + names + extras)


def _name(row: _Central) -> str:
    """The name, by its flag or by what its writer is known to do; the field for Unicode names where it fits. Programs
    of Windows have long parted folders by its backslash."""
    name = _decoded(row)
    return name.replace("\\", "/") if row.system == _DOS and "/" not in name else name


def _decoded(row: _Central) -> str:
    field = _field(row.extra, 0x7075)
    raw, unicode = row.name, bool(row.flags & 1 << 11)
    if field is not None and field[:1] == b"\1" and int.from_bytes(field[1:5], "little") == zlib.crc32(raw):
        raw, unicode = field[5:], True
    try:
        if unicode or row.system in _UNIX:
            return raw.decode()
    except UnicodeDecodeError:
        if unicode:
            raise _damaged("a name is not valid UTF-8") from None
    return raw.decode("cp437")


def _modified(extra: bytes) -> float | None:
    """The time in the field that Info-ZIP writes."""
    field = _field(extra, 0x5455)
    if field is None or len(field) < 5 or not field[0] & 1:
        return None
    return float(int.from_bytes(field[1:5], "little"))


def _damaged(why: str) -> UnsafeArchive:
    return UnsafeArchive("the archive is damaged", why)
