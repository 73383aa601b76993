"""Content codings taken off while the body streams (RFC 1950, 1951, 1952)."""

from __future__ import annotations

import gzip
import random
import tracemalloc
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastdl.errors import ConnectionLost, IntegrityError, ProtocolViolation
from fastdl.io.decoding import decoder_for

PLAIN = bytes(range(256)) * 3 + b"a" * 5000 + random.Random(5).randbytes(2000)


def raw(data: bytes) -> bytes:
    engine = zlib.compressobj(9, wbits=-15)
    return engine.compress(data) + engine.flush()


CODINGS: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("gzip", gzip.compress),
    ("x-gzip", gzip.compress),
    ("deflate", zlib.compress),
    ("deflate", raw),
]
EACH = pytest.mark.parametrize(("coding", "encode"), CODINGS, ids=["gzip", "x-gzip", "zlib", "raw"])


def source(coded: bytes, step: int) -> Callable[[memoryview], int]:
    """A body that gives `step` bytes a read."""
    rest = memoryview(coded)

    def read_into(view: memoryview) -> int:
        nonlocal rest
        count = min(step, len(view), len(rest))
        view[:count] = rest[:count]
        rest = rest[count:]
        return count

    return read_into


def decode(coding: str, coded: bytes, step: int = 10**6, window: int = 4096) -> bytes:
    decoder, read_into, view = decoder_for(coding), source(coded, step), memoryview(bytearray(window))
    out = bytearray()
    while count := decoder.read(read_into, view):
        out += view[:count]
    return bytes(out)


@EACH
@pytest.mark.parametrize("step", [1, 2, 3, 100, 10**6])
@pytest.mark.parametrize("window", [1, 100, 10**6])
def test_comes_out_as_it_was(coding: str, encode: Callable[[bytes], bytes], step: int, window: int) -> None:
    for plain in (PLAIN, b"a" * 3000, b"x", b""):
        assert decode(coding, encode(plain), step, window) == plain


@settings(deadline=None)
@given(st.lists(st.binary(max_size=300), min_size=1, max_size=4), st.integers(1, 50), st.integers(1, 50))
def test_several_members(members: list[bytes], step: int, window: int) -> None:
    """RFC 1952, section 2.2: a file may consist of several, one behind the other."""
    assert decode("gzip", b"".join(map(gzip.compress, members)), step, window) == b"".join(members)


@EACH
def test_ends_early(coding: str, encode: Callable[[bytes], bytes]) -> None:
    """Wherever it is cut, trailer included: never taken for whole."""
    coded = encode(PLAIN[:1500])
    for cut in range(len(coded)):
        with pytest.raises(ConnectionLost):
            decode(coding, coded[:cut])


@pytest.mark.parametrize(("coding", "encode"), CODINGS[:2])
def test_a_second_member_ends_early(coding: str, encode: Callable[[bytes], bytes]) -> None:
    coded = encode(b"one")
    for cut in range(1, len(coded)):
        with pytest.raises(ConnectionLost):
            decode(coding, coded + coded[:cut])


@pytest.mark.parametrize(("coding", "encode"), CODINGS[:3])
def test_damaged(coding: str, encode: Callable[[bytes], bytes]) -> None:
    coded = bytearray(encode(PLAIN))
    coded[-3] ^= 1  # the check value
    with pytest.raises(ProtocolViolation):
        decode(coding, bytes(coded))


@EACH
def test_no_such_coding_at_all(coding: str, encode: Callable[[bytes], bytes]) -> None:
    with pytest.raises(ProtocolViolation):
        decode(coding, b"\xff\xffplain text that is labelled as coded" * 10)


@pytest.mark.parametrize(("coding", "encode"), CODINGS[2:])
def test_more_behind_the_end(coding: str, encode: Callable[[bytes], bytes]) -> None:
    with pytest.raises(ProtocolViolation):
        decode(coding, encode(b"data") + b"\xffstray")


@EACH
def test_a_bomb_stops_and_stays_small(coding: str, encode: Callable[[bytes], bytes]) -> None:
    coded = encode(bytes(96 * 1024 * 1024))
    decoder, read_into, view = decoder_for(coding), source(coded, 10**6), memoryview(bytearray(256 * 1024))
    given = 0
    tracemalloc.start()
    try:
        with pytest.raises(IntegrityError, match="bomb"):
            while count := decoder.read(read_into, view):
                given += count
        assert tracemalloc.get_traced_memory()[1] < 4 * 1024 * 1024
    finally:
        tracemalloc.stop()
    assert given <= 65 * 1024 * 1024


@settings(deadline=None)
@given(st.binary(max_size=200), st.sampled_from(["gzip", "deflate"]), st.integers(1, 20))
def test_any_bytes_end_in_an_error_of_ours(coded: bytes, coding: str, step: int) -> None:
    try:
        decode(coding, coded, step)
    except (ProtocolViolation, ConnectionLost):
        return
