"""Archives made byte by byte: what no ordinary program would write, for the tests of `--extract`."""

from __future__ import annotations

import bz2
import gzip
import lzma
import struct
import sys
import zlib
from collections.abc import Callable
from dataclasses import dataclass

# --- tar -------------------------------------------------------------------------------------------------


def tar(*members: bytes, end: bytes = bytes(1024)) -> bytes:
    """An archive of members as `entry` makes them."""
    return b"".join(members) + end


def entry(
    name: str | bytes,
    data: bytes = b"",
    kind: bytes = b"0",
    *,
    target: str | bytes = b"",
    mode: int = 0o644,
    size: int | bytes | None = None,
    modified: int = 1_700_000_000,
    prefix: bytes = b"",
    magic: bytes = b"ustar\x0000",
) -> bytes:
    """One member of a tar archive. `size` may be another than that of `data`, and raw bytes of its field."""
    raw = name.encode("utf-8", "surrogateescape") if isinstance(name, str) else name
    link = target.encode() if isinstance(target, str) else target
    number = len(data) if size is None else size
    length = number if isinstance(number, bytes) else b"%011o\0" % number
    fields = [
        raw[:100].ljust(100, b"\0"), b"%07o\0" % mode, b"0000000\0" * 2, length.ljust(12, b"\0"),
        b"%011o\0" % modified, b" " * 8, kind, link[:100].ljust(100, b"\0"), magic, bytes(32), bytes(32), bytes(16),
        prefix.ljust(155, b"\0"), bytes(12),
    ]  # fmt: skip
    header = b"".join(fields)
    assert len(header) == 512
    checksum = b"%06o\0 " % sum(header)
    return header[:148] + checksum + header[156:] + data + bytes(-len(data) % 512)


def long_name(name: bytes, kind: bytes = b"L") -> bytes:
    """GNU's header for a name (or with K for a link's target) of any length."""
    return entry("././@LongLink", name + b"\0", kind)


def pax(kind: bytes = b"x", **records: str) -> bytes:
    """An extended header; `_` in keys is a dot there."""
    data = b""
    for key, value in records.items():
        body = f" {key.replace('_', '.')}={value}\n".encode()
        length = len(body) + 1
        while len(str(length)) + len(body) != length:
            length += 1
        data += str(length).encode() + body
    return entry("pax", data, kind)


def holes(places: str, size: str, name: str = "f") -> bytes:
    """The extended header of a file with holes, of version 0.1."""
    return pax(GNU_sparse_size=size, GNU_sparse_name=name, GNU_sparse_map=places)


def leading(size: str, data: bytes) -> bytes:
    """A file with holes, of version 1.0: its data begins with its map."""
    header = pax(GNU_sparse_major="1", GNU_sparse_minor="0", GNU_sparse_name="f", GNU_sparse_realsize=size)
    return header + entry("GNUSparseFile.0/f", data)


def old_holes(size: int, *segments: tuple[int, bytes]) -> bytes:
    """A file with holes as GNU's tar writes it by itself: four segments in the header, 21 in each block behind it."""
    rows = [b"%011o\0%011o\0" % (start, len(data)) for start, data in segments]
    data = b"".join(part for _, part in segments)
    raw = bytearray(entry("f", kind=b"S", magic=b"ustar  \0", size=len(data)))
    raw[386:482] = b"".join(rows[:4]).ljust(96, b"\0")
    raw[482:495] = bytes([len(rows) > 4]) + b"%011o\0" % size
    raw[148:156] = b" " * 8
    raw[148:156] = b"%06o\0 " % sum(raw)
    blocks = [rows[at : at + 21] for at in range(4, len(rows), 21)]
    for number, block in enumerate(blocks, 1):
        raw += b"".join(block).ljust(504, b"\0") + bytes([number < len(blocks)]) + bytes(7)
    return bytes(raw) + data + bytes(-len(data) % 512)


# --- zip -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Zipped:
    """A member of a zip archive; `central_name` and the like are what the directory says, if it says something else."""

    name: bytes
    data: bytes = b""
    method: int = 0
    flags: int = 0x800
    mode: int = 0o100644
    system: int = 3
    attributes: int | None = None
    crc: int | None = None
    size: int | None = None
    packed: int | None = None
    body: bytes | None = None
    extra: bytes = b""
    local_name: bytes | None = None
    local_size: int | None = None
    local_method: int | None = None
    local_crc: int | None = None
    local_packed: int | None = None
    at: int | None = None  # where the directory says that it is

    def packed_body(self) -> bytes:
        if self.body is not None:
            return self.body
        if self.method == 8:
            packer = zlib.compressobj(9, wbits=-15)
            return packer.compress(self.data) + packer.flush()
        return bz2.compress(self.data) if self.method == 12 else self.data


def zipped(
    *members: Zipped | bytes | str,
    comment: bytes = b"",
    count: int | None = None,
    disk: int = 0,
    gap: bytes = b"",
    prefix: bytes = b"",
) -> bytes:
    """A zip archive. A name alone is a small file."""
    out, directory = prefix, b""
    made = [m if isinstance(m, Zipped) else Zipped(m.encode() if isinstance(m, str) else m, b"x") for m in members]
    for m in made:
        body = m.packed_body()
        crc = zlib.crc32(m.data) if m.crc is None else m.crc
        size = len(m.data) if m.size is None else m.size
        packed = len(body) if m.packed is None else m.packed
        place = len(out) if m.at is None else m.at
        name = m.name if m.local_name is None else m.local_name
        local = size if m.local_size is None else m.local_size
        method = m.method if m.local_method is None else m.local_method
        told = (crc if m.local_crc is None else m.local_crc, packed if m.local_packed is None else m.local_packed)
        out += struct.pack("<4s5H3L2H", b"PK\3\4", 20, m.flags, method, 0, 0x5799, *told, local, len(name), 0)
        out += name + body
        outer = m.mode << 16 if m.attributes is None else m.attributes
        head = (b"PK\1\2", m.system << 8 | 20, 20, m.flags, m.method, 0, 0x5799, crc, packed, size)
        directory += struct.pack("<4s6H3L5H2L", *head, len(m.name), len(m.extra), 0, 0, 0, outer, place)
        directory += m.name + m.extra
    out += gap
    number = len(made) if count is None else count
    end = struct.pack("<4s4H2LH", b"PK\5\6", disk, disk, number, number, len(directory), len(out), len(comment))
    return out + directory + end + comment


def unicode_name(raw: bytes, name: str) -> bytes:
    """The extra field that gives a member another name."""
    data = b"\1" + struct.pack("<L", zlib.crc32(raw)) + name.encode()
    return struct.pack("<2H", 0x7075, len(data)) + data


def overlapping() -> bytes:
    """Two members of the same bytes (the trick of the better zip bomb)."""
    return zipped(Zipped(b"a", b"payload"), Zipped(b"b", b"payload", at=0, local_name=b"a"))


# --- compressed ------------------------------------------------------------------------------------------


def zst(data: bytes) -> bytes:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return bytes(zstd.compress(data, options={zstd.CompressionParameter.checksum_flag: 1}))


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "tar": lambda data: data,
    "tar.gz": lambda data: gzip.compress(data, 6, mtime=0),
    "tar.xz": lzma.compress,
    "tar.bz2": bz2.compress,
    "tar.zst": zst,
}
