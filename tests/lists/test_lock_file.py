"""The lock on disk: how entries are found, what of an interrupted run is believed, how it is replaced."""

from __future__ import annotations

import hashlib
import os
import tracemalloc
from pathlib import Path

import pytest

from fastdl.core.lists.lock import HEADER, Locked, Wanted, line_of
from fastdl.errors import BadName, DiskError, TargetBusy, UsageError
from fastdl.io import disk
from fastdl.io.lock_file import LockFile


def entry(url: str, version: int = 1, *, key: str = "", out: str = "", dir_: str = "", name: str = "f") -> Locked:
    digest = hashlib.sha256(f"{url}{version}".encode()).hexdigest()
    return Locked(Wanted(url, key, dir_, out), "" if out else name, version, digest)


def text(*entries: Locked) -> str:
    return HEADER + "".join(map(line_of, entries))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "files.lock"


def side(path: Path) -> Path:
    return Path(f"{path}.fastdl")


def test_entries_are_kept_in_the_order_of_the_list(path: Path) -> None:
    lock = LockFile(str(path))
    for place in (2, 0, 1):
        lock.add(entry(f"u{place}"), place)
    assert not path.exists()
    assert lock.finish(drop=True)
    lock.close()
    assert path.read_text() == text(*(entry(f"u{at}") for at in range(3)))
    assert os.listdir(path.parent) == [path.name]


def test_what_a_killed_run_added_is_there(path: Path) -> None:
    path.write_text(text(entry("a")))
    side(path).write_text(text(entry("b"), entry("c"))[:-5])
    lock = LockFile(str(path))
    assert lock.find(entry("b").wanted) is not None
    assert lock.find(entry("c").wanted) is None, "its line was torn"
    lock.add(entry("d"), 5)
    lock.close()
    again = LockFile(str(path))
    assert [again.find(entry(name).wanted) is not None for name in "abcd"] == [True, True, False, True]
    again.close()


def test_rubbish_in_the_side_file_is_left_out(path: Path) -> None:
    side(path).write_bytes(b"\x00" * 100 + b"\nrubbish\n" + line_of(entry("b")).encode())
    lock = LockFile(str(path))
    assert lock.find(entry("b").wanted) is not None
    lock.close()


def test_the_lock_is_believed_before_the_side_file(path: Path) -> None:
    path.write_text(text(entry("a", 1)))
    side(path).write_text(text(entry("a", 2)))
    lock = LockFile(str(path))
    found = lock.find(entry("a").wanted)
    assert found is not None
    assert found.entry == entry("a", 1)
    assert found.place == f"{path}, line 2"
    lock.meet(found.slot, 0)
    lock.finish(drop=True)
    lock.close()
    assert path.read_text() == text(entry("a", 1))


def test_a_later_name_takes_the_place_of_the_earlier(path: Path) -> None:
    path.write_text(text(entry("a", name="old"), entry("b")))
    lock = LockFile(str(path))
    for place, url in enumerate("ab"):
        found = lock.find(entry(url).wanted)
        assert found is not None
        lock.meet(found.slot, place)
    lock.add(entry("a", name="new"), 0)
    lock.finish(drop=True)
    lock.close()
    assert path.read_text() == text(entry("a", name="new"), entry("b"))


def test_one_url_under_several_names(path: Path) -> None:
    path.write_text(text(entry("a", out="x"), entry("a", out="y"), entry("b", out="x"), entry("b", 2, out="y")))
    lock = LockFile(str(path))
    own = lock.find(Wanted("a", "", "", "y"))
    assert own is not None
    assert (own.own, own.slot) == (True, 1)
    other = lock.find(Wanted("a", "", "", "z"))
    assert other is not None
    assert not other.own
    assert other.entry.sha256 == entry("a").sha256
    assert lock.find(Wanted("b", "", "", "z")) is None, "the two say different things"
    lock.close()


