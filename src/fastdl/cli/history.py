"""`fastdl history`: past downloads, newest first; `fastdl history clear` removes them."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence

from fastdl.cli.parse import parse
from fastdl.cli.state import JSON, YES, check, confirmed, counted, local_time, one_of, open_store, refuse, say, utc
from fastdl.core.hints import Any
from fastdl.core.quantity import format_rate, format_size
from fastdl.io.store import Entry, Store
from fastdl.options import Option
from fastdl.ui.progress import emit
from fastdl.ui.table import table
from fastdl.ui.text import safe
from fastdl.values import value_of

LIMIT = Option("limit", "count", "So many at most; 0 is all.", "Options", "n", "N", "20", most=1_000_000)
HISTORY_OPTIONS = (LIMIT, JSON, YES)
HISTORY_HELP = "Past downloads, newest first; 'history clear' removes them."


def main(args: Sequence[str]) -> int:
    """Runs `history` with the arguments after the command's name."""
    values, words = parse(args, HISTORY_OPTIONS)
    return history(values, words)


def history(values: Mapping[str, Any], words: Sequence[str]) -> int:
    """Runs `history` with option values by key; the exit code. Raises UsageError, DiskError."""
    if one_of("history", words, ("", "clear")) == "clear":
        refuse("history clear", values, LIMIT, JSON)
        return _clear(open_store(), values)
    refuse("history", values, YES)
    limit = value_of(LIMIT, values.get(LIMIT.key) or LIMIT.default, "--limit")
    return _list(open_store(), limit, as_json=bool(values.get(JSON.key)))


def _list(store: Store, limit: int, *, as_json: bool) -> int:
    entries = store.history(limit or None)
    check(store)
    if as_json:
        say(json.dumps(as_object(entry)) for entry in entries)
        return 0
    if not entries:
        emit(sys.stderr, "fastdl: the history is empty")
        return 0
    say(lines(entries))
    count = store.info().history
    if count > len(entries):
        emit(sys.stderr, f"fastdl: {len(entries)} of {counted(count, 'download')}; -n 0 shows all")
    return 0


def _clear(store: Store, values: Mapping[str, Any]) -> int:
    count = store.info().history
    check(store)
    if count and confirmed(f"Remove {counted(count, 'download')} from the history?", values):
        removed = store.clear_history()
        check(store)
        say([f"removed {counted(removed, 'download')} from the history"])
    elif not count:
        say(["the history is empty"])
    return 0


def lines(entries: Sequence[Entry]) -> list[str]:
    """A line for each download, and below one that failed its error."""
    told = []
    for entry, line in zip(entries, table([_row(entry) for entry in entries], right=(2, 3)), strict=True):
        told += [line] if entry.error is None else [line, " " * 18 + safe(entry.error)]
    return told


def _row(entry: Entry) -> list[str]:
    """When, how it ended, size, rate, and what: `URL -> PATH`."""
    ended = "ok" if entry.exit_code == 0 else f"exit {entry.exit_code}"
    what = entry.url if entry.path is None else f"{entry.url} -> {'stdout' if entry.path == '-' else entry.path}"
    size = format_size(entry.size) if entry.size is not None else "-"
    rate = format_rate(entry.bytes_per_second) if entry.bytes_per_second else "-"
    return [local_time(entry.when), ended, size, rate, what]


def as_object(entry: Entry) -> dict[str, Any]:
    """One line of `--json`."""
    return {
        "when": utc(entry.when),
        "url": entry.url,
        "path": entry.path,
        "size": entry.size,
        "seconds": round(entry.seconds, 3),
        "bytes_per_second": round(entry.bytes_per_second),
        "exit_code": entry.exit_code,
        "error": entry.error,
        "sha256": entry.sha256,
        "digest_source": entry.digest_source,
        "sources": [{"host": host, "trust": trust, "bytes": size} for host, trust, size in entry.sources],
    }
