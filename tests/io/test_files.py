"""Names on disk, and descriptors that several threads share."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import pytest

from fastdl.io import files
from partials import posix_only


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("C:\\folder\\file", "C:\\folder\\file"),
        ("C:/folder/../file", "C:\\file"),
        ("C:\\" + "x" * 300, "\\\\?\\C:\\" + "x" * 300),
        ("C:/a/" + "x" * 300, "\\\\?\\C:\\a\\" + "x" * 300),
        ("\\\\server\\share\\" + "x" * 300, "\\\\?\\UNC\\server\\share\\" + "x" * 300),
        ("\\\\?\\C:\\" + "x" * 300, "\\\\?\\C:\\" + "x" * 300),
    ],
)
def test_long_paths_of_windows(path: str, expected: str) -> None:
    assert files.long_path(path, windows=True) == expected


@pytest.mark.parametrize("path", ["C:\\" + "x" * 300, "\\\\server\\share\\" + "x" * 300])
def test_the_user_sees_the_path_without_prefix(path: str) -> None:
    assert files.shown(files.long_path(path, windows=True)) == path


def test_elsewhere_a_path_is_made_absolute_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert files.long_path("a\\b", windows=False) == os.path.join(os.getcwd(), "a\\b")


@pytest.mark.skipif(sys.platform == "win32", reason="/dev/null")
def test_a_handle_closes_when_the_last_user_has_left() -> None:
    fd = os.open("/dev/null", os.O_RDWR)
    handle = files.Handle(fd)
    with handle as inside:
        assert inside == fd
        handle.close()
        handle.close()
        os.fstat(fd)
        with pytest.raises(OSError, match="ended"), handle:
            pass
        os.fstat(fd)
    with pytest.raises(OSError, match="descriptor"):
        os.fstat(fd)


def test_a_handle_is_shared_by_threads(tmp_path: Path) -> None:
    """Users come and go while it is closed: never one inside with a descriptor that is closed."""
    for _ in range(20):
        handle = files.Handle(files.create(str(tmp_path / "file")))
        wrong: list[OSError] = []

        def use(handle: files.Handle, wrong: list[OSError]) -> None:
            while True:
                try:
                    entered = handle.__enter__()
                except OSError:
                    return
                try:
                    os.fstat(entered)
                except OSError as error:
                    wrong.append(error)
                finally:
                    handle.__exit__()

        threads = [threading.Thread(target=use, args=(handle, wrong)) for _ in range(4)]
        for thread in threads:
            thread.start()
        handle.close()
        for thread in threads:
            thread.join()
        assert wrong == []
        os.unlink(tmp_path / "file")


def test_a_new_file_is_new(tmp_path: Path) -> None:
    path = str(tmp_path / "file")
    os.close(files.create(path))
    with pytest.raises(FileExistsError):
        files.create(path)


@posix_only
def test_a_new_file_is_not_made_through_a_link(tmp_path: Path) -> None:
    os.symlink(tmp_path / "victim", tmp_path / "file")
    with pytest.raises(FileExistsError):
        files.create(str(tmp_path / "file"))
    assert not (tmp_path / "victim").exists()


def test_removing_what_is_gone(tmp_path: Path) -> None:
    files.remove(str(tmp_path / "nothing"))


@posix_only
def test_a_name_is_of_the_open_file_or_not(tmp_path: Path) -> None:
    path = str(tmp_path / "file")
    fd = files.create(path)
    try:
        assert files.still_names(path, fd)
        os.unlink(path)
        assert not files.still_names(path, fd)
        os.close(files.create(path))
        assert not files.still_names(path, fd)
    finally:
        os.close(fd)


def test_names_that_are_no_files_on_windows() -> None:
    for path in ("a.txt:b", "C:\\x\\a.txt:b", "\\\\?\\C:\\x\\a:b", "C:a:b"):
        assert "stream" in files.not_a_file(path, windows=True), path
    assert "device" in files.not_a_file("\\\\.\\COM1", windows=True)  # what Windows says that COM1 is
    for path in ("a.", "a ", "C:\\x\\a.txt. .", "C:a."):
        assert "at the end" in files.not_a_file(path, windows=True), path
    assert not files.not_a_file("\\\\?\\C:\\x\\a.", windows=True)
    for path in ("a.txt", "C:a.txt", "C:\\x\\a.txt", "\\\\?\\C:\\x\\a", "\\\\host\\share\\a", "..\\a"):
        assert not files.not_a_file(path, windows=True), path
    assert not files.not_a_file("a:b", windows=False)
