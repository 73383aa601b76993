"""The last lines of a terminal, redrawn in place, while other lines come and stay above them.

Every frame and every message is one write, so that nothing flickers and nothing of another thread gets in between. The
cursor rests at the left end of the last line: what a terminal echoes there (`^C`) is painted over by the next frame.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress

from fastdl.core.hints import TextIO
from fastdl.ui.console import Console
from fastdl.ui.text import columns

_COLOUR = re.compile("\x1b\\[[0-9]*m")


class Canvas:
    """Lines at the bottom of the terminal behind `stream`. A terminal that has gone stops nothing."""

    def __init__(self, stream: TextIO, console: Console) -> None:
        self._stream = stream
        self._console = console
        self.lines: list[str] = []
        self.width = 0

    def show(self, lines: Sequence[str], width: int) -> None:
        """Draw these lines, none longer than `width` cells, in place of those that are there. Where the cursor
        cannot be moved up, only the last one is drawn."""
        new = list(lines) if self._console.moves else list(lines[-1:])
        if new == self.lines and width == self.width:
            return
        if not new or (self.lines and width != self.width):
            text = self._erasure(width) + self._drawing(new)
        elif self._console.moves:
            text = self._up(len(self.lines) - 1) + self._drawing(new)
            text = text[:-1] + "\x1b[J\r" if len(new) < len(self.lines) else text
        else:
            blank = max(0, columns(self.lines[0]) - columns(new[0])) if self.lines else 0
            text = "\r" + new[0] + " " * blank + "\r"
        self.lines, self.width = new, width
        self._write(text)

    def say(self, line: str, width: int) -> None:
        """Put a line above the drawn ones, to stay."""
        erasure = self._erasure(width)
        if width < self.width:
            self.lines = []  # they are too long now: the next frame draws them anew
        self.width = width
        self._write(erasure + line + "\n" + self._drawing(self.lines))

    def clear(self, width: int) -> None:
        """Take the drawn lines off the screen."""
        self.show((), width)

    def forget(self) -> None:
        """The cursor is elsewhere now: what was drawn stays where it is, and the next frame begins where we are."""
        self.lines = []

    def _drawing(self, lines: Sequence[str]) -> str:
        if not lines:
            return ""
        if not self._console.moves:
            return "\r" + lines[0] + "\r"
        return "\n".join(f"{line}\x1b[K" for line in lines) + "\r"

    def _erasure(self, width: int) -> str:
        if not self.lines:
            return ""
        if not self._console.moves:
            return "\r" + " " * min(columns(self.lines[0]), width) + "\r"
        # Not from the left end: what ESC[J erases from the very first cell, tmux keeps in its history.
        return self._up(self._above(width)) + "\x1b[K\x1b[C\x1b[J\r"

    def _above(self, width: int) -> int:
        """How many rows of drawn lines are above the cursor, on a terminal that may have become narrower."""
        lines = self.lines[:-1]  # the cursor stands at the beginning of the last one
        if width >= self.width or not self._console.reflows:
            return len(lines)
        cells = [columns(_COLOUR.sub("", line)) for line in lines]
        return sum(max(1, -(-count // (width + 1))) for count in cells)

    @staticmethod
    def _up(rows: int) -> str:
        return "\r" + (f"\x1b[{rows}A" if rows > 0 else "")

    def _write(self, text: str) -> None:
        if text:
            with suppress(OSError, ValueError):
                self._stream.write(text)
                self._stream.flush()
