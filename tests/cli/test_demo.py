"""The servers of the demo, and what the demo says and leaves behind."""

from __future__ import annotations

import hashlib
import os
import sys
import threading
import types
from collections.abc import Iterator
from dataclasses import replace
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from fastdl.__main__ import main
from fastdl.cli import demo
from fastdl.demo_server import BLOCK, LIE, Content, DemoServer, Pace, altering, honest, sparse
from fastdl.errors import ConnectionLost
from fastdl.events import Ended, Note, Observer, Started
from fastdl.result import Result, SourceReport
from fastdl.settings import Settings

SIZE = 3 * BLOCK + 5


@pytest.fixture
def server() -> Iterator[DemoServer]:
    one = DemoServer(Content(SIZE), None)
    yield one
    one.close()


def whole(content: Content) -> bytes:
    return b"".join(content.pieces(0, content.size))


def test_the_content_is_the_same_everywhere_and_differs_in_every_block() -> None:
    content = Content(SIZE)
    data = whole(content)
    assert len(data) == SIZE
    assert data == whole(Content(SIZE))
    assert content.sha256 == hashlib.sha256(data).hexdigest()
    assert len({data[at : at + 1000] for at in range(0, SIZE - 1000, BLOCK)}) == 3
    for start, end in ((0, 1), (BLOCK - 3, BLOCK + 3), (SIZE - 1, SIZE), (7, SIZE - 7), (9, 9)):
        assert b"".join(content.pieces(start, end)) == data[start:end]


def test_ranges_on_one_connection(server: DemoServer) -> None:
    data = whole(server.content)
    parts = urlsplit(server.url)
    connection = HTTPConnection(parts.hostname or "", parts.port or 0, timeout=10)
    asked = [
        ("bytes=0-", 206, 0, SIZE),
        ("bytes=5-9", 206, 5, 10),
        (f"bytes={SIZE - 2}-{SIZE + 99}", 206, SIZE - 2, SIZE),
        ("", 200, 0, SIZE),
    ]
    for header, status, start, end in asked:
        connection.request("GET", parts.path, headers={"Range": header} if header else {})
        response = connection.getresponse()
        assert response.status == status
        assert response.read() == data[start:end]
        if status == 206:
            assert response.headers["Content-Range"] == f"bytes {start}-{end - 1}/{SIZE}"
    connection.request("GET", parts.path, headers={"Range": f"bytes={SIZE}-"})
    response = connection.getresponse()
    assert (response.status, response.read()) == (416, b"")
    connection.close()


def test_a_liar_alters_its_places_however_the_pieces_fall() -> None:
    size = 4 * LIE + 7
    content = Content(size)
    data = whole(content)
    for start, end in ((0, size), (5, size), (LIE - 1, 3 * LIE), (LIE, LIE + 7), (size - 2, size)):
        told = b"".join(altering(content.pieces(start, end), start, end))
        wrong = [start + at for at, byte in enumerate(told) if byte != data[start + at]]
        assert wrong == [at for at in range(start, end) if at % LIE == LIE - 1]
        told = b"".join(sparse(content.pieces(start, end), start, end))
        assert sum(one != other for one, other in zip(told, data[start:end], strict=True)) == 1
        assert b"".join(honest(content.pieces(start, end), start, end)) == data[start:end]
    assert whole(content) == data


