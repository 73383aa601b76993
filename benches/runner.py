"""Runs rows: their tasks in turns, each round begun by another one, and says what went wrong where something did."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benches import machine
from benches.harness import RunFailed
from benches.row import Row, Sample, Setting, Skip, Task, missing
from benches.server import ServerFailed
from benches.verdicts import Outcome, judge

Tell = Callable[[str], None]


@dataclass(slots=True)
class Measured:
    """A row and all that was measured of it: of each task each figure, a value a turn. `absent` and `faults` say why
    single tasks have none: their program is missing, they went wrong. `skipped` says why there is nothing at all;
    `broken`: the row, or fastdl in it, went wrong. `load` is that of the machine before and after."""

    row: Row
    figures: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    skipped: str = ""
    broken: bool = False
    load: tuple[float, float] = (0.0, 0.0)
    seconds: float = 0.0

    @property
    def outcomes(self) -> list[Outcome]:
        """What it means for each goal."""
        if self.skipped:
            return [Outcome(goal, "failed" if self.broken else "skipped", why=self.skipped) for goal in self.row.goals]
        return [judge(goal, self.figures, self.faults, self.absent) for goal in self.row.goals]


@dataclass(frozen=True, slots=True)
class Turn:
    """One task with one source tree; `name` is what its figures are kept under."""

    name: str
    task: Task
    tree: Path


def measure_row(
    row: Row,
    trees: Mapping[str, Path],
    runs: int,
    *,
    quick: bool,
    disk: Path | None = None,
    peers: bool = True,
    tell: Tell = lambda text: None,
) -> dict[str, Measured]:
    """The row with every tree, all taking turns: a result a tree. Peers run once a turn and are in the first result.

    It does not raise where a row fails: what failed is in the result."""
    results = {label: Measured(row) for label in trees}
    before, begin = os.getloadavg()[0], time.monotonic()
    reason = missing(row.needs)
    broken = False
    if not reason:
        try:
            with surroundings(row.name, quick, disk) as setting, row.prepare(setting) as tasks:
                broken = not _take_turns(turns_of(tasks, trees, peers, results), row, runs, results, tell)
        except Skip as skip:
            reason = str(skip)
        except (RunFailed, ServerFailed, OSError, LookupError, ValueError, ImportError) as error:
            reason, broken = str(error), True
    for measured in results.values():
        measured.skipped, measured.broken = reason, broken
        measured.load = (before, os.getloadavg()[0])
        measured.seconds = time.monotonic() - begin
    return results


def turns_of(
    tasks: Sequence[Task], trees: Mapping[str, Path], peers: bool, results: Mapping[str, Measured]
) -> list[tuple[str, Turn]]:
    """Every task with every tree that it is run with, and the label of the result that its figures go to."""
    first = next(iter(trees))
    order = []
    for task in tasks:
        if task.program and shutil.which(task.program) is None:
            results[first].absent[task.name] = f"{task.program} is not installed"
        elif task.own:
            order += [(label, Turn(task.name, task, tree)) for label, tree in trees.items()]
        elif peers:
            order.append((first, Turn(task.name, task, trees[first])))
    return order


def _take_turns(
    order: Sequence[tuple[str, Turn]], row: Row, runs: int, results: Mapping[str, Measured], tell: Tell
) -> bool:
    """Whether fastdl did all that it was asked for; a task that failed is not run again."""
    alive, sound = list(order), True
    for number in range(row.warm + runs * row.turns):
        start = number % len(alive) if alive else 0
        for label, turn in [*alive[start:], *alive[:start]]:
            tell(f"{row.name}: {turn.name}")
            try:
                figures = turn.task.run(turn.tree)
                if number == 0 and turn.task.check is not None:
                    turn.task.check()
            except RunFailed as error:
                results[label].faults[turn.name] = str(error)
                results[label].figures.pop(turn.name, None)
                alive.remove((label, turn))
                sound = sound and not turn.task.own
                continue
            if number >= row.warm:
                _keep(results[label], turn.name, figures)
    return sound


def _keep(measured: Measured, task: str, figures: Sample) -> None:
    kept = measured.figures.setdefault(task, {})
    for name, value in figures.items():
        kept.setdefault(name, []).append(value)


@contextmanager
def surroundings(name: str, quick: bool, disk: Path | None) -> Iterator[Setting]:
    """Folders of the row's own; all are removed afterwards."""
    real = disk or machine.disk_folder()
    fast = machine.memory_folder() or real
    with ExitStack() as stack:
        on_disk, in_memory = (
            Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=f"fastdl-bench-{name}-", dir=place)))
            for place in (real, fast)
        )
        for folder in (on_disk, in_memory):
            folder.chmod(0o755)  # a server's workers may be another user
        home = in_memory / "home"
        home.mkdir()
        yield Setting(quick, home, in_memory, on_disk)
