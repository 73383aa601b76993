"""An unpacked program is replaced by a newer one, whole or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fastdl.errors import BadName, DiskError, IntegrityError, Terminated
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
    kept = [path.read_text(encoding="utf-8") for path in aside.parent.rglob("only-1.0")]
    assert kept == ["1.0"], "the old files are moved, not removed"
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


WAYS = pytest.mark.parametrize("way", ["exchange", "folders", "file by file"])
"""Names change places in one step, or are moved away and in, as folders or one file after the other."""


def each_step(monkeypatch: pytest.MonkeyPatch, way: str) -> Iterator[list[int]]:
    """Lets the steps of a swap fail, one in each turn; yields the count of steps that are still to succeed."""
    rename, exchange, left = os.rename, onedir.exchange, [0]

    def due() -> None:
        left[0] -= 1
        if left[0] == 0:
            raise PermissionError(13, "in use")

    def renamed(source: str, target: str) -> None:
        due()
        rename(source, target)

    def exchanged(one: str, other: str) -> bool:
        if way != "exchange":
            return False
        due()
        return exchange(one, other)

    monkeypatch.setattr(os, "rename", renamed)
    monkeypatch.setattr(onedir, "exchange", exchanged)
    for step in range(1, 40):
        left[0] = step
        yield left


@WAYS
def test_the_old_one_comes_back_from_every_step(
    places: tuple[Path, Path, Path], way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new, aside = places
    before = tree(old)
    for left in each_step(monkeypatch, way):
        step = left[0]
        try:
            onedir.swap(str(old), str(new), str(aside), lambda: None, files=way == "file by file")
        except DiskError:
            assert tree(old) == before, step
        else:
            assert step > 3 and tree(old)["_internal/sub/lib"] == "2.0"
            return
    raise AssertionError("it never got through")


@WAYS
@pytest.mark.parametrize("signal", [KeyboardInterrupt, Terminated], ids=lambda kind: kind.__name__)
def test_signals_while_it_comes_back(
    places: tuple[Path, Path, Path], way: str, signal: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who has pressed Ctrl-C presses it again: before or right after a step."""
    old, new, aside = places
    before, rename, exchange, steps = tree(old), os.rename, onedir.exchange, [0]

    def disturbed(step: Callable[[], bool | None]) -> bool:
        steps[0] += 1
        if steps[0] % 3 == 1:
            raise signal("before")
        done = step()
        if steps[0] % 3 == 2:
            raise signal("after")
        return done is not False

    def check() -> None:
        monkeypatch.setattr(os, "rename", lambda one, other: disturbed(lambda: rename(one, other)))
        if way == "exchange":
            monkeypatch.setattr(onedir, "exchange", lambda one, other: disturbed(lambda: exchange(one, other)))
        raise KeyboardInterrupt

    if way != "exchange":
        monkeypatch.setattr(onedir, "exchange", lambda one, other: False)
    with pytest.raises(KeyboardInterrupt):
        onedir.swap(str(old), str(new), str(aside), check, files=way == "file by file")
    assert steps[0] > 3
    assert tree(old) == before


@pytest.mark.skipif(sys.platform != "linux", reason="here the test's file system is known to exchange names")
def test_a_kill_at_any_step_leaves_a_program_that_starts(tmp_path: Path) -> None:
    code = """
import os, sys
from fastdl.io import onedir
step, exchange = int(sys.argv[1]), onedir.exchange
def killed(one, other):
    global step
    step -= 1
    if step == 0:
        os.kill(os.getpid(), 9)
    return exchange(one, other)
onedir.exchange = killed
onedir.swap(*sys.argv[2:5], lambda: None, files=False)
"""
    for step in range(1, 10):
        root = tmp_path / str(step)
        program(root / "fastdl", "1.0")
        program(root / "work/new", "2.0")
        words = [str(step), str(root / "fastdl"), str(root / "work/new"), str(root / "work/old")]
        ended = subprocess.run([sys.executable, "-c", code, *words], check=False, timeout=60)
        found = tree(root / "fastdl")
        version = subprocess.run([root / "fastdl/fastdl"], capture_output=True, text=True, check=True, timeout=60)
        assert version.stdout in ("fastdl 1.0\n", "fastdl 2.0\n")
        assert found["_internal/sub/lib"] in ("1.0", "2.0")
        if ended.returncode == 0:
            assert step > 3 and version.stdout == "fastdl 2.0\n"
            return
    raise AssertionError("it never got through")


def test_a_signal_right_after_an_exchange(places: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    old, new, aside = places
    before, exchange, calls = tree(old), onedir.exchange, [0]

    def interrupted(one: str, other: str) -> bool:
        done = exchange(one, other)
        calls[0] += 1
        if calls[0] == 2:
            raise KeyboardInterrupt
        return done

    monkeypatch.setattr(onedir, "exchange", interrupted)
    with pytest.raises(KeyboardInterrupt):
        onedir.swap(str(old), str(new), str(aside), lambda: None, files=False)
    assert tree(old) == before


def test_a_file_where_the_new_one_has_a_folder(places: tuple[Path, Path, Path]) -> None:
    old, new, aside = places
    (old / "_internal/pack").write_text("file", encoding="utf-8")
    (new / "_internal/pack").mkdir()
    (new / "_internal/pack/inner").write_text("2.0", encoding="utf-8")
    expected = tree(new) | {"notes.txt": "mine"}
    onedir.swap(str(old), str(new), str(aside), lambda: None, files=True)
    assert tree(old) == expected


def test_what_cannot_be_put_back_is_told(places: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    old, new, aside = places
    rename: Callable[[str, str], None] = os.rename

    def check() -> None:
        monkeypatch.setattr(os, "rename", refuse)
        raise IntegrityError("it does not start")

    def refuse(source: str, target: str) -> None:
        raise PermissionError(13, "in use")

    monkeypatch.setattr(onedir, "exchange", lambda one, other: False)
    with pytest.raises(onedir.NotTakenBack, match="by hand") as caught:
        onedir.swap(str(old), str(new), str(aside), check, files=False)
    assert str(aside.parent) in str(caught.value)
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
