"""The world of each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from internet.world import World
from servers.run import Runner
from servers.tls import Certificates


@pytest.fixture
def world(fastdl: Runner, certificates: Certificates) -> Iterator[World]:
    """An internet without any host, and fastdl in it."""
    world = World(fastdl, certificates)
    try:
        yield world
    finally:
        world.close()
