"""An unpacked program is replaced by a newer one, whole or not at all."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fastdl.errors import BadName, DiskError, IntegrityError, Terminated
from fastdl.io import onedir

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for a program is a shell script")


def program(folder: Path, version: str, *, says: str = "", code: int = 0) -> Path:
    """A stand-in for an unpacked fastdl, which needs its parts to start; gives its executable."""
    parts = folder / f"_fastdl-{version}"
    (parts / "sub").mkdir(parents=True)
    (parts / "sub/lib").write_text(version, encoding="utf-8")
    (parts / "link").symlink_to("sub")
    (folder / "LICENSE").write_text(version, encoding="utf-8")
    path = folder / "fastdl"
    says = f"echo '{says}'" if says else f'echo "fastdl $(cat "$(dirname "$0")/_fastdl-{version}/sub/lib")"'
    path.write_text(f"#!/bin/sh\n{says}\nexit {code}\n", encoding="utf-8")
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
    (old / "_fastdl-notes").write_text("mine", encoding="utf-8")
    return old, new, tmp_path / "work/old"


WAYS = pytest.mark.parametrize("locked", [False, True], ids=["POSIX", "Windows"])
"""Whether the executable of a running program can be replaced, or only renamed."""


def swapped(places: tuple[Path, Path, Path], check: Callable[[], None], locked: bool) -> None:
    old, new, aside = places
    onedir.swap(str(old), str(new), str(aside), "fastdl", check, locked=locked)


@WAYS
def test_the_new_one_takes_the_place(places: tuple[Path, Path, Path], locked: bool) -> None:
    old, new, aside = places
    expected = tree(new) | {"notes.txt": "mine", "_fastdl-notes": "mine"}
    checked = []
    swapped(places, lambda: checked.append(tree(old)), locked)
    assert tree(old) == expected
    (seen,) = checked
    assert {name: seen[name] for name in expected} == expected, "it is looked at in its place"
    assert seen["_fastdl-1.0/sub/lib"] == "1.0", "and nothing of the old one's parts is touched before"
    assert tree(aside)["_fastdl-1.0/sub/lib"] == tree(aside)["LICENSE"] == "1.0", "the old files are moved, not removed"
    assert "1.0" in tree(aside)["fastdl"]
    assert os.readlink(old / "_fastdl-2.0/link") == "sub"


@WAYS
@pytest.mark.parametrize("trouble", [IntegrityError("it does not start"), KeyboardInterrupt()], ids=["start", "Ctrl-C"])
def test_the_old_one_comes_back(places: tuple[Path, Path, Path], locked: bool, trouble: BaseException) -> None:
    before = tree(places[0])

    def check() -> None:
        raise trouble

    with pytest.raises(type(trouble)):
        swapped(places, check, locked)
    assert tree(places[0]) == before


def test_the_old_one_comes_back_while_somebody_runs_the_new_one(
    places: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows does not replace what runs, but renames it."""
    before, replace = tree(places[0]), os.replace

    def replaced(source: str, target: str) -> None:
        if os.path.basename(target) == "fastdl" and os.path.lexists(target):
            raise PermissionError(13, "in use")
        replace(source, target)

    def check() -> None:
        raise IntegrityError("it does not start")

    monkeypatch.setattr(os, "replace", replaced)
    with pytest.raises(IntegrityError, match="does not start"):
        swapped(places, check, locked=True)
    assert tree(places[0]) == before


