"""The entry: what is imported, what a user sees of every kind of end, and with which exit code."""

from __future__ import annotations

import errno
import io
import os
import signal
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fastdl import __version__
from fastdl.__main__ import main
from fastdl.engine import sinks
from fastdl.errors import DiskError, HttpStatus, TargetExists, Terminated
from fastdl.events import Ended, Note, Observer, Started
from fastdl.result import Result
from fastdl.settings import Settings

URL = "http://example.org/file.bin"
HEAVY = ("typer", "click", "rich", "pydantic", "tqdm", "httpx", "numpy", "psutil", "cachetools", "ssl", "asyncio",
         "tomllib", "sqlite3")  # fmt: skip
Batch = Callable[[Settings, list[str], Observer], list[Result]]


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """No config file and no variables of whoever runs the tests."""
    for name in list(os.environ):
        if name.startswith("FASTDL_"):
            monkeypatch.delenv(name)
    for name in ("HOME", "USERPROFILE", "APPDATA", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path))


@pytest.fixture
def batch(monkeypatch: pytest.MonkeyPatch) -> Callable[[Batch], None]:
    """Puts a stand-in for the engine in place."""

    def use(run: Batch) -> None:
        module = types.ModuleType("fastdl.batch")
        module.run = run  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "fastdl.batch", module)
        monkeypatch.setattr("fastdl.batch", module, raising=False)

    return use


def ending(*results: Result) -> Batch:
    """An engine whose files end in these ways."""

    def run(settings: Settings, urls: list[str], observer: Observer, profile: object = None) -> list[Result]:
        for number, result in enumerate(results):
            observer(Started(number, urls[number]))
            observer(Ended(number, result))
        return list(results)

    return run


def raising(error: BaseException) -> Batch:
    def run(settings: Settings, urls: list[str], observer: Observer, profile: object = None) -> list[Result]:
        raise error

    return run


def one_line(text: str) -> str:
    assert text.endswith("\n")
    assert text.count("\n") == 1, text
    assert all(char.isprintable() for char in text[:-1])
    return text[:-1]


def run_python(code: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **variables}
    return subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=False)


def loaded_after(args: list[str], names: tuple[str, ...]) -> set[str]:
    code = (
        "import sys; before = set(sys.modules); from fastdl.__main__ import main; "
        f"main({args!r}); sys.stderr.write('\\n' + ' '.join(set(sys.modules) - before))"
    )
    return set(run_python(code).stderr.splitlines()[-1].split()) & set(names)


