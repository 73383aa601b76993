"""When bars are drawn and when not: in the background, beside others, and at the end."""

from __future__ import annotations

import io
import os
import subprocess
import sys

import pytest

from barred import MIB, URL, XTERM, Clock, Open, begin, feed, move, result
from barred import clock as clock
from barred import opened as opened
from fastdl.events import Ended, Lent, Named, Progressed, Started
from fastdl.ui import bars
from fastdl.ui.bars import Bars


def test_a_short_download_imports_no_tqdm_and_draws_nothing(clock: Clock, opened: Open) -> None:
    screen, display = opened()
    begin(display)
    clock.now += 0.2
    display.handle(Progressed(0, 10, 10, 5.0))
    display.handle(Ended(0, result()))
    display.close()
    assert screen.getvalue() == ""
    assert display.tqdm is None


def test_drawing_is_not_more_often_than_needed(clock: Clock, opened: Open) -> None:
    screen, display = opened()
    feed(display, clock)
    count = len(screen.frames)
    clock.now += 0.01
    display.handle(Progressed(0, 46 * MIB, 100 * MIB, 1.0))
    assert len(screen.frames) == count
    clock.now += 0.2
    display.tick()
    assert len(screen.frames) == count + 1
    clock.now += 0.2
    display.tick()
    assert len(screen.frames) == count + 1, "nothing is new"


def test_bars_in_the_background_draw_nothing(clock: Clock, opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    screen, display = opened(80, 2)
    feed(display, clock)
    monkeypatch.setattr(bars, "in_front", lambda stream: False)
    before = len(screen.frames)
    move(display, clock, 46)
    display.write("a line is a line")
    assert screen.frames[before:] == ["a line is a line\n"]
    monkeypatch.setattr(bars, "in_front", lambda stream: True)
    display.canvas.forget()
    move(display, clock, 47)
    assert screen.shown[-1].startswith("0 of 2")


def test_a_file_that_ends_in_the_background_draws_nothing(
    clock: Clock, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen, display = opened(80, 3)
    for job in range(3):
        feed(display, clock, job=job)
    screen.write("\n\n\n$ somebody types")
    monkeypatch.setattr(bars, "in_front", lambda stream: False)
    before = len(screen.frames)
    for job in range(2):
        display.handle(Ended(job, result()))
        display.hide()
        display.write(f"file {job}")
    assert screen.frames[before:] == ["file 0\n", "file 1\n"]
    monkeypatch.setattr(bars, "in_front", lambda stream: True)
    move(display, clock, 46, job=2)
    assert [line.split()[0] for line in screen.shown[-4:]] == ["$", "file", "a.bin", "2"]


@pytest.mark.skipif(not hasattr(__import__("signal"), "SIGCONT"), reason="no such signal here")
def test_after_a_stop_drawing_begins_where_the_cursor_is(clock: Clock, opened: Open) -> None:
    import signal

    before = signal.getsignal(signal.SIGCONT)
    screen, display = opened(80, 2)
    try:
        feed(display, clock)
        screen.write("^Z\n[1]+  Stopped\n$ fg\nfastdl\n")
        signal.raise_signal(signal.SIGCONT)
        move(display, clock, 46)
        assert [line.split()[0] for line in screen.shown[-5:]] == ["[1]+", "$", "fastdl", "a.bin", "0"]
    finally:
        display.close()
    assert signal.getsignal(signal.SIGCONT) == before


def test_what_another_writes_to_the_same_terminal_is_not_torn(clock: Clock, opened: Open) -> None:
    screen, display = opened(80, 2)
    feed(display, clock)
    display.hide()
    assert screen.shown == []
    screen.write("on stdout\n")
    move(display, clock, 46)
    assert [line.split()[0] for line in screen.shown] == ["on", "a.bin", "0"]


def test_a_command_of_the_users_has_the_terminal_for_itself(clock: Clock, opened: Open) -> None:
    screen, display = opened(80, 3)
    for job in range(3):
        feed(display, clock, job=job)
    display.handle(Lent(0, True))
    display.handle(Lent(1, True))
    screen.write("a line of\n")
    move(display, clock, 46, job=2)
    display.handle(Ended(1, result()))
    display.handle(Lent(1, False))
    move(display, clock, 47, job=2)
    screen.write("the command's\n")
    assert screen.shown == ["a line of", "the command's"]
    display.handle(Lent(0, False))
    move(display, clock, 48, job=2)
    assert [line.split()[0] for line in screen.shown] == ["a", "the", "a.bin", "a.bin", "1"]


def test_small_files_of_a_list_are_seen_in_the_line_for_all(clock: Clock, opened: Open) -> None:
    screen, display = opened(80, None)
    for job in range(30):
        begin(display, job, size=MIB)
        clock.now += 0.05
        display.tick()
        display.handle(Ended(job, result(MIB)))
        display.write(f"file {job}")
    begin(display, 30, size=MIB)
    clock.now += 0.2
    display.tick()
    assert screen.shown[-1].startswith("30 files")
    assert "30.0 MiB" in screen.shown[-1]
    assert "17.6 MiB/s" in screen.shown[-1]  # 30 MiB in 1.7 s


def test_bytes_that_were_there_before_are_no_speed(clock: Clock, opened: Open) -> None:
    screen, display = opened(80, 2)
    display.handle(Started(0, URL))
    display.handle(Named(0, "a.bin", 100 * MIB, 90 * MIB))
    move(display, clock, 91)
    assert "1.0 MiB/s" in screen.shown[-1]
    assert "91.0 MiB" in screen.shown[-1]


def test_bars_leave_no_thread_and_no_process_lock() -> None:
    code = (
        "import io, sys, threading\n"
        "from fastdl.ui.bars import Bars\nfrom fastdl.events import *\n"
        "now = [0.0]\nb = Bars(io.StringIO(), 1, lambda: now[0])\n"
        "b.handle(Started(0, 'http://example.org/')); b.handle(Named(0, 'a', 2)); now[0] = 9.0\n"
        "b.handle(Progressed(0, 1, 2, 1.0)); b.close()\n"
        "assert b.tqdm is not None\n"
        "print(threading.active_count(), 'multiprocessing.synchronize' in sys.modules)"
    )
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "False"]


def test_after_the_end_nothing_is_drawn(clock: Clock, opened: Open) -> None:
    screen, display = opened(80, 2)
    feed(display, clock)
    display.close()
    clock.now += 1
    display.tick()
    display.handle(Progressed(0, 1, 2, 1.0))
    display.write("fastdl: error: a bug")
    assert screen.shown == ["fastdl: error: a bug"]


def test_a_stream_without_a_number(clock: Clock) -> None:
    stream = io.StringIO()
    display = Bars(stream, 1, clock, XTERM)
    feed(display, clock)
    display.close()
    assert "a.bin" in stream.getvalue()
