"""What a check of `doctor` finds."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from fastdl.core.urls import parse_url
from fastdl.engine.doctor import disks, way
from fastdl.engine.doctor.finding import Finding
from fastdl.io.dns import Resolver
from fastdl.settings import Settings

HERE = disks.Folder(".", "downloads", "Choose another folder with -d.", True)


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def found_on(url: str, lookup: Any, given: bool = True, **settings: Any) -> dict[str, Finding]:
    """What is found on the way to a URL with a resolver of the test's; one finding a check."""
    told: list[Finding] = []
    errand = way.Errand(Settings(connect_timeout=2, timeout=2, **settings), parse_url(url), given, HERE)
    way.check_way(errand, told.append, resolver=lambda family: Resolver(family, lookup=lookup))
    assert len({finding.check for finding in told}) == len(told)
    return {finding.check: finding for finding in told}


def answers(*texts: str) -> Any:
    """A resolver that gives these addresses for every name."""

    def lookup(host: str, port: object, family: int = 0, *more: Any, **others: Any) -> list[Any]:
        rows = []
        for text in texts:
            kind = socket.AF_INET6 if ":" in text else socket.AF_INET
            if family in (0, kind):
                sockaddr = (text, 0, 0, 0) if ":" in text else (text, 0)
                rows.append((kind, socket.SOCK_STREAM, 6, "", sockaddr))
        return rows

    return lookup
