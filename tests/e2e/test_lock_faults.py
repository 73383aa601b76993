"""`--lock` that is broken, read-only or somebody else's; kills, and two runs at once."""

from __future__ import annotations

import json
import os
import random
import signal
import sys
from typing import Any

import pytest

from locked import Case, told
from locked import case as case
from servers.files import FileApp
from servers.raw import Connection, Request, Serve
from servers.run import Runner
from small_files import apps
from waiting import wait_for

_PATIENCE = 30.0  # seconds


# --- faults of the lock ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("", "it is empty"),
        ("https://example.org/\n", "line 1"),
        ('{"fastdl-lock": 99}\n', "line 1"),
        ('{"fastdl-lock": 1}\n<<<<<<< HEAD\n', "line 2"),
        ('{"fastdl-lock": 1}\n\n{"url": "https://example.org/", "size": 1, "sha256": "%s"}\n' % ("0" * 64), "line 2"),
        ('{"fastdl-lock": 1}\n{"url": "https://example.org/", "size": -1, "sha256": "%s"}\n' % ("0" * 64), "line 2"),
        ('{"fastdl-lock": 1}\n{"url": "https://example.org/", "size": 1}\n', "line 2"),
        ('{"fastdl-lock": 1}\n{"url": "https://example.org/", "size": 1, "sha256": "%s"' % ("0" * 64), "line 2"),
        ("\x00\xff", "line 1"),
    ],
)
def test_a_lock_that_is_broken(case: Case, text: str, where: str) -> None:
    case.lock.write_bytes(text.encode("latin-1"))
    result = case.run()
    assert result.code == 2
    assert str(case.lock) in result.err
    assert where in result.err
    assert result.err.count("\n") == 1
    assert case.server.log == []
    assert case.lock.read_bytes() == text.encode("latin-1")
    assert not case.side.exists()


def test_a_file_that_stands_there_twice(case: Case) -> None:
    case.write("/000.bin")
    case.run()
    line = case.lock.read_text("utf-8").splitlines()[1]
    with case.lock.open("a", encoding="utf-8") as file:
        file.write(line + "\n")
    assert case.run().code == 0, "the same twice is no contradiction"
    with case.lock.open("a", encoding="utf-8") as file:
        file.write(line.replace('"size": 2000', '"size": 3000') + "\n")
    result = case.run()
    assert result.code == 2
    assert "line 3" in result.err


def test_without_a_list(case: Case) -> None:
    result = case.fastdl.get("--no-proxy", "--lock", str(case.lock), case.url("/000.bin"))
    assert result.code == 2
    assert "-i" in result.err
    assert case.fastdl.get("--no-proxy", case.url("/000.bin"), env={"FASTDL_LOCK": str(case.lock)}).code == 0
    assert not case.lock.exists()


def test_a_lock_that_is_another_file_of_the_run(case: Case) -> None:
    case.lock = case.list
    before = case.list.read_bytes()
    assert case.fastdl(*case.arguments).code == 2
    assert case.list.read_bytes() == before
    assert case.server.log == []
    case.lock = case.path("003.bin")
    result = case.run("--overwrite")
    assert told(result, "003.bin")["exit_code"] == 2
    assert sum(each["exit_code"] == 0 for each in result.json) == 5
    assert [each["name"] for each in case.entries] == [f"{at:03}.bin" for at in (0, 1, 2, 4, 5)]


@pytest.mark.skipif(sys.platform == "win32", reason="modes")
def test_a_read_only_lock(case: Case) -> None:
    case.run()
    before = case.lock.read_bytes()
    case.lock.chmod(0o444)
    assert case.run().code == 0
    assert case.run("-d", "other").code == 0
    assert not case.side.exists()
    with case.list.open("a", encoding="utf-8") as file:
        case.files["/new.bin"] = FileApp(size=10)
        file.write(case.url("/000.bin?new") + "\n out=new.bin\n")
    result = case.run()
    assert result.code == 8
    assert told(result, "?new")["exit_code"] == 6
    assert "read-only" in told(result, "?new")["error"]
    case.write("/001.bin")
    assert case.run().code == 0, "what was to be dropped stays"
    assert case.lock.read_bytes() == before
    assert not case.side.exists()


def test_a_folder_that_is_missing(case: Case) -> None:
    case.lock = case.lock.parent / "missing" / "lock"
    result = case.fastdl(*case.arguments)
    assert result.code == 6
    assert case.server.log == []


