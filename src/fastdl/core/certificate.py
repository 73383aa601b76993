"""What a certificate says of itself: who issued it, for whom, and until when (RFC 5280).

Python shows the fields of a certificate only if it is trusted. To say why one is not, its DER is read here, no more of
it than that takes. Nothing is verified: what comes out is for messages.
"""

from __future__ import annotations

from collections.abc import Iterator

from fastdl.core.record import Record

_COMMON_NAME = b"\x55\x04\x03"
_ORGANIZATION = b"\x55\x04\x0a"
_ALTERNATIVE_NAMES = b"\x55\x1d\x11"
_TEXTS = {0x0C: "utf-8", 0x13: "ascii", 0x16: "ascii", 0x14: "latin-1", 0x1E: "utf-16-be"}

Item = tuple[int, bytes]  # tag, contents


class Certificate(Record):
    """`issuer` and `subject`: the organization, else the common name, "" where there is neither. `names`: the hosts
    that it is for. Times are Unix times. `own`: issuer and subject are the same (a root, or self-signed)."""

    issuer: str
    subject: str
    names: tuple[str, ...]
    not_before: float
    not_after: float
    own: bool


def read_certificate(der: bytes) -> Certificate:
    """The certificate in DER. Raises ValueError for anything else."""
    try:
        (_, whole), *_ = _items(der)
        (_, signed), *_ = _items(whole)
        fields = [item for item in _items(signed) if item[0] != 0xA0]  # the version is optional
        (_, issuer), (_, validity), (_, subject) = fields[2:5]
        begins, ends = (_time(*item) for item in _items(validity))
        names = tuple(name for tag, extensions in fields[5:] if tag == 0xA3 for name in _hosts(extensions))
        return Certificate(_name(issuer), _name(subject), names, begins, ends, issuer == subject)
    except (IndexError, TypeError, OverflowError, UnicodeError) as error:
        raise ValueError("not a certificate") from error


def _items(data: bytes) -> Iterator[Item]:
    """The elements of a DER sequence. Raises ValueError where they do not fit."""
    at = 0
    while at < len(data):
        tag, length, at = data[at], data[at + 1], at + 2
        if length & 0x80:
            size = length & 0x7F
            if not 1 <= size <= 4:
                raise ValueError("a length that DER does not have")
            length = int.from_bytes(data[at : at + size], "big")
            at += size
        if at + length > len(data):
            raise ValueError("an element is longer than its sequence")
        yield tag, data[at : at + length]
        at += length


def _name(data: bytes) -> str:
    held: dict[bytes, str] = {}
    for _, part in _items(data):
        for _, pair in _items(part):
            (_, kind), (tag, value) = _items(pair)
            held.setdefault(kind, value.decode(_TEXTS.get(tag, "latin-1"), "replace"))
    return held.get(_ORGANIZATION) or held.get(_COMMON_NAME, "")


def _time(tag: int, value: bytes) -> float:
    """UTCTime or GeneralizedTime (RFC 5280, 4.1.2.5), always in UTC and with seconds."""
    from datetime import datetime, timezone

    text = value.decode("ascii")
    if tag == 0x17:
        text = ("19" if int(text[:2]) >= 50 else "20") + text
    moment = datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=timezone.utc)
    return moment.timestamp()


def _hosts(extensions: bytes) -> Iterator[str]:
    """The names and addresses of subjectAltName (RFC 5280, 4.2.1.6)."""
    for _, listed in _items(extensions):
        for _, extension in _items(listed):
            parts = list(_items(extension))
            if parts[0][1] != _ALTERNATIVE_NAMES:
                continue
            for _, names in _items(parts[-1][1]):
                for tag, value in _items(names):
                    if tag == 0x82:
                        yield value.decode("ascii", "replace")
                    elif tag == 0x87:
                        yield _address(value)


def _address(value: bytes) -> str:
    import ipaddress

    return str(ipaddress.ip_address(value))
