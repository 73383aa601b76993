"""A terminal for tests: what is written is played on the screen of an emulator, cell by cell."""

from __future__ import annotations

import io
from copy import copy
from typing import Any

from servers.real import package

pyte = package("pyte")


class Keeping(pyte.HistoryScreen):  # type: ignore[name-defined,misc]
    """What tmux makes of it."""

    def erase_in_display(self, how: int = 0, *args: Any, **more: Any) -> None:
        if how == 0 and (self.cursor.x, self.cursor.y) == (0, 0):
            self.history.top.extend(copy(self.buffer[row]) for row in range(self.lines))
        super().erase_in_display(how, *args, **more)


class Screen(io.StringIO):
    """A text stream that ends on a screen. A control character that no part of fastdl sends on purpose is a failure,
    and so is a line that wraps, unless `wraps` is set. `keeps`: it does as tmux does and moves into its history what is
    erased from the very first cell on."""

    def __init__(
        self, width: int = 80, height: int = 24, encoding: str = "utf-8", *, wraps: bool = False, keeps: bool = False
    ) -> None:
        super().__init__()
        self.codec = encoding
        self.wraps = wraps
        self.kind = Keeping if keeps else pyte.HistoryScreen
        self.screen = self.kind(width, height, history=1000)
        self.player = pyte.Stream(self.screen)
        self.frames: list[str] = []

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self.codec

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        text.encode(self.codec)
        self.frames.append(text)
        for char in text.replace("\n", "\r\n"):  # the emulator drops what stands behind an odd character
            self.player.feed(char)
        if not self.wraps:
            full = [row for row in range(self.screen.lines) if self.last_cell(row) != " "]
            assert not full, f"a line that fills its row may wrap: {full}"
        return super().write(text)

    def last_cell(self, row: int) -> str:
        """What stands in the right-most cell of a row."""
        return str(self.screen.buffer[row][self.screen.columns - 1].data)

    def resize(self, width: int, height: int | None = None) -> None:
        """Another width, on a terminal that cuts lines and does not wrap them anew."""
        self.screen.resize(height or self.screen.lines, width)

    def reflow(self, width: int) -> None:
        """Another width, on a terminal that wraps the lines which are there anew; the cursor stays at its character."""
        old = self.screen
        self.screen = self.kind(width, old.lines, history=1000)
        self.player = pyte.Stream(self.screen)
        at, rows = 0, [row.rstrip() for row in old.display]
        for number, row in enumerate(rows[: old.cursor.y + 1]):
            at = self.screen.cursor.y
            self.player.feed(row + ("\r\n" if number < old.cursor.y else ""))
        self.screen.cursor_position(at + 1, old.cursor.x + 1)

    @property
    def size(self) -> tuple[int, int]:
        """What `terminal_size` says of such a terminal."""
        return self.screen.columns - 1, self.screen.lines

    @property
    def lines(self) -> list[str]:
        """The rows from top to bottom without spaces at their ends; a wide character fills two cells."""
        return [row.rstrip() for row in self.screen.display]

    @property
    def shown(self) -> list[str]:
        """The rows that are not empty, those that have been scrolled out first."""
        past = ["".join(row[x].data for x in range(self.screen.columns)).rstrip() for row in self.screen.history.top]
        return [line for line in [*past, *self.lines] if line]
