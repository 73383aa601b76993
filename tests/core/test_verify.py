"""Checksums as people write them."""

from __future__ import annotations

import base64
import hashlib
import sys
import types

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastdl.core.shown import UNSAFE
from fastdl.core.verify import LENGTHS, STRONG, Digest, new_hasher, parse_checksum
from fastdl.errors import UsageError

# Digests of the three bytes "abc", from the standards' own test vectors.
ABC = {
    "md5": "900150983cd24fb0d6963f7d28e17f72",
    "sha1": "a9993e364706816aba3e25717850c26c9cd0d89d",
    "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    "sha384": "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
    "sha512": "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
    "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
    "blake2b": "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1"
    "7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923",
}


@pytest.fixture
def with_blake3(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("blake3")
    module.blake3 = lambda: hashlib.blake2s(b"")  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "blake3", module)


@pytest.mark.parametrize("algorithm", list(ABC))
def test_every_algorithm(algorithm: str) -> None:
    hasher = new_hasher(algorithm)
    hasher.update(memoryview(bytearray(b"a")))
    hasher.update(b"bc")
    digest = Digest(algorithm, hasher.digest())
    assert digest.hex == ABC[algorithm]
    assert parse_checksum(f"{algorithm}:{ABC[algorithm]}") == digest
    assert parse_checksum(f" {algorithm.upper()}={ABC[algorithm].upper()} ") == digest
    assert parse_checksum(digest.text) == digest
    assert digest.strong is (algorithm not in {"md5", "sha1"})


def test_blake3_with_its_package(with_blake3: None) -> None:
    digest = parse_checksum("blake3:" + "0f" * 32)
    assert digest == Digest("blake3", b"\x0f" * 32)
    assert digest.strong
    assert len(new_hasher("blake3").digest()) == 32


def test_blake3_without_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "blake3", None)
    with pytest.raises(UsageError, match="pip install blake3"):
        parse_checksum("blake3:" + "0f" * 32)
    with pytest.raises(UsageError, match="pip install blake3"):
        new_hasher("blake3")


@pytest.mark.parametrize(
    ("spelling", "algorithm"),
    [
        ("sha-256=", "sha256"),
        ("SHA-1=", "sha1"),
        ("sha_512:", "sha512"),
        ("blake2b-512:", "blake2b"),
        ("sha256: ", "sha256"),
    ],
)
def test_spellings(spelling: str, algorithm: str) -> None:
    assert parse_checksum(spelling + ABC[algorithm]).text == f"{algorithm}:{ABC[algorithm]}"


def sri(algorithm: str, *, urlsafe: bool = False) -> str:
    encode = base64.urlsafe_b64encode if urlsafe else base64.b64encode
    return f"{algorithm}-{encode(bytes.fromhex(ABC[algorithm])).decode()}"


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512", "sha1", "md5"])
def test_sri(algorithm: str) -> None:
    for text in (sri(algorithm), sri(algorithm, urlsafe=True), sri(algorithm).rstrip("="), sri(algorithm) + "?ct=x"):
        assert parse_checksum(text).text == f"{algorithm}:{ABC[algorithm]}"


def test_the_strongest_of_several_sri_tokens_counts() -> None:
    assert parse_checksum(f"{sri('sha256')} {sri('sha512')}\n{sri('sha384')}").algorithm == "sha512"
    assert parse_checksum(f"{sri('sha1')} {sri('sha256')}").algorithm == "sha256"


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "empty"),
        ("  ", "empty"),
        ("sha256", "algorithm"),
        ("sha256:", "length"),
        ("sha256:abc", "3 hex digits where 64"),
        ("sha256:" + "0" * 63, "length"),
        ("sha256:" + "0" * 65, "length"),
        ("sha512:" + ABC["sha256"], "length"),
        ("sha256:" + "g" * 64, "not hexadecimal"),
        ("sha256:" + "\uff10" * 64, "not hexadecimal"),
        ("sha256:" + "0" * 32 + " " + "0" * 32, "not hexadecimal"),
        ("crc32:00000000", "'crc32' is not known"),
        ("sha224:" + "0" * 56, "'sha224' is not known"),
        ("sha3-256:" + "0" * 64, "'sha3-256' is not known"),
        (":" + "0" * 64, "algorithm"),
        ("sha256-AAAA", "length"),
        ("sha256-" + ABC["sha256"], "length"),
        ("sha256-" + "A" * 43 + "===", "algorithm"),
        ("sha999-" + "A" * 44, "'sha999' is not known"),
        (f"{sri('sha256')} sha512-AAAA", "length"),
        ("\x1b[2J:00", "algorithm"),
    ],
)
def test_what_is_wrong_is_named(text: str, part: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_checksum(text)
    assert part in str(caught.value)
    assert not UNSAFE.search(str(caught.value))


def test_bare_hex_gets_its_likely_spelling() -> None:
    with pytest.raises(UsageError) as caught:
        parse_checksum(ABC["sha256"])
    assert caught.value.hint.endswith(f"sha256:{ABC['sha256']}")


def test_an_unknown_hasher_is_refused() -> None:
    with pytest.raises(UsageError, match="'sha224' is not known"):
        new_hasher("sha224")


def test_the_weak_ones_are_no_proof() -> None:
    assert set(LENGTHS) - STRONG == {"md5", "sha1"}


@given(st.text())
def test_any_text_is_a_digest_or_a_usage_error(text: str) -> None:
    for candidate in (text, f"sha256:{text}", f"sha512-{text}", f"md5={text}"):
        try:
            digest = parse_checksum(candidate)
        except UsageError as error:
            assert not UNSAFE.search(str(error))
        else:
            assert len(digest.value) == LENGTHS[digest.algorithm]
            assert parse_checksum(digest.text) == digest


@given(st.sampled_from(["sha256", "sha384", "sha512", "sha1", "md5", "blake2b"]), st.data())
def test_round_trip(algorithm: str, data: st.DataObject) -> None:
    value = data.draw(st.binary(min_size=LENGTHS[algorithm], max_size=LENGTHS[algorithm]))
    digest = Digest(algorithm, value)
    assert parse_checksum(digest.text) == digest
    assert parse_checksum(f"{algorithm}-{base64.b64encode(value).decode()}") == digest
