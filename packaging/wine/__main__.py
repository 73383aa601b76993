"""`python packaging/wine build [--dist DIST]`: the program for Windows x64, built by a Windows Python in wine."""

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
    from wine import freeze
    from wine.prefix import opened

    parser = argparse.ArgumentParser(prog="python packaging/wine", description="Builds fastdl for Windows in wine.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    build = commands.add_parser("build", help="the archive for Windows x64, and the list of its parts")
    build.add_argument("--dist", type=Path, default=facts.DIST, help="the folder for them (default: dist)")
    given = parser.parse_args(list(argv))
    try:
        with opened() as wine:
            print(f"wine: {freeze.build(wine, given.dist.absolute())}")
    except StepFailed as error:
        print(f"wine: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
