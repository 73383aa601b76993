"""A packed program upgrades itself from a release server on this machine: the real one, in a folder of its own.

The archive is built by `python packaging bundle` (or by hand into the folder that FASTDL_DIST names); without one there
is nothing to test. .ci/run builds it before.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pack import artifacts, bundle, facts
from servers import frozen
from servers.attested import Attester
from servers.raw import RawServer
from servers.releases import API, Releases, archive_name
from servers.tls import Certificates

OLD = facts.version()
NEW = frozen.other_version(OLD)
DIST = Path(os.environ.get("FASTDL_DIST") or facts.DIST)


def unpacked(folder: Path) -> Path:
    """The program, unpacked below `folder`; gives its executable."""
    archive = DIST / artifacts.archive_name(OLD, *bundle.here())
    if not archive.exists():
        text = f"{archive.name} is not built (python packaging bundle)"
        pytest.fail(text) if os.environ.get("FASTDL_REQUIRE_BUNDLE") == "1" else pytest.skip(text)
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive) as packed:
            packed.extractall(folder)
    else:
        with tarfile.open(archive) as packed:
            packed.extractall(folder)
    return folder / "fastdl" / ("fastdl.exe" if sys.platform == "win32" else "fastdl")


def packed(folder: Path, target: Path) -> bytes:
    """The archive of a folder `fastdl`."""
    kind = "zip" if sys.platform == "win32" else "gztar"
    return Path(shutil.make_archive(str(target), kind, folder, "fastdl")).read_bytes()


@pytest.fixture(scope="module")
def newer(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The archive of the same program that says a newer version."""
    folder = tmp_path_factory.mktemp("newer")
    frozen.pretend(unpacked(folder), OLD, NEW)
    (folder / "fastdl/_internal/only-new").write_text("new")
    return packed(folder, folder / "archive")


@pytest.fixture
def server(certificates: Certificates) -> Iterator[tuple[Releases, dict[str, str]]]:
    """A release server, and the variables that lead there."""
    app = Releases(Attester())
    with RawServer(app.handle, tls=certificates.context()) as raw:
        yield app, {"FASTDL_RELEASES": raw.url(API), "FASTDL_CACERT": str(certificates.ca)}


def run(program: Path, *words: str, env: dict[str, str], home: Path) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("FASTDL_", "PYTHON"))}
    own = {name: str(home) for name in ("HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "XDG_STATE_HOME")}
    command = [str(program), *words]
    return subprocess.run(command, env={**kept, **own, **env}, capture_output=True, text=True, timeout=120, check=False)


def test_the_program_replaces_itself(server: tuple[Releases, dict[str, str]], newer: bytes, tmp_path: Path) -> None:
    app, env = server
    app.publish(newer, version=NEW)
    env["FASTDL_RELEASES_AUTHORITY"] = str(app.attester.file(tmp_path / "attests.pem"))
    program = unpacked(tmp_path / "tools, ä and ü")
    mine = program.parent / "notes.txt"
    mine.write_text("mine")
    assert run(program, "--version", env=env, home=tmp_path).stdout == f"fastdl {OLD}\n"
    done = run(program, "upgrade", env=env, home=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"fastdl {NEW} is in place of {OLD}, in {program.parent}\n"
    assert run(program, "--version", env=env, home=tmp_path).stdout == f"fastdl {NEW}\n"
    assert mine.read_text() == "mine"
    assert (program.parent / "_internal/only-new").exists()
    if sys.platform != "win32":  # there what runs is removed by the next upgrade
        assert [path.name for path in program.parent.parent.iterdir()] == ["fastdl"]
    assert "is the newest" in run(program, "upgrade", env=env, home=tmp_path).stdout


def test_nothing_is_replaced_by_what_nobody_attests(
    server: tuple[Releases, dict[str, str]], newer: bytes, tmp_path: Path
) -> None:
    """With Sigstore's authority, which is built in: it did not issue for this server."""
    app, env = server
    app.publish(newer, version=NEW)
    program = unpacked(tmp_path)
    done = run(program, "upgrade", env=env, home=tmp_path)
    assert done.returncode == 5
    assert "unknown authority" in done.stderr
    assert run(program, "--version", env=env, home=tmp_path).stdout == f"fastdl {OLD}\n"


def test_one_that_does_not_start_is_not_taken(
    server: tuple[Releases, dict[str, str]], newer: bytes, tmp_path: Path
) -> None:
    app, env = server
    broken = unpacked(tmp_path / "broken")
    broken.write_bytes(broken.read_bytes()[:100_000])
    app.publish(packed(broken.parent.parent, tmp_path / "archive"), version=NEW)
    env["FASTDL_RELEASES_AUTHORITY"] = str(app.attester.file(tmp_path / "attests.pem"))
    program = unpacked(tmp_path / "own")
    done = run(program, "upgrade", env=env, home=tmp_path)
    assert done.returncode == 5, done.stderr
    assert "does not start here" in done.stderr
    assert run(program, "--version", env=env, home=tmp_path).stdout == f"fastdl {OLD}\n"
    assert [path.name for path in (tmp_path / "own").iterdir()] == ["fastdl"]


def test_the_archive_is_called_as_upgrade_looks_for_it() -> None:
    assert artifacts.archive_name(OLD, *bundle.here()) == archive_name(OLD)
