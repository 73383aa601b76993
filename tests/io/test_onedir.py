"""An unpacked program is replaced by a newer one, whole or not at all."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fastdl.errors import BadName, DiskError, IntegrityError
from fastdl.io import onedir

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for a program is a shell script")


def program(folder: Path, version: str, *, says: str = "", code: int = 0) -> Path:
    """A stand-in for an unpacked fastdl; gives its executable."""
    (folder / "_internal/sub").mkdir(parents=True)
    (folder / "_internal/sub/lib").write_text(version, encoding="utf-8")
    (folder / "_internal" / f"only-{version}").write_text(version, encoding="utf-8")
    (folder / "_internal/link").symlink_to("sub")
    (folder / "LICENSE").write_text(version, encoding="utf-8")
    path = folder / "fastdl"
    path.write_text(f"#!/bin/sh\necho '{says or f'fastdl {version}'}'\nexit {code}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def tree(folder: Path) -> dict[str, str]:
    """Every file by its path, and what is in it."""
    found = {}
    for place, _, names in os.walk(folder):
        for name in names:
            path = Path(place, name)
            found[path.relative_to(folder).as_posix()] = path.read_text(encoding="utf-8")
    return found


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path, Path]:
    """The old program, with a file of its user's, the new one, and where the old one goes."""
    old, new = tmp_path / "fastdl", tmp_path / "work/new"
    program(old, "1.0")
    program(new, "2.0")
    (old / "notes.txt").write_text("mine", encoding="utf-8")
    return old, new, tmp_path / "work/old"


@pytest.mark.parametrize("files", [False, True], ids=["folders", "file by file"])
def test_the_new_one_takes_the_place(places: tuple[Path, Path, Path], files: bool) -> None:
    old, new, aside = places
    expected = tree(new) | {"notes.txt": "mine"}
    checked = []
    onedir.swap(str(old), str(new), str(aside), lambda: checked.append(tree(old)), files=files)
    assert tree(old) == expected
    assert checked == [expected], "it is looked at in its place"
    assert tree(aside)["_internal/only-1.0"] == "1.0"
    assert os.readlink(old / "_internal/link") == "sub"


@pytest.mark.parametrize("files", [False, True], ids=["folders", "file by file"])
@pytest.mark.parametrize("trouble", [IntegrityError("it does not start"), KeyboardInterrupt()], ids=["start", "Ctrl-C"])
def test_the_old_one_comes_back(places: tuple[Path, Path, Path], files: bool, trouble: BaseException) -> None:
    old, new, aside = places
    before = tree(old)

    def check() -> None:
        raise trouble

    with pytest.raises(type(trouble)):
        onedir.swap(str(old), str(new), str(aside), check, files=files)
    assert tree(old) == before


@pytest.mark.parametrize("files", [False, True], ids=["folders", "file by file"])
def test_the_old_one_comes_back_from_every_step(
    places: tuple[Path, Path, Path], files: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new, aside = places
    before, rename, count = tree(old), os.rename, [0]

    for step in range(1, 40):
        count[0] = step

        def failing(source: str, target: str) -> None:
            count[0] -= 1
            if count[0] == 0:
                raise PermissionError(13, "in use")
            rename(source, target)

        monkeypatch.setattr(os, "rename", failing)
        try:
            onedir.swap(str(old), str(new), str(aside), lambda: None, files=files)
        except DiskError:
            assert tree(old) == before, step
        else:
            assert step > 5
            return
    raise AssertionError("it never got through")


def test_what_cannot_be_put_back_is_told(places: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    old, new, aside = places
    rename: Callable[[str, str], None] = os.rename

    def check() -> None:
        monkeypatch.setattr(os, "rename", refuse)
        raise IntegrityError("it does not start")

    def refuse(source: str, target: str) -> None:
        raise PermissionError(13, "in use")

    with pytest.raises(DiskError, match="by hand") as caught:
        onedir.swap(str(old), str(new), str(aside), check, files=False)
    assert str(aside) in str(caught.value)
    monkeypatch.setattr(os, "rename", rename)


def test_a_program_that_starts(tmp_path: Path) -> None:
    path = program(tmp_path / "a", "2.0")
    onedir.starts(str(path), "2.0", {})
    onedir.starts(str(path), "2.0.0", {})


@pytest.mark.parametrize(
    ("says", "code", "why"), [("fastdl 1.9", 0, "1.9"), ("fastdl 2.0", 3, "ended with 3"), ("fastdl 2.0.1", 0, "2.0.1")]
)
def test_a_program_that_does_not(tmp_path: Path, says: str, code: int, why: str) -> None:
    path = program(tmp_path / "a", "2.0", says=says, code=code)
    with pytest.raises(IntegrityError, match=why):
        onedir.starts(str(path), "2.0", {})


def test_a_program_that_cannot_be_run(tmp_path: Path) -> None:
    path = tmp_path / "fastdl"
    path.write_text("", encoding="utf-8")
    with pytest.raises(IntegrityError, match="does not start"):
        onedir.starts(str(path), "2.0", {})


def test_a_folder_that_holds_something_else(tmp_path: Path) -> None:
    (tmp_path / "tools").mkdir()
    with pytest.raises(BadName, match="no unpacked fastdl"):
        onedir.check_folder(str(tmp_path / "tools"))


@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_of_somebody_else(tmp_path: Path) -> None:
    program(tmp_path / "a/fastdl", "1.0")
    (tmp_path / "a").chmod(0o555)
    try:
        with pytest.raises(DiskError, match="not writable"):
            onedir.check_folder(str(tmp_path / "a/fastdl"))
    finally:
        (tmp_path / "a").chmod(0o755)
