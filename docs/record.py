"""Makes docs/recording.svg: a real run of fastdl in a terminal, as one picture that moves.

    python docs/record.py

It runs `fastdl demo` at a pseudo-terminal of 80 by 18 cells, plays what comes on the screen of a terminal emulator
(pyte, of the `test` extra), and writes each thing that stood on a row, with the time from when until when, as text of
an SVG. What moves is CSS: no script, no font, nothing from anywhere else. Whoever asks for less motion sees the last
screen. The layout is always the same; the numbers are those of the run. Not for Windows, which has no pseudo-terminals.
"""

from __future__ import annotations

import argparse
import codecs
import os
import select
import struct
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
from pathlib import Path

import pyte

COMMAND = ("demo",)
WIDTH, HEIGHT = 80, 18  # cells
CELL, ROW, SIZE = 8.4, 18.0, 14  # units of the picture: width and height of a cell, size of the font
MARGIN = 14.0
STEP = 0.2  # seconds between two looks at the screen
TYPING = 0.07  # seconds a letter of the command
HOLD = 8.0  # seconds that the last screen stays before all begins again
LONGEST = 120.0  # seconds that a run may take
FULL = "\u2588"
BLOCKS = " \u258f\u258e\u258d\u258c\u258b\u258a\u2589" + FULL  # eighths of a cell
MADE = "made by docs/record.py from a real run of: fastdl "

STYLE = """
svg { color-scheme: light dark; --paper: #fbfbfa; --ink: #24292f; --edge: #d0d7de; --bar: #1a7f37; --prompt: #57606a }
@media (prefers-color-scheme: dark) {
  svg { --paper: #0d1117; --ink: #e6edf3; --edge: #30363d; --bar: #3fb950; --prompt: #8b949e }
}
.paper { fill: var(--paper); stroke: var(--edge) }
text { fill: var(--ink); white-space: pre; font: %dpx ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono",
  "Liberation Mono", monospace }
.bar { fill: var(--bar) }
.prompt { fill: var(--prompt) }
.shown { visibility: hidden; animation: %.2fs step-end infinite }
.last { visibility: visible }
@media (prefers-reduced-motion: reduce) { .shown { animation: none !important } }
"""


@dataclass(frozen=True)
class Cell:
    """One cell of the screen; `bar`: it is drawn in colour."""

    char: str
    bar: bool


Row = tuple[Cell, ...]
Screen = tuple[Row, ...]


@dataclass(frozen=True)
class Span:
    """What stood on a row from one moment to another, in seconds."""

    row: int
    cells: Row
    begin: float
    end: float


def run(command: Sequence[str], width: int, height: int) -> Iterator[tuple[float, bytes]]:
    """What a program writes to a terminal of this size, with the seconds since its start. Raises SystemExit if it
    fails."""
    import fcntl
    import pty
    import termios

    environ = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "HOME", "TMPDIR") if name in os.environ}
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
    environ |= {"TERM": "xterm-256color", "LANG": "C.UTF-8"}
    process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=environ, start_new_session=True)
    os.close(slave)
    began = time.monotonic()
    try:
        while time.monotonic() - began < LONGEST:
            if select.select([master], [], [], 1.0)[0]:
                try:
                    data = os.read(master, 65536)
                except OSError:  # Linux says so that the other side is closed
                    data = b""
                if not data:
                    break
                yield time.monotonic() - began, data
        else:
            process.kill()
    finally:
        os.close(master)
    if process.wait() != 0:
        raise SystemExit(f"{' '.join(command)} failed")


def play(parts: Sequence[tuple[float, bytes]], typed: str, width: int, height: int) -> list[tuple[float, Screen]]:
    """The screens, each with the moment from which on it is seen: the command is typed, then the program writes."""
    screen = pyte.Screen(width, height)
    stream = pyte.Stream(screen)
    decode = codecs.getincrementaldecoder("utf-8")("replace").decode
    frames: list[tuple[float, Screen]] = []
    stream.feed("$ ")
    for number, char in enumerate(typed):
        frames.append((number * TYPING, taken(screen)))
        stream.feed(char)
    began = len(typed) * TYPING
    frames.append((began, taken(screen)))
    stream.feed("\r\n")
    began += 0.4
    for step, group in groupby(parts, lambda part: int(part[0] / STEP)):
        for _, data in group:
            stream.feed(decode(data))
        frames.append((began + step * STEP, taken(screen)))
    stream.feed("$ ")
    frames.append((frames[-1][0] + STEP, taken(screen)))
    return frames


def taken(screen: pyte.Screen) -> Screen:
    """What stands on the screen now."""
    rows = (screen.buffer[y] for y in range(screen.lines))
    return tuple(tuple(Cell(row[x].data, row[x].fg != "default") for x in range(screen.columns)) for row in rows)


