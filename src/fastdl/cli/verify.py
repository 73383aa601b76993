"""`fastdl verify FILE...`: whether files have the digests that the user, a list or their publisher names.

With --repair a file that has not is mended from the URL of --from.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence

from fastdl.cli.crash import report_bug
from fastdl.cli.get import checked_settings
from fastdl.cli.parse import parse
from fastdl.cli.session import Session
from fastdl.core.hints import TYPE_CHECKING, Any
from fastdl.core.plain import dataclass
from fastdl.core.urls import parse_url
from fastdl.core.verify import parse_checksum
from fastdl.engine.explaining.asking import Finding
from fastdl.engine.verifying.verify import STDIN, Checked, Task, check, in_order, read_list, tasks_of
from fastdl.errors import DiskError, FastdlError, IntegrityError, Interrupted, TargetBusy, Terminated, UsageError
from fastdl.events import Ended, Named, Note, Progressed, Started
from fastdl.options import HOW, OPTIONS, SAID, WAY, WHAT, WHO, Option
from fastdl.result import DigestReport, Result
from fastdl.settings import Settings
from fastdl.ui.progress import emit
from fastdl.ui.text import error_line, safe

if TYPE_CHECKING:
    from fastdl.engine.verifying.published import Published
    from fastdl.io import session as network

OWN_OPTIONS: tuple[Option, ...] = (
    Option("check", "path", "A list as of sha256sum, '-' is stdin; without FILE all its entries.", WHAT, "c", "LIST"),
    Option("from", "text", "Take the digest that the publisher of this URL gives.", WHAT, metavar="URL", secret=True),
    Option("repair", "flag", "Fetch what is wrong from the URL of --from.", WHAT),
)
_TAKEN = ("checksum", "durable")  # of get's other options
_NOT_HERE = ("jobs", "profile", "metrics")
VERIFY_OPTIONS: tuple[Option, ...] = (
    *OWN_OPTIONS,
    *(
        option
        for option in OPTIONS
        if option.name in _TAKEN or (option.group in (HOW, WHO, WAY, SAID) and option.name not in _NOT_HERE)
    ),
)
VERIFY_HELP = (
    "Check files by --checksum, a list (-c) or what the publisher of a URL says (--from); --repair mends them."
)
PROGRESS_SECONDS = 0.1
HINT = "Try 'fastdl verify --help'."


@dataclass(frozen=True, slots=True)
class Wish:
    """What the command line asks for, besides the settings."""

    paths: tuple[str, ...]
    list: str | None
    url: str | None
    repair: bool


def main(args: Sequence[str]) -> int:
    """Runs `verify` with the arguments after the command's name."""
    values, paths = parse(args, VERIFY_OPTIONS)
    return verify(values, paths)


def verify(values: Mapping[str, Any], paths: Sequence[str]) -> int:
    """Runs `verify` with option values by key; the exit code. Raises UsageError, and for a list or a publisher that
    cannot be read DiskError, IntegrityError, NetworkErrors and Refused."""
    rest = dict(values)
    wish = Wish(tuple(paths), rest.pop("check", None), rest.pop("from_", None), bool(rest.pop("repair", False)))
    settings = checked_settings(rest)
    _check_wish(wish, settings)
    listed = read_list(wish.list) if wish.list is not None else None
    if listed is not None and wish.list is not None:
        tasks = tasks_of(listed, wish.list, wish.paths)
    else:
        tasks = [Task(path) for path in wish.paths]
    _check_one(wish, settings, tasks)
    report = Report(settings, len(tasks))
    try:
        if listed is not None and listed.strange:
            report.warn(f"{listed.strange} lines of {wish.list} are no checksums")
        return report.exit_code_of(Run(wish, settings, report).run(tasks))
    except (FastdlError, BrokenPipeError):
        raise
    except Exception as error:
        report.display.close()
        return report_bug(error, verbose=settings.verbose, log=report.log)
    finally:
        report.close()


