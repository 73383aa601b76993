"""fastdl.exe in wine. `python packaging build` builds the archive (FASTDL_DIST names another folder than dist); without
one there is nothing to test, since the build alone takes a minute. packaging/ci sets FASTDL_REQUIRE_BUNDLE."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pack import artifacts, facts
from pack.steps import StepFailed
from servers.windows import Windows
from wine.prefix import Wine, opened

DIST = Path(os.environ.get("FASTDL_DIST") or facts.DIST).absolute()


def missing(text: str) -> None:
    """Leaves a test out, or fails it where everything has to be there."""
    pytest.fail(text) if os.environ.get("FASTDL_REQUIRE_BUNDLE") == "1" else pytest.skip(text)


@pytest.fixture(scope="session")
def dist() -> Path:
    """The folder of what was built."""
    return DIST


@pytest.fixture(scope="session")
def archive(dist: Path) -> Path:
    """The archive for Windows x64 that is tried."""
    path = dist / artifacts.archive_name(facts.version(), "windows", "x64")
    if not path.is_file():
        missing(f"{path.name} is not built")
    return path


@pytest.fixture(scope="session")
def wine(archive: Path) -> Iterator[Wine]:
    """A prefix, ready for programs."""
    with contextlib.ExitStack() as stack:
        try:
            prefix = stack.enter_context(opened())
        except StepFailed as error:
            missing(str(error))
        yield prefix


@pytest.fixture(scope="session")
def program(archive: Path, wine: Wine) -> Iterator[Path]:
    """fastdl.exe, unpacked on drive C: into a folder with a blank in its name."""
    folder = Path(tempfile.mkdtemp(prefix="fastdl tests ", dir=wine.drive))
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(folder)
    yield folder / "fastdl/fastdl.exe"
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def windows(wine: Wine, program: Path, tmp_path: Path) -> Windows:
    """Runs fastdl.exe: `windows.get(URL)` in the empty folder `windows.cwd`."""
    for name in ("here", "home"):
        (tmp_path / name).mkdir()
    return Windows(wine, program, tmp_path / "here", tmp_path / "home")
