"""What a certificate says of itself: who issued it, for whom, and until when (RFC 5280).

Python shows the fields of a certificate only if it is trusted. To say why one is not, its DER is read here, no more of
it than that takes. Nothing is verified: what comes out is for messages.
"""

from __future__ import annotations

from collections.abc import Iterator

from fastdl.core.der import items, moment
from fastdl.core.record import Record

_COMMON_NAME = b"\x55\x04\x03"
_ORGANIZATION = b"\x55\x04\x0a"
_ALTERNATIVE_NAMES = b"\x55\x1d\x11"
_TEXTS = {0x0C: "utf-8", 0x13: "ascii", 0x16: "ascii", 0x14: "latin-1", 0x1E: "utf-16-be"}


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
        (_, whole), *_ = items(der)
        (_, signed), *_ = items(whole)
        fields = [item for item in items(signed) if item[0] != 0xA0]  # the version is optional
        (_, issuer), (_, validity), (_, subject) = fields[2:5]
        begins, ends = (moment(*item) for item in items(validity))
        names = tuple(name for tag, extensions in fields[5:] if tag == 0xA3 for name in _hosts(extensions))
        return Certificate(_name(issuer), _name(subject), names, begins, ends, issuer == subject)
    except (IndexError, TypeError, OverflowError, UnicodeError) as error:
        raise ValueError("not a certificate") from error


def _name(data: bytes) -> str:
    held: dict[bytes, str] = {}
    for _, part in items(data):
        for _, pair in items(part):
            (_, kind), (tag, value) = items(pair)
            held.setdefault(kind, value.decode(_TEXTS.get(tag, "latin-1"), "replace"))
    return held.get(_ORGANIZATION) or held.get(_COMMON_NAME, "")


def _hosts(extensions: bytes) -> Iterator[str]:
    """The names and addresses of subjectAltName (RFC 5280, 4.2.1.6)."""
    for _, listed in items(extensions):
        for _, extension in items(listed):
            parts = list(items(extension))
            if parts[0][1] != _ALTERNATIVE_NAMES:
                continue
            for _, names in items(parts[-1][1]):
                for tag, value in items(names):
                    if tag == 0x82:
                        yield value.decode("ascii", "replace")
                    elif tag == 0x87:
                        yield _address(value)


def _address(value: bytes) -> str:
    import ipaddress

    return str(ipaddress.ip_address(value))
