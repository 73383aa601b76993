"""What `doctor` finds of disks and folders."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from disks import on_tiny_disk, run_on_tiny_disk
from doctors_view import HERE, answers, found_on
from doctors_view import no_proxies as no_proxies
from fastdl.engine.doctor import disks
from fastdl.engine.doctor.finding import Finding
from servers.raw import Serve

# --- disks -----------------------------------------------------------------------------------------------

ON_DISK = """
    import json, os, sys
    from fastdl.engine.doctor import disks
    told = []
    {fill}
    disks.check_disks([disks.Folder(os.path.join(sys.argv[1], "new"), "downloads", "Choose -d.", True)], told.append)
    print(json.dumps([told, sorted(os.listdir(sys.argv[1]))]))
"""
FILL = """
    with open(os.path.join(sys.argv[1], "filler"), "wb", 0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            pass
"""


def on_disk(folder: Path, fill: str, options: str) -> tuple[list[Any], list[str]]:
    ended = run_on_tiny_disk(folder, ON_DISK.replace("    {fill}\n", fill), options)
    assert ended.returncode == 0, ended.stderr
    told, left = json.loads(ended.stdout)
    return told, left


@on_tiny_disk
def test_a_full_disk(tmp_path: Path) -> None:
    told, left = on_disk(tmp_path, FILL, "size=1m")
    assert [one[:2] for one in told] == [["disk", "wrong"]]
    assert "full" in told[0][2] or "no space" in told[0][2].lower()
    assert told[0][3] == "Free some space. Choose -d."
    assert left == ["filler"]


@on_tiny_disk
def test_an_almost_full_disk(tmp_path: Path) -> None:
    told, _ = on_disk(tmp_path, "", "size=1m")
    assert [one[:2] for one in told] == [["disk", "wrong"]]
    assert "are free" in told[0][2]


@on_tiny_disk
def test_a_read_only_disk(tmp_path: Path) -> None:
    told, _ = on_disk(tmp_path, "", "size=200m,ro")
    assert [one[:2] for one in told] == [["disk", "wrong"]]
    assert "read-only" in told[0][2]


@on_tiny_disk
def test_a_sound_disk(tmp_path: Path) -> None:
    told, left = on_disk(tmp_path, "", "size=200m")
    assert [one[:2] for one in told] == [["disk", "ok"]]
    assert told[0][2].endswith("MiB free, tmpfs")
    assert left == [], "nothing stays, and the folder is not made"


def examined(folder: disks.Folder) -> list[Finding]:
    told: list[Finding] = []
    disks.check_disks([folder], told.append)
    return told


def test_a_file_where_a_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (told,) = examined(HERE._replace(path=str(tmp_path / "file" / "below")))
    assert told.status == "wrong"
    assert "is no folder" in told.text


def test_the_folder_for_temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TEMP", "TMP"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "none"))
    *_, temporary = disks.folders(".", str(tmp_path))
    (told,) = examined(temporary)
    assert told.status == "wrong"
    assert "there is no such folder" in told.text
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert examined(disks.folders(".", ".")[-1])[0].status == "ok"


def test_unfinished_downloads(tmp_path: Path) -> None:
    (tmp_path / "a.zip.fastdl.journal").write_text("x")
    told = examined(HERE._replace(path=str(tmp_path)))
    assert [one.status for one in told] == ["ok", "info"]
    assert "1 unfinished download" in told[1].text
    assert told[1].advice == f"'fastdl resume {tmp_path}' goes on with it."


def test_room_for_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = HERE._replace(path=str(tmp_path))
    assert disks.room_for(1, place) is None
    told = disks.room_for(1 << 60, place)
    assert told is not None
    assert "the file has 1024.0 PiB" in told.text
    monkeypatch.setattr(disks, "kind_of", lambda path: "vfat")
    monkeypatch.setattr(disks, "free_space", lambda path: 1 << 60)
    assert disks.room_for((4 << 30) - 1, place) is None
    told = disks.room_for(4 << 30, place)
    assert told is not None
    assert "is on FAT, which takes 4 GiB" in told.text
    assert "no file above 4 GiB fits" in examined(place)[0].text


@pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
def test_a_limit_of_the_shell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import resource

    monkeypatch.setattr(resource, "getrlimit", lambda kind: (1 << 20, 1 << 20))
    place = HERE._replace(path=str(tmp_path))
    assert "1.0 MiB at most ('ulimit -f')" in examined(place)[1].text
    told = disks.room_for(2 << 20, place)
    assert told is not None
    assert "ulimit -f" in told.text


def test_a_file_too_large_for_the_disk(serve: Serve) -> None:
    def handle(connection: Any) -> None:
        while connection.receive() is not None:
            connection.send(
                b"HTTP/1.1 206 Partial Content\r\nContent-Length: 1\r\nContent-Range: bytes 0-0/1125899906842624\r\n"
                b'ETag: "a"\r\n\r\nx'
            )

    told = found_on(serve(handle).url(), answers())
    assert told["disk"].status == "wrong"
    assert "the file has 1.0 PiB" in told["disk"].text
