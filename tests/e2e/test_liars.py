"""Mirrors that lie, die or hang, as a user meets them: the right file, one line about a liar, nothing of the others."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from ports import refusing
from servers.files import FileApp, Reply
from servers.raw import Connection, RawServer, Request, Serve
from servers.run import Result, Runner, check

SIZE = 3 << 20
RATE = float(1 << 20)  # bytes a second of one of the origin's connections: others get their part
_PATIENCE = 30.0  # seconds until something that must happen has happened

Lie = Callable[[int, int, int, bytearray], None]  # number of the answer (from 1), its start and end, its body


def _everything(number: int, start: int, end: int, body: bytearray) -> None:
    body[:] = body[::-1]


def _each_range(number: int, start: int, end: int, body: bytearray) -> None:
    body[min(1000, len(body) - 1)] ^= 1


def _one_byte(number: int, start: int, end: int, body: bytearray) -> None:
    if number == 1:
        _each_range(number, start, end, body)


def _later(number: int, start: int, end: int, body: bytearray) -> None:
    """Honest until it is trusted."""
    if number > 1:
        _everything(number, start, end, body)


def _zeros(number: int, start: int, end: int, body: bytearray) -> None:
    body[len(body) // 4 :] = bytes(len(body) - len(body) // 4)


LIES: dict[str, Lie] = {
    "everything": _everything,
    "a byte of each range": _each_range,
    "one byte": _one_byte,
    "zeros": _zeros,
}


def liar(lie: Lie, **options: Any) -> FileApp:
    """The honest file, with lies in the bodies of its answers to ranges."""
    answers = [0]

    def hook(connection: Connection, request: Request, reply: Reply) -> Reply:
        if reply.status == 206:
            answers[0] += 1
            body = bytearray(app.bytes(reply.start, reply.end))
            lie(answers[0], reply.start, reply.end, body)
            reply.literal = bytes(body)
        return reply

    app = FileApp(size=SIZE, hook=hook, **options)
    return app


def honest(**options: Any) -> FileApp:
    return FileApp(size=SIZE, **options)


def args(*servers: RawServer, checksum: bool = True) -> list[str]:
    """The origin's URL, the mirrors, the digest."""
    origin, *mirrors = servers
    digest = ["--checksum", f"sha256:{honest().sha256()}"] if checksum else []
    return ["--no-proxy", origin.url(), *(arg for mirror in mirrors for arg in ("-m", mirror.url())), *digest]


def netloc(server: RawServer) -> str:
    return f"{server.host}:{server.port}"


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


def remembered(fastdl: Runner) -> dict[str, dict[str, Any]]:
    """What is known of the servers, by host."""
    return {each["host"]: each for each in json.loads(fastdl("stats", "--json").out)["servers"]}


# --- lies ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lie", LIES)
def test_a_liar_among_three(fastdl: Runner, serve: Serve, lie: str) -> None:
    origin, false, true = serve(honest(rate=RATE)), serve(liar(LIES[lie], rate=2 * RATE)), serve(honest(rate=2 * RATE))
    result = fastdl.get(*args(origin, false, true), "--json")
    assert right(fastdl, result)
    (line,) = warnings(result)
    assert f"{netloc(false)} sent altered bytes" in line
    assert f"mended from {netloc(origin)}" in line
    assert source(result, false)["errors"] == 1
    assert source(result, true)["errors"] == source(result, origin)["errors"] == 0
    one = told(result)
    assert one["digest"] == {
        "algorithm": "sha256", "value": honest().sha256(), "source": "user", "verified": True,
    }  # fmt: skip
    assert one["wasted_bytes"] > 0
    assert sum(each["bytes"] for each in one["sources"]) == SIZE + one["wasted_bytes"]
    # a connection may be closed before the server has read the request that was sent early on it
    assert one["requests"] >= sum(len(server.log) for server in (origin, false, true))


def test_the_liar_is_not_asked_again_until_it_is_forgotten(fastdl: Runner, serve: Serve) -> None:
    origin, false = serve(honest(rate=RATE)), serve(liar(_everything))
    assert right(fastdl, fastdl.get(*args(origin, false)))
    asked = len(false.log)
    second = fastdl.get(*args(origin, false), "-o", "second", "--json")
    assert (second.code, len(false.log), warnings(second)) == (0, asked, [])
    assert (source(second, false)["bytes"], source(second, false)["errors"]) == (0, 0)
    assert fastdl.get("--no-proxy", false.url(), "-o", "its own").code == 0, "the user's own URL is asked all the same"
    asked = len(false.log)
    assert fastdl("cache", "clear").code == 0
    again = fastdl.get(*args(origin, false), "-o", "third")
    assert again.code == 0
    assert (fastdl.cwd / "third").read_bytes() == honest().bytes()
    assert len(false.log) > asked
    assert len(warnings(again)) == 1


