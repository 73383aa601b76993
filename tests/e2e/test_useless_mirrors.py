"""Mirrors that do not lie and are of no use; what was found out holds for one version."""

from __future__ import annotations

import base64
import hashlib

import pytest

from liars import PATIENCE, RATE, SIZE, args, gone, honest, right, source, told, warnings
from ports import refusing
from servers.files import FileApp, Reply
from servers.raw import Connection, Request, Serve
from servers.run import Result, Runner, check

# --- no liars, but of no use -----------------------------------------------------------------------------


def _page(connection: Connection, request: Request, reply: Reply) -> Reply:
    return FileApp().short(200, b"<html>Are you human?</html>", kind="text/html")


def _hang(connection: Connection, request: Request, reply: Reply) -> None:
    connection.hold()


def _hang_in_the_body(connection: Connection, request: Request, reply: Reply) -> None:
    FileApp(size=SIZE, rate=2 * RATE).send(connection, reply, limit=50_000)
    connection.hold()


def _hang_late(connection: Connection, request: Request, reply: Reply) -> None:
    """By then it has all connections that there are."""
    FileApp(size=SIZE, rate=2 * RATE).send(connection, reply, limit=256 * 1024)
    connection.hold()


def _die_in_the_body(connection: Connection, request: Request, reply: Reply) -> None:
    FileApp(size=SIZE).send(connection, reply, limit=50_000)
    connection.reset()


def _elsewhere(connection: Connection, request: Request, reply: Reply) -> Reply:
    if reply.status == 206:
        reply.set("Content-Range", f"bytes 0-{reply.length - 1}/{SIZE}")
    return reply


USELESS: dict[str, tuple[FileApp, int]] = {  # and how many requests it may cost
    "another size": (FileApp(size=SIZE + 1, seed=4), 3),
    "an empty file": (FileApp(size=0), 3),
    "nothing there": (honest(hook=gone), 3),
    "refuses": (honest(hook=lambda c, r, p: FileApp().short(403)), 3),
    "too busy": (honest(hook=lambda c, r, p: FileApp().short(503)), 12),
    "an error": (honest(hook=lambda c, r, p: FileApp().short(500)), 12),
    "a challenge page": (honest(hook=_page), 4),
    "another range": (honest(hook=_elsewhere), 6),
    "hangs": (honest(hook=_hang), 6),
    "hangs in the body": (honest(hook=_hang_in_the_body), 16),
    "hangs late": (honest(hook=_hang_late), 16),
    "dies in the body": (honest(hook=_die_in_the_body), 64),  # each one brings 50 kB
    "redirects in a circle": (honest(hook=lambda c, r, p: FileApp().short(302, b"", ("Location", "/x"))), 25),
}


@pytest.mark.parametrize("kind", USELESS)
def test_a_mirror_of_no_use(fastdl: Runner, serve: Serve, kind: str) -> None:
    """It costs a few requests, no error, and no wait: the time-outs are longer than the test's patience."""
    app, most = USELESS[kind]
    origin, mirror = serve(honest(rate=RATE)), serve(app)
    result = fastdl.get(*args(origin, mirror), "--json", "--timeout", "600", "--connect-timeout", "600")
    assert right(fastdl, result)
    assert warnings(result) == []
    assert 1 <= len(mirror.log) <= most
    if "hangs" not in kind and kind != "too busy":
        assert source(result, mirror)["errors"] >= 1


def test_a_mirror_that_refuses_connections(fastdl: Runner, serve: Serve) -> None:
    with refusing() as port:
        url = f"http://127.0.0.1:{port}/file.bin"
        result = fastdl.get(*args(serve(honest(rate=RATE))), "-m", url, "--json")
    assert right(fastdl, result)
    assert warnings(result) == []
    assert {each["url"]: each["bytes"] for each in told(result)["sources"]}[url] == 0


# --- what was found out is of one version ----------------------------------------------------------------


def test_a_published_digest_of_the_former_version_does_not_condemn_the_new_one(fastdl: Runner, serve: Serve) -> None:
    """Repr-Digest (RFC 9530) comes with the first answer; then the file changes."""

    def published(connection: Connection, request: Request, reply: Reply) -> Reply | None:
        value = base64.b64encode(hashlib.sha256(app.bytes()).digest()).decode()
        app.send(connection, reply.add("Repr-Digest", f"sha-256=:{value}:"), limit=SIZE // 4)
        if reply.length > SIZE // 4:
            connection.reset()  # what is left has to be asked for
        return None

    app = honest(rate=RATE, hook=published)
    origin = serve(app)
    reached = origin.alarm(SIZE // 8)
    process = fastdl.start("get", "--no-proxy", origin.url(), "--json", "-x", "2")
    assert reached.wait(PATIENCE)
    app.change()
    out, err = process.communicate(timeout=60)
    result = check(Result(process.returncode, out, err, fastdl.cwd, fastdl.home))
    assert result.code == 0, result.err
    assert (fastdl.cwd / "file.bin").read_bytes() == app.bytes()
    digest = told(result)["digest"]
    assert (digest["source"], digest["verified"], digest["value"]) == ("origin", True, app.sha256())
