"""Running the command of --on-complete: which program, with what environment, and its end."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from fastdl.io import command
from fastdl.io.command import NotRun, environment, find, run

posix = pytest.mark.skipif(sys.platform == "win32", reason="permissions of POSIX")


def never() -> bool:
    return False


def program(folder: Path, name: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(b"#!/bin/sh\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("code", [0, 3])
def test_exit_code(code: int) -> None:
    assert run([sys.executable, "-c", f"raise SystemExit({code})"], os.environ, never) == code


@posix
def test_a_signal_is_a_negative_code() -> None:
    assert run([sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"], os.environ, never) == -9


def test_it_reads_nothing_and_writes_to_stderr(capfd: pytest.CaptureFixture[str]) -> None:
    text = "import sys; print('out', repr(sys.stdin.read())); sys.stderr.write('err')"
    saved, sys.stderr = sys.stderr, os.fdopen(os.dup(2), "w")
    try:
        assert run([sys.executable, "-c", text], os.environ, never) == 0
    finally:
        sys.stderr.close()
        sys.stderr = saved
    out, err = capfd.readouterr()
    assert out == ""
    assert "out ''" in err
    assert "err" in err


def test_without_a_stderr(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    assert run([sys.executable, "-c", "print(1)"], os.environ, never) == 0


def test_it_is_ended_with_the_run(tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    text = f"import time; open({str(begun)!r}, 'w').close(); time.sleep(60)"
    assert run([sys.executable, "-c", text], os.environ, begun.exists) is None


@posix
def test_one_that_does_not_listen_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "MERCY", 0.2)
    begun = tmp_path / "begun"
    text = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        f"open({str(begun)!r}, 'w').close(); time.sleep(60)"
    )
    assert run([sys.executable, "-c", text], os.environ, begun.exists) is None


@posix
def test_what_it_has_started_ends_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell that is ended does not end its children; they would keep stderr open for whoever waits for its end."""
    monkeypatch.setattr(command, "_at_terminal", lambda: False)
    fifo, begun = tmp_path / "fifo", tmp_path / "begun"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    text = f"exec 9>{shlex.quote(str(fifo))}; touch {shlex.quote(str(begun))}; sleep 20; echo late >&9"
    assert run(["/bin/sh", "-c", f"sh -c {shlex.quote(text)}; true"], os.environ, begun.exists) is None
    os.set_blocking(reader, True)
    with open(reader, "rb") as file:
        assert file.read() == b""


@posix
def test_a_signal_while_it_is_being_started_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    real, begun = subprocess.Popen, []

    def start(*words: Any, **how: Any) -> Any:
        begun.append(real(*words, **how))
        os.kill(os.getpid(), signal.SIGUSR1)
        interrupted.wait(60)
        return begun[0]

    def interrupt(*_: object) -> None:
        interrupted.set()
        raise KeyboardInterrupt

    interrupted = threading.Event()
    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        monkeypatch.setattr(subprocess, "Popen", start)
        with pytest.raises(KeyboardInterrupt):
            run([sys.executable, "-c", "import time; time.sleep(60)"], os.environ, never)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert begun[0].poll() is not None


@posix
@pytest.mark.parametrize("ours", [True, False])
def test_at_a_terminal_it_stays_with_us(monkeypatch: pytest.MonkeyPatch, ours: bool) -> None:
    """Else it could not ask for a password there."""
    monkeypatch.setattr(os, "open", lambda path, flags: os.dup(1))
    monkeypatch.setattr(os, "tcgetpgrp", lambda terminal: os.getpgrp() + (not ours))
    assert command._at_terminal() is ours


def test_a_name_is_looked_for_in_absolute_folders_of_the_path_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not in the folder that strangers' files are downloaded to."""
    suffix = ".EXE" if sys.platform == "win32" else ""
    program(tmp_path, "tool" + suffix)
    there = program(tmp_path / "bin", "tool" + suffix)
    monkeypatch.chdir(tmp_path)
    path = os.pathsep.join(["", ".", str(tmp_path / "bin")])
    assert find("tool", {"PATH": path, "PATHEXT": ".EXE"}) == str(there)
    with pytest.raises(NotRun, match="no such program"):
        find("tool", {"PATH": os.pathsep.join(["", "."])})


def test_a_path_is_taken_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = program(tmp_path / "bin", "tool.exe")
    monkeypatch.chdir(tmp_path)
    assert find("bin/tool.exe", {}) == str(there)
    assert find(str(there), {}) == str(there)


def test_suffixes_of_windows(tmp_path: Path) -> None:
    folder = tmp_path / "bin"
    there = program(folder, "tool.BAT")
    program(folder, "other.exe")
    environ = {"PATH": str(folder), "PATHEXT": ".EXE;.BAT"}
    assert find("tool", environ, windows=True) == str(there)
    assert find("other.exe", environ, windows=True) == str(folder / "other.exe")
    with pytest.raises(NotRun):
        find("other", {"PATH": str(folder), "PATHEXT": ".COM"}, windows=True)


@posix
def test_what_is_no_program(tmp_path: Path) -> None:
    path = program(tmp_path, "tool")
    path.chmod(0o644)
    with pytest.raises(NotRun, match="permission denied"):
        find("tool", {"PATH": str(tmp_path)})
    with pytest.raises(NotRun, match="no such program"):
        find(str(tmp_path), {})


@posix
def test_what_cannot_be_started(tmp_path: Path) -> None:
    path = tmp_path / "tool"
    path.write_bytes(b"\x7fELF no more")
    path.chmod(0o755)
    with pytest.raises(NotRun, match="format"):
        run([str(path)], os.environ, never)
    with pytest.raises(NotRun, match="passed on"):
        run([sys.executable, "a\0b"], os.environ, never)


def test_batch_files_are_not_given_what_their_shell_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = program(tmp_path, "tool.bat")
    monkeypatch.setattr(command, "BATCH_FILES", True)
    with pytest.raises(NotRun, match="batch file"):
        run([str(path), "https://example.org/?a=1&calc.exe"], os.environ, never)


@pytest.mark.parametrize("name", ["cmd.exe", "CMD.EXE"])
def test_cmd_is_given_by_nobody_but_the_user_what_it_reads(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, path = str(program(tmp_path, name)), "C:\\a&calc.exe&.bin"
    words = [own, "/c", f"copy {path} there > log"]
    monkeypatch.setattr(command, "BATCH_FILES", True)
    with pytest.raises(NotRun, match=r"cmd\.exe cannot be given the character '&'"):
        run(words, os.environ, never, [path])
    monkeypatch.setattr(command, "_run", lambda words, environ, stopped: 0)
    assert run(words, os.environ, never, ["C:\\a b.bin"]) == 0, "what the user has written is the user's"


def test_environment() -> None:
    given = {
        "PATH": "/bin",
        "FASTDL_USER": "me:secret",
        "FASTDL_HEADER": "Authorization: secret",
        "FASTDL_PROXY": "http://me:secret@example.org",
        "FASTDL_ON_COMPLETE": "fastdl get x",
        "FASTDL_JOBS": "2",
    }
    assert environment(given) == {"PATH": "/bin", "FASTDL_JOBS": "2"}
