"""One honest file, and what a run with mirrors made and told of it."""

from __future__ import annotations

from typing import Any

from servers.files import FileApp, Reply
from servers.raw import Connection, RawServer, Request
from servers.run import Result, Runner

SIZE = 3 << 20
RATE = float(1 << 20)  # bytes a second of one of the origin's connections: others get their part
PATIENCE = 30.0  # seconds until something that must happen has happened


def honest(**options: Any) -> FileApp:
    return FileApp(size=SIZE, **options)


def args(*servers: RawServer, checksum: bool = True) -> list[str]:
    """The origin's URL, the mirrors, the digest."""
    origin, *mirrors = servers
    digest = ["--checksum", f"sha256:{honest().sha256()}"] if checksum else []
    return ["--no-proxy", origin.url(), *(arg for mirror in mirrors for arg in ("-m", mirror.url())), *digest]


def told(result: Result) -> dict[str, Any]:
    (one,) = result.json
    return one


def source(result: Result, server: RawServer) -> dict[str, Any]:
    (one,) = [each for each in told(result)["sources"] if each["url"] == server.url()]
    return one  # type: ignore[no-any-return]


def warnings(result: Result) -> list[str]:
    return [line for line in result.err.splitlines() if "warning" in line]


def right(fastdl: Runner, result: Result, name: str = "file.bin") -> bool:
    """Exit 0, and the right file and nothing else is there."""
    assert result.code == 0, result.err
    return result.files == {name} and (fastdl.cwd / name).read_bytes() == honest().bytes()


def gone(connection: Connection, request: Request, reply: Reply) -> Reply:
    return FileApp().short(410)
