"""`fastdl stats`: as a person reads it, and as a program does."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from pathlib import Path

import pytest

from fastdl.__main__ import main
from fastdl.cli import state
from fastdl.core.quantity import format_rate, format_size
from fastdl.io import caches
from fastdl.io import store as module
from fastdl.io.caches import Heap
from fastdl.io.store import Entry, Report, Store
from servers.pages import Page
from states import ended

NOW = 1_800_000_000.0  # 2027-01-15T08:00:00Z


class Clock:
    """Stands for the module `time` in the store."""

    def time(self) -> float:
        return NOW

    monotonic = time


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A state folder of its own, a clock that stands still, and UTC."""
    for name in list(os.environ):
        if name.startswith("FASTDL_"):
            monkeypatch.delenv(name)
    monkeypatch.setattr(module, "time", Clock())
    monkeypatch.setattr(state.time, "localtime", state.time.gmtime)
    monkeypatch.setenv("FASTDL_STATE_DIR", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def store(folder: Path) -> Store:
    store = Store(str(folder))
    store.learn(
        [
            Report("a.example", 12 << 20, 3 << 20, 0.125, 8, 0, True),
            Report("m.example:8443", 1 << 20, 9 << 20, 0.02, 4, 2, True, 1),
            Report("z.example", ranges=False, failed=True),
        ]
    )
    store.note_lie("m.example:8443", "64 KiB differ from the origin")
    caches.note_use(store, "routes", 3, 1)
    caches.note_heap(store, "routes", Heap(20, 9000, 9000))
    caches.note_heap(store, "routes", Heap(1, 512, 512))
    ended(store, Entry(NOW - 60, "https://a.example/f", "/f", 3 << 20, 2.0, 1.5 * (1 << 20)))
    ended(store, Entry(NOW, "https://a.example/g", exit_code=3, error="gone"))
    return store


def test_nothing_is_learned_yet(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stats"]) == 0
    assert capsys.readouterr() == ("nothing is learned yet: each download adds what it saw of its servers\n", "")
    assert main(["stats", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "servers": [],
        "lies": [],
        "caches": {},
        "heaps": {},
        "history": {"downloads": 0, "failed": 0, "bytes": 0, "seconds": 0.0, "bytes_per_second": 0, "since": None},
    }
    assert not folder.exists()


def test_as_a_person_reads_it(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stats"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        "Servers (what is known of them fades: it counts half after 7 days)",
        "  host                 rate  latency    at once  refused  errors  ranges  files     bytes  last met",
        "  a.example       3.0 MiB/s   125 ms          8        -       -     yes      1  12.0 MiB  2027-01-15 08:00",
        "  m.example:8443  9.0 MiB/s    20 ms  4 (limit)        2       1     yes      1   1.0 MiB  2027-01-15 08:00",
        "  z.example               -        -          -        -       1      no      0       0 B  2027-01-15 08:00",
        "  rate: of one connection; latency: until the answer begins; at once: connections that it served,",
        "  a limit if it refused more (429, 503); ranges: whether it sends parts of a file",
        "",
        "Servers that sent altered bytes (not asked for 30 days, or until 'fastdl cache clear')",
        "  m.example:8443  2027-01-15 08:00  64 KiB differ from the origin",
        "",
        "Caches",
        "  routes  3 of 4 found (75 %)",
        "",
        "Memory of caches, at the end of the last run of many files",
        "  routes  1 entry  512 B  at most 8.8 KiB",
        "",
        "History",
        "  2 downloads since 2027-01-15 07:59, 1 failed; 3.0 MiB in 2.0 s, 1.5 MiB/s",
    ]
    assert err == ""


def test_many_servers_are_cut_for_a_person(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = Store(str(folder))
    store.learn([Report(f"{number}.example") for number in range(45)])
    for number in range(41):
        store.note_lie(f"{number}.example", "it lied")
    assert main(["stats"]) == 0
    out = capsys.readouterr().out
    assert "  and 5 more: --json shows all\n" in out
    assert "  and 1 more: --json shows all\n" in out
    assert main(["stats", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (len(told["servers"]), len(told["lies"])) == (45, 41)


def test_as_a_program_reads_it(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stats", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["servers"][1] == {
        "host": "m.example:8443",
        "bytes_per_second": 9 << 20,
        "latency": 0.02,
        "connections": 4,
        "busy": 2,
        "ranges": True,
        "errors": 1,
        "downloads": 1,
        "bytes": 1 << 20,
        "seen": "2027-01-15T08:00:00Z",
    }
    assert told["servers"][2]["bytes_per_second"] is None
    assert told["lies"] == [
        {"host": "m.example:8443", "when": "2027-01-15T08:00:00Z", "evidence": "64 KiB differ from the origin"}
    ]
    assert told["caches"] == {"routes": {"hits": 3, "misses": 1, "hit_rate": 0.75}}
    assert told["heaps"] == {"routes": {"entries": 1, "bytes": 512, "most_bytes": 9000}}
    assert told["history"] == {
        "downloads": 2,
        "failed": 1,
        "bytes": 3 << 20,
        "seconds": 2.0,
        "bytes_per_second": 3 << 19,
        "since": "2027-01-15T07:59:00Z",
    }


@pytest.mark.parametrize(
    ("args", "part"),
    [
        (["x"], "takes no 'x'"),
        (["--htm", "f"], "no such option '--htm'"),
        (["--html"], "needs a value"),
        (["--html", ""], "needs a file"),
        (["--html", "f", "--json"], "two ways to tell the same"),
    ],
)
def test_usage(args: list[str], part: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stats", *args]) == 2
    err = capsys.readouterr().err
    assert part in err
    assert err.count("\n") == 1


def test_a_file_that_cannot_be_read(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder.mkdir()
    (folder / "state.sqlite3").mkdir()
    assert main(["stats"]) == 6
    assert "state.sqlite3 cannot be used" in capsys.readouterr().err


def test_a_page(store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "page.html"
    target.write_text("an older one")
    assert main(["stats", "--html", str(target)]) == 0
    out, err = capsys.readouterr()
    assert (out, err) == ("", f"fastdl: the page is in {target}\n")
    page = target.read_text("ascii")
    assert page.startswith('<!DOCTYPE html>\n<html lang="en">')
    assert page.endswith("</html>\n")
    assert "m.example:8443" in page
    assert main(["stats", "--html", "-"]) == 0
    assert capsys.readouterr() == (page, "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["page.html", "state"]


def test_the_page_has_the_numbers_of_the_json(store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stats", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert main(["stats", "--html", str(tmp_path / "page.html")]) == 0
    read = Page((tmp_path / "page.html").read_text("ascii"))
    tables = {each.children[0].text: each.all("tbody")[0].all("tr") for each in read.all("table")}
    servers = tables["Rate, latency and errors by server"]
    rows = {row.children[0].text: [cell.text for cell in row.children[1:]] for row in servers}
    assert set(rows) == {server["host"] for server in told["servers"]}
    for server in told["servers"]:
        rate, latency, errors, ranges, downloads, size, seen = rows[server["host"]]
        assert rate == ("-" if server["bytes_per_second"] is None else format_rate(server["bytes_per_second"]))
        assert latency == ("-" if server["latency"] is None else f"{1000 * server['latency']:.0f} ms")
        assert errors == (f"{server['errors']:g}" if server["errors"] else "-")
        assert ranges == ("yes" if server["ranges"] else "no")
        assert (downloads, size) == (str(server["downloads"]), format_size(server["bytes"]))
        assert seen.replace(" ", "T") + ":00Z" == server["seen"]
    (cache,) = tables["Hit rates"]
    routes = told["caches"]["routes"]
    expected = ["routes", str(routes["hits"]), str(routes["misses"]), f"{100 * routes['hit_rate']:.1f} %"]
    assert [cell.text for cell in cache.children] == expected
    tiles = dict(zip(*([each.text for each in read.all("dl")[0].all(name)] for name in ("dt", "dd")), strict=True))
    history = told["history"]
    assert (tiles["Downloads"], tiles["Failed"]) == (str(history["downloads"]), str(history["failed"]))
    assert (tiles["Fetched"], tiles["Mean rate"]) == (
        format_size(history["bytes"]), format_rate(history["bytes_per_second"])
    )  # fmt: skip


def test_a_page_of_nothing(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stats", "--html", str(tmp_path / "page.html")]) == 0
    assert "Nothing is learned yet" in (tmp_path / "page.html").read_text("ascii")
    assert not folder.exists()


def test_a_page_that_cannot_be_written(store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "folder").mkdir()
    for path in ("folder", "none/page.html"):
        assert main(["stats", "--html", str(tmp_path / path)]) == 6
        err = capsys.readouterr().err
        assert err.startswith("fastdl: error: cannot write the page")
        assert "Choose another file with --html." in err
        assert err.count("\n") == 1
    assert list((tmp_path / "folder").iterdir()) == []


@pytest.mark.parametrize("ending", ["", "-wal", "-shm"])
def test_the_state_file_is_no_place_for_a_page(store: Store, ending: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = Path(store.path).read_bytes()
    assert main(["stats", "--html", store.path + ending]) == 2
    assert "the state file itself" in capsys.readouterr().err
    assert Path(store.path).read_bytes() == before


def test_a_page_of_a_damaged_row(store: Store, folder: Path, tmp_path: Path) -> None:
    """What makes no sense in the tables is left out, and the rest is told."""
    with contextlib.closing(sqlite3.connect(folder / "state.sqlite3")) as db:
        db.execute("insert into profiles values (null, 'x', 'y', 'no JSON')")
        db.execute("insert into profiles values (null, 1.0, 'y', '[1, [], [[0, 7, \"receive\", 0, 1, 1]], 0]')")
        db.execute("update history set sources = '[[1]]', ended = 'never' where id = 1")
        db.commit()
    assert main(["stats", "--html", str(tmp_path / "page.html")]) == 0
    assert "https://a.example/g" in (tmp_path / "page.html").read_text("ascii")


@pytest.mark.parametrize("command", ["stats", "history", "cache"])
def test_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"Usage: fastdl {command} ")
    assert "--json" in out
    assert "[]" not in out
