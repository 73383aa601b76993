"""Stopped and begun again: what mirrors gave before a kill is as good as its digest, also in the next run."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from internet import places
from internet.behaviour import altering, honest, silent, text
from internet.places import Published
from internet.world import Throttle, World, bytes_of_mirrors
from servers.files import Answer
from servers.run import PARTS

_SIZE = 8 << 20


def killed(world: World, ecosystem: str, answer: Callable[[bytes], Answer], enough: int = 3 << 20) -> Published:
    """A run that was killed after the mirror had sent a good part; the journal of it is there."""
    published = places.ALL[ecosystem](world, places.bytes_of(_SIZE))
    mirror = published.mirror(world, answer(published.data))
    reached = mirror.has_sent(enough)
    published.origin.throttle = Throttle(1 << 20)
    with world.started(published.url) as process:
        assert reached.wait(20), "the mirror helps"
        process.kill()
        process.wait(20)
    assert {path.name for path in world.runner.cwd.iterdir()} == {published.name + part for part in PARTS}
    published.origin.throttle = None
    return published


def _good(data: bytes) -> Answer:
    return honest(data, throttle=Throttle(4 << 20)).answer


def _bad(data: bytes) -> Answer:
    app = altering(data, "all")
    app.throttle = Throttle(4 << 20)
    return app.answer


def finish(world: World, published: Published) -> int:
    """The second run; gives `resumed_bytes`."""
    result = world.get(published.url, expected=[published.name])
    assert result.code == 0, result.err
    assert world.path(published.name).read_bytes() == published.data
    assert result.files == {published.name}
    resumed = result.json[0]["resumed_bytes"]
    assert isinstance(resumed, int)
    return resumed


@pytest.mark.parametrize("ecosystem", ["pypi", "npm", "huggingface"])
def test_it_goes_on(world: World, ecosystem: str) -> None:
    published = killed(world, ecosystem, _good)
    assert finish(world, published) > 1 << 20


@pytest.mark.parametrize("ecosystem", ["pypi", "npm", "github"])
def test_what_a_liar_gave_before_the_kill_is_mended(world: World, ecosystem: str) -> None:
    finish(world, killed(world, ecosystem, _bad))


_DEAD: dict[str, Answer] = {"silent": silent, "an error": text("no", 500), "gone": text("no", 404)}


@pytest.mark.parametrize("how", _DEAD)
def test_what_a_liar_gave_is_not_believed_without_the_digest(world: World, how: str) -> None:
    """The place of the digest is dead in the second run: the bytes of the first must not end under the final name."""
    published = killed(world, "npm", _bad)
    world.put(*published.lookup, _DEAD[how])
    finish(world, published)


@pytest.mark.parametrize("how", _DEAD)
def test_without_the_digest_the_file_is_right_all_the_same(world: World, how: str) -> None:
    published = killed(world, "github", _good)
    world.put(*published.lookup, _DEAD[how])
    finish(world, published)


@pytest.mark.parametrize("options", [["--no-cdn"], ["-H", "X-Key: 1"], ["--trust", "official"]])
def test_a_liar_of_the_first_run_and_no_mirrors_in_the_second(world: World, options: list[str]) -> None:
    """With mapping off, or with a secret, the look-up may not be made at all: then what mirrors gave is worth nothing
    without the digest that the first run knew."""
    published = killed(world, "github", _bad)
    result = world.get(*options, published.url, expected=[published.name])
    assert result.code == 0, result.err
    assert world.path(published.name).read_bytes() == published.data


def test_resume_finishes_it(world: World) -> None:
    published = killed(world, "npm", _good)
    result = world.run("resume", "--json")
    assert result.code == 0, result.err
    assert world.path(published.name).read_bytes() == published.data


def test_killed_many_times(world: World) -> None:
    """A liar and an honest mirror, killed at every step: the file is right in the end."""
    published = places.npm(world, places.bytes_of(_SIZE), throttle=Throttle(1 << 20))
    line = Throttle(3 << 20)
    published.mirror(world, honest(published.data, throttle=line).answer, 0)
    liar = altering(published.data, "first")
    liar.throttle = line
    published.mirror(world, liar.answer, 1)
    origin = world["registry.npmjs.org"]
    for _ in range(4):
        reached = origin.has_sent(origin.sent + (768 << 10))
        with world.started(published.url) as process:
            reached.wait(10)
            process.kill()
            process.wait(20)
        if world.path(published.name).exists():
            break
    else:
        published.origin.throttle = None
        finish(world, published)
    assert world.path(published.name).read_bytes() == published.data


def test_the_file_changes_between_the_runs(world: World) -> None:
    """The origin has another file, with another digest: nothing of the first one is left in it."""
    published = killed(world, "npm", _good)
    newer = places.npm(world, places.bytes_of(_SIZE, seed=8))
    newer.origin.etag = '"newer"'
    newer.mirror(world, honest(newer.data).answer)
    result = world.get(published.url, expected=[published.name])
    assert result.code == 0, result.err
    assert world.path(published.name).read_bytes() == newer.data
    assert bytes_of_mirrors(result) >= 0
