"""Whatever a mirror does: the right file, exit 0. And a mirror that is good is really used.

The origin is slow until the mirror has done what the test is about, so that nothing here depends on the machine.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from internet import places
from internet.behaviour import (
    altering,
    challenge,
    dying,
    head_only,
    honest,
    noticed,
    redirecting,
    silent,
    text,
)
from internet.places import Published
from internet.world import Throttle, World, bytes_of_mirrors, source
from servers.files import Answer
from servers.raw import Connection, Request
from servers.run import Result

_TWICE = 700_000  # bytes: more than a first range, so that range has been read when the second one is asked for
_CRAWL = 1 << 20  # bytes a second of an origin that waits for a mirror
_FOREIGN, _BLOCKED = "foreign.example.net", "cdn.bootcdn.net"


@dataclass(frozen=True, slots=True)
class Case:
    """A mirror's way to answer, made of the right bytes. The origin waits until it has sent `least` bytes of body;
    with 0 until it is asked."""

    make: Callable[[Published], Answer]
    least: int = 0


def _older(published: Published) -> bytes:
    return places.bytes_of(len(published.data), seed=8)


def _foreign(published: Published) -> Answer:
    return redirecting(f"https://{_FOREIGN}/file")


BASE = {
    "honest": Case(lambda published: honest(published.data).answer, least=1 << 20),
    "slow": Case(lambda published: honest(published.data, throttle=Throttle(128 << 10)).answer),
    "dying": Case(lambda published: dying(published.data, 300_000).answer, least=250_000),
    "stale": Case(lambda published: honest(_older(published)).answer, least=_TWICE),
    "altering": Case(lambda published: altering(published.data, "first").answer, least=_TWICE),
    "hanging": Case(lambda published: head_only(published.data)),
    "challenge": Case(lambda published: challenge(200)),
}
MORE = {
    "another size": Case(lambda published: honest(_older(published)[:-5]).answer),
    "a larger file": Case(lambda published: honest(_older(published) + b"more").answer),
    "all bytes altered": Case(lambda published: altering(published.data, "all").answer, least=_TWICE),
    "altered in the middle": Case(lambda published: altering(published.data, "middle").answer, least=_TWICE),
    "silent": Case(lambda published: silent),
    "forbidden": Case(lambda published: challenge(403)),
    "not there": Case(lambda published: text("no", 404, "text/plain")),
    "broken": Case(lambda published: text("oops", 500, "text/plain")),
    "too many": Case(lambda published: text("slow down", 429, "text/plain", ("Retry-After", "3600"))),
    "unavailable": Case(lambda published: text("later", 503, "text/html", ("Retry-After", "3600"))),
    "to http": Case(lambda published: redirecting(published.url.replace("https", "http"))),
    "to a foreign host": Case(_foreign),
    "to a blocked host": Case(lambda published: redirecting(f"https://{_BLOCKED}/file")),
    "to itself": Case(lambda published: redirecting("?")),
    "to nowhere": Case(lambda published: redirecting("https://[")),
    "without ranges": Case(lambda published: without_ranges(published.data)),
    "empty": Case(lambda published: text(b"", 200, "application/octet-stream")),
}


def without_ranges(data: bytes) -> Answer:
    """The right bytes, but always all of them."""
    app = honest(data)
    app.ranges = False
    return app.answer


def fetched(world: World, published: Published, *args: str) -> Result:
    """A run that must end with the right file, checked by its publisher's digest, and nothing else."""
    result = world.get(*args, published.url, expected=[published.name])
    assert result.code == 0, result.err
    assert world.path(published.name).read_bytes() == published.data
    assert result.files == {published.name}
    told = result.json[0]
    assert told["digest"] is not None, "the digest is found by itself"
    assert told["digest"]["verified"] is True
    assert told["digest"]["source"] in published.sources
    assert told["size"] == len(published.data)
    return result


def waiting_for(event: threading.Event) -> Throttle:
    """An origin's line that is slow until the event."""
    return Throttle(_CRAWL, event)


def all_of(*events: threading.Event) -> threading.Event:
    """An event that is set when all of them are."""
    done = threading.Event()

    def wait() -> None:
        if all(event.wait(20) for event in events):
            done.set()

    threading.Thread(target=wait, daemon=True).start()
    return done


@pytest.mark.parametrize("ecosystem", places.ALL)
@pytest.mark.parametrize("how", BASE)
def test_the_right_file(world: World, ecosystem: str, how: str) -> None:
    _one_mirror(world, ecosystem, BASE[how])


