"""What became of one file: the facts behind the exit code, the `--json` object and the last line on the screen."""

from __future__ import annotations

from fastdl.core.hints import Any
from fastdl.core.plain import dataclass, field
from fastdl.core.shown import mask
from fastdl.errors import FastdlError, Interrupted, Terminated


@dataclass(slots=True)
class DigestReport:
    """A digest that was known beforehand.

    Attributes:
        algorithm: `sha256`, for one.
        value: The digest in hex.
        source: Who gave it: `user`, `url`, `origin`, `metalink`...
        verified: Whether the whole file was found to agree.
    """

    algorithm: str
    value: str
    source: str
    verified: bool = False

    def to_json(self) -> dict[str, Any]:
        """The part of the `--json` object."""
        return {
            "algorithm": self.algorithm,
            "value": self.value,
            "source": self.source,
            "verified": self.verified,
        }


@dataclass(slots=True)
class SourceReport:
    """What one source did.

    Attributes:
        url: Its URL; it may hold secrets, which `to_json` masks.
        host: Its host.
        trust: `origin`, `alias`, `official` or `third-party`.
        bytes: Bytes that it sent.
        connections: How many were opened to it.
        errors: Its faults, lies included.
    """

    url: str
    host: str
    trust: str = "origin"
    bytes: int = 0
    connections: int = 0
    errors: int = 0

    def to_json(self) -> dict[str, Any]:
        """The part of the `--json` object, secrets masked."""
        return {
            "url": mask(self.url),
            "host": self.host,
            "trust": self.trust,
            "bytes": self.bytes,
            "connections": self.connections,
            "errors": self.errors,
        }


@dataclass(slots=True)
class Result:
    """One file's outcome.

    Attributes:
        url: The URL as given; it may hold secrets, which `to_json` masks.
        final_url: Where redirects have led; None if no server was asked.
        path: Where the file is, or would be; `-` for stdout; None if that was never settled. Below a relative folder it
            is relative to the folder that was current at the call.
        size: Bytes of the whole file; None: unknown.
        sha256: The file's SHA-256 in hex, where it was asked for or needed.
        digest: The digest that was known beforehand, and whether the file has it; None: none was.
        seconds: The time of this run.
        resumed_bytes: Bytes that were there before this run.
        wasted_bytes: Bytes that arrived and were thrown away, or arrived twice.
        requests: Requests that were sent.
        sources: What each source did.
        error: What went wrong; None: the file is there, whole and checked.
        kept: In a few words why nothing was fetched though all is well ("it is there already"); else empty.
        unproved: Why there was no digest to compare the file with ("no digest published"); else empty.
        plan: Filled by a dry run: the object of `explain --json`.
        unpacked: How many files `extract` has put into the folder; None without it.
        unpacked_into: That folder.
        job: The file's number in its run, from 0.
    """

    url: str
    final_url: str | None = None
    path: str | None = None
    size: int | None = None
    sha256: str | None = None
    digest: DigestReport | None = None
    seconds: float = 0.0
    resumed_bytes: int = 0
    wasted_bytes: int = 0
    requests: int = 0
    sources: list[SourceReport] = field(default_factory=list)
    error: FastdlError | None = None
    kept: str = ""
    unproved: str = ""
    plan: dict[str, Any] | None = None
    unpacked: int | None = None
    unpacked_into: str = ""
    job: int = 0

    @property
    def exit_code(self) -> int:
        """The command's exit code for this file: that of `error`, or 0."""
        return self.error.code if self.error is not None else 0

    @property
    def bytes_per_second(self) -> float:
        """Bytes a second of this run: what it fetched, not what lay there before; 0 where nothing was fetched. Where
        the sources were not counted, the file itself tells."""
        fetched = sum(source.bytes for source in self.sources) - self.wasted_bytes
        if fetched <= 0 and self.error is None and not self.kept and self.size is not None:
            fetched = self.size - self.resumed_bytes
        return max(0, fetched) / self.seconds if self.seconds > 0 else 0.0

    def to_json(self) -> dict[str, Any]:
        """The `--json` object; nothing secret is left in it."""
        told = {
            "url": mask(self.url),
            "final_url": mask(self.final_url) if self.final_url is not None else None,
            "path": self.path,
            "size": self.size,
            "sha256": self.sha256,
            "digest": self.digest.to_json() if self.digest is not None else None,
            "seconds": round(self.seconds, 3),
            "bytes_per_second": round(self.bytes_per_second),
            "resumed_bytes": self.resumed_bytes,
            "wasted_bytes": self.wasted_bytes,
            "requests": self.requests,
            "sources": [source.to_json() for source in self.sources],
            "exit_code": self.exit_code,
            "error": mask(str(self.error)) if self.error is not None else None,
        }
        if self.unpacked is not None:
            told["unpacked"] = {"files": self.unpacked, "dir": self.unpacked_into}
        return told


@dataclass(slots=True)
class Tally:
    """What is kept of a run's results where there may be very many: how many files ended and failed, the code of the
    last one, and the Ctrl-C or the termination that ended the run early, if one did."""

    files: int = 0
    failed: int = 0
    code: int = 0
    stopped: FastdlError | None = None

    def add(self, result: Result) -> None:
        """Counts one file in."""
        self.files += 1
        self.failed += result.error is not None
        self.code = result.exit_code
        if isinstance(result.error, Interrupted | Terminated):
            self.stopped = self.stopped or result.error
