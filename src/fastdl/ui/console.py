"""What the terminal in front of us can do: move the cursor, show block characters, show colour.

Nothing is sent to it to find out. An old Windows console learns to obey escape sequences by a switch, which is put
back at the end; where it has none, and where TERM says that the cursor cannot be moved, one line is redrawn in place
with nothing but a carriage return.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping

from fastdl.core.hints import Any, TextIO
from fastdl.core.plain import dataclass

DUMB = frozenset({"", "dumb", "unknown"})  # values of TERM without a cursor that can be moved
KEEPING = ("rxvt", "screen", "linux")  # beginnings of TERM where a line stays one row when the window gets narrower
_SEQUENCES = 0x0004  # ENABLE_VIRTUAL_TERMINAL_PROCESSING
_STDERR = -12  # STD_ERROR_HANDLE

Switch = Callable[[], "Callable[[], None] | None"]


def _nothing() -> None:
    """There is nothing to put back."""


@dataclass(frozen=True, slots=True)
class Console:
    """`moves`: it obeys escape sequences that move the cursor and erase. `blocks`: it shows block characters and an
    ellipsis one cell wide. `colour`: a bar may be coloured. `reflows`: it wraps what was written when its window gets
    narrower. `codec` is what text has to be encodable in. `restore` puts back what was switched."""

    moves: bool = True
    blocks: bool = True
    colour: bool = False
    reflows: bool = True
    codec: str = "utf-8"
    restore: Callable[[], None] = _nothing


def console_of(
    stream: TextIO, environ: Mapping[str, str], *, windows: bool = sys.platform == "win32", switch: Switch | None = None
) -> Console:
    """The abilities of the terminal behind `stream`. `switch` makes a Windows console obey escape sequences and gives
    what undoes that; None where it cannot."""
    restore: Callable[[], None] | None = None
    if not stream.isatty():
        moves = False  # bars were asked for, and somebody between us and the terminal passes them on
    elif windows:
        restore = (switch or switch_on)()
        moves = restore is not None
    else:
        moves = environ.get("TERM", "") not in DUMB
    codec = codec_of(getattr(stream, "encoding", None), environ, windows=windows)
    return Console(
        moves=moves,
        # Elsewhere than in UTF-8 they are two cells wide, or not there. Fonts of the old Windows console lack them.
        blocks=codec.replace("-", "").startswith("utf") and (moves or not windows),
        colour=moves and wants_colour(environ),
        reflows=windows or not keeps_lines(environ),
        codec=codec,
        restore=restore or _nothing,
    )


def codec_of(encoding: str | None, environ: Mapping[str, str], *, windows: bool) -> str:
    """What the terminal can show. Python writes UTF-8 in the locale C too; whoever chose that locale wants ASCII."""
    name = (encoding or "ascii").lower()
    if windows:
        return name
    locale = next((environ[key] for key in ("LC_ALL", "LC_CTYPE", "LANG") if environ.get(key)), "")
    return "ascii" if locale.partition(".")[0] in ("C", "POSIX") and "utf" not in locale.lower() else name


def wants_colour(environ: Mapping[str, str]) -> bool:
    """NO_COLOR, if it is not empty, forbids colour, whatever its value (no-color.org); CLICOLOR=0 does so as well."""
    return not environ.get("NO_COLOR") and environ.get("CLICOLOR") != "0"


def keeps_lines(environ: Mapping[str, str]) -> bool:
    """Whether lines stay one row each when the window gets narrower: what moves the cursor up by too many rows would
    erase what stood there before."""
    if "XTERM_VERSION" in environ:
        return True
    return environ.get("TERM", "").startswith(KEEPING) and "TMUX" not in environ


def in_front(stream: TextIO) -> bool:
    """Whether the terminal is ours to draw on: a job in the background would draw over what somebody types."""
    if sys.platform == "win32":
        return True
    try:
        return os.tcgetpgrp(stream.fileno()) == os.getpgrp()
    except (OSError, ValueError, AttributeError):
        return True  # it controls no jobs


def terminal_size(stream: TextIO) -> tuple[int, int]:
    """Cells of a line on this terminal less one (a full line would wrap on some), and its lines; 79 and 24 where it
    cannot be asked."""
    try:
        size = os.get_terminal_size(stream.fileno())
    except (OSError, ValueError, AttributeError):
        size = os.terminal_size((0, 0))
    return max(1, (size.columns or 80) - 1), size.lines or 24


def switch_on(kernel: Any = None) -> Callable[[], None] | None:
    """Make the Windows console behind stderr obey escape sequences; gives what undoes that, None if it cannot.
    `kernel` stands for kernel32."""
    kernel = kernel if kernel is not None else _kernel()
    if kernel is None:
        return None
    import ctypes

    mode = ctypes.c_uint32()
    handle = kernel.GetStdHandle(_STDERR)
    if not kernel.GetConsoleMode(handle, ctypes.byref(mode)):
        return None
    before = mode.value
    if before & _SEQUENCES:
        return _nothing
    if not kernel.SetConsoleMode(handle, before | _SEQUENCES):
        return None

    def restore() -> None:
        kernel.SetConsoleMode(handle, before)

    return restore


def _kernel() -> Any:
    if sys.platform != "win32":
        return None
    import ctypes
    from ctypes import wintypes

    kernel = ctypes.WinDLL("kernel32", use_last_error=True)
    kernel.GetStdHandle.argtypes, kernel.GetStdHandle.restype = (wintypes.DWORD,), wintypes.HANDLE
    kernel.GetConsoleMode.argtypes = (wintypes.HANDLE, ctypes.POINTER(wintypes.DWORD))
    kernel.SetConsoleMode.argtypes = (wintypes.HANDLE, wintypes.DWORD)
    return kernel
