"""Header fields: which of them speak of the whole file, in which response."""

from __future__ import annotations

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastdl.core.digests.fields import digests_of, legacy, links_of, structured
from fastdl.core.head import Head
from fastdl.core.urls import parse_url

FILE = b"the whole file"
SHA256 = hashlib.sha256(FILE)
B64 = base64.b64encode(SHA256.digest()).decode()
B64_512 = base64.b64encode(hashlib.sha512(FILE).digest()).decode()
MD5 = base64.b64encode(hashlib.md5(FILE).digest()).decode()
PART = base64.b64encode(hashlib.sha256(FILE[:4]).digest()).decode()
BASE = parse_url("https://example.org/d/file.iso")


def head(status: int, *fields: tuple[str, str]) -> Head:
    return Head(status, "", fields, "HTTP/1.1")


def algorithms(status: int, *fields: tuple[str, str], path: str = "/f.iso", linked: bool = False) -> list[str]:
    return sorted(digest.algorithm for digest in digests_of(head(status, *fields), path, linked=linked))


REPR = ("repr-digest", f"sha-256=:{B64}:")
CONTENT = ("content-digest", f"sha-256=:{B64}:")
LEGACY = ("digest", f"SHA-256={B64}")
GZIP = ("content-encoding", "gzip")
ALL = ("content-range", "bytes 0-9/10")
LINK = ("link", "<https://mirror.example.com/f>; rel=duplicate; pri=1")
TABLE = [
    ("of the representation, whole", 200, [REPR], ["sha256"]),
    ("of the representation, behind a part", 206, [REPR], ["sha256"]),
    ("of a coded representation", 200, [REPR, GZIP], []),
    ("of a redirect's own page", 302, [REPR, CONTENT, LEGACY], []),
    ("of the content, whole", 200, [CONTENT], ["sha256"]),
    ("of the content, a part", 206, [("content-digest", f"sha-256=:{PART}:")], []),
    ("of the content, coded", 200, [CONTENT, ("content-encoding", "br")], []),
    ("identity is no coding", 200, [CONTENT, ("content-encoding", "identity")], ["sha256"]),
    ("legacy, whole", 200, [LEGACY], ["sha256"]),
    ("legacy, a part", 206, [LEGACY], []),
    ("legacy, a part that is all", 206, [LEGACY, ALL], ["sha256"]),
    ("of the content, a part that is all", 206, [CONTENT, ALL], ["sha256"]),
    ("bucket, a part that is all", 206, [("x-amz-checksum-sha256", B64), ALL], ["sha256"]),
    ("legacy, a part that is not all", 206, [LEGACY, ("content-range", "bytes 0-8/10")], []),
    ("legacy on a Metalink redirect", 302, [LEGACY, LINK], ["sha256"]),
    ("Content-MD5, whole", 200, [("content-md5", MD5)], ["md5"]),
    ("Content-MD5, a part", 206, [("content-md5", MD5)], []),
    ("object store, md5 and crc", 206, [("x-goog-hash", "crc32c=n03x6A=="), ("x-goog-hash", f"md5={MD5}")], ["md5"]),
    ("object store, crc alone", 200, [("x-goog-hash", "crc32c=n03x6A==")], []),
    ("object store, stored coded", 200, [("x-goog-hash", f"md5={MD5}"), ("x-goog-stored-content-encoding", "gzip")],
     []),
    ("bucket, whole object", 200, [("x-amz-checksum-sha256", B64), ("x-amz-checksum-type", "FULL_OBJECT")],
     ["sha256"]),
    ("bucket, no type", 200, [("x-amz-checksum-sha256", B64)], ["sha256"]),
    ("bucket, composite by type", 200, [("x-amz-checksum-sha256", B64), ("x-amz-checksum-type", "COMPOSITE")], []),
    ("bucket, composite by its form", 200, [("x-amz-checksum-sha256", f"{B64}-12")], []),
    ("bucket, a part", 206, [("x-amz-checksum-sha256", B64)], []),
    ("an ETag is no digest", 200, [("etag", f'"{SHA256.hexdigest()}"')], []),
    ("two values for one algorithm", 200, [REPR, ("x-amz-checksum-sha256", PART)], []),
    ("error page", 404, [REPR, CONTENT, LEGACY], []),
]  # fmt: skip


@pytest.mark.parametrize(("what", "status", "fields", "expected"), TABLE, ids=[row[0] for row in TABLE])
def test_what_counts(what: str, status: int, fields: list[tuple[str, str]], expected: list[str]) -> None:
    assert algorithms(status, *fields) == expected


