"""Runs the tools of a build, with what makes them give the same bytes twice."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from pack import artifacts, facts

LINES = 30  # of what a failed command said


class StepFailed(Exception):
    """A step that cannot be done; its text says why, and what would help."""


def environment(epoch: int | None = None) -> dict[str, str]:
    """The variables of a build: one time, one order of sets, nothing compiled beside the sources."""
    own = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    moment = artifacts.epoch() if epoch is None else epoch
    return {**own, "SOURCE_DATE_EPOCH": str(moment), "PYTHONHASHSEED": "1", "PYTHONDONTWRITEBYTECODE": "1"}


def run(command: Sequence[str | Path], environ: Mapping[str, str] | None = None, folder: Path = facts.ROOT) -> str:
    """Runs a command, at the top of the repository; what it wrote. Raises StepFailed, with the end of what it said."""
    words = [str(word) for word in command]
    try:
        done = subprocess.run(
            words,
            cwd=folder,
            env=dict(environ if environ is not None else environment()),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
    except OSError as error:
        raise StepFailed(f"{words[0]} cannot be started: {error.strerror}") from error
    if done.returncode:
        said = "\n".join(done.stdout.splitlines()[-LINES:])
        raise StepFailed(f"{' '.join(words)} ended with {done.returncode}:\n{said}")
    return done.stdout
