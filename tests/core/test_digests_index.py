"""Indexes of repositories: streamed, unpacked, bounded; and pages for people."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import hashlib
import io
import json
import lzma
import random
import tarfile
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastdl.core.digests import DigestNotFound, Found, Reading, Step, next_step, steps_of
from fastdl.core.digests import packed as packing
from fastdl.core.digests.packed import Unpacker
from fastdl.core.head import Head

OK = Head(200, "OK", (), "HTTP/1.1")
SHA = hashlib.sha256(b"x").hexdigest()
OTHER = hashlib.sha256(b"y").hexdigest()
MD5 = "ab" * 16
SHA1 = "cd" * 20
DEB = "pool/main/h/hello/hello_2.10-3_amd64.deb"
ROOT = "https://deb.example.org/debian/"


def index(url: str, path: str, **more: Any) -> Step:
    return Step("index", url, more.pop("algorithm", "sha256"), names={"url": f"https://deb.example.org/{path}"}, **more)


def outcome(step: Step, body: bytes, size: int | None = None, piece: int = 1000) -> Found | Step:
    reading = Reading(step, size)
    for at in range(0, len(body), piece):
        reading.feed(body[at : at + piece])
    return reading.finish(OK)


def found(step: Step, body: bytes, size: int | None = None, piece: int = 1000) -> Found:
    result = outcome(step, body, size, piece)
    assert isinstance(result, Found)
    return result


def packages(*more: str) -> bytes:
    filler = "".join(
        f"Package: p{number}\nFilename: pool/main/p/p{number}.deb\nSize: 1\nSHA256: {OTHER}\n"
        f"Description: about {DEB}\n {DEB}\n\n"
        for number in range(3000)
    )
    record = (
        f"Package: hello\nVersion: 2.10-3\nFilename: {DEB}\nSize: 1234\nMD5sum: {MD5}\nSHA256: {SHA}\nDescription: x\n"
    )
    return (filler + record + "\n" + filler + "".join(more)).encode()


APT = index(ROOT + "dists/stable/main/binary-amd64/Packages.xz", "debian/" + DEB, entry=DEB, format="debian")


@pytest.mark.parametrize("form", [bytes, gzip.compress, lzma.compress, bz2.compress])
@pytest.mark.parametrize("piece", [1, 777, 1 << 20])
def test_apt(form: Any, piece: int) -> None:
    body = form(packages())
    if piece == 1:
        body = form(packages()[-2000:] + b"\n" + packages(f"\nFilename: {DEB}\nSHA256: {SHA}\nSize: 1234\n")[-200:])
    result = found(APT, body, 1234, piece)
    assert (result.digest.text, result.size) == (f"sha256:{SHA}", 1234)


def test_apt_refuses_what_is_not_this_very_file() -> None:
    with pytest.raises(DigestNotFound, match="another size"):
        found(APT, packages(), 1235)
    with pytest.raises(DigestNotFound, match="no digest of this file"):
        found(APT, packages().replace(b"\nFilename: " + DEB.encode(), b"\nFilename: x/" + DEB.encode()))
    with pytest.raises(DigestNotFound, match="twice"):
        found(APT, packages(f"Filename: {DEB}\nSHA256: {OTHER}\n\n"))
    with pytest.raises(DigestNotFound, match="too large"):
        found(APT, b"x" * (3 << 20))


def test_from_a_release_to_its_index() -> None:
    body = lzma.compress(packages())
    announced = hashlib.sha256(body).hexdigest()
    release = (
        "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nOrigin: x\nAcquire-By-Hash: yes\nMD5Sum:\n"
        f" {MD5} 10 main/binary-amd64/Packages.xz\nSHA256:\n {OTHER} 10 main/binary-arm64/Packages.xz\n"
        f" {announced} 10 main/binary-amd64/Packages.xz\n {OTHER} 99 main/binary-amd64/Packages\n"
        "-----BEGIN PGP SIGNATURE-----\nabc\n-----END PGP SIGNATURE-----\n"
    ).encode()
    first = index(ROOT + "dists/stable/InRelease", "debian/" + DEB, entry=DEB, format="debian")
    step = outcome(first, release)
    assert isinstance(step, Step)
    assert step.url == f"{ROOT}dists/stable/main/binary-amd64/by-hash/SHA256/{announced}"
    assert found(step, body).digest.hex == SHA
    with pytest.raises(DigestNotFound, match="announced"):
        found(step, lzma.compress(packages("\n")))
    plain = outcome(first, release.replace(b"Acquire-By-Hash: yes", b"Acquire-By-Hash: no"))
    assert isinstance(plain, Step)
    assert plain.url == f"{ROOT}dists/stable/main/binary-amd64/Packages.xz"
    with pytest.raises(DigestNotFound, match="lists no index"):
        outcome(first, release.replace(b"binary-amd64", b"binary-i386"))


def test_cran_and_tex_live() -> None:
    body = f"Package: A3\nVersion: 1.0.1\nMD5sum: {MD5}\n\nPackage: A30\nVersion: 1.0.1\nMD5sum: {'1' * 32}\n".encode()
    step = index("https://cran.example.org/src/contrib/PACKAGES", "src/contrib/A3_1.0.1.tar.gz", algorithm="md5")
    assert found(step, body).digest.text == f"md5:{MD5}"
    with pytest.raises(DigestNotFound):
        found(step, body.replace(b"1.0.1", b"1.0.2"))
    body = f"name a2ping\ncontainersize 5\ncontainerchecksum {'a' * 128}\n"
    body += f"doccontainersize 6\ndoccontainerchecksum {'b' * 128}\n\n"
    tlpdb = "https://tex.example.org/tlpkg/texlive.tlpdb"
    assert found(index(tlpdb, "archive/a2ping.tar.xz"), body.encode(), 5).digest.hex == "a" * 128
    assert found(index(tlpdb, "archive/a2ping.doc.r123.tar.xz"), body.encode(), 6).digest.hex == "b" * 128


CONDA = index("https://conda.example.org/c/noarch/current_repodata.json", "c/noarch/x-1.0-0.conda", format="conda")


def repodata(**more: Any) -> bytes:
    filler = {
        f"p{number}-1-0.tar.bz2": {"sha256": OTHER, "size": 1, "depends": ["x-1.0-0.conda"]} for number in range(3000)
    }
    entry = {"build": "0", "depends": [], "md5": MD5, "sha256": SHA, "size": 77, "summary": 'a "{x-1.0-0.conda": {"'}
    return json.dumps(
        {
            "info": {},
            "packages": filler,
            "packages.conda": {"x-1.0-0.conda": entry, **more},
            "removed": ["x-1.0-0.conda"],
        }
    ).encode()


@pytest.mark.parametrize("form", [bytes, gzip.compress, bz2.compress])
@pytest.mark.parametrize("piece", [13, 65536, 1 << 22])
def test_conda(form: Any, piece: int) -> None:
    result = found(CONDA, form(repodata()), 77, piece)
    assert (result.digest.text, result.size) == (f"sha256:{SHA}", 77)


def test_conda_refuses() -> None:
    with pytest.raises(DigestNotFound):
        found(CONDA, repodata().replace(b'"x-1.0-0.conda": {', b'"x-1.0-1.conda": {'))
    twice = json.dumps({"a": {"x-1.0-0.conda": {"sha256": SHA}}, "b": {"x-1.0-0.conda": {"sha256": OTHER}}})
    with pytest.raises(DigestNotFound, match="twice"):
        found(CONDA, twice.encode())
    with pytest.raises(DigestNotFound, match="cannot be read"):
        found(CONDA, b'{"x-1.0-0.conda": {"sha256": ')
    with pytest.raises(DigestNotFound, match="too often"):
        found(CONDA, b'{"x-1.0-0.conda": {} ' * 5000)


def test_zstd_is_replaced_where_it_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    url = "https://conda.example.org/c/noarch/repodata.json.zst"
    look = index(CONDA.url, "c/noarch/x.conda", alternatives=(url,))
    monkeypatch.setattr(packing, "_zstd", lambda: None)
    assert [step.url for step in steps_of(look)] == [CONDA.url, url.removesuffix(".zst")]
    monkeypatch.setattr(packing, "_zstd", lambda: packing)
    assert [step.url for step in steps_of(look)] == [CONDA.url, url]


def database(**fields: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for number in range(40):
            values = {"FILENAME": f"p{number}-1.pkg.tar.zst", "CSIZE": "5", "SHA256SUM": OTHER, "DESC": "%FILENAME%"}
            if number == 20:
                values |= {"FILENAME": "x-1.pkg.tar.zst", "SHA256SUM": SHA, **fields}
            text = "".join(f"%{key}%\n{value}\n\n" for key, value in values.items()).encode()
            for name, data in ((f"p{number}-1/desc", text), (f"p{number}-1/files", b"x" * 3000)):
                info = tarfile.TarInfo(name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


PACMAN = index("https://arch.example.org/core/os/x86_64/core.db.tar.gz", "core/os/x86_64/x-1.pkg.tar.zst")


@pytest.mark.parametrize("piece", [100, 513, 1 << 20])
def test_pacman(piece: int) -> None:
    result = found(PACMAN, gzip.compress(database()), 5, piece)
    assert (result.digest.hex, result.size) == (SHA, 5)
    with pytest.raises(DigestNotFound):
        found(PACMAN, database(FILENAME="y.pkg.tar.zst"), None, piece)
    with pytest.raises(DigestNotFound, match="cannot be read"):
        found(PACMAN, b"a" * 5000, None, piece)


def test_rpm() -> None:
    primary = gzip.compress(
        f'<?xml version="1.0"?><metadata xmlns="c" xmlns:rpm="r" packages="2"><package type="rpm"><name>y</name>'
        f'<checksum type="sha256" pkgid="YES">{OTHER}</checksum><size package="9"/>'
        '<location href="Packages/y.rpm"/></package>'
        f'<package type="rpm"><checksum type="sha256">{SHA}</checksum><size package="7" installed="8"/>'
        f'<location href="Packages/x.rpm"/><format><rpm:provides/></format></package></metadata>'.encode()
    )
    repomd = (
        f'<repomd xmlns="x"><data type="other"><checksum type="sha256">{OTHER}</checksum><location href="f"/></data>'
        f'<data type="primary"><checksum type="sha256">{hashlib.sha256(primary).hexdigest()}</checksum>'
        '<location href="repodata/abc-primary.xml.gz"/></data></repomd>'
    ).encode()
    first = index(
        "https://rpm.example.org/r/repodata/repomd.xml", "r/Packages/x.rpm", entry="Packages/x.rpm", format="repomd"
    )
    step = outcome(first, repomd)
    assert isinstance(step, Step)
    assert step.url == "https://rpm.example.org/r/repodata/abc-primary.xml.gz"
    result = found(step, primary, 7)
    assert (result.digest.hex, result.size) == (SHA, 7)
    with pytest.raises(DigestNotFound, match="announced"):
        found(step, gzip.compress(b"<metadata/>"))
    with pytest.raises(DigestNotFound):
        outcome(first, repomd.replace(b'type="primary"', b'type="other"'))


def test_android() -> None:
    body = (
        "<sdk:repo xmlns:sdk='s'><remotePackage><archives>"
        f"<archive><complete><size>9</size><checksum type='sha1'>{'0' * 40}</checksum><url>t_lin.zip</url></complete>"
        f"<patches><patch><size>1</size><checksum>{'1' * 40}</checksum><url>x.zip</url></patch></patches></archive>"
        f"<archive><complete><size>9</size><checksum type='sha1'>{SHA1}</checksum><url>x.zip</url></complete></archive>"
        "</archives></remotePackage></sdk:repo>"
    ).encode()
    step = index(
        "https://dl.example.org/android/repository/repository2-3.xml", "android/repository/x.zip", format="sdk-xml"
    )
    assert found(step, body).digest.text == f"sha1:{SHA1}"
    with pytest.raises(DigestNotFound):
        found(step, body.replace(b"<url>x.zip", b"<url>ax.zip"))


def test_alpine_has_no_digest_of_the_file() -> None:
    with pytest.raises(DigestNotFound, match="parts"):
        found(index("https://alpine.example.org/v3/main/x86_64/APKINDEX.tar.gz", "v3/main/x86_64/x.apk"), b"C:Q1abc=\n")


# --- unpacking -------------------------------------------------------------------------------------------


def unpack(body: bytes, piece: int = 100, most: int = 1 << 30) -> bytes:
    unpacker = Unpacker(most)
    out = [part for at in range(0, len(body), piece) for part in unpacker.feed(body[at : at + piece])]
    return b"".join([*out, *unpacker.finish()])


FORMS = [gzip.compress, lzma.compress, bz2.compress, bytes]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("text", [b"", b"abc", random.Random(1).randbytes(5000), b"x" * 2_000_000])
def test_unpacking(form: Any, text: bytes) -> None:
    assert unpack(form(text), 1009) == text
    if form is not bytes:
        assert unpack(form(text) + form(text)) == text * 2
        assert unpack(form(text) + b"\0" * 100) == text
        with pytest.raises(DigestNotFound, match=r"too soon|damaged"):
            unpack(form(text)[:-3])


@pytest.mark.parametrize("form", FORMS)
def test_a_bomb_is_cut_off(form: Any) -> None:
    with pytest.raises(DigestNotFound, match="too large"):
        unpack(form(bytes(50_000_000)), 1 << 16, 1_000_000)


def test_bounded_pieces_and_streams() -> None:
    unpacker = Unpacker()
    assert max(map(len, unpacker.feed(zlib.compress(bytes(20_000_000), wbits=31)))) <= packing.PIECE
    with pytest.raises(DigestNotFound, match="too many parts"):
        unpack(gzip.compress(b"") * 5000, 1 << 16)


@given(st.binary(max_size=300), st.sampled_from(FORMS), st.integers(0, 40), st.binary(max_size=8))
def test_damage_raises_nothing_else(text: bytes, form: Any, place: int, junk: bytes) -> None:
    body = bytearray(form(text))
    body[place : place + len(junk)] = junk
    with contextlib.suppress(DigestNotFound):
        unpack(bytes(body), 7, 10_000)


STEPS = [APT, CONDA, PACMAN,
         index(ROOT + "dists/stable/InRelease", "debian/" + DEB, entry=DEB, format="debian"),
         index("https://rpm.example.org/r/repodata/repomd.xml", "r/x.rpm", format="repomd"),
         index("https://rpm.example.org/r/repodata/primary.xml", "r/x.rpm"),
         index("https://dl.example.org/a/repository2-3.xml", "a/x.zip"),
         index("https://cran.example.org/src/contrib/PACKAGES", "src/contrib/A3_1.0.1.tar.gz"),
         index("https://tex.example.org/tlpkg/texlive.tlpdb", "archive/a2ping.tar.xz")]  # fmt: skip
PARTS = st.sampled_from(
    [b"\n\n", b"\n", b"Filename: ", DEB.encode(), b"SHA256: ", SHA.encode(), b'"x-1.0-0.conda"', b": {", b"}", b"<a>",
     b"</a>", b"<metadata>", b"<!DOCTYPE x [", b"SHA256:\n", b" main/binary-amd64/Packages.xz", b"0" * 512, b"p/desc",
     b"\0" * 400, b"name a2ping\n", b"\x1f\x8b\x08", b"BZh9", b"\xfd7zXZ\0"]
) | st.binary(max_size=20)  # fmt: skip


@given(st.sampled_from(STEPS), st.lists(PARTS, max_size=40).map(b"".join), st.integers(1, 600))
def test_no_index_raises_anything_else(step: Step, body: bytes, piece: int) -> None:
    try:
        result = outcome(step, body, None, piece)
    except DigestNotFound as error:
        assert len(error.why) < 200
        return
    assert isinstance(result, (Found, Step))


# --- pages -----------------------------------------------------------------------------------------------


def page(
    body: str, url: str = "https://example.org/whl/x/", path: str = "whl/x-1.0+cpu.whl", algorithm: str = "sha256"
) -> Found:
    step = Step("html_page", url, algorithm, names={"url": f"https://example.org/{path}"})
    result = next_step(step, OK, body.encode())
    assert isinstance(result, Found)
    return result


def test_links_with_a_digest() -> None:
    body = (
        f'<a href="/whl/y-1.0.whl#sha256={OTHER}">y</a><br/>\n'
        f'<a href="/whl/x-1.0%2Bcpu.whl#sha256={SHA}" data-requires-python="&gt;=3.9">x-1.0+cpu.whl</a>'
    )
    assert page(body, path="whl/x-1.0%2Bcpu.whl").digest.hex == SHA
    assert page(body).digest.hex == SHA
    for path in ("whl/z.whl", "whl/1.0+cpu.whl"):
        with pytest.raises(DigestNotFound):
            page(body, path=path)
    with pytest.raises(DigestNotFound, match="twice"):
        page(body + f'<a href="x-1.0+cpu.whl#sha256={OTHER}">')
    with pytest.raises(DigestNotFound):
        page('<a href="x-1.0+cpu.whl">x</a>')


def test_rows_of_a_table() -> None:
    row = '<tr><td><a href="{0}">{0}</a></td><td>70M</td><td>{1}</td></tr>'
    body = "<table>" + row.format("M-py39.sh", OTHER) + row.format("M.sh", SHA) + row.format("N.sh", OTHER)
    assert page(body, path="m/M.sh").digest.hex == SHA
    with pytest.raises(DigestNotFound):
        page(body, path="m/O.sh")
    with pytest.raises(DigestNotFound):
        page(body.replace(SHA, f"{SHA} {OTHER}"), path="m/M.sh")
    assert (
        page(f"<b>SHA-256 Hash</b> <tt>{SHA}</tt>", "https://example.org/a.iso.mirrorlist", "a.iso").digest.hex == SHA
    )


def test_lists_of_a_forge() -> None:
    listed = {"a b.zip": {"sha1": SHA1, "md5": MD5, "size": 5}, "c.zip": {"sha1": "", "md5": ""}}
    body = f"<html><script>net.sf.files = {json.dumps(listed)};\nnet.sf.staging_days = 3;</script>"
    result = page(body, path="project/p/a%20b.zip", algorithm="sha1")
    assert (result.digest.text, result.size, result.digest.strong) == (f"sha1:{SHA1}", 5, False)
    names = {"url": "https://example.org/projects/p/files/d/a%20b.zip/download", "path": "d/a%20b.zip"}
    button = Step("html_page", "https://example.org/projects/p/files/d/", "sha1", names=names)
    assert next_step(button, OK, body.encode()) == result
    for path in ("project/p/c.zip", "project/p/d.zip"):
        with pytest.raises(DigestNotFound):
            page(body, path=path)
    feed = (
        '<?xml version="1.0"?><rss xmlns:media="m"><channel><item><title>/d/a.zip</title><media:content>'
        f'<media:hash algo="md5">{MD5}</media:hash></media:content></item><item><title>/d/ba.zip</title>'
        f'<media:content><media:hash algo="md5">{"0" * 32}</media:hash></media:content></item></channel></rss>'
    )
    assert page(feed, path="project/p/a.zip", algorithm="md5").digest.text == f"md5:{MD5}"


HTML = st.sampled_from(
    ['href="', "href='", '"', "x-1.0+cpu.whl", "#sha256=", SHA, "<tr>", "</tr>", "net.sf.files = {", "<?xml", "&", "{"]
)


@given(st.lists(HTML | st.text(max_size=6), max_size=60).map("".join))
def test_no_page_raises_anything_else(body: str) -> None:
    step = Step(
        "html_page", "https://example.org/a.mirrorlist", "sha256", names={"url": "https://example.org/x-1.0+cpu.whl"}
    )
    try:
        result = next_step(step, OK, body.encode("utf-8", "surrogatepass"))
    except DigestNotFound:
        return
    assert isinstance(result, Found)


@pytest.mark.parametrize(
    "unit", ['href="x-1.0+cpu.whl"', "href=", "a" * 64 + " ", 'href = "' + "a" * 3000, "net.sf.files = {"]
)
def test_large_pages_take_linear_time(unit: str) -> None:
    with pytest.raises(DigestNotFound):
        page(unit * (2_000_000 // len(unit)))
