"""The facts of an installation are read from what installers leave."""

from __future__ import annotations

import json
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest

from fastdl.io import installed


def site(folder: Path, name: str, *, origin: Any = None, installer: str = "pip\n", command: str = "fastdl") -> Path:
    """A site folder with a distribution; gives the package's folder in it."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(f"[console_scripts]\n{command} = fastdl.__main__:run\n", encoding="utf-8")
    (info / "INSTALLER").write_text(installer, encoding="utf-8")
    if origin is not None:
        text = origin if isinstance(origin, str) else json.dumps(origin)
        (info / "direct_url.json").write_text(text, encoding="utf-8")
    (folder / "fastdl").mkdir()
    return folder / "fastdl"


@pytest.fixture
def path(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What may be imported from: Python's own library, where no distribution is, and what a test adds."""
    own = {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")}
    found = [each for each in sys.path if each in own or Path(each).name in {"lib-dynload", "DLLs"}]
    monkeypatch.setattr(sys, "path", found)
    return found


def test_the_distribution_of_the_running_package(path: list[str], tmp_path: Path) -> None:
    other, own = site(tmp_path / "a", "other"), site(tmp_path / "b", "own")
    site(tmp_path / "c", "unrelated", command="else")
    path += [str(tmp_path / name) for name in "abc"]
    for package, name in ((other, "other"), (own, "own")):
        found = installed.distribution(str(package))
        assert found is not None and found.metadata["Name"] == name
    assert installed.distribution(str(tmp_path / "c/fastdl")) is None
    assert installed.distribution(str(tmp_path / "source/fastdl")) is None


def test_an_editable_one_holds_no_package(path: list[str], tmp_path: Path) -> None:
    source = tmp_path / "source tree"
    (source / "src/fastdl").mkdir(parents=True)
    site(tmp_path / "a", "own", origin={"url": source.as_uri(), "dir_info": {"editable": True}})
    path.append(str(tmp_path / "a"))
    found = installed.distribution(str(source / "src/fastdl"))
    assert found is not None and found.metadata["Name"] == "own"
    assert installed.distribution(str(tmp_path / "source tree 2/src/fastdl")) is None


@pytest.mark.parametrize("text", ["{", "7", "[]", '{"url": 7, "dir_info": 7}'])
def test_metadata_that_nobody_can_read(path: list[str], tmp_path: Path, text: str) -> None:
    package = site(tmp_path / "a", "own", origin=text)
    path.append(str(tmp_path / "a"))
    assert installed.distribution(str(package)) is not None
    assert installed.distribution(str(tmp_path / "x/fastdl")) is None


def test_this_very_process() -> None:
    facts = installed.facts()
    assert facts.program and not facts.bundle
    assert Path(facts.package, "__main__.py").exists()


def test_a_bundle(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "fastdl" / "fastdl.exe"
    program.parent.mkdir()
    program.touch()
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setattr(sys, "executable", str(program))
    facts = installed.facts()
    assert facts.bundle and facts.program == str(program.resolve()) and facts.name == ""
