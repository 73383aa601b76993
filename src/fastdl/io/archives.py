"""Opens an archive of any known kind and gives its members in turn, with their bytes.

What it is, its content says, not its name. Every reader holds a few blocks, whatever the archive unpacks to, and looks
at `check` before each, so a run can be ended in the middle.
"""

from __future__ import annotations

import bz2
import lzma
import time
import zlib
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, Protocol

from fastdl.core import zips
from fastdl.core.archive import RATIO, SMALL, Head
from fastdl.core.tar import BLOCK, TarReader, parse_header
from fastdl.errors import UnsafeArchive, UsageError

CHUNK = 256 * 1024  # bytes
MOST_MEMORY = 512 * 1024 * 1024  # bytes that a decoder may take: more is asked for by nothing but a bomb

Content = Iterator[bytes]


class Archive(Protocol):
    """Members in turn; the content of one has to be read before the next is asked for, or is passed over."""

    first: bool  # heads cost next to nothing: all of them can be looked at before anything is unpacked

    def members(self) -> Iterator[tuple[Head, Content]]: ...


class Decoder(Protocol):
    """What the standard library's decoders have in common."""

    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...

    @property
    def eof(self) -> bool: ...

    @property
    def needs_input(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...


class _Inflate:
    """zlib's decoder with the manners of the others. `wbits` as zlib has it: 31 is gzip, -15 bare deflate."""

    def __init__(self, wbits: int) -> None:
        self._zlib = zlib.decompressobj(wbits)

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        return self._zlib.decompress(self._zlib.unconsumed_tail + data, max(max_length, 0))

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def needs_input(self) -> bool:
        return not self._zlib.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data


def _zstd(what: str) -> Any:
    """The module for Zstandard. Raises UsageError where it is not installed."""
    import sys

    try:
        if sys.version_info >= (3, 14):
            from compression import zstd
        else:
            from backports import zstd
    except ImportError:
        raise UsageError(
            f"{what} needs Zstandard, which is not installed", "", "Install it: pip install backports.zstd"
        ) from None
    return zstd


def _make_zstd() -> Decoder:
    decoder: Decoder = _zstd("this archive").ZstdDecompressor()
    return decoder


def _make_xz() -> Decoder:
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MOST_MEMORY)


# Magic numbers of what a tar archive may be packed by.
_PACKED: tuple[tuple[bytes, Callable[[], Decoder]], ...] = (
    (b"\x1f\x8b\x08", lambda: _Inflate(31)),
    (b"\xfd7zXZ\0", _make_xz),
    (b"BZh", bz2.BZ2Decompressor),
    (b"\x28\xb5\x2f\xfd", _make_zstd),
)


def _decoded(decoder: Decoder, data: bytes, count: int) -> bytes:
    """One step of a decoder. Raises UnsafeArchive where it cannot go on."""
    try:
        return decoder.decompress(data, count)
    except MemoryError:
        raise UnsafeArchive("the archive asks for too much memory", "") from None
    except Exception as error:  # zlib.error, LZMAError, OSError, ZstdError
        reason = "it needs too much memory" if "emory" in str(error) else "its compressed data is not valid"
        raise UnsafeArchive("the archive is damaged", reason) from None


class Unpacked:
    """A compressed file as the stream that it unpacks to; several streams in a row are one."""

    def __init__(self, file: BinaryIO, make: Callable[[], Decoder], check: Callable[[], None], most: int) -> None:
        """`most`: bytes of the stream; more is a bomb."""
        self._file = file
        self._make = make
        self._decoder: Decoder = make()
        self._check = check
        self._most = most
        self._ready = b""
        self._at = 0
        self._over = False

    def read(self, count: int) -> bytes:
        """So many bytes, fewer at the end. Raises UnsafeArchive."""
        pieces, missing = [], count
        while missing > 0 and (self._at < len(self._ready) or self._fill()):
            piece = self._ready[self._at : self._at + missing]
            self._at += len(piece)
            missing -= len(piece)
            pieces.append(piece)
        return b"".join(pieces)

    def _fill(self) -> bool:
        """The next bytes of the stream; false at its end."""
        while not self._over:
            self._check()
            data = self._file.read(CHUNK) if self._decoder.needs_input else b""
            self._ready, self._at = _decoded(self._decoder, data, CHUNK), 0
            if not (data or self._ready or self._decoder.eof):
                raise UnsafeArchive("the archive is damaged", "it is cut off")
            if self._decoder.eof:
                self._next_stream(self._decoder.unused_data)
            self._most -= len(self._ready)
            if self._most < 0:
                raise UnsafeArchive("the archive would become too large", f"more than {RATIO} times its own size")
            if self._ready:
                return True
        return False

    def _next_stream(self, rest: bytes) -> None:
        """After the end of one stream: another, zeros, or nothing."""
        rest = rest.lstrip(b"\0")
        while not rest and (data := self._file.read(CHUNK)):
            self._check()
            rest = data.lstrip(b"\0")
        if not rest:
            self._over = True
            return
        self._file.seek(-len(rest), 1)
        if _decoder_for(rest[:8].ljust(8, b"\0")) is not self._make:
            raise UnsafeArchive("the archive is damaged", "something follows its end")
        self._decoder = self._make()


