"""Servers, lies, history and counters: what goes in comes out, fades, is bounded, can be removed, holds no secret."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from fastdl.core.history import history_url
from fastdl.core.servers import DAY, FORGOTTEN, HALF_LIFE, LIE_LASTS
from fastdl.io import caches, history, servers
from fastdl.io import store as module
from fastdl.io.database import Database
from fastdl.io.settling import LOT
from fastdl.io.store import MOST_NOTED, Entry, Info, Kept, Report, Store, Totals
from fastdl.io.validators import stored_path
from states import ended

NOW = 1_800_000_000.0
SHA = "ab" * 32


class Clock:
    """Stands for the module `time`."""

    def __init__(self) -> None:
        self.now = NOW

    def time(self) -> float:
        return self.now

    monotonic = time


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def store(folder: Path, clock: Clock) -> Store:
    return Store(str(folder))


def entry(number: int = 0, **more: Any) -> Entry:
    return Entry(NOW + number, f"https://example.org/{number}", os.path.abspath(f"{number}"), **more)


def database(folder: Path) -> sqlite3.Connection:
    return sqlite3.connect(folder / "state.sqlite3")


def test_nothing_is_known_and_nothing_is_made(store: Store, folder: Path) -> None:
    assert store.servers(["a.example"]) == {}
    assert (store.all_servers(), store.liars(), store.history(None), caches.uses(store)) == ([], {}, [], {})
    assert store.info() == Info(str(folder / "state.sqlite3"))
    assert store.totals() == Totals()
    store.clear()
    store.learn([])
    caches.note_use(store, "routes", 0, 0)
    assert not folder.exists()


# --- servers ---------------------------------------------------------------------------------------------


def test_what_was_learned_is_known(store: Store, folder: Path) -> None:
    store.learn(
        [Report("a.example", 1 << 20, 2e6, 0.05, 4, 0, True, 1), Report("b.example:8080", busy=2, ranges=False)]
    )
    found = Store(str(folder)).servers(["a.example", "b.example:8080", "c.example"])
    assert list(found) == ["a.example", "b.example:8080"]
    first = found["a.example"]
    assert (first.rate, first.latency, first.connections, first.ranges) == (2e6, 0.05, 4, True)
    assert (first.errors, first.downloads, first.bytes, first.seen) == (1, 1, 1 << 20, NOW)
    second = found["b.example:8080"]
    assert (second.rate, second.busy, second.ranges, second.connections) == (None, 2, False, 1)


def test_it_fades_with_the_clock(store: Store, clock: Clock) -> None:
    store.learn([Report("a.example", 1 << 20, 1e6, busy=4, connections=9)])
    clock.now += HALF_LIFE
    store.learn([Report("a.example", 1 << 20, 4e6)])
    assert store.servers(["a.example"])["a.example"].rate == pytest.approx(3e6)
    clock.now += 100 * DAY
    server = store.servers(["a.example"])["a.example"]
    assert (server.rate, server.busy, server.connections, server.downloads) == (None, 0, 1, 2)


def test_two_reports_of_one_host_in_one_run(store: Store) -> None:
    store.learn([Report("a.example", 1 << 20, 1e6), Report("A.EXAMPLE", 1 << 20, 3e6)])
    assert store.servers(["A.example"])["A.example"].rate == pytest.approx(2e6)
    assert [server.host for server in store.all_servers()] == ["a.example"]


def test_the_last_met_comes_first(store: Store, clock: Clock) -> None:
    for host in ("a", "b", "c"):
        store.learn([Report(host)])
        clock.now += 1
    store.learn([Report("a")])
    assert [server.host for server in store.all_servers()] == ["a", "c", "b"]


def test_old_and_surplus_servers_go(store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "MOST_SERVERS", 3)
    for number in range(6):
        store.learn([Report(f"{number}.example")])
        clock.now += 1
    assert [server.host for server in store.all_servers()] == ["5.example", "4.example", "3.example"]
    clock.now += FORGOTTEN
    store.learn([Report("new.example")])
    assert [server.host for server in store.all_servers()] == ["new.example"]


@pytest.mark.parametrize("value", ["'text'", "-1", "9e999", "null", "x'00'"])
def test_a_row_that_makes_no_sense_is_passed_over(store: Store, folder: Path, value: str) -> None:
    store.learn([Report("a.example", 1 << 20, 2e6), Report("b.example", 1 << 20, 2e6)])
    with database(folder) as db:
        db.execute(f"update servers set rate = {value} where host = 'a.example'")
    db.close()
    assert list(store.servers(["a.example", "b.example"])) == ["b.example"]
    assert [server.host for server in store.all_servers()] == ["b.example"]
    store.learn([Report("a.example", 1 << 20, 3e6)])
    assert store.servers(["a.example"])["a.example"].rate == 3e6


def test_a_host_is_no_place_for_a_secret(store: Store, folder: Path) -> None:
    store.learn([Report("me:hunter2@a.example")])
    store.note_lie("me:hunter2@a.example", "https://me:hunter2@a.example/x?token=hunter2 differs")
    ended(store, entry(sources=(("me:hunter2@a.example", "origin", 1),)))
    assert list(store.liars()) == ["a.example"]
    store.close()
    assert all(b"hunter2" not in path.read_bytes() for path in folder.iterdir())


# --- lies ------------------------------------------------------------------------------------------------


def test_a_liar_is_known_for_thirty_days(store: Store, folder: Path, clock: Clock) -> None:
    store.note_lie("Liar.example:8443", "a range\x1b[31m differs from the origin")
    assert Store(str(folder)).liars() == {"liar.example:8443": NOW}
    assert store.lies() == [("liar.example:8443", NOW, "a range?[31m differs from the origin")]
    clock.now += LIE_LASTS - 1
    assert list(store.liars()) == ["liar.example:8443"]
    clock.now += 1
    assert store.liars() == {}
    store.note_lie("other.example", "again")
    with database(folder) as db:
        assert db.execute("select host from lies").fetchall() == [("other.example",)]
    db.close()


def test_a_row_of_lies_that_makes_no_sense_hides_no_other(store: Store, folder: Path) -> None:
    store.note_lie("liar.example", "it lied")
    store.note_lie("other.example", "it lied")
    with database(folder) as db:
        db.execute("update lies set told = 'soon' where host = 'other.example'")
    db.close()
    assert store.liars() == {"liar.example": NOW}


def test_a_second_lie_renews_the_first(store: Store, clock: Clock) -> None:
    store.note_lie("liar.example", "once")
    clock.now += 20 * DAY
    store.note_lie("liar.example", "twice")
    clock.now += 20 * DAY
    assert [evidence for _, _, evidence in store.lies()] == ["twice"]


def test_surplus_lies_go(store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "MOST_LIES", 2)
    for number in range(5):
        store.note_lie(f"{number}.example", "")
        clock.now += 1
    assert list(store.liars()) == ["4.example", "3.example"]


# --- history ---------------------------------------------------------------------------------------------


def test_history_comes_back_newest_first(store: Store, folder: Path) -> None:
    whole = Entry(
        NOW,
        "https://example.org/f",
        "-",
        10,
        2.5,
        4.0,
        5,
        "the file does not match",
        SHA,
        "origin",
        (("example.org", "origin", 7), ("m.example:81", "official", 3)),
    )
    for each in (entry(1), whole, entry(0)):
        ended(store, each)
    found = Store(str(folder)).history(None)
    assert found == [entry(0, sources=()), whole, entry(1)]
    assert store.history(2) == found[:2]
    assert store.history(0) == []


def test_no_secret_gets_into_the_history(store: Store, folder: Path) -> None:
    ended(
        store,
        Entry(
            NOW, "https://me:hunter2@example.org/f?sig=hunter2", None, error="https://x.example/?token=hunter2 failed"
        ),
    )
    store.close()
    assert all(b"hunter2" not in path.read_bytes() for path in folder.iterdir())


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://example.org:81/secret/x?a=secret", "https://example.org:81/***"),
        ("https://me:secret@example.org/secret", "https://example.org/***"),
        ("http://example.org", "http://example.org/***"),
        ("http://example.org?secret", "http://example.org/***"),
        ("http://example.org#secret", "http://example.org/***"),
        ("http://[::1]:81/secret", "http://[::1]:81/***"),
        ("secret", "***"),
    ],
)
def test_the_url_of_a_private_download(url: str, shown: str) -> None:
    assert history_url(url, private=True) == shown
    assert history_url(url, private=False) == (shown if "me:" in url else url)
    assert history_url("https://example.org/x?token=secret", private=False) == "https://example.org/***"


def test_the_error_of_a_private_download_names_no_path(store: Store) -> None:
    error = "the server of https://example.org:81/secret/f?a=secret refused (404, see https://b.example/secret). Look."
    url = history_url("https://example.org:81/secret/f", private=True)
    ended(store, Entry(NOW, url, error=error))
    ended(store, Entry(NOW, "https://example.org:81/secret/f", error=error))
    public, private = store.history(None)
    assert public.error == error
    assert private.error == "the server of https://example.org:81/*** refused (404, see https://b.example/***). Look."


def test_a_relative_path_is_written_in_full(store: Store) -> None:
    ended(store, Entry(NOW, "https://example.org/f", "f.bin"))
    assert store.history(1)[0].path == os.path.abspath("f.bin")


def test_the_history_is_bounded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "MOST_HISTORY", 3)
    for number in range(7):
        ended(store, entry(number))
    assert store.history(None) == [entry(6), entry(5), entry(4)]


def test_a_row_of_the_history_that_makes_no_sense(store: Store, folder: Path) -> None:
    for number in range(6):
        ended(store, entry(number))
    with database(folder) as db:
        db.execute("update history set size = 9e999 where id = 5")
        db.execute("update history set sources = ? where id = 6", ("[" * 50_000,))
        db.execute("update history set sources = 'no json' where id = 1")
        db.execute("update history set ended = 'soon' where id = 2")
        db.execute("update history set sources = '[1]' where id = 3")
    db.close()
    assert store.history(None) == [entry(3)]
    assert store.trouble == ""


def test_totals_of_a_history_without_a_time(store: Store, folder: Path) -> None:
    ended(store, entry(0))
    with database(folder) as db:
        db.execute("update history set ended = 'soon'")
    db.close()
    assert (store.totals().downloads, store.totals().since) == (1, None)


def test_totals(store: Store) -> None:
    ended(store, entry(0, seconds=2.0, bytes_per_second=500.0))
    ended(store, entry(1, seconds=1.0, bytes_per_second=100.0, exit_code=3))
    assert store.totals() == Totals(2, 1, 1100, 3.0, NOW)


def test_what_is_cleared_is_gone_from_the_file(store: Store, folder: Path) -> None:
    for _ in range(100):
        ended(store, Entry(NOW, "https://example.org/very-private-matter", "/here/very-private-matter"))
    assert store.clear_history() == 100
    assert store.history(None) == []
    assert store.clear_history() == 0
    assert all(b"very-private-matter" not in path.read_bytes() for path in folder.iterdir())
    ended(store, entry(1))
    assert store.history(None) == [entry(1)]


def test_two_at_once(folder: Path, store: Store) -> None:
    """A second one has the file open while the first one clears."""
    ended(store, entry(1))
    other = Store(str(folder))
    assert len(other.history(None)) == 1
    assert store.clear_history() == 1
    assert other.history(None) == []
    ended(other, entry(2))
    assert store.history(None) == [entry(2)]


# --- counters and the whole ------------------------------------------------------------------------------


def test_counters_add_up(store: Store, folder: Path) -> None:
    caches.note_use(store, "routes", 3, 1)
    caches.note_use(Store(str(folder)), "routes", 2, 0)
    caches.note_use(store, "names", 0, 1)
    assert caches.uses(store) == {"names": (0, 1), "routes": (5, 1)}


def test_clear_forgets_all_but_the_history(store: Store, folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"12345")
    store.learn([Report("a.example")])
    store.note_lie("liar.example", "it lied")
    store.note([], None, Kept("key", stored_path(str(file)), '"v1"', None, 5, None))
    store.flush()
    caches.note_use(store, "routes", 3, 1)
    ended(store, entry())
    info = store.info()
    assert info._replace(bytes=0) == Info(str(folder / "state.sqlite3"), 0, 1, 1, 1, 1)
    assert info.bytes >= 4096
    store.clear()
    assert store.info()[2:] == (0, 0, 0, 1)
    assert (store.liars(), caches.uses(store), store.noted("key")) == ({}, {}, [])
    assert store.trouble == ""


def test_many_threads(store: Store) -> None:
    def work(number: int) -> None:
        for _ in range(20):
            store.learn([Report("a.example", 1), Report(f"{number}.example", 1)])
            ended(store, entry(number))
            store.servers(["a.example"])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.trouble == ""
    assert store.servers(["a.example"])["a.example"].downloads == 120
    assert len(store.history(None)) == 120


CHILD = """
import sys
from fastdl.io import caches, database
from fastdl.io.store import Entry, Report, Store
database.WRITE_WAIT = 60.0  # seconds; what takes longer on a busy machine would be passed over
store = Store(sys.argv[1])
for number in range(25):
    store.learn([Report("a.example", 1)])
    assert not store.trouble, store.trouble
    store.note([], Entry(1.0, "https://example.org/"))
    store.flush()
    assert not store.trouble, store.trouble
    caches.note_use(store, "routes", 1, 1)
    assert not store.trouble, store.trouble
