"""The servers of the demo, and what the demo says and leaves behind."""

from __future__ import annotations

import hashlib
import os
import sys
import threading
import types
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from fastdl.__main__ import main
from fastdl.cli import demo
from fastdl.demo_server import BLOCK, Content, DemoServer, Pace
from fastdl.errors import ConnectionLost
from fastdl.events import Ended, Observer, Started
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
        sources = [SourceReport(url, "127.0.0.1", bytes=demo.SIZE // 4, connections=2) for url in settings.mirrors]
        sources.append(SourceReport(urls[0], "127.0.0.1", bytes=demo.SIZE // 2))
        observer(Started(0, urls[0]))
        assert settings.checksum == f"sha256:{content.sha256}"
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
    assert "50%" in lines["origin"]
    assert out.count("256.0 KiB   25%") == 2
    assert "0.5 times as long" in out
    assert f"sha256 {Content(demo.SIZE).sha256}: it matches." in out
    assert not Path(engine[0].dir).exists()


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
