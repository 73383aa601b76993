"""Writes what the three stores need, from the archives for Windows that were built: their real names and digests."""

from __future__ import annotations

from pathlib import Path

from pack import artifacts, chocolatey, facts, scoop, winget
from pack.steps import StepFailed

SCOOP, WINGET = "scoop", "winget"  # folders below MANIFESTS
MANIFESTS = "manifests"


def write(dist: Path) -> list[Path]:
    """Writes Scoop's and winget's manifests below `dist`/manifests and Chocolatey's package into `dist`. Raises
    StepFailed where there is no archive for Windows x64."""
    version, epoch = facts.version(), artifacts.epoch()
    archives = artifacts.windows_archives(dist, version)
    if "x64" not in archives:
        name = artifacts.archive_name(version, "windows", "x64")
        raise StepFailed(f"there is no {name} in {dist}: 'python packaging wine' makes one")
    made = {dist / MANIFESTS / SCOOP / scoop.FILE: scoop.encode(scoop.manifest(version, archives))}
    for kind, told in winget.manifests(version, archives, epoch).items():
        made[dist / MANIFESTS / WINGET / winget.file_name(kind)] = winget.encode(kind, told)
    for path, content in made.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    package = dist / chocolatey.file_name(version)
    chocolatey.write(package, version, archives["x64"], epoch)
    return [*made, package]
