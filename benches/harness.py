"""One measured run of one command: wall time, CPU time, peak memory, exit code."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

LAUNCHER = Path(__file__).with_name("launch.py")


@dataclass(frozen=True, slots=True)
class Run:
    """What one process cost. Times in seconds, memory in bytes.

    `wall` ends when the process ends; `flush` is what the system then still needed to bring the output to the
    device, so that a program which flushes by itself can be compared with one that does not: `settled` counts both.
    """

    wall: float
    flush: float
    cpu: float
    peak: int
    exit_code: int
    messages: str = ""

    @property
    def settled(self) -> float:
        """Seconds until the file was on the device."""
        return self.wall + self.flush


class RunFailed(Exception):
    """The command could not be started, ended with an error or took too long; the text is fit for a person."""


def clean_environment(home: Path, **more: str) -> dict[str, str]:
    """An environment in which no tool finds a person's config, proxy or cookie file; `home` is an empty folder."""
    keep = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "TMPDIR") if name in os.environ}
    return keep | {"HOME": str(home), "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"} | more


def measure(
    command: Sequence[str],
    *,
    output: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float = 600.0,
    check: bool = True,
    name: str = "",
) -> Run:
    """Run `command` in a process of its own and say what it cost.

    `output`, if given, is flushed to the device afterwards and that time is noted apart. With `check` an exit
    code other than 0 raises RunFailed; so does a run of more than `timeout` seconds, whose processes are ended.
    `name` is what errors call the command.
    """
    name = name or command[0]
    launcher = [sys.executable, "-I", "-S", str(LAUNCHER), str(output or ""), *command]
    process = subprocess.Popen(
        launcher,
        env=dict(env) if env is not None else None,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,  # one group, so that a time-out reaches the command too
    )
    try:
        out, messages = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        _end(process)
        raise RunFailed(f"{name} took more than {timeout:.0f} s") from None
    except BaseException:
        _end(process)
        raise
    if process.returncode != 0:
        raise RunFailed(f"{name} could not be started: {_last_line(messages)}")
    wall, flush, cpu, peak, code = out.split()[-5:]
    run = Run(float(wall), float(flush), float(cpu), int(peak), int(code), messages)
    if check and run.exit_code != 0:
        raise RunFailed(f"{name} ended with {run.exit_code}: {_last_line(messages)}")
    return run


def _end(process: subprocess.Popen[str]) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else "it said nothing"
