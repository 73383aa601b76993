"""The unpacked program for the system that this runs on: frozen by PyInstaller, in an environment of pinned packages.

What a package needs to be given out lies in the folder too: the licences of all that is inside.
"""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from pack import archives, artifacts, facts, inside, sbom, steps, venvs

PINS = facts.ROOT / "packaging/bundle.txt"
SPEC = facts.ROOT / "packaging/fastdl.spec"
WORK = venvs.WORK
SYSTEMS = {"linux": "linux", "win32": "windows"}
MACHINES = {"amd64": "x64", "x86_64": "x64", "arm64": "arm64", "aarch64": "arm64"}

# What the frozen Python says of itself and of the libraries that it is linked with.
_ASK = """
import json, os, ssl, sqlite3, sys, sysconfig, zlib
print(json.dumps({
    "python": sys.version.split()[0], "openssl": ssl.OPENSSL_VERSION.split()[1], "sqlite": sqlite3.sqlite_version,
    "zlib": zlib.ZLIB_RUNTIME_VERSION, "packages": sysconfig.get_path("purelib"), "base": sys.base_prefix,
    "stdlib": sysconfig.get_path("stdlib"),
}))
"""


def here() -> tuple[str, str]:
    """The system and the machine that this runs on. Raises StepFailed for one that no archive is made for."""
    system, machine = SYSTEMS.get(sys.platform), MACHINES.get(platform.machine().lower())
    if system is None or machine is None:
        raise steps.StepFailed(f"no archive is made for {sys.platform} on {platform.machine()}")
    return system, machine


def environment() -> Path:
    """The Python of an environment with what PINS names."""
    return venvs.ready("bundle-venv", [PINS], "--no-deps", "--require-hashes")


def ask(command: list[str], environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """What the Python that `command` starts says of itself."""
    done = subprocess.run([*command, "-I", "-c", _ASK], env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        raise steps.StepFailed(f"{command[0]} does not start: {done.stderr[-500:]}")
    return {str(name): str(value) for name, value in json.loads(done.stdout).items()}


def build(dist: Path) -> Path:
    """Freezes the program for this system and packs it into `dist`, with the list of what is inside."""
    system, machine = here()
    python = environment()
    work, out = WORK / "pyinstaller", WORK / "frozen"
    for folder in (work, out):
        shutil.rmtree(folder, ignore_errors=True)
    steps.run([python, "-m", "PyInstaller", "--noconfirm", "--distpath", out, "--workpath", work, SPEC])
    return pack(dist, out / facts.NAME, work / facts.NAME / "Analysis-00.toc", ask([str(python)]), system, machine)


def pack(dist: Path, program: Path, toc: Path, about: dict[str, str], system: str, machine: str) -> Path:
    """Packs a frozen program: adds the licences, writes the archive into `dist` and the list of its parts beside it.

    `toc`: what PyInstaller says that it took. `about`: what `ask` gave; its "packages" and "stdlib" are folders as seen
    from here."""
    version, epoch = facts.version(), artifacts.epoch()
    parts = inside.parts(inside.pieces(toc), Path(about["packages"]), about, program / facts.parts())
    shutil.copyfile(facts.ROOT / "LICENSE", program / "LICENSE.txt")
    (program / "THIRD-PARTY.txt").write_bytes(inside.notices(parts, inside.python_license(about)).encode())
    dist.mkdir(parents=True, exist_ok=True)
    target = dist / artifacts.archive_name(version, system, machine)
    if system == "windows":
        files = {f"{facts.NAME}/{name}": path for name, path in archives.tree(program).items()}
        archives.write_zip(target, files, epoch)
    else:
        shutil.copyfile(facts.ROOT / "packaging/fastdl.1", program / "fastdl.1")
        archives.write_tar(target, program, facts.NAME, epoch)
    text = json.dumps(sbom.bill(parts, target, epoch), indent=2, ensure_ascii=False) + "\n"
    (dist / artifacts.sbom_name(target.name)).write_bytes(text.encode())
    return target
