"""`fastdl history`: what it lists, what it removes, when it asks."""

from __future__ import annotations

import io
import json
import os
import sqlite3
import sys
from pathlib import Path

import pytest

from fastdl.__main__ import main
from fastdl.cli import state
from fastdl.io import database
from fastdl.io.store import Entry, Store
from states import ended

NOW = 1_800_000_000.0  # 2027-01-15T08:00:00Z
SHA = "ab" * 32


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A state folder of its own, and UTC."""
    for name in list(os.environ):
        if name.startswith("FASTDL_"):
            monkeypatch.delenv(name)
    monkeypatch.setattr(state.time, "localtime", state.time.gmtime)
    monkeypatch.setenv("FASTDL_STATE_DIR", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def store(folder: Path) -> Store:
    store = Store(str(folder))
    ended(
        store,
        Entry(NOW, "https://example.org/f", "/here/f", 3 << 20, 1.5, 2 << 20, 0, None, SHA, "origin",
              (("example.org", "origin", 2 << 20), ("m.example", "official", 1 << 20)))
    )  # fmt: skip
    ended(store, Entry(NOW + 60, "https://example.org/g", None, exit_code=4, error="refused (404). Look."))
    ended(store, Entry(NOW + 120, "https://example.org/h", "-", 10, 0.1, 100.0))
    return store


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def typed(monkeypatch: pytest.MonkeyPatch, answer: str) -> Terminal:
    """A terminal on which this is typed; what is written to it."""
    screen = Terminal()
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    monkeypatch.setattr(sys, "stderr", screen)
    return screen


def test_nothing_was_downloaded_yet(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["history"]) == 0
    assert capsys.readouterr() == ("", "fastdl: the history is empty\n")
    assert main(["history", "--json"]) == 0
    assert capsys.readouterr() == ("", "")
    assert main(["history", "clear"]) == 0
    assert capsys.readouterr() == ("the history is empty\n", "")
    assert not folder.exists()


def test_newest_first(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["history"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        "2027-01-15 08:02  ok         10 B    100 B/s  https://example.org/h -> stdout",
        "2027-01-15 08:01  exit 4        -          -  https://example.org/g",
        "                  refused (404). Look.",
        "2027-01-15 08:00  ok      3.0 MiB  2.0 MiB/s  https://example.org/f -> " + store.history(None)[2].path,  # type: ignore[operator]
    ]
    assert err == ""


def test_json(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["history", "--json"]) == 0
    objects = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [each["url"][-1] for each in objects] == ["h", "g", "f"]
    assert objects[2] == {
        "when": "2027-01-15T08:00:00Z",
        "url": "https://example.org/f",
        "path": store.history(None)[2].path,
        "size": 3 << 20,
        "seconds": 1.5,
        "bytes_per_second": 2 << 20,
        "exit_code": 0,
        "error": None,
        "sha256": SHA,
        "digest_source": "origin",
        "sources": [
            {"host": "example.org", "trust": "origin", "bytes": 2 << 20},
            {"host": "m.example", "trust": "official", "bytes": 1 << 20},
        ],
    }
    assert objects[1]["error"] == "refused (404). Look."


@pytest.mark.parametrize(("args", "count", "more"), [
    (["-n", "1"], 1, True), (["-n2"], 2, True), (["--limit=3"], 3, False), (["-n", "0"], 3, False), ([], 3, False),
])  # fmt: skip
def test_so_many_at_most(
    args: list[str], count: int, more: bool, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["history", *args]) == 0
    out, err = capsys.readouterr()
    assert sum(line.startswith("2027") for line in out.splitlines()) == count
    assert err == (f"fastdl: {count} of 3 downloads; -n 0 shows all\n" if more else "")


def test_twenty_unless_told_otherwise(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(30):
        ended(store, Entry(NOW, f"https://example.org/{number}"))
    assert main(["history", "--json"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 20


def test_clear_removes_without_a_question_where_nobody_can_be_asked(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("n\n"))
    assert main(["history", "clear"]) == 0
    assert capsys.readouterr().out == "removed 3 downloads from the history\n"
    assert store.history(None) == []


@pytest.mark.parametrize(("answer", "left"), [("y\n", 0), ("YES\n", 0), ("n\n", 3), ("\n", 3), ("", 3), ("yep\n", 3)])
def test_clear_asks_at_a_terminal(
    answer: str, left: int, store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    screen = typed(monkeypatch, answer)
    assert main(["history", "clear"]) == 0
    assert screen.getvalue().startswith("Remove 3 downloads from the history? [y/N] ")
    assert ("nothing was removed" in screen.getvalue()) == bool(left)
    assert len(store.history(None)) == left


def test_yes_asks_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = typed(monkeypatch, "n\n")
    assert main(["history", "clear", "--yes"]) == 0
    assert screen.getvalue() == ""
    assert store.history(None) == []


@pytest.mark.parametrize(
    ("args", "part"),
    [
        (["clea"], "did you mean clear"),
        (["x"], "no such command 'x'"),
        (["clear", "now"], "takes one word"),
        (["-n", "x"], "a whole number"),
        (["-n", "-1"], "a whole number"),
        (["--yes"], "takes no --yes"),
        (["clear", "-n", "3"], "takes no --limit"),
        (["clear", "--json"], "takes no --json"),
        (["--jsn"], "did you mean --json"),
    ],
)
def test_usage(args: list[str], part: str, store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["history", *args]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert part in err
    assert err.startswith("fastdl: error: ")
    assert err.count("\n") == 1
    assert len(store.history(None)) == 3


def test_what_came_from_elsewhere_is_shown_safely(
    store: Store, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with sqlite3.connect(folder / "state.sqlite3") as db:
        db.execute("update history set url = 'https://example.org/\x1b[2J?token=hunter2', error = 'a\x07\nb'")
    db.close()
    assert main(["history"]) == 0
    out = capsys.readouterr().out
    assert len(out.splitlines()) == 6
    assert not any(bad in out for bad in ("\x1b", "\x07", "hunter2"))


def test_a_clock_that_was_set_absurdly(store: Store, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with sqlite3.connect(folder / "state.sqlite3") as db:
        db.execute("update history set ended = 1e18")
    db.close()
    assert main(["history"]) == 0
    assert main(["history", "--json"]) == 0
    assert "unknown" in capsys.readouterr().out


def test_a_file_that_is_locked_is_told(
    store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A download passes over it; whoever wants the history gone must know that it is not."""
    monkeypatch.setattr(database, "WRITE_WAIT", 0.0)
    holder = sqlite3.connect(folder / "state.sqlite3", isolation_level=None)
    holder.execute("begin immediate")
    try:
        assert main(["history", "clear"]) == 6
    finally:
        holder.execute("rollback")
        holder.close()
    out, err = capsys.readouterr()
    assert out == ""
    assert "locked" in err
    assert len(store.history(None)) == 3


def test_a_damaged_file_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder.mkdir()
    (folder / "state.sqlite3").write_bytes(b"no database" * 1000)
    assert main(["history"]) == 0
    err = capsys.readouterr().err
    assert "fastdl: warning: the state file" in err
    assert "state.sqlite3.damaged" in err
    assert err.endswith("fastdl: the history is empty\n")


class Full(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")


def test_a_stdout_that_takes_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdout", Full())
    assert main(["history"]) == 6
    assert "cannot write to stdout (No space left on device)" in capsys.readouterr().err
