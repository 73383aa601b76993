"""The chunked transfer coding, strictly (RFC 9112, section 7.1)."""

from __future__ import annotations

from fastdl.errors import ProtocolViolation

_MOST_LINE = 4096  # bytes of a chunk-size line with its extensions
_MOST_TRAILERS = 16 * 1024
_HEX = frozenset(b"0123456789abcdefABCDEF")


class ChunkedDecoder:
    """Takes the coding off a body; `done` is true after the last chunk and its trailer section."""

    def __init__(self) -> None:
        self.done = False
        self._left = 0  # bytes of the current chunk
        self._after_chunk = False  # CRLF is due
        self._in_trailers = False
        self._trailers = 0

    def decode(self, data: bytearray, view: memoryview) -> int:
        """Move decoded bytes from the front of `data` into `view`; 0: more input is needed, or the body is done.

        Raises ProtocolViolation."""
        while not self.done:
            if self._left:
                count = min(self._left, len(data), len(view))
                view[:count] = data[:count]
                del data[:count]
                self._left -= count
                self._after_chunk = self._left == 0
                return count
            line = self._line(data)
            if line is None:
                return 0
            self._take(line)
        return 0

    def _line(self, data: bytearray) -> bytes | None:
        end = data.find(b"\n")
        if end < 0:
            if len(data) > _MOST_LINE:
                raise ProtocolViolation("the server sent a broken answer", "an endless chunk-size line")
            return None
        line = bytes(data[:end])
        del data[: end + 1]
        # A bare LF or CR is a line end for some and none for others (RFC 9112, section 2.2).
        if line.find(b"\r") != len(line) - 1 or not line or len(line) > _MOST_LINE:
            raise ProtocolViolation("the server sent a broken answer", "a malformed chunk-size line")
        return line[:-1]

    def _take(self, line: bytes) -> None:
        if self._in_trailers:
            self._trailers += len(line) + 2
            if self._trailers > _MOST_TRAILERS:
                raise ProtocolViolation("the server sent a broken answer", "endless trailers")
            self.done = not line
        elif self._after_chunk:
            if line:
                raise ProtocolViolation("the server sent a broken answer", "a chunk longer than announced")
            self._after_chunk = False
        else:
            size = line.partition(b";")[0].rstrip(b" \t")
            if not size or len(size) > 15 or not _HEX.issuperset(size):
                raise ProtocolViolation("the server sent a broken answer", "a malformed chunk size")
            self._left = int(size, 16)
            self._in_trailers = self._left == 0
