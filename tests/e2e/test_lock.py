"""--lock: what a list's files were is written down once, and from then on they have to be just that."""

from __future__ import annotations

import json
import os
import random
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from servers.files import Answer, FileApp, site
from servers.raw import Connection, RawServer, Request, Serve
from servers.run import Result, Runner, everything_written
from waiting import wait_for

_PATIENCE = 30.0  # seconds


def apps(count: int, size: int = 2_000) -> dict[str, FileApp]:
    return {f"/{at:03}.bin": FileApp(size=size + at, seed=at + 1) for at in range(count)}


class Case:
    """A server, a list of its files, and the lock beside the folder of the run."""

    def __init__(self, fastdl: Runner, serve: Serve, files: dict[str, FileApp], **more: Answer) -> None:
        self.fastdl, self.files = fastdl, files
        self.server: RawServer = serve(site({path: app.answer for path, app in files.items()} | more))
        self.list = fastdl.home.parent / "list.txt"
        self.lock = fastdl.home.parent / "files.lock"
        self.side = Path(f"{self.lock}.fastdl")
        self.write(*files)

    def write(self, *paths: str) -> None:
        self.list.write_text("".join(f"{self.url(path)}\n" for path in paths), "utf-8")

    def url(self, path: str) -> str:
        head, newline, rest = path.partition("\n")
        return self.server.url(head) + newline + rest

    @property
    def arguments(self) -> list[str]:
        return ["get", "--no-proxy", "-i", str(self.list), "--lock", str(self.lock), "--json"]

    def run(self, *args: str) -> Result:
        result = self.fastdl(*self.arguments, *args)
        assert not Path(f"{self.lock}.fastdl.new").exists()
        return result

    @property
    def entries(self) -> list[dict[str, Any]]:
        lines = self.lock.read_text("utf-8").splitlines()
        assert lines[0] == '{"fastdl-lock": 1}'
        return [json.loads(line) for line in lines[1:]]

    def path(self, name: str) -> Path:
        return self.fastdl.cwd / name

    def change_lock(self, line: int, **fields: Any) -> None:
        """Write other facts into a line, counted from 1."""
        lines = self.lock.read_text("utf-8").splitlines()
        lines[line - 1] = json.dumps(json.loads(lines[line - 1]) | fields)
        self.lock.write_text("\n".join(lines) + "\n", "utf-8")


@pytest.fixture
def case(fastdl: Runner, serve: Serve) -> Case:
    return Case(fastdl, serve, apps(6))


def told(result: Result, name: str) -> dict[str, Any]:
    return next(each for each in result.json if each["url"].endswith(name))


# --- what is written -------------------------------------------------------------------------------------


def test_it_holds_the_files_in_the_order_of_the_list(case: Case) -> None:
    case.write(*reversed(case.files))
    result = case.run("-j", "6")
    assert result.code == 0, result.err
    assert case.entries == [
        {"url": case.server.url(path), "name": path[1:], "size": app.size, "sha256": app.sha256()}
        for path, app in reversed(case.files.items())
    ]
    assert b"\r" not in case.lock.read_bytes()
    assert case.lock.read_bytes().endswith(b"\n")
    assert not case.side.exists()
    assert "6 files added" in result.err


def test_two_first_runs_write_the_same_bytes(case: Case) -> None:
    case.run("-j", "1", "-d", "one")
    first = case.lock.read_bytes()
    case.lock.unlink()
    case.run("-j", "6", "-d", "two")
    assert case.lock.read_bytes() == first, "neither the folder nor the order in which files end has a part in it"


def test_where_nothing_changes_the_lock_is_left_alone(case: Case) -> None:
    case.run()
    before = case.lock.stat()
    assert case.run().code == 0
    after = case.lock.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_names_and_folders_of_the_list(case: Case) -> None:
    case.write("/000.bin\n out=a/x.bin\n", "/000.bin\n out=b.bin\n", "/001.bin\n dir=elsewhere\n", "/001.bin")
    assert case.run("-d", "d").code == 0
    short = [{key: value for key, value in each.items() if key in ("out", "name", "dir")} for each in case.entries]
    assert short == [{"out": "a/x.bin"}, {"out": "b.bin"}, {"dir": "elsewhere", "name": "001.bin"}, {"name": "001.bin"}]
    requests = len(case.server.log)
    assert case.run("-d", "d").code == 0
    assert len(case.server.log) == requests


def test_a_file_that_failed_is_not_written(case: Case) -> None:
    case.write("/000.bin", "/missing.bin", "/001.bin")
    assert case.run().code == 8
    assert [each["name"] for each in case.entries] == ["000.bin", "001.bin"]
    case.write("/000.bin", "/002.bin", "/001.bin")
    result = case.run()
    assert result.code == 0
    assert [each["name"] for each in case.entries] == ["000.bin", "002.bin", "001.bin"]
    assert "1 file added" in result.err


