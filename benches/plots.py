"""Plots without a library: every goal is a bar by its limit, so that the line at 1 is the limit of all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from benches import results
from benches.text import MIB
from benches.verdicts import number

_LABEL, _PLOT, _VALUE = 340, 420, 120  # pixels
_LINE, _BAR, _HEAD = 15, 10, 26
_MOST = 2.0  # times the limit; what is beyond is cut off, its number stands beside it
_COLORS = ("#8aa0b8", "#1f6fb4")  # of the older and the newer result
_MET, _LIMIT = "#2f8f4e", "#c0392b"

Goal = Mapping[str, Any]


def svg(read: Sequence[Mapping[str, Any]]) -> str:
    """A picture of one result or two."""
    all_goals = [results.goals_of(result) for result in read]
    keys = [key for key, goal in all_goals[-1].items() if goal["limit"]]
    height = _HEAD + len(keys) * (_LINE * len(read) + 8) + 10
    width = _LABEL + _PLOT + _VALUE
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
        ' font-family="sans-serif" font-size="11">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
    ]
    top = _HEAD
    for key in keys:
        name = escape(f"{key[0]}: {key[1]}")
        parts.append(f'<text x="{_LABEL - 8}" y="{top + 10}" text-anchor="end">{name}</text>')
        for color, goals in zip(_COLORS[-len(read) :], all_goals, strict=True):
            if key in goals:
                parts += _bar(goals[key], top, color)
            top += _LINE
        top += 8
    at = _x(1.0)
    parts.append(f'<line x1="{at}" y1="{_HEAD - 6}" x2="{at}" y2="{height - 6}" stroke="{_LIMIT}"/>')
    parts.append(f'<text x="{at}" y="14" text-anchor="middle" fill="{_LIMIT}">limit (less is better)</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def by_limit(goal: Goal, value: float) -> float:
    """The figure as a part of what is allowed: above 1 it is missed, whichever way it is counted."""
    limit = float(goal["limit"]) * (MIB if goal["unit"] == "MiB" else 1)
    if goal["at_least"]:
        return limit / value if value > 0 else _MOST
    return value / limit


def _x(part: float) -> float:
    return round(_LABEL + _PLOT * min(max(part, 0.0), _MOST) / _MOST, 1)


def _bar(goal: Goal, top: int, color: str) -> list[str]:
    part = by_limit(goal, goal["value"])
    width = round(_x(part) - _LABEL, 1)
    parts = [f'<rect x="{_LABEL}" y="{top}" width="{width}" height="{_BAR}" fill="{color}"/>']
    if goal["low"] is not None and goal["high"] is not None:
        ends = sorted(_x(by_limit(goal, goal[end])) for end in ("low", "high"))
        middle = top + _BAR / 2
        parts.append(f'<line x1="{ends[0]}" y1="{middle}" x2="{ends[1]}" y2="{middle}" stroke="#222"/>')
    told = escape(number(goal["value"], goal["unit"]))
    fill = _MET if part <= 1 else _LIMIT
    parts.append(f'<text x="{_LABEL + _PLOT + 8}" y="{top + 9}" fill="{fill}">{told}</text>')
    return parts


def page(headings: Sequence[str], text: str, notes: Sequence[str], picture: str) -> str:
    """A page that needs nothing else: table, remarks and plot. Grey is the older result."""
    lines = [f"<p>{escape(line)}</p>" for line in (*headings, *notes)]
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8"><title>fastdl: benches</title>',
            "<style>body { font: 14px sans-serif; margin: 2em } pre { font-size: 12px }</style></head><body>",
            "<h1>fastdl: benches</h1>",
            *lines,
            picture,
            f"<pre>{escape(text)}</pre>",
            "</body></html>",
            "",
        ]
    )
