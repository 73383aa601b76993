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
from collections.abc import Callable, Iterator, Sequence

from fastdl.core.hints import TYPE_CHECKING
from fastdl.core.journal import Claim, JournalDamaged, JournalHeader, Slot, claims, compacted
from fastdl.core.plain import replace as changed
from fastdl.errors import BadName, DiskError, TargetBusy, TargetExists
from fastdl.io import disk, files, phases
from fastdl.io.boot import boot_identity
from fastdl.io.journal_file import JournalFile
from fastdl.io.writers import Kind, PositionalWriter, Writer, open_writer, why_not_mapped

if TYPE_CHECKING:
    from fastdl.io.pipe import Pipe

DATA_SUFFIX = ".fastdl"
JOURNAL_SUFFIX = ".fastdl.journal"


class Partial:
    """The two files of one download, locked by this object. Errors are DiskError leaves, TargetBusy, TargetExists.

    `write`, `read_into`, `run`, `record`, `end_run`, `forget`, `flush` and `update_header` may be called from several
    threads, `close` from any at any time; the others by one thread, while no run is being written."""

    final: str
    """The path that the file is to have."""
    header: JournalHeader | None
    """What the journal says of its download; None where there is nothing to go on from."""
    claims: list[Claim]
    """What may be trusted of the data; sources are indices into `header.sources`."""
    note: str
    """A plain sentence where something unexpected was found, else empty."""
    unmapped: str
    """Why mapped windows were asked for and are not used, else empty."""
    finished: JournalHeader | None
    """The header of a download that an earlier run renamed to `final` and could not clean up after: it was killed
    just then. The file under the final name is that one, whole and checked."""

    def __init__(self, final: str, writer: Kind, durable: bool) -> None:
        self.final = final
        self.data_path = final + DATA_SUFFIX
        self.journal_path = final + JOURNAL_SUFFIX
        self.folder = os.path.dirname(final)
        self.header = None
        self.claims = []
        self.note = ""
        self.unmapped = ""
        self.finished = None
        self._kind = writer
        self._durable = durable
        self._journal: JournalFile | None = None
        self._found: list[Slot] = []
        self._data: files.Handle | None = None
        self._writer: Writer | None = None
        self._flushing = threading.Lock()
        self._broken: DiskError | None = None
        self._named = False  # the folder's entry of the data file is on the device

    # --- opening -----------------------------------------------------------------------------------------

    @classmethod
    def open(cls, final: str, *, fresh: bool = False, writer: Kind = "auto", durable: bool = False) -> Partial:
        """Lock the target and look at what an earlier run left; `fresh`: pass it over. The folder is made if
        missing. `durable`: what is written goes to the device early, since `finish` will want it there. Raises
        TargetBusy if the lock is held, DiskError if the disk refuses."""
        if not files.is_writable(final):
            raise BadName(f"cannot create {final}", "the name has characters that no file system takes")
        partial = cls(files.long_path(final), writer, durable)
        if not os.path.basename(partial.final):
            raise BadName(f"cannot create {final}", "it is a folder")
        with _worded("create", partial.folder):
            os.makedirs(partial.folder, exist_ok=True)
        with _worded("open", partial.journal_path):
            partial._journal = journal = JournalFile(partial.journal_path, partial.final)
        try:
            if journal.unlocked:
                partial.note = f"a second download to this file would not be noticed: {journal.unlocked}"
            if not fresh and not journal.disposable:
                partial._look(journal)
        except BaseException:
            partial.close()
            raise
        return partial

    def _look(self, journal: JournalFile) -> None:
        """Read journal and data file."""
        try:
            with _worded("read", self.journal_path):
                header, self._found = journal.read()
        except JournalDamaged as damaged:
            self.note = f"{damaged}, so it starts from nothing"
            return
        if self._was_finished(header):
            self.finished = header
            journal.disposable = True
        elif self._open_data():
            with _worded("read", self.data_path), self._in_data() as fd:
                size = os.fstat(fd).st_size
            self.header = header
            self.claims = claims(header, self._found, boot_identity(), size)

    def _was_finished(self, header: JournalHeader) -> bool:
        """Whether the data file has the final name already: killed after the rename, or between its two halves. A
        file's number is used again after it was deleted, so size and claims have to say the same."""
        try:
            state = os.lstat(self.final)
        except OSError:
            return False
        if files.identity(state) != header.file or header.size != state.st_size:
            return False
        whole = claims(header, self._found, boot_identity(), state.st_size)
        if sum(claim.end - claim.start for claim in whole) != state.st_size:
            return False
        with _worded("remove", self.data_path):
            files.remove(self.data_path)  # its other name, where the rename is a link and an unlink
        return True

    def _open_data(self) -> bool:
        """False where there is no data file that may be gone on from; the journal is of no use then."""
        assert self._journal is not None
        try:
            with _worded("open", self.data_path):
                fd = files.open_plain(self.data_path)
                self._data = files.Handle(fd)
                strange = files.is_strangers(os.fstat(fd), self.folder)
        except DiskError as error:
            if not isinstance(error.__cause__, FileNotFoundError):
                raise
            self._journal.disposable = True
            return False
        if strange:
            self._data.close()
            self._data = None
            self.note = "the partial download belongs to another user, so it starts from nothing"
        return not strange

    # --- starting ----------------------------------------------------------------------------------------

    @phases.timed("allocate")
    def begin(self, header: JournalHeader) -> None:
        """Start from nothing: the journal is emptied, then the data file made anew with room for `header.size`
        bytes, then the header written. Raises NoSpace with the bytes needed and free; nothing is left then."""
        journal = self._opened()
        with self._flushing:
            self._close_data()
        with _worded("write", self.journal_path):
            journal.clear()
        self.header, self.claims, self._found = None, [], []
        self._broken, self._named = None, False
        with _worded("create", self.data_path):
            self._remove_data()
            try:
                self._data = files.Handle(files.create(self.data_path))
            except FileExistsError:
                raise self._busy() from None
        try:
            self._prepare(header.size)
            self.update_header(header)
        except BaseException:
            with contextlib.suppress(OSError, DiskError):
                self._close_data()
                files.remove(self.data_path)
            raise

    @phases.timed("allocate")
    def _remove_data(self) -> None:
        """Take away what lies under the data file's name. A small file that another download stores there has no
        journal, and is locked itself (io/settling.py). Raises TargetBusy, OSError."""
        try:
            fd = files.open_plain(self.data_path)
        except FileNotFoundError:
            return
        except OSError:  # no ordinary file, or not ours to open: what removing it says, counts
            files.remove(self.data_path)
            return
        try:
            with contextlib.suppress(OSError):  # a file system without locks
                if not files.try_lock(fd):
                    raise self._busy()
            if sys.platform != "win32":
                files.remove(self.data_path)
        finally:
            os.close(fd)
        files.remove(self.data_path)

    def _busy(self) -> TargetBusy:
        return TargetBusy(f"another fastdl is downloading to {files.shown(self.final)}")

    def continue_with(self, header: JournalHeader, keep: Sequence[Claim] | None = None) -> None:
        """Go on from `claims`, or from the part of them that `keep` names. `header.sources` must begin with those of
        the journal, since claims name sources by their index. Without a data file this is `begin`.

        The journal is compacted before the data file may grow: a slot that claims more than a shortened file holds
        would become a lie."""
        journal = self._opened()
        if self._data is None or self.header is None:
            self.begin(header)
            return
        kept = list(self.claims if keep is None else keep)
        with _worded("read", self.data_path), self._in_data() as fd:
            slots = compacted(kept, self.header, self._found, os.fstat(fd).st_size)
        if self.header.boot != boot_identity():  # all that is claimed was flushed
            slots = [changed(slot, flushed_end=slot.end) for slot in slots]
        with _worded("write", self.journal_path):
            journal.compact(slots)
            self.update_header(header)
            journal.cut()
        self._found, self.claims = slots, kept
        self._prepare(header.size)

    def _prepare(self, size: int | None) -> None:
        with _worded("write", self.data_path), self._in_data() as fd:
            allocated = size is not None and disk.preallocate(fd, size, self.data_path)
            self._writer = open_writer(fd, size, allocated, self._kind, durable=self._durable)
            self.unmapped = why_not_mapped(size, allocated) if self._kind == "mmap" else ""

    def update_header(self, header: JournalHeader) -> None:
        """Write the header anew (another source, a validator that became known). Boot and file are filled in."""
        with _worded("write", self.journal_path), self._in_data() as fd:
            file = files.identity(os.fstat(fd))
            self.header = changed(header, boot=boot_identity(), file=file)
            self._opened().put_header(self.header)

    # --- working -----------------------------------------------------------------------------------------

    def write(self, offset: int, view: memoryview) -> None:
        """Put bytes at their offset. Nothing is claimed before `record`."""
        with _worded("write", self.data_path), self._in_data() as fd:
            (self._writer or PositionalWriter(fd)).write(offset, view)

    @property
    def splices(self) -> bool:
        """Whether `take` is the quickest way to the file."""
        return self._writer is not None and self._writer.splices

    def take(self, offset: int, pipe: Pipe) -> None:
        """As `write`, with all that a pipe holds."""
        with _worded("write", self.data_path), self._in_data() as fd:
            (self._writer or PositionalWriter(fd)).take(offset, pipe)

    def read_into(self, offset: int, view: memoryview) -> int:
        """Read what was written; how many bytes, 0 at the end of the file."""
        with _worded("read", self.data_path), self._in_data() as fd:
            return disk.read_into(fd, offset, view)

    def run(self, start: int, source: int) -> int:
        """A slot for a new run from `start` on; its index."""
        return self._opened().run(start, source)

    def record(self, slot: int, start: int, end: int, source: int) -> None:
        """Claim that [start, end) came from `source` and was written; the slot's earlier claim is replaced, and
        an empty range takes it back."""
        self._check_broken()
        with _worded("write", self.journal_path):
            self._opened().record(slot, start, end, source)

    def end_run(self, slot: int) -> None:
        """The run is recorded and grows no more; its slot must not be used again. Runs that have ended are joined
        with their neighbours, so that a journal of very many ranges stays small."""
        with _worded("write", self.journal_path):
            self._opened().end_run(slot)

    def provenance(self) -> list[Claim]:
        """Which source of the header each claimed run came from, in the order of the bytes."""
        return [Claim(slot.start, slot.end, slot.source) for slot in self._opened().runs()]

    def forget(self, start: int, end: int) -> None:
        """Claim nothing in [start, end) any more, before those bytes are fetched anew: a place that another source
        writes over must not keep its old claim. No run that is being written may reach into it."""
        with _worded("write", self.journal_path):
            self._opened().forget(start, end)

    def flush(self) -> None:
        """Bring all claims of this moment to the device, then note that they are. If the device fails, what was not
        flushed before may be lost while the machine runs on, and the system tells it only once: those claims are
        taken back, and this object neither records nor finishes any more."""
        with self._flushing:
            self._flush_data(name=not self._named)
            self._named = True
            with _worded("flush", self.journal_path):
                self._opened().flush()

    @phases.timed("flush")
    def _flush_data(self, *, name: bool) -> None:
        """`name`: the folder's entry too, without which the data is lost all the same."""
        self._check_broken()
        journal = self._opened()
        snapshot = journal.snapshot()
        try:
            with _worded("flush", self.data_path), self._in_data() as fd:
                if self._writer is not None:
                    self._writer.flush()
                disk.flush_data(fd)
                if name:
                    disk.flush_folder(self.folder)
        except DiskError as error:
            self._broken = error
            with contextlib.suppress(OSError):
                journal.take_back_unflushed()
            raise
        with _worded("write", self.journal_path):
            journal.note_flushed(snapshot)

    def _check_broken(self) -> None:
        if self._broken is not None:
            raise type(self._broken)(self._broken.what, self._broken.why)

    # --- ending ------------------------------------------------------------------------------------------

    def finish(
        self,
        final: str | None = None,
        *,
        size: int,
        replace: bool = False,
        mtime: float | None = None,
        durable: bool,
        named: Callable[[], None] = lambda: None,
    ) -> None:
        """Give the data its final name (in the same folder; None: as opened) by one atomic rename, then remove the
        journal. `mtime` is seconds since the epoch; `durable` flushes data, rename and folder. Raises TargetExists
        where the name is taken and `replace` is false: the partial download stays, and finish may be called again.
        `named` is called when it has its name and the journal, which knows that, is still there."""
        journal = self._opened()
        with self._flushing:
            if self._data is not None:
                self._seal(size, durable)
        self._set_time(mtime)
        self._rename(self.final if final is None else files.long_path(final), replace, durable)
        named()
        with contextlib.suppress(OSError):  # a journal without data is taken over by the next run
            journal.remove()
        self.close()

    def _seal(self, size: int, durable: bool) -> None:
        """The right length, on the device if asked for, closed (network file systems report a full disk here)."""
        self._check_broken()
        self._close_writer()
        with _worded("rename", self.data_path), self._in_data() as fd:
            state = os.fstat(fd)
            if not files.still_names(self.data_path, fd):
                os.lstat(self.data_path)  # if it is gone altogether, this says so
                raise DiskError(f"cannot rename {files.shown(self.data_path)}", "another file has taken its place")
            if state.st_size > size:
                disk.truncate(fd, size)
            elif state.st_size < size:
                raise DiskError(f"cannot rename {files.shown(self.data_path)}", "it is shorter than the download")
        if self.header is not None and self.header.size != size:
            self.update_header(changed(self.header, size=size))
        if durable:
            self._flush_data(name=False)  # it gets another one in a moment
        self._close_data()

    def _set_time(self, mtime: float | None) -> None:
        """A time that the file system does not take is passed over: the bytes are right all the same."""
        if mtime is not None:
            with contextlib.suppress(OSError, OverflowError, ValueError):
                os.utime(self.data_path, (mtime, mtime))

    @phases.timed("rename")
    def _rename(self, target: str, replace: bool, durable: bool) -> None:
        with _worded("rename to", target):
            try:
                files.rename(self.data_path, target, replace=replace, durable=durable)
            except FileExistsError as error:
                raise TargetExists(f"{files.shown(target)} exists already") from error
        if durable:
            with _worded("flush", self.folder):
                disk.flush_folder(self.folder)

    def discard(self) -> None:
        """Remove both files and end."""
        journal = self._opened()
        with self._flushing, _worded("remove", self.data_path):
            self._close_data()
            files.remove(self.data_path)
        with _worded("remove", self.journal_path):
            journal.remove()

    def close(self) -> None:
        """End and keep both files, for the next run; a journal that says nothing is removed. It waits for nobody and
        does no harm when called again."""
        with contextlib.suppress(DiskError):
            self._close_data()
        if self._journal is not None:
            self._journal.close()

    def _close_writer(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            with _worded("write", self.data_path):
                writer.close()

    def _close_data(self) -> None:
        data, self._data = self._data, None
        try:
            self._close_writer()
        finally:
            if data is not None:
                with _worded("write", self.data_path):
                    data.close()

    def _opened(self) -> JournalFile:
        assert self._journal is not None
        return self._journal

    def _in_data(self) -> files.Handle:
        return self._data or _ENDED


_ENDED = files.Handle(-1)
_ENDED.closed = True


@contextlib.contextmanager
def _worded(doing: str, path: str) -> Iterator[None]:
    """OSErrors inside become leaves of the error tree."""
    try:
        yield
    except OSError as error:
        raise disk.disk_error(error, doing, path) from error
