"""Metalinks of both versions, and what XML must not do."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastdl.core.digests import DigestNotFound, Found, Step, next_step
from fastdl.core.digests.metalink import MetalinkFile, parse_metalink
from fastdl.core.head import Head

SHA = "ab" * 32
OLD = "cd" * 32
OK = Head(200, "OK", (), "HTTP/1.1")
LOOK = Step("metalink", "https://example.org/d/big.iso.meta4", "sha256", names={"url": "https://example.org/d/big.iso"})
PIECES = [hashlib.sha256(bytes([number])).hexdigest() for number in range(3)]

VERSION_4 = f"""<?xml version="1.0" encoding="UTF-8"?>
<metalink xmlns="urn:ietf:params:xml:ns:metalink">
  <generator>x/1</generator>
  <file name="small.txt"><hash type="sha-256">{OLD}</hash></file>
  <file name="d/big.iso">
    <size>2500</size>
    <identity>Big</identity>
    <hash type="md5">{"12" * 16}</hash>
    <hash type="sha-256">{SHA.upper()}</hash>
    <hash type="whirlpool">00</hash>
    <pieces length="1000" type="sha-256">{"".join(f"<hash>{piece}</hash>" for piece in PIECES)}</pieces>
    <signature mediatype="application/pgp-signature"><![CDATA[-----BEGIN]]></signature>
    <url location="us" priority="3">https://b.example.com/big.iso</url>
    <url location="DE" priority="1">http://a.example.com/big.iso</url>
    <url>https://z.example.com/big.iso</url>
    <url priority="1">ftp://f.example.com/big.iso</url>
    <url priority="1">https://me:pw@g.example.com/big.iso</url>
    <metaurl mediatype="torrent">https://example.org/big.torrent</metaurl>
  </file>
</metalink>"""

VERSION_3 = f"""<?xml version="1.0"?>
<metalink version="3.0" xmlns="http://www.metalinker.org/" xmlns:mm0="http://fedorahosted.org/mirrormanager">
 <files>
  <file name="big.iso">
   <mm0:timestamp>1</mm0:timestamp>
   <size>2500</size>
   <verification>
    <hash type="sha1">{"34" * 20}</hash><hash type="sha256">{SHA}</hash>
    <pieces length="1000" type="sha256">
     <hash piece="2">{PIECES[2]}</hash><hash piece="0">{PIECES[0]}</hash><hash piece="1">{PIECES[1]}</hash>
    </pieces>
   </verification>
   <mm0:alternates><mm0:alternate><size>7</size><verification><hash type="sha256">{OLD}</hash></verification>
   </mm0:alternate></mm0:alternates>
   <resources maxconnections="1">
    <url protocol="https" type="https" location="FR" preference="90">https://b.example.com/big.iso</url>
    <url protocol="https" type="https" location="FR" preference="100">https://a.example.com/big.iso</url>
    <url protocol="rsync" type="rsync" preference="99">rsync://c.example.com/big.iso</url>
   </resources>
  </file>
 </files>