@WAYS
def test_new_parts_that_cannot_be_moved_away_again_do_no_harm(
    places: tuple[Path, Path, Path], locked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scanner has them open. The old program is in its place, and nobody has to move anything by hand."""
    before, replace = tree(places[0]), os.replace

    def replaced(source: str, target: str) -> None:
        if os.path.dirname(source) == str(places[0]) and "_fastdl-2.0" in source:
            raise PermissionError(13, "in use")
        replace(source, target)

    def check() -> None:
        monkeypatch.setattr(os, "replace", replaced)
        raise IntegrityError("it does not start")

    with pytest.raises(IntegrityError, match="does not start"):
        swapped(places, check, locked)
    after = tree(places[0])
    assert {name: after[name] for name in before} == before
    assert {name.partition("/")[0] for name in set(after) - set(before)} == {"_fastdl-2.0"}


def test_parts_in_which_something_runs_stay(places: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows, which does not rename a folder around it. The next upgrade finds them."""

    def refuse(source: str, target: str) -> None:
        raise PermissionError(13, "in use")

    old, _, _ = places
    monkeypatch.setattr(os, "rename", refuse)
    swapped(places, lambda: None, locked=True)
    assert tree(old)["_fastdl-1.0/sub/lib"] == "1.0"
    monkeypatch.undo()
    program(places[1].parent / "newer", "3.0")
    swapped((old, places[1].parent / "newer", places[1].parent / "older"), lambda: None, locked=True)
    names = {path.name for path in old.iterdir()}
    assert names == {"LICENSE", "_fastdl-3.0", "_fastdl-notes", "fastdl", "notes.txt"}


@WAYS
def test_the_old_one_comes_back_from_every_step(
    places: tuple[Path, Path, Path], locked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, replace, left = tree(places[0]), os.replace, [0]

    def replaced(source: str, target: str) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise PermissionError(13, "in use")
        replace(source, target)

    monkeypatch.setattr(os, "replace", replaced)
    for step in range(1, 40):
        left[0] = step
        try:
            swapped(places, lambda: None, locked)
        except DiskError:
            assert tree(places[0]) == before, step
        else:
            assert step > 3 and tree(places[0])["_fastdl-2.0/sub/lib"] == "2.0"
            return
    raise AssertionError("it never got through")


@WAYS
@pytest.mark.parametrize("signal", [KeyboardInterrupt, Terminated], ids=lambda kind: kind.__name__)
def test_signals_while_it_comes_back(
    places: tuple[Path, Path, Path], locked: bool, signal: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who has pressed Ctrl-C presses it again: before or right after a step."""
    before, replace, steps = tree(places[0]), os.replace, [0]

    def disturbed(source: str, target: str) -> None:
        steps[0] += 1
        if steps[0] % 3 == 1:
            raise signal("before")
        replace(source, target)
        if steps[0] % 3 == 2:
            raise signal("after")

    def check() -> None:
        monkeypatch.setattr(os, "replace", disturbed)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        swapped(places, check, locked)
    assert steps[0] > 3
    assert tree(places[0]) == before


KILLED = """
import os, sys
from fastdl.io import onedir
step = int(sys.argv[1])
def killed_before(action):
    def run(*args, **more):
        global step
        step -= 1
        if step == 0:
            os.kill(os.getpid(), 9)
        return action(*args, **more)
    return run
for name in ("replace", "rename", "unlink", "makedirs"):
    setattr(os, name, killed_before(getattr(os, name)))
onedir.shutil.copy2 = killed_before(onedir.shutil.copy2)
onedir.swap(*sys.argv[2:5], "fastdl", killed_before(lambda: None), locked=sys.argv[5] == "True")
"""


@WAYS
def test_a_kill_at_any_step_leaves_a_program_that_starts(tmp_path: Path, locked: bool) -> None:
    """Windows has one instant in which the executable has no name: there the command file has to be what starts it."""
    without = 0
    for step in range(1, 40):
        root = tmp_path / str(step)
        program(root / "fastdl", "1.0")
        program(root / "work/new", "2.0")
        words = [str(step), str(root / "fastdl"), str(root / "work/new"), str(root / "work/old"), str(locked)]
        ended = subprocess.run([sys.executable, "-c", KILLED, *words], check=False, timeout=60)
        if not (root / "fastdl/fastdl").exists():
            without += 1
            repaired(root / "fastdl")
        version = subprocess.run([root / "fastdl/fastdl"], capture_output=True, text=True, check=True, timeout=60)
        assert version.stdout in ("fastdl 1.0\n", "fastdl 2.0\n"), step
        if ended.returncode == 0:
            assert step > 8 and version.stdout == "fastdl 2.0\n"
            assert without == (2 if locked else 0), "before the folder is asked for, and before the rename"
            return
        again = root / "again"
        program(again / "new", "3.0")
        swapped((root / "fastdl", again / "new", again / "old"), lambda: None, locked)
        names = {path.name for path in (root / "fastdl").iterdir()}
        assert names == {"LICENSE", "_fastdl-3.0", "fastdl"}, "the next upgrade leaves nothing of this one"
    raise AssertionError("it never got through")


def repaired(folder: Path) -> None:
    """Does what the command file says; tests/packaging/wine has cmd.exe do it."""
    first, second = (folder / "fastdl.cmd").read_text(encoding="ascii").splitlines()
    move = re.fullmatch(r'@if not exist "%~dpn0\.exe" move "%~dp0([^"]+)\\%~n0\.exe" "%~dpn0\.exe" >nul', first)
    assert move and second == '@"%~dpn0.exe" %*'
    (folder / move[1].replace("\\", "/") / "fastdl").rename(folder / "fastdl")


@WAYS
def test_a_file_where_the_new_one_has_a_folder(places: tuple[Path, Path, Path], locked: bool) -> None:
    old, new, _ = places
    (old / "pack").write_text("file", encoding="utf-8")
    (new / "pack").mkdir()
    (new / "pack/inner").write_text("2.0", encoding="utf-8")
    expected = tree(new) | {"notes.txt": "mine", "_fastdl-notes": "mine"}
    swapped(places, lambda: None, locked)
    assert tree(old) == expected


def test_a_command_file_of_the_users_stays(places: tuple[Path, Path, Path]) -> None:
    (places[0] / "fastdl.cmd").write_text("mine", encoding="utf-8")
    swapped(places, lambda: None, locked=True)
    assert tree(places[0])["fastdl.cmd"] == "mine"


def test_what_cannot_be_put_back_is_told(places: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    _, _, aside = places

    def check() -> None:
        monkeypatch.setattr(os, "replace", refuse)
        raise IntegrityError("it does not start")

    def refuse(source: str, target: str) -> None:
        raise PermissionError(13, "in use")

    with pytest.raises(onedir.NotTakenBack, match="by hand") as caught:
        swapped(places, check, locked=False)
    assert str(aside.parent) in str(caught.value)


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
