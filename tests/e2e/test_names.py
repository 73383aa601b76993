"""Names that servers choose, end to end: the Content-Disposition collection, hostile names, names from URLs."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from servers.content import content
from servers.files import FileApp, site
from servers.raw import Connection, Request, Serve
from servers.run import Runner

_RECORD = Path(__file__).parents[1] / "core" / "data" / "disposition.json"
_CASES: list[dict[str, Any]] = json.loads(_RECORD.read_text("utf-8"))["cases"]
_SIZE = 400
_WINDOWS = re.compile(r'[:*?"<>|]')


def _batches(cases: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Groups in which no two cases may lead to the same name, so that one command can fetch each group."""
    groups: list[tuple[set[str], list[dict[str, Any]]]] = []
    for case in cases:
        names = {(name or f"{case['id']}.bin").casefold() for name in case["names"]}
        free = next((group for group in groups if not group[0] & names and len(group[1]) < 16), None)
        if free is None:
            free = (set(), [])
            groups.append(free)
        free[0].update(names)
        free[1].append(case)
    return [group for _, group in groups]


def _disposing(headers: dict[str, bytes]) -> Any:
    """Serves /ID/anything: a file of its own under the Content-Disposition of that id (raw bytes)."""
    order = list(headers)

    def answer(connection: Connection, request: Request) -> None:
        name = request.target.split("/")[1]
        app = FileApp(size=_SIZE, seed=order.index(name))
        app.send(connection, app.reply(request).add("Content-Disposition", headers[name].decode("latin-1")))

    return site({"/": answer})


@pytest.mark.parametrize("batch", [pytest.param(group, id=group[0]["id"]) for group in _batches(_CASES)])
def test_content_disposition(fastdl: Runner, serve: Serve, batch: list[dict[str, Any]]) -> None:
    headers = {case["id"]: bytes.fromhex(case["header_hex"]) for case in batch}
    server = serve(_disposing(headers))
    urls = [server.url(f"/{name}/{name}.bin") for name in headers]
    result = fastdl.get("--no-proxy", "--json", *urls)
    assert result.code == 0, result.err
    by_url = {line["url"]: Path(line["path"]) for line in result.json}
    for number, case in enumerate(batch):
        path = by_url[urls[number]]
        assert path.name in {name or f"{case['id']}.bin" for name in case["names"]}, case["id"]
        assert (fastdl.cwd / path).read_bytes() == content(number, 0, _SIZE), "each file under its own name"
    assert len(result.files) == len(batch)


def test_the_collection_is_whole() -> None:
    assert len(_CASES) >= 107
    assert sum(len(group) for group in _batches(_CASES)) == len(_CASES)


# --- hostile names: what matters is what the name is not --------------------------------------------------

