"""What one run writes where: JSON on stdout, all for people on stderr, the log in its file."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from fastdl.cli.session import Session
from fastdl.errors import ConnectionLost, DiskError, Interrupted, Terminated
from fastdl.events import Ended, Named, Note, Progressed, Started
from fastdl.result import DigestReport, Result, SourceReport
from fastdl.settings import Settings

URL = "https://me:hunter2@example.org/f.bin?token=hunter2"
KEYS = ["url", "final_url", "path", "size", "sha256", "digest", "seconds", "bytes_per_second", "resumed_bytes",
        "wasted_bytes", "requests", "sources", "exit_code", "error"]  # fmt: skip


def result(**more: Any) -> Result:
    sources = [
        SourceReport(url=URL, host="example.org", bytes=3000, connections=2),
        SourceReport(url="https://m.example.com/f?sig=hunter2", host="m.example.com", bytes=2000, connections=1),
        SourceReport(url="https://idle.example.com/f", host="idle.example.com"),
    ]
    values: dict[str, Any] = {"url": URL, "final_url": URL, "path": "f.bin", "size": 6000, "seconds": 2.0,
                              "resumed_bytes": 1500, "wasted_bytes": 500, "sources": sources} | more  # fmt: skip
    return Result(**values)


def session(settings: Settings, files: int = 1) -> tuple[Session, io.StringIO, io.StringIO]:
    out, err = io.StringIO(), io.StringIO()
    return Session(settings, files, stdout=out, stderr=err, environ={}), out, err


def told(settings: Settings, *results: Result) -> tuple[str, str]:
    """stdout and stderr of a run whose files end so."""
    one, out, err = session(settings, len(results))
    for number, item in enumerate(results):
        one.handle(Started(number, item.url))
        one.handle(Ended(number, item))
    one.close()
    return out.getvalue(), err.getvalue()


def test_json_has_the_keys_of_the_contract_in_order() -> None:
    digest = DigestReport("sha256", "00ff", "user", True)
    facts = result(digest=digest, error=ConnectionLost("lost", f"from {URL}")).to_json()
    assert list(facts) == KEYS
    assert list(facts["digest"]) == ["algorithm", "value", "source", "verified"]
    assert list(facts["sources"][0]) == ["url", "host", "trust", "bytes", "connections", "errors"]
    assert facts["exit_code"] == 3
    assert facts["bytes_per_second"] == 2250
    assert "hunter2" not in json.dumps(facts)
    assert list(Result(url=URL).to_json()) == KEYS


def test_speed_of_nothing() -> None:
    assert Result(url=URL, seconds=1.0).bytes_per_second == 0
    assert result(seconds=0.0).bytes_per_second == 0


def test_one_json_line_a_file_and_nothing_else() -> None:
    out, err = told(Settings(json=True), result(), result(path="\udcff\n.bin", error=ConnectionLost("lost")))
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["exit_code"] for line in lines] == [0, 3]
    assert lines[1]["path"] == "\udcff\n.bin"
    assert err.splitlines() == ["fastdl: error: ? .bin: lost. " + ConnectionLost.hint]


def test_the_last_line_of_a_file() -> None:
    digest = DigestReport("sha256", "00ff", "user", True)
    out, err = told(Settings(), result(digest=digest))
    assert out == ""
    for part in ("f.bin: 5.9 KiB in 2.0 s", "2.2 KiB/s", "1.5 KiB were there already", "example.org, m.example.com",
                 "over 3 connections", "sha256 matches the given one"):  # fmt: skip
        assert part in err
    assert "idle.example.com" not in err
    assert err.count("\n") == 1
    assert told(Settings(), result(kept="it is there already"))[1] == "f.bin: it is there already\n"


@pytest.mark.parametrize(
    ("digest", "words"),
    [
        (DigestReport("sha256", "00ff", "origin", True), "sha256 matches the origin's"),
        (DigestReport("sha512", "00ff", "url", True), "sha512 matches the one in the URL"),
        (DigestReport("sha256", "00ff", "metalink", True), "sha256 matches the metalink file's"),
        (DigestReport("sha256", "00ff", "lock\x1b", True), "sha256 matches lock?'s"),
        (DigestReport("md5", "00", "origin", False), "md5 not compared with the origin's"),
        (None, "no digest known"),
    ],
)
def test_how_a_file_was_checked(digest: DigestReport | None, words: str) -> None:
    assert told(Settings(), result(digest=digest))[1].endswith(f", {words}\n")


def test_why_a_file_was_not_checked() -> None:
    assert told(Settings(), result(unproved="no digest published"))[1].endswith(", no digest published\n")


def test_a_short_time_is_not_nothing() -> None:
    assert "5.9 KiB in 40 ms, " in told(Settings(), result(seconds=0.04))[1]


def test_several_files_are_summed_up() -> None:
    digest = DigestReport("sha256", "00ff", "user", True)
    ends = [result(digest=digest), result(), result(kept="it is there already"), result(error=ConnectionLost("lost"))]
    one, _, err = session(Settings(), 4)
    for number, end in enumerate(ends):
        one.handle(Ended(number, end))
    assert one.exit_code(ends) == 8
    *_, line, error = err.getvalue().splitlines()
    assert line.startswith("4 files, 17.6 KiB in ")  # 3 times 4,500 bytes of use came
    assert line.endswith(", 1 already there, 1 checked against digests, 1 failed")
    assert error.startswith("fastdl: error: 1 of 4 files failed.")


@pytest.mark.parametrize("settings", [Settings(quiet=True), Settings(json=True), Settings(progress="json")])
def test_the_sum_is_for_people(settings: Settings) -> None:
    one, _, err = session(settings, 2)
    for number in range(2):
        one.handle(Ended(number, result()))
    assert one.exit_code([result(), result()]) == 0
    assert err.getvalue() == ""


def test_a_note_names_its_file_where_there_are_several() -> None:
    for files, line in ((1, "fastdl: joins"), (2, "fastdl: f.bin: joins")):
        one, _, err = session(Settings(verbose=True), files)
        one.handle(Started(0, URL))
        one.handle(Named(0, "d/f.bin", None))
        one.handle(Note(0, "info", "joins"))
        one.handle(Note(None, "warning", "of all"))
        assert err.getvalue().splitlines() == [line, "fastdl: warning: of all"]


@pytest.mark.parametrize("settings", [Settings(quiet=True), Settings(json=True)])
def test_quiet_and_json_tell_people_nothing(settings: Settings) -> None:
    assert told(settings, result())[1] == ""


def test_the_plan_of_a_dry_run() -> None:
    plan = {
        "url": "https://example.org/f",
        "rule": None,
        "ecosystem": None,
        "sources": [{"url": "https://example.org/f", "trust": "origin", "allowed": True, "why": ""},
                    {"url": "https://m.example.org/f\x1b", "trust": "official", "allowed": False, "why": "no digest"}],
        "digest": {"algorithm": "sha256", "value": "00ff", "source": "user", "status": "known"},
        "plan": {"connections": 4, "ranges": True, "size": None, "digest_lookups": ["https://a.org/", "https://b.org/"],
                 "digest_tried": [{"url": "https://a.org/", "why": "it answered 404"}]},
    }  # fmt: skip
    out, err = told(Settings(dry_run=True), result(plan=plan))
    lines = out.splitlines()
    assert [line for line in lines if line[:1] != " "] == ["URL", "File", "Rule", "Sources", "Digest"]
    assert "  sha256:00ff" in lines
    assert any(line.split()[:3] == ["no", "official", "-"] and line.endswith("no digest") for line in lines)
    assert "         https://m.example.org/f?" in lines
    assert err == ""
    out, _ = told(Settings(dry_run=True, json=True), result(plan=plan))
    assert json.loads(out) == plan


def test_the_log_has_times_and_no_secrets(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_text("before\n", encoding="utf-8")
    one, _, err = session(Settings(log=str(path), quiet=True))
    one.handle(Started(0, URL))
    one.handle(Named(0, "f.bin", None, 7))
    one.handle(Progressed(0, 1, None, 1.0))
    one.handle(Note(0, "info", "a\nb\x1b[2J"))
    one.handle(Ended(0, result(error=ConnectionLost("lost", URL))))
    one.close()
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    assert lines[0] == "before"
    assert len(lines) == 5
    assert all(line[:4].isdigit() and line[10] == "T" and line[23] == "Z" for line in lines[1:])
    assert "hunter2" not in text
    assert "\x1b" not in text
    assert "exit 3" in lines[-1]
    assert err.getvalue().count("\n") == 1


def test_a_log_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(DiskError, match="log"):
        session(Settings(log=str(tmp_path)))
    with pytest.raises(DiskError, match="log"):
        session(Settings(log="a\0b"))


def test_the_exit_code() -> None:
    good, bad = result(), result(error=ConnectionLost("lost"))
    for results, code in (([good], 0), ([bad], 3), ([good, good], 0), ([good, bad], 8), ([bad, bad], 8)):
        one, _, err = session(Settings(), len(results))
        assert one.exit_code(results) == code
        assert err.getvalue().count("\n") == (code == 8)


def test_progress_for_a_program_is_not_mixed_with_words_for_people() -> None:
    assert told(Settings(progress="json"), result())[1] == ""


def test_a_stop_of_several_files_is_told_once() -> None:
    one, _, err = session(Settings(), 2)
    ends = [result(error=Terminated("terminated")), result(error=Terminated("terminated"))]
    for number, end in enumerate(ends):
        one.handle(Ended(number, end))
    assert err.getvalue() == ""
    assert one.exit_code(ends) == 143
    assert err.getvalue().count("\n") == 1
    assert one.exit_code([result(), result(error=Interrupted("interrupted"))]) == 130


def test_json_that_cannot_be_written_is_no_success() -> None:
    class Full(io.StringIO):
        def flush(self) -> None:
            raise OSError(28, "No space left on device")

    err = io.StringIO()
    one = Session(Settings(json=True), 1, stdout=Full(), stderr=err, environ={})
    one.handle(Ended(0, result()))
    assert one.exit_code([result()]) == 6
    assert "No space left on device" in err.getvalue()


def test_a_reader_of_json_that_went_away_stops_nothing() -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    one = Session(Settings(json=True), 1, stdout=Gone(), stderr=Gone(), environ={})
    one.handle(Ended(0, result(error=ConnectionLost("lost"))))
    one.close()
