"""Runs the rows of the table of goals and prints what was reached.

    python -m benches [run] [--quick] [--rows a,b] [--runs 3] [--disk DIR] [--json FILE] [--gate]
    python -m benches run --factor NAME --reasoning TEXT [--target ROW] [--base COMMIT] [--csv FILE] [--db FILE]

Without `--factor`: fastdl beside its peers. No time makes it fail, but for `--gate`: then a goal that is missed by more
than the noise, or a row that broke, is exit 1. With `--factor`: the working tree beside its base commit, in turns.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benches import factor, results, rows
from benches.peers import SOURCE
from benches.row import Row
from benches.runner import Measured, measure_row
from benches.table import summary, table

RUNS = 3


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; exit 2 with one line where it cannot do what it was asked for. Ended by a signal it stops what
    it has started, prints what it has and exits as that signal does."""
    words = list(sys.argv[1:] if argv is None else argv)
    options = parser().parse_args(words[1:] if words[:1] == ["run"] else words)
    before = signal.signal(signal.SIGTERM, _terminated)
    try:
        if options.runs is not None and options.runs < 1:
            raise ValueError("--runs must be 1 or more")
        if options.factor is not None:
            return factor.run(options)
        return _run(options)
    except (LookupError, OSError, ValueError) as error:
        print(f"benches: {error.args[0] if isinstance(error, LookupError) else error}", file=sys.stderr)
        return 2
    except (KeyboardInterrupt, Terminated) as ended:
        return 143 if isinstance(ended, Terminated) else 130
    finally:
        signal.signal(signal.SIGTERM, before)


class Terminated(BaseException):
    """SIGTERM, as from `timeout`: every server and folder on the way out is taken down."""


def _terminated(number: int, frame: object) -> None:
    raise Terminated


def parser() -> argparse.ArgumentParser:
    """All options."""
    options = argparse.ArgumentParser(
        prog="python -m benches",
        description=(__doc__ or "").split("\n")[0],
        epilog=f"rows: {', '.join(rows.names())}",
    )
    options.add_argument("--quick", action="store_true", help="smaller sizes, fewer runs: a look within two minutes")
    options.add_argument("--rows", help="only these, separated by commas (all of the table)")
    options.add_argument("--runs", type=int, help=f"counted runs of every task ({RUNS}; with --quick as each row says)")
    options.add_argument("--disk", type=Path, help="folder on a real disk (the one for temporary files)")
    options.add_argument("--json", type=Path, help="write machine, versions and every figure to this file")
    options.add_argument("--gate", action="store_true", help="exit 1 for a goal that is missed by more than the noise")
    group = options.add_argument_group("one change against its base")
    group.add_argument("--factor", metavar="NAME", help="what was changed, in a word or two")
    group.add_argument("--reasoning", metavar="TEXT", help="what is expected of it, and why")
    group.add_argument("--target", metavar="ROW", help="the row that it is to make better (the first one)")
    group.add_argument("--base", metavar="COMMIT", help="what it is compared with (HEAD, or its parent: see docs)")
    group.add_argument("--csv", type=Path, help="append a line a figure to this file")
    group.add_argument("--db", type=Path, help="append the same, and every single run, to this SQLite file")
    return options


def chosen(names: str | None) -> list[Row]:
    """The rows of this list, else all of the table. Raises LookupError."""
    return rows.load(names.split(",") if names else None)


def _run(options: argparse.Namespace) -> int:
    begin = time.monotonic()
    head = results.begin(quick=options.quick, runs=options.runs)
    done: list[Measured] = []
    try:
        for row in chosen(options.rows):
            runs = options.runs or (row.quick_runs if options.quick else RUNS)
            found = measure_row(row, {"fastdl": SOURCE}, runs, quick=options.quick, disk=options.disk, tell=tell)
            done += found.values()
    finally:
        tell("")
        seconds = time.monotonic() - begin
        if options.json:
            results.write(options.json, results.finish(head, done, seconds))
        print(f"{table(done)}\n\n{summary(done)}; {seconds:.0f} s{'; quick: a look only' if options.quick else ''}")
    return 1 if options.gate and failed(done) else 0


def failed(done: Sequence[Measured]) -> bool:
    """Whether a goal was missed by more than the noise, or something broke."""
    return any(measured.broken or any(outcome.beyond for outcome in measured.outcomes) for measured in done)


def tell(text: str) -> None:
    """What is being done, at a terminal."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{text}")
        sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
