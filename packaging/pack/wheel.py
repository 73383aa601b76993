"""The wheel and the sdist, made by the backend that pyproject.toml names."""

from __future__ import annotations

import importlib.util
import sys
import tempfile
from pathlib import Path

from pack import steps


def build(dist: Path, kind: str) -> Path:
    """Makes the "wheel" or the "sdist" in `dist`. Raises StepFailed."""
    if importlib.util.find_spec("hatchling") is None:
        raise steps.StepFailed("hatchling is missing: pip install -r packaging/build.txt")
    with tempfile.TemporaryDirectory() as folder:
        steps.run([sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", folder])
        (made,) = Path(folder).iterdir()
        dist.mkdir(parents=True, exist_ok=True)
        target = dist / made.name
        target.write_bytes(made.read_bytes())
    return target