def test_a_file_that_is_its_own_coding() -> None:
    assert algorithms(200, REPR, GZIP, path="/f.tar.gz") == ["sha256"]
    assert digests_of(head(200, REPR))[0].value == SHA256.digest()


def test_the_linked_etag_counts_on_the_redirect_of_a_hub_only() -> None:
    tag = ("x-linked-etag", f'"{SHA256.hexdigest()}"')
    assert algorithms(302, tag, linked=True) == ["sha256"]
    assert algorithms(302, tag) == []
    assert algorithms(200, tag, linked=True) == []
    assert algorithms(302, ("x-linked-etag", f'"{"a" * 40}"'), linked=True) == []  # a git blob
    assert algorithms(302, ("etag", f'"{SHA256.hexdigest()}"'), linked=True) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"sha-256=:{B64}:", ["sha256"]),
        (f"sha-512=:{B64_512}:, sha-256=:{B64}:", ["sha512", "sha256"]),
        (f"sha-256=:{B64}:;note=\"a, b\", unixsum=30637, crc32c=:AAAAAA==:", ["sha256"]),
        (f"id-x=?1, flag, sha-256=:{B64}:", ["sha256"]),
        (f"sha-256=:{PART}:, sha-256=:{B64}:", ["sha256"]),
        ("sha-256=:AAAA:", []),  # too short
        (f"sha-256=:{B64}:,", []),  # breaks the syntax as a whole
        (f"sha-256=:{B64}: junk", []),
        (f"SHA-256=:{B64}:", []),  # keys are lower-case
        (f"sha-256={B64}", []),
        ("", []),
    ],
)  # fmt: skip
def test_structured_fields(text: str, expected: list[str]) -> None:
    assert [digest.algorithm for digest in structured(text)] == expected
    if expected:
        assert structured(text)[-1].value == SHA256.digest()


def test_legacy_digests() -> None:
    found = legacy(f"MD5={MD5},SHA-256={B64}, UNIXsum=30637, sha-512={hashlib.sha512(FILE).hexdigest()}")
    assert [digest.algorithm for digest in found] == ["md5", "sha256", "sha512"]
    assert found[2].value == hashlib.sha512(FILE).digest()


def test_links() -> None:
    field = (
        '<http://b.example.com/file.iso>; rel="duplicate"; pri=2; geo=DE, </other.iso>; rel=duplicate; pri=1,'
        ' <file.iso.meta4>; rel=describedby; type="application/metalink4+xml",'
        " <x.html>; rel=describedby; type=text/html,"
        " <ftp://c.example.com/f>; rel=duplicate, <https://u:p@d.example.com/f>; rel=duplicate,"
        ' <https://e.example.com/f>; rel="duplicate"; anchor="#x", <https://f.example.com/f>; rel="next duplicate"'
    )
    links = links_of(head(302, ("link", field)), BASE)
    assert [(mirror.url, mirror.priority, mirror.location) for mirror in links.duplicates] == [
        ("https://example.org/other.iso", 1, ""),
        ("http://b.example.com/file.iso", 2, "de"),
        ("https://f.example.com/f", None, ""),
    ]
    assert links.described_by == ("https://example.org/d/file.iso.meta4",)


NAMES = ["repr-digest", "content-digest", "digest", "content-md5", "x-goog-hash", "x-amz-checksum-sha256", "link",
         "x-linked-etag", "content-encoding"]  # fmt: skip
PIECES = st.lists(
    st.sampled_from(
        [
            "sha-256",
            "=",
            ":",
            B64,
            "=:",
            ":,",
            ", ",
            ";",
            '"',
            "\\",
            "(",
            ")",
            "<",
            ">",
            "rel=duplicate",
            " ",
            "\t",
            "x",
        ]
    )
    | st.text(alphabet=st.characters(max_codepoint=255), max_size=5),
    max_size=60,
).map("".join)


@given(st.lists(st.tuples(st.sampled_from(NAMES), PIECES), max_size=6), st.sampled_from([200, 206, 302, 404]))
def test_nothing_hostile_raises(fields: list[tuple[str, str]], status: int) -> None:
    answer = head(status, *fields)
    for digest in digests_of(answer, "/a.gz", linked=True):
        assert digest.value
    assert len(links_of(answer, BASE).duplicates) <= 256


@pytest.mark.parametrize(
    "text", ['a="' + "\\" * 60_000, "<" * 60_000, "<a>;b=" * 10_000, "a=1;" * 15_000, " \t" * 30_000]
)
def test_long_fields_take_no_time(text: str) -> None:
    answer = head(200, ("repr-digest", text), ("link", text), ("digest", text))
    assert digests_of(answer) == []
    assert links_of(answer, BASE).duplicates == ()
