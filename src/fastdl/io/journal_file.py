"""The journal on disk: the lock of a download, its header, and the slots that workers write while they run.

Every write here leaves a journal that is true, at whatever byte a kill cuts it short: a claim that moves from one
slot to another stands in both for a moment, never in none, and never in neither's place before it is a fact.
Functions raise OSError, and TargetBusy where another holder has the lock; io/partial.py puts words to the former.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import threading
from collections.abc import Sequence

from fastdl.core.journal import (
    HEADER_SIZE,
    MAX_SLOTS,
    SLOT_SIZE,
    JournalHeader,
    Slot,
    decode_header,
    decode_slots,
    encode_header,
    encode_slot,
    header_copies,
)
from fastdl.core.plain import replace
from fastdl.errors import TargetBusy
from fastdl.io import disk, files
from fastdl.io.writers import PositionalWriter

_TRIES = 20  # times that the file may vanish between opening and locking it
_NOTHING = Slot(0, 0, 0, 0)


class JournalFile:
    """An open and locked journal. Slots may be written from several threads."""

    path: str
    disposable: bool
    """It says nothing that anybody could use, so closing removes it."""
    unlocked: str
    """Why there is no lock (a file system without locks), else empty."""

    def __init__(self, path: str, target: str) -> None:
        """Open or create the journal at `path`, of the download to `target`, and take its lock. Raises TargetBusy if
        another holder has it, in this process too."""
        self.path = path
        self.disposable = False
        self.unlocked = ""
        self._handle = files.Handle(-1)
        self._guard = threading.Lock()
        self._slots: list[Slot] = []
        self._serials: list[int] = []  # for each slot: another number when it is another run's
        self._next_serial = 0
        self._free: list[int] = []
        self._ends: dict[tuple[int, int], int] = {}  # (end, source) of runs that have ended: their slot
        self._starts: dict[tuple[int, int], int] = {}
        for _ in range(_TRIES):
            if self._opened(target):
                return
        raise OSError(errno.EBUSY, "it vanishes again and again")

    # --- lock --------------------------------------------------------------------------------------------

    def _opened(self, target: str) -> bool:
        """One try; False where it has to be made again. Who holds the lock removes the file in the end: after the
        lock the path has to name the same file still."""
        created = True
        try:
            fd = files.create(self.path)
        except FileExistsError:
            created = False
            try:
                fd = files.open_plain(self.path)
            except FileNotFoundError:
                return False
        self._handle = files.Handle(fd)
        try:
            if not self._locked(fd):
                raise TargetBusy(f"another fastdl is downloading to {files.shown(target)}")
            if files.still_names(self.path, fd) and (created or not self._is_planted(fd)):
                self.disposable = created or os.fstat(fd).st_size == 0
                return True
        except BaseException:
            self._close()
            raise
        self._close()
        return False

    def _locked(self, fd: int) -> bool:
        try:
            return files.try_lock(fd)
        except OSError as error:
            self.unlocked = (error.strerror or "unknown").lower()
            return True

    def _is_planted(self, fd: int) -> bool:
        """Another user's file in a folder for everybody: it is put aside for one of our own."""
        if not files.is_strangers(os.fstat(fd), os.path.dirname(self.path)):
            return False
        files.remove(self.path)
        return True

    # --- whole file --------------------------------------------------------------------------------------

    def read(self) -> tuple[JournalHeader, list[Slot]]:
        """Header and intact slots. Raises JournalDamaged."""
        header = decode_header(self._read(0, HEADER_SIZE))
        return header, decode_slots(self._read(HEADER_SIZE, MAX_SLOTS * SLOT_SIZE))

    def clear(self) -> None:
        """Claim nothing any more. Claims that a power loss could bring back, for data that is gone by then, are
        taken off the device before this returns."""
        with self._guard, self._handle as fd:
            had_claims = os.fstat(fd).st_size > HEADER_SIZE
            disk.truncate(fd, 0)
            if had_claims:
                disk.flush_data(fd)
            self._take_over([])
            self.disposable = True

    def compact(self, slots: Sequence[Slot]) -> None:
        """Put these slots in the place of all others; both must be true. First they go behind the old ones, then
        over them; `cut` takes off the copy behind when the header is right too."""
        packed = b"".join(map(encode_slot, slots))
        with self._guard, self._handle as fd:
            old = max(0, os.fstat(fd).st_size - HEADER_SIZE)
            behind = max(-(-old // SLOT_SIZE) * SLOT_SIZE, len(packed))
            self._put(HEADER_SIZE + behind, packed)
            self._put(HEADER_SIZE, packed.ljust(behind, b"\0"))
            self._take_over(slots)

    def cut(self) -> None:
        """End the file after the last slot in use."""
        with self._guard, self._handle as fd:
            disk.truncate(fd, HEADER_SIZE + len(self._slots) * SLOT_SIZE)

    def put_header(self, header: JournalHeader) -> None:
        """Write the header, one copy after the other."""
        with self._guard:
            first, second = header_copies(encode_header(header))
            self._put(0, first)
            self._put(len(first), second)
            self.disposable = False

    def flush(self) -> None:
        """Bring the file to the device."""
        with self._handle as fd:
            disk.flush_data(fd)

    def close(self) -> None:
        """Release the lock; the file stays unless it is disposable. Does no harm when called again."""
        if self.disposable and not self._handle.closed:
            with contextlib.suppress(OSError):
                self.remove()
        self._close()

    def remove(self) -> None:
        """Remove the file and release the lock (Windows removes no open file: there the lock goes first)."""
        if sys.platform == "win32":
            self._close()
        files.remove(self.path)
        self._close()

    def _close(self) -> None:
        """The lock goes at once, even while another thread is still flushing the file."""
        with self._guard:
            with contextlib.suppress(OSError), self._handle as fd:
                files.unlock(fd)
            with contextlib.suppress(OSError):
                self._handle.close()

    # --- slots -------------------------------------------------------------------------------------------

    def run(self, start: int, source: int) -> int:
        """A slot for a new run; nothing is written before the first `record`."""
        with self._guard:
            return self._new(Slot(start, start, start, source))

    def record(self, index: int, start: int, end: int, source: int) -> None:
        """Replace what the slot claims."""
        with self._guard:
            before = self._slots[index]
            same_run = (before.start, before.source) == (start, source)
            flushed = min(before.flushed_end, end) if same_run else start
            if not same_run or end < before.end:
                self._renumber(index)
            self._store(index, Slot(start, end, flushed, source))

    def end_run(self, index: int) -> None:
        """The run grows no more: it is joined with the ended runs of its source that touch it, and slots that became
        free are used again. So the journal grows with the number of pieces, not with that of the runs."""
        with self._guard:
            run = self._slots[index]
            left = self._ends.get((run.start, run.source))
            if run.start < run.end and left is not None:
                index = self._join(left, index)
                run = self._slots[index]
            right = self._starts.get((run.end, run.source))
            if run.start < run.end and right is not None:
                self._join(index, right)
            self._note_ended(index)

    def runs(self) -> list[Slot]:
        """What is claimed now, in the order of the bytes."""
        with self._guard:
            return sorted((slot for slot in self._slots if slot.start < slot.end), key=lambda slot: slot.start)

    def forget(self, start: int, end: int) -> None:
        """Claim nothing in [start, end) any more: those bytes are to be fetched anew."""
        with self._guard:
            for index, slot in enumerate(list(self._slots)):
                if slot.start >= end or slot.end <= start:
                    continue
                self._drop_ended(index)
                self._renumber(index)
                if slot.end > end:
                    behind = replace(slot, start=end, flushed_end=max(end, slot.flushed_end))
                    at = self._new(behind)
                    self._store(at, behind)
                    self._note_ended(at)
                cut = max(slot.start, min(slot.end, start))
                self._store(index, replace(slot, end=cut, flushed_end=min(slot.flushed_end, cut)))

    def snapshot(self) -> list[tuple[int, int]]:
        """What is claimed now (serial and end of each slot), for `note_flushed` after the data has been flushed."""
        with self._guard:
            return [(serial, slot.end) for serial, slot in zip(self._serials, self._slots, strict=True)]

    def note_flushed(self, snapshot: Sequence[tuple[int, int]]) -> None:
        """The bytes that `snapshot` claims are on the device. A slot that became another run's meanwhile, or was
        cut and grew again, is left as it is: its bytes may be younger than the flush."""
        for index, (serial, end) in enumerate(snapshot):
            with self._guard:
                if index >= len(self._slots) or self._serials[index] != serial:
                    continue
                slot = self._slots[index]
                if slot.flushed_end < end:
                    self._store(index, replace(slot, flushed_end=end))

    def take_back_unflushed(self) -> None:
        """The device failed: what it did not confirm cannot be relied on, even while the machine runs on."""
        with self._guard:
            for index, slot in enumerate(self._slots):
                if slot.flushed_end < slot.end:
                    self._store(index, replace(slot, end=slot.flushed_end))

    def _take_over(self, slots: Sequence[Slot]) -> None:
        self._slots = list(slots)
        self._serials = [0] * len(slots)
        for index in range(len(slots)):
            self._renumber(index)
        self._free.clear()
        self._ends.clear()
        self._starts.clear()
        for index in range(len(slots)):
            self._note_ended(index)

    def _new(self, slot: Slot) -> int:
        if self._free:
            index = self._free.pop()
            self._slots[index] = slot
        else:
            index = len(self._slots)
            self._slots.append(slot)
            self._serials.append(0)
        self._renumber(index)
        return index

    def _renumber(self, index: int) -> None:
        self._next_serial += 1
        self._serials[index] = self._next_serial

    def _join(self, left: int, right: int) -> int:
        """Both in the left slot, then the right one emptied. The flushed end may be less than is known of the right
        one; the next flush puts it right."""
        one, two = self._slots[left], self._slots[right]
        flushed = two.flushed_end if one.flushed_end == one.end else one.flushed_end
        self._drop_ended(left)
        self._drop_ended(right)
        self._store(left, Slot(one.start, two.end, flushed, one.source))
        self._store(right, _NOTHING)
        self._renumber(right)
        self._free.append(right)
        return left

    def _note_ended(self, index: int) -> None:
        slot = self._slots[index]
        if slot.start < slot.end:
            self._ends[slot.end, slot.source] = index
            self._starts[slot.start, slot.source] = index

    def _drop_ended(self, index: int) -> None:
        slot = self._slots[index]
        for table, key in ((self._ends, (slot.end, slot.source)), (self._starts, (slot.start, slot.source))):
            if table.get(key) == index:
                del table[key]

    def _store(self, index: int, slot: Slot) -> None:
        """One small write; under the guard, so that a flush never puts an older end over a newer one."""
        self._put(HEADER_SIZE + index * SLOT_SIZE, encode_slot(slot))
        self._slots[index] = slot

    def _put(self, offset: int, data: bytes) -> None:
        with self._handle as fd:
            PositionalWriter(fd).write(offset, memoryview(data))

    def _read(self, offset: int, most: int) -> bytes:
        """The file's bytes from `offset` on, `most` at most."""
        with self._handle as fd:
            data = memoryview(bytearray(max(0, min(os.fstat(fd).st_size - offset, most))))
            done = 0
            while count := disk.read_into(fd, offset + done, data[done:]):
                done += count
        return bytes(data[:done])
