"""A state folder with something of everything in it, for tests of what `stats` shows."""

from __future__ import annotations

from fastdl.core.history import Entry, Totals
from fastdl.core.servers import Server
from fastdl.io.caches import Heap
from fastdl.io.profiles import Profiled, Stretch
from fastdl.ui.dashboard.facts import Facts

NOW = 1_800_000_000.0  # 2027-01-15T08:00:00Z
DAY = 86_400.0


def server(number: int, **more: float | bool | None) -> Server:
    """A server of many."""
    told = Server(f"s{number}.example.org", 1e6 * (number + 1), 0.01, 4, 0.0, True, 0.0, 3, NOW, 1000 * number)
    return told._replace(**more)


def entry(number: int, hosts: tuple[str, ...] = ("a.example.org", "b.example.org"), failed: bool = False) -> Entry:
    """A download of many: two hours after the one before."""
    trusts = ("origin", "official", "third-party", "alias")
    sources = tuple((host, trusts[place % 4], 1000 * (place + 1)) for place, host in enumerate(hosts))
    return Entry(
        NOW + 7200 * number,
        f"https://example.org/pub/file-{number}.bin",
        f"/srv/files/file-{number}.bin",
        3_000_000,
        2.0,
        1_500_000.0,
        3 if failed else 0,
        "the connection was lost (the server closed it). Try again later." if failed else None,
        "ab" * 32,
        "origin",
        sources,
        tuple(place for place, _ in enumerate(hosts)),
    )


def profiled(of: Entry, workers: int = 3) -> Profiled:
    """The times of a download: each worker connects, waits, receives, stalls, receives."""
    spans = [Stretch(None, None, "look", 0.0, 0.01, 0), Stretch(None, None, "transfer", 0.01, 1.9, 0)]
    for worker in range(workers):
        source, at = worker % len(of.sources), 0.02 + 0.05 * worker
        for phase, length, count in (
            ("dns", 0.01, 0),
            ("connect", 0.04, 0),
            ("tls", 0.05, 0),
            ("first_byte", 0.1, 0),
            ("receive", 0.3, 400_000),
            ("stall", 1.0 if worker == 0 else 0.0, 1),
            ("receive", 0.2, 300_000),
        ):
            if length:
                spans.append(Stretch(worker, source, phase, at, at + length, count))
            at += length
    return Profiled(of.when, of.url, 2.0, of.sources, tuple(spans), 5)


def facts(count: int = 6) -> Facts:
    """Something of everything; `count` downloads, one of which failed, two with a waterfall."""
    entries = [entry(number, failed=number == 1) for number in range(count)][::-1]
    totals = Totals(count, 1, 3_000_000 * count, 2.0 * count, NOW)
    servers = [server(1), server(2, busy=1.5, errors=2.0), server(3, rate=None, latency=None, ranges=None)]
    lies = [("liar.example.net", NOW, "64.0 KiB of what it sent were not the origin's bytes")]
    caches, heaps = {"routes": (3, 1)}, {"routes": Heap(7, 4096, 8192)}
    return Facts(servers, lies, caches, heaps, totals, entries, [profiled(entries[0]), profiled(entries[3], 1)])
