"""What stands in the folder afterwards: links, permissions, and what was there already."""

from __future__ import annotations

import os
import stat
import sys
import tarfile
from pathlib import Path

import pytest

from archives import Zipped, entry, pax, tar, zipped
from fastdl.errors import TargetExists
from fastdl.io.merging import Policy
from fastdl.io.unpack import unpack
from unpacking import FILES, FOLDERS, MINE, Put, by_tarfile, prepared, tree
from unpacking import put as put

posix = pytest.mark.skipif(sys.platform == "win32", reason="links and permissions of POSIX")


# --- links and permissions -------------------------------------------------------------------------------


@posix
def test_links(put: Put) -> None:
    count, here = put(
        tar(
            entry("a/f", b"payload"),
            entry("a/b/up", kind=b"2", target="../f"),
            entry("folder", kind=b"2", target="a/b"),
            entry("to a link", kind=b"2", target="folder/up"),
            entry("dangling", kind=b"2", target="not here"),
            entry("same", kind=b"1", target="a/f"),
        )
    )
    assert count == 6
    assert os.readlink(here / "a/b/up") == "../f"
    assert (here / "to a link").read_bytes() == (here / "same").read_bytes() == b"payload"
    assert os.path.samefile(here / "same", here / "a/f")
    assert not (here / "dangling").exists()


@posix
def test_links_in_zip(put: Put) -> None:
    _, here = put(zipped(Zipped(b"l", b"f", mode=0o120777), Zipped(b"f", b"x", mode=0o100755)))
    assert os.readlink(here / "l") == "f"
    assert os.access(here / "f", os.X_OK)


@posix
@pytest.mark.parametrize(
    ("mode", "kept"), [(0o644, 0o644), (0o755, 0o755), (0o7777, 0o755), (0o600, 0o600), (0, 0o600), (0o666, 0o644)]
)
def test_permissions(put: Put, mode: int, kept: int) -> None:
    """Nothing of setuid and the like, nothing that others may write, always what its owner may undo."""
    _, here = put(tar(entry("f", b"x", mode=mode), entry("d/", kind=b"5", mode=mode)))
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE((here / "f").stat().st_mode) == kept & ~umask
    assert stat.S_IMODE((here / "d").stat().st_mode) == (kept | 0o700) & ~umask


def test_times_that_make_no_sense(put: Put) -> None:
    _, here = put(tar(pax(mtime="1e300"), entry("f", b"x"), pax(mtime="nan"), entry("g", b"x")))
    assert tree(here) == {"f": b"x", "g": b"x"}


# --- what is there already -------------------------------------------------------------------------------


def test_what_is_there_is_not_replaced(put: Put, tmp_path: Path) -> None:
    prepared(tmp_path)
    with pytest.raises(TargetExists, match="mine exists") as caught:
        put(MINE)
    assert "--overwrite, --skip-existing or --auto-rename" in caught.value.hint
    assert tree(tmp_path / "here") == {"d": None, "d/same": b"same", "d/mine": b"mine"}


@pytest.mark.parametrize(
    ("policy", "mine", "others"),
    [
        ("overwrite", b"theirs", {}),
        ("skip", b"mine", {}),
        ("rename", b"mine", {"d/mine.1": b"theirs"}),
        ("newer", b"theirs", {}),
    ],
)
def test_unless_it_is_asked_for(
    put: Put, tmp_path: Path, policy: Policy, mine: bytes, others: dict[str, bytes]
) -> None:
    prepared(tmp_path)
    _, here = put(MINE, policy)
    assert tree(here) == {"d": None, "d/same": b"same", "d/new": b"new", "d/mine": mine} | others


def test_newer_keeps_what_is_newer_here(put: Put, tmp_path: Path) -> None:
    folder = prepared(tmp_path)
    os.utime(folder / "mine", (2_100_000_000, 2_100_000_000))
    put(MINE, "newer")
    assert (folder / "mine").read_bytes() == b"mine"


def test_the_same_command_again(put: Put) -> None:
    data = by_tarfile(tarfile.PAX_FORMAT)
    put(data)
    _, here = put(data)
    (here / "a" / "b" / "deep.txt").unlink()
    put(data)
    assert tree(here) == FILES | dict.fromkeys(FOLDERS)


@pytest.mark.parametrize("policy", ["refuse", "overwrite", "newer"])
def test_the_archive_itself_is_not_replaced(tmp_path: Path, policy: Policy) -> None:
    archive = tmp_path / "x.tar"
    archive.write_bytes(tar(entry("x.tar", b"another", modified=3_000_000_000), entry("f", b"x")))
    before = archive.read_bytes()
    with pytest.raises(TargetExists):
        unpack(str(archive), str(tmp_path), policy, lambda: None)
    assert tree(tmp_path) == {"x.tar": before}


@pytest.mark.parametrize("policy", ["refuse", "overwrite", "skip", "rename", "newer"])
def test_folders_and_files_do_not_take_each_others_place(put: Put, tmp_path: Path, policy: Policy) -> None:
    (tmp_path / "here" / "f").mkdir(parents=True)
    with pytest.raises(TargetExists, match="is a folder"):
        put(tar(entry("f", b"x")), policy)
    assert tree(tmp_path / "here") == {"f": None}


@posix
@pytest.mark.parametrize("policy", ["refuse", "overwrite", "skip", "rename", "newer"])
def test_nothing_goes_through_a_link_that_is_there(put: Put, tmp_path: Path, policy: Policy) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "d").symlink_to(outside)
    with pytest.raises(TargetExists, match="is a link"):
        put(tar(entry("d/f", b"x")), policy)
    assert not list(outside.iterdir())


@posix
def test_a_link_that_is_there_is_replaced_itself(put: Put, tmp_path: Path) -> None:
    (tmp_path / "outside").write_bytes(b"safe")
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "f").symlink_to(tmp_path / "outside")
    put(tar(entry("f", b"x")), "overwrite")
    assert (tmp_path / "outside").read_bytes() == b"safe"
    assert tree(tmp_path / "here") == {"f": b"x"}
