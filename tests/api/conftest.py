"""The API in this process, without anything of whoever runs the tests."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from own_threads import until_gone
from servers.raw import RawServer


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A state folder of its own, no proxies, an empty working folder; at the end no thread of fastdl is left."""
    for name in list(os.environ):
        if name.startswith("FASTDL_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    for name in ("HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    yield
    until_gone(20)


@pytest.fixture
def quiet() -> Callable[[RawServer], None]:
    """Returns when nobody is connected to a server any more."""

    def wait(server: RawServer) -> None:
        server.until(lambda: server.active == 0, 20)

    return wait