def test_version_is_bare_python(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"fastdl {__version__}\n"
    light = (*HEAVY, "dataclasses", "inspect", "re", "typing", "fastdl.errors", "fastdl.settings")
    assert loaded_after(["--version"], light) == set()


def test_get_imports_nothing_heavy_for_its_command_line() -> None:
    assert loaded_after(["get", "--retries=x", URL], HEAVY) == set()
    assert loaded_after(["example.org"], HEAVY) == set()
    assert loaded_after(["resume", "--list"], HEAVY) == set()


@pytest.mark.parametrize(
    "args",
    [
        [],
        ["get"],
        ["nonsense"],
        ["example.org/x"],
        ["get", "--nope", URL],
        ["get", "-o"],
        ["get", "--json=1", URL],
        ["get", "-x", "many", URL],
        ["get", "-4", "-6", URL],
        ["get", "-o", "x", URL, URL],
        ["get", "-o", "-", "--json", URL],
        ["get", "--checksum", "md5:zz", URL],
        ["get", "-H", "a\x1b[31m: b", URL],
        ["get", "http://exa\x1b[31mmple.org/"],
        ["get", "-u", "me", URL],
        ["resume", "a", "b"],
        ["resume", "--output", "x"],
        ["demo", "--what"],
        ["demo", "x"],
        ["--nope"],
        ["-q", "resume"],
        ["--install-completion=1"],
    ],
)
def test_a_usage_error_is_one_line(
    args: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert main(args) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert one_line(err).startswith("fastdl: error: ")


def test_a_url_without_scheme_gets_the_likely_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["example.org/x"]) == 2
    assert "https://example.org/x" in capsys.readouterr().err


@pytest.mark.parametrize("args", [["--help"], ["-h"], ["get", "--help"], ["-q", "--help"], ["resume", "-h"]])
def test_help(args: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(args) == 0
    out, err = capsys.readouterr()
    assert out.startswith("Usage: fastdl")
    assert err == ""


def test_help_of_get_lists_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    from fastdl.options import OPTIONS

    main(["get", "--help"])
    out = capsys.readouterr().out
    assert all(f"--{option.name} " in out or f"--{option.name}\n" in out for option in OPTIONS)


def test_completion_knows_commands_and_options() -> None:
    code = "from fastdl.__main__ import main; main([])"
    done = run_python(code, _FASTDL_COMPLETE="complete_bash", COMP_WORDS="fastdl get --retr", COMP_CWORD="2")
    assert done.stdout.split() == ["--retries"]
    done = run_python(code, _FASTDL_COMPLETE="complete_bash", COMP_WORDS="fastdl re", COMP_CWORD="1")
    assert done.stdout.split() == ["resume"]
    done = run_python(code, _FASTDL_COMPLETE="complete_bash", COMP_WORDS="fastdl get --progress pl", COMP_CWORD="3")
    assert done.stdout.split() == ["plain"]


def test_settings_and_urls_reach_the_engine(batch: Any, capsys: pytest.CaptureFixture[str]) -> None:
    seen: list[Any] = []

    def run(settings: Settings, urls: list[str], observer: Observer, profile: object = None) -> list[Result]:
        seen.append((settings, urls))
        return ending(Result(url=urls[0], path="x", size=1))(settings, urls, observer)

    batch(run)
    assert main(["-o", "x", "-x2", URL, "-q"]) == 0
    assert main(["get", "-q", URL, "--output=x", "--connections", "2"]) == 0
    assert seen[0] == seen[1] == (Settings(output="x", connections=2, quiet=True), [URL])
    assert capsys.readouterr() == ("", "")


def test_the_code_of_one_file_is_the_code(batch: Any, capsys: pytest.CaptureFixture[str]) -> None:
    batch(ending(Result(url=URL, error=HttpStatus("the server said 404", status=404))))
    for quiet in ([], ["-q"]):
        assert main([URL, *quiet]) == 4
        assert one_line(capsys.readouterr().err).startswith("fastdl: error: the server said 404.")


def test_several_files(batch: Any, capsys: pytest.CaptureFixture[str]) -> None:
    good = Result(url=URL, path="a", size=1)
    bad = Result(url=URL + "?token=hunter2", path="b", error=TargetExists("the file exists"))
    batch(ending(good, bad))
    assert main([URL, URL + "?token=hunter2"]) == 8
    err = capsys.readouterr().err
    assert "hunter2" not in err
    assert "fastdl: error: b: the file exists" in err
    assert "1 of 2 files failed" in err.splitlines()[-1]
    assert main(["-q", URL, URL]) == 8
    assert one_line(capsys.readouterr().err).startswith("fastdl: error: b: ")
    batch(ending(bad, bad))
    assert main(["-q", URL, URL]) == 8
    batch(ending(good, good))
    assert main(["-q", URL, URL]) == 0


def test_an_error_of_the_whole_run(batch: Any, capsys: pytest.CaptureFixture[str]) -> None:
    batch(raising(TargetExists("the file 'a\x1b[2Jb' exists", "at http://me:hunter2@example.org/?sig=hunter2")))
    assert main([URL]) == 7
    line = one_line(capsys.readouterr().err)
    assert "hunter2" not in line
    assert "--overwrite" in line


@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt(), 130), (Terminated("terminated"), 143)])
def test_interrupted(error: BaseException, code: int, batch: Any, capsys: pytest.CaptureFixture[str]) -> None:
    batch(raising(error))
    assert main([URL]) == code
    assert "Run the same command again" in one_line(capsys.readouterr().err)


