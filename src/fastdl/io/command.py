"""Runs the command of `--on-complete`: without a shell, without our secrets, and without finding a program by chance.

A program without a folder in its name is looked for in PATH alone, and there only in absolute folders: Windows would
begin with the current one, which is where strangers' files have just been downloaded to.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence

from fastdl.core.command import is_batch_file, is_cmd, unfit_for_batch
from fastdl.options import OPTIONS

BATCH_FILES = os.name == "nt"  # are handed to cmd.exe
LOOK = 0.1  # seconds between two looks at whether the run is being ended
MERCY = 1.0  # seconds that a command has to end by itself when it is asked to

_LAST = 20.0  # seconds to wait for that; longer only if a signal came before there was anything to wait for


class NotRun(Exception):
    """The command could not be started; the message says why."""


def run(
    arguments: Sequence[str], environ: Mapping[str, str], stopped: Callable[[], bool], filled: Sequence[str] = ()
) -> int | None:
    """Run it to its end; its exit code, negative for a signal, None where `stopped` ended it. It reads nothing, and
    what it writes goes to stderr, because stdout may be data. `filled`: what stands in the arguments that the user has
    not written. Raises NotRun, and what a signal raises."""
    program = find(arguments[0], environ)
    if BATCH_FILES and (is_batch_file(program) or is_cmd(program)):
        batch = is_batch_file(program)
        char = unfit_for_batch(arguments[1:] if batch else filled)
        if char is not None:
            raise NotRun(f"{'a batch file' if batch else 'cmd.exe'} cannot be given the character {char!r} safely")
    ended, done = threading.Event(), threading.Event()
    outcome: list[int | BaseException | None] = []

    def work() -> None:
        try:
            outcome.append(_run([program, *arguments[1:]], environ, lambda: stopped() or ended.is_set()))
        except BaseException as error:
            outcome.append(error)
        done.set()

    try:
        threading.Thread(target=work, name="on-complete").start()
        while not done.wait(LOOK):  # join() is wrong about a thread once a signal has interrupted it
            continue
    finally:
        ended.set()
        done.wait(_LAST)
    if isinstance(outcome[0], BaseException):
        raise outcome[0]
    return outcome[0]


def _run(words: list[str], environ: Mapping[str, str], stopped: Callable[[], bool]) -> int | None:
    """In a thread of its own, where no signal is raised: one that came while the command is being started would leave
    it behind."""
    out, apart = _stderr(), not _at_terminal()
    try:
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=environment(environ), start_new_session=apart
        )
    except OSError as error:
        raise NotRun((error.strerror or type(error).__name__).lower()) from None
    except ValueError:  # a NUL, or a lone surrogate
        raise NotRun("its arguments cannot be passed on") from None
    try:
        while not stopped():
            try:
                return process.wait(LOOK)
            except subprocess.TimeoutExpired:
                continue
        return None
    finally:
        if process.poll() is None:
            _end(process, apart)


def find(name: str, environ: Mapping[str, str], *, windows: bool = os.name == "nt") -> str:
    """The path of a program. One with a folder in its name is taken as it is. Raises NotRun."""
    suffixes = [""]
    if windows:
        known = [each for each in environ.get("PATHEXT", ".COM;.EXE;.BAT;.CMD").split(";") if each]
        suffixes = ["", *known] if os.path.splitext(name)[1] else known
    apart = "/" in name or (windows and ("\\" in name or ":" in name))
    folders = [""] if apart else environ.get("PATH", os.defpath).split(os.pathsep)
    found = ""
    for folder in folders:
        if not apart and not os.path.isabs(folder):
            continue
        for suffix in suffixes:
            path = os.path.join(folder, name + suffix)
            if os.path.isfile(path):
                if os.access(path, os.X_OK):
                    return os.path.abspath(path) if apart else path
                found = found or path
    raise NotRun("permission denied: it is no program" if found else "there is no such program")


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment for the command: ours without fastdl's own secrets, and without the command itself, so that a
    fastdl in it does not run it again."""
    ours = {option.variable for option in OPTIONS if option.secret} | {"FASTDL_ON_COMPLETE"}
    return {name: value for name, value in environ.items() if name.upper() not in ours}


def _stderr() -> int:
    """Where the command may write."""
    try:
        return sys.stderr.fileno()
    except (AttributeError, OSError, ValueError):  # closed, or no real file
        return subprocess.DEVNULL


def _at_terminal() -> bool:
    """Whether a terminal's Ctrl-C reaches us, and then the command and all that it has started. It may also ask there
    for a password, which it could not in a session of its own."""
    if sys.platform == "win32":
        return True
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)


def _end(process: subprocess.Popen[bytes], apart: bool) -> None:
    """Leave no command behind: it is asked to end, then made to, where it is `apart` with all that it has started."""
    if sys.platform != "win32" and apart:
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGTERM)
    process.terminate()
    try:
        process.wait(MERCY)
    except subprocess.TimeoutExpired:
        if sys.platform != "win32" and apart:
            with contextlib.suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)
        process.kill()
        process.wait()
