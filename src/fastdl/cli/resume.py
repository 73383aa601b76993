"""`fastdl resume [DIR]`: finishes what was interrupted in a folder, or lists it.

The journals say which URL each partial download came from. A URL that held a secret stands there masked and cannot be
asked for; that download is reported, and the others go on.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence

from fastdl import combinations
from fastdl.cli.get import checked_settings
from fastdl.cli.parse import parse
from fastdl.cli.session import Session
from fastdl.core.hints import TYPE_CHECKING, Any
from fastdl.core.journal import HEADER_SIZE, JournalDamaged, JournalHeader, claims, decode_header, decode_slots
from fastdl.core.plain import dataclass, replace
from fastdl.core.quantity import format_size
from fastdl.errors import DiskError, FastdlError, Interrupted, Terminated, UsageError
from fastdl.events import Ended, Event, Observer
from fastdl.options import OPTIONS, Option
from fastdl.result import Result
from fastdl.settings import Settings
from fastdl.ui.progress import emit
from fastdl.ui.text import safe

if TYPE_CHECKING:
    from fastdl.batch import Watcher

JOURNAL = ".fastdl.journal"
LIST = Option("list", "flag", "Only list what is unfinished.", "What")
RESUME_HELP = "Finish the unfinished downloads in DIR (default: here)."
# The partial files say these; one goes on after the other.
NOT_HERE = ("output", "dir", "no-continue", "jobs", "input-file", "from-curl")
RESUME_OPTIONS = (*(option for option in OPTIONS if option.name not in NOT_HERE), LIST)


@dataclass(frozen=True, slots=True)
class Unfinished:
    """One partial download: its final name, and its journal's header or the reason why that cannot be read. `done`
    counts bytes that may be trusted."""

    name: str
    header: JournalHeader | None
    done: int = 0
    damage: str = ""


def main(args: Sequence[str]) -> int:
    """Runs `resume` with the arguments after the command's name."""
    values, folders = parse(args, RESUME_OPTIONS)
    return resume(values, folders)


def resume(values: Mapping[str, Any], folders: Sequence[str]) -> int:
    """Runs `resume` with option values by key; the exit code. Raises UsageError, DiskError."""
    if len(folders) > 1:
        raise UsageError("resume takes one folder", f"{len(folders)} are given")
    folder = folders[0] if folders else "."
    values = dict(values)
    only_list = bool(values.pop("list", None))
    settings = replace(checked_settings(values), dir=folder, output=None, resume=True)
    found = unfinished(folder)
    if only_list:
        from fastdl.cli.state import say

        say(map(line_of, found))
        return 0
    if not found:
        if not settings.quiet:
            emit(sys.stderr, f"fastdl: nothing unfinished in {safe(folder)}")
        return 0
    return _finish(found, settings)


def unfinished(folder: str) -> list[Unfinished]:
    """The partial downloads in a folder, by name. Raises DiskError."""
    try:
        names = sorted(name for name in os.listdir(folder) if name.endswith(JOURNAL) and name != JOURNAL)
    except OSError as error:
        hint = "Name the folder of the download."
        raise DiskError(f"cannot read the folder {folder}", error.strerror or "", hint) from error
    return [_read(folder, name[: -len(JOURNAL)]) for name in names]


def _read(folder: str, name: str) -> Unfinished:
    from fastdl.io import files
    from fastdl.io.boot import boot_identity

    try:
        with os.fdopen(files.open_plain(os.path.join(folder, name + JOURNAL)), "rb") as file:
            header = decode_header(file.read(HEADER_SIZE))
            slots = decode_slots(file.read())
        data_size = os.path.getsize(os.path.join(folder, name + ".fastdl"))
    except JournalDamaged as error:
        return Unfinished(name, None, damage=str(error))
    except OSError as error:
        return Unfinished(name, None, damage=error.strerror or "it cannot be read")
    done = sum(claim.end - claim.start for claim in claims(header, slots, boot_identity(), data_size))
    return Unfinished(name, header, done)


def line_of(item: Unfinished) -> str:
    """One line of `--list`: name, percents done, size, masked URL, parted by tabs."""
    if item.header is None:
        return "\t".join((safe(item.name), "?", "?", safe(item.damage)))
    size = item.header.size
    percent = "?" if size is None else f"{item.done * 100 // size if size else 100}%"
    return "\t".join(
        (safe(item.name), percent, "unknown size" if size is None else format_size(size), safe(item.header.url))
    )


def _finish(found: list[Unfinished], settings: Settings) -> int:
    if len(found) > 1 and (settings.checksum or settings.mirrors):
        raise UsageError("--checksum and --mirror are for one file", f"{len(found)} are unfinished here")
    session = Session(settings, len(found))

    def finish_all(watcher: Watcher | None) -> list[Result]:
        return [_finish_one(item, settings, renumbered(session.handle, at), watcher) for at, item in enumerate(found)]

    return session.run(finish_all)


def _finish_one(item: Unfinished, settings: Settings, observer: Observer, watcher: Watcher | None) -> Result:
    """Goes on with one download. Its failure is its own: the others are not kept from going on."""
    from fastdl import batch

    url = item.header.url if item.header is not None else ""
    try:
        header = _usable(item)
        # what the first command promised about the file still holds
        one = replace(settings, output=item.name)
        if not settings.checksum and header.digest:
            one.checksum, one.checksum_by = header.digest, header.digest_source or "user"
        combinations.check_urls(one, [url])
        return batch.run(one, [url], observer, watcher)[0]
    except (Interrupted, Terminated):
        raise
    except FastdlError as error:
        result = Result(url=url, path=os.path.join(settings.dir, item.name), error=error)
        observer(Ended(0, result))
        return result


def _usable(item: Unfinished) -> JournalHeader:
    """The header of a download that can go on from its journal alone. Raises UsageError, DiskError."""
    if item.header is None:
        raise DiskError("the partial download cannot be used", item.damage, "Run the first command again.")
    if item.header.masked:
        why = f"its URL held a secret: {item.header.url}"
        raise UsageError("the URL is not known in full", why, "Give the URL again to 'fastdl get'; it goes on.")
    return item.header


def renumbered(observer: Observer, number: int) -> Observer:
    """An observer for a run of one file that is number `number` of a larger one."""

    def handle(event: Event) -> None:
        if event.job is not None:
            event = replace(event, job=number)
        observer(event)

    return handle