@pytest.mark.parametrize("name", [name for name in ("SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)])
def test_a_signal_ends_the_run(name: str, batch: Any, capsys: pytest.CaptureFixture[str]) -> None:
    number = getattr(signal, name)
    before = signal.getsignal(number)

    def run(settings: Settings, urls: list[str], observer: Observer, profile: object = None) -> list[Result]:
        signal.raise_signal(number)
        raise AssertionError("the signal was not taken")

    batch(run)
    assert main([URL]) == 143
    one_line(capsys.readouterr().err)
    assert signal.getsignal(number) == before


def test_a_signal_that_is_ignored_stays_ignored(batch: Any) -> None:
    number = getattr(signal, "SIGHUP", signal.SIGTERM)  # nohup where there is one
    before = signal.signal(number, signal.SIG_IGN)

    def run(settings: Settings, urls: list[str], observer: Observer, profile: object = None) -> list[Result]:
        signal.raise_signal(number)
        return ending(Result(url=URL, path="a", size=0))(settings, urls, observer)

    try:
        batch(run)
        assert main(["-q", URL]) == 0
    finally:
        signal.signal(number, before)


def test_a_bug_is_one_line_without_traceback(
    batch: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    batch(raising(ZeroDivisionError("at http://me:hunter2@example.org/")))
    assert main([URL]) == 1
    line = one_line(capsys.readouterr().err)
    assert "this is a bug in fastdl (ZeroDivisionError" in line
    assert "report" in line
    log = tmp_path / "log.txt"
    assert main([URL, "--log", str(log)]) == 1
    one_line(capsys.readouterr().err)
    assert "Traceback" in log.read_text(encoding="utf-8")
    assert "hunter2" not in log.read_text(encoding="utf-8")
    assert main([URL, "-v"]) == 1
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert "hunter2" not in err
    monkeypatch.setenv("FASTDL_DEBUG", "1")
    assert main([URL]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_an_unforeseen_end_outside_of_the_engine(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: Any, **more: Any) -> None:
        raise RuntimeError("no way")

    monkeypatch.setattr("fastdl.config.load", broken)
    assert main([URL]) == 1
    assert "RuntimeError: no way" in one_line(capsys.readouterr().err)


def test_a_reader_that_went_away_is_no_bug(batch: Any, capsys: pytest.CaptureFixture[str]) -> None:
    batch(raising(BrokenPipeError(32, "Broken pipe")))
    assert main(["-o", "-", URL]) == 6
    assert capsys.readouterr().err == ""


class Full(io.StringIO):
    """A stream to a disk that has no room."""

    def write(self, text: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    "args",
    [["--version"], ["--help"], ["get", "--help"], ["help", "demo"], ["mirrors"], ["mirrors", "-v"], ["cache", "info"],
     ["--show-completion", "bash"], ["resume", "--list"]],
)  # fmt: skip
def test_a_full_disk_under_stdout(
    args: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("fastdl.cli.resume.unfinished", lambda folder: [folder])
    monkeypatch.setattr("fastdl.cli.resume.line_of", str)
    monkeypatch.setattr(sys, "stdout", Full())
    assert main(args) == 6
    assert one_line(capsys.readouterr().err) == "fastdl: error: cannot write to stdout (No space left on device)."


def test_bytes_for_a_closed_stdout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(DiskError, match="cannot write to stdout"):
        sinks.open_output("-")


@pytest.mark.parametrize("step", ["_harden_streams", "_take_signals"])
def test_an_interruption_before_the_work(
    step: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(f"fastdl.__main__.{step}", interrupt)
    assert main([URL]) == 130
    assert "interrupted" in one_line(capsys.readouterr().err)


def test_an_interruption_while_one_is_told() -> None:
    code = (
        "import sys, fastdl.__main__ as entry\n"
        "def again(*args): raise KeyboardInterrupt\n"
        "entry._dispatch = entry._fail = again\n"
        "entry.run()"
    )
    done = run_python(code)
    assert (done.returncode, done.stderr) == (130, "")


@pytest.mark.parametrize(
    ("status", "hint"), [(401, "-u NAME"), (403, "-b"), (404, "path"), (418, "browser"), (429, "-x 1"), (503, "later")]
)
def test_what_to_do_about_an_answer(status: int, hint: str) -> None:
    assert hint in HttpStatus("the server refused", status=status).hint


def test_streams_that_are_gone(batch: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    batch(ending(Result(url=URL, path="ü", size=1)))
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    assert main([URL]) == 0
    assert main([URL, "--json"]) == 0
    assert main(["--version"]) == 0
    assert main([]) == 2


def test_a_console_that_cannot_show_a_name() -> None:
    code = (
        "import sys, types; m = types.ModuleType('fastdl.batch'); sys.modules['fastdl.batch'] = m\n"
        "import fastdl; fastdl.batch = m\n"
        "from fastdl.events import Ended, Started; from fastdl.result import Result\n"
        "def run(s, urls, observer, profile):\n"
        "    r = Result(url=urls[0], path='\\u4e2d\\udcff.bin', size=1)\n"
        "    observer(Started(0, urls[0])); observer(Ended(0, r)); return [r]\n"
        "m.run = run\n"
        "from fastdl.__main__ import main; sys.exit(main(['http://example.org/x'] + sys.argv[1:]))"
    )
    done = run_python(code, PYTHONIOENCODING="ascii:strict")
    assert done.returncode == 0, done.stderr
    assert "4e2d" in done.stderr


def test_warnings_and_notes(batch: Any, capsys: pytest.CaptureFixture[str]) -> None:
    def run(settings: Settings, urls: list[str], observer: Observer, profile: object = None) -> list[Result]:
        observer(Started(0, urls[0]))
        observer(Note(0, "info", "because\x1b[1m"))
        observer(Note(None, "warning", "look at http://me:hunter2@example.org/"))
        return ending(Result(url=URL, path="a", size=1))(settings, urls, observer)

    batch(run)
    main([URL])
    err = capsys.readouterr().err
    assert "fastdl: warning: look at" in err
    assert "because" not in err
    main([URL, "-v"])
    err = capsys.readouterr().err
    assert "fastdl: because" in err
    assert "\x1b" not in err
    assert "hunter2" not in err
    main([URL, "-q"])
    assert capsys.readouterr().err == ""


def test_python_dash_m_and_the_console_script_end_alike() -> None:
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "fastdl", "example.org"]
    done = subprocess.run(command, env=environ, capture_output=True, check=False)
    assert done.returncode == 2
    done = run_python("from fastdl.__main__ import run; import sys; sys.argv = ['fastdl', '--version']; run()")
    assert (done.returncode, done.stdout) == (0, f"fastdl {__version__}\n")
