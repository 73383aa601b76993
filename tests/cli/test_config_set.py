"""`config set` and `unset`: what is written, what stays as it was, and what is refused."""

from __future__ import annotations

import os
import stat
import sys
import threading
from pathlib import Path

import pytest

from config_file import path as path
from config_file import settings, write
from disks import on_tiny_disk, run_on_tiny_disk
from fastdl.__main__ import main

posix = pytest.mark.skipif(sys.platform == "win32", reason="permissions of POSIX")


# --- set and unset ---------------------------------------------------------------------------------------


def test_set_makes_the_file(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "set", "jobs", "8"]) == 0
    assert capsys.readouterr().out == f"jobs = 8 in {path}\n"
    assert path.read_bytes() == b"jobs = 8\n"
    assert [entry.name for entry in path.parent.iterdir()] == ["config.toml"], "no lock and no draft stays"
    if sys.platform != "win32":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


VALUES = [
    ("connections", ["auto"], 'connections = "auto"'), ("connections", ["08"], "connections = 8"),
    ("timeout", ["2.5"], "timeout = 2.5"), ("timeout", ["90s"], 'timeout = "90s"'), ("max_time", ["0"], "max-time = 0"),
    ("max-size", ["2G"], 'max-size = "2G"'), ("limit-rate", ["500000"], "limit-rate = 500000"),
    ("quiet", ["yes"], "quiet = true"), ("quiet", ["off"], "quiet = false"),
    ("no-durable", ["on"], "no-durable = true"),
    ("http", ["1.1"], 'http = "1.1"'), ("header", ["A: b"], 'header = ["A: b"]'),
    ("header", ["A: b", "C: d, e"], 'header = ["A: b", "C: d, e"]'), ("user-agent", [""], 'user-agent = ""'),
    ("user-agent", ['a "b" ü'], 'user-agent = "a \\"b\\" ü"'), ("dir", ["C:\\new"], "dir = 'C:\\new'"),
    ("history", ["no"], "history = false"), ("output", ["-"], 'output = "-"'),
    ("connect-to", ["a:1:b:2", "::c:"], 'connect-to = ["a:1:b:2", "::c:"]'),
]  # fmt: skip


