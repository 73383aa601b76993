"""What a user sees of a bug: one line that says so and how to report it, never a bare traceback."""

from __future__ import annotations

import os
import sys

from fastdl.ui.progress import emit
from fastdl.ui.text import safe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fastdl.ui.report import Log

REPORT = "Please report it to the project, with this line and the output of the same command with -v added."


def report_bug(error: BaseException, *, verbose: bool, log: Log | None = None) -> int:
    """Prints the line and returns exit code 1. The traceback goes to the log if there is one, else to stderr where
    -v or FASTDL_DEBUG asks for it; both without secrets."""
    import traceback

    lines = "".join(traceback.format_exception(type(error), error, error.__traceback__)).splitlines()
    if log is not None:
        for line in lines:
            log.line("error", line)
    elif verbose or os.environ.get("FASTDL_DEBUG"):
        for line in lines:
            emit(sys.stderr, safe(line))
    what = safe(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__)
    emit(sys.stderr, f"fastdl: error: this is a bug in fastdl ({what[:200]}). {REPORT}")
    return 1
