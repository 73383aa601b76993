"""The simulated internet itself, and what is true of it before any mirror helps."""

from __future__ import annotations

import pytest

from internet import places
from internet.behaviour import text
from internet.world import World, bytes_of_mirrors, source


@pytest.mark.parametrize("ecosystem", places.ALL)
def test_the_origin_alone(world: World, ecosystem: str) -> None:
    """Every mirror is unreachable: the right file, its digest found, nothing from elsewhere."""
    published = places.ALL[ecosystem](world, places.bytes_of(1 << 20))
    result = world.get(published.url, expected=[published.name])
    assert result.code == 0, result.err
    assert world.path(published.name).read_bytes() == published.data
    assert result.json[0]["sha256"] == places.sha256(published.data)
    assert bytes_of_mirrors(result) == 0
    assert result.files == {published.name}


def test_the_void_notes_whom_it_is_asked_for(world: World) -> None:
    result = world.get("https://nobody.example.org/a.bin", "--retries", "0")
    assert result.code == 3
    assert set(world.void) == {"nobody.example.org"}
    result = world.get("http://nobody.example.org/a.bin", "--retries", "0")
    assert result.code == 3
    assert "in the clear: GET /a.bin" in world.void[-1]


def test_a_host_is_itself_and_nobody_else(world: World) -> None:
    host = world.put("one.example.org", "/a.txt", text("one", kind="text/plain"))
    result = world.get("https://one.example.org/a.txt")
    assert result.code == 0, result.err
    assert source(result, "one.example.org")["bytes"] == 3
    assert [visit.path for visit in host.visits] == ["/a.txt"]
    assert world.get("https://one.example.org/b.txt").code == 4
    assert world.contacted == {"one.example.org"}
