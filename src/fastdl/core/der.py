"""DER, the encoding of certificates and signatures (X.690): elements with their contents, and what is read from them.

Only what stands in certificates is known; lengths and numbers have to be as short as they can be, as DER demands.
"""

from __future__ import annotations

from collections.abc import Iterator

Item = tuple[int, bytes]  # tag, contents

BOOLEAN, INTEGER, BITS, OCTETS, OBJECT, UTF8 = 0x01, 0x02, 0x03, 0x04, 0x06, 0x0C
SEQUENCE = 0x30


def items(data: bytes) -> Iterator[Item]:
    """The elements that stand one after the other. Raises ValueError where they do not fit."""
    while data:
        tag, contents, data = split(data)
        yield tag, contents


def split(data: bytes) -> tuple[int, bytes, bytes]:
    """Tag and contents of the first element, and what follows it. Raises ValueError."""
    if len(data) < 2:
        raise ValueError("an element is cut off")
    tag, length, at = data[0], data[1], 2
    if length & 0x80:
        size = length & 0x7F
        if not 1 <= size <= 4:
            raise ValueError("a length that DER does not have")
        length, at = int.from_bytes(data[2 : 2 + size], "big"), 2 + size
        if length < 0x80 or data[2] == 0:
            raise ValueError("a length that is longer than it has to be")
    if at + length > len(data):
        raise ValueError("an element is longer than its sequence")
    return tag, data[at : at + length], data[at + length :]


def only(data: bytes, tag: int) -> bytes:
    """The contents of the one element that `data` is. Raises ValueError for anything else."""
    found, contents, rest = split(data)
    if found != tag or rest:
        raise ValueError("another element was expected")
    return contents


def integer(contents: bytes) -> int:
    """The number that an INTEGER holds. Raises ValueError where it takes more octets than it has to, or none."""
    if not contents or (len(contents) > 1 and (contents[0], contents[1] >> 7) in ((0, 0), (0xFF, 1))):
        raise ValueError("a number that is not as long as it has to be")
    return int.from_bytes(contents, "big", signed=True)


def moment(tag: int, value: bytes) -> float:
    """A UTCTime or GeneralizedTime as a Unix time; always in UTC and with seconds (RFC 5280, 4.1.2.5). Raises
    ValueError."""
    from datetime import datetime, timezone

    text = value.decode("ascii")
    if tag == 0x17:
        text = ("19" if int(text[:2]) >= 50 else "20") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=timezone.utc).timestamp()
