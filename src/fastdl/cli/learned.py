"""What `stats` tells: as text for people, and as the object of `--json` (docs/stats.md has its keys)."""

from __future__ import annotations

from fastdl.cli.state import counted, local_time, utc
from fastdl.core.hints import Any
from fastdl.core.quantity import format_rate, format_seconds, format_size
from fastdl.core.record import Record
from fastdl.core.servers import HALF_LIFE, LIE_LASTS
from fastdl.io.caches import Heap
from fastdl.io.store import Server, Totals
from fastdl.ui.table import table

MOST_SHOWN = 40  # servers and lies, in the text
DAY = 86_400
HEADS = ("host", "rate", "latency", "at once", "refused", "errors", "ranges", "files", "bytes", "last met")


class Stats(Record):
    """Everything that `stats` tells. `lies`: (host, Unix time, evidence); `caches`: (hits, misses) by name, `heaps`:
    what each held."""

    servers: list[Server]
    lies: list[tuple[str, float, str]]
    caches: dict[str, tuple[int, int]]
    heaps: dict[str, Heap]
    history: Totals


# --- for people ------------------------------------------------------------------------------------------


def lines(stats: Stats) -> list[str]:
    """The text: one part for each kind of thing that is known."""
    parts = [
        _servers(stats.servers),
        _lies(stats.lies),
        _caches(stats.caches),
        _heaps(stats.heaps),
        _history(stats.history),
    ]
    told = [line for part in parts if part for line in ("", *part)]
    return told[1:] or ["nothing is learned yet: each download adds what it saw of its servers"]


def _servers(servers: list[Server]) -> list[str]:
    if not servers:
        return []
    days = round(HALF_LIFE / DAY)
    rows = [HEADS, *(_row(server) for server in servers[:MOST_SHOWN])]
    return [
        f"Servers (what is known of them fades: it counts half after {days} days)",
        *table(rows, "  ", right=range(1, 9)),
        *_more(len(servers)),
        "  rate: of one connection; latency: until the answer begins; at once: connections that it served,",
        "  a limit if it refused more (429, 503); ranges: whether it sends parts of a file",
    ]


def _more(count: int) -> list[str]:
    return [f"  and {count - MOST_SHOWN} more: --json shows all"] if count > MOST_SHOWN else []


def _row(server: Server) -> list[str]:
    limit = " (limit)" if server.busy and server.connections else ""
    return [
        server.host,
        format_rate(server.rate) if server.rate is not None else "-",
        f"{1000 * server.latency:.0f} ms" if server.latency is not None else "-",
        f"{server.connections}{limit}" if server.connections else "-",
        _number(server.busy),
        _number(server.errors),
        {None: "-", True: "yes", False: "no"}[server.ranges],
        str(server.downloads),
        format_size(server.bytes),
        local_time(server.seen),
    ]


def _number(value: float) -> str:
    """A count that fades."""
    return f"{value:.1f}".removesuffix(".0") if value else "-"


def _lies(lies: list[tuple[str, float, str]]) -> list[str]:
    if not lies:
        return []
    return [
        f"Servers that sent altered bytes (not asked for {round(LIE_LASTS / DAY)} days, or until 'fastdl cache clear')",
        *table([(host, local_time(told), evidence) for host, told, evidence in lies[:MOST_SHOWN]], "  "),
        *_more(len(lies)),
    ]


def _caches(caches: dict[str, tuple[int, int]]) -> list[str]:
    if not caches:
        return []
    rows = [
        (name, f"{hits} of {hits + misses} found ({_percent(hits, misses)} %)")
        for name, (hits, misses) in caches.items()
    ]
    return ["Caches", *table(rows, "  ")]


def _heaps(heaps: dict[str, Heap]) -> list[str]:
    if not heaps:
        return []
    rows = [
        (name, counted(heap.entries, "entry", "entries"), format_size(heap.bytes), f"at most {format_size(heap.most)}")
        for name, heap in heaps.items()
    ]
    return ["Memory of caches, at the end of the last run of many files", *table(rows, "  ", right=range(1, 3))]


def _history(totals: Totals) -> list[str]:
    if not totals.downloads:
        return []
    since = f" since {local_time(totals.since)}" if totals.since is not None else ""
    text = f"{counted(totals.downloads, 'download')}{since}, {totals.failed} failed"
    if totals.seconds > 0:
        rate = format_rate(totals.bytes / totals.seconds)
        text += f"; {format_size(totals.bytes)} in {format_seconds(totals.seconds)}, {rate}"
    return ["History", f"  {text}"]


def _percent(hits: int, misses: int) -> int:
    return round(100 * hits / (hits + misses)) if hits + misses else 0


# --- for programs ----------------------------------------------------------------------------------------


def as_object(stats: Stats) -> dict[str, Any]:
    """The object of `--json`."""
    totals = stats.history
    return {
        "servers": [_server(server) for server in stats.servers],
        "lies": [{"host": host, "when": utc(told), "evidence": evidence} for host, told, evidence in stats.lies],
        "caches": {
            name: {"hits": hits, "misses": misses, "hit_rate": round(hits / max(hits + misses, 1), 4)}
            for name, (hits, misses) in stats.caches.items()
        },
        "heaps": {
            name: {"entries": heap.entries, "bytes": heap.bytes, "most_bytes": heap.most}
            for name, heap in stats.heaps.items()
        },
        "history": {
            "downloads": totals.downloads,
            "failed": totals.failed,
            "bytes": totals.bytes,
            "seconds": round(totals.seconds, 3),
            "bytes_per_second": round(totals.bytes / totals.seconds) if totals.seconds > 0 else 0,
            "since": utc(totals.since) if totals.since is not None else None,
        },
    }


def _server(server: Server) -> dict[str, Any]:
    return {
        "host": server.host,
        "bytes_per_second": round(server.rate) if server.rate is not None else None,
        "latency": round(server.latency, 6) if server.latency is not None else None,
        "connections": server.connections,
        "busy": round(server.busy, 2),
        "ranges": server.ranges,
        "errors": round(server.errors, 2),
        "downloads": server.downloads,
        "bytes": server.bytes,
        "seen": utc(server.seen),
    }
