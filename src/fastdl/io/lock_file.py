"""The lock of a list on disk: LOCK itself, and beside it LOCK.fastdl, where entries wait for the end of the run.

LOCK is only ever replaced as a whole (io/lock_main). What a run learns is appended to LOCK.fastdl (io/lock_side) as its
files end, a line each, so a kill loses none of it: the next run reads both. An end that is torn off is not read.

Lists may be long, so of an entry no more is kept in memory than where it stands; it is read again when it is wanted.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
from collections.abc import Iterable, Iterator

from fastdl.core.hints import BinaryIO
from fastdl.core.lists.lock import (
    HEADER,
    MOST_LINE,
    Locked,
    Wanted,
    check_header,
    empty_line,
    line_of,
    parse_line,
    stands_twice,
)
from fastdl.core.lists.lock_index import LockIndex
from fastdl.core.record import Record
from fastdl.errors import NoPermission, UsageError
from fastdl.io import files
from fastdl.io.lock_main import HINT, LockMain, unwritten
from fastdl.io.lock_side import LockSide

_MOST_ALIKE = 16  # entries of one URL, or of one name, that are looked at


class Found(Record):
    """An entry and where it is: `slot` is its number, `place` says it for people. `own`: it is the file's own entry and
    not that of the same URL under another name."""

    slot: int
    entry: Locked
    place: str
    own: bool


class LockFile:
    """The lock at `path`, open for one run. Not thread-safe. `frozen`: it is read-only, or only to be read."""

    def __init__(self, path: str, *, looking: bool = False) -> None:
        """`looking`: nothing will be written, and other runs do not matter.

        Raises UsageError for a lock that is broken or of a newer version, TargetBusy, DiskError."""
        self.name = path
        self.path = files.long_path(os.path.realpath(path))
        self.frozen = looking
        self._main = LockMain(self.path, path)
        self._side = LockSide(self.path, path)
        self.side_path = self._side.path
        self._index = LockIndex()
        self._in_lock = 0  # entries that stand in LOCK; the later ones are in the side file
        try:
            self._open(looking)
        except BaseException:
            self.close()
            raise

    # --- opening -----------------------------------------------------------------------------------------

    def _open(self, looking: bool) -> None:
        if looking:
            self._side.look()
        else:
            self._take_side()
        # After the side file is ours: the run before may just have replaced LOCK.
        self._main.open()
        self.frozen = self.frozen or not self._main.is_writable
        if self._main.file is not None:
            self._read_lock(self._main.file)
        self._in_lock = len(self._index)
        if self._side.file is not None:
            self._read_side(self._side.file)
        self._index.sort()
        self._check_doubles()

    def _take_side(self) -> None:
        try:
            self._side.take()
        except OSError as error:
            if not self._main.exists or error.errno not in _REFUSED:
                raise unwritten(error, self.name) from error
            self.frozen = True  # LOCK can be read: all is well as long as nothing changes

    def _read_lock(self, file: BinaryIO) -> None:
        number, offset = 1, 0
        empty = 0  # the first empty line: no harm at the end
        try:
            for line in _lines(file):
                if number == 1:
                    check_header(line)
                elif not line.strip():
                    empty = empty or number
                elif empty:
                    raise empty_line(empty)
                else:
                    self._index.add(parse_line(line, number).wanted, offset)
                offset += len(line)
                number += 1
        except UsageError as error:
            raise self._at(error) from None
        if number == 1:
            raise self._at(UsageError("this is no lock", "it is empty", "Remove it and the next run writes a new one."))

    def _at(self, error: UsageError) -> UsageError:
        comma = ", " if error.what.startswith("line ") else ": "
        return UsageError(f"{self.name}{comma}{error.what}", error.why, error.hint)

    def _read_side(self, file: BinaryIO) -> None:
        """What an interrupted run had found out. Whatever of it cannot be read is left out: those files are looked at
        once more."""
        offset = 0
        for line in _lines(file):
            if not line.endswith(b"\n"):
                break
            with contextlib.suppress(UsageError):
                if offset:
                    self._index.add(parse_line(line, 2).wanted, offset)
                else:
                    check_header(line)
            offset += len(line)
        self._side.end = offset

    def _check_doubles(self) -> None:
        """Raises UsageError where LOCK says two things of one file."""
        for first, second in self._index.doubles():
            if second < self._in_lock:
                one, two = self.entry(first), self.entry(second)
                if one.wanted == two.wanted and one != two:
                    raise self._at(stands_twice(second + 2))

    # --- use ---------------------------------------------------------------------------------------------

    def entry(self, slot: int) -> Locked:
        """The entry of that number."""
        file = self._main.file if slot < self._in_lock else self._side.file
        assert file is not None
        file.seek(self._index.offset(slot))
        return parse_line(file.readline(), slot + 2)

    def find(self, wanted: Wanted) -> Found | None:
        """What the lock has of a file: its own entry, be its URL signed anew or not, else what it has of the same URL
        under another name; None where nothing is certain."""
        own = self._own(wanted)
        if own is not None:
            return Found(*own, self._place(own[0]), own=True)
        same = self._read(self._index.same_url(wanted, _MOST_ALIKE))
        same = [each for each in same if each[1].wanted[:2] == wanted[:2]]
        if not same or any(entry[2:] != same[0][1][2:] for _, entry in same):
            return None
        slot, entry = same[0]
        return Found(slot, entry._replace(wanted=wanted, name=""), self._place(slot), own=False)

    def _own(self, wanted: Wanted) -> tuple[int, Locked] | None:
        same = [each for each in self._read(self._index.same(wanted, _MOST_ALIKE)) if each[1].wanted == wanted]
        if same:
            # What LOCK says holds; the side file may know a later name, and files that were noted and begun anew.
            return same[-1] if same[-1][1][2:] == same[0][1][2:] or same[0][0] >= self._in_lock else same[0]
        if not wanted.key:
            return None
        alike = self._index.same_name(wanted, _MOST_ALIKE)
        free = self._read([slot for slot in alike if not self._index.is_met(slot)])
        if len(free) != 1 or len(alike) == _MOST_ALIKE:  # several, or nobody knows
            return None
        return free[0] if free[0][1].wanted._replace(key=wanted.key) == wanted else None

    def _read(self, slots: Iterable[int]) -> list[tuple[int, Locked]]:
        return [(slot, self.entry(slot)) for slot in slots]

    def _place(self, slot: int) -> str:
        return f"{self.name}, line {slot + 2}" if slot < self._in_lock else self.name

    def meet(self, slot: int, place: int) -> None:
        """The list has this entry's file, as its file number `place`."""
        self._index.meet(slot, place)

    def add(self, entry: Locked, place: int) -> None:
        """A file that was fetched and checked, the list's number `place`. Raises DiskError."""
        self.take(entry, self.note(entry), place)

    def note(self, entry: Locked) -> int:
        """Write down a file that was fetched and checked, before it has its name; where its line stands. It is safe
        from a kill when this returns, and has no part in this run's lock before `take`. Raises DiskError."""
        header = HEADER if not self._side.end else ""
        offset = self._side.end + len(header)
        try:
            self._side.append((header + line_of(entry)).encode())
        except OSError as error:
            raise unwritten(error, self.name) from error
        return offset

    def take(self, entry: Locked, offset: int, place: int) -> None:
        """What was noted there has its name, and is the file of the list's number `place`."""
        self._index.add(entry.wanted, offset, place)

    # --- the end -----------------------------------------------------------------------------------------

    def dropped(self) -> int:
        """Entries of LOCK that the list does not have."""
        return sum(not self._index.is_met(slot) for slot in range(self._in_lock))

    def finish(self, *, drop: bool) -> bool:
        """Bring LOCK up to date, in the order of the list; whether that changed it. `drop`: what the list does not have
        goes, else it stays at the end. Raises DiskError, and then LOCK is what it was."""
        chosen = self._index.chosen(drop=drop)
        changed = chosen != list(range(self._in_lock))
        if changed and self.frozen:
            if max(chosen, default=-1) < self._in_lock:  # only the order differs, or something was to be dropped
                self._side.remove()
                return False
            raise NoPermission(f"cannot write the lock {self.name}", "it is read-only", HINT)
        if changed and (chosen or self._main.exists):
            self._main.replace(itertools.chain((HEADER,), (line_of(self.entry(slot)) for slot in chosen)))
        self._side.remove()
        return changed

    def close(self) -> None:
        """Let go of it. What was added and not brought into LOCK stays beside it for the next run."""
        self._main.close()
        self._side.close()


_REFUSED = frozenset({errno.EPERM, errno.EACCES, errno.EROFS})


def _lines(file: BinaryIO) -> Iterator[bytes]:
    while line := file.readline(MOST_LINE + 2):
        yield line
