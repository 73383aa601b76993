"""A rule with mirrors of every kind, and what `mirrors` says of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fastdl.__main__ import main
from fastdl.io.store import Store

HOST = "tools.example.org"
URL = f"https://{HOST}/releases/1.2/tool.bin"
RULES = f"""
[rules.tools]
title = "our tools"
match = "https://{HOST}/releases/{{version}}/{{file}}"

[rules.tools.mirrors.good]
url = "https://good.example.com/{{version}}/{{file}}"
operator = "Example Ltd"
region = "DE"

[rules.tools.mirrors.bad]
url = "https://bad.example.com/{{version}}/{{file}}"

[rules.tools.mirrors.stale]
url = "https://stale.example.com/{{version}}/{{file}}"

[rules.tools.mirrors.gone]
url = "https://gone.example.com/{{version}}/{{file}}"

[rules.tools.mirrors.whole]
url = "https://whole.example.com/{{version}}/{{file}}"

[rules.tools.mirrors.stranger]
url = "https://stranger.example.net/{{version}}/{{file}}"
trust = "third-party"
enabled = false

[rules.tools.digests.side]
url = "https://{HOST}/releases/{{version}}/{{file}}.sha256"
"""
Say = Callable[..., dict[str, Any]]


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    """The object of `mirrors --json ARGS`."""

    def run(*args: str, code: int = 0) -> dict[str, Any]:
        assert main(["mirrors", "--json", *args]) == code
        out, err = capsys.readouterr()
        assert err.count("fastdl: error: ") == err.count("\n") == (1 if code else 0)
        told: dict[str, Any] = json.loads(out)
        return told

    return run


@pytest.fixture
def text(capsys: pytest.CaptureFixture[str]) -> Callable[..., list[str]]:
    def run(*args: str) -> list[str]:
        assert main(["mirrors", *args]) == 0
        out, err = capsys.readouterr()
        assert err == ""
        return out.splitlines()

    return run


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "state"))


def mirror(told: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(each for each in told["rules"][0]["mirrors"] if each["id"] == name)
    return found
