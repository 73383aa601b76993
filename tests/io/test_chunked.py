"""The chunked transfer coding (RFC 9112, section 7.1): right and wrong, cut at every byte."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastdl.errors import ProtocolViolation
from fastdl.io.chunked import ChunkedDecoder


def decode(pieces: list[bytes], window: int = 7) -> tuple[bytes, bool, bytes]:
    """(decoded, whether the body was whole, what is left behind it)."""
    decoder, data, view = ChunkedDecoder(), bytearray(), memoryview(bytearray(window))
    out = b""
    for piece in pieces:
        data += piece
        while count := decoder.decode(data, view):
            out += bytes(view[:count])
    return out, decoder.done, bytes(data)


RIGHT = [
    (b"0\r\n\r\n", b""),
    (b"5\r\nhello\r\n0\r\n\r\n", b"hello"),
    (b'5;a=b;c="d e"\r\nhello\r\n0;last\r\n\r\n', b"hello"),
    (b"5 \t;x\r\nhello\r\n0\r\n\r\n", b"hello"),
    (b"0005\r\nhello\r\nA\r\n0123456789\r\n000\r\n\r\n", b"hello0123456789"),
    (b"a\r\n\r\n0\r\n\r\n\r\n0\r\n0\r\n\r\n", b"\r\n0\r\n\r\n\r\n0"),
    (b"5\r\nhello\r\n0\r\nDigest: x\r\nFoo: bar\r\n\r\n", b"hello"),
]


@pytest.mark.parametrize(("coded", "plain"), RIGHT)
def test_right_ones_however_they_are_cut(coded: bytes, plain: bytes) -> None:
    for cut in range(len(coded) + 1):
        assert decode([coded[:cut], coded[cut:]]) == (plain, True, b"")
    assert decode([bytes([byte]) for byte in coded], 1) == (plain, True, b"")
    assert decode([coded + b"HTTP/1.1 206"]) == (plain, True, b"HTTP/1.1 206")
    for cut in range(len(coded)):
        out, done, _ = decode([coded[:cut]])
        assert not done and plain.startswith(out)


@pytest.mark.parametrize(
    "coded",
    [
        b"\r\n",
        b"5\nhello\n0\n\n",  # bare LF: what one takes for a line another does not
        b"5\r\nhelloX\r\n0\r\n\r\n",
        b"5\r\nhello0\r\n\r\n",
        b"g\r\n",
        b"-5\r\n",
        b"+5\r\n",
        b"0x5\r\nhello\r\n",
        b" 5\r\nhello\r\n",
        b"5_0\r\n",
        b"5 5\r\n",
        b"\xb2\r\n",
        b";x\r\n",
        b"F" * 16 + b"\r\n",
        b"5;" + b"x" * 5000 + b"\r\nhello\r\n",
        b"5;" + b"x" * 5000,
        b"5;a\rb\r\nhello\r\n0\r\n\r\n",  # bare CR (RFC 9112, section 2.2)
        b"0\r\n" + b"a: b\r\n" * 5000,
        b"0\r\n" + b"a" * 5000,
        b"0\r\na: b\n\r\n",
    ],
)
def test_wrong_ones_are_refused(coded: bytes) -> None:
    with pytest.raises(ProtocolViolation):
        decode([coded])
    with pytest.raises(ProtocolViolation):
        decode([bytes([byte]) for byte in coded])


@settings(deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=40), max_size=8), st.data(), st.integers(1, 50))
def test_what_was_coded_comes_out(chunks: list[bytes], data: st.DataObject, window: int) -> None:
    coded = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    cuts = sorted(data.draw(st.lists(st.integers(0, len(coded)), max_size=6)))
    pieces = [coded[start:end] for start, end in zip([0, *cuts], [*cuts, len(coded)], strict=True)]
    assert decode(pieces, window) == (b"".join(chunks), True, b"")


def reference(coded: bytes) -> bytes | None:
    """The whole body at once; None where it is malformed or not whole."""
    out = b""
    while True:
        line, found, coded = coded.partition(b"\r\n")
        size = line.partition(b";")[0].rstrip(b" \t")
        if not found or b"\n" in line or b"\r" in line or not size or size.strip(b"0123456789abcdefABCDEF"):
            return None
        length = int(size, 16)
        if length == 0:
            break
        if coded[length : length + 2] != b"\r\n":
            return None
        out, coded = out + coded[:length], coded[length + 2 :]
    while True:
        line, found, coded = coded.partition(b"\r\n")
        if not found or b"\n" in line or b"\r" in line:
            return None
        if not line:
            return out


@settings(deadline=None)
@given(st.lists(st.sampled_from([b"0", b"1", b"3", b"\r\n", b"\r\n", b";x", b"\n", b"\r", b"abc", b" "]), max_size=14))
def test_equals_the_reference(parts: list[bytes]) -> None:
    coded = b"".join(parts)
    try:
        out, done, _ = decode([coded])
    except ProtocolViolation:
        assert reference(coded) is None
        return
    assert (out if done else None) == reference(coded)
