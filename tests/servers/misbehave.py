"""The table of misbehaviours: what servers, caches and portals do wrong, and what fastdl must make of each.

Every `Case` is the difference between one server and the well-behaved `FileApp`. The verdict of each follows one rule:
exit 0 means that the right file is there, any other exit that nothing stands under the final name. `code` is the exit
that the contract (docs/cli.md) asks for; `also` lists codes that it leaves open. `peers.json` beside this file records
what curl and aria2 do in the same place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from .files import FileApp, serve
from .raw import Connection, Handler, RawServer, Request

Twist = Callable[[FileApp, Connection, Request], None]

QUICK = ("--timeout", "1.5", "--connect-timeout", "2", "--retries", "2", "--no-proxy")
SPLIT = ("-x", "4", "-k", "64k")
SIZE, SPLIT_SIZE, SPLIT_RATE = 100_000, 3 << 20, 1_500_000.0


@dataclass(frozen=True, slots=True)
class Case:
    """One row. `split`: a file large and slow enough that several connections are opened."""

    name: str
    says: str
    why: str
    code: int
    twist: Twist
    also: tuple[int, ...] = ()
    options: tuple[str, ...] = ()
    path: str = "/file.bin"
    saved: str = "file.bin"
    split: bool = False
    listeners: int = 1
    checksum: bool = False
    unmet: bool = False  # it may end well before the misbehaviour was met
    app: tuple[tuple[str, Any], ...] = ()

    def make(self) -> FileApp:
        """A new app, with nothing remembered."""
        settings: dict[str, Any] = {"size": SIZE}
        if self.split:
            settings = {"size": SPLIT_SIZE, "rate": SPLIT_RATE}
        return FileApp(**(settings | dict(self.app)))

    def handler(self, app: FileApp) -> Handler:
        """The handler for RawServer."""
        return lambda connection: serve(connection, lambda line, request: self.twist(app, line, request))

    def command(self, server: RawServer, app: FileApp) -> list[str]:
        """The arguments of `fastdl get`."""
        checksum = ["--checksum", f"sha256:{app.sha256()}"] if self.checksum else []
        return [*QUICK, *(SPLIT if self.split else ()), *self.options, *checksum, server.url(self.path)]

    @property
    def codes(self) -> frozenset[int]:
        """Every exit code that is right."""
        return frozenset((self.code, *self.also))


CASES: list[Case] = []
_GROUPS = (
    "bad_ranges",
    "bad_framing",
    "bad_bodies",
    "bad_heads",
    "bad_status",
    "bad_limits",
    "bad_changes",
    "bad_redirects",
)


def bad(
    name: str, code: int, says: str, why: str, *, app: dict[str, Any] | None = None, **more: Any
) -> Callable[[Twist], Twist]:
    """Put a function into the table; `app` are FileApp's settings."""

    def register(twist: Twist) -> Twist:
        CASES.append(Case(name, says, why, code, twist, app=tuple((app or {}).items()), **more))
        return twist

    return register


def table() -> list[Case]:
    """All rows, in the order in which they are written."""
    if not CASES:
        for group in _GROUPS:
            import_module(f"{__package__}.{group}")
    return CASES


def first(request: Request) -> bool:
    """Whether this asks for the file from its first byte."""
    asked = request.range
    return asked is None or asked[0] == 0
