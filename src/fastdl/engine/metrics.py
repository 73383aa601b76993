"""The metrics of `get --metrics`: names, meanings and labels (docs/monitoring.md lists them).

Names follow Prometheus' conventions: base units, `_total` for counters. They all begin with `fastdl_`, those of the
process too, because node_exporter, whose text files these may be, has a `process_...` of its own. Labels are hosts,
trust classes and exit codes, never URLs.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable

from fastdl import __version__
from fastdl.core.exposition import Family, Labels, Sample, render
from fastdl.core.hints import TYPE_CHECKING, Literal
from fastdl.core.record import Record

if TYPE_CHECKING:
    from fastdl.engine.metering import Counts

CODES = (0, 1, 2, 3, 4, 5, 6, 7, 9, 130, 143)  # told from the beginning, so that the first failure is an increase
CHECKS = ("verified", "failed", "none")


class Usage(Record):
    """What the process has taken: seconds of processor time, bytes of memory (None: the system does not tell)."""

    cpu: float
    memory: int | None


def usage() -> Usage:
    """Of this process, now."""
    import psutil

    try:
        memory: int | None = int(psutil.Process().memory_info().rss)
    except (psutil.Error, OSError):
        memory = None
    return Usage(time.process_time(), memory)


def text(counts: Counts, used: Usage, common: Labels = (), ended: float | None = None) -> str:
    """The whole exposition. `common` labels stand in every sample; `ended`: Unix time of the run's end."""
    return render(families(counts, used, ended), common)


def families(counts: Counts, used: Usage, ended: float | None = None) -> Iterable[Family]:
    """All metrics, in the order in which they are told."""
    yield _one("build_info", "gauge", "Always 1; what is running.", 1, _build())
    yield _one("start_time_seconds", "gauge", "Unix time at which the run began.", counts.began)
    if ended is not None:
        yield _one("end_time_seconds", "gauge", "Unix time at which the run ended; missing while it works.", ended)
    yield from _downloads(counts)
    yield from _traffic(counts)
    yield from _process(used)


def _build() -> Labels:
    version = ".".join(map(str, sys.version_info[:3]))
    return (("version", __version__), ("python", version), ("platform", sys.platform))


def _downloads(counts: Counts) -> Iterable[Family]:
    yield _one("downloads_running", "gauge", "Downloads that are under way.", counts.running)
    yield Family(
        "fastdl_downloads_total",
        "counter",
        "Downloads that have ended, by exit code; 0 is success.",
        tuple(Sample(counts.ended[code], (("exit_code", str(code)),)) for code in sorted({*CODES, *counts.ended})),
    )
    yield Family(
        "fastdl_download_duration_seconds",
        "summary",
        "Time that downloads have taken which have ended.",
        (Sample(counts.seconds, (), "_sum"), Sample(sum(counts.ended.values()), (), "_count")),
    )
    yield Family(
        "fastdl_digests_total",
        "counter",
        "Downloads by what became of the check of the whole file; none: no digest was known.",
        tuple(Sample(counts.digests[check], (("result", check),)) for check in CHECKS),
    )
    yield _one("resumed_bytes_total", "counter", "Bytes that earlier runs had left and that were used.", counts.resumed)
    yield _one("missing_bytes", "gauge", "Bytes that running downloads of known size still lack.", counts.missing)
    yield _one("receive_bytes_per_second", "gauge", "Speed of all downloads together, over some seconds.", counts.speed)


def _traffic(counts: Counts) -> Iterable[Family]:
    rows = list(counts.traffic.items())

    def family(name: str, help: str, field: str) -> Family:
        samples = tuple(
            Sample(getattr(traffic, field), (("host", host), ("trust", trust))) for (host, trust), traffic in rows
        )
        return Family("fastdl_" + name, "counter", help, samples)

    yield family("received_bytes_total", "Bytes of bodies that came, wasted ones too.", "received")
    yield family("wasted_bytes_total", "Bytes that came and were thrown away, or came twice.", "wasted")
    yield family("requests_total", "Requests sent.", "requests")
    yield family("errors_total", "Faults of the source: refusals, lost connections, altered bytes.", "errors")
    yield family("retries_total", "Faults after which the source was to be asked again.", "retries")
    yield family("connections_opened_total", "Connections made.", "opened")
    open_now = tuple(Sample(count, (("host", host),)) for host, count in sorted(counts.connections.items()))
    yield Family("fastdl_connections", "gauge", "Connections that are open, idle ones too.", open_now)


def _process(used: Usage) -> Iterable[Family]:
    yield _one("process_cpu_seconds_total", "counter", "Processor time of this process.", used.cpu)
    if used.memory is not None:
        yield _one("process_resident_memory_bytes", "gauge", "Memory of this process in RAM.", used.memory)


def _one(name: str, kind: Literal["counter", "gauge"], help: str, value: float, labels: Labels = ()) -> Family:
    return Family("fastdl_" + name, kind, help, (Sample(value, labels),))
