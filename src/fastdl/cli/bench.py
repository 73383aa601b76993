"""`fastdl bench [URL]`: the same file with fastdl and with the other downloaders that are here, in turns.

Without a URL the file comes from a server on loopback: that measures the programs, not a network. The order changes
from round to round, so that what the machine does meanwhile meets all of them; every file that was fetched is compared.
Everything lies in a folder of its own that is removed at the end, however that comes.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence

from fastdl.cli import bench_tools
from fastdl.cli.bench_tools import Outcome, Tool
from fastdl.cli.parse import parse
from fastdl.cli.state import JSON, say
from fastdl.core.hints import Any
from fastdl.core.plain import dataclass, field
from fastdl.core.quantity import format_rate, format_size
from fastdl.core.shown import is_masked
from fastdl.core.urls import parse_url
from fastdl.errors import FastdlError, IntegrityError, NoSpace, UsageError
from fastdl.io.disk import disk_error, free_space
from fastdl.options import Option
from fastdl.ui.progress import emit
from fastdl.ui.table import table
from fastdl.ui.text import safe
from fastdl.values import value_of

SIZE = Option(
    "size", "size", "Size of the file of fastdl's own server.", "Options", metavar="SIZE", default="256M", least=1
)
RUNS = Option(
    "runs", "count", "How often each program fetches it.", "Options", metavar="N", default="3", least=1, most=1000
)
BENCH_OPTIONS = (SIZE, RUNS, JSON)
BENCH_HELP = "Fetch URL, or a file of an own server on this machine, with fastdl, curl, wget and aria2c in turns."
HINT = "Try 'fastdl bench --help'."
HEADS = ("program", "median", "least", "most", "rate", "processor", "x fastdl's")
_BLOCK = 1024 * 1024


@dataclass(slots=True)
class Entry:
    """One program's runs. `failure` is the reason why it is out, or ""; `size` of what it fetched, in bytes."""

    tool: Tool
    outcomes: list[Outcome] = field(default_factory=list)
    failure: str = ""
    size: int = 0

    @property
    def median(self) -> float | None:
        return statistics.median(one.seconds for one in self.outcomes) if self.outcomes and not self.failure else None

    @property
    def cpu(self) -> float | None:
        """The median of the processor's seconds."""
        known = [one.cpu for one in self.outcomes if one.cpu is not None]
        return statistics.median(known) if known and not self.failure else None


@dataclass(frozen=True, slots=True)
class Subject:
    """What is fetched: `size` in bytes, None if the server did not say; `digest` (hex) of its bytes, where known."""

    url: str
    size: int | None
    digest: str | None
    loopback: bool


def main(args: Sequence[str]) -> int:
    """Runs `bench` with the arguments after the command's name."""
    values, words = parse(args, BENCH_OPTIONS)
    return bench(values, words)


def bench(values: Mapping[str, Any], words: Sequence[str]) -> int:
    """Runs `bench` with option values by key; the exit code: 0 if fastdl fetched the file each time and all who did
    have the same bytes. Raises UsageError, DiskError, IntegrityError."""
    if len(words) > 1:
        raise UsageError("bench takes one URL", f"{len(words)} are given", HINT)
    size = value_of(SIZE, values.get("size") or SIZE.default, "--size")
    runs = value_of(RUNS, values.get("runs") or RUNS.default, "--runs")
    url = words[0] if words else None
    if url is not None:
        _check_url(url, sized=values.get("size") is not None)
    as_json = bool(values.get(JSON.key))
    with _folder() as folder:
        environ = bench_tools.environment(folder, os.environ, loopback=url is None)
        with _subject(url, size, folder, environ) as subject:
            found, missing = bench_tools.peers(environ)
            entries = [Entry(tool) for tool in (bench_tools.fastdl(), *found)]
            if not as_json:
                _introduce(subject, runs, folder, entries, missing)
            digests = _race(entries, subject, runs, folder, environ, quiet=as_json)
            say([json.dumps(_as_object(subject, runs, entries, missing))] if as_json else _lines(entries))
    return _verdict(entries, digests)


