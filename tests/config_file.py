"""The config file of somebody who has nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fastdl import config


@pytest.fixture(autouse=True)
def path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name in list(os.environ):
        if name.startswith("FASTDL_"):
            monkeypatch.delenv(name)
    place = tmp_path / "folder" / "config.toml"
    monkeypatch.setenv("FASTDL_CONFIG", str(place))
    return place


def write(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text.encode())


def settings(path: Path) -> config.Settings:
    return config.load({}, dict(os.environ), str(path))
