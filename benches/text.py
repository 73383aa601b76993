"""Sizes and tables as text: what every bench prints in the same way."""

from __future__ import annotations

from collections.abc import Sequence

KIB = 1 << 10
MIB = 1 << 20
GIB = 1 << 30
_UNITS = {"": 1, "k": KIB, "m": MIB, "g": GIB}


def size_text(size: int) -> str:
    """1073741824 -> "1 GiB"; a size that is no whole number of a unit keeps one digit."""
    for unit, name in ((GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")):
        if size >= unit:
            return f"{size / unit:.1f}".removesuffix(".0") + f" {name}"
    return f"{size} B"


def parse_size(text: str) -> int:
    """ "1G" -> 1073741824; raises ValueError for anything but digits and k, M or G."""
    number, unit = (text[:-1], text[-1].lower()) if text[-1:].isalpha() else (text, "")
    if unit not in _UNITS or not number.isdigit() or int(number) == 0:
        raise ValueError(f"{text!r} is no size; write 512M or 1G")
    return int(number) * _UNITS[unit]


def align(lines: Sequence[Sequence[str]]) -> str:
    """Pads the cells of a Markdown table so that it reads well in a terminal as well. The second line says how each
    column is aligned (`---` or `---:`)."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    right = [cell.endswith(":") for cell in lines[1]]
    text = []
    for number, line in enumerate(lines):
        cells = []
        for cell, width, to_right in zip(line, widths, right, strict=True):
            if number == 1:
                cells.append("-" * (width - 1) + ":" if to_right else "-" * width)
            else:
                cells.append(cell.rjust(width) if to_right else cell.ljust(width))
        text.append("| " + " | ".join(cells) + " |")
    return "\n".join(text)
