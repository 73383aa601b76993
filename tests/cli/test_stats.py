"""`fastdl stats`: as a person reads it, and as a program does."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from fastdl.__main__ import main
from fastdl.cli import state
from fastdl.io import store as module
from fastdl.io.heaps import Heap
from fastdl.io.store import Entry, Report, Store

NOW = 1_800_000_000.0  # 2027-01-15T08:00:00Z


class Clock:
    """Stands for the module `time` in the store."""

    def time(self) -> float:
        return NOW


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
    store.count("routes", 3, 1)
    store.hold("routes", Heap(20, 9000, 9000))
    store.hold("routes", Heap(1, 512, 512))
    store.add_history(Entry(NOW - 60, "https://a.example/f", "/f", 3 << 20, 2.0, 1.5 * (1 << 20)))
    store.add_history(Entry(NOW, "https://a.example/g", exit_code=3, error="gone"))
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


@pytest.mark.parametrize(("args", "part"), [(["x"], "takes no 'x'"), (["--html", "f"], "no such option '--html'")])
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


@pytest.mark.parametrize("command", ["stats", "history", "cache"])
def test_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"Usage: fastdl {command} ")
    assert "--json" in out
    assert "[]" not in out