def test_the_pace_adds_up_for_all_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    class Stop(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            waits.append(timeout or 0)
            return False

    now = [100.0]
    monkeypatch.setattr("fastdl.demo_server.time.monotonic", lambda: now[0])
    pace = Pace(1000.0)
    for _ in range(3):
        pace.wait(500, Stop())
    now[0] = 200.0
    pace.wait(500, Stop())
    Pace(None).wait(10**9, Stop())
    assert waits == [0.5, 1.0]


WARNING = "127.0.0.1 sent altered bytes\x1b[31m"


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """A stand-in for the engine that writes the file at once; what it was asked to do."""
    seen: list[Settings] = []
    monkeypatch.setenv("FASTDL_STATE_DIR", "untouched")

    def run(settings: Settings, urls: list[str], observer: Observer) -> list[Result]:
        seen.append(settings)
        path = os.path.join(settings.dir, "demo.bin")
        content = Content(demo.SIZE)
        with open(path, "wb") as file:
            file.truncate(demo.SIZE)
        mirror, liar = settings.mirrors
        sources = [
            SourceReport(mirror, "127.0.0.1", bytes=demo.SIZE // 4, connections=2),
            SourceReport(urls[0], "127.0.0.1", bytes=demo.SIZE // 2),
            SourceReport(liar, "127.0.0.1", bytes=demo.SIZE // 4, errors=1),
        ]
        observer(Started(0, urls[0]))
        assert settings.checksum == f"sha256:{content.sha256}"
        observer(Note(0, "info", "nothing to see"))
        observer(Note(0, "warning", WARNING))
        result = Result(url=urls[0], path=path, size=demo.SIZE, seconds=2.0, sources=sources)
        observer(Ended(0, result))
        return [result]

    module = types.ModuleType("fastdl.batch")
    module.run = run  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "fastdl.batch", module)
    monkeypatch.setattr("fastdl.batch", module, raising=False)
    monkeypatch.setattr(demo, "SIZE", 1024 * 1024)
    return seen


def test_what_the_demo_says(engine: list[Settings], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo"]) == 0
    out = capsys.readouterr().out
    lines = {line.split()[0]: line for line in out.splitlines()[5:]}
    assert "512.0 KiB" in lines["origin"]
    assert lines["mirror"].endswith("256.0 KiB")
    assert "256.0 KiB  found out" in lines["liar"]
    assert out.count("found out") == 1
    assert "fastdl says: 127.0.0.1 sent altered bytes" in out
    assert "\x1b" not in out
    assert "nothing to see" not in out
    assert "0.3 times as long" in out
    assert f"sha256 {Content(demo.SIZE).sha256} matches\n" in out
    assert not Path(engine[0].dir).exists()


def test_what_is_learned_of_its_servers_is_kept_nowhere(
    engine: list[Settings], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    states: list[str] = []
    stand_in = sys.modules["fastdl.batch"].run

    def run(settings: Settings, urls: list[str], observer: Observer) -> list[Result]:
        states.append(os.environ["FASTDL_STATE_DIR"])
        return stand_in(settings, urls, observer)  # type: ignore[no-any-return]

    monkeypatch.setattr(sys.modules["fastdl.batch"], "run", run)
    assert main(["demo"]) == 0
    assert Path(states[0]).parent == Path(engine[0].dir)


def test_three_servers_one_of_which_lies() -> None:
    assert [part.conduct for part in demo.PARTS] == [honest, honest, altering]
    origin, mirror, liar = (part.rate for part in demo.PARTS)
    assert mirror > 2 * origin
    # About ten seconds: fetch all from the three, then once more from the other two what the liar sent.
    fetched = demo.SIZE / (origin + mirror + liar)
    assert fetched + fetched * liar / (origin + mirror) < 10


@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt(), 130), (ConnectionLost("lost"), 3)])
def test_nothing_is_left_behind(
    error: BaseException, code: int, engine: list[Settings], monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    threads = threading.active_count()

    def run(settings: Settings, urls: list[str], observer: Observer) -> list[Result]:
        engine.append(settings)
        Path(settings.dir, "demo.bin.fastdl").write_bytes(b"x")
        raise error

    monkeypatch.setattr(sys.modules["fastdl.batch"], "run", run)
    assert main(["demo"]) == code
    assert not Path(engine[0].dir).exists()
    assert threading.active_count() == threads
    assert "matches" not in capsys.readouterr().out


def test_the_real_demo_catches_its_liar(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FASTDL_STATE_DIR", "untouched")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(demo, "SIZE", 16 * 1024 * 1024)
    monkeypatch.setattr(demo, "PARTS", tuple(replace(part, rate=10 * part.rate) for part in demo.PARTS))
    assert main(["demo"]) == 0
    out = capsys.readouterr().out
    assert "found out by the digest" in out
    assert "sent altered bytes" in out
    assert " matches\n" in out
    assert list(tmp_path.iterdir()) == []
