"""Signatures are checked as a library that is trusted everywhere makes and checks them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature, encode_dss_signature

from fastdl.core.ecdsa import P256, P384, Curve, Key, is_signed, read_key

KINDS = [(ec.SECP256R1(), P256), (ec.SECP384R1(), P384)]
DIGEST = hashlib.sha256(b"text").digest()


def pair(kind: ec.EllipticCurve, curve: Curve) -> tuple[ec.EllipticCurvePrivateKey, Key]:
    made = ec.generate_private_key(kind)
    form = serialization.PublicFormat.UncompressedPoint
    return made, read_key(curve, made.public_key().public_bytes(serialization.Encoding.X962, form))


@pytest.mark.parametrize(("kind", "curve"), KINDS, ids=["P-256", "P-384"])
@pytest.mark.parametrize("method", [hashes.SHA256(), hashes.SHA384(), hashes.SHA512()], ids=lambda each: each.name)
def test_what_was_signed(kind: ec.EllipticCurve, curve: Curve, method: hashes.HashAlgorithm) -> None:
    for text in (b"", b"a", b"text" * 99):
        private, key = pair(kind, curve)
        signature = private.sign(text, ec.ECDSA(method))
        digest = hashlib.new(method.name, text).digest()
        assert is_signed(key, signature, digest)
        assert not is_signed(key, signature, hashlib.new(method.name, text + b"!").digest())
        assert not is_signed(pair(kind, curve)[1], signature, digest)


@pytest.mark.parametrize(("kind", "curve"), KINDS, ids=["P-256", "P-384"])
def test_what_is_no_signature(kind: ec.EllipticCurve, curve: Curve) -> None:
    private, key = pair(kind, curve)
    good = private.sign(b"text", ec.ECDSA(hashes.SHA256()))
    r, s = decode_dss_signature(good)
    assert is_signed(key, good, DIGEST)
    pairs = [(0, s), (r, 0), (0, 0), (r + curve.n, s), (r, s + curve.n), (curve.n, s), (r, curve.n)]
    for wrong in pairs:
        assert not is_signed(key, encode_dss_signature(*wrong), DIGEST)
    negative = good[:4] + bytes([good[4] | 0x80]) + good[5:] if good[4] else good[:4] + b"\xff" + good[5:]
    assert not is_signed(key, negative, DIGEST)
    for data in (b"", b"0", good[:-1], good + b"0", b"\x31" + good[1:], b"\x30\x00", good[:2] * 2):
        assert not is_signed(key, data, DIGEST)


def number(value: int, pad: bytes = b"") -> bytes:
    """An INTEGER, with more octets in front than DER allows."""
    octets = pad + value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True)
    return b"\x02" + bytes([len(octets)]) + octets


def sequence(contents: bytes) -> bytes:
    return b"\x30" + bytes([len(contents)]) + contents


FORMS: dict[str, Callable[[int, int, int], bytes]] = {
    "as it should be": lambda r, s, n: sequence(number(r) + number(s)),
    "the other s": lambda r, s, n: sequence(number(r) + number(n - s)),
    "r with a zero in front": lambda r, s, n: sequence(number(r, b"\0") + number(s)),
    "s with a zero in front": lambda r, s, n: sequence(number(r) + number(s, b"\0")),
    "negative r": lambda r, s, n: sequence(number(-r) + number(s)),
    "negative s": lambda r, s, n: sequence(number(r) + number(-s)),
    "r as if it were not negative": lambda r, s, n: sequence(number(r - n) + number(s)),
    "r beyond the order": lambda r, s, n: sequence(number(r + n) + number(s)),
    "s beyond the order": lambda r, s, n: sequence(number(r) + number(s + n)),
    "an empty number": lambda r, s, n: sequence(number(r) + b"\x02\0"),
    "another tag": lambda r, s, n: sequence(number(r) + b"\x03" + number(s)[1:]),
    "a third number": lambda r, s, n: sequence(number(r) + number(s) + number(0)),
    "one number": lambda r, s, n: sequence(number(r)),
    "something behind it": lambda r, s, n: sequence(number(r) + number(s)) + b"\0",
    "a longer length": lambda r, s, n: b"\x30\x82\0" + sequence(number(r) + number(s))[1:],
    "no length": lambda r, s, n: b"\x30\x80" + number(r) + number(s) + b"\0\0",
    "r and s alone": lambda r, s, n: r.to_bytes(n.bit_length() // 8, "big") + s.to_bytes(n.bit_length() // 8, "big"),
}
DIGESTS = [bytes(32), b"\xff" * 32, bytes(48), b"\xff" * 48, b"\xff" * 64, bytes(19) + b"\1"]


@pytest.mark.parametrize(("kind", "curve"), KINDS, ids=["P-256", "P-384"])
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_the_library_says_the_same(
    kind: ec.EllipticCurve, curve: Curve, form: Callable[[int, int, int], bytes]
) -> None:
    """Of forms that other checkers were caught with, and of digests of any length, odd ones too."""
    methods = {32: hashes.SHA256(), 48: hashes.SHA384(), 64: hashes.SHA512(), 20: hashes.SHA1()}
    for digest in [*DIGESTS, DIGEST]:
        private, key = pair(kind, curve)
        way = ec.ECDSA(Prehashed(methods[len(digest)]))
        signature = form(*decode_dss_signature(private.sign(digest, way)), curve.n)
        try:
            private.public_key().verify(signature, digest, way)
            holds = True
        except InvalidSignature:
            holds = False
        assert is_signed(key, signature, digest) is holds


def test_a_key_of_the_other_curve() -> None:
    (private, key), (_, other) = (pair(*kind) for kind in KINDS)
    signature = private.sign(b"text", ec.ECDSA(hashes.SHA256()))
    assert is_signed(key, signature, DIGEST) and not is_signed(other, signature, DIGEST)


def test_every_changed_bit_is_noticed() -> None:
    private, key = pair(*KINDS[0])
    good = private.sign(b"text", ec.ECDSA(hashes.SHA256()))
    for place in range(0, len(good) * 8, 7):
        changed = bytearray(good)
        changed[place // 8] ^= 1 << place % 8
        assert not is_signed(key, bytes(changed), DIGEST)


@pytest.mark.parametrize("curve", [P256, P384])
def test_what_is_no_key(curve: Curve) -> None:
    x, y = (value.to_bytes(curve.size, "big") for value in (curve.x, curve.y))
    assert read_key(curve, b"\x04" + x + y) == Key(curve, curve.x, curve.y)
    over = (curve.x + curve.p).to_bytes(curve.size + 1, "big")[-curve.size :]
    for data in (b"", b"\x02" + x, b"\x04" + x, b"\x04" + y + x, b"\x04" + over + y, b"\x00", b"\x04" + x + y + b"\0"):
        with pytest.raises(ValueError, match="point"):
            read_key(curve, data)


def test_a_key_that_meets_the_base_point() -> None:
    """The sums of the ladder meet equal and opposite points when the key is the base point, or that below the axis."""
    for secret in (1, 2, 3, P256.n - 1, P256.n - 2):
        private = ec.derive_private_key(secret, ec.SECP256R1())
        numbers = private.public_key().public_numbers()
        signature = private.sign(b"text", ec.ECDSA(hashes.SHA256()))
        assert is_signed(Key(P256, numbers.x, numbers.y), signature, DIGEST)