def _check_wish(wish: Wish, settings: Settings) -> None:
    """Raises UsageError for what does not fit together."""
    if wish.list is None and wish.url is None and settings.checksum is None:
        why = "give --checksum ALGO:HEX, -c LIST or --from URL"
        raise UsageError("nothing says which digest the files should have", why, HINT)
    if not wish.paths and wish.list is None:
        raise UsageError("no file is given", "", HINT)
    if wish.repair and wish.url is None:
        raise UsageError("--repair needs --from", "without a URL there is nothing to repair from", "Give --from URL.")
    if wish.url is not None:
        parse_url(wish.url)
    if STDIN in wish.paths and wish.list == STDIN:
        raise UsageError("stdin cannot be both the file and the list", "", HINT)
    if STDIN in wish.paths and wish.repair:
        raise UsageError("stdin cannot be repaired", "", "Name the file.")


def _check_one(wish: Wish, settings: Settings, tasks: Sequence[Task]) -> None:
    """A digest or a URL is that of one file. Raises UsageError."""
    for name, given in (("--checksum", settings.checksum), ("--from", wish.url)):
        if given and len(tasks) > 1:
            raise UsageError(f"{name} is for one file", f"{len(tasks)} are to be checked", "Check them one by one.")


class Run:
    """The files of one command, one after the other."""

    def __init__(self, wish: Wish, settings: Settings, report: Report) -> None:
        self._wish = wish
        self._settings = settings
        self._report = report
        self._network: network.Session | None = None
        self._origin: Published | None = None

    def run(self, tasks: Sequence[Task]) -> list[Checked]:
        """Check all; what became of each."""
        try:
            return [self._one(job, task) for job, task in enumerate(tasks)]
        finally:
            if self._network is not None:
                self._network.close()

    def _one(self, job: int, task: Task) -> Checked:
        report = self._report
        report.handle(Started(job, task.path))
        checked: Checked | None = None
        try:
            checked = self._checked(job, self._complete(task))
        except (Interrupted, Terminated):
            raise
        except FastdlError as error:  # of the publisher
            checked = Checked(task.path, error=error)
        report.tell(job, checked)
        return checked

    def _complete(self, task: Task) -> Task:
        """The task with the digests of --checksum and --from. Raises what the publisher's answer raises."""
        findings = list(task.expected)
        if self._settings.checksum:
            findings.append(Finding(parse_checksum(self._settings.checksum), "user"))
        size = task.size
        if self._wish.url is not None and task.error is None and (task.path == STDIN or os.path.isfile(task.path)):
            self._origin = origin = self._ask(self._wish.url, needed=not findings)
            findings += origin.findings
            size = origin.size
        return Task(task.path, in_order(findings), size, task.error)

    def _ask(self, url: str, *, needed: bool) -> Published:
        from fastdl.engine.verifying.published import published
        from fastdl.io.session import Session as Network

        self._network = Network(self._settings)
        return published(self._network, url, self._report.warn, needed=needed)

    def _checked(self, job: int, task: Task) -> Checked:
        checked = check(task, Meter(self._report, job, task.path))
        if checked.error is None or not self._wish.repair or not isinstance(checked.error, IntegrityError):
            return checked
        return self._mended(job, task, checked) if task.expected else checked

    def _mended(self, job: int, task: Task, before: Checked) -> Checked:
        """Mend the file. A repair that fails leaves the error of the check."""
        from fastdl.engine.verifying.mend_file import Repair, mend

        assert self._network is not None and self._origin is not None and self._wish.url is not None
        assert before.error is not None
        report, url = self._report, self._wish.url
        repair = Repair(task.path, url, self._origin, task.expected, job, report.handle, report.note)
        try:
            mended = mend(self._network, repair)
        except (Interrupted, Terminated, TargetBusy, UsageError):
            raise
        except FastdlError as error:
            why = f"{before.error.what}; {error.what}" + (f": {error.why}" if error.why else "")
            before.error = IntegrityError("the file is wrong and could not be repaired", why, error.hint)
            return before
        best = task.expected[0]
        return Checked(task.path, best, best.digest.hex, mended.size, mended=mended)


