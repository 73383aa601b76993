"""What is taken for granted of a terminal, and how an old Windows console is asked."""

from __future__ import annotations

import io
from typing import Any

import pytest

from fastdl.ui.console import console_of, in_front, keeps_lines, switch_on, terminal_size, wants_colour
from ui.screen import Screen

XTERM = {"TERM": "xterm-256color", "LANG": "en_US.UTF-8"}


@pytest.mark.parametrize(
    ("environ", "moves", "blocks", "colour", "codec"),
    [
        (XTERM, True, True, True, "utf-8"),
        (XTERM | {"NO_COLOR": "1"}, True, True, False, "utf-8"),
        (XTERM | {"NO_COLOR": ""}, True, True, True, "utf-8"),
        (XTERM | {"CLICOLOR": "0"}, True, True, False, "utf-8"),
        (XTERM | {"LC_ALL": "C"}, True, False, True, "ascii"),
        (XTERM | {"LANG": "POSIX"}, True, False, True, "ascii"),
        (XTERM | {"LC_ALL": "C.UTF-8"}, True, True, True, "utf-8"),
        ({"TERM": "xterm"}, True, True, True, "utf-8"),
        ({"TERM": "dumb"}, False, True, False, "utf-8"),
        ({}, False, True, False, "utf-8"),
    ],
)
def test_a_posix_terminal(environ: dict[str, str], moves: bool, blocks: bool, colour: bool, codec: str) -> None:
    console = console_of(Screen(), environ, windows=False)
    assert (console.moves, console.blocks, console.colour, console.codec) == (moves, blocks, colour, codec)
    console.restore()


@pytest.mark.parametrize("codec", ["cp437", "cp1252", "cp932", "gbk", "ascii", "latin-1"])
def test_block_characters_are_for_utf_8(codec: str) -> None:
    """Where cp932 and gbk have them they are two cells wide."""
    assert not console_of(Screen(encoding=codec), XTERM, windows=False).blocks
    assert not console_of(Screen(encoding=codec), {}, windows=True, switch=lambda: lambda: None).blocks


class Kernel:
    """kernel32 with a console in a certain mode; `obeys` says whether it knows escape sequences."""

    def __init__(self, mode: int = 3, *, console: bool = True, obeys: bool = True) -> None:
        self.mode = mode
        self.console = console
        self.obeys = obeys

    def GetStdHandle(self, number: int) -> int:
        assert number == -12
        return 7

    def GetConsoleMode(self, handle: int, mode: Any) -> int:
        mode._obj.value = self.mode
        return int(self.console)

    def SetConsoleMode(self, handle: int, mode: int) -> int:
        assert handle == 7
        if mode & 4 and not self.obeys:
            return 0
        self.mode = mode
        return 1


def windows(kernel: Kernel, environ: dict[str, str] | None = None) -> Any:
    return console_of(Screen(), environ or {}, windows=True, switch=lambda: switch_on(kernel))


def test_a_windows_console_is_switched_and_switched_back() -> None:
    kernel = Kernel()
    console = windows(kernel)
    assert kernel.mode == 7
    assert (console.moves, console.blocks, console.colour, console.reflows) == (True, True, True, True)
    console.restore()
    assert kernel.mode == 3


def test_a_windows_console_that_obeys_already_is_left_alone() -> None:
    kernel = Kernel(mode=7)
    console = windows(kernel, {"NO_COLOR": "1"})
    console.restore()
    assert kernel.mode == 7
    assert console.moves and not console.colour


@pytest.mark.parametrize("kernel", [Kernel(obeys=False), Kernel(console=False)])
def test_an_old_windows_console_gets_one_line_of_ascii(kernel: Kernel) -> None:
    console = windows(kernel, {"TERM": "xterm"})
    assert (console.moves, console.blocks, console.colour) == (False, False, False)
    console.restore()
    assert kernel.mode == 3


def test_colour_is_wanted_unless_it_is_not() -> None:
    assert wants_colour({"CLICOLOR": "1"})
    assert not wants_colour({"NO_COLOR": "0"})


@pytest.mark.parametrize(
    ("environ", "keeps"),
    [
        (XTERM, False),
        (XTERM | {"XTERM_VERSION": "XTerm(390)"}, True),
        ({"TERM": "screen"}, True),
        ({"TERM": "screen", "TMUX": "/tmp/x"}, False),
        ({"TERM": "tmux-256color"}, False),
        ({"TERM": "rxvt-unicode"}, True),
        ({"TERM": "linux"}, True),
    ],
)
def test_which_terminals_wrap_lines_anew(environ: dict[str, str], keeps: bool) -> None:
    assert keeps_lines(environ) == keeps


def test_what_is_no_terminal() -> None:
    console = console_of(io.StringIO(), XTERM, windows=False)
    assert (console.moves, console.colour) == (False, False)
    assert terminal_size(io.StringIO()) == (79, 24)
    assert in_front(io.StringIO())
