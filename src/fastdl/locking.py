"""`--lock`: what a list's files were is written down, and from then on they have to be just that.

It stands between the list and whoever downloads it, and knows neither. It hands the files on, each with what the lock
says of it, and watches how they end. So the same lock serves one process and a cluster: the files of `Locking.files`
are to be numbered from 0 in their order, and the events of those numbers to be given to `Locking.handle`.

    with Locking(settings, observer, say) as lock:
        run_list(settings, lock.files(files), lock.handle)
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator

from fastdl.core.hints import TYPE_CHECKING
from fastdl.core.lists.entry import Hold, Listed
from fastdl.core.lists.lock import Locked, Wanted, wanted_of
from fastdl.core.naming import safe_name
from fastdl.core.plain import replace
from fastdl.core.record import Record
from fastdl.core.urls import parse_url
from fastdl.core.verify import Digest, parse_checksum
from fastdl.engine.target import EXISTS, path_of
from fastdl.errors import BadEntry, DigestMismatch, FastdlError, Interrupted, NoPermission, Terminated, UsageError
from fastdl.events import Checked, Ended, Event, Observer
from fastdl.io.lock_file import Found, LockFile
from fastdl.io.outfile import same_file
from fastdl.io.partial import DATA_SUFFIX, JOURNAL_SUFFIX
from fastdl.listing import File
from fastdl.outnames import check_name
from fastdl.result import Result
from fastdl.settings import Settings

if TYPE_CHECKING:
    from types import TracebackType

_HINT = "Choose another file with --lock."
_WINDOWS = sys.platform == "win32"


class _Pending(Record):
    """A file that is on its way: how the lock knows it, its entry, and what was noted of it, with the place of that."""

    wanted: Wanted
    found: Found | None
    noted: tuple[Locked, int] | None = None


class Locking:
    """One run under the lock that its settings name. `files` is for one thread at a time, `handle` for any.

    Left without an exception, it brings the lock up to date, if the list was read to its end and nothing was
    interrupted; else what was found out waits beside the lock for the next run."""

    def __init__(self, settings: Settings, observer: Observer, say: Callable[[str], None] = lambda text: None) -> None:
        """`observer` gets every event, `say` one sentence on what became of the lock.

        Raises UsageError for a lock that is broken, of a newer version or another file of this run, TargetBusy where
        another run has it, DiskError."""
        assert settings.lock is not None
        if settings.lock == "-":
            raise UsageError("--lock: stdout cannot be a lock", "it is read and written", _HINT)
        check_name("lock", settings.lock, settings, _HINT)
        self._settings = settings
        self._observer = observer
        self._say = say
        self._file = LockFile(settings.lock, looking=settings.dry_run)
        self._guard = threading.Lock()
        self._pending: dict[int, _Pending] = {}
        self._drops = True  # what the list does not have
        self._whole = False  # the list was read to its end, and nothing stopped the run
        self._trouble: FastdlError | None = None  # what was found out cannot be written down
        self._added = self._left_out = 0
        names = (self._file.path, self._file.side_path)
        shortened = [name.removesuffix(end) for name in names for end in (JOURNAL_SUFFIX, DATA_SUFFIX)]
        self._forbidden = dict.fromkeys([*names, *shortened])
        self._forbidden_names = {os.path.normcase(os.path.basename(name)) for name in self._forbidden}

    def __enter__(self) -> Locking:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None and self._trouble is not None:
                raise self._trouble
            if kind is None and self._whole and not self._pending and not self._settings.dry_run:
                self._finish()
        finally:
            self._file.close()

    # --- the files ---------------------------------------------------------------------------------------

    def files(self, files: Iterable[File]) -> Iterator[File]:
        """The same files, each with what it is held to."""
        for place, file in enumerate(files):
            yield self._held(place, file)
        self._whole = True

    def _held(self, place: int, file: File) -> File:
        if file.error is not None:
            with self._guard:
                self._drops = False  # nobody knows which entry that line was to be
            return file
        try:
            return self._with_entry(place, file)
        except FastdlError as error:
            return replace(file, error=error)

    def _with_entry(self, place: int, file: File) -> File:
        """Raises UsageError where the file would be the lock itself, DigestMismatch where the list says otherwise than
        the lock, NoPermission for a new one where the lock is read-only."""
        self._check_target(file)
        wanted = self._wanted(file)
        with self._guard:
            found = self._find(wanted, file)
            if found is not None and found.own:
                self._file.meet(found.slot, place)
                wanted = found.entry.wanted
            elif self._file.frozen and not self._settings.dry_run:
                why = f"the lock {self._file.name} does not have it and is read-only"
                raise NoPermission("the file cannot be locked", why, "Make the lock writable, or leave the file out.")
            self._pending[place] = _Pending(wanted, found)
        if found is None:
            return file
        hold = Hold(Digest("sha256", bytes.fromhex(found.entry.sha256)), found.entry.size, found.place)
        self._check_checksum(file, hold)
        settings = file.settings
        if settings.output is None and found.entry.name:
            settings = replace(settings, output=safe_name(found.entry.name, windows=_WINDOWS))
        listed = replace(file.listed, hold=hold) if file.listed is not None else Listed(hold=hold)
        return replace(file, settings=settings, listed=listed)

    def _find(self, wanted: Wanted, file: File) -> Found | None:
        found = self._file.find(wanted)
        if found is not None or file.listed is None or not file.listed.ordered:
            return found
        for url in file.settings.mirrors:  # which source of a Metalink is the first one depends on --region
            other = self._file.find(wanted_of(url, wanted.dir, wanted.out))
            if other is not None and other.own:
                return other
        return None

    def _wanted(self, file: File) -> Wanted:
        own = "" if file.settings.dir == self._settings.dir else _with_slashes(file.settings.dir)
        out = file.settings.output
        return wanted_of(file.url, own, "" if out in (None, "-") else _with_slashes(out or ""))

    def _check_target(self, file: File) -> None:
        given, settings = parse_url(file.url), file.settings
        named = settings.output is not None
        path = os.path.join(settings.dir, settings.output or "") if named else path_of(settings, None, given, given)
        if os.path.normcase(os.path.basename(path)) not in self._forbidden_names:
            return
        if any(same_file(path, name) for name in self._forbidden):
            what = "--lock names the file of a download"
            raise BadEntry(f"{file.place}: {what}" if file.place else what, path, _HINT)

    def _check_checksum(self, file: File, hold: Hold) -> None:
        """What the list says of the file, or the command line, may not be something else."""
        given = [parse_checksum(file.settings.checksum)] if file.settings.checksum else []
        given += file.listed.digests if file.listed is not None else ()
        for digest in given:
            if digest.algorithm == hold.digest.algorithm and digest.value != hold.digest.value:
                where = f"{file.place}: " if file.place else ""
                what = f"{where}the checksum is not the one in the lock"
                why = f"{digest.hex} here, {hold.digest.hex} in {hold.who}"
                raise DigestMismatch(what, why, "Where the file is meant to change, remove its line from the lock.")

    # --- the events --------------------------------------------------------------------------------------

    def handle(self, event: Event) -> None:
        """Takes one event, and passes it on."""
        if isinstance(event, Checked):
            self._checked(event)
            return
        if isinstance(event, Ended):
            self._ended(event.job, event.result)
        self._observer(event)

    def _checked(self, event: Checked) -> None:
        """Note the file before it has its name. After a kill the next run holds it to that, named or not."""
        with self._guard:
            pending = self._pending.get(event.job)
            if pending is not None and event.size is not None:
                entry = Locked(pending.wanted, _name(pending, event.path), event.size, event.sha256)
                if self._is_new(pending, entry):
                    with self._trying():
                        self._pending[event.job] = pending._replace(noted=(entry, self._file.note(entry)))

    def _is_new(self, pending: _Pending, entry: Locked) -> bool:
        """Whether the lock has to be told of it, and can be."""
        found = pending.found
        known = found is not None and found.own and found.entry == entry
        return not (known or self._file.frozen or self._trouble is not None)

    @contextlib.contextmanager
    def _trying(self) -> Iterator[None]:
        try:
            yield
        except FastdlError as error:  # told once, at the end: the files themselves may come all the same
            self._trouble = error

    def _ended(self, job: int, result: Result) -> None:
        with self._guard:
            pending = self._pending.pop(job, None)
            if isinstance(result.error, Interrupted | Terminated):
                self._whole = False
                self._drops = False
            if pending is None or result.error is not None or result.plan is not None:
                return
            if result.sha256 is None or result.size is None or _is_unproved(result):
                self._left_out += pending.found is None
                return
            entry = Locked(pending.wanted, _name(pending, result.path), result.size, result.sha256)
            if not self._is_new(pending, entry):
                return
            self._added += pending.found is None
            with self._trying():
                if pending.noted is not None and pending.noted[0] == entry:
                    self._file.take(entry, pending.noted[1], job)
                else:
                    self._file.add(entry, job)

    def _finish(self) -> None:
        """Raises DiskError."""
        file = self._file
        dropped = file.dropped() if self._drops else 0
        changed = file.finish(drop=self._drops)
        told = []
        if changed and self._added:
            told.append(f"{_counted(self._added)} added")
        if changed and dropped:
            told.append(f"{_counted(dropped)} dropped that the list does not name any more")
        if self._left_out:
            told.append(f"{_counted(self._left_out)} left out, which were there and are compared with nothing")
        if told:
            self._say(f"{file.name}: " + ", ".join(told))


def _is_unproved(result: Result) -> bool:
    """A file that was there and was only passed by (--skip-existing): nobody knows whether it is the URL's."""
    return result.kept == EXISTS


def _name(pending: _Pending, path: str | None) -> str:
    """What the file is called where the list does not say it."""
    if pending.wanted.out:
        return ""
    if path in (None, "-"):
        return pending.found.entry.name if pending.found is not None else ""
    return os.path.basename(path or "")


def _with_slashes(path: str) -> str:
    path = os.path.normpath(path)
    return path.replace(os.sep, "/") if os.sep != "/" else path


def _counted(count: int) -> str:
    return f"{count} file" + ("" if count == 1 else "s")
