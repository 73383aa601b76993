"""`fastdl demo`: the main job without the internet.

A slow origin, a fast mirror and a mirror that alters bytes serve one generated file on loopback; fastdl fetches it from
the three at once, finds out who lied and mends the file. Then it says what each gave and how long the origin alone
would have taken. Nothing is left behind: files and what was learned of the servers lie in a folder that is removed.
"""

from __future__ import annotations

import os
import sys
import textwrap
import threading
from tempfile import TemporaryDirectory

from fastdl.core.plain import dataclass, field
from fastdl.core.quantity import format_rate, format_seconds, format_size
from fastdl.demo_server import Conduct, Content, DemoServer, altering, honest
from fastdl.errors import SizeMismatch
from fastdl.events import Event, Note
from fastdl.result import Result
from fastdl.settings import Settings
from fastdl.ui.progress import Display, choose_kind, emit, make_display
from fastdl.ui.text import safe

DEMO_HELP = "See it work in about ten seconds, without the internet."
MIB = 1024 * 1024
SIZE = 32 * MIB


@dataclass(frozen=True, slots=True)
class Part:
    """One server of the demo: `rate` in bytes a second, and what it does to the bytes."""

    name: str
    rate: float
    conduct: Conduct = honest
    remark: str = ""


PARTS = (
    Part("origin", 1.5 * MIB),
    Part("mirror", 4.0 * MIB),
    Part("liar", 1.0 * MIB, altering, ", alters one byte in 64 KiB"),
)


def main() -> int:
    """Runs the demo; the exit code. Raises FastdlError."""
    content = Content(SIZE)
    with TemporaryDirectory(prefix="fastdl-demo-", ignore_cleanup_errors=True) as folder:
        os.environ["FASTDL_STATE_DIR"] = os.path.join(folder, "state")  # what is learned here is of no use later
        servers = [DemoServer(content, part.rate, conduct=part.conduct) for part in PARTS]
        try:
            _introduce(servers)
            watcher = _Watcher(_display())
            _tell(_download(content, servers, folder, watcher), content, servers, watcher.warnings)
        finally:
            for server in servers:
                server.close()
    return 0


def _say(line: str) -> None:
    emit(sys.stdout, line)


def _introduce(servers: list[DemoServer]) -> None:
    _say(f"A file of {format_size(SIZE)}, on three servers of this machine:")
    for part, server in zip(PARTS, servers, strict=True):
        _say(f"  {part.name:<7} {server.url}, {format_rate(part.rate)}{part.remark}")
    _say(f"fastdl get {servers[0].url} \\")
    _say(f"  -m {servers[1].url} -m {servers[2].url} \\")
    _say("  --checksum sha256:...")


@dataclass(slots=True)
class _Watcher:
    """Shows the progress and keeps the warnings, which are told when the progress is off the screen."""

    display: Display
    warnings: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, event: Event) -> None:
        with self.lock:
            if isinstance(event, Note) and event.level == "warning":
                self.warnings.append(safe(event.text))
            self.display.handle(event)


def _download(content: Content, servers: list[DemoServer], folder: str, watcher: _Watcher) -> Result:
    from fastdl import batch

    settings = Settings(
        dir=folder,
        mirrors=[server.url for server in servers[1:]],
        checksum=f"sha256:{content.sha256}",
        use_proxy=False,
        per_host=16,
        verbose=True,  # counts what each source gave
    )
    try:
        result: Result = batch.run(settings, [servers[0].url], watcher)[0]
    finally:
        watcher.display.close()
    if result.error is not None:
        raise result.error
    if result.size != SIZE or result.path is None or os.path.getsize(result.path) != SIZE:
        raise SizeMismatch("the demo's file has a wrong size")
    return result


def _display() -> Display:
    terminal = sys.stderr is not None and sys.stderr.isatty()
    kind = choose_kind("auto", quiet=False, terminal=terminal, data_on_terminal=False, environ=os.environ)
    return make_display(kind, sys.stderr, 1)


def _tell(result: Result, content: Content, servers: list[DemoServer], warnings: list[str]) -> None:
    sources = {source.url: source for source in result.sources}
    _say("What each of them sent:")
    for part, server in zip(PARTS, servers, strict=True):
        source = sources.get(server.url)
        count = source.bytes if source is not None else 0
        caught = part.conduct is not honest and warnings and source is not None and source.errors
        remark = "  found out by the digest, all of it replaced" if caught else ""
        _say(f"  {part.name:<7} {format_size(count):>9}{remark}")
    for warning in warnings:
        _say(textwrap.fill(f"fastdl says: {warning}.", 79, subsequent_indent="  ", break_on_hyphens=False))
    alone = SIZE / PARTS[0].rate
    _say(
        f"{format_size(SIZE)} in {format_seconds(result.seconds)} ({format_rate(SIZE / result.seconds)}).\n"
        f"The origin alone would have taken {format_seconds(alone)}: {alone / result.seconds:.1f} times as long."
    )
    _say(f"sha256 {content.sha256} matches")
