"""`fastdl resume`: what it finds, what it says of it, and with what it goes on."""

from __future__ import annotations

import os
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from fastdl.__main__ import main
from fastdl.core.journal import JournalHeader, Slot, encode_header, encode_slot
from fastdl.errors import TargetBusy, Terminated
from fastdl.events import Ended, Observer, Started
from fastdl.io.boot import boot_identity
from fastdl.result import Result
from fastdl.settings import Settings

SHA = "sha256:" + "ab" * 32


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith("FASTDL_"):
            monkeypatch.delenv(name)
    for name in ("HOME", "USERPROFILE", "APPDATA", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Settings, list[str]]]:
    """What the stand-in for the engine was asked to do; it fails for b.bin and succeeds for others."""
    seen: list[tuple[Settings, list[str]]] = []

    def run(settings: Settings, urls: list[str], observer: Observer, profile: object = None) -> list[Result]:
        seen.append((settings, urls))
        observer(Started(0, urls[0]))
        if settings.output == "busy.bin":
            raise TargetBusy("another fastdl is at it")
        if settings.output == "end.bin":
            raise Terminated("terminated")
        result = Result(url=urls[0], path=settings.output, size=10)
        observer(Ended(0, result))
        return [result]

    module = types.ModuleType("fastdl.batch")
    module.run = run  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "fastdl.batch", module)
    monkeypatch.setattr("fastdl.batch", module, raising=False)
    return seen


def partial(folder: Path, name: str, *, masked: bool = False, size: int | None = 200, **more: Any) -> None:
    url = f"https://example.org/{name}" + ("?token=***" if masked else "")
    header = JournalHeader(
        url_key="k", url=url, masked=masked, name=name, size=size, etag=None, last_modified=None, digest=None,
        boot=boot_identity(), sources=["https://example.org/"], created=1.0, **more,
    )  # fmt: skip
    journal = encode_header(header) + encode_slot(Slot(0, 50, 0, 0)) + encode_slot(Slot(100, 150, 100, 0))
    (folder / f"{name}.fastdl.journal").write_bytes(journal)
    (folder / f"{name}.fastdl").write_bytes(bytes(200))


def test_list(tmp_path: Path, runs: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    partial(tmp_path, "b.bin")
    partial(tmp_path, "a.bin", masked=True, size=None)
    (tmp_path / "c\x1b.bin.fastdl.journal" if os.name != "nt" else tmp_path / "c.bin.fastdl.journal").write_bytes(b"x")
    (tmp_path / "other").write_bytes(b"")
    (tmp_path / ".fastdl.journal").write_bytes(b"")
    assert main(["resume", "--list", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split("\t") == ["a.bin", "?", "unknown size", "https://example.org/a.bin?token=***"]
    assert lines[1].split("\t") == ["b.bin", "50%", "200 B", "https://example.org/b.bin"]
    assert len(lines) == 3
    assert "\x1b" not in lines[2]
    assert runs == []


def test_finish(tmp_path: Path, runs: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    partial(tmp_path, "a.bin")
    partial(tmp_path, "b.bin")
    assert main(["resume", str(tmp_path), "-x", "2"]) == 0
    expected = [Settings(dir=str(tmp_path), output=name, connections=2) for name in ("a.bin", "b.bin")]
    assert [settings for settings, _ in runs] == expected
    assert [urls for _, urls in runs] == [["https://example.org/a.bin"], ["https://example.org/b.bin"]]


def test_what_the_first_command_promised_still_holds(tmp_path: Path, runs: list[Any]) -> None:
    partial(tmp_path, "a.bin")
    header = (tmp_path / "a.bin.fastdl.journal").read_bytes()
    assert b'"digest":null' in header
    (tmp_path / "a.bin.fastdl.journal").unlink()
    journal = JournalHeader("k", "https://example.org/a", False, "a", 9, None, None, SHA, "", [], 1.0)
    (tmp_path / "a.bin.fastdl.journal").write_bytes(encode_header(journal))
    assert main(["resume", "-q", str(tmp_path)]) == 0
    assert (runs[0][0].checksum, runs[0][0].checksum_by) == (SHA, "user")


def test_who_gave_the_digest_is_known_still(tmp_path: Path, runs: list[Any]) -> None:
    """The last line said that it was the user's own, whoever had published it."""
    partial(tmp_path, "a.bin")
    journal = JournalHeader(
        "k", "https://example.org/a", False, "a", 9, None, None, SHA, "", [], 1.0, digest_source="origin"
    )
    (tmp_path / "a.bin.fastdl.journal").write_bytes(encode_header(journal))
    assert main(["resume", "-q", str(tmp_path)]) == 0
    assert (runs[0][0].checksum, runs[0][0].checksum_by) == (SHA, "origin")
    given = "sha256:" + "11" * 32
    assert main(["resume", "-q", "--checksum", given, str(tmp_path)]) == 0
    assert (runs[1][0].checksum, runs[1][0].checksum_by) == (given, "user")


def test_what_cannot_go_on_does_not_stop_the_others(
    tmp_path: Path, runs: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    partial(tmp_path, "a.bin", masked=True)
    partial(tmp_path, "busy.bin")
    partial(tmp_path, "c.bin")
    (tmp_path / "d.bin.fastdl.journal").write_bytes(b"broken")
    assert main(["resume", str(tmp_path)]) == 8
    assert [settings.output for settings, _ in runs] == ["busy.bin", "c.bin"]
    err = capsys.readouterr().err
    assert "a.bin: the URL is not known in full" in err
    assert "Give the URL again" in err
    assert "busy.bin: another fastdl is at it" in err
    assert "d.bin: the partial download cannot be used" in err
    assert "3 of 4 files failed" in err.splitlines()[-1]


def test_one_masked_download_is_a_usage_error(tmp_path: Path, runs: list[Any]) -> None:
    partial(tmp_path, "a.bin", masked=True)
    assert main(["resume", str(tmp_path)]) == 2


def test_the_end_of_the_process_ends_all(tmp_path: Path, runs: list[Any]) -> None:
    partial(tmp_path, "end.bin")
    partial(tmp_path, "f.bin")
    assert main(["resume", str(tmp_path)]) == 143
    assert len(runs) == 1


def test_nothing_to_do(
    tmp_path: Path, runs: list[Any], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["resume"]) == 0
    assert "nothing unfinished" in capsys.readouterr().err
    assert main(["resume", "-q"]) == 0
    assert capsys.readouterr() == ("", "")
    assert main(["resume", "--list"]) == 0


def test_bad_folders(tmp_path: Path, runs: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["resume", str(tmp_path / "missing")]) == 6
    assert main(["resume", "a", "b"]) == 2
    assert main(["resume", "--no-continue"]) == 2


def test_options_of_one_file_are_not_for_several(tmp_path: Path, runs: list[Any]) -> None:
    partial(tmp_path, "a.bin")
    partial(tmp_path, "b.bin")
    assert main(["resume", str(tmp_path), "--checksum", SHA]) == 2
    assert main(["resume", str(tmp_path), "-m", "http://m.example.org/a"]) == 2
    assert runs == []
    (tmp_path / "b.bin.fastdl.journal").unlink()
    assert main(["resume", str(tmp_path), "--checksum", SHA]) == 0
    assert runs[0][0].checksum == SHA