def spans(frames: Sequence[tuple[float, Screen]], end: float) -> list[Span]:
    """The same row by row: what did not change is told once."""
    found = []
    for number in range(len(frames[0][1])):
        for cells, group in groupby(frames, lambda frame: frame[1][number]):  # noqa: B023
            begin = next(group)[0]
            after = next((moment for moment, screen in frames if moment > begin and screen[number] != cells), end)
            if any(cell.char.strip() for cell in cells):
                found.append(Span(number, cells, begin, after))
    return found


def svg(frames: Sequence[tuple[float, Screen]], command: str) -> str:
    """The picture. `command` is what a reader is told that was run."""
    end = frames[-1][0] + HOLD
    height, width = len(frames[-1][1]), len(frames[-1][1][0])
    across, down = width * CELL + 2 * MARGIN, height * ROW + 2 * MARGIN
    moving = spans(frames, end)
    said = "\n".join("".join(cell.char for cell in row).rstrip() for row in frames[-1][1]).strip()
    moments = sorted({(span.begin, span.end) for span in moving})
    names = {moment: f"m{number}" for number, moment in enumerate(moments)}
    frames_of = "".join(keyframes(names[moment], moment, end) for moment in moments)
    drawn = "".join(drawing(span, names[span.begin, span.end], last=span.end >= end) for span in moving)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {across:g} {down:g}" width="{across:g}" '
        f'height="{down:g}" role="img" aria-labelledby="title desc">\n'
        f"<!-- {MADE}{escape(command)} -->\n"
        f'<title id="title">A terminal: fastdl {escape(command)}</title>\n'
        f'<desc id="desc">What stands there at the end:\n{escape(said)}</desc>\n'
        f"<style>{STYLE % (SIZE, end)}{frames_of}</style>\n"
        f'<rect class="paper" x=".5" y=".5" width="{across - 1:g}" height="{down - 1:g}" rx="8"/>\n'
        f"{drawn}</svg>\n"
    )


def keyframes(name: str, moment: tuple[float, float], end: float) -> str:
    """The rule by which something is seen from one moment to another, of `end` seconds."""
    begin, after = (f"{100 * second / end:.2f}%" for second in moment)
    before = "" if moment[0] <= 0 else "0%{visibility:hidden}"
    behind = "" if moment[1] >= end else f"{after}{{visibility:hidden}}"
    rule = f"@keyframes {name}{{{before}{begin}{{visibility:visible}}{behind}}}\n"
    return rule + f".{name}{{animation-name:{name}}}\n"


def drawing(span: Span, name: str, *, last: bool) -> str:
    """One row: its words as text, each at its place; its blocks as rectangles, since fonts leave gaps between them."""
    parts = []
    top = MARGIN + span.row * ROW
    for x, text, bar in runs(span.cells):
        left = MARGIN + x * CELL
        if bar:
            filled = sum(BLOCKS.index(char) for char in text) / 8
            parts.append(
                f'<rect class="bar" x="{left:.1f}" y="{top + 3:.1f}" width="{filled * CELL:.1f}" height="13"/>'
            )
        else:
            kind = ' class="prompt"' if x == 0 and text == "$" else ""
            length = f' textLength="{len(text) * CELL:.1f}" lengthAdjust="spacingAndGlyphs"'
            parts.append(f'<text x="{left:.1f}" y="{top + 13.5:.1f}"{length}{kind}>{escape(text)}</text>')
    return f'<g class="shown {name}{" last" if last else ""}">{"".join(parts)}</g>\n'


def runs(cells: Row) -> Iterator[tuple[int, str, bool]]:
    """The parts of a row: where each begins, its text, and whether it is made of blocks. Two spaces part texts."""
    text = "".join(cell.char or " " for cell in cells)
    x = 0
    for blocks, group in groupby(text.rstrip(), lambda char: char in BLOCKS[1:]):
        part = "".join(group)
        if blocks:
            yield x, part, True
        else:
            at = x
            for word in part.split("  "):
                if word.strip():
                    indent = len(word) - len(word.lstrip())
                    yield at + indent, word.strip(), False
                at += len(word) + 2
        x += len(part)


def main(args: Sequence[str] | None = None) -> None:
    """Records a run and writes the picture."""
    parser = argparse.ArgumentParser(description="Record `fastdl demo` as an SVG.")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("recording.svg"))
    out = parser.parse_args(args).out
    parts = list(run([sys.executable, "-m", "fastdl", *COMMAND], WIDTH, HEIGHT))
    command = " ".join(COMMAND)
    out.write_text(svg(play(parts, f"fastdl {command}", WIDTH, HEIGHT), command), encoding="utf-8")


if __name__ == "__main__":
    main()
