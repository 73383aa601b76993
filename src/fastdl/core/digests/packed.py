"""Indexes come compressed; here they are unpacked piece by piece, with a bound on what comes out.

The form is known by its first bytes, not by its name: servers lie about names without malice.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from importlib import import_module

from fastdl.core.digests.base import DigestNotFound
from fastdl.core.hints import Any

PIECE = 256 * 1024  # bytes of one piece that comes out
MOST_UNPACKED = 1024 * 1024 * 1024  # bytes of one index
MOST_STREAMS = 4096  # one behind the other in one file
_XZ_MEMORY = 256 * 1024 * 1024

_MAGIC = ((b"\x1f\x8b", "gz"), (b"\xfd7zXZ\0", "xz"), (b"BZh", "bz2"), (b"\x28\xb5\x2f\xfd", "zst"))


def can_unpack(name: str) -> bool:
    """Whether a file of this name can be read here: zstd needs Python 3.14."""
    return not name.endswith((".zst", ".zstd")) or _zstd() is not None


class Unpacker:
    """One compressed (or plain) stream. Everything raises DigestNotFound."""

    def __init__(self, most: int = MOST_UNPACKED) -> None:
        self._left = most
        self._form = ""  # not known yet
        self._first = b""
        self._streams = 0
        self._decoder: Any = None
        self._ended = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What a piece of the file unpacks to, in pieces."""
        if not self._form:
            self._first += data
            if len(self._first) < 6:
                return
            data, self._first = self._first, b""
            self._form = next((form for magic, form in _MAGIC if data.startswith(magic)), "plain")
        yield from self._unpack(data)

    def finish(self) -> Iterator[bytes]:
        """What is left at the end of the file. Raises DigestNotFound where it ends too soon."""
        if not self._form:
            self._form = "plain"
            yield from self._unpack(self._first)
        if self._form != "plain" and not self._ended:
            raise DigestNotFound("the index ends too soon")

    def _unpack(self, data: bytes) -> Iterator[bytes]:
        if self._form == "plain":
            yield self._counted(data)
            return
        try:
            yield from self._decode(data)
        except (OSError, EOFError, ValueError, MemoryError, zlib.error):
            raise DigestNotFound("the index is damaged") from None
        except Exception as error:
            if type(error).__name__ in ("LZMAError", "ZstdError"):  # not to import what is not used
                raise DigestNotFound("the index is damaged") from None
            raise

    def _decode(self, data: bytes) -> Iterator[bytes]:
        while data or not self._ended:
            if self._decoder is None or self._ended:
                if self._ended and not data.strip(b"\0"):
                    return  # padding
                self._streams += 1
                if self._streams > MOST_STREAMS:
                    raise DigestNotFound("the index has too many parts")
                self._decoder, self._ended = _decoder(self._form), False
            out, data = self._once(data)
            if out:
                yield self._counted(out)
            self._ended = self._decoder.eof
            if not out and not data and not self._ended:
                return

    def _once(self, data: bytes) -> tuple[bytes, bytes]:
        """One bounded piece, and the input that is still to be given."""
        out: bytes = self._decoder.decompress(data, PIECE)
        if self._decoder.eof:
            return out, self._decoder.unused_data
        if self._form == "gz":
            return out, self._decoder.unconsumed_tail
        return out, b""  # the others keep it

    def _counted(self, out: bytes) -> bytes:
        self._left -= len(out)
        if self._left < 0:
            raise DigestNotFound("the index is too large")
        return out


def _decoder(form: str) -> Any:
    if form == "gz":
        return zlib.decompressobj(wbits=31)
    if form == "xz":
        import lzma

        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)
    if form == "bz2":
        import bz2

        return bz2.BZ2Decompressor()
    zstd = _zstd()
    if zstd is None:
        raise DigestNotFound("the index is compressed with zstd, which this Python cannot read")
    return zstd.ZstdDecompressor()


def _zstd() -> Any:
    try:
        return import_module("compression.zstd")
    except ImportError:
        return None
