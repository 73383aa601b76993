"""Charts as inline SVG that fit any width: places along the x axis are shares of it, so text keeps its size on a phone.

Each chart is one picture to a screen reader, with a title and a sentence; the numbers stand in the table beside it.
Shapes lie in an inner SVG that is stretched along x alone, text and marks in the outer one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import count
from math import log2

from fastdl.core.quantity import format_rate, format_size
from fastdl.core.record import Record
from fastdl.ui.dashboard.figures import top
from fastdl.ui.dashboard.html import Markup, el, joined
from fastdl.ui.dashboard.style import GUTTER, SERIES

WIDE = 1000  # units of the inner SVG along x
_HEIGHT = 150  # pixels of the plot
_ABOVE, _BELOW = 16, 20  # pixels for text
_POWERS = range(0, 45, 5)  # of 2: where the lines of a logarithmic axis stand
_GAP = 0.2  # of a bar's place


class Names:
    """Names that no other element of the page has."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def new(self) -> str:
        """Another one."""
        return f"c{next(self._numbers)}"


class Dot(Record):
    """A mark of a scatter plot: `x` from 0 to 1, bytes a second, whether it is a cross."""

    x: float
    rate: float
    cross: bool


def picture(names: Names, title: str, text: str, height: float, *children: Markup, kind: str | None = None) -> Markup:
    """An SVG with its name and its sentence for those who do not see it. Of the kind `axes` it has room on its left,
    beyond x = 0, for the values of an axis."""
    name = names.new()
    return el(
        "svg",
        el("title", title, id=f"{name}t"),
        el("desc", text, id=f"{name}d"),
        *children,
        role="img",
        class_=kind,
        width="100%",
        height=f"{height:g}",
        aria_labelledby=f"{name}t",
        aria_describedby=f"{name}d",
    )


def stretched(height: float, above: float, *shapes: Markup) -> Markup:
    """Shapes whose x runs from 0 to WIDE, whatever the width of the picture; y is in pixels."""
    box = f"0 0 {WIDE} {height:g}"
    return el("svg", *shapes, x="0", y=f"{above:g}", width="100%", height=f"{height:g}", viewBox=box,
              preserveAspectRatio="none")  # fmt: skip


def text_at(share: float, y: float, text: str, kind: str | None = None) -> Markup:
    """Text below or above a place of the x axis; at the ends it stays inside. `share`: from 0 to 1."""
    anchor = "start" if share < 0.02 else "end" if share > 0.98 else "middle"
    return el("text", text, x=f"{100 * share:.4g}%", y=f"{y:g}", text_anchor=anchor, class_=kind)


def box(x: float, y: float, width: float, height: float) -> str:
    """A rectangle as a part of a path."""
    return f"M{x:.4g} {y:.4g}h{width:.4g}v{height:.4g}h{-width:.4g}z"


def path(parts: Iterable[str], kind: str) -> Markup:
    """Rectangles of one kind as one element; nothing if there is none."""
    shape = Markup("".join(parts))  # of numbers: it may be longer than a text from outside
    return el("path", d=shape, class_=kind) if shape else Markup("")


def _grid(lines: Sequence[tuple[float, str]]) -> tuple[Markup, Markup]:
    """Lines across the plot, to lie behind the shapes, and the values above them, to lie before. Each is (share of the
    height from below, text)."""
    drawn, values = [], []
    for share, text in lines:
        y = _ABOVE + _HEIGHT * (1 - share)
        drawn.append(el("line", x1=f"{-GUTTER}", x2="100%", y1=f"{y:.4g}", y2=f"{y:.4g}", class_="grid"))
        if text:
            values.append(el("text", text, x=f"{-GUTTER}", y=f"{y - 3:.4g}", class_="axis"))
    return joined(drawn), joined(values)


def _framed(
    names: Names, title: str, text: str, lines: Sequence[tuple[float, str]], ends: tuple[str, str], *shapes: Markup
) -> Markup:
    """A picture with its lines, and below what stands at both ends of the time."""
    behind, before = _grid(lines)
    labels = [text_at(0.0, _ABOVE + _HEIGHT + 15, ends[0])]
    labels += [text_at(1.0, _ABOVE + _HEIGHT + 15, ends[1])] if ends[1] != ends[0] else []
    height = _ABOVE + _HEIGHT + _BELOW
    return picture(names, title, text, height, behind, *shapes, before, *labels, kind="axes")