def test_what_left_the_list_leaves_the_lock(case: Case) -> None:
    case.run()
    case.write("/004.bin", "/001.bin")
    result = case.run()
    assert [each["name"] for each in case.entries] == ["004.bin", "001.bin"]
    assert "4 files dropped" in result.err


def test_with_a_broken_line_nothing_is_dropped(case: Case) -> None:
    case.run()
    case.list.write_text(f"{case.server.url('/004.bin')}\nhtp:/broken\n", "utf-8")
    assert case.run().code == 8
    assert len(case.entries) == 6


def test_a_list_with_one_url_twice(case: Case) -> None:
    case.write("/000.bin", "/001.bin", "/000.bin")
    assert case.run().code == 0
    assert [each["name"] for each in case.entries] == ["000.bin", "001.bin"]
    assert case.run().code == 0


def test_files_that_were_there_are_taken_in(case: Case) -> None:
    """The server says that they are its files."""
    assert case.fastdl.get("--no-proxy", "-i", str(case.list)).code == 0
    sent = case.server.body_sent
    assert case.run().code == 0
    assert case.server.body_sent == sent
    assert {each["sha256"] for each in case.entries} == {app.sha256() for app in case.files.values()}


def test_a_file_that_is_only_passed_by_is_not(case: Case) -> None:
    case.path("002.bin").write_bytes(b"anything")
    result = case.run("--skip-existing")
    assert result.code == 0
    assert "002.bin" not in [each["name"] for each in case.entries]
    assert "1 file left out" in result.err


def test_secrets_are_not_in_it(case: Case) -> None:
    case.write("/000.bin?token=hunter2-A", "/000.bin?token=hunter2-B\n out=b.bin\n", "/001.bin")
    for _ in range(2):
        assert case.run().code == 0
    assert b"hunter2" not in case.lock.read_bytes() + everything_written(case.fastdl.home)
    masked = [each for each in case.entries if "key" in each]
    assert len({each["key"] for each in masked}) == 2
    assert all(each["url"].endswith("?token=***") for each in masked)
    requests = len(case.server.log)
    assert case.run().code == 0
    assert len(case.server.log) == requests
    case.write("/000.bin?token=signed-anew", "/000.bin?token=signed-anew\n out=b.bin\n", "/001.bin")
    assert case.run().code == 0
    assert len(case.server.log) == requests, "the same file by its name, its digest says so"


def test_signed_anew_the_lock_stays_as_it_is(case: Case) -> None:
    """Each time that somebody signs the list, every line of it would be another one."""
    name = ("Content-Disposition", 'attachment; filename="real.bin"')
    case.files["/005.bin"].extra = (name,)
    case.write(*(f"{path}?token=first" for path in case.files))
    assert case.run().code == 0
    before, requests = case.lock.read_bytes(), len(case.server.log)
    for signature in ("second", "third"):
        case.write(*(f"{path}?token={signature}" for path in case.files))
        result = case.run()
        assert (result.code, result.err) == (0, "")
    assert len(case.server.log) == requests
    assert case.lock.read_bytes() == before
    if os.name != "nt":
        case.lock.chmod(0o444)
        assert case.run("-d", "other").code == 0, "a read-only lock has them too"


def test_many_files_of_one_signed_address_are_held_to_it(fastdl: Runner, serve: Serve) -> None:
    app = FileApp(size=500)
    case = Case(fastdl, serve, {"/get": app})
    case.write(*(f"/get?token=A{at}\n out={at}.bin\n" for at in range(40)))
    assert case.run().code == 0
    app.change()
    case.write(*(f"/get?token=B{at}\n out={at}.bin\n" for at in range(40)))
    result = case.run("-d", "other")
    assert [each["exit_code"] for each in result.json] == [5] * 40
    assert result.files == {f"{at}.bin" for at in range(40)}


# --- what is enforced ------------------------------------------------------------------------------------


def test_files_that_are_right_cost_no_request(case: Case) -> None:
    case.run()
    requests = len(case.server.log)
    result = case.run()
    assert result.code == 0
    assert len(case.server.log) == requests
    assert all(each["digest"]["source"] == "lock" and each["digest"]["verified"] for each in result.json)
    assert all(each["sha256"] == each["digest"]["value"] for each in result.json)


@pytest.mark.parametrize("size", [2_000, 900_000])
@pytest.mark.parametrize("resized", [False, True])
def test_a_file_that_changed_at_the_server(fastdl: Runner, serve: Serve, size: int, resized: bool) -> None:
    case = Case(fastdl, serve, apps(3, size))
    case.run()
    before = case.lock.read_bytes()
    for path in list(case.path("").iterdir()):
        path.unlink()
    app = case.files["/001.bin"]
    app.change(size=app.size + 1 if resized else None)
    result = case.run()
    assert result.code == 8
    failed = told(result, "001.bin")
    assert failed["exit_code"] == 5
    assert f"{case.lock}, line 3" in failed["error"]
    assert result.files == {"000.bin", "002.bin"}
    assert case.lock.read_bytes() == before


