"""Where a mirror's redirect may lead: over TLS, to itself, to names below its own, and to what its class allows."""

from __future__ import annotations

import pytest

from internet import places
from internet.behaviour import honest, noticed, redirecting
from internet.places import Published
from internet.world import Throttle, World
from servers.run import Result

_PROXY = '[rules.npm.mirrors.proxy]\nurl = "https://proxy.example.net/{pkg}/{version}"\ntrust = "third-party"\n'
_TWIN = '[rules.npm.mirrors.twin]\nurl = "https://twin.example.net/{pkg}/{version}"\ntrust = "alias"\n'


def _run(world: World, published: Published) -> Result:
    result = world.get(published.url, expected=[published.name])
    assert result.code == 0, result.err
    assert world.path(published.name).read_bytes() == published.data
    return result


def _leading(world: World, published: Published, location: str, which: int = 0) -> str:
    """A mirror that redirects to `location`, where the right file is; gives the host behind it."""
    target = location.split("/")[2] if "//" in location else published.mirrors[which][0]
    behind = world.put(target, "/behind/", honest(published.data).answer)
    published.mirror(world, redirecting(location), which)
    published.origin.throttle = Throttle(1 << 20, behind.has_sent(1 << 20))
    return target


@pytest.mark.parametrize(
    "location",
    [
        "/behind/file",
        "https://registry.npmmirror.com/behind/file",
        "https://cdn.registry.npmmirror.com/behind/file",
        "https://mirrors.huaweicloud.com/behind/file",
    ],
)
def test_within_its_class(world: World, location: str) -> None:
    """A path of its own, a name below its own, another official mirror of the same file."""
    published = places.npm(world)
    target = _leading(world, published, location)
    _run(world, published)
    visits = [visit for visit in world[target].visits if visit.path == "/behind/file"]
    assert visits
    assert sum(visit.body for visit in visits) > 0


@pytest.mark.parametrize(
    "location",
    [
        "https://foreign.example.net/behind/file",
        "https://npmmirror.com.example.net/behind/file",
        "https://evilregistry.npmmirror.com.example.org/behind/file",
        "https://registry.npmmirror.com@foreign.example.net/behind/file",
        "https://proxy.example.net/behind/file",
    ],
)
def test_not_beyond_it(world: World, location: str) -> None:
    """A stranger's host, names that only look alike, and a third party, though that one is switched on itself."""
    published = places.npm(world)
    world.config.write_text(_PROXY, encoding="utf-8")
    target = _leading(world, published, location).rpartition("@")[2]
    met = world[published.mirrors[0][0]]
    answer, asked = noticed(met.routes[published.mirrors[0][1]])
    met.routes[published.mirrors[0][1]] = answer
    published.origin.throttle = Throttle(1 << 20, asked)
    _run(world, published)
    assert met.visits, "the mirror was asked"
    assert not [visit for visit in world[target].visits if visit.path == "/behind/file"]


def test_an_alias_leads_to_no_mirror(world: World) -> None:
    """What may serve without a digest does not hand that over to somebody who may not."""
    published = places.npm(world)
    world.config.write_text(_TWIN, encoding="utf-8")
    host, _ = published.mirrors[0]
    behind = world.put(host, "/behind/", honest(published.data).answer)
    answer, asked = noticed(redirecting(f"https://{host}/behind/file"))
    world.put("twin.example.net", "/", answer)
    published.origin.throttle = Throttle(1 << 20, asked)
    _run(world, published)
    assert asked.is_set()
    assert not [visit for visit in behind.visits if visit.path == "/behind/file"]


@pytest.mark.parametrize("scheme", ["http", "ftp", "file", "javascript"])
def test_only_over_tls(world: World, scheme: str) -> None:
    published = places.npm(world)
    answer, asked = noticed(redirecting(f"{scheme}://{published.mirrors[0][0]}{published.mirrors[0][1]}"))
    published.mirror(world, answer)
    published.origin.throttle = Throttle(1 << 20, asked)
    _run(world, published)
    assert not [name for name in world.void if name.startswith("in the clear")]


def test_what_a_redirect_tells(world: World) -> None:
    """The host behind a mirror is told no more than the mirror; no Referer."""
    published = places.npm(world)
    target = _leading(world, published, "https://cdn.registry.npmmirror.com/behind/file")
    _run(world, published)
    for visit in world[target].visits:
        assert visit.fields <= {"host", "range", "user-agent", "accept", "accept-encoding", "connection", "if-range"}
