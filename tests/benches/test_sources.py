"""The bench's servers do what their conduct says, in processes of their own, and are gone afterwards."""

from __future__ import annotations

import hashlib
import os
import socket
import ssl
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from benches import mirrors, sources
from benches.sources import CONDUCTS, Source
from fastdl.demo_server import LIE, Content, DemoServer, altering, sparse

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the benches need a POSIX system")
SIZE = 5 * LIE + 100


def whole(size: int = SIZE) -> bytes:
    return b"".join(Content(size).pieces(0, size))


def fetch(url: str, header: str = "", context: ssl.SSLContext | None = None) -> tuple[int, bytes, dict[str, str]]:
    request = urllib.request.Request(url, headers={"Range": header} if header else {})
    with urllib.request.urlopen(request, timeout=10, context=context) as answer:
        return answer.status, answer.read(), dict(answer.headers)


def differing(one: bytes, other: bytes) -> list[int]:
    assert len(one) == len(other)
    return [at for at, (left, right) in enumerate(zip(one, other, strict=True)) if left != right]


@pytest.fixture
def serve(request: pytest.FixtureRequest) -> Callable[[str], Source]:
    def start(conduct: str) -> Source:
        source = Source(SIZE, None, conduct)
        source.__enter__()
        request.addfinalizer(lambda: source.__exit__(None, None, None))
        source.wait()
        return source

    return start


def test_an_honest_server_has_the_file_and_its_digest(serve: Callable[[str], Source]) -> None:
    url = serve("honest").url
    assert fetch(url)[:2] == (200, whole())
    status, body, head = fetch(url, "bytes=70000-70999")
    assert (status, body) == (206, whole()[70000:71000])
    assert head["Content-Range"] == f"bytes 70000-70999/{SIZE}"
    assert fetch(url + ".sha256")[1].decode() == f"{Content(SIZE).sha256}  file.bin\n"


def test_a_liar_alters_the_same_places_however_it_is_asked(serve: Callable[[str], Source]) -> None:
    url = serve("altering").url
    status, body, head = fetch(url)
    assert differing(body, whole()) == [LIE * count - 1 for count in range(1, 6)]
    assert (status, head["Content-Length"], head["ETag"]) == (200, str(SIZE), '"new"')
    for start in (0, 1, LIE - 1, LIE, 3 * LIE - 2):
        body = fetch(url, f"bytes={start}-{SIZE - 1}")[1]
        assert [start + at for at in differing(body, whole()[start:])] == [
            at for at in differing(fetch(url)[1], whole()) if at >= start
        ]


def test_a_sparse_liar_alters_one_byte_of_each_answer(serve: Callable[[str], Source]) -> None:
    url = serve("sparse").url
    right = whole()
    places = set()
    for start, end in ((0, SIZE), (1000, SIZE), (1000, 1005), (7, 8), (LIE, LIE + 999)):
        body = fetch(url, f"bytes={start}-{end - 1}")[1]
        assert body == fetch(url, f"bytes={start}-{end - 1}")[1]
        (at,) = differing(body, right[start:end])
        places.add(at)
    assert len(places) > 2


@pytest.mark.parametrize("turn", [altering, sparse])
def test_what_is_altered_is_a_copy(turn: Callable[..., object]) -> None:
    server = DemoServer(Content(SIZE), None, conduct=turn)  # type: ignore[arg-type]
    try:
        assert differing(fetch(server.url)[1], whole())
        assert b"".join(server.content.pieces(0, SIZE)) == whole()
    finally:
        server.close()


def test_an_earlier_file_has_other_bytes_and_another_validator(serve: Callable[[str], Source]) -> None:
    status, body, head = fetch(serve("stale").url)
    assert (status, head["ETag"]) == (200, '"old"')
    assert len(differing(body, whole())) == SIZE
    _, body, head = fetch(serve("short").url)
    assert len(body) == SIZE * 3 // 4
    assert head["ETag"] == '"old"'


def test_refusing_silent_and_hanging(serve: Callable[[str], Source]) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        fetch(serve("refusing").url)
    refused.value.close()
    assert refused.value.code == 403
    assert begun(serve("silent").url) == b""
    head, _, body = begun(serve("hanging").url).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    assert body == whole()[:LIE]


def begun(url: str) -> bytes:
    """What a server sends before it falls silent; a moment without a byte is taken for silence."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=10) as line:
        line.sendall(f"GET {parts.path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        line.settimeout(0.5)
        got = b""
        with suppress(TimeoutError):
            while block := line.recv(1 << 16):
                got += block
        return got


def test_both_ports_have_the_file_and_the_process_ends(tmp_path: Path) -> None:
    mirrors.certify(tmp_path, ["localhost"])
    trusted = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    with Source(SIZE, 1 << 30, "honest", tmp_path) as source:
        source.wait()
        port = source.secure_url.split(":")[2]
        assert fetch(f"https://localhost:{port}", context=trusted)[1] == whole() == fetch(source.url)[1]
    with pytest.raises(OSError, match="refused"):
        fetch(source.url)


def test_a_server_without_its_certificate_is_an_error(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(OSError, match="did not start"), Source(SIZE, None, "honest", tmp_path) as source:
        source.wait()
    assert "server.pem" in capfd.readouterr().err or os.name != "posix"


def test_every_conduct_is_explained() -> None:
    assert all(told for *_, told in CONDUCTS.values())


def test_the_commands_of_the_comparison_are_understood() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs/comparison.md").read_text(encoding="utf-8")
    lines = [line.split("#")[0].split(">")[0] for line in text.splitlines() if "python -m benches.sources -" in line]
    commands = [line.split("benches.sources ")[1].split() for line in lines if "`" not in line]
    assert len(commands) == 6
    seen = {sources.parser().parse_args(command).conduct for command in commands}
    assert seen == {"honest", "altering", "stale"}
    assert Content(64 << 20).sha256 in text


def test_a_metalink_has_the_digest_of_every_piece() -> None:
    from fastdl.core.digests.metalink import parse_metalink

    size = 2 * mirrors.MIB + 5
    data = whole(size)
    (file,) = parse_metalink(sources.metalink(size, ["http://a/x", "http://b/x?y=1&z"]).encode())
    assert (file.size, [mirror.url for mirror in file.mirrors]) == (size, ["http://a/x", "http://b/x?y=1&z"])
    assert file.pieces is not None
    pieces = [hashlib.sha1(data[at : at + mirrors.MIB]).digest() for at in range(0, size, mirrors.MIB)]
    assert list(file.pieces.values) == pieces
    assert [digest.hex for digest in file.digests] == [hashlib.sha256(data).hexdigest()]