@pytest.mark.parametrize("how", MORE)
@pytest.mark.parametrize("ecosystem", ["pypi", "github"])
def test_the_right_file_whatever_else(world: World, how: str, ecosystem: str) -> None:
    _one_mirror(world, ecosystem, MORE[how])


def _one_mirror(world: World, ecosystem: str, case: Case) -> None:
    published = places.ALL[ecosystem](world)
    answer, met = noticed(case.make(published))
    mirror = published.mirror(world, answer)
    published.origin.throttle = waiting_for(mirror.has_sent(case.least) if case.least else met)
    world.put(_FOREIGN, "/", honest(published.data).answer)
    world.put(_BLOCKED, "/", honest(published.data).answer)
    # A mirror that says nothing must not cost the time-out: with this one the run would not end in the test's time.
    result = fetched(world, published, "--timeout", "600")
    assert mirror.visits, "the mirror was tried"
    assert not world[_FOREIGN].visits
    assert not world[_BLOCKED].visits
    assert source(result, published.mirrors[0][0])["trust"] in ("official", "third-party")


@pytest.mark.parametrize("kind", ["mute", "dark"])
def test_a_mirror_that_cannot_be_reached(world: World, kind: str) -> None:
    published = places.pypi(world, places.bytes_of(2 << 20))
    for host, _ in published.mirrors:
        getattr(world, kind)(host)
    result = fetched(world, published, "--timeout", "600", "--connect-timeout", "600")
    assert bytes_of_mirrors(result) == 0


@pytest.mark.parametrize("ecosystem", places.ALL)
def test_an_honest_mirror_helps(world: World, ecosystem: str) -> None:
    published = places.ALL[ecosystem](world)
    mirror = published.mirror(world, honest(published.data).answer)
    published.origin.throttle = waiting_for(mirror.has_sent(2 << 20))
    result = fetched(world, published)
    told = source(result, published.mirrors[0][0])
    assert told["bytes"] >= 1 << 20
    assert told["errors"] == 0
    assert told["trust"] == ("third-party" if ecosystem == "huggingface" else "official")
    assert result.json[0]["sources"][0]["trust"] == "origin"
    assert result.json[0]["sources"][0]["bytes"] > 0
    assert sum(each["bytes"] for each in result.json[0]["sources"]) >= len(published.data)


def test_several_mirrors_help_at_once(world: World) -> None:
    published = places.pypi(world, places.bytes_of(12 << 20))
    line = Throttle(6 << 20)
    hosts = [published.mirror(world, honest(published.data, throttle=line).answer, n) for n in range(2)]
    published.origin.throttle = waiting_for(all_of(*(host.has_sent(1 << 20) for host in hosts)))
    result = fetched(world, published)
    for host, _ in published.mirrors[:2]:
        assert source(result, host)["bytes"] > 0


def test_one_good_mirror_among_bad_ones(world: World) -> None:
    """A liar, one that dies, and an honest one: all three are met."""
    published = places.pypi(world, places.bytes_of(12 << 20))
    answers = (
        altering(published.data, "all").answer,
        dying(published.data, 100_000).answer,
        honest(published.data).answer,
    )
    hosts = [published.mirror(world, answer, n) for n, answer in enumerate(answers)]
    published.origin.throttle = waiting_for(
        all_of(hosts[0].has_sent(_TWICE), hosts[1].has_sent(60_000), hosts[2].has_sent(_TWICE))
    )
    result = fetched(world, published)
    assert source(result, published.mirrors[0][0])["errors"] >= 1
    assert "warning" in result.err


# --- liars ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["first", "all", "middle"])
@pytest.mark.parametrize("ecosystem", ["pypi", "npm", "huggingface"])
def test_a_liar_is_named_and_remembered(world: World, ecosystem: str, how: str) -> None:
    published = places.ALL[ecosystem](world)
    host = published.mirrors[0][0]
    mirror = published.mirror(world, altering(published.data, how).answer)
    published.origin.throttle = waiting_for(mirror.has_sent(3 << 20))
    result = fetched(world, published)
    assert source(result, host)["errors"] >= 1
    warnings = [line for line in result.err.splitlines() if line.startswith("fastdl: warning: ")]
    assert any(host in line for line in warnings), result.err
    assert len(warnings) == 1, "one line says it"
    assert result.json[0]["wasted_bytes"] > 0

    world.path(published.name).unlink()
    before = len(mirror.visits)
    published.origin.throttle = None
    again = fetched(world, published)
    assert len(mirror.visits) == before, "a liar gets no request in later runs"
    assert bytes_of_mirrors(again) == 0

    assert world.runner("cache", "clear").code == 0
    world.path(published.name).unlink()
    answer, met = noticed(honest(published.data).answer)
    published.mirror(world, answer)
    published.origin.throttle = waiting_for(met)
    fetched(world, published)
    assert len(mirror.visits) > before, "after `cache clear` it may try again"


