"""`upgrade`, a release server on loopback, and a program to replace."""

from __future__ import annotations

import io
import os
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fastdl import __version__
from fastdl.__main__ import main
from fastdl.core.ways import Facts
from fastdl.io import installed
from servers.attested import Attester
from servers.raw import RawServer
from servers.releases import API, NEW, Releases
from servers.tls import Certificates

PARTS = f"_fastdl-{__version__}"
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for a program is a shell script")


def archive(version: str = NEW, *, says: str | None = None, code: int = 0, top: str = "fastdl/") -> bytes:
    """An archive of a stand-in for a program: a shell script."""
    return stand_in(f"#!/bin/sh\necho 'fastdl {says or version}'\nexit {code}\n", version, top)


def stand_in(script: str, version: str = NEW, top: str = "fastdl/") -> bytes:
    """An archive whose program is a script."""
    parts = f"_fastdl-{version}"
    entries = {"fastdl": script, f"{parts}/lib": f"lib {version}", f"{parts}/new": "new"}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as packed:
        for name, text in entries.items():
            info = tarfile.TarInfo(top + name)
            info.size, info.mode = len(text), 0o755 if name == "fastdl" else 0o644
            packed.addfile(info, io.BytesIO(text.encode()))
    return buffer.getvalue()


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Nothing of whoever runs the tests."""
    for name in list(os.environ):
        if name.startswith("FASTDL_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    place = tmp_path / "own home"
    place.mkdir()
    for name in ("HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(place))
    (place / "config.toml").write_text("retries = 0\n", encoding="utf-8")
    monkeypatch.setenv("FASTDL_CONFIG", str(place / "config.toml"))
    monkeypatch.setenv("FASTDL_STATE_DIR", str(place / "state"))
    return place


@pytest.fixture(scope="session")
def attester() -> Attester:
    return Attester()


@pytest.fixture
def server(
    certificates: Certificates, attester: Attester, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Releases]:
    """A release server with TLS that this run trusts, as it does who attests there."""
    app = Releases(attester)
    with RawServer(app.handle, tls=certificates.context()) as raw:
        monkeypatch.setenv("FASTDL_RELEASES", raw.url(API))
        monkeypatch.setenv("FASTDL_RELEASES_AUTHORITY", str(attester.file(tmp_path / "attests.pem")))
        monkeypatch.setenv("FASTDL_CACERT", str(certificates.ca))
        yield app


@pytest.fixture
def unpacked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """This fastdl is an unpacked archive in the folder that is given."""
    folder = tmp_path / "tools/fastdl"
    (folder / PARTS).mkdir(parents=True)
    (folder / PARTS / "lib").write_text("lib old", encoding="utf-8")
    (folder / "notes.txt").write_text("mine", encoding="utf-8")
    executable = folder / "fastdl"
    executable.write_text(f"#!/bin/sh\necho 'fastdl {__version__}'\n", encoding="utf-8")
    executable.chmod(0o755)
    facts(monkeypatch, Facts(str(executable), platform="linux", bundle=True))
    return folder


def facts(monkeypatch: pytest.MonkeyPatch, found: Facts) -> None:
    monkeypatch.setattr(installed, "facts", lambda: found)


Said = Callable[..., tuple[int, str, str]]


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Said:
    """Runs `fastdl upgrade ARGS`; its code, stdout and stderr."""

    def run(*args: str) -> tuple[int, str, str]:
        code = main(["upgrade", *args])
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


def state(folder: Path) -> dict[str, str]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8") for path in paths}
