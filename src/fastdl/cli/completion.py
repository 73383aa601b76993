"""`--show-completion` and `--install-completion`: the scripts by which a shell asks fastdl what could stand at the
cursor (completing.py answers).

The shell is named (`--install-completion zsh`), else it is the one that runs fastdl, else that of SHELL.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence

from fastdl.cli.completing import SHELLS
from fastdl.cli.shell_scripts import SCRIPTS
from fastdl.core.record import Record
from fastdl.errors import DiskError, UsageError
from fastdl.io.disk import disk_error
from fastdl.ui.progress import emit

ALIASES = {"pwsh": "powershell", **{name: name for name in SHELLS}}
MARK = "# completion of fastdl"


class Place(Record):
    """Where a script goes, the start-up file that has to load it ("" where the shell does so by itself), and the line
    for that file."""

    script: str
    startup: str = ""
    line: str = ""


def main(args: Sequence[str]) -> int:
    """Runs `--show-completion [SHELL]` or `--install-completion [SHELL]`; the exit code. Raises UsageError,
    DiskError."""
    shell = shell_of(args)
    if args[0] == "--show-completion":
        from fastdl.cli.state import say

        say(SCRIPTS[shell].splitlines())
        return 0
    place = place_of(shell, os.environ, sys.platform)
    _install(place, SCRIPTS[shell])
    emit(sys.stderr, f"fastdl: completion for {shell} stands in {place.script}; it works in the next shell that starts")
    if place.startup:
        emit(sys.stderr, f"fastdl: {place.startup} loads it")
    return 0


def shell_of(args: Sequence[str]) -> str:
    """The shell that is meant. Raises UsageError where that is unclear."""
    if len(args) > 2:
        raise UsageError(f"{args[0]} takes one shell", f"{len(args) - 1} are given", f"Give {_choices()}.")
    name = args[1].lower() if len(args) == 2 else _around()
    if name in ALIASES:
        return ALIASES[name]
    what = f"'{name}' is no shell that fastdl knows" if len(args) == 2 else "the shell cannot be told"
    raise UsageError(what, "", f"Give {_choices()}: fastdl {args[0]} bash.")


def _choices() -> str:
    return ", ".join(SHELLS[:-1]) + f" or {SHELLS[-1]}"


def _around() -> str:
    """The name of the nearest shell among the processes above this one, else what SHELL says."""
    import psutil

    try:
        names = [_bare(process.name()) for process in psutil.Process().parents()]
    except psutil.Error:
        names = []
    return next((name for name in names if name in ALIASES), _bare(os.environ.get("SHELL", "")))


def _bare(name: str) -> str:
    return name.replace("\\", "/").rsplit("/", 1)[-1].lower().removesuffix(".exe").lstrip("-")


def place_of(shell: str, environ: Mapping[str, str], platform: str) -> Place:
    """Where the script of `shell` belongs. Raises UsageError where PowerShell does not say where its profile is."""
    home = environ.get("HOME") or environ.get("USERPROFILE") or os.path.expanduser("~")
    data = os.path.join(environ.get("XDG_DATA_HOME") or os.path.join(home, ".local", "share"), "fastdl")
    if shell == "fish":
        config = environ.get("XDG_CONFIG_HOME") or os.path.join(home, ".config")
        return Place(os.path.join(config, "fish", "completions", "fastdl.fish"))
    if shell == "powershell":
        if platform == "win32":
            data = os.path.join(environ.get("LOCALAPPDATA") or os.path.join(home, "AppData", "Local"), "fastdl")
        script = os.path.join(data, "completion.ps1")
        quoted = script.replace("'", "''")
        return Place(script, _profile(environ), f"if (Test-Path '{quoted}') {{ . '{quoted}' }}  {MARK}")
    script = os.path.join(data, f"completion.{shell}")
    quoted = "'" + script.replace("'", "'\\''") + "'"
    if shell == "zsh":
        startup = os.path.join(environ.get("ZDOTDIR") or home, ".zshrc")
    else:  # macOS starts login shells, which read another file
        startup = os.path.join(home, ".bash_profile" if platform == "darwin" else ".bashrc")
    return Place(script, startup, f"[ -r {quoted} ] && . {quoted}  {MARK}")


def _profile(environ: Mapping[str, str]) -> str:
    """The start-up file of PowerShell, as it says itself: the folder of documents may lie anywhere."""
    import shutil
    import subprocess

    path = environ.get("PATH")
    program = shutil.which("pwsh", path=path) or shutil.which("powershell", path=path)
    if program is None:
        raise UsageError("PowerShell is not on PATH", "", "Use --show-completion powershell.")
    command = [program, "-NoProfile", "-NonInteractive", "-Command", "$PROFILE.CurrentUserAllHosts"]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=True)
    except (OSError, ValueError, subprocess.SubprocessError):
        done = None
    found = done.stdout.strip() if done is not None else ""
    if not found:
        raise UsageError("PowerShell does not say where its profile is", "", "Use --show-completion powershell.")
    return found


def _install(place: Place, script: str) -> None:
    """Writes the script, and once the line that loads it. Raises DiskErrors."""
    try:
        os.makedirs(os.path.dirname(place.script), exist_ok=True)
        _write(place.script, script)
        if place.startup:
            _load(place)
    except UnicodeDecodeError:
        raise DiskError(f"{place.startup} is not UTF-8", "nothing was added to it", f"Add: {place.line}") from None
    except OSError as error:
        raise disk_error(error, "write", str(error.filename or place.script)) from error


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        file.write(text)


def _load(place: Place) -> None:
    """Adds the line at the end of the start-up file, which may be a link into somebody's repository: it is appended to,
    never replaced."""
    os.makedirs(os.path.dirname(place.startup), exist_ok=True)
    before = ""
    if os.path.exists(place.startup):
        with open(place.startup, encoding="utf-8", newline="") as file:
            before = file.read()
    if place.line in before.splitlines():
        return
    gap = "" if not before or before.endswith("\n") else "\n"
    with open(place.startup, "a", encoding="utf-8", newline="") as file:
        file.write(f"{gap}{place.line}\n")
