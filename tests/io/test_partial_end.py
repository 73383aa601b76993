"""What a disk refuses is told and costs nothing; the one rename never goes over another file."""

from __future__ import annotations

import errno
import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from disks import on_tiny_disk, run_on_tiny_disk
from fastdl.core.journal import Claim, Slot, encode_header, encode_slot
from fastdl.errors import BadName, DiskError, NoPermission, NoSpace, TargetExists
from fastdl.io import disk, files, partial
from fastdl.io.partial import Partial
from partials import CONTENT, HEADER, SIZE, failing, half, names, posix_only, put, whole


@pytest.fixture
def final(tmp_path: Path) -> str:
    return str(tmp_path / "file")


# --- the disk refuses --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "leaf"), [(errno.ENOSPC, NoSpace), (errno.EIO, DiskError), (errno.EROFS, NoPermission)]
)
def test_a_refused_write_keeps_what_is_claimed(
    final: str, monkeypatch: pytest.MonkeyPatch, number: int, leaf: type[DiskError]
) -> None:
    one = Partial.open(final)
    one.begin(HEADER)
    slot = put(one, 0, 1000)
    with monkeypatch.context() as patch:
        patch.setattr(disk, "write_at", failing(number))
        with pytest.raises(leaf) as caught:
            one.write(1000, memoryview(b"x"))
        assert type(caught.value) is leaf and caught.value.code == 6
        with pytest.raises(leaf):
            one.record(slot, 0, 2000, 0)
    one.close()
    one = Partial.open(final)
    assert one.claims == [Claim(0, 1000, 0)]
    one.close()


@pytest.mark.parametrize(
    ("number", "leaf"), [(errno.EROFS, NoPermission), (errno.EACCES, NoPermission), (errno.ENAMETOOLONG, BadName)]
)
def test_a_refused_open(final: str, monkeypatch: pytest.MonkeyPatch, number: int, leaf: type[DiskError]) -> None:
    monkeypatch.setattr(os, "open", failing(number))
    with pytest.raises(leaf):
        Partial.open(final)


@posix_only
def test_a_folder_without_permission() -> None:
    folder = tempfile.mkdtemp()
    os.chmod(folder, 0o555)
    was_root = os.geteuid() == 0
    try:
        if was_root:  # root may write anywhere
            os.seteuid(65534)
        with pytest.raises(NoPermission):
            Partial.open(os.path.join(folder, "file"))
    finally:
        if was_root:
            os.seteuid(0)
        os.rmdir(folder)


@pytest.mark.parametrize("name", ["x" * 250, "file\0", "file\ud800"])
def test_a_name_that_the_file_system_refuses(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadName):
        Partial.open(str(tmp_path / name))


def test_a_file_where_the_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")
    with pytest.raises(DiskError):
        Partial.open(str(tmp_path / "a" / "file"))


def test_no_room_leaves_nothing_behind(final: str, tmp_path: Path) -> None:
    one = Partial.open(final)
    with pytest.raises(NoSpace, match="bytes are needed"):
        one.begin(replace(HEADER, size=1 << 60))
    one.close()
    assert names(tmp_path) == []


def test_no_room_to_begin_again_leaves_nothing_behind(final: str, tmp_path: Path) -> None:
    half(final)
    one = Partial.open(final)
    with pytest.raises(NoSpace):
        one.begin(replace(HEADER, size=1 << 60))
    one.close()
    assert names(tmp_path) == []


