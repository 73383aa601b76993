"""`python packaging COMMAND`: builds what a release gives out, and checks it. README.md beside this file says more."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from pack import artifacts, bundle, facts, installs, manifests, venvs, wheel, wine
from pack.checks import built, complaints, tools
from pack.steps import StepFailed

Step = Callable[[Path], list[Path]]

STEPS: dict[str, tuple[str, Step]] = {
    "wheel": ("the wheel", lambda dist: [wheel.build(dist, "wheel")]),
    "sdist": ("the source distribution", lambda dist: [wheel.build(dist, "sdist")]),
    "bundle": ("the unpacked program for this system, and the list of its parts", lambda dist: [bundle.build(dist)]),
    "wine": ("the unpacked program for Windows x64, made in wine, and the list of its parts", wine.build),
    "manifests": ("Scoop's, winget's and Chocolatey's, from the archives for Windows in DIST", manifests.write),
    "sums": ("SHA256SUMS over all files of DIST", lambda dist: [artifacts.write_sums(dist)]),
}


def build(dist: Path, without: Sequence[str]) -> None:
    """Everything that can be built here, one step after the other; wine is for systems that are not Windows."""
    skipped = {*without, *(("wine",) if sys.platform == "win32" else ())}
    dist.mkdir(parents=True, exist_ok=True)
    for old in artifacts.released(dist):
        if made_by_steps(old.name, skipped):
            old.unlink()
    for name in STEPS:
        if name not in skipped:
            step(name, dist)


def made_by_steps(name: str, skipped: set[str]) -> bool:
    """Whether a file is one that the steps of a build make anew. Archives that are built elsewhere stay."""
    own = (f"{facts.NAME}-", f"{facts.NAME}.", facts.distribution().replace("-", "_") + "-")
    return name.startswith(own) and not ("-windows-" in name and "wine" in skipped)


def step(name: str, dist: Path) -> None:
    """One step; says what it made."""
    for path in STEPS[name][1](dist):
        shown = path.relative_to(facts.ROOT) if path.is_relative_to(facts.ROOT) else path
        print(f"{name}: {shown.as_posix()}", flush=True)


def check(dist: Path, without: Sequence[str]) -> int:
    """Says what is wrong with the files in DIST and with the workflows; 1 where there is something. A Python that has
    not the tools for it gets another one to do it. `without`: steps of the build that were left out."""
    if not tools.are_here() and Path(sys.prefix) != venvs.WORK / "tools-venv":
        command: list[str | Path] = [venvs.tools(), facts.ROOT / "packaging", "check", "--dist", dist]
        command += [f"--without={name}" for name in without]
        return subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode
    found = complaints(dist, without)
    for line in found:
        print(f"wrong: {line}")
    # What `manifests` takes and makes may be looked at before there is a release around it.
    part = "" if built.whole(dist, facts.version()) else " with the manifests; of the rest of a release nothing is here"
    print(f"check: {len(found)} complaints" if found else f"check: nothing is wrong{part}")
    return 1 if found else 0


def main(argv: Sequence[str]) -> int:
    """Runs one command; its exit code: 0, 1 where something is wrong, 2 for the command line."""
    parser = argparse.ArgumentParser(prog="python packaging", description="Builds and checks fastdl's packages.")
    folder = argparse.ArgumentParser(add_help=False)
    folder.add_argument("--dist", type=Path, default=facts.DIST, help="the folder of the built files (default: dist)")
    fewer = argparse.ArgumentParser(add_help=False)
    help_without = "leave this step out, or its files; may be given several times"
    fewer.add_argument("--without", action="append", default=[], choices=list(STEPS), help=help_without)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("build", parents=[folder, fewer], help="all of the steps below, then check")
    for name, (text, _) in STEPS.items():
        commands.add_parser(name, parents=[folder], help=text)
    commands.add_parser("check", parents=[folder, fewer], help="the manifests, the archives and the workflows")
    commands.add_parser("installs", parents=[folder], help="install the wheel by pip, pipx and uv, and run it")
    given = parser.parse_args(list(argv))
    dist = given.dist.absolute()
    try:
        if given.command == "build":
            build(dist, given.without)
            return check(dist, given.without)
        if given.command == "check":
            return check(dist, given.without)
        if given.command == "installs":
            installs.run(dist)
            return 0
        step(given.command, dist)
    except (StepFailed, ValueError) as error:
        print(f"{given.command}: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{given.command}: {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
