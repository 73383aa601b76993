"""Environments of Python for the build, below build/: made once, and anew where what goes in or the Python changed."""

from __future__ import annotations

import hashlib
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from pack import facts, steps

WORK = facts.ROOT / "build"


def ready(name: str, lists: Sequence[Path], *options: str) -> Path:
    """The Python of the environment `name` with what the files `lists` name, if any. Raises StepFailed."""
    mark = hashlib.sha256(b"".join(path.read_bytes() for path in lists) + sys.version.encode()).hexdigest()
    folder = WORK / name
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    stamp = folder / "made-of"
    if stamp.is_file() and stamp.read_text() == mark:
        return python
    shutil.rmtree(folder, ignore_errors=True)
    steps.run([sys.executable, "-m", "venv", folder])
    named = [word for path in lists for word in ("-r", path)]
    if named:
        steps.run([python, "-m", "pip", "install", "-q", *options, *named])
    stamp.write_text(mark)
    return python


def tools() -> Path:
    """The Python that has what packages are checked with."""
    return ready("tools-venv", [facts.ROOT / "packaging/check.txt"])
