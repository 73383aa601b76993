"""Disks for tests: a tiny one that is full soon, and Python run on it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import fastdl

_PLACES = (str(Path(fastdl.__file__).parents[1]), str(Path(__file__).parent))
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(_PLACES)}


def run_python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python code that can import fastdl."""
    command = [sys.executable, "-c", textwrap.dedent(code), *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, timeout=120, check=False)


def _refused() -> str | None:
    """Why a disk of one's own cannot be mounted here; None where it can."""
    if sys.platform != "linux" or os.geteuid() != 0 or not shutil.which("unshare"):
        return "a tiny disk needs Linux, root and unshare"
    tried = subprocess.run(["unshare", "-m", "sh", "-c", "mount -t tmpfs none /mnt"], capture_output=True, check=False)
    return None if tried.returncode == 0 else "this machine lets nobody mount a tiny disk"


on_tiny_disk = pytest.mark.skipif(_refused() is not None, reason=_refused() or "")


def run_on_tiny_disk(folder: Path, code: str, options: str = "size=1m") -> subprocess.CompletedProcess[str]:
    """Run Python code with a memory disk of 1 MiB mounted at `folder` (its argv[1]) that nobody else sees."""
    script = 'mount -t tmpfs -o "$4" none "$1" && exec "$2" -c "$3" "$1"'
    command = ["unshare", "-m", "sh", "-c", script, "sh", str(folder), sys.executable, textwrap.dedent(code), options]
    return subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, timeout=120, check=False)
