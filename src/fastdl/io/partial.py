"""A download that is not whole yet: NAME.fastdl with the data, NAME.fastdl.journal with what is known of it.

The pair lies beside the final name, and nothing else is ever created. The journal is also the lock. The order of
writes is the point of this module: data before journal, always, so that a kill at any instant leaves a journal that
claims nothing but what is there. A power loss may reorder what was not flushed; then only flushed ends count
(core/journal.py), and where old claims could outlive their data (`begin`) the journal is flushed first.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Sequence

from fastdl.core.hints import TYPE_CHECKING
from fastdl.core.journal import Claim, JournalDamaged, JournalHeader, Slot, claims, compacted
from fastdl.core.plain import replace as changed
from fastdl.errors import BadName, DiskError
from fastdl.io import files, phases
from fastdl.io.boot import boot_identity
from fastdl.io.data_file import DataFile, worded
from fastdl.io.journal_file import JournalFile

if TYPE_CHECKING:
    from fastdl.io.pipe import Pipe
    from fastdl.io.writers import Kind

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
        self.finished = None
        self._journal: JournalFile | None = None
        self._found: list[Slot] = []
        self._data = DataFile(self.data_path, final, writer, durable)
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
        with worded("create", partial.folder):
            os.makedirs(partial.folder, exist_ok=True)
        with worded("open", partial.journal_path):
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
            with worded("read", self.journal_path):
                header, self._found = journal.read()
        except JournalDamaged as damaged:
            self.note = f"{damaged}, so it starts from nothing"
            return
        if self._was_finished(header):
            self.finished = header
            journal.disposable = True
        elif not self._data.open():
            journal.disposable = True
        elif self._data.is_strangers():
            self._data.close()
            self.note = "the partial download belongs to another user, so it starts from nothing"
        else:
            self.header = header
            self.claims = claims(header, self._found, boot_identity(), self._data.state().st_size)

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
        with worded("remove", self.data_path):
            files.remove(self.data_path)  # its other name, where the rename is a link and an unlink
        return True

    # --- starting ----------------------------------------------------------------------------------------

    @phases.timed("allocate")
    def begin(self, header: JournalHeader) -> None:
        """Start from nothing: the journal is emptied, then the data file made anew with room for `header.size`
        bytes, then the header written. Raises NoSpace with the bytes needed and free; nothing is left then."""
        journal = self._opened()
        with self._flushing:
            self._data.close()
        with worded("write", self.journal_path):
            journal.clear()
        self.header, self.claims, self._found = None, [], []
        self._broken, self._named = None, False
        self._data.make()
        try:
            self._data.prepare(header.size)
            self.update_header(header)
        except BaseException:
            with contextlib.suppress(DiskError):
                self._data.remove()
            raise

    def continue_with(self, header: JournalHeader, keep: Sequence[Claim] | None = None) -> None:
        """Go on from `claims`, or from the part of them that `keep` names. `header.sources` must begin with those of
        the journal, since claims name sources by their index. Without a data file this is `begin`.

        The journal is compacted before the data file may grow: a slot that claims more than a shortened file holds
        would become a lie."""
        journal = self._opened()
        if self.header is None or not self._data.is_open:
            self.begin(header)
            return
        kept = list(self.claims if keep is None else keep)
        slots = compacted(kept, self.header, self._found, self._data.state().st_size)
        if self.header.boot != boot_identity():  # all that is claimed was flushed
            slots = [changed(slot, flushed_end=slot.end) for slot in slots]
        with worded("write", self.journal_path):
            journal.compact(slots)
            self.update_header(header)
            journal.cut()
        self._found, self.claims = slots, kept
        self._data.prepare(header.size)

    def update_header(self, header: JournalHeader) -> None:
        """Write the header anew (another source, a validator that became known). Boot and file are filled in."""
        self.header = changed(header, boot=boot_identity(), file=files.identity(self._data.state()))
        with worded("write", self.journal_path):
            self._opened().put_header(self.header)

    # --- working -----------------------------------------------------------------------------------------

    @property
    def unmapped(self) -> str:
        """Why mapped windows were asked for and are not used, else empty."""
        return self._data.unmapped

    def write(self, offset: int, view: memoryview) -> None:
        """Put bytes at their offset. Nothing is claimed before `record`."""
        self._data.write(offset, view)

    @property
    def splices(self) -> bool:
        """Whether `take` is the quickest way to the file."""
        return self._data.splices

    def take(self, offset: int, pipe: Pipe) -> None:
        """As `write`, with all that a pipe holds."""
        self._data.take(offset, pipe)

    def read_into(self, offset: int, view: memoryview) -> int:
        """Read what was written; how many bytes, 0 at the end of the file."""
        return self._data.read_into(offset, view)

    def run(self, start: int, source: int) -> int:
        """A slot for a new run from `start` on; its index."""
        return self._opened().run(start, source)

    def record(self, slot: int, start: int, end: int, source: int) -> None:
        """Claim that [start, end) came from `source` and was written; the slot's earlier claim is replaced, and
        an empty range takes it back."""
        self._check_broken()
        with worded("write", self.journal_path):
            self._opened().record(slot, start, end, source)

    def end_run(self, slot: int) -> None:
        """The run is recorded and grows no more; its slot must not be used again. Runs that have ended are joined
        with their neighbours, so that a journal of very many ranges stays small."""
        with worded("write", self.journal_path):
            self._opened().end_run(slot)

    def provenance(self) -> list[Claim]:
        """Which source of the header each claimed run came from, in the order of the bytes."""
        return [Claim(slot.start, slot.end, slot.source) for slot in self._opened().runs()]

    def forget(self, start: int, end: int) -> None:
        """Claim nothing in [start, end) any more, before those bytes are fetched anew: a place that another source
        writes over must not keep its old claim. No run that is being written may reach into it."""
        with worded("write", self.journal_path):
            self._opened().forget(start, end)

    def flush(self) -> None:
        """Bring all claims of this moment to the device, then note that they are. If the device fails, what was not
        flushed before may be lost while the machine runs on, and the system tells it only once: those claims are
        taken back, and this object neither records nor finishes any more."""
        with self._flushing:
            self._flush_data(name=not self._named)
            self._named = True
            with worded("flush", self.journal_path):
                self._opened().flush()

    @phases.timed("flush")
    def _flush_data(self, *, name: bool) -> None:
        """`name` as in DataFile.flush."""
        self._check_broken()
        journal = self._opened()
        snapshot = journal.snapshot()
        try:
            self._data.flush(name=name)
        except DiskError as error:
            self._broken = error
            with contextlib.suppress(OSError):
                journal.take_back_unflushed()
            raise
        with worded("write", self.journal_path):
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
            if self._data.is_open:
                self._seal(size, durable)
        if mtime is not None:
            self._data.set_time(mtime)
        target = self.final if final is None else files.long_path(final)
        self._data.rename(target, replace=replace, durable=durable)
        named()
        with contextlib.suppress(OSError):  # a journal without data is taken over by the next run
            journal.remove()
        self.close()

    def _seal(self, size: int, durable: bool) -> None:
        """The right length, on the device if asked for, closed."""
        self._check_broken()
        self._data.trim(size)
        if self.header is not None and self.header.size != size:
            self.update_header(changed(self.header, size=size))
        if durable:
            self._flush_data(name=False)  # it gets another one in a moment
        self._data.close()

    def discard(self) -> None:
        """Remove both files and end."""
        journal = self._opened()
        with self._flushing:
            self._data.remove()
        with worded("remove", self.journal_path):
            journal.remove()

    def close(self) -> None:
        """End and keep both files, for the next run; a journal that says nothing is removed. It waits for nobody and
        does no harm when called again."""
        with contextlib.suppress(DiskError):
            self._data.close()
        if self._journal is not None:
            self._journal.close()

    def _opened(self) -> JournalFile:
        assert self._journal is not None
        return self._journal
