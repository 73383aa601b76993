"""The publisher's digest decides who may help. Whatever its place does, the download neither waits nor breaks."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Callable

import pytest

from internet import places
from internet.behaviour import altering, challenge, endless, honest, redirecting, silent, text
from internet.places import Published
from internet.world import Host, Throttle, World, bytes_of_mirrors, tempting
from servers.files import Answer
from servers.raw import Connection, Request

_LOOKED_UP = ("github", "debian", "huggingface")
_PATIENCE = 9.0  # seconds: less than a look-up may take; a run without waiting needs two
_ELSEWHERE = "elsewhere.example.net"
_DEAD: dict[str, Callable[[], Answer]] = {
    "silent": lambda: silent,
    "error": lambda: text("oops", 500, "text/plain"),
    "forbidden": lambda: text('{"message": "rate limit exceeded"}', 403),
    "gone": lambda: text("no", 404),
    "endless": endless,
    "huge": lambda: text(b"[" * 3_000_000),
    "a bomb": lambda: text(gzip.compress(b" " * 200_000_000, 1), 200, "application/json", ("Content-Encoding", "gzip")),
    "garbage": lambda: text(bytes(range(256)) * 10),
    "a page": lambda: challenge(200),
    "a lie about the type": lambda: text(json.dumps([None, {"assets": 5, "dist": [], "files": {}}])),
    "elsewhere": lambda: redirecting(f"https://{_ELSEWHERE}/digest"),
    "in the clear": lambda: redirecting("http://api.github.com/digest"),
    "in a circle": lambda: redirecting("?"),
}


def spoil(world: World, published: Published, ecosystem: str, answer: Answer) -> None:
    """Let every place of the digest answer so."""
    host, path = published.lookup
    if ecosystem != "huggingface":
        world.put(host, path, answer)
        return
    location = redirecting("https://cas-bridge.xethub.hf.co/xet/abc?X-Amz-Signature=s1gn4ture")

    def split(connection: Connection, request: Request) -> None:
        (answer if request.method == "HEAD" else location)(connection, request)

    world.put(host, path, split)
    world.put(host, f"/api/models/acme/model/paths-info/{places.COMMIT}", answer)


def mirrored(world: World, published: Published) -> Host:
    """All its mirrors are there, and good."""
    for n in range(len(published.mirrors)):
        published.mirror(world, honest(published.data).answer, n)
    return world[published.mirrors[0][0]]


_SOME = ("silent", "error", "endless", "garbage")


@pytest.mark.parametrize(
    ("ecosystem", "how"), [("npm", how) for how in _DEAD] + [(each, how) for each in _LOOKED_UP for how in _SOME]
)
def test_without_a_digest_the_origin_alone(world: World, ecosystem: str, how: str) -> None:
    published = places.ALL[ecosystem](world, throttle=tempting())
    spoil(world, published, ecosystem, _DEAD[how]())
    mirrored(world, published)
    world.put(_ELSEWHERE, "/", text(json.dumps({"dist": {"integrity": "sha512-x"}})))
    result = world.get(published.url, expected=[published.name])
    assert result.code == 0, result.err
    assert world.path(published.name).read_bytes() == published.data
    assert result.json[0]["seconds"] < _PATIENCE
    assert not result.json[0]["digest"]
    assert bytes_of_mirrors(result) == 0
    for host, _ in published.mirrors:
        assert not world[host].visits, "no request without a digest"
    assert not world[_ELSEWHERE].visits


@pytest.mark.parametrize("ecosystem", ["github", "npm", "debian"])  # Hugging Face's stands in the first answer
def test_no_mirror_before_the_digest_is_known(world: World, ecosystem: str) -> None:
    """The digest comes late: until then nobody else was asked, and from then on the mirror helps."""
    published = places.ALL[ecosystem](world)
    host, path = published.lookup
    origin = world[next(iter(published.hosts - {"github.com"}))]
    mirror = published.mirror(world, honest(published.data).answer)
    published.origin.throttle = Throttle(1 << 20, mirror.has_sent(1 << 20))
    begun = origin.has_sent(500_000)
    right, early = world[host].routes[path], []

    def late(connection: Connection, request: Request) -> None:
        begun.wait(20)
        early.append(len(mirror.visits))
        right(connection, request)

    world.put(host, path, late)
    result = world.get(published.url, expected=[published.name])
    assert result.code == 0, result.err
    assert world.path(published.name).read_bytes() == published.data
    assert early and not any(early), "a request before the digest was known"
    assert bytes_of_mirrors(result) > 0
    assert result.json[0]["digest"]["verified"] is True


def test_a_mirror_helps_where_all_ranges_are_given_out(world: World) -> None:
    """The digest comes when the connections to the origin share all of the file: seconds of work, in small ranges."""
    published = places.npm(world)
    origin, (host, path) = world["registry.npmjs.org"], published.lookup
    mirror = published.mirror(world, honest(published.data).answer)
    published.origin.throttle = Throttle(1 << 20, mirror.has_sent(256 << 10))
    begun, right = origin.has_sent(3 << 20), world[host].routes[path]

    def late(connection: Connection, request: Request) -> None:
        begun.wait(20)
        right(connection, request)

    world.put(host, path, late)
    result = world.get(published.url, expected=[published.name])
    assert result.code == 0, result.err
    assert world.path(published.name).read_bytes() == published.data
    assert bytes_of_mirrors(result) > 0


def test_a_weak_digest_is_checked_and_opens_no_door(world: World) -> None:
    published = places.npm(world, throttle=tempting())
    mirrored(world, published)
    shasum = hashlib.sha1(published.data).hexdigest()
    world.put(*published.lookup, text(json.dumps({"dist": {"shasum": shasum}})))
    result = world.get(published.url)
    assert result.code == 0, result.err
    assert not [visit for host, _ in published.mirrors for visit in world[host].visits]
    digest = result.json[0]["digest"]
    assert (digest["algorithm"], digest["value"], digest["verified"]) == ("sha1", shasum, True)
    world.path(published.name).unlink()
    world.put(*published.lookup, text(json.dumps({"dist": {"shasum": "0" * 40}})))
    result = world.get(published.url)
    assert result.code == 5
    assert result.files == set()


def test_a_digest_of_another_size_is_none(world: World) -> None:
    published = places.github(world, throttle=tempting())
    mirrored(world, published)
    asset = {"name": published.name, "size": 5, "digest": "sha256:" + places.sha256(b"other")}
    world.put(*published.lookup, text(json.dumps({"assets": [asset]})))
    result = world.get(published.url)
    assert result.code == 0, result.err
    assert world.path(published.name).read_bytes() == published.data
    assert bytes_of_mirrors(result) == 0


def test_two_different_digests_are_none(world: World) -> None:
    published = places.github(world, throttle=tempting())
    mirrored(world, published)
    assets = [
        {"name": published.name, "digest": "sha256:" + places.sha256(data)} for data in (published.data, b"other")
    ]
    world.put(*published.lookup, text(json.dumps({"assets": assets})))
    result = world.get(published.url)
    assert result.code == 0, result.err
    assert bytes_of_mirrors(result) == 0


def test_the_users_digest_opens_the_door_too(world: World) -> None:
    published = places.npm(world)
    spoil(world, published, "npm", text("no", 404))
    mirror = published.mirror(world, honest(published.data).answer)
    published.origin.throttle = Throttle(1 << 20, mirror.has_sent(1 << 20))
    result = world.get("--checksum", f"sha256:{places.sha256(published.data)}", published.url)
    assert result.code == 0, result.err
    assert bytes_of_mirrors(result) > 0
    assert result.json[0]["digest"]["source"] == "user"


def test_the_users_digest_and_the_publishers_disagree(world: World) -> None:
    """Every digest that is known agrees, or it is exit 5."""
    published = places.npm(world, places.bytes_of(1 << 20))
    result = world.get("--checksum", f"sha256:{places.sha256(b'mine')}", published.url)
    assert result.code == 5
    assert result.files == set()


def test_a_side_file_where_the_api_has_nothing(world: World) -> None:
    """GitHub has no digest for old assets: the release's own list of digests is asked for."""
    published = places.github(world)
    world.put(*published.lookup, text(json.dumps({"assets": [{"name": published.name, "digest": None}]})))
    listed = f"{places.sha256(published.data)}  {published.name}\n{'0' * 64}  other.exe\n"
    world.put(
        "github.com",
        "/git-for-windows/git/releases/download/v2.51.0.windows.1/SHA256SUMS",
        text(listed, 200, "text/plain"),
    )
    mirror = published.mirror(world, honest(published.data).answer)
    published.origin.throttle = Throttle(1 << 20, mirror.has_sent(1 << 20))
    result = world.get(published.url)
    assert result.code == 0, result.err
    assert result.json[0]["digest"]["value"] == places.sha256(published.data)
    assert result.json[0]["digest"]["source"] == "origin"
    assert bytes_of_mirrors(result) > 0


def test_no_look_up_over_a_broken_certificate(world: World) -> None:
    """Without verified TLS nobody vouches for the digest: no mirror on its strength."""
    published = places.npm(world, throttle=tempting())
    mirrored(world, published)
    result = world.get("--insecure", published.url)
    assert result.code == 0, result.err
    assert bytes_of_mirrors(result) == 0
    assert not [visit for host, _ in published.mirrors for visit in world[host].visits]


def test_a_late_digest_still_counts(world: World) -> None:
    """A digest that is known when the last byte arrives is checked, even if no mirror was needed."""
    published = places.npm(world, places.bytes_of(1 << 20), told=b"something else")
    assert world.get(published.url).code == 5


def test_a_liar_with_the_origins_digest_is_caught_by_pieces_or_at_the_end(world: World) -> None:
    published = places.debian(world)
    mirror = published.mirror(world, altering(published.data, "middle").answer)
    published.origin.throttle = Throttle(1 << 20, mirror.has_sent(2 << 20))
    result = world.get(published.url)
    assert result.code == 0, result.err
    assert world.path(published.name).read_bytes() == published.data
