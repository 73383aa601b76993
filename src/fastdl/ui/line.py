"""What one line of progress says, for a given number of cells.

Every part has a fixed width, so that nothing trembles and the parts of several files stand below each other. In a
narrow terminal parts go, the least needed first; name, percents, speed and time left are the last.
"""

from __future__ import annotations

from collections.abc import Callable

from fastdl.core.plain import dataclass
from fastdl.ui.progress import Job
from fastdl.ui.text import columns, encodable, pad, shorten

# Cells of each part with the space before it, in the order in which they are given room.
PARTS = (("percent", 5), ("rate", 11), ("left", 11), ("bar", 11), ("size", 9), ("connections", 8), ("sources", 7))
DONE = 12  # cells of "120 MiB of": what has come, told where there is plenty of room
LEAST_NAME = 12
MOST_NAME = 64
LEAST_BAR = 8  # cells, its two ends aside
MOST_BAR = 50
FOREVER = 10 * 86400.0  # seconds; a longer time left is as good as none

Bar = Callable[[float, int], str]  # how much of it is filled, from 0 to 1, and its cells


@dataclass(frozen=True, slots=True)
class Layout:
    """Cells of the parts of all lines; 0: there is no room for it."""

    name: int
    bar: int = 0
    parts: frozenset[str] = frozenset()
    dots: str = "..."
    codec: str = "utf-8"  # what the terminal can show


def layout_for(width: int, longest: int, dots: str = "...", codec: str = "utf-8") -> Layout:
    """How `width` cells are shared out, where the longest name takes `longest`."""
    room = width - LEAST_NAME
    parts = []
    for name, cells in PARTS:
        if room < cells:
            break
        parts.append(name)
        room -= cells
    if len(parts) == len(PARTS) and room >= 3 * DONE:
        parts.append("done")
        room -= DONE
    if room < 0 or "bar" not in parts:
        return Layout(max(1, LEAST_NAME + room), 0, frozenset(parts), dots, codec)
    most = LEAST_NAME + max((room + 1) // 2, min(room, LEAST_BAR))  # a name is worth more than a longer bar
    name_cells = max(LEAST_NAME, min(longest, MOST_NAME, most))
    room -= name_cells - LEAST_NAME
    bar = min(LEAST_BAR + room, MOST_BAR)
    room -= bar - LEAST_BAR
    return Layout(min(name_cells + room, max(longest, name_cells), MOST_NAME), bar, frozenset(parts), dots, codec)


def line(job: Job, layout: Layout, bar: Bar) -> str:
    """One line of a file that has begun; without spaces at its end."""
    parts = [_name(job, layout)]
    if "percent" in layout.parts:
        parts.append(f"{job.percent:3d}%" if job.percent is not None else " " * 4)
    if layout.bar:
        parts.append(f"|{bar(_fraction(job), layout.bar)}|" if job.total is not None else _unknown(job, layout.bar + 2))
    return " ".join([*parts, *_facts(job, layout)]).rstrip()


def waiting_line(job: Job, layout: Layout, width: int, seconds: float, *, named: bool) -> str:
    """The line of a file whose server has not answered yet; `named`: it says which file that is, if there is room."""
    text = f"waiting for {job.host or job.label}" + (f", {seconds:.0f} s" if seconds >= 1 else "")
    name = f"{_name(job, layout)} " if named and "rate" in layout.parts else ""
    return name + shorten(encodable(text, layout.codec), width - columns(name), layout.dots)


def _name(job: Job, layout: Layout) -> str:
    name = encodable(job.label, layout.codec)  # before it is measured: what cannot be shown becomes one cell
    return pad(shorten(name, layout.name, layout.dots), layout.name)


def _facts(job: Job, layout: Layout) -> list[str]:
    size = job.done if job.total is None else job.total
    left = time_left(job)
    if job.total is None and "size" not in layout.parts:
        left = brief(job.done)
    facts = {
        "rate": f"{brief(job.speed)}/s".rjust(10),
        "left": left.rjust(10),
        "done": (f"{brief(job.done)} of" if job.total is not None else "").rjust(DONE - 1),
        "size": brief(size).rjust(8),
        "connections": (f"{job.connections} conn" if job.connections else "").rjust(7),
        "sources": (f"{job.sources} src" if job.connections and job.sources else "").rjust(6),
    }
    return [text for name, text in facts.items() if name in layout.parts]


def _unknown(job: Job, cells: int) -> str:
    text = "size unknown" if job.sources else ""  # the size of all files together will be known later
    return (text if len(text) <= cells else "").ljust(cells)


def _fraction(job: Job) -> float:
    if not job.total:
        return 1.0
    return min(1.0, max(0.0, job.done / job.total))


def brief(count: float) -> str:
    """Bytes in at most eight cells: "512 B", "1.5 KiB", "120 MiB", "1.0 GiB"."""
    if count < 1000:
        return f"{count:.0f} B"
    for unit in ("KiB", "MiB", "GiB", "TiB"):
        count /= 1024
        if count < 99.95:
            return f"{count:.1f} {unit}"
        if count < 999.5:
            return f"{count:.0f} {unit}"
    return f"{min(count / 1024, 9999):.0f} PiB"


def time_left(job: Job) -> str:
    """In at most ten cells: "42 s left", "3:05 left", "1h02 left", "2d03h left"; "" where nobody can say."""
    if job.total is not None and job.done >= job.total:
        return "finishing"
    if job.left is None or job.left >= FOREVER:
        return ""
    seconds = round(job.left)
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if seconds < 60:
        return f"{seconds} s left"
    if minutes < 60:
        return f"{minutes}:{seconds % 60:02} left"
    return f"{hours}h{minutes % 60:02} left" if hours < 24 else f"{days}d{hours % 24:02}h left"