def test_a_liar_is_remembered_for_other_files(world: World) -> None:
    published = places.npm(world)
    mirror = published.mirror(world, altering(published.data, "all").answer)
    published.origin.throttle = waiting_for(mirror.has_sent(1 << 20))
    fetched(world, published)
    before = len(mirror.visits)
    another = places.github(world, places.bytes_of(seed=9), throttle=Throttle(3 << 20))
    assert another.mirrors[0][0] == published.mirrors[0][0]
    another.mirror(world, honest(another.data).answer)
    world.path(published.name).unlink()
    fetched(world, another)
    assert len(mirror.visits) == before


def test_a_liar_who_begins_honestly(world: World) -> None:
    """The first ranges are right: whoever is trusted for its past alone is cheated."""
    published = places.npm(world, places.bytes_of(12 << 20))
    liar = altering(published.data, "all")
    lie, liar.alter = liar.alter, lambda reply, at, piece: piece if liar.sent < 2 << 20 else lie(reply, at, piece)
    mirror = published.mirror(world, liar.answer)
    published.origin.throttle = waiting_for(mirror.has_sent(4 << 20))
    result = fetched(world, published)
    assert source(result, published.mirrors[0][0])["errors"] >= 1


def test_two_liars_who_agree(world: World) -> None:
    """Both give the same wrong bytes: agreement among mirrors proves nothing."""
    published = places.npm(world, places.bytes_of(12 << 20))
    older = places.bytes_of(len(published.data), seed=8)
    line = 6 << 20  # bytes a second: slow enough for the second one to be asked too
    hosts = [published.mirror(world, honest(older, throttle=Throttle(line)).answer, n) for n in range(2)]
    published.origin.throttle = waiting_for(all_of(*(host.has_sent(_TWICE) for host in hosts)))
    result = fetched(world, published)
    for host, _ in published.mirrors[:2]:
        assert source(result, host)["errors"] >= 1


def test_an_honest_mirror_beside_a_liar_is_not_blamed(world: World) -> None:
    published = places.npm(world, places.bytes_of(12 << 20))
    line = 6 << 20  # bytes a second: slow enough for the second one to be asked too
    liar = published.mirror(world, altering(published.data, "all", throttle=Throttle(line)).answer, 0)
    good = published.mirror(world, honest(published.data, throttle=Throttle(line)).answer, 1)
    published.origin.throttle = waiting_for(all_of(liar.has_sent(_TWICE), good.has_sent(600_000)))
    result = fetched(world, published)
    assert source(result, liar.name)["errors"] >= 1
    assert source(result, good.name)["errors"] == 0
    before = len(liar.visits), len(good.visits)
    world.path(published.name).unlink()
    published.origin.throttle = waiting_for(good.has_sent(good.sent + 300_000))
    fetched(world, published)
    assert len(liar.visits) == before[0]
    assert len(good.visits) > before[1]


@pytest.mark.parametrize("how", ["first", "all"])
def test_only_a_liar_is_left(world: World, how: str) -> None:
    """The origin dies for good: rather no file than a wrong one."""
    published = places.npm(world)
    mirror = published.mirror(world, altering(published.data, how).answer)
    published.origin.throttle = waiting_for(mirror.has_sent(1 << 20))
    published.origin.dies_after = 1 << 20
    result = world.get("--retries", "1", published.url)
    assert result.code in (3, 5), result.err
    assert not world.path(published.name).exists()


def test_a_liar_and_output_in_order(world: World) -> None:
    """What went out cannot be mended: either all of it was right, or it is exit 5."""
    published = places.npm(world)
    mirror = published.mirror(world, altering(published.data, "first").answer)
    published.origin.throttle = Throttle(3 << 20, mirror.has_sent(1 << 20))
    result = world.runner("get", *world.options(), "-o", "-", published.url)
    assert result.code in (0, 5)
    if result.code == 0:
        assert result.stdout == published.data


def test_a_mirror_of_the_users_lies(world: World) -> None:
    """-m is the user's word; the publisher's digest still has the last one."""
    published = places.npm(world)
    bad = world.put("own.example.org", "/file", altering(published.data, "all").answer)
    published.origin.throttle = waiting_for(bad.has_sent(1 << 20))
    result = world.get("-m", "https://own.example.org/file", published.url)
    assert result.code in (0, 5)
    if result.code == 0:
        assert world.path(published.name).read_bytes() == published.data
    else:
        assert result.files == set()


