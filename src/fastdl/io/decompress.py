"""Decoders of what archives are packed by, and a packed file as the stream that it unpacks to.

Each holds a few blocks, whatever comes out, and no more than MOST_MEMORY for its own tables.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO, Protocol

from fastdl.core.archive import RATIO
from fastdl.errors import FastdlError, UnsafeArchive, UsageError

CHUNK = 256 * 1024  # bytes that come out at a time
_INPUT = 32 * 1024  # bytes that go in at a time: what is left of it is copied at each step
MOST_MEMORY = 512 * 1024 * 1024  # bytes that a decoder may take: more is asked for by nothing but a bomb


class Decoder(Protocol):
    """What the standard library's decoders have in common."""

    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...

    @property
    def eof(self) -> bool: ...

    @property
    def needs_input(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...


class Inflate:
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


def make_zstd() -> Decoder:
    """A decoder for Zstandard. Raises UsageError where none is installed."""
    import sys

    try:
        if sys.version_info >= (3, 14):
            from compression import zstd
        else:
            from backports import zstd
    except ImportError:
        raise UsageError(
            "this archive needs Zstandard, which is not installed", "", "Install it: pip install backports.zstd"
        ) from None
    decoder: Decoder = zstd.ZstdDecompressor()
    return decoder


def _make_xz() -> Decoder:
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MOST_MEMORY)


# Magic numbers of what a tar archive may be packed by.
_PACKED: tuple[tuple[bytes, Callable[[], Decoder]], ...] = (
    (b"\x1f\x8b\x08", lambda: Inflate(31)),
    (b"\xfd7zXZ\0", _make_xz),
    (b"BZh", bz2.BZ2Decompressor),
    (b"\x28\xb5\x2f\xfd", make_zstd),
)


def decoder_for(begin: bytes) -> Callable[[], Decoder] | None:
    """What decodes a stream that begins so."""
    if begin[1:4] == b"\x2a\x4d\x18" and begin[0] & 0xF0 == 0x50:  # a frame of Zstandard to be skipped
        return make_zstd
    return next((make for magic, make in _PACKED if begin.startswith(magic)), None)


def decoded(decoder: Decoder, read: Callable[[int], bytes]) -> Iterator[bytes]:
    """What one stream unpacks to; over at its end, or where `read` gives nothing more. Raises UnsafeArchive where it
    cannot go on."""
    while not decoder.eof:
        wants = decoder.needs_input  # a decoder may not know yet that it has given all that it can
        data = read(_INPUT) if wants else b""
        unpacked = _step(decoder, data)
        if unpacked:
            yield unpacked
        elif wants and not data:
            return


def _step(decoder: Decoder, data: bytes) -> bytes:
    try:
        return decoder.decompress(data, CHUNK)
    except FastdlError:  # a signal came just now: the archive is not to blame
        raise
    except MemoryError:
        reason = "it asks for too much memory"
    except Exception as error:  # zlib.error, LZMAError, OSError, ZstdError
        reason = "it asks for too much memory" if "emory" in str(error) else "its compressed data is not valid"
    raise UnsafeArchive("the archive is damaged", reason)


class Unpacked:
    """A compressed file as the stream that it unpacks to; several streams in a row are one."""

    def __init__(self, file: BinaryIO, make: Callable[[], Decoder], check: Callable[[], None], most: int) -> None:
        """`most`: bytes of the stream; more is a bomb."""
        self._file = file
        self._make = make
        self._check = check
        self._most = most
        self._blocks = self._streams()
        self._rest = b""  # was read, and no decoder has it yet
        self._ready = b""
        self._at = 0

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
        self._ready, self._at = next(self._blocks, b""), 0
        self._most -= len(self._ready)
        if self._most < 0:
            raise UnsafeArchive("the archive would become too large", f"more than {RATIO} times its own size")
        return bool(self._ready)

    def _streams(self) -> Iterator[bytes]:
        while True:
            decoder = self._make()
            yield from decoded(decoder, self._take)
            if not decoder.eof:
                raise UnsafeArchive("the archive is damaged", "it is cut off")
            self._rest = decoder.unused_data
            if not self._another():
                return

    def _take(self, count: int) -> bytes:
        self._check()
        data, self._rest = self._rest or self._file.read(count), b""
        return data

    def _another(self) -> bool:
        """Whether another stream follows; zeros may, or nothing. Raises UnsafeArchive for all else."""
        rest = self._rest.lstrip(b"\0")
        while not rest and (data := self._take(_INPUT)):
            rest = data.lstrip(b"\0")
        if rest and len(rest) < 8:  # its magic number may be cut
            rest += self._file.read(_INPUT)
        self._rest = rest
        if rest and decoder_for(rest) is not self._make:
            raise UnsafeArchive("the archive is damaged", "something follows its end")
        return bool(rest)
