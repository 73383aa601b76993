"""Bodies that are large enough to go through pipes (on Linux): the same files, the same claims, the same care."""

from __future__ import annotations

import pytest

from servers.files import FileApp
from servers.raw import Serve
from servers.run import Runner

_SIZE = (24 << 20) + 12_345


@pytest.mark.parametrize("connections", ["1", "4"])
def test_with_a_digest(fastdl: Runner, serve: Serve, connections: str) -> None:
    app = FileApp(size=_SIZE)
    server = serve(app)
    known = f"sha256:{app.sha256()}"
    options = ("--no-proxy", "-x", connections, "--checksum", known, "--json")
    result = fastdl.get(*options, server.url(), expected=["file.bin"])
    assert result.code == 0, result.err
    assert (fastdl.cwd / "file.bin").read_bytes() == app.bytes()
    assert result.json[0]["sha256"] == app.sha256()


@pytest.mark.parametrize("changed", [False, True])
def test_goes_on_and_compares(fastdl: Runner, serve: Serve, changed: bool) -> None:
    """Without any validator the bytes alone tell whether it is the same file still."""
    app = FileApp(size=_SIZE, rate=8e6, etag=None, last_modified=None)
    server = serve(app)
    reached = server.alarm(10 << 20)
    process = fastdl.start("get", "--no-proxy", "-x", "1", server.url())
    assert reached.wait(20)
    process.kill()
    process.communicate()
    app.rate = None
    if changed:
        app.seed += 1
    result = fastdl.get("--no-proxy", "-x", "2", server.url(), expected=["file.bin"])
    assert result.code == 0, result.err
    assert (fastdl.cwd / "file.bin").read_bytes() == app.bytes()


def test_a_mirror_that_alters_bytes(fastdl: Runner, serve: Serve) -> None:
    """It is found by the digest, and its ranges are fetched and compared again."""
    app = FileApp(size=_SIZE, rate=16e6)
    server, liar = serve(app), serve(FileApp(size=_SIZE, seed=99, rate=16e6))
    known = f"sha256:{app.sha256()}"
    result = fastdl.get(
        "--no-proxy", "-x", "4", "--checksum", known, "-m", liar.url(), server.url(), expected=["file.bin"]
    )
    assert result.code == 0, result.err
    assert (fastdl.cwd / "file.bin").read_bytes() == app.bytes()
