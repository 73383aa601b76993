"""What is remembered between runs: never worth a failed download."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from fastdl.io.store import Store

KEY = "0" * 64


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file.bin"
    path.write_bytes(b"12345")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state" / "fastdl"


def test_remembers(folder: Path, file: Path) -> None:
    Store(str(folder)).note_etag(KEY, str(file), '"v1"', 5)
    assert Store(str(folder)).etag(KEY, str(file)) == '"v1"'
    Store(str(folder)).note_etag(KEY, str(file), '"v2"', 5)
    assert Store(str(folder)).etag(KEY, str(file)) == '"v2"'
    assert Store(str(folder)).etag("1" * 64, str(file)) is None
    assert Store(str(folder)).etag(KEY, str(file) + "x") is None


def test_a_relative_path_is_the_same_file(folder: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(file.parent)
    Store(str(folder)).note_etag(KEY, "file.bin", '"v1"', 5)
    assert Store(str(folder)).etag(KEY, str(file)) == '"v1"'


def test_a_file_that_was_changed_or_is_gone_is_not_that_one(folder: Path, file: Path) -> None:
    store = Store(str(folder))
    store.note_etag(KEY, str(file), '"v1"', 5)
    file.write_bytes(b"123456")
    assert store.etag(KEY, str(file)) is None
    file.unlink()
    assert store.etag(KEY, str(file)) is None


def test_asking_makes_nothing(folder: Path, file: Path) -> None:
    assert Store(str(folder)).etag(KEY, str(file)) is None
    assert not folder.exists()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if "damaged" in path.name)


@pytest.mark.parametrize("damage", ["no database", "header only", "page", "middle"])
@pytest.mark.parametrize("first", ["ask", "note"])
def test_a_damaged_file_is_set_aside(folder: Path, file: Path, damage: str, first: str) -> None:
    store, path = Store(str(folder)), folder / "state.sqlite3"
    store.note_etag(KEY, str(file), '"v1"', 5)
    data = bytearray(path.read_bytes())
    if damage == "no database":
        data = bytearray(b"this is no database at all " * 400)
    elif damage == "header only":
        data = data[:60]
    elif damage == "page":
        data[100:4096] = b"\xff" * 3996
    else:
        data[4096:] = b"\xff" * (len(data) - 4096)
    path.write_bytes(data)
    if first == "ask":
        assert store.etag(KEY, str(file)) is None
    store.note_etag(KEY, str(file), '"v2"', 5)
    assert store.etag(KEY, str(file)) == '"v2"'
    assert "state.sqlite3.damaged" in names(folder)


def test_a_log_of_the_damaged_file_does_not_come_back(folder: Path, file: Path) -> None:
    """SQLite would play what stands in it into the new file."""
    folder.mkdir(parents=True)
    path = folder / "state.sqlite3"
    path.write_bytes(b"x" * 8192)
    (folder / "state.sqlite3-wal").write_bytes(b"old")
    Store(str(folder)).note_etag(KEY, str(file), '"v1"', 5)
    assert Store(str(folder)).etag(KEY, str(file)) == '"v1"'
    assert not any(item.name == "state.sqlite3-wal" and item.read_bytes() == b"old" for item in folder.iterdir())


def test_a_locked_file_stays_and_is_passed_over(folder: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(str(folder))
    store.note_etag(KEY, str(file), '"v1"', 5)
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda path, timeout: connect(path, timeout=0))
    holder = connect(folder / "state.sqlite3", isolation_level=None)
    holder.execute("begin exclusive")
    store.note_etag(KEY, str(file), '"v2"', 5)
    holder.execute("commit")
    holder.close()
    assert store.etag(KEY, str(file)) == '"v1"'
    assert names(folder) == []


def test_another_programs_table_is_passed_over(folder: Path, file: Path) -> None:
    folder.mkdir(parents=True)
    db = sqlite3.connect(folder / "state.sqlite3")
    db.execute("create table etags (a)")
    db.commit()
    db.close()
    store = Store(str(folder))
    store.note_etag(KEY, str(file), '"v1"', 5)
    assert store.etag(KEY, str(file)) is None


def test_a_folder_that_cannot_be_made(tmp_path: Path, file: Path) -> None:
    store = Store(str(file / "below"))
    store.note_etag(KEY, str(file), '"v1"', 5)
    assert store.etag(KEY, str(file)) is None
    folder = tmp_path / "state.sqlite3"
    folder.mkdir()
    store = Store(str(tmp_path))
    store.note_etag(KEY, str(file), '"v1"', 5)
    assert store.etag(KEY, str(file)) is None


def test_a_name_that_is_no_text(folder: Path, tmp_path: Path) -> None:
    """Linux knows names that are no UTF-8; Python shows them with surrogates."""
    path = os.fsdecode(os.fsencode(str(tmp_path)) + b"/caf\xe9.bin") if sys.platform == "linux" else str(tmp_path / "x")
    Path(path).write_bytes(b"12345")
    store = Store(str(folder))
    store.note_etag(KEY, path, '"v1"', 5)
    assert store.etag(KEY, path) == '"v1"'


@pytest.mark.parametrize("size", [-1, 2**63, 2**80])
def test_an_absurd_size(folder: Path, file: Path, size: int) -> None:
    store = Store(str(folder))
    store.note_etag(KEY, str(file), '"v1"', size)
    assert store.etag(KEY, str(file)) is None


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no mode bits")
def test_nobody_else_reads_it(folder: Path, file: Path) -> None:
    Store(str(folder)).note_etag(KEY, str(file), '"v1"', 5)
    assert folder.stat().st_mode & 0o077 == 0


def test_it_does_not_grow_for_ever(folder: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from fastdl.io import store as module

    monkeypatch.setattr(module, "_MOST_ETAGS", 3)
    store = Store(str(folder))
    for number in range(6):
        store.note_etag(f"{number:064}", str(file), '"v"', 5)
    db = sqlite3.connect(folder / "state.sqlite3")
    assert db.execute("select count(*) from etags").fetchone()[0] <= 4
    db.close()


CHILD = """
import sys
from fastdl.io.store import Store
store = Store(sys.argv[1])
for number in range(25):
    store.note_etag(f"{sys.argv[2]}-{number}", sys.argv[3], '"v"', 5)
"""


def test_several_processes_at_once(folder: Path, file: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    children = [
        subprocess.Popen([sys.executable, "-c", CHILD, str(folder), str(n), str(file)], env=environment)
        for n in range(4)
    ]
    assert [child.wait(60) for child in children] == [0] * 4
    store = Store(str(folder))
    found = [store.etag(f"{n}-{number}", str(file)) for n in range(4) for number in range(25)]
    assert found == ['"v"'] * 100
    assert names(folder) == []
