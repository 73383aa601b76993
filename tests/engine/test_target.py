"""What becomes of a file that is there already (CLI.md), and of an earlier run's partial download."""

from __future__ import annotations

import hashlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fastdl.core.head import Validators
from fastdl.core.journal import JournalHeader, encode_header, header_copies
from fastdl.core.shown import mask
from fastdl.core.urls import parse_url, url_key
from fastdl.core.verify import Digest
from fastdl.engine import target
from fastdl.engine.target import (
    AlreadyThere,
    Remote,
    file_digest,
    free_path,
    modified_time,
    path_of,
    settle_before,
    unfinished,
)
from fastdl.errors import BadName, DiskError, TargetExists
from fastdl.settings import Settings

DATA = b"what is there"
THEN = 784111777  # Sun, 06 Nov 1994 08:49:37 GMT
RIGHT = Digest("sha256", hashlib.sha256(DATA).digest())
WRONG = Digest("sha256", bytes(32))
ETAG = '"v1"'
URL = parse_url("https://example.org/dir/file.tar.gz?x=1")


def remote(size: int | None = len(DATA), modified: float | None = THEN, etag: str | None = None) -> Remote:
    return Remote(size, Validators(etag), modified)


SAME = remote()
OTHER_SIZE = remote(size=99)
OLDER, NEWER = remote(modified=THEN - 10), remote(modified=THEN + 10)
UNDATED = remote(modified=None)


def settle(
    settings: Settings,
    path: str,
    digest: Digest | None,
    says: Remote,
    remembered: str | None,
    same: bool = True,
    unchanged: bool = False,
) -> str:
    return target.settle(settings, path, digest, says, remembered, unchanged, lambda: same)


KEPT, ERROR, REPLACED, RENAMED = "kept", "error", "replaced", "renamed"

# options, the expected digest, what the server says, the remembered ETag, what becomes of the file
TABLE: list[tuple[dict[str, bool], Digest | None, Remote, str | None, str]] = [
    # without an option: an error, unless it is this very file
    ({}, None, SAME, None, KEPT),
    ({}, None, OTHER_SIZE, None, ERROR),
    ({}, None, OLDER, None, ERROR),
    ({}, None, NEWER, None, ERROR),
    ({}, None, UNDATED, None, ERROR),
    ({}, None, remote(size=None), None, ERROR),
    ({}, RIGHT, OTHER_SIZE, None, KEPT),
    ({}, RIGHT, UNDATED, None, KEPT),
    ({}, WRONG, SAME, None, ERROR),
    # --overwrite
    ({"overwrite": True}, None, OTHER_SIZE, None, REPLACED),
    ({"overwrite": True}, None, SAME, None, REPLACED),
    ({"overwrite": True}, WRONG, SAME, None, REPLACED),
    ({"overwrite": True}, RIGHT, OTHER_SIZE, None, KEPT),
    # --skip-existing
    ({"skip_existing": True}, None, OTHER_SIZE, None, KEPT),
    ({"skip_existing": True}, None, SAME, None, KEPT),
    # --auto-rename
    ({"auto_rename": True}, None, OTHER_SIZE, None, RENAMED),
    ({"auto_rename": True}, None, SAME, None, KEPT),
    ({"auto_rename": True}, RIGHT, OTHER_SIZE, None, KEPT),
    ({"auto_rename": True}, WRONG, SAME, None, RENAMED),
    # -N: newer, or another ETag
    ({"newer": True}, None, SAME, None, KEPT),
    ({"newer": True}, None, OLDER, None, KEPT),
    ({"newer": True}, None, NEWER, None, REPLACED),
    ({"newer": True}, None, UNDATED, None, REPLACED),
    ({"newer": True}, None, OTHER_SIZE, None, REPLACED),
    ({"newer": True}, None, remote(size=None), None, KEPT),
    ({"newer": True}, None, remote(modified=THEN + 10, etag=ETAG), ETAG, KEPT),
    ({"newer": True}, None, remote(modified=THEN, etag='"v2"'), ETAG, REPLACED),
    ({"newer": True}, None, remote(modified=THEN + 10), ETAG, REPLACED),
    ({"newer": True}, None, remote(modified=THEN, etag='"v2"'), None, KEPT),
    ({"newer": True}, RIGHT, NEWER, None, KEPT),
    ({"newer": True}, WRONG, OLDER, None, REPLACED),  # exit 0 would say that every known digest agrees
]


@pytest.fixture
def path(tmp_path: Path) -> str:
    file = tmp_path / "file.tar.gz"
    file.write_bytes(DATA)
    os.utime(file, (THEN, THEN))
    return str(file)


