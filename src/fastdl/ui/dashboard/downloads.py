"""The last downloads, one by one: what came from where, and a waterfall where times were taken."""

from __future__ import annotations

from collections.abc import Sequence

from fastdl.core.history import Entry
from fastdl.core.quantity import format_rate, format_seconds, format_size
from fastdl.io.profiles import Profiled
from fastdl.ui.dashboard.charts import Names, metered
from fastdl.ui.dashboard.facts import Facts
from fastdl.ui.dashboard.html import Child, Markup, el, table
from fastdl.ui.dashboard.sections import number, section
from fastdl.ui.dashboard.times import moment
from fastdl.ui.dashboard.waterfall import waterfall

MOST_SHOWN = 20  # downloads, and besides them those that have a waterfall
_MOST_SOURCES = 12


def downloads(names: Names, facts: Facts) -> Markup:
    """The newest ones, and older ones that have a waterfall."""
    if not facts.entries:
        return section("downloads", "Last downloads", el("p", "No download is in the history yet."))
    profiles = {(profiled.when, profiled.url): profiled for profiled in facts.profiles}
    shown = [
        (entry, profiles.get((entry.when, entry.url)))
        for place, entry in enumerate(facts.entries)
        if place < MOST_SHOWN or (entry.when, entry.url) in profiles
    ]
    first = next((place for place, (_, profiled) in enumerate(shown) if profiled is not None), -1)
    listed = [_download(names, *each, opened=place == first) for place, each in enumerate(shown)]
    count = f"{number(len(shown))} of {number(facts.totals.downloads)} downloads, the newest first."
    how = [] if first >= 0 else ["None of them has a waterfall: ", _how()]
    return section("downloads", "Last downloads", el("p", count, " ", *how, class_="muted"), *listed)


def _how() -> Markup:
    told = el("code", "fastdl get --profile times.json URL")
    return el("span", told, " takes the times of a download, and this page draws them.")


def _download(names: Names, entry: Entry, profiled: Profiled | None, *, opened: bool) -> Markup:
    return el(
        "details",
        el("summary", *_summary(entry, profiled)),
        _facts(entry),
        _sources(names, entry),
        waterfall(names, profiled) if profiled is not None else _without(entry),
        open=opened,
    )


def _summary(entry: Entry, profiled: Profiled | None) -> list[Child]:
    """The line of a download: when, how it ended, what."""
    ended: Child = "ok" if entry.exit_code == 0 else el("span", f"failed (exit {entry.exit_code})", class_="bad")
    size = [f", {format_size(entry.size)}"] if entry.size is not None else []
    rate = [f", {format_rate(entry.bytes_per_second)}"] if entry.bytes_per_second else []
    drawn = [", with a waterfall"] if profiled is not None else []
    return [moment(entry.when), " ", el("code", _name(entry)), ": ", ended, *size, *rate, *drawn]


def _name(entry: Entry) -> str:
    """The file's name without its folder, or the URL."""
    if entry.path in (None, "-"):
        return entry.url
    assert entry.path is not None
    return entry.path.replace("\\", "/").rstrip("/").rpartition("/")[2] or entry.path


def _facts(entry: Entry) -> Markup:
    rows: list[tuple[str, Child]] = [("URL", el("code", entry.url))]
    if entry.path is not None:
        rows.append(("File", el("code", "stdout" if entry.path == "-" else entry.path)))
    rows.append(("Time", f"{entry.seconds:.3f} s" if 0 <= entry.seconds < 1 else format_seconds(entry.seconds)))
    if entry.sha256 is not None:
        rows.append(("SHA-256", el("code", entry.sha256)))
    rows.append(("Digest from", entry.digest_source or "nobody: none was known"))
    if entry.error is not None:
        rows.append(("Error", el("span", entry.error, class_="bad")))
    return el("dl", *(cell for name, value in rows for cell in (el("dt", name), el("dd", value))), class_="facts")


def _sources(names: Names, entry: Entry) -> Markup:
    """Bytes by source, as a bar beside each number."""
    if not entry.sources:
        return Markup("")
    whole = sum(count for _, _, count in entry.sources) or 1
    counted = len(entry.faults) == len(entry.sources)
    faults = [str(count) if count else "-" for count in entry.faults] if counted else ["?"] * len(entry.sources)
    largest = sorted(zip(entry.sources, faults, strict=True), key=lambda each: -each[0][2])
    rows: list[Sequence[Child]] = [
        (host, trust, format_size(count), metered(f"{100 * count / whole:.1f} %", count / whole), fault)
        for (host, trust, count), fault in largest[:_MOST_SOURCES]
    ]
    more = len(largest) - len(rows)
    caption = "Bytes by source" + (f"; {number(more)} more sources sent less" if more else "")
    return table(names.new(), caption, ("host", "trust class", "bytes", "share", "errors"), rows, words=(0, 1))


def _without(entry: Entry) -> Markup:
    return el("p", "No waterfall: its times were not taken. ", _how(), class_="muted small")
