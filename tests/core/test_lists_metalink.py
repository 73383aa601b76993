"""A Metalink as a list: sources, sizes and digests of its files, and names that must not lead elsewhere."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastdl.core.lists.entry import Broken, Entry
from fastdl.core.lists.metalink import MOST_SOURCES, safe_path
from fastdl.core.lists.reading import read_list
from fastdl.core.verify import Digest
from fastdl.errors import BadName

SHA = "ab" * 32
FOUR = f"""<?xml version="1.0" encoding="UTF-8"?>
<metalink xmlns="urn:ietf:params:xml:ns:metalink">
  <file name="d/big.iso"><size>2500</size><hash type="sha-256">{SHA}</hash><hash type="md5">{"12" * 16}</hash>
    <pieces length="1000" type="sha-256"><hash>{SHA}</hash><hash>{SHA}</hash><hash>{SHA}</hash></pieces>
    <url location="us" priority="3">https://us.example.com/big.iso</url>
    <url location="de" priority="2">https://de.example.com/big.iso</url>
    <url priority="1">ftp://f.example.com/big.iso</url>
    <url location="fr">http://fr.example.com/big.iso</url>
  </file>
  <file name="none"><url>ftp://f.example.com/none</url></file>
  <file name="../up"><url>https://us.example.com/up</url></file>
</metalink>"""
THREE = f"""<metalink version="3.0" xmlns="http://www.metalinker.org/"><files><file name="a.bin">
  <size>7</size><verification><hash type="sha1">{"34" * 20}</hash></verification><resources>
  <url type="http" preference="10">http://low.example.com/a.bin</url>
  <url type="http" preference="90">http://high.example.com/a.bin</url></resources></file></files></metalink>"""


def read(text: str, encoding: str = "utf-8") -> list[Entry | Broken]:
    return list(read_list(iter([text.encode(encoding)]), windows=False))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_version_4(encoding: str) -> None:
    entry, without, unsafe = read(FOUR, encoding)
    assert isinstance(entry, Entry)
    assert (entry.line, entry.kind, entry.name, entry.size) == (1, "metalink", "d/big.iso", 2500)
    assert entry.url == "https://de.example.com/big.iso"
    assert entry.mirrors == ("https://us.example.com/big.iso", "http://fr.example.com/big.iso")
    assert [source.location for source in entry.sources] == ["de", "us", "fr"]
    assert {digest.algorithm for digest in entry.digests} == {"sha256", "md5"}
    assert entry.pieces is not None
    assert len(entry.pieces.values) == 3
    assert isinstance(without, Broken)
    assert (without.line, without.url) == (2, "")
    assert "no source" in without.error.what
    assert isinstance(unsafe, Broken)
    assert (unsafe.line, unsafe.url, unsafe.error.code) == (3, "https://us.example.com/up", 6)


def test_version_3() -> None:
    (entry,) = read(THREE)
    assert isinstance(entry, Entry)
    assert (entry.name, entry.size, entry.url) == ("a.bin", 7, "http://high.example.com/a.bin")
    assert entry.mirrors == ("http://low.example.com/a.bin",)
    assert entry.digests == (Digest("sha1", bytes.fromhex("34" * 20)),)


def test_sources_are_counted_and_each_is_named_once() -> None:
    urls = "".join(f"<url>https://m{number // 2}.example.com/f</url>" for number in range(300))
    (entry,) = read(f"<metalink><file name='f'>{urls}</file></metalink>")
    assert isinstance(entry, Entry)
    assert len(entry.sources) == MOST_SOURCES
    assert len({entry.url, *entry.mirrors}) == MOST_SOURCES


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("f.iso", "f.iso"), ("a/b/f.iso", "a/b/f.iso"), (".hidden/.f", "hidden/f"), ("a\x1b[1m/f\u202eg", "a_[1m/f_g"),
        ("fi:g?", "fi:g?"), ("a...b", "a...b"), ("x.fastdl", "x.fastdl_"), ("d.fastdl/f", "d.fastdl_/f"),
    ],
)  # fmt: skip
def test_names_that_are_made_harmless(name: str, path: str) -> None:
    assert safe_path(name, windows=False) == path


def test_names_on_windows() -> None:
    assert safe_path("aa:b/f?. ", windows=True) == "aa_b/f___"


@pytest.mark.parametrize(
    "name",
    [
        "", "/", "/etc/passwd", "..", "../f", "a/../f", "a/..", "./f", "a//b", "a/", "a\\b", "..\\f", "C:f", "c:/f",
        "\\\\h\\s", "NUL", "a/con", "con.txt/f", "COM1.log", "lpt\u00b9", " .. /f", "...", "a/\x00", "/".join("a" * 17),
        "d/..\u200b",
    ],
)  # fmt: skip
@pytest.mark.parametrize("windows", [True, False])
def test_names_that_refuse_the_file(name: str, windows: bool) -> None:
    with pytest.raises(BadName):
        safe_path(name, windows=windows)


@given(st.text(st.sampled_from("a./\\:~ \x00\u202eCONnul1.$%") | st.characters(), max_size=40), st.booleans())
def test_no_name_leads_out_of_the_folder(name: str, windows: bool) -> None:
    import ntpath
    import posixpath

    try:
        path = safe_path(name, windows=windows)
    except BadName:
        return
    system = ntpath if windows else posixpath
    assert system.normpath(path) == path.replace("/", system.sep)
    assert not system.isabs(path)
    assert not system.splitdrive(path)[0]
    assert ".." not in path.split("/")
    assert path.isprintable() or not any(char < " " for char in path)
