"""Lists of checksums and side files in all their spellings."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastdl.core.digests import DigestNotFound, Found, Step, next_step
from fastdl.core.digests.sums import entries
from fastdl.core.head import Head

OK = Head(200, "OK", (), "HTTP/1.1")
A = hashlib.sha256(b"a").hexdigest()
B = hashlib.sha256(b"b").hexdigest()
A512 = hashlib.sha512(b"a").hexdigest()
A1 = hashlib.sha1(b"a").hexdigest()
FILE = "https://example.org/pub/v1/app.tar.gz"


def look(kind: str = "sums_file", url: str = "https://example.org/pub/v1/SHA256SUMS", **more: Any) -> Step:
    names = {"url": more.pop("file", FILE)}
    return Step(kind, url, more.pop("algorithm", "sha256"), names=names, entry=more.pop("entry", ""))


def digest(step: Step, body: str | bytes) -> str:
    found = next_step(step, OK, body.encode() if isinstance(body, str) else body)
    assert isinstance(found, Found)
    return found.digest.text


GROUPS = " ".join(A512[at : at + 8].upper() for at in range(0, 128, 8))
FORMATS = {
    "GNU": f"{B}  other.zip\n{A}  app.tar.gz\n",
    "GNU binary": f"{B} *other.zip\n{A} *app.tar.gz\n",
    "no newline at the end": f"{B}  other.zip\n{A}  app.tar.gz",
    "CRLF": f"{B}  other.zip\r\n{A}  app.tar.gz\r\n",
    "upper case": f"{B}  other.zip\n{A.upper()}  app.tar.gz\n",
    "with a dot": f"{B}  ./other.zip\n{A}  ./app.tar.gz\n",
    "byte order mark": f"\ufeff{A}  app.tar.gz\n{B}  other.zip\n",
    "tab": f"{A}\tapp.tar.gz\n",
    "BSD": f"SHA256 (other.zip) = {B}\nSHA256 (app.tar.gz) = {A}\n",
    "OpenSSL": f"SHA256(other.zip)= {B}\nSHA2-256(app.tar.gz)= {A}\n",
    "OpenSSL tight": f"SHA256(app.tar.gz)={A}\n",
    "several algorithms": f"SHA1(app.tar.gz)={A1}\nSHA256(app.tar.gz)={A}\nRIPEMD160(app.tar.gz)={A1}\n",
    "clear-signed": "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n"
    f"# app.tar.gz: 100 bytes\nSHA256 (app.tar.gz) = {A}\n-----BEGIN PGP SIGNATURE-----\n"
    "\niQIz\n=abcd\n-----END PGP SIGNATURE-----\n",
    "dash-escaped": f"- {A}  app.tar.gz\n",
    "colon": f"app.tar.gz: {A}\nother.zip: {B}\n",
    "Perl": f"$cksum = {{\n  'other.zip' => {{\n    'sha256' => '{B}',\n    'size' => 1\n  }},\n  'app.tar.gz' => {{\n"
    f"    'md5' => 'x',\n    'mtime' => '2020-01-01',\n    'sha256' => '{A}',\n    'size' => 12\n  }},\n}};\n",
    "a comment and an empty line": f"# sums\n\n{A}  app.tar.gz\n",
}


@pytest.mark.parametrize("body", FORMATS.values(), ids=FORMATS)
def test_formats(body: str) -> None:
    assert digest(look(), body) == f"sha256:{A}"


def test_gpg_writes_groups_over_several_lines() -> None:
    half = len(GROUPS) // 2
    for body in (
        f"app.tar.gz: {GROUPS}\n",
        f"app.tar.gz: {GROUPS[:half]}\n            {GROUPS[half:]}\n",
        f"app.tar.gz:\n  {GROUPS[:half]}\n  {GROUPS[half:]}\n",
        f"app.tar.gz: SHA512 = {GROUPS}\n",
    ):
        assert digest(look("side_file", FILE + ".sha512", algorithm="sha512"), body) == f"sha512:{A512}"


def test_escaped_names() -> None:
    step = look(file="https://example.org/pub/v1/a%0Ab%5Cc")
    assert digest(step, f"\\{A}  a\\nb\\\\c\n") == f"sha256:{A}"
    literal = look(file="https://example.org/pub/v1/a%25b")  # "%" in a list is itself
    assert digest(literal, f"{A}  a%b\n{B}  a%25b\n") == f"sha256:{A}"


def test_paths_in_lists() -> None:
    nested = look(file="https://example.org/pub/v1/win-x64/node.exe", entry="win-x64/node.exe")
    body = f"{B}  node.exe\n{A}  win-x64/node.exe\n{B}  win-x86/node.exe\n"
    assert digest(nested, body) == f"sha256:{A}"
    assert digest(look(file="https://example.org/pub/v1/win-x64/node.exe"), body) == f"sha256:{A}"  # by the folders
    with pytest.raises(DigestNotFound):
        digest(nested, f"{B}  node.exe\n")  # the rule says that paths are listed
    with pytest.raises(DigestNotFound, match="several files"):
        digest(look(file="https://example.org/pub/v1/c/node.exe"), body)
    # A list in another tree knows the name alone.
    assert digest(look(file="https://example.org/dl/w/app.tar.gz"), f"{A}  app.tar.gz\n") == f"sha256:{A}"


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (f"{B}  other.zip\n", "no digest of this file"),
        (f"{A}  my-app.tar.gz\n", "no digest of this file"),
        (f"{A}  app.tar.gz.asc\n", "no digest of this file"),
        (f"{A}  app.tar.gz\n{B}  app.tar.gz\n", "twice"),
        (f"{A[:-1]}  app.tar.gz\n", "no digest"),
        (f"SHA3-256 (app.tar.gz) = {A}\n", "no digest"),
        ("<!doctype html><title>Sign in</title>", "web page"),
        (f"\n <html>{A}  app.tar.gz", "web page"),
        (b"\x7fELF\0\0" + b"\0" * 50, "no text"),
        ("", "no digest"),
    ],
)
def test_refused_lists(body: str | bytes, why: str) -> None:
    with pytest.raises(DigestNotFound, match=why):
        digest(look(), body)


@pytest.mark.parametrize(
    "body",
    [A, f"{A}\n", f"{A.upper()}\r\n", f"{A}  app.tar.gz\n", f"{A} *dist/app.tar.gz", f"sha256:{A}\n",
     f"SHA256 (app.tar.gz) = {A}", f"{A}  app.tar.gz\n{B}  app.tar.gz.asc\n"],
)  # fmt: skip
def test_side_files(body: str) -> None:
    assert digest(look("side_file", FILE + ".sha256"), body) == f"sha256:{A}"


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (f"{A}  other.zip\n", "another name"),
        (f"{A}\n{B}\n", "no digest"),
        ("Not found\n", "no digest"),
        (A[:40], "no dig"),
    ],
)
def test_refused_side_files(body: str, why: str) -> None:
    if body == A[:40]:  # 40 digits are a SHA-1: found, and weak
        assert digest(look("side_file", FILE + ".sha256"), body) == f"sha1:{body}"
        return
    with pytest.raises(DigestNotFound, match=why):
        digest(look("side_file", FILE + ".sha256"), body)


def test_the_rule_says_which_of_two_algorithms_of_one_length_it_is() -> None:
    value = hashlib.blake2b(b"a").hexdigest()
    assert digest(look(algorithm="blake2b"), f"{value}  app.tar.gz\n") == f"blake2b:{value}"


def test_a_release_may_call_a_side_file_its_list() -> None:
    assert digest(look(url=FILE + ".sha256"), A) == f"sha256:{A}"
    with pytest.raises(DigestNotFound):
        digest(look(), A)  # a bare digest in a list of the folder says nothing of this file


@pytest.mark.parametrize("status", [204, 206, 301, 404, 500])
def test_only_200_is_an_answer(status: int) -> None:
    with pytest.raises(DigestNotFound, match=str(status)):
        next_step(look(), Head(status, "", (), "HTTP/1.1"), f"{A}  app.tar.gz\n".encode())


LINES = st.sampled_from(
    ["\n", "\r\n", "  ", " *", A, B, "app.tar.gz", "SHA256 (", ") = ", ": ", "\\", "'", "' => {", "- ", "\t"]
)


@given(st.lists(LINES | st.text(max_size=8), max_size=80).map("".join), st.sampled_from(["sums_file", "side_file"]))
def test_nothing_hostile_raises(text: str, kind: str) -> None:
    try:
        found = next_step(look(kind), OK, text.encode("utf-8", "surrogatepass"))
    except DigestNotFound:
        return
    assert isinstance(found, Found)
    assert found.digest.value.hex() in text.lower().replace(" ", "").replace("\t", "").replace("\n", "").replace(
        "\r", ""
    )


@given(st.binary(max_size=400))
def test_no_bytes_raise(body: bytes) -> None:
    for kind in ("sums_file", "side_file"):
        with pytest.raises(DigestNotFound):
            next_step(look(kind), OK, body)


@pytest.mark.parametrize(
    "unit", ["a:", "ab ", "x: ab cd\n  ab", "(", "SHA256 (" + ")" * 50, "' => {\n", " " * 99 + "\n", "a" * 128]
)
def test_large_lists_take_linear_time(unit: str) -> None:
    assert len(list(entries(unit * (400_000 // len(unit))))) >= 0
    with pytest.raises(DigestNotFound):
        next_step(look(), OK, (unit * (400_000 // len(unit))).encode())


def test_a_body_beyond_the_limit_is_refused() -> None:
    with pytest.raises(DigestNotFound, match="too large"):
        next_step(look("side_file", FILE + ".sha256"), OK, b"\n" * 70_000)
