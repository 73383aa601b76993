"""`python packaging/wine COMMAND [--dist DIST]`: the program for Windows x64, built by a Windows Python in wine."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # packaging/, where `pack` and `wine` are packages


def main(argv: Sequence[str]) -> int:
    """Runs one command; its exit code."""
    from pack import facts
    from pack.steps import StepFailed
    from wine import freeze, startup
    from wine.prefix import opened

    parser = argparse.ArgumentParser(prog="python packaging/wine", description="Builds fastdl for Windows in wine.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    folder = argparse.ArgumentParser(add_help=False)
    folder.add_argument("--dist", type=Path, default=facts.DIST, help="the folder of what is built (default: dist)")
    commands.add_parser("build", parents=[folder], help="the archive for Windows x64, and the list of its parts")
    commands.add_parser("startup", parents=[folder], help="how long the program takes to start, beside a Python")
    given = parser.parse_args(list(argv))
    try:
        with opened() as wine:
            dist = given.dist.absolute()
            print(freeze.build(wine, dist) if given.command == "build" else startup.report(wine, dist))
    except StepFailed as error:
        print(f"wine: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