def test_two_liars_that_agree_outvote_nobody(fastdl: Runner, serve: Serve) -> None:
    origin = serve(honest(rate=RATE / 2))
    false = [serve(liar(_everything, rate=2 * RATE)), serve(liar(_everything, rate=2 * RATE))]
    result = fastdl.get(*args(origin, *false), "--json")
    assert right(fastdl, result)
    assert {line.split(" sent altered")[0].rpartition(" ")[2] for line in warnings(result)} <= set(map(netloc, false))
    assert warnings(result)


def test_a_liar_that_is_honest_at_first(fastdl: Runner, serve: Serve) -> None:
    origin, false = serve(honest(rate=RATE / 2)), serve(liar(_later, rate=2 * RATE))
    result = fastdl.get(*args(origin, false), "--json")
    assert right(fastdl, result)
    assert netloc(false) in "".join(warnings(result))


def test_honest_sources_learn_nothing_bad_of_a_repair(fastdl: Runner, serve: Serve) -> None:
    """What is remembered is how they served the download, and what they sent in all."""
    origin, false, true = (
        serve(honest(rate=RATE)),
        serve(liar(_everything, rate=2 * RATE)),
        serve(honest(rate=2 * RATE)),
    )
    result = fastdl.get(*args(origin, false, true), "--json")
    assert right(fastdl, result)
    known = remembered(fastdl)
    for server in (origin, true):
        assert known[netloc(server)]["errors"] == 0
        assert known[netloc(server)]["bytes_per_second"]
        assert 0 < known[netloc(server)]["bytes"] <= SIZE


def test_a_liars_bytes_are_replaced_from_all_who_are_honest(fastdl: Runner, serve: Serve) -> None:
    """The origin is asked for samples, and then it is one of two."""
    origin, false, true = serve(honest(rate=RATE)), serve(liar(_everything, rate=4 * RATE)), serve(honest(rate=RATE))
    before: list[int] = []
    process = fastdl.start("get", *args(origin, false, true), "-v", "-k", "64k")
    result = _after(process, fastdl, "the digest does not match", lambda: before.append(len(true.log)))
    assert right(fastdl, result)
    assert before and len(true.log) > before[0]


# --- the origin ------------------------------------------------------------------------------------------


def test_an_origin_whose_own_bytes_are_wrong(fastdl: Runner, serve: Serve) -> None:
    """Nobody is accused: the mirrors have what the origin has."""
    origin, mirror = serve(honest(rate=RATE)), serve(honest(rate=2 * RATE))
    wanted = "sha256:" + "ab" * 32
    result = fastdl.get(*args(origin, mirror, checksum=False), "--checksum", wanted, "--json")
    assert result.code == 5
    assert result.files == set()
    assert "the sha256 does not match" in result.error
    assert honest().sha256() in result.error
    assert f"every byte came from {origin.host} itself" in result.error
    assert warnings(result) == []
    assert told(result)["digest"]["verified"] is False
    asked = len(mirror.log)
    assert asked
    assert fastdl.get(*args(origin, mirror, checksum=False), "--checksum", wanted).code == 5
    assert len(mirror.log) > asked, "it is asked again"


def test_a_right_mirror_of_a_wrong_origin(fastdl: Runner, serve: Serve) -> None:
    """The origin's word stands above its mirror's: no file, no accusation that lasts."""
    origin, mirror = serve(FileApp(size=SIZE, seed=9, rate=RATE)), serve(honest(rate=2 * RATE))
    result = fastdl.get(*args(origin, mirror))
    assert result.code == 5
    assert result.files == set()
    asked = len(mirror.log)
    assert fastdl.get(*args(origin, mirror)).code == 5
    assert len(mirror.log) > asked


def test_the_origin_dies_before_the_repair(fastdl: Runner, serve: Serve) -> None:
    """Its error is the run's, what is there stays, and the next run ends well."""
    app = honest(rate=RATE)
    origin, false = serve(app), serve(liar(_everything, rate=2 * RATE))
    process = fastdl.start("get", *args(origin, false), "-v", "--retries", "1")
    result = _after(process, fastdl, "the digest does not match", lambda: setattr(app, "hook", _gone))
    assert result.code == 4
    assert result.files == {"file.bin.fastdl", "file.bin.fastdl.journal"}
    app.hook = None
    again = fastdl.get(*args(origin, false), "--json")
    assert right(fastdl, again)
    assert told(again)["resumed_bytes"] > 0


def _gone(connection: Connection, request: Request, reply: Reply) -> Reply:
    return FileApp().short(410)


def _after(process: subprocess.Popen[bytes], fastdl: Runner, line: str, do: Callable[[], object]) -> Result:
    """Run to the end, and do something when a line has come on stderr."""
    assert process.stderr is not None and process.stdout is not None
    seen = b""
    with process:
        try:
            for each in process.stderr:
                seen += each
                if line.encode() in each:
                    do()
            out = process.stdout.read()
        finally:
            process.kill()
    return check(Result(process.returncode, out, seen, fastdl.cwd, fastdl.home))