class TarArchive:
    """A tar archive, packed or not."""

    def __init__(self, read: Callable[[int], bytes], check: Callable[[], None], *, first: bool) -> None:
        self.first = first
        self._tar = TarReader(read)
        self._check = check

    def members(self) -> Iterator[tuple[Head, Content]]:
        for head in self._tar.heads():
            self._check()
            yield head, self._content()

    def _content(self) -> Content:
        while data := self._tar.take(CHUNK):
            self._check()
            yield data


class ZipArchive:
    """A zip archive."""

    first = True

    def __init__(self, file: BinaryIO, size: int, check: Callable[[], None]) -> None:
        self._file = file
        self._size = size
        self._check = check

    def members(self) -> Iterator[tuple[Head, Content]]:
        for entry in zips.entries(self._read_at, self._size):
            self._check()
            head = entry.head
            if head.kind == "symlink":  # what it leads to is its content
                if head.size > 4096:
                    raise UnsafeArchive("the archive is not safe", "the target of a link is too long")
                target = b"".join(self._content(entry)).decode("utf-8", "surrogateescape")
                head = head._replace(size=0, target=target)
            if head.modified is None:
                head = head._replace(modified=_local_time(entry.moment))
            yield head, self._content(entry) if head.kind == "file" else iter(())

    def _read_at(self, offset: int, count: int) -> bytes:
        if offset > self._size:  # perhaps more than any file may have
            return b""
        self._file.seek(offset)
        return self._file.read(count)

    def _content(self, entry: zips.Entry) -> Content:
        """The bytes of a member, so many as it says and with the checksum that it says."""
        crc = left = 0
        left = entry.head.size
        for data in self._raw(entry):
            left -= len(data)
            if left < 0:
                break
            crc = zlib.crc32(data, crc)
            yield data
        if left or crc != entry.crc:
            name = entry.head.name[:200]
            raise UnsafeArchive("the archive is damaged", f"the member '{name}' is not what its checksum says")

    def _raw(self, entry: zips.Entry) -> Content:
        makers: dict[int, Callable[[], Decoder]] = {
            zips.DEFLATED: lambda: _Inflate(-15),
            zips.BZIP2: bz2.BZ2Decompressor,
            zips.ZSTANDARD: _make_zstd,
        }
        decoder = makers[entry.method]() if entry.method in makers else None
        offset, left = entry.offset, entry.packed
        while decoder is None or not decoder.eof:
            self._check()
            data = b""
            if decoder is None or decoder.needs_input:
                data = self._read_at(offset, min(CHUNK, left))
            offset, left = offset + len(data), left - len(data)
            unpacked = data if decoder is None else _decoded(decoder, data, CHUNK)
            if not (data or unpacked):
                break
            yield unpacked
        if decoder is not None and (left or not decoder.eof or decoder.unused_data):
            raise UnsafeArchive("the archive is damaged", f"the member '{entry.head.name[:200]}' does not end well")


def open_archive(file: BinaryIO, size: int, check: Callable[[], None]) -> Archive | None:
    """The archive in a file of `size` bytes; None where it is none of a known kind. `check` raises what ends the run.
    Raises UnsafeArchive, UsageError where a decoder is not installed."""
    file.seek(0)
    begin = file.read(2 * BLOCK)
    file.seek(0)
    if begin[:4] in (b"PK\3\4", b"PK\5\6"):
        return ZipArchive(file, size, check)
    if _is_tar(begin):
        return TarArchive(_checked(file, check), check, first=True)
    make = _decoder_for(begin)
    return _packed_tar(file, size, make, check) if make is not None else None


def _decoder_for(begin: bytes) -> Callable[[], Decoder] | None:
    """What decodes a stream that begins so."""
    if begin[1:4] == b"\x2a\x4d\x18" and begin[0] & 0xF0 == 0x50:  # a frame of Zstandard to be skipped
        return _make_zstd
    return next((make for magic, make in _PACKED if begin.startswith(magic)), None)


def _packed_tar(file: BinaryIO, size: int, make: Callable[[], Decoder], check: Callable[[], None]) -> Archive | None:
    try:
        if not _is_tar(Unpacked(file, make, check, CHUNK * 2).read(2 * BLOCK)):
            return None
    except UnsafeArchive:
        file.seek(0)  # damaged at its beginning: what it would have been is not known, and its reader says why
    file.seek(0)
    return TarArchive(Unpacked(file, make, check, most_stream(size)).read, check, first=False)


def most_stream(size: int) -> int:
    """How many bytes of tar an archive of `size` may hold: as many of headers as of files."""
    return 2 * max(SMALL, size * RATIO)


def _checked(file: BinaryIO, check: Callable[[], None]) -> Callable[[int], bytes]:
    def read(count: int) -> bytes:
        check()
        return file.read(count)

    return read


def _is_tar(begin: bytes) -> bool:
    """A first header, or the two empty blocks of an archive of nothing."""
    if len(begin) < BLOCK:
        return False
    return parse_header(begin[:BLOCK]) is not None if any(begin) else len(begin) == 2 * BLOCK


def _local_time(moment: tuple[int, int, int, int, int, int]) -> float | None:
    """A time of DOS, which is that of wherever the archive was made: taken for ours, as everybody does."""
    try:
        return time.mktime((*moment, 0, 0, -1))
    except (OverflowError, ValueError):
        return None
