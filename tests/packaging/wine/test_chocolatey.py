"""The package for Chocolatey by a real client: pushed to a feed, installed from it, and what it brought is run."""

from __future__ import annotations

import os
import re
import subprocess
import zipfile
from pathlib import Path

import pytest

import fastdl
from pack import chocolatey
from servers.chocolatey import Feed, feed
from servers.real import find
from servers.windows import Windows


def nuget(home: Path, *words: str, folder: Path | None = None) -> str:
    """Runs NuGet with a home, and so a cache, of its own; what it said. It takes a file by a relative name alone."""
    environ = {"HOME": str(home), "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TMPDIR": str(home)}
    done = subprocess.run(
        [find("nuget"), *words, "-NonInteractive"],
        cwd=folder,
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def package(archive: Path, dist: Path) -> Path:
    """The package; `python packaging manifests` makes it of the archive."""
    path = dist / chocolatey.file_name(fastdl.__version__)
    assert path.is_file(), f"{path.name} is not built"
    return path


@pytest.fixture
def installed(package: Path, tmp_path: Path) -> Path:
    """The folder that the client made of the package, which came over a feed."""
    folder = tmp_path / "nuget"
    for name in ("feed", "home", "lib"):
        (folder / name).mkdir(parents=True)
    with feed(folder / "feed") as there:
        return _through(there, package, folder)


def _through(there: Feed, package: Path, folder: Path) -> Path:
    push = ["push", package.name, there.key, "-Source", f"{there.url}package/"]
    nuget(folder / "home", *push, folder=package.parent)
    said = nuget(folder / "home", "install", "fastdl", "-Source", there.url, "-OutputDirectory", str(folder / "lib"))
    assert "Successfully installed" in said, said
    asked = there.log.read_text("utf-8", "replace")
    assert re.search(r'"PUT /api/v2/package/ HTTP/1.\d" 201 ', asked), asked
    assert re.search(rf'"GET /api/v2/package/fastdl/{re.escape(fastdl.__version__)} HTTP/1.\d" 200 ', asked), asked
    (made,) = (path for path in (folder / "lib").iterdir() if path.is_dir())
    return made


def test_a_real_client_installs_it_and_it_runs(installed: Path, archive: Path, windows: Windows) -> None:
    program = installed / "tools/fastdl/fastdl.exe"
    with zipfile.ZipFile(archive) as packed:
        wanted = {name: packed.read(name) for name in packed.namelist()}
    brought = {
        path.relative_to(installed / "tools").as_posix(): path.read_bytes()
        for path in (installed / "tools").rglob("*")
        if path.is_file() and path.suffix != ".ignore"
    }
    assert brought == wanted
    assert {path.name for path in (installed / "legal").iterdir()} == {"LICENSE.txt", "VERIFICATION.txt"}
    assert windows("--version", program=program).out.split() == ["fastdl", fastdl.__version__]
    told = windows.upgrade_check(_as_chocolatey_has_it(installed, windows.cwd) / "tools/fastdl/fastdl.exe")
    assert (told["installed_by"], told["command"]) == ("Chocolatey", "choco upgrade fastdl")


def _as_chocolatey_has_it(installed: Path, folder: Path) -> Path:
    """Chocolatey calls the folder of a package by its name alone."""
    place = folder / "ProgramData/chocolatey/lib/fastdl"
    place.parent.mkdir(parents=True)
    return installed.rename(place)