@pytest.mark.parametrize("sent", [20_000, 400_000])
def test_killed_in_the_midst_of_a_repair(fastdl: Runner, serve: Serve, sent: int) -> None:
    """The next run goes on, and ends with the right file: no byte of the liar's is left under an honest name."""
    app = honest(rate=RATE)
    origin, false, true = serve(app), serve(liar(_everything, rate=2 * RATE)), serve(honest(rate=2 * RATE))
    process = fastdl.start("get", *args(origin, false, true), "-v")

    def kill() -> None:
        app.rate = RATE / 4
        assert origin.alarm(origin.body_sent + sent).wait(_PATIENCE)
        process.kill()

    killed = _after(process, fastdl, "the digest does not match", kill)
    assert killed.code not in (0, 1)
    assert killed.files == {"file.bin.fastdl", "file.bin.fastdl.journal"}
    app.rate = RATE
    result = fastdl.get(*args(origin, false, true), "--json")
    assert right(fastdl, result)
    assert told(result)["resumed_bytes"] > 0
    assert {line.split(" sent altered")[0].rpartition(" ")[2] for line in warnings(result)} <= {netloc(false)}


def test_a_liar_of_an_earlier_run(fastdl: Runner, serve: Serve) -> None:
    """It is not among today's sources: its bytes are in the file, and it is found out all the same."""
    app = honest(rate=RATE / 4)
    origin, false = serve(app), serve(liar(_everything, rate=2 * RATE))
    reached = false.alarm(SIZE // 4)
    process = fastdl.start("get", *args(origin, false))
    assert reached.wait(_PATIENCE)
    process.kill()
    process.communicate()
    app.rate = None
    result = fastdl.get(*args(origin), "--json")
    assert right(fastdl, result)
    (line,) = warnings(result)
    assert netloc(false) in line
    asked = len(false.log)
    app.rate = RATE
    assert right(fastdl, fastdl.get(*args(origin, false), "--overwrite"))
    assert len(false.log) == asked


# --- with other options ----------------------------------------------------------------------------------


def test_one_connection(fastdl: Runner, serve: Serve) -> None:
    """The mirror steps in where the origin fails, lies, and is found out by one connection."""
    bodies = [0]

    def breaks(connection: Connection, request: Request, reply: Reply) -> Reply | None:
        bodies[0] += 1
        if bodies[0] == 1:
            app.send(connection, reply, limit=SIZE // 3)
            connection.reset()
            return None
        return app.short(503) if bodies[0] <= 3 else reply

    app, other = honest(hook=breaks), liar(_everything)
    origin, false = serve(app), serve(other)
    result = fastdl.get(*args(origin, false), "-x", "1", "--json")
    assert right(fastdl, result)
    assert netloc(false) in "".join(warnings(result))
    assert app.peak == other.peak == 1


def test_what_went_to_stdout_cannot_be_mended(fastdl: Runner, serve: Serve) -> None:
    origin, false = serve(honest(rate=RATE)), serve(liar(_everything, rate=2 * RATE))
    result = fastdl.get(*args(origin, false), "-o", "-")
    assert result.code == 5
    assert "the sha256 does not match" in result.error
    assert len(result.stdout) == SIZE
    assert result.files == set()


def test_without_a_digest_bytes_that_come_twice_are_compared(fastdl: Runner, serve: Serve) -> None:
    """The mirror falters, so the origin fetches its range as well; what the mirror sends then is altered."""
    answers = [0]

    def falters(connection: Connection, request: Request, reply: Reply) -> Reply | None:
        answers[0] += 1
        if reply.status != 206 or answers[0] > 1:
            return reply
        reached = origin.alarm(reply.start + 200_000)
        body = honest().bytes(reply.start, reply.end)
        connection.send(reply.head())
        connection.body(body[:65536])
        at = 65536
        while not reached.wait(0.05):  # a silent connection would be given up
            connection.body(body[at : at + 1])
            at += 1
        connection.body(body[at:][::-1])
        return None

    origin = serve(honest(rate=RATE))
    false = serve(honest(hook=falters))
    result = fastdl.get(*args(origin, false, checksum=False), "-x", "2", "-k", "1M", "--json")
    assert right(fastdl, result)
    (line,) = warnings(result)
    assert "bytes that came twice differ" in line


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
    "nothing there": (honest(hook=_gone), 3),
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
    assert reached.wait(_PATIENCE)
    app.change()
    out, err = process.communicate(timeout=60)
    result = check(Result(process.returncode, out, err, fastdl.cwd, fastdl.home))
    assert result.code == 0, result.err
    assert (fastdl.cwd / "file.bin").read_bytes() == app.bytes()
    digest = told(result)["digest"]
    assert (digest["source"], digest["verified"], digest["value"]) == ("origin", True, app.sha256())
