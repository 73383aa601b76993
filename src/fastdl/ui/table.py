"""Columns of text: each as wide as its widest cell, the last one free."""

from __future__ import annotations

from collections.abc import Sequence

from fastdl.ui.text import columns, pad, safe

GAP = "  "


def table(rows: Sequence[Sequence[str]], indent: str = "", right: Sequence[int] = ()) -> list[str]:
    """The rows as lines, cells made safe to show. `right`: the numbers of the columns that are set to the right. Rows
    may be of different lengths."""
    cells = [[safe(cell) for cell in row] for row in rows]
    count = max((len(row) for row in cells), default=0)
    widths = [max((columns(row[at]) for row in cells if at < len(row)), default=0) for at in range(count)]
    return [indent + GAP.join(_cell(row, at, widths[at], at in right) for at in range(len(row))) for row in cells]


def _cell(row: Sequence[str], at: int, width: int, right: bool) -> str:
    text = row[at]
    if right:
        return " " * max(0, width - columns(text)) + text
    return text if at == len(row) - 1 else pad(text, width)
