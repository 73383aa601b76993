"""Bars on the screen of a terminal emulator: what stands there while downloads run, and what stays."""

from __future__ import annotations

import pytest

from barred import URL, XTERM, Clock, Open, feed, move, result
from barred import clock as clock
from barred import opened as opened
from fastdl.errors import ConnectionLost
from fastdl.events import Ended, Named, Started


@pytest.mark.parametrize("width", [40, 80, 200])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "cp437", "cp1252", "cp932"])
def test_one_file(width: int, encoding: str, clock: Clock, opened: Open) -> None:
    screen, display = opened(width, encoding=encoding)
    feed(display, clock)
    (line,) = screen.shown
    assert line.startswith("a.bin")
    assert all(part in line for part in (" 45%", "5.0 MiB/s", "11 s left"))
    assert ("8 conn  2 src" in line) == (width >= 80)
    assert line.isascii() == (encoding != "utf-8" or width == 40)
    if width > 40:
        filled = line[line.index("|") + 1 : line.rindex("|")]
        assert 0.3 < len(filled.rstrip(" ")) / len(filled) < 0.55
    display.handle(Ended(0, result()))
    display.write("a.bin: 100 MiB")
    display.close()
    assert screen.shown == ["a.bin: 100 MiB"]
    assert screen.screen.cursor.x == 0


@pytest.mark.parametrize("width", [40, 80, 200])
def test_several_files_and_a_line_for_all(width: int, clock: Clock, opened: Open) -> None:
    screen, display = opened(width, 3)
    feed(display, clock)
    feed(display, clock, 10, job=1, name="b.bin")
    assert [line.split()[0] for line in screen.shown] == ["a.bin", "b.bin", "0"]
    assert screen.shown[-1].startswith("0 of 3 files")
    assert "%" not in screen.shown[-1], "the third has not told its size"
    display.write("fastdl: warning: something happened")
    assert screen.shown[0] == "fastdl: warning: something happened"[:width]
    assert [line.split()[0] for line in screen.shown[1:]] == ["a.bin", "b.bin", "0"]
    display.handle(Ended(0, result()))
    feed(display, clock, 0, job=2, name="c.bin")
    assert screen.shown[-1].startswith("1 of 3 files")
    assert " 36% " in screen.shown[-1]  # 100 + 10 + 0 of 300 MiB
    display.handle(Ended(1, result(error=ConnectionLost("lost"))))
    move(display, clock, 1, job=2)
    assert screen.shown[-1].startswith(
        "2 of 3 files, 1 failed" if width > 100 else "2 of 3, 1 failed" if width > 40 else "1 failed"
    )
    display.handle(Ended(2, result()))
    display.close()
    assert screen.shown == ["fastdl: warning: something happened"]


def test_lines_keep_their_order_and_their_columns(clock: Clock, opened: Open) -> None:
    screen, display = opened(140, 3)
    for job, name in ((2, "third-with-a-long-name.tar.gz"), (0, "a"), (1, "日本語.iso")):
        feed(display, clock, job * 30, job=job, name=name)
    clock.now += 1
    display.tick()
    assert [line.split()[0] for line in screen.shown] == ["a", "日本語.iso", "third-with-a-long-name.tar.gz", "0"]
    rows = [screen.screen.buffer[row] for row in range(3)]
    assert len({next(x for x in range(140) if row[x].data == "%") for row in rows}) == 1


def test_a_name_that_cannot_be_shown_keeps_its_columns(clock: Clock, opened: Open) -> None:
    screen, display = opened(80, 2, encoding="cp437")
    feed(display, clock, job=0, name="日本語.iso")
    feed(display, clock, job=1, name="a.iso")
    assert screen.shown[0].startswith("???.iso ")
    assert screen.shown[0].index("%") == screen.shown[1].index("%")


