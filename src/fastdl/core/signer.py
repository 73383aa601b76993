"""A certificate with which something was signed, and whether an authority has issued it (RFC 5280).

Of X.509 only what Sigstore's authority uses is known: ECDSA keys, one authority right above the signer. What is not
known is refused. No certificate is looked up anywhere, and none revoked: those of signers are good for minutes.
"""

from __future__ import annotations

import hashlib

from fastdl.core import der, ecdsa
from fastdl.core.hints import TYPE_CHECKING
from fastdl.core.record import Record

if TYPE_CHECKING:
    from collections.abc import Mapping

HASHES = {  # ecdsa-with-SHA256, ecdsa-with-SHA384 (RFC 5758)
    bytes.fromhex("2a8648ce3d040302"): hashlib.sha256,
    bytes.fromhex("2a8648ce3d040303"): hashlib.sha384,
}
CURVES = {bytes.fromhex("2a8648ce3d030107"): ecdsa.P256, bytes.fromhex("2b81040022"): ecdsa.P384}
_EC_KEY = bytes.fromhex("2a8648ce3d0201")

KEY_USAGE, ALTERNATIVE_NAMES, BASIC = b"\x55\x1d\x0f", b"\x55\x1d\x11", b"\x55\x1d\x13"
EXTENDED_USAGE = b"\x55\x1d\x25"
_KNOWN = (KEY_USAGE, ALTERNATIVE_NAMES, BASIC, EXTENDED_USAGE)
_CODE_SIGNING = bytes.fromhex("2b06010505070303")
_MAY_SIGN, _MAY_ISSUE = 0x80, 0x04  # bits of the first octet of keyUsage


class Signer(Record):
    """`signed`: the bytes that the authority's `signature` is over, by the method `algorithm`. Names are kept as they
    are encoded, times are Unix times, `extensions` are (critical, value) by identifier."""

    signed: bytes
    algorithm: bytes
    signature: bytes
    issuer: bytes
    subject: bytes
    not_before: float
    not_after: float
    key: ecdsa.Key
    extensions: Mapping[bytes, tuple[bool, bytes]]

    def text(self, identifier: bytes) -> str:
        """The UTF-8 text of an extension, "" where there is none."""
        value = self.extensions.get(identifier, (False, b""))[1]
        try:
            return der.only(value, der.UTF8).decode() if value else ""
        except ValueError:
            return ""

    def address(self) -> str:
        """The one URI that it is for; "" where it is for something else too."""
        names = list(der.items(der.only(self.extensions.get(ALTERNATIVE_NAMES, (False, b"\x30\0"))[1], der.SEQUENCE)))
        return names[0][1].decode("ascii", "replace") if len(names) == 1 and names[0][0] == 0x86 else ""


def read_signer(data: bytes) -> Signer:
    """The certificate in DER. Raises ValueError for what is none, or none with a key of ours."""
    try:
        return _read(data)
    except (IndexError, TypeError, OverflowError, UnicodeError) as error:
        raise ValueError("not a certificate") from error


def _read(data: bytes) -> Signer:
    whole = der.only(data, der.SEQUENCE)
    _, contents, rest = der.split(whole)
    (kind, outer), (tag, signature) = der.items(rest)
    if (kind, tag) != (der.SEQUENCE, der.BITS) or signature[:1] != b"\0":
        raise ValueError("a certificate without a signature")
    fields = [item for item in der.items(contents) if item[0] != 0xA0]  # the version
    (_, _), (_, inner), (_, issuer), (_, validity), (_, subject), (_, key) = fields[:6]
    if inner != outer:
        raise ValueError("a certificate with two methods")
    begins, ends = (der.moment(*item) for item in der.items(validity))
    listed = [value for tag, value in fields[6:] if tag == 0xA3]
    method = der.only(outer, der.OBJECT)
    signed = whole[: len(whole) - len(rest)]
    found = _extensions(listed[0]) if listed else {}
    return Signer(signed, method, signature[1:], issuer, subject, begins, ends, _key(key), found)


def _key(data: bytes) -> ecdsa.Key:
    (_, method), (_, point) = der.items(data)
    (_, kind), (_, curve) = der.items(method)
    if kind != _EC_KEY or curve not in CURVES or point[:1] != b"\0":
        raise ValueError("a key of an unknown kind")
    return ecdsa.read_key(CURVES[curve], point[1:])


def _extensions(data: bytes) -> dict[bytes, tuple[bool, bytes]]:
    found: dict[bytes, tuple[bool, bytes]] = {}
    for _, extension in der.items(der.only(data, der.SEQUENCE)):
        (_, identifier), *more = der.items(extension)
        if identifier in found:
            raise ValueError("an extension stands twice in a certificate")
        *critical, (tag, value) = more
        if tag != der.OCTETS or critical not in ([], [(der.BOOLEAN, b"\xff")]):
            raise ValueError("an extension of an unknown form")
        found[identifier] = (bool(critical), value)
    return found


# --- whether it was issued -------------------------------------------------------------------------------


def check_issued(signer: Signer, authority: Signer) -> None:
    """Raises ValueError, saying why, where `authority` did not issue this certificate for signing code."""
    if signer.issuer != authority.subject:
        raise ValueError("its certificate is of an unknown authority")
    unknown = [name for name, (critical, _) in signer.extensions.items() if critical and name not in _KNOWN]
    if unknown or not authority.not_before <= signer.not_before <= signer.not_after <= authority.not_after:
        raise ValueError("its certificate cannot be used")
    if not _may(authority, _MAY_ISSUE) or not _issues(authority):
        raise ValueError("its authority may not issue certificates")
    if not _may(signer, _MAY_SIGN) or _issues(signer) or not _for_code(signer):
        raise ValueError("its certificate is not for signing")
    method = HASHES.get(signer.algorithm)
    if method is None or not ecdsa.is_signed(authority.key, signer.signature, method(signer.signed).digest()):
        raise ValueError("its certificate is forged")


def _may(signer: Signer, bit: int) -> bool:
    usage = signer.extensions.get(KEY_USAGE)
    octets = der.only(usage[1], der.BITS)[1:] if usage else b""
    return bool(octets) and bool(octets[0] & bit)


def _issues(signer: Signer) -> bool:
    basic = signer.extensions.get(BASIC)
    return basic is not None and (der.BOOLEAN, b"\xff") in der.items(der.only(basic[1], der.SEQUENCE))


def _for_code(signer: Signer) -> bool:
    usage = signer.extensions.get(EXTENDED_USAGE)
    return usage is not None and (der.OBJECT, _CODE_SIGNING) in der.items(der.only(usage[1], der.SEQUENCE))
