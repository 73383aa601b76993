"""The program for Windows x64: PyInstaller, run by the Windows Python in wine."""

from __future__ import annotations

import shutil
from pathlib import Path

from pack import bundle, facts, steps
from wine import python
from wine.prefix import WORK, Wine, windows_path


def build(wine: Wine, dist: Path) -> Path:
    """Freezes fastdl and packs it into `dist`, with the list of its parts. Raises StepFailed."""
    folder = python.ready()
    work, out = WORK / "pyinstaller", WORK / "frozen"
    for path in (work, out):
        shutil.rmtree(path, ignore_errors=True)
    where = ["--distpath", windows_path(out), "--workpath", windows_path(work)]
    words: list[str | Path] = [
        folder / "python.exe",
        "-m",
        "PyInstaller",
        "--noconfirm",
        *where,
        windows_path(bundle.SPEC),
    ]
    environ = {name: value for name, value in steps.environment().items() if name.startswith(("SOURCE_", "PYTHON"))}
    wine.checked(words, folder=facts.ROOT, extra=environ, timeout=900)
    toc = _seen_from_here(work / facts.NAME / "Analysis-00.toc")
    return bundle.pack(dist, out / facts.NAME, toc, about(wine, folder), "windows", "x64")


def about(wine: Wine, folder: Path) -> dict[str, str]:
    """What the Windows Python says of itself, its folders as seen from here."""
    told = bundle.ask(wine.command(folder / "python.exe"), wine.environment())
    return told | {"packages": str(folder / "Lib/site-packages"), "base": str(folder), "stdlib": str(folder)}


def _seen_from_here(toc: Path) -> Path:
    """A copy of PyInstaller's list of files, without drive Z: in front of the paths."""
    copy = toc.with_suffix(".here.toc")
    copy.write_text(toc.read_text(encoding="utf-8").replace("'Z:\\\\", "'\\\\"), encoding="utf-8")
    return copy
