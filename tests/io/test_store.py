"""What is remembered between runs: never worth a failed download."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fastdl.engine.existing import before
from fastdl.io import database, validators
from fastdl.io import store as module
from fastdl.io.database import Database
from fastdl.io.store import Kept, Report, Store
from fastdl.io.validators import stored_path
from fastdl.settings import Settings

KEY = "0" * 64


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file.bin"
    path.write_bytes(b"12345")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state" / "fastdl"


def note_etag(store: Store, key: str, path: str, etag: str, size: int) -> None:
    """As a download does that has fetched the file."""
    there = os.stat(path).st_mtime_ns if os.path.exists(path) else 0
    store.note([], None, Kept(key, stored_path(path), etag, None, size, there))
    store.flush()


def etag(store: Store, key: str, path: str) -> str | None:
    """What the next download of the same may ask with."""
    return before(Settings(), path, store.noted(key)).etag if os.path.exists(path) else None


def test_remembers(folder: Path, file: Path) -> None:
    note_etag(Store(str(folder)), KEY, str(file), '"v1"', 5)
    assert etag(Store(str(folder)), KEY, str(file)) == '"v1"'
    note_etag(Store(str(folder)), KEY, str(file), '"v2"', 5)
    assert etag(Store(str(folder)), KEY, str(file)) == '"v2"'
    assert etag(Store(str(folder)), "1" * 64, str(file)) is None
    assert etag(Store(str(folder)), KEY, str(file) + "x") is None


def test_a_relative_path_is_the_same_file(folder: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(file.parent)
    note_etag(Store(str(folder)), KEY, "file.bin", '"v1"', 5)
    assert etag(Store(str(folder)), KEY, str(file)) == '"v1"'


def test_a_file_that_was_changed_or_is_gone_is_not_that_one(folder: Path, file: Path) -> None:
    store = Store(str(folder))
    note_etag(store, KEY, str(file), '"v1"', 5)
    file.write_bytes(b"123456")
    assert etag(store, KEY, str(file)) is None
    file.unlink()
    assert etag(store, KEY, str(file)) is None


def test_one_url_in_a_new_folder_each_day(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    days = iter(range(1, 1000))
    monkeypatch.setattr(time, "time", lambda: float(next(days)))
    store = Store(str(folder))
    for day in range(100):
        file = tmp_path / f"{day:03}" / "file.bin"
        file.parent.mkdir()
        file.write_bytes(b"12345")
        note_etag(store, KEY, str(file), '"v1"', 5)
    assert etag(store, KEY, str(file)) == '"v1"'


@pytest.mark.parametrize("asked", [True, False])
def test_names_that_a_server_chose_are_known_of(folder: Path, file: Path, asked: bool) -> None:
    """Asked before as well: what is noted later counts all the same."""
    store = Store(str(folder))
    note_etag(store, "plain", str(file), '"v1"', 5)
    assert not (asked and store.names_chosen())
    store.note([], None, Kept("other", stored_path(str(file)), '"v1"', None, 5, None, chosen=1))
    assert store.names_chosen()
    store.close()
    store = Store(str(folder))
    assert store.names_chosen()
    store.close()


def test_asking_makes_nothing(folder: Path, file: Path) -> None:
    assert etag(Store(str(folder)), KEY, str(file)) is None
    assert not folder.exists()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if "damaged" in path.name or "newer" in path.name)


@pytest.mark.parametrize("damage", ["no database", "header only", "page", "middle"])
@pytest.mark.parametrize("first", ["ask", "note"])
def test_a_damaged_file_is_set_aside(folder: Path, file: Path, damage: str, first: str) -> None:
    filled = Store(str(folder))
    note_etag(filled, KEY, str(file), '"v1"', 5)
    filled.close()
    path = folder / "state.sqlite3"
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
    warnings: list[str] = []
    store = Store(str(folder), warnings.append)
    if first == "ask":
        assert etag(store, KEY, str(file)) is None
    note_etag(store, KEY, str(file), '"v2"', 5)
    assert etag(store, KEY, str(file)) == '"v2"'
    assert etag(Store(str(folder), warnings.append), KEY, str(file)) == '"v2"'
    assert names(folder) == ["state.sqlite3.damaged"]
    assert (folder / "state.sqlite3.damaged").read_bytes() == data
    assert warnings == [f"the state file {path} is damaged; it is set aside as state.sqlite3.damaged"]


def test_a_file_that_is_damaged_while_it_is_open(folder: Path, file: Path) -> None:
    """No better than to forget: the next one to open it sets it aside."""
    store = Store(str(folder))
    note_etag(store, KEY, str(file), '"v1"', 5)
    (folder / "state.sqlite3").write_bytes(b"x" * 8192)
    note_etag(store, KEY, str(file), '"v2"', 5)
    store.close()
    again = Store(str(folder))
    note_etag(again, KEY, str(file), '"v3"', 5)
    assert etag(again, KEY, str(file)) == '"v3"'


def test_a_newer_file_is_set_aside_whole(folder: Path, file: Path) -> None:
    """With its log, so that the newer fastdl finds all of it."""
    folder.mkdir(parents=True)
    newer = sqlite3.connect(folder / "state.sqlite3")
    newer.execute("pragma journal_mode = wal")
    newer.execute("create table future (a)")
    newer.execute("insert into future values (7)")
    newer.execute("pragma user_version = 99")
    newer.commit()
    warnings: list[str] = []
    store = Store(str(folder), warnings.append)
    if sys.platform == "win32":
        newer.close()  # no other name for a file that is open there
    assert store.servers(["a.example"]) == {}
    note_etag(store, KEY, str(file), '"v1"', 5)
    assert etag(store, KEY, str(file)) == '"v1"'
    newer.close()
    assert len(warnings) == 1
    assert "is of a newer fastdl; it is set aside as state.sqlite3.newer" in warnings[0]
    aside = sqlite3.connect(folder / "state.sqlite3.newer")
    assert aside.execute("select a from future").fetchall() == [(7,)]
    aside.close()


def test_what_was_set_aside_before_stays(folder: Path, file: Path) -> None:
    for number in range(3):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "state.sqlite3").write_bytes(b"%d" % number * 5000)
        note_etag(Store(str(folder)), KEY, str(file), '"v1"', 5)
    assert names(folder) == ["state.sqlite3.damaged", "state.sqlite3.damaged.2", "state.sqlite3.damaged.3"]


def test_a_damaged_file_that_cannot_be_renamed(folder: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*names: str) -> None:
        raise PermissionError(13, "in use")

    folder.mkdir(parents=True)
    (folder / "state.sqlite3").write_bytes(b"x" * 5000)
    monkeypatch.setattr(os, "replace", refuse)
    warnings: list[str] = []
    store = Store(str(folder), warnings.append)
    for _ in range(3):
        note_etag(store, KEY, str(file), '"v1"', 5)
        assert etag(store, KEY, str(file)) is None
    assert len(warnings) == 1
    assert "cannot be set aside" in warnings[0]
    assert store.trouble
    assert (folder / "state.sqlite3").read_bytes() == b"x" * 5000


def test_another_process_was_quicker(folder: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the fault and the renaming it has put a new file there, which must not be set aside too."""
    folder.mkdir(parents=True)
    path = folder / "state.sqlite3"
    path.write_bytes(b"x" * 5000)
    original = Database._failed

    def meanwhile(self: Database, error: Exception) -> None:
        original(self, error)
        monkeypatch.setattr(Database, "_failed", original)
        path.rename(folder / "state.sqlite3.damaged")
        note_etag(Store(str(folder)), KEY, str(file), '"theirs"', 5)

    monkeypatch.setattr(Database, "_failed", meanwhile)
    warnings: list[str] = []
    assert etag(Store(str(folder), warnings.append), KEY, str(file)) == '"theirs"'
    assert names(folder) == ["state.sqlite3.damaged"]
    assert warnings == []