def test_what_is_said_stays_above_and_in_order(clock: Clock, opened: Open) -> None:
    screen, display = opened(80, 2, height=8)
    feed(display, clock)
    for number in range(20):
        display.write(f"line {number}")
        move(display, clock, number)
    assert screen.shown[:20] == [f"line {number}" for number in range(20)]
    assert [line.split()[0] for line in screen.shown[20:]] == ["a.bin", "0"]
    display.close()
    assert screen.shown == [f"line {number}" for number in range(20)]


def test_a_long_message_takes_the_rows_that_it_needs(clock: Clock, opened: Open) -> None:
    screen, display = opened(40, 1, height=10, wraps=True)
    feed(display, clock)
    display.write("x" * 90)
    move(display, clock, 46)
    assert screen.shown[:3] == ["x" * 40, "x" * 40, "x" * 10]
    assert screen.shown[3].startswith("a.bin")
    assert len(screen.shown) == 4


@pytest.mark.parametrize(
    ("height", "files", "lines"), [(8, 20, 7), (3, 20, 2), (2, 20, 1), (1, 20, 1), (1, 1, 1), (24, 20, 21)]
)
def test_more_files_than_the_terminal_has_lines(
    height: int, files: int, lines: int, clock: Clock, opened: Open
) -> None:
    screen, display = opened(80, files, height=height)
    for job in range(files):
        feed(display, clock, job=job, name=f"file-{job}.bin")
        assert len(screen.shown) <= lines
    assert len(screen.shown) == lines
    assert files == 1 or screen.shown[-1].startswith(f"0 of {files} files")
    for job in range(files):
        display.handle(Ended(job, result()))
        clock.now += 1
        display.tick()
    display.close()
    assert screen.shown == []


def test_what_is_erased_at_the_top_of_the_screen_is_gone(clock: Clock, opened: Open) -> None:
    screen, display = opened(100, 2, wraps=True, keeps=True)
    feed(display, clock)
    screen.reflow(60)
    move(display, clock, 46)
    display.write("said")
    assert [line.split()[0] for line in screen.shown] == ["said", "a.bin", "0"]


@pytest.mark.parametrize("wide", [200, 60])
def test_the_window_changes_its_width(wide: int, clock: Clock, opened: Open) -> None:
    screen, display = opened(100, 2, environ=XTERM | {"XTERM_VERSION": "XTerm(390)"}, wraps=True)
    screen.write("what was there before\n")
    feed(display, clock)
    screen.resize(wide)
    screen.wraps = False
    move(display, clock, 46)
    assert [line.split()[0] for line in screen.shown] == ["what", "a.bin", "0"]
    display.close()
    assert screen.shown == ["what was there before"]


@pytest.mark.parametrize("narrow", [90, 60, 40, 25])
def test_a_window_that_wraps_what_was_drawn(narrow: int, clock: Clock, opened: Open) -> None:
    screen, display = opened(100, 3, environ=XTERM | {"NO_COLOR": ""}, wraps=True)
    screen.write("before\n")
    feed(display, clock)
    feed(display, clock, job=1)
    screen.reflow(narrow)
    assert len(screen.shown) > 4 or narrow == 90
    move(display, clock, 46)
    assert [line.split()[0] for line in screen.shown] == ["before", "a.bin", "a.bin", "0"]
    screen.reflow(narrow - 5)
    display.write("said")
    move(display, clock, 47)
    assert [line.split()[0] for line in screen.shown] == ["before", "said", "a.bin", "a.bin", "0"]
    screen.reflow(narrow - 10)
    display.handle(Ended(0, result()))
    move(display, clock, 48, job=1)
    assert [line.split()[0] for line in screen.shown][-3:] == ["said", "a.bin", "1"]
    display.close()
    assert screen.shown == ["before", "said"]


def test_what_a_terminal_echoes_is_painted_over(clock: Clock, opened: Open) -> None:
    screen, display = opened(80, 2)
    feed(display, clock)
    screen.write("^C")
    assert screen.shown[-1].startswith("^Cof 2 files")
    move(display, clock, 46)
    assert screen.shown[-1].startswith("0 of 2 files")


