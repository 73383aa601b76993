"""The parts of the page above the single downloads. Each has its numbers as a table; charts repeat them."""

from __future__ import annotations

from collections.abc import Sequence

from fastdl.core.history import Entry
from fastdl.core.quantity import format_rate, format_seconds, format_size
from fastdl.core.servers import HALF_LIFE, LIE_LASTS, Server
from fastdl.ui.dashboard.charts import Dot, Names, bars, dots, metered
from fastdl.ui.dashboard.facts import Facts
from fastdl.ui.dashboard.figures import Share, cut, days, shares
from fastdl.ui.dashboard.html import Child, Markup, el, joined, table
from fastdl.ui.dashboard.times import day, moment

MOST_DAYS = 90  # with downloads, in the charts and their table
MOST_DOTS = 200  # downloads in the chart of rates
MOST_SERVERS = 100
MOST_SHARES = 20
_DAY = 86_400


def section(name: str, title: str, *children: Child) -> Markup:
    """A part of the page with its heading."""
    return el("section", el("h2", title, id=f"{name}-h"), *children, id=name, aria_labelledby=f"{name}-h")


def tiles(facts: Facts) -> Markup:
    """The few numbers that say most."""
    totals = facts.totals
    hits, misses = (sum(pair[place] for pair in facts.caches.values()) for place in (0, 1))
    told: list[tuple[str, Child]] = [
        ("Downloads", number(totals.downloads)),
        ("Failed", number(totals.failed)),
        ("Fetched", format_size(totals.bytes)),
        ("Mean rate", format_rate(totals.bytes / totals.seconds) if totals.seconds > 0 else "-"),
        ("Time spent", format_seconds(totals.seconds)),
        ("Servers known", number(len(facts.servers))),
        ("Found in caches", f"{100 * hits / (hits + misses):.0f} %" if hits + misses else "-"),
    ]
    return el("dl", *(el("div", el("dt", name), el("dd", value)) for name, value in told), class_="tiles")


# --- throughput ------------------------------------------------------------------------------------------


def throughput(names: Names, facts: Facts) -> Markup:
    """Rates and amounts by day, and the rate of each download."""
    every = days(facts.entries, day)
    if not every:
        return section("throughput", "Throughput over time", el("p", "No download is in the history yet."))
    shown = every[-MOST_DAYS:]
    ends = (shown[0].name, shown[-1].name)
    left = f" Of {number(len(every))} days the last {MOST_DAYS} are shown." if len(every) > MOST_DAYS else ""
    best = max(shown, key=lambda each: each.rate)
    rate = bars(
        names,
        "Throughput by day",
        f"Best on {best.name} with {format_rate(best.rate)}. The table below has the numbers.",
        [each.rate for each in shown],
        ends,
        rate=True,
    )
    most = max(shown, key=lambda each: each.bytes)
    amount = bars(
        names,
        "Bytes fetched by day",
        f"Most on {most.name} with {format_size(most.bytes)}. The table below has the numbers.",
        [each.bytes for each in shown],
        ends,
        rate=False,
    )
    rows = [
        (
            each.name,
            number(each.downloads),
            number(each.failed),
            format_size(each.bytes),
            format_seconds(each.seconds),
            format_rate(each.rate) if each.seconds > 0 else "-",
        )
        for each in reversed(shown)
    ]
    heads = ("day", "downloads", "failed", "fetched", "time", "rate")
    return section(
        "throughput",
        "Throughput over time",
        el("p", f"Days without a download are left out.{left}", class_="muted"),
        el(
            "div",
            el("figure", el("figcaption", "Throughput by day: bytes fetched by the time that downloads took."), rate),
            el("figure", el("figcaption", "Bytes fetched by day."), amount),
            class_="pair",
        ),
        el("details", el("summary", "The days as a table"), table(names.new(), "Downloads by day", heads, rows)),
        _each(names, facts.entries),
    )


def _each(names: Names, entries: Sequence[Entry]) -> Markup:
    """The rates of single downloads over time."""
    known = [entry for entry in entries if entry.seconds > 0 and (entry.bytes_per_second > 0 or entry.exit_code)]
    shown = [entry for entry in known if day(entry.when) is not None][:MOST_DOTS][::-1]
    if not shown:
        return Markup("")
    first, last = min(entry.when for entry in shown), max(entry.when for entry in shown)
    marks = [
        Dot(
            (entry.when - first) / (last - first) if last > first else 0.5,
            entry.bytes_per_second,
            bool(entry.exit_code),
        )
        for entry in shown
    ]
    failed = sum(mark.cross for mark in marks)
    text = f"{len(shown)} downloads over time, {failed} of them failed. The table below has the numbers."
    ends = (day(first) or "", day(last) or "")
    drawn = dots(names, "Throughput of each download", text, marks, ends)
    rows = [
        (
            moment(entry.when),
            format_rate(entry.bytes_per_second) if entry.bytes_per_second else "-",
            format_size(entry.size) if entry.size is not None else "-",
            format_seconds(entry.seconds),
            "ok" if entry.exit_code == 0 else f"exit {entry.exit_code}",
        )
        for entry in reversed(shown)
    ]
    more = f" the last {len(shown)} of {number(len(known))}" if len(known) > len(shown) else ""
    caption = f"Throughput of each download:{more} a dot, a cross where it failed; each line is 32 times the one below."
    data = table(names.new(), "Downloads and their rates", ("end", "rate", "size", "time", "result"), rows)
    return joined(
        [
            el("figure", el("figcaption", caption), drawn),
            el("details", el("summary", "The downloads as a table"), data),
        ]
    )


# --- servers ---------------------------------------------------------------------------------------------


