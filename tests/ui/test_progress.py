"""Every kind of progress, on a terminal that is simulated cell by cell."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from typing import Any

import pytest

from fastdl.errors import ConnectionLost
from fastdl.events import Ended, Named, Progressed, Started
from fastdl.result import Result
from fastdl.ui import bars
from fastdl.ui.bars import Bars, facts, line_format
from fastdl.ui.progress import Display, Job, JsonLines, Plain, choose_kind, make_display, plain_line
from fastdl.ui.text import columns

MIB = 1024 * 1024


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    """Keeps what is written and plays it on a screen of `width` cells; a line that is too long is a failure."""

    def __init__(self, width: int, encoding: str = "utf-8") -> None:
        super().__init__()
        self.width = width
        self.codec = encoding
        self.lines = [""]
        self.row = self.column = 0

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self.codec

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        text.encode(self.codec)
        for part in re.findall(r"\x1b\[A|\r|\n|[^\r\n\x1b]+|\x1b", text):
            self._play(part)
        return super().write(text)

    def _play(self, part: str) -> None:
        if part == "\x1b[A":
            self.row = max(0, self.row - 1)
        elif part == "\r":
            self.column = 0
        elif part == "\n":
            self.row, self.column = self.row + 1, 0
            self.lines += [""] * (self.row + 1 - len(self.lines))
        else:
            assert part.isprintable(), f"a control character reached the terminal: {part!r}"
            line = self.lines[self.row].ljust(self.column)
            self.lines[self.row] = line[: self.column] + part + line[self.column + len(part) :]
            self.column += len(part)
            assert columns(self.lines[self.row].rstrip()) < self.width, "the line would wrap"

    @property
    def shown(self) -> list[str]:
        return [line.rstrip() for line in self.lines if line.strip()]


def result(path: str = "a.bin", size: int = 100 * MIB, **more: Any) -> Result:
    return Result(url="http://example.org/a.bin", path=path, size=size, **more)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def terminal_and_bars(
    width: int,
    files: int,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    encoding: str = "utf-8",
    height: int = 24,
) -> tuple[Terminal, Bars]:
    terminal = Terminal(width, encoding)
    monkeypatch.setattr(bars, "terminal_size", lambda stream: (width - 1, height))
    return terminal, Bars(terminal, files, clock)


def feed(display: Display, clock: Clock, job: int = 0, name: str = "a.bin", **more: Any) -> None:
    """A job that runs for a second and has 45 of 100 MiB."""
    display.handle(Started(job, "http://example.org/" + name))
    display.handle(Named(job, "some/folder/" + name, 100 * MIB, 0))
    clock.now += 1.0
    values: dict[str, Any] = {"done": 45 * MIB, "total": 100 * MIB, "speed": 5.0 * MIB, "connections": 8, "sources": 2}
    display.handle(Progressed(job, **(values | more)))


@pytest.mark.parametrize(
    ("width", "parts"),
    [
        (40, ["a.bin", " 45% |", "| ", "5.0 MiB/s"]),
        (80, ["a.bin", " 45% |", "5.0 MiB/s", "11 s left", "100.0 MiB", "8 conn"]),
        (200, ["a.bin", " 45% |", "5.0 MiB/s", "11 s left", "100.0 MiB", "8 conn", "2 src"]),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "cp437"])
def test_a_bar_fits_its_terminal(
    width: int, parts: list[str], encoding: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal, display = terminal_and_bars(width, 1, clock, monkeypatch, encoding)
    feed(display, clock)
    assert len(terminal.shown) == 1
    line = terminal.shown[0]
    assert all(part in line for part in parts), line
    assert line.isascii() == (encoding != "utf-8")  # cp437 has only some of the blocks
    filled = line[line.index("|") + 1 : line.rindex("|")]
    assert 0.3 < len(filled.rstrip(" ")) / len(filled) < 0.62
    display.handle(Ended(0, result()))
    display.close()
    assert terminal.shown == []


@pytest.mark.parametrize("width", [40, 80, 200])
def test_bars_of_several_files_and_a_line_for_all(width: int, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal, display = terminal_and_bars(width, 3, clock, monkeypatch)
    feed(display, clock, 0, "a.bin")
    feed(display, clock, 1, "b.bin", done=10 * MIB)
    display.handle(Progressed(0, 50 * MIB, 100 * MIB, 1.0 * MIB))
    assert len(terminal.shown) == 3
    assert terminal.shown[0].startswith("0 of 3")
    assert "%" not in terminal.shown[0]
    assert [line.split()[0] for line in terminal.shown[1:]] == ["a.bin", "b.bin"]
    display.write("fastdl: warning: something happened")
    assert terminal.shown[0] == "fastdl: warning: something happened"[:width]
    assert [line.split()[0] for line in terminal.shown[2:]] == ["a.bin", "b.bin"]
    display.handle(Ended(0, result()))
    feed(display, clock, 2, "c.bin", done=0)
    total = next(line for line in terminal.shown if line.startswith("1 of 3"))
    assert " 36%" in total  # 100 + 10 + 0 of 300 MiB
    for job in (1, 2):
        display.handle(Ended(job, result()))
    display.close()
    assert terminal.shown == ["fastdl: warning: something happened"]


def test_a_message_longer_than_the_terminal_is_not_torn(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(bars, "terminal_size", lambda stream: (79, 24))
    display = Bars(stream, 1, clock)
    feed(display, clock)
    display.write("x" * 300)
    assert "x" * 300 + "\n" in stream.getvalue()


def test_a_hostile_name_on_a_terminal(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal, display = terminal_and_bars(80, 1, clock, monkeypatch)
    feed(display, clock, name="{bar}{0}\x1b[2J\r\n\u202e%s" + "日本" * 40 + ".iso")
    assert len(terminal.shown) == 1
    assert "{bar}{0}" in terminal.shown[0]
    assert ".iso" in terminal.shown[0]


def test_an_unknown_size_has_no_bar(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal, display = terminal_and_bars(80, 1, clock, monkeypatch)
    feed(display, clock, total=None)
    line = terminal.shown[0]
    assert "|" not in line
    assert "%" not in line
    assert "left" not in line
    assert "45.0 MiB" in line


def test_more_bytes_than_announced_break_nothing(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal, display = terminal_and_bars(80, 1, clock, monkeypatch)
    feed(display, clock, done=200 * MIB)
    assert "100%" in terminal.shown[0]
    clock.now += 1
    display.handle(Progressed(0, 0, 0, 0.0))
    assert "100%" in terminal.shown[0]


def test_a_short_download_imports_no_tqdm(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal, display = terminal_and_bars(80, 1, clock, monkeypatch)
    display.handle(Started(0, "http://example.org/a.bin"))
    display.handle(Named(0, "a.bin", 10, 0))
    clock.now += 0.2
    display.handle(Progressed(0, 10, 10, 5.0))
    display.handle(Ended(0, result()))
    assert terminal.getvalue() == ""
    assert display.tqdm is None


def test_drawing_is_not_more_often_than_needed(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal, display = terminal_and_bars(80, 1, clock, monkeypatch)
    feed(display, clock)
    before = terminal.getvalue()
    clock.now += 0.01
    display.handle(Progressed(0, 46 * MIB, 100 * MIB, 1.0))
    assert terminal.getvalue() == before


def test_bars_leave_no_thread_and_no_process_lock() -> None:
    code = (
        "import io, sys, threading\n"
        "from fastdl.ui.bars import Bars\nfrom fastdl.events import *\n"
        "now = [0.0]\nb = Bars(io.StringIO(), 1, lambda: now[0])\n"
        "b.handle(Started(0, 'http://example.org/')); now[0] = 9.0\n"
        "b.handle(Progressed(0, 1, 2, 1.0)); b.close()\n"
        "assert b.tqdm is not None\n"
        "print(threading.active_count(), 'multiprocessing.synchronize' in sys.modules)"
    )
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "False"]


def test_parts_of_a_line_have_fixed_widths() -> None:
    for width in range(20, 201):
        lengths = set()
        for speed, done in ((0.0, 0), (1023.9 * MIB, 99 * MIB), (1.0, 5)):
            job = Job("name" * 20, 0.0, done=done, total=100 * MIB, speed=speed, connections=16, sources=3)
            line = line_format(job, width, aligned=True).replace("{bar}", "")
            assert columns(line) <= width - bars.LEAST_BAR or width < 30
            lengths.add(line.index("|"))
        assert len(lengths) == 1
    assert facts(Job("a", 0.0), 5) == ""


def test_plain_is_a_line_every_five_seconds(clock: Clock) -> None:
    stream = io.StringIO()
    display = Plain(stream, clock)
    display.handle(Started(0, "http://me:hunter2@example.org/a.bin"))
    display.handle(Named(0, "folder/a\x1b.bin", 100, 10))
    for tick in range(1, 121):
        clock.now += 0.1
        display.handle(Progressed(0, tick, 100, 10.0))
    display.handle(Ended(0, result()))
    lines = stream.getvalue().splitlines()
    assert len(lines) == 2
    assert lines[0] == "a?.bin: 50% of 100 B (50 B), 10 B/s, 5.0 s left"


def test_plain_line_leaves_out_what_is_not_known() -> None:
    assert plain_line(Job("a", 0.0, done=2048)) == "a: 2.0 KiB, 0 B/s"
    assert plain_line(Job("a", 0.0, done=0, total=0)) == "a: 100% of 0 B (0 B), 0 B/s"
    assert "99% of" in plain_line(Job("a", 0.0, done=9999, total=10000))


def test_json_lines(clock: Clock) -> None:
    stream = io.StringIO()
    display = JsonLines(stream, clock)
    display.handle(Started(0, "http://example.org/a.bin"))
    display.handle(Progressed(0, 1, None, 1.0))
    display.handle(Named(0, "a\n.bin", None, 0))
    clock.now += 0.2
    display.handle(Progressed(0, 5, None, 2.5))
    clock.now += 0.4
    display.handle(Progressed(0, 6, None, 2.5, 3, 2))
    display.handle(Ended(0, result(size=7)))
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(line["bytes"], line["total"]) for line in lines] == [(1, None), (6, None), (7, 7)] or [
        (line["bytes"], line["total"]) for line in lines
    ] == [(0, None), (6, None), (7, 7)]
    assert {"path", "bytes", "total", "speed"} <= set(lines[0])
    assert lines[1] == {"path": "a\n.bin", "bytes": 6, "total": None, "speed": 2, "connections": 3, "sources": 2}


def test_json_of_a_failure_claims_nothing(clock: Clock) -> None:
    stream = io.StringIO()
    display = JsonLines(stream, clock)
    display.handle(Started(0, "http://example.org/a.bin"))
    display.handle(Named(0, "a.bin", 9, 0))
    display.handle(Ended(0, result(size=9, error=ConnectionLost("lost"))))
    assert [json.loads(line)["bytes"] for line in stream.getvalue().splitlines()] == [0]


def test_an_event_of_an_unknown_job_is_nothing(clock: Clock) -> None:
    for kind in ("bar", "plain", "json", "none"):
        display = make_display(kind, Terminal(80), 1, clock)
        display.handle(Progressed(5, 1, 2, 1.0))
        display.handle(Ended(5, result()))
        display.close()


def test_a_stream_that_is_gone_stops_nothing(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone(Terminal):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    for kind in ("bar", "plain", "json", "none"):
        display = make_display(kind, Gone(80), 1, clock)
        feed(display, clock)
        clock.now += 9
        display.handle(Progressed(0, 46 * MIB, 100 * MIB, 1.0))
        display.write("line")
        display.handle(Ended(0, result()))
        display.close()


@pytest.mark.parametrize(
    ("asked", "facts_of_run", "kind"),
    [
        ("auto", {"terminal": True}, "bar"),
        ("auto", {"terminal": False}, "none"),
        ("auto", {"terminal": True, "data_on_terminal": True}, "none"),
        ("auto", {"terminal": True, "environ": {"TERM": "dumb"}}, "plain"),
        ("auto", {"terminal": True, "quiet": True}, "none"),
        ("bar", {"terminal": False}, "bar"),
        ("json", {"terminal": True}, "json"),
        ("json", {"terminal": True, "quiet": True}, "none"),
        ("none", {"terminal": True}, "none"),
    ],
)
def test_which_kind(asked: str, facts_of_run: dict[str, Any], kind: str) -> None:
    values: dict[str, Any] = {"quiet": False, "data_on_terminal": False, "environ": {"NO_COLOR": "1"}} | facts_of_run
    assert choose_kind(asked, **values) == kind


def test_the_size_of_what_is_no_terminal() -> None:
    assert bars.terminal_size(io.StringIO()) == (79, 24)


def test_more_files_than_lines(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal, display = terminal_and_bars(80, 30, clock, monkeypatch, height=8)
    for job in range(30):
        feed(display, clock, job, f"file-{job}.bin")
    assert len(terminal.lines) <= 8
    for job in range(30):
        display.handle(Ended(job, result()))
    display.close()
    assert terminal.shown == []
