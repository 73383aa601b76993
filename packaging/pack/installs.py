"""Installs the wheel as people do, each time into an environment of its own, and lets the command download something.

`pip`, `pipx` and `uv` with the newest dependencies, and `pip` with the oldest that pyproject.toml allows: those are
read from the wheel, so that a lower bound that does not hold is found.
"""

from __future__ import annotations

import email
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from pack import facts, steps
from pack.steps import StepFailed

WAYS = ("pip", "oldest", "pipx", "uv")
# The oldest dependencies have wheels for these Pythons; newer ones need newer dependencies, and pip finds those.
OLD_PYTHONS = ("3.10", "3.11")


@dataclass(frozen=True, slots=True)
class Place:
    """Where one way installs to: a folder of its own, with the variables that keep everything in it."""

    folder: Path
    environ: Mapping[str, str]

    def run(self, *words: str | Path) -> str:
        """Runs a command there; what it wrote. Raises StepFailed."""
        return steps.run(words, self.environ, self.folder)

    def venv(self, name: str, python: str = sys.executable) -> Path:
        """A new environment; its folder of programs."""
        self.run(python, "-m", "venv", self.folder / name)
        return self.folder / name / ("Scripts" if os.name == "nt" else "bin")


def wheel_of(dist: Path) -> Path:
    """The wheel of this version. Raises StepFailed."""
    found = sorted(dist.glob(f"*-{facts.version()}-py3-none-any.whl"))
    if len(found) != 1:
        raise StepFailed(f"there is no wheel of {facts.version()} in {dist}: python packaging wheel")
    return found[0]


def bounds(wheel: Path) -> list[str]:
    """The lower bounds of a wheel's own dependencies, as the constraints of the oldest environment."""
    with zipfile.ZipFile(wheel) as file:
        (name,) = (name for name in file.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = email.message_from_bytes(file.read(name))
    found = []
    for line in metadata.get_all("Requires-Dist") or []:
        if "extra ==" in line:
            continue
        stated = re.fullmatch(r"([\w.-]+)(?:\[[\w,]+\])?>=([\w.]+)(?:; (.*))?", line)
        if stated is None:
            raise StepFailed(f"{line} has no lower bound")
        found.append(f"{stated[1]}=={stated[2]}" + (f"; {stated[3]}" if stated[3] else ""))
    return found


def run(dist: Path, ways: tuple[str, ...] = WAYS) -> None:
    """Installs and tries the wheel in `dist` in each of the ways, two at a time, and says so. Raises StepFailed."""
    wheel = wheel_of(dist)

    def tried(way: str) -> str:
        with place() as here:
            return attempt(here, INSTALLERS[way](here, wheel))

    with ThreadPoolExecutor(2) as pool:
        for way, told in zip(ways, pool.map(tried, ways), strict=True):
            print(f"installs: {way}: {told}", flush=True)


def place() -> _Places:
    """A folder for one way, which is gone afterwards."""
    return _Places()


class _Places:
    def __enter__(self) -> Place:
        self._folder = tempfile.TemporaryDirectory(prefix="fastdl-installs-", ignore_cleanup_errors=True)
        folder = Path(self._folder.name).resolve()
        own = {name: value for name, value in os.environ.items() if not name.startswith(("FASTDL_", "PYTHON"))}
        for name in ("VIRTUAL_ENV", "PIPX_HOME", "PIPX_BIN_DIR", "UV_TOOL_DIR", "UV_TOOL_BIN_DIR"):
            own.pop(name, None)
        own |= {
            "FASTDL_CONFIG": str(folder / "config.toml"),
            "FASTDL_STATE_DIR": str(folder / "state"),
            "PIPX_HOME": str(folder / "pipx"),
            "PIPX_BIN_DIR": str(folder / "bin"),
            "PIPX_MAN_DIR": str(folder / "man"),
            "UV_TOOL_DIR": str(folder / "uv"),
            "UV_TOOL_BIN_DIR": str(folder / "bin"),
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        (folder / "config.toml").touch()
        return Place(folder, own)

    def __exit__(self, *ended: object) -> None:
        self._folder.cleanup()


def attempt(here: Place, command: Path) -> str:
    """Runs the installed command: its version, and its demonstration, which downloads from servers of its own and
    checks what came. The version. Raises StepFailed."""
    told = here.run(command, "--version").strip()
    if told != f"fastdl {facts.version()}":
        raise StepFailed(f"{command} says {told!r}")
    shown = here.run(command, "demo")
    if not shown.rstrip().endswith("matches"):
        raise StepFailed(f"{command} demo ended with:\n{shown[-600:]}")
    return told


# --- the ways --------------------------------------------------------------------------------------------


def _pip(here: Place, wheel: Path) -> Path:
    programs = here.venv("env")
    here.run(programs / "python", "-m", "pip", "install", "-q", wheel)
    here.run(programs / "python", "-m", "pip", "check")
    return programs / facts.NAME


def _oldest(here: Place, wheel: Path) -> Path:
    constraints = here.folder / "oldest.txt"
    constraints.write_text("".join(f"{line}\n" for line in bounds(wheel)))
    programs = here.venv("env", old_python())
    here.run(programs / "python", "-m", "pip", "install", "-q", "--only-binary=:all:", "-c", constraints, wheel)
    here.run(programs / "python", "-m", "pip", "check")
    return programs / facts.NAME


def old_python() -> str:
    """A Python that has wheels of the oldest dependencies. Raises StepFailed."""
    if f"{sys.version_info.major}.{sys.version_info.minor}" in OLD_PYTHONS:
        return sys.executable
    for path in _pythons():
        done = subprocess.run([path, "-c", ""], stdin=subprocess.DEVNULL, capture_output=True, check=False)
        if done.returncode == 0:
            return path
    raise StepFailed(f"the oldest dependencies need a Python of {' or '.join(OLD_PYTHONS)}, and there is none")


def _pythons() -> Iterator[str]:
    for version in OLD_PYTHONS:
        found = shutil.which(f"python{version}")
        if found is not None:
            yield found


def _pipx(here: Place, wheel: Path) -> Path:
    programs = here.venv("tool")
    here.run(programs / "python", "-m", "pip", "install", "-q", "pipx")
    here.run(programs / "pipx", "install", "--python", sys.executable, wheel)
    return here.folder / "bin" / facts.NAME


def _uv(here: Place, wheel: Path) -> Path:
    programs = here.venv("tool")
    here.run(programs / "python", "-m", "pip", "install", "-q", "uv")
    here.run(programs / "uv", "tool", "install", "--native-tls", "--python", sys.executable, wheel)
    return here.folder / "bin" / facts.NAME


INSTALLERS: dict[str, Callable[[Place, Path], Path]] = {"pip": _pip, "oldest": _oldest, "pipx": _pipx, "uv": _uv}