def _check_url(url: str, *, sized: bool) -> None:
    parse_url(url)
    if sized:
        raise UsageError("--size is for the file of fastdl's own server", "a URL is given", HINT)
    if is_masked(url):
        why = "other programs would show it in the list of processes"
        raise UsageError("bench takes no URL with a user name or a secret", why, "Give a public URL.")


# --- the folder and the file -----------------------------------------------------------------------------


@contextlib.contextmanager
def _folder() -> Iterator[str]:
    """A folder that is gone afterwards."""
    try:
        made = tempfile.TemporaryDirectory(prefix="fastdl-bench-", ignore_cleanup_errors=True)
    except OSError as error:
        raise disk_error(error, "create a folder in", tempfile.gettempdir()) from error
    with made as folder:
        yield os.path.realpath(folder)


@contextlib.contextmanager
def _subject(url: str | None, size: int, folder: str, environ: Mapping[str, str]) -> Iterator[Subject]:
    """What is fetched, while it is served; there is room for it."""
    if url is not None:
        length = _asked_size(url, folder, environ)
        _check_room(folder, length or 0)
        yield Subject(url, length, None, loopback=False)
        return
    from fastdl.cli.bench_server import FileServer

    _check_room(folder, 2 * size)
    path = os.path.join(folder, "served.bin")
    server = FileServer(path, size)
    try:
        yield Subject(server.url, size, _digest(path), loopback=True)
    finally:
        server.close()


def _asked_size(url: str, folder: str, environ: Mapping[str, str]) -> int | None:
    """What the server says, before anything is fetched. Raises the error with which fastdl itself would end."""
    command = [*bench_tools.own_program(), "get", "--dry-run", "--json", "--quiet", url]
    done = bench_tools.run(command, environ, folder)
    if done.failure:
        raise _failed(done.code, done.failure.partition("fastdl: error: ")[2] or done.failure)
    try:
        size = json.loads(done.out)["plan"]["size"]
    except (ValueError, KeyError, TypeError):
        return None
    return size if isinstance(size, int) else None


def _failed(code: int, text: str) -> FastdlError:
    """The error of a fastdl that ran on its own: its line, and its exit code."""
    error = FastdlError(text.rstrip(". "))
    error.code = code if code > 0 else 1
    return error


def _check_room(folder: str, needed: int) -> None:
    free = free_space(os.path.join(folder, ""))
    if free is not None and free < needed:
        why = f"{format_size(needed)} are needed, {format_size(free)} are free"
        raise NoSpace(f"there is no room in {folder}", why, "TMPDIR (TEMP on Windows) names another place.")


def _digest(path: str) -> str:
    import hashlib

    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
    except OSError as error:
        raise disk_error(error, "read", path) from error
    return digest.hexdigest()


# --- the race --------------------------------------------------------------------------------------------


def _race(
    entries: list[Entry], subject: Subject, runs: int, folder: str, environ: Mapping[str, str], *, quiet: bool
) -> dict[str, list[str]]:
    """All runs; who had which digest. A program that fails is asked no more."""
    digests: dict[str, list[str]] = {} if subject.digest is None else {subject.digest: ["the server"]}
    for turn in range(runs):
        for entry in entries[turn % len(entries) :] + entries[: turn % len(entries)]:
            if entry.failure:
                continue
            outcome, digest, entry.size = _once(entry.tool, subject, folder, environ)
            entry.outcomes.append(outcome)
            if outcome.failure:
                entry.failure = outcome.failure
            elif entry.tool.name not in digests.setdefault(digest, []):
                digests[digest].append(entry.tool.name)
            if not quiet:
                told = safe(outcome.failure) or f"{outcome.seconds:.3f} s"
                emit(sys.stderr, f"  {turn + 1}/{runs} {entry.tool.name}: {told}")
    return digests


