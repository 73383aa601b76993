"""fastdl at a real pseudo-terminal: what a person sees while it works, and what is left at the end."""

from __future__ import annotations

import os
import select
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from servers.files import FileApp
from servers.raw import Serve
from servers.real import package
from servers.run import Runner, command, environment

pyte = package("pyte")
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals for Python")

LIMIT = 60.0  # seconds; a run that takes longer hangs
# The terminal becomes the one that controls the process, as in a shell: Ctrl-C is a signal then.
TAKE = (
    "import fcntl, os, sys, termios\n"
    "fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"
    "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])\n"
)


class Terminal:
    """Runs fastdl at a terminal of some size and keeps every screen that differs from the one before."""

    def __init__(self, fastdl: Runner, width: int = 80, height: int = 24, **env: str) -> None:
        self.fastdl = fastdl
        self.width, self.height = width, height
        self.env = environment(fastdl.home, {"TERM": "xterm-256color", **env})
        self.screen = pyte.Screen(width, height)
        self.player = pyte.ByteStream(self.screen)
        self.seen: list[list[str]] = []
        self.raw = b""

    def run(self, *args: str, do: Callable[[int, list[str]], bool] | None = None) -> int:
        """The exit code. `do` gets the terminal and each new screen until it has done what it wanted."""
        import fcntl
        import termios

        master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", self.height, self.width, 0, 0))
        process = subprocess.Popen(
            [sys.executable, "-c", TAKE, *command(*args)[1:]],
            stdin=slave, stdout=slave, stderr=slave, env=self.env, cwd=self.fastdl.cwd, start_new_session=True,
        )  # fmt: skip
        os.close(slave)
        until = time.monotonic() + LIMIT
        try:
            while time.monotonic() < until and self._read(master):
                if do is not None and self.seen and do(master, self.seen[-1]):
                    do = None
        finally:
            os.close(master)
            process.kill() if process.poll() is None and time.monotonic() > until else None
        return process.wait(LIMIT)

    def _read(self, master: int) -> bool:
        if not select.select([master], [], [], 1.0)[0]:
            return True
        try:
            data = os.read(master, 65536)
        except OSError:  # so Linux says that nobody has it open any more
            return False
        self.raw += data
        self.player.feed(data)
        if not self.seen or self.seen[-1] != self.shown:
            self.seen.append(self.shown)
        return bool(data)

    @property
    def shown(self) -> list[str]:
        return [row.rstrip() for row in self.screen.display if row.strip()]


def slow(serve: Serve, seconds: float = 2.5, size: int = 600_000) -> str:
    """The URL of a file that takes so long over one connection."""
    return serve(FileApp(size=size, rate=size / seconds)).url("/file-with-a-name.bin")


@pytest.mark.parametrize("width", [40, 80, 200])
def test_one_file(width: int, fastdl: Runner, serve: Serve) -> None:
    terminal = Terminal(fastdl, width)
    assert terminal.run("get", "-x1", slow(serve)) == 0
    bars = [screen for screen in terminal.seen if any("%" in line for line in screen)]
    assert len(bars) > 2
    for screen in bars:
        (line,) = screen  # a bar that wraps would be two
        assert line.startswith("file")
        assert "/s" in line
    assert any("left" in screen[0] for screen in bars)
    told = "".join(terminal.shown)
    assert told.startswith("file-with-a-name.bin: 585.9 KiB in ")
    assert told.endswith("no digest published with it")
    assert terminal.screen.cursor.x == 0, "the prompt begins a line"


def test_three_files_and_the_line_for_all(fastdl: Runner, serve: Serve) -> None:
    terminal = Terminal(fastdl)
    urls = [slow(serve) + f"?{number}" for number in range(3)]
    outs = [url.replace("file-with", f"{number}-with") for number, url in enumerate(urls)]
    assert terminal.run("get", "-x1", "-j3", *outs) == 0
    assert any(len(screen) == 4 and screen[3].startswith("0 of 3 files") for screen in terminal.seen)
    assert terminal.shown[-1].startswith("3 files, 1.7 MiB in ")
    assert not [line for line in terminal.shown if "%" in line]


def test_ctrl_c_leaves_one_line(fastdl: Runner, serve: Serve) -> None:
    def interrupt(terminal: int, screen: list[str]) -> bool:
        if not any("%" in line for line in screen):
            return False
        os.write(terminal, b"\x03")
        return True

    terminal = Terminal(fastdl)
    assert terminal.run("get", "-x1", slow(serve, seconds=40), do=interrupt) == 130
    assert terminal.shown == ["fastdl: error: interrupted. Run the same command again to go on."]


