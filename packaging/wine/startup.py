"""How long the program takes to start, beside the same command by a Python, both in wine on this machine."""

from __future__ import annotations

import shutil
import statistics
import tempfile
import time
import zipfile
from pathlib import Path

from pack import artifacts, facts, steps
from wine import python
from wine.prefix import WORK, Wine, windows_path

ROUNDS = 9
COMMANDS = (["--version"], ["get", "--help"], ["history"])
MOST = 1.5  # times the Python's start


def report(wine: Wine, dist: Path) -> str:
    """A table of the medians, in seconds, and of the program's part of the Python's. Raises StepFailed."""
    archive = dist / artifacts.archive_name(facts.version(), "windows", "x64")
    if not archive.is_file():
        raise steps.StepFailed(f"there is no {archive.name} in {dist}")
    with tempfile.TemporaryDirectory(prefix="fastdl start ", dir=wine.drive) as folder:
        with zipfile.ZipFile(archive) as packed:
            packed.extractall(folder)
        program: list[str | Path] = [Path(folder, facts.NAME, f"{facts.NAME}.exe")]
        rows = [_row(wine, words, program, _command()) for words in COMMANDS]
    head = f"{archive.name}: {archive.stat().st_size / 2**20:.1f} MiB\n"
    return head + "".join(["command          exe s  python s  ratio\n", *rows])


def _command() -> list[str | Path]:
    """The same command by the Python: as an installed script starts it, from modules that are compiled."""
    installed = WORK / "command"
    shutil.rmtree(installed, ignore_errors=True)
    shutil.copytree(facts.ROOT / "src", installed, ignore=shutil.ignore_patterns("__pycache__"))
    start = f"import sys; sys.path.insert(0, {windows_path(installed)!r}); from fastdl.__main__ import run; run()"
    return [python.ready() / "python.exe", "-c", start]


def _row(wine: Wine, words: list[str], program: list[str | Path], command: list[str | Path]) -> str:
    times: dict[str, list[float]] = {"exe": [], "python": []}
    for _ in range(ROUNDS + 1):  # in turns, so that what slows the machine down slows both
        for name, start in (("exe", program), ("python", command)):
            begin = time.perf_counter()
            wine.checked([*start, *words])
            times[name].append(time.perf_counter() - begin)
    ours, theirs = (statistics.median(taken[1:]) for taken in times.values())  # the first one reads the files in
    verdict = "" if ours <= MOST * theirs else f"  more than {MOST}"
    return f"{' '.join(words):<14} {ours:7.2f} {theirs:9.2f} {ours / theirs:6.2f}{verdict}\n"