"""


def test_several_processes_lose_nothing(folder: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    children = [subprocess.Popen([sys.executable, "-c", CHILD, str(folder)], env=environment) for _ in range(4)]
    assert [child.wait(90) for child in children] == [0] * 4
    store = Store(str(folder))
    assert store.servers(["a.example"])["a.example"].downloads == 100
    assert len(store.history(None)) == 100
    assert caches.uses(store) == {"routes": (100, 100)}


ENDLESS = """
import sys
from fastdl.io.store import Entry, Report, Store
store = Store(sys.argv[1])
while True:
    store.learn([Report("a.example", 1)])
    store.note([], Entry(1.0, "https://example.org/"))
    store.flush()
    print(flush=True)
"""


def test_a_process_that_is_killed_leaves_it_sound(folder: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    written = 0
    for pause in (1, 7, 20):
        child = subprocess.Popen([sys.executable, "-c", ENDLESS, str(folder)], env=environment, stdout=subprocess.PIPE)
        assert child.stdout is not None
        for _ in range(pause):
            assert child.stdout.readline()
        child.kill()
        child.wait()
        written += pause
        child.stdout.close()
    warnings: list[str] = []
    store = Store(str(folder), warnings.append)
    assert len(store.history(None)) >= written
    assert store.servers(["a.example"])["a.example"].downloads >= written
    assert (warnings, store.trouble) == ([], "")


def test_many_downloads_are_written_together(tmp_path: Path, clock: Clock) -> None:
    """The first at once, those behind it when enough have come, or when some time is over, or at the end."""
    store, other = Store(str(tmp_path)), Store(str(tmp_path))

    def note(number: int) -> int:
        store.note([Report(f"{number}.example.org", 1000)], Entry(NOW, f"https://example.org/{number}"))
        return len(other.history())

    assert [note(1), note(2), note(3)] == [1, 1, 1]
    clock.now += 3
    assert note(4) == 4
    assert [note(number) for number in range(5, 5 + MOST_NOTED // 2)][-2:] == [4, 4 + MOST_NOTED // 2]
    assert note(1000) == 4 + MOST_NOTED // 2
    store.close()
    assert len(other.history()) == len(other.all_servers()) == 5 + MOST_NOTED // 2


def test_the_notes_of_a_lot_are_written_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    writes: list[None] = []
    real = Database.write

    def counted(self: Database, *args: Any) -> Any:
        writes.append(None)
        return real(self, *args)

    store.flush()
    store.note((), None, Kept("0", stored_path("0"), '"v1"', None, 1, 1))  # the first ones are written at once
    monkeypatch.setattr(Database, "write", counted)
    for number in range(1, LOT + 9):  # with those of other threads, whose files are for the next one
        store.note((), None, Kept(str(number), stored_path(str(number)), '"v1"', None, 1, 1))
    store.write_kept()
    assert len(writes) == 1
    assert [kept.url_key for kept in store.noted(str(LOT))] == [str(LOT)]
