"""Downloads whose shortest possible time is known, and how far the scheduler stays behind it.

The *fluid bound* of a download is the time in which its connections, all busy from the first moment to the last, could
bring the file: no latency, no ranges, no set-up. Every draw comes from a seed and time is virtual, so a ratio is the
same on every machine. `PYTHONPATH=src:tests:. python -m simulation.bounds` prints the table with each part of the
scheduler left out in turn (docs/optimizations.md).
"""

from __future__ import annotations

import random
import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass
from math import inf

from benches.switches import PARTS, off
from fastdl.core.state import Limits
from simulation.clock import Clock
from simulation.content import Version
from simulation.network import Network
from simulation.parts import Place, Settings
from simulation.server import Change, Outage, Server
from simulation.shell import Outcome, download

KIB = 1024
MIB = 1024 * KIB
MBIT = 1e6 / 8
LANES = 8


@dataclass(frozen=True, slots=True)
class Played:
    """One download against its bound: `ratio` of the times, `waste` as a share of the file, requests."""

    ratio: float
    waste: float
    requests: int


def server(size: int, host: str = "one", **rest: object) -> Server:
    """An honest server with a strong ETag."""
    return Server(host, [(0.0, Version(1, size, '"v1"'))], **rest)  # type: ignore[arg-type]


def run(*servers: Server, connections: int | None = None, per_host: int = 8, block: int = 64 * KIB) -> Outcome:
    """Download from these servers, the first of them the origin. It must end well."""
    clock, chance = Clock(), random.Random(1)
    places = [Place(one, mirror=index > 0) for index, one in enumerate(servers)]
    settings = Settings(Limits(connections, per_host))
    outcome = download(clock, Network(clock, chance, block=block), places, settings, chance)
    assert outcome.error is None, outcome.error
    return outcome


def against(bound: float, outcome: Outcome) -> Played:
    """A download and its bound in seconds."""
    return Played(outcome.seconds / bound, wasted(outcome) / (outcome.size or 1), outcome.network.requests)


def wasted(outcome: Outcome) -> int:
    """Bytes that came and were not kept."""
    watch = outcome.attempts[-1].watch
    return watch.hedge_waste + watch.abort_waste + watch.overrun_waste


# --- the shapes ------------------------------------------------------------------------------------------


def uneven(seed: int, seconds: float = 30.0) -> Played:
    """Eight workers between 100 kB/s and 5 MB/s each, steady."""
    r = random.Random(seed)
    rates = [10 ** r.uniform(5.0, 6.7) for _ in range(LANES)]
    changes = [Change(0.0, lane, rate) for lane, rate in enumerate(rates)]
    one = server(int(sum(rates) * seconds), lanes=LANES, changes=changes)
    return against(seconds, run(one, connections=LANES))


def stalls(seed: int, seconds: float = 30.0, every: float = 6.0, longest: float = 3.0, spread: float = 0.5) -> Played:
    """Eight uneven workers, each of which is silent now and then: every `every` seconds, for `longest` at most. A new
    connection in a silent one's place is as silent as the old one, so nothing but other connections can help."""
    r = random.Random(seed)
    changes: list[Change] = []
    brought = 0.0
    for lane in range(LANES):
        rate = 1e6 * 10 ** r.uniform(-spread, spread)
        changes.append(Change(0.0, lane, rate))
        now = 0.0
        while now < 4 * seconds:
            begin = now + r.expovariate(1 / every)
            brought += rate * max(0.0, min(begin, seconds) - now)
            now = begin + r.uniform(0.3, longest)
            changes += [Change(begin, lane, 0.0), Change(now, lane, rate)]
    return against(seconds, run(server(int(brought), lanes=LANES, changes=changes), connections=LANES))


def bursty(pause: float, seed: int, burst: float = 0.5, seconds: float = 30.0) -> Outcome:
    """Each of eight connections brings something for `burst` seconds and nothing for `pause`, by turns, and so does
    every one that takes its place."""
    r = random.Random(seed)
    changes: list[Change] = []
    for lane in range(LANES):
        now = r.uniform(0.0, pause + burst)
        changes.append(Change(0.0, lane, MIB))
        while now < 4 * seconds:
            changes += [Change(now, lane, 0.0), Change(now + pause, lane, MIB)]
            now += pause + burst
    size = int(LANES * MIB * seconds * burst / (burst + pause))
    return run(server(size, lanes=LANES, changes=changes), connections=LANES)


