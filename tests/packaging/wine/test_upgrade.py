"""A packed program upgrades itself from a release server on this machine: the real one, in a folder of its own. That
for Windows runs in wine.

What is built, and where, is said in conftest.py.
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

from fastdl.io import onedir
from pack import artifacts, bundle, facts
from servers import frozen
from servers.attested import Attester
from servers.raw import RawServer
from servers.releases import API, Releases, archive_name
from servers.tls import Certificates
from wine import prefix

OLD = facts.version()
NEW = frozen.other_version(OLD)
DIST = Path(os.environ.get("FASTDL_DIST") or facts.DIST)


def missing(text: str) -> None:
    pytest.fail(text) if os.environ.get("FASTDL_REQUIRE_BUNDLE") == "1" else pytest.skip(text)


class Here:
    """Programs of this very system. `windows`: they are for Windows."""

    windows = sys.platform == "win32"

    def __init__(self) -> None:
        self.archive = artifacts.archive_name(OLD, *bundle.here())

    def run(self, program: Path, *words: str, env: dict[str, str]) -> tuple[int, str, str]:
        """Exit code, stdout, stderr."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("FASTDL_", "PYTHON"))}
        done = subprocess.run(
            [str(program), *words], env={**kept, **env}, capture_output=True, text=True, timeout=120, check=False
        )
        return done.returncode, done.stdout, done.stderr

    def name(self, path: Path) -> str:
        """How the programs call a file."""
        return str(path)


class InWine:
    """Programs for Windows on a system that is none."""

    windows = True
    archive = artifacts.archive_name(OLD, "windows", "x64")

    def __init__(self, wine: prefix.Wine) -> None:
        self._wine = wine

    def run(self, program: Path, *words: str, env: dict[str, str]) -> tuple[int, str, str]:
        done = self._wine.run([program, *words], extra=env, timeout=120)
        # Into a pipe a program of Windows writes in the machine's code page: wine's is the one of western Europe.
        out, err = (text.decode("cp1252").replace("\r\n", "\n") for text in (done.stdout, done.stderr))
        return done.returncode, out, err

    def name(self, path: Path) -> str:
        return prefix.windows_path(path)


Machine = Here | InWine


@pytest.fixture(scope="module", params=["here", "wine"])
def machine(request: pytest.FixtureRequest) -> Machine:
    """Where programs are started."""
    if request.param == "wine":
        return InWine(request.getfixturevalue("wine"))
    found = Here()
    if not (DIST / found.archive).exists():
        missing(f"{found.archive} is not built")
    return found


def unpacked(machine: Machine, folder: Path) -> Path:
    """The program, unpacked below `folder`; gives its executable."""
    archive = DIST / machine.archive
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive) as packed:
            packed.extractall(folder)
    else:
        with tarfile.open(archive) as packed:
            packed.extraction_filter = getattr(tarfile, "fully_trusted_filter", None)  # Python 3.12 asks for one
            packed.extractall(folder)
    return folder / "fastdl" / ("fastdl.exe" if machine.windows else "fastdl")


def packed(machine: Machine, folder: Path, target: Path) -> bytes:
    """The archive of a folder `fastdl`."""
    kind = "zip" if machine.windows else "gztar"
    return Path(shutil.make_archive(str(target), kind, folder, "fastdl")).read_bytes()


