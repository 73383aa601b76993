"""example.org, and an empty folder to type commands in: for the tests of the documents and of the recipes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pages import play
from pages.loopback import Loopback
from pages.sandbox import Sandbox
from servers.tls import Certificates


@pytest.fixture(scope="session")
def world(certificates: Certificates) -> Iterator[Loopback]:
    """The hosts that the documents name."""
    with play.open_world(certificates) as made:
        yield made


@pytest.fixture
def sandbox(tmp_path: Path, world: Loopback) -> Sandbox:
    """Where commands run, led to those hosts."""
    return play.prepared(tmp_path, world)
