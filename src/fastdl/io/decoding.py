"""Content codings that a server applied although none was asked for, taken off while the body streams."""

from __future__ import annotations

import zlib
from collections.abc import Callable

from fastdl.errors import ConnectionLost, IntegrityError, ProtocolViolation

_INPUT = 64 * 1024
_FREE = 64 * 1024 * 1024  # decoded bytes that may come at any ratio
_MOST_RATIO = 250  # beyond that: deflate's own limit is 1032, real files stay far below


class Decoder:
    """Decodes gzip (RFC 1952) or deflate (RFC 1950, or raw RFC 1951 as some servers send it)."""

    def __init__(self, coding: str) -> None:
        self._gzip = coding != "deflate"
        # Which of the two kinds of deflate it is can be seen from the first two bytes.
        self._engine = zlib.decompressobj(31) if self._gzip else None
        self._pending = b""  # input that the engine has not taken yet
        self._more = False  # there may be output without more input
        self._input = memoryview(bytearray(_INPUT))
        self._taken = 0
        self._given = 0

    def read(self, read_into: Callable[[memoryview], int], view: memoryview) -> int:
        """Fill `view` with decoded bytes from a body; 0 at its end. Raises ProtocolViolation where the coding is
        broken, ConnectionLost where it ends early, IntegrityError for a bomb."""
        while self._more or self._take(read_into):
            block = self._decode(len(view))
            if block:
                view[: len(block)] = block
                return len(block)
        return 0

    def _take(self, read_into: Callable[[memoryview], int]) -> bool:
        """Get more input; false at the end of the body."""
        count = read_into(self._input)
        if count == 0:
            if self._engine is None or not self._engine.eof:
                raise ConnectionLost("the server closed the connection", "before the coded file had ended")
            return False
        self._taken += count
        self._pending += self._input[:count]
        return True

    def _decode(self, most: int) -> bytes:
        if self._engine is None and len(self._pending) < 2:
            return b""
        try:
            if self._engine is None:
                self._engine = zlib.decompressobj(15 if _is_zlib(self._pending) else -15)
            elif self._engine.eof:
                self._engine = self._next_member()
            block = self._engine.decompress(self._pending, most)
        except zlib.error:
            raise ProtocolViolation("the server sent a broken answer", "its content coding is damaged") from None
        self._pending = self._engine.unconsumed_tail or self._engine.unused_data
        # All input may be inside the engine while a full view leaves some of the output in there too.
        self._more = bool(self._pending) or (len(block) == most and not self._engine.eof)
        self._given += len(block)
        if self._given > _FREE and self._given > _MOST_RATIO * self._taken:
            raise IntegrityError(
                "the server sent a decompression bomb", f"{self._taken} bytes became {self._given}", ""
            )
        return block

    def _next_member(self) -> zlib._Decompress:
        if not self._gzip:
            raise ProtocolViolation("the server sent a broken answer", "bytes behind the end of the coded file")
        return zlib.decompressobj(31)  # RFC 1952, section 2.2


def _is_zlib(start: bytes) -> bool:
    """Whether the two bytes are a zlib header (RFC 1950, section 2.2). No encoder begins raw deflate like that."""
    return start[0] & 0x0F == 8 and int.from_bytes(start[:2], "big") % 31 == 0


def decoder_for(coding: str) -> Decoder:
    """A decoder for one of core.response.DECODABLE."""
    return Decoder(coding)