@pytest.mark.parametrize(("key", "words", "line"), VALUES)
def test_values(key: str, words: list[str], line: str, path: Path) -> None:
    assert main(["config", "set", key, *words]) == 0
    assert path.read_text(encoding="utf-8") == line + "\n"
    settings(path)


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["jobs", "many"], "a whole number from 1 to 256 is expected"),
        (["jbs", "1"], "did you mean jobs?"),
        (["max-size", "10Q"], "with k, M, G or T"),
        (["cdn", "on"], "one of auto, off, prefer is expected"),
        (["quiet", "maybe"], "true or false"),
        (["header", "nothing"], "'Name: value' is expected"),
        (["proxy", "gopher://me:hunter2@example.org"], "socks5h is expected"),
        (["cacert", "missing.pem"], "there is no such file"),
        (["key", "missing.pem"], "without --cert"),
        (["ipv6", "true"], "exclude each other"),
        (["user-agent", "a\udc80"], "UTF-8"),
    ],
)
def test_a_wrong_value_is_not_written(
    words: list[str], part: str, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(path, "ipv4 = true\n")
    assert main(["config", "set", *words]) == 2
    error = capsys.readouterr().err
    assert part in error
    assert "hunter2" not in error
    assert path.read_bytes() == b"ipv4 = true\n"


def test_a_file_is_meant_from_every_folder(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cookies.txt").write_text("")
    monkeypatch.chdir(tmp_path)
    assert main(["config", "set", "cookies", "cookies.txt"]) == 0
    assert settings(path).cookies == str(tmp_path / "cookies.txt")
    assert main(["config", "set", "dir", "here"]) == 0
    assert settings(path).dir == "here", "a folder for downloads is another one in each folder"


def test_what_a_killed_set_left_is_removed(path: Path) -> None:
    write(path, "jobs = 1\n")
    draft = path.with_name(path.name + ".draft")
    draft.write_text('proxy = "http://me:hunter2@example.org"\n')
    assert main(["config", "set", "jobs", "2"]) == 0
    assert not draft.exists() and path.read_text() == "jobs = 2\n"


def test_comments_order_and_line_breaks_stay(path: Path) -> None:
    text = '\ufeff# mine\r\nretries = 3 # three\r\njobs = 4\t# four\r\n\r\n[rules.mine] # tables\r\nmatch = ["https://example.org/{path...}"]\r\n'
    write(path, text)
    assert main(["config", "set", "jobs", "8"]) == 0
    assert main(["config", "set", "http", "2"]) == 0
    edited = text.replace("jobs = 4\t# four\r\n", 'jobs = 8\t# four\r\nhttp = "2"\r\n')
    assert path.read_bytes() == edited.encode()
    assert main(["config", "unset", "http", "jobs"]) == 0
    assert path.read_bytes() == text.replace("jobs = 4\t# four\r\n", "").encode()


def test_lines_are_those_of_the_file_as_it_is(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(path, "# a\n[rules.mine]\nmatch = 3\n")
    assert main(["config", "set", "retries", "3"]) == 2
    assert f"{path}, line 3, key rules.mine.match" in capsys.readouterr().err
    write(path, 'header = [\n"A: b",\n]\njobs = 2\nretires = 3\n')
    for words in (["unset", "header"], ["unset", "jobs"], ["set", "header", "C: d"], ["set", "timeout", "3"]):
        assert main(["config", *words]) == 2
        assert f"{path}, line 5, key retires" in capsys.readouterr().err


def test_another_spelling_is_replaced(path: Path) -> None:
    write(path, "no_durable = true # why\nmin_split = 1\n")
    assert main(["config", "set", "durable", "true"]) == 0
    assert main(["config", "set", "min-split", "2"]) == 0
    assert path.read_text() == "durable = true # why\nmin_split = 2\n"
    assert main(["config", "unset", "no-durable"]) == 0
    assert path.read_text() == "min_split = 2\n"


def test_what_was_wrong_can_be_mended(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(path, 'jobs = "many"\nretires = 3\nretries = 2\n')
    assert main(["config", "unset", "jobs"]) == 2
    assert "retires" in capsys.readouterr().err
    assert main(["config", "unset", "jobs", "retires"]) == 0
    assert path.read_text() == "retries = 2\n"
    write(path, 'jobs = "many"\n')
    assert main(["config", "set", "jobs", "3"]) == 0
    assert path.read_text() == "jobs = 3\n"


def test_unset_what_is_not_set(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "unset", "jobs"]) == 0
    assert capsys.readouterr().out == f"jobs not set in {path}\n"
    assert not path.exists()
    write(path, "retries = 1")
    assert main(["config", "unset", "jobs"]) == 0
    assert path.read_bytes() == b"retries = 1"


def test_a_secret_is_not_repeated(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(path, "\n")
    path.chmod(0o644)
    for words in (["user", "me:hunter2"], ["header", "X: hunter2"], ["proxy", "http://me:hunter2@p.example.org"]):
        assert main(["config", "set", *words]) == 0
        told = capsys.readouterr()
        assert "hunter2" not in told.out + told.err
        if sys.platform != "win32":
            assert "other users can read" in told.err
    assert "hunter2" in path.read_text()


def test_a_stronger_variable_is_told(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTDL_JOBS", "2")
    assert main(["config", "set", "jobs", "3"]) == 0
    assert "FASTDL_JOBS is set, and stronger" in capsys.readouterr().err


@posix
def test_permissions_and_links_stay(path: Path, tmp_path: Path) -> None:
    real = tmp_path / "real.toml"
    real.write_text("jobs = 1\n")
    real.chmod(0o640)
    path.parent.mkdir()
    path.symlink_to(real)
    assert main(["config", "set", "jobs", "2"]) == 0
    assert path.is_symlink()
    assert real.read_text() == "jobs = 2\n"
    assert stat.S_IMODE(real.stat().st_mode) == 0o640


def test_a_read_only_file_is_left_alone(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(path, "jobs = 1\n")
    path.chmod(0o444)
    try:
        assert main(["config", "set", "jobs", "2"]) == 6
        assert "read-only" in capsys.readouterr().err
        assert main(["config", "unset", "jobs"]) == 6
        assert path.read_text() == "jobs = 1\n"
        assert [entry.name for entry in path.parent.iterdir()] == ["config.toml"]
    finally:
        path.chmod(0o644)


@posix
def test_what_is_no_file_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pipe = tmp_path / "null"
    os.symlink(os.devnull, pipe)
    monkeypatch.setenv("FASTDL_CONFIG", str(pipe))
    for words in (["set", "jobs", "1"], ["edit"]):
        assert main(["config", *words]) == 6
        assert "no ordinary file" in capsys.readouterr().err
    assert main(["config", "show", "jobs"]) == 0
    assert os.stat(os.devnull).st_mode == os.stat(pipe).st_mode
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)
    assert os.listdir(tmp_path) == ["null"]


def test_no_folder_can_be_made(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path.parent.write_text("a file")
    assert main(["config", "set", "jobs", "2"]) in (2, 6)
    error = capsys.readouterr().err
    assert error.startswith("fastdl: error: ")
    assert error.count("\n") == 1


@on_tiny_disk
def test_a_full_disk_keeps_the_old_file(tmp_path: Path) -> None:
    code = """
        import os, sys
        from fastdl.__main__ import main
        os.environ["FASTDL_CONFIG"] = path = os.path.join(sys.argv[1], "config.toml")
        open(path, "w").write("jobs = 1\\n")
        with open(os.path.join(sys.argv[1], "filler"), "wb", 0) as file:
            try:
                while True:
                    file.write(b"x" * 4096)
            except OSError:
                pass
        print(main(["config", "set", "user-agent", "x" * 8000]), open(path).read(), sorted(os.listdir(sys.argv[1])))
    """
    ended = run_on_tiny_disk(tmp_path, code)
    assert ended.stdout == "6 jobs = 1\n ['config.toml', 'filler']\n", ended.stderr
    assert "fastdl: error: " in ended.stderr


def test_two_at_once_lose_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastdl.io.config_file.PATIENCE", 60.0)  # this machine may be busy
    keys = [("jobs", "1"), ("retries", "2"), ("per-host", "3"), ("timeout", "4"), ("connections", "5"), ("http", "2")]
    threads = [threading.Thread(target=main, args=(["config", "set", *pair],)) for pair in keys]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(90)
    held = settings(path)
    assert (held.jobs, held.retries, held.per_host, held.timeout, held.connections, held.http) == (1, 2, 3, 4.0, 5, "2")
    assert [entry.name for entry in path.parent.iterdir()] == ["config.toml"]
