"""Unpacking that fails, is stopped or damaged: the folder is as it was, and nothing gets out of it."""

from __future__ import annotations

import errno
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archives import PACKERS, Zipped, entry, pax, tar, zipped
from fastdl.errors import DiskError, Interrupted, NoSpace, TargetBusy, Terminated, UnsafeArchive
from fastdl.io import files
from fastdl.io import unpack as unpacking
from fastdl.io.decompress import decoded
from fastdl.io.staging import SUFFIX, staging
from fastdl.io.unpack import unpack
from servers.content import content
from unpacking import MINE, Put, prepared, tree
from unpacking import put as put

# --- what goes wrong -------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", range(3))
def test_a_move_that_fails_takes_the_others_back(
    put: Put, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    prepared(tmp_path)
    (tmp_path / "here" / "z").write_bytes(b"old")
    real, left = files.rename, step

    def failing(source: str, target: str, **more: bool) -> None:
        nonlocal left
        if "tree" in source:
            left -= 1
            if left == -1:
                raise PermissionError(13, "no")
        real(source, target, **more)

    monkeypatch.setattr(files, "rename", failing)
    before = tree(tmp_path / "here")
    with pytest.raises(DiskError):
        put(MINE[:-1024] + tar(entry("z", b"new")), "overwrite")
    assert tree(tmp_path / "here") == before


def test_a_name_that_appears_meanwhile_is_looked_at_again(
    put: Put, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, met = files.rename, []

    def late(source: str, target: str, **more: bool) -> None:
        if not met:
            met.append(target)
            os.mkdir(target)
            Path(target, "other").write_bytes(b"other")
        real(source, target, **more)

    monkeypatch.setattr(files, "rename", late)
    _, here = put(MINE)
    assert met
    assert {"d/other", "d/new", "d/mine"} <= set(tree(here))


def stops(after: int) -> Callable[[], None]:
    left = after

    def check() -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise Interrupted("interrupted")

    return check


def test_a_signal_while_a_decoder_is_at_work_is_no_damage() -> None:
    """It is raised wherever the main thread is just then."""

    class Signalled:
        eof, needs_input, unused_data = False, True, b""

        def decompress(self, data: bytes, most: int) -> bytes:
            raise Terminated("terminated")

    with pytest.raises(Terminated):
        list(decoded(Signalled(), lambda count: b"data"))


@pytest.mark.parametrize("packer", ["tar", "tar.gz", "tar.zst"])
@pytest.mark.parametrize("after", [0, 2, 5, 8, 11])
def test_interrupted(tmp_path: Path, packer: str, after: int) -> None:
    archive = tmp_path / "x.archive"
    archive.write_bytes(PACKERS[packer](tar(*(entry(f"f{n}", content(n, 0, 100)) for n in range(9)))))
    with pytest.raises(Interrupted):
        unpack(str(archive), str(tmp_path / "here"), "refuse", stops(after))
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path != archive]


def test_leftovers_of_a_killed_run(put: Put, tmp_path: Path) -> None:
    old = tmp_path / "here" / f"an.archive{SUFFIX}" / "tree" / "d"
    old.mkdir(parents=True)
    (old / "half").write_bytes(b"x")
    _, here = put(tar(entry("f", b"x")))
    assert tree(here) == {"f": b"x"}


def test_a_strangers_folder_is_left_alone(put: Put, tmp_path: Path) -> None:
    theirs = tmp_path / "here" / f"an.archive{SUFFIX}"
    theirs.mkdir(parents=True)
    (theirs / "letters").write_bytes(b"precious")
    with pytest.raises(DiskError, match="in the way"):
        put(tar(entry("f", b"x")))
    assert (theirs / "letters").read_bytes() == b"precious"


def test_two_at_a_time(put: Put, tmp_path: Path) -> None:
    staging = tmp_path / "here" / f"an.archive{SUFFIX}"
    staging.mkdir(parents=True)
    fd = os.open(staging / "lock", os.O_RDWR | os.O_CREAT)
    try:
        assert files.try_lock(fd)
        with pytest.raises(TargetBusy):
            put(tar(entry("f", b"x")))
        assert (staging / "lock").exists()
    finally:
        os.close(fd)
    put(tar(entry("f", b"x")))


def test_two_of_one_run_with_the_same_name_take_turns(tmp_path: Path) -> None:
    """Lists may give two files the same name in two folders, and both are unpacked into --dir."""
    failed: list[Exception] = []
    met, both = threading.Event(), []

    def one(number: int) -> None:
        def check() -> None:
            both.append(number)
            if len(set(both)) == 2:
                met.set()
            met.wait(30)  # until the other one is at it too

        archive = tmp_path / str(number) / "x.tar"
        archive.parent.mkdir()
        archive.write_bytes(tar(entry(f"f{number}", b"x")))
        try:
            unpack(str(archive), str(tmp_path / "here"), "refuse", check)
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert tree(tmp_path / "here") == {"f0": b"x", "f1": b"x"}


def test_who_waits_for_its_turn_can_be_ended(tmp_path: Path) -> None:
    with (
        staging(str(tmp_path / "x"), lambda: None),
        pytest.raises(Interrupted),
        staging(str(tmp_path / "x"), stops(1)),
    ):
        raise AssertionError("not its turn")
    with staging(str(tmp_path / "x"), lambda: None):
        pass
    assert not list(tmp_path.iterdir())


def test_room_is_looked_for_first(put: Put, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "free_space", lambda path: 20 * 1024 * 1024)
    with pytest.raises(NoSpace):
        put(tar(entry("f", bytes(9 << 20))))
    assert tree(tmp_path / "here") == {}


@pytest.mark.parametrize("data", [b"", b"text", b"<html>", bytes(511), b"\x1f\x8b", PACKERS["tar.gz"](b"text")])
def test_no_archive(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x").write_bytes(data)
    assert _outcome(tmp_path / "x", tmp_path / "here") in (None, "refused")
    assert not (tmp_path / "here").exists() or not list((tmp_path / "here").iterdir())


def _outcome(archive: Path, here: Path) -> object:
    try:
        return unpack(str(archive), str(here), "refuse", lambda: None)
    except UnsafeArchive:
        return "refused"


# --- properties ------------------------------------------------------------------------------------------

_PART = st.sampled_from(["a", "b", "..", ".", "", "C:", "a\\b", "A", "con", "x\n", "\u00e9", "e\u0301", "l"])
_NAME = st.lists(_PART, min_size=1, max_size=4).map("/".join)
_MEMBER = st.one_of(
    st.builds(lambda name, data: entry(name, data), _NAME, st.binary(max_size=20)),
    st.builds(lambda name: entry(name, kind=b"5"), _NAME),
    st.builds(lambda name, target: entry(name, kind=b"2", target=target), _NAME, _NAME),
    st.builds(lambda name, target: entry(name, kind=b"1", target=target), _NAME, _NAME),
)


@pytest.fixture(scope="module")
def arena(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    yield tmp_path_factory.mktemp("arena")


def _leads_in_a_circle(path: str) -> bool:
    """Nobody can follow such links, and what realpath() makes of `a -> a//b` is "/b"."""
    try:
        os.stat(path)
    except OSError as error:
        return error.errno == errno.ELOOP
    return False


@settings(deadline=None, max_examples=200)
@given(members=st.lists(_MEMBER, max_size=5))
def test_no_tree_of_members_gets_out(arena: Path, members: list[bytes]) -> None:
    """Every path, with every link of it followed, is in the folder; and what is refused leaves it empty."""
    here = arena / "deep" / "here"
    shutil.rmtree(here, ignore_errors=True)  # of an example that failed
    (arena / "x.tar").write_bytes(tar(*members))
    done = _outcome(arena / "x.tar", here)
    inside = os.path.realpath(here)
    for folder, folders, names in os.walk(here):
        for name in (*folders, *names):
            if not _leads_in_a_circle(os.path.join(folder, name)):
                real = os.path.realpath(os.path.join(folder, name))
                assert real == inside or real.startswith(inside + os.sep)
    if done == "refused":
        assert not list(here.iterdir())
    assert {path.name for path in arena.iterdir()} <= {"x.tar", "deep"}
    assert {path.name for path in (arena / "deep").iterdir()} <= {"here"}


@settings(deadline=None, max_examples=200)
@given(data=st.binary(max_size=40), at=st.integers(0, 2000), kind=st.sampled_from(["tar", "zip", "tar.gz", "tar.zst"]))
def test_damaged_archives_end_in_an_error_or_whole(arena: Path, data: bytes, at: int, kind: str) -> None:
    whole = tar(entry("d/f", b"payload"), pax(path="g"), entry("x", b"more"))
    whole = zipped("d/f", Zipped(b"g", b"m" * 50, method=8)) if kind == "zip" else PACKERS[kind](whole)
    at %= len(whole)
    (arena / "x.tar").write_bytes(whole[:at] + data + whole[at + len(data) :])
    here = arena / "deep" / "here"
    if _outcome(arena / "x.tar", here) == "refused":
        assert not list(here.iterdir())
    shutil.rmtree(here, ignore_errors=True)