class Meter:
    """Tells the display how far the reading of a file is."""

    def __init__(self, report: Report, job: int, path: str) -> None:
        self._report = report
        self._job = job
        self._path = path
        self._began = self._shown = time.monotonic()

    def __call__(self, done: int, size: int | None) -> None:
        now = time.monotonic()
        if now - self._shown < PROGRESS_SECONDS:
            return
        if self._shown == self._began:
            self._report.handle(Named(self._job, self._path, size))
        self._shown = now
        self._report.handle(Progressed(self._job, done, size, done / (now - self._began), 0, 1))


class Report(Session):
    """What is said of the files: a line for each on stdout, or its object; errors on stderr."""

    def __init__(self, settings: Settings, files: int) -> None:
        super().__init__(settings, files)
        self._checked = Checked("")

    def note(self, text: str) -> None:
        """A sentence for -v."""
        self.handle(Note(None, "info", text))

    def warn(self, text: str) -> None:
        """A sentence for everybody but -q."""
        self.handle(Note(None, "warning", text))

    def tell(self, job: int, checked: Checked) -> None:
        """One file is done."""
        self._checked = checked
        shown = checked.shown
        digest = None
        if shown is not None:
            digest = DigestReport(shown.digest.algorithm, shown.digest.hex, shown.source, checked.ok)
        result = Result(checked.path, path=checked.path, size=checked.size, digest=digest, error=checked.error)
        self.handle(Ended(job, result))

    def _ended(self, result: Result) -> None:
        checked = self._checked
        if self.settings.json:
            import json

            self._print(json.dumps(checked.to_json()))
        elif not self.settings.quiet:
            self._print(line_of(checked))
        if checked.error is not None:
            about = "" if isinstance(checked.error, DiskError) else checked.path  # which names the file itself
            self.display.write(error_line(checked.error, about))

    def exit_code_of(self, checks: Sequence[Checked]) -> int:
        """The code of the run: the file's own for one file, else 5 if any failed."""
        failed = [checked for checked in checks if not checked.ok]
        if len(checks) == 1 and failed:
            return failed[0].exit_code
        if failed:
            some = IntegrityError(f"{len(failed)} of {len(checks)} files failed", hint="")
            if not self.settings.quiet:
                emit(self.stderr, error_line(some))
            return some.code
        if self.unwritten is not None:
            emit(self.stderr, error_line(self.unwritten))
            return self.unwritten.code
        return 0


def line_of(checked: Checked) -> str:
    """`NAME: OK` or `NAME: FAILED`, and in parentheses by which digest, and who gave it."""
    unread = isinstance(checked.error, DiskError)
    known = checked.ok or isinstance(checked.error, IntegrityError)
    word = "OK" if checked.ok else "FAILED" if known else "FAILED to read" if unread else "NOT CHECKED"
    parts = []
    if checked.mended is not None:
        mended = checked.mended
        places = f"{len(mended.ranges)} range{'' if len(mended.ranges) == 1 else 's'}"
        parts.append(f"repaired: {mended.ranges.total} bytes in {places} were wrong, {mended.fetched} bytes fetched")
    if checked.shown is not None and not unread:
        parts.append(f"{checked.shown.digest.algorithm} {_giver(checked.shown)}")
    return safe(f"{checked.path}: {word}" + (f" ({'; '.join(parts)})" if parts else ""))


def _giver(finding: Finding) -> str:
    """Who gave a digest, in words."""
    place = finding.url
    if finding.source == "user":
        return "given with --checksum"
    if finding.source == "list":
        return f"listed in {'stdin' if place == STDIN else place}"
    if finding.source == "url":
        return "in the URL"
    return f"{'of the Metalink' if finding.source == 'metalink' else 'published at'} {place}"