@pytest.mark.parametrize(("options", "digest", "says", "remembered", "fate"), TABLE)
def test_table(
    path: str, options: dict[str, bool], digest: Digest | None, says: Remote, remembered: str | None, fate: str
) -> None:
    settings = Settings(**options)  # type: ignore[arg-type]
    if fate == KEPT:
        with pytest.raises(AlreadyThere) as kept:
            settle(settings, path, digest, says, remembered)
        assert kept.value.path == path and kept.value.why
    elif fate == ERROR:
        with pytest.raises(TargetExists) as error:
            settle(settings, path, digest, says, remembered)
        assert error.value.code == 7
        assert all(name in error.value.hint for name in ("--overwrite", "--skip-existing", "--auto-rename"))
    elif fate == REPLACED:
        assert settle(settings, path, digest, says, remembered) == path
    else:
        assert settle(settings, path, digest, says, remembered) == path.replace("file.", "file.1.")
    assert Path(path).read_bytes() == DATA


def test_size_and_time_may_lie(path: str) -> None:
    """Equal size and time, but other first bytes: another file."""
    with pytest.raises(TargetExists):
        settle(Settings(), path, None, SAME, None, same=False)
    assert settle(Settings(auto_rename=True), path, None, SAME, None, same=False).endswith("file.1.tar.gz")


def test_what_the_server_still_says_of_it_is_enough(path: str) -> None:
    """But not where a digest is known, or where it is to be replaced."""
    for options in ({}, {"auto_rename": True}):
        with pytest.raises(AlreadyThere, match=target.UNCHANGED):
            settle(Settings(**options), path, None, UNDATED, ETAG, same=False, unchanged=True)  # type: ignore[arg-type]
    with pytest.raises(TargetExists):
        settle(Settings(), path, WRONG, UNDATED, ETAG, unchanged=True)
    assert settle(Settings(overwrite=True), path, None, UNDATED, ETAG, unchanged=True) == path


def test_nothing_is_there(tmp_path: Path) -> None:
    path = str(tmp_path / "new")
    for options in ({}, {"skip_existing": True}, {"newer": True}, {"auto_rename": True}):
        settings = Settings(**options)  # type: ignore[arg-type]
        settle_before(settings, path, RIGHT)
        assert settle(settings, path, RIGHT, SAME, None) == path


def test_a_folder_is_no_file_to_skip(tmp_path: Path) -> None:
    """ "It exists" would be told of a file that is not there."""
    settle_before(Settings(skip_existing=True), str(tmp_path), None)
    with pytest.raises(BadName):
        settle(Settings(skip_existing=True), str(tmp_path), None, SAME, None)


def test_before_the_server_is_asked(path: str) -> None:
    with pytest.raises(AlreadyThere):
        settle_before(Settings(skip_existing=True), path, None)
    with pytest.raises(AlreadyThere):
        settle_before(Settings(), path, RIGHT)
    settle_before(Settings(), path, WRONG)
    settle_before(Settings(), path, None)


