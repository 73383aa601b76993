"""The origin is down from the start. Where its digest is known all the same, a mirror gives the file."""

from __future__ import annotations

import pytest

from internet import places
from internet.behaviour import honest, silent, text
from internet.world import World, bytes_of_mirrors
from servers.files import Answer

DOWN: dict[str, Answer] = {
    "says 503": text("later", 503, "text/plain"),
    "says 500": text("oops", 500, "text/plain"),
    "says nothing": silent,
}


@pytest.mark.parametrize("how", [*DOWN, "is gone"])
def test_a_mirror_gives_what_the_url_proves(world: World, how: str) -> None:
    """The URL itself carries the digest, so nobody has to be asked for it."""
    published = places.pypi(world)
    path = published.url.partition("files.pythonhosted.org")[2]
    if how == "is gone":
        published.origin.dead.set()
    else:
        world.put("files.pythonhosted.org", path, DOWN[how])
    published.mirror(world, honest(published.data).answer)
    result = world.get(published.url, expected=[published.name])
    assert result.code == 0, result.err
    assert world.path(published.name).read_bytes() == published.data
    assert bytes_of_mirrors(result) >= len(published.data)
    assert result.json[0]["digest"]["verified"] is True


def test_a_file_that_is_not_there_is_an_error(world: World) -> None:
    """A 404 of the origin is its word; nobody else is asked."""
    published = places.pypi(world)
    path = published.url.partition("files.pythonhosted.org")[2]
    world.put("files.pythonhosted.org", path, text("no", 404, "text/plain"))
    mirror = published.mirror(world, honest(published.data).answer)
    result = world.get(published.url)
    assert result.code == 4
    assert not mirror.visits
