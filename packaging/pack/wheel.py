"""The wheel and the sdist, made by the backend that pyproject.toml names, in the version that build.txt names."""

from __future__ import annotations

import importlib.metadata
import sys
import tempfile
from pathlib import Path

from pack import facts, steps, venvs

PIN = facts.ROOT / "packaging/build.txt"


def build(dist: Path, kind: str) -> Path:
    """Makes the "wheel" or the "sdist" in `dist`. Raises StepFailed."""
    python = sys.executable
    if _installed() not in PIN.read_text(encoding="utf-8").split():
        python = str(venvs.ready("build-venv", [PIN], "--require-hashes"))
    with tempfile.TemporaryDirectory() as folder:
        steps.run([python, "-m", "hatchling", "build", "-t", kind, "-d", folder])
        (made,) = Path(folder).iterdir()
        dist.mkdir(parents=True, exist_ok=True)
        target = dist / made.name
        target.write_bytes(made.read_bytes())
    return target


def _installed() -> str:
    try:
        return f"hatchling=={importlib.metadata.version('hatchling')}"
    except importlib.metadata.PackageNotFoundError:
        return ""
