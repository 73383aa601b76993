"""Fixtures for every test: fastdl as a user runs it, servers, certificates."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from servers.files import FileApp
from servers.raw import Handler, RawServer, Serve
from servers.real import Apache, Caddy, Haproxy, Nginx, Places, Socks, Squid, lazily
from servers.run import Runner, scratch
from servers.tls import Certificates


@pytest.fixture
def fastdl(tmp_path: Path) -> Runner:
    """Run fastdl: `fastdl.get(URL)` in the empty folder `fastdl.cwd`."""
    runner = Runner(tmp_path / "here", tmp_path / "home")
    runner.cwd.mkdir()
    runner.home.mkdir()
    return runner


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start servers for one test: `serve(app_or_handler, **RawServer's options)`; all are closed at its end."""
    with ExitStack() as stack:

        def start(what: FileApp | Handler, **options: Any) -> RawServer:
            handler = what.handle if isinstance(what, FileApp) else what
            return stack.enter_context(RawServer(handler, **options))

        yield start


@pytest.fixture(scope="session")
def certificates() -> Iterator[Certificates]:
    """An authority and a certificate for localhost, 127.0.0.1, origin.test and other.test."""
    with scratch() as folder:
        yield Certificates(Path(folder))


@pytest.fixture(scope="session")
def places(certificates: Certificates) -> Iterator[Places]:
    """Where real servers keep their files, and the files that they serve."""
    with scratch() as folder:
        yield Places(Path(folder), certificates)


@pytest.fixture(scope="session")
def nginx(places: Places) -> Iterator[Nginx]:
    """nginx, started when first used."""
    yield from lazily(Nginx, places)


@pytest.fixture(scope="session")
def caddy(places: Places) -> Iterator[Caddy]:
    """Caddy, started when first used."""
    yield from lazily(Caddy, places)


@pytest.fixture(scope="session")
def apache(places: Places) -> Iterator[Apache]:
    """Apache, started when first used."""
    yield from lazily(Apache, places)


@pytest.fixture(scope="session")
def haproxy(places: Places, nginx: Nginx) -> Iterator[Haproxy]:
    """HAProxy in front of nginx."""
    yield from lazily(Haproxy, places, nginx.plain)


@pytest.fixture(scope="session")
def squid(places: Places) -> Iterator[Squid]:
    """Squid as a forward proxy."""
    yield from lazily(Squid, places)


@pytest.fixture(scope="session")
def socks(places: Places) -> Iterator[Socks]:
    """A SOCKS5 server."""
    yield from lazily(Socks, places)
