"""`python -m fastdl.manual` writes packaging/fastdl.1 and docs/options.md; with --check it says which are stale."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from fastdl.cli.commands import everything
from fastdl.manual.markdown import reference
from fastdl.manual.page import page

ROOT = Path(__file__).resolve().parents[3]


def pages() -> dict[str, str]:
    """What each file should hold, by its path in the repository."""
    commands = everything()
    return {"packaging/fastdl.1": page(commands), "docs/options.md": reference(commands)}


def main(args: Sequence[str]) -> int:
    """Writes the files that differ, or with --check only names them; 1 if there are any then, 2 for other words."""
    if list(args) not in ([], ["--check"]):
        sys.stderr.write("usage: python -m fastdl.manual [--check]\n")
        return 2
    stale = [name for name, text in pages().items() if not _holds(ROOT / name, text)]
    for name in stale:
        if not args:
            (ROOT / name).write_text(pages()[name], encoding="utf-8", newline="\n")
        sys.stdout.write(f"{name}: {'stale' if args else 'written'}\n")
    return 1 if args and stale else 0


def _holds(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
