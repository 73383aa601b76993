"""Settings of an environment where nothing is set."""

from __future__ import annotations

from pathlib import Path

import pytest

SHA = "sha256:" + "0a" * 32

BASE = {"TOKEN": "t0ken"}


def write(folder: Path, text: str) -> str:
    path = folder / "config.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.fixture
def nowhere(tmp_path: Path) -> dict[str, str]:
    """An environment without any config file."""
    home = str(tmp_path / "home")
    return {**BASE, "HOME": home, "USERPROFILE": home}
