"""A server that answers so many connections at once and no other one, for as long as those are open: what it keeps
waiting comes over the ones that it serves, and nobody waits for a time-out, which is longer here than the test."""

from __future__ import annotations

import pytest

from servers.files import FileApp
from servers.raw import RawServer
from servers.run import Runner

_PATIENCE = ("--timeout", "300")
_LIMIT = 60.0  # seconds


@pytest.mark.parametrize("most", [1, 2])
def test_a_file(fastdl: Runner, most: int) -> None:
    app = FileApp(size=8 << 20, rate=8e6, most=most, over=None)
    with RawServer(app.handle) as server:
        result = fastdl.get(server.url(), *_PATIENCE, "-x", "8", timeout=_LIMIT)
    assert result.code == 0, result.err
    assert (fastdl.cwd / "file.bin").read_bytes() == app.bytes()
    assert app.met, "no connection was let hang"