def test_no_room_to_go_on_keeps_what_is_there(final: str, monkeypatch: pytest.MonkeyPatch) -> None:
    half(final)
    one = Partial.open(final)
    assert one.header is not None
    with monkeypatch.context() as patch:
        patch.setattr(disk, "preallocate", failing(errno.ENOSPC))
        with pytest.raises(NoSpace):
            one.continue_with(one.header)
    one.close()
    one = Partial.open(final)
    assert one.claims == [Claim(0, SIZE // 2, 0)]
    one.close()


def test_a_device_that_fails_while_flushing_is_not_believed_again(final: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system tells of a lost page once; the next flush would report success."""
    one = Partial.open(final)
    one.begin(HEADER)
    slot = put(one, 0, 1000)
    one.flush()
    one.write(1000, memoryview(CONTENT)[1000:])
    one.record(slot, 0, SIZE, 0)
    with monkeypatch.context() as patch:
        patch.setattr(disk, "flush_data", failing(errno.EIO))
        with pytest.raises(DiskError, match="input/output"):
            one.flush()
    for call in (
        lambda: one.record(slot, 0, SIZE, 0),
        lambda: one.flush(),
        lambda: one.finish(size=SIZE, durable=True),
    ):
        with pytest.raises(DiskError, match="input/output"):
            call()
    one.close()
    assert not os.path.exists(final)
    one = Partial.open(final)
    assert one.claims == [Claim(0, 1000, 0)], "not even in this boot"
    one.close()


@posix_only
def test_a_folder_that_vanished(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    one = whole(str(folder / "file"))
    for name in names(folder):
        os.unlink(folder / name)
    folder.rmdir()
    with pytest.raises(DiskError, match="gone"):
        one.finish(size=SIZE, durable=True)
    one.close()
    assert not folder.exists()


@posix_only
def test_another_file_in_the_datas_place_is_not_given_out(final: str) -> None:
    one = whole(final)
    os.unlink(final + ".fastdl")
    Path(final + ".fastdl").write_bytes(b"planted")
    with pytest.raises(DiskError, match="another file"):
        one.finish(size=SIZE, durable=False)
    one.close()
    assert not os.path.exists(final)


@on_tiny_disk
@pytest.mark.parametrize("writer", ["auto", "mmap"])
def test_a_real_full_disk(tmp_path: Path, writer: str) -> None:
    done = run_on_tiny_disk(
        tmp_path,
        f"""
        import sys
        from dataclasses import replace
        from fastdl.core.journal import JournalHeader
        from fastdl.errors import NoSpace
        from fastdl.io.partial import Partial
        header = JournalHeader("k", "u", False, "f", 800_000, None, None, None, "", ["u"], 1.0)
        path = sys.argv[1] + "/f"
        one = Partial.open(path, writer={writer!r})
        one.begin(header)
        slot = one.run(0, 0)
        one.write(0, memoryview(b"x" * 100_000))
        one.record(slot, 0, 100_000, 0)
        open(sys.argv[1] + "/other", "wb").write(bytes(800_000))  # somebody else fills the disk
        try:
            for at in range(100_000, 800_000, 50_000):
                one.write(at, memoryview(b"x" * 50_000))
                one.record(slot, 0, at + 50_000, 0)
        except NoSpace as error:
            print(type(error).__name__)
        one.close()
        one = Partial.open(path)
        print(one.claims[0].end >= 100_000, one.claims[0].end < 800_000)
        """,
    )
    assert (done.stdout, done.stderr) == ("NoSpace\nTrue True\n", "")


@on_tiny_disk
def test_a_real_read_only_disk(tmp_path: Path) -> None:
    done = run_on_tiny_disk(
        tmp_path,
        """
        import sys
        from fastdl.errors import NoPermission
        from fastdl.io.partial import Partial
        try:
            Partial.open(sys.argv[1] + "/f")
        except NoPermission as error:
            print(error.why)
        """,
        "size=1m,ro",
    )
    assert (done.stdout, done.stderr) == ("the file system is read-only\n", "")


# --- ending ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("durable", [True, False])
def test_finishing(final: str, tmp_path: Path, durable: bool) -> None:
    one = whole(final)
    one.finish(final, size=SIZE, replace=False, mtime=1_000_000_000.5, durable=durable)
    assert names(tmp_path) == ["file"]
    assert Path(final).read_bytes() == CONTENT
    assert os.stat(final).st_mtime == 1_000_000_000.5
    one.close()


def test_what_is_longer_is_cut(final: str) -> None:
    one = whole(final)
    one.finish(size=1000, durable=False)
    assert Path(final).read_bytes() == CONTENT[:1000]


def test_what_is_shorter_is_not_given_out(final: str) -> None:
    one = Partial.open(final)
    one.begin(replace(HEADER, size=None))
    put(one, 0, 10)
    with pytest.raises(DiskError, match="shorter"):
        one.finish(size=11, durable=False)
    one.close()
    assert not os.path.exists(final)


def test_an_empty_file(final: str) -> None:
    one = Partial.open(final)
    one.begin(replace(HEADER, size=0))
    one.finish(size=0, durable=True)
    assert Path(final).read_bytes() == b""


@pytest.mark.parametrize("mtime", [float("nan"), float("inf"), 1e30, -1e30, -1.0])
def test_an_absurd_time_does_no_harm(final: str, mtime: float) -> None:
    one = whole(final)
    one.finish(size=SIZE, mtime=mtime, durable=False)
    assert Path(final).read_bytes() == CONTENT


def refuse_way(*_: str) -> bool:
    return False


@pytest.fixture(params=["system call", "link", "look and rename"])
def ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ways to rename, of which the later ones are for poor file systems."""
    if sys.platform == "win32":
        return
    if request.param != "system call":
        monkeypatch.setattr(files, "_rename_exclusively", refuse_way)
    if request.param == "look and rename":
        monkeypatch.setattr(os, "link", failing(errno.EPERM))


@pytest.mark.usefixtures("ways")
def test_every_way_of_renaming(final: str, tmp_path: Path) -> None:
    whole(final).finish(size=SIZE, durable=True)
    assert names(tmp_path) == ["file"] and Path(final).read_bytes() == CONTENT
    assert os.stat(final).st_nlink == 1


@pytest.mark.usefixtures("ways")
def test_a_file_that_appeared_meanwhile_is_not_clobbered(final: str, tmp_path: Path) -> None:
    one = whole(final)
    Path(final).write_bytes(b"precious")
    with pytest.raises(TargetExists) as caught:
        one.finish(size=SIZE, durable=True)
    assert caught.value.code == 7
    assert Path(final).read_bytes() == b"precious"
    assert names(tmp_path) == ["file", "file.fastdl", "file.fastdl.journal"]
    one.finish(final + ".1", size=SIZE, durable=True)
    assert names(tmp_path) == ["file", "file.1"]
    assert Path(final + ".1").read_bytes() == CONTENT


@posix_only
@pytest.mark.usefixtures("ways")
def test_a_dangling_link_is_a_file_too(final: str) -> None:
    one = whole(final)
    os.symlink("nowhere", final)
    with pytest.raises(TargetExists):
        one.finish(size=SIZE, durable=False)
    one.close()


def test_replacing(final: str, tmp_path: Path) -> None:
    one = whole(final)
    Path(final).write_bytes(b"old")
    one.finish(size=SIZE, replace=True, durable=True)
    assert names(tmp_path) == ["file"] and Path(final).read_bytes() == CONTENT


def test_a_folder_is_not_replaced(final: str) -> None:
    one = whole(final)
    os.mkdir(final)
    with pytest.raises((DiskError, TargetExists)):
        one.finish(size=SIZE, replace=True, durable=True)
    one.close()


def test_discarding(final: str, tmp_path: Path) -> None:
    one = whole(final)
    one.discard()
    assert names(tmp_path) == []
    one.close()


def test_closing_keeps_both_and_may_be_repeated(final: str, tmp_path: Path) -> None:
    one = whole(final)
    one.close()
    one.close()
    assert names(tmp_path) == ["file.fastdl", "file.fastdl.journal"]


class Killed(BaseException):
    pass


def killed_in_finish(
    final: str, monkeypatch: pytest.MonkeyPatch, spot: tuple[object, str], durable: bool, one: Partial | None = None
) -> None:
    def die(*_: object, **__: object) -> None:
        raise Killed

    one = one or whole(final)
    with monkeypatch.context() as patch:
        patch.setattr(*spot, die)
        with pytest.raises(Killed):
            one.finish(size=SIZE, durable=durable)
    assert one._journal is not None
    one._journal._handle.close()


@pytest.mark.parametrize("durable", [True, False])
def test_killed_between_the_rename_and_the_journal(
    final: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, durable: bool
) -> None:
    killed_in_finish(final, monkeypatch, (files, "remove"), durable)
    assert names(tmp_path) == ["file", "file.fastdl.journal"]
    one = Partial.open(final)
    assert one.header is None and one.claims == []
    assert one.finished is not None and one.finished.etag == '"1"'
    one.close()
    assert names(tmp_path) == ["file"] and Path(final).read_bytes() == CONTENT


def test_a_size_that_only_the_end_told_is_known_after_a_kill_too(final: str, monkeypatch: pytest.MonkeyPatch) -> None:
    one = Partial.open(final)
    one.begin(replace(HEADER, size=None))
    put(one, 0, SIZE)
    killed_in_finish(final, monkeypatch, (files, "remove"), True, one)
    again = Partial.open(final)
    assert again.finished is not None and again.finished.size == SIZE
    again.close()


@posix_only
def test_killed_between_the_link_and_the_unlink(final: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(files, "_rename_exclusively", refuse_way)
        killed_in_finish(final, monkeypatch, (os, "unlink"), True)
    assert names(tmp_path) == ["file", "file.fastdl", "file.fastdl.journal"]
    one = Partial.open(final)
    assert one.finished is not None
    one.close()
    assert names(tmp_path) == ["file"] and Path(final).read_bytes() == CONTENT


def test_a_rename_that_a_power_loss_may_have_emptied_is_not_taken_for_finished(
    final: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed_in_finish(final, monkeypatch, (files, "remove"), False)
    monkeypatch.setattr(partial, "boot_identity", lambda: "another")
    one = Partial.open(final)
    assert one.finished is None and one.header is None
    one.close()


def test_a_durable_rename_is_finished_after_a_power_loss_too(final: str, monkeypatch: pytest.MonkeyPatch) -> None:
    killed_in_finish(final, monkeypatch, (files, "remove"), True)
    monkeypatch.setattr(partial, "boot_identity", lambda: "another")
    one = Partial.open(final)
    assert one.finished is not None
    one.close()


@pytest.mark.parametrize(
    ("claimed", "size"), [(SIZE, SIZE + 1), (SIZE - 1, SIZE)], ids=["another size", "not all was there"]
)
def test_a_file_that_only_got_the_same_number_is_not_taken_for_ours(final: str, claimed: int, size: int) -> None:
    """The partial data was deleted by hand, and the system gave its number to the user's own file."""
    Path(final).write_bytes(bytes(size))
    header = replace(HEADER, boot=partial.boot_identity(), file=files.identity(os.stat(final)))
    slot = encode_slot(Slot(0, claimed, claimed, 0))
    Path(final + ".fastdl.journal").write_bytes(encode_header(header) + slot)
    one = Partial.open(final)
    assert one.finished is None
    one.close()
