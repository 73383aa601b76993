"""A Metalink that the origin itself points to: its digests, its pieces and its sources (RFC 5854, RFC 6249)."""

from __future__ import annotations

import hashlib
from xml.sax.saxutils import escape

import pytest

from internet import places
from internet.behaviour import Served, altering, honest, text
from internet.world import Throttle, World, source, tempting
from servers.run import Result

_URL = "https://downloads.example.org/pub/image.iso"
_META = "https://downloads.example.org/pub/image.iso.meta4"
_MIRROR = "mirror.example.com"
_PIECE = 1 << 18
_LARGE = 1 << 21  # bytes of a piece that several sources have a part in


def metalink(data: bytes, *, length: int = _PIECE, size: int | None = None, name: str = "image.iso") -> str:
    """The document for a file at _MIRROR; pieces of `length` bytes, 0 for none."""
    step = length or len(data)
    parts = [hashlib.sha256(data[at : at + step]).hexdigest() for at in range(0, len(data), step)]
    listed = "".join(f"<hash>{part}</hash>" for part in parts)
    whole = f'<hash type="sha-256">{hashlib.sha256(data).hexdigest()}</hash>'
    return (
        '<?xml version="1.0" encoding="UTF-8"?><metalink xmlns="urn:ietf:params:xml:ns:metalink">'
        f'<file name="{escape(name)}"><size>{len(data) if size is None else size}</size>{whole}'
        + (f'<pieces length="{length}" type="sha-256">{listed}</pieces>' if length else "")
        + f'<url priority="1" location="de">https://{_MIRROR}/pub/image.iso</url>'
        f'<url priority="2">ftp://{_MIRROR}/pub/image.iso</url><url priority="3">http://{_MIRROR}/x</url>'
        "</file></metalink>"
    )


def arranged(world: World, data: bytes, document: str, mirror: Served) -> Served:
    """The origin with its Link, the Metalink, and the mirror."""
    origin = honest(data, '"origin"')
    origin.extra = (("Link", f'<{_META}>; rel=describedby; type="application/metalink4+xml"'),)
    world.put("downloads.example.org", "/pub/image.iso", origin.answer)
    world.put("downloads.example.org", "/pub/image.iso.meta4", text(document, 200, "application/metalink4+xml"))
    host = world.put(_MIRROR, "/pub/image.iso", mirror.answer)
    origin.throttle = Throttle(1 << 20, host.has_sent(1 << 20))
    return origin


def right(world: World, data: bytes, *args: str) -> Result:
    """A run with the right file."""
    result = world.get(*args, _URL, expected=["image.iso"])
    assert result.code == 0, result.err
    assert world.path("image.iso").read_bytes() == data
    return result


@pytest.mark.parametrize("length", [0, _PIECE, _LARGE])
def test_it_names_digest_and_source(world: World, length: int) -> None:
    data = places.bytes_of()
    arranged(world, data, metalink(data, length=length), honest(data))
    result = right(world, data)
    assert source(result, _MIRROR)["bytes"] > 0
    assert result.json[0]["digest"] == {
        "algorithm": "sha256",
        "value": places.sha256(data),
        "source": "metalink",
        "verified": True,
    }
    assert not world.void, "neither ftp nor plain http"


@pytest.mark.parametrize("how", ["first", "all", "middle"])
@pytest.mark.parametrize("length", [0, _PIECE, _LARGE])
def test_a_liar_is_caught(world: World, how: str, length: int) -> None:
    data = places.bytes_of()
    arranged(world, data, metalink(data, length=length), altering(data, how))
    result = right(world, data)
    assert source(result, _MIRROR)["errors"] >= 1
    before = len(world[_MIRROR].visits)
    world.path("image.iso").unlink()
    right(world, data)
    assert len(world[_MIRROR].visits) == before


def test_it_is_not_followed_without_mapping(world: World) -> None:
    data = places.bytes_of()
    arranged(world, data, metalink(data), honest(data)).throttle = tempting()
    right(world, data, "--no-cdn")
    assert not world[_MIRROR].visits


def test_it_leads_to_no_blocked_host(world: World) -> None:
    """Hosts of malicious operators are not asked, whoever names them."""
    data, blocked = places.bytes_of(), "cdn.bootcdn.net"
    document = metalink(data).replace(_MIRROR, blocked)
    arranged(world, data, document, honest(data)).throttle = tempting()
    world.put(blocked, "/", honest(data).answer)
    right(world, data)
    assert blocked not in world.contacted


def test_it_is_not_asked_for_with_a_secret(world: World) -> None:
    data = places.bytes_of()
    arranged(world, data, metalink(data), honest(data)).throttle = tempting()
    right(world, data, "-H", "X-Key: 1")
    assert not world[_MIRROR].visits


@pytest.mark.parametrize(
    "document",
    ["<metalink", "<!DOCTYPE a [<!ENTITY b 'c'>]><metalink/>", "", "{}", metalink(b"other", name="../image.iso")],
)
def test_one_that_is_broken_changes_nothing(world: World, document: str) -> None:
    data = places.bytes_of()
    arranged(world, data, document, honest(data)).throttle = tempting()
    right(world, data)
    assert not world[_MIRROR].visits


def test_pieces_that_are_wrong_do_not_break_a_right_file(world: World) -> None:
    """The whole file's digest agrees, the pieces do not: the publisher contradicts itself, and the file is right."""
    data = places.bytes_of(2 << 20)
    document = metalink(data)
    part = hashlib.sha256(data[:_PIECE]).hexdigest()
    arranged(world, data, document.replace(part, "0" * 64), honest(data)).throttle = None
    result = world.get(_URL)
    assert result.code in (0, 5)
    if result.code == 0:
        assert world.path("image.iso").read_bytes() == data
    else:
        assert result.files == set()


def test_one_with_the_digest_of_another_file(world: World) -> None:
    data = places.bytes_of(2 << 20)
    arranged(world, data, metalink(places.bytes_of(2 << 20, seed=8)), honest(data)).throttle = None
    result = world.get(_URL)
    assert result.code == 5, result.err
    assert result.files == set()
