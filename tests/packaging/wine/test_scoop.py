"""The manifest for Scoop, carried out step by step in wine: what it installs is found on the path, and runs."""

from __future__ import annotations

import json
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import fastdl
from pack import artifacts, facts, manifests, scoop
from servers.attested import Attester
from servers.raw import Serve
from servers.releases import Releases
from servers.scoop import Fetch, Scoop, updated
from servers.windows import Windows
from wine.prefix import Wine


@pytest.fixture
def manifest(archive: Path, dist: Path) -> dict[str, Any]:
    """The manifest; `python packaging manifests` makes it of the archive."""
    told = json.loads((dist / manifests.MANIFESTS / manifests.SCOOP / scoop.FILE).read_bytes())
    assert isinstance(told, dict)
    return told


@pytest.fixture
def fetch(archive: Path, dist: Path, serve: Serve) -> Fetch:
    """Fetches files of the release, from a server on this machine that has them under the same paths."""
    app = Releases(Attester())
    origin = "https://github.com"
    for path in (archive, dist / artifacts.SUMS):
        app.files[facts.release_url(fastdl.__version__, path.name).removeprefix(origin)] = path.read_bytes()
    server = serve(app.handle)

    def get(url: str) -> bytes:
        assert url.startswith(f"{origin}/"), url
        with urllib.request.urlopen(server.url(url.removeprefix(origin)), timeout=60) as answer:
            return bytes(answer.read())

    return get


@pytest.fixture
def root(wine: Wine) -> Iterator[Path]:
    """A user's folder for Scoop, on drive C:."""
    with tempfile.TemporaryDirectory(prefix="user ", dir=wine.drive) as folder:
        yield Path(folder, "scoop")


def test_it_is_installed_found_and_run(
    windows: Windows, wine: Wine, root: Path, manifest: dict[str, Any], fetch: Fetch
) -> None:
    outside = f"C:\\{root.parent.name}\\scoop"
    root.mkdir()
    folder = Scoop(root, outside, fetch).install("fastdl", manifest)
    assert (folder / "fastdl.exe").is_file() and (folder / facts.parts()).is_dir()
    path = {"WINEPATH": f"{outside}\\shims"}
    done = wine.run(["cmd", "/c", "fastdl --version"], extra=windows.environment(path))
    assert (done.returncode, done.stdout.split()) == (0, [b"fastdl", fastdl.__version__.encode()]), done.stderr
    wrong = wine.run(["cmd", "/c", "fastdl get"], extra=windows.environment(path))
    assert wrong.returncode == 2, "the shim hands the exit code on"
    told = windows.upgrade_check(root / "apps/fastdl/current/fastdl.exe")
    assert (told["installed_by"], told["command"]) == ("Scoop", "scoop update fastdl")


def test_the_next_version_is_found_by_the_list_of_digests(manifest: dict[str, Any], fetch: Fetch) -> None:
    assert updated(manifest, fastdl.__version__, fetch) == manifest
