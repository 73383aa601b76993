"""The report of `--profile` as text (engine/profile.py says what is in it): where the time went, largest part first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fastdl.core.hints import Any
from fastdl.core.quantity import format_rate, format_size
from fastdl.ui.table import table
from fastdl.ui.text import safe

MOST_FILES = 20  # that are told one by one
LEAST = 0.0005  # seconds of a phase that is worth a column
_COLUMNS = 9  # phases in one table


def lines(report: Mapping[str, Any]) -> list[str]:
    """The whole text."""
    files = sorted(report["files"], key=lambda file: -float(file["seconds"]))
    told = [*_head(report), ""]
    if report["count"] > 1:
        told += [f"All {report['count']} files together", *_sums(report["sum"]), ""]
    for file in files[:MOST_FILES]:
        told += [*_file(file), ""]
    if report["count"] > MOST_FILES:
        told += [f"and {report['count'] - len(files[:MOST_FILES])} files that took less time", ""]
    return told[:-1]


def _head(report: Mapping[str, Any]) -> list[str]:
    start = report["start_up"]
    whole = "" if report["seconds"] is None else f"{_s(report['seconds'])} in all; "
    begun = "an unknown time" if start["seconds"] is None else _s(start["seconds"])
    failed = f", {report['failed']} failed" if report["failed"] else ""
    count = "1 file" if report["count"] == 1 else f"{report['count']} files"
    return [
        f"{whole}{begun} until the first file was begun ({_s(start['cpu_seconds'])} of the processor)",
        f"{count}{failed}, {format_size(report['bytes'])} over the network",
    ]


def _sums(sums: Mapping[str, Any]) -> list[str]:
    workers, helpers = sums["workers"], sums["helpers"]
    told = ["  Steps of the files", *_shares(sums["steps"])]
    if workers["phases"]:
        told += [f"  Workers, {_s(workers['cpu_seconds'])} of the processor", *_shares(workers["phases"])]
    if helpers["seconds"]:
        told += ["  Helpers", *_shares(helpers["phases"])]
    return told


def _file(file: Mapping[str, Any]) -> list[str]:
    resumed = f", {format_size(file['resumed_bytes'])} were there" if file["resumed_bytes"] else ""
    told = [f"{safe(file['url'])}", f"  {_s(file['seconds'])}, {format_size(file['bytes'])} came{resumed}"]
    if file["error"] is not None:
        told.append(f"  failed with exit {file['exit_code']}: {safe(file['error'])}")
    told += ["  Steps", *_shares(file["steps"])]
    if any(source["seconds"] for source in file["sources"]):
        told += ["  Sources, in seconds of all connections together", *_sources(file["sources"])]
    if file["workers"]:
        told += ["  Workers, in seconds", *_workers(file["workers"])]
    for helper in file["helpers"]:
        told += [f"  Beside them: {helper['name']}, {_s(helper['seconds'])}", *_shares(helper["phases"])]
    return told


def _shares(phases: Mapping[str, float]) -> list[str]:
    """A line for each phase, with its part of the whole."""
    whole = sum(phases.values())
    rows = [
        (name, f"{seconds:.3f}", f"{100 * seconds / whole:.0f} %" if whole else "")
        for name, seconds in sorted(phases.items(), key=lambda item: -item[1])
        if seconds >= LEAST
    ]
    return table(rows, "    ", right=(1, 2))


def _sources(sources: Sequence[Mapping[str, Any]]) -> list[str]:
    names = _largest(sources)
    rows = [("host", "bytes", "rate", "requests", "errors", "stalls", *names)]
    for one in sources:
        rate = format_rate(one["bytes"] / one["seconds"]) if one["seconds"] else ""
        counts = (str(one["requests"]), str(one["errors"]), str(one["stalls"]))
        rows.append((one["host"], format_size(one["bytes"]), rate, *counts, *_times(one["phases"], names)))
    return table(rows, "    ", right=range(1, 7 + _COLUMNS))


def _workers(workers: Sequence[Mapping[str, Any]]) -> list[str]:
    names = _largest(workers)
    rows = [("no.", "bytes", "life", "cpu", *names)]
    for one in workers:
        life = (f"{one['seconds']:.3f}", f"{one['cpu_seconds']:.3f}")
        rows.append((str(one["number"]), format_size(one["bytes"]), *life, *_times(one["phases"], names)))
    return table(rows, "    ", right=range(0, 4 + _COLUMNS))


def _largest(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The phases that took most, in the order of the report."""
    sums: dict[str, float] = {}
    for row in rows:
        for name, seconds in row["phases"].items():
            sums[name] = sums.get(name, 0.0) + seconds
    most = sorted(sums, key=lambda name: -sums[name])[:_COLUMNS]
    return [name for name in sums if name in most and sums[name] >= LEAST]


def _times(phases: Mapping[str, float], names: Sequence[str]) -> list[str]:
    return [f"{phases.get(name, 0.0):.3f}" for name in names]


def _s(seconds: float) -> str:
    return f"{seconds:.3f} s"