def test_a_log_of_the_damaged_file_does_not_come_back(folder: Path, file: Path) -> None:
    """SQLite would play what stands in it into the new file."""
    folder.mkdir(parents=True)
    path = folder / "state.sqlite3"
    path.write_bytes(b"x" * 8192)
    (folder / "state.sqlite3-wal").write_bytes(b"old")
    note_etag(Store(str(folder)), KEY, str(file), '"v1"', 5)
    assert etag(Store(str(folder)), KEY, str(file)) == '"v1"'
    assert not any(item.name == "state.sqlite3-wal" and item.read_bytes() == b"old" for item in folder.iterdir())


def test_a_locked_file_stays_and_is_passed_over(folder: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(str(folder))
    note_etag(store, KEY, str(file), '"v1"', 5)
    monkeypatch.setattr(database, "WRITE_WAIT", 0.0)
    holder = sqlite3.connect(folder / "state.sqlite3", isolation_level=None)
    holder.execute("begin immediate")
    note_etag(store, KEY, str(file), '"v2"', 5)
    assert "locked" in store.trouble
    assert etag(store, KEY, str(file)) == '"v1"', "reading goes on beside a writer"
    holder.execute("commit")
    holder.close()
    note_etag(store, KEY, str(file), '"v3"', 5)
    assert etag(store, KEY, str(file)) == '"v3"'
    assert store.trouble == ""
    assert names(folder) == []


def test_a_folder_in_which_nothing_may_be_written(folder: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled = Store(str(folder))
    note_etag(filled, KEY, str(file), '"v1"', 5)
    filled.close()

    def refuse(path: str, flags: int, mode: int = 0o777) -> int:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refuse)
        store = Store(str(folder))
        note_etag(store, KEY, str(file), '"v2"', 5)
        assert "Permission denied" in store.trouble
        assert etag(store, KEY, str(file)) is None
    assert etag(store, KEY, str(file)) == '"v1"'
    assert store.trouble == ""
    assert names(folder) == []


def test_a_full_disk(folder: Path, file: Path) -> None:
    store = Store(str(folder))
    note_etag(store, KEY, str(file), '"v1"', 5)
    full(store)
    troubles = set()
    for number in range(1, 200):
        note_etag(store, f"{number:064}", str(file), '"v"' * 100, 5)
        troubles.add(store.trouble)
        full(store)
    assert any("full" in trouble for trouble in troubles)
    assert etag(store, KEY, str(file)) == '"v1"'
    assert names(folder) == []


def full(store: Store) -> None:
    """No page more than there are."""
    store._db.read(lambda db: db.execute("pragma max_page_count = 1").fetchall(), [])


def test_a_python_without_sqlite(folder: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sqlite3", None)
    store = Store(str(folder))
    note_etag(store, KEY, str(file), '"v1"', 5)
    assert "sqlite3" in store.trouble


def test_a_file_of_the_first_version_is_taken_over(folder: Path, file: Path) -> None:
    """It knew ETags alone and carried no number."""
    folder.mkdir(parents=True)
    db = sqlite3.connect(folder / "state.sqlite3")
    db.execute(
        "create table etags (url_key text, path text, etag text not null, size integer, seen real,"
        " primary key (url_key, path)) without rowid"
    )
    db.execute("insert into etags values (?, ?, ?, 5, 0)", (KEY, str(file), '"v0"'))
    db.commit()
    db.close()
    store = Store(str(folder))
    assert etag(store, KEY, str(file)) == '"v0"'
    store.learn([Report("a.example", 1)])
    assert list(store.servers(["a.example"])) == ["a.example"]


def test_another_programs_table_is_passed_over(folder: Path, file: Path) -> None:
    folder.mkdir(parents=True)
    db = sqlite3.connect(folder / "state.sqlite3")
    db.execute("create table etags (a)")
    db.commit()
    db.close()
    store = Store(str(folder))
    note_etag(store, KEY, str(file), '"v1"', 5)
    assert etag(store, KEY, str(file)) is None


def test_a_folder_that_cannot_be_made(tmp_path: Path, file: Path) -> None:
    store = Store(str(file / "below"))
    note_etag(store, KEY, str(file), '"v1"', 5)
    assert etag(store, KEY, str(file)) is None
    folder = tmp_path / "state.sqlite3"
    folder.mkdir()
    store = Store(str(tmp_path))
    note_etag(store, KEY, str(file), '"v1"', 5)
    assert etag(store, KEY, str(file)) is None


def test_a_name_that_is_no_text(folder: Path, tmp_path: Path) -> None:
    """Linux knows names that are no UTF-8; Python shows them with surrogates."""
    path = os.fsdecode(os.fsencode(str(tmp_path)) + b"/caf\xe9.bin") if sys.platform == "linux" else str(tmp_path / "x")
    Path(path).write_bytes(b"12345")
    store = Store(str(folder))
    note_etag(store, KEY, path, '"v1"', 5)
    assert etag(store, KEY, path) == '"v1"'


@pytest.mark.parametrize("size", [-1, 2**63, 2**80])
def test_an_absurd_size(folder: Path, file: Path, size: int) -> None:
    store = Store(str(folder))
    note_etag(store, KEY, str(file), '"v1"', size)
    assert etag(store, KEY, str(file)) is None


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no mode bits")
def test_nobody_else_reads_it(folder: Path, file: Path) -> None:
    note_etag(Store(str(folder)), KEY, str(file), '"v1"', 5)
    assert folder.stat().st_mode & 0o077 == 0
    store = Store(str(folder))
    note_etag(store, KEY, str(file), '"v2"', 5)
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}, "the log as well"


def test_it_does_not_grow_for_ever(folder: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validators, "MOST_ETAGS", 3)
    monkeypatch.setattr(module, "LOOKED_AFTER", 0)
    store = Store(str(folder))
    for number in range(6):
        note_etag(store, f"{number:064}", str(file), '"v"', 5)
    db = sqlite3.connect(folder / "state.sqlite3")
    assert db.execute("select count(*) from validators").fetchone()[0] <= 4
    db.close()


CHILD = """
import sys
import os
from fastdl.io.store import Kept, Store
store = Store(sys.argv[1])
for number in range(25):
    mtime = os.stat(sys.argv[3]).st_mtime_ns
    store.note([], None, Kept(f"{sys.argv[2]}-{number}", sys.argv[3], '"v"', None, 5, mtime))
    store.flush()
"""


def test_several_processes_at_once(folder: Path, file: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    children = [
        subprocess.Popen([sys.executable, "-c", CHILD, str(folder), str(n), str(file)], env=environment)
        for n in range(4)
    ]
    assert [child.wait(60) for child in children] == [0] * 4
    store = Store(str(folder))
    found = [etag(store, f"{n}-{number}", str(file)) for n in range(4) for number in range(25)]
    assert found == ['"v"'] * 100
    assert names(folder) == []
