"""The waterfall of one download: for each connection what it did when, and the same as tables.

Kinds of work differ by their height, sources by colour and letter; a stall is hatched. Nothing needs to be pointed at.
"""

from __future__ import annotations

from collections.abc import Sequence

from fastdl.core.quantity import format_rate, format_size
from fastdl.io.profiles import Profiled, Stretch
from fastdl.ui.dashboard.charts import Names, box, letter, path, picture, series, stacks, stretched, swatch, text_at
from fastdl.ui.dashboard.figures import rates
from fastdl.ui.dashboard.html import Markup, el, joined, table

SLOTS = 40  # parts of the time in which a rate is shown
MOST_LANES = 24
MOST_ROWS = 40  # of the table of spans
MOST_DRAWN = 600  # spans of one picture
_LANE, _BAR = 34, 14  # pixels
_LEAST = 1.5  # units of 1,000: what is shorter is drawn so long
_LETTER = 0.05  # share of the width that a bar with a letter has
_KINDS = {"receive": (0.0, 14.0), "stall": (0.0, 14.0), "first_byte": (5.0, 4.0), "transfer": (6.0, 2.0)}
_SETUP = (3.0, 8.0)  # y and height of look-ups, handshakes, steps of the file
_NAMES = {
    "look": "look what is there",
    "route": "find sources",
    "transfer": "wait for the connections",
    "dns": "look the name up",
    "proxy": "ask the proxy",
    "trust": "load the trust store",
    "tls": "TLS handshake",
    "first_byte": "wait for the answer",
    "publisher": "wait for the digest",
    "digest": "finish the digest",
    "mend": "mend the file",
    "flush": "bring the file to the device",
    "rename": "name the file",
    "settle": "wait to be named with others",
    "remember": "write down what was learned",
}


def waterfall(names: Names, profiled: Profiled) -> Markup:
    """The picture, its key, the rates over time, and the tables."""
    seconds = max([profiled.seconds, *(span.end for span in profiled.spans)], default=0.0) or 1e-6
    lanes = _lanes(profiled.spans)
    told = f"{len(lanes)} lanes over {seconds:.3f} seconds; the table below has the same times."
    drawn = _drawn(_longest(lanes), seconds)
    shown = picture(names, "What each connection did when", told, _height(lanes), *drawn)
    name = names.new()
    return joined(
        [
            el("h3", "Waterfall"),
            el("figure", el("figcaption", _caption(lanes, profiled)), shown, _key(profiled)),
            _throughput(names, profiled, seconds),
            el(
                "details",
                el("summary", "The times as a table"),
                _lane_table(name, lanes),
                _span_table(name, profiled, lanes),
            ),
        ]
    )


def _whole(spans: Sequence[Stretch]) -> list[Stretch]:
    """The spans of one thread with the slices of each body put together: between two bodies there is a wait."""
    told: list[Stretch] = []
    for span in sorted(spans, key=lambda span: span.start):
        last = told[-1] if told else None
        if last is not None and span.phase == last.phase == "receive" and span.source == last.source:
            told[-1] = last._replace(end=max(last.end, span.end), bytes=last.bytes + span.bytes)
        else:
            told.append(span)
    return told


def _lanes(spans: Sequence[Stretch]) -> list[tuple[str, list[Stretch]]]:
    """The spans by thread: the file's own first, then the connections."""
    numbers = sorted({span.worker for span in spans if span.worker is not None})
    lanes = [("the file", _whole([span for span in spans if span.worker is None]))]
    lanes += [(f"connection {number}", _whole([span for span in spans if span.worker == number])) for number in numbers]
    return [lane for lane in lanes if lane[1]]


def _longest(lanes: Sequence[tuple[str, list[Stretch]]]) -> list[tuple[str, list[Stretch]]]:
    """The same lanes with no more spans than a picture has room for."""
    lengths = sorted((span.end - span.start for _, spans in lanes for span in spans), reverse=True)
    least = lengths[MOST_DRAWN - 1] if len(lengths) > MOST_DRAWN else 0.0
    return [(name, [span for span in spans if span.end - span.start >= least]) for name, spans in lanes]


def _height(lanes: Sequence[tuple[str, list[Stretch]]]) -> float:
    return _LANE * min(len(lanes), MOST_LANES) + 22


def _drawn(lanes: Sequence[tuple[str, list[Stretch]]], seconds: float) -> list[Markup]:
    drawn, labels = [], []
    for number, (name, spans) in enumerate(lanes[:MOST_LANES]):
        above = number * _LANE + 16
        labels.append(el("text", name, x="0", y=f"{above - 4}", class_="lane"))
        drawn.append(stretched(_BAR, above, *_shapes(spans, seconds)))
        labels += [
            el(
                "text",
                letter(span.source),
                x=f"{50 * (span.start + span.end) / seconds:.4g}%",
                y=f"{above + 11}",
                class_="on",
            )
            for span in spans
            if span.phase == "receive" and span.source is not None and span.end - span.start >= _LETTER * seconds
        ]
    end = _height(lanes)
    ends = [text_at(0.0, end - 6, "0 s"), text_at(0.5, end - 6, _s(seconds / 2)), text_at(1.0, end - 6, _s(seconds))]
    lines = [el("line", x1=x, x2=x, y1="16", y2=f"{end - 20:g}", class_="grid") for x in ("0", "50%", "100%")]
    return [*lines, *drawn, *labels, *ends]


