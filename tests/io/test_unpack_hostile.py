"""The corpus of hostile archives: each is refused for its own reason, and leaves nothing behind, inside or outside."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from fastdl.core.archive import Planner
from fastdl.core.tar import pax_records
from fastdl.errors import UnsafeArchive
from fastdl.io import unpack as unpacking
from fastdl.io.unpack import unpack
from hostile_archives import HOSTILE, Hostile


def test_there_are_enough_of_them() -> None:
    assert len(HOSTILE) > 150
    assert len({case.label for case in HOSTILE}) == len(HOSTILE)


@pytest.mark.parametrize("case", HOSTILE, ids=lambda case: case.label)
def test_refused(case: Hostile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if case.only == "windows":
        monkeypatch.setattr(unpacking, "_WINDOWS", True)
        if sys.platform != "win32":
            monkeypatch.setattr(unpacking, "_root", os.path.abspath)  # paths are of the POSIX kind here
    if case.only == "folding":
        monkeypatch.setattr(unpacking, "_folds_names", lambda folder: True)
    archive = tmp_path / "an.archive"
    archive.write_bytes(case.make())
    before = archive.read_bytes()
    folder = tmp_path / "inside" / "here"
    with pytest.raises(UnsafeArchive) as caught:
        unpack(str(archive), str(folder), "overwrite", lambda: None)
    if not (sys.platform == "win32" and "symlink" in case.label):  # all links are refused there
        assert case.says in str(caught.value)
    assert caught.value.code == 5
    assert archive.read_bytes() == before
    assert [path for path in tmp_path.rglob("*") if path not in (archive, folder, folder.parent)] == []


@pytest.mark.parametrize("case", [case for case in HOSTILE if case.only], ids=lambda case: case.label)
@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="they are hostile here")
def test_what_other_systems_refuse_is_unpacked_here(case: Hostile, tmp_path: Path) -> None:
    """The sources of Linux have an aux.c, and names that differ in letter case alone."""
    archive = tmp_path / "an.archive"
    archive.write_bytes(case.make())
    unpacked = unpack(str(archive), str(tmp_path / "here"), "refuse", lambda: None)
    assert unpacked is not None
    assert unpacked.files == len([path for path in (tmp_path / "here").rglob("*") if path.is_file()])


def test_members_without_number(monkeypatch: pytest.MonkeyPatch) -> None:
    from fastdl.core import archive

    monkeypatch.setattr(archive, "MOST_MEMBERS", 3)
    planner = Planner(100, windows=False, folds=False)
    for number in range(3):
        planner.take(archive.Head(f"f{number}", "file"))
    with pytest.raises(UnsafeArchive, match="more than 3 members"):
        planner.take(archive.Head("f3", "file"))


def test_folders_that_only_names_speak_of_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """One member may name a hundred of them."""
    from fastdl.core import archive

    monkeypatch.setattr(archive, "MOST_MEMBERS", 9)
    planner = Planner(100, windows=False, folds=False)
    planner.take(archive.Head("a/b/c/d/f", "file"))
    planner.take(archive.Head("a/b/c/d/g", "file"))
    with pytest.raises(UnsafeArchive, match="more than 9 members"):
        planner.take(archive.Head("k/l/m/n", "file"))


def test_only_what_means_anything_is_kept_of_extended_headers() -> None:
    """There may be any number of them before a member."""
    records = b"".join(b"%d k%06d=v\n" % (13, number) for number in range(1000))
    assert pax_records(records + b"10 path=x\n") == {"path": b"x"}