def bars(names: Names, title: str, text: str, values: Sequence[float], ends: tuple[str, str], *, rate: bool) -> Markup:
    """Bars from left to right, an axis from 0. `ends`: what stands below the first and the last."""
    most = top(values) or 1.0
    unit = format_rate if rate else format_size
    place = WIDE / max(len(values), 1)
    shapes = [
        box(number * place + _GAP / 2 * place, _HEIGHT * (1 - value / most), place * (1 - _GAP), _HEIGHT * value / most)
        for number, value in enumerate(values)
        if value > 0
    ]
    lines = [(0.0, ""), (0.5, unit(most / 2)), (1.0, unit(most))]
    return _framed(names, title, text, lines, ends, stretched(_HEIGHT, _ABOVE, path(shapes, "f")))


def dots(names: Names, title: str, text: str, marks: Sequence[Dot], ends: tuple[str, str]) -> Markup:
    """Marks over time, a logarithmic axis of rates."""
    powers = [log2(mark.rate) for mark in marks if mark.rate >= 1]
    least = max((power for power in _POWERS[:-1] if power <= min(powers, default=0)), default=0)
    most = min((power for power in _POWERS if power > least and power >= max(powers, default=0)), default=_POWERS[-1])
    shapes = []
    for mark in marks:  # one without a rate lies on the lowest line
        share = min((log2(max(mark.rate, 2.0**least)) - least) / (most - least), 1.0)
        x, y = f"{1 + 98 * mark.x:.4g}%", _ABOVE + _HEIGHT * (1 - share)
        if mark.cross:
            shapes.append(el("text", "x", x=x, y=f"{y + 4:.4g}", class_="cross"))
        else:
            shapes.append(el("circle", cx=x, cy=f"{y:.4g}", r="3", class_="f"))
    within = [power for power in _POWERS if least <= power <= most]
    lines = [((power - least) / (most - least), format_rate(2.0**power)) for power in within]
    return _framed(names, title, text, lines, ends, *shapes)


def stacks(names: Names, title: str, text: str, slots: Sequence[dict[int, float]], ends: tuple[str, str]) -> Markup:
    """Rates over the time of one download, each source's on top of the one before, in its colour."""
    most = top(sum(slot.values()) for slot in slots) or 1.0
    place = WIDE / len(slots)
    shapes: dict[int, list[str]] = {}
    for number, slot in enumerate(slots):
        y = float(_HEIGHT)
        for source in sorted(slot):
            height = _HEIGHT * slot[source] / most
            y -= height
            shapes.setdefault(source, []).append(box(number * place, y, place * 0.94, height))
    lines = [(0.0, ""), (0.5, format_rate(most / 2)), (1.0, format_rate(most))]
    shown = stretched(_HEIGHT, _ABOVE, *(path(parts, series(source)) for source, parts in sorted(shapes.items())))
    return _framed(names, title, text, lines, ends, shown)


def series(source: int) -> str:
    """The class of a source's colour."""
    return f"s{source % SERIES}"


def letter(source: int) -> str:
    """What stands for a source beside its colour: A, B, ..., Z, A2, ..."""
    turn, place = divmod(source, 26)
    return chr(ord("A") + place) + (str(turn + 1) if turn else "")


def metered(text: str, share: float) -> Markup:
    """A number in a table's cell, and beside it a small bar that repeats it: nothing for a screen reader."""
    width = f"{100 * min(max(share, 0.0), 1.0):.4g}"
    track = el("rect", width="100", height="10", class_="t")
    filled = el("rect", width=width, height="10", class_="f")
    bar = el("svg", track, filled, viewBox="0 0 100 10", height="10", preserveAspectRatio="none", aria_hidden="true")
    return joined([text, bar])


def swatch(*shapes: Markup) -> Markup:
    """What a shape looks like, for a key."""
    return el("svg", *shapes, viewBox="0 0 24 14", width="24", height="14", aria_hidden="true")
