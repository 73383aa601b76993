"""The harness tells the truth about one process: its exit code, its own memory, its processor time, its end."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benches.harness import Run, RunFailed, clean_environment, measure

MIB = 1 << 20
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the benches need wait4")


def python(code: str) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", code]


def test_the_exit_code_is_the_commands_own() -> None:
    assert measure(python("raise SystemExit(7)"), check=False).exit_code == 7
    assert measure(python("pass")).exit_code == 0


def test_a_failure_is_an_error_that_names_the_program_and_its_last_words() -> None:
    with pytest.raises(RunFailed, match=r"ended with 3: no such luck"):
        measure(python("import sys; print('no such luck', file=sys.stderr); sys.exit(3)"))


def test_a_signal_is_no_success() -> None:
    run = measure(python(f"import os; os.kill(os.getpid(), {int(signal.SIGTERM)})"), check=False)
    assert run.exit_code == -signal.SIGTERM


def test_a_missing_program_is_an_error() -> None:
    with pytest.raises(RunFailed, match="could not be started"):
        measure(["fastdl-bench-no-such-program"])


def test_peak_memory_is_that_of_the_command_not_of_the_bench() -> None:
    ballast = bytearray(96 * MIB)
    ballast[::4096] = b"x" * len(ballast[::4096])  # every page is really there
    small = measure(python("pass")).peak
    large = measure(python(f"data = bytearray({64 * MIB}); data[::4096] = b'x' * len(data[::4096])")).peak
    assert small < 48 * MIB
    assert large - small > 56 * MIB
    del ballast


def test_processor_time_is_counted_for_the_command_and_its_children() -> None:
    idle = measure(python("pass")).cpu
    busy = measure(
        python("import os, time\nif os.fork() == 0:\n while time.process_time() < 0.4: pass\nelse: os.wait()")
    )
    assert busy.cpu >= idle + 0.3


def test_what_a_command_prints_does_not_disturb_the_figures() -> None:
    run = measure(python("print('1 2 3 4 5'); print('9 9 9 9 9')"))
    assert run.exit_code == 0
    assert "9 9 9 9 9" in run.messages
    assert run.peak > MIB


def test_a_time_out_ends_the_command_too(monkeypatch: pytest.MonkeyPatch) -> None:
    real = subprocess.Popen.communicate
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(60)
        alive: list[socket.socket] = []

        def as_if_too_long(process: Any, timeout: float | None = None) -> Any:
            if alive:
                return real(process, timeout=60)
            alive.append(listener.accept()[0])  # now the command itself runs
            raise subprocess.TimeoutExpired("", 3)

        monkeypatch.setattr(subprocess.Popen, "communicate", as_if_too_long)
        address = listener.getsockname()
        code = f"import signal, socket; s = socket.create_connection({address!r}); signal.pause()"
        with pytest.raises(RunFailed, match="waiter took more than 3 s"):
            measure(python(code), timeout=3, name="waiter")
        with alive[0] as connection:
            connection.settimeout(60)
            assert connection.recv(1) == b""  # its end of the connection is gone, and so is the command


def test_flushing_is_timed_apart_and_a_missing_file_costs_nothing(tmp_path: Path) -> None:
    target = tmp_path / "out"
    run = measure(python(f"open({str(target)!r}, 'wb').write(b'x' * {MIB})"), output=target)
    assert target.stat().st_size == MIB
    assert run.flush > 0
    assert run.settled == run.wall + run.flush
    assert measure(python("pass"), output=tmp_path / "absent").flush == 0


def test_settled_is_the_sum() -> None:
    assert Run(wall=1.0, flush=0.5, cpu=0.0, peak=0, exit_code=0).settled == 1.5


def test_the_environment_hides_what_a_person_configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy.example.org:3128")
    monkeypatch.setenv("FASTDL_CONNECTIONS", "1")
    env = clean_environment(tmp_path, PYTHONPATH="src")
    assert env["HOME"] == str(tmp_path)
    assert env["PYTHONPATH"] == "src"
    assert not {"https_proxy", "FASTDL_CONNECTIONS", "XDG_CONFIG_HOME"} & set(env)
