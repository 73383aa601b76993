"""What a person reads when a file is done, when something goes wrong, and in the log."""

from __future__ import annotations

import time
from collections.abc import Callable

from fastdl.core.hints import Any, TextIO
from fastdl.core.quantity import format_rate, format_seconds, format_size
from fastdl.errors import DiskError
from fastdl.events import Ended, Event, Named, Note, Started
from fastdl.result import Result
from fastdl.ui.text import counted, safe

WHOSE = {
    "user": "the given one",
    "url": "the one in the URL",
    "origin": "the origin's",
    "metalink": "the metalink file's",
    "lock": "the lock's",
}


def summary(result: Result) -> str:
    """The last line of a file that is there: what was got, how fast, from where, how it was checked."""
    name = safe(result.path or result.url)
    if name == "-":
        name = "stdout"
    if result.kept:
        return ", ".join(part for part in (f"{name}: {safe(result.kept)}", unpacked(result)) if part)
    size = format_size(result.size) if result.size is not None else "size unknown"
    parts = [f"{name}: {size} in {duration(result.seconds)}"]
    if result.bytes_per_second > 0:
        parts.append(format_rate(result.bytes_per_second))
    if result.resumed_bytes:
        parts.append(f"{format_size(result.resumed_bytes)} were there already")
    parts.append(_origins(result))
    parts += [checked(result), unpacked(result)]
    return ", ".join(part for part in parts if part)


def unpacked(result: Result) -> str:
    """What --extract did, in words; empty without it."""
    if result.unpacked is None:
        return ""
    where = "this folder" if result.unpacked_into == "." else safe(result.unpacked_into)
    return f"unpacked {counted(result.unpacked, 'file')} into {where}"


def _origins(result: Result) -> str:
    used = [source for source in result.sources if source.bytes] or result.sources
    if not used or (len(used) > 1 and not any(source.bytes for source in used)):
        return ""
    hosts = list(dict.fromkeys(safe(source.host) for source in used))
    connections = sum(source.connections for source in used)
    names = ", ".join(hosts[:3]) + (f" and {len(hosts) - 3} more" if len(hosts) > 3 else "")
    return f"from {names}" + (f" over {connections} connections" if connections > 1 else "")


def duration(seconds: float) -> str:
    """As `format_seconds`; what would be 0.0 s in milliseconds."""
    return f"{seconds * 1000:.0f} ms" if seconds < 0.1 else format_seconds(seconds)


def checked(result: Result) -> str:
    """How the file was verified, in words; where it was not, why not."""
    digest = result.digest
    if digest is None:
        return result.unproved or "no digest known"
    whose = WHOSE.get(digest.source, f"{safe(digest.source)}'s")
    if not digest.verified:
        return f"{safe(digest.algorithm)} not compared with {whose}"
    return f"{safe(digest.algorithm)} matches {whose}"


class Summary:
    """What has become of the files of one run, in numbers: for the line after the last of several."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = clock()
        self.files = self.failed = self.kept = self.checked = 0
        self._fetched = 0.0  # bytes that came over the network in this run and were of use

    def add(self, result: Result) -> None:
        """Counts one file in."""
        self.files += 1
        if result.error is not None:
            self.failed += 1
        elif result.kept:
            self.kept += 1
        else:
            self.checked += result.digest is not None and result.digest.verified
        self._fetched += result.bytes_per_second * result.seconds

    def line(self) -> str:
        """`3 files, 1.2 GiB in 12 s, 98.0 MiB/s, 3 checked against digests, 0 failed`."""
        seconds = self._clock() - self._began
        parts = [counted(self.files, "file"), f"{format_size(self._fetched)} in {duration(seconds)}"]
        if self._fetched and seconds > 0:
            parts.append(format_rate(self._fetched / seconds))
        if self.kept:
            parts.append(f"{self.kept} already there")
        return ", ".join([*parts, f"{self.checked} checked against digests", f"{self.failed} failed"])


def plan_lines(plan: dict[str, Any]) -> list[str]:
    """The object of `explain --json` as text, for `explain` and `--dry-run`."""
    from fastdl.ui.explained import explained

    return list(explained(plan))


class Log:
    """`--log FILE`: one time-stamped line for everything but progress, masked and cleaned. Raises DiskError if the
    file cannot be opened; once open, a log that fails never stops a download."""

    def __init__(self, path: str, now: Callable[[], float] = time.time) -> None:
        try:
            self.file: TextIO = open(path, "a", encoding="utf-8", errors="backslashreplace")  # noqa: SIM115
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "not a file name"
            raise DiskError(f"cannot write the log {path}", reason, "Choose another place for --log.") from error
        self.now = now

    def line(self, level: str, text: str) -> None:
        moment = self.now()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment))
        try:
            self.file.write(f"{stamp}.{int(moment % 1 * 1000):03d}Z {level} {safe(text)}\n")
            self.file.flush()
        except (OSError, ValueError):
            return

    def handle(self, event: Event) -> None:
        """Writes down what an event says."""
        if isinstance(event, Started):
            self.line("info", f"[{event.job}] start {event.url}")
        elif isinstance(event, Named):
            size = "unknown" if event.size is None else str(event.size)
            self.line("info", f"[{event.job}] file {event.path}, size {size}, resumed {event.resumed_bytes}")
        elif isinstance(event, Note):
            job = "" if event.job is None else f"[{event.job}] "
            self.line(event.level, job + event.text)
        elif isinstance(event, Ended):
            error = event.result.error
            text = summary(event.result) if error is None else f"exit {error.code}: {error}"
            self.line("info" if error is None else "error", f"[{event.job}] end {text}")

    def close(self) -> None:
        self.file.close()