def _once(tool: Tool, subject: Subject, folder: str, environ: Mapping[str, str]) -> tuple[Outcome, str, int]:
    """One run in a folder of its own; the digest and the size of what it fetched, taken when the clock has stopped."""
    place = os.path.join(folder, "run")
    os.mkdir(place)
    path = os.path.join(place, "fetched.bin")
    try:
        outcome = bench_tools.run(tool.command(subject.url, path), environ, place)
        if outcome.failure:
            return outcome, "", 0
        if not os.path.isfile(path):
            return Outcome(outcome.seconds, outcome.cpu, "it left no file"), "", 0
        return outcome, _digest(path), os.path.getsize(path)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _verdict(entries: list[Entry], digests: Mapping[str, Sequence[str]]) -> int:
    own = entries[0]
    if own.failure:
        raise _failed(own.outcomes[-1].code, f"fastdl itself failed: {own.failure}")
    if len(digests) > 1:
        groups = "; ".join(", ".join(names) for names in digests.values())
        raise IntegrityError(
            "the programs fetched different bytes", f"the same have: {groups}", "The file may have been replaced."
        )
    return 0


# --- what is said ----------------------------------------------------------------------------------------


def _introduce(subject: Subject, runs: int, folder: str, entries: list[Entry], missing: list[str]) -> None:
    size = "an unknown size" if subject.size is None else format_size(subject.size)
    where = "a server on this machine" if subject.loopback else safe(subject.url)
    needed = None if subject.size is None else subject.size * (2 if subject.loopback else 1)
    room = f", {format_size(needed)} are needed" if needed is not None else ""
    names = ", ".join(f"{one.tool.name} {one.tool.version}".strip() for one in entries)
    emit(sys.stderr, f"A file of {size} from {where}, {runs} times each, in turns: {names}")
    if missing:
        emit(sys.stderr, f"Not installed: {', '.join(missing)}")
    emit(sys.stderr, f"In {folder}{room}; it is removed at the end")


def _lines(entries: list[Entry]) -> list[str]:
    own = entries[0].median
    rows: list[Sequence[str]] = [HEADS]
    for entry in entries:
        name = f"{entry.tool.name} {entry.tool.version}".strip()
        rows.append((name, "failed") if entry.failure else (name, *_figures(entry, own)))
    failed = [f"{entry.tool.name}: {safe(entry.failure)}" for entry in entries if entry.failure]
    return table(rows, right=range(1, len(HEADS))) + failed


def _figures(entry: Entry, own: float | None) -> list[str]:
    median, times = entry.median, [one.seconds for one in entry.outcomes]
    if median is None:
        return []
    rate = format_rate(entry.size / median)
    cpu = f"{entry.cpu:.3f} s" if entry.cpu is not None else ""
    ratio = f"{median / own:.2f}" if own else ""
    return [f"{median:.3f} s", f"{min(times):.3f} s", f"{max(times):.3f} s", rate, cpu, ratio]


def _as_object(subject: Subject, runs: int, entries: list[Entry], missing: list[str]) -> dict[str, Any]:
    own = entries[0].median
    return {
        "url": subject.url,
        "size": subject.size,
        "runs": runs,
        "programs": [_program(entry, own) for entry in entries],
        "missing": missing,
    }


def _program(entry: Entry, own: float | None) -> dict[str, Any]:
    median = entry.median
    return {
        "name": entry.tool.name,
        "version": entry.tool.version,
        "command": entry.tool.command("URL", "FILE"),
        "seconds": [round(one.seconds, 6) for one in entry.outcomes],
        "median": round(median, 6) if median is not None else None,
        "cpu_seconds": round(entry.cpu, 6) if entry.cpu is not None else None,
        "bytes_per_second": round(entry.size / median) if median else None,
        "ratio": round(median / own, 4) if median is not None and own else None,
        "error": safe(entry.failure) if entry.failure else None,
    }
