"""`-v`: what happens to the sources of a download is told while it runs, and in the log."""

from __future__ import annotations

from pathlib import Path

from servers.files import FileApp, Reply
from servers.raw import Connection, Request, Serve
from servers.run import Runner

SIZE = 2 << 20
RATE = 300_000.0  # bytes a second of a connection: a silence of two seconds falls into the download


def netloc(url: str) -> str:
    return url.split("/")[2]


def test_a_mirror_that_refuses_and_one_that_stops_sending(fastdl: Runner, serve: Serve, tmp_path: Path) -> None:
    def refuse(connection: Connection, request: Request, reply: Reply) -> Reply:
        return Reply(403, literal=b"").set("Content-Length", "0")

    def stop(connection: Connection, request: Request, reply: Reply) -> Reply | None:
        connection.send(reply.head())
        connection.hold()
        return None

    origin = serve(FileApp(SIZE, rate=RATE)).url("/file.bin")
    refusing = serve(FileApp(SIZE, hook=refuse)).url("/file.bin")
    hanging = serve(FileApp(SIZE, hook=stop)).url("/file.bin")
    log = tmp_path / "log.txt"
    options = ("-x", "3", "-k", "64k", "-m", refusing, "-m", hanging)
    result = fastdl.get("-v", "--log", str(log), *options, origin)
    assert (result.code, result.files) == (0, {"file.bin"})
    for where in (result.err, log.read_text(encoding="utf-8")):
        assert f"{netloc(refusing)} is not asked any more: the server refused (HTTP 403" in where
        assert f"{netloc(hanging)} stopped sending on a connection" in where
    assert "not asked" not in fastdl.get("-o", "again.bin", *options[:6], origin).err


def test_a_server_that_comes_back(fastdl: Runner, serve: Serve) -> None:
    asked = 0

    def late(connection: Connection, request: Request, reply: Reply) -> Reply:
        nonlocal asked
        asked += 1
        return reply if asked > 2 else Reply(500, literal=b"").set("Content-Length", "0")

    result = fastdl.get("-v", serve(FileApp(SIZE, rate=4 * RATE, hook=late)).url("/file.bin"))
    assert result.code == 0
    assert "(try 1 of 8)" in result.err
    assert "(try 2 of 8)" in result.err
    assert "serves again" in result.err
