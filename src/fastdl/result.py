"""What became of one file: the facts behind the exit code, the `--json` object and the last line on the screen."""

from __future__ import annotations

from fastdl.core.hints import Any
from fastdl.core.plain import dataclass, field
from fastdl.core.urls import mask
from fastdl.errors import FastdlError, Interrupted, Terminated


@dataclass(slots=True)
class DigestReport:
    """A digest that was known beforehand. `source` says who gave it (`user`, `url`, `origin`, `metalink` ...);
    `verified` is true once the whole file was found to agree."""

    algorithm: str
    value: str
    source: str
    verified: bool = False

    def to_json(self) -> dict[str, Any]:
        return {
            "algorithm": self.algorithm,
            "value": self.value,
            "source": self.source,
            "verified": self.verified,
        }


@dataclass(slots=True)
class SourceReport:
    """What one source did. `trust` is origin, alias, official or third-party; `bytes` counts what it sent;
    `connections` is how many were opened to it; `errors` counts its faults, lies included."""

    url: str
    host: str
    trust: str = "origin"
    bytes: int = 0
    connections: int = 0
    errors: int = 0

    def to_json(self) -> dict[str, Any]:
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
    """One file's outcome. `size` is the whole file in bytes, `seconds` the time of this run, `wasted_bytes` all
    bytes that arrived and were thrown away or arrived twice; `path` is "-" for stdout and None if it was never
    settled. `kept` says in a few words why nothing was fetched though all is well ("it is there already"), `unproved`
    why there was no digest to compare the file with ("no digest published").
    `plan` is filled by --dry-run: the object of `explain --json`. `unpacked` is how many files --extract has put into
    the folder `unpacked_into`, None without it. `job` is the file's number in its run, from 0."""

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
        return self.error.code if self.error is not None else 0

    @property
    def bytes_per_second(self) -> float:
        """How fast this run was: what it fetched, not what lay there before; 0 where nothing was fetched. Where the
        sources were not counted, the file itself tells."""
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