@pytest.mark.parametrize("options", [{}, {"overwrite": True}, {"newer": True}, {"auto_rename": True}])
def test_a_folder_is_in_the_way(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(BadName):
        settle(Settings(**options), str(tmp_path), RIGHT, SAME, None)


@pytest.fixture
def dangling(tmp_path: Path) -> str:
    link = tmp_path / "link"
    try:
        link.symlink_to(tmp_path / "nowhere")
    except OSError as error:
        pytest.skip(f"no links here: {error}")
    return str(link)


def test_a_link_that_leads_nowhere(dangling: str) -> None:
    """It takes the name, but is no file that could be kept."""
    with pytest.raises(TargetExists):
        settle(Settings(), dangling, None, SAME, None)
    with pytest.raises(TargetExists):
        settle(Settings(), dangling, RIGHT, SAME, None)
    assert settle(Settings(newer=True), dangling, None, SAME, None) == dangling
    assert settle(Settings(overwrite=True), dangling, None, SAME, None) == dangling
    assert settle(Settings(auto_rename=True), dangling, None, SAME, None) == dangling + ".1"


def test_a_file_that_cannot_be_read(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody knows whether it is this one: the name is taken."""

    def refuse(*args: Any, **more: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(DiskError) as error:
        file_digest(path, "sha256")
    assert error.value.code == 6
    with pytest.raises(TargetExists):
        settle(Settings(), path, RIGHT, SAME, None)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_a_pipe_is_no_file_to_keep(tmp_path: Path) -> None:
    path = str(tmp_path / "pipe")
    os.mkfifo(path)
    os.utime(path, (THEN, THEN))
    with pytest.raises(TargetExists):
        settle(Settings(), path, None, remote(size=0), None)
    with pytest.raises(TargetExists):
        settle(Settings(), path, RIGHT, remote(size=0), None)


def test_free_names(tmp_path: Path) -> None:
    """One that is being downloaded is taken, too."""
    path = tmp_path / "file.tar.gz"
    for name in ("file.1.tar.gz", "file.2.tar.gz.fastdl", "file.3.tar.gz.fastdl.journal"):
        (tmp_path / name).touch()
    assert free_path(str(path)) == str(tmp_path / "file.4.tar.gz")


def test_names_run_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os.path, "lexists", lambda path: True)
    with pytest.raises(TargetExists):
        free_path(str(tmp_path / "x"))


# --- paths -------------------------------------------------------------------------------------------------


def test_paths(tmp_path: Path) -> None:
    folder = str(tmp_path)
    assert path_of(Settings(), None, URL, URL) == "file.tar.gz"
    assert path_of(Settings(dir=folder), None, URL, URL) == os.path.join(folder, "file.tar.gz")
    assert path_of(Settings(dir=folder), 'attachment; filename="a.zip"', URL, URL) == os.path.join(folder, "a.zip")
    assert path_of(Settings(dir=folder, output="b"), 'attachment; filename="a"', URL, URL) == os.path.join(folder, "b")
    assert path_of(Settings(output=str(tmp_path / "c")), None, URL, URL) == str(tmp_path / "c")
    for output in ("", folder, folder + os.sep):
        with pytest.raises(BadName):
            path_of(Settings(output=output), None, URL, URL)


@pytest.mark.parametrize("disposition", ["../../x", "/etc/x", "..", "a\\..\\x", "con", "a\0b"])
def test_a_server_names_no_folder(tmp_path: Path, disposition: str) -> None:
    path = path_of(Settings(dir=str(tmp_path)), f'attachment; filename="{disposition}"', URL, URL)
    assert os.path.dirname(path) == str(tmp_path)


@pytest.fixture
def far_east(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC-11")
    if hasattr(time, "tzset"):
        time.tzset()
    yield
    monkeypatch.undo()
    if hasattr(time, "tzset"):
        time.tzset()


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("Sun, 06 Nov 1994 08:49:37 GMT", THEN),
        ("Sunday, 06-Nov-94 08:49:37 GMT", THEN),
        ("Sun Nov  6 08:49:37 1994", THEN),  # asctime names no zone, and still is UTC (RFC 9110, section 5.6.7)
        ("Sun, 06 Nov 1994 08:49:37 -0000", THEN),
        ("Wed, 31 Dec 1969 23:59:59 GMT", -1),
        ("yesterday", None),
        ("", None),
        (None, None),
    ],
)
def test_times(far_east: None, text: str | None, moment: float | None) -> None:
    assert modified_time(Validators(None, text)) == moment


# --- partial downloads -------------------------------------------------------------------------------------


def leave(folder: Path, name: str, url: str, etag: str | None = ETAG) -> None:
    header = JournalHeader(
        url_key(url), mask(url), mask(url) != url, name, 5, etag, None, None, "boot", [mask(url)], 0.0
    )
    journal = folder / f"{name}.fastdl.journal"
    journal.write_bytes(b"".join(header_copies(encode_header(header))))


def look(folder: Path, url: str, **options: Any) -> str | None:
    found = unfinished(Settings(dir=str(folder), **options), parse_url(url), url_key(url), url, {})
    return None if found is None else os.path.relpath(found, folder)


PLAIN = "https://example.org/file.bin"
SIGNED = "https://example.org/file.bin?sig="


def test_a_partial_download_is_found(tmp_path: Path) -> None:
    leave(tmp_path, "file.bin", PLAIN)
    assert look(tmp_path, PLAIN) == "file.bin"
    assert look(tmp_path, PLAIN + "?x=1") is None
    assert look(tmp_path, "https://example.com/file.bin") is None


def test_it_is_found_under_the_name_that_the_server_chose(tmp_path: Path) -> None:
    leave(tmp_path, "chosen.zip", PLAIN)
    leave(tmp_path, "another.zip", "https://example.org/another")
    (tmp_path / "damaged.fastdl.journal").write_bytes(b"x" * 20_000)
    assert look(tmp_path, PLAIN) == "chosen.zip"


def test_under_a_given_name_only_that_one_counts(tmp_path: Path) -> None:
    leave(tmp_path, "chosen.zip", PLAIN)
    assert look(tmp_path, PLAIN, output="mine") is None
    assert look(tmp_path, PLAIN, output="chosen.zip") == "chosen.zip"


def test_a_url_that_was_signed_anew_needs_a_strong_validator(tmp_path: Path) -> None:
    for etag, found in ((ETAG, "file.bin"), ('W/"v1"', None), (None, None)):
        leave(tmp_path, "file.bin", SIGNED + "one", etag)
        assert look(tmp_path, SIGNED + "two") == found
        assert look(tmp_path, SIGNED + "one") == "file.bin"


def test_no_folder_no_partial_download(tmp_path: Path) -> None:
    assert look(tmp_path / "none", PLAIN) is None


@pytest.mark.skipif(sys.platform == "win32", reason="Windows may not open folders as files")
def test_a_folder_named_like_a_journal(tmp_path: Path) -> None:
    (tmp_path / "file.bin.fastdl.journal").mkdir()
    assert look(tmp_path, PLAIN) is None


def test_a_folder_is_looked_through_once_in_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten thousand files into one folder: not ten thousand looks at ten thousand names."""
    looks: list[str] = []
    monkeypatch.setattr(target.os, "listdir", lambda folder: looks.append(folder) or [])
    scanned: target.Scanned = {}
    for number in range(5):
        url = f"https://example.org/{number}"
        assert target.unfinished(Settings(dir=str(tmp_path)), parse_url(url), url_key(url), url, scanned) is None
    assert looks == [str(tmp_path)]
