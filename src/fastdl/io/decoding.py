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
        self._engine = zlib.decompressobj(31 if self._gzip else 15)
        self._pending = b""
        self._input = memoryview(bytearray(_INPUT))
        self._taken = 0
        self._given = 0

    def read(self, read_into: Callable[[memoryview], int], view: memoryview) -> int:
        """Fill `view` with decoded bytes from a body; 0 at its end. Raises ProtocolViolation where the coding is
        broken, ConnectionLost where it ends early, IntegrityError for a bomb."""
        while True:
            if not self._pending:
                count = read_into(self._input)
                if count == 0:
                    if not self._engine.eof:
                        raise ConnectionLost("The server closed the connection", "before the coded file had ended")
                    return 0
                self._taken += count
                self._pending = bytes(self._input[:count])
            block = self._decode(len(view))
            if block:
                view[: len(block)] = block
                return len(block)

    def _decode(self, most: int) -> bytes:
        try:
            if self._engine.eof:
                if not self._gzip:
                    self._pending = b""
                    return b""
                self._engine = zlib.decompressobj(31)  # another member (RFC 1952, section 2.2)
            block = self._engine.decompress(self._pending, most)
        except zlib.error:
            if self._gzip or self._given:
                raise ProtocolViolation("The server sent a broken answer", "its content coding is damaged") from None
            self._engine = zlib.decompressobj(-15)
            self._gzip, self._given = False, 1
            return self._decode(most)
        self._pending = self._engine.unconsumed_tail or self._engine.unused_data
        self._given += len(block)
        if self._given > _FREE and self._given > _MOST_RATIO * self._taken:
            raise IntegrityError(
                "The server sent a decompression bomb", f"{self._taken} bytes became {self._given}", ""
            )
        return block


def decoder_for(coding: str) -> Decoder:
    """A decoder for one of core.response.DECODABLE."""
    return Decoder(coding)