def test_urls_that_are_masked_to_one_text(path: Path) -> None:
    one, two, new = "1" * 16, "2" * 16, "3" * 16
    path.write_text(text(entry("a", 1, key=one, out="x"), entry("a", 2, key=two, out="y")))
    lock = LockFile(str(path))
    found = lock.find(Wanted("a", two, "", "y"))
    assert found is not None
    assert found.own
    signed_anew = lock.find(Wanted("a", new, "", "x"))
    assert signed_anew is not None
    assert signed_anew.entry.size == 1
    assert lock.find(Wanted("a", new, "", "z")) is None
    lock.meet(0, 0)
    assert lock.find(Wanted("a", new, "", "x")) is None, "that one is another file of this list"
    lock.close()


def test_what_is_not_met_is_dropped_or_kept(path: Path) -> None:
    for drop, left in ((False, "bac"), (True, "b")):
        path.write_text(text(*map(entry, "abc")))
        lock = LockFile(str(path))
        lock.meet(1, 0)
        assert lock.dropped() == 2
        lock.finish(drop=drop)
        lock.close()
        assert path.read_text() == text(*map(entry, left))


def test_no_more_in_memory_than_where_things_are(path: Path) -> None:
    """In bytes for each entry, of what this package and its reader of JSON took: neighbours may be at work."""
    path.write_text(text(*(entry(f"https://example.org/{at}" + "x" * 200) for at in range(5_000))))
    tracemalloc.start()
    lock = LockFile(str(path))
    ours = [tracemalloc.Filter(True, pattern) for pattern in ("*fastdl*", "*json*")]
    held = sum(trace.size for trace in tracemalloc.take_snapshot().filter_traces(ours).traces)
    tracemalloc.stop()
    lock.close()
    assert 30 < held / 5_000 < 100


def test_only_one_at_a_time(path: Path) -> None:
    first = LockFile(str(path))
    with pytest.raises(TargetBusy) as refused:
        LockFile(str(path))
    assert refused.value.code == 9
    LockFile(str(path), looking=True).close()
    first.close()
    LockFile(str(path)).close()
    assert os.listdir(path.parent) == []


def test_a_link_stays_a_link(path: Path) -> None:
    real = path.parent / "real"
    real.write_text(text(entry("a")))
    try:
        path.symlink_to(real)
    except OSError:
        pytest.skip("no symbolic links here")
    lock = LockFile(str(path))
    lock.meet(0, 0)
    lock.add(entry("b"), 1)
    lock.finish(drop=True)
    lock.close()
    assert path.is_symlink()
    assert real.read_text() == text(entry("a"), entry("b"))


def test_a_disk_that_is_full_at_the_end(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_text(text(entry("a")))
    lock = LockFile(str(path))
    lock.add(entry("b"), 0)

    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(disk, "flush_data", full)
    with pytest.raises(DiskError):
        lock.finish(drop=True)
    lock.close()
    assert path.read_text() == text(entry("a"))
    assert sorted(os.listdir(path.parent)) == [path.name, side(path).name], "what was found out waits there"
    monkeypatch.undo()
    again = LockFile(str(path))
    assert again.find(entry("b").wanted) is not None
    again.close()


def test_a_disk_that_is_full_in_between(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of an entry was written. It is no entry, and closing the file does not write it again."""
    lock = LockFile(str(path))
    lock.add(entry("a"), 0)
    write_at = disk.write_at

    def full(fd: int, offset: int, data: memoryview) -> int:
        write_at(fd, offset, data[:20])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(disk, "write_at", full)
    with pytest.raises(DiskError) as refused:
        lock.add(entry("b"), 1)
    assert "--lock" in refused.value.hint
    monkeypatch.undo()
    lock.close()
    again = LockFile(str(path))
    assert again.find(entry("a").wanted) is not None
    assert again.find(entry("b").wanted) is None
    again.add(entry("c"), 2)
    again.close()
    assert side(path).read_text() == text(entry("a"), entry("c"))


def test_what_can_be_no_lock(path: Path) -> None:
    path.mkdir()
    with pytest.raises(BadName):
        LockFile(str(path))
    assert not side(path).exists()
    with pytest.raises(UsageError):
        LockFile(os.devnull)
