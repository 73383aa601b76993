"""The lock of a list on disk: LOCK itself, and beside it LOCK.fastdl, where entries wait for the end of the run.

LOCK is only ever replaced as a whole. What a run learns is appended to LOCK.fastdl as its files end, a line each, so a
kill loses none of it: the next run reads both. An end that is torn off is not read. LOCK.fastdl is also what says that
a run is using the lock.

Lists may be long, so of an entry no more is kept in memory than where it stands; it is read again when it is wanted.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
from array import array
from bisect import bisect_left
from collections.abc import Iterator

from fastdl.core.hints import BinaryIO
from fastdl.core.lists.lock import (
    HEADER,
    Locked,
    Wanted,
    check_header,
    empty_line,
    line_of,
    parse_line,
    stands_twice,
)
from fastdl.core.record import Record
from fastdl.errors import BadName, DiskError, FastdlError, NoPermission, TargetBusy, UsageError
from fastdl.io import disk, files
from fastdl.io.disk import disk_error

SUFFIX = ".fastdl"
_DRAFT = ".fastdl.new"
_MOST_ALIKE = 16  # entries of one URL that are looked at
_TRIES = 20  # times that the side file may vanish between opening and locking it
_BLOCK = 1024 * 1024
_HINT = "Choose another file with --lock."


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
        self.frozen = self._looking = looking
        self.side_path = self.path + SUFFIX
        self._state = _state_of(self.path, path)
        self._lock: BinaryIO | None = None  # LOCK
        self._side: BinaryIO | None = None
        self._side_end = 0
        self._offsets = array("q")  # of each entry's line in its file
        self._in_lock = 0  # entries that stand in LOCK; the later ones are in the side file
        self._hashes = array("q")
        self._of_urls = array("q")
        self._places = array("q")  # in the list, -1: not met
        self._sorted: array[int] = array("q")
        self._by_url: array[int] = array("q")
        self._before = 0  # entries that were there when the lock was opened
        try:
            self._open(looking)
        except BaseException:
            self.close()
            raise

    # --- opening -----------------------------------------------------------------------------------------

    def _open(self, looking: bool) -> None:
        if looking:
            with contextlib.suppress(OSError):
                self._side = open(self.side_path, "rb")  # noqa: SIM115
        else:
            self._take_side()
        # After the side file is ours: the run before may just have replaced LOCK.
        self._state = _state_of(self.path, self.name)
        if self._state is not None:
            self.frozen = self.frozen or not _is_writable(self.path, self._state)
            try:
                self._lock = open(self.path, "rb")  # noqa: SIM115
            except OSError as error:
                raise disk_error(error, "read the lock", self.name) from error
            self._read_lock(self._lock)
        self._in_lock = len(self._offsets)
        if self._side is not None:
            self._read_side(self._side)
        self._before = len(self._offsets)
        numbers = range(self._before)
        self._sorted = array("q", sorted(numbers, key=self._hashes.__getitem__))
        self._by_url = array("q", sorted(numbers, key=self._of_urls.__getitem__))
        self._check_doubles()

    def _take_side(self) -> None:
        for _ in range(_TRIES):
            try:
                fd = self._side_fd()
            except OSError as error:
                if self._state is not None and error.errno in _REFUSED:
                    self.frozen = True  # LOCK can be read: all is well as long as nothing changes
                    return
                worded = disk_error(error, "write the lock", self.name)
                raise type(worded)(worded.what, worded.why, _HINT) from error
            try:
                if not _locked(fd):
                    raise TargetBusy(f"another fastdl is using the lock {self.name}", "", "Wait for it to end.")
                if files.still_names(self.side_path, fd):
                    self._side = os.fdopen(fd, "r+b")
                    return
            except BaseException:
                os.close(fd)
                raise
            os.close(fd)
        raise TargetBusy(f"another fastdl is using the lock {self.name}", "", "Wait for it to end.")

    def _side_fd(self) -> int:
        try:
            return files.create(self.side_path)
        except FileExistsError:
            try:
                return files.open_plain(self.side_path)
            except FileNotFoundError:
                return files.create(self.side_path)

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
                    self._index(parse_line(line, number), offset)
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
                    self._index(parse_line(line, 2), offset)
                else:
                    check_header(line)
            offset += len(line)
        self._side_end = offset

    def _index(self, entry: Locked, offset: int) -> int:
        self._offsets.append(offset)
        self._hashes.append(hash(entry.wanted))
        self._of_urls.append(hash(entry.wanted.url))
        self._places.append(-1)
        return len(self._offsets) - 1

    def _check_doubles(self) -> None:
        """Raises UsageError where LOCK says two things of one file."""
        for at in range(1, len(self._sorted)):
            first, second = self._sorted[at - 1], self._sorted[at]
            if self._hashes[first] != self._hashes[second] or second >= self._in_lock:
                continue
            one, two = self.entry(first), self.entry(second)
            if one.wanted == two.wanted and one != two:
                raise self._at(stands_twice(second + 2))

    # --- use ---------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._offsets)

    @property
    def in_lock(self) -> int:
        """How many entries stand in LOCK itself."""
        return self._in_lock

    @property
    def exists(self) -> bool:
        """Whether LOCK itself is there."""
        return self._state is not None

    def entry(self, slot: int) -> Locked:
        """The entry of that number."""
        file = self._lock if slot < self._in_lock else self._side
        assert file is not None
        file.seek(self._offsets[slot])
        return parse_line(file.readline(), slot + 2)

    def find(self, wanted: Wanted) -> Found | None:
        """What the lock has of a file: its own entry, else what it has of the same URL under another name, or of the
        same URL with other secrets under the same name; None where nothing is certain."""
        own = [
            (slot, entry)
            for slot in self._alike(self._sorted, self._hashes, hash(wanted))
            if (entry := self.entry(slot)).wanted == wanted
        ]
        if own:
            # What LOCK says holds; the side file may know a later name.
            slot, entry = own[-1] if own[-1][1][2:] == own[0][1][2:] else own[0]
            return Found(slot, entry, self._place(slot), own=True)
        same = [
            (slot, entry)
            for slot in self._alike(self._by_url, self._of_urls, hash(wanted.url))
            if (entry := self.entry(slot)).wanted.url == wanted.url
        ]
        named = [each for each in same if each[1].wanted.key == wanted.key]
        if not named and wanted.key:
            free = [each for each in same if self._places[each[0]] < 0]
            named = [each for each in free if each[1].wanted._replace(key=wanted.key) == wanted]
            named = named if len(named) == 1 else []
        if not named or any(entry[2:] != named[0][1][2:] for _, entry in named):
            return None
        slot, entry = named[0]
        return Found(slot, entry._replace(wanted=wanted, name=""), self._place(slot), own=False)

    def _alike(self, order: array[int], hashes: array[int], wanted: int) -> Iterator[int]:
        at = bisect_left(order, wanted, key=hashes.__getitem__)
        for slot in order[at : at + _MOST_ALIKE]:
            if hashes[slot] != wanted:
                return
            yield slot

    def _place(self, slot: int) -> str:
        return f"{self.name}, line {slot + 2}" if slot < self._in_lock else self.name

    def meet(self, slot: int, place: int) -> None:
        """The list has this entry's file, as its file number `place`."""
        if self._places[slot] < 0:
            self._places[slot] = place

    def add(self, entry: Locked, place: int) -> None:
        """A file that was fetched and checked, the list's number `place`. It is safe from a kill when this returns.
        Raises DiskError."""
        assert self._side is not None
        text = (HEADER if not self._side_end else "") + line_of(entry)
        data = text.encode()
        try:
            self._side.seek(self._side_end)
            self._side.write(data)
            self._side.truncate()
            self._side.flush()
        except OSError as error:
            raise disk_error(error, "write the lock", self.name) from error
        slot = self._index(entry, self._side_end + (len(HEADER) if not self._side_end else 0))
        self._places[slot] = place
        self._side_end += len(data)

    # --- the end -----------------------------------------------------------------------------------------

    def dropped(self) -> int:
        """Entries of LOCK that the list does not have."""
        return sum(self._places[slot] < 0 for slot in range(self._in_lock))

    def finish(self, *, drop: bool) -> bool:
        """Bring LOCK up to date, in the order of the list; whether that changed it. `drop`: what the list does not have
        goes, else it stays at the end. Raises DiskError, and then LOCK is what it was."""
        chosen = self._chosen(drop)
        changed = chosen != list(range(self._in_lock))
        if changed and self.frozen:
            if max(chosen, default=-1) < self._in_lock:  # only the order differs, or something was to be dropped
                self._remove_side()
                return False
            raise NoPermission(f"cannot write the lock {self.name}", "it is read-only", _HINT)
        if changed and (chosen or self.exists):
            self._replace(chosen)
        self._remove_side()
        return changed

    def _chosen(self, drop: bool) -> list[int]:
        """The numbers of the entries that LOCK is to have, in their order. Of a file that has two the later one counts:
        it was checked against the earlier one."""
        places = self._places
        newest: dict[int, int] = {}
        first: dict[int, int] = {}
        several = _several(self._hashes)
        for slot, place in enumerate(places):
            if place >= 0 and self._hashes[slot] in several:
                key = self._hashes[slot]
                newest[key] = slot
                first[key] = min(first.get(key, place), place)
        met = [
            (first.get(self._hashes[slot], place), slot)
            for slot, place in enumerate(places)
            if place >= 0 and newest.get(self._hashes[slot], slot) == slot
        ]
        met.sort()
        chosen = [slot for _, slot in met]
        if not drop:
            have = {self._hashes[slot] for slot in chosen}
            chosen += [slot for slot, place in enumerate(places) if place < 0 and self._hashes[slot] not in have]
        return chosen

    def _replace(self, chosen: list[int]) -> None:
        draft = self.path + _DRAFT
        try:
            files.remove(draft)
            with os.fdopen(files.create(draft), "wb") as file:
                if self._state is not None and sys.platform != "win32":
                    os.fchmod(file.fileno(), stat.S_IMODE(self._state.st_mode))
                file.write(HEADER.encode())
                for slot in chosen:
                    file.write(line_of(self.entry(slot)).encode())
                file.flush()
                disk.flush_data(file.fileno())
            if self._state is not None and not _is_same(self._state, _state_of(self.path, self.name)):
                why, hint = "another program changed it meanwhile", "Run the same command again."
                raise DiskError(f"cannot write the lock {self.name}", why, hint)
            if self._lock is not None:
                self._lock.close()  # Windows replaces no open file
            files.rename(draft, self.path, replace=self._state is not None, durable=True)
            disk.flush_folder(os.path.dirname(self.path))
        except FileExistsError:
            raise DiskError(f"cannot write the lock {self.name}", "another program made it meanwhile", "") from None
        except OSError as error:
            raise disk_error(error, "write the lock", self.name) from error
        finally:
            with contextlib.suppress(OSError):
                files.remove(draft)

    def _remove_side(self) -> None:
        """It is removed while it is locked: who waits for it sees that its name is gone."""
        side, self._side = self._side, None
        if side is None:
            return
        if self._looking:
            side.close()
            return
        if sys.platform == "win32":
            side.close()
        with contextlib.suppress(OSError):
            files.remove(self.side_path)
        side.close()

    def close(self) -> None:
        """Let go of it. What was added and not brought into LOCK stays beside it for the next run."""
        if self._side_end == 0:
            self._remove_side()
        for file in (self._lock, self._side):
            if file is not None:
                file.close()
        self._side = None


