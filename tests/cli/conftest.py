"""A command without settings of anybody's; `explain`, and the origin that it may ask."""

from __future__ import annotations

import json
import os
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from explained import Pages, Say
from fastdl.__main__ import main
from servers.raw import Connection, RawServer, Request


@pytest.fixture
def config(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty config file and state folder; nothing of whoever runs the tests."""
    for name in list(os.environ):
        if name.startswith("FASTDL_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    for name in ("HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    path = tmp_path / "config.toml"
    path.write_text("", encoding="utf-8")
    monkeypatch.setenv("FASTDL_CONFIG", str(path))
    monkeypatch.setenv("FASTDL_STATE_DIR", str(tmp_path / "state"))
    return path


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    """The object of `explain --json ARGS`."""

    def run(*args: str) -> dict[str, Any]:
        assert main(["explain", "--json", *args]) == 0
        out, err = capsys.readouterr()
        assert err == ""
        told: dict[str, Any] = json.loads(out)
        return told

    return run


@pytest.fixture
def offline(say: Say) -> Say:
    return lambda *args: say("--offline", *args)


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def origin(authority: trustme.CA, tmp_path: Path) -> Iterator[Callable[[Pages], tuple[RawServer, list[str]]]]:
    """Serves pages (path to head and body) over TLS as tools.example.org; gives the server and the options to get
    there. Whoever else is asked for refuses the connection."""
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("tools.example.org").configure_cert(context)
    servers: list[RawServer] = []

    def start(pages: Pages) -> tuple[RawServer, list[str]]:
        def handler(connection: Connection) -> None:
            while (request := connection.receive()) is not None:
                send(connection, request)

        def send(connection: Connection, request: Request) -> None:
            head, body = pages.get(request.target, ("404 Not Found", b""))
            connection.send(f"HTTP/1.1 {head}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)

        server = RawServer(handler, tls=context)
        servers.append(server.__enter__())
        to = ["--connect-to", f"tools.example.org:443:127.0.0.1:{server.port}", "--connect-to", ":443:127.0.0.1:1"]
        return server, ["--cacert", str(tmp_path / "ca.pem"), "--no-proxy", *to]

    yield start
    for server in servers:
        server.close()
