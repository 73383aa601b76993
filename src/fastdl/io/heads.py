"""Response heads of HTTP/1.1, strictly (RFC 9112, sections 2 to 5): what one reader takes for a line and another does
not is how answers are forged, so that everything doubtful is refused."""

from __future__ import annotations

import functools

from fastdl.core.head import Head
from fastdl.errors import ProtocolViolation

MOST_FIELDS = 256
_TOKEN = frozenset(b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")


def parse_head(raw: bytes) -> Head:
    """Parse a response head, status line to the last field line, without the empty line that ends it.

    Bare LF line ends are accepted (RFC 9112, section 2.2), folded lines, NUL and bare CR are not. Raises
    ProtocolViolation."""
    if b"\0" in raw:
        raise ProtocolViolation("the server sent a broken answer", "NUL in the response head")
    plain = (raw + b"\n").replace(b"\r\n", b"\n")
    if b"\r" in plain:
        raise ProtocolViolation("the server sent a broken answer", "bare CR in the response head")
    lines = plain[:-1].split(b"\n")
    status, reason, version = _parse_status(lines[0])
    if len(lines) - 1 > MOST_FIELDS:
        raise ProtocolViolation("the server sent a broken answer", f"more than {MOST_FIELDS} header fields")
    return Head(status, reason, tuple(_parse_field(line) for line in lines[1:]), version)


def _parse_status(line: bytes) -> tuple[int, str, str]:
    parts = line.split(b" ", 2)
    version = parts[0]
    well_formed = len(version) == 8 and version[:5] == b"HTTP/" and version[5:6].isdigit() and version[6:7] == b"."
    if not well_formed or not version[7:8].isdigit() or version[5:6] != b"1":
        raise ProtocolViolation("the server does not speak HTTP/1.1", "its answer begins with something else")
    if len(parts) < 2 or len(parts[1]) != 3 or not parts[1].isdigit() or parts[1][0:1] == b"0":
        raise ProtocolViolation("the server sent a broken answer", "malformed status line")
    reason = parts[2].decode("latin-1") if len(parts) > 2 else ""
    return int(parts[1]), reason[:100], "HTTP/1.0" if version[7:8] == b"0" else "HTTP/1.1"


def _parse_field(line: bytes) -> tuple[str, str]:
    name, colon, value = line.partition(b":")
    if not colon:
        raise ProtocolViolation("the server sent a broken answer", "malformed header field")
    return _field_name(name), value.strip(b" \t").decode("latin-1")


@functools.lru_cache(maxsize=256)  # every answer has the same ones
def _field_name(name: bytes) -> str:
    if not name or not _TOKEN.issuperset(name):
        # Also catches folded lines and white space before the colon (RFC 9112, sections 5.1 and 5.2).
        raise ProtocolViolation("the server sent a broken answer", "malformed header field")
    return name.decode("ascii").lower()


def end_of_head(data: bytearray, start: int) -> tuple[int, int]:
    """(end of the last field line, start of the body), or (-1, -1) while the head is not whole."""
    found = data.find(b"\n\r\n", start)
    bare = data.find(b"\n\n", start)
    if found >= 0 and (bare < 0 or found < bare):
        return found, found + 3
    return (bare, bare + 2) if bare >= 0 else (-1, -1)
