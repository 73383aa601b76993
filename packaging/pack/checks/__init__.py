"""What `python packaging check` looks at. Each check takes paths and gives complaints: lines for people, none if all is
well. A check that cannot be made, since its tool is missing, is a complaint too."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

from pack import artifacts, chocolatey, facts, manifests, scoop, winget
from pack.checks import (
    built,
    chocolatey_package,
    python_packages,
    scoop_manifest,
    scripts,
    tools,
    winget_manifests,
    workflows,
)
from pack.checks.tools import Missing

__all__ = ["complaints"]


def complaints(dist: Path, left_out: Collection[str] = ()) -> list[str]:
    """Everything that is wrong with the files in `dist`, and with the scripts and the workflows of the repository.
    `left_out`: steps of a build that were not taken."""
    version = facts.version()
    archives = artifacts.windows_archives(dist, version)
    folder = dist / manifests.MANIFESTS
    found: list[str] = []
    checks: tuple[Callable[[], list[str]], ...] = (
        lambda: built.check(dist, version),
        lambda: python_packages.check(dist, version, left_out) if built.whole(dist, version) else [],
        lambda: scoop_manifest.check(folder / manifests.SCOOP / scoop.FILE, version, archives),
        lambda: winget_manifests.check(folder / manifests.WINGET, winget.FORMAT, version, archives),
        lambda: chocolatey_package.check(dist / chocolatey.file_name(version), version, archives),
        lambda: workflows.check(facts.ROOT / ".github"),
        lambda: scripts.check([facts.ROOT / "packaging", facts.ROOT / ".github"]),
    )
    for check in checks:
        try:
            found += check()
        except Missing as missing:
            found.append(str(missing))
    return [tools.printable(line) for line in found]
