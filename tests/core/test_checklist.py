"""Lists of checksums: every spelling that sha256sum, BSD and others write, and what is never passed over."""

from __future__ import annotations

import hashlib
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastdl.core.checklist import parse_list
from fastdl.core.verify import Digest

DATA = b"the file"
SHA256, SHA512, MD5 = (hashlib.new(name, DATA).hexdigest() for name in ("sha256", "sha512", "md5"))
SRI = "sha512-" + b64encode(hashlib.sha512(DATA).digest()).decode()
SUM256 = Digest("sha256", bytes.fromhex(SHA256))
SUM512 = Digest("sha512", bytes.fromhex(SHA512))


def files(text: str, name: str = "") -> dict[str, tuple[Digest, ...]]:
    return {file.name: file.digests for file in parse_list(text, name).files}


@pytest.mark.parametrize(
    ("line", "name", "digest"),
    [
        (f"{SHA256}  a b.iso", "a b.iso", SUM256),
        (f"{SHA256} *a.iso", "a.iso", SUM256),
        (f"{SHA256.upper()} a.iso", "a.iso", SUM256),
        (f"{SHA256}\ta.iso", "a.iso", SUM256),
        (f"{SHA256}   a.iso", " a.iso", SUM256),  # as sha256sum reads it
        (f"{SHA256}  *a.iso", "*a.iso", SUM256),
        (f"{SHA256}  a.iso ", "a.iso ", SUM256),
        (f"{SHA256}  ./d/a.iso", "./d/a.iso", SUM256),
        (f"\\{SHA256}  a\\nb\\\\c\\r", "a\nb\\c\r", SUM256),
        (f"{SHA256}  a\\nb", "a\\nb", SUM256),  # without the mark nothing is escaped
        (f"SHA256 (a (1).iso) = {SHA256}", "a (1).iso", SUM256),
        (f"SHA2-256(a.iso)= {SHA256}", "a.iso", SUM256),
        (f"\\SHA512 (a\\nb) = {SHA512}", "a\nb", SUM512),
        (f"SHA512 (a.iso) = {SRI.partition('-')[2]}", "a.iso", SUM512),  # cksum --base64
        (f"{SRI}  a.iso", "a.iso", SUM512),
        (f"{SRI} *a.iso", "a.iso", SUM512),
        (f"{SRI}?x a.iso", "a.iso", SUM512),
        (f"sha256:{SHA256}  a.iso", "a.iso", SUM256),
        (SHA256, "", SUM256),
        (SRI, "", SUM512),
        (f"sha-256={SHA256}", "", SUM256),
        (f"{MD5}  a.iso", "a.iso", Digest("md5", bytes.fromhex(MD5))),
    ],
)
@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_lines(line: str, name: str, digest: Digest, end: str) -> None:
    listed = parse_list(line + end)
    assert [(file.name, file.digests, file.why) for file in listed.files] == [(name, (digest,), "")]
    assert listed.strange == 0


@given(
    name=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1), binary=st.booleans()
)
def test_whatever_sha256sum_writes_is_read(name: str, binary: bool) -> None:
    escaped = name.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
    mark = "\\" if escaped != name else ""
    line = f"{mark}{SHA256} {'*' if binary else ' '}{escaped}\n"
    assert files(line) == {name: (SUM256,)}
    assert files(f"{SHA256}  {name}\0") == {name: (SUM256,)}


@given(st.text())
def test_any_text_is_a_list_or_none(text: str) -> None:
    listed = parse_list(text, "B2SUMS")
    assert all(bool(file.digests) != bool(file.why) for file in listed.files)


def test_byte_order_mark_comments_and_blank_lines() -> None:
    text = f"\ufeff# the files\n\n; of today\n{SHA256}  a\n   \n"
    listed = parse_list(text)
    assert [file.name for file in listed.files] == ["a"]
    assert listed.strange == 0


def test_a_clear_signed_list() -> None:
    text = (
        "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n"
        f"{SHA256}  a\n- {SHA256}  -b\n"
        "-----BEGIN PGP SIGNATURE-----\n\niQIzBAEBCgAdFiEE\n=AbCd\n-----END PGP SIGNATURE-----\n"
    )
    listed = parse_list(text)
    assert [file.name for file in listed.files] == ["a", "-b"]
    assert listed.strange == 0


def test_lines_of_one_file_are_joined_and_a_contradiction_stays() -> None:
    other = hashlib.sha256(b"another").hexdigest()
    text = f"SHA256 (a) = {SHA256}\nSIZE (a) = 8 bytes\nSHA512 (a) = {SHA512}\nRMD160 (a) = {SHA256[:40]}\n"
    assert files(text) == {"a": (SUM256, SUM512)}
    assert files(f"{SHA256}  a\n{other}  a\n") == {"a": (SUM256, Digest("sha256", bytes.fromhex(other)))}


@pytest.mark.parametrize("line", [f"{SHA256[:-1]}  a", f"RMD160 (a) = {SHA256[:40]}", f"sha512:{SHA256}  a"])
def test_an_entry_that_cannot_be_checked_is_an_entry(line: str) -> None:
    (file,) = parse_list(line).files
    assert (file.name, file.digests) == ("a", ())
    assert file.why


def test_strange_lines_are_counted() -> None:
    listed = parse_list(f"hello\n{SHA256}  a\nName: a.iso\n")
    assert (len(listed.files), listed.strange) == (1, 2)


@pytest.mark.parametrize(
    ("name", "digits", "algorithm"),
    [("B2SUMS", 128, "blake2b"), ("f.b2", 64, "blake2b-256"), ("d/B3SUMS.txt", 64, "blake3"), ("SUMS", 128, "sha512")],
)
def test_the_lists_name_tells_digests_of_one_length_apart(name: str, digits: int, algorithm: str) -> None:
    ((digest,),) = files("a" * digits + "  f", name).values()
    assert digest.algorithm == algorithm


def test_finding_an_entry() -> None:
    listed = parse_list(f"{SHA256}  ./a\n{SHA256}  d/b\n{SHA256}  e/c\n{SHA256}  f/c\n")
    for path, name in (("a", "./a"), ("./a", "./a"), ("somewhere/a", "./a"), ("b", "d/b"), ("f/c", "f/c")):
        found = listed.find(path)
        assert found is not None and found.name == name
    for path in ("c", "x", "ab"):
        assert listed.find(path) is None
    for path, windows in (("e\\c", True), (".\\e\\c", True), ("e\\c", False)):
        assert (listed.find(path, windows=windows) is not None) == windows
    alone = parse_list(SHA256).find("anything")
    assert alone is not None and alone.digests == (SUM256,)
    assert parse_list(f"{SHA256}\n{SHA256}  b").find("a") is None
