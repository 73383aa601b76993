"""From runs to numbers and from numbers to a table: medians, spread, ratios. No measuring here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median

from benches.harness import Run

MIB = 1 << 20
UNITS = {"": 1, "k": 1 << 10, "m": MIB, "g": 1 << 30}


@dataclass(frozen=True, slots=True)
class Spread:
    """The middle and the ends of one figure over several runs."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Raises ValueError for no values."""
        if not values:
            raise ValueError("no runs to summarise")
        return cls(median(values), min(values), max(values))


@dataclass(frozen=True, slots=True)
class Row:
    """One tool in one case. `wall` and `settled` are seconds (see harness.Run), `peak` is bytes."""

    tool: str
    runs: int
    wall: Spread
    settled: Spread
    cpu: Spread
    peak: Spread

    @classmethod
    def of(cls, tool: str, runs: Sequence[Run]) -> Row:
        """The figures of all runs of one tool."""
        return cls(
            tool,
            len(runs),
            Spread.of([run.wall for run in runs]),
            Spread.of([run.settled for run in runs]),
            Spread.of([run.cpu for run in runs]),
            Spread.of([run.peak for run in runs]),
        )


@dataclass(frozen=True, slots=True)
class Case:
    """One situation (which server, which disk, how much) and what every tool needed in it."""

    name: str
    size: int
    rows: tuple[Row, ...]

    def as_json(self) -> dict[str, object]:
        """Plain data for a result file."""
        return asdict(self)


def ratio(row: Row, to: Row, figure: str = "wall") -> float:
    """`row`'s median by `to`'s: below 1 is better than the peer."""
    base = getattr(to, figure).median
    return float(getattr(row, figure).median / base) if base else float("inf")


def table(case: Case, *, on_device: bool = False) -> str:
    """A Markdown table of one case: a line a tool, then its wall time by that of each peer that is not fastdl.

    `on_device` adds the time until the bytes are on the device and the ratios of that, for real disks."""
    peers = [row for row in case.rows if not row.tool.startswith("fastdl")]
    head = ["tool", "wall s", "min-max", "CPU s", "peak MiB", *(f"/ {_short(row.tool)}" for row in peers)]
    if on_device:
        head += ["on device s", *(f"/ {_short(row.tool)}" for row in peers)]
    lines = [head, ["---"] + ["---:"] * (len(head) - 1)]
    for row in case.rows:
        cells = [
            row.tool,
            f"{row.wall.median:.2f}",
            f"{row.wall.low:.2f}-{row.wall.high:.2f}",
            f"{row.cpu.median:.2f}",
            f"{row.peak.median / MIB:.0f}",
            *(f"{ratio(row, peer):.2f}" for peer in peers),
        ]
        if on_device:
            cells += [f"{row.settled.median:.2f}", *(f"{ratio(row, peer, 'settled'):.2f}" for peer in peers)]
        lines.append(cells)
    return align(lines)


def memory_table(cases: Sequence[Case]) -> str:
    """A Markdown table of the peak memory in MiB: a line a tool, a column a size, then last by first."""
    tools = [row.tool for row in cases[0].rows]
    head = ["tool", *(f"{size_text(case.size)}: peak MiB" for case in cases), "last / first"]
    lines = [head, ["---"] + ["---:"] * (len(head) - 1)]
    for position, tool in enumerate(tools):
        rows = [case.rows[position] for case in cases]
        peaks = [f"{row.peak.high / MIB:.1f}" for row in rows]
        lines.append([tool, *peaks, f"{rows[-1].peak.high / rows[0].peak.high:.2f}"])
    return align(lines)


def size_text(size: int) -> str:
    """1073741824 -> "1 GiB"; a size that is no whole number of a unit keeps one digit."""
    for unit, name in ((1 << 30, "GiB"), (MIB, "MiB"), (1 << 10, "KiB")):
        if size >= unit:
            return f"{size / unit:.1f}".removesuffix(".0") + f" {name}"
    return f"{size} B"


def parse_size(text: str) -> int:
    """ "1G" -> 1073741824; raises ValueError for anything but digits and k, M or G."""
    number, unit = (text[:-1], text[-1].lower()) if text[-1:].isalpha() else (text, "")
    if unit not in UNITS or not number.isdigit() or int(number) == 0:
        raise ValueError(f"{text!r} is no size; write 512M or 1G")
    return int(number) * UNITS[unit]


def _short(tool: str) -> str:
    return tool.split()[0]


def align(lines: Sequence[Sequence[str]]) -> str:
    """Pads the cells so that the table reads well in a terminal as well."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    text = []
    for line in lines:
        cells = []
        for column, cell in enumerate(line):
            if set(cell) <= {"-", ":"}:
                cells.append("-" * (widths[column] - 1) + ":" if cell.endswith(":") else "-" * widths[column])
            else:
                cells.append(cell.ljust(widths[column]) if column == 0 else cell.rjust(widths[column]))
        text.append("| " + " | ".join(cells) + " |")
    return "\n".join(text)
