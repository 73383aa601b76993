"""A server that answers so many connections at once and no other one, for as long as those are open: what it keeps
waiting comes over the ones that it serves, and nobody waits for a time-out, which is longer here than the test."""

from __future__ import annotations

import pytest

from servers.files import FileApp, site
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


@pytest.mark.parametrize("most", [1, 2])
def test_a_list(fastdl: Runner, most: int) -> None:
    """Files that come whole with their first answers, and longer ones."""
    app = FileApp(size=60_000, rate=400_000, most=most, over=None)
    large = FileApp(size=2 << 20, rate=8e6, most=most, over=None)
    names = [f"{'large' if at % 8 == 7 else 'small'}/{at}.bin" for at in range(24)]
    with RawServer(site({"/small/": app.answer, "/large/": large.answer})) as server:
        fastdl.cwd.mkdir(parents=True, exist_ok=True)
        (fastdl.cwd / "list").write_text("".join(server.url(f"/{name}") + "\n" for name in names))
        result = fastdl.get("-i", "list", "-j", "4", *_PATIENCE, timeout=_LIMIT)
    assert result.code == 0, result.err
    for name in names:
        expected = (large if name.startswith("large") else app).bytes()
        assert (fastdl.cwd / name.partition("/")[2]).read_bytes() == expected
    assert app.met + large.met, "no connection was let hang"