def test_a_mirror_whose_file_changes_meanwhile(world: World) -> None:
    """Its nodes disagree: another ETag and other bytes from the second answer on."""
    published = places.npm(world)
    app = honest(published.data)

    def flapping(connection: Connection, request: Request) -> None:
        app.answer(connection, request)
        app.etag, app.data = '"other"', _older(published)

    mirror = published.mirror(world, flapping)
    published.origin.throttle = waiting_for(mirror.has_sent(700_000))
    fetched(world, published)


def test_several_files_at_once(world: World) -> None:
    """A list: each file has its own sources, digests and liars."""
    first, second = places.npm(world), places.debian(world)
    liar = first.mirror(world, altering(first.data, "all").answer)
    good = second.mirror(world, honest(second.data).answer)
    first.origin.throttle = waiting_for(liar.has_sent(300_000))
    second.origin.throttle = waiting_for(good.has_sent(300_000))
    listed = world.runner.home / "list.txt"
    listed.write_text(f"{first.url}\n{second.url}\n", encoding="utf-8")
    result = world.get("-i", str(listed), expected=[first.name, second.name])
    assert result.code == 0, result.err
    for published in (first, second):
        assert world.path(published.name).read_bytes() == published.data
    assert all(told["digest"]["verified"] for told in result.json)


@pytest.mark.parametrize("kind", ["garbage", "a folder", "read-only"])
def test_a_state_folder_that_is_of_no_use(world: World, kind: str) -> None:
    """Nothing can be remembered: the download does not mind."""
    published = places.npm(world)
    mirror = published.mirror(world, altering(published.data, "all").answer)
    published.origin.throttle = waiting_for(mirror.has_sent(300_000))
    state = world.runner.home / "state" / "fastdl"
    state.mkdir(parents=True)
    if kind == "garbage":
        (state / "state.sqlite3").write_bytes(b"no database at all" * 1000)
    elif kind == "a folder":
        (state / "state.sqlite3").mkdir()
    else:
        state.chmod(0o500)
    try:
        fetched(world, published)
    finally:
        state.chmod(0o700)


def test_the_origin_alone_is_no_liar(world: World) -> None:
    """A file that fails its digest without any mirror is nobody's lie: the next run trusts the origin as before."""
    published = places.npm(world, places.bytes_of(1 << 20), told=b"other")
    assert world.get(published.url).code == 5
    fetched(world, places.npm(world, places.bytes_of(1 << 20)))


# --- the origin -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ecosystem", ["pypi", "npm", "debian", "huggingface"])
def test_the_origin_dies_and_the_mirror_finishes(world: World, ecosystem: str) -> None:
    published = places.ALL[ecosystem](world)
    mirror = published.mirror(world, honest(published.data).answer)
    published.origin.throttle = waiting_for(mirror.has_sent(1 << 20))
    published.origin.dies_after = 1 << 20
    result = fetched(world, published)
    assert source(result, published.mirrors[0][0])["bytes"] > len(published.data) // 2


@pytest.mark.parametrize("ecosystem", places.ALL)
@pytest.mark.parametrize("mirrored", [False, True])
def test_bytes_that_fail_the_publishers_own_digest(world: World, ecosystem: str, mirrored: bool) -> None:
    """Exit 5; nothing under the final name, and both partial files are gone."""
    published = places.ALL[ecosystem](world, places.bytes_of(6 << 20 if mirrored else 1 << 20), told=b"something else")
    if mirrored:
        answer, met = noticed(honest(published.data).answer)
        published.mirror(world, answer)
        published.origin.throttle = waiting_for(met)
    result = world.get(published.url)
    assert result.code == 5, result.err
    assert result.files == set()
    told = result.json[0]
    assert told["exit_code"] == 5
    assert told["digest"]["verified"] is False
    assert told["digest"]["value"] in result.error or "digest" in result.error or "match" in result.error


@pytest.mark.parametrize("ecosystem", ["pypi", "npm"])
def test_an_origin_whose_bytes_went_bad(world: World, ecosystem: str) -> None:
    """The mirror has what the publisher's digest says, the origin itself has not: never the wrong file."""
    right = places.bytes_of()
    published = places.ALL[ecosystem](world, places.bytes_of(seed=8), told=right)
    answer, met = noticed(honest(right).answer)
    published.mirror(world, answer)
    published.origin.throttle = waiting_for(met)
    result = world.get(published.url)
    assert result.code in (0, 5)
    if result.code == 0:
        assert world.path(published.name).read_bytes() == right
    else:
        assert result.files == set()
