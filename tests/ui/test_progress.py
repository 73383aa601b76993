"""Which kind of progress there is, plain lines, JSON lines; bars have tests of their own."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from fastdl.errors import ConnectionLost
from fastdl.events import Ended, Named, Progressed, Started
from fastdl.result import Result
from fastdl.ui.progress import (
    Display,
    Job,
    JsonLines,
    Plain,
    choose_kind,
    first_line,
    make_display,
    names_of,
    plain_line,
)
from ui.screen import Screen

MIB = 1024 * 1024


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def result(path: str = "a.bin", size: int = 100 * MIB, **more: Any) -> Result:
    return Result(url="http://example.org/a.bin", path=path, size=size, **more)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def feed(display: Display, clock: Clock, job: int = 0, name: str = "a.bin", **more: Any) -> None:
    """A job that runs for a second and has 45 of 100 MiB."""
    display.handle(Started(job, "http://example.org/" + name))
    display.handle(Named(job, "some/folder/" + name, 100 * MIB, 0))
    clock.now += 1.0
    values: dict[str, Any] = {"done": 45 * MIB, "total": 100 * MIB, "speed": 5.0 * MIB, "connections": 8, "sources": 2}
    display.handle(Progressed(job, **(values | more)))


def plain(clock: Clock, url: str = "http://me:hunter2@example.org:81/a.bin") -> tuple[io.StringIO, Plain]:
    stream = io.StringIO()
    display = Plain(stream, clock)
    display.handle(Started(0, url))
    return stream, display


def test_plain_says_what_begins_and_then_how_far_it_is(clock: Clock) -> None:
    stream, display = plain(clock)
    display.handle(Named(0, "folder/a\x1b.bin", 100, 10))
    for tick in range(1, 121):
        clock.now += 0.1
        display.handle(Progressed(0, tick, 100, 10.0, 4, 2))
    display.handle(Ended(0, result()))
    assert stream.getvalue().splitlines() == [
        "a?.bin: 100 B from example.org:81, 10 B of it are there already",
        "a?.bin: 60% of 100 B (60 B), 10 B/s, 4.0 s left, 4 connections, 2 sources",
        "a?.bin: 100% of 100 B (110 B), 10 B/s, 0.0 s left, 4 connections, 2 sources",
    ]


def test_plain_lines_become_rarer(clock: Clock) -> None:
    stream, display = plain(clock)
    display.handle(Named(0, "a.bin", None, 0))
    begun, seen, times = clock.now, 0, []
    for _ in range(1200):
        clock.now += 0.25
        display.tick()
        if (lines := stream.getvalue().count("\n")) > seen:
            seen = lines
            times.append(round(clock.now - begun))
    assert times == [1, 6, 11, 16, 21, 26, 36, 46, 56, 66, 76, 86, 96, 106, 116, 146, 176, 206, 236, 266, 296]


def test_plain_says_that_a_server_does_not_answer(clock: Clock) -> None:
    stream, display = plain(clock, "https://example.org/%E6%97%A5.iso?token=hunter2")
    clock.now += 6
    display.tick()
    assert stream.getvalue() == "\u65e5.iso: waiting for example.org\n"


def test_a_file_that_comes_at_once_has_no_line_but_its_last(clock: Clock) -> None:
    stream, display = plain(clock)
    display.handle(Named(0, "a.bin", 100, 0))
    clock.now += 0.9
    display.handle(Progressed(0, 100, 100, 10.0))
    display.handle(Ended(0, result()))
    assert stream.getvalue() == ""


def test_plain_lines_leave_out_what_is_not_known() -> None:
    assert plain_line(Job("a", 0.0, done=2048)) == "a: 2.0 KiB so far, 0 B/s"
    assert plain_line(Job("a", 0.0, done=0, total=0)) == "a: 100% of 0 B (0 B), 0 B/s"
    assert "99% of" in plain_line(Job("a", 0.0, done=9999, total=10000))
    assert plain_line(Job("a", 0.0, done=1, connections=1, sources=1)).endswith(", 1 connection, 1 source")
    assert first_line(Job("a", 0.0)) == "a: unknown size"


@pytest.mark.parametrize(
    ("url", "names"),
    [
        ("https://example.org/d/a%20b.iso?x=1", ("a b.iso", "example.org")),
        ("https://me:hunter2@example.org:8443/", ("example.org", "example.org:8443")),
        ("https://example.org/%1b%0a%ff", ("? \ufffd", "example.org")),
        ("some/file.bin", ("some/file.bin", "")),
    ],
)
def test_what_a_url_is_called(url: str, names: tuple[str, str]) -> None:
    assert names_of(url) == names


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
        display = make_display(kind, Screen(80), 1, clock)
        display.handle(Progressed(5, 1, 2, 1.0))
        display.handle(Ended(5, result()))
        display.close()


def test_a_stream_that_is_gone_stops_nothing(clock: Clock) -> None:
    class Gone(Screen):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    for kind in ("bar", "plain", "json", "none"):
        display = make_display(kind, Gone(80), 1, clock)
        feed(display, clock)
        clock.now += 9
        display.handle(Progressed(0, 46 * MIB, 100 * MIB, 1.0))
        display.tick()
        display.write("line")
        display.hide()
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