_REFUSED = frozenset({errno.EPERM, errno.EACCES, errno.EROFS})


def _several(hashes: array[int]) -> set[int]:
    """The values that stand there more than once."""
    ordered = array("q", sorted(hashes))
    return {ordered[at] for at in range(1, len(ordered)) if ordered[at] == ordered[at - 1]}


def _locked(fd: int) -> bool:
    try:
        return files.try_lock(fd)
    except OSError:
        return True  # a file system without locks: what is done without one has to do


def _lines(file: BinaryIO) -> Iterator[bytes]:
    from fastdl.core.lists.lock import MOST_LINE

    while line := file.readline(MOST_LINE + 2):
        yield line


def _state_of(path: str, name: str) -> os.stat_result | None:
    """None where there is no lock yet. Raises BadName, UsageError, DiskError for what can be none."""
    try:
        state = os.stat(path)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise _unusable(error, name) from error
    if stat.S_ISDIR(state.st_mode):
        raise BadName(f"the lock {name} is a folder", "", _HINT)
    if not stat.S_ISREG(state.st_mode):
        raise UsageError(f"the lock {name} is no ordinary file", "", _HINT)
    return state


def _unusable(error: OSError | ValueError, name: str) -> FastdlError:
    if isinstance(error, OSError):
        return disk_error(error, "read the lock", name)
    return UsageError(f"the lock {name} cannot be used", "not a file name", _HINT)


def _is_writable(path: str, state: os.stat_result) -> bool:
    """Whoever takes the right to write away means it, though a rename would not ask."""
    return bool(state.st_mode & 0o222) and os.access(path, os.W_OK)


def _is_same(one: os.stat_result, other: os.stat_result | None) -> bool:
    return other is not None and (one.st_ino, one.st_size, one.st_mtime_ns) == (
        other.st_ino,
        other.st_size,
        other.st_mtime_ns,
    )
