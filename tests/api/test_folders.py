"""Relative paths are those of the call, whatever the program makes its current folder meanwhile."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import fastdl
from fastdl import aio
from servers.files import FileApp
from servers.raw import Serve

SIZE = 300_000


@pytest.fixture
def leave(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[object], None]:
    """Makes another folder the current one; to be called with anything, an event for one."""
    (tmp_path / "elsewhere").mkdir()
    return lambda _: monkeypatch.chdir(tmp_path / "elsewhere")


def one(url: str, leave: Callable[[object], None]) -> fastdl.Result:
    return fastdl.download(url, dir="in", on_event=leave)


def prepared(url: str, leave: Callable[[object], None]) -> fastdl.Result:
    with fastdl.Download(url, dir="in") as download:
        leave(None)
        return download.start().wait()


def on_asyncio(url: str, leave: Callable[[object], None]) -> fastdl.Result:
    return asyncio.run(aio.download(url, dir="in", on_event=leave))


def several(url: str, leave: Callable[[object], None]) -> fastdl.Result:
    found = fastdl.download_each([url], dir="in")
    leave(None)
    return next(found)


def of_a_job(url: str, leave: Callable[[object], None]) -> fastdl.Result:
    return fastdl.download_many([fastdl.Job(url, dir="in")], dir="not/here", on_event=leave)[0]


def below_a_whole_one(url: str, leave: Callable[[object], None]) -> fastdl.Result:
    return fastdl.download_many([fastdl.Job(url, dir="in")], dir=Path.cwd() / "not", on_event=leave)[0]


def by_an_executor(url: str, leave: Callable[[object], None]) -> fastdl.Result:
    with ThreadPoolExecutor(1) as executor:
        return fastdl.download_many([url], executor, dir="in", on_event=leave)[0]


def locked(url: str, leave: Callable[[object], None]) -> fastdl.Result:
    result = fastdl.download_many([url], dir="in", lock="set.lock", on_event=leave)[0]
    assert not os.path.exists("set.lock")
    return result


CALLS = [one, prepared, on_asyncio, several, of_a_job, below_a_whole_one, by_an_executor, locked]


@pytest.mark.parametrize("call", CALLS)
def test_the_file_is_where_it_was_asked_for(serve: Serve, leave: Callable[[object], None], call: object) -> None:
    app = FileApp(size=SIZE)
    here = Path.cwd()
    result = call(serve(app).url("/a.bin"), leave)  # type: ignore[operator]
    assert result.error is None
    assert result.path == os.path.join("in", "a.bin")  # as the program writes it
    assert (here / "in/a.bin").read_bytes() == app.bytes()
    assert os.listdir() == []  # elsewhere
    if call is locked:
        assert str(here) not in (here / "set.lock").read_text(encoding="utf-8")


@pytest.mark.parametrize("folder", [None, ".", "in", os.path.join("..", "out"), os.path.join("in", "..")])
def test_paths_are_told_as_they_were_given(serve: Serve, folder: str | None) -> None:
    server = serve(FileApp(size=SIZE))
    named: list[str] = []

    def note(event: fastdl.Event) -> None:
        if isinstance(event, fastdl.Named):
            named.append(event.path)

    expected = os.path.join("" if folder in (None, ".") else str(folder), "a.bin")
    assert fastdl.download(server.url("/a.bin"), dir=folder, on_event=note).path == expected
    assert named == [expected]
    plan = fastdl.download(server.url("/a.bin"), dir=folder, dry_run=True).plan
    assert plan is not None
    assert plan["plan"]["path"] == expected


def test_a_whole_path_stays_whole(serve: Serve) -> None:
    server = serve(FileApp(size=SIZE))
    folder = str(Path.cwd() / "in")
    results = fastdl.download_many([server.url("/a.bin"), fastdl.Job(server.url("/b.bin"), dir="own")], dir=folder)
    assert [result.path for result in results] == [os.path.join(folder, "a.bin"), os.path.join("own", "b.bin")]
