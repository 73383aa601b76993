"""What a bench of one row of the table of goals is made of: tasks that are run in turns, and goals as data.

A row says what is measured (`Task`), what is wanted of it (`Goal`) and how its surroundings are made (`prepare`). It
measures nothing by itself: benches/runner.py lets the tasks take turns, benches/verdicts.py does the arithmetic. Every
module of benches/rows that has a `ROW` is found by its name; nothing has to be registered.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from benches.harness import Run, clean_environment, measure
from benches.server import find_nginx

Sample = Mapping[str, float]
"""The figures of one run of one task by their names: `wall`, `settled`, `cpu` (seconds), `peak` (bytes), and others
that a row names itself. Less is better, but for those whose name begins with `share` or `speed`."""

HIGHER = ("share", "speed")
_ROOT = Path(__file__).resolve().parent.parent  # where launchers of the benches are found


class Skip(Exception):
    """This row cannot be measured here; the text says why, for a person."""


@dataclass(frozen=True, slots=True)
class Task:
    """One program in one way of calling it. `run` gets the source tree of fastdl that is under test (`own` tasks run
    it, peers do not look at it) and does one whole run; `check` looks at what the first, uncounted one left and raises
    RunFailed if it is wrong. `program` is what has to be on the PATH: without it only this task is left out."""

    name: str
    run: Callable[[Path], Sample]
    own: bool = False
    program: str = ""
    check: Callable[[], None] | None = None


@dataclass(frozen=True, slots=True)
class Term:
    """One figure of one task."""

    task: str
    figure: str = "wall"


@dataclass(frozen=True, slots=True)
class Goal:
    """What is wanted: the median of `top`, by the largest of the medians of `bottom` (nothing: as it is), is at most
    `limit` (with `at_least`: at least). Without a limit it is shown and not judged. `unit`: "" for ratios and plain
    numbers, "MiB" (the figure is in bytes, the limit in MiB), "%" (figure and limit are parts of 1)."""

    text: str
    top: Term
    bottom: tuple[Term, ...] = ()
    limit: float | None = None
    at_least: bool = False
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table. `needs` are programs without which nothing of it can run, and "root" and "tun".

    `warm` runs of every task come first and are not counted; `turns` counted ones make one run of the command line
    (short tasks need more of them); `quick_runs` is how many runs the quick set makes. A `profile` row has no goal of
    the table and is measured only for `--factor` or by name."""

    name: str
    title: str
    goals: tuple[Goal, ...]
    prepare: Callable[[Setting], AbstractContextManager[Sequence[Task]]]
    needs: tuple[str, ...] = ()
    warm: int = 1
    turns: int = 1
    quick_runs: int = 3
    profile: bool = False


@dataclass(slots=True)
class Setting:
    """Where a row is measured: folders of its own that are empty at the beginning and removed at the end. `memory` is
    on a memory disk where there is one. With `quick` sizes are small."""

    quick: bool
    home: Path
    memory: Path
    disk: Path

    def fastdl(
        self,
        tree: Path,
        options: Sequence[str],
        *,
        launcher: Sequence[str] = ("-m", "fastdl"),
        prefix: Sequence[str] = (),
        output: Path | None = None,
        timeout: float = 600,
        check: bool = True,
        env: Mapping[str, str] | None = None,
    ) -> Run:
        """One run of the fastdl in `tree` (a folder that holds the package), which knows nothing of earlier runs.
        `prefix` is a command that runs it, `launcher` what Python runs. Raises RunFailed."""
        state = self.home / "state"
        shutil.rmtree(state, ignore_errors=True)
        config = self.home / "config.toml"
        config.touch()
        path = str(tree) if "fastdl" in launcher else os.pathsep.join((str(tree), str(_ROOT)))
        own = clean_environment(
            self.home, PYTHONPATH=path, FASTDL_STATE_DIR=str(state), FASTDL_CONFIG=str(config), **(env or {})
        )
        command = [*prefix, sys.executable, *launcher, *options]
        return measure(command, output=output, env=own, timeout=timeout, check=check, name="fastdl")

    def peer(
        self, command: Sequence[str], *, output: Path | None = None, timeout: float = 600, check: bool = True
    ) -> Run:
        """One run of another program that finds no config file of a person. Raises RunFailed."""
        env = clean_environment(self.home)
        return measure(command, output=output, env=env, timeout=timeout, check=check, name=command[0])

    def empty(self, folder: Path, *, settle: bool = False) -> Path:
        """`folder`, new and empty; with `settle` what is left unwritten goes to the disk first."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        if settle:
            os.sync()
        return folder


def sample(run: Run, **more: float) -> Sample:
    """The usual figures of a run, and more."""
    return {"wall": run.wall, "settled": run.settled, "cpu": run.cpu, "peak": float(run.peak), **more}


def better_high(figure: str) -> bool:
    """Whether more of this figure is better."""
    return figure.startswith(HIGHER)


def missing(needs: Sequence[str]) -> str:
    """Why a row with these needs cannot run here, or nothing."""
    for need in needs:
        if need == "root":
            if not hasattr(os, "geteuid") or os.geteuid() != 0:
                return "needs root"
        elif need == "tun":
            if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
                return "needs /dev/net/tun"
        elif (find_nginx() if need == "nginx" else shutil.which(need)) is None:
            return f"{need} is not installed"
    return ""
