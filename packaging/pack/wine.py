"""The way to the build for Windows in wine, which is a program of its own: packaging/wine."""

from __future__ import annotations

import sys
from pathlib import Path

from pack import artifacts, facts, steps

BUILDER = facts.ROOT / "packaging/wine"


def build(dist: Path) -> list[Path]:
    """Makes the archive for Windows x64 in `dist`. Raises StepFailed, with what it takes."""
    target = dist / artifacts.archive_name(facts.version(), "windows", "x64")
    environ = {**steps.environment(), "PYTHONPATH": str(BUILDER.parent)}
    steps.run([sys.executable, BUILDER, "build", "--dist", dist], environ)
    if not target.is_file():
        raise steps.StepFailed(f"packaging/wine made no {target.name}")
    return [target]
