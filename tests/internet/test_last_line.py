"""The last line of a file says how it was checked, and if it was not, why: never more than is true."""

from __future__ import annotations

import hashlib
import json

import pytest

from internet import places
from internet.behaviour import text
from internet.places import Published
from internet.world import World

SMALL = 300_000


def last(world: World, published: Published, *args: str) -> str:
    """The end of the last line: how the file was checked."""
    result = world.run("get", *args, published.url)
    assert result.code == 0, result.err
    line = result.err.splitlines()[-1]
    assert line.startswith(f"{published.name}: 293.0 KiB in "), line
    return line


@pytest.fixture
def npm(world: World) -> Published:
    return places.npm(world, places.bytes_of(SMALL))


@pytest.mark.parametrize(("ecosystem", "algorithm"), [("npm", "sha512"), ("github", "sha256")])
def test_the_publishers_digest(world: World, ecosystem: str, algorithm: str) -> None:
    published = places.ALL[ecosystem](world, places.bytes_of(SMALL))
    assert last(world, published).endswith(f", {algorithm} matches the origin's")


def test_the_users_digest(world: World, npm: Published) -> None:
    digest = hashlib.sha256(npm.data).hexdigest()
    assert last(world, npm, "--checksum", f"sha256:{digest}").endswith(", sha256 matches the given one")


def test_the_publisher_has_none(world: World, npm: Published) -> None:
    world.put(*npm.lookup, text("no", 404))
    assert last(world, npm).endswith(", no digest published")


def test_the_publisher_does_not_say(world: World, npm: Published) -> None:
    world.put(*npm.lookup, text("oops", 503))
    assert last(world, npm).endswith(", the publisher's digest could not be looked up")


def test_a_digest_of_another_file(world: World) -> None:
    published = places.github(world, places.bytes_of(SMALL))
    asset = {"name": published.name, "size": 5, "digest": "sha256:" + places.sha256(b"other")}
    world.put(*published.lookup, text(json.dumps({"assets": [asset]})))
    assert last(world, published).endswith(", the published digest is of another file size")


def test_nobody_was_asked_for_a_private_request(world: World, npm: Published) -> None:
    line = last(world, npm, "-H", "X-Team: build")
    assert line.endswith(", no digest published with it, none looked up for a private request")
    assert "registry.npmjs.org" in line


def test_a_server_of_no_rule(world: World, npm: Published) -> None:
    """Its answer carries no digest, and there is no place to ask."""
    world.put("files.example.net", "/demo.bin", world[npm.url.split("/")[2]].routes["/demo/-/demo-1.0.0.tgz"])
    result = world.run("get", "https://files.example.net/demo.bin")
    assert result.err.endswith(", no digest published with it\n"), result.err


def test_the_digest_in_the_url(world: World) -> None:
    published = places.pypi(world, places.bytes_of(SMALL))
    assert " matches the " in last(world, published)