@pytest.fixture(scope="module")
def newer(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The archive of the same program that says a newer version."""
    folder = tmp_path_factory.mktemp("newer")
    frozen.pretend(unpacked(machine, folder), OLD, NEW)
    (folder / f"fastdl/_fastdl-{NEW}/only-new").write_text("new")
    return packed(machine, folder, folder / "archive")


@pytest.fixture
def server(machine: Machine, certificates: Certificates, tmp_path: Path) -> Iterator[tuple[Releases, dict[str, str]]]:
    """A release server, and the variables that lead there."""
    app = Releases(Attester())
    with RawServer(app.handle, tls=certificates.context()) as raw:
        env = {"FASTDL_RELEASES": raw.url(API), "FASTDL_CACERT": machine.name(certificates.ca)}
        home = machine.name(tmp_path)
        env |= dict.fromkeys(("HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "XDG_STATE_HOME"), home)
        yield app, env


def trusted(app: Releases, machine: Machine, folder: Path) -> dict[str, str]:
    """The variable by which who attests there is trusted."""
    return {"FASTDL_RELEASES_AUTHORITY": machine.name(app.attester.file(folder / "attests.pem"))}


def published(machine: Machine) -> str:
    """What the archive of the newer version is called."""
    return machine.archive.replace(OLD, NEW)


def test_the_program_replaces_itself(
    machine: Machine, server: tuple[Releases, dict[str, str]], newer: bytes, tmp_path: Path
) -> None:
    app, env = server
    app.publish(newer, version=NEW, name=published(machine))
    env |= trusted(app, machine, tmp_path)
    program = unpacked(machine, tmp_path / "tools, ä and ü")
    mine = program.parent / "notes.txt"
    mine.write_text("mine")
    assert machine.run(program, "--version", env=env) == (0, f"fastdl {OLD}\n", "")
    told = machine.run(program, "upgrade", env=env)
    assert told == (0, f"fastdl {NEW} is in place of {OLD}, in {machine.name(program.parent)}\n", "")
    assert machine.run(program, "--version", env=env) == (0, f"fastdl {NEW}\n", "")
    assert mine.read_text() == "mine"
    assert (program.parent / f"_fastdl-{NEW}/only-new").exists()
    if not machine.windows:  # there what runs is removed by the next upgrade
        assert [path.name for path in program.parent.parent.iterdir()] == ["fastdl"]
    assert "is the newest" in machine.run(program, "upgrade", env=env)[1]


def test_nothing_is_replaced_by_what_nobody_attests(
    machine: Machine, server: tuple[Releases, dict[str, str]], newer: bytes, tmp_path: Path
) -> None:
    """With Sigstore's authority, which is built in: it did not issue for this server."""
    app, env = server
    app.publish(newer, version=NEW, name=published(machine))
    program = unpacked(machine, tmp_path)
    code, _, err = machine.run(program, "upgrade", env=env)
    assert code == 5
    assert "unknown authority" in err
    assert machine.run(program, "--version", env=env)[1] == f"fastdl {OLD}\n"


def test_one_that_does_not_start_is_not_taken(
    machine: Machine, server: tuple[Releases, dict[str, str]], tmp_path: Path
) -> None:
    app, env = server
    broken = unpacked(machine, tmp_path / "broken")
    broken.write_bytes(broken.read_bytes()[:100_000])
    app.publish(packed(machine, tmp_path / "broken", tmp_path / "archive"), version=NEW, name=published(machine))
    env |= trusted(app, machine, tmp_path)
    program = unpacked(machine, tmp_path / "own")
    code, _, err = machine.run(program, "upgrade", env=env)
    assert code == 5, err
    assert "does not start here" in err
    assert machine.run(program, "--version", env=env)[1] == f"fastdl {OLD}\n"
    assert [path.name for path in (tmp_path / "own").iterdir()] == ["fastdl"]


def test_killed_between_two_renames_the_command_repairs_it(wine: prefix.Wine, tmp_path: Path) -> None:
    """In the one instant in which fastdl.exe has no name, as the swap leaves it there."""
    windows = InWine(wine)
    program = unpacked(windows, tmp_path / "tools, \u00e4 & (x)")
    aside, new = program.parent.parent / ".fastdl-upgrade/old-x", tmp_path / "new"
    new.mkdir()
    (new / "fastdl.exe").write_bytes(b"the next one")

    class Killed(BaseException):
        pass

    held: list[tuple[Path, bytes]] = []

    def look() -> None:
        held.extend((path, path.read_bytes()) for path in program.parent.glob("*.cmd"))
        raise Killed

    with pytest.raises(Killed):
        onedir.swap(str(program.parent), str(new), str(aside), "fastdl.exe", look, locked=True)
    ((command, text),) = held
    command.write_bytes(text)
    program.rename(aside / "fastdl.exe")
    path = {"WINEPATH": windows.name(program.parent)}
    for _ in range(2):
        done = wine.run(["cmd", "/c", "fastdl --version"], extra=path, timeout=120)
        assert (done.returncode, done.stdout.split()) == (0, [b"fastdl", OLD.encode()]), done.stderr
        assert program.exists() and not (aside / "fastdl.exe").exists()


@pytest.mark.skipif(sys.platform not in bundle.SYSTEMS, reason="no archive is made for this system")
def test_the_archive_is_called_as_upgrade_looks_for_it() -> None:
    assert artifacts.archive_name(OLD, *bundle.here()) == archive_name(OLD)