# --- kills and company -----------------------------------------------------------------------------------


def test_two_runs_at_once(fastdl: Runner, serve: Serve) -> None:
    case = Case(fastdl, serve, {"/slow.bin": FileApp(size=400_000, rate=100_000.0)})
    with fastdl.start(*case.arguments) as first:
        case.server.until(lambda: len(case.server.log) > 0, _PATIENCE)
        second = fastdl(*case.arguments, "-d", "other")
        assert second.code == 9
        assert str(case.lock) in second.err
        first.communicate(timeout=_PATIENCE)
    assert first.returncode == 0
    assert len(case.entries) == 1


def test_kills_lose_no_entry_and_leave_no_half_of_a_file(fastdl: Runner, serve: Serve) -> None:
    draw = random.Random(8)
    case = Case(fastdl, serve, apps(120, 30_000))
    for kill in range(4):
        mark = len(case.server.log) + draw.randrange(5, 30)
        with fastdl.start(*case.arguments) as process:
            wait_for(lambda mark=mark: len(case.server.log) >= mark or process.poll() is not None, _PATIENCE)  # type: ignore[misc]
            process.kill()
            process.communicate()
        if kill < 3:
            assert not case.lock.exists(), "it is made when all is known"
        if case.side.exists():
            whole = case.side.read_bytes().rpartition(b"\n")[0].splitlines()[1:]
            for line in whole:
                entry = json.loads(line)
                assert case.files["/" + entry["name"]].sha256() == entry["sha256"]
    result = case.run()
    assert result.code == 0, result.err
    assert [each["sha256"] for each in case.entries] == [app.sha256() for app in case.files.values()]
    assert not case.side.exists()


def test_what_a_killed_run_has_written_down_holds(case: Case) -> None:
    """Also where the end of it is torn off."""
    entry = {"url": case.url("/000.bin"), "name": "000.bin", "size": 2_000, "sha256": "00" * 32}
    case.side.write_text('{"fastdl-lock": 1}\n' + json.dumps(entry) + "\n" + json.dumps(entry)[:30], "utf-8")
    result = case.run()
    assert told(result, "000.bin")["exit_code"] == 5
    assert case.entries[0] == entry, "as with what stands in the lock: a file that fails changes nothing"


def test_a_lock_that_is_broken_costs_nothing_of_what_a_killed_run_has_written_down(case: Case) -> None:
    entry = {"url": case.url("/000.bin"), "name": "000.bin", "size": 2_000, "sha256": "00" * 32}
    text = '{"fastdl-lock": 1}\n' + json.dumps(entry) + "\n"
    case.side.write_text(text, "utf-8")
    case.lock.write_text("<<<<<<< HEAD\n", "utf-8")
    assert case.run().code == 2
    assert case.side.read_text("utf-8") == text


def test_ctrl_c(fastdl: Runner, serve: Serve) -> None:
    if os.name == "nt":
        pytest.skip("Ctrl-C cannot be sent to one process there")
    case = Case(fastdl, serve, apps(5) | {"/slow.bin": FileApp(size=900_000, rate=50_000.0)})
    with fastdl.start(*case.arguments) as process:
        wait_for(lambda: case.side.exists() and case.side.read_bytes().count(b"\n") >= 6, _PATIENCE)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=_PATIENCE)
    assert process.returncode == 130
    assert not case.lock.exists()
    case.files["/slow.bin"].rate = None
    requests = len(case.server.log)
    assert case.run().code == 0
    assert len(case.entries) == 6
    later = {each.request.target for each in case.server.log[requests:]}
    assert later == {"/slow.bin"}, "of the others nothing is asked"


def test_something_else_writes_the_lock_meanwhile(fastdl: Runner, serve: Serve) -> None:
    mine = '{"fastdl-lock": 1}\n'
    lock = fastdl.home.parent / "files.lock"

    def hook(connection: Connection, request: Request, reply: Any) -> Any:
        lock.write_text(mine, "utf-8")
        return reply

    case = Case(fastdl, serve, {"/000.bin": FileApp(hook=hook)})
    result = case.run()
    assert result.code == 6
    assert case.lock.read_text("utf-8") == mine
    case.lock.unlink()
    app = case.files["/000.bin"]
    app.hook = None
    assert case.run().code == 0
    assert [each["sha256"] for each in case.entries] == [app.sha256()]
