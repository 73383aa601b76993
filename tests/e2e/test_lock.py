"""--lock: what a list's files were is written down once, and from then on they have to be just that."""

from __future__ import annotations

import os
from typing import Any

import pytest

from locked import Case, told
from locked import case as case
from servers.files import FileApp
from servers.raw import Serve
from servers.run import Runner, everything_written
from small_files import apps

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
