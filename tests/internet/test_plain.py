"""A file that is asked for in the clear: whoever sits between may alter it, and the publisher's digest finds that."""

from __future__ import annotations

from base64 import b64encode

import pytest

from internet import places
from internet.behaviour import altering, honest, noticed, text
from internet.places import Published
from internet.world import Throttle, World, bytes_of_mirrors, tempting


def _debian(world: World, data: bytes | None = None) -> Published:
    """The package at http://deb.debian.org; the index is read over TLS all the same."""
    published = places.debian(world, data)
    published.url = published.url.replace("https", "http")
    path = published.mirrors[0][1]
    del world["deb.debian.org"].routes[path]
    world.plain("deb.debian.org").routes[path] = published.origin.answer
    return published


def test_mirrors_help_over_tls(world: World) -> None:
    published = _debian(world)
    mirror = published.mirror(world, honest(published.data).answer)
    published.origin.throttle = Throttle(1 << 20, mirror.has_sent(1 << 20))
    result = world.get(published.url, expected=[published.name])
    assert result.code == 0, result.err
    assert world.path(published.name).read_bytes() == published.data
    assert bytes_of_mirrors(result) > 0
    assert result.json[0]["digest"]["verified"] is True
    assert not world.void or not [name for name in world.void if name.startswith("in the clear")]


@pytest.mark.parametrize("how", ["first", "all"])
def test_altered_on_the_way(world: World, how: str) -> None:
    published = _debian(world, places.bytes_of(1 << 20))
    bad = altering(published.data, how)
    world.plain("deb.debian.org").routes[published.mirrors[0][1]] = bad.answer
    result = world.get(published.url)
    assert result.code == 5, result.err
    assert result.files == set()


@pytest.mark.parametrize("how", ["first", "all"])
def test_altered_on_the_way_while_mirrors_help(world: World, how: str) -> None:
    """The mirrors' bytes are right and the origin's are not: never the wrong file, and no honest mirror is blamed."""
    published = _debian(world)
    bad = altering(published.data, how)
    mirror = published.mirror(world, honest(published.data).answer)
    bad.throttle = Throttle(1 << 20, mirror.has_sent(1 << 20))
    world.plain("deb.debian.org").routes[published.mirrors[0][1]] = bad.answer
    result = world.get(published.url)
    assert result.code in (0, 5)
    if result.code == 0:
        assert world.path(published.name).read_bytes() == published.data
        world.path(published.name).unlink()
    else:
        assert result.files == set()
    before = len(mirror.visits)
    good = _debian(world)
    good.origin.throttle = Throttle(1 << 20, mirror.has_sent(mirror.sent + (256 << 10)))
    result = world.get(good.url, expected=[good.name])
    assert result.code == 0, result.err
    assert len(mirror.visits) > before, "the mirror told the truth"


def test_a_digest_in_the_clear_opens_no_door(world: World) -> None:
    """A digest field of an answer without TLS is checked, but lets nobody else supply bytes."""
    data = places.bytes_of()
    answer, met = noticed(honest(data).answer)
    world.put("mirror.example.com", "/file.bin", answer)
    origin = honest(data, throttle=tempting())
    value = b64encode(bytes.fromhex(places.sha256(data))).decode()
    origin.extra = (
        ("Repr-Digest", f"sha-256=:{value}:"),
        ("Link", "<https://mirror.example.com/file.bin>; rel=duplicate"),
    )
    world.plain("files.example.org").routes["/file.bin"] = origin.answer
    result = world.get("http://files.example.org/file.bin")
    assert result.code == 0, result.err
    assert not met.is_set()
    assert world.contacted == {"http://files.example.org"}


def test_a_wrong_digest_in_the_clear(world: World) -> None:
    """Whoever sent it, the file does not agree with it."""
    data = places.bytes_of(1 << 20)
    origin = honest(data)
    origin.extra = (("Repr-Digest", "sha-256=:" + "A" * 43 + "=:"),)
    world.plain("files.example.org").routes["/file.bin"] = origin.answer
    assert world.get("http://files.example.org/file.bin").code == 5


def test_the_index_is_never_read_in_the_clear(world: World) -> None:
    published = _debian(world, places.bytes_of(1 << 20))
    world.put(*published.lookup, text("no", 404))
    index = world.plain("deb.debian.org")
    result = world.get(published.url)
    assert result.code == 0, result.err
    assert {visit.path for visit in index.visits} == {published.mirrors[0][1]}
