"""What happens to a file when it is there: `--extract`, then `--on-complete`.

In the thread of its job, so -j bounds how much of it goes on at once. The file has its final name by then and keeps it,
whatever comes of this.
"""

from __future__ import annotations

import os
import sys

from fastdl.core.hints import TYPE_CHECKING
from fastdl.core.shown import mask
from fastdl.errors import FastdlError, Interrupted, UnsafeArchive, UsageError
from fastdl.events import Lent
from fastdl.settings import Settings

if TYPE_CHECKING:
    from fastdl.engine.job import Job
    from fastdl.io.merging import Policy

_PROMISES = (".zip", ".tar", ".tgz", ".txz", ".tzst", ".tbz2", ".tbz")  # and all names with .tar. in them


def extract(job: Job) -> None:
    """Unpack the file, one that was there already too: the same command leads to the same end. What goes wrong becomes
    the download's error."""
    result = job.result
    try:
        _extract(job)
    except FastdlError as error:
        result.error = job.stopped or error
    except KeyboardInterrupt:
        result.error = Interrupted("interrupted")


def _extract(job: Job) -> None:
    from fastdl.io.unpack import unpack

    settings, result = job.settings, job.result
    if result.path is None or (job.landing is not None and job.landing.in_order):
        raise UsageError("--extract needs a file", "-o names a pipe or a device", "Give another name with -o.")
    job.note("info", f"unpacking {result.path} into {settings.dir}")

    def check() -> None:
        if job.stopped is not None:
            raise job.stopped

    unpacked = unpack(result.path, settings.dir, policy_of(settings), check)
    if unpacked is not None:
        result.unpacked, result.unpacked_into = unpacked.files, settings.dir
        return
    name = os.path.basename(result.path)
    promised = name.lower().endswith(_PROMISES) or ".tar." in name.lower()
    if promised or not job.of_several:
        what = f"{name} is not the archive that its name says" if promised else f"{name} is no archive"
        why = "zip, tar, tar.gz, tar.xz, tar.zst and tar.bz2 are known, by their content"
        raise UnsafeArchive(what, why, "The file is there, as the server has it; without --extract that is all.")
    job.note("info", f"{name} is no archive: it stays as it is")


def policy_of(settings: Settings) -> Policy:
    """What becomes of files that are in the way of an archive's, by the options that say it for the download."""
    if settings.overwrite:
        return "overwrite"
    if settings.skip_existing:
        return "skip"
    if settings.auto_rename:
        return "rename"
    return "newer" if settings.newer else "refuse"


def command(job: Job) -> None:
    """Run the command for a file that this run has fetched. One that fails is a warning."""
    from fastdl.core.command import fill, filled, split
    from fastdl.io.command import NotRun, run

    result, text = job.result, job.settings.on_complete
    if text is None or result.kept or result.path in (None, "-"):
        return
    values = {"path": os.path.abspath(result.path or ""), "url": mask(result.url), "sha256": result.sha256 or ""}
    words = split(text, windows=sys.platform == "win32")
    arguments = fill(words, values)
    name = os.path.basename(arguments[0])
    job.observer(Lent(job.job, True))
    try:
        try:
            code = run(arguments, os.environ, lambda: job.stopped is not None, filled(words, values))
        finally:
            job.observer(Lent(job.job, False))
    except NotRun as error:
        job.note("warning", f"--on-complete: {name} cannot be run ({error})")
    except FastdlError as error:
        result.error = error
    except KeyboardInterrupt:
        result.error = Interrupted("interrupted")
    else:
        if code is None:
            result.error = job.stopped
        elif code:
            ended = f"ended with exit {code}" if code > 0 else f"was ended by signal {-code}"
            job.note("warning", f"--on-complete: {name} {ended}")