def test_a_hostile_name(clock: Clock, opened: Open) -> None:
    screen, display = opened(80)
    feed(display, clock, name="{bar}{0}\x1b[2J\r\n\u202e%s" + "日本" * 40 + ".iso")
    (line,) = screen.shown
    assert line.startswith("{bar}{0")
    assert "\u2026" in line and ".iso" in line


@pytest.mark.parametrize(
    "name", ["e\u0301" * 60, "\U0001f469\u200d\U0001f4bb" * 20, "\u2764\ufe0f" * 30, "한국어" * 20, "ก็" * 40]
)
@pytest.mark.parametrize("width", [40, 80, 133])
def test_names_of_every_kind_fit(name: str, width: int, clock: Clock, opened: Open) -> None:
    screen, display = opened(width)
    feed(display, clock, name=name + ".bin")
    assert len(screen.shown) == 1
    assert " 45%" in screen.shown[0]


@pytest.mark.parametrize("environ", [{"TERM": "dumb"}, {}])
@pytest.mark.parametrize("files", [1, 3])
def test_a_terminal_whose_cursor_cannot_be_moved(
    environ: dict[str, str], files: int, clock: Clock, opened: Open
) -> None:
    screen, display = opened(80, files, environ=environ)
    for job in range(files):
        feed(display, clock, job=job)
        assert len(screen.shown) == 1
    assert screen.shown[0].startswith("a.bin" if files == 1 else "0 of 3 files")
    display.write("said")
    assert screen.shown[0] == "said" and len(screen.shown) == 2
    for job in range(files):
        display.handle(Ended(job, result()))
    display.close()
    assert screen.shown == ["said"]
    assert "\x1b" not in screen.getvalue()


def test_colour_is_for_the_bar_alone(clock: Clock, opened: Open) -> None:
    screen, display = opened(80, environ={"TERM": "xterm-256color"})
    feed(display, clock)
    row = screen.screen.buffer[0]
    coloured = {row[x].data for x in range(80) if row[x].fg != "default"}
    assert "\u2588" in coloured
    assert coloured <= set(" \u258f\u258e\u258d\u258c\u258b\u258a\u2589\u2588")
    display.write("fastdl: error: lost")
    assert {screen.screen.buffer[0][x].fg for x in range(80)} == {"default"}


@pytest.mark.parametrize("more", [{"NO_COLOR": "1"}, {"CLICOLOR": "0"}])
def test_no_colour(more: dict[str, str], clock: Clock, opened: Open) -> None:
    screen, display = opened(80, environ={"TERM": "xterm-256color", **more})
    feed(display, clock)
    assert "m" not in "".join(part for part in screen.getvalue().split("\x1b[")[1:] if part[:1].isdigit())[:1]
    assert {screen.screen.buffer[0][x].fg for x in range(80)} == {"default"}


def test_a_server_that_does_not_answer(clock: Clock, opened: Open) -> None:
    screen, display = opened(80)
    display.handle(Started(0, URL + "a.bin"))
    clock.now += 0.5
    display.tick()
    assert screen.shown == []
    clock.now += 2.6
    display.tick()
    assert screen.shown == ["waiting for example.org, 3 s"]
    display.handle(Named(0, "a.bin", 10, 0))
    move(display, clock, 45)
    assert screen.shown[0].startswith("a.bin")


def test_files_under_way_come_before_those_that_wait(clock: Clock, opened: Open) -> None:
    screen, display = opened(80, 5, height=4)
    for job in range(4):
        display.handle(Started(job, f"{URL}{job}.bin"))
    for job in (3, 2):
        feed(display, clock, job=job, name=f"{job}.bin")
    assert [line.split()[0] for line in screen.shown] == ["2.bin", "3.bin", "0"]
    display.handle(Ended(2, result()))
    move(display, clock, 46, job=3)
    assert [line.split()[0] for line in screen.shown] == ["0.bin", "3.bin", "1"]
    assert "waiting for example.org, " in screen.shown[0]