def _shapes(spans: Sequence[Stretch], seconds: float) -> list[Markup]:
    """One path for each kind of work: a thousand spans are a few elements."""
    parts: dict[str, list[str]] = {}
    drawn_to: dict[str, float] = {}
    for span in sorted(spans, key=lambda span: span.start):
        kind = series(span.source) if span.phase == "receive" and span.source is not None else _kind(span.phase)
        x, end = 1000 * span.start / seconds, 1000 * span.end / seconds
        if end <= drawn_to.get(kind, -1.0):
            continue  # it would not be seen beside the one before
        x = max(min(x, 1000 - _LEAST), 0.0)
        width = max(end - x, _LEAST)
        y, height = _KINDS.get(span.phase, _SETUP)
        parts.setdefault(kind, []).extend(_hatched(x, width) if span.phase == "stall" else [box(x, y, width, height)])
        drawn_to[kind] = x + width
    order = sorted(parts, key=lambda kind: kind != "t")
    return [path(parts[kind], kind) for kind in order]


def _kind(phase: str) -> str:
    return {"stall": "x", "transfer": "t"}.get(phase, "w")


def _hatched(x: float, width: float) -> list[str]:
    """Stripes across a bar."""
    return [box(x, y, width, 2) for y in (0, 4, 8, 12)]


def _caption(lanes: Sequence[tuple[str, list[Stretch]]], profiled: Profiled) -> str:
    text = "From the left to the right: the time since the file was begun. Each row is a connection."
    if len(lanes) > MOST_LANES:
        text += f" {len(lanes) - MOST_LANES} more connections are only in the table."
    if sum(len(spans) for _, spans in lanes) > MOST_DRAWN:
        text += f" The {MOST_DRAWN} longest stretches are drawn."
    if profiled.left_out:
        text += f" {profiled.left_out:,} short spans are left out.".replace(",", " ")
    return text


def _key(profiled: Profiled) -> Markup:
    """What shapes and letters mean."""
    entries = [
        (
            swatch(path([box(0, 0, 24, 14)], series(number)), el("text", letter(number), x="12", y="11", class_="on")),
            f"{host} ({trust}): {format_size(count)}",
        )
        for number, (host, trust, count) in enumerate(profiled.sources[:MOST_LANES])
        if count or any(span.source == number for span in profiled.spans)
    ]
    entries += [
        (swatch(path([box(0, 3, 24, 8)], "w")), "name, connect, TLS; steps of the file"),
        (swatch(path([box(0, 5, 24, 4)], "w")), "waits for the answer"),
    ]
    if any(span.phase == "stall" for span in profiled.spans):
        entries.append((swatch(path(_hatched(0, 24), "x")), "stall: no byte for a second or longer"))
    return el("ul", *(el("li", shape, el("span", text)) for shape, text in entries), class_="key")


def _throughput(names: Names, profiled: Profiled, seconds: float) -> Markup:
    slots = rates(profiled.spans, seconds, SLOTS)
    most = max((sum(slot.values()) for slot in slots), default=0.0)
    if not most:
        return Markup("")
    title = "Throughput over the time of this download"
    text = f"At most {format_rate(most)}; the sources lie one on top of the other. The table below has the numbers."
    drawn = stacks(names, title, text, slots, ("0 s", _s(seconds)))
    width = seconds / SLOTS
    rows = [
        (f"{_s(number * width)} to {_s((number + 1) * width)}", format_rate(sum(slot.values())))
        for number, slot in enumerate(slots)
    ]
    data = table(names.new(), title, ("time", "rate"), rows)
    return joined(
        [
            el("h3", "Throughput"),
            el("figure", el("figcaption", "Bytes a second of all connections, by source."), drawn),
            el("details", el("summary", "The rates as a table"), data),
        ]
    )


def _lane_table(name: str, lanes: Sequence[tuple[str, list[Stretch]]]) -> Markup:
    """Sums by thread and kind of work."""
    rows = []
    for lane, spans in lanes:
        for phase in dict.fromkeys(span.phase for span in spans):
            mine = [span for span in spans if span.phase == phase]
            took = sum(span.end - span.start for span in mine)
            count = sum(span.bytes for span in mine)
            rows.append((lane, told(phase), len(mine), _s(took), format_size(count) if count else "-"))
    heads = ("who", "what", "times", "seconds", "bytes")
    return table(f"{name}l", "Sums by connection", heads, rows[: 4 * MOST_ROWS], words=(0, 1))


def _span_table(name: str, profiled: Profiled, lanes: Sequence[tuple[str, list[Stretch]]]) -> Markup:
    """The longest spans, one by one."""
    every = [(lane, span) for lane, spans in lanes for span in spans]
    longest = sorted(every, key=lambda each: each[1].start - each[1].end)[:MOST_ROWS]
    rows = [
        (
            lane,
            told(span.phase),
            "-" if span.source is None else f"{letter(span.source)}: {profiled.sources[span.source][0]}",
            _s(span.start),
            _s(span.end),
            format_size(span.bytes) if span.bytes else "-",
        )
        for lane, span in sorted(longest, key=lambda each: each[1].start)
    ]
    more = len(every) - len(rows)
    caption = "The spans one by one" + (f"; the {len(rows)} longest of {len(every):,}" if more else "")
    heads = ("who", "what", "source", "from", "to", "bytes")
    return table(f"{name}s", caption, heads, rows, words=(0, 1, 2))


def told(phase: str) -> str:
    """A phase in words."""
    return _NAMES.get(phase, phase)


def _s(seconds: float) -> str:
    return f"{seconds:.3f} s" if seconds < 100 else f"{seconds:.0f} s"