</metalink>"""


def whole(text: str) -> MetalinkFile:
    return parse_metalink(text.encode())[-1]


@pytest.mark.parametrize("text", [VERSION_4, VERSION_3])
def test_both_versions(text: str) -> None:
    found = next_step(LOOK, OK, text.encode(), 2500)
    assert isinstance(found, Found)
    assert (found.digest.algorithm, found.digest.hex, found.size) == ("sha256", SHA, 2500)
    assert OLD not in [digest.hex for digest in found.digests]
    assert found.pieces is not None
    assert (found.pieces.algorithm, found.pieces.length) == ("sha256", 1000)
    assert [value.hex() for value in found.pieces.values] == PIECES
    assert [mirror.url.split("/")[2][0] for mirror in found.mirrors][:2] == ["a", "b"]
    assert all(mirror.url.startswith(("http://", "https://")) for mirror in found.mirrors)


def test_mirrors_come_by_priority() -> None:
    four, three = whole(VERSION_4).mirrors, whole(VERSION_3).mirrors
    assert [(mirror.priority, mirror.location) for mirror in four] == [(1, "de"), (3, "us"), (None, "")]
    assert [(mirror.priority, mirror.location) for mirror in three] == [(1, "fr"), (11, "fr")]
    assert not any("pw" in mirror.url for mirror in four)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (f"<hash>{PIECES[1]}</hash>", ""),  # one is missing
        (f"<hash>{PIECES[1]}</hash>", "<hash>xyz</hash>"),
        ("<size>2500</size>", ""),
        ("<size>2500</size>", "<size>3001</size>"),
        ('length="1000"', 'length="0"'),
        ('length="1000"', 'length="x"'),
        ('<pieces length="1000" type="sha-256">', '<pieces length="1000" type="crc">'),
    ],
)
def test_pieces_that_do_not_cover_the_file_are_dropped(before: str, after: str) -> None:
    assert before in VERSION_4
    file = whole(VERSION_4.replace(before, after))
    assert file.pieces is None
    assert file.digests


def test_pieces_of_version_3_need_each_number_once() -> None:
    assert whole(VERSION_3.replace('piece="2"', 'piece="1"')).pieces is None


@pytest.mark.parametrize(
    ("body", "size", "why"),
    [
        (VERSION_4.encode(), 2501, "another size"),
        (VERSION_4.replace('name="d/big.iso"', 'name="other.iso"').encode(), None, "not speak of this file"),
        (VERSION_4.replace('name="small.txt"', 'name="big.iso"').encode(), None, "twice"),
        (VERSION_4.replace("<generator>x/1</generator>", "").replace(
            "<identity>Big</identity>", f'<hash type="sha-256">{OLD}</hash>').encode(), None, "different"),
        (VERSION_4.replace("sha-256", "tiger").replace('"md5"', '"x"').encode(), None, "without a digest"),
        (b"<html><body>Not found</body></html>", None, "no Metalink"),
        (VERSION_4[:-30].encode(), None, "no XML"),
        (b"<metalink/>", None, "not speak"),
    ],
)  # fmt: skip
def test_refused(body: bytes, size: int | None, why: str) -> None:
    with pytest.raises(DigestNotFound, match=why):
        next_step(LOOK, OK, body, size)


DTD = '<!DOCTYPE metalink [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "utf-16-be"])
def test_a_doctype_is_refused_in_every_encoding(encoding: str) -> None:
    text = VERSION_4.replace('encoding="UTF-8"', "").replace("?>\n", f"?>\n{DTD}", 1)
    body = text.encode(encoding)
    with pytest.raises(DigestNotFound, match=r"DOCTYPE|no XML"):
        parse_metalink(body)


@pytest.mark.parametrize("name", ["&b;", "&#x41;"])
def test_entities_are_not_declared(name: str) -> None:
    text = VERSION_4.replace("<identity>Big", f"<identity>{name}")
    if name == "&b;":
        with pytest.raises(DigestNotFound, match="no XML"):
            parse_metalink(text.encode())
    else:
        assert whole(text).digests


def test_deep_and_wide_documents_are_refused() -> None:
    with pytest.raises(DigestNotFound, match="too deep"):
        parse_metalink(b"<metalink>" + b"<a>" * 100_000)
    many = b'<metalink><file name="a"/>' + b'<file name="a"/>' * 20_000 + b"</metalink>"
    with pytest.raises(DigestNotFound, match="too many"):
        parse_metalink(many)


def test_a_long_text_is_cut() -> None:
    text = VERSION_4.replace("<identity>Big", "<identity>" + "x" * 1_000_000)
    assert whole(text).digests


def test_some_answer_with_a_side_file() -> None:
    found = next_step(LOOK, OK, f"{SHA}  big.iso\n".encode())
    assert isinstance(found, Found)
    assert found.digest.hex == SHA


@given(st.data())
def test_mutations_raise_nothing_else(data: st.DataObject) -> None:
    body = bytearray(data.draw(st.sampled_from([VERSION_3, VERSION_4])).encode())
    for _ in range(data.draw(st.integers(1, 8))):
        place = data.draw(st.integers(0, len(body)))
        cut = data.draw(st.integers(0, 40))
        body[place : place + cut] = data.draw(
            st.binary(max_size=12) | st.sampled_from([b"<hash>", b"</file>", b"<pieces>", b'"', b"&"])
        )
    try:
        found = next_step(LOOK, OK, bytes(body))
    except DigestNotFound as error:
        assert len(error.why) < 200
    else:
        assert isinstance(found, Found)