def servers(names: Names, facts: Facts) -> Markup:
    """What is known of each host."""
    if not facts.servers:
        return section("servers", "Servers", el("p", "No server is known yet."))
    shown = sorted(facts.servers, key=lambda server: (-server.bytes, -server.seen))[:MOST_SERVERS]
    fastest = max((server.rate or 0.0 for server in shown), default=0.0) or 1.0
    slowest = max((server.latency or 0.0 for server in shown), default=0.0) or 1.0
    rows = [_server(server, fastest, slowest) for server in shown]
    left = ""
    if len(facts.servers) > len(shown):
        left = f" The {len(shown)} of {number(len(facts.servers))} that sent most are shown; --json has all."
    note = (
        f"What is known of a server fades: it counts half after {round(HALF_LIFE / _DAY)} days. Rate is that of one "
        f"connection, latency the time until an answer begins.{left}"
    )
    heads = ("host", "rate", "latency", "errors", "ranges", "downloads", "bytes", "last met")
    return section(
        "servers",
        "Servers",
        el("p", note, class_="muted"),
        table(names.new(), "Rate, latency and errors by server", heads, rows, words=(0, 7)),
    )


def _server(server: Server, fastest: float, slowest: float) -> list[Child]:
    return [
        server.host,
        metered(format_rate(server.rate), server.rate / fastest) if server.rate is not None else "-",
        metered(f"{1000 * server.latency:.0f} ms", server.latency / slowest) if server.latency is not None else "-",
        faded(server.errors),
        {None: "-", True: "yes", False: "no"}[server.ranges],
        number(server.downloads),
        format_size(server.bytes),
        moment(server.seen),
    ]


def limits(names: Names, facts: Facts) -> Markup:
    """How many connections servers take at once."""
    known = [server for server in facts.servers if server.connections]
    if not known:
        return section("limits", "Connection limits", el("p", "How many connections a server takes is not known yet."))
    known.sort(key=lambda server: (not server.busy, server.connections, -server.bytes))
    shown = known[:MOST_SERVERS]
    most = max(server.connections for server in shown)
    rows = [
        (
            server.host,
            "refused more" if server.busy else "no refusal seen",
            metered(number(server.connections), server.connections / most),
            faded(server.busy),
        )
        for server in shown
    ]
    more = f" {len(shown)} of {number(len(known))} servers are shown." if len(known) > len(shown) else ""
    note = (
        f"A server that answered 429 or 503 has shown a limit; others served so many at once without complaint.{more}"
    )
    heads = ("host", "limit", "at once", "refusals")
    return section(
        "limits",
        "Connection limits",
        el("p", note, class_="muted"),
        table(names.new(), "Connections at once by server", heads, rows, words=(0, 1)),
    )


def lies(names: Names, facts: Facts) -> Markup:
    """Servers that altered bytes; nothing at all if there is none."""
    if not facts.lies:
        return Markup("")
    rows = [(host, evidence, moment(when)) for host, when, evidence in facts.lies[:MOST_SERVERS]]
    left = f" {len(rows)} of {number(len(facts.lies))} are shown." if len(facts.lies) > len(rows) else ""
    note = f"They are not asked for {round(LIE_LASTS / _DAY)} days, or until 'fastdl cache clear'.{left}"
    return section(
        "lies",
        "Servers that sent altered bytes",
        el("p", note, class_="muted"),
        table(names.new(), "Who sent altered bytes", ("host", "what was seen", "when"), rows, words=(0, 1, 2)),
    )


# --- sources and caches ----------------------------------------------------------------------------------


def sources(names: Names, facts: Facts) -> Markup:
    """Who the bytes came from."""
    by_host = shares(facts.entries, lambda source: source[0])
    if not by_host:
        return section("sources", "Where the bytes came from", el("p", "No download is in the history yet."))
    by_trust = shares(facts.entries, lambda source: source[1])
    return section(
        "sources",
        "Where the bytes came from",
        el(
            "div",
            _shares(names, "Bytes by trust class", "trust class", by_trust),
            _shares(names, "Bytes by source", "host", cut(by_host, MOST_SHARES)),
            class_="pair",
        ),
    )


def _shares(names: Names, caption: str, head: str, parts: Sequence[Share]) -> Markup:
    rows = [
        (part.name, format_size(part.bytes), metered(f"{100 * part.fraction:.1f} %", part.fraction)) for part in parts
    ]
    return table(names.new(), caption, (head, "bytes", "share"), rows)


def caches(names: Names, facts: Facts) -> Markup:
    """How often something was found, and what the caches held."""
    if not (facts.caches or facts.heaps):
        return section("caches", "Caches", el("p", "Caches are counted in runs of many files; there was none yet."))
    rows = [
        (name, number(hits), number(misses), metered(f"{100 * hits / max(hits + misses, 1):.1f} %",
         hits / max(hits + misses, 1)))
        for name, (hits, misses) in facts.caches.items()
    ]  # fmt: skip
    held = [
        (name, number(heap.entries), format_size(heap.bytes), format_size(heap.most))
        for name, heap in facts.heaps.items()
    ]
    heads = ("cache", "found", "not found", "hit rate")
    parts = [table(names.new(), "Hit rates", heads, rows)] if rows else []
    if held:
        heads = ("cache", "entries", "memory", "at most")
        parts.append(table(names.new(), "Memory at the end of the last run of many files", heads, held))
    return section("caches", "Caches", el("div", *parts, class_="pair"))


# --- words -----------------------------------------------------------------------------------------------


def number(count: int) -> str:
    """1 234 567, with spaces that do not break."""
    return f"{count:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def faded(value: float) -> str:
    """A count that fades."""
    return f"{value:.1f}".removesuffix(".0") if value else "-"
