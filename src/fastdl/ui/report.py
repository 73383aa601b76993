"""What a person reads when a file is done, when something goes wrong, and in the log."""

from __future__ import annotations

import time
from collections.abc import Callable

from fastdl.core.hints import Any, TextIO
from fastdl.core.quantity import format_rate, format_seconds, format_size
from fastdl.errors import DiskError
from fastdl.events import Ended, Event, Named, Note, Started
from fastdl.result import Result
from fastdl.ui.text import safe

GIVEN_BY = {
    "user": "given by the user",
    "url": "given by the URL",
    "origin": "published by the origin",
    "metalink": "given by the metalink file",
}


def summary(result: Result) -> str:
    """The last line of a file that is there: what was got, how fast, from where, how it was checked."""
    name = safe(result.path or result.url)
    if name == "-":
        name = "stdout"
    if result.kept:
        return f"{name}: {safe(result.kept)}"
    size = format_size(result.size) if result.size is not None else "size unknown"
    parts = [f"{name}: {size} in {format_seconds(result.seconds)}"]
    if result.bytes_per_second > 0:
        parts.append(format_rate(result.bytes_per_second))
    if result.resumed_bytes:
        parts.append(f"{format_size(result.resumed_bytes)} were there already")
    parts.append(_origins(result))
    parts.append(checked(result))
    return ", ".join(part for part in parts if part)


def _origins(result: Result) -> str:
    used = [source for source in result.sources if source.bytes] or result.sources
    if not used or (len(used) > 1 and not any(source.bytes for source in used)):
        return ""
    hosts = list(dict.fromkeys(safe(source.host) for source in used))
    connections = sum(source.connections for source in used)
    names = ", ".join(hosts[:3]) + (f" and {len(hosts) - 3} more" if len(hosts) > 3 else "")
    return f"from {names}" + (f" over {connections} connections" if connections > 1 else "")


def checked(result: Result) -> str:
    """How the file was verified, in words."""
    digest = result.digest
    if digest is None:
        return "no digest known"
    given = GIVEN_BY.get(digest.source, f"given by {safe(digest.source)}")
    if not digest.verified:
        return f"{safe(digest.algorithm)} not checked ({given})"
    return f"{safe(digest.algorithm)} matches ({given})"


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
