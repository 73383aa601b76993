"""`fastdl upgrade`: the newest version, by the way in which this one came.

Where a package manager installed fastdl, its command is named and nothing is touched. An unpacked archive is replaced:
the new one is downloaded beside it, checked by the digest of the release, started once, put in place, started again,
and taken back if it does not start.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence

from fastdl import __version__
from fastdl.cli.get import checked_settings
from fastdl.cli.parse import parse
from fastdl.cli.session import is_terminal
from fastdl.cli.state import say
from fastdl.core.hints import Any
from fastdl.core.record import Record
from fastdl.core.ways import Way, way_of
from fastdl.engine.releases import Asset, Release, download, newest, package_of
from fastdl.errors import NoPermission, TargetBusy, UsageError
from fastdl.events import Event
from fastdl.io import installed, lockfile, onedir
from fastdl.io.disk import disk_error
from fastdl.options import OPTIONS, WAY, Option
from fastdl.settings import Settings
from fastdl.ui.progress import choose_kind, make_display
from fastdl.ui.text import safe

CHECK = Option("check", "flag", "Only say whether there is a newer version.", "Options")
JSON = Option("json", "flag", "Print what was found as JSON.", "Options")
_TAKEN = ("quiet", "timeout", "connect_timeout", "retries", "limit_rate", "connections")
_NOT_HERE = ("insecure",)  # what comes is going to run: over a line that anyone may listen on, never
UPGRADE_OPTIONS: tuple[Option, ...] = (
    CHECK,
    JSON,
    *(option for option in OPTIONS if option.key in _TAKEN or (option.group == WAY and option.key not in _NOT_HERE)),
)
UPGRADE_HELP = "Bring the newest version, or name the package manager's command that does; --check only looks."
HINT = "Try 'fastdl upgrade --help'."
WORKSHOP = ".fastdl-upgrade"  # beside the program's folder: what is downloaded, unpacked and moved aside


class Found(Record):
    """What is known before anything is done. `newer`: there is a version above this one, and it is for who runs
    this one."""

    release: Release
    way: Way
    newer: bool
    upgraded: bool = False

    def to_json(self) -> dict[str, Any]:
        return {
            "version": __version__,
            "newest": self.release.version,
            "newer": self.newer,
            "url": self.release.page,
            "installed_by": self.way.by,
            "command": self.way.command or None,
            "upgraded": self.upgraded,
        }


def main(args: Sequence[str]) -> int:
    """Runs `upgrade` with the arguments after the command's name."""
    values, words = parse(args, UPGRADE_OPTIONS)
    return upgrade(values, words)


def upgrade(values: Mapping[str, Any], words: Sequence[str]) -> int:
    """Runs `upgrade` with option values by key; the exit code: 0 where there is a newer version too. Raises UsageError,
    NetworkErrors and Refused for the release, IntegrityError and DiskErrors for what replaces this program."""
    if words:
        raise UsageError(f"upgrade takes no '{words[0]}'", "", HINT)
    rest = {key: value for key, value in values.items() if key not in (CHECK.key, JSON.key)}
    settings = checked_settings(rest)
    facts = installed.facts()
    way = way_of(facts)
    release = newest(settings, os.environ)
    found = Found(release, way, release.is_for(__version__))
    replaces = found.newer and way.replaces_itself and not values.get(CHECK.key)
    # Made before anything is replaced: afterwards this process finds none of its own modules any more.
    told = _told(found._replace(upgraded=bool(replaces)), as_json=bool(values.get(JSON.key)))
    if replaces:
        _replace(settings, found, facts.program)
    say(told)
    return 0


def _told(found: Found, *, as_json: bool) -> list[str]:
    return [json.dumps(found.to_json())] if as_json else [safe(line) for line in lines(found)]


def lines(found: Found) -> list[str]:
    """What is said to a person."""
    version, way = found.release.version, found.way
    if found.upgraded:
        return [f"fastdl {version} is in place of {__version__}, in {way.folder}"]
    if not found.newer:
        above = found.release.is_older_than(__version__)
        return [f"fastdl {__version__} is {f'newer than {version}, the newest release' if above else 'the newest'}"]
    told = [f"fastdl {version} is out; this is {__version__}" + (f", installed by {way.by}" if way.command else "")]
    if way.command:
        return [*told, f"upgrade with: {way.command}"]
    return [*told, "upgrade with: fastdl upgrade" if way.replaces_itself else way.advice]


# --- replacing an unpacked archive -----------------------------------------------------------------------


def _replace(settings: Settings, found: Found, program: str) -> None:
    """Puts the new program in place of the running one. Raises what keeps it from that; the old one is there then."""
    folder = found.way.folder
    package = package_of(found.release, sys.platform, _machine())
    onedir.check_folder(folder)
    workshop = os.path.join(os.path.dirname(folder), WORKSHOP)
    version = found.release.version
    with _alone(workshop):
        onedir.clear(workshop)
        try:
            new = _fetched(settings, found.release, package, os.path.join(workshop, "new"))
            name = os.path.basename(program)
            onedir.starts(os.path.join(new, name), version, os.environ)
            aside = tempfile.mkdtemp(prefix="old-", dir=workshop)  # an older one may still run in there
            onedir.swap(folder, new, aside, name, lambda: onedir.starts(program, version, os.environ))
        except onedir.NotTakenBack:  # what lies there is all that is left of the old one
            raise
        except BaseException:
            onedir.clear(workshop)
            raise
        onedir.clear(workshop)


@contextlib.contextmanager
def _alone(workshop: str) -> Iterator[None]:
    """No other upgrade of this program meanwhile. Raises TargetBusy where one is at it, DiskErrors."""
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(lockfile.held(workshop + ".lock", patience=0))
        except TimeoutError as error:
            raise TargetBusy("another fastdl is upgrading this program", "", "Wait for it to end.") from error
        except PermissionError as error:
            hint = "Run it as the one who owns it."
            raise NoPermission(f"cannot make {workshop}", "no permission", hint) from error
        except OSError as error:
            raise disk_error(error, "create", workshop) from error
        yield


def _machine() -> str:
    import platform

    return platform.machine()


def _fetched(settings: Settings, release: Release, package: Asset, folder: str) -> str:
    """The folder of the new program, downloaded under the eyes of whoever sits at a terminal."""
    terminal = is_terminal(sys.stderr)
    kind = choose_kind("auto", quiet=settings.quiet, terminal=terminal, data_on_terminal=False, environ=os.environ)
    display = make_display(kind, sys.stderr, 1)
    lock = threading.Lock()

    def watch(event: Event) -> None:
        with lock:
            display.handle(event)

    try:
        return download(settings, release, package, folder, watch)
    finally:
        display.close()
