"""`fastdl cache`: what it says and what it forgets."""

from __future__ import annotations

import json
import os
import sqlite3
import sys
from io import StringIO
from pathlib import Path

import pytest

from fastdl.__main__ import main
from fastdl.io import database
from fastdl.io.store import Entry, Kept, Report, Store
from states import ended


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name in list(os.environ):
        if name.startswith("FASTDL_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("FASTDL_STATE_DIR", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def store(folder: Path) -> Store:
    store = Store(str(folder))
    store.learn([Report("a.example"), Report("b.example")])
    store.note_lie("b.example", "a range differs")
    store.note([], None, Kept("key", str(folder), '"v1"', None, 5, 0))
    store.flush()
    ended(store, Entry(1_800_000_000.0, "https://example.org/"))
    return store


def test_info(store: Store, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cache", "info"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"{folder / 'state.sqlite3'}: ")
    assert lines[0].endswith(" KiB")
    assert lines[1:] == ["servers: 2", "lies: 1", "ETags: 1", "history: 1 download (stays when the cache is cleared)"]


def test_info_as_json(store: Store, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cache", "info", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told.pop("bytes") >= 4096
    assert told == {"path": str(folder / "state.sqlite3"), "servers": 2, "lies": 1, "etags": 1, "history": 1}


def test_info_of_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cache", "info"]) == 0
    assert capsys.readouterr().out.splitlines()[:2] == [f"{folder / 'state.sqlite3'}: not there yet", "servers: 0"]
    assert main(["cache", "clear"]) == 0
    assert capsys.readouterr().out == "forgot 0 servers, 0 lies and 0 ETags\n"
    assert not folder.exists()


def test_clear_lets_a_liar_be_asked_again(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cache", "clear"]) == 0
    assert capsys.readouterr().out == "forgot 2 servers, 1 lie and 1 ETag\n"
    assert store.liars() == {}
    assert store.info()[2:] == (0, 0, 0, 1)


@pytest.mark.parametrize(("args", "answer", "cleared"), [([], "y\n", True), ([], "n\n", False), (["--yes"], "", True)])
def test_it_asks_at_a_terminal(
    args: list[str], answer: str, cleared: bool, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    stdin, stderr = StringIO(answer), StringIO()
    for stream in (stdin, stderr):
        monkeypatch.setattr(stream, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", stdin)
    monkeypatch.setattr(sys, "stderr", stderr)
    assert main(["cache", "clear", *args]) == 0
    assert stderr.getvalue().startswith("" if args else "Forget 2 servers, 1 lie and 1 ETag? [y/N] ")
    assert (store.liars() == {}) == cleared


@pytest.mark.parametrize(
    ("args", "part"),
    [
        ([], "'info' or 'clear' is expected"),
        (["inf"], "did you mean info"),
        (["info", "clear"], "takes one word"),
        (["info", "--yes"], "takes no --yes"),
        (["clear", "--json"], "takes no --json"),
    ],
)
def test_usage(args: list[str], part: str, store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cache", *args]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert part in err
    assert err.count("\n") == 1
    assert store.liars()


def test_what_could_not_be_forgotten_is_told(
    store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(database, "WRITE_WAIT", 0.0)
    holder = sqlite3.connect(folder / "state.sqlite3", isolation_level=None)
    holder.execute("begin immediate")
    try:
        assert main(["cache", "clear"]) == 6
    finally:
        holder.execute("rollback")
        holder.close()
    out, err = capsys.readouterr()
    assert (out, "locked" in err) == ("", True)
    assert store.liars()
