"""Archives are the same bytes, whoever makes them whenever."""

from __future__ import annotations

import os
import tarfile
import zipfile
from pathlib import Path

import pytest

from pack import archives, artifacts

EPOCH = 1767225600


def folder(at: Path) -> Path:
    """A small program."""
    for name, text in {"b.txt": "b", "_inside/a.so": "a", "fastdl": "run me"}.items():
        path = at / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (at / "fastdl").chmod(0o700)
    (at / "b.txt").chmod(0o600)
    return at


def test_a_zip_is_the_same_twice(tmp_path: Path) -> None:
    files = archives.tree(folder(tmp_path / "one"))
    archives.write_zip(tmp_path / "one.zip", files, EPOCH)
    again = dict(reversed(archives.tree(folder(tmp_path / "two")).items()))
    os.utime(tmp_path / "two/b.txt", (1, 1))
    archives.write_zip(tmp_path / "two.zip", again, EPOCH)
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "one.zip") as file:
        assert file.namelist() == ["_inside/a.so", "b.txt", "fastdl"]
        assert {entry.date_time for entry in file.infolist()} == {(2026, 1, 1, 0, 0, 0)}
        assert file.read("b.txt") == b"b"


def test_a_zip_knows_no_time_before_1980(tmp_path: Path) -> None:
    archives.write_zip(tmp_path / "old.zip", {"a": b"a"}, 0)
    with zipfile.ZipFile(tmp_path / "old.zip") as file:
        assert file.infolist()[0].date_time == (1980, 1, 1, 0, 0, 0)


@pytest.mark.skipif(os.name == "nt", reason="no modes and no links")
def test_a_tar_is_the_same_twice(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (folder(tmp_path / name) / "link").symlink_to("b.txt")
        archives.write_tar(tmp_path / f"{name}.tar.gz", tmp_path / name, "fastdl", EPOCH)
    assert (tmp_path / "one.tar.gz").read_bytes() == (tmp_path / "two.tar.gz").read_bytes()


@pytest.mark.skipif(os.name == "nt", reason="no modes and no links")
def test_a_tar_keeps_links_and_who_may_run_a_file_and_nothing_of_its_maker(tmp_path: Path) -> None:
    source = folder(tmp_path / "one")
    (source / "link").symlink_to("b.txt")
    os.link(source / "b.txt", source / "c.txt")
    archives.write_tar(tmp_path / "one.tar.gz", source, "fastdl", EPOCH)
    with tarfile.open(tmp_path / "one.tar.gz") as file:
        told = {entry.name: entry for entry in file}
        twice = [file.extractfile(f"fastdl/{name}.txt") for name in "bc"]
        assert [part.read() for part in twice if part] == [b"b", b"b"]
    assert sorted(told) == [
        *("fastdl", "fastdl/_inside", "fastdl/_inside/a.so", "fastdl/b.txt", "fastdl/c.txt", "fastdl/fastdl"),
        "fastdl/link",
    ]
    assert told["fastdl/link"].linkname == "b.txt"
    modes = {name: oct(told[f"fastdl/{name}"].mode) for name in ("fastdl", "b.txt", "_inside")}
    assert modes == {"fastdl": "0o755", "b.txt": "0o644", "_inside": "0o755"}
    assert {(entry.uid, entry.gid, entry.uname, entry.gname, entry.mtime) for entry in told.values()} == {
        (0, 0, "", "", EPOCH)
    }


def test_the_moment_is_that_which_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "12345")
    assert artifacts.epoch() == 12345


def test_the_moment_is_that_of_the_commit_else_always_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    first = artifacts.epoch()
    assert first >= EPOCH
    monkeypatch.setenv("PATH", "")
    assert artifacts.epoch() in (first, EPOCH)