def test_one_file_has_its_own_exit_code(case: Case) -> None:
    case.write("/000.bin")
    case.run()
    case.path("000.bin").unlink()
    case.files["/000.bin"].change()
    assert case.run().code == 5
    assert case.run("-d", "other").code == 5


@pytest.mark.parametrize("fields", [{"size": 1}, {"sha256": "00" * 32}])
def test_other_facts_in_the_lock(case: Case, fields: dict[str, Any]) -> None:
    case.run()
    case.change_lock(4, **fields)
    here = case.run()
    fresh = case.run("-d", "fresh")
    for result in (here, fresh):
        assert told(result, "002.bin")["exit_code"] == 5
        assert "line 4" in told(result, "002.bin")["error"]
        assert sum(each["exit_code"] == 0 for each in result.json) == 5
    assert not any("fastdl" in name for name in fresh.files)


@pytest.mark.parametrize(("option", "code"), [("", 5), ("-N", 0), ("--overwrite", 0), ("--skip-existing", 5)])
def test_a_file_that_was_damaged_here(case: Case, option: str, code: int) -> None:
    case.run()
    path = case.path("003.bin")
    path.write_bytes(b"damaged")
    result = case.run(*filter(None, [option]))
    assert told(result, "003.bin")["exit_code"] == code
    assert (path.read_bytes() == case.files["/003.bin"].bytes()) == (code == 0)


def test_the_lock_is_stronger_than_newer(case: Case) -> None:
    case.run()
    case.files["/003.bin"].change()
    requests = len(case.server.log)
    assert case.run("-N").code == 0
    assert len(case.server.log) == requests


def test_a_line_that_is_removed_takes_the_new_file(case: Case) -> None:
    case.run()
    case.files["/003.bin"].change()
    lines = case.lock.read_text("utf-8").splitlines(keepends=True)
    case.lock.write_text("".join(lines[:4] + lines[5:]), "utf-8")
    assert case.run("-N").code == 0
    assert case.entries[3]["sha256"] == case.files["/003.bin"].sha256()
    assert case.entries[3]["size"] == case.files["/003.bin"].size
    assert case.path("003.bin").read_bytes() == case.files["/003.bin"].bytes()


def test_another_name_for_the_same_url_is_held_to_it_too(case: Case) -> None:
    case.write("/000.bin")
    case.run()
    case.files["/000.bin"].change()
    case.write("/000.bin\n out=renamed.bin\n")
    assert case.run().code == 5


def test_a_checksum_that_is_not_the_locks(case: Case) -> None:
    case.run()
    requests = len(case.server.log)
    case.write("/000.bin\n checksum=sha256:" + "00" * 32 + "\n", "/001.bin")
    result = case.run()
    assert told(result, "000.bin")["exit_code"] == 5
    assert len(case.server.log) == requests


def test_names_that_the_server_chose_are_kept(fastdl: Runner, serve: Serve) -> None:
    header = ("Content-Disposition", 'attachment; filename="real.bin"')
    app = FileApp(size=3_000, extra=(header,))
    case = Case(fastdl, serve, {"/get.php": app})
    assert case.run().code == 0
    assert case.entries[0]["name"] == "real.bin"
    requests = len(case.server.log)
    assert case.run().code == 0
    assert len(case.server.log) == requests
    app.extra = (("Content-Disposition", 'attachment; filename="other.bin"'),)
    case.path("real.bin").unlink()
    result = case.run()
    assert (result.code, result.files) == (0, {"real.bin"})


def test_a_server_that_calls_its_file_as_stdout_is_called(fastdl: Runner, serve: Serve) -> None:
    app = FileApp(size=3_000, extra=(("Content-Disposition", 'attachment; filename="-"'),))
    case = Case(fastdl, serve, {"/get.php": app})
    for _ in range(2):
        result = case.run()
        assert (result.code, result.json[0]["sha256"]) == (0, app.sha256()), "and nothing else is on stdout"
        assert len(result.files) == 1
    assert len(case.server.log) == 1


def test_stdout(case: Case) -> None:
    case.write("/000.bin")
    args = [each for each in case.arguments if each != "--json"]
    first = case.fastdl(*args, "-o", "-")
    assert (first.code, first.stdout) == (0, case.files["/000.bin"].bytes())
    assert case.entries == [{"url": case.url("/000.bin"), "size": 2_000, "sha256": case.files["/000.bin"].sha256()}]
    case.files["/000.bin"].change()
    assert case.fastdl(*args, "-o", "-").code == 5


def test_dry_run_writes_nothing(case: Case) -> None:
    assert case.run("--dry-run").code == 0
    assert not case.lock.exists()
    case.run()
    before = case.lock.read_bytes()
    case.write("/000.bin")
    result = case.run("--dry-run")
    assert result.code == 0
    assert case.files["/000.bin"].sha256() in result.out
    assert case.lock.read_bytes() == before


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
        wait_for(lambda: len(case.server.log) > 0, _PATIENCE)
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
