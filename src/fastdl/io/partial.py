"""A download that is not whole yet: NAME.fastdl with the data, NAME.fastdl.journal with what is known of it.

The pair lies beside the final name, and nothing else is ever created. The journal is also the lock. The order of
writes is the point of this module: data before journal, always, so that a kill at any instant leaves a journal that
claims nothing but what is there. A power loss may reorder what was not flushed; then only flushed ends count
(core/journal.py), and where old claims could outlive their data (`begin`) the journal is flushed first.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace as changed

from fastdl.core.journal import (
    HEADER_SIZE,
    MAX_SLOTS,
    SLOT_SIZE,
    Claim,
    JournalDamaged,
    JournalHeader,
    Slot,
    claims,
    compacted,
    decode_header,
    decode_slots,
    encode_header,
    encode_slot,
    header_copies,
)
from fastdl.errors import BadName, DiskError, TargetBusy, TargetExists
from fastdl.io import disk, files
from fastdl.io.boot import boot_identity

DATA_SUFFIX = ".fastdl"
JOURNAL_SUFFIX = ".fastdl.journal"
_TRIES = 20  # times that the journal may vanish between opening and locking it


class Partial:
    """The two files of one download, locked by this object. Errors are DiskError leaves, TargetBusy, TargetExists.

    `write`, `record`, `run`, `read_into`, `flush` and `update_header` may be called from several threads; the
    others only while no other call is running."""

    final: str
    """The path that the file is to have."""
    data_path: str
    journal_path: str
    header: JournalHeader | None
    """What the journal says of its download; None where there is nothing to go on from."""
    claims: list[Claim]
    """What may be trusted of the data; sources are indices into `header.sources`."""
    note: str
    """A plain sentence where something unexpected was found, else empty."""
    finished: JournalHeader | None
    """The header of a download that an earlier run renamed to `final` and could not clean up after: it was killed
    just then. The file under the final name is that one, whole and checked."""

    def __init__(self, final: str) -> None:
        self.final = final
        self.data_path = final + DATA_SUFFIX
        self.journal_path = final + JOURNAL_SUFFIX
        self.header = None
        self.claims = []
        self.note = ""
        self.finished = None
        self._journal = -1
        self._data = -1
        self._writer: disk.Writer | None = None
        self._slots: list[Slot] = []
        self._on_disk: list[Slot] = []
        self._disposable = False  # the journal says nothing yet: close() takes it away
        self._lock = threading.Lock()

    @property
    def folder(self) -> str:
        return os.path.dirname(self.final)

    # --- opening -----------------------------------------------------------------------------------------

    @classmethod
    def open(cls, final: str, *, fresh: bool = False) -> Partial:
        """Lock the target and look at what an earlier run left; `fresh`: pass it over. The folder is made if
        missing. Raises TargetBusy if the lock is held, DiskError if the disk refuses."""
        partial = cls(files.long_path(final))
        if not os.path.basename(partial.final):
            raise BadName(f"Cannot create {final}", "the name is empty")
        with _mapped("create", partial.folder):
            os.makedirs(partial.folder, exist_ok=True)
        try:
            with _mapped("open", partial.journal_path):
                partial._take_lock()
            with _mapped("read", partial.journal_path):
                partial._look(fresh)
        except BaseException:
            partial.close()
            raise
        return partial

    def _take_lock(self) -> None:
        """Open or create the journal and lock it. The holder of the lock removes the file when it ends, so after
        the lock the path has to name the same file still."""
        for _ in range(_TRIES):
            fd, created = self._open_journal()
            if fd < 0:
                continue
            self._journal = fd
            try:
                free = files.try_lock(fd)
            except OSError as error:
                self.note = f"two downloads to this file at once would not be noticed: {error.strerror}"
                free = True
            if not free:
                self._close_journal()
                raise TargetBusy(f"Another fastdl is downloading to {files.shown(self.final)}")
            if not self._is_still_there():
                self._close_journal()
                continue
            if not created and files.is_strangers(os.fstat(fd), self.folder):
                os.unlink(self.journal_path)
                self._close_journal()
                continue
            self._disposable = created or os.fstat(fd).st_size == 0
            return
        raise DiskError(f"Cannot lock {files.shown(self.journal_path)}", "it vanishes again and again")

    def _open_journal(self) -> tuple[int, bool]:
        """The descriptor and whether the file is new; (-1, False) where it vanished in between."""
        with contextlib.suppress(FileExistsError):
            return files.create(self.journal_path), True
        with contextlib.suppress(FileNotFoundError):
            return files.open_plain(self.journal_path), False
        return -1, False

    def _is_still_there(self) -> bool:
        if sys.platform == "win32":
            return True  # a file that is open cannot be removed there
        try:
            return os.path.samestat(os.fstat(self._journal), os.lstat(self.journal_path))
        except FileNotFoundError:
            return False

    def _look(self, fresh: bool) -> None:
        """Read journal and data file."""
        if fresh or self._disposable:
            return
        block = _read(self._journal, 0, HEADER_SIZE)
        try:
            header = decode_header(block)
        except JournalDamaged as damaged:
            self.note = f"{damaged}, so the download starts from nothing"
            return
        self._on_disk = decode_slots(_read(self._journal, HEADER_SIZE, MAX_SLOTS * SLOT_SIZE))
        if self._was_finished(header):
            self.finished, self._disposable = header, True
            return
        if not self._open_data():
            return
        self.header = header
        self.claims = claims(header, self._on_disk, boot_identity(), os.fstat(self._data).st_size)

    def _was_finished(self, header: JournalHeader) -> bool:
        """Whether the data file has the final name already: killed after the rename, or between its two halves. A
        file's number is used again after it was deleted, so size and claims have to say the same."""
        try:
            state = os.lstat(self.final)
        except OSError:
            return False
        if files.identity(state) != header.file or header.size != state.st_size:
            return False
        whole = claims(header, self._on_disk, boot_identity(), state.st_size)
        if sum(claim.end - claim.start for claim in whole) != state.st_size:
            return False
        files.remove(self.data_path)  # its other name, where the rename is a link and an unlink
        return True

    def _open_data(self) -> bool:
        try:
            fd = files.open_plain(self.data_path)
        except FileNotFoundError:
            self._disposable = True
            return False
        except OSError as error:
            raise disk.disk_error(error, "open", self.data_path) from error
        if files.is_strangers(os.fstat(fd), self.folder):
            os.close(fd)
            self.note = "the partial download belongs to another user, so it starts from nothing"
            return False
        self._data = fd
        return True

    # --- starting ----------------------------------------------------------------------------------------

    def begin(self, header: JournalHeader) -> None:
        """Start from nothing: the journal is emptied, then the data file made anew with room for `header.size`
        bytes, then the header written. Raises NoSpace with the bytes needed and free."""
        self._close_data()
        with _mapped("write", self.journal_path):
            had_claims = os.fstat(self._journal).st_size > HEADER_SIZE
            disk.truncate(self._journal, 0)
            if had_claims:  # they would outlive their data in a power loss
                disk.flush_data(self._journal)
        self.header, self.claims, self._slots, self._on_disk = None, [], [], []
        self._disposable = True
        with _mapped("create", self.data_path):
            files.remove(self.data_path)
            self._data = files.create(self.data_path)
        try:
            self._prepare(header.size)
            self._put_header(header)
        except BaseException:
            self._close_data()
            with contextlib.suppress(OSError):
                files.remove(self.data_path)
            raise
        self._disposable = False

    def continue_with(self, header: JournalHeader, keep: Sequence[Claim] | None = None) -> None:
        """Go on from `claims`, or from the part of them that `keep` names. `header.sources` must begin with those of
        the journal, since claims name sources by their index. Without a data file this is `begin`.

        Every step leaves a journal that is true and loses nothing: the compacted slots go behind the old ones, then
        over them, then the header with the new boot is written, and last the copy behind is cut off. Only then may
        the data file grow: a slot that claims more than a shortened file holds would become a lie."""
        if self._data < 0 or self.header is None:
            self.begin(header)
            return
        kept = list(self.claims if keep is None else keep)
        size_now = os.fstat(self._data).st_size
        slots = self._compacted(kept, size_now)
        packed = b"".join(map(encode_slot, slots))
        with _mapped("write", self.journal_path):
            old = os.fstat(self._journal).st_size - HEADER_SIZE
            behind = max(-(-old // SLOT_SIZE) * SLOT_SIZE, len(packed))
            self._put(HEADER_SIZE + behind, packed)
            self._put(HEADER_SIZE, packed.ljust(behind, b"\0"))
        self._put_header(header)
        with _mapped("write", self.journal_path):
            disk.truncate(self._journal, HEADER_SIZE + len(packed))
        self._slots, self._on_disk, self.claims = slots, list(slots), kept
        self._prepare(header.size)

    def _compacted(self, kept: Sequence[Claim], data_size: int) -> list[Slot]:
        assert self.header is not None
        slots = compacted(kept, self.header, self._on_disk, data_size)
        if self.header.boot != boot_identity():  # what is claimed is what was flushed
            slots = [changed(slot, flushed_end=slot.end) for slot in slots]
        return slots

    def _prepare(self, size: int | None) -> None:
        allocated = size is not None and disk.preallocate(self._data, size, self.data_path)
        self._writer = disk.open_writer(self._data, size, allocated)

    def update_header(self, header: JournalHeader) -> None:
        """Write the header anew (another source, a validator that became known)."""
        self._put_header(header)

    def set_size(self, size: int) -> None:
        """The size became known: room is made, and the header says it."""
        assert self.header is not None
        disk.preallocate(self._data, size, self.data_path)
        self._put_header(changed(self.header, size=size))

    def _put_header(self, header: JournalHeader) -> None:
        with _mapped("write", self.journal_path), self._lock:
            header = changed(header, boot=boot_identity(), file=files.identity(os.fstat(self._data)))
            first, second = header_copies(encode_header(header))
            self._put(0, first)
            self._put(len(first), second)
            self.header = header

    # --- working -----------------------------------------------------------------------------------------

    def write(self, offset: int, view: memoryview) -> None:
        """Put bytes at their offset. Nothing is claimed before `record`."""
        writer = self._writer
        if writer is None:
            raise DiskError(f"Cannot write {files.shown(self.data_path)}", "the download has ended")
        try:
            writer.write(offset, view)
        except OSError as error:
            raise disk.disk_error(error, "write", self.data_path) from error

    def read_into(self, offset: int, view: memoryview) -> int:
        """Read what was written; how many bytes, 0 at the end of the file."""
        with _mapped("read", self.data_path):
            return disk.read_into(self._data, offset, view)

    def run(self, start: int, source: int) -> int:
        """A slot for a new run from `start` on; its index."""
        with self._lock:
            self._slots.append(Slot(start, start, start, source))
            return len(self._slots) - 1

    def record(self, slot: int, start: int, end: int, source: int) -> None:
        """Claim that [start, end) came from `source` and was written; the slot's earlier claim is replaced, and
        an empty range takes it back."""
        with self._lock:
            before = self._slots[slot]
            flushed = min(before.flushed_end, end) if (before.start, before.source) == (start, source) else start
            self._store(slot, Slot(start, end, flushed, source))

    def flush(self) -> None:
        """Bring all claims of this moment to the device, then note that they are. If the device fails, what was
        not flushed before may be lost while the machine runs on, so those claims are taken back."""
        self._flush_data()
        with _mapped("flush", self.journal_path):
            disk.flush_data(self._journal)

    def _flush_data(self) -> None:
        with self._lock:
            snapshot = list(self._slots)
        try:
            with _mapped("flush", self.data_path):
                if self._writer is not None:
                    self._writer.flush()
                disk.flush_data(self._data)
        except DiskError:
            self._take_back_unflushed()
            raise
        for index, then in enumerate(snapshot):
            with self._lock:
                now = self._slots[index]
                flushed = min(then.end, now.end)
                if (now.start, now.source) == (then.start, then.source) and flushed > now.flushed_end:
                    self._store(index, changed(now, flushed_end=flushed))

    def _take_back_unflushed(self) -> None:
        with self._lock, contextlib.suppress(DiskError, OSError):
            for index, slot in enumerate(self._slots):
                if slot.flushed_end < slot.end:
                    self._store(index, changed(slot, end=slot.flushed_end))

    def _store(self, index: int, slot: Slot) -> None:
        """One small write; under the lock, so that a flush never puts an older end over a newer one."""
        try:
            self._put(HEADER_SIZE + index * SLOT_SIZE, encode_slot(slot))
        except OSError as error:
            raise disk.disk_error(error, "write", self.journal_path) from error
        self._slots[index] = slot

    def _put(self, offset: int, data: bytes) -> None:
        disk.PositionalWriter(self._journal).write(offset, memoryview(data))

    # --- ending ------------------------------------------------------------------------------------------

    def finish(
        self, final: str | None = None, *, size: int, replace: bool = False, mtime: float | None = None, durable: bool
    ) -> None:
        """Give the data its final name (in the same folder; None: as opened) by one atomic rename, then remove the
        journal. `mtime` is seconds since the epoch; `durable` flushes data, rename and folder. Raises TargetExists
        where the name is taken and `replace` is false: the partial download stays, and finish may be called again."""
        target = self.final if final is None else files.long_path(final)
        if self._data >= 0:
            self._seal(size, durable)
        self._set_time(mtime)
        self._rename(target, replace, durable)
        self._remove_journal()
        self.close()

    def _seal(self, size: int, durable: bool) -> None:
        """Right length, on the device if asked for, closed (network file systems report a full disk here)."""
        self._close_writer()
        with _mapped("write", self.data_path):
            state = os.fstat(self._data)
            if files.identity(os.lstat(self.data_path)) != files.identity(state):
                raise DiskError(f"Cannot rename {files.shown(self.data_path)}", "another file has taken its place")
            if state.st_size > size:
                disk.truncate(self._data, size)
            elif state.st_size < size:
                raise DiskError(f"Cannot rename {files.shown(self.data_path)}", "it is shorter than the download")
        if self.header is not None and self.header.size != size:
            self.set_size(size)
        if durable:
            self._flush_data()
        with _mapped("write", self.data_path):
            fd, self._data = self._data, -1
            os.close(fd)

    def _set_time(self, mtime: float | None) -> None:
        """A time that the file system does not take is passed over: the bytes are right all the same."""
        if mtime is not None:
            with contextlib.suppress(OSError, OverflowError, ValueError):
                os.utime(self.data_path, (mtime, mtime))

    def _rename(self, target: str, replace: bool, durable: bool) -> None:
        try:
            files.rename(self.data_path, target, replace=replace, durable=durable)
        except FileExistsError as error:
            raise TargetExists(f"{files.shown(target)} exists already") from error
        except OSError as error:
            raise disk.disk_error(error, "rename to", target) from error
        if durable:
            with _mapped("flush", self.folder):
                disk.flush_folder(self.folder)

    def _remove_journal(self) -> None:
        """A journal that stays has no data beside it and is taken over by the next run."""
        with contextlib.suppress(OSError):
            if sys.platform == "win32":
                self._close_journal()
            files.remove(self.journal_path)

    def discard(self) -> None:
        """Remove both files and end."""
        self._close_data()
        with _mapped("remove", self.data_path):
            files.remove(self.data_path)
        with _mapped("remove", self.journal_path):
            if sys.platform == "win32":
                self._close_journal()
            files.remove(self.journal_path)
        self.close()

    def close(self) -> None:
        """End and keep both files, for the next run; a journal that says nothing yet is removed. Does no harm when
        called again."""
        with contextlib.suppress(DiskError):
            self._close_data()
        if self._disposable and self._journal >= 0:
            self._disposable = False
            self._remove_journal()
        self._close_journal()

    def _close_writer(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            with _mapped("write", self.data_path):
                writer.close()

    def _close_data(self) -> None:
        try:
            self._close_writer()
        finally:
            fd, self._data = self._data, -1
            if fd >= 0:
                with _mapped("write", self.data_path):
                    os.close(fd)

    def _close_journal(self) -> None:
        fd, self._journal = self._journal, -1
        if fd >= 0:
            with contextlib.suppress(OSError):
                os.close(fd)


@contextlib.contextmanager
def _mapped(doing: str, path: str) -> Iterator[None]:
    """OSErrors inside become leaves of the error tree."""
    try:
        yield
    except OSError as error:
        raise disk.disk_error(error, doing, path) from error


def _read(fd: int, offset: int, most: int) -> bytes:
    """The file's bytes from `offset` on, `most` at most."""
    size = max(0, min(os.fstat(fd).st_size - offset, most))
    data = memoryview(bytearray(size))
    done = 0
    while done < size:
        count = disk.read_into(fd, offset + done, data[done:])
        if count == 0:
            break
        done += count
    return bytes(data[:done])
