"""Opens an archive of any known kind and gives its members in turn, with their bytes.

What it is, its content says, not its name. Every reader holds a few blocks, whatever the archive unpacks to, and looks
at `check` before each, so a run can be ended in the middle.
"""

from __future__ import annotations

import bz2
import time
import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO, Protocol

from fastdl.core import zips
from fastdl.core.archive import RATIO, SMALL, Head
from fastdl.core.tar import BLOCK, TarReader, parse_header
from fastdl.errors import UnsafeArchive
from fastdl.io.decompress import CHUNK, Decoder, Inflate, Unpacked, decoded, decoder_for, make_zstd

Content = Iterator[bytes]


class Archive(Protocol):
    """Members in turn; the content of one has to be read before the next is asked for, or is passed over."""

    first: bool  # heads cost next to nothing: all of them can be looked at before anything is unpacked

    def members(self) -> Iterator[tuple[Head, Content]]: ...


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


_DECODERS: dict[int, Callable[[], Decoder]] = {
    zips.DEFLATED: lambda: Inflate(-15),
    zips.BZIP2: bz2.BZ2Decompressor,
    zips.ZSTANDARD: make_zstd,
}


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
        crc, left = 0, entry.head.size
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
        offset, left = entry.offset, entry.packed

        def read(count: int) -> bytes:
            nonlocal offset, left
            self._check()
            data = self._read_at(offset, min(count, left))
            offset, left = offset + len(data), left - len(data)
            return data

        if entry.method == zips.STORED:
            while data := read(CHUNK):
                yield data
            return
        decoder = _DECODERS[entry.method]()
        yield from decoded(decoder, read)
        if left or not decoder.eof or decoder.unused_data:
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
    make = decoder_for(begin)
    return _packed_tar(file, size, make, check) if make is not None else None


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