_LONG = "x" * 400
_HOSTILE: dict[str, bytes] = {
    "absolute": b'attachment; filename="/etc/cron.d/evil"',
    "up": b'attachment; filename="../../../../evil.txt"',
    "up-encoded": b"attachment; filename*=UTF-8''..%2F..%2Fevil.txt",
    "backslashes": b'attachment; filename="..\\\\..\\\\evil.exe"',
    "drive": b'attachment; filename="C:\\\\Windows\\\\evil.exe"',
    "drive-relative": b'attachment; filename="C:evil.exe"',
    "stream": b'attachment; filename="evil.txt::$DATA"',
    "nul": b"attachment; filename*=UTF-8''evil%00.txt",
    "newline": b"attachment; filename*=UTF-8''evil%0A.txt",
    "escape": b"attachment; filename*=UTF-8''%1B%5B2Jevil.txt",
    "c1": b"attachment; filename*=UTF-8''%C2%9B31mevil.txt",
    "bidi": b"attachment; filename*=UTF-8''evil%E2%80%AEcod.exe",
    "isolates": b"attachment; filename*=UTF-8''%E2%81%A6evil%E2%81%A9.txt",
    "dot-file": b'attachment; filename=".bashrc"',
    "dots": b'attachment; filename="...evil"',
    "device": b'attachment; filename="CON"',
    "device-extension": b'attachment; filename="nul.txt"',
    "device-space": b'attachment; filename="COM1 .txt"',
    "device-superscript": b"attachment; filename*=UTF-8''COM%C2%B9.txt",
    "device-conin": b'attachment; filename="CONIN$"',
    "long": f'attachment; filename="{_LONG}.tar.gz"'.encode(),
    "long-utf8": f"attachment; filename*=UTF-8''{'%E2%82%AC' * 200}.zip".encode(),
    "long-extension": f'attachment; filename="a.{_LONG}"'.encode(),
    "surrogates": b"attachment; filename*=UTF-8''%ED%A0%80evil.txt",
    "bad-utf8": b"attachment; filename*=UTF-8''%FF%FEevil.txt",
    "spaces-only": b'attachment; filename="     "',
    "trailing": b'attachment; filename="evil.txt. . "',
    "own-partial": b'attachment; filename="x.fastdl"',
    "own-journal": b'attachment; filename="x.fastdl.journal"',
    "dash": b'attachment; filename="-rf"',
    "tilde": b'attachment; filename="~root"',
    "url": b'attachment; filename="http://example.org/evil.txt"',
}
_DEVICES = re.compile(
    r"(?:con|prn|aux|nul|conin\$|conout\$|clock\$|com[0-9\u00b9\u00b2\u00b3]|lpt[0-9\u00b9\u00b2\u00b3])\s*(?:\..*)?",
    re.I,
)
_BIDI = set("\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def _harmless(name: str) -> None:
    assert name not in ("", ".", "..") and not name.startswith(".")
    assert not any(ord(char) < 32 or 127 <= ord(char) < 160 for char in name), "control character"
    assert not set(name) & _BIDI, "bidi character"
    assert not set(name) & {"/", "\\"}, "path"
    assert not _DEVICES.fullmatch(name), "device"
    assert len(f"{name}.fastdl.journal".encode()) <= 255


def test_hostile_names(fastdl: Runner, serve: Serve) -> None:
    server = serve(_disposing(_HOSTILE))
    urls = {name: server.url(f"/{name}/{name}-url.bin") for name in _HOSTILE}
    before = {path for path in fastdl.cwd.parent.rglob("*") if not path.is_relative_to(fastdl.home)}
    result = fastdl.get("--no-proxy", "--json", "--auto-rename", "-j", "1", *urls.values())
    assert result.code == 0, result.err
    after = {path for path in fastdl.cwd.parent.rglob("*") if not path.is_relative_to(fastdl.home)}
    new = after - before
    assert len(new) == len(_HOSTILE) and all(path.parent == fastdl.cwd for path in new)
    by_url = {line["url"]: Path(line["path"]) for line in result.json}
    for number, (name, url) in enumerate(urls.items()):
        _harmless(by_url[url].name)
        assert (fastdl.cwd / by_url[url]).read_bytes() == content(number, 0, _SIZE), name
    assert by_url[urls["long"]].name.endswith(".tar.gz") or by_url[urls["long"]].name.endswith(".gz")
    assert by_url[urls["long-utf8"]].name.endswith(".zip")


def test_the_same_name_at_the_same_time(fastdl: Runner, serve: Serve) -> None:
    """Three files of one command that get one name from their servers: --auto-rename gives each its own."""
    headers = dict.fromkeys(("a", "b", "c"), b'attachment; filename="same.bin"')
    server = serve(_disposing(headers))
    result = fastdl.get("--no-proxy", "--json", "--auto-rename", *(server.url(f"/{name}/{name}") for name in headers))
    assert result.code == 0, result.err
    assert len(result.files) == 3
    assert {(fastdl.cwd / name).read_bytes() for name in result.files} == {content(n, 0, _SIZE) for n in range(3)}


def test_the_name_on_the_screen_is_clean(fastdl: Runner, serve: Serve) -> None:
    """Progress and messages hold no control character either (Runner checks stderr; stdout here)."""
    server = serve(_disposing({"escape": _HOSTILE["escape"]}))
    result = fastdl.get("--no-proxy", "-v", "--progress", "plain", server.url("/escape/x.bin"))
    assert result.code == 0
    assert "\x1b" not in result.out + result.err


# --- names from URLs --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/a/b/file.tar.gz", "file.tar.gz"),
        ("/a/file.bin?x=../../evil&y=/z", "file.bin"),
        ("/a/two%20words.txt", "two words.txt"),
        ("/a/%E2%82%AC.txt", "\u20ac.txt"),
        ("/", "download"),
        ("/a/", "download"),
        ("/noextension", "noextension"),
        ("/a/file.bin#part", "file.bin"),
    ],
)
def test_url_names(fastdl: Runner, serve: Serve, path: str, name: str) -> None:
    app = FileApp(size=_SIZE)
    server = serve(app)
    result = fastdl.get("--no-proxy", server.url(path), expected=[name])
    assert result.code == 0, result.err
    assert result.files == {name}


@pytest.mark.parametrize(
    "path", ["/a/..%2F..%2Fevil.txt", "/a/..%5C..%5Cevil.txt", "/a/%2e%2e", "/CON", "/a/.profile", "/x%1B%5B2J.txt"]
)
def test_hostile_urls(fastdl: Runner, serve: Serve, path: str) -> None:
    server = serve(FileApp(size=_SIZE))
    result = fastdl.get("--no-proxy", server.url(path))
    assert result.code in (0, 2), result.err
    if result.code == 0:
        (name,) = result.files
        _harmless(name)


def _moved(location: str) -> Any:
    app = FileApp(size=_SIZE)

    def answer(connection: Connection, request: Request) -> None:
        if request.target.startswith("/final"):
            return app.send(connection, app.reply(request))
        app.send(connection, app.short(302, b"", ("Location", location)))

    return site({"/": answer})


@pytest.mark.parametrize(
    ("given", "location", "name"),
    [
        ("/latest.zip", "/final/v1.2.zip", "latest.zip"),
        ("/latest", "/final/v1.2.zip", "v1.2.zip"),
        ("/get?id=5", "/final/v1.2.zip?sig=abc", "v1.2.zip"),
        ("/", "/final/v1.2.zip", "v1.2.zip"),
    ],
)
def test_names_after_redirects(fastdl: Runner, serve: Serve, given: str, location: str, name: str) -> None:
    """The URL as given wins where it has an extension, else the final one."""
    server = serve(_moved(location))
    result = fastdl.get("--no-proxy", server.url(given), expected=[name])
    assert result.code == 0, result.err
    assert result.files == {name}
