"""Bars on a terminal that a test looks at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from fastdl.events import Named, Progressed, Started
from fastdl.result import Result
from fastdl.ui import bars
from fastdl.ui.bars import Bars
from fastdl.ui.progress import Display
from ui.screen import Screen

MIB = 1024 * 1024
URL = "http://example.org/"
XTERM = {"TERM": "xterm-256color", "NO_COLOR": "1"}


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


Open = Callable[..., tuple[Screen, Bars]]


@pytest.fixture
def opened(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Open:
    """Gives a screen and bars on it; what the bars take for its size follows the screen."""

    def make(
        width: int = 80, files: int | None = 1, height: int = 24, environ: dict[str, str] = XTERM, **more: Any
    ) -> tuple[Screen, Bars]:
        screen = Screen(width, height, **more)
        monkeypatch.setattr(bars, "terminal_size", lambda stream: screen.size)
        return screen, Bars(screen, files, clock, environ)

    return make


def result(size: int = 100 * MIB, **more: Any) -> Result:
    return Result(url=URL + "a.bin", path="a.bin", size=size, **more)


def begin(display: Display, job: int = 0, name: str = "a.bin", size: int | None = 100 * MIB) -> None:
    display.handle(Started(job, URL + "x"))
    display.handle(Named(job, "some/folder/" + name, size, 0))


def move(display: Display, clock: Clock, done: float, job: int = 0, total: int | None = 100 * MIB) -> None:
    """Some time later `done` MiB are there."""
    clock.now += 1.0
    display.handle(Progressed(job, int(done * MIB), total, 5.0 * MIB, 8, 2))


def feed(display: Display, clock: Clock, done: float = 45, **more: Any) -> None:
    begin(display, **more)
    move(display, clock, done, more.get("job", 0), more.get("size", 100 * MIB))
