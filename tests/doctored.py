"""`doctor` in a home of its own, and what it says."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from email.utils import formatdate
from pathlib import Path
from time import time
from typing import Any

import pytest

from fastdl.__main__ import main
from ports import refusing
from servers.files import FileApp, Reply
from servers.raw import Connection, Request, Serve

DAY = 86400.0


class Report(dict[str, Any]):
    """What doctor said: its JSON, and the exit code."""

    code: int

    def of(self, check: str, status: str = "wrong") -> str:
        """Text and advice of the one finding of that check and status."""
        (found,) = [one for one in self["findings"] if (one["check"], one["status"]) == (check, status)]
        return f"{found['text']} -> {found['advice']}"

    @property
    def wrong(self) -> list[str]:
        """The checks that found something."""
        return [one["check"] for one in self["findings"] if one["status"] == "wrong"]

    @property
    def checks(self) -> set[str]:
        return {one["check"] for one in self["findings"]}


Doctor = Callable[..., Report]


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name in list(os.environ):
        upper = name.upper()
        if upper.startswith(("FASTDL_", "SSL_CERT")) or upper.endswith(("_PROXY", "CA_BUNDLE", "CA_CERTS")):
            monkeypatch.delenv(name)
    place = tmp_path / "mine"
    place.mkdir()
    for name, folder in (("HOME", ""), ("USERPROFILE", ""), ("XDG_CONFIG_HOME", "config"), ("XDG_STATE_HOME", "state"),
                         ("APPDATA", "roaming"), ("LOCALAPPDATA", "local")):  # fmt: skip
        monkeypatch.setenv(name, str(place / folder))
    monkeypatch.setenv("FASTDL_CONFIG", str(place / "config.toml"))
    (place / "config.toml").write_text("# nothing\n")
    (place / "config.toml").chmod(0o600)
    monkeypatch.chdir(place)
    return place


@pytest.fixture
def doctor(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Doctor:
    monkeypatch.setattr("fastdl.cli.doctor.SECONDS", 60.0)  # this machine may be busy

    def run(*args: str) -> Report:
        code = main(["doctor", "--json", *args])
        told = capsys.readouterr()
        assert told.err == ""
        report = Report(json.loads(told.out))
        report.code = code
        assert code == (3 if report.wrong else 0)
        assert report["ok"] == (code == 0)
        for one in report["findings"]:
            assert one["advice"] or one["status"] != "wrong", f"nothing is said to do about it: {one}"
            assert "\n" not in one["text"] + one["advice"]
        return report

    return run


@pytest.fixture
def sound(serve: Serve) -> str:
    """The URL of a file that can be had."""
    return serve(FileApp(size=100_000)).url("/a.zip")


@pytest.fixture
def dead() -> Iterator[int]:
    """A port on which nobody listens."""
    with refusing() as port:
        yield port


def bad_request(connection: Connection) -> None:
    """What a server says to TLS where it expects HTTP."""
    connection.sock.recv(1000)
    connection.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


def dated(ahead: float) -> FileApp:
    """A server whose clock is `ahead` seconds before ours."""

    def hook(connection: Connection, request: Request, reply: Reply) -> Reply:
        return reply.set("Date", formatdate(time() + ahead, usegmt=True))

    return FileApp(hook=hook)
