"""Mirrors that lie, die or hang, as a user meets them: the right file, one line about a liar, nothing of the others."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from liars import PATIENCE, RATE, SIZE, args, gone, honest, right, source, told, warnings
from servers.files import FileApp, Reply
from servers.raw import Connection, RawServer, Request, Serve
from servers.run import Result, Runner, check

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


def netloc(server: RawServer) -> str:
    return f"{server.host}:{server.port}"


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
    result = _after(process, fastdl, "the digest does not match", lambda: setattr(app, "hook", gone))
    assert result.code == 4
    assert result.files == {"file.bin.fastdl", "file.bin.fastdl.journal"}
    app.hook = None
    again = fastdl.get(*args(origin, false), "--json")
    assert right(fastdl, again)
    assert told(again)["resumed_bytes"] > 0


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
        assert origin.alarm(origin.body_sent + sent).wait(PATIENCE)
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
    assert reached.wait(PATIENCE)
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
