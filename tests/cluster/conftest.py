"""One cluster for each module that asks for one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from servers.clusters import Cluster


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Two workers."""
    pytest.importorskip("distributed")
    folder: Path = tmp_path_factory.mktemp("cluster")
    with Cluster(folder / "cluster", folder / "home", 2) as started:
        yield started
