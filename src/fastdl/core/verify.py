"""Digests: the algorithms, their spellings, and which of them prove anything.

A digest that was typed wrong must fail before a byte is fetched, and a weak one (MD5, SHA-1: collisions can be made)
must never be the reason to trust a mirror. Both are decided here.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from fastdl.core.hints import TYPE_CHECKING, Protocol
from fastdl.core.pattern import pattern
from fastdl.core.plain import dataclass
from fastdl.core.shown import clean
from fastdl.errors import UsageError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

# Length of the digest in bytes; the order is that of preference, strongest first.
LENGTHS = {
    "sha512": 64,
    "blake2b": 64,
    "sha384": 48,
    "sha256": 32,
    "blake2b-256": 32,
    "blake3": 32,
    "sha1": 20,
    "md5": 16,
}
STRONG = frozenset({"sha512", "blake2b", "sha384", "sha256", "blake2b-256", "blake3"})

_ALIASES = {"blake2b512": "blake2b", "b2": "blake2b", "blake2b256": "blake2b-256", "b3": "blake3"}
_PREFIXED = pattern(r"(?s)([A-Za-z0-9_-]+)\s*[:=]\s*(.*)")
_SRI = pattern(r"([A-Za-z0-9]+)-([A-Za-z0-9+/_-]+={0,2})(?:\?.*)?")
_EXAMPLE = "It looks like sha256:HEX, sha256=HEX or sha512-BASE64."


class Hasher(Protocol):
    """A running digest. Takes any buffer, without copying it."""

    def update(self, data: ReadableBuffer, /) -> object: ...
    def digest(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Digest:
    """The digest of a whole file."""

    algorithm: str  # a key of LENGTHS
    value: bytes

    @property
    def hex(self) -> str:
        return self.value.hex()

    @property
    def text(self) -> str:
        """The form that --checksum reads: "sha256:00ff…"."""
        return f"{self.algorithm}:{self.value.hex()}"

    @property
    def strong(self) -> bool:
        """Whether nobody can make a second file with this digest."""
        return self.algorithm in STRONG


def parse_checksum(text: str) -> Digest:
    """The digest that a user wrote: ALGO:HEX, ALGO=HEX (aria2's "sha-256=" too) or SRI (W3C Subresource Integrity:
    of several tokens the strongest counts).

    Raises UsageError that names the part which is wrong, and for blake3 without its package."""
    text = text.strip()
    if not text:
        raise UsageError("the checksum is empty", hint=_EXAMPLE)
    tokens = text.split()
    if all(_is_sri(token) for token in tokens):
        digest = min((_from_sri(token) for token in tokens), key=lambda found: _strength(found.algorithm))
    else:
        digest = _from_hex(text)
    new_hasher(digest.algorithm)  # fails now, not after the download, where the package is missing
    return digest


def new_hasher(algorithm: str) -> Hasher:
    """A fresh digest of one of the algorithms in LENGTHS. Raises UsageError for others, and for blake3 without its
    package."""
    return _maker(algorithm)()


def _maker(algorithm: str) -> Callable[[], Hasher]:
    import hashlib

    if algorithm == "blake3":
        return _blake3()
    if algorithm == "blake2b":
        return hashlib.blake2b  # 512 bits unless told otherwise
    if algorithm == "blake2b-256":
        return lambda: hashlib.blake2b(digest_size=32)
    if algorithm not in LENGTHS:
        raise _unknown(algorithm)
    # Not "for security": a hardened OpenSSL would refuse MD5 and SHA-1, which still find transmission errors.
    return lambda: hashlib.new(algorithm, usedforsecurity=False)


def _blake3() -> Callable[[], Hasher]:
    from importlib import import_module

    try:
        made: Callable[[], Hasher] = import_module("blake3").blake3
    except ImportError:
        why = "the package 'blake3' is not installed"
        raise UsageError("blake3 checksums are not available", why, "Install it: pip install blake3") from None
    return made


def _algorithm(name: str) -> str:
    plain = name.lower().replace("-", "").replace("_", "")
    plain = _ALIASES.get(plain, plain)
    if plain not in LENGTHS:
        raise _unknown(name)
    return plain


def _unknown(name: str) -> UsageError:
    return UsageError(f"the checksum algorithm '{clean(name, 40)}' is not known", hint=f"Known: {', '.join(LENGTHS)}.")


def _strength(algorithm: str) -> int:
    return list(LENGTHS).index(algorithm)


def _is_sri(token: str) -> bool:
    found = _SRI.fullmatch(token)
    return found is not None and found[1].lower() != "sha"  # "sha-256=…" is aria2's spelling


def _from_sri(token: str) -> Digest:
    import base64

    found = _SRI.fullmatch(token)
    assert found is not None
    algorithm, encoded = _algorithm(found[1]), found[2].rstrip("=")
    try:
        value = base64.b64decode(encoded.replace("-", "+").replace("_", "/") + "=" * (-len(encoded) % 4))
    except ValueError:
        value = b""
    if len(value) != LENGTHS[algorithm]:
        why = f"the base64 of {algorithm} stands for {LENGTHS[algorithm]} bytes"
        raise UsageError(f"the {algorithm} checksum has a wrong length", why, f"In hex it is {algorithm}:HEX.")
    return Digest(algorithm, value)


def _from_hex(text: str) -> Digest:
    found = _PREFIXED.fullmatch(text)
    if found is None:
        raise UsageError("the checksum names no algorithm", hint=_guess(text))
    algorithm, digits = _algorithm(found[1]), found[2]
    if not re.fullmatch("[0-9A-Fa-f]*", digits):
        raise UsageError(f"the {algorithm} checksum is not hexadecimal", hint=_EXAMPLE)
    if len(digits) != 2 * LENGTHS[algorithm]:
        why = f"{len(digits)} hex digits where {2 * LENGTHS[algorithm]} are needed"
        raise UsageError(f"the {algorithm} checksum has a wrong length", why, "Copy the whole of it.")
    return Digest(algorithm, bytes.fromhex(digits))


def _guess(text: str) -> str:
    """For bare hex: the spelling that is likely meant."""
    likely = {64: "sha256", 128: "sha512", 96: "sha384", 40: "sha1", 32: "md5"}.get(len(text))
    if likely is None or not re.fullmatch("[0-9A-Fa-f]*", text):
        return _EXAMPLE
    return f"Did you mean {likely}:{text}"