def test_events_stand_above_the_bar(fastdl: Runner, serve: Serve) -> None:
    terminal = Terminal(fastdl, 100)
    assert terminal.run("get", "-v", "-x1", slow(serve)) == 0
    assert any(screen[0].startswith("fastdl: 127.0.0.1") and "%" in screen[-1] for screen in terminal.seen)
    assert not [line for line in terminal.shown if "%" in line]


@pytest.mark.parametrize(
    ("env", "forbidden"),
    [
        ({"NO_COLOR": "1"}, (b"\x1b[32m",)),
        ({"TERM": "dumb"}, (b"\x1b", b"\r\x1b", b"|")),
        ({"FASTDL_PROGRESS": "plain"}, (b"\x1b", b"\xe2\x96")),
        ({"FASTDL_PROGRESS": "none"}, (b"\x1b", b"%")),
        ({"LC_ALL": "C", "PYTHONUTF8": "0"}, (b"\xe2",)),
        ({"TERM": ""}, (b"\x1b",)),
    ],
)
def test_what_a_terminal_is_not_sent(
    env: dict[str, str], forbidden: Sequence[bytes], fastdl: Runner, serve: Serve
) -> None:
    terminal = Terminal(fastdl, **env)
    assert terminal.run("get", "-x1", slow(serve)) == 0
    assert [part for part in forbidden if part in terminal.raw] == []
    assert "file-with-a-name.bin: 585.9 KiB in " in "".join(terminal.shown)


def test_bars_and_bytes_do_not_share_a_terminal(fastdl: Runner, serve: Serve) -> None:
    terminal = Terminal(fastdl)
    server = serve(FileApp(size=2000, rate=1500))
    assert terminal.run("get", "-x1", "-o", "-", server.url()) == 0
    assert b"\x1b[K" not in terminal.raw


def test_json_on_the_terminal_is_not_torn(fastdl: Runner, serve: Serve) -> None:
    terminal = Terminal(fastdl, 200)
    assert terminal.run("get", "-x1", "--json", slow(serve), slow(serve) + "?2", "--auto-rename") == 0
    objects = "".join(terminal.shown)
    assert objects.count('"exit_code": 0') == 2
    assert objects.endswith("}")


def test_a_bar_is_not_drawn_into_a_pipe(fastdl: Runner, serve: Serve) -> None:
    result = fastdl.get("-x1", slow(serve))
    assert result.err.count("\n") == 1
    assert "\r" not in result.err


def test_plain_in_a_pipe(fastdl: Runner, serve: Serve) -> None:
    result = fastdl.get("-x1", "--progress", "plain", slow(serve))
    first, last = result.err.splitlines()
    assert first.startswith("file-with-a-name.bin: 585.9 KiB from 127.0.0.1:")
    assert last.startswith("file-with-a-name.bin: 585.9 KiB in ")


def test_a_window_that_changes_its_size(fastdl: Runner, serve: Serve) -> None:
    def widen(terminal: int, screen: list[str]) -> bool:
        import fcntl
        import termios

        if not any("%" in line for line in screen):
            return False
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 120, 0, 0))
        screens.append(len(screens))
        view.screen.resize(24, 120)
        return True

    screens: list[int] = []
    view = Terminal(fastdl, 60)
    assert view.run("get", "-x1", slow(serve), do=widen) == 0
    assert any(len(screen) == 1 and len(screen[0]) > 80 for screen in view.seen)
    assert len(view.shown) == 1


def test_nothing_is_left_in_the_folder(fastdl: Runner, serve: Serve, tmp_path: Path) -> None:
    terminal = Terminal(fastdl)
    assert terminal.run("get", "-x1", slow(serve)) == 0
    assert [path.name for path in fastdl.cwd.iterdir()] == ["file-with-a-name.bin"]


def test_what_a_command_says_stands_above_the_bars(fastdl: Runner, serve: Serve) -> None:
    terminal = Terminal(fastdl)
    script = fastdl.cwd / "said.py"
    script.write_text("print('the command was here')", encoding="utf-8")
    command_line = f"'{sys.executable}' '{script}'"
    urls = [slow(serve, seconds).replace("file-with", f"{seconds}-with") for seconds in (0.9, 2.5)]
    assert terminal.run("get", "-x1", "-j2", "--on-complete", command_line, *urls) == 0
    assert [line for line in terminal.shown if "%" in line] == []
    assert terminal.shown.count("the command was here") == 2
