"""Runs fastdl in this process and says what part of its processor time the journal, the progress and the tracker took.

    python -m benches.accounting RESULT get URL...

Each entry of these three parts is wrapped with a clock of the calling thread's own processor time; what the clocks
themselves cost is measured at the end and taken off. RESULT gets a JSON object: `parts` (seconds of each), `calls`,
`cpu` (seconds of the whole process) and `share` (all parts by the whole).
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

# Entries only: what they call is theirs as well. A name that is gone is an error, else its part would seem free.
PARTS = {
    "journal": (
        ("fastdl.io.journal_file", "JournalFile", "run"),
        ("fastdl.io.journal_file", "JournalFile", "record"),
        ("fastdl.io.journal_file", "JournalFile", "end_run"),
        ("fastdl.io.journal_file", "JournalFile", "put_header"),
        ("fastdl.io.journal_file", "JournalFile", "remove"),
    ),
    "progress": (
        ("fastdl.engine.watch", "Watch", "look"),
        ("fastdl.ui.progress", "Display", "handle"),
    ),
    "tracker": (
        ("fastdl.core.tracker", "Tracker", "row"),
        ("fastdl.core.tracker", "Tracker", "total"),
        ("fastdl.core.tracker", "Row", "add"),
    ),
}
_TRIALS = 20_000


class Account:
    """Processor seconds and calls by part; every thread has its own numbers, so that no lock is needed."""

    def __init__(self) -> None:
        self._local = threading.local()
        self._all: list[dict[str, list[float]]] = []

    def wrapped(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """`function`, timed; within another timed one it counts as a part of that."""

        def timed(*args: Any, **more: Any) -> Any:
            book = self._book()
            if book["depth"][0]:
                return function(*args, **more)
            book["depth"][0] = 1.0
            begin = time.thread_time()
            try:
                return function(*args, **more)
            finally:
                kept = book[part]
                kept[0] += time.thread_time() - begin
                kept[1] += 1
                book["depth"][0] = 0.0

        return timed

    def sums(self) -> dict[str, tuple[float, int]]:
        """Of each part seconds and calls."""
        parts = {part for book in self._all for part in book if part != "depth"}
        return {
            part: (sum(book[part][0] for book in self._all), int(sum(book[part][1] for book in self._all)))
            for part in sorted(parts)
        }

    def _book(self) -> dict[str, list[float]]:
        book: dict[str, list[float]] | None = getattr(self._local, "book", None)
        if book is None:
            book = {part: [0.0, 0.0] for part in (*PARTS, "nothing")} | {"depth": [0.0]}
            self._local.book = book
            self._all.append(book)
        return book


def install(account: Account) -> None:
    """Wrap all entries. Raises AttributeError where one is gone."""
    for part, entries in PARTS.items():
        for module, owner, name in entries:
            found = getattr(importlib.import_module(module), owner)
            setattr(found, name, account.wrapped(part, getattr(found, name)))


def clock_cost() -> float:
    """Processor seconds that a call seems to take which does nothing."""
    account = Account()
    nothing = account.wrapped("nothing", lambda: None)
    for _ in range(_TRIALS):
        nothing()
    seconds, calls = account.sums()["nothing"]
    return seconds / calls


def figures(account: Account, cpu: float, each: float) -> dict[str, Any]:
    """The result; `each` is what a call's clock costs, `cpu` the whole process's time."""
    sums = {part: told for part, told in account.sums().items() if part in PARTS}
    parts = {part: max(0.0, seconds - calls * each) for part, (seconds, calls) in sums.items()}
    return {
        "parts": parts,
        "calls": {part: calls for part, (_, calls) in sums.items()},
        "cpu": cpu,
        "share": sum(parts.values()) / cpu if cpu else 0.0,
    }


def main(argv: Sequence[str]) -> int:
    """Run fastdl with `argv[1:]` and write the account to the file `argv[0]`; the exit code is fastdl's."""
    from fastdl.__main__ import main as fastdl

    account = Account()
    install(account)
    begin = time.process_time()  # the wrapping needs modules early; that is no part of a download's time
    code = fastdl(argv[1:])
    cpu = time.process_time() - begin
    Path(argv[0]).write_text(json.dumps(figures(account, cpu, clock_cost())) + "\n", encoding="utf-8")
    return code


if __name__ == "__main__":
    result = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(result)  # as fastdl itself ends: without waiting for threads
