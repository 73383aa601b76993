"""ECDSA on the curves P-256 and P-384 (FIPS 186-5, SEC 1): signatures are checked here, never made.

Python's standard library checks none, and a package for it is a compiled one of several megabytes, for one signature at
each upgrade. All numbers here are public, so it may take as long as it likes for each of them: nothing can leak.
"""

from __future__ import annotations

from fastdl.core import der
from fastdl.core.record import Record

Point = tuple[int, int, int]  # Jacobian: x / z², y / z³; z = 0 is the point at infinity
_INFINITY: Point = (1, 1, 0)


class Curve(Record):
    """y² = x³ - 3x + b modulo p, with a base point of order n. `size`: bytes of a coordinate."""

    p: int
    b: int
    n: int
    x: int
    y: int
    size: int


P256 = Curve(
    p=2**256 - 2**224 + 2**192 + 2**96 - 1,
    b=0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B,
    n=0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    x=0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    y=0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
    size=32,
)
P384 = Curve(
    p=2**384 - 2**128 - 2**96 + 2**32 - 1,
    b=0xB3312FA7E23EE7E4988E056BE3F82D19181D9C6EFE8141120314088F5013875AC656398D8A2ED19D2A85C8EDD3EC2AEF,
    n=0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
    x=0xAA87CA22BE8B05378EB1C71EF320AD746E1D3B628BA79B9859F741E082542A385502F25DBF55296C3A545E3872760AB7,
    y=0x3617DE4A96262C6F5D9E98BF9292DC29F8F41DBD289A147CE9DA3113B5F0B8C00A60B1CE1D7E819D7A431D7C90EA0E5F,
    size=48,
)


class Key(Record):
    """A public key: a point of a curve, not the one at infinity."""

    curve: Curve
    x: int
    y: int


def read_key(curve: Curve, data: bytes) -> Key:
    """The key that an uncompressed point says (SEC 1, 2.3.4). Raises ValueError where it is not on the curve."""
    if len(data) != 1 + 2 * curve.size or data[0] != 4:
        raise ValueError("not an uncompressed point")
    x, y = (int.from_bytes(part, "big") for part in (data[1 : 1 + curve.size], data[1 + curve.size :]))
    if x >= curve.p or y >= curve.p or (y * y - (x * x * x - 3 * x + curve.b)) % curve.p:
        raise ValueError("not a point of the curve")
    return Key(curve, x, y)


def is_signed(key: Key, signature: bytes, digest: bytes) -> bool:
    """Whether `signature` (DER: r and s) is one of `digest` by the owner of `key` (FIPS 186-5, 6.4.2)."""
    curve = key.curve
    try:
        (tag_r, r_bytes), (tag_s, s_bytes) = der.items(der.only(signature, der.SEQUENCE))
        r, s = der.integer(r_bytes), der.integer(s_bytes)
    except ValueError:
        return False
    if (tag_r, tag_s) != (der.INTEGER, der.INTEGER) or not (0 < r < curve.n and 0 < s < curve.n):
        return False
    e = int.from_bytes(digest[: curve.size], "big")
    w = pow(s, -1, curve.n)
    x, _, z = _sum_of_products(curve, e * w % curve.n, r * w % curve.n, (key.x, key.y, 1))
    if z == 0:
        return False
    return x * pow(z * z, -1, curve.p) % curve.p % curve.n == r


def _sum_of_products(curve: Curve, u: int, v: int, other: Point) -> Point:
    """u times the base point plus v times the other one, bit by bit, both at once."""
    base: Point = (curve.x, curve.y, 1)
    table = (_INFINITY, base, other, _add(curve, base, other))
    found = _INFINITY
    for bit in range(max(u.bit_length(), v.bit_length()) - 1, -1, -1):
        found = _double(curve, found)
        choice = (u >> bit & 1) | (v >> bit & 1) << 1
        if choice:
            found = _add(curve, found, table[choice])
    return found


def _double(curve: Curve, point: Point) -> Point:
    x, y, z = point
    if z == 0 or y == 0:
        return _INFINITY
    p = curve.p
    square = y * y % p
    s = 4 * x * square % p
    m = 3 * (x - z * z) * (x + z * z) % p
    new = (m * m - 2 * s) % p
    return new, (m * (s - new) - 8 * square * square) % p, 2 * y * z % p


def _add(curve: Curve, one: Point, two: Point) -> Point:
    if one[2] == 0:
        return two
    if two[2] == 0:
        return one
    (x1, y1, z1), (x2, y2, z2), p = one, two, curve.p
    u1, u2 = x1 * z2 * z2 % p, x2 * z1 * z1 % p
    s1, s2 = y1 * z2 * z2 * z2 % p, y2 * z1 * z1 * z1 % p
    h, r = (u2 - u1) % p, (s2 - s1) % p
    if h == 0:
        return _INFINITY if r else _double(curve, one)
    hh = h * h % p
    hhh, v = h * hh % p, u1 * hh % p
    x = (r * r - hhh - 2 * v) % p
    return x, (r * (v - x) - s1 * hhh) % p, h * z1 * z2 % p