def slowed(seed: int, factor: float = 50.0, rate: float = MIB) -> Played:
    """One of eight connections becomes `factor` times slower (inf: silent) at some moment; against the same run without
    the fault, set-up and all."""
    r = random.Random(seed)
    size = int(8 * rate * 5)
    alone = run(server(size, rate=rate), connections=LANES)
    change = Change(r.uniform(0.3, 4.8), r.randrange(LANES), rate / factor)
    return against(alone.seconds, run(server(size, rate=rate, changes=[change]), connections=LANES))


def half_way(seed: int, kind: str) -> Played:
    """One of two equal mirrors, at random the origin or the other one, is gone (`reset`, `refuse`, a status) or
    `silent` half-way. The bound: both until then, one from then on."""
    r = random.Random(seed)
    rate = 1e6 * 10 ** r.uniform(-0.3, 0.5)
    size, per = int(16 * rate * 8), 8 * rate
    servers = [server(size, host, rate=rate) for host in ("one", "two")]
    at = size / 2 / (2 * per)
    bad = servers[r.randrange(2)]
    if kind == "silent":
        bad.changes.append(Change(at, None, 0.0))
    else:
        bad.outages.append(Outage(at, inf, kind))
    return against(at + size / 2 / per, run(*servers))


def thin(seed: int) -> Played:
    """100 Mbit/s shared by all connections, 80 ms."""
    size = 100 * MIB + seed
    one = server(size, rtt=0.08, rate=inf, total=100 * MBIT, slow_start=True)
    return against(size / (100 * MBIT), run(one))


def capped(seed: int) -> Played:
    """2 MiB/s a connection, 16 of them on 400 Mbit/s, 80 ms."""
    size = 200 * MIB + seed
    one = server(size, rtt=0.08, rate=2 * MIB, total=400 * MBIT, slow_start=True)
    return against(size / (32 * MIB), run(one, connections=16, per_host=16))


def pair(seed: int) -> Played:
    """Two mirrors, 200 and 50 Mbit/s, 80 ms."""
    size = 200 * MIB + seed
    links = [("fast", 200), ("slow", 50)]
    servers = [server(size, host, rtt=0.08, rate=inf, total=mbit * MBIT, slow_start=True) for host, mbit in links]
    if seed % 2:
        servers.reverse()
    return against(size / (250 * MBIT), run(*servers))


def near(seed: int) -> Played:
    """No latency, 20 MB/s a connection: more connections pay, up to eight."""
    size = 400 * MIB + seed
    return against(size / (8 * 20e6), run(server(size, rtt=0.0005, rate=20e6), block=256 * KIB))


def small(seed: int) -> Played:
    """A file of 2 MiB over a long link, one connection in eight of which is ten times slower."""
    size, rate = 2 * MIB, 0.25 * MIB
    slow = random.Random(seed).randrange(LANES)
    one = server(size, rtt=0.08, rate=rate, changes=[Change(0.0, slow, rate / 10)])
    return against(size / (7.1 * rate), run(one))


SHAPES: dict[str, Callable[[int], Played]] = {
    "8 uneven workers": uneven,
    "random stalls": stalls,
    "one of 8 is 50 x slower": slowed,
    "one of 8 falls silent": lambda seed: slowed(seed, inf),
    "one of 2 mirrors refuses": lambda seed: half_way(seed, "refuse"),
    "one of 2 mirrors falls silent": lambda seed: half_way(seed, "silent"),
    "100 Mbit/s, 80 ms": thin,
    "2 MiB/s a connection, 80 ms": capped,
    "mirrors 200 + 50 Mbit/s": pair,
    "no latency, 20 MB/s a connection": near,
    "2 MiB, one of 8 slow": small,
}


def table(seeds: int) -> str:
    """Median and largest ratio of each shape, with everything and without each part, as a Markdown table."""
    columns = ["all", *PARTS]
    lines = ["| shape | all | " + " | ".join(f"no {name}" for name in PARTS) + " | waste | requests |"]
    lines.append("|---" * (len(columns) + 3) + "|")
    for shape, played_by in SHAPES.items():
        cells = []
        for name in columns:
            with off([] if name == "all" else [name]):
                played = [played_by(seed) for seed in range(seeds)]
            ratios = [one.ratio for one in played]
            cells.append(f"{statistics.median(ratios):.3f} ({max(ratios):.2f})")
            if name == "all":
                waste = f"{100 * statistics.mean(one.waste for one in played):.2f} %"
                requests = f"{statistics.mean(one.requests for one in played):.0f}"
        lines.append(f"| {shape} | {' | '.join(cells)} | {waste} | {requests} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table(int(sys.argv[1]) if len(sys.argv) > 1 else 20))
