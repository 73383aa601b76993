"""`fastdl demo`: the main job without the internet.

A slow origin and two faster mirrors on loopback serve one generated file; fastdl fetches it from the three at once.
Then it says what each gave and how long the origin alone would have taken. Nothing is left behind.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from tempfile import TemporaryDirectory

from fastdl.core.quantity import format_rate, format_seconds, format_size
from fastdl.demo_server import Content, DemoServer
from fastdl.errors import SizeMismatch
from fastdl.events import Event, Observer
from fastdl.result import Result
from fastdl.settings import Settings
from fastdl.ui.progress import choose_kind, emit, make_display

MIB = 1024 * 1024
SIZE = 48 * MIB
RATES = (("origin", 1.0 * MIB), ("mirror 1", 2.5 * MIB), ("mirror 2", 1.5 * MIB))


def main() -> int:
    """Runs the demo; the exit code. Raises FastdlError."""
    content = Content(SIZE)
    with TemporaryDirectory(prefix="fastdl-demo-", ignore_cleanup_errors=True) as folder:
        os.environ["FASTDL_STATE_DIR"] = os.path.join(folder, "state")  # what is learned here is of no use later
        servers = [DemoServer(content, rate) for _, rate in RATES]
        try:
            _introduce(servers)
            result = _download(content, servers, folder)
            _tell(result, content, servers)
        finally:
            for server in servers:
                server.close()
    return 0


def _say(line: str) -> None:
    emit(sys.stdout, line)


def _introduce(servers: list[DemoServer]) -> None:
    _say(f"A file of {format_size(SIZE)}, on three servers of this machine:")
    for (name, rate), server in zip(RATES, servers, strict=True):
        _say(f"  {name:<9} {server.url}, {format_rate(rate)}")
    _say(f"fastdl get {servers[0].url} -m {servers[1].url} -m {servers[2].url} --checksum sha256:...")


def _download(content: Content, servers: list[DemoServer], folder: str) -> Result:
    from fastdl import batch

    settings = Settings(
        dir=folder,
        mirrors=[server.url for server in servers[1:]],
        checksum=f"sha256:{content.sha256}",
        use_proxy=False,
        per_host=16,
        verbose=True,  # counts what each source gave
    )
    observer, close = _display()
    try:
        result: Result = batch.run(settings, [servers[0].url], observer)[0]
    finally:
        close()
    if result.error is not None:
        raise result.error
    if result.size != SIZE or result.path is None or os.path.getsize(result.path) != SIZE:
        raise SizeMismatch("the demo's file has a wrong size")
    return result


def _display() -> tuple[Observer, Callable[[], None]]:
    terminal = sys.stderr is not None and sys.stderr.isatty()
    kind = choose_kind("auto", quiet=False, terminal=terminal, data_on_terminal=False, environ=os.environ)
    display = make_display(kind, sys.stderr, 1)
    lock = threading.Lock()

    def observe(event: Event) -> None:
        with lock:
            display.handle(event)

    return observe, display.close


def _tell(result: Result, content: Content, servers: list[DemoServer]) -> None:
    got = {server.url: 0 for server in servers}
    for source in result.sources:
        if source.url in got:
            got[source.url] += source.bytes
    _say("What each of them gave:")
    for (name, _), count in zip(RATES, got.values(), strict=True):
        _say(f"  {name:<9} {format_size(count):>9}  {100 * count / SIZE:3.0f}%")
    alone = SIZE / RATES[0][1]
    _say(
        f"{format_size(SIZE)} in {format_seconds(result.seconds)} ({format_rate(SIZE / result.seconds)}). The origin "
        f"alone would have taken {format_seconds(alone)}: {alone / result.seconds:.1f} times as long."
    )
    _say(f"sha256 {content.sha256}: it matches.")
